"""Batches as people read them: who runs, who waits and where, and that a long list is read in pieces."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app.model.batch import NewCombination, NewExposure, ProductKind, Status
from app.model.errors import ObservatoryError
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.settings import Matching, Settings
from app.model.work_order import parse_work_order
from app.services import batch_stories
from app.services.batch_stories import COUNTED_A_LOOK, BatchStories
from app.store.batches import Batches
from app.store.engine import open_database
from app.store.log_records import LogRecords
from app.store.work_orders import WorkOrders

NOW = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)


class Desk:
    """A database, and what is ordered in it."""

    def __init__(self, database, folder):
        self.batches, self.orders, self.folder = Batches(database), WorkOrders(database), folder
        self.stories = BatchStories(self.batches, self.orders, LogRecords(database))

    def order(self, name, number, request="calibrate_file_batch", **about):
        about = about or {"url": str(self.folder / name)}
        payload = {"user": "ada", "id": str(number), "request": request, "datetime": NOW.isoformat(), **about}
        return self.orders.add(parse_work_order(payload), NOW + timedelta(minutes=number))[0]

    def batch(self, name):
        return self.batches.open_batch(str(self.folder / name), self.folder)

    def told(self):
        return [(line.name, str(line.status), line.order, line.place) for line in self.stories.lines()]


@pytest.fixture
def desk(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'cupola.db'}")
    yield Desk(database, tmp_path)
    database.close()


def test_what_runs_comes_before_what_waits_and_new_folders_stand_first(desk):
    desk.batch("rested")
    running = desk.order("running", 1)
    desk.batches.set_status(desk.batch("running").key, Status.RUNNING)
    assert desk.orders.take(running.key)
    desk.order("rested", 2)
    desk.order("new", 3)
    assert desk.told() == [
        ("new", "waiting", "ada/3", 2),
        ("running", "running", "ada/1", 0),
        ("rested", "waiting", "ada/2", 1),
    ]


def test_order_by_name_is_about_its_batch(desk):
    batch = desk.batch("night")
    desk.order("", 1, "resume_file_batch", batch=batch.name)
    assert desk.told() == [(batch.name, "waiting", "ada/1", 0)]
    assert desk.stories.order_under_way(batch.key) == "ada/1"


def test_batch_without_an_order_is_run_elsewhere(desk):
    with pytest.raises(ObservatoryError, match="command on another screen"):
        desk.stories.order_under_way(desk.batch("night").key)


def test_a_long_list_is_counted_in_pieces(desk):
    for number in range(COUNTED_A_LOOK + 3):
        desk.batch(f"night-{number:02}")
    assert [line.frames for line in desk.stories.lines()].count(None) == 3
    assert [line.frames for line in desk.stories.lines()].count(None) == 0


def test_each_order_is_looked_up_once_however_many_batches_there_are(desk, monkeypatch):
    looked = []
    monkeypatch.setattr(batch_stories, "source_of_url", lambda url: looked.append(url) or url)
    for number in range(20):
        desk.order(f"night-{number}", number)
        desk.batch(f"night-{number}")
    assert len(desk.stories.lines()) == len(looked) == 20


FACTS = FrameFacts(rows=100, columns=200, exposure_s=60.0, instrument="cam", binning=(1, 1), started_at=NOW)
RAW = NewExposure("light.fits", Path("/data/light.fits"), "raw", FACTS, Recognition(FrameKind.LIGHT, "it says so", 1.0))


class Nights(Desk):
    """Batches with a dark each, and one with a light."""

    def dark(self, name, days, **facts):
        """Record the dark of a batch, so many days after tonight, and show it."""
        batch, path = self.batch(name), Path(f"dark_{name}.fits")
        file = batch.set_folder(batch.target_generation) / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        about = replace(FACTS, **{"started_at": NOW + timedelta(days=days), **facts})
        recipe = f"{name}-{batch.target_generation}"
        made = self.batches.record(batch.key, NewCombination(ProductKind.DARK_MASTER, path, recipe, "sha", about, ()))
        self.batches.promote(batch.key)
        return made

    def light(self, *masters):
        """Record a light made with these masters, and show it."""
        batch = self.batch("tonight")
        self.batches.set_exposures(batch.key, [RAW])
        keys = tuple(one.key for one in self.batches.exposures(batch.key))
        uses = tuple(one.key for one in masters)
        kind = ProductKind.CALIBRATED_LIGHT
        self.batches.record(batch.key, NewCombination(kind, Path("l.fits"), "l", "sha", FACTS, keys, uses))
        self.batches.promote(batch.key)
        self.batches.set_status(batch.key, Status.DONE)
        return batch.key

    def use(self, key, settings=None):
        stories = BatchStories(self.batches, self.orders, LogRecords(self.batches.database), settings)
        (use,) = stories.story(key).story.uses
        return use


@pytest.fixture
def nights(desk):
    return Nights(desk.batches.database, desk.folder)


def test_a_nearer_dark_that_came_since_is_told_with_the_remedy(nights):
    far = nights.dark("far", -13)
    key = nights.light(far)
    assert (nights.use(key).masters, nights.use(key).better_now) == ((("dark_far.fits", far.file),), "")

    near = nights.dark("near", -1)
    assert nights.use(key).masters == (("dark_far.fits", far.file),)
    told = "now there is dark_near.fits of 2026-03-13, 1 day before, from 0 frames, fewer than 3: restart the batch to use it"
    assert nights.use(key).better_now == told

    assert nights.use(key, Settings(matching=Matching(library_days=0.5))).better_now == "", "too old by the settings"
    near.file.unlink()
    assert nights.use(key).better_now == "", "its file is gone"


@pytest.mark.parametrize("other", [{"exposure_s": 5.0}, {"binning": (2, 2)}, {"temperature_degc": 20.0}])
def test_a_nearer_dark_that_a_restart_would_not_take_is_not_told(nights, other):
    far = nights.dark("far", -13, temperature_degc=-10.0)
    cold = replace(RAW, facts=replace(FACTS, temperature_degc=-10.0))
    key = nights.light(far)
    nights.batches.set_exposures(key, [cold])
    nights.dark("near", -1, **{"temperature_degc": -10.0, **other})
    assert nights.use(key).better_now == ""


def test_a_master_whose_batch_was_restarted_is_still_named_with_the_one_that_came_after_it(nights):
    first = nights.dark("far", -13)
    key = nights.light(first)
    nights.batches.begin_restart(nights.batch("far").key)
    second = nights.dark("far", -13)
    assert second.key != first.key
    use = nights.use(key)
    assert use.masters == (("dark_far.fits", first.file),)
    assert use.is_foreign
    assert use.better_now.startswith("now there is dark_far.fits of 2026-03-01, 13 days before")


def test_nothing_is_told_of_better_masters_while_the_batch_runs(nights):
    key = nights.light(nights.dark("far", -13))
    nights.dark("near", -1)
    nights.batches.set_status(key, Status.RUNNING)
    assert nights.use(key).better_now == ""
