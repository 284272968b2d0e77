"""Bias and dark stacks from files to files: exact, of any cut, and without the frames that cannot be read."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import examine
from app.frames.product_file import PIXELS, NewProduct
from app.model.batch import Combination, Exposure, ProductKind
from app.model.errors import CalibrationError, FrameError
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.settings import Calibration, Settings
from app.pipeline import raw_stack
from app.pipeline.kernels.stack import Method, StackRule
from app.pipeline.masters import rule_of, stack_master
from app.pipeline.raw_stack import StackJob, stack_rows
from app.pipeline.step import CancelToken, Context, Findings
from app.pipeline.workers import ThreadWorkers
from tests.builders import frame
from tests.fakes import MemoryBatches

ROWS, COLUMNS = 40, 50


def counts(number: int, seed: int = 3) -> np.ndarray[Any, Any]:
    return np.round(np.random.default_rng(seed).normal(500.0, 6.0, (number, ROWS, COLUMNS)))


class Scene:
    """A batch of bias frames on disk."""

    def __init__(self, folder: Path, pixels: np.ndarray[Any, Any]) -> None:
        self.folder = folder
        self.group = tuple(
            self.exposure(number, frame(folder / f"raw/bias_{number}.fits", one, "BIAS", 0.0))
            for number, one in enumerate(pixels)
        )
        self.findings = Findings("bias stacks", 130)

    def exposure(self, number: int, path: Path) -> Exposure:
        facts = FrameFacts(rows=ROWS, columns=COLUMNS, exposure_s=0.0, readout_mode="as stored")
        recognition = Recognition(FrameKind.BIAS, "IMAGETYP", 1.0)
        return Exposure(path.name, path, f"{number:064d}", facts, recognition, key=number)

    def stack(self, kind: ProductKind = ProductKind.BIAS_MASTER, threads: int = 2, **limits: Any) -> Combination:
        store = MemoryBatches()
        batch = store.open_batch(str(self.folder / "raw"), self.folder / f"products{threads}")
        settings = Settings(calibration=Calibration(**limits))
        store.set_exposures(batch.key, self.group)
        context = Context(store, batch, settings, lambda _: None, CancelToken(), workers=ThreadWorkers(threads))
        return stack_master(context, self.findings, kind, Path("master.fits"), store.exposures(batch.key))


def test_master_is_the_median_and_says_its_level(tmp_path: Path) -> None:
    pixels = counts(5)
    made = Scene(tmp_path, pixels).stack()
    expected = np.median(pixels, axis=0)
    assert np.array_equal(fits.getdata(made.file), expected.astype(np.float32))
    assert made.qc["L1MEAN"] == pytest.approx(expected.mean(), abs=1e-4)
    assert made.qc["L1SIGMA"] == pytest.approx(expected.std(), rel=0.3)
    assert "Median of 5 frames" in str(fits.getheader(made.file)["HISTORY"])


@pytest.mark.parametrize("method", list(Method))
def test_method_of_the_settings_is_used(tmp_path: Path, method: Method) -> None:
    pixels = counts(12)
    pixels[3, 7, 7] = 30000.0
    made = Scene(tmp_path, pixels).stack(masters=method.value)
    found = fits.getdata(made.file)[7, 7]
    assert (found > 2000.0) == (method is Method.MEAN)
    assert made.parameters["method"] == rule_of(Calibration(masters=method.value)).text


def test_bytes_depend_on_no_cut_and_no_number_of_threads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scene = Scene(tmp_path, counts(6))
    whole = scene.stack(threads=1, uncertainty=True)
    monkeypatch.setattr(raw_stack, "_JOB_BYTES", 6 * 2 * COLUMNS * 7)
    monkeypatch.setattr(raw_stack, "_BAND_BYTES", 6 * 2 * COLUMNS * 3)
    cut = scene.stack(threads=3, uncertainty=True)
    assert cut.checksum == whole.checksum
    assert cut.qc == whole.qc


def test_uncertainty_on_request_and_flags_of_darks(tmp_path: Path) -> None:
    pixels = counts(9)
    pixels[:, 20, 20] += 4000.0
    made = Scene(tmp_path, pixels).stack(ProductKind.DARK_MASTER, masters="mean", uncertainty=True)
    with fits.open(made.file) as planes:
        assert [plane.name for plane in planes[1:]] == ["DQ", "UNCERT"]
        assert np.argwhere(planes["DQ"].data).tolist() == [[20, 20]]
        assert np.allclose(planes["UNCERT"].data, pixels.std(axis=0, ddof=1) / 3.0, rtol=1e-4)
    assert made.qc["NBAD"] == 1


@pytest.mark.logs_warnings
def test_frames_that_cannot_be_read_are_left_out_by_name(tmp_path: Path) -> None:
    pixels = counts(6)
    scene = Scene(tmp_path, pixels)
    scene.group[1].path.unlink()
    frame(scene.group[0].path, pixels[0, :30], "BIAS", 0.0)
    with scene.group[4].path.open("r+b") as file:
        file.truncate(4000)
    made = scene.stack()
    assert np.array_equal(fits.getdata(made.file), np.median(pixels[[2, 3, 5]], axis=0).astype(np.float32))
    assert [problem.subject for problem in scene.findings.problems] == ["bias_1.fits", "bias_4.fits", "bias_0.fits"]
    assert made.inputs == ("bias_2.fits", "bias_3.fits", "bias_5.fits")


@pytest.mark.logs_warnings
def test_no_readable_frame_is_said(tmp_path: Path) -> None:
    scene = Scene(tmp_path, counts(2))
    for exposure in scene.group:
        exposure.path.unlink()
    with pytest.raises(CalibrationError, match="none of 2 frames can be read"):
        scene.stack()


def test_frame_that_changes_while_it_is_stacked_is_named_and_nothing_is_left(tmp_path: Path) -> None:
    scene = Scene(tmp_path, counts(3))
    frames = tuple(examine(exposure.path) for exposure in scene.group)
    with scene.group[1].path.open("r+b") as file:
        file.truncate(4000)
    target = tmp_path / "master.fits"
    with (
        pytest.raises(FrameError, match=r"bias_1\.fits"),
        NewProduct(target, fits.Header(), (ROWS, COLUMNS)) as product,
    ):
        stack_rows(StackJob(frames, StackRule(Method.MEDIAN), product.layout, None, 0, ROWS), lambda: None)
    assert list(tmp_path.glob("*master*")) == []


def test_frames_of_different_types_are_stacked_as_one_and_what_is_no_number_stays_out(tmp_path: Path) -> None:
    pixels = counts(3).astype(np.float32)
    paths = [tmp_path / f"{number}.fits" for number in range(3)]
    pixels[2, 0, 0] = np.nan
    for path, one, dtype in zip(paths, pixels, (np.uint16, np.int32, np.float32), strict=True):
        fits.PrimaryHDU(np.nan_to_num(one).astype(dtype) if dtype is not np.float32 else one).writeto(path)
    frames = tuple(examine(path) for path in paths)
    target = tmp_path / "master.fits"
    with NewProduct(target, fits.Header(), (ROWS, COLUMNS), (PIXELS,)) as product:
        job = StackJob(frames, StackRule(Method.MEAN), product.layout, None, 0, ROWS)
        level = stack_rows(pickle.loads(pickle.dumps(job)), lambda: None)
        product.finish()
    assert np.allclose(fits.getdata(target), np.nanmean(pixels.astype(np.float64), axis=0), rtol=1e-7)
    assert level.pixels == ROWS * COLUMNS
