"""The journal: what operators, observers and the observatory did."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from app.model.records import JournalEntry
from app.store.engine import Database
from app.store.tables import JournalRow


@dataclass(frozen=True, slots=True)
class Journal:
    """The journal in the database; entries are only ever added."""

    database: Database

    def record(self, who: str, what: str, subject: str, detail: dict[str, Any]) -> None:
        """Write down an action; `detail` is JSON.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        with self.database.writing() as session:
            session.add(JournalRow(who=who, what=what, subject=subject, detail=detail, at=self.database.clock.utc()))

    def newest(self, n: int) -> tuple[JournalEntry, ...]:
        """The newest `n` entries, newest first.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        query = select(JournalRow).order_by(JournalRow.key.desc()).limit(n)
        with self.database.reading() as session:
            return tuple(
                JournalEntry(row.who, row.what, row.subject, row.detail, row.at) for row in session.scalars(query)
            )
