"""Calibration of a light by dark and flat, against Siril and ccdproc; start-up is taken off all of them.

Ours is the task of the Processor's step, from the raw files and the masters' files to the drafts in their places: reading
of all of them, band by band, the masters once for as many lights as a task has at most; the arithmetic, the flags of the
masters and of the light in a DQ plane, and the digest that the draft is known by. The SHA-256 and the forcing onto the
disk are not in it: they come when the light is measured and gets its last cards. ccdproc has the same masters with the
same flags, and keeps them in memory from light to light; neither it nor Siril has a digest, and Siril no flags. It is
used as its documentation does, where the numbers of a camera become float64 by themselves. All write where no file was.

The dark has the exposure of the light, so that the bias is in it; one row more has bias and dark subtracted both, as for
a dark of another exposure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from app.bench import siril
from app.bench.cost import Cost, child, middle, paired, ratio
from app.bench.place import Place, write_even_frames
from app.bench.table import Row

#: The first loads the kernels; the others are two tasks of the Processor.
_LIGHTS = 9
#: Of the pixels, bad in each master.
_BAD_PART = 5e-5


def measure(place: Place) -> Iterator[Row]:
    """Figures of single lights."""
    side = 2048 if place.is_quick else 4096
    place.need((2 * _LIGHTS + 9 * 3) * side * side + 3 * _LIGHTS * 9 * side * side)
    place.say(f"writing {_LIGHTS} lights and masters of {side} x {side}")
    lights = write_even_frames(place.sub("lights"), _LIGHTS, side)
    masters = _masters(place.sub("masters"), side)
    out = place.sub("out")

    def light(name: str, *options: str) -> Callable[[], Cost]:
        def run() -> Cost:
            _remove(out.iterdir())
            return child(name, place.folder, out, *masters, *options, *lights)

        return run

    yield _against_siril(place, lights, masters, light("calibrate", "dark", "no"), side)
    rounds = 1 if place.is_quick else place.rounds
    for subtracted, uncertain, words, limit in (
        ("dark", "no", "without uncertainty", 0.2),
        ("bias and dark", "no", "without uncertainty, bias and dark subtracted", None),
        ("dark", "yes", "with uncertainty", 0.1),
    ):
        place.say(f"in turn with ccdproc, {words}")
        theirs = light("ccdproc_calibrate", subtracted, uncertain)
        mine, other = paired(rounds, light("calibrate", subtracted, uncertain), theirs)
        what = f"one light of {side}^2, {words}, CPU: ours / ccdproc"
        took = f"{middle(mine, _each):.3f} s / {middle(other, _each):.3f} s"
        yield Row("calibrate", what, ratio(mine, other, _each), limit=limit, details=took)


def _against_siril(place: Place, lights: list[Path], masters: list[Path], light: Callable[[], Cost], side: int) -> Row:
    what = f"one light of {side}^2, CPU: ours / Siril"
    if siril.siril() is None:
        return Row("calibrate", what, None, limit=0.4, details=siril.MISSING)
    place.say("in turn with Siril")
    few = place.sub("few")
    for file in lights[:2]:  # a sequence has two frames at least
        (few / file.name).hardlink_to(file)
    _, dark, flat = (file.with_suffix("") for file in masters)
    command = f"preprocess raw_ -dark={dark} -flat={flat}"

    def theirs(folder: Path) -> Cost:
        _remove(folder.glob("pp_*"))
        return siril.run(folder, command)

    mine, less, more = paired(place.rounds, light, lambda: theirs(few), lambda: theirs(lights[0].parent))
    theirs_s = (middle(more) - middle(less)) / (len(lights) - 2)
    ours_s = middle(mine, _each)
    return Row("calibrate", what, ours_s / theirs_s, limit=0.4, details=f"{ours_s:.3f} s / {theirs_s:.3f} s")


def _remove(files: Iterable[Path]) -> None:
    """What the round before wrote: to replace it is work that a night does not have."""
    for file in tuple(files):
        file.unlink()


def _each(cost: Cost) -> float:
    return float(cost.said["cpu_s"])


def _masters(folder: Path, side: int) -> list[Path]:
    from astropy.io.fits import Header

    from app.frames.product_file import PIXELS, NewProduct
    from app.pipeline.calibrating import DQ, UNCERT

    rng = np.random.default_rng(6)
    shape = side, side
    paths = []
    for name, level in (("bias", 1000.0), ("dark", 1050.0), ("flat", 20000.0)):
        paths.append(folder / f"{name}.fits")
        with NewProduct(paths[-1], Header(), shape, (PIXELS, DQ, UNCERT)) as product:
            product.layout.write(0, 0, rng.normal(level, 3.0, shape))
            product.layout.write(1, 0, rng.random(shape, np.float32) < _BAD_PART)
            product.layout.write(2, 0, np.ones(shape, np.float32))
            product.finish()
    return paths
