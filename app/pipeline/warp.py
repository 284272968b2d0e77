"""Resample a moving frame onto the pixels of a reference, band by band."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.resample import EDGE_PX, HALO_PX, frame_rows, framed_shape, kernel_table, resample

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Placing:
    """Where pixels of the reference lie in a moving frame.

    Attributes
    ----------
    inverse : ndarray, float64, shape (2, 3)
        Maps (x, y) of the reference to the moving frame.
    rows : int
        Of the moving frame.
    columns : int
        Of the reference.
    """

    inverse: Floats
    rows: int
    columns: int

    @classmethod
    def of(cls, matrix: Floats, rows: int, columns: int) -> Placing:
        """Of `app.pipeline.align.Alignment.matrix`, which maps the other way."""
        linear = np.linalg.inv(np.asarray(matrix, np.float64)[:, :2])
        return cls(np.column_stack([linear, -linear @ matrix[:, 2]]), rows, columns)

    @property
    def area(self) -> float:
        """Pixels of the moving frame in one of the reference."""
        return float(abs(np.linalg.det(self.inverse[:, :2])))

    def source_rows(self, first_row: int, last_row: int) -> tuple[int, int]:
        """Rows of the moving frame that rows [first_row, last_row) of the reference take, some beyond its edges."""
        corners = np.array([(x, y) for x in (0, self.columns - 1) for y in (first_row, last_row - 1)], np.float64)
        heights = corners @ self.inverse[1, :2] + self.inverse[1, 2]
        top = max(math.floor(heights.min()) - HALO_PX, -EDGE_PX)
        return top, min(math.ceil(heights.max()) + HALO_PX + 1, self.rows + EDGE_PX)


def warp_rows(
    read_rows: Callable[[int, int], NDArray[np.float32]],
    source_shape: tuple[int, int],
    matrix: Floats,
    first_row: int,
    last_row: int,
    columns: int,
    *,
    factor: float = 1.0,
    out: NDArray[np.float32] | None = None,
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
    factor : float
        Multiplies every value.
    out : ndarray, float32, shape (last_row - first_row, columns), optional
        Takes the rows.

    Returns
    -------
    ndarray, float32, shape (last_row - first_row, columns)
        Counts in adu. NaN outside of the moving frame, and where masked pixels have over a quarter of the weight;
        elsewhere these are replaced by their surroundings.
    """
    band = np.empty((last_row - first_row, columns), np.float32) if out is None else out
    placing = Placing.of(matrix, source_shape[0], columns)
    top, bottom = placing.source_rows(first_row, last_row)
    first, last = max(top, 0), min(bottom, source_shape[0])
    if first >= last:
        band[:] = np.nan
        return band
    rows = np.ascontiguousarray(read_rows(first, last), np.float32)
    if (first, last) != (top, bottom):
        rows = np.pad(rows, ((first - top, bottom - last), (0, 0)), constant_values=np.nan)
    shape = framed_shape(*rows.shape)
    counts, is_masked, is_near = (np.empty(shape, dtype) for dtype in (np.float32, np.uint8, np.uint8))
    frame_rows(rows, counts, is_masked, is_near)
    scale = np.float32(placing.area * factor)
    resample(counts, is_masked, is_near, top, _table(), placing.inverse, first_row, scale, band)
    return band


@cache
def _table() -> NDArray[np.float32]:
    return kernel_table()
