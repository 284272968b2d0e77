"""What is written down beside the frames: the journal, the log of a batch, and mails to the operators."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True)
class JournalEntry:
    """What an operator, an observer or the observatory itself did.

    Attributes
    ----------
    who : str
        User or duty that acted.
    what : str
        The action, such as ``"order refused"``.
    subject : str
        What it was done to.
    detail : dict
        Whatever explains it, JSON.
    at : datetime
        UTC.
    """

    who: str
    what: str
    subject: str
    detail: dict[str, Any] = field(hash=False)
    at: datetime


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One line of the log.

    Attributes
    ----------
    batch : int or None
        Key of the batch it is about; None when it is about none.
    at : datetime
        UTC.
    level : int
        Level of `logging`, such as 40 for ERROR.
    source : str
        Name of the logger.
    message : str
        The sentence.
    key : int or None
        Number in the database; None when it is not kept there.
    batch_name : str
        Name of the batch, where it is known.
    traceback : str
        Where in the program an error came from; empty for most records.
    """

    batch: int | None
    at: datetime
    level: int
    source: str
    message: str
    key: int | None = None
    batch_name: str = ""
    traceback: str = ""


@dataclass(frozen=True, slots=True)
class QueuedMail:
    """A mail that waits to be sent.

    Attributes
    ----------
    attempts : int
        Deliveries that failed so far.
    """

    key: int
    recipients: tuple[str, ...]
    subject: str
    body: str
    created_at: datetime
    attempts: int
