"""Registration of lights: stars, alignment, and resampling to files, against Siril."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from app.bench import siril
from app.bench.cost import Cost, child, middle, paired, ratio
from app.bench.place import Place
from app.bench.table import Row
from app.sim.big_night import BigNight, write_big_night

_BIAS_ADU = 1000.0


def measure(place: Place) -> Iterator[Row]:
    """Cost against Siril, and how far stars are off."""
    side, lights = (2048, 4) if place.is_quick else (4096, 8)
    place.need(lights * 12 * side * side)
    place.say(f"rendering {lights} lights of {side} x {side}")
    night = BigNight(side, side, biases=0, darks=0, flats=0, lights=lights)
    shifts_px = write_big_night(place.sub("raw"), night)
    files = _as_float(sorted(place.sub("raw").glob("*.fits")), place.sub("lights"))

    def ours() -> Cost:
        return child("register", place.folder, place.folder, *files)

    said = ours().said  # and compiles the kernels
    what = f"{lights} lights of {side}^2, CPU of a process: ours / Siril"
    if siril.siril() is None:
        yield Row("register", what, None, limit=0.35, details=siril.MISSING)
    else:
        place.say("in turn with Siril")
        mine, other = paired(place.rounds, ours, lambda: siril.run(files[0].parent, "register raw_"))
        took = f"{middle(mine):.2f} s / {middle(other):.2f} s"
        yield Row("register", what, ratio(mine, other), limit=0.35, details=took)
    errors_px = _errors_px(np.array(said["matrices"]), np.array(shifts_px[1:]), side)
    details = f"worst corner of {lights - 1} lights {errors_px.max():.3f} px; {said['stars']} stars"
    yield Row(
        "register", "residual, rms over the corners", float(np.sqrt((errors_px**2).mean())), "px", 0.05, details=details
    )


def _as_float(raw: list[Path], folder: Path) -> list[Path]:
    """The same frames as float32 without bias, for both alike."""
    from astropy.io import fits

    files = []
    for number, file in enumerate(raw, 1):
        counts, header = fits.getdata(file), fits.getheader(file)
        for name in ("BZERO", "BSCALE"):
            header.pop(name, None)
        files.append(folder / f"raw_{number:05d}.fits")
        fits.writeto(files[-1], counts.astype(np.float32) - np.float32(_BIAS_ADU), header)
    return files


def _errors_px(
    matrices: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    shifts_px: np.ndarray[tuple[int, ...], np.dtype[np.float64]],
    side: int,
) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """How far the corners of each light come to lie from where they belong."""
    corners = np.array([(x, y) for x in (0.0, side - 1.0) for y in (0.0, side - 1.0)])
    found = np.einsum("nij,cj->nci", matrices[:, :, :2], corners) + matrices[:, None, :, 2]
    errors: np.ndarray[tuple[int, ...], np.dtype[np.float64]] = np.linalg.norm(
        found - (corners - shifts_px[:, None, :]), axis=2
    )
    return errors
