"""Bad pixels of masters: found where they were put, and nowhere else, however the master is cut."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.frames.product_file import PIXELS, NewProduct, Plane
from app.model.flags import Dq
from app.pipeline import bad_pixels
from app.pipeline.bad_pixels import OF_DARK, OF_FLAT, BadPixels, flag_bad_pixels
from app.pipeline.kernels.local_median import REACH, local_median
from app.pipeline.workers import ThreadWorkers


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(3)


def flagged(path: Path, master: np.ndarray, rule: BadPixels, threads: int = 2) -> tuple[np.ndarray, int]:
    with NewProduct(path, fits.Header(), master.shape, (PIXELS, Plane("DQ", "u1"))) as product:
        product.layout.write(0, 0, master)
        number = flag_bad_pixels(product.layout, 1, rule, ThreadWorkers(threads), lambda: None)
        product.finish()
    return np.array(fits.getdata(path, "DQ")), number


def test_local_median_is_the_median_of_medians(rng: np.random.Generator) -> None:
    rows = rng.normal(100.0, 5.0, (30, 41)).astype(np.float32)
    wide = np.pad(rows, ((0, 0), (REACH, REACH)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view
    medians = np.median(windows(wide, 7, axis=1), axis=-1)
    assert np.array_equal(local_median(rows), np.median(windows(medians, 7, axis=0), axis=-1))


def test_hot_and_cold_pixels_of_a_dark_are_bad_and_no_others(rng: np.random.Generator, tmp_path: Path) -> None:
    dark = rng.normal(300.0, 3.0, (120, 90)).astype(np.float32)
    dark += np.linspace(0.0, 500.0, 90, dtype=np.float32)  # glow at one side
    expected = np.zeros(dark.shape, bool)
    for place in ((0, 0), (50, 50), (119, 89), (63, 10), (64, 10), (0, 40)):
        expected[place] = True
    expected[70:73, 20:23] = True  # a cluster
    expected[:, 60] = True  # a column
    dark[expected] += 400.0
    dark[10, 10], expected[10, 10] = 150.0, True
    dark[30, 30] = np.nan
    flags, number = flagged(tmp_path / "dark.fits", dark, OF_DARK)
    assert np.array_equal(flags == Dq.BAD, expected)
    assert number == expected.sum()
    assert flags[30, 30] == Dq.NO_DATA


def test_odd_pixels_of_a_flat_are_bad_and_dead_ones_have_no_flat(rng: np.random.Generator, tmp_path: Path) -> None:
    y, x = np.indices((100, 110))
    flat = (1.0 - 0.4 * ((y - 50) ** 2 + (x - 55) ** 2) / 5000.0).astype(np.float32)
    flat *= rng.normal(1.0, 0.004, flat.shape).astype(np.float32)
    flat[20, 20] *= 0.7
    flat[40, 5] *= 1.5
    flat[60, 60] = np.nan
    flags, number = flagged(tmp_path / "flat.fits", flat, OF_FLAT)
    assert sorted(zip(*np.nonzero(flags == Dq.BAD), strict=True)) == [(20, 20), (40, 5)]
    assert number == 2
    assert flags[60, 60] == Dq.NO_FLAT


def test_a_quiet_master_has_no_bad_pixels(tmp_path: Path) -> None:
    flags, number = flagged(tmp_path / "dark.fits", np.full((9, 9), 300.0, np.float32), OF_DARK)
    assert (number, flags.any()) == (0, False)


def test_a_dead_half_makes_no_bad_pixels_of_the_other(rng: np.random.Generator, tmp_path: Path) -> None:
    dark = rng.normal(300.0, 3.0, (40, 40)).astype(np.float32)
    dark[:, :20] = np.nan
    flags, number = flagged(tmp_path / "dark.fits", dark, OF_DARK)
    assert number == 0
    assert np.array_equal(flags == Dq.NO_DATA, np.isnan(dark))


def test_flags_do_not_depend_on_bands_and_threads(
    rng: np.random.Generator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    dark = rng.normal(300.0, 3.0, (150, 40)).astype(np.float32)
    dark[rng.random(dark.shape) < 0.03] += 60.0
    whole, _ = flagged(tmp_path / "whole.fits", dark, OF_DARK, threads=1)
    for job, band in ((512, 1), (64, 7), (10, 64)):
        monkeypatch.setattr(bad_pixels, "_JOB_ROWS", job)
        monkeypatch.setattr(bad_pixels, "_BAND_ROWS", band)
        flags, _ = flagged(tmp_path / f"{job}.fits", dark, OF_DARK)
        assert np.array_equal(flags, whole)
    assert whole.any()
