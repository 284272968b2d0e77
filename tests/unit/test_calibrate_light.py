"""One light from raw frame and masters to a product with its planes: physics in, physics out."""

from __future__ import annotations

import errno
import os
import pickle
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.frames.fits_io import FrameReader, examine
from app.frames.product_file import PIXELS, NewProduct
from app.frames.readout import Amplifier, Readout, Section
from app.model.batch import Combination, ProductKind
from app.model.errors import CalibrationError, Cancelled, FrameError, OutputError
from app.model.flags import Dq
from app.model.frame import FrameFacts
from app.pipeline import calibrating
from app.pipeline.calibrating import DQ, UNCERT, LightJob, Noise, Subtraction, calibrate_lights, master_of
from app.pipeline.products import TOGETHER, Made, parts_of

SHAPE = (40, 31)
GAIN, READ_NOISE_E = 2.0, 6.0


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(5)


def go_on() -> None:
    """Never stops."""


def calibrate_light(job: LightJob, check=go_on) -> Made:
    (made,) = calibrate_lights((job,), check)
    if isinstance(made, Exception):
        raise made
    return made


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


@pytest.fixture
def jobs(job: LightJob, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> list[LightJob]:
    """Three lights of one dark, the last two of one flat, in bands of three rows."""
    monkeypatch.setattr(calibrating, "BAND_PIXELS", 3 * SHAPE[1])
    folder = job.target.parent
    other = master(
        folder / "flat2.fits", rng.normal(1.0, 0.05, SHAPE).astype(np.float32), np.uint8(0), np.float32(0.02)
    )
    found = [replace(job, target=folder / "product0.fits", noise=Noise(GAIN, READ_NOISE_E))]
    for number in (1, 2):
        fits.writeto(folder / f"raw{number}.fits", rng.integers(900, 1100, SHAPE).astype(np.uint16))
        raw, target = examine(folder / f"raw{number}.fits"), folder / f"product{number}.fits"
        found.append(replace(job, raw=raw, target=target, flat=other, saturation_adu=None))
    return found


def test_lights_that_are_made_together_are_what_they_are_alone(jobs: list[LightJob]) -> None:
    together = calibrate_lights(jobs, go_on)
    planes = [job.target.read_bytes() for job in jobs]
    assert together == tuple(calibrate_light(job) for job in jobs)
    assert planes == [job.target.read_bytes() for job in jobs]


def test_lights_of_several_sizes_are_made_together(jobs: list[LightJob]) -> None:
    path = jobs[0].raw.path.with_name("small.fits")
    fits.writeto(path, np.full((10, 12), 7, np.uint16))
    target = path.with_name("product3.fits")
    small = replace(jobs[0], raw=examine(path), target=target, subtraction=Subtraction(), flat=None, noise=None)
    assert all(isinstance(made, Made) for made in calibrate_lights([*jobs, small], go_on))
    assert (fits.getdata(target) == 7).all()


def test_master_is_read_once_for_all_lights(jobs: list[LightJob], monkeypatch: pytest.MonkeyPatch) -> None:
    rows: Counter[str] = Counter()
    read = FrameReader.read_encoded

    def count(reader: FrameReader, first: int, last: int, out) -> None:
        rows[reader.path.name] += last - first
        read(reader, first, last, out)

    monkeypatch.setattr(FrameReader, "read_encoded", count)
    calibrate_lights([replace(job, noise=None, saturation_adu=60000.0) for job in jobs], go_on)
    assert rows == dict.fromkeys(
        ("raw.fits", "raw1.fits", "raw2.fits", "dark.fits", "flat.fits", "flat2.fits"), SHAPE[0]
    )


def test_light_that_is_cut_short_while_it_is_read_costs_no_other(jobs: list[LightJob]) -> None:
    alone = [calibrate_light(job) for job in jobs]
    jobs[1].target.unlink()
    calls = iter(range(10**6))

    def cut() -> None:
        if next(calls) == 50:  # each has bands by now
            assert len(list(jobs[0].target.parent.glob(".product*.part"))) == 3
            os.truncate(jobs[1].raw.path, 4000)

    first, failed, last = calibrate_lights(jobs, cut)
    assert [first, last] == [alone[0], alone[2]]
    assert isinstance(failed, FrameError)
    assert "raw1.fits was cut short" in str(failed)
    assert not list(jobs[1].target.parent.glob("*product1*"))


def test_master_that_vanishes_costs_the_lights_that_need_it(jobs: list[LightJob]) -> None:
    jobs[1].target.with_name("flat2.fits").unlink()
    first, *others = calibrate_lights(jobs, go_on)
    assert isinstance(first, Made)
    assert all(isinstance(one, FrameError) and "flat2.fits" in str(one) for one in others)
    assert [path.name for path in jobs[0].target.parent.glob("*product*")] == ["product0.fits"]


def test_stop_between_bands_leaves_none_of_several_behind(jobs: list[LightJob]) -> None:
    calls = iter(range(10**6))

    def stop() -> None:
        if next(calls) == 50:
            raise Cancelled

    with pytest.raises(Cancelled):
        calibrate_lights(jobs, stop)
    assert not list(jobs[0].target.parent.glob("*product*"))


def test_disk_that_is_full_leaves_none_of_several_behind(jobs: list[LightJob], monkeypatch: pytest.MonkeyPatch) -> None:
    calls = iter(range(10**6))

    def refuse(*_: object) -> None:
        if next(calls) == 2:  # the third product
            raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", refuse)
    with pytest.raises(OutputError, match=r"product2\.fits cannot be written: the disk or its quota is full"):
        calibrate_lights(jobs, go_on)
    assert not list(jobs[0].target.parent.glob("*product*"))


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_parts_are_even_and_keep_every_worker_busy(workers: int) -> None:
    for number in range(40):
        items = list(range(number))
        parts = list(parts_of(items, workers))
        sizes = [len(part) for part in parts]
        assert [item for part in parts for item in part] == items
        assert max(sizes, default=0) <= TOGETHER
        assert max(sizes, default=0) - min(sizes, default=0) <= 1
        assert len(parts) == number or len(parts) % workers == 0
