"""The journal: what operators, observers and the observatory did."""

from __future__ import annotations

import json
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
        """Write down an action; `detail` is JSON, in which numbers that JSON does not have become text.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        with self.database.writing() as session:
            session.add(
                JournalRow(who=who, what=what, subject=subject, detail=_finite(detail), at=self.database.clock.utc())
            )

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


def _finite(detail: dict[str, Any]) -> dict[str, Any]:
    """NaN and Infinity as text: a refused order may hold them, and no database takes them."""
    kept: dict[str, Any] = json.loads(json.dumps(detail), parse_constant=str)
    return kept
