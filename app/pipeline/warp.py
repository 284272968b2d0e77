"""Resample a moving frame onto the pixels of a reference, band by band."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from app.pipeline.sharp import mend

Floats = NDArray[np.float64]

#: The kernel reaches 3 pixels; what it finds masked there was filled from up to 4 pixels further.
_TAPS = 6
_KERNEL_STEPS = 4096
_MASKED_WEIGHT = 0.25
_FILL_PX = 4
_HALO_PX = _TAPS // 2 + _FILL_PX
_PIXELS_AT_ONCE = 2**16


def warp_rows(
    read_rows: Callable[[int, int], NDArray[np.float32]],
    source_shape: tuple[int, int],
    matrix: Floats,
    first_row: int,
    last_row: int,
    columns: int,
) -> NDArray[np.float32]:
    """Resample rows of the reference from a moving frame.

    Each value is a sum over 6 x 6 pixels (Lanczos kernel of order 3: Duchon 1979, J. Appl. Meteor. 18, 1016; weights
    normalised to 1) of the pixels around its place in the moving frame, times the area of a reference pixel there, so
    that the flux of a star stays. A whole-pixel shift copies values exactly. It depends on nothing else, so that rows
    are bit-identical however the frame is cut into bands.

    Parameters
    ----------
    read_rows : callable
        ``read_rows(first, last)`` returns the rows [first, last) of the moving frame, float32, in adu; NaN where a
        pixel is bad, saturated or hit by a cosmic ray. Called once, with the rows needed only; not at all without any.
    source_shape : tuple of int
        (rows, columns) of the moving frame.
    matrix : ndarray, shape (2, 3)
        `app.pipeline.align.Alignment.matrix`.
    first_row, last_row : int
        Rows [first, last) of the reference.
    columns : int
        Columns of the reference.

    Returns
    -------
    ndarray, float32, shape (last_row - first_row, columns)
        Counts in adu. NaN outside of the moving frame, and where masked pixels have over a quarter of the weight;
        elsewhere these are replaced by their surroundings.
    """
    linear = np.linalg.inv(np.asarray(matrix, np.float64)[:, :2])
    inverse = np.column_stack([linear, -linear @ matrix[:, 2]])
    band = np.full((last_row - first_row, columns), np.nan, np.float32)
    corners = np.array([(x, y) for x in (0, columns - 1) for y in (first_row, last_row - 1)], np.float64)
    heights = corners @ inverse[1, :2] + inverse[1, 2]
    top = max(math.floor(heights.min()) - _HALO_PX, 0)
    bottom = min(math.ceil(heights.max()) + _HALO_PX + 1, source_shape[0])
    if top >= bottom:
        return band
    source = _Source.prepare(read_rows(top, bottom), top)
    area = np.float32(abs(np.linalg.det(linear)))
    rows_at_once = max(_PIXELS_AT_ONCE // columns, 1)
    for row in range(first_row, last_row, rows_at_once):
        rows = np.arange(row, min(row + rows_at_once, last_row), dtype=np.float64)[:, None]
        across = np.arange(columns, dtype=np.float64)
        x = inverse[0, 0] * across + (inverse[0, 1] * rows + inverse[0, 2])
        y = inverse[1, 0] * across + (inverse[1, 1] * rows + inverse[1, 2])
        band[row - first_row : row - first_row + len(rows)] = area * source.sample(x, y)
    return band


@dataclass(frozen=True, slots=True, eq=False)
class _Source:
    """Rows of a moving frame, ready to be sampled: framed by masked pixels, holes filled, mask beside them."""

    counts: NDArray[np.float32]
    is_masked: NDArray[np.float32]
    is_near_masked: NDArray[np.bool_]
    top: int

    @classmethod
    def prepare(cls, rows: NDArray[np.float32], top: int) -> _Source:
        """Frame and mend the rows that begin at row `top`."""
        framed = np.pad(rows.astype(np.float32, copy=False), _HALO_PX, constant_values=np.nan)
        is_masked = ~np.isfinite(framed)
        framed[is_masked] = np.nan
        # The origin puts the box onto the taps: 2 pixels before the place's own, 3 after it.
        near = ndimage.maximum_filter(is_masked, _TAPS, mode="constant", cval=True, origin=-1)
        return cls(mend(framed, reach_px=_FILL_PX), is_masked.astype(np.float32), near, top)

    def sample(self, x: Floats, y: Floats) -> NDArray[np.float32]:
        """Values at places (x, y) of the moving frame; NaN where there is none."""
        column, row = np.floor(x), np.floor(y)
        x_step = np.rint((x - column) * _KERNEL_STEPS).astype(np.intp)
        y_step = np.rint((y - row) * _KERNEL_STEPS).astype(np.intp)
        column, row = column + _HALO_PX, row - self.top + _HALO_PX
        height, width = self.counts.shape
        inside = (column >= 2) & (column < width - 3) & (row >= 2) & (row < height - 3)
        start = np.where(inside, (row - 2) * width + column - 2, 0).astype(np.intp)
        weights_x, weights_y = _kernel()[:, x_step], _kernel()[:, y_step]
        values = _weighted(self.counts, start, weights_x, weights_y)
        values[~inside] = np.nan
        doubtful = inside & self.is_near_masked.ravel()[np.where(inside, start + 2 * width + 2, 0)]
        weights_x, weights_y = np.abs(weights_x[:, doubtful]), np.abs(weights_y[:, doubtful])
        masked = _weighted(self.is_masked, start[doubtful], weights_x, weights_y)
        values[doubtful] = np.where(masked > _MASKED_WEIGHT, np.float32(np.nan), values[doubtful])
        return values


def _weighted(
    counts: NDArray[np.float32], start: NDArray[np.intp], weights_x: NDArray[np.float32], weights_y: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Sum of 6 x 6 pixels from each start (index into the flattened counts) on, weighted by row and column."""
    flat, width = counts.ravel(), counts.shape[1]
    total = np.zeros(start.shape, np.float32)
    for down in range(_TAPS):
        along = np.zeros(start.shape, np.float32)
        for right in range(_TAPS):
            along += weights_x[right] * flat[start + (down * width + right)]
        total += weights_y[down] * along
    return total


@cache
def _kernel() -> NDArray[np.float32]:
    """Lanczos weights of the six taps around a place, by its fraction of a pixel in steps; shape (6, steps + 1)."""
    fraction = np.arange(_KERNEL_STEPS + 1) / _KERNEL_STEPS
    distance = fraction - np.arange(-2, 4)[:, None]
    weights = np.sinc(distance) * np.sinc(distance / 3.0) * (np.abs(distance) < 3.0)
    weights[np.abs(weights) < 1e-12] = 0.0
    kernel: NDArray[np.float32] = (weights / weights.sum(axis=0)).astype(np.float32)
    return kernel
