"""How much of the starlight arrives: the zero point of a frame by the stars of the embedded catalogue."""

from __future__ import annotations

import math

import numpy as np
from astropy.wcs import WCS
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from app.frames.star_catalogue import CatalogueStars, StarCatalogue, unit_vectors
from app.frames.world_coordinates import pixel_scales_deg
from app.pipeline.plate_solve import CATALOGUE_NAME
from app.pipeline.quality import LEAST_SNR
from app.pipeline.sources import FWHM_PER_SIGMA, Sources

Floats = NDArray[np.float64]

#: Zero point, its scatter, its stars, its catalogue, and what follows from it.
Numbers = dict[str, float | int | str]

#: A star may lie so far from its place in the catalogue: by error, and by 25 years of proper motion.
_NEAR_PX, _NEAR_ARCSEC = 2.0, 2.0
_LEAST_STARS = 5
_CLIP_SIGMA = 3.0
_CLIP_ROUNDS = 10
#: More than colours explain: wrong stars.
_MOST_RMS_MAG = 0.7
_LIMIT_SNR = 5.0


def zero_point(
    sources: Sources,
    wcs: WCS,
    shape: tuple[int, int],
    exposure_s: float | None,
    fwhm_px: float | None,
    catalogue: StarCatalogue,
) -> Numbers:
    """Compare the stars of a frame with the catalogue.

    The catalogue's VT magnitudes are not those of the frame's filter: the zero point tells one frame through a filter
    from the next, and clouds from a clear sky; it is no photometry.

    Parameters
    ----------
    sources : Sources
        Stars of the frame.
    wcs : WCS
        Its world coordinates, whoever found them.
    shape : tuple of int
        Rows and columns of the frame.
    exposure_s : float or None
        Exposure time in seconds.
    fwhm_px : float or None
        Width of its stars.
    catalogue : StarCatalogue
        The stars of the sky.

    Returns
    -------
    dict
        ``MAGZP``: mean of ``VT + 2.5 log10(flux / exposure)`` of the matched stars without outliers, the magnitude of
        a star of 1 adu/s. ``MAGZPRMS``: their standard deviation. ``MAGZPN``: how many. ``MAGZPCAT``: the catalogue.
        ``MAGLIM``: magnitude of a star of 5 times the noise of the sky in its equivalent area, 4 pi sigma**2 for a
        Gaussian (King 1983, PASP 95, 163). Nothing without an exposure time, or with fewer than 5 stars that agree.
    """
    usable = sources.take(~sources.is_saturated & (sources.snr >= LEAST_SNR))
    if not exposure_s or exposure_s <= 0.0 or not len(usable):
        return {}
    magnitude, flux_adu = _matched(usable, wcs, shape, catalogue)
    zero_points = _agreeing(magnitude + 2.5 * np.log10(flux_adu / exposure_s))
    if len(zero_points) < _LEAST_STARS or float(zero_points.std()) > _MOST_RMS_MAG:
        return {}
    zero_point_mag = float(zero_points.mean())
    found: Numbers = {
        "MAGZP": round(zero_point_mag, 3),
        "MAGZPRMS": round(float(zero_points.std()), 3),
        "MAGZPN": len(zero_points),
        "MAGZPCAT": CATALOGUE_NAME,
    }
    if fwhm_px is not None and sources.noise_adu > 0.0:
        area_px = 4.0 * math.pi * (fwhm_px / FWHM_PER_SIGMA) ** 2
        faintest_adu = _LIMIT_SNR * sources.noise_adu * math.sqrt(area_px)
        found["MAGLIM"] = round(zero_point_mag - 2.5 * math.log10(faintest_adu / exposure_s), 3)
    return found


def _matched(sources: Sources, wcs: WCS, shape: tuple[int, int], catalogue: StarCatalogue) -> tuple[Floats, Floats]:
    """Magnitude and flux of the stars that are each other's nearest, and near."""
    stars = _in_frame(wcs, shape, catalogue)
    seen = unit_vectors(*wcs.all_pix2world(sources.x, sources.y, 0))
    is_seen = np.isfinite(seen).all(axis=1)
    seen, flux_adu = seen[is_seen], sources.flux_adu[is_seen]
    if not len(stars) or not len(seen):
        return np.empty(0), np.empty(0)
    known = unit_vectors(stars.ra_deg, stars.dec_deg)
    scale_arcsec = float(np.mean(pixel_scales_deg(wcs))) * 3600.0
    near = math.radians(max(_NEAR_PX * scale_arcsec, _NEAR_ARCSEC) / 3600.0)
    apart, star = (np.asarray(part) for part in cKDTree(known).query(seen, distance_upper_bound=near))
    back = np.asarray(cKDTree(seen).query(known)[1])
    at = np.flatnonzero(np.isfinite(apart))
    at = at[back[star[at]] == at]
    return stars.magnitude[star[at]], flux_adu[at]


def _in_frame(wcs: WCS, shape: tuple[int, int], catalogue: StarCatalogue) -> CatalogueStars:
    """Stars of the circle around the frame."""
    rows, columns = shape
    x = np.array([(columns - 1) / 2.0, 0.0, columns - 1.0, 0.0, columns - 1.0])
    y = np.array([(rows - 1) / 2.0, 0.0, 0.0, rows - 1.0, rows - 1.0])
    ra_deg, dec_deg = wcs.all_pix2world(x, y, 0)
    directions = unit_vectors(ra_deg, dec_deg)
    chord = float(np.nanmax(np.linalg.norm(directions[1:] - directions[0], axis=1), initial=0.0))
    return catalogue.cone(float(ra_deg[0]), float(dec_deg[0]), math.degrees(2.0 * math.asin(chord / 2.0)))


def _agreeing(values: Floats) -> Floats:
    """Values within 3 robust standard deviations (1.4826 median deviations) of the median, until it settles."""
    kept = values
    for _ in range(_CLIP_ROUNDS):
        if not len(kept):
            break
        deviation = np.abs(kept - np.median(kept))
        inside = deviation <= max(_CLIP_SIGMA * 1.4826 * float(np.median(deviation)), 1e-6)
        if inside.all():
            break
        kept = kept[inside]
    return kept
