import logging
from datetime import UTC, datetime

import pytest

from app.model.records import LogEntry
from app.store.batches import Batches
from app.store.engine import open_database
from app.store.log_records import LogRecords

NOW = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)


@pytest.fixture
def database(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'cupola.db'}")
    yield database
    database.close()


def test_newest_records_of_all_batches_come_once_each(database, tmp_path):
    batch = Batches(database).open_batch("/data/night1", tmp_path)
    records = LogRecords(database)
    records.add_many(
        [LogEntry(batch.key if n % 2 else None, NOW, logging.INFO, "app.pipeline", f"line {n}") for n in range(5)]
    )
    first = records.newest(3)
    assert [entry.message for entry in first] == ["line 2", "line 3", "line 4"]
    assert [entry.batch_name for entry in first] == ["", batch.name, ""]
    assert records.newest(3, first[-1].key) == ()
    records.add_many([LogEntry(None, NOW, logging.ERROR, "app", f"later {n}") for n in range(4)])
    page = records.newest(3, first[-1].key)
    assert [entry.message for entry in page] == ["later 0", "later 1", "later 2"]
    assert [entry.message for entry in records.newest(3, page[-1].key)] == ["later 3"]
