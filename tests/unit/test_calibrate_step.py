"""Lights of a small night through the steps: what is written, and what is said when something lacks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.model.batch import ProductKind
from app.model.flags import Dq
from app.model.settings import Calibration, Camera, Settings
from app.pipeline.recipe import calibration_recipe
from app.pipeline.step import CancelToken, Context, Findings
from tests.builders import frame, small_night
from tests.fakes import MemoryBatches

pytestmark = pytest.mark.logs_warnings

LIGHTS = 160
UNCERTAIN = Settings(calibration=Calibration(uncertainty=True))


def context_of(folder: Path, settings: Settings) -> Context:
    store = MemoryBatches()
    batch = store.open_batch(str(folder / "raw"), folder / "products")
    return Context(store, batch, settings, lambda event: None, CancelToken())


def run(context: Context, codes: range) -> list[str]:
    """Run the steps with these codes; what they warned of or gave up."""
    said = []
    for step in calibration_recipe():
        if step.code in codes:
            findings = Findings(step.name, step.code)
            step.run(context, findings)
            said += [problem.message for problem in findings.problems]
    return said


def test_flags_and_uncertainty_go_from_the_masters_into_the_lights(tmp_path: Path) -> None:
    night, rng = small_night(tmp_path / "raw"), np.random.default_rng(4)
    for path in sorted(night.folder.glob("*.fits")):
        counts, header = fits.getdata(path), fits.getheader(path)
        if path.stem.startswith("dark"):
            counts[20, 30] += 5000
        if path.stem.startswith("flat"):  # photon noise at 2 e-/adu
            counts = np.rint(counts + rng.normal(0.0, np.sqrt((counts - 300.0) / 2.0))).astype(np.uint16)
            counts[50, 60], counts[70, 80] = 310, counts[70, 80] // 2
        fits.writeto(path, counts, header, overwrite=True)
    context = context_of(tmp_path, UNCERTAIN)
    said = run(context, range(100, LIGHTS + 1))
    assert not [message for message in said if "uncertainty" in message]
    lights = context.store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT)
    assert len(lights) == 3
    for light in lights:
        assert light.parameters["gain_e_per_adu"] == pytest.approx(2.0, rel=0.1)  # measured from the flats
        assert light.parameters["read_noise_e"] == pytest.approx(6.0, rel=0.15)  # and from the bias frames
        with fits.open(light.file) as hdus:
            assert [hdu.name for hdu in hdus] == ["PRIMARY", "DQ", "UNCERT"]
            assert hdus["DQ"].data[20, 30] == Dq.BAD
            assert hdus["DQ"].data[50, 60] & Dq.NO_FLAT
            assert hdus["DQ"].data[70, 80] == Dq.BAD
            known = hdus["DQ"].data == 0
            assert known.mean() > 0.99
            assert (hdus["UNCERT"].data[known] > 0.0).all()
            assert np.isnan(hdus["UNCERT"].data[50, 60])


def test_uncertainty_without_a_gain_is_warned_of_once_and_left_out(tmp_path: Path) -> None:
    for number in range(2):
        frame(tmp_path / "raw" / f"bias_{number}.fits", np.full((30, 30), 300 + number), "BIAS", 0.0)
        frame(tmp_path / "raw" / f"light_{number}.fits", np.full((30, 30), 800 + number), "LIGHT", 30.0)
    context = context_of(tmp_path, UNCERTAIN)
    said = run(context, range(100, LIGHTS + 1))
    assert len([message for message in said if "set gain_e_per_adu of the camera" in message]) == 1
    (light, _) = context.store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT)
    with fits.open(light.file) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DQ"]
    camera = Camera(instrument="small camera", gain_e_per_adu=2.0, read_noise_e=6.0)
    run(replace(context, settings=replace_cameras(UNCERTAIN, camera)), range(LIGHTS, LIGHTS + 1))
    found = context.store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT)
    planes = [len(fits.info(one.file, output=False)) for one in found]
    assert 3 in planes


def replace_cameras(settings: Settings, camera: Camera) -> Settings:
    return settings.model_copy(update={"cameras": (camera,)})


def test_master_deleted_between_steps_gives_up_its_lights_and_resuming_makes_it_again(tmp_path: Path) -> None:
    small_night(tmp_path / "raw")
    context = context_of(tmp_path, Settings())
    run(context, range(100, LIGHTS))
    (flat,) = context.store.combinations(context.batch.key, ProductKind.FLAT_MASTER)
    flat.file.unlink()
    said = run(context, range(LIGHTS, LIGHTS + 1))
    assert len([message for message in said if f"{flat.path.name} was there" in message]) == 3
    assert not context.store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT)
    run(replace(context, kept=set()), range(100, LIGHTS + 1))
    assert len(context.store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT)) == 3


def test_light_that_is_damaged_before_it_is_measured_is_made_again_and_no_other(tmp_path: Path) -> None:
    for number in range(2):
        frame(tmp_path / "raw" / f"bias_{number}.fits", np.full((30, 30), 300 + number), "BIAS", 0.0)
        frame(tmp_path / "raw" / f"light_{number}.fits", np.full((30, 30), 800 + number), "LIGHT", 30.0)
    context = context_of(tmp_path, Settings())
    run(context, range(100, LIGHTS + 1))
    (first, other) = context.store.combinations(context.batch.key, ProductKind.CALIBRATED_LIGHT)
    whole, place = first.file.read_bytes(), other.file.stat().st_ino
    first.file.write_bytes(whole[:3000] + bytes(64) + whole[3064:])  # a crash came before the disk had it
    run(context, range(100, LIGHTS + 1))
    assert first.file.read_bytes() == whole
    assert other.file.stat().st_ino == place
