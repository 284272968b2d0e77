"""What must hold in every kind of database: its tables, several processes at once, and text that is no text."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import create_engine, text

from app.model.errors import StoreError
from app.model.work_order import OrderState, parse_work_order
from app.store.batches import Batches
from app.store.engine import REVISIONS, open_database
from app.store.journal import Journal
from app.store.outbox import Outbox
from app.store.tables import Base
from app.store.work_orders import WorkOrders

NOW = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)
ORDER = {
    "id": "1",
    "user": "Main Module",
    "request": "calibrate_file_batch",
    "url": "/data/night1",
    "datetime": "2026-03-14T19:00:00",
}

#: Opens the database and writes 20 entries, each in a transaction of its own.
WRITER = """
import sys
from app.store.engine import open_database
from app.store.journal import Journal
journal = Journal(open_database(sys.argv[1]))
for number in range(20):
    journal.record(sys.argv[2], "wrote", str(number), {})
"""


@pytest.fixture
def database(empty_url):
    database = open_database(empty_url)
    yield database
    database.close()


def at_once(function, count: int = 6) -> list:
    """Call `function` from some threads that all begin together."""
    barrier = Barrier(count)

    def begin(_: int):
        barrier.wait(10)
        return function()

    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(begin, range(count)))


def test_the_migrations_make_the_tables_of_the_models(database):
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})

        assert compare_metadata(context, Base.metadata) == []


def test_processes_that_open_and_write_at_once_lose_nothing(empty_url):
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, empty_url, name], stderr=subprocess.PIPE, text=True)
        for name in ("a", "b", "c")
    ]

    assert [writer.communicate(timeout=60)[1] for writer in writers] == ["", "", ""]
    database = open_database(empty_url)
    assert len(Journal(database).newest(100)) == 60
    with database.engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).all() == [(REVISIONS[-1],)]
    database.close()


def test_a_newer_database_is_refused(empty_url):
    open_database(empty_url).close()
    engine = create_engine(empty_url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()

    with pytest.raises(StoreError, match=f"newer Cupola .revision 9999.; .* up to {REVISIONS[-1]}: update Cupola"):
        open_database(empty_url)


def test_one_order_that_comes_many_times_at_once_is_one(database):
    orders = WorkOrders(database)

    added = at_once(lambda: orders.add(parse_work_order(dict(ORDER)), NOW))

    assert sorted(is_new for _, is_new in added) == [False] * 5 + [True]
    assert len({stored.key for stored, _ in added}) == len(orders.all(10)) == 1


def test_one_order_is_taken_by_one(database):
    orders = WorkOrders(database)
    stored, _ = orders.add(parse_work_order(dict(ORDER)), NOW)

    assert sorted(at_once(lambda: orders.take(stored.key))) == [False] * 5 + [True]
    assert orders.by_key(stored.key).state is OrderState.RUNNING


def test_one_source_that_is_opened_many_times_at_once_is_one_batch(database, tmp_path):
    batches = Batches(database)

    opened = at_once(lambda: batches.open_batch("/data/night1", tmp_path))
    others = at_once(lambda: [batches.open_batch(f"/data/{disk}/night1", tmp_path).name for disk in "abc"])

    assert len(set(opened)) == 1
    assert len({tuple(names) for names in others}) == 1
    assert {batch.name for batch in batches.all()} == {"night1", "night1-2", "night1-3", "night1-4"}


def test_one_mail_is_claimed_by_one_until_the_claim_ends(database):
    outbox = Outbox(database)
    outbox.add(["ada@example.org"], "subject", "body")
    now = outbox.clock.utc()
    (mail,) = outbox.due(now)

    assert sorted(at_once(lambda: outbox.claim(mail.key, now))) == [False] * 5 + [True]
    assert outbox.due(now + timedelta(minutes=9)) == ()
    assert outbox.claim(mail.key, now + timedelta(minutes=11))


def test_text_that_no_database_takes_is_kept_escaped(database):
    journal = Journal(database)

    journal.record("Ada", "read", "bad\udcff\x00name.fits", {"file": "\udcff\x00", "gain": float("nan")})

    (entry,) = journal.newest(1)
    assert entry.subject == r"bad\udcff\x00name.fits"
    assert entry.detail == {"file": "\udcff\x00", "gain": "NaN"}


def test_a_failed_transaction_leaves_nothing(database):
    insert = text("INSERT INTO status_code (number, description) VALUES (123, 'half')")
    with pytest.raises(ZeroDivisionError), database.writing() as session:
        _ = session.execute(insert).rowcount / 0

    with database.reading() as session:
        assert session.execute(text("SELECT number FROM status_code")).all() == [(0,)]


def test_a_server_that_is_down_is_named_without_the_password():
    for url in (
        "postgresql://ada:s3cret@127.0.0.1:1/cupola",
        "postgresql+psycopg://ada@127.0.0.1:1/cupola?password=s3cret",
    ):
        with pytest.raises(StoreError, match=r"ada(:\*\*\*)?@127.0.0.1:1/cupola does not answer") as caught:
            open_database(url)
        assert "s3cret" not in str(caught.value)
