"""Masters of other nights: which serve, how they are told, and that a batch keeps those that it began with."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from app.model.batch import Combination, FileBatch, NewCombination, NewExposure, ProductKind
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.library import library_text
from app.model.settings import Camera, Matching, Settings
from app.pipeline.library import dark_for, find_masters, masters_for
from app.pipeline.step import CancelToken, Context
from tests.fakes import MemoryBatches

NIGHT = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
LIGHT = FrameFacts(
    rows=100,
    columns=200,
    exposure_s=60.0,
    filter="R",
    instrument="cam",
    binning=(1, 1),
    gain_setting="100",
    temperature_degc=-10.0,
    started_at=NIGHT,
)
DARK, BIAS, FLAT = ProductKind.DARK_MASTER, ProductKind.BIAS_MASTER, ProductKind.FLAT_MASTER


class Night:
    """A batch that needs masters, in a store with other batches."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.store = MemoryBatches()
        self.batch = self.store.open_batch("/data/tonight", folder)
        self.store.set_exposures(self.batch.key, [exposure("light.fits", LIGHT)])
        self.kept: set[int] = set()

    def context(self, **settings: Any) -> Context:
        batch = self.store.batch(self.batch.key)
        return Context(self.store, batch, Settings(**settings), lambda _: None, CancelToken(), kept=self.kept)

    def other(self, days: float, kind: ProductKind = DARK, frames: int = 5, **facts: Any) -> Combination:
        """A master of another batch, so many days after tonight, shown."""
        number = len(self.store.library(kind, 0)) + 1
        batch = self.store.open_batch(f"/data/{kind}-{number}-{days}", self.folder)
        master = self.record(batch, kind, days, frames, **facts)
        self.store.promote(batch.key)
        return replace(master, batch=batch.key)

    def own(self, kind: ProductKind = DARK, **facts: Any) -> Combination:
        master = self.record(self.batch, kind, 0.0, 5, **facts)
        self.kept.add(master.key)
        return master

    def record(self, batch: FileBatch, kind: ProductKind, days: float, frames: int, **facts: Any) -> Combination:
        about = replace(LIGHT, **{"started_at": NIGHT + timedelta(days=days), **facts})
        raw = [exposure(f"{batch.name}-{kind}-{n}.fits", about) for n in range(frames)]
        if batch.key != self.batch.key:
            self.store.set_exposures(batch.key, raw)
        keys = tuple(one.key for one in self.store.exposures(batch.key))[:frames]
        path = Path("masters") / f"{kind}_{about.exposure_s}_{about.filter}_{about.temperature_degc}.fits"
        file = batch.set_folder(batch.target_generation) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        return self.store.record(batch.key, NewCombination(kind, path, f"{batch.key}/{path}", "sha", about, keys))


def exposure(file: str, facts: FrameFacts) -> NewExposure:
    return NewExposure(
        file, Path("/data") / file, f"sha-{file}", facts, Recognition(FrameKind.LIGHT, "it says so", 1.0)
    )


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path)


def test_the_nearest_night_serves_after_the_batchs_own(night: Night) -> None:
    far, near, later = night.other(-40.0), night.other(-3.0), night.other(5.0)
    own = night.own()

    found = find_masters(night.context(), DARK, LIGHT)

    assert [one.key for one in found] == [own.key, near.key, later.key, far.key]


def test_a_master_of_this_batch_that_is_not_of_this_run_is_not_taken(night: Night) -> None:
    night.own()
    night.kept.clear()

    assert find_masters(night.context(), DARK, LIGHT) == ()


@pytest.mark.parametrize(
    "other",
    [
        {"instrument": "cam2"},
        {"binning": (2, 2)},
        {"gain_setting": "0"},
        {"gain_setting": None},
        {"rows": 50},
        {"readout_mode": "fast"},
        {"offset_setting": "10"},
    ],
)
def test_the_library_never_gives_a_master_of_another_set_up(night: Night, other: dict[str, Any]) -> None:
    night.other(-3.0, **other)

    assert find_masters(night.context(), DARK, LIGHT) == ()


def test_masters_beyond_the_limit_in_days_are_too_old(night: Night) -> None:
    night.other(-40.0)

    assert len(find_masters(night.context(matching=Matching(library_days=40.0)), DARK, LIGHT)) == 1
    assert find_masters(night.context(matching=Matching(library_days=39.0)), DARK, LIGHT) == ()


def test_masters_of_an_unknown_night_come_last(night: Night) -> None:
    undated = night.other(0.0, started_at=None)
    dated = night.other(-300.0)

    assert [one.key for one in find_masters(night.context(), DARK, LIGHT)] == [dated.key, undated.key]
    assert library_text(undated, LIGHT, 3) == "of an unknown night, from 5 frames"


def test_a_master_whose_file_is_gone_is_passed_over(night: Night) -> None:
    master = night.other(-3.0)
    master.file.unlink()

    assert find_masters(night.context(), DARK, LIGHT) == ()


def test_age_and_number_of_frames_are_told(night: Night) -> None:
    old, young = night.other(-12.6, frames=2), night.other(0.1, BIAS)

    assert library_text(old, LIGHT, 3) == "of 2026-03-02, 13 days before, from 2 frames, fewer than 3"
    assert library_text(young, LIGHT, 3) == "of 2026-03-15, the same night, from 5 frames"
    choice = masters_for(night.context(), LIGHT)
    assert choice.dark.dark is not None
    assert choice.dark.reason == f"dark of the same exposure, 60 s; {library_text(old, LIGHT, 3)}"


def test_own_master_wins_unless_that_of_another_night_is_of_a_better_temperature(night: Night) -> None:
    own, other = night.own(temperature_degc=-7.0), night.other(-3.0, temperature_degc=-10.5)
    worse = night.other(-4.0, temperature_degc=-12.0)

    choice = masters_for(night.context(), LIGHT)
    assert choice.dark.dark is not None
    assert choice.dark.dark.key == other.key
    assert {refused.master.key for refused in choice.refused} == {own.key, worse.key}

    as_good = night.own(temperature_degc=-10.9)
    choice = masters_for(night.context(), LIGHT)
    assert choice.dark.dark is not None
    assert choice.dark.dark.key == as_good.key


def test_a_camera_with_glow_is_not_scaled_neither_for_lights_nor_for_flats(night: Night) -> None:
    bias, _ = night.own(BIAS, exposure_s=0.0), night.own(exposure_s=120.0)
    glowing = night.context(cameras=(Camera(instrument="cam", scale_dark=False),))

    for choice in (masters_for(glowing, LIGHT).dark, dark_for(glowing, LIGHT)):
        assert (choice.bias, choice.dark) == (bias, None)
        assert "scaling is switched off for this camera" in choice.reason
    assert dark_for(night.context(), LIGHT).scale == 0.5


def test_a_resumed_batch_sees_what_it_began_with_and_a_restarted_one_what_is_there_now(night: Night) -> None:
    first = night.other(-30.0)
    assert [one.key for one in find_masters(night.context(), DARK, LIGHT)] == [first.key]

    better = night.other(-1.0)  # another batch ends while this one waits to be resumed
    assert [one.key for one in find_masters(night.context(), DARK, LIGHT)] == [first.key]

    night.store.begin_restart(night.batch.key)
    assert [one.key for one in find_masters(night.context(), DARK, LIGHT)] == [better.key, first.key]


def test_what_a_batch_began_with_stays_when_its_own_batch_replaces_it(night: Night) -> None:
    first = night.other(-30.0)
    find_masters(night.context(), DARK, LIGHT)

    night.store.begin_restart(first.batch)
    assert night.store.promote(first.batch) == ()

    (found,) = find_masters(night.context(), DARK, LIGHT)
    assert (found.key, found.file) == (first.key, first.file)


def test_masters_for_every_set_up_of_the_batch_are_pinned_at_once(night: Night) -> None:
    binned = replace(LIGHT, binning=(2, 2))
    lights = [exposure("light.fits", LIGHT), exposure("binned.fits", binned)]
    night.store.set_exposures(night.batch.key, lights)
    first = night.other(-30.0, binning=(2, 2))
    find_masters(night.context(), DARK, LIGHT)

    night.other(-1.0, binning=(2, 2))

    assert [one.key for one in find_masters(night.context(), DARK, binned)] == [first.key]


def test_a_set_up_that_comes_later_is_looked_up_then(night: Night) -> None:
    first = night.other(-30.0)
    find_masters(night.context(), DARK, LIGHT)
    night.other(-1.0)
    of_binned = night.other(-2.0, binning=(2, 2))
    binned = replace(LIGHT, binning=(2, 2))

    assert [one.key for one in find_masters(night.context(), DARK, binned)] == [of_binned.key]
    assert [one.key for one in find_masters(night.context(), DARK, LIGHT)] == [first.key]
