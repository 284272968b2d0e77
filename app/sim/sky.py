"""Physics of a simulated camera under a simulated sky: from stars to raw counts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.special import erf

from app.frames.star_catalogue import CatalogueStars

Floats = NDArray[np.float64]

_FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))
_STAMP_SIGMAS = 6.0  # the light outside of it is below 1e-8
_DUST_REACH_PX = 40


def render_light(
    wcs: WCS,
    stars: CatalogueStars,
    shape: tuple[int, int],
    *,
    exposure_s: float,
    fwhm_px: float,
    zero_point_mag: float,
    sky_e_per_s: float,
) -> Floats:
    """Electrons that the sky is expected to release in each pixel, before flat field and noise.

    Parameters
    ----------
    wcs : WCS
        Where the frame lies on the sky.
    stars : CatalogueStars
        Stars in and around the frame.
    shape : tuple of int
        Rows and columns.
    exposure_s : float
        Exposure time in seconds.
    fwhm_px : float
        Full width at half maximum of a star, a round Gaussian integrated over each pixel.
    zero_point_mag : float
        Magnitude of a star which gives one electron per second.
    sky_e_per_s : float
        Background in electrons per second and pixel.

    Returns
    -------
    ndarray, float64, shape (rows, columns)
        Expected electrons.
    """
    light = np.full(shape, sky_e_per_s * exposure_s)
    if not len(stars):
        return light
    x_px, y_px = wcs.all_world2pix(stars.ra_deg, stars.dec_deg, 0)
    fluxes_e = exposure_s * 10.0 ** (0.4 * (zero_point_mag - stars.magnitude))
    for x, y, flux_e in zip(x_px, y_px, fluxes_e, strict=True):
        add_star(light, float(x), float(y), float(flux_e), fwhm_px)
    return light


def add_star(light: Floats, x_px: float, y_px: float, flux_e: float, fwhm_px: float) -> None:
    """Add a round Gaussian star, integrated exactly over each pixel.

    Parameters
    ----------
    light : ndarray, float64, shape (rows, columns)
        Electrons; changed in place. Light that falls outside of it is lost.
    x_px, y_px : float
        Centre (column, row), 0-based.
    flux_e : float
        All electrons of the star.
    fwhm_px : float
        Full width at half maximum.
    """
    sigma_px = fwhm_px / _FWHM_PER_SIGMA
    reach_px = _STAMP_SIGMAS * sigma_px + 1.0
    (rows, along_rows), (columns, along_columns) = (
        _shares(centre, reach_px, size, sigma_px) for centre, size in zip((y_px, x_px), light.shape, strict=True)
    )
    light[rows, columns] += flux_e * along_rows[:, None] * along_columns


def _shares(centre_px: float, reach_px: float, size: int, sigma_px: float) -> tuple[slice, Floats]:
    """Pixels of one axis that a Gaussian reaches, and the share of its light in each."""
    first = min(max(math.floor(centre_px - reach_px), 0), size)
    last = min(max(math.ceil(centre_px + reach_px) + 1, first), size)
    edges = (np.arange(first, last + 1) - 0.5 - centre_px) / (math.sqrt(2.0) * sigma_px)
    return slice(first, last), 0.5 * np.diff(erf(edges))


@dataclass(frozen=True, slots=True, eq=False)
class Camera:
    """A CCD camera whose every imperfection is known.

    Attributes
    ----------
    bias_adu : ndarray, float64, shape (rows, columns)
        Level of a frame without light and time, with its fixed pattern.
    dark_e_per_s : ndarray, float64, shape (rows, columns)
        Dark current, hot pixels among it.
    flat : ndarray, float64, shape (rows, columns)
        Response to an evenly lit field; its median is 1.
    read_noise_e : float
        Standard deviation of the read noise.
    gain_e_per_adu : float
        Electrons per count.
    saturation_adu : int
        Highest count.
    """

    bias_adu: Floats
    dark_e_per_s: Floats
    flat: Floats
    read_noise_e: float = 7.0
    gain_e_per_adu: float = 1.3
    saturation_adu: int = 65535

    def expose(
        self, rng: np.random.Generator, exposure_s: float = 0.0, light_e: Floats | None = None
    ) -> NDArray[np.uint16]:
        """Take a frame: a bias without time, a dark without light, a flat with even light, a light with stars.

        Parameters
        ----------
        rng : numpy.random.Generator
            Source of the noise; the same state gives the same frame.
        exposure_s : float
            Exposure time in seconds.
        light_e : ndarray, float64, shape (rows, columns), or None
            Electrons that the light is expected to release where the response is 1; None keeps the shutter closed.

        Returns
        -------
        ndarray, uint16, shape (rows, columns)
            Raw counts: bias + (Poisson(light * flat + dark * time) + read noise) / gain, rounded, up to saturation.
        """
        expected_e = self.dark_e_per_s * exposure_s
        if light_e is not None:
            expected_e = expected_e + light_e * self.flat
        electrons = rng.poisson(expected_e) + rng.normal(0.0, self.read_noise_e, expected_e.shape)
        counts = np.rint(self.bias_adu + electrons / self.gain_e_per_adu)
        return np.clip(counts, 0, self.saturation_adu).astype(np.uint16)


def bias_pattern(shape: tuple[int, int], level_adu: float, rng: np.random.Generator) -> Floats:
    """A bias with a fixed pattern of columns (2 ADU) and a slope of 6 ADU from the first row to the last."""
    columns = rng.normal(0.0, 2.0, shape[1])
    return level_adu + columns + np.linspace(-3.0, 3.0, shape[0])[:, None]


def dark_pattern(shape: tuple[int, int], e_per_s: float, hot_pixels: int, rng: np.random.Generator) -> Floats:
    """A dark current with an amplifier's glow in one corner, and single hot pixels of 5 to 400 e-/s."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    glow = 2.0 * np.exp(-np.hypot(rows, columns) / (0.06 * max(shape)))
    dark = e_per_s + glow
    hot = rng.choice(dark.size, hot_pixels, replace=False)
    dark.flat[hot] += np.exp(rng.uniform(math.log(5.0), math.log(400.0), hot_pixels))
    return dark


def flat_pattern(shape: tuple[int, int], vignetting: float, dust: int, rng: np.random.Generator) -> Floats:
    """A response with vignetting (loss in the corners, 0 to 1), rings of dust and 1 % from pixel to pixel; median 1."""
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    middle_row, middle_column = (shape[0] - 1) / 2.0, (shape[1] - 1) / 2.0
    distance = np.hypot(rows - middle_row, columns - middle_column) / math.hypot(middle_row, middle_column)
    flat = 1.0 - vignetting * distance**2
    for _ in range(dust):
        row, column = rng.uniform(0, shape[0]), rng.uniform(0, shape[1])
        radius_px, depth = rng.uniform(10.0, 25.0), rng.uniform(0.03, 0.10)
        near = (
            slice(max(int(row) - _DUST_REACH_PX, 0), int(row) + _DUST_REACH_PX),
            slice(max(int(column) - _DUST_REACH_PX, 0), int(column) + _DUST_REACH_PX),
        )
        from_ring_px = np.hypot(rows[near[0]] - row, columns[:, near[1]] - column) - radius_px
        flat[near] *= 1.0 - depth * np.exp(-((from_ring_px / 3.0) ** 2))
    flat *= rng.normal(1.0, 0.01, shape)
    return flat / np.median(flat)
