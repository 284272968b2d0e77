"""The outbox: mails are kept until a server took them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlalchemy import func, select

from app.model.clock import Clock, SystemClock
from app.model.records import QueuedMail
from app.store.engine import Database
from app.store.tables import MailRow

#: How long a mail belongs to the deliverer that got it; longer than any delivery takes.
CLAIM = timedelta(minutes=10)


@dataclass(frozen=True, slots=True)
class Outbox:
    """Mails in the database; all methods raise `StoreError` when it cannot be used.

    Attributes
    ----------
    clock : Clock
        When mails are due: real time, even where the sky's clock is another one.
    """

    database: Database
    clock: Clock = field(default_factory=SystemClock)

    def add(self, recipients: Sequence[str], subject: str, body: str) -> None:
        """Put a mail into the outbox; it is due at once."""
        now = self.clock.utc()
        with self.database.writing() as session:
            session.add(
                MailRow(
                    recipients=list(recipients),
                    subject=subject,
                    body=body,
                    created_at=now,
                    next_try_at=now,
                    attempts=0,
                )
            )

    def due(self, now: datetime) -> tuple[QueuedMail, ...]:
        """Mails whose time has come, oldest first; to deliver one, `claim` it."""
        query = select(MailRow).where(MailRow.sent_at.is_(None), MailRow.next_try_at <= now).order_by(MailRow.key)
        with self.database.reading() as session:
            return tuple(_mail(row) for row in session.scalars(query))

    def claim(self, key: int, now: datetime) -> bool:
        """Make a due mail one's own for the time of `CLAIM`; False when another deliverer was faster.

        A deliverer that dies with it gives it up when that time is over.
        """
        with self.database.writing() as session:
            row = session.get_one(MailRow, key, with_for_update=True)
            if row.sent_at is not None or row.next_try_at > now:
                return False
            row.next_try_at = now + CLAIM
            return True

    def sent(self, key: int, when: datetime) -> None:
        """Record that a server took the mail."""
        with self.database.writing() as session:
            row = session.get_one(MailRow, key)
            row.sent_at = when
            row.attempts += 1

    def failed(self, key: int, error: str, next_try_at: datetime) -> None:
        """Record why the mail was not taken, and when to try again."""
        with self.database.writing() as session:
            row = session.get_one(MailRow, key)
            row.attempts += 1
            row.last_error = error
            row.next_try_at = next_try_at

    def waiting_count(self) -> int:
        """Mails that no server took yet."""
        with self.database.reading() as session:
            return session.scalar(select(func.count()).where(MailRow.sent_at.is_(None))) or 0


def _mail(row: MailRow) -> QueuedMail:
    return QueuedMail(row.key, tuple(row.recipients), row.subject, row.body, row.created_at, row.attempts)
