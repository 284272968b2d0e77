"""The median around each pixel: of the medians of rows, so that a hot pixel or a bad column does not count."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.compiled import compiled

#: Pixels to each side that the median reaches.
REACH = 3


def local_median(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Median of seven medians of rows of seven pixels around each pixel.

    Parameters
    ----------
    rows : ndarray, shape (height + 2 `REACH`, columns), native float32
        With `REACH` rows more than wanted at each end; beyond the sides the frame is mirrored. What is not finite
        counts as very high.

    Returns
    -------
    ndarray, float32, shape (height, columns)
        Where more than half of the pixels around are not finite: infinite.
    """
    wide = np.pad(rows, ((0, 0), (REACH, REACH)), mode="reflect")
    out = np.empty((len(rows) - 2 * REACH, rows.shape[1]), np.float32)
    _local_median(wide, np.empty(rows.shape, np.float32), out)
    return out


def warm() -> None:
    """Compile for masters."""
    around = local_median(np.zeros((2 * REACH + 1, 2 * REACH + 1), np.float32))
    flags = np.empty(around.shape, np.uint8)
    flag_odd(around, around, np.float32(1.0), False, (np.uint8(1), np.uint8(2)), flags)


@compiled
def flag_odd(
    values: NDArray[np.float32],
    around: NDArray[np.float32],
    limit: np.float32,
    is_relative: bool,
    bits: tuple[np.uint8, np.uint8],
    flags: NDArray[np.uint8],
) -> int:
    """Flag pixels that are further than a limit off the median around them.

    Parameters
    ----------
    values, around : ndarray, shape (rows, columns)
        The pixels, and the median around each.
    limit : float
        In the unit of the pixels, or a part of the median around.
    is_relative : bool
        Which of them.
    bits : tuple of uint8
        Flags of a pixel that is off, and of one without a value.
    flags : ndarray, uint8, shape (rows, columns)
        Takes the flags; 0 is good.

    Returns
    -------
    int
        How many are off.
    """
    odd, missing = bits
    number = 0
    for y in range(values.shape[0]):
        for x in range(values.shape[1]):
            level = abs(around[y, x])
            is_odd = abs(values[y, x] - around[y, x]) > (limit * level if is_relative else limit)
            is_known = abs(values[y, x]) < np.inf
            is_off = is_odd and is_known and level < np.inf
            flags[y, x] = (odd if is_off else np.uint8(0)) if is_known else missing
            number += is_off
    return number


@compiled
def _local_median(wide: NDArray[np.float32], medians: NDArray[np.float32], out: NDArray[np.float32]) -> None:
    line = np.empty(wide.shape[1], np.float32)
    infinite = np.float32(np.inf)
    for y in range(len(wide)):
        source, row = wide[y], medians[y]
        for x in range(line.size):
            line[x] = source[x] if abs(source[x]) < infinite else infinite
        for x in range(row.size):
            row[x] = _median_of_7(line[x], line[x + 1], line[x + 2], line[x + 3], line[x + 4], line[x + 5], line[x + 6])
    for y in range(len(out)):
        a, b, c, d = medians[y], medians[y + 1], medians[y + 2], medians[y + 3]
        e, f, g = medians[y + 4], medians[y + 5], medians[y + 6]
        row = out[y]
        for x in range(row.size):
            row[x] = _median_of_7(a[x], b[x], c[x], d[x], e[x], f[x], g[x])


@compiled
def _median_of_7(
    a: np.float32, b: np.float32, c: np.float32, d: np.float32, e: np.float32, f: np.float32, g: np.float32
) -> np.float32:
    """By 14 comparisons that need no branch, so that whole rows go through them together."""
    a, b = _ordered(a, b)
    c, d = _ordered(c, d)
    e, f = _ordered(e, f)
    a, c = _ordered(a, c)
    b, d = _ordered(b, d)
    a, e = _ordered(a, e)  # a is the least of a to f
    f, d = _ordered(f, d)  # d is the greatest of them
    return _median_of_5(b, c, e, f, g)


@compiled
def _median_of_5(a: np.float32, b: np.float32, c: np.float32, d: np.float32, e: np.float32) -> np.float32:
    a, b = _ordered(a, b)
    c, d = _ordered(c, d)
    a, c = _ordered(a, c)  # a is the least of a to d
    b, d = _ordered(b, d)  # d is the greatest of them
    b, c = _ordered(b, c)
    c, e = _ordered(c, e)
    b, c = _ordered(b, c)
    return c


@compiled
def _ordered(one: np.float32, other: np.float32) -> tuple[np.float32, np.float32]:
    return (one, other) if one < other else (other, one)
