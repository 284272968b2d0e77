"""The queue of work orders for the window: read every second, changed through the front desk."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from functools import partial
from pathlib import Path
from typing import TypeVar

from PySide6.QtCore import QObject, QTimer, Signal

from app.controllers.answers import Answers
from app.model.clock import Clock
from app.model.errors import FieldProblem, ObservatoryError, OrderRefused
from app.model.order_life import StoredOrder
from app.model.order_queue import OrderLine, order_lines
from app.model.settings import Site
from app.model.work_order import LARGEST_ORDER, decode_order
from app.services.front_desk import FrontDesk
from app.store.work_orders import WorkOrders

T = TypeVar("T")

#: Orders that are shown: the newest.
SHOWN = 1000
_LOOK_MS = 1000
#: Without an answer for so long the list is called old.
_PATIENCE_S = 3.0


class WorkOrdersController(QObject):
    """Reads the queue and passes wishes on; every answer comes as a signal in the thread of this object.

    Parameters
    ----------
    front_desk : FrontDesk
        Checks and keeps orders.
    orders : WorkOrders
        The store.
    lane : Executor
        A thread beside the window's for SQL and files.
    who : str
        Who acts, for the journal.
    site : Site
        For the windows of observations.
    clock : Clock
        Time of the records, and of the list's age.
    sky_clock : Clock
        Time of the sky; another one only under a simulated sky.
    """

    orders_changed = Signal(object)  #: Tuple of `OrderLine`, newest first; only when something changed.
    failed = Signal(str, float)  #: Why the queue cannot be read, and how old the last list is in s, -1 for none.
    recovered = Signal()  #: The queue is read again.
    accepted = Signal(object, bool)  #: The `StoredOrder`, and whether it is new.
    refused = Signal(str, str, object)  #: What was refused, why in one sentence, and its `FieldProblem` tuple.

    def __init__(
        self,
        front_desk: FrontDesk,
        orders: WorkOrders,
        lane: Executor,
        who: str,
        site: Site,
        clock: Clock,
        sky_clock: Clock,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self.who = who
        self._front_desk = front_desk
        self._orders = orders
        self._lane = lane
        self._site = site
        self._clock = clock
        self._sky_clock = sky_clock
        self._processor_failure = ""
        self._last: tuple[OrderLine, ...] | None = None  # touched in the lane alone
        self._is_reading = False
        self._failure = ""
        self._read_s: float | None = None
        self._began_s = clock.monotonic()
        self._answers = Answers(self)
        self._timer = QTimer(self, interval=_LOOK_MS)
        self._timer.timeout.connect(self.refresh)

    def start(self) -> None:
        """Read the queue now and every second."""
        self.refresh()
        self._timer.start()

    def stop(self) -> None:
        """Read no more; the lane may be shut down then."""
        self._timer.stop()

    def set_processor_failure(self, sentence: str) -> None:
        """Say why the Processor takes no orders; empty when it does."""
        self._processor_failure = sentence

    def refresh(self) -> None:
        """Look whether the queue changed, unless a look is under way."""
        if not self._is_reading:
            self._is_reading = True
            self._began_s = self._clock.monotonic()
            self._answers.expect(self._lane.submit(self._read), self._show, self._give_up)
        elif self._clock.monotonic() - self._began_s > _PATIENCE_S:
            self.failed.emit(self._failure or "The database does not answer yet", self._age_s())

    def submit(self, payload: object) -> None:
        """Hand an order in: decoded JSON."""
        self._hand_in(payload, _identity(payload))

    def submit_text(self, text: str, subject: str = "The text") -> None:
        """Hand in what was pasted or dropped: one order as JSON, or a list of them."""
        self._submit_decoded(lambda: text.encode("utf-8", "surrogatepass"), subject)

    def submit_file(self, path: Path) -> None:
        """Hand in the order, or the list of orders, of a JSON file."""
        self._submit_decoded(lambda: _content(path), path.name)

    def cancel(self, names: Sequence[str]) -> None:
        """Cancel orders, each named ``user/id``."""
        self._for_each(names, self._front_desk.cancel)

    def hold(self, names: Sequence[str]) -> None:
        """Keep waiting orders from being taken."""
        self._for_each(names, self._front_desk.hold)

    def release(self, names: Sequence[str]) -> None:
        """Let held orders wait again."""
        self._for_each(names, self._front_desk.release)

    def _submit_decoded(self, content: Callable[[], bytes], subject: str) -> None:
        """Read and decode in the lane, then hand every order in."""

        def decode() -> list[object]:
            payload = decode_order(content())
            return payload if isinstance(payload, list) and payload else [payload]

        def hand_in(payloads: list[object]) -> None:
            for number, payload in enumerate(payloads, start=1):
                self._hand_in(payload, subject if len(payloads) == 1 else f"{subject}, order {number}")

        self._ask(decode, hand_in, subject)

    def _hand_in(self, payload: object, subject: str) -> None:
        self._ask(partial(self._front_desk.take_in, payload, self.who), self._accept, subject)

    def _for_each(self, names: Sequence[str], do: Callable[[str, str], StoredOrder]) -> None:
        for name in names:
            self._ask(partial(do, name, self.who), lambda _: self.refresh(), name)

    def _accept(self, kept: tuple[StoredOrder, bool]) -> None:
        self.accepted.emit(*kept)
        self.refresh()

    def _ask(self, work: Callable[[], T], then: Callable[[T], None], subject: str) -> None:
        """Do the work in the lane, and take its answer in this thread; a refusal is told."""
        self._answers.expect(self._lane.submit(work), then, partial(self._refuse, subject))

    def _refuse(self, subject: str, error: ObservatoryError) -> None:
        self.refused.emit(subject, str(error), error.problems if isinstance(error, OrderRefused) else ())

    def _read(self) -> tuple[OrderLine, ...] | None:
        """The queue as it is now; None when nothing changed. For the lane."""
        stored = self._orders.all(SHOWN)
        known = {line.stored.key: line for line in self._last or ()}
        lines = tuple(
            known[line.stored.key] if known.get(line.stored.key) == line else line  # the same is the same object
            for line in order_lines(
                stored, self._site, self._sky_clock.utc(), self._clock.utc(), self._processor_failure
            )
        )
        if lines == self._last:
            return None
        self._last = lines
        return lines

    def _show(self, lines: tuple[OrderLine, ...] | None) -> None:
        self._is_reading = False
        self._read_s = self._clock.monotonic()
        self._failure = ""
        self.recovered.emit()
        if lines is not None:
            self.orders_changed.emit(lines)

    def _give_up(self, error: ObservatoryError) -> None:
        self._is_reading = False
        self._failure = str(error)
        self.failed.emit(self._failure, self._age_s())

    def _age_s(self) -> float:
        return -1.0 if self._read_s is None else self._clock.monotonic() - self._read_s


def _content(path: Path) -> bytes:
    """At most a byte more than an order may have: the rest of a large file is not read."""
    try:
        with path.open("rb") as file:
            return file.read(LARGEST_ORDER + 1)
    except OSError as error:
        problem = FieldProblem("file", str(path), f"cannot be read ({error.strerror}): check its name and permissions")
        raise OrderRefused("Work order refused", (problem,)) from error


def _identity(payload: object) -> str:
    """``user/id`` of what may be an order."""
    if not isinstance(payload, dict):
        return "Work order"
    return f"{payload.get('user', '')}/{payload.get('id', '')}"
