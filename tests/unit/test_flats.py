"""Flats: which frame is one, and what their stack says of the field."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import examine
from app.frames.product_file import PIXELS, NewProduct
from app.model.errors import CalibrationError
from app.model.settings import Calibration
from app.pipeline import calibrating, flats
from app.pipeline.calibrating import UNCERT, Master, Subtraction
from app.pipeline.flats import FlatJob, FlatRowsJob, examine_flat, stack_flat_rows
from app.pipeline.kernels.stack import Method, StackRule

SHAPE = (50, 60)
LIMITS = Calibration()


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(8)


def go_on() -> None:
    """Never stops."""


def written(path: Path, pixels: np.ndarray) -> Path:
    fits.writeto(path, pixels)
    return path


def flat_of(path: Path, counts: np.ndarray, saturation_adu: float | None = None, **masters: Master) -> FlatJob:
    return FlatJob(examine(written(path, counts)), Subtraction(**masters), saturation_adu)


def field(rng: np.random.Generator, level: float) -> np.ndarray:
    return np.rint(rng.normal(level, 30.0, SHAPE)).astype(np.uint16)


@pytest.mark.parametrize("pixels", [1, 333, 1 << 18])
def test_level_is_the_exact_median_over_the_bias(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pixels: int
) -> None:
    monkeypatch.setattr(calibrating, "BAND_PIXELS", pixels)
    counts, bias = field(rng, 20000.0), rng.normal(300.0, 2.0, SHAPE).astype(np.float32)
    job = flat_of(tmp_path / "flat.fits", counts, bias=Master(examine(written(tmp_path / "b.fits", bias)), None, None))
    levels = examine_flat(job, go_on)
    assert levels.median_adu == np.median((counts.astype(float) - bias).astype(np.float32).astype(float))
    levels.refuse(LIMITS)


@pytest.mark.parametrize(
    ("counts", "sentence"),
    [
        (np.zeros(SHAPE, np.uint16), "median is 0.0 adu over bias and dark: light the field"),
        (np.full(SHAPE, np.nan, np.float32), "none of its pixels has a value: take it again"),
        (np.full(SHAPE, 65535, np.uint16), "saturated: 100.0 % of its pixels are at 65535 adu"),
        (np.full(SHAPE, 120, np.uint16), "underexposed: its median is 120 adu, at least 500 is needed"),
        (np.where(np.arange(60) < 5, 60000, 2000).astype(np.uint16) * np.ones(SHAPE, np.uint16), "slit spectrum"),
    ],
    ids=["zeros", "nan", "saturated", "underexposed", "structure"],
)
def test_what_is_no_flat_is_refused_in_a_sentence(tmp_path: Path, counts: np.ndarray, sentence: str) -> None:
    with pytest.raises(CalibrationError, match=sentence):
        examine_flat(flat_of(tmp_path / "flat.fits", counts), go_on).refuse(LIMITS)


@pytest.mark.parametrize(("level", "is_refused"), [(60000.0, True), (None, False)])
def test_saturation_is_the_known_level_else_the_highest_value(
    rng: np.random.Generator, tmp_path: Path, level: float | None, is_refused: bool
) -> None:
    counts = field(rng, 40000.0)
    counts[:2] = 60000 + np.arange(60, dtype=np.uint16)  # 4 % of the pixels, each value twice
    levels = examine_flat(flat_of(tmp_path / "flat.fits", counts, level), go_on)
    assert (levels.saturated_part > flats.SATURATED_PART) is is_refused
    assert levels.saturated_part == pytest.approx(120 / 3000 if is_refused else 2 / 3000)


def stacked(path: Path, jobs: list[FlatJob], levels: list[float], cut: int = 50) -> tuple[np.ndarray, np.ndarray]:
    with NewProduct(path, fits.Header(), SHAPE, (PIXELS, UNCERT)) as product:
        for first in range(0, SHAPE[0], cut):
            last = min(first + cut, SHAPE[0])
            rule = StackRule(Method.MEDIAN)
            stack_flat_rows(FlatRowsJob(tuple(jobs), tuple(levels), rule, 0.2, product.layout, 1, first, last), go_on)
        product.finish()
    with fits.open(path) as hdus:
        return np.array(hdus[0].data), np.array(hdus["UNCERT"].data)


def test_stack_is_the_median_of_normalised_flats_each_with_its_own_dark(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bias = np.rint(rng.normal(300.0, 2.0, SHAPE)).astype(np.float32)
    dark = bias + 60.0 * np.rint(rng.uniform(0.0, 4.0, SHAPE)).astype(np.float32)
    masters = {
        name: Master(examine(written(tmp_path / f"{name}.fits", pixels)), None, None)
        for name, pixels in (("bias", bias), ("dark", dark))
    }
    counts = [field(rng, level) for level in (30000.0, 20000.0, 10000.0)]
    for frame in counts:
        frame[4, 4] = 310
    scales = (0.5, 0.25, 1.5)
    jobs = [
        FlatJob(examine(written(tmp_path / f"{n}.fits", frame)), Subtraction(**masters, scale=scale), None)
        for n, (frame, scale) in enumerate(zip(counts, scales, strict=True))
    ]
    levels = [examine_flat(job, go_on).median_adu for job in jobs]
    light = [
        frame.astype(float) - bias - scale * (dark.astype(float) - bias)
        for frame, scale in zip(counts, scales, strict=True)
    ]
    expected = np.median([one / np.median(one) for one in light], axis=0)
    pixels, errors = stacked(tmp_path / "whole.fits", jobs, levels)
    assert np.isnan(pixels[4, 4])
    known = np.isfinite(pixels)
    assert known.sum() == pixels.size - 1
    assert np.allclose(pixels[known], expected[known], rtol=3e-7, atol=0.0)
    assert np.isfinite(errors[known]).all()
    monkeypatch.setattr(flats, "_TILE_BYTES", 1)
    cut, _ = stacked(tmp_path / "cut.fits", jobs, levels, cut=7)
    assert cut.tobytes() == pixels.tobytes()
