"""One light from raw frame and masters to a product with its planes: physics in, physics out."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import examine
from app.frames.product_file import PIXELS, NewProduct
from app.frames.readout import Amplifier, Readout, Section
from app.model.batch import Combination, ProductKind
from app.model.errors import CalibrationError, Cancelled, FrameError
from app.model.flags import Dq
from app.model.frame import FrameFacts
from app.pipeline import calibrating
from app.pipeline.calibrating import DQ, UNCERT, LightJob, Noise, Subtraction, calibrate_light, master_of

SHAPE = (40, 31)
GAIN, READ_NOISE_E = 2.0, 6.0


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def go_on() -> None:
    """Never stops."""


def combination(file: Path) -> Combination:
    return Combination(ProductKind.DARK_MASTER, Path("masters") / file.name, "", "", FrameFacts(), (), file=file)


def master(file: Path, pixels, dq=None, error=None) -> calibrating.Master:
    planes = [PIXELS, *([DQ] if dq is not None else []), *([UNCERT] if error is not None else [])]
    with NewProduct(file, fits.Header(), SHAPE, planes) as product:
        for number, values in enumerate(one for one in (pixels, dq, error) if one is not None):
            product.layout.write(number, 0, np.broadcast_to(values, SHAPE))
        product.finish()
    return master_of(combination(file))


@pytest.fixture
def job(tmp_path: Path, rng: np.random.Generator) -> LightJob:
    counts = rng.integers(900, 1100, SHAPE).astype(np.uint16)
    counts[7, 7] = 65000
    fits.writeto(tmp_path / "raw.fits", counts)
    flags = np.zeros(SHAPE, np.uint8)
    flags[3, 4] = Dq.BAD
    flat = rng.normal(1.0, 0.05, SHAPE).astype(np.float32)
    flat[9, 9] = np.nan
    no_flat = np.where(np.isnan(flat), np.uint8(Dq.NO_FLAT), np.uint8(0))
    no_flat[5, 6] = Dq.BAD
    return LightJob(
        examine(tmp_path / "raw.fits"),
        tmp_path / "product.fits",
        fits.Header([("OBJECT", "M57")]),
        Subtraction(dark=master(tmp_path / "dark.fits", rng.normal(300.0, 2.0, SHAPE), flags, np.float32(1.5))),
        master(tmp_path / "flat.fits", flat, no_flat, np.float32(0.01)),
        flat_floor=0.2,
        saturation_adu=60000.0,
        subtracted_adu=300.0,
        brightest=1.1,
    )


def test_light_is_the_arithmetic_and_carries_the_flags_of_its_masters(job: LightJob) -> None:
    made = calibrate_light(job, go_on)
    raw, dark, flat = (fits.getdata(job.target.with_name(f"{name}.fits")) for name in ("raw", "dark", "flat"))
    with fits.open(job.target) as hdus:
        assert [hdu.name for hdu in hdus] == ["PRIMARY", "DQ"]
        expected = (raw - dark.astype(float)) / flat
        assert np.allclose(hdus[0].data, expected, rtol=3e-7, atol=0.0, equal_nan=True)
        found = {tuple(place): hdus["DQ"].data[tuple(place)] for place in np.argwhere(hdus["DQ"].data).tolist()}
        assert found == {(3, 4): Dq.BAD, (5, 6): Dq.BAD, (7, 7): Dq.SATURATED, (9, 9): Dq.NO_FLAT}
        assert hdus[0].header["OBJECT"] == "M57"
        assert hdus[0].header["SATURATE"] == pytest.approx(0.98 * (60000.0 - 300.0) / 1.1, abs=0.1)
        assert hdus["DQ"].header["BIT2"] == "SATURATED"
    assert made.checksum


def test_product_does_not_depend_on_the_bands_and_the_job_travels(
    job: LightJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = replace(job, noise=Noise(GAIN, READ_NOISE_E))
    digests = set()
    for pixels in (1, 100, 1 << 18):
        monkeypatch.setattr(calibrating, "BAND_PIXELS", pixels)
        digests.add(calibrate_light(pickle.loads(pickle.dumps(job)), go_on).checksum)
    assert len(digests) == 1


def test_uncertainty_is_a_plane_of_its_own(job: LightJob) -> None:
    calibrate_light(replace(job, noise=Noise(GAIN, READ_NOISE_E)), go_on)
    raw, dark, flat = (fits.getdata(job.target.with_name(f"{name}.fits")) for name in ("raw", "dark", "flat"))
    signal = raw - dark.astype(float)
    variance = signal / GAIN + (READ_NOISE_E / GAIN) ** 2 + 1.5**2 + (signal / flat * 0.01) ** 2
    with fits.open(job.target) as hdus:
        assert np.allclose(hdus["UNCERT"].data, np.sqrt(variance) / flat, rtol=1e-6, equal_nan=True)
        assert hdus["UNCERT"].header["BUNIT"] == "adu"
        assert np.allclose(hdus[0].data, signal / flat, rtol=3e-7, equal_nan=True)


@pytest.mark.parametrize("name", ["bias", "dark"])
def test_master_that_is_alone_is_subtracted_whole_with_its_flags_and_its_error(job: LightJob, name: str) -> None:
    alone = Subtraction(**{name: job.subtraction.dark}, scale=0.5)
    calibrate_light(replace(job, subtraction=alone, noise=Noise(GAIN, READ_NOISE_E)), go_on)
    raw, dark, flat = (fits.getdata(job.target.with_name(f"{name}.fits")) for name in ("raw", "dark", "flat"))
    signal = raw - dark.astype(float)
    variance = signal / GAIN + (READ_NOISE_E / GAIN) ** 2 + 1.5**2 + (signal / flat * 0.01) ** 2
    with fits.open(job.target) as hdus:
        assert np.allclose(hdus[0].data, signal / flat, rtol=3e-7, atol=0.0, equal_nan=True)
        assert np.allclose(hdus["UNCERT"].data, np.sqrt(variance) / flat, rtol=1e-6, equal_nan=True)
        assert hdus["DQ"].data[3, 4] == Dq.BAD


def test_frame_without_masters_is_only_made_readable(job: LightJob) -> None:
    calibrate_light(replace(job, subtraction=Subtraction(), flat=None), go_on)
    assert np.array_equal(fits.getdata(job.target), fits.getdata(job.raw.path))


@pytest.mark.parametrize(("pixels", "is_seen"), [(25, True), (19, False)])
def test_pile_up_at_the_highest_value_is_saturation(job: LightJob, pixels: int, is_seen: bool) -> None:
    counts = np.full(SHAPE, 1000, np.uint16)
    counts.reshape(-1)[:: counts.size // pixels][:pixels] = 4095
    path = job.raw.path.with_name("piled.fits")
    fits.writeto(path, counts)
    calibrate_light(replace(job, raw=examine(path), saturation_adu=None), go_on)
    with fits.open(job.target) as hdus:
        assert ((hdus["DQ"].data & Dq.SATURATED) > 0).sum() == (pixels if is_seen else 0)
        assert ("SATURATE" in hdus[0].header) is is_seen


def test_pixels_of_a_dead_amplifier_say_so(job: LightJob) -> None:
    halves = [Section(0, SHAPE[0], 0, 20), Section(0, SHAPE[0], 20, SHAPE[1])]
    amplifiers = tuple(Amplifier(half, None, half, is_dead=bool(number)) for number, half in enumerate(halves))
    calibrate_light(replace(job, raw=examine(job.raw.path, Readout(*SHAPE, amplifiers))), go_on)
    with fits.open(job.target) as hdus:
        dead = hdus["DQ"].data & Dq.DEAD > 0
        assert dead[:, 20:].all()
        assert not dead[:, :20].any()
        assert np.isnan(hdus[0].data[dead]).all()


def test_infinite_and_missing_numbers_have_no_data(job: LightJob) -> None:
    counts = np.full(SHAPE, 1000.0, np.float32)
    counts[1, 1], counts[2, 2], counts[3, 3] = np.nan, np.inf, -np.inf
    path = job.raw.path.with_name("float.fits")
    fits.writeto(path, counts)
    calibrate_light(replace(job, raw=examine(path)), go_on)
    with fits.open(job.target) as hdus:
        for place in ((1, 1), (2, 2), (3, 3)):
            assert hdus["DQ"].data[place] & Dq.NO_DATA
            assert np.isnan(hdus[0].data[place])


def test_stop_leaves_nothing_behind(job: LightJob) -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        calibrate_light(job, stop)
    assert not [path for path in job.target.parent.iterdir() if "product" in path.name]


def test_master_that_was_deleted_is_named_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"masters.dark\.fits|dark\.fits was there .* resume the batch"):
        master_of(combination(tmp_path / "dark.fits"))


def test_master_that_vanishes_before_the_task_runs_gives_the_light_up(job: LightJob) -> None:
    job.target.with_name("flat.fits").unlink()
    with pytest.raises(FrameError, match=r"flat\.fits"):
        calibrate_light(job, go_on)
    assert not [path for path in job.target.parent.iterdir() if "product" in path.name]
