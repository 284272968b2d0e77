"""What each method keeps of a pixel's values, and the weighted mean of those."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from astropy.stats import sigma_clip
from numpy.lib.stride_tricks import sliding_window_view

from app.pipeline.rejection import METHODS, NoiseClip, Rejection, method_for
from app.sim.sky import add_star

Array = np.ndarray[Any, Any]


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


def combined(
    method: Rejection, frames: Array, noise: float = 1.0, weights: Array | None = None
) -> tuple[Array, Array, Array]:
    """Mean, count and error of a method, in the shape of a frame: (rows, columns), or (columns,) for one row."""
    stack = np.ascontiguousarray(frames, np.float32)
    rows = stack if stack.ndim == 3 else stack[:, None]
    mean, error = np.empty(rows.shape[1:], np.float32), np.empty(rows.shape[1:], np.float32)
    count = np.empty(rows.shape[1:], np.uint16)
    weights = np.ones(len(stack)) if weights is None else weights
    method.combine(rows, weights, np.full(len(stack), noise), mean, count, error)
    shape = stack.shape[1:]
    return mean.reshape(shape), count.reshape(shape), error.reshape(shape)


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
    stack = rng.normal(100.0, 5.0, (7, 20, 50)).astype(np.float32)
    stack[:, rng.random(stack.shape[1:]) < 0.1] *= 5.0  # stars: one pixel's signal excuses its neighbours
    stack[rng.random(stack.shape) < 0.05] += 300.0
    stack[rng.random(stack.shape) < 0.05] = np.nan
    weights, reach = rng.uniform(0.5, 1.0, 7), METHODS[name].reach_rows
    whole = combined(METHODS[name], stack, 5.0, weights)
    parts = []
    for first, last in ((0, 1), (1, 6), (6, 13), (13, 20)):
        top = max(first - reach, 0)
        part = combined(METHODS[name], stack[:, top : last + reach], 5.0, weights)
        parts.append([plane[first - top : last - top] for plane in part])
    for one, pieces in zip(whole, zip(*parts, strict=True), strict=True):
        assert np.array_equal(one, np.concatenate(pieces), equal_nan=True)


@pytest.mark.parametrize("number", [4, 5])
def test_noise_clip_is_what_numpy_says(rng: np.random.Generator, number: int) -> None:
    shape = (number, 19, 27)
    stack = rng.normal(0.0, 5.0, shape).astype(np.float32)
    stack[:, rng.random(shape[1:]) < 0.1] += 300.0
    stack[rng.random(shape) < 0.2] += 40.0
    stack[rng.random(shape) < 0.1] = np.nan
    stack[:, 7, :5] = np.nan
    noise, weights = rng.uniform(3.0, 6.0, number), rng.uniform(0.5, 1.0, number)
    mean, error = np.empty(shape[1:], np.float32), np.empty(shape[1:], np.float32)
    count = np.empty(shape[1:], np.uint16)
    NoiseClip(sigmas=3.0, signal_part=0.1).combine(stack, weights, noise, mean, count, error)
    values = stack.astype(np.float64)
    last = np.maximum(np.isfinite(values).sum(axis=0) - 1, 0)
    centre = np.take_along_axis(np.sort(values, axis=0), last[None] // 2, axis=0)[0]  # the lower of two in the middle
    around = sliding_window_view(np.pad(np.nan_to_num(centre), 1), (3, 3)).max(axis=(2, 3))
    distance, limit = np.abs(values - centre), 3.0 * noise[:, None, None] * np.sqrt(1.0 + 1.0 / number)
    accepted = distance <= limit + 0.1 * np.maximum(around, 0.0)
    weight = np.where(accepted, weights[:, None, None], 0.0)
    with np.errstate(invalid="ignore"):
        expected = (weight * np.nan_to_num(values)).sum(axis=0) / weight.sum(axis=0)
        deviation = np.sqrt((weight**2 * noise[:, None, None] ** 2).sum(axis=0)) / weight.sum(axis=0)
    assert np.array_equal(count, accepted.sum(axis=0))
    assert (accepted != (distance <= limit + 0.1 * np.maximum(centre, 0.0))).any()
    assert 0 == count.min() < count.max() == number
    assert np.allclose(mean, expected, rtol=1e-6, atol=1e-5, equal_nan=True)
    assert np.allclose(error, deviation, rtol=1e-6, equal_nan=True)


class Stars:
    """Three lights of the same stars on sky 0: two sharp ones, and one in worse seeing that is trailed too."""

    noise_adu = 5.0
    places = tuple((x + 0.37 * n, y + 0.23 * n) for n, (y, x) in enumerate(product(range(20, 120, 20), repeat=2)))

    def __init__(self, rng: np.random.Generator) -> None:
        self.lights = rng.normal(0.0, self.noise_adu, (3, 130, 140))
        for peak_adu, (x, y) in zip(np.geomspace(100.0, 20000.0, len(self.places)), self.places, strict=True):
            flux = peak_adu * 1.133 * 2.2**2  # of a Gaussian with that FWHM
            for light, fwhm_px in zip(self.lights, (2.2, 2.2, 2.7), strict=True):
                trail_px = 1.2 if fwhm_px > 2.5 else 0.0
                for along in (-0.5, 0.0, 0.5):
                    add_star(light, x + along * trail_px, y, flux / 3.0, fwhm_px)

    def fluxes(self, image: Array) -> Array:
        """Of each star, within 6 pixels of its centre."""
        rows, columns = np.indices(image.shape)
        return np.array([image[np.hypot(columns - x, rows - y) <= 6.0].sum() for x, y in self.places])


def test_noise_clip_keeps_the_light_of_stars_that_differ_in_width(rng: np.random.Generator) -> None:
    stars, weights = Stars(rng), np.array([1.0, 1.0, 0.5])
    clipped, count, _ = combined(METHODS["noise clip"], stars.lights, stars.noise_adu, weights)
    kept, _, _ = combined(METHODS["none"], stars.lights, stars.noise_adu, weights)
    assert stars.fluxes(clipped) == pytest.approx(stars.fluxes(kept), rel=0.005)
    assert (count < 3).mean() < 0.001


@pytest.mark.parametrize("hit_light", [0, 2])
def test_noise_clip_finds_hits_on_the_sky_and_beside_stars(rng: np.random.Generator, hit_light: int) -> None:
    stars = Stars(rng)
    at_sky = np.array([(round(y) + 10, round(x) + 10) for x, y in stars.places])
    at_stars = np.array([(round(y), round(x) + 3) for x, y in stars.places])
    for hit_adu, hits in ((300.0, at_sky), (5000.0, at_stars)):
        stars.lights[hit_light, hits[:, 0], hits[:, 1]] += hit_adu
    mean, count, _ = combined(METHODS["noise clip"], stars.lights, stars.noise_adu)
    for hits in (at_sky, at_stars):
        assert (count[hits[:, 0], hits[:, 1]] == 2).all()
    assert np.abs(mean[at_sky[:, 0], at_sky[:, 1]]).max() < 5.0 * stars.noise_adu


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
