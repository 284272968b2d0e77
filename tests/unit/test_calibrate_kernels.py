"""The arithmetic of one frame against float64, and exact quantiles, whatever the cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import FrameReader
from app.model.flags import Dq
from app.pipeline.kernels.calibrate import calibrate, decode, peak, subtract, uncertainty
from app.pipeline.kernels.order import Distribution, Median

EPS = np.finfo(np.float32).eps
INFINITE = np.float32(np.inf)


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(11)


def f32(values):
    return np.asarray(values, np.float32)


def words(values):
    return np.asarray(values, ">f4").view(np.uint32)


def calibrated(raw, bias, dark, scale, flat, floor=0.2, saturation=np.inf, dq=None):
    raw = f32(raw)
    values, flags = words(raw), np.zeros(raw.size, np.uint8) if dq is None else np.asarray(dq, np.uint8)
    masters = [words(np.broadcast_to(one, raw.shape)) for one in (bias, dark, flat)]
    calibrate(raw, masters[0], masters[1], scale, masters[2], np.float32(floor), np.float32(saturation), values, flags)
    return f32(values.view(">f4")), flags


@pytest.mark.parametrize(
    ("dtype", "low", "high"), [("u2", 0, 65535), ("i2", -32768, 32767), ("i4", -(2**23), 2**23), ("f4", -1e5, 1e5)]
)
def test_numbers_are_decoded_as_the_file_means_them(
    rng: np.random.Generator, tmp_path: Path, dtype: str, low: float, high: float
) -> None:
    counts = rng.uniform(low, high, (5, 7)).astype(dtype)
    counts[0, :2] = low, high
    fits.writeto(tmp_path / "frame.fits", counts)
    with FrameReader(tmp_path / "frame.fits") as reader:
        stored, values = np.empty((5, 7), reader.encoding.dtype), np.empty((5, 7), np.float32)
        reader.read_encoded(0, 5, stored)
        decode(stored, reader.encoding, values)
    assert np.array_equal(values, counts.astype(np.float32))


@pytest.mark.parametrize(("bias", "dark", "scale"), [(0, 1, 1.0), (1, 0, 0.0), (1, 1, 0.37), (1, 1, 1.9)])
def test_light_is_the_arithmetic_within_two_roundings(
    rng: np.random.Generator, bias: int, dark: int, scale: float
) -> None:
    raw = f32(rng.integers(200, 60000, 4000))
    raw[:50] = 300.0  # where the sum is nearly nothing, its error is, too
    low = f32(rng.normal(300.0, 3.0, 4000)) * np.float32(bias)
    current = f32(rng.normal(420.0, 9.0, 4000)) * np.float32(dark)
    flat = f32(rng.normal(1.0, 0.05, 4000))
    expected = (raw.astype(float) - low - scale * (current.astype(float) - low)) / flat.astype(float)
    values, flags = calibrated(raw, low, current, scale, flat)
    assert np.allclose(values, expected, rtol=2 * EPS, atol=0.0)
    assert not flags.any()
    subtract(raw, words(low), words(current), scale, raw)
    assert np.allclose(raw, expected * flat, rtol=2 * EPS, atol=0.0)


def test_one_master_alone_gives_the_bits_that_the_formula_of_two_gives(rng: np.random.Generator) -> None:
    raw = f32(rng.integers(0, 65535, 5000))
    raw[::3] = rng.normal(0.0, 1e-3, raw[::3].size)
    raw[:4] = np.nan, np.inf, -np.inf, 0.0
    dark, flat = f32(rng.normal(420.0, 90.0, 5000)), f32(rng.normal(1.0, 0.3, 5000))
    dark[::7] *= 1e-6
    dark[4:6], flat[6] = (np.nan, np.inf), np.nan
    one = calibrated(raw, dark, 0.0, 0.0, flat, saturation=6e4)
    two = calibrated(raw, 0.0, dark, 1.0, flat, saturation=6e4)
    assert np.array_equal(one[0].view(np.uint32), two[0].view(np.uint32))
    assert np.array_equal(one[1], two[1])


@pytest.mark.parametrize("place", [0, 1023, 1024, 3000])
def test_lonely_pixel_is_flagged_wherever_it_lies(place: int) -> None:
    raw, flat = np.full(3001, 500.0, np.float32), np.ones(3001, np.float32)
    for values, number, flag in ((raw, 6e4, Dq.SATURATED), (raw, np.nan, Dq.NO_DATA), (flat, 0.1, Dq.NO_FLAT)):
        kept, values[place] = values[place], number
        flags = calibrated(raw, 100.0, 0.0, 0.0, flat, saturation=6e4)[1]
        assert {int(at): int(flags[at]) for at in np.flatnonzero(flags)} == {place: flag}
        values[place] = kept


def test_flags_say_why_a_pixel_is_not_to_be_trusted() -> None:
    raw = [5.0, 5.0, 5.0, 5.0, 65535.0, np.nan, np.inf, 5.0]
    flat = [1.0, 0.1, np.nan, 0.2, 1.0, 1.0, 1.0, 1.0]
    values, flags = calibrated(raw, 0.0, 9.0, 1.0, flat, 0.2, 60000.0, [0, 0, 0, 0, 0, 0, 0, Dq.BAD])
    saturated_without = Dq.SATURATED | Dq.NO_DATA
    assert list(flags) == [0, Dq.NO_FLAT, Dq.NO_FLAT, 0, Dq.SATURATED, Dq.NO_DATA, saturated_without, Dq.BAD]
    assert values[0] == -4.0
    assert np.array_equal(np.isnan(values), [False, True, True, False, False, True, True, False])
    assert values[7] == -4.0  # bad, and still there


def test_master_without_a_value_gives_none() -> None:
    values, flags = calibrated([5.0], 0.0, np.nan, 1.0, 1.0)
    assert np.isnan(values[0])
    assert flags[0] == Dq.NO_DATA


def test_result_does_not_depend_on_the_cut(rng: np.random.Generator) -> None:
    raw, dark = f32(rng.integers(0, 65535, 1001)), f32(rng.normal(300, 5, 1001))
    flat = f32(rng.normal(1, 0.2, 1001))
    whole, flags = calibrated(raw, 7.0, dark, 0.3, flat, 0.8, 60000)
    for cut in (1, 3, 16, 1000):
        pieces = [
            calibrated(raw[at : at + cut], 7.0, dark[at : at + cut], 0.3, flat[at : at + cut], 0.8, 60000)
            for at in range(0, 1001, cut)
        ]
        assert np.concatenate([values for values, _ in pieces]).tobytes() == whole.tobytes()
        assert np.array_equal(np.concatenate([dq for _, dq in pieces]), flags)


def test_uncertainty_is_the_scatter_of_simulated_frames(rng: np.random.Generator) -> None:
    gain, read_noise_e, number = 1.7, 9.0, 200_000
    signal_e, flat, errors = 3000.0, 0.8, (2.0, 1.5, 0.004)
    electrons = rng.poisson(signal_e * flat, number) + rng.normal(0.0, read_noise_e, number)
    bias = 300.0 + rng.normal(0.0, errors[0], number)
    dark = 300.0 + rng.normal(0.0, errors[1], number)
    scatter = flat + rng.normal(0.0, errors[2], number)
    values, _ = calibrated(electrons / gain + 300.0, bias, dark, 0.4, scatter)
    expected = float(np.std(values))
    raw, *one = f32([signal_e * flat / gain + 300.0]), *(words([x]) for x in (300.0, 300.0, flat))
    sigma = words([signal_e / gain])
    of = tuple(words([error]) for error in errors)
    uncertainty(raw, one[0], one[1], 0.4, one[2], of, np.float32(1 / gain), np.float32(read_noise_e / gain), sigma)
    assert sigma.view(">f4")[0] == pytest.approx(expected, rel=0.01)


def test_uncertainty_of_no_signal_is_read_noise_and_unknown_errors_are_none() -> None:
    values = words([-2.0, np.nan])
    zeros, ones, unknown = words([0.0, 0.0]), words([1.0, 1.0]), words([np.nan, np.nan])
    uncertainty(f32([-2, 5]), zeros, zeros, 1.0, ones, (unknown,) * 3, np.float32(0.5), np.float32(4.0), values)
    assert values.view(">f4")[0] == 4.0
    assert np.isnan(values.view(">f4")[1])


def test_peak_counts_the_highest_and_those_at_the_level() -> None:
    assert peak(f32([1, 7, 7, np.nan, np.inf, 3]), np.float32(3.0)) == (7.0, 2, 4)
    assert peak(f32([np.nan, np.nan]), INFINITE) == (-np.inf, 0, 0)


@pytest.mark.parametrize("cut", [1, 100, 5000])
@pytest.mark.parametrize(
    "values",
    [
        lambda rng: rng.normal(0.0, 1.0, 4001),
        lambda rng: rng.normal(25000.0, 160.0, 4000),
        lambda rng: rng.normal(-7e6, 10.0, 999),
        lambda rng: np.array([-5.0, 2.0, np.nan, np.inf, -np.inf]),
        lambda rng: np.repeat([0.0, 1e-30], 10),
    ],
    ids=["around zero", "even", "negative", "two bins", "tiny"],
)
def test_median_is_numpys_whatever_the_cut(rng: np.random.Generator, values, cut: int) -> None:
    sample = f32(values(rng))
    first = Distribution()
    for at in range(0, sample.size, cut):
        first.add(sample[at : at + cut])
    second = Median(first)
    for at in range(0, sample.size, cut):
        second.add(sample[at : at + cut])
    finite = sample[np.isfinite(sample)].astype(float)
    assert second.value == np.median(finite)
    assert first.total == finite.size
    assert first.quantile(0.995) == pytest.approx(np.sort(finite)[int(0.995 * (finite.size - 1))], rel=0.01)


def test_median_of_nothing_is_nan() -> None:
    nothing = Distribution()
    nothing.add(f32([np.nan, np.inf]))
    assert np.isnan(Median(nothing).value)
    assert np.isnan(nothing.quantile(0.5))
