"""Batches as people read them: who runs, who waits and where, and that a long list is read in pieces."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.model.batch import Status
from app.model.errors import ObservatoryError
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
