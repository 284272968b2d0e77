"""A stack of lights: what goes into each pixel and what is said of it, and which lights are let in."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from app.frames.product_file import PIXELS, NewProduct, replace_header
from app.model.batch import Combination, Exposure, NewExposure, ProductKind
from app.model.errors import Cancelled
from app.model.flags import Dq
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.settings import Settings
from app.pipeline.calibrating import DQ
from app.pipeline.light_choice import AlignedLight, choose_lights, judge_alone
from app.pipeline.light_stack import StackedLight, planes, stack_strip, strips
from app.pipeline.rejection import METHODS
from app.pipeline.sources import detect_file, star_table
from app.pipeline.step import CancelToken, Context, Findings
from app.pipeline.workers import ThreadWorkers
from app.sim.sky import add_star
from tests.fakes import MemoryBatches

Array = np.ndarray[Any, Any]

ROWS, COLUMNS = 120, 150
SKY_ADU, NOISE_ADU = 100.0, 4.0
IDENTITY = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0))


def write_light(path: Path, counts: Array, flags: Array | None = None, **cards: Any) -> Path:
    """A light as calibration leaves it."""
    header = fits.Header([(name, value, "") for name, value in cards.items()])
    with NewProduct(path, header, counts.shape, (PIXELS, DQ) if flags is not None else (PIXELS,)) as product:
        product.layout.write(0, 0, counts)
        if flags is not None:
            product.layout.write(1, 0, flags)
        product.finish()
    return path


def sky(seed: int, level: float = SKY_ADU) -> Array:
    return np.random.default_rng(seed).normal(level, NOISE_ADU, (ROWS, COLUMNS)).astype(np.float32)


def stacked(path: Path, **changes: Any) -> StackedLight:
    return replace(StackedLight(path, IDENTITY, SKY_ADU, NOISE_ADU, 1.0, 1.0), **changes)


def stack(
    lights: list[StackedLight], into: Path, method: str = "noise clip", workers: int = 1, *, uncertainty: bool = False
) -> dict[str, Array]:
    """Planes of the stack by their names; the pixels have none."""
    with NewProduct(into, fits.Header(), (ROWS, COLUMNS), planes(uncertainty=uncertainty)) as product:
        jobs = strips(tuple(lights), METHODS[method], SKY_ADU, product.layout, workers)
        for job in pickle.loads(pickle.dumps(jobs)):
            stack_strip(job, lambda: None)
        product.finish()
    with fits.open(into) as hdus:
        return {hdu.header.get("EXTNAME", ""): np.array(hdu.data) for hdu in hdus}


def test_mean_is_weighted_scaled_and_on_the_sky_of_the_reference(tmp_path: Path) -> None:
    one, other = sky(1), sky(2, 40.0)
    lights = [
        stacked(write_light(tmp_path / "1.fits", one), weight=3.0),
        stacked(write_light(tmp_path / "2.fits", other), sky_adu=40.0, noise_adu=4.0, scale=0.5, weight=1.0),
    ]
    made = stack(lights, tmp_path / "stack.fits", "none")
    expected = SKY_ADU + (3.0 * (one.astype(float) - SKY_ADU) + 0.5 * (other.astype(float) - 40.0)) / 4.0
    assert np.allclose(made[""], expected, rtol=1e-6)
    assert made[""].dtype == np.dtype(">f4")
    assert not made["DQ"].any()
    assert (made["COVERAGE"] == 2).all()


def test_planes_say_why_a_pixel_is_not_to_be_trusted(tmp_path: Path) -> None:
    counts, flags = [sky(seed) for seed in range(6)], [np.zeros((ROWS, COLUMNS), np.uint8) for _ in range(6)]
    for n in range(6):
        flags[n][10, 20] = Dq.BAD
        counts[n][30, 40] = 50_000.0 if n < 4 else SKY_ADU
        flags[n][50, 60] = Dq.SATURATED if n < 2 else 0
        counts[n][70, 80] = 300.0 * (n + 1)  # no two agree
    flags[0][90, 100] = Dq.COSMIC
    counts[0][90, 100] += 1e4
    files = [write_light(tmp_path / f"{n}.fits", counts[n], flags[n]) for n in range(6)]
    made = stack([stacked(file, saturation_adu=40_000.0) for file in files], tmp_path / "stack.fits")
    assert (made["DQ"][10, 20], made["COVERAGE"][10, 20]) == (Dq.NO_DATA, 0)
    assert np.isnan(made[""][10, 20])
    assert (made["DQ"][30, 40], made["COVERAGE"][30, 40]) == (Dq.SATURATED, 2)
    assert (made["DQ"][50, 60], made["COVERAGE"][50, 60]) == (0, 4)
    assert made["DQ"][70, 80] & (Dq.REJECTED | Dq.NO_DATA)
    assert (made["DQ"][90, 100], made["COVERAGE"][90, 100]) == (0, 5)
    assert abs(made[""][90, 100] - SKY_ADU) < 5 * NOISE_ADU
    assert np.isfinite(made[""]).mean() > 0.999


def test_pixels_beyond_every_light_have_no_data(tmp_path: Path) -> None:
    shift = ((1.0, 0.0, 12.0), (0.0, 1.0, -7.0))
    files = [write_light(tmp_path / f"{n}.fits", sky(n)) for n in range(2)]
    made = stack([stacked(files[0], matrix=shift), stacked(files[1], matrix=shift)], tmp_path / "stack.fits")
    is_seen = np.zeros((ROWS, COLUMNS), bool)
    is_seen[: ROWS - 7, 12:] = True
    assert np.array_equal(made["DQ"] == Dq.NO_DATA, ~is_seen)
    assert np.array_equal(np.isfinite(made[""]), is_seen)


@pytest.mark.parametrize("method", ["noise clip", "sigma clip"])
def test_no_byte_depends_on_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str) -> None:
    lights = []
    for n in range(4):
        counts, angle = sky(n), 0.01 * n
        counts[np.random.default_rng(n).random(counts.shape) < 0.01] += 5000.0
        counts[40:60, 50 + n] = np.nan
        for row in range(2, ROWS, 7):  # what differs is excused by the row above it alone
            counts[row, ::3] += 2000.0
            counts[row + 1, ::3] += 300.0 * (n % 2)
        matrix = ((np.cos(angle), -np.sin(angle), 2.3 * n), (np.sin(angle), np.cos(angle), -1.7 * n))
        lights.append(stacked(write_light(tmp_path / f"{n}.fits", counts), matrix=matrix, saturation_adu=5200.0))
    stack(lights, tmp_path / "whole.fits", method, uncertainty=True)
    monkeypatch.setattr("app.pipeline.light_stack._BAND_BYTES", 4 * 4 * COLUMNS * 7)
    stack(lights, tmp_path / "cut.fits", method, workers=3, uncertainty=True)
    assert (tmp_path / "cut.fits").read_bytes() == (tmp_path / "whole.fits").read_bytes()


def test_uncertainty_of_few_frames_is_that_of_their_sky(tmp_path: Path) -> None:
    lights = [stacked(write_light(tmp_path / f"{n}.fits", sky(n))) for n in range(4)]
    made = stack(lights, tmp_path / "stack.fits", uncertainty=True)
    assert made["UNCERT"][5, 5] == pytest.approx(NOISE_ADU / 2.0)
    assert made[""].std() == pytest.approx(NOISE_ADU / 2.0, rel=0.05)


def test_a_stop_is_heard_within_a_strip(tmp_path: Path) -> None:
    cancel = CancelToken()
    cancel.cancel()
    light = stacked(write_light(tmp_path / "1.fits", sky(1)))
    with NewProduct(tmp_path / "stack.fits", fits.Header(), (ROWS, COLUMNS), planes(uncertainty=False)) as product:
        (job, *_) = strips((light, light), METHODS["none"], SKY_ADU, product.layout, 1)
        with pytest.raises(Cancelled):
            stack_strip(job, cancel.check)


class Field:
    """Lights of one field of stars, and the choice among them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryBatches()
        self.batch = self.store.open_batch(str(folder), folder / "products")
        rng = np.random.default_rng(4)
        self.places = rng.uniform(10.0, (COLUMNS - 10.0, ROWS - 10.0), (40, 2))
        self.fluxes = 3000.0 * rng.uniform(0.05, 1.0, 40) ** -1.0
        self.lights: list[Combination] = []
        self.findings = Findings("light stacks", 180)

    def light(self, *, flux: float = 1.0, fwhm_px: float = 2.5, stars: int = 40, **qc: Any) -> None:
        """One more light; `qc` is what was measured."""
        key = len(self.lights) + 1
        counts = sky(key)
        for (x, y), brightness in zip(self.places[:stars], self.fluxes[:stars], strict=True):
            add_star(counts, x + 0.3 * key, y - 0.2 * key, flux * brightness, fwhm_px)
        file = write_light(self.folder / f"light_{key}.fits", counts, SATURATE=60_000.0)
        facts = FrameFacts(ROWS, COLUMNS)
        light = Combination(
            ProductKind.CALIBRATED_LIGHT,
            Path(file.name),
            f"r{key}",
            f"c{key}",
            facts,
            (key,),
            qc=qc,
            key=key,
            file=file,
        )
        self.lights.append(light)

    def choose(self, **overrides: bool) -> list[AlignedLight]:
        """What goes into the stack; `overrides` by the checksums of the frames, s1 for the first light."""
        context, lights = self.context(**overrides)
        return choose_lights(context, self.findings, lights)

    def context(self, **overrides: bool) -> tuple[Context, list[Combination]]:
        """The batch of the lights, which are recorded in it."""
        known = Recognition(FrameKind.LIGHT, "it says so", 1.0)
        files = [self.folder / light.path for light in self.lights]
        self.store.set_exposures(
            self.batch.key,
            [NewExposure(file.name, file, f"s{n}", FrameFacts(), known) for n, file in enumerate(files, 1)],
        )
        keys = {one.checksum: one.key for one in self.exposures}
        lights = [replace(light, exposures=(keys[f"s{light.key}"],)) for light in self.lights]
        for light in lights:
            assert self.store.record(self.batch.key, light).key == light.key
        for checksum, is_used in overrides.items():
            self.store.override(checksum, is_used, "operator", "light")
        context = Context(
            self.store, self.batch, Settings(), lambda event: None, CancelToken(), workers=ThreadWorkers(1)
        )
        return context, lights

    @property
    def exposures(self) -> tuple[Exposure, ...]:
        return self.store.exposures(self.batch.key)

    @property
    def told(self) -> str:
        return "\n".join(f"{problem.subject} {problem.message}" for problem in self.findings.problems)


@pytest.fixture
def field(tmp_path: Path) -> Field:
    return Field(tmp_path)


def test_equal_lights_are_laid_on_the_first_and_weigh_the_same(field: Field) -> None:
    for _ in range(3):
        field.light(FWHMPIX=2.5, NSTARS=40)
    lights = field.choose()
    assert [one.light.key for one in lights] == [1, 2, 3]
    assert [one.shift_px for one in lights[1:]] == [
        (pytest.approx(-0.3 * n, abs=0.05), pytest.approx(0.2 * n, abs=0.05)) for n in (1, 2)
    ]
    assert [one.weight / lights[0].weight for one in lights] == pytest.approx([1.0, 1.0, 1.0], rel=0.1)
    assert not field.findings.problems


def test_the_sharpest_light_is_the_reference_and_weighs_most(field: Field) -> None:
    field.light(fwhm_px=4.0)
    field.light(fwhm_px=2.5)
    lights = field.choose()
    assert [one.light.key for one in lights] == [2, 1]
    wide, sharp = lights[1].fwhm_px, lights[0].fwhm_px
    ratio = (lights[0].noise_adu * sharp / (lights[1].noise_adu * lights[1].scale * wide)) ** 2
    assert lights[1].weight / lights[0].weight == pytest.approx(ratio)
    assert ratio < 0.6


def test_of_equal_lights_one_with_world_coordinates_is_the_reference(field: Field) -> None:
    field.light()
    field.light()
    field.lights[1] = replace(field.lights[1], wcs={"status": "solved"})
    assert [one.light.key for one in field.choose()] == [2, 1]
    recorded = field.store.combinations(field.batch.key)[1]
    assert (recorded.qc["verdict"], recorded.qc["reasons"], recorded.qc["QCFLAG"]) == ("accepted", [], 0)


@pytest.mark.logs_warnings
def test_lights_over_the_worst_limits_are_left_out_with_the_reason_and_doubtful_ones_are_not(field: Field) -> None:
    field.light(FWHMPIX=2.5, NSTARS=40)
    field.light(FWHMPIX=2.5, NSTARS=40)
    field.light(FWHMPIX=7.5, NSTARS=40)
    field.light(FWHMPIX=2.5, NSTARS=2, stars=2)
    field.light(flux=0.05, FWHMPIX=2.5, NSTARS=40)
    field.light(flux=0.3, FWHMPIX=2.5, NSTARS=40)
    lights = field.choose()
    assert [one.light.key for one in lights] == [1, 2, 6]
    assert "light_3.fits left out of the stack: stars are 7.5 px wide" in field.told
    assert "light_4.fits left out of the stack: shows 2 stars" in field.told
    assert "light_5.fits left out of the stack: " in field.told
    assert "light_6.fits doubtful, weighed down: has 0.30 of the star flux" in field.told
    assert lights[2].scale == pytest.approx(1 / 0.3, rel=0.05)
    assert lights[2].weight / lights[0].weight == pytest.approx(0.09, rel=0.2)


@pytest.mark.logs_warnings
def test_a_doubtful_light_is_no_reference_while_there_are_better_ones(field: Field) -> None:
    field.light(L1ELLIP=0.42)
    field.light(L1ELLIP=0.1)
    assert [one.light.key for one in field.choose()] == [2, 1]
    assert "light_1.fits doubtful, weighed down: stars have an ellipticity of 0.42" in field.told


@pytest.mark.logs_warnings
def test_lights_that_are_doubtful_for_the_same_reason_are_told_once(field: Field) -> None:
    for _ in range(3):
        field.light(L1ELLIP=0.42)
    assert len(field.choose()) == 3
    assert [problem.subject for problem in field.findings.problems] == ["light_1.fits and 2 more"]


@pytest.mark.logs_warnings
def test_a_light_that_nothing_is_stacked_with_is_judged_aloud_too(field: Field) -> None:
    field.light(L1ELLIP=0.42)
    field.light(L1ELLIP=0.1)
    context, lights = field.context()
    judge_alone(context, field.findings, lights)
    assert [problem.subject for problem in field.findings.problems] == ["light_1.fits"]
    assert field.told.startswith("light_1.fits doubtful: stars have an ellipticity of 0.42, 0.3 is the limit")


@pytest.mark.logs_warnings
def test_an_operator_has_the_last_word(field: Field) -> None:
    field.light(FWHMPIX=2.5)
    field.light(FWHMPIX=2.5)
    field.light(FWHMPIX=9.0)
    assert [one.light.key for one in field.choose(s3=True, s2=False)] == [1, 3]
    assert "light_2.fits left out of the stack: an operator left it out" in field.told
    assert "light_3" not in field.told


@pytest.mark.logs_warnings
def test_a_light_of_another_field_and_one_without_pixels_are_left_out(field: Field) -> None:
    field.light()
    field.light()
    field.places = field.places[::-1, ::-1] * (COLUMNS / ROWS, ROWS / COLUMNS)
    field.light()
    write_light(field.folder / "light_2.fits", np.full((ROWS, COLUMNS), np.nan))
    assert [one.light.key for one in field.choose()] == [1]
    assert "light_2.fits left out of the stack: " in field.told
    assert "light_3.fits left out of the stack: " in field.told


@pytest.mark.logs_warnings
def test_a_light_that_is_gone_costs_only_itself(field: Field) -> None:
    for _ in range(3):
        field.light()
    field.lights[1].file.unlink()
    assert [one.light.key for one in field.choose()] == [1, 3]
    assert "light_2.fits left out of the stack: " in field.told


def test_stars_that_were_kept_with_a_light_are_not_looked_for_again(field: Field) -> None:
    field.light()
    field.light()
    second = field.lights[1].file
    stars = star_table(detect_file(second, smooth_px=1.0, check=lambda: None))
    write_light(second, sky(2))
    replace_header(second, fits.getheader(second), tail=stars)
    assert [one.light.key for one in field.choose()] == [1, 2]


def test_transparency_is_flux_over_that_of_the_clearest(field: Field) -> None:
    field.light(flux=0.8)
    field.light(flux=1.0)
    lights = {one.light.key: one for one in field.choose()}
    assert lights[1].transparency == pytest.approx(0.8, rel=0.03)
    assert lights[2].transparency == 1.0
