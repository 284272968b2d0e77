"""The tasks that run in a process of their own: ``python -m app.bench.children TASK ARGUMENTS``, one line of JSON out.

Each imports what it needs and nothing else, as a user's script would.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time
from typing import Any

from app.bootstrap.program import importing

Said = dict[str, Any]


def go_on() -> None:
    """Nobody cancels a benchmark."""


def stack(method: str, target: str, *files: str) -> Said:
    """Stack raw frames."""
    with importing():
        import numpy as np
        from astropy.io.fits import Header

        from app.frames.fits_io import examine
        from app.frames.product_file import NewProduct
        from app.pipeline.kernels.stack import Method, StackRule, combine
        from app.pipeline.raw_stack import stack_jobs, stack_rows
        from app.pipeline.workers import ThreadWorkers

    frames = tuple(examine(Path(file)) for file in files)
    rule = StackRule(Method(method))
    combine(np.zeros((2, 1), np.uint16), rule, np.empty(1, np.float32), encoding=frames[0].encoding)
    with NewProduct(Path(target), Header(), (frames[0].rows, frames[0].columns)) as product:
        began_s = process_time()  # with the kernels loaded
        jobs = stack_jobs(frames, rule, product.layout)
        with ThreadWorkers().each(stack_rows, jobs, go_on) as futures:
            for future in futures:
                future.result()
        took_s = process_time() - began_s
        product.finish()
    return {"cpu_s": took_s}


def read(*files: str) -> Said:
    """Read files that the system has in memory, and do nothing with them."""
    buffer = bytearray(2**22)
    began_s = process_time()
    for file in files:
        with Path(file).open("rb", buffering=0) as opened:
            while opened.readinto(buffer):
                pass
    return {"cpu_s": process_time() - began_s}


def ccdproc_stack(method: str, target: str, *files: str) -> Said:
    """Stack raw frames as the documentation of ccdproc says, with the functions that astropy clips fastest with.

    `ccdproc.combine` clips once; here it goes on until nothing more is rejected, as ours does.
    """
    import ccdproc
    from ccdproc import combiner

    once = combiner.sigma_clip
    combiner.sigma_clip = lambda *args, **options: once(*args, **{**options, "maxiters": None})
    clip = {} if method == "median" else {
        "sigma_clip": True, "sigma_clip_func": "median", "sigma_clip_dev_func": "std",
        "sigma_clip_low_thresh": 3, "sigma_clip_high_thresh": 3,
    }  # fmt: skip
    began_s = process_time()
    combined = ccdproc.combine(
        list(files), method="median" if method == "median" else "average", unit="adu", mem_limit=2e9, dtype="f4", **clip
    )
    combined.write(target, overwrite=True)
    return {"cpu_s": process_time() - began_s}


def numpy_stack(method: str, target: str, *files: str) -> Said:
    """Stack raw frames with numpy alone, all of them in memory."""
    import numpy as np
    from astropy.io import fits

    frames = np.stack([fits.getdata(file) for file in files])
    fits.writeto(target, np.median(frames, axis=0).astype(np.float32), overwrite=True)
    return {"method": method}


def calibrate(folder: str, bias: str, dark: str, flat: str, subtracted: str, uncertain: str, *files: str) -> Said:
    """Calibrate lights, some at a time, as the Processor does; CPU of each after the first."""
    with importing():
        from astropy.io.fits import Header

        from app.frames.fits_io import examine
        from app.pipeline.calibrating import LightJob, Master, Noise, Subtraction, calibrate_lights
        from app.pipeline.products import TOGETHER

    masters = [
        Master(*(examine(Path(file), plane=plane) for plane in ("", "DQ", "UNCERT"))) for file in (bias, dark, flat)
    ]
    subtraction = Subtraction(masters[0] if subtracted == "bias and dark" else None, masters[1])

    def made(*some: str) -> None:
        jobs = [
            LightJob(
                examine(file),
                Path(folder) / f"ours_{file.name}",
                Header(),
                subtraction,
                masters[2],
                0.2,
                60000.0,
                noise=Noise(1.3, 7.0) if uncertain == "yes" else None,
            )
            for file in map(Path, some)
        ]
        for outcome in calibrate_lights(jobs, go_on):
            if isinstance(outcome, Exception):
                raise outcome

    made(files[0])  # loads the kernels
    began_s, others = process_time(), files[1:]
    for first in range(0, len(others), TOGETHER):
        made(*others[first : first + TOGETHER])
    return {"cpu_s": (process_time() - began_s) / len(others)}


def ccdproc_calibrate(
    folder: str, bias: str, dark: str, flat: str, subtracted: str, uncertain: str, *files: str
) -> Said:
    """Calibrate lights as the documentation of ccdproc says; the masters stay in memory."""
    import warnings

    import ccdproc
    import numpy as np
    from astropy import units
    from astropy.nddata import CCDData, StdDevUncertainty

    warnings.simplefilter("ignore")
    masters = [CCDData.read(file, unit="adu", hdu_mask="DQ", hdu_uncertainty="none") for file in (bias, dark, flat)]
    if subtracted == "bias and dark":
        masters[1].data = masters[1].data - masters[0].data
    gain, noise = 1.3 * units.electron / units.adu, 7.0 * units.electron
    if uncertain == "yes":
        for master in masters:
            master.uncertainty = StdDevUncertainty(np.ones(master.shape, np.float32))
    took_s: list[float] = []
    for file in map(Path, files):
        light = CCDData.read(file, unit="adu")
        if uncertain == "yes":
            light = ccdproc.create_deviation(light, gain=gain, readnoise=noise)
        if subtracted == "bias and dark":
            light = ccdproc.subtract_bias(light, masters[0])
        second = 1.0 * units.second
        light = ccdproc.subtract_dark(light, masters[1], dark_exposure=second, data_exposure=second)
        light = ccdproc.flat_correct(light, masters[2])
        light.write(Path(folder) / f"ccdproc_{file.name}", overwrite=True)
        took_s.append(process_time())
    return {"cpu_s": (took_s[-1] - took_s[0]) / (len(took_s) - 1)}


def register(folder: str, *files: str) -> Said:
    """Find the stars of lights, align each with the first, and resample it; the matrices are said."""
    with importing():
        from functools import partial

        import numpy as np
        from astropy.io.fits import Header

        from app.frames.fits_io import FrameReader, examine
        from app.frames.product_file import NewProduct
        from app.pipeline.align import register_sources
        from app.pipeline.sources import detect_file
        from app.pipeline.warp import warp_rows
        from app.pipeline.workers import ThreadWorkers

    paths = [Path(file) for file in files]
    with ThreadWorkers().each(_stars, paths, go_on) as futures:
        stars = [future.result() for future in futures]
    smooth_px = stars[0].smooth_px
    stars = [
        one if one.smooth_px == smooth_px else detect_file(path, smooth_px=smooth_px, check=go_on)
        for one, path in zip(stars, paths, strict=True)
    ]
    found = [register_sources(one, stars[0]) for one in stars[1:]]

    def warp(job: tuple[Path, Any], _check: Callable[[], None]) -> None:
        path, matrix = job
        with FrameReader(examine(path)) as light:
            shape = light.rows, light.columns
            with NewProduct(Path(folder) / f"ours_{path.name}", Header(), shape, is_draft=True) as product:
                for first in range(0, shape[0], 128):
                    last = min(first + 128, shape[0])
                    product.layout.write(0, first, warp_rows(light.read, shape, matrix, first, last, shape[1]))
                product.finish()

    matrices = [np.eye(2, 3), *(alignment.matrix for alignment in found)]
    jobs = list(zip(paths, matrices, strict=True))  # the first, too: Siril writes all of them
    with ThreadWorkers().each(partial(warp), jobs, go_on) as futures:
        for future in futures:
            future.result()
    return {"matrices": [alignment.matrix.tolist() for alignment in found], "stars": len(stars[0])}


def _stars(path: Path, check: Callable[[], None]) -> Any:
    from app.pipeline.sources import detect_file

    return detect_file(path, check=check)


def detect(rounds: str, file: str) -> Said:
    """Find the stars of a frame on disk, and with sep, in turn."""
    import numpy as np
    import sep
    from astropy.io import fits

    from app.pipeline.sources import detect_file

    detect_file(Path(file), check=go_on)
    ours, theirs = [], []
    for _ in range(int(rounds)):
        began_s = process_time()
        stars = len(detect_file(Path(file), check=go_on))
        ours.append(process_time() - began_s)
        began_s = process_time()
        counts = fits.getdata(file).astype(np.float32)
        background = sep.Background(counts)
        background.subfrom(counts)
        objects = len(sep.extract(counts, 5.0, err=background.globalrms))
        theirs.append(process_time() - began_s)
    return {"ours_s": ours, "sep_s": theirs, "stars": stars, "objects": objects}


def cosmic(rounds: str, folder: str, side: str) -> Said:
    """Flag the cosmic rays of a rendered frame, and find them with astroscrappy, in turn."""
    import astroscrappy
    import numpy as np
    from astropy.io import fits

    from app.bench.skies import hit_field
    from app.frames.product_file import PIXELS, NewProduct
    from app.model.flags import Dq
    from app.pipeline.calibrating import DQ
    from app.pipeline.cosmics import CosmicSearch, flag_cosmics
    from app.pipeline.kernels.cosmic import PixelNoise

    image, gain, read_noise_e = hit_field(int(side))
    options = {"sigclip": 4.5, "sigfrac": 0.3, "objlim": 5.0, "niter": 1, "satlevel": 1e9}
    ours, theirs = [], []
    for _ in range(int(rounds) + 1):  # the first loads the kernels
        with NewProduct(Path(folder) / "hit.fits", fits.Header(), image.shape, (PIXELS, DQ)) as product:
            product.layout.write(0, 0, image)
            search = CosmicSearch(PixelNoise(read_noise_e / gain, 1.0 / gain))
            began_s = process_time()
            flag_cosmics(product.layout, 1, search, go_on)
            ours.append(process_time() - began_s)
            product.finish()
        began_s = process_time()
        astroscrappy.detect_cosmics(image, gain=gain, readnoise=read_noise_e, **options)
        theirs.append(process_time() - began_s)
    exact, _ = astroscrappy.detect_cosmics(image, gain=gain, readnoise=read_noise_e, sepmed=False, **options)
    edge = np.s_[8:-8, 8:-8]
    marked = (fits.getdata(Path(folder) / "hit.fits", "DQ")[edge] & Dq.COSMIC) > 0
    both = int((marked & exact[edge]).sum())
    return {
        "ours_s": ours[1:],
        "astroscrappy_s": theirs[1:],
        "recall": both / int(exact[edge].sum()),
        "confirmation": both / int(marked.sum()),
        "pixels": int(marked.sum()),
    }


def astrometry(number: str) -> Said:
    """Solve fields all over the sky, by their lists of stars."""
    from app.bench.skies import solve_fields

    return solve_fields(int(number))


TASKS: dict[str, Callable[..., Said]] = {
    task.__name__: task
    for task in (
        stack, read, ccdproc_stack, numpy_stack, calibrate, ccdproc_calibrate, register, detect, cosmic, astrometry,
    )
}  # fmt: skip

if __name__ == "__main__":
    sys.stdout.write(json.dumps(TASKS[sys.argv[1]](*sys.argv[2:])) + "\n")
    sys.stdout.flush()
    os._exit(0)  # so does that child: to take down what was imported takes a second more; the others profit, too
