"""Cosmic rays in a single frame: L.A.Cosmic, with its medians only where they can matter.

The method is that of van Dokkum (2001), PASP 113, 1420, one iteration: sharp edges in a Laplacian of the frame sampled
twice as finely, against the noise, and against the fine structure that stars have. The Laplacian takes a few operations
a pixel and rules out nearly all; the medians of 25 and 49 pixels are taken for what is left.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from app.pipeline.kernels.compiled import compiled

#: Rows on each side that a verdict depends on: bands need this much overlap. Nearer to the frame's edge nothing is found.
REACH_PX = 7

_LEAST_SIGNAL_ADU = np.float32(1e-5)
_LEAST_STRUCTURE = np.float32(0.01)


@dataclass(frozen=True, slots=True)
class CosmicRule:
    """When a pixel was hit.

    Attributes
    ----------
    sigmas : float
        Least Laplacian in units of its noise, less the median around it.
    neighbour_part : float
        Neighbours of a hit are hit from this part of `sigmas` on.
    contrast : float
        Least ratio of the Laplacian to the fine structure, which stars have and cosmic rays have not.
    """

    sigmas: float = 4.5
    neighbour_part: float = 0.3
    contrast: float = 5.0


@dataclass(frozen=True, slots=True)
class PixelNoise:
    """Noise of a pixel: variance in adu^2 = ``read_adu**2 + per_adu * signal in adu``.

    Attributes
    ----------
    read_adu : float
        Read noise in adu; where the gain is not known, the noise of the sky.
    per_adu : float
        1 / gain in e-/adu; 0 where the gain is not known.
    least_signal_adu : float
        The sky where it is darkest: what cannot be significant there is not looked at.
    """

    read_adu: float
    per_adu: float = 0.0
    least_signal_adu: float = 0.0


def find_cosmics(
    rows: NDArray[np.float32], skip: NDArray[np.uint8], noise: PixelNoise, rule: CosmicRule, out: NDArray[np.uint8]
) -> int:
    """Find the pixels of a band that cosmic rays hit.

    Parameters
    ----------
    rows : ndarray, float32, shape (band rows + 2 * REACH_PX, columns)
        Counts in adu, finite, with the sky in them; the rows that are asked about and those around them. Beyond the
        frame's edge any finite value does.
    skip : ndarray, uint8, same shape
        Not 0 where a hit must not be looked for: saturated stars, bad pixels.
    noise : PixelNoise
        Of the frame.
    rule : CosmicRule
        Limits.
    out : ndarray, uint8, shape (band rows, columns)
        Set to 1 where a cosmic ray hit, else 0.

    Returns
    -------
    int
        Pixels that were hit.
    """
    columns = rows.shape[1]
    if columns <= 2 * REACH_PX:
        out[...] = 0
        return 0
    least_adu = rule.sigmas * 2.0 * np.sqrt(noise.read_adu**2 + noise.per_adu * max(noise.least_signal_adu, 0.0))
    laplacian = np.empty(rows.shape, np.float32)
    state = np.zeros(rows.shape, np.uint8)
    _sharpen(rows, laplacian)
    _seed(
        rows,
        laplacian,
        skip,
        np.float32(least_adu),
        np.float32(noise.read_adu**2),
        np.float32(noise.per_adu),
        np.float32(rule.sigmas),
        np.float32(rule.contrast),
        state,
    )
    for generation, limit in enumerate((rule.sigmas, rule.neighbour_part * rule.sigmas), 1):
        _grow(
            rows,
            laplacian,
            skip,
            np.float32(noise.read_adu**2),
            np.float32(noise.per_adu),
            np.float32(limit),
            np.uint8(generation),
            state,
        )
    out[...] = state[REACH_PX:-REACH_PX] != 0
    return int(np.count_nonzero(out))


def warm() -> None:
    """Compile for calibrated lights."""
    side = 2 * REACH_PX + 1
    rows, skip = np.zeros((side, side), np.float32), np.zeros((side, side), np.uint8)
    find_cosmics(rows, skip, PixelNoise(1.0), CosmicRule(), np.empty((1, side), np.uint8))


@compiled
def _sharpen(rows: NDArray[np.float32], laplacian: NDArray[np.float32]) -> None:
    """Laplacian of the frame sampled twice as finely, negative parts cut off, back on the frame's pixels."""
    height, width = rows.shape
    two, quarter, zero = np.float32(2.0), np.float32(0.25), np.float32(0.0)
    laplacian[0] = zero
    laplacian[height - 1] = zero
    for y in range(1, height - 1):
        above, here, below, target = rows[y - 1], rows[y], rows[y + 1], laplacian[y]
        target[0] = zero
        target[width - 1] = zero
        for x in range(1, width - 1):
            twice = two * here[x]
            left, right = here[x - 1], here[x + 1]
            a, b = max(twice - above[x] - left, zero), max(twice - above[x] - right, zero)
            c, d = max(twice - below[x] - left, zero), max(twice - below[x] - right, zero)
            target[x] = quarter * (a + b + c + d)


@compiled
def _seed(
    rows: NDArray[np.float32],
    laplacian: NDArray[np.float32],
    skip: NDArray[np.uint8],
    least_adu: np.float32,
    read_variance: np.float32,
    per_adu: np.float32,
    sigmas: np.float32,
    contrast: np.float32,
    state: NDArray[np.uint8],
) -> None:
    """Mark what is sharp, significant, and has no fine structure."""
    height, width = rows.shape
    box = np.empty((7, 7), np.float32)
    for y in range(5, height - 5):
        for x in range(REACH_PX, width - REACH_PX):
            if laplacian[y, x] <= least_adu or skip[y, x] != 0:
                continue
            noise = np.sqrt(read_variance + per_adu * max(_around(rows, y, x), _LEAST_SIGNAL_ADU))
            excess = (laplacian[y, x] - _around(laplacian, y, x)) / (np.float32(2.0) * noise)
            if excess <= sigmas:
                continue
            for down in range(7):
                for right in range(7):
                    box[down, right] = _nearest_nine(rows, y + down - 3, x + right - 3)
            centre = box[3, 3]
            structure = max((centre - _middle_of_box(box)) / noise, _LEAST_STRUCTURE)
            if excess > contrast * structure:
                state[y, x] = 1


@compiled
def _grow(
    rows: NDArray[np.float32],
    laplacian: NDArray[np.float32],
    skip: NDArray[np.uint8],
    read_variance: np.float32,
    per_adu: np.float32,
    limit: np.float32,
    generation: np.uint8,
    state: NDArray[np.uint8],
) -> None:
    """Mark the neighbours of what is marked, where the Laplacian is over the limit too."""
    height, width = rows.shape
    for y in range(5, height - 5):
        for x in range(REACH_PX, width - REACH_PX):
            if state[y, x] == 0 or state[y, x] > generation:
                continue
            for v in range(y - 1, y + 2):
                for u in range(x - 1, x + 2):
                    if state[v, u] != 0 or skip[v, u] != 0:
                        continue
                    noise = np.sqrt(read_variance + per_adu * max(_around(rows, v, u), _LEAST_SIGNAL_ADU))
                    if laplacian[v, u] - _around(laplacian, v, u) > limit * np.float32(2.0) * noise:
                        state[v, u] = generation + 1


@compiled
def _around(rows: NDArray[np.float32], y: int, x: int) -> np.float32:
    """Median of 5 x 5 pixels, along the rows first and then across them: nearly the median of 25, for a quarter."""
    return np.float32(
        _of_five(
            _of_five(rows[y - 2, x - 2], rows[y - 2, x - 1], rows[y - 2, x], rows[y - 2, x + 1], rows[y - 2, x + 2]),
            _of_five(rows[y - 1, x - 2], rows[y - 1, x - 1], rows[y - 1, x], rows[y - 1, x + 1], rows[y - 1, x + 2]),
            _of_five(rows[y, x - 2], rows[y, x - 1], rows[y, x], rows[y, x + 1], rows[y, x + 2]),
            _of_five(rows[y + 1, x - 2], rows[y + 1, x - 1], rows[y + 1, x], rows[y + 1, x + 1], rows[y + 1, x + 2]),
            _of_five(rows[y + 2, x - 2], rows[y + 2, x - 1], rows[y + 2, x], rows[y + 2, x + 1], rows[y + 2, x + 2]),
        )
    )


@compiled
def _of_three(a: np.float32, b: np.float32, c: np.float32) -> np.float32:
    return max(min(a, b), min(max(a, b), c))


@compiled
def _of_five(a: np.float32, b: np.float32, c: np.float32, d: np.float32, e: np.float32) -> np.float32:
    """Of the lower pairs' greater and the upper pairs' lesser one, and the fifth, the middle is the middle of all."""
    return _of_three(e, max(min(a, b), min(c, d)), min(max(a, b), max(c, d)))


@compiled
def _nearest_nine(rows: NDArray[np.float32], y: int, x: int) -> np.float32:
    """Median of 3 x 3 pixels: of the greatest low, the middle middle and the least high of the three rows."""
    a, b, c = rows[y - 1, x - 1], rows[y - 1, x], rows[y - 1, x + 1]
    d, e, f = rows[y, x - 1], rows[y, x], rows[y, x + 1]
    g, h, i = rows[y + 1, x - 1], rows[y + 1, x], rows[y + 1, x + 1]
    lowest = max(min(a, b, c), min(d, e, f), min(g, h, i))
    highest = min(max(a, b, c), max(d, e, f), max(g, h, i))
    middle = _of_three(_of_three(a, b, c), _of_three(d, e, f), _of_three(g, h, i))
    return _of_three(lowest, middle, highest)


@compiled
def _middle_of_box(box: NDArray[np.float32]) -> np.float32:
    """Median of 7 x 7 values, along the rows first and then across them; the rows are sorted on the way."""
    across = np.empty(7, np.float32)
    for row in range(7):
        across[row] = _middle_of_seven(box[row])
    return np.float32(_middle_of_seven(across))


@compiled
def _middle_of_seven(values: NDArray[np.float32]) -> np.float32:
    for i in range(1, 7):
        value = values[i]
        j = i - 1
        while j >= 0 and values[j] > value:
            values[j + 1] = values[j]
            j -= 1
        values[j + 1] = value
    return np.float32(values[3])
