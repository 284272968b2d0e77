"""Stars of a frame: found on a smoothed copy, measured on the frame itself."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import sep
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from app.model.errors import CalibrationError
from app.pipeline.sharp import mend, sharp_pixels

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))

#: Smoothing that suits stars in focus, and the scales which `star_scale` tries: in focus up to rings of 40 px.
IN_FOCUS_PX = 1.0
_SCALES_PX = (IN_FOCUS_PX, 2.0, 4.0, 6.0, 9.0, 13.0)

#: A nebula or one very bright star must not decide, nor the many faint peaks.
_DECIDING_PEAKS = slice(2, 20)

#: Peaks nearer than this belong to one ring, which must not count as many stars.
_RING_PX = 10.0
_BINNING_SCALE = 4.0
_ENOUGH_PX = 1536

_BACKGROUND_BOX_PX = 64
_LEAST_SIDE_PX = 16
_LARGE_HOLE_PX = 9
_CENTRING_ROUNDS = 10
_PIXELS_AT_ONCE = 2**20

#: A star as wide as 3 windows has 0.9 of the window's variance; more cannot be told from the sky.
_WIDEST_SEEN = 0.9
_LEAST_VARIANCE_PX2 = 0.01
_LEAST_WINDOW_PX = 1.0
_TYPICAL_STARS = 50
_NARROWEST_STAR = 0.5
_APERTURE_FWHM = 1.25
_MASKED_CORE = 0.1
_NO_LIGHT_ADU = 1e-6

#: The first fields of `Sources` are arrays, the rest describe the frame.
_ARRAYS = 9

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Sources:
    """Stars of one frame, brightest first; every array has one value per star.

    Attributes
    ----------
    x, y : ndarray, float64
        Windowed centroids in pixels, 0-based: x along columns, y along rows.
    flux_adu : ndarray, float64
        Sum over the background within a circle of one radius for the whole frame.
    peak_adu : ndarray, float64
        Highest value of the frame near the centre, with the background.
    fwhm_px : ndarray, float64
        Full width at half maximum of the Gaussian with the star's second moments.
    ellipticity : ndarray, float64
        1 - minor axis / major axis.
    orientation_deg : ndarray, float64
        Direction of the major axis, -90 to 90, from +x towards +y.
    snr : ndarray, float64
        Flux over the noise of the background in its circle.
    is_saturated : ndarray, bool
        A pixel of the core is saturated, or over a tenth of the core is masked: not for photometry or centring.
    background_adu : float
        Median background.
    noise_adu : float
        Standard deviation of the background per pixel.
    smooth_px : float
        Standard deviation of the Gaussian of the search.
    """

    x: Floats
    y: Floats
    flux_adu: Floats
    peak_adu: Floats
    fwhm_px: Floats
    ellipticity: Floats
    orientation_deg: Floats
    snr: Floats
    is_saturated: NDArray[np.bool_]
    background_adu: float
    noise_adu: float
    smooth_px: float

    def __len__(self) -> int:
        return len(self.x)

    @property
    def positions(self) -> Floats:
        """Centroids (x, y), shape (stars, 2)."""
        return np.column_stack([self.x, self.y])

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Sources:
        """The stars at these indices, or where True."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name)[which] for field in fields(self)[:_ARRAYS]}
        return replace(self, **arrays)


def detect(
    image: NDArray[np.float32],
    mask: NDArray[np.bool_] | None = None,
    *,
    smooth_px: float = IN_FOCUS_PX,
    saturation_adu: float | None = None,
    threshold: float = 5.0,
    max_sources: int = 5000,
) -> Sources:
    """Find and measure the stars of a frame; sharp pixels are none.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, columns)
        Counts in adu; NaN where a pixel is bad.
    mask : ndarray, bool, shape (rows, columns), optional
        True where a pixel is bad.
    smooth_px : float
        Standard deviation in pixels of the Gaussian with which the frame is smoothed for the search. With the scale
        that `star_scale` finds, a ring of a star out of focus is found once, at its centre.
    saturation_adu : float, optional
        Values at or over this are saturated.
    threshold : float
        Least peak, in units of the noise, in the smoothed frame.
    max_sources : int
        No more stars than this are returned: the threshold rises until so many peaks are left.

    Returns
    -------
    Sources
        Brightest first; without stars, none and the background.

    Raises
    ------
    CalibrationError
        If the image is not a plane of at least 16 x 16 pixels with 16 x 16 valid ones.

    Notes
    -----
    Background and extraction: Bertin & Arnouts (1996), A&AS 117, 393, as implemented in SEP (Barbary 2016, JOSS 1, 58).
    """
    flat = _flatten(image, mask)
    smoothed = _smooth(flat.counts, smooth_px)
    least_adu = threshold * _smoothed_noise(smoothed, flat.noise_adu, smooth_px)
    peaks = np.sort(smoothed[_is_peak(smoothed, least_adu)])
    if len(peaks) > max_sources:
        # A region over the limit, or a part of a blend, has one peak at least.
        least_adu = float(peaks[-max_sources])
    x, y = _extract(smoothed, least_adu)
    return _measure(flat, x, y, smooth_px, saturation_adu)


def star_scale(image: NDArray[np.float32], mask: NDArray[np.bool_] | None = None) -> float:
    """Choose the smoothing with which the stars of a frame stand out best.

    A Gaussian of the star's own size is the matched filter: the signal-to-noise of the peaks is greatest there. The
    middle of a large frame decides.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, columns)
        Counts in adu; NaN where a pixel is bad.
    mask : ndarray, bool, shape (rows, columns), optional
        True where a pixel is bad.

    Returns
    -------
    float
        Standard deviation of the Gaussian in pixels, for `detect`.

    Raises
    ------
    CalibrationError
        If the image is not a plane of at least 16 x 16 pixels with 16 x 16 valid ones.
    """
    middle = tuple(
        slice(max(side - _ENOUGH_PX, 0) // 2, (side + min(side, _ENOUGH_PX) + 1) // 2) for side in image.shape
    )
    flat = _flatten(image[middle], None if mask is None else mask[middle])
    counts, binning = flat.counts, 1
    best_snr, best_px = 0.0, IN_FOCUS_PX
    for scale_px in _SCALES_PX:
        # Nothing is lost in pixels that are small beside the scale, and much time is won.
        if scale_px >= _BINNING_SCALE * binning and min(counts.shape) >= 2 * _LEAST_SIDE_PX:
            counts, binning = _halved(counts), 2 * binning
        smoothed = _smooth(counts, scale_px / binning)
        noise_adu = _smoothed_noise(smoothed, flat.noise_adu, scale_px)
        apart_px = 2.0 * scale_px + _RING_PX
        peaks = np.sort(smoothed[_is_peak(smoothed, 5.0 * noise_adu, around_px=apart_px / binning)])[::-1]
        snr = float(peaks[_DECIDING_PEAKS].sum() / noise_adu) if len(peaks) else 0.0
        if snr > best_snr:
            best_snr, best_px = snr, scale_px
    return best_px


@dataclass(frozen=True, slots=True, eq=False)
class _FlatFrame:
    """A frame without its background, bad and sharp pixels mended."""

    counts: NDArray[np.float32]
    original: NDArray[np.float32]
    is_bad: NDArray[np.bool_]
    background_adu: float
    noise_adu: float


def _flatten(image: NDArray[np.float32], mask: NDArray[np.bool_] | None) -> _FlatFrame:
    """Subtract the background, then replace bad and sharp pixels by their surroundings."""
    if image.ndim != 2 or min(image.shape) < _LEAST_SIDE_PX:
        raise CalibrationError(
            f"An image of shape {image.shape} has no room for stars: give a plane of at least "
            f"{_LEAST_SIDE_PX} x {_LEAST_SIDE_PX} pixels"
        )
    original = np.ascontiguousarray(image, np.float32)
    is_bad = ~np.isfinite(original)
    if mask is not None:
        is_bad |= mask
    valid = int(is_bad.size - np.count_nonzero(is_bad))
    if valid < _LEAST_SIDE_PX**2:
        raise CalibrationError(
            f"Only {valid} of {is_bad.size} pixels are valid, which is too few to find stars: "
            "check the flat and the bad-pixel mask"
        )
    background = sep.Background(
        np.where(is_bad, np.float32(0), original), is_bad, bw=_BACKGROUND_BOX_PX, bh=_BACKGROUND_BOX_PX
    )
    counts = original - background.back()
    counts[is_bad] = np.nan
    noise_adu = float(background.globalrms) or float(np.nanstd(counts))
    counts[sharp_pixels(counts, noise_adu)] = np.nan
    counts = mend(counts)
    counts[_large_holes(is_bad)] = 0.0
    return _FlatFrame(counts, original, is_bad, float(background.globalback), noise_adu)


def _large_holes(is_bad: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bad pixels of holes that hold a square of 9 pixels: filling would repeat the noise of their rim, like stars."""
    if not is_bad.any():
        return is_bad
    core = ndimage.minimum_filter(is_bad, _LARGE_HOLE_PX, mode="constant", cval=True)
    large: NDArray[np.bool_] = ndimage.maximum_filter(core, _LARGE_HOLE_PX, mode="constant", cval=True) & is_bad
    return large


def _halved(counts: NDArray[np.float32]) -> NDArray[np.float32]:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    rows, columns = counts.shape[0] // 2 * 2, counts.shape[1] // 2 * 2
    upper, lower = counts[0:rows:2], counts[1:rows:2]
    halved: NDArray[np.float32] = np.float32(0.25) * (
        upper[:, 0:columns:2] + upper[:, 1:columns:2] + lower[:, 0:columns:2] + lower[:, 1:columns:2]
    )
    return halved


def _smooth(counts: NDArray[np.float32], sigma_px: float) -> NDArray[np.float32]:
    """The frame convolved with a Gaussian."""
    smoothed: NDArray[np.float32] = ndimage.gaussian_filter(counts, sigma_px, mode="constant", truncate=3.0)
    return smoothed


def _smoothed_noise(smoothed: NDArray[np.float32], noise_adu: float, sigma_px: float) -> float:
    """Noise of a smoothed frame: what is seen between the stars, but no less than white noise would leave."""
    sample = smoothed[::3, ::3]
    # Deep within a hole there is no noise.
    sample = sample[sample != 0.0]
    seen_adu = 1.4826 * float(np.median(np.abs(sample - np.median(sample)))) if sample.size else 0.0
    return max(seen_adu, noise_adu / (2.0 * math.sqrt(math.pi) * sigma_px))


def _is_peak(counts: NDArray[np.float32], least_adu: float, around_px: float = 1.0) -> NDArray[np.bool_]:
    """Where a pixel is over the limit and the greatest of its surroundings."""
    size = 2 * math.ceil(around_px) + 1
    found: NDArray[np.bool_] = (counts > least_adu) & (counts == ndimage.maximum_filter(counts, size))
    return found


def _extract(smoothed: NDArray[np.float32], least_adu: float) -> tuple[Floats, Floats]:
    """Centres of the connected regions over the limit, blends taken apart."""
    # SEP keeps one slot for each pixel over the limit, 300 000 unless told.
    sep.set_extract_pixstack(int(np.count_nonzero(smoothed > least_adu)) + 1000)
    found = sep.extract(smoothed, least_adu, filter_kernel=None, minarea=3, deblend_cont=0.005)
    return found["x"].astype(np.float64), found["y"].astype(np.float64)


@dataclass(frozen=True, slots=True, eq=False)
class _Shapes:
    """Stars seen through a Gaussian window: centre, sum under the window, standard deviations along the axes."""

    x: Floats
    y: Floats
    windowed_adu: Floats
    major_px: Floats
    minor_px: Floats
    orientation_deg: Floats

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> _Shapes:
        """The stars at these indices, or where True."""
        return _Shapes(*(getattr(self, field.name)[which] for field in fields(self)))

    @property
    def sigma_px(self) -> Floats:
        """Root of the mean variance along the axes."""
        sigma_px: Floats = np.sqrt((self.major_px**2 + self.minor_px**2) / 2.0)
        return sigma_px


def _measure(flat: _FlatFrame, x: Floats, y: Floats, smooth_px: float, saturation_adu: float | None) -> Sources:
    """Measure each star with the window of the search, then with one as wide as the frame's stars."""
    shapes = _distinct(_through_window(flat.counts, x, y, smooth_px), smooth_px)
    window_px = _typical_sigma(shapes, smooth_px)
    shapes = _distinct(_through_window(flat.counts, shapes.x, shapes.y, window_px), window_px)
    # What is much narrower than the stars of the frame came through no telescope: the rest of a cosmic ray.
    shapes = shapes.take(shapes.sigma_px > _NARROWEST_STAR * _typical_sigma(shapes, window_px))
    fwhm_px = FWHM_PER_SIGMA * window_px
    radius_px = max(_APERTURE_FWHM * fwhm_px, 2.0)
    flux_adu, error_adu, _ = sep.sum_circle(flat.counts, shapes.x, shapes.y, radius_px, err=flat.noise_adu, subpix=5)
    peak_adu, is_masked = _cores(flat, shapes.x, shapes.y, fwhm_px / 2.0)
    found = Sources(
        x=shapes.x,
        y=shapes.y,
        flux_adu=flux_adu,
        peak_adu=peak_adu,
        fwhm_px=FWHM_PER_SIGMA * shapes.sigma_px,
        ellipticity=1.0 - shapes.minor_px / shapes.major_px,
        orientation_deg=shapes.orientation_deg,
        snr=flux_adu / np.maximum(error_adu, np.finfo(np.float32).tiny),
        is_saturated=is_masked | (peak_adu >= (math.inf if saturation_adu is None else saturation_adu)),
        background_adu=flat.background_adu,
        noise_adu=flat.noise_adu,
        smooth_px=smooth_px,
    )
    brightest_first = np.argsort(-flux_adu, kind="stable")
    return found.take(brightest_first[flux_adu[brightest_first] > 0.0])


def _through_window(counts: NDArray[np.float32], x: Floats, y: Floats, window_px: float) -> _Shapes:
    """Centroids and second moments of many stars, some hundred at a time."""
    half = math.ceil(3.0 * window_px) + 2
    padded = np.pad(counts, half)
    stars_at_once = max(_PIXELS_AT_ONCE // (2 * half + 1) ** 2, 1)
    parts = []
    for first in range(0, max(len(x), 1), stars_at_once):
        some = slice(first, first + stars_at_once)
        parts.append(_shapes(padded, half, x[some], y[some], window_px))
    return _Shapes(*(np.concatenate([getattr(part, field.name) for part in parts]) for field in fields(_Shapes)))


def _shapes(padded: NDArray[np.float32], half: int, x: Floats, y: Floats, window_px: float) -> _Shapes:
    """Windowed centroids, and the second moments which the stars would have without the window.

    Centroids: XWIN_IMAGE of SExtractor's manual. A Gaussian star under a Gaussian window has 1/m = 1/v + 1/w, with the
    variances m under the window, v of the star and w of the window; so v = m / (1 - m / w).
    """
    column, row = np.rint(x).astype(np.intp), np.rint(y).astype(np.intp)
    steps = np.arange(-half, half + 1)
    boxes = padded[row[:, None, None] + half + steps[:, None], column[:, None, None] + half + steps].astype(np.float64)
    right, down = x - column, y - row
    for _ in range(_CENTRING_ROUNDS):
        total, over, under, *_ = _moments(boxes, steps, right, down, window_px)
        right, down = right + 2.0 * over / total, down + 2.0 * under / total
        # A star that runs away has no light of its own: it stops at the edge of its box.
        right, down = np.clip(right, -half, half), np.clip(down, -half, half)
    total, _, _, across, along, mixed = _moments(boxes, steps, right, down, window_px)
    across, along, mixed = across / total, along / total, mixed / total
    mean, half_difference = (across + along) / 2.0, np.hypot((across - along) / 2.0, mixed)
    widest = _WIDEST_SEEN * window_px**2
    axes = [np.clip(mean + sign * half_difference, _LEAST_VARIANCE_PX2, widest) for sign in (1.0, -1.0)]
    major_px, minor_px = (np.sqrt(seen / (1.0 - seen / window_px**2)) for seen in axes)
    orientation_deg = np.degrees(np.arctan2(2.0 * mixed, across - along)) / 2.0
    shapes = _Shapes(column + right, row + down, total, major_px, minor_px, orientation_deg)
    return shapes.take(total > _NO_LIGHT_ADU)


def _moments(
    boxes: Floats, steps: NDArray[np.intp], right: Floats, down: Floats, window_px: float
) -> tuple[Floats, ...]:
    """Sums of 1, dx, dy, dx^2, dy^2 and dx dy over each box under the window; the first never 0."""
    dx, dy = steps - right[:, None], steps - down[:, None]
    in_x, in_y = np.exp(-0.5 * (dx / window_px) ** 2), np.exp(-0.5 * (dy / window_px) ** 2)
    columns = np.stack([in_x, in_x * dx, in_x * dx**2], axis=2)
    rows = np.stack([in_y, in_y * dy, in_y * dy**2], axis=1)
    sums = rows @ (boxes @ columns)
    total = np.maximum(sums[:, 0, 0], _NO_LIGHT_ADU)
    return total, sums[:, 0, 1], sums[:, 1, 0], sums[:, 0, 2], sums[:, 2, 0], sums[:, 1, 1]


def _distinct(shapes: _Shapes, apart_px: float) -> _Shapes:
    """Of centres that fell together, keep the brightest."""
    if len(shapes.x) < 2:
        return shapes
    pairs = cKDTree(np.column_stack([shapes.x, shapes.y])).query_pairs(max(apart_px, 1.0), output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    fainter = np.where(shapes.windowed_adu[first] < shapes.windowed_adu[second], first, second)
    return shapes.take(np.setdiff1d(np.arange(len(shapes.x)), fainter))


def _typical_sigma(shapes: _Shapes, otherwise_px: float) -> float:
    """Size of the brightest stars."""
    if len(shapes.x) == 0:
        return otherwise_px
    brightest = np.argsort(-shapes.windowed_adu, kind="stable")[:_TYPICAL_STARS]
    return max(float(np.median(shapes.sigma_px[brightest])), _LEAST_WINDOW_PX)


def _cores(flat: _FlatFrame, x: Floats, y: Floats, radius_px: float) -> tuple[Floats, NDArray[np.bool_]]:
    """Highest value of each star's core, and whether over a tenth of the core is masked."""
    half = max(int(radius_px), 1)
    steps = np.arange(-half, half + 1)
    rows = np.clip(np.rint(y).astype(np.intp)[:, None] + steps, 0, flat.counts.shape[0] - 1)[:, :, None]
    columns = np.clip(np.rint(x).astype(np.intp)[:, None] + steps, 0, flat.counts.shape[1] - 1)[:, None, :]
    is_bad = flat.is_bad[rows, columns]
    highest = np.where(is_bad, -np.inf, flat.original[rows, columns]).max(axis=(1, 2), initial=-np.inf)
    return np.where(np.isfinite(highest), highest, 0.0), is_bad.mean(axis=(1, 2)) > _MASKED_CORE
