"""Batches for the window: the list, the story of the selected one, and the orders that run, resume and cancel them."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol

from PySide6.QtCore import QObject, QTimer, Signal, SignalInstance, Slot

from app.model.batch import Combination, FileBatch, ProductKind, Status, StepRun
from app.model.clock import Clock, SystemClock
from app.model.errors import ObservatoryError
from app.model.order_life import ENDED, StoredOrder
from app.model.story import (
    BatchLine,
    BatchStory,
    RunNow,
    cards_of,
    counts_of,
    groups_of,
    left_out_of,
    night_of,
    steps_of,
    troubles_of,
    uses_of,
    verdict_of,
)
from app.model.work_order import OrderState, Request, source_of_url
from app.pipeline.events import BatchEnded, Event, Progress, StepEnded, StepStarted
from app.services.front_desk import FrontDesk
from app.store.batches import Batches
from app.store.log_records import LogRecords
from app.store.work_orders import WorkOrders

log = logging.getLogger(__name__)

LOOK_MS = 1000
#: Events may come faster than anybody reads; the story follows this often.
TELL_MS = 200
#: Batches whose frames are counted in one look; the others are counted in the next ones.
COUNTED_A_LOOK = 20
RECENT_ORDERS = 200
LOG_LINES = 200

_MASTERS = (ProductKind.BIAS_MASTER, ProductKind.DARK_MASTER, ProductKind.FLAT_MASTER)


class Lane(Protocol):
    """One thread that does what it is given, in order, such as an executor of one worker."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any) -> Future[Any]:
        """Do it soon."""
        ...


@dataclass(frozen=True, slots=True)
class _Counted:
    batch: FileBatch
    night: str | None
    frames: int
    warnings: int
    errors: int


@dataclass(frozen=True, slots=True)
class _Read:
    """A story as the database tells it, with its steps before the newest events."""

    story: BatchStory
    runs: tuple[StepRun, ...]


class BatchesController(QObject):
    """Reads batches in the lane, tells them as values, and turns wishes into orders.

    Parameters
    ----------
    batches, orders, log_records
        The store.
    front_desk : FrontDesk
        Takes the orders.
    lane : Lane
        Where SQL is spoken.
    who : str
        Who orders.
    clock : Clock
        Time of the orders, and of the steps that run.
    planned : sequence of str
        Names of all steps, in order, as far as they are known.
    """

    lines_changed = Signal(object)  #: tuple of BatchLine: newest first, orders that wait for a new batch before them.
    story_changed = Signal(object)  #: BatchStory of the selected batch.
    accepted = Signal(object)  #: StoredOrder that was taken in.
    refused = Signal(str)  #: Why a wish is not granted.
    failed = Signal(str)  #: Why the batches could not be read; what is shown is old until `lines_changed`.

    _lines_read = Signal(object)
    _story_read = Signal(object)
    _asked = Signal(object)

    def __init__(
        self,
        batches: Batches,
        orders: WorkOrders,
        log_records: LogRecords,
        front_desk: FrontDesk,
        lane: Lane,
        who: str,
        clock: Clock | None = None,
        planned: Sequence[str] = (),
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._batches = batches
        self._orders = orders
        self._log_records = log_records
        self._front_desk = front_desk
        self._lane = lane
        self._who = who
        self._clock = clock or SystemClock()
        self._planned = tuple(planned)
        self._lines: tuple[BatchLine, ...] | None = None
        self._counted: dict[int, _Counted] = {}  # of the lane, but for what is forgotten
        self._key: int | None = None
        self._read: _Read | None = None
        self._run: RunNow | None = None
        self._is_reading_lines = self._is_reading_story = self._is_story_old = self._is_closed = False
        self._look_timer = QTimer(self, interval=LOOK_MS)
        self._look_timer.timeout.connect(self.look)
        self._tell_timer = QTimer(self, interval=TELL_MS, singleShot=True)
        self._tell_timer.timeout.connect(self._tell)
        self._lines_read.connect(self._take_lines)
        self._story_read.connect(self._take_story)
        self._asked.connect(self._take_order)

    @Slot(bool)
    def set_watching(self, is_watching: bool) -> None:
        """Look every second while somebody does, else only when something happens."""
        if is_watching:
            self.look()
            self._look_timer.start()
        else:
            self._look_timer.stop()

    @Slot()
    def look(self) -> None:
        """Read the list again, and the story while its batch runs."""
        if not self._is_reading_lines:
            self._is_reading_lines = True
            self._submit(self._lines_of_all, self._lines_read)
        if self._read is not None and self._read.story.batch.status is Status.RUNNING:
            self._ask_story()
            self._tell()

    @Slot(int)
    def open_story(self, key: int) -> None:
        """Tell the story of that batch from now on; 0 is none."""
        if key != self._key:
            self._key, self._read = key or None, None
            self._ask_story()

    @Slot(str)
    def run(self, folder: str) -> None:
        """Order a folder to be calibrated."""
        self._order(Request.CALIBRATE, lambda: {"url": folder})

    @Slot(int)
    def resume(self, key: int) -> None:
        """Order a batch to go on from what it finished."""
        self._order(Request.RESUME, lambda: {"batch": self._batches.batch(key).name})

    @Slot(int)
    def restart(self, key: int) -> None:
        """Order a batch to be made anew; its products are shown until the new ones are complete."""
        self._order(Request.RESTART, lambda: {"batch": self._batches.batch(key).name})

    @Slot(int)
    def cancel(self, key: int) -> None:
        """Cancel the order that runs the batch or waits for it."""
        self._submit(partial(self._cancelled_of_batch, key), self._asked)

    @Slot(str)
    def cancel_order(self, name: str) -> None:
        """Cancel an order by its name."""
        self._submit(partial(self._front_desk.cancel, name, self._who), self._asked)

    @Slot(object, object)
    def set_started(self, stored: StoredOrder, batch: FileBatch) -> None:
        """An order began to run its batch."""
        self._run = RunNow(batch.key)
        self._counted.pop(batch.key, None)
        self._refresh(batch.key)

    @Slot(object)
    def set_event(self, event: Event) -> None:
        """Something happened in the running batch."""
        if self._run is None:
            return
        match event:
            case StepStarted(name, number, steps):
                self._run = self._run.begun(name, number, steps, self._clock.monotonic())
            case Progress(name, done, total, what):
                self._run = self._run.progressed(name, done, total, what)
        if isinstance(event, StepStarted | StepEnded | BatchEnded):
            self._refresh(self._run.batch)
        if self._run.batch == self._key and not self._tell_timer.isActive():
            self._tell_timer.start()

    @Slot(object)
    def set_ended(self, stored: StoredOrder) -> None:
        """An order ended, or was put off."""
        key = self._run.batch if self._run is not None else 0
        self._run = None
        self._counted.pop(key, None)
        self._refresh(key)

    def close(self) -> None:
        """Ask nothing more; the lane may be closed then."""
        self._is_closed = True
        self._look_timer.stop()
        self._tell_timer.stop()

    def _submit(self, work: Callable[[], object], answer: SignalInstance) -> None:
        if not self._is_closed:
            self._lane.submit(self._do, work, answer)

    def _refresh(self, key: int) -> None:
        """Read the list, and the story when it is of that batch."""
        self.look()
        if key == self._key:
            self._ask_story()

    def _order(self, request: Request, about: Callable[[], dict[str, Any]]) -> None:
        now = self._clock.utc()
        payload = {
            "id": f"{now:%Y%m%d-%H%M%S}-{secrets.token_hex(2)}",
            "request": str(request),
            "datetime": now.isoformat(),
            "user": self._who,
        }
        self._submit(lambda: self._front_desk.take_in(payload | about(), self._who)[0], self._asked)

    def _ask_story(self) -> None:
        if self._key is None:
            return
        self._is_story_old = self._is_reading_story
        if not self._is_reading_story:
            self._is_reading_story = True
            self._submit(partial(self._story_of, self._key), self._story_read)

    @Slot(object)
    def _take_lines(self, lines: tuple[BatchLine, ...] | None) -> None:
        self._is_reading_lines = False
        if lines is None:  # not read, and `failed` said why: the next success is told even when nothing changed
            self._lines = None
            return
        if lines == self._lines:
            return
        before = self._line_of_story(self._lines or ())
        self._lines = lines
        self.lines_changed.emit(lines)
        if self._read is not None and before != self._line_of_story(lines):
            self._ask_story()

    def _line_of_story(self, lines: Sequence[BatchLine]) -> BatchLine | None:
        return next((line for line in lines if line.key == self._key), None)

    @Slot(object)
    def _take_story(self, read: _Read | None) -> None:
        """Take the answer, unless another batch is asked for by now."""
        self._is_reading_story = False
        is_current = read is not None and read.story.batch.key == self._key
        if is_current:
            self._read = read
            self._tell()
        if self._is_story_old or (read is not None and not is_current):
            self._ask_story()

    @Slot(object)
    def _take_order(self, stored: StoredOrder | None) -> None:
        if stored is not None:
            if stored.state is OrderState.WAITING:
                self.accepted.emit(stored)
            self.look()
            self._ask_story()

    @Slot()
    def _tell(self) -> None:
        """Emit the story with what the events said since it was read."""
        if self._read is None:
            return
        story = self._read.story
        run = self._run if self._run is not None and self._run.batch == story.batch.key else None
        now_s = self._clock.monotonic()
        steps, more = steps_of(self._read.runs, story.batch.status, run, now_s, self._planned)
        self.story_changed.emit(replace(story, steps=steps, more_steps=more))

    # In the lane's thread, from here on.

    def _do(self, work: Callable[[], object], answer: SignalInstance) -> None:
        """Do it and emit what came of it; None after a failure, which is told."""
        is_wish = answer is self._asked
        found: object = None
        try:
            found = work()
        except ObservatoryError as error:
            (self.refused if is_wish else self.failed).emit(str(error))
        except Exception as bug:
            log.exception("Fault of the program while batches were read")
            (self.refused if is_wish else self.failed).emit(f"a fault of the program ({bug!r}): it is in the log")
        answer.emit(found)

    def _lines_of_all(self) -> tuple[BatchLine, ...]:
        batches, waiting, recent = self._batches.all(), self._orders.waiting(), self._orders.all(RECENT_ORDERS)
        running = _running(recent)
        ahead = len(running)
        budget = COUNTED_A_LOOK
        lines = []
        for batch in batches:
            runs = next((one for one in running if _is_about(one, batch)), None)
            waits = next(
                ((n, one) for n, one in enumerate(waiting, ahead) if runs is None and _is_about(one, batch)), None
            )
            place, order = waits or (0, runs)
            status = Status.WAITING if waits else batch.status
            line = BatchLine(batch.key, batch.name, batch.source, status, order.name if order else None, place)
            counted = self._counted.get(batch.key)
            if (counted is None or counted.batch != batch or batch.status is Status.RUNNING) and budget:
                budget -= 1
                counted = self._counted[batch.key] = self._count(batch)
            if counted is not None:
                line = replace(
                    line,
                    night=counted.night,
                    frames=counted.frames,
                    warnings=counted.warnings,
                    errors=counted.errors,
                )
            lines.append(line)
        known = {batch.source for batch in batches}
        fresh = []
        for place, stored in enumerate(waiting, ahead):
            source = _source_of(stored)
            if source is not None and source not in known and stored.order.request is Request.CALIBRATE:
                fresh.append(BatchLine(0, Path(source).name, source, Status.WAITING, stored.name, place))
        return (*fresh, *lines)

    def _count(self, batch: FileBatch) -> _Counted:
        exposures = self._batches.exposures(batch.key)
        warnings, errors = counts_of(self._batches.steps(batch.key))
        return _Counted(batch, night_of(exposures), len(exposures), warnings, errors)

    def _story_of(self, key: int) -> _Read:
        batch = self._batches.batch(key)
        exposures = self._batches.exposures(key)
        runs = self._batches.steps(key)
        is_old_set = batch.status is not Status.RUNNING and 0 < batch.generation < batch.target_generation
        made = self._batches.shown(key) if is_old_set else self._batches.combinations(key)
        others = self._with_masters(key, made)
        order, place = self._order_about(batch)
        raw = {exposure.key: exposure.path for exposure in exposures}
        story = BatchStory(
            batch,
            night_of(exposures),
            verdict_of(batch, runs, order, place),
            order.name if order is not None and order.state not in ENDED else None,
            groups_of(exposures),
            left_out_of(self._batches.left_out(key)),
            uses_of(made, others),
            products=cards_of(made, others, raw),
            is_old_set=is_old_set,
            troubles=troubles_of(runs),
            log=self._log_records.of_batch(key, LOG_LINES),
        )
        return _Read(story, runs)

    def _with_masters(self, key: int, made: Sequence[Combination]) -> dict[int, Combination]:
        """The combinations by key, with the masters of other batches that they use."""
        known = {one.key: one for one in made}
        used = {other for one in made for other in one.uses}
        if not used <= known.keys():
            for kind in _MASTERS:
                known |= {one.key: one for one in self._batches.library(kind, key) if one.key in used}
        return known

    def _order_about(self, batch: FileBatch) -> tuple[StoredOrder | None, int]:
        """The newest order about a batch, and how many come before it while it waits."""
        waiting, recent = self._orders.waiting(), self._orders.all(RECENT_ORDERS)
        running = _running(recent)
        if not any(_is_about(stored, batch) for stored in running):
            for place, stored in enumerate(waiting, len(running)):
                if _is_about(stored, batch):
                    return stored, place
        return next((stored for stored in (*running, *recent) if _is_about(stored, batch)), None), 0

    def _cancelled_of_batch(self, key: int) -> StoredOrder:
        batch = self._batches.batch(key)
        under_way = [stored for stored in self._orders.all(RECENT_ORDERS) if stored.state not in ENDED]
        stored = next((one for one in (*under_way, *self._orders.waiting()) if _is_about(one, batch)), None)
        if stored is None:
            raise ObservatoryError(
                f"batch {batch.name} is run by no order, but by a command on another screen: stop it there"
            )
        return self._front_desk.cancel(stored.name, self._who)


def _running(orders: Sequence[StoredOrder]) -> list[StoredOrder]:
    """The Processor's orders that run: one at most."""
    under_way = (OrderState.RUNNING, OrderState.CANCELLING)
    return [stored for stored in orders if stored.order.request.for_processor and stored.state in under_way]


def _is_about(stored: StoredOrder, batch: FileBatch) -> bool:
    """Whether an order of the Processor names this batch, by name or by source."""
    order = stored.order
    if not order.request.for_processor:
        return False
    return order.batch == batch.name if order.url is None else _source_of(stored) == batch.source


def _source_of(stored: StoredOrder) -> str | None:
    """The source that an order names, spelled as batches spell theirs."""
    if stored.order.url is None:
        return None
    source = source_of_url(stored.order.url)
    return source if "://" in source else str(Path(source).resolve())
