"""The log for the window: this program's records, and those that the processes of batches keep in the database."""

from __future__ import annotations

import logging
import traceback
from collections import deque
from concurrent.futures import Executor
from datetime import datetime

from PySide6.QtCore import QObject, QTimer, Signal

from app.controllers.answers import Answers
from app.model.clock import Clock
from app.model.errors import ObservatoryError
from app.model.records import LogEntry
from app.store.log_records import LogRecords

#: Records that wait for the window; older ones give way.
_HELD_BACK = 20_000
#: Records of the database that are read at once.
_PAGE = 5000
_DRAIN_MS = 100
_LOOK_MS = 1000


class WindowHandler(logging.Handler):
    """Keeps this program's records until the window takes them; any thread may log.

    Parameters
    ----------
    clock : Clock
        Dates the records, as it dates those of the batches: the embedded night has a time of its own.
    """

    def __init__(self, clock: Clock, level: int = logging.INFO) -> None:
        super().__init__(level)
        self._clock = clock
        self._waiting: deque[LogEntry] = deque(maxlen=_HELD_BACK)

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the record as a value."""
        try:
            self._waiting.append(_entry(record, self._clock.utc()))
        except Exception:  # noqa: BLE001 - a record that cannot be written as text must not end what logs it
            self.handleError(record)

    def drain(self) -> tuple[LogEntry, ...]:
        """Take what waits, oldest first."""
        taken = []
        while self._waiting:
            taken.append(self._waiting.popleft())
        return tuple(taken)


class LogBridge(QObject):
    """Brings log records into the window in bunches, in order of time as far as they are known.

    Parameters
    ----------
    records : LogRecords
        The database.
    lane : Executor
        A thread beside the window's for SQL.
    clock : Clock
        Dates this program's records.
    """

    entries_added = Signal(object)  #: Tuple of `LogEntry`, oldest first.
    errors_changed = Signal(int)  #: Errors since they were last looked at.
    failed = Signal(str)  #: Why the database's records cannot be read; empty when they can again.

    def __init__(self, records: LogRecords, lane: Executor, clock: Clock, parent: QObject | None = None) -> None:
        super().__init__(parent)
        #: To be added to the root logger at once: it keeps what comes before `start`.
        self.handler = WindowHandler(clock)
        self._records = records
        self._lane = lane
        self._after: int | None = None
        self._is_reading = False
        self._failure = ""
        self._errors = 0
        self._answers = Answers(self)
        self._drain_timer = QTimer(self, interval=_DRAIN_MS)
        self._drain_timer.timeout.connect(self.drain)
        self._look_timer = QTimer(self, interval=_LOOK_MS)
        self._look_timer.timeout.connect(self.look)

    def start(self) -> None:
        """Begin to deliver: the window is there."""
        self.look()
        self._drain_timer.start()
        self._look_timer.start()

    def stop(self) -> None:
        """Deliver what is there, and no more; the lane may be shut down then."""
        self._look_timer.stop()
        self._drain_timer.stop()
        self.drain()

    def drain(self) -> None:
        """Deliver this program's records."""
        self._deliver(self.handler.drain())

    def look(self) -> None:
        """Ask the database for what is new, unless that was asked already."""
        if self._is_reading:
            return
        self._is_reading = True
        self._answers.expect(self._lane.submit(self._records.newest, _PAGE, self._after), self._take, self._give_up)

    def acknowledge_errors(self) -> None:
        """The operator looks at the log."""
        if self._errors:
            self._errors = 0
            self.errors_changed.emit(0)

    def _give_up(self, error: ObservatoryError) -> None:
        self._is_reading = False
        self._tell(str(error))

    def _take(self, entries: tuple[LogEntry, ...]) -> None:
        self._is_reading = False
        self._tell("")
        is_first = self._after is None
        self._after = entries[-1].key if entries else self._after or 0
        self._deliver(tuple(sorted(entries, key=lambda entry: entry.at)), counts=not is_first)
        if not is_first and len(entries) == _PAGE:
            self.look()

    def _tell(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            self.failed.emit(failure)

    def _deliver(self, entries: tuple[LogEntry, ...], *, counts: bool = True) -> None:
        """Deliver; errors that were there before this start do not count."""
        if not entries:
            return
        self.entries_added.emit(entries)
        errors = sum(entry.level >= logging.ERROR for entry in entries) if counts else 0
        if errors:
            self._errors += errors
            self.errors_changed.emit(self._errors)


def _entry(record: logging.LogRecord, at: datetime) -> LogEntry:
    trace = "".join(traceback.format_exception(*record.exc_info)) if record.exc_info else record.exc_text or ""
    name = str(getattr(record, "batch", ""))
    return LogEntry(None, at, record.levelno, record.name, record.getMessage(), None, name, trace)
