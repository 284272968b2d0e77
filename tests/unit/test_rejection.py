"""What each method keeps of a pixel's values, and the weighted mean of those."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from astropy.stats import sigma_clip

from app.pipeline.rejection import METHODS, NoiseClip, Rejection, method_for

Array = np.ndarray[Any, Any]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def combined(
    method: Rejection, frames: Array, noise: float = 1.0, weights: Array | None = None
) -> tuple[Array, Array, Array]:
    """Mean, count and error of a method; one pixel a column."""
    stack = np.ascontiguousarray(frames, np.float32)
    mean, error = np.empty(stack.shape[1], np.float32), np.empty(stack.shape[1], np.float32)
    count = np.empty(stack.shape[1], np.uint16)
    weights = np.ones(len(stack)) if weights is None else weights
    method.combine(stack, weights, np.full(len(stack), noise), mean, count, error)
    return mean, count, error


@pytest.mark.parametrize("name", sorted(METHODS))
def test_a_cosmic_hit_in_one_frame_leaves_no_trace_but_without_rejection(rng: np.random.Generator, name: str) -> None:
    stack = rng.normal(100.0, 2.0, (12, 64))
    clean = stack.copy()
    stack[3, 8] += 5000.0
    mean, count, _ = combined(METHODS[name], stack, 2.0)
    if name == "none":
        assert mean[8] > 500.0
        assert count[8] == 12
    else:
        rest = np.delete(clean[:, 8], 3)
        assert rest.min() <= mean[8] <= rest.max()
        assert count[8] == (10 if name == "min/max" else 11)


@pytest.mark.parametrize("name", sorted(METHODS))
def test_weights_count_and_nan_does_not(name: str) -> None:
    frames = np.array([[10.0, np.nan], [11.0, np.nan], [np.nan, np.nan], [10.0, np.nan], [11.0, 7.0]])
    mean, count, _ = combined(METHODS[name], frames, 100.0, np.array([3.0, 1.0, 5.0, 3.0, 1.0]))
    assert mean[0] == pytest.approx(10.25)
    assert (mean[1], count[1]) == (7.0, 1)
    nothing, none, _ = combined(METHODS[name], np.full((3, 1), np.nan))
    assert np.isnan(nothing[0])
    assert none[0] == 0


@pytest.mark.parametrize("name", sorted(METHODS))
def test_values_do_not_depend_on_the_cut(rng: np.random.Generator, name: str) -> None:
    stack = rng.normal(100.0, 5.0, (7, 1000)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.05] += 300.0
    stack[rng.random(stack.shape) < 0.05] = np.nan
    weights = rng.uniform(0.5, 1.0, 7)
    whole = combined(METHODS[name], stack, 5.0, weights)
    parts = [combined(METHODS[name], part, 5.0, weights) for part in np.split(stack, [1, 333, 700], axis=1)]
    for one, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert np.array_equal(one, np.concatenate(pieces), equal_nan=True)


def test_noise_clip_is_what_numpy_says(rng: np.random.Generator) -> None:
    stack = rng.normal(100.0, 5.0, (5, 500)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.1] += 100.0
    stack[rng.random(stack.shape) < 0.1] = np.nan
    stack[:, :5] = np.nan
    noise, weights = rng.uniform(3.0, 6.0, 5), rng.uniform(0.5, 1.0, 5)
    mean, error = np.empty(500, np.float32), np.empty(500, np.float32)
    count = np.empty(500, np.uint16)
    NoiseClip(sigmas=3.0, signal_part=0.1).combine(stack, weights, noise, mean, count, error)
    values = stack.astype(np.float64)
    last = np.maximum(np.isfinite(values).sum(axis=0) - 1, 0)
    centre = np.take_along_axis(np.sort(values, axis=0), last[None] // 2, axis=0)[0]  # the lower of two in the middle
    allowed = 3.0 * noise[:, None] * np.sqrt(1.2) + 0.1 * centre
    accepted = np.abs(values - centre) <= allowed
    weight = np.where(accepted, weights[:, None], 0.0)
    with np.errstate(invalid="ignore"):
        expected = (weight * np.nan_to_num(values)).sum(axis=0) / weight.sum(axis=0)
        deviation = np.sqrt((weight**2 * noise[:, None] ** 2).sum(axis=0)) / weight.sum(axis=0)
    assert np.array_equal(count, accepted.sum(axis=0))
    assert 1 <= count[5:].min() < count.max() == 5
    assert np.allclose(mean, expected, rtol=1e-6, equal_nan=True)
    assert np.allclose(error, deviation, rtol=1e-6, equal_nan=True)


def test_two_frames_keep_the_lower_of_a_hit() -> None:
    stack = np.full((2, 4), 10.0)
    stack[1, 2] = 900.0
    stack[0, 3] = np.nan
    mean, count, _ = combined(method_for("auto", 2), stack)
    assert (mean[2], count[2]) == (10.0, 1)
    assert (mean[3], count[3]) == (10.0, 1)


def test_brighter_star_in_better_seeing_is_not_rejected() -> None:
    mean, count, _ = combined(METHODS["noise clip"], np.array([[10000.0], [10000.0], [11500.0]]), 5.0)
    assert count[0] == 3
    assert mean[0] == pytest.approx(10500.0)


def test_sigma_clip_agrees_with_astropy(rng: np.random.Generator) -> None:
    stack = rng.normal(500.0, 10.0, (15, 400)).astype(np.float32)
    stack[rng.random(stack.shape) < 0.05] += 300.0
    reference = sigma_clip(stack.astype(np.float64), sigma=2.5, maxiters=None, axis=0, cenfunc="median", stdfunc="std")
    mean, count, _ = combined(method_for("sigma clip", 15, 2.5, 2.5), stack)
    assert np.array_equal(count, reference.count(axis=0))
    assert np.allclose(mean, reference.mean(axis=0), atol=1e-3)


def test_limits_of_the_settings_reach_the_clips_and_no_other_method() -> None:
    assert method_for("auto", 5).name == "noise clip"
    assert method_for("auto", 6).name == "sigma clip"
    hit = np.concatenate([np.linspace(99.0, 101.0, 11), [102.5]])[:, None]
    for name in ("sigma clip", "winsorized"):
        assert combined(method_for(name, 12, 3.0, 3.0), hit)[1][0] == 12
        assert combined(method_for(name, 12, 3.0, 1.8), hit)[1][0] < 12
    assert combined(method_for("min/max", 12, 3.0, 3.0), hit)[1][0] == 10
