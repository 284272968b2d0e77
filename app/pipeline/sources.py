"""Stars of a frame: found on a binned and smoothed copy, measured on the frame itself, which is read in bands."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from app.frames.fits_io import FrameReader
from app.frames.headers import locate_plane
from app.frames.provenance import CardRow
from app.frames.star_table import read_star_table, star_table_bytes
from app.model.errors import CalibrationError, FrameError
from app.model.flags import Dq
from app.pipeline.kernels import stars as kernels
from app.pipeline.quick_median import quick_median
from app.pipeline.sharp import SHARP_NARROWEST, SHARP_REACH_PX, SHARP_THRESHOLD
from app.pipeline.workers import Check

FWHM_PER_SIGMA = 2.0 * math.sqrt(2.0 * math.log(2.0))

#: Smoothing that suits stars in focus, and the scales which `star_scale` tries: in focus up to rings of 40 px.
IN_FOCUS_PX = 1.0
_SCALES_PX = (IN_FOCUS_PX, 2.0, 4.0, 6.0, 9.0, 13.0)

#: Stars that are measured, the brightest; the others are counted.
MEASURED_STARS = 1500

#: Larger frames than these, in pixels, are binned 2 x 2 and 4 x 4 for the search.
_BINNED_OVER = ((40 * 2**20, 4), (5 * 2**20, 2))

#: Flags of pixels whose value is not to be used; a saturated one still shows where its star is.
_BAD_FLAGS = np.uint8(Dq.BAD | Dq.NO_FLAT | Dq.COSMIC | Dq.DEAD | Dq.NO_DATA)
_SATURATED_FLAG = np.uint8(Dq.SATURATED)
_NO_FLAGS = np.empty((0, 0), np.uint8)

#: A nebula or one very bright star must not decide, nor the many faint peaks.
_DECIDING_PEAKS = slice(2, 20)

#: Peaks nearer than this belong to one ring, which must not count as many stars.
_RING_PX = 10.0
_BINNING_SCALE = 4.0
_ENOUGH = 1024

#: Background is measured in cells of so many binned pixels, each from a sample of so many rows and columns.
_CELL = 64
_SAMPLED_ROWS, _SAMPLED_COLUMNS = 16, 128
_LEAST_SAMPLE = 64

_LEAST_SIDE_PX = 16
_FILL_REACH = 4
_BAND_BYTES = 4 * 2**20

#: Less smoothing than this leaves peaks no shape, in binned pixels.
_LEAST_SMOOTHING = 0.5
_NOISE_STEP = 3

#: A peak rises over its saddle by so many times the noise, and by this fraction of itself.
_LEAST_RISE = 3.0
_RELATIVE_RISE = 0.1
_LEAST_AREA = 3

_LEAST_WINDOW_PX = 1.0
_TYPICAL_STARS = 50
_SAMPLED_STARS = 80
_NARROWEST_STAR, _WIDEST_STAR = 0.5, 2.0
_APERTURE_FWHM = 1.25
_MASKED_CORE = 0.1
_NO_LIGHT_ADU = 1e-6

#: Stars that a product keeps; column, field and unit of what is kept of each.
_TABLE_STARS = 1000
_TABLE_COLUMNS = (
    ("X", "x", "pixel"),
    ("Y", "y", "pixel"),
    ("FLUX", "flux_adu", "adu"),
    ("PEAK", "peak_adu", "adu"),
    ("FWHM", "fwhm_px", "pixel"),
    ("ELLIPTICITY", "ellipticity", ""),
    ("ORIENTATION", "orientation_deg", "deg"),
    ("SNR", "snr", ""),
    ("SATURATED", "is_saturated", ""),
)

#: The first fields of `Sources` are arrays, the rest describe the frame.
_ARRAYS = 9

Floats = NDArray[np.float64]
Band = NDArray[np.float32]


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
    count : int
        Stars found, of which the brightest are measured.
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
    count: int

    def __len__(self) -> int:
        return len(self.x)

    @property
    def positions(self) -> Floats:
        """Centroids (x, y), shape (stars, 2)."""
        return np.column_stack([self.x, self.y])

    def take(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> Sources:
        """The stars at these indices, or where True, as if no others had been found."""
        arrays: dict[str, Any] = {field.name: getattr(self, field.name)[which] for field in fields(self)[:_ARRAYS]}
        return replace(self, **arrays, count=len(arrays["x"]))


def _go_on() -> None:
    """Nobody waits to cancel."""


def detect(
    image: Band,
    mask: NDArray[np.bool_] | None = None,
    *,
    smooth_px: float = IN_FOCUS_PX,
    saturation_adu: float | None = None,
    threshold: float = 5.0,
    max_sources: int = MEASURED_STARS,
) -> Sources:
    """Find and measure the stars of a frame in memory; sharp pixels are none.

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
        No more stars than this are measured and returned; all are counted.

    Returns
    -------
    Sources
        Brightest first; without stars, none and the background.

    Raises
    ------
    CalibrationError
        If the image is not a plane of at least 16 x 16 pixels with 16 x 16 valid ones.
    """
    flat = _flatten(_Image(image, mask), _go_on)
    return _detect(flat, smooth_px, saturation_adu, threshold, max_sources, _go_on)


def detect_file(
    path: Path,
    *,
    smooth_px: float | None = None,
    saturation_adu: float | None = None,
    threshold: float = 5.0,
    max_sources: int = MEASURED_STARS,
    check: Check,
) -> Sources:
    """Find and measure the stars of a product, which is read in bands; the same stars as `detect` finds.

    Parameters
    ----------
    path : Path
        A float32 image, with a plane DQ or without: pixels that it calls bad are left out, saturated ones are told.
    smooth_px : float, optional
        As `detect`; chosen as `star_scale` does when it is not given.
    saturation_adu : float, optional
        As `detect`, like the next two.
    threshold : float
        Least peak, in units of the noise.
    max_sources : int
        No more stars than this are measured.
    check : callable
        Raises when the work should stop.

    Raises
    ------
    FrameError
        The file cannot be read.
    CalibrationError
        As `detect`.
    """
    with ExitStack() as stack:
        flat = _flatten(_Product(stack, path), check)
        smooth_px = smooth_px or _star_scale(flat, check)
        return _detect(flat, smooth_px, saturation_adu, threshold, max_sources, check)


def star_scale(image: Band, mask: NDArray[np.bool_] | None = None) -> float:
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
    return _star_scale(_flatten(_Image(image, mask), _go_on), _go_on)


def star_table(sources: Sources) -> bytes:
    """The brightest stars as an extension of their product, for `app.frames.product_file.replace_header`."""
    some = sources.take(np.arange(min(len(sources), _TABLE_STARS)))
    columns = {name: (getattr(some, field), unit) for name, field, unit in _TABLE_COLUMNS}
    cards: list[CardRow] = [
        ("SKYLEVEL", sources.background_adu, "[adu] median background"),
        ("SKYNOISE", sources.noise_adu, "[adu] standard deviation per pixel"),
        ("SMOOTHPX", sources.smooth_px, "[pixel] Gaussian of the search"),
        ("NSTARS", sources.count, "stars found"),
    ]
    return star_table_bytes(columns, cards)


def kept_sources(path: Path) -> Sources | None:
    """Read the stars of a product that `star_table` kept; None if it has no such table.

    Raises
    ------
    FrameError
        The file or the table cannot be read.
    """
    kept = read_star_table(path)
    if kept is None:
        return None
    columns, header = kept
    try:
        return Sources(
            **{field: columns[name] for name, field, _ in _TABLE_COLUMNS},
            background_adu=header["SKYLEVEL"],
            noise_adu=header["SKYNOISE"],
            smooth_px=header["SMOOTHPX"],
            count=header["NSTARS"],
        )
    except KeyError as error:
        raise FrameError(f"{path.name} has a table of stars without {error.args[0]}: make it again") from error


class _Pixels(Protocol):
    """A frame of which bands can be read."""

    @property
    def shape(self) -> tuple[int, ...]: ...

    def read(self, rows: range) -> tuple[Band, NDArray[np.uint8]]:
        """Rows as float32, NaN where bad, for the caller to keep; and their flags, if there are any."""
        ...


class _Image:
    """A frame in memory."""

    def __init__(self, image: Band, mask: NDArray[np.bool_] | None) -> None:
        self._image, self._mask = image, mask
        self.shape = image.shape

    def read(self, rows: range) -> tuple[Band, NDArray[np.uint8]]:
        some = slice(rows.start, rows.stop, rows.step)
        values = np.array(self._image[some], np.float32, order="C")
        if self._mask is not None:
            values[self._mask[some]] = np.nan
        kernels.decode(values.view(np.uint32), _NO_FLAGS, _BAD_FLAGS, False)
        return values, _NO_FLAGS


class _Product:
    """A product on disk."""

    def __init__(self, stack: ExitStack, path: Path) -> None:
        self._pixels = stack.enter_context(FrameReader(path))
        has_flags = locate_plane(path, "DQ") is not None
        self._flags = stack.enter_context(FrameReader(path, plane="DQ")) if has_flags else None
        self.shape = (self._pixels.rows, self._pixels.columns)

    def read(self, rows: range) -> tuple[Band, NDArray[np.uint8]]:
        values = np.empty((len(rows), self.shape[1]), np.float32)
        flags = _NO_FLAGS if self._flags is None else np.empty(values.shape, np.uint8)
        encoding = self._pixels.encoding
        is_single = encoding.dtype == np.float32
        height = len(rows) if rows.step == 1 else 1
        for at in range(0, len(rows), height):
            first, last, place = rows[at], rows[at] + height, slice(at, at + height)
            if is_single:
                self._pixels.read_encoded(first, last, values[place])
            else:
                values[place] = self._pixels.read(first, last)
            if self._flags is not None:
                flags[place] = self._flags.read(first, last)
        kernels.decode(values.view(np.uint32), flags, _BAD_FLAGS, encoding.is_swapped and is_single)
        return values, flags


@dataclass(frozen=True, slots=True, eq=False)
class _FlatFrame:
    """A frame, and its binned copy without background, bad and sharp pixels mended.

    Attributes
    ----------
    binned : ndarray, float32, shape (rows // binning, columns // binning)
        Means over the background in adu.
    mesh : ndarray, float64, shape (cell rows, cell columns)
        Background in cells of `cell_px` pixels.
    noise_adu : float
        Of one pixel of the frame.
    """

    pixels: _Pixels
    binned: Band
    binning: int
    mesh: Floats
    cell_px: int
    background_adu: float
    noise_adu: float


def _flatten(pixels: _Pixels, check: Check) -> _FlatFrame:
    """Subtract the background and bin, bad and sharp pixels left out, then fill the holes."""
    if len(pixels.shape) != 2 or min(pixels.shape) < _LEAST_SIDE_PX:
        raise CalibrationError(
            f"An image of shape {pixels.shape} has no room for stars: give a plane of at least "
            f"{_LEAST_SIDE_PX} x {_LEAST_SIDE_PX} pixels"
        )
    rows, columns = pixels.shape
    binning = next((binning for limit, binning in _BINNED_OVER if rows * columns > limit), 1)
    cell_px = _CELL * binning
    mesh, noise_adu = _background(pixels, cell_px, check)
    binned = np.empty((rows // binning, columns // binning), np.float32)
    height = max(_BAND_BYTES // (4 * columns * binning), 1)
    valid = 0
    for first in range(0, len(binned), height):
        check()
        some = binned[first : first + height]
        top = max(first * binning - SHARP_REACH_PX, 0)
        values, _ = pixels.read(range(top, min((first + len(some)) * binning + SHARP_REACH_PX, rows)))
        is_sharp = np.empty(values.shape, np.bool_)
        kernels.mark_sharp(values, noise_adu, SHARP_THRESHOLD, SHARP_NARROWEST, is_sharp)
        np.copyto(values, np.nan, where=is_sharp)
        valid += kernels.bin_rows(values, top, mesh, cell_px, first, some)
    if valid < _LEAST_SIDE_PX**2:
        raise CalibrationError(
            f"Only {valid} of {rows * columns} pixels are valid, which is too few to find stars: "
            "check the flat and the bad-pixel mask"
        )
    check()
    kernels.fill(binned, _FILL_REACH, True)
    return _FlatFrame(pixels, binned, binning, mesh, cell_px, float(np.median(mesh)), noise_adu)


def _background(pixels: _Pixels, cell_px: int, check: Check) -> tuple[Floats, float]:
    """Level of each cell and the typical noise, from a sample of the pixels.

    Returns
    -------
    mesh : ndarray, float64, shape (cell rows, cell columns)
        Smoothed by a median of 3 x 3 cells, as a bright star fills one.
    noise_adu : float
    """
    rows, columns = pixels.shape
    down, across = math.ceil(rows / cell_px), math.ceil(columns / cell_px)
    levels, noises = np.empty((down, across)), np.empty((down, across))
    row_step, column_step = max(cell_px // _SAMPLED_ROWS, 1), max(cell_px // _SAMPLED_COLUMNS, 1)
    for cell_row in range(down):
        check()
        sampled = range(cell_row * cell_px, min((cell_row + 1) * cell_px, rows), row_step)
        sample = pixels.read(sampled)[0][:, ::column_step]
        beyond = across * (cell_px // column_step) - sample.shape[1]
        sample = np.pad(sample, ((0, 0), (0, beyond)), constant_values=np.nan)
        cells = sample.reshape(len(sampled), across, -1).transpose(1, 0, 2).reshape(across, -1)
        cells.sort(axis=1)
        kernels.clipped_cells(cells, _LEAST_SAMPLE, levels[cell_row], noises[cell_row])
    is_known = np.isfinite(levels)
    if not is_known.any():
        return np.zeros((1, 1)), 0.0
    levels[~is_known] = np.median(levels[is_known])
    noise_adu = float(np.median(noises[is_known])) or float(np.mean(noises[is_known]))
    return ndimage.median_filter(levels, 3, mode="nearest"), noise_adu


def _star_scale(flat: _FlatFrame, check: Check) -> float:
    """As `star_scale`."""
    counts, binning = flat.binned, flat.binning
    middle = [slice(max(side - _ENOUGH, 0) // 2, (side + min(side, _ENOUGH) + 1) // 2) for side in counts.shape]
    counts = np.ascontiguousarray(counts[tuple(middle)])
    best_snr, best_px = 0.0, IN_FOCUS_PX
    for scale_px in _SCALES_PX:
        check()
        # Nothing is lost in pixels that are small beside the scale, and much time is won.
        if scale_px >= _BINNING_SCALE * binning and min(counts.shape) >= 2 * _LEAST_SIDE_PX:
            counts, binning = _halved(counts), 2 * binning
        smoothed, noise_adu = _smooth(counts, scale_px, binning, flat.noise_adu)
        apart_px = 2.0 * scale_px + _RING_PX
        over = np.flatnonzero(smoothed > 5.0 * noise_adu)
        peaks = np.sort(kernels.lonely_peaks(smoothed, over, math.ceil(apart_px / binning)))[::-1]
        snr = float(peaks[_DECIDING_PEAKS].sum(dtype=np.float64) / noise_adu) if len(peaks) else 0.0
        if snr > best_snr:
            best_snr, best_px = snr, scale_px
    return best_px


def _halved(counts: Band) -> Band:
    """Means of 2 x 2 pixels; an odd last row or column is left out."""
    rows, columns = counts.shape[0] // 2 * 2, counts.shape[1] // 2 * 2
    upper, lower = counts[0:rows:2], counts[1:rows:2]
    halved: Band = np.float32(0.25) * (
        upper[:, 0:columns:2] + upper[:, 1:columns:2] + lower[:, 0:columns:2] + lower[:, 1:columns:2]
    )
    return halved


def _smooth(counts: Band, smooth_px: float, binning: int, noise_adu: float) -> tuple[Band, float]:
    """The binned frame convolved with a Gaussian, and its noise.

    Noise is what is seen between the stars, but no less than white noise would leave.
    """
    sigma = max(smooth_px / binning, _LEAST_SMOOTHING)
    reach = math.ceil(3.0 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    smoothed = np.empty_like(counts)
    kernels.smooth(counts, weights.astype(np.float32), smoothed)
    sample = smoothed[::_NOISE_STEP, ::_NOISE_STEP]
    # Deep within a hole there is no noise.
    sample = sample[sample != 0.0]
    seen_adu = 1.4826 * quick_median(np.abs(sample - quick_median(sample))) if sample.size else 0.0
    return smoothed, max(seen_adu, noise_adu / binning * float(np.sum(weights**2)))


def _detect(
    flat: _FlatFrame,
    smooth_px: float,
    saturation_adu: float | None,
    threshold: float,
    max_sources: int,
    check: Check,
) -> Sources:
    """Find the peaks of the smoothed frame and measure the highest."""
    check()
    x, y = _peaks(flat, smooth_px, threshold)
    found = _measure(flat, x[:max_sources], y[:max_sources], smooth_px, saturation_adu, check)
    return replace(found, count=len(found) + max(len(x) - max_sources, 0))


def _peaks(flat: _FlatFrame, smooth_px: float, threshold: float) -> tuple[Floats, Floats]:
    """Where stars are, to a fraction of a binned pixel, the highest first."""
    smoothed, noise_adu = _smooth(flat.binned, smooth_px, flat.binning, flat.noise_adu)
    over = np.flatnonzero(smoothed > threshold * noise_adu)
    order = over[np.argsort(-smoothed.ravel()[over], kind="stable")]
    least_area = _LEAST_AREA if flat.binning == 1 else 1
    at = kernels.summits(smoothed, order, _LEAST_RISE * noise_adu, _RELATIVE_RISE, least_area)
    row, column = (axis.astype(np.float64) for axis in np.unravel_index(at, smoothed.shape))
    middle = (flat.binning - 1) / 2.0
    return column * flat.binning + middle, row * flat.binning + middle


def _measure(
    flat: _FlatFrame, x: Floats, y: Floats, smooth_px: float, saturation_adu: float | None, check: Check
) -> Sources:
    """Measure a sample with the window of the search, then all with one as wide as the frame's stars."""
    least_px = max(smooth_px, _LEAST_WINDOW_PX)
    sample = _distinct(_look(flat, x[:_SAMPLED_STARS], y[:_SAMPLED_STARS], smooth_px, check), smooth_px)
    window_px = _typical_sigma(sample, _is_on_dark_sky(flat, sample), least_px)
    stars = _distinct(_look(flat, x, y, window_px, check), window_px)
    is_dark, sigma_px = _is_on_dark_sky(flat, stars), _sigma_px(stars)
    typical_px = _typical_sigma(stars, is_dark, window_px)
    saturated = stars[:, kernels.SATURATED] > 0
    if saturation_adu is not None:
        saturated |= stars[:, kernels.PEAK] >= saturation_adu
    # What is much narrower than the stars of the frame came through no telescope: the rest of a cosmic ray.
    # What is much wider and lies in a nebula or in the halo of a bright star is a lump of it.
    is_star = (sigma_px > _NARROWEST_STAR * typical_px) & (stars[:, kernels.FLUX] > 0.0)
    is_star &= is_dark | saturated | (sigma_px < _WIDEST_STAR * typical_px)
    chosen = np.flatnonzero(is_star)
    chosen = chosen[np.argsort(-stars[chosen, kernels.FLUX], kind="stable")]
    stars, saturated = stars[chosen], saturated[chosen]
    return Sources(
        x=stars[:, kernels.X],
        y=stars[:, kernels.Y],
        flux_adu=stars[:, kernels.FLUX],
        peak_adu=stars[:, kernels.PEAK],
        fwhm_px=FWHM_PER_SIGMA * _sigma_px(stars),
        ellipticity=1.0 - stars[:, kernels.MINOR] / stars[:, kernels.MAJOR],
        orientation_deg=stars[:, kernels.ORIENTATION],
        snr=stars[:, kernels.FLUX] / max(flat.noise_adu * math.sqrt(math.pi) * _radius_px(window_px), _NO_LIGHT_ADU),
        is_saturated=saturated | (stars[:, kernels.MASKED] > _MASKED_CORE),
        background_adu=flat.background_adu,
        noise_adu=flat.noise_adu,
        smooth_px=smooth_px,
        count=len(stars),
    )


def _is_on_dark_sky(flat: _FlatFrame, stars: Floats) -> NDArray[np.bool_]:
    """Whether the surroundings of each star are not brighter than those of the frame by more than the noise."""
    last = np.subtract(flat.mesh.shape, 1)
    row, column = np.clip((stars[:, [kernels.Y, kernels.X]] // flat.cell_px).astype(np.intp), 0, last).T
    is_dark: NDArray[np.bool_] = flat.mesh[row, column] - flat.background_adu <= flat.noise_adu
    return is_dark


def _radius_px(window_px: float) -> float:
    """Of the circle in which flux is summed."""
    return max(_APERTURE_FWHM * FWHM_PER_SIGMA * window_px, 2.0)


def _look(flat: _FlatFrame, x: Floats, y: Floats, window_px: float, check: Check) -> Floats:
    """Measure stars through a window, reading the rows around them, those without light left out.

    Returns
    -------
    ndarray, float64, shape (stars, MEASURES)
    """
    table = np.zeros((len(x), kernels.MEASURES))
    rows, columns = flat.pixels.shape
    # A star may move by half a stamp, and its stamp goes with it.
    reach_px = 2 * kernels.stamp_half(window_px) + SHARP_REACH_PX + 1
    downwards = np.argsort(y, kind="stable")
    for some in _near(y[downwards], max(_BAND_BYTES // (4 * columns), reach_px)):
        check()
        chosen = downwards[some]
        top = max(int(y[chosen[0]]) - reach_px, 0)
        values, flags = flat.pixels.read(range(top, min(int(y[chosen[-1]]) + reach_px + 2, rows)))
        part = np.empty((len(chosen), kernels.MEASURES))
        kernels.measure_stars(
            values,
            flags,
            _SATURATED_FLAG,
            top,
            rows,
            x[chosen],
            y[chosen],
            window_px,
            _radius_px(window_px),
            max(int(FWHM_PER_SIGMA * window_px / 2.0), 1),
            flat.noise_adu,
            SHARP_THRESHOLD,
            SHARP_NARROWEST,
            flat.mesh,
            flat.cell_px,
            part,
        )
        table[chosen] = part
    has_light = table[:, kernels.WINDOWED] > _NO_LIGHT_ADU
    return table[has_light]


def _near(y: Floats, span_px: float) -> Iterator[slice]:
    """Runs of ascending values that span no more than this."""
    first = 0
    while first < len(y):
        last = int(np.searchsorted(y, y[first] + span_px, side="right"))
        yield slice(first, last)
        first = last


def _sigma_px(stars: Floats) -> Floats:
    """Root of the mean variance along the axes."""
    sigma_px: Floats = np.sqrt((stars[:, kernels.MAJOR] ** 2 + stars[:, kernels.MINOR] ** 2) / 2.0)
    return sigma_px


def _distinct(stars: Floats, apart_px: float) -> Floats:
    """Of centres that fell together, keep the brightest."""
    if len(stars) < 2:
        return stars
    pairs = cKDTree(stars[:, [kernels.X, kernels.Y]]).query_pairs(max(apart_px, 1.0), output_type="ndarray")
    first, second = pairs[:, 0], pairs[:, 1]
    light = stars[:, kernels.WINDOWED]
    fainter = np.where(light[first] < light[second], first, second)
    kept: Floats = stars[np.setdiff1d(np.arange(len(stars)), fainter)]
    return kept


def _typical_sigma(stars: Floats, is_dark: NDArray[np.bool_], otherwise_px: float) -> float:
    """Size of the brightest stars, of those on a dark sky where there are any: they are no lumps of something else."""
    if len(stars) == 0:
        return otherwise_px
    stars = stars[is_dark] if is_dark.any() else stars
    brightest = np.argsort(-stars[:, kernels.WINDOWED], kind="stable")[:_TYPICAL_STARS]
    return max(float(np.median(_sigma_px(stars[brightest]))), _LEAST_WINDOW_PX)
