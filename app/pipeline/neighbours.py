"""Which points of a plane are near each other."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Pairs = NDArray[np.intp]


def near_pairs(here: Floats, there: Floats, limit: float) -> tuple[Pairs, Floats]:
    """All pairs of points that are no further apart than a limit.

    Points are sorted by the square cell that they lie in; only those of the nine cells around a point can be near.
    A tree of SciPy's would do: to import it takes longer than to align ten frames.

    Parameters
    ----------
    here, there : ndarray, float64, shapes (n, 2) and (m, 2)
        Points (x, y).
    limit : float
        Greatest distance.

    Returns
    -------
    pairs : ndarray, shape (pairs, 2)
        Indices in `here` and `there`, ascending in `here`.
    distances : ndarray, float64, shape (pairs,)
    """
    if len(there) == 0:
        return np.empty((0, 2), np.intp), np.empty(0)
    low = there.min(axis=0)
    cells_here, cells_there = (np.floor((points - low) / limit).astype(np.int64) for points in (here, there))
    # One number for each cell, that of the cell below is one less; three columns have no number in common.
    height = cells_there[:, 1].max() + 3
    numbers_here, numbers_there = (cells[:, 0] * height + cells[:, 1] for cells in (cells_here, cells_there))
    order = np.argsort(numbers_there, kind="stable")
    columns = (numbers_here[:, None] + height * np.arange(-1, 2)).ravel()
    first, last = (np.searchsorted(numbers_there[order], columns + side) for side in (-1, 2))
    counts = last - first
    index_here = np.repeat(np.arange(len(columns)) // 3, counts)
    index_there = order[np.arange(counts.sum()) + np.repeat(last - np.cumsum(counts), counts)]
    distances: Floats = np.hypot(*(here[index_here] - there[index_there]).T)
    is_near = distances <= limit
    return np.column_stack([index_here[is_near], index_there[is_near]]), distances[is_near]
