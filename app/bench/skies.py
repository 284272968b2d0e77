"""Skies of which the truth is known: a field with hits of cosmic rays, and fields for the plate solver."""

from __future__ import annotations

from statistics import median
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from app.frames.star_catalogue import StarCatalogue, unit_vectors
from app.pipeline.plate_solve import Hint, Unsolved, solve
from app.pipeline.sky_fit import SkyFit, to_sky
from app.sim.sky import add_star

Floats = NDArray[np.float64]

_SHAPE = (1500, 2000)
_SCALE_ARCSEC = 3.0
_HINT_OFF_DEG = 1.0
#: Greatest distance of a right solution from the truth, anywhere in the frame.
_RIGHT_PX = 3.0


def hit_field(side: int) -> tuple[NDArray[np.float32], float, float]:
    """Stars of FWHM 3 pixels and tracks of 1 to 11 pixels, adu; gain in e-/adu and read noise in e-."""
    rng = np.random.default_rng(3)
    gain, read_noise_e = 2.0, 8.0
    light = np.full((side, side), 300.0)
    area = side * side / 2048**2
    for _ in range(int(1500 * area)):
        add_star(light, rng.uniform(0, side), rng.uniform(0, side), 10.0 ** rng.uniform(2.5, 5.5), 3.0)
    image = rng.poisson(light * gain) / gain + rng.normal(0.0, read_noise_e / gain, light.shape)
    for _ in range(int(1200 * area)):
        x, y = rng.uniform(20, side - 20, 2)
        angle, adu = rng.uniform(0.0, 2.0 * np.pi), rng.uniform(100.0, 3000.0)
        for step in range(int(rng.integers(1, 12))):
            image[int(y + step * np.sin(angle)), int(x + step * np.cos(angle))] += adu
    return np.ascontiguousarray(image, np.float32), gain, read_noise_e


def solve_fields(number: int) -> dict[str, Any]:
    """Solve star lists from all over the sky, poles and galactic plane included; half of them are mirrored.

    In every list stars are missing, magnitudes are off by 0.3, half are not in the catalogue, the lens distorts by 0.2
    %; in every fourth, clouds hide half of the field. Hints are off by up to 1 degree, and their scales by 20 %.
    """
    catalogue = StarCatalogue.embedded()
    rng = np.random.default_rng(8)
    seconds, solved, wrong = [], 0, 0
    for index in range(number):
        ra_deg = float(rng.uniform(0.0, 360.0))
        dec_deg = (
            float(np.degrees(np.arcsin(rng.uniform(-1.0, 1.0)))) if index % 10 else float(89.8 * (-1) ** (index // 10))
        )
        truth, x, y = _field(catalogue, rng, ra_deg, dec_deg, is_mirrored=bool(index % 2), is_cloudy=index % 4 == 3)
        off = np.array([rng.uniform(0.0, _HINT_OFF_DEG) * np.exp(1j * rng.uniform(0.0, 2.0 * np.pi))])
        at_ra, at_dec = to_sky(off, ra_deg, dec_deg)
        hint = Hint(float(at_ra[0]), float(at_dec[0]), 1.0, _SCALE_ARCSEC * float(rng.uniform(0.82, 1.18)))
        began_s = perf_counter()
        try:
            wcs = solve(x, y, _SHAPE, hint, catalogue).wcs
        except Unsolved:
            continue
        finally:
            seconds.append(perf_counter() - began_s)
        columns, rows = (
            axis.ravel() for axis in np.meshgrid(np.linspace(0, _SHAPE[1], 9), np.linspace(0, _SHAPE[0], 9))
        )
        apart = unit_vectors(*wcs.all_pix2world(columns, rows, 0)) - unit_vectors(*truth.sky(columns, rows))
        error_px = np.degrees(np.linalg.norm(apart, axis=1)) * 3600.0 / _SCALE_ARCSEC
        solved += 1
        wrong += int(np.median(error_px) > _RIGHT_PX)
    return {"fields": number, "solved": solved - wrong, "wrong": wrong, "median_s": median(seconds)}


def _field(
    catalogue: StarCatalogue,
    rng: np.random.Generator,
    ra_deg: float,
    dec_deg: float,
    *,
    is_mirrored: bool,
    is_cloudy: bool,
) -> tuple[SkyFit, Floats, Floats]:
    """Where a frame lies, and columns and rows of its stars, brightest first."""
    half_deg = max(_SHAPE) / 2.0 * _SCALE_ARCSEC / 3600.0
    turn = np.exp(1j * rng.uniform(0.0, 2.0 * np.pi))
    coefficients = np.zeros(10, complex)
    coefficients[1], coefficients[2] = half_deg * turn * (1 if is_mirrored else -1), half_deg * 1j * turn
    coefficients[[6, 8]] += 2e-3 * coefficients[1]
    coefficients[[7, 9]] += 2e-3 * coefficients[2]
    truth = SkyFit(ra_deg, dec_deg, _SHAPE, 3, coefficients)
    stars = catalogue.cone(ra_deg, dec_deg, 0.55 * float(np.hypot(*_SHAPE)) * _SCALE_ARCSEC / 3600.0)
    x, y = truth.pixels(stars.ra_deg, stars.dec_deg)
    seen = (x > 0) & (x < _SHAPE[1]) & (y > 0) & (y < _SHAPE[0]) & (rng.random(len(x)) > 0.12)
    if is_cloudy:
        seen &= x < _SHAPE[1] / 2
    number = int(seen.sum())
    magnitude = stars.magnitude[seen] + rng.normal(0.0, 0.3, number)
    unknown = number + 30
    fainter = (np.median(magnitude) if number else 10.0) + rng.exponential(1.5, unknown)
    x = np.concatenate([x[seen] + rng.normal(0.0, 0.2, number), rng.uniform(0.0, _SHAPE[1], unknown)])
    y = np.concatenate([y[seen] + rng.normal(0.0, 0.2, number), rng.uniform(0.0, _SHAPE[0], unknown)])
    order = np.argsort(np.concatenate([magnitude, fainter]))[:200]
    return truth, x[order], y[order]
