"""The log of each batch, so that the window can show it long after the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from sqlalchemy import insert, select

from app.model.records import LogEntry
from app.store.engine import Database
from app.store.tables import LogRecordRow


@dataclass(frozen=True, slots=True)
class LogRecords:
    """Log records in the database."""

    database: Database

    def add_many(self, entries: Sequence[LogEntry]) -> None:
        """Keep some records in one transaction.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        if not entries:
            return
        with self.database.writing() as session:
            session.execute(insert(LogRecordRow), [asdict(entry) for entry in entries])

    def of_batch(self, batch: int, n: int) -> tuple[LogEntry, ...]:
        """The newest `n` records of a batch, oldest first.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        query = select(LogRecordRow).where(LogRecordRow.batch == batch).order_by(LogRecordRow.key.desc()).limit(n)
        with self.database.reading() as session:
            newest = [LogEntry(row.batch, row.at, row.level, row.source, row.message) for row in session.scalars(query)]
        return tuple(reversed(newest))
