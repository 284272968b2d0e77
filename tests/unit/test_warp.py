"""The compiled warp gives what numpy gives, whatever the mapping, the masks and the cut."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from app.pipeline.kernels import resample as kernel
from app.pipeline.warp import warp_rows

Array = np.ndarray[Any, Any]

ROWS, COLUMNS = 90, 130


def turned(angle_deg: float, shift: tuple[float, float], scale: float = 1.0) -> Array:
    """Moving pixel to reference pixel."""
    angle, centre = np.radians(angle_deg), np.array([COLUMNS / 2, ROWS / 2])
    linear = scale * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.column_stack([linear, centre + shift - linear @ centre])


def image(seed: int = 3) -> Array:
    """Noise with holes of all sizes, also at the edge."""
    rng = np.random.default_rng(seed)
    counts = rng.normal(100.0, 20.0, (ROWS, COLUMNS)).astype(np.float32)
    counts[rng.random(counts.shape) < 0.02] = np.nan
    counts[30:33, 40:55] = counts[:4, 10:14] = counts[60:75, 100:] = np.nan
    counts[50, 60] = np.inf
    return counts


def warp(counts: Array, matrix: Array, first: int = 0, last: int = ROWS, **more: Any) -> Array:
    return warp_rows(lambda low, high: counts[low:high], counts.shape, matrix, first, last, COLUMNS, **more)


def filled(counts: Array) -> Array:
    """Holes get the mean of their neighbours, four times over."""
    counts = counts.astype(np.float64)
    for _ in range(4):
        valid = np.isfinite(counts)
        total = ndimage.convolve(np.where(valid, counts, 0.0), np.ones((3, 3)), mode="constant")
        count = ndimage.convolve(valid.astype(float), np.ones((3, 3)), mode="constant")
        counts = np.where(valid, counts, np.where(count > 0.5, total / np.maximum(count, 1.0), np.nan))
        counts = counts.astype(np.float32).astype(np.float64)
    return np.nan_to_num(counts)


def reference(counts: Array, matrix: Array, steps: int = kernel.KERNEL_STEPS) -> Array:
    """Lanczos of order 3 over the whole frame in float64, holes filled; NaN where they have over a quarter of it."""
    framed = np.pad(np.where(np.isfinite(counts), counts, np.nan), 8, constant_values=np.nan)
    masked, framed = ~np.isfinite(framed), filled(framed)
    linear = np.linalg.inv(matrix[:, :2])
    y, x = np.mgrid[0:ROWS, 0:COLUMNS].astype(float)
    x, y = (linear[k, 0] * (x - matrix[0, 2]) + linear[k, 1] * (y - matrix[1, 2]) for k in range(2))
    inside = (x > -3.0) & (x < COLUMNS + 2.0) & (y > -3.0) & (y < ROWS + 2.0)
    x, y = np.where(inside, x, 0.0), np.where(inside, y, 0.0)
    left, above = np.floor(x).astype(int), np.floor(y).astype(int)
    offsets = np.arange(-2, 4)

    def weights(fraction: Array) -> Array:
        distance = (np.rint(fraction * steps) / steps)[..., None] - offsets
        found = np.sinc(distance) * np.sinc(distance / 3.0) * (np.abs(distance) < 3.0)
        return found / found.sum(axis=-1, keepdims=True)

    weight = weights(y - above)[..., :, None] * weights(x - left)[..., None, :]
    rows, columns = above[..., None, None] + offsets[:, None] + 8, left[..., None, None] + offsets + 8
    value = (weight * framed[rows, columns]).sum(axis=(-1, -2)) * abs(np.linalg.det(linear))
    lost = (np.abs(weight) * masked[rows, columns]).sum(axis=(-1, -2)) > 0.25
    return np.where(inside & ~lost, value, np.nan)


MATRICES = [
    turned(0.0, (0.4, -0.7)),
    turned(0.03, (3.3, 7.8), 1.001),
    turned(37.0, (-12.0, 5.0)),
    turned(180.0, (4.2, 9.1)),
]


@pytest.mark.parametrize("matrix", MATRICES, ids=["shift", "near identity", "turned", "flipped"])
def test_values_and_holes_are_those_of_numpy(matrix: Array) -> None:
    counts = image()
    expected, found = reference(counts, matrix), warp(counts, matrix)
    assert np.mean(np.isnan(expected) != np.isnan(found)) < 1e-3  # a weight of just a quarter may fall either way
    both = np.isfinite(expected) & np.isfinite(found)
    assert both.mean() > 0.3
    assert np.allclose(found[both], expected[both], rtol=1e-5, atol=1e-3)


def test_steps_of_the_weights_are_not_seen_in_a_sharp_star() -> None:
    y, x = np.mgrid[0:ROWS, 0:COLUMNS]
    star = np.exp(-((x - 64.3) ** 2 + (y - 45.6) ** 2) / (2 * 1.0**2)).astype(np.float32)  # 2.4 pixels wide
    for shift in ((0.4, -0.7), (0.4999, 3.2501)):
        exact, found = reference(star, turned(0.01, shift), 2**20), warp(star, turned(0.01, shift))
        assert np.nanmax(np.abs(found - exact)) < 1e-3 * star.max()
        assert abs(np.nansum(found) / np.nansum(exact) - 1.0) < 1e-4


@pytest.mark.parametrize("matrix", MATRICES, ids=["shift", "near identity", "turned", "flipped"])
def test_rows_are_bit_identical_however_they_are_cut(matrix: Array) -> None:
    counts = image()
    whole = warp(counts, matrix)
    bands = [warp(counts, matrix, first, last) for first, last in pairwise([0, 1, 4, 17, 60, 61, ROWS])]
    assert np.array_equal(np.concatenate(bands), whole, equal_nan=True)


def test_whole_pixels_are_copied_and_factor_and_buffer_used() -> None:
    counts = image()
    out = np.zeros((ROWS, COLUMNS), np.float32)
    assert warp(counts, np.eye(2, 3), factor=2.0, out=out) is out
    assert np.array_equal(out, np.where(np.isfinite(counts), 2.0 * counts, np.nan), equal_nan=True)


def test_a_place_far_away_is_not_a_number() -> None:
    for shift in ((1e9, 0.0), (-1e9, 1e9), (0.0, 2.0 * ROWS)):
        assert np.isnan(warp(image(), turned(0.0, shift))).all()


@pytest.mark.parametrize("steps", [(0, 0), (1, 0), (0, -8), (40, 9), (-40, 9), (300, 70)])
def test_neighbours_at_the_same_fraction_are_taken_together_and_nothing_changes(steps: tuple[int, int]) -> None:
    # of the table, in 1024 columns; sums of such numbers are exact
    x_step, y_step = np.array(steps) / (kernel.KERNEL_STEPS * 1024)
    inverse = np.array([[1.0 + x_step, -y_step, -1.875 - 2.0**-14], [y_step, 1.0, 2.625]])
    shape = kernel.framed_shape(ROWS, COLUMNS)
    framed = tuple(np.empty(shape, dtype) for dtype in (np.float32, np.uint8, np.uint8))
    kernel.frame_rows(image(), *framed)

    def resampled(first_column: int, columns: int) -> Array:
        out = np.empty((ROWS, columns), np.float32)
        begin = inverse + np.outer(inverse[:, 0] * first_column, [0.0, 0.0, 1.0])
        kernel.resample(*framed, -kernel.EDGE_PX, kernel.kernel_table(), begin, 0, np.float32(1.1), out)
        return out

    whole = resampled(0, COLUMNS)
    one_by_one = np.hstack([resampled(column, 1) for column in range(COLUMNS)])
    assert 0.7 < np.isfinite(whole).mean() < 1.0
    assert np.array_equal(whole.view(np.uint32), one_by_one.view(np.uint32))
