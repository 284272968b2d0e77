"""The arithmetic over bands equals numpy's and processing.md's, whatever the cut."""

from __future__ import annotations

import numpy as np
import pytest

from app.pipeline.kernels.plain import calibrated, exact_median, median
from app.pipeline.rejection import METHODS, SigmaClip, combine, method_for


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.mark.parametrize("frames", [1, 2, 3, 4, 7])
@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.int32])
def test_median_of_integers_is_numpys_exactly(rng: np.random.Generator, frames: int, dtype: type) -> None:
    stack = rng.integers(0, 30000, (frames, 13, 17)).astype(dtype)
    assert np.array_equal(median(stack), np.median(stack, axis=0))


@pytest.mark.parametrize("frames", [2, 3, 5, 6])
def test_median_leaves_nan_out(rng: np.random.Generator, frames: int) -> None:
    stack = rng.normal(100.0, 5.0, (frames, 20, 20))
    stack[rng.random(stack.shape) < 0.3] = np.nan
    stack[:, 3, 4] = np.nan
    valid = np.isfinite(stack).any(axis=0)
    expected = np.nanmedian(stack[:, valid], axis=0)
    assert np.allclose(median(stack)[valid], expected, rtol=1e-6)
    assert np.array_equal(np.isnan(median(stack)), ~valid)


def test_calibration_returns_the_light_that_was_put_in(rng: np.random.Generator) -> None:
    bias = rng.uniform(290, 310, (30, 30))
    current = rng.uniform(0, 5, (30, 30))
    flat = rng.uniform(0.8, 1.2, (30, 30))
    light = rng.uniform(100, 1000, (30, 30))
    raw = bias + 20.0 * current + light * flat
    dark = bias + 60.0 * current
    assert np.allclose(calibrated(raw, bias, dark, 20.0 / 60.0, flat, 0.2), light)
    same = bias + 20.0 * current
    assert np.allclose(calibrated(raw, None, same, 1.0, flat, 0.2), light)
    assert np.allclose(calibrated(raw, bias, None, 1.0, flat, 0.2), light + 20.0 * current / flat)


def test_dead_flat_pixels_become_bad_and_negative_values_stay() -> None:
    flat = np.array([[1.0, 0.1, np.nan, 0.0]])
    values = calibrated(np.array([[5.0, 5.0, 5.0, 5.0]]), np.full((1, 4), 9.0), None, 1.0, flat, 0.2)
    assert values[0, 0] == -4.0
    assert np.isnan(values[0, 1:]).all()


@pytest.mark.parametrize("height", [1, 7, 64])
@pytest.mark.parametrize("shift", [0.0, -70000.0, 1e6])
def test_exact_median_needs_no_whole_frame(rng: np.random.Generator, height: int, shift: float) -> None:
    frame = rng.normal(1000.0, 300.0, (64, 33)) + shift
    frame[5, 5] = np.nan
    read = lambda: (frame[row : row + height] for row in range(0, 64, height))  # noqa: E731
    assert exact_median(read) == np.nanmedian(frame)


def test_exact_median_of_nothing_is_nan() -> None:
    assert np.isnan(exact_median(lambda: [np.full((2, 2), np.nan)]))


@pytest.mark.parametrize("name", ["noise clip", "sigma clip"])
def test_a_cosmic_hit_in_one_frame_leaves_no_trace(rng: np.random.Generator, name: str) -> None:
    stack = rng.normal(100.0, 2.0, (12, 16, 16))
    clean = stack.copy()
    stack[3, 8, 8] += 5000.0
    weights, noise = np.ones(12), np.full(12, 2.0)
    mean, count = combine(stack, weights, noise, METHODS[name])
    assert abs(mean[8, 8] - np.delete(clean[:, 8, 8], 3).mean()) < 1e-3
    assert count[8, 8] == 11


def test_two_frames_keep_the_lower_of_a_hit(rng: np.random.Generator) -> None:
    stack = np.full((2, 4, 4), 10.0)
    stack[1, 2, 2] = 900.0
    mean, _ = combine(stack, np.ones(2), np.ones(2), method_for("auto", 2))
    assert mean[2, 2] == 10.0


def test_brighter_star_in_better_seeing_is_not_rejected() -> None:
    stack = np.full((3, 1, 1), 10000.0)
    stack[2] = 11500.0
    mean, count = combine(stack, np.ones(3), np.full(3, 5.0), METHODS["noise clip"])
    assert count[0, 0] == 3
    assert mean[0, 0] == pytest.approx(10500.0)


def test_weights_count_and_nan_does_not() -> None:
    stack = np.array([10.0, 20.0, np.nan]).reshape(3, 1, 1)
    mean, count = combine(stack, np.array([3.0, 1.0, 5.0]), np.full(3, 100.0), METHODS["none"])
    assert (mean[0, 0], count[0, 0]) == (12.5, 2)
    nothing, _ = combine(np.full((2, 1, 1), np.nan), np.ones(2), np.ones(2), METHODS["none"])
    assert np.isnan(nothing[0, 0])


def test_sigma_clip_agrees_with_astropy(rng: np.random.Generator) -> None:
    from astropy.stats import sigma_clip

    stack = rng.normal(500.0, 10.0, (15, 20, 20))
    stack[rng.random(stack.shape) < 0.05] += 300.0
    reference = sigma_clip(stack, sigma=3.0, maxiters=None, axis=0, cenfunc="median", stdfunc="std")
    assert np.array_equal(SigmaClip().accepted(stack, np.ones(15)), ~np.ma.getmaskarray(reference))
