"""Sorting networks: the same comparisons for every pixel, so that a whole tile of pixels is sorted at once."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@lru_cache(maxsize=64)
def sorting_network(size: int) -> NDArray[np.int32]:
    """Comparisons that sort `size` values: Batcher's odd-even merge sort (Knuth, TAOCP 3, 5.3.4).

    Parameters
    ----------
    size : int
        How many values; the network of the next power of two, less the comparisons with what is not there.

    Returns
    -------
    ndarray, int32, shape (comparisons, 2)
        After each, the first of the two places holds the lesser value.
    """
    lines = 1 << max(size - 1, 0).bit_length()
    pairs = [pair for pair in _sort(0, lines) if pair[1] < size]
    return np.array(pairs, np.int32).reshape(-1, 2)


@lru_cache(maxsize=64)
def median_network(size: int) -> NDArray[np.int32]:
    """The part of `sorting_network` that puts the two middle values in their places."""
    wanted = {(size - 1) // 2, size // 2}
    kept = []
    for first, second in sorting_network(size)[::-1].tolist():
        if first in wanted or second in wanted:
            kept.append((first, second))
            wanted |= {first, second}
    return np.array(kept[::-1], np.int32).reshape(-1, 2)


def _sort(first: int, size: int) -> Iterator[tuple[int, int]]:
    if size > 1:
        yield from _sort(first, size // 2)
        yield from _sort(first + size // 2, size // 2)
        yield from _merge(first, size, 1)


def _merge(first: int, size: int, step: int) -> Iterator[tuple[int, int]]:
    if 2 * step < size:
        yield from _merge(first, size, 2 * step)
        yield from _merge(first + step, size, 2 * step)
        yield from ((at, at + step) for at in range(first + step, first + size - step, 2 * step))
    else:
        yield first, first + step
