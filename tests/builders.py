"""Small nights with known physics, for tests that need frames and not the sky."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

SIDE = 200
BIAS_ADU = 300.0
DARK_ADU_PER_S = 2.0
SKY_ADU = 200.0


@dataclass(frozen=True)
class SmallNight:
    """A night whose every part is known."""

    folder: Path
    flat: np.ndarray[Any, Any]
    shifts: tuple[tuple[int, int], ...]


def frame(path: Path, counts: np.ndarray[Any, Any], kind: str, exposure_s: float, **cards: Any) -> Path:
    """Write one raw frame with an honest header."""
    header = fits.Header()
    header["IMAGETYP"], header["EXPTIME"], header["INSTRUME"] = kind, exposure_s, "small camera"
    header["XBINNING"] = header["YBINNING"] = 1
    header["CCD-TEMP"] = -10.0
    for name, value in cards.items():
        header[name.replace("_", "-")] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(counts.astype(np.uint16), header).writeto(path, overwrite=True)
    return path


def small_night(folder: Path, seed: int = 1) -> SmallNight:
    """Three bias, darks and flats, and three dithered lights of 20 stars."""
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(float)
    flat = 1.0 - 0.2 * ((x - SIDE / 2) ** 2 + (y - SIDE / 2) ** 2) / SIDE**2
    flat /= np.median(flat)
    noise = lambda: rng.normal(0.0, 3.0, (SIDE, SIDE))  # noqa: E731
    for n in range(3):
        frame(folder / f"bias_{n}.fits", BIAS_ADU + noise(), "BIAS", 0.0)
        frame(folder / f"dark_{n}.fits", BIAS_ADU + 30 * DARK_ADU_PER_S + noise(), "DARK", 30.0)
        level = 20000.0 * (1.0 - 0.2 * n)
        frame(folder / f"flat_{n}.fits", BIAS_ADU + level * flat + noise(), "FLAT", 1.0, FILTER="R")
    stars = rng.uniform(30, SIDE - 30, (20, 2))
    peaks = rng.uniform(2000, 20000, 20)
    shifts = ((0, 0), (3, -2), (-4, 5))
    for n, (dx, dy) in enumerate(shifts):
        light = np.full((SIDE, SIDE), SKY_ADU)
        for (star_x, star_y), peak in zip(stars, peaks, strict=True):
            light += peak * np.exp(-((x - star_x - dx) ** 2 + (y - star_y - dy) ** 2) / (2 * 1.5**2))
        counts = BIAS_ADU + 30 * DARK_ADU_PER_S + light * flat + noise()
        frame(
            folder / f"light_{n}.fits",
            counts,
            "LIGHT",
            30.0,
            FILTER="R",
            OBJECT="field",
            DATE_OBS=f"2026-03-14T22:0{n}:00",
        )
    return SmallNight(folder, flat, shifts)
