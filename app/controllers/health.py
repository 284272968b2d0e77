"""What the window depends on, looked at every few seconds: disk, database, mail."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject, QTimer, Signal

from app.controllers.answers import Answers
from app.model.errors import ObservatoryError, StoreError
from app.store.outbox import Outbox

LOOK_MS = 10_000


@dataclass(frozen=True, slots=True)
class Findings:
    """What one look found.

    Attributes
    ----------
    disk_free : int or None
        Bytes that are free for products; None when that cannot be known.
    mails_waiting : int or None
        None when the database did not say.
    database_failure : str
        Why the database cannot be used; empty when it can.
    """

    disk_free: int | None
    mails_waiting: int | None
    database_failure: str


class HealthController(QObject):
    """Looks, in the executor.

    Parameters
    ----------
    outbox : Outbox
        Where mails wait.
    folder : Path
        Where products go.
    executor : Executor
        A thread for SQL.
    free : callable
        Gives the free bytes of a folder.
    """

    looked = Signal(object)  #: Findings.

    def __init__(
        self,
        outbox: Outbox,
        folder: Path,
        executor: Executor,
        free: Callable[[Path], int | None],
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._outbox = outbox
        self._folder = folder
        self._executor = executor
        self._free = free
        self._answers = Answers(self)
        self._timer = QTimer(self, interval=LOOK_MS)
        self._timer.timeout.connect(self.look)

    def start(self) -> None:
        """Look now, and again and again."""
        self.look()
        self._timer.start()

    def stop(self) -> None:
        """Look no more; the executor may be shut down then."""
        self._timer.stop()

    def look(self) -> None:
        """Look once."""
        self._answers.expect(self._executor.submit(self._find), self.looked.emit, self._give_up)

    def _find(self) -> Findings:
        disk = self._free(self._folder)
        try:
            return Findings(disk, self._outbox.waiting_count(), "")
        except StoreError as error:
            return Findings(disk, None, str(error))

    def _give_up(self, error: ObservatoryError) -> None:
        """What cannot be found out is not known."""
        self.looked.emit(Findings(None, None, str(error)))
