"""The story of one batch, from top to bottom, before, during and after the run.

What one looks for comes first: before the run what was found, during it the steps, after it the products.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import QEvent, QSize, Qt, QTimer, Signal
from PySide6.QtGui import QFontMetrics, QImage, QKeySequence, QResizeEvent
from PySide6.QtWidgets import (
    QFrame,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.model.batch import ProductKind, Severity, Status
from app.model.records import LogEntry
from app.model.story import BatchStory, Group, MasterUse, StepLine, Trouble
from app.model.wording import DASHES, count_text, duration_text, time_text
from app.widgets import theme
from app.widgets.batch_list import state_text
from app.widgets.hold_button import HoldButton
from app.widgets.log_table import level_text
from app.widgets.product_cards import ProductCards
from app.widgets.progress_bar import ProgressBar
from app.widgets.quality_trend import QualityTrend
from app.widgets.sections import Section, Sentences
from app.widgets.step_table import StepTable, progress_text
from app.widgets.value_table import Column, Tone, ValueModel, ValueTable

_LOG_SHOWN = 10
_TROUBLES_SHOWN = 12
_LEFT_OUT_SHOWN = 6
_WARNING, _ERROR = 30, 40
_DONE = (Status.DONE, Status.DONE_WITH_PROBLEMS)
_STACKS, _LIGHTS = (
    (ProductKind.LIGHT_STACK,),
    (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT),
)
_PARTS = 1000
_CANCEL_KEYS = "Ctrl+Shift+K"


def _tip(use: MasterUse) -> str:
    files = "\n".join(str(file) for _, file in use.masters)
    return f"Subtracted: {use.subtracted} ({use.subtracted_why})\nFlat: {use.flat_why}\n{files}"


def _loudness(entry: LogEntry) -> Tone:
    if entry.level >= _ERROR:
        return Tone.ALARM
    return Tone.ATTENTION if entry.level >= _WARNING else Tone.DIM


_GROUPS: tuple[Column[Group], ...] = (
    Column("Kind", lambda group: str(group.kind), 60),
    Column("Filter", lambda group: group.filter or "", 80),
    Column("Exposure", lambda group: DASHES if group.exposure_s is None else f"{group.exposure_s:g} s", 84, True),
    Column("Frames", lambda group: count_text(group.count), 72, True),
    Column("Size, binning", lambda group: ", ".join(filter(None, (group.size, group.binning))), 152),
    Column("Detector", lambda group: group.temperature or DASHES, 132),
    Column("Object", lambda group: group.objects),
)
_USES: tuple[Column[MasterUse], ...] = (
    Column("Lights", lambda use: use.lights, 148),
    Column("Masters", lambda use: ", ".join(name.removesuffix(".fits") for name, _ in use.masters) or "none", tip=_tip),
    Column("Why", lambda use: f"{use.subtracted_why}; {use.flat_why}", tip=_tip),
)
_LOG: tuple[Column[LogEntry], ...] = (
    Column("UTC", lambda entry: time_text(entry.at), 84, tone=lambda entry: Tone.DIM),
    Column("Level", lambda entry: level_text(entry.level), 92, tone=_loudness),
    Column("Message", lambda entry: entry.message.partition("\n")[0], tip=lambda entry: entry.message),
)


class BatchStoryView(QScrollArea):
    """One batch at a time; the same place is monitor and report."""

    resume_requested = Signal(int)  #: Key of the batch.
    restart_requested = Signal(int)  #: Key of the batch.
    cancel_requested = Signal(int)  #: Key of the batch.
    frame_requested = Signal(object)  #: Path of the frame to be opened.
    compare_requested = Signal(object, object)  #: Paths of a raw frame and of the calibrated one.
    thumbnail_requested = Signal(object)  #: Path of a product in sight.
    log_requested = Signal(int)  #: Key of the batch whose log is wanted.
    check_requested = Signal(str)  #: Source of the batch that is to be looked at before it runs.
    verdict_requested = Signal(str, str, object)  #: Source, file, and whether it is wanted in stacks; None: as found.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._story: BatchStory | None = None
        self.head = _Head()
        self.head.resume.clicked.connect(self._resume)
        self.head.restart.clicked.connect(self._restart)
        self.head.check.clicked.connect(self._check)
        self.head.cancel.held.connect(self._cancel)
        self.head.withdraw.clicked.connect(self._cancel)
        self._groups = ValueTable(
            ValueModel(_GROUPS, lambda group: (group.kind, group.filter, group.exposure_s, group.size, group.binning)),
            "What was found",
            is_whole=True,
        )
        self._odd = Sentences()
        self._left_out = Sentences()
        self._uses = ValueTable(
            ValueModel(_USES, lambda use: (use.lights, use.masters)),
            "What the lights are calibrated with",
            is_whole=True,
        )
        self._uses.value_activated.connect(self._open_master)
        self._better = Sentences()
        self.steps = StepTable()
        self._troubles = Sentences()
        self.products = ProductCards()
        self.products.frame_requested.connect(self.frame_requested)
        self.products.compare_requested.connect(self.compare_requested)
        self.products.thumbnail_requested.connect(self.thumbnail_requested)
        self.products.verdict_requested.connect(self._decide)
        self.trend = QualityTrend()
        self.trend.light_chosen.connect(self._show_light)
        self._log = ValueTable(
            ValueModel(_LOG, lambda entry: (entry.at, entry.message)), "Newest lines of the log", is_whole=True
        )
        self._log.value_activated.connect(self._open_log)
        self._whole_log = QPushButton("Open the whole log")
        self._whole_log.setProperty("kind", "link")
        self._whole_log.clicked.connect(self._open_log)
        self._found = Section("FOUND", self._groups, self._odd, self._left_out)
        self._used = Section("USED", self._uses, self._better)
        self._done = Section("STEPS", self.steps)
        self._faults = Section("PROBLEMS", self._troubles)
        self._made = Section("PRODUCTS", self.products)
        self._went = Section("QUALITY", self.trend)
        self._told = Section("LOG", self._log, self._whole_log)
        self._order: tuple[Section, ...] = ()
        content = QWidget()
        self._column = column = QVBoxLayout(content)
        column.setContentsMargins(0, 0, theme.NEAR_PX, 0)
        column.setSpacing(theme.NEAR_PX)
        column.addWidget(self.head)
        column.addWidget(self._faults)
        column.addStretch(1)
        self._arrange(Status.WAITING)
        self.setWidget(content)
        self._anchor: tuple[QWidget, int] | None = None
        self._anchoring = QTimer(self, interval=0, singleShot=True)
        self._anchoring.timeout.connect(self._return_to_anchor)
        self.verticalScrollBar().valueChanged.connect(self._set_anchor)
        self.verticalScrollBar().rangeChanged.connect(self._anchoring.start)

    @property
    def key(self) -> int:
        """Key of the batch that is shown; 0 when there is none."""
        return self._story.batch.key if self._story else 0

    def set_story(self, story: BatchStory) -> None:
        """Show a story; of the batch that is shown already, only what changed is touched."""
        before, self._story = self._story, story
        if before is None or before.batch.key != story.batch.key:
            before = None
            self._anchor = None
            self.verticalScrollBar().setValue(0)
            self.products.fold()
        self._arrange(story.batch.status)
        self.head.set_story(story)
        if before is None or before.groups != story.groups or before.left_out != story.left_out:
            self._show_found(story)
        if before is None or before.uses != story.uses or before.batch.status != story.batch.status:
            self._uses.values.set_values(story.uses)
            self._uses.setVisible(bool(story.uses))
            better = [("now", "dim", f"{use.lights}: {use.better_now}") for use in story.uses if use.better_now]
            self._better.set_sentences(better, _TROUBLES_SHOWN)
            self._used.set_note("" if story.uses else _no_uses(story))
        if before is None or (before.steps, before.more_steps) != (story.steps, story.more_steps):
            self.steps.set_steps(story.steps, story.more_steps)
            self.steps.setVisible(bool(story.steps))
            self._done.set_note("" if story.steps else "No step has begun.")
        if before is None or before.troubles != story.troubles:
            self._show_troubles(story)
        if before is None or (before.products, before.is_old_set) != (story.products, story.is_old_set):
            self.products.set_cards(story.products)
            self._made.set_note(_products_note(story))
        if before is None or before.trend != story.trend:
            self.trend.set_points(story.trend)
        is_over = story.batch.status not in (Status.RUNNING, Status.WAITING)
        self._found.setVisible(not is_over or bool(story.groups or story.left_out))
        self._used.setVisible(not is_over or bool(story.uses))
        self._made.setVisible(not is_over or bool(story.products))
        self._went.setVisible(not is_over or bool(story.trend))
        if before is None or before.log != story.log:
            self._log.values.set_values(story.log[-_LOG_SHOWN:])
            self._log.setVisible(bool(story.log))
            self._told.set_note("" if story.log else "Nothing was logged yet.")

    def show_products(self) -> None:
        """Bring the products into sight and let the operator walk through them."""
        if self.products.focus_first():
            self.verticalScrollBar().setValue(self._made.y())
        else:
            self.setFocus(Qt.FocusReason.OtherFocusReason)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Keep what is read where it is."""
        super().resizeEvent(event)
        self._anchoring.start()

    def _arrange(self, status: Status) -> None:
        """Put first what is looked for: products after the run, steps during it, what was found before it."""
        order = (self._found, self._used, self._done, self._made, self._went, self._told)
        if status in _DONE:
            order = (self._made, self._went, self._found, self._used, self._done, self._told)
        elif status is Status.RUNNING:
            order = (self._done, self._went, self._found, self._used, self._made, self._told)
        if order == self._order:
            return
        self._order = order
        for place, section in enumerate(order, start=2):
            self._column.insertWidget(place, section)
        stops = [
            part
            for section in order
            for part in section.findChildren(QWidget)
            if part.focusPolicy() & Qt.FocusPolicy.TabFocus
        ]
        for part, following in pairwise(stops):
            QWidget.setTabOrder(part, following)

    def _show_found(self, story: BatchStory) -> None:
        self._groups.values.set_values(story.groups)
        self._groups.setVisible(bool(story.groups))
        odd = [("odd", "attention", sentence) for group in story.groups for sentence in group.odd]
        self._odd.set_sentences(odd, _TROUBLES_SHOWN)
        left_out = [("left out", "dim", f"{one.subject}: {one.message}") for one in story.left_out]
        self._left_out.set_sentences(left_out, _LEFT_OUT_SHOWN)
        count = sum(group.count for group in story.groups)
        out = sum(len(one.subjects) for one in story.left_out)
        self._found.set_title(f"FOUND  {_counted(count, 'frame')}" + (f", {out} left out" if out else ""))
        self._found.set_note("" if story.groups else _nothing_found(story))

    def _show_troubles(self, story: BatchStory) -> None:
        """All but the failure that the head tells already."""
        troubles = [_told(one) for one in story.troubles if one.message not in story.verdict]
        self._troubles.set_sentences(troubles, _TROUBLES_SHOWN)
        self._faults.setVisible(bool(troubles))

    def _show_light(self, key: int) -> None:
        """Choose a light among the products, and bring it into sight."""
        if self.products.select(key):
            place = self.products.place_of_current()
            if place is not None:
                self.ensureWidgetVisible(place)

    def _set_anchor(self) -> None:
        """Remember what is at the top of the view, unless the layout moves it right now."""
        top = self.verticalScrollBar().value()
        if self._anchoring.isActive():
            return
        above = [part for part in (self.head, self._faults, *self._order) if part.isVisible() and part.y() <= top]
        self._anchor = (above[-1], top - above[-1].y()) if above and top else None

    def _return_to_anchor(self) -> None:
        """What is read stays where it is when something above it grows."""
        if self._anchor is not None:
            part, offset = self._anchor
            self.verticalScrollBar().setValue(part.y() + offset)

    def _resume(self) -> None:
        self.resume_requested.emit(self.key)

    def _restart(self) -> None:
        self.restart_requested.emit(self.key)

    def _check(self) -> None:
        if self._story is not None:
            self.check_requested.emit(self._story.batch.source)

    def _decide(self, file: str, is_used: object) -> None:
        if self._story is not None:
            self.verdict_requested.emit(self._story.batch.source, file, is_used)

    def _cancel(self) -> None:
        self.cancel_requested.emit(self.key)

    def _open_log(self) -> None:
        self.log_requested.emit(self.key)

    def _open_master(self, use: MasterUse) -> None:
        known = [file for _, file in use.masters if file != Path()]
        if known:
            self.frame_requested.emit(known[0])

    def set_thumbnail(self, path: Path, image: QImage) -> None:
        """Show the thumbnail of a product."""
        self.products.set_thumbnail(path, image)


def _told(one: Trouble) -> tuple[str, str, str]:
    is_error = one.severity is Severity.ERROR
    return ("ERROR" if is_error else "warning", "alarm" if is_error else "attention", f"{one.subject}: {one.message}")


def _no_uses(story: BatchStory) -> str:
    if story.batch.status in (Status.RUNNING, Status.WAITING):
        return "Known when the lights are calibrated: masters of this batch first, then of the same set-up of other nights."
    return "No light was calibrated."


def _nothing_found(story: BatchStory) -> str:
    if story.batch.status in (Status.RUNNING, Status.WAITING):
        return "The frames are being looked at." if story.batch.status is Status.RUNNING else "Not looked at yet."
    return "No usable frame."


def _products_note(story: BatchStory) -> str:
    if story.is_old_set:
        return "These are the products before the restart: they stay until the new ones are complete."
    return "" if story.products else "None yet."


class _Elided(QLabel):
    """One line that is cut in its middle, with the whole as its tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""

    def set_whole(self, text: str) -> None:
        if text != self._whole:
            self._whole = text
            self.setToolTip(text)
            self.updateGeometry()
            self._cut()

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(0, super().minimumSizeHint().height())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        width_px = QFontMetrics(self.font()).horizontalAdvance(self._whole) + theme.TIGHT_PX
        return QSize(width_px, super().sizeHint().height())

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        super().resizeEvent(event)
        self._cut()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        super().changeEvent(event)
        if event.type() in (QEvent.Type.FontChange, QEvent.Type.StyleChange):
            self.updateGeometry()
            self._cut()

    def _cut(self) -> None:
        shown = QFontMetrics(self.font()).elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width())
        if shown != self.text():
            self.setText(shown)


class _Head(QWidget):
    """Name, state and source of the batch, what it does now, and what can be done with it."""

    def __init__(self) -> None:
        super().__init__()
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._name = _Elided()
        self._name.setProperty("role", "title")
        self._state = QLabel()
        self._source = _Elided()
        self._source.setProperty("role", "dim")
        self._verdict = QLabel(wordWrap=True)
        self._now = _Elided()
        self._bar = ProgressBar()
        self._bar.setFixedHeight(theme.NEAR_PX)
        self._bar.setAccessibleName("Progress of the batch")
        self.check = QPushButton("Check")
        self.resume = QPushButton("Resume")
        self.restart = QPushButton("Restart")
        self.cancel = HoldButton("Cancel", shortcut=QKeySequence(_CANCEL_KEYS))
        self.withdraw = QPushButton("Cancel")
        top = QHBoxLayout()
        top.setSpacing(theme.NEAR_PX)
        top.addWidget(self._name)
        top.addWidget(self._state)
        top.addStretch(1)
        for button in (self.withdraw, self.cancel, self.check, self.resume, self.restart):
            top.addWidget(button)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.GAP_PX)
        column.setSpacing(theme.TIGHT_PX)
        column.addLayout(top)
        column.addWidget(self._source)
        column.addWidget(self._verdict)
        column.addWidget(self._now)
        column.addWidget(self._bar)

    def set_story(self, story: BatchStory) -> None:
        """Say how it stands."""
        batch = story.batch
        waits = story.order is not None and batch.status is not Status.RUNNING
        status = Status.WAITING if waits else batch.status
        self._name.set_whole(batch.name)
        problems = sum(step.problems for step in story.steps)
        _set_role(self._state, state_text(status, problems).upper(), _state_role(status))
        night = f"night of {story.night}" if story.night else "night not known"
        self._source.set_whole(f"{night}, from {batch.source}")
        verdict = story.verdict or (_result_text(story) if status in _DONE else "")
        _set_role(self._verdict, verdict, "attention" if status is Status.FAILED else "")
        self._verdict.setVisible(bool(verdict))
        self._show_now(story, is_running=status is Status.RUNNING)
        self._offer(status)

    def _show_now(self, story: BatchStory, *, is_running: bool) -> None:
        line = next((step for step in reversed(story.steps) if step.status is Status.RUNNING), None)
        text = _now_text(story, line) if is_running else ""
        self._now.set_whole(text)
        self._now.setVisible(bool(text))
        self._bar.setVisible(bool(text))
        steps = len(story.steps) + story.more_steps
        if story.part is not None:
            self._bar.show_part(round(_PARTS * story.part), _PARTS)
        else:
            self._bar.show_part(_parts_done(story.steps), _PARTS * steps)

    def _offer(self, status: Status) -> None:
        """Enable what can be done now; the rest says why not."""
        is_running, waits = status is Status.RUNNING, status is Status.WAITING
        busy = "It runs: cancel it first" if is_running else "It waits for the Processor" if waits else None
        finished = "It is complete: nothing is left to be made, unless files changed" if status is Status.DONE else ""
        _allow(self.check, busy, "Tell what a run would do, and what is wrong; nothing is written")
        _allow(self.resume, busy, finished or "Go on from what is finished (Ctrl+Return)")
        _allow(self.restart, busy, "Make everything anew; the products stay until the new ones are complete")
        primary = "primary" if status in (Status.FAILED, Status.CANCELLED) else ""
        if self.resume.property("kind") != primary:
            self.resume.setProperty("kind", primary)
            self.resume.style().polish(self.resume)
        self.withdraw.setVisible(waits)
        _allow(self.withdraw, None, "Take its order back")
        self.cancel.setVisible(is_running)


def _result_text(story: BatchStory) -> str:
    """What came of it: ``3 stacks, 24 lights and 3 masters of 342 frames, in 2 m 31 s``."""
    kinds = [card.kind for card in story.products]
    stacks, lights = (sum(kind in some for kind in kinds) for some in (_STACKS, _LIGHTS))
    numbers = ((stacks, "stack"), (lights, "light"), (len(kinds) - stacks - lights, "master"))
    made = [_counted(number, name) for number, name in numbers if number]
    if not made:
        return ""
    whole = " and ".join(filter(None, (", ".join(made[:-1]), made[-1])))
    found = sum(group.count for group in story.groups)
    took_s = sum(step.seconds or 0.0 for step in story.steps)
    return f"{whole} of {_counted(found, 'frame')}, in {duration_text(took_s)}"


def _counted(number: int, name: str) -> str:
    return f"{count_text(number)} {name}{'' if number == 1 else 's'}"


def _parts_done(steps: Sequence[StepLine]) -> int:
    """Of all steps, in thousandths of a step."""
    ended = sum(step.status not in (Status.RUNNING, Status.WAITING) for step in steps)
    running = sum(step.done / step.total for step in steps if step.status is Status.RUNNING and step.total)
    return round(_PARTS * (ended + running))


def _now_text(story: BatchStory, line: StepLine | None) -> str:
    if line is None:
        return "Its next step begins …"
    begun = [step for step in story.steps if step.status is not Status.WAITING]
    parts = [f"Step {len(begun)} of {len(story.steps) + story.more_steps}: {line.title.lower()}"]
    if line.total:
        parts.append(" ".join(filter(None, (progress_text(line), line.what))))
    if line.seconds is not None:
        parts.append(duration_text(line.seconds))
    if story.left_s is not None:
        parts.append(f"about {duration_text(story.left_s)} left")
    return ", ".join(parts)


def _state_role(status: Status) -> str:
    return {Status.FAILED: "alarm", Status.DONE_WITH_PROBLEMS: "attention"}.get(status, "")


def _set_role(label: QLabel, text: str, role: str) -> None:
    if label.text() != text:
        label.setText(text)
    if label.property("role") != role:
        label.setProperty("role", role)
        label.style().polish(label)


def _allow(button: QPushButton, refusal: str | None, tip: str) -> None:
    """Enable a button, or say why not."""
    button.setEnabled(refusal is None)
    button.setToolTip(refusal or tip)
    button.setAccessibleDescription(refusal or tip)
