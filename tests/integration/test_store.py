"""The store on a real SQLite file: orders, names of batches, records, and failures said in sentences."""

from __future__ import annotations

import logging
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import event, insert, make_url, select
from sqlalchemy.exc import IntegrityError, StatementError

from app.bootstrap.observatory import lock_file
from app.model.batch import NewCombination, ProductKind
from app.model.errors import OrderRefused, StoreError, UnknownBatch
from app.model.frame import FrameFacts
from app.model.order_life import OrderBegun, OrderEnded, UnknownOrder
from app.model.records import LogEntry
from app.model.work_order import OrderState, parse_work_order
from app.store.batches import Batches
from app.store.engine import _sentence, open_database
from app.store.journal import Journal
from app.store.log_records import LogRecords
from app.store.tables import BatchExposureRow, CombinationRow, JournalRow, StatusCodeRow, StepRunRow
from app.store.work_orders import WorkOrders
from tests.fakes import FakeClock

NOW = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "cupola.db"


@pytest.fixture
def database(file, clock):
    database = open_database(f"sqlite:///{file}?timeout=0.05", clock)
    yield database
    database.close()


@pytest.fixture
def orders(database) -> WorkOrders:
    return WorkOrders(database)


def order(order_id: str = "1", user: str = "Ada", request: str = "calibrate_file_batch", **more):
    about = {"ra": 10.5, "dec": -20.25} if request == "observation" else {"url": "/data/night1"}
    payload = {"id": order_id, "user": user, "request": request, "datetime": "2026-03-14T19:00:00.5", **about, **more}
    return parse_work_order(payload)


def combination(name: str, uses=()) -> NewCombination:
    return NewCombination(ProductKind.BIAS_MASTER, Path(f"{name}.fits"), name, "sha", FrameFacts(), (), uses)


def test_locks_lie_beside_the_database_so_that_all_its_users_share_them(database, file, own_home, monkeypatch):
    assert lock_file(database, "orders") == file.resolve().with_name("cupola.db.orders.lock")
    monkeypatch.chdir(file.parent)
    with closing(open_database("sqlite:///cupola.db")) as same, closing(open_database("sqlite://")) as other:
        assert lock_file(same, "orders") == lock_file(database, "orders")
        assert lock_file(other, "orders").is_relative_to(own_home)


class TestWorkOrders:
    def test_an_order_comes_back_as_it_was_given(self, orders):
        for given in (
            order("1", batch="night1", unknown={"key": [1, None]}),
            order("2", request="observation", priority=3.5),
        ):
            stored, is_new = orders.add(given, NOW)

            assert (is_new, stored.order, stored.received_at) == (True, given, NOW)
            assert (stored.state, stored.started_at, stored.ended_at, stored.result) == (
                OrderState.WAITING,
                None,
                None,
                {},
            )
            assert orders.by_key(stored.key) == stored
            assert stored.name == f"Ada/{given.id}"

    def test_the_same_order_twice_is_one(self, orders):
        first, _ = orders.add(order(), NOW)

        assert orders.add(order(), NOW + timedelta(hours=1)) == (first, False)
        assert orders.add(order(user="Grace"), NOW)[1]

    def test_another_order_of_the_same_id_is_refused(self, orders):
        orders.add(order(), NOW)

        with pytest.raises(OrderRefused, match="give a new id") as caught:
            orders.add(order(url="/data/night2"), NOW)

        assert [problem.field for problem in caught.value.problems] == ["id"]
        assert len(orders.all(10)) == 1

    def test_the_oldest_order_for_the_processor_is_first(self, orders):
        orders.add(order("late"), NOW + timedelta(seconds=1))
        orders.add(order("early"), NOW)
        orders.add(order("sky", request="observation"), NOW)
        taken, _ = orders.add(order("taken"), NOW)
        orders.take(taken.key)

        assert [stored.order.id for stored in orders.waiting()] == ["early", "late"]
        assert [stored.order.id for stored in orders.all(3)] == ["late", "taken", "sky"]

    def test_an_order_is_found_by_what_people_call_it(self, orders):
        mine, _ = orders.add(order("1"), NOW)
        orders.add(order("1", user="Grace"), NOW)
        orders.add(order("2", user="Grace"), NOW)

        assert orders.by_id("Ada/1") == mine
        assert orders.by_id("2").order.user == "Grace"
        orders.add(order("Ada/1", user="Grace"), NOW)
        assert orders.by_id("Ada/1") == mine
        with pytest.raises(UnknownOrder, match="name one of Ada/1, Grace/1"):
            orders.by_id("1")
        with pytest.raises(UnknownOrder, match="No work order is called '3': name it by user/id"):
            orders.by_id("3")
        with pytest.raises(UnknownOrder, match="number 4711"):
            orders.take(4711)

    def test_an_order_runs_once_and_ends_once(self, orders, clock):
        key = orders.add(order(), NOW)[0].key
        with pytest.raises(ValueError, match="waiting"):
            orders.finish(key, OrderState.FAILED, {}, None)

        clock.advance(minutes=1)
        assert orders.take(key)
        assert not orders.take(key)
        with pytest.raises(ValueError, match="cannot end as waiting"):
            orders.finish(key, OrderState.WAITING, {}, None)
        clock.advance(minutes=2)
        orders.finish(key, OrderState.DONE_WITH_PROBLEMS, {"lights": 3}, "one light is blurred")

        ended = orders.by_key(key)
        assert (ended.state, ended.result) == (OrderState.DONE_WITH_PROBLEMS, {"lights": 3})
        assert ended.reason == "one light is blurred"
        assert (ended.started_at, ended.ended_at) == (NOW + timedelta(minutes=1), NOW + timedelta(minutes=3))
        with pytest.raises(ValueError, match="done_with_problems"):
            orders.finish(key, OrderState.DONE, {}, None)

    def test_an_order_that_waits_is_cancelled_at_once(self, orders):
        key = orders.add(order(), NOW)[0].key

        assert orders.request_cancel(key) is OrderState.CANCELLED
        assert orders.by_key(key).ended_at == NOW
        assert not orders.take(key)

    def test_an_order_that_runs_is_asked_to_end(self, orders):
        key = orders.add(order(), NOW)[0].key
        orders.take(key)
        assert not orders.is_cancelling(key)

        assert orders.request_cancel(key) is OrderState.CANCELLING
        assert orders.request_cancel(key) is OrderState.CANCELLING
        assert orders.is_cancelling(key)

        orders.finish(key, OrderState.CANCELLED, {}, "by the operator")
        assert not orders.is_cancelling(key)
        with pytest.raises(OrderEnded, match=r"Ada/1 has ended \(cancelled\): there is nothing to cancel"):
            orders.request_cancel(key)

    def test_a_held_order_is_not_taken_until_it_is_released_to_its_old_place(self, orders):
        first, second = (orders.add(order(number), NOW + timedelta(seconds=int(number)))[0].key for number in "12")
        orders.hold(first)
        orders.hold(first)

        assert orders.by_key(first).state is OrderState.HELD
        assert [stored.key for stored in orders.waiting()] == [second]
        assert not orders.take(first)
        assert orders.requeue_orphans() == ()
        with pytest.raises(ValueError, match="is held and cannot end as cancelled"):
            orders.finish(first, OrderState.CANCELLED, {}, None)

        orders.release(first)
        orders.release(first)
        assert [stored.key for stored in orders.waiting()] == [first, second]
        assert orders.take(first)

    def test_a_held_order_is_cancelled_at_once(self, orders):
        key = orders.add(order(), NOW)[0].key
        orders.hold(key)

        assert orders.request_cancel(key) is OrderState.CANCELLED
        assert orders.by_key(key).reason == "Cancelled before it began"

    def test_an_order_that_has_begun_is_neither_held_nor_released(self, orders):
        key = orders.add(order(), NOW)[0].key
        orders.take(key)

        with pytest.raises(OrderBegun, match="Ada/1 is running: only an order that waits can be held: cancel it"):
            orders.hold(key)
        with pytest.raises(OrderBegun, match="Ada/1 is running: only an order that is held can be released"):
            orders.release(key)

    def test_orders_of_a_killed_processor_wait_again(self, orders):
        running, cancelling, sky = (
            orders.add(order(str(number), request=request), NOW)[0].key
            for number, request in enumerate(("calibrate_file_batch", "calibrate_file_batch", "observation"))
        )
        for key in (running, cancelling, sky):
            orders.take(key)
        orders.request_cancel(cancelling)

        found = orders.requeue_orphans()

        assert [(stored.key, stored.state) for stored in found] == [
            (running, OrderState.WAITING),
            (cancelling, OrderState.CANCELLED),
        ]
        assert orders.by_key(running).started_at is None
        assert orders.by_key(cancelling).ended_at == NOW
        assert orders.by_key(sky).state is OrderState.RUNNING
        assert orders.take(running)


class TestNamesOfBatches:
    @pytest.mark.parametrize(
        ("source", "name"),
        [
            ("/data/M 57 (L)/", "M_57_L"),
            ("/data/.hidden", "hidden"),
            ("/data/Nächte", "Nächte"),
            ("/", "batch"),
            ("/data/" + "n" * 300, "n" * 100),
            ("https://archive.example.org/nights/get?allfiles", "get"),
            ("/data/bad\udcff", "bad_udcff"),
        ],
    )
    def test_a_name_is_a_good_name_for_a_folder(self, database, tmp_path, source, name):
        batch = Batches(database).open_batch(source, tmp_path)

        assert (batch.name, batch.folder) == (name, tmp_path / name)
        assert Batches(database).open_batch(source, tmp_path) == batch

    def test_names_that_differ_by_capitals_only_are_told_apart(self, database, tmp_path):
        names = [Batches(database).open_batch(source, tmp_path).name for source in ("/a/Night", "/a/night")]

        assert names == ["Night", "night-2"]

    def test_a_batch_is_found_by_name_or_source(self, database, tmp_path):
        batches = Batches(database)
        first, second = (batches.open_batch(f"/data/night{number}", tmp_path) for number in (1, 2))

        assert batches.by_name_or_source("night1", None) == first
        assert batches.by_name_or_source(None, "file:///data/night2/") == second
        assert batches.by_name_or_source("night1", "/data/night1") == first
        assert batches.all() == (second, first)
        for name, url in (("night1", "/data/night2"), (None, None), ("night3", None)):
            with pytest.raises(UnknownBatch, match=r"name one of night2, night1$"):
                batches.by_name_or_source(name, url)

    def test_only_ten_known_batches_are_listed(self, database, tmp_path):
        batches = Batches(database)
        with pytest.raises(UnknownBatch, match="none is known yet"):
            batches.by_name_or_source("x", None)
        for number in range(13):
            batches.open_batch(f"/data/n{number}", tmp_path)

        with pytest.raises(UnknownBatch, match=r"No batch x is known: name one of n12, .*, n3 and 3 more$"):
            batches.by_name_or_source("x", None)


def test_a_killed_step_is_recorded_as_failed(database, tmp_path):
    batches = Batches(database)
    batch = batches.open_batch("/data/night1", tmp_path).key
    batches.begin_step(batch, "biases", 120, "biases could not be stacked")
    batches.begin_run(batch)

    with database.reading() as session:
        (row,) = session.scalars(select(StepRunRow))
        assert (row.status, row.code, row.error) == ("failed", 120, "The step was killed before it ended")


def test_a_master_that_others_used_is_marked_superseded(database, tmp_path):
    batches = Batches(database)
    batch, other = (batches.open_batch(f"/data/night{number}", tmp_path).key for number in (1, 2))
    master = batches.record(batch, combination("bias"))
    batches.promote(batch)
    batches.record(other, combination("light", uses=(master.key,)))
    batches.begin_restart(batch)
    batches.record(batch, combination("bias"))
    batches.promote(batch)

    with database.reading() as session:
        rows = session.scalars(select(CombinationRow).where(CombinationRow.batch == batch).order_by(CombinationRow.key))
        assert [(row.generation, row.is_superseded) for row in rows] == [(1, True), (2, False)]


def test_the_table_of_codes_says_what_they_mean_now(database, tmp_path):
    batches = Batches(database)
    batch = batches.open_batch("/data/night1", tmp_path).key
    for description in ("old words", "new words"):
        batches.begin_step(batch, "biases", 120, description)

    with database.reading() as session:
        codes = {row.number: row.description for row in session.scalars(select(StatusCodeRow))}
    assert codes == {0: "success", 120: "new words"}


def test_the_journal_has_the_newest_first(database, clock):
    journal = Journal(database)
    journal.record("Ada", "order refused", "1", {"problems": ["dec = 91"]})
    clock.advance(minutes=1)
    journal.record("Grace", "dome opened", "dome", {})

    newest, oldest = journal.newest(5)

    assert (newest.who, newest.at) == ("Grace", NOW + timedelta(minutes=1))
    assert (oldest.what, oldest.subject, oldest.detail) == ("order refused", "1", {"problems": ["dec = 91"]})
    assert journal.newest(1) == (newest,)


def test_the_log_of_a_batch_is_its_own(database, tmp_path):
    batches, records = Batches(database), LogRecords(database)
    one, two = (batches.open_batch(f"/data/night{number}", tmp_path).key for number in (1, 2))
    entries = [
        LogEntry(batch, NOW, logging.INFO, "app.pipeline", f"line {number}")
        for number, batch in enumerate((one, two, one, one, None))
    ]
    records.add_many([])
    records.add_many(entries)

    assert records.of_batch(one, 2) == (entries[2], entries[3])
    assert records.of_batch(two, 2) == (entries[1],)


class TestTheDatabase:
    def test_readers_and_a_writer_do_not_wait_for_one_another(self, database):
        journal = Journal(database)
        with database.reading() as reader:
            before = reader.execute(select(JournalRow)).all()
            journal.record("Ada", "wrote", "first", {})

            assert reader.execute(select(JournalRow)).all() == before == []

        assert len(journal.newest(5)) == 1

    def test_a_link_to_nothing_is_a_bug_and_stays_one(self, database):
        with pytest.raises(IntegrityError), database.writing() as session:
            session.execute(insert(BatchExposureRow).values(batch=1, exposure=1, path="/x"))

    def test_a_naive_time_is_a_bug(self, orders):
        with pytest.raises(StatementError, match="no time zone"):
            orders.add(order(), NOW.replace(tzinfo=None))

    def test_a_locked_database_is_said_to_be_locked(self, database, file):
        with closing(sqlite3.connect(file)) as other:
            other.execute("BEGIN IMMEDIATE")

            with pytest.raises(StoreError, match=f"{file} is locked by another program: wait"):
                Journal(database).record("Ada", "wrote", "x", {})

    def test_a_full_disk_is_said_to_be_full(self, database):
        event.listen(database.engine, "connect", lambda connection, _: connection.execute("PRAGMA max_page_count = 1"))
        database.close()

        with pytest.raises(StoreError, match="the disk is full: make room"):
            Journal(database).record("Ada", "wrote", "x" * 100_000, {})

    def test_a_read_only_database_can_be_read(self, database, file):
        Journal(database).record("Ada", "wrote", "x", {})
        read_only = open_database(f"sqlite:///file:{file}?mode=ro&uri=true")

        assert Journal(read_only).newest(1)[0].who == "Ada"
        with pytest.raises(StoreError, match="cannot be written: give its file and folder write permission"):
            Journal(read_only).record("Ada", "wrote", "x", {})
        read_only.close()

    def test_a_file_that_is_no_database_is_named(self, tmp_path):
        (tmp_path / "notes.txt").write_text("no database" * 100)

        with pytest.raises(StoreError, match=r"notes\.txt is no database: name another file"):
            open_database(f"sqlite:///{tmp_path / 'notes.txt'}")

    def test_a_driver_that_tells_the_password_is_not_quoted(self):
        for url in ("postgresql://ada:s3cret@host/db", "postgresql://ada@host/db?password=s3cret"):
            said = _sentence(make_url(url), TimeoutError("no way to log in with s3cret"))

            assert "no way to log in with ***" in said
            assert "s3cret" not in said

    def test_a_folder_that_cannot_be_made_is_named(self, tmp_path):
        (tmp_path / "file").touch()

        with pytest.raises(StoreError, match=f"The folder {tmp_path}/file/folder of the database cannot be made"):
            open_database(f"sqlite:///{tmp_path}/file/folder/cupola.db")

    @pytest.mark.parametrize(
        ("url", "sentence"),
        [
            ("cupola.db", "URL cannot be read: write it like sqlite:////folder/cupola.db"),
            ("nosuchkind://host/db", "needs a driver that is not installed"),
            ("oracle+cx_oracle://ada:s3cret@host/db", "needs a driver that is not installed"),
        ],
    )
    def test_a_wrong_url_says_how_to_write_it(self, url, sentence):
        with pytest.raises(StoreError, match=sentence) as caught:
            open_database(url)
        assert "s3cret" not in str(caught.value)
