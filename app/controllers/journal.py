"""The journal for the window: the newest rows, read beside the window's thread while somebody looks at them."""

from __future__ import annotations

from concurrent.futures import Executor

from PySide6.QtCore import QObject, QTimer, Signal

from app.controllers.answers import Answers
from app.model.errors import ObservatoryError
from app.model.records import JournalEntry
from app.store.journal import Journal

#: So many rows are shown: the nights of a week.
ROWS = 1000
LOOK_MS = 1000


class JournalController(QObject):
    """Reads the newest rows again and again.

    Parameters
    ----------
    journal : Journal
        The database.
    lane : Executor
        A thread beside the window's for SQL.
    """

    entries_changed = Signal(object)  #: Tuple of `JournalEntry`, newest first; when they changed.
    failed = Signal(str)  #: Why the journal cannot be read; empty when it can again.

    def __init__(self, journal: Journal, lane: Executor, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._journal = journal
        self._lane = lane
        self._entries: tuple[JournalEntry, ...] | None = None
        self._failure = ""
        self._is_reading = False
        self._answers = Answers(self)
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self.look)

    def set_shown(self, is_shown: bool) -> None:
        """Look while somebody looks, and no longer; the lane may be shut down then."""
        if is_shown:
            self.look()
            self._timer.start()
        else:
            self._timer.stop()

    def look(self) -> None:
        """Ask for the newest rows, unless that was asked already."""
        if not self._is_reading:
            self._is_reading = True
            self._answers.expect(self._lane.submit(self._journal.newest, ROWS), self._take, self._give_up)

    def _take(self, entries: tuple[JournalEntry, ...]) -> None:
        self._is_reading = False
        self._tell("")
        if entries != self._entries:
            self._entries = entries
            self.entries_changed.emit(entries)

    def _give_up(self, error: ObservatoryError) -> None:
        self._is_reading = False
        self._tell(str(error))

    def _tell(self, failure: str) -> None:
        if failure != self._failure:
            self._failure = failure
            self.failed.emit(failure)
