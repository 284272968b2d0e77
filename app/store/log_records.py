"""The log of each batch, so that the window can show it long after the run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import insert, select

from app.model.records import LogEntry
from app.store.engine import Database
from app.store.tables import FileBatchRow, LogRecordRow


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
            session.execute(insert(LogRecordRow), [_row(entry) for entry in entries])

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

    def newest(self, n: int, after: int | None = None) -> tuple[LogEntry, ...]:
        """Records of all batches, with their keys and the names of their batches, oldest first.

        Parameters
        ----------
        n : int
            At most so many: the newest ones, or those that follow `after`.
        after : int or None
            Key of a record that is known; all that were kept later are new.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        query = select(LogRecordRow, FileBatchRow.name).outerjoin(FileBatchRow, LogRecordRow.batch == FileBatchRow.key)
        if after is None:
            query = query.order_by(LogRecordRow.key.desc())
        else:
            query = query.where(LogRecordRow.key > after).order_by(LogRecordRow.key)
        with self.database.reading() as session:
            found = [
                LogEntry(row.batch, row.at, row.level, row.source, row.message, row.key, name or "")
                for row, name in session.execute(query.limit(n))
            ]
        return tuple(sorted(found, key=lambda entry: entry.key or 0))


def _row(entry: LogEntry) -> dict[str, Any]:
    """What is kept; the database gives the key."""
    return {
        "batch": entry.batch,
        "at": entry.at,
        "level": entry.level,
        "source": entry.source,
        "message": entry.message,
    }
