"""Stacks of frames equal their definitions in float64, for every type, number, cut and encoding."""

from __future__ import annotations

import math
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
from astropy.stats import sigma_clip
from astropy.utils.exceptions import AstropyUserWarning
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from app.frames.fits_io import Encoding
from app.pipeline.kernels.stack import Method, StackRule, combine

SHAPE = (3, 211)
TYPES = [np.uint16, np.int16, np.int32, np.float32]
CLIP, WINSORIZED = StackRule(Method.SIGMA_CLIP), StackRule(Method.WINSORIZED)
RULES = [StackRule(method) for method in list(Method)[:-1]] + [StackRule(Method.MIN_MAX, 1, 2)]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def noise_with_hits(rng: np.random.Generator, number: int, dtype: type, sigma_adu: float = 12.0) -> NDArray[Any]:
    frames = rng.normal(-900.0 if dtype in (np.int16, np.int32) else 1000.0, sigma_adu, (number, *SHAPE))
    frames[rng.random(frames.shape) < 0.02] += 2500.0
    return (frames if dtype is np.float32 else np.round(frames)).astype(dtype)


def stacked(frames: NDArray[Any], rule: StackRule, **more: Any) -> NDArray[np.float32]:
    out = np.empty(frames.shape[1:], np.float32)
    combine(frames, rule, out, **more)
    return out


def clipped(values: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """Sigma clipping of the values of one pixel, word for word."""
    values = np.sort(values.astype(np.float64))
    while True:
        centre, sigma = np.median(values), values.std()
        kept = values[(values >= centre - low * sigma) & (values <= centre + high * sigma)]
        if len(kept) == len(values) or not len(kept):
            return values
        values = kept


def winsorized_sigma(values: NDArray[Any]) -> float:
    centre, sigma = np.median(values), values.std(ddof=1)
    while True:
        values = np.clip(values, centre - 1.5 * sigma, centre + 1.5 * sigma)
        before, sigma = sigma, 1.134 * values.std(ddof=1)
        if abs(sigma - before) <= 0.0005 * before:
            return float(sigma)


def winsorized(values: NDArray[Any], low: float, high: float) -> NDArray[Any]:
    """Winsorized sigma clipping of the values of one pixel, word for word."""
    left = list(np.sort(values.astype(np.float64)))
    while len(left) > 4:
        centre, sigma = np.median(left), winsorized_sigma(np.array(left))
        before = len(left)
        while len(left) > 4:
            under, over = (centre - left[0]) / low, (left[-1] - centre) / high
            if max(under, over) <= sigma:
                break
            left.pop(0 if under >= over else -1)
        if len(left) == before:
            break
    return np.array(left)


def of_each_pixel(frames: NDArray[Any], survivors: Any, rule: StackRule) -> tuple[NDArray[Any], NDArray[Any]]:
    """Mean and number of what survives in each pixel."""
    pixels = frames.reshape(len(frames), -1).T
    kept = [survivors(values, rule.low, rule.high) for values in pixels]
    shape = frames.shape[1:]
    return np.array([one.mean() for one in kept]).reshape(shape), np.array([len(one) for one in kept]).reshape(shape)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("number", [*range(1, 34), 50, 64, 65, 100, 500])
def test_median_is_numpys_exactly(rng: np.random.Generator, number: int, dtype: type) -> None:
    frames = noise_with_hits(rng, number, dtype)
    assert np.array_equal(
        stacked(frames, StackRule(Method.MEDIAN)), np.median(frames.astype(np.float64), axis=0).astype(np.float32)
    )


@pytest.mark.parametrize("dtype", TYPES)
def test_median_holds_at_the_ends_of_the_type(rng: np.random.Generator, dtype: type) -> None:
    ends = np.finfo(dtype) if dtype is np.float32 else np.iinfo(dtype)
    frames = rng.choice(np.array([ends.min, -1 if ends.min < 0 else 1, 0, ends.max], dtype), (4, *SHAPE))
    expected = np.median(frames.astype(np.float64), axis=0).astype(np.float32)
    assert np.array_equal(stacked(frames, StackRule(Method.MEDIAN)), expected)


@pytest.mark.parametrize("number", [3, 5, 6, 20, 50, 70])
@pytest.mark.parametrize("dtype", TYPES)
def test_sigma_clip_is_astropys_to_convergence(rng: np.random.Generator, number: int, dtype: type) -> None:
    frames = noise_with_hits(rng, number, dtype)
    reference = sigma_clip(frames.astype(np.float64), sigma=3.0, maxiters=None, axis=0, cenfunc="median", stdfunc="std")
    count = np.empty(SHAPE, np.uint16)
    mean = stacked(frames, CLIP, count=count)
    assert np.array_equal(count, reference.count(axis=0))
    assert np.abs(mean - reference.mean(axis=0)).max() < 1e-3


@pytest.mark.parametrize("sigma_adu", [0.3, 1.0, 12.0])
@pytest.mark.parametrize("number", [4, 5, 10, 21, 50])
@pytest.mark.parametrize("dtype", [np.uint16, np.float32])
def test_winsorized_is_its_definition(rng: np.random.Generator, number: int, dtype: type, sigma_adu: float) -> None:
    frames = noise_with_hits(rng, number, dtype, sigma_adu)
    expected, expected_count = of_each_pixel(frames, winsorized, WINSORIZED)
    count = np.empty(SHAPE, np.uint16)
    mean = stacked(frames, WINSORIZED, count=count)
    assert np.array_equal(count, expected_count)
    assert np.abs(mean - expected).max() < 1e-3


small_stacks = st.integers(1, 9).flatmap(
    lambda number: arrays(np.int16, (number, 1, 4), elements=st.integers(-20, 20) | st.integers(-32768, 32767))
)
limits = st.sampled_from([1.5, 2.0, 2.7, 3.0])


@given(frames=small_stacks, low=limits, high=limits, is_float=st.booleans())
@settings(max_examples=150, deadline=None)
def test_clips_of_few_values_are_their_definitions(
    frames: NDArray[Any], low: float, high: float, is_float: bool
) -> None:
    values = frames.astype(np.float32 if is_float else np.int16)
    for method, definition in ((Method.SIGMA_CLIP, clipped), (Method.WINSORIZED, winsorized)):
        rule = StackRule(method, low, high)
        expected, expected_count = of_each_pixel(values, definition, rule)
        count = np.empty(values.shape[1:], np.uint16)
        mean = stacked(values, rule, count=count)
        is_tie = np.array([[_is_near_a_limit(values[:, 0, x], low, high, definition) for x in range(4)]])
        assert np.array_equal(count[~is_tie], expected_count[~is_tie])
        assert np.allclose(mean[~is_tie], expected[~is_tie], atol=5e-3)


def _is_near_a_limit(values: NDArray[Any], low: float, high: float, definition: Any) -> bool:
    """Whether limits that differ by one part in 10^9 would keep others."""
    numbers = {len(definition(values, low * factor, high * factor)) for factor in (1.0 - 1e-9, 1.0, 1.0 + 1e-9)}
    return len(numbers) > 1


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.method.value)
@pytest.mark.parametrize("dtype", TYPES)
def test_the_cut_into_bands_and_threads_changes_no_bit(rng: np.random.Generator, rule: StackRule, dtype: type) -> None:
    frames = noise_with_hits(rng, 12, dtype).reshape(12, -1)
    if dtype is np.float32:
        frames[rng.random(frames.shape) < 0.05] = np.nan
    whole, parts = np.empty(frames.shape[1], np.float32), np.empty(frames.shape[1], np.float32)
    error, part_errors = np.empty_like(whole), np.empty_like(whole)
    combine(frames, rule, whole, error=error)
    cuts = [0, 1, 8, 250, 263, 500, frames.shape[1]]
    together = threading.Barrier(3)

    def band(first: int, last: int) -> None:
        together.wait(10)
        combine(np.ascontiguousarray(frames[:, first:last]), rule, parts[first:last], error=part_errors[first:last])

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(band, cuts[:-1], cuts[1:]))
    assert whole.tobytes() == parts.tobytes()
    assert error.tobytes() == part_errors.tobytes()


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.method.value)
@pytest.mark.parametrize("dtype", TYPES)
def test_numbers_are_decoded_as_they_are_stored(rng: np.random.Generator, rule: StackRule, dtype: type) -> None:
    frames = noise_with_hits(rng, 7, dtype)
    stored = (frames ^ np.uint16(0x8000)) if dtype is np.uint16 else frames
    encoding = Encoding(np.dtype(dtype), is_swapped=True, is_offset=dtype is np.uint16)
    assert np.array_equal(stacked(stored.byteswap(), rule, encoding=encoding), stacked(frames, rule))


@pytest.mark.parametrize("number", [2, 3, 8, 33])
def test_what_is_no_number_is_left_out(rng: np.random.Generator, number: int) -> None:
    frames = noise_with_hits(rng, number, np.float32)
    frames[rng.random(frames.shape) < 0.3] = np.nan
    frames[rng.random(frames.shape) < 0.1] = np.inf
    frames[rng.random(frames.shape) < 0.1] = -np.inf
    frames[:, 0, 0] = np.nan
    known = np.where(np.isfinite(frames), frames, np.nan).astype(np.float64)
    is_some = np.isfinite(known).any(axis=0)
    for rule, of_known in ((StackRule(Method.MEDIAN), np.nanmedian), (StackRule(Method.MEAN), np.nanmean)):
        count = np.empty(SHAPE, np.uint16)
        found = stacked(frames, rule, count=count)
        assert np.array_equal(count, np.isfinite(frames).sum(axis=0))
        assert np.array_equal(np.isnan(found), ~is_some)
        assert np.allclose(found[is_some], of_known(known[:, is_some], axis=0), rtol=1e-7)
    with pytest.warns(AstropyUserWarning, match="invalid values"):
        reference = sigma_clip(known, sigma=3.0, maxiters=None, axis=0, cenfunc="median")
    count = np.empty(SHAPE, np.uint16)
    mean = stacked(frames, CLIP, count=count)
    assert np.array_equal(count, np.where(is_some, reference.count(axis=0), 0))
    assert np.allclose(mean[is_some], reference.mean(axis=0)[is_some], atol=1e-3)


def test_each_frame_is_scaled_before_it_is_combined(rng: np.random.Generator) -> None:
    frames = noise_with_hits(rng, 9, np.uint16)
    scales, offsets = rng.uniform(0.5, 2.0, 9), rng.uniform(-50.0, 50.0, 9)
    expected = (frames * scales[:, None, None] + offsets[:, None, None]).astype(np.float32)
    for rule in RULES:
        assert np.array_equal(stacked(frames, rule, scales=scales, offsets=offsets), stacked(expected, rule))


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_weights_count_among_those_that_stay(rng: np.random.Generator, dtype: type) -> None:
    frames = noise_with_hits(rng, 15, dtype)
    weights = rng.uniform(0.2, 3.0, 15)
    reference = sigma_clip(frames.astype(np.float64), sigma=3.0, maxiters=None, axis=0, cenfunc="median")
    part = np.where(np.ma.getmaskarray(reference), 0.0, weights[:, None, None])
    error, count = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.uint16)
    mean = stacked(frames, CLIP, weights=weights, error=error, count=count)
    assert np.allclose(mean, (part * frames).sum(axis=0) / part.sum(axis=0), atol=1e-3)
    spread = reference.std(axis=0, ddof=1)
    assert np.allclose(error, spread * np.sqrt((part**2).sum(axis=0)) / part.sum(axis=0), rtol=1e-4)


def test_weighted_mean_without_rejection_leaves_missing_values_out() -> None:
    frames = np.array([10.0, 20.0, np.nan], np.float32).reshape(3, 1, 1)
    assert stacked(frames, StackRule(Method.MEAN), weights=np.array([3.0, 1.0, 5.0]))[0, 0] == 12.5
    nothing = np.full((2, 1, 1), np.nan, np.float32)
    assert np.isnan(stacked(nothing, StackRule(Method.MEAN), weights=np.ones(2))).all()


@pytest.mark.parametrize(("low", "high", "number"), [(1, 1, 5), (0, 2, 5), (2, 2, 3), (1, 1, 2), (1, 1, 1), (0, 0, 4)])
def test_min_max_drops_the_extremes_and_keeps_one(rng: np.random.Generator, low: int, high: int, number: int) -> None:
    frames = noise_with_hits(rng, number, np.uint16)
    first = min(low, (number - 1) // 2)
    last = number - min(high, number - 1 - first)
    out, count = np.empty(SHAPE, np.float32), np.empty(SHAPE, np.uint16)
    rejected = combine(frames, StackRule(Method.MIN_MAX, low, high), out, count=count)
    assert np.allclose(out, np.sort(frames, axis=0)[first:last].mean(axis=0), rtol=1e-7)
    assert (count == last - first).all()
    assert rejected == (number - last + first) * out.size


def test_error_is_the_standard_error_and_unknown_for_one(rng: np.random.Generator) -> None:
    frames = noise_with_hits(rng, 10, np.uint16)
    error = np.empty(SHAPE, np.float32)
    stacked(frames, StackRule(Method.MEAN), error=error)
    expected = frames.std(axis=0, ddof=1) / math.sqrt(10)
    assert np.allclose(error, expected, rtol=1e-4)
    stacked(frames, StackRule(Method.MEDIAN), error=error)
    assert np.allclose(error, expected * math.sqrt(math.pi / 2.0), rtol=1e-4)
    stacked(frames[:1], StackRule(Method.MEAN), error=error)
    assert np.isnan(error).all()


@pytest.mark.parametrize("rule", [CLIP, WINSORIZED], ids=["clip", "winsorized"])
@pytest.mark.parametrize("factor", [1.0, 1e-30, 1e30])
def test_a_hit_on_a_still_pixel_leaves_no_trace(rule: StackRule, factor: float) -> None:
    frames = np.full((20, 2, 2), 3.0 * factor, np.float32)
    frames[4, 1, 1] = 5.0 * factor
    out = np.empty((2, 2), np.float32)
    assert combine(frames, rule, out) == 1
    assert (out == np.float32(3.0 * factor)).all()


def test_no_frames_are_no_stack() -> None:
    with pytest.raises(ValueError, match="1 to 65535 frames"):
        combine(np.empty((0, 2, 2), np.uint16), CLIP, np.empty((2, 2), np.float32))
