"""Quality numbers of a frame, under the names of their header cards."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from app.pipeline.sources import Sources

#: Stars that say how good the optics and the guiding were: clear ones, the brightest of them.
_LEAST_SNR = 10.0
_JUDGED_STARS = 300

_CLIP_SIGMA = 3.0
_CLIP_ROUNDS = 10
_SAMPLE_PIXELS = 2**22


def measure(
    sources: Sources,
    image: NDArray[np.float32],
    pixel_scale_arcsec: float | None = None,
    saturation_adu: float | None = None,
) -> dict[str, float | int]:
    """Measure a frame for its header and for the database.

    Parameters
    ----------
    sources : Sources
        Stars of the frame.
    image : ndarray, float32, shape (rows, columns)
        Counts in adu; NaN where a pixel is bad. Of a frame of over 4 million pixels evenly spaced rows count.
    pixel_scale_arcsec : float, optional
        Arc seconds per pixel.
    saturation_adu : float, optional
        Values at or over this are saturated.

    Returns
    -------
    dict
        ``NSTARS``: stars found. ``FWHMPIX``, ``L1FWHM``: median full width at half maximum in pixels and arc seconds.
        ``L1ELLIP``, ``L1ELLIPA``: median ellipticity, and mean direction of the stars' major axes in degrees from the
        x axis towards the y axis. ``L1MEAN``, ``L1MEDIAN``, ``L1SIGMA``: background in adu, stars clipped at 3 sigma.
        ``SATFRAC``: fraction of the valid pixels that is saturated. What is not known has no key.
    """
    measured: dict[str, float | int] = {"NSTARS": sources.count}
    stars = sources.take(np.nonzero(~sources.is_saturated & (sources.snr >= _LEAST_SNR))[0][:_JUDGED_STARS])
    if len(stars):
        fwhm_px = float(np.median(stars.fwhm_px))
        measured["FWHMPIX"] = round(fwhm_px, 3)
        if pixel_scale_arcsec is not None:
            measured["L1FWHM"] = round(fwhm_px * pixel_scale_arcsec, 3)
        measured["L1ELLIP"] = round(float(np.median(stars.ellipticity)), 4)
        orientation_deg = _mean_orientation(stars)
        if orientation_deg is not None:
            measured["L1ELLIPA"] = round(orientation_deg, 1)
    sample = image[:: math.ceil(image.size / _SAMPLE_PIXELS)] if image.size else image
    valid = sample[np.isfinite(sample)].astype(np.float64)
    if valid.size:
        mean_adu, median_adu, sigma_adu = _background(valid)
        measured |= {"L1MEAN": round(mean_adu, 3), "L1MEDIAN": round(median_adu, 3), "L1SIGMA": round(sigma_adu, 3)}
        if saturation_adu is not None:
            measured["SATFRAC"] = round(float(np.mean(valid >= saturation_adu)), 8)
    return measured


def _mean_orientation(stars: Sources) -> float | None:
    """Mean direction of the major axes, weighted by ellipticity; None for round stars.

    A direction has no sign: the mean is that of the doubled angles.
    """
    doubled = stars.ellipticity * np.exp(2j * np.radians(stars.orientation_deg))
    mean = complex(doubled.mean())
    return math.degrees(math.atan2(mean.imag, mean.real)) / 2.0 if abs(mean) > 0.0 else None


def _background(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, median and standard deviation without what lies over 3 sigma from the median, clipped until it settles."""
    kept = values
    for _ in range(_CLIP_ROUNDS):
        median, sigma = float(np.median(kept)), float(np.std(kept))
        inside = kept[np.abs(kept - median) <= _CLIP_SIGMA * sigma]
        if inside.size == kept.size:
            break
        kept = inside
    return float(kept.mean()), float(np.median(kept)), float(kept.std())
