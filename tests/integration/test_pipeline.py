"""Physics in, physics out: small nights through the steps, with a store in memory."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from app.model.batch import Combination, FileBatch, ProductKind, Severity, Status
from app.model.frame import FrameKind
from app.model.settings import Astrometry, Calibration, Camera, Settings
from app.pipeline.events import BatchEnded, Event, Progress, StepEnded, StepStarted, from_line, to_line
from app.pipeline.recipe import calibration_recipe, in_order
from app.pipeline.run_batch import run_batch
from app.pipeline.step import CancelToken
from tests.builders import BIAS_ADU, DARK_ADU_PER_S, SIDE, SKY_ADU, frame, small_night
from tests.fakes import MemoryBatches

pytestmark = pytest.mark.logs_warnings


#: The skies of these nights are in no catalogue: nobody need search all of it for them.
NO_SEARCH = Astrometry(solvers=("cupola",), blind=False)


class Bench:
    """Runs batches in this process."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryBatches()
        self.events: list[Event] = []

    def run(
        self,
        source: Path,
        settings: Settings | None = None,
        report: Callable[[Event], None] | None = None,
        cancel: CancelToken | None = None,
    ) -> tuple[FileBatch, Status]:
        batch = self.store.open_batch(str(source), self.folder / "products")
        take = report or self.events.append
        status = run_batch(self.store, batch, settings or Settings(astrometry=NO_SEARCH), take, cancel or CancelToken())
        return self.store.batch(batch.key), status

    def products(self, batch: FileBatch, kind: ProductKind) -> tuple[Combination, ...]:
        return self.store.combinations(batch.key, kind)

    def problems(self, batch: FileBatch) -> list[str]:
        return [problem.message for step in self.store.steps(batch.key) for problem in step.problems]


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def data(product: Combination) -> np.ndarray[Any, Any]:
    return np.array(fits.getdata(product.file))


def test_recipe_is_the_nights_order() -> None:
    named = [
        "transfer",
        "ingest",
        "bias stacks",
        "dark stacks",
        "flat stacks",
        "flat-dark correction",
        "astrometry",
        "light stacks",
    ]
    names = [step.name for step in calibration_recipe()]
    assert [name for name in names if name in named] == named
    codes = [step.code for step in calibration_recipe()]
    assert codes == sorted(set(codes))


def test_files_that_are_no_good_frames_are_left_out_and_the_rest_goes_on(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    whole = (night.folder / "light_0.fits").read_bytes()
    (night.folder / "truncated.fits").write_bytes(whole[: len(whole) // 2])
    (night.folder / "words.fits").write_text("these are only words")
    (night.folder / "empty.fits").write_bytes(b"")
    (night.folder / "torn.fits.gz").write_bytes(b"\x1f\x8b\x08 this was never compressed")
    (night.folder / "copy.fits").write_bytes(whole)
    batch, status = bench.run(night.folder)
    assert status is Status.DONE_WITH_PROBLEMS
    assert [len(stack.exposures) for stack in bench.products(batch, ProductKind.LIGHT_STACK)] == [3]
    reasons = {item.file: item.reason for item in bench.store.left_out(batch.key)}
    said = {"truncated.fits": "bytes", "words.fits": "FITS", "empty.fits": "empty", "torn.fits.gz": "unpacked"}
    for file, part in said.items():
        assert part in reasons[file]
        assert reasons[file] in bench.problems(batch)
    assert len(reasons.keys() & {"copy.fits", "light_0.fits"}) == 1  # the same content counts once


def test_no_flat_of_a_filter_is_said_and_the_light_is_calibrated_without(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    frame(night.folder / "blue.fits", np.full((SIDE, SIDE), 900.0), "LIGHT", 30.0, FILTER="B", OBJECT="field")
    batch, _ = bench.run(night.folder)
    (blue,) = [light for light in bench.products(batch, ProductKind.CALIBRATED_LIGHT) if light.facts.filter == "B"]
    assert blue.parameters["flat_because"] == "no flat of filter B: there is R"
    assert any("no flat of filter B" in message for message in bench.problems(batch))


def test_bias_of_another_binning_is_refused(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    half = np.full((SIDE // 2, SIDE // 2), 300.0)
    frame(night.folder / "bias_bin2.fits", half, "BIAS", 0.0, XBINNING=2, YBINNING=2)
    batch, _ = bench.run(night.folder)
    (item,) = bench.store.left_out(batch.key)
    assert "binning 2x2, not 1x1" in item.reason
    assert [len(bias.exposures) for bias in bench.products(batch, ProductKind.BIAS_MASTER)] == [3]


def test_frame_taken_away_takes_its_products_with_it(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    batch, _ = bench.run(night.folder)
    lost = next(one for one in bench.products(batch, ProductKind.CALIBRATED_LIGHT) if "light_2" in one.path.name)
    (night.folder / "light_2.fits").unlink()
    batch, _ = bench.run(night.folder)
    assert len(bench.products(batch, ProductKind.CALIBRATED_LIGHT)) == 2
    assert not lost.file.exists()
    assert [len(stack.exposures) for stack in bench.products(batch, ProductKind.LIGHT_STACK)] == [2]


def test_run_in_which_every_light_is_broken_keeps_what_was_made(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    batch, _ = bench.run(night.folder)
    made = {product.file: product.file.read_bytes() for product in bench.store.combinations(batch.key)}
    for light in night.folder.glob("light_*.fits"):
        light.write_bytes(light.read_bytes()[:5000])
    batch, status = bench.run(night.folder)
    assert status is Status.DONE_WITH_PROBLEMS
    assert {product.file: product.file.read_bytes() for product in bench.store.combinations(batch.key)} == made


def test_two_steps_of_one_code_are_refused() -> None:
    kind = type(calibration_recipe()[0])
    with pytest.raises(ValueError, match="code 110 is taken"):
        in_order([kind, kind])


def test_damaged_product_is_made_again_and_the_others_are_not(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    batch, _ = bench.run(night.folder)
    before = {product.file: product.file.stat().st_mtime_ns for product in bench.store.combinations(batch.key)}
    (dark,) = bench.products(batch, ProductKind.DARK_MASTER)
    whole = dark.file.read_bytes()
    dark.file.write_bytes(whole[:-1] + b"x")
    batch, _ = bench.run(night.folder)
    assert dark.file.read_bytes() == whole
    after = {product.file: product.file.stat().st_mtime_ns for product in bench.store.combinations(batch.key)}
    assert [file.name for file in before if before[file] != after[file]] == [dark.file.name]


def test_night_gives_back_what_was_put_in(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    raw = {file: file.read_bytes() for file in night.folder.iterdir()}
    batch, status = bench.run(night.folder)
    assert {file: file.read_bytes() for file in night.folder.iterdir()} == raw
    assert status is batch.status is Status.DONE_WITH_PROBLEMS  # there is no position to solve
    (bias,), (dark,), (flat,) = (
        bench.products(batch, kind)
        for kind in (ProductKind.BIAS_MASTER, ProductKind.DARK_MASTER, ProductKind.FLAT_MASTER)
    )
    assert np.median(data(bias)) == pytest.approx(BIAS_ADU, abs=1.0)
    assert np.median(data(dark) - data(bias)) == pytest.approx(30 * DARK_ADU_PER_S, abs=1.0)
    assert np.abs(data(flat) / night.flat - 1.0).max() < 0.003
    for light in bench.products(batch, ProductKind.CALIBRATED_LIGHT):
        assert np.median(data(light)) == pytest.approx(SKY_ADU, abs=1.0)
    (stack,) = bench.products(batch, ProductKind.LIGHT_STACK)
    shifts = [frame["shift_px"] for frame in stack.parameters["frames"]]
    truth = [(-dx, -dy) for dx, dy in night.shifts]
    assert np.allclose(shifts, truth, atol=0.05)
    interior = data(stack)[20:-20, 20:-20]
    lights = [data(light)[20:-20, 20:-20] for light in bench.products(batch, ProductKind.CALIBRATED_LIGHT)]
    assert np.nanmax(interior) == pytest.approx(np.nanmax(lights[0]), rel=0.05)


def test_five_flats_that_fade_three_to_one_give_the_known_shape(bench: Bench, tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    y, x = np.mgrid[0:SIDE, 0:SIDE] / SIDE - 0.5
    shape = 1.0 - 0.4 * (x**2 + y**2) + 0.1 * x
    shape /= np.median(shape)
    for n, level in enumerate(np.linspace(30000.0, 10000.0, 5)):
        frame(tmp_path / "raw" / f"bias_{n}.fits", 300.0 + rng.normal(0, 3, (SIDE, SIDE)), "BIAS", 0.0)
        counts = 300.0 + rng.poisson(level * shape * 50.0) / 50.0  # a gain of 50 e-/adu: the shape, not the noise
        frame(tmp_path / "raw" / f"flat_{n}.fits", counts, "FLAT", 2.0 + n, FILTER="R")
    batch, _ = bench.run(tmp_path / "raw")
    (flat,) = bench.products(batch, ProductKind.FLAT_MASTER)
    assert len(flat.exposures) == 5
    smooth = (data(flat) / shape).reshape(20, SIDE // 20, 20, SIDE // 20).mean(axis=(1, 3))
    assert np.abs(smooth - 1.0).max() < 0.002


@pytest.mark.parametrize(
    ("level", "part"), [(100.0, "underexposed"), (65535.0, "saturated")], ids=["underexposed", "saturated"]
)
def test_useless_flat_is_left_out_of_the_stack(bench: Bench, tmp_path: Path, level: float, part: str) -> None:
    night = small_night(tmp_path / "raw")
    counts = np.full((SIDE, SIDE), BIAS_ADU + level).clip(0, 65535)
    frame(night.folder / "flat_bad.fits", counts, "FLAT", 1.0, FILTER="R")
    batch, _ = bench.run(night.folder)
    (flat,) = bench.products(batch, ProductKind.FLAT_MASTER)
    assert len(flat.exposures) == 3
    assert any(part in message for message in bench.problems(batch))


def test_dead_pixels_of_the_flat_are_bad_in_the_light(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    for n in range(3):
        path = night.folder / f"flat_{n}.fits"
        counts = fits.getdata(path).astype(float)
        counts[50, 60] = BIAS_ADU + 5.0
        frame(path, counts, "FLAT", 1.0, FILTER="R")
    batch, _ = bench.run(night.folder)
    light = bench.products(batch, ProductKind.CALIBRATED_LIGHT)[0]
    assert np.isnan(data(light)[50, 60])
    assert np.isnan(data(light)).sum() == 1


def test_light_that_the_camera_calibrated_is_not_calibrated_again(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    counts = np.full((SIDE, SIDE), 1000.0)
    frame(night.folder / "light_dark.fits", counts, "LIGHT", 30.0, FILTER="R", CALSTAT="BD", OBJECT="x")
    batch, _ = bench.run(night.folder)
    light = next(one for one in bench.products(batch, ProductKind.CALIBRATED_LIGHT) if "light_dark" in one.path.name)
    (flat,) = bench.products(batch, ProductKind.FLAT_MASTER)
    assert np.allclose(data(light), 1000.0 / data(flat).astype(np.float64), rtol=1e-6)


def test_camera_with_amplifier_glow_is_not_scaled(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    frame(night.folder / "light_short.fits", np.full((SIDE, SIDE), 500.0), "LIGHT", 10.0, FILTER="R", OBJECT="x")
    settings = Settings(cameras=(Camera(instrument="small camera", scale_dark=False),), astrometry=NO_SEARCH)
    batch, _ = bench.run(night.folder, settings)
    light = next(one for one in bench.products(batch, ProductKind.CALIBRATED_LIGHT) if "short" in one.path.name)
    assert light.parameters["subtracted"] == "bias"


def test_masters_of_an_earlier_night_serve_when_there_are_none(bench: Bench, tmp_path: Path) -> None:
    first = small_night(tmp_path / "first")
    bench.run(first.folder)
    second = small_night(tmp_path / "second", seed=2)
    for path in second.folder.glob("[bdf][ila][ara]*.fits"):
        if not path.name.startswith("light"):
            path.unlink()
    batch, _ = bench.run(second.folder)
    lights = bench.products(batch, ProductKind.CALIBRATED_LIGHT)
    assert len(lights) == 3
    assert all(np.median(data(light)) == pytest.approx(SKY_ADU, abs=1.5) for light in lights)
    assert any("of another batch" in message for message in bench.problems(batch))


def test_master_of_another_night_serves_where_the_nights_own_does_not_fit(bench: Bench, tmp_path: Path) -> None:
    bench.run(small_night(tmp_path / "first").folder)
    second = small_night(tmp_path / "second", seed=2)
    for n in range(3):
        counts = fits.getdata(second.folder / f"flat_{n}.fits")
        frame(second.folder / f"flat_{n}.fits", counts, "FLAT", 1.0, FILTER="B")
    batch, _ = bench.run(second.folder)
    lights = bench.products(batch, ProductKind.CALIBRATED_LIGHT)
    assert {fits.getval(light.file, "FLATFILE").split("_")[1] for light in lights} == {"R"}


def test_master_that_another_night_used_is_neither_overwritten_nor_removed(bench: Bench, tmp_path: Path) -> None:
    first = small_night(tmp_path / "first")
    batch, _ = bench.run(first.folder)
    second = small_night(tmp_path / "second", seed=2)
    for path in second.folder.glob("bias_*.fits"):
        path.unlink()
    for path in second.folder.glob("dark_*.fits"):
        path.unlink()
    other, _ = bench.run(second.folder)
    (used,) = bench.products(batch, ProductKind.DARK_MASTER)
    before = used.file.read_bytes()
    counts = np.full((SIDE, SIDE), BIAS_ADU + 30 * DARK_ADU_PER_S)
    frame(first.folder / "dark_more.fits", counts, "DARK", 30.0)
    batch, _ = bench.run(first.folder)
    (new,) = bench.products(batch, ProductKind.DARK_MASTER)
    assert (len(new.exposures), new.file) != (len(used.exposures), used.file)
    assert used.file.read_bytes() == before
    light = bench.products(other, ProductKind.CALIBRATED_LIGHT)[0]
    assert used.key in light.uses


def test_dark_that_is_no_dark_any_more_is_not_used(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    batch, _ = bench.run(night.folder)
    for dark in bench.store.exposures(batch.key, FrameKind.DARK):
        bench.store.correct(dark.checksum, FrameKind.OTHER, "operator")
    batch, _ = bench.run(night.folder)
    light = bench.products(batch, ProductKind.CALIBRATED_LIGHT)[0]
    assert light.parameters["subtracted"] == "bias"
    assert not bench.products(batch, ProductKind.DARK_MASTER)


def test_light_without_a_usable_pixel_costs_only_itself(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    path = night.folder / "light_nan.fits"
    header = fits.getheader(night.folder / "light_0.fits")
    fits.PrimaryHDU(np.full((SIDE, SIDE), np.nan, np.float32), header).writeto(path)
    batch, _ = bench.run(night.folder)
    (stack,) = bench.products(batch, ProductKind.LIGHT_STACK)
    assert len(stack.exposures) == 3


def test_file_name_of_any_alphabet_is_kept_and_the_night_goes_on(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    (night.folder / "light_1.fits").rename(night.folder / "Nébula é 1.fits")
    batch, _ = bench.run(night.folder)
    (stack,) = bench.products(batch, ProductKind.LIGHT_STACK)
    assert "Nébula é 1.fits" in stack.inputs
    assert "N\\xe9bula" in " ".join(str(value) for value in fits.getheader(stack.file).values())


def test_calibration_frames_that_were_calibrated_are_left_out(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    frame(night.folder / "dark_b.fits", np.full((SIDE, SIDE), 60.0), "DARK", 30.0, CALSTAT="B")
    batch, _ = bench.run(night.folder)
    assert len(bench.store.exposures(batch.key, FrameKind.DARK)) == 3
    assert any("applied to this dark already" in item.reason for item in bench.store.left_out(batch.key))


def test_mosaic_of_extensions_is_refused_and_not_cut(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    header = fits.getheader(night.folder / "light_0.fits")
    half = fits.ImageHDU(np.zeros((SIDE, SIDE // 2), np.uint16), header)
    fits.HDUList([fits.PrimaryHDU(None, header), half, half.copy()]).writeto(night.folder / "mosaic.fits")
    batch, _ = bench.run(night.folder)
    assert any("it holds several images" in item.reason for item in bench.store.left_out(batch.key))


def test_saturated_star_is_not_in_the_stack(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    for n, (dx, dy) in enumerate(night.shifts):
        path = night.folder / f"light_{n}.fits"
        counts, header = fits.getdata(path).astype(float), fits.getheader(path)
        counts[98 + dy : 103 + dy, 98 + dx : 103 + dx] = 65535.0
        frame(path, counts, "LIGHT", 30.0, FILTER="R", OBJECT="field", DATE_OBS=header["DATE-OBS"])
    batch, _ = bench.run(night.folder)
    (stack,) = bench.products(batch, ProductKind.LIGHT_STACK)
    assert np.isnan(data(stack)[100, 100])
    light = bench.products(batch, ProductKind.CALIBRATED_LIGHT)[0]
    assert fits.getval(light.file, "SATURATE") < data(light)[100, 100]


def test_better_hint_is_tried_when_the_settings_give_one(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    for n in range(3):
        path = night.folder / f"light_{n}.fits"
        with fits.open(path, mode="update") as hdus:
            hdus[0].header["RA"], hdus[0].header["DEC"] = 10.0, 20.0
    batch, _ = bench.run(night.folder)
    before = [light.wcs["reason"] for light in bench.products(batch, ProductKind.CALIBRATED_LIGHT) if light.wcs]
    assert all("no pixel scale" in reason for reason in before)
    batch, _ = bench.run(night.folder, Settings(cameras=(Camera(instrument="small camera", pixel_scale_arcsec=1.0),)))
    after = [light.wcs["reason"] for light in bench.products(batch, ProductKind.CALIBRATED_LIGHT) if light.wcs]
    assert all("too sparse" in reason for reason in after)


def test_an_operator_knows_better(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    batch, _ = bench.run(night.folder)
    (light,) = [one for one in bench.store.exposures(batch.key, FrameKind.LIGHT) if one.file == "light_2.fits"]
    bench.store.correct(light.checksum, FrameKind.OTHER, "operator")
    batch, _ = bench.run(night.folder)
    assert len(bench.store.exposures(batch.key, FrameKind.LIGHT)) == 2
    assert [item.reason for item in bench.store.left_out(batch.key)] == ["an operator said so"]


def test_hot_pixels_and_cosmic_hits_are_not_in_the_stack(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    path = night.folder / "light_1.fits"
    counts = fits.getdata(path).astype(float)
    counts[100:102, 120] += 20000.0
    header = fits.getheader(path)
    frame(path, counts, "LIGHT", 30.0, FILTER="R", OBJECT="field", DATE_OBS=header["DATE-OBS"])
    batch, _ = bench.run(night.folder)
    (stack,) = bench.products(batch, ProductKind.LIGHT_STACK)
    x, y = 120 - 3, 100 + 2
    first = bench.products(batch, ProductKind.CALIBRATED_LIGHT)[0]
    region = np.s_[y - 2 : y + 4, x - 2 : x + 3]
    assert np.nanmax(np.abs(data(stack)[region] - data(first)[region])) < 100.0


def test_unaligned_light_is_left_out_of_the_stack_with_its_reason(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    empty = BIAS_ADU + 30 * DARK_ADU_PER_S + np.random.default_rng(5).normal(SKY_ADU, 3.0, (SIDE, SIDE))
    frame(night.folder / "light_cloud.fits", empty, "LIGHT", 30.0, FILTER="R", OBJECT="field")
    batch, _ = bench.run(night.folder)
    (stack,) = bench.products(batch, ProductKind.LIGHT_STACK)
    assert len(stack.exposures) == 3
    assert any("left out of the stack" in message for message in bench.problems(batch))


def test_products_carry_their_provenance_and_no_run_time(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    batch, _ = bench.run(night.folder)
    light = bench.products(batch, ProductKind.CALIBRATED_LIGHT)[0]
    (dark,) = bench.products(batch, ProductKind.DARK_MASTER)
    header = fits.getheader(light.file)
    assert (header["DARKFILE"], header["DARKSHA"]) == (dark.path.name, dark.checksum)
    assert header["DARKSUB"] == "dark"
    assert header["CALSTAT"] == "BDF"
    assert header["INP0001"] == "light_0.fits"
    text = repr(header)
    assert "DATE    " not in text
    assert str(tmp_path) not in text


def test_cancel_keeps_what_is_finished(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    cancel = CancelToken()

    def stop_at_flats(event: Event) -> None:
        if isinstance(event, StepStarted) and event.name == "flat stacks":
            cancel.cancel()

    batch, status = bench.run(night.folder, report=stop_at_flats, cancel=cancel)
    assert status is batch.status is Status.CANCELLED
    assert len(bench.products(batch, ProductKind.DARK_MASTER)) == 1
    assert not bench.products(batch, ProductKind.FLAT_MASTER)


def test_bug_in_a_step_stops_the_batch_and_is_recorded(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")

    def broken(event: Event) -> None:
        if isinstance(event, Progress) and event.name == "dark stacks":
            raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        bench.run(night.folder, report=broken)
    batch = bench.store.open_batch(str(night.folder), bench.folder / "products")
    assert batch.status is Status.FAILED
    assert "fault of the program" in (bench.store.steps(batch.key)[-1].error or "")


def test_few_frames_and_warm_camera_are_warned_of(bench: Bench, tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    for n, temperature in enumerate((-10.0, -5.0)):
        counts = 300.0 + rng.normal(0, 3, (SIDE, SIDE))
        frame(tmp_path / "raw" / f"bias_{n}.fits", counts, "BIAS", 0.0, CCD_TEMP=temperature)
    batch, status = bench.run(tmp_path / "raw", Settings(calibration=Calibration(few_frames=3), astrometry=NO_SEARCH))
    assert status is Status.DONE_WITH_PROBLEMS
    problems = [problem for step in bench.store.steps(batch.key) for problem in step.problems]
    assert {problem.severity for problem in problems} == {Severity.WARNING}
    assert any("of 2 frames" in problem.message for problem in problems)
    assert any("-10.0 to -5.0 degC" in problem.message for problem in problems)


def test_events_survive_the_pipe(bench: Bench, tmp_path: Path) -> None:
    night = small_night(tmp_path / "raw")
    bench.run(night.folder)
    assert isinstance(bench.events[-1], BatchEnded)
    assert {type(event) for event in bench.events} == {StepStarted, Progress, StepEnded, BatchEnded}
    assert [from_line(to_line(event)) for event in bench.events] == bench.events
