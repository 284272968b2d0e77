"""Pixels that no optics can make: hot and cold pixels, cosmic-ray hits; and mending them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: Rows and columns on each side that a verdict depends on: bands need this much overlap.
SHARP_REACH_PX = 2

_OFFSETS = [(row, column) for row in range(-2, 3) for column in range(-2, 3)]
_NEIGHBOURS = [offset for offset in _OFFSETS if max(map(abs, offset)) == 1]
_RING = [offset for offset in _OFFSETS if max(map(abs, offset)) == 2]


def sharp_pixels(
    image: NDArray[np.float32], noise_adu: float, *, threshold: float = 6.0, narrowest: float = 0.1
) -> NDArray[np.bool_]:
    """Find pixels that differ from their surroundings as no point-spread function allows.

    A star lifts its neighbours too: at a full width at half maximum of 1.5 px and in its worst position within the
    pixel, the median of the 8 neighbours still has 0.12 of the peak, measured from the 16 pixels around those.
    A hot pixel, and the short trail of a cosmic ray, leave that median at the background.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, columns)
        Counts in adu; NaN where a pixel is bad.
    noise_adu : float
        Standard deviation of the background in adu.
    threshold : float
        How many times the noise a pixel must differ; where the surroundings scatter more than the noise, as in the
        flanks of a star, their scatter counts instead.
    narrowest : float
        Fraction of the peak below which the median neighbour must lie; 0.1 keeps stars of 1.5 px and more.

    Returns
    -------
    ndarray, bool, shape (rows, columns)
        True where a pixel is sharp. A verdict depends on the pixels within `SHARP_REACH_PX` only, so that bands which
        overlap by as much give the same verdicts as the whole frame.
    """
    padded = np.pad(image, SHARP_REACH_PX, constant_values=np.nan)
    found = np.zeros(image.shape, bool)
    # Half the threshold: up to two of the four sides may be as bright, as in the trail of a cosmic ray.
    contrast_adu = _contrast(padded)
    for sign in (1.0, -1.0):
        rows, columns = np.nonzero(sign * contrast_adu > 0.5 * threshold * noise_adu)
        rows, columns = rows + SHARP_REACH_PX, columns + SHARP_REACH_PX
        ring = _surroundings(padded, rows, columns, _RING) * sign
        background = _nanmedian(ring)
        scatter = 1.4826 * _nanmedian(np.abs(ring - background))
        near = _nanmedian(_surroundings(padded, rows, columns, _NEIGHBOURS) * sign) - background
        peak = padded[rows, columns] * sign - background
        is_sharp = (peak > threshold * np.maximum(scatter, noise_adu)) & (near < narrowest * peak)
        found[rows[is_sharp] - SHARP_REACH_PX, columns[is_sharp] - SHARP_REACH_PX] = True
    return found


def mend(image: NDArray[np.float32], *, reach_px: int = 4) -> NDArray[np.float32]:
    """Fill NaN pixels with the mean of their valid neighbours, growing inwards.

    Parameters
    ----------
    image : ndarray, float32, shape (rows, columns)
        Counts in adu; NaN where a pixel is bad.
    reach_px : int
        How far from a valid pixel a hole is filled; what lies deeper becomes 0.

    Returns
    -------
    ndarray, float32, shape (rows, columns)
        A copy without NaN. A filled value depends on the pixels within `reach_px` only.
    """
    padded = np.pad(image, 1, constant_values=np.nan)
    rows, columns = np.nonzero(np.isnan(image))
    rows, columns = rows + 1, columns + 1
    for _ in range(reach_px):
        if rows.size == 0:
            break
        around = _surroundings(padded, rows, columns, _NEIGHBOURS)
        is_valid = ~np.isnan(around)
        count = is_valid.sum(axis=0)
        total = np.where(is_valid, around, np.float32(0)).sum(axis=0, dtype=np.float64)
        can_fill = count > 0
        padded[rows[can_fill], columns[can_fill]] = total[can_fill] / count[can_fill]
        rows, columns = rows[~can_fill], columns[~can_fill]
    padded[rows, columns] = 0.0
    return np.ascontiguousarray(padded[1:-1, 1:-1])


def _contrast(padded: NDArray[np.float32]) -> NDArray[np.float32]:
    """Each pixel less the mean of the valid ones among its four sides; NaN or infinite where there is none."""
    is_valid = ~np.isnan(padded[1:-1, 1:-1])
    filled = np.where(is_valid, padded[1:-1, 1:-1], np.float32(0))
    total, count = (
        sides[:-2, 1:-1] + sides[2:, 1:-1] + sides[1:-1, :-2] + sides[1:-1, 2:]
        for sides in (filled, is_valid.view(np.uint8))
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        contrast_adu: NDArray[np.float32] = padded[2:-2, 2:-2] - total / count.astype(np.float32)
    return contrast_adu


def _surroundings(
    padded: NDArray[np.float32], rows: NDArray[np.intp], columns: NDArray[np.intp], offsets: list[tuple[int, int]]
) -> NDArray[np.float32]:
    """Values at the offsets around each position, shape (offsets, positions)."""
    return np.stack([padded[rows + down, columns + right] for down, right in offsets])


def _nanmedian(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of the valid values along the first axis; NaN where there is none, without a warning."""
    ordered = np.sort(values, axis=0)
    count = (~np.isnan(ordered)).sum(axis=0)
    low = np.take_along_axis(ordered, np.maximum(count - 1, 0)[None] // 2, axis=0)[0]
    high = np.take_along_axis(ordered, np.minimum(count // 2, len(values) - 1)[None], axis=0)[0]
    median: NDArray[np.float32] = 0.5 * (low + high)
    return median
