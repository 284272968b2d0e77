"""Quality numbers of a frame, under the names of their header cards."""

from __future__ import annotations

import math
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import FrameReader
from app.frames.headers import locate_plane
from app.model.flags import Dq
from app.pipeline.sources import FWHM_PER_SIGMA, Sources
from app.pipeline.workers import Check

Numbers = dict[str, float | int]

#: Stars that say how good the optics and the guiding were: clear ones, the brightest of them.
LEAST_SNR = 10.0
_JUDGED_STARS = 300

#: Stars that stand out best at this smoothing, 14 px wide, are out of focus; so wide ones are if their shape is odd.
_OUT_OF_FOCUS_PX, _WIDE_PX = 6.0, 8.0
#: Peak times 2 pi sigma**2 over flux is 1 for a Gaussian; a disc has less, a ring more. Of the brightest stars.
_LIKE_STARS = (0.8, 1.25)
_SHAPED_STARS = 20
#: The noise of a fainter peak makes it look like a ring; and fewer stars than this may all be lumps of a nebula.
_SHAPED_SNR, _LEAST_SHAPED = 10.0, 5

_CLIP_SIGMA = 3.0
_CLIP_ROUNDS = 10
_SAMPLED_PIXELS = 2**20
_BAD = Dq.BAD | Dq.NO_FLAT | Dq.COSMIC | Dq.DEAD | Dq.NO_DATA


@dataclass(frozen=True, slots=True, eq=False)
class Sample:
    """Evenly spaced rows of a frame.

    Attributes
    ----------
    values : ndarray, float32, shape (pixels,)
        Of its valid pixels, adu.
    saturated_part : float or None
        Of these pixels; None when nobody knows which are saturated.
    """

    values: NDArray[np.float32]
    saturated_part: float | None


def sample_of(path: Path, saturation_adu: float | None, check: Check) -> Sample:
    """Take rows of a product, all together a million pixels or a little more.

    Parameters
    ----------
    path : Path
        A float32 image; of its plane DQ, where it has one, good and saturated pixels are taken.
    saturation_adu : float, optional
        Values at or over this are saturated, where there is no plane DQ.
    check : callable
        Raises when the work should stop.

    Raises
    ------
    FrameError
        The file cannot be read.
    """
    values, saturated = [], 0
    with ExitStack() as stack:
        pixels = stack.enter_context(FrameReader(path))
        has_flags = locate_plane(path, "DQ") is not None
        flags = stack.enter_context(FrameReader(path, plane="DQ")) if has_flags else None
        for row in range(0, pixels.rows, math.ceil(pixels.rows * pixels.columns / _SAMPLED_PIXELS)):
            check()
            found = pixels.read(row, row + 1)[0]
            is_valid = np.isfinite(found)
            if flags is not None:
                dq = flags.read(row, row + 1)[0]
                is_valid &= (dq & np.uint8(_BAD)) == 0
                saturated += int(np.count_nonzero(is_valid & ((dq & np.uint8(Dq.SATURATED)) != 0)))
            elif saturation_adu is not None:
                saturated += int(np.count_nonzero(is_valid & (found >= saturation_adu)))
            values.append(found[is_valid])
    valid = np.concatenate(values)
    is_known = valid.size > 0 and (has_flags or saturation_adu is not None)
    return Sample(valid, saturated / valid.size if is_known else None)


def measure(sources: Sources, sample: Sample, pixel_scale_arcsec: float | None = None) -> Numbers:
    """Measure a frame for its header and for the database.

    Parameters
    ----------
    sources : Sources
        Stars of the frame.
    sample : Sample
        Of its pixels.
    pixel_scale_arcsec : float, optional
        Arc seconds per pixel.

    Returns
    -------
    dict
        ``NSTARS``: stars found. ``FWHMPIX``, ``L1FWHM``: median full width at half maximum in pixels and arc seconds.
        ``L1ELLIP``, ``L1ELLIPA``: median ellipticity, and mean direction of the stars' major axes in degrees from the
        x axis towards the y axis. ``L1MEAN``, ``L1MEDIAN``, ``L1SIGMA``: background in adu, stars clipped at 3 sigma.
        ``SATFRAC``: fraction of the valid pixels that is saturated. What is not known has no key.
    """
    measured: Numbers = {"NSTARS": sources.count}
    stars = clear_stars(sources)
    if len(stars):
        fwhm_px = float(np.median(stars.fwhm_px))
        measured["FWHMPIX"] = round(fwhm_px, 3)
        if pixel_scale_arcsec is not None:
            measured["L1FWHM"] = round(fwhm_px * pixel_scale_arcsec, 3)
        measured["L1ELLIP"] = round(float(np.median(stars.ellipticity)), 4)
        orientation_deg = _mean_orientation(stars)
        if orientation_deg is not None:
            measured["L1ELLIPA"] = round(orientation_deg, 1)
    if sample.values.size:
        mean_adu, median_adu, sigma_adu = _background(sample.values)
        measured |= {"L1MEAN": round(mean_adu, 3), "L1MEDIAN": round(median_adu, 3), "L1SIGMA": round(sigma_adu, 3)}
    if sample.saturated_part is not None:
        measured["SATFRAC"] = round(sample.saturated_part, 8)
    return measured


def clear_stars(sources: Sources) -> Sources:
    """Stars that tell of optics and sky: not saturated, well over the noise, the brightest 300."""
    return sources.take(np.nonzero(~sources.is_saturated & (sources.snr >= LEAST_SNR))[0][:_JUDGED_STARS])


def is_out_of_focus(sources: Sources) -> bool:
    """Whether its stars are rings or discs, by the scale on which they stand out, and by their shape."""
    stars = clear_stars(sources)
    if not len(stars) or float(np.median(stars.fwhm_px)) < _WIDE_PX:
        return False
    if sources.smooth_px >= _OUT_OF_FOCUS_PX:
        return True
    height_adu = stars.peak_adu - sources.background_adu
    shape = height_adu * 2.0 * math.pi * (stars.fwhm_px / FWHM_PER_SIGMA) ** 2 / stars.flux_adu
    shape = shape[height_adu >= _SHAPED_SNR * sources.noise_adu][:_SHAPED_STARS]
    return len(shape) >= _LEAST_SHAPED and not _LIKE_STARS[0] < float(np.median(shape)) < _LIKE_STARS[1]


def _mean_orientation(stars: Sources) -> float | None:
    """Mean direction of the major axes, weighted by ellipticity; None for round stars.

    A direction has no sign: the mean is that of the doubled angles.
    """
    doubled = stars.ellipticity * np.exp(2j * np.radians(stars.orientation_deg))
    mean = complex(doubled.mean())
    return math.degrees(math.atan2(mean.imag, mean.real)) / 2.0 if abs(mean) > 0.0 else None


def _background(values: NDArray[np.float32]) -> tuple[float, float, float]:
    """Mean, median and standard deviation without what lies over 3 sigma from the median, clipped until it settles.

    Sorted once: what stays is a run of values, of which sums over all tell the moments.
    """
    kept = np.sort(values)
    offset_adu = float(kept[kept.size // 2])
    away_adu = kept.astype(np.float64) - offset_adu
    sums, squares = (np.concatenate(([0.0], np.cumsum(terms))) for terms in (away_adu, away_adu * away_adu))
    first, last = 0, kept.size
    for _ in range(_CLIP_ROUNDS + 1):
        number = last - first
        median_adu = 0.5 * float(away_adu[(first + last - 1) // 2] + away_adu[(first + last) // 2])
        mean_adu = float(sums[last] - sums[first]) / number
        sigma_adu = math.sqrt(max(float(squares[last] - squares[first]) / number - mean_adu**2, 0.0))
        reach_adu = _CLIP_SIGMA * sigma_adu
        inside = (
            max(first, int(np.searchsorted(away_adu, median_adu - reach_adu, side="left"))),
            min(last, int(np.searchsorted(away_adu, median_adu + reach_adu, side="right"))),
        )
        if inside == (first, last):
            break
        first, last = inside
    return offset_adu + mean_adu, offset_adu + median_adu, sigma_adu
