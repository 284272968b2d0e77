"""Batches for the window: the list, the story of the selected one, and the orders that run, resume and cancel them."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from PySide6.QtCore import QObject, QTimer, Signal, Slot

from app.controllers.answers import Answers
from app.model.batch import FileBatch, Status
from app.model.clock import Clock, SystemClock
from app.model.errors import ObservatoryError
from app.model.order_life import StoredOrder
from app.model.preflight import Preflight
from app.model.settings import Settings
from app.model.story import BatchLine, RunNow, steps_of
from app.model.work_order import OrderState, Request
from app.pipeline.events import BatchEnded, Cancelling, Event, Progress, StepEnded, StepStarted
from app.services.batch_stories import BatchStories, ReadStory
from app.services.front_desk import FrontDesk
from app.store.batches import Batches
from app.store.log_records import LogRecords
from app.store.work_orders import WorkOrders

LOOK_MS = 1000
#: Events may come faster than anybody reads; the story follows this often.
TELL_MS = 200

T = TypeVar("T")


class BatchesController(QObject):
    """Reads batches in the lane, tells them as values, and turns wishes into orders.

    Parameters
    ----------
    batches, orders, log_records
        The store.
    front_desk : FrontDesk
        Takes the orders.
    lane : Executor
        Where SQL is spoken.
    who : str
        Who orders.
    clock : Clock
        Time of the orders, and of the steps that run.
    planned : sequence of str
        Names of all steps, in order, as far as they are known.
    check : callable
        Tells what a source would come to; may take seconds.
    checks : Executor
        Where it does.
    settings : Settings
        By which a restart would choose masters.
    """

    lines_changed = Signal(object)  #: tuple of BatchLine: newest first, orders that wait for a new batch before them.
    story_changed = Signal(object)  #: BatchStory of the selected batch.
    accepted = Signal(object)  #: StoredOrder that was taken in.
    refused = Signal(str)  #: Why a wish is not granted.
    checked = Signal(object)  #: Preflight of a source.
    not_checked = Signal(str)  #: Why there is none.
    decided = Signal(str)  #: What was remembered of an exposure.
    failed = Signal(str)  #: Why the batches could not be read; what is shown is old until `lines_changed`.

    def __init__(
        self,
        batches: Batches,
        orders: WorkOrders,
        log_records: LogRecords,
        front_desk: FrontDesk,
        lane: Executor,
        who: str,
        clock: Clock | None = None,
        planned: Sequence[str] = (),
        check: Callable[[str], Preflight] | None = None,
        checks: Executor | None = None,
        settings: Settings | None = None,
        parent: QObject | None = None,
    ) -> None:
        super().__init__(parent)
        self._batches = batches
        self._stories = BatchStories(batches, orders, log_records, settings)
        self._front_desk = front_desk
        self._lane = lane
        self._who = who
        self._clock = clock or SystemClock()
        self._planned = tuple(planned)
        self._check, self._checks = check, checks or lane
        self._lines: tuple[BatchLine, ...] | None = None
        self._key: int | None = None
        self._read: ReadStory | None = None
        self._run: RunNow | None = None
        self._is_reading_lines = self._is_reading_story = self._is_story_old = self._is_closed = False
        self._look_timer = QTimer(self, interval=LOOK_MS)
        self._look_timer.timeout.connect(self.look)
        self._tell_timer = QTimer(self, interval=TELL_MS, singleShot=True)
        self._tell_timer.timeout.connect(self._tell)
        self._answers = Answers(self)

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
            self._submit(self._stories.lines, self._take_lines, self._give_lines_up)
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

    @Slot(str)
    def check(self, source: str) -> None:
        """Tell what a folder or a batch would come to."""
        if self._check is not None and not self._is_closed:
            future = self._checks.submit(self._check, source)
            self._answers.expect(future, self.checked.emit, lambda error: self.not_checked.emit(str(error)))

    @Slot(str, str, object)
    def decide(self, source: str, file: str, is_used: bool | None) -> None:
        """Remember whether an operator wants an exposure in stacks; None takes it back."""
        work = partial(self._remember, Path(source), file, is_used)
        self._submit(work, self.decided.emit, lambda error: self.refused.emit(str(error)))

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
        self._wish(lambda: self._front_desk.cancel(self._stories.order_under_way(key), self._who))

    @Slot(str)
    def cancel_order(self, name: str) -> None:
        """Cancel an order by its name."""
        self._wish(lambda: self._front_desk.cancel(name, self._who))

    @Slot(object, object)
    def set_started(self, stored: StoredOrder, batch: FileBatch) -> None:
        """An order began to run its batch."""
        self._run = RunNow(batch.key)
        self._stories.forget(batch.key)
        self._refresh(batch.key)

    @Slot(object)
    def set_event(self, event: Event) -> None:
        """Something happened in the running batch."""
        if self._run is None:
            return
        match event:
            case StepStarted(name, number, steps):
                self._run = self._run.begun(name, number, steps, self._clock.monotonic())
            case Progress(name, done, total, what, bytes_done, bytes_total, left_s):
                self._run = self._run.progressed(name, done, total, what).counted(bytes_done, bytes_total, left_s)
        if isinstance(event, StepStarted | Cancelling | StepEnded | BatchEnded):
            self._refresh(self._run.batch)
        if self._run.batch == self._key and not self._tell_timer.isActive():
            self._tell_timer.start()

    @Slot(object)
    def set_ended(self, stored: StoredOrder) -> None:
        """An order ended, or was put off."""
        key = self._run.batch if self._run is not None else 0
        self._run = None
        self._stories.forget(key)
        self._refresh(key)

    def close(self) -> None:
        """Ask nothing more; the lane may be closed then."""
        self._is_closed = True
        self._look_timer.stop()
        self._tell_timer.stop()

    def _submit(
        self, work: Callable[[], T], then: Callable[[T], None], failed: Callable[[ObservatoryError], None]
    ) -> None:
        if not self._is_closed:
            self._answers.expect(self._lane.submit(work), then, failed)

    def _wish(self, work: Callable[[], StoredOrder]) -> None:
        self._submit(work, self._take_order, lambda error: self.refused.emit(str(error)))

    def _remember(self, source: Path, file: str, is_used: bool | None) -> str:
        from app.frames.fits_io import checksum  # astropy: not before the first paint

        raw = source if source.is_file() else source / file
        self._front_desk.decide(checksum(raw), is_used, self._who, raw.name)
        what = {True: "goes into the stack", False: "is left out", None: "is taken as it is found"}[is_used]
        return f"{file} {what} from the next run on: resume the batch"

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
        self._wish(lambda: self._front_desk.take_in(payload | about(), self._who)[0])

    def _ask_story(self) -> None:
        if self._key is None:
            return
        self._is_story_old = self._is_reading_story
        if not self._is_reading_story:
            self._is_reading_story = True
            self._submit(partial(self._stories.story, self._key), self._take_story, self._give_story_up)

    def _give_lines_up(self, error: ObservatoryError) -> None:
        self._is_reading_lines = False
        self._lines = None  # the next success is told even when nothing changed
        self.failed.emit(str(error))

    def _take_lines(self, lines: tuple[BatchLine, ...]) -> None:
        self._is_reading_lines = False
        if lines == self._lines:
            return
        before = self._line_of_story(self._lines or ())
        self._lines = lines
        self.lines_changed.emit(lines)
        if self._read is not None and before != self._line_of_story(lines):
            self._ask_story()

    def _line_of_story(self, lines: Sequence[BatchLine]) -> BatchLine | None:
        return next((line for line in lines if line.key == self._key), None)

    def _give_story_up(self, error: ObservatoryError) -> None:
        self._is_reading_story = False
        self.failed.emit(str(error))
        if self._is_story_old:
            self._ask_story()

    def _take_story(self, read: ReadStory) -> None:
        """Take the answer, unless another batch is asked for by now."""
        self._is_reading_story = False
        is_current = read.story.batch.key == self._key
        if is_current:
            self._read = read
            self._tell()
        if self._is_story_old or not is_current:
            self._ask_story()

    def _take_order(self, stored: StoredOrder) -> None:
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
        part, left_s = (run.part, run.left_s) if run is not None else (None, None)
        self.story_changed.emit(replace(story, steps=steps, more_steps=more, part=part, left_s=left_s))
