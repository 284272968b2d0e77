"""The guard as signals, and the window's lease: a window that does not tick any more counts as dead."""

from __future__ import annotations

from concurrent.futures import Executor, Future
from typing import Any

from PySide6.QtCore import QObject, QTimer, Signal

from app.controllers.answers import Answers, ProgramFault
from app.model.clock import Clock
from app.model.errors import ObservatoryError
from app.model.guard import GuardState
from app.model.reading import Reading
from app.model.strip import Severity
from app.services.dome import DomeService
from app.services.guard_watch import GuardWatch
from app.services.service_loop import ServiceLoop
from app.store.journal import Journal

#: The window's event loop shows so often that it lives.
TICK_MS = 500
LEASE = "window"


class GuardController(QObject):
    """Passes wishes to the guard, its word to whoever draws it, and keeps the window's lease.

    Parameters
    ----------
    watch : GuardWatch
        Ear and voice of the guard.
    dome : DomeService
        Holds the override under which the dome is open, and stops what moves when LOCKOUT is taken.
    loop : ServiceLoop
        Where the dome's service runs.
    journal : Journal
        Who took LOCKOUT, and who released it.
    lane : Executor
        A thread beside the window's for SQL.
    clock : Clock
        For ages.
    who : str
        Who acts.
    """

    state_changed = Signal(object, float)  #: Reading of GuardState, and the monotonic time for its ages.
    said = Signal(str, object)  #: A sentence about a wish, and its Severity.
    _arrived = Signal(object)

    def __init__(
        self,
        watch: GuardWatch,
        dome: DomeService,
        loop: ServiceLoop,
        journal: Journal,
        lane: Executor,
        clock: Clock,
        who: str,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._watch = watch
        self._dome = dome
        self._loop = loop
        self._journal = journal
        self._lane = lane
        self._clock = clock
        self._who = who
        self._answers = Answers(self)
        self._arrived.connect(self._show)
        self._unsubscribe = watch.subscribe(self._arrived.emit)
        self._timer = QTimer(self, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._timer.start()
        self._tick()

    def take_lockout(self, name: str, reason: str) -> None:
        """People go into the dome: from now on nothing begins to move, and what moves is stopped."""
        done = f"LOCKOUT by {name}: nothing moves until it is released"
        taken = self._watch.take_lockout(name, reason)
        taken.add_done_callback(self._stop_dome)
        self._lockout(taken, done, "LOCKOUT taken", {"in": name, "reason": reason})

    def release_lockout(self, of: str) -> None:
        """They are out again, says the operator."""
        done = f"LOCKOUT by {of} is released: the dome may move"
        self._lockout(self._watch.release_lockout(self._who, of), done, "LOCKOUT released", {"of": of})

    def end_override(self) -> None:
        """Answer for nothing any more: the interlocks count again, and nothing moves by that."""
        done = "The override has ended: the interlocks count again"
        ended = self._loop.submit(self._end_override())
        self._answers.expect(ended, lambda _: self.said.emit(done, Severity.NORMAL), self._say_failure)

    def close(self) -> None:
        """Tick and show no more; the lease is not ended by this."""
        self._timer.stop()
        self._unsubscribe()

    def _stop_dome(self, taken: Future[GuardState]) -> None:
        """After the guard took LOCKOUT: before, it would count down and close again. In the thread of its answer."""
        if not taken.cancelled() and taken.exception() is None:
            self._dome.stop(self._who)

    async def _end_override(self) -> None:
        self._dome.end_override(self._who)

    def _lockout(self, future: Future[GuardState], done: str, what: str, detail: dict[str, Any]) -> None:
        """Say what came of it, and write down what was done."""

        def succeed(state: GuardState) -> None:
            self.said.emit(done, Severity.NORMAL)
            row = self._lane.submit(self._journal.record, self._who, what, state.server, detail)
            self._answers.expect(row, lambda _: None, self._say_failure)

        self._answers.expect(future, succeed, self._say_failure)

    def _tick(self) -> None:
        self._watch.tick(LEASE)
        self._show(self._watch.state)

    def _show(self, state: Reading[GuardState]) -> None:
        self.state_changed.emit(state, self._clock.monotonic())

    def _say_failure(self, error: ObservatoryError) -> None:
        self.said.emit(str(error), Severity.ALARM if isinstance(error, ProgramFault) else Severity.ATTENTION)
