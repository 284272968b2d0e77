"""Read noise, gain and level that were put into frames come out of them, amplifier by amplifier."""

from __future__ import annotations

import gzip
import pickle
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits

from app.frames.dialects import facts
from app.frames.fits_io import FrameSource, examine, examine_raw
from app.frames.headers import read_header
from app.model.errors import Cancelled
from app.model.settings import Camera
from app.pipeline.amplifiers import (
    AmplifierJob,
    AmplifierNoise,
    amplifier_cards,
    amplifier_numbers,
    doubts,
    gain_of,
    measure_amplifiers,
)

SHAPE = (256, 512)
SECTIONS = {
    "DATASEC1": "[1:256,1:256]",
    "BIASSEC1": "[513:528,1:256]",
    "DETSEC1": "[1:256,1:256]",
    "DATASEC2": "[257:512,1:256]",
    "BIASSEC2": "[529:544,1:256]",
    "DETSEC2": "[512:257,1:256]",
}
GAINS, NOISES_ADU, LEVELS = (1.5, 2.5), (4.0, 8.0), (400.0, 900.0)


def never() -> None:
    """Never stops."""


class Night:
    """Frames of a camera with two amplifiers, made of electrons."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._rng, self._count = folder, np.random.default_rng(5), 0
        columns = np.arange(512)
        self._flat = (1.0 - 0.2 * columns / 512) * (1.0 + 0.02 * self._rng.normal(size=SHAPE))

    def frame(self, electrons: float = 0.0, dead: int = 0, noise: float = 1.0, spoil: int = 0) -> FrameSource:
        """One exposure of so many electrons; `spoil` pixels are hit by particles."""
        raw = np.zeros((256, 544))
        for n in range(2):
            half = slice(256 * n, 256 * n + 256)
            light = self._rng.poisson(electrons * self._flat[:, half]) / GAINS[n]
            read = self._rng.normal(0.0, NOISES_ADU[n] * noise, (256, 256))
            raw[:, half] = LEVELS[n] + (light + read) * (dead != n + 1)
            overscan = slice(512 + 16 * n, 528 + 16 * n)
            raw[:, overscan] = LEVELS[n] + self._rng.normal(0.0, NOISES_ADU[n] * noise, (256, 16)) * (dead != n + 1)
        raw[self._rng.integers(0, 256, spoil), self._rng.integers(0, 512, spoil)] += 5000.0
        self._count += 1
        path = self._folder / f"{self._count}.fits"
        fits.PrimaryHDU(np.rint(raw).astype(np.uint16), fits.Header(SECTIONS)).writeto(path)
        return examine_raw(path)


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_every_amplifier_gives_back_what_was_put_in(night: Night) -> None:
    job = AmplifierJob(
        tuple(night.frame(spoil=200) for _ in range(3)), tuple(night.frame(30000.0, spoil=200) for _ in range(3))
    )
    found = measure_amplifiers(pickle.loads(pickle.dumps(job)), never)
    assert [one.number for one in found] == [1, 2]
    assert [one.bias_adu for one in found] == pytest.approx(LEVELS, abs=1.0)
    assert [one.read_noise_adu for one in found] == pytest.approx(NOISES_ADU, rel=0.03)
    assert [one.gain_e_per_adu for one in found] == pytest.approx(GAINS, rel=0.03)
    assert [one.signal_adu for one in found] == pytest.approx((30000 * 0.95 / 1.5, 30000 * 0.85 / 2.5), rel=0.02)
    assert not any(one.is_dead for one in found)
    assert gain_of(found) == pytest.approx(2.0, rel=0.03)
    assert doubts(found[:1], 1.4, Camera(instrument="x")) == ()


def test_flats_of_a_fading_twilight_give_the_gain(night: Night) -> None:
    job = AmplifierJob((night.frame(), night.frame()), (night.frame(30000.0), night.frame(19000.0)))
    assert [one.gain_e_per_adu for one in measure_amplifiers(job, never)] == pytest.approx(GAINS, rel=0.03)


def test_faint_flats_need_the_read_noise_taken_off(night: Night) -> None:
    """At 100 electrons the read noise of the second amplifier, 20 electrons, is four fifths of the variance."""
    job = AmplifierJob(tuple(night.frame() for _ in range(4)), tuple(night.frame(100.0) for _ in range(4)))
    assert measure_amplifiers(job, never)[0].gain_e_per_adu == pytest.approx(GAINS[0], rel=0.05)
    assert measure_amplifiers(job, never)[1].gain_e_per_adu == pytest.approx(GAINS[1], rel=0.15)


def test_flats_too_different_for_a_pair_tell_no_gain(night: Night) -> None:
    job = AmplifierJob((night.frame(), night.frame()), (night.frame(30000.0), night.frame(10000.0)))
    assert [one.gain_e_per_adu for one in measure_amplifiers(job, never)] == [None, None]


def test_what_is_not_there_is_not_known(night: Night) -> None:
    assert measure_amplifiers(AmplifierJob(), never) == ()
    (one, _) = measure_amplifiers(AmplifierJob((night.frame(),)), never)
    assert (one.read_noise_adu, one.gain_e_per_adu, one.signal_adu) == (None, None, None)
    assert one.bias_adu == pytest.approx(400.0, abs=1.0)
    flats = (night.frame(30000.0), night.frame(30000.0))
    (one, _) = measure_amplifiers(AmplifierJob(flats=flats), never)
    assert one.gain_e_per_adu == pytest.approx(GAINS[0], rel=0.03)  # overscan is the bias, read noise counts little


def test_amplifier_without_signal_is_dead(night: Night) -> None:
    job = AmplifierJob((), (night.frame(30000.0, dead=2), night.frame(30000.0, dead=2)))
    assert [one.is_dead for one in measure_amplifiers(job, never)] == [False, True]


def test_amplifier_without_noise_is_dead_and_named_for_the_settings(night: Night) -> None:
    found = measure_amplifiers(AmplifierJob((night.frame(dead=1), night.frame(dead=1))), never)
    assert [one.is_dead for one in found] == [True, False]
    (sentence,) = doubts(found, None, Camera(instrument="x"))
    assert "amplifier 1 is dead" in sentence
    assert "add 1 to dead_amplifiers" in sentence
    assert doubts(found, None, Camera(instrument="x", dead_amplifiers=(1,))) == ()


def test_amplifier_that_is_dead_by_the_settings_is_not_measured(night: Night) -> None:
    camera = Camera(instrument="x", dead_amplifiers=(1,))
    biases = tuple(examine_raw(night.frame().path, camera) for _ in range(2))
    found = measure_amplifiers(AmplifierJob(biases), never)
    assert found[0] == AmplifierNoise(1, 0.0, is_dead=True)
    assert found[1].read_noise_adu == pytest.approx(NOISES_ADU[1], rel=0.05)


def test_frames_without_any_noise_are_not_called_dead(night: Night) -> None:
    found = measure_amplifiers(AmplifierJob((night.frame(noise=0.0), night.frame(noise=0.0))), never)
    assert [(one.read_noise_adu, one.is_dead) for one in found] == [(0.0, False), (0.0, False)]


def test_bias_master_tells_the_level_where_nothing_else_does(night: Night) -> None:
    flats = tuple(examine(night.frame(30000.0).path) for _ in range(2))  # sections unknown: one amplifier, no overscan
    assert measure_amplifiers(AmplifierJob(flats=flats), never)[0].gain_e_per_adu is None
    job = AmplifierJob(flats=flats, bias_master=examine(night.frame().path))
    assert measure_amplifiers(job, never)[0].gain_e_per_adu is not None


def test_work_can_be_stopped(night: Night) -> None:
    def stop() -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        measure_amplifiers(AmplifierJob((night.frame(), night.frame())), stop)


def test_cards_of_one_amplifier_and_of_several() -> None:
    one = AmplifierNoise(1, 547.0, 6.391234, 2.3353)
    assert amplifier_numbers([one], 1.5) == {"BIASLV": 547.0, "RDNADU": 6.3912, "RDNOISE": 9.5869, "EGAINM": 2.3353}
    two = AmplifierNoise(16, 900.0, 8.0)
    assert amplifier_numbers([one, two]) == {
        "BIASLV1": 547.0,
        "RDNADU1": 6.3912,
        "RDNOIS1": 14.925,
        "GAIN1": 2.3353,
        "BIASLV16": 900.0,
        "RDNADU16": 8.0,
    }
    assert all(len(name) <= 8 for name, _, _ in amplifier_cards([one, two]))


@pytest.mark.parametrize("name", ["Red", "Green"])
def test_card_of_ist_is_contradicted_by_its_flats(shared: Path, tmp_path: Path, name: str) -> None:
    folder = shared / "data" / "ist_m57_lrgb_2024"

    def examined(pattern: str) -> tuple[FrameSource, ...]:
        for packed in folder.glob(pattern):
            (tmp_path / packed.stem).write_bytes(gzip.decompress(packed.read_bytes()))
        return tuple(examine_raw(path) for path in sorted(tmp_path.glob(pattern.removesuffix(".gz"))))

    job = AmplifierJob(examined("bias*.gz"), examined(f"flat*{name}*.gz"))
    known = facts(read_header(job.flats[0].path)).gain_e_per_adu
    (found,) = measure_amplifiers(job, never)
    assert found.gain_e_per_adu == pytest.approx(2.3, abs=0.2)
    assert found.read_noise_adu == pytest.approx(6.4, abs=0.1)
    (sentence,) = doubts([found], known, Camera(instrument=""))
    assert "the card says 1.5 e-/adu, the flats say 2.3" in sentence
    assert doubts([found], 2.3, Camera(instrument="", gain_e_per_adu=2.3)) == ()
