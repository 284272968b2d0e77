"""One work order beside the table: its score, its night, its place, its history and its JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import datetime

from PySide6.QtCore import QEvent, QRect, Qt, Signal
from PySide6.QtGui import QFontMetrics, QGuiApplication, QKeySequence, QPainter, QPaintEvent
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QPlainTextEdit,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QStackedLayout,
    QVBoxLayout,
    QWidget,
)

from app.model import wording
from app.model.order_life import ENDED, NOT_BEGUN
from app.model.order_queue import OrderLine, target_text
from app.model.schedule import LOWEST_ALTITUDE_DEG, NIGHT_SUN_ALTITUDE_DEG, Span, priority_terms
from app.model.settings import Site
from app.model.work_order import OrderState, WorkOrder
from app.widgets import theme
from app.widgets.altitude_plot import AltitudePlot
from app.widgets.filled_when_seen import FilledWhenSeen
from app.widgets.hold_button import HoldButton
from app.widgets.order_table import REQUEST_WORDS, STATE_WORDS, OrderProgress, paint_state

#: The first column of facts is as wide everywhere, so that the values stand below one another.
_NAME_PX = 64
#: A longer word may break, so that it does not make the pane wider than its place.
_LONGEST_WORD = 30
#: About so many characters of JSON stand in one row of the pane.
_JSON_COLUMNS = 36
#: Terms may differ so much from the score that was given: each is rounded.
_ROUNDING = 0.0021


class StateMark(QWidget):
    """The state as in the table: sign and word."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = OrderState.WAITING
        self.setFixedSize(100, theme.ROW_PX)

    def set_state(self, state: OrderState) -> None:
        """Show the state."""
        if state is not self._state:
            self._state = state
            self.update()
        self.setAccessibleName(f"State: {STATE_WORDS[state]}")

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Sign and word."""
        with QPainter(self) as painter:
            is_boxed = self._state is OrderState.FAILED
            left = -theme.TIGHT_PX if is_boxed else -theme.NEAR_PX - 2  # the sign, or its box, begins at the edge
            paint_state(painter, QRect(left, 0, self.width(), self.height()), self._state)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Colours come from the theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.update()


class Facts(QWidget):
    """Names and values below one another; new values are written in place."""

    def __init__(self, title: str, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._labels: list[tuple[QLabel, QLabel]] = []
        self._title = _label(title.upper(), "caption")
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.GAP_PX)
        self._grid.setVerticalSpacing(theme.TIGHT_PX)
        self._grid.setColumnMinimumWidth(0, _NAME_PX)
        self._grid.setColumnStretch(1, 1)
        self._grid.addWidget(self._title, 0, 0, 1, 2)

    def set_facts(self, facts: Sequence[tuple[str, str]]) -> None:
        """Show these, or nothing at all when there are none."""
        while len(self._labels) < len(facts):
            name, value = _label("", "dim"), _label("", "")
            value.setWordWrap(True)
            value.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            name.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
            self._grid.addWidget(name, len(self._labels) + 1, 0)
            self._grid.addWidget(value, len(self._labels) + 1, 1)
            self._labels.append((name, value))
        for number, (name, value) in enumerate(self._labels):
            is_used = number < len(facts)
            name.setVisible(is_used)
            value.setVisible(is_used)
            if is_used:
                name.setText(facts[number][0])
                _say_wrapped(value, facts[number][1])
        self.setVisible(bool(facts))


class OrderDetails(FilledWhenSeen):
    """The selected order, and what can be done with the selection."""

    hold_requested = Signal(object)  #: Names of waiting orders, a tuple of ``user/id``.
    release_requested = Signal(object)  #: Names of held orders.
    cancel_requested = Signal(object)  #: Names of orders that have not ended.
    batch_requested = Signal(str)  #: Name of the batch that came of the order.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setAccessibleName("Selected order")
        self._site = Site()
        self._line: OrderLine | None = None
        self._selected: tuple[OrderLine, ...] = ()
        self._progress: OrderProgress | None = None
        self._now: datetime | None = None
        self._plotted: object = None
        self._json_text = ""
        self._name = _label("", "title")
        self._reason = _label("", "")
        self._state = StateMark()
        self._buttons = QWidget()
        self._body = QScrollArea(widgetResizable=True)
        self._build()
        self.show_orders((), None, None)

    def set_site(self, site: Site) -> None:
        """Where the observatory stands; the site of default settings is none."""
        self._site = site

    def set_now(self, now: datetime) -> None:
        """Move the marker of the plot, each minute."""
        is_new_minute = self._now is None or self._now.minute != now.minute
        self._now = now
        if is_new_minute:
            self.fill_when_seen()

    def show_orders(
        self, selected: tuple[OrderLine, ...], line: OrderLine | None, progress: OrderProgress | None
    ) -> None:
        """Show one order of those that are selected."""
        self._selected = selected
        self._line = line
        self._progress = progress
        self.fill_when_seen()

    def _fill(self) -> None:
        selected, line, progress = self._selected, self._line, self._progress
        self._show_buttons()
        self._body.setVisible(line is not None)
        self._state.setVisible(line is not None)
        self._buttons.setVisible(line is not None)
        if line is None:
            self._name.setText("No order selected")
            self._reason.setText("Select an order to see its score, its night and its history.")
            return
        stored = line.stored
        self._name.setText(stored.name if len(selected) < 2 else f"{stored.name}  and {len(selected) - 1} more")
        self._name.setToolTip(stored.name)
        self._state.set_state(stored.state)
        self._reason.setText(_sentence(line, progress))
        self._reason.setVisible(bool(self._reason.text()))
        self._score.set_facts(_score_facts(line, self._site))
        self._order.set_facts(_order_facts(line, self._site))
        self._history.set_facts(_history_facts(line))
        self._show_plot(stored.order)
        text = json.dumps(stored.order.payload, indent=2, ensure_ascii=False)
        if text != self._json_text:  # a new text would lose the operator's selection
            self._json_text = text
            self._json.setPlainText(text)
            rows = min(max(sum(1 + len(row) // _JSON_COLUMNS for row in text.splitlines()), 4), 24)
            self._json.setFixedHeight(
                rows * QFontMetrics(theme.font(theme.TEXT_PX)).lineSpacing() + theme.FAR_PX + theme.GAP_PX
            )
        batch = stored.result.get("batch") if stored.result else None
        self._batch.setVisible(bool(batch))
        self._batch.setText(f"Open batch {batch}")
        self._batch_name = str(batch or "")

    def _build(self) -> None:
        self._batch_name = ""
        self._name.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self._reason.setWordWrap(True)
        self._reason.setContentsMargins(0, theme.TIGHT_PX, 0, theme.TIGHT_PX)  # its first line beside the state
        self._reason.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        standing = QHBoxLayout()
        standing.setSpacing(0)
        standing.addWidget(self._state, 0, Qt.AlignmentFlag.AlignTop)
        standing.addWidget(self._reason, 1, Qt.AlignmentFlag.AlignTop)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.NEAR_PX, theme.NEAR_PX)
        column.setSpacing(theme.NEAR_PX)
        column.addWidget(self._name)
        column.addLayout(standing)
        self._buttons.setLayout(self._build_buttons())
        self._buttons.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        column.addWidget(self._buttons)
        self._build_body()
        column.addWidget(self._body, 1)
        column.addStretch()

    def _build_buttons(self) -> QHBoxLayout:
        self._hold = QPushButton("Hold")
        self._hold.setShortcut(QKeySequence("Ctrl+H"))
        self._hold.clicked.connect(self._ask_hold)
        self._cancel = QPushButton("Cancel order")
        self._cancel.setShortcut(QKeySequence("Ctrl+Del"))
        self._cancel.clicked.connect(self._ask_cancel)
        self._stop = HoldButton("Cancel order", shortcut=QKeySequence("Ctrl+Shift+Del"))
        self._stop.held.connect(self._ask_cancel)
        self._cancel_stack = QStackedLayout()
        self._cancel_stack.addWidget(self._cancel)
        self._cancel_stack.addWidget(self._stop)
        self._batch = QPushButton()
        self._batch.setProperty("kind", "link")
        self._batch.clicked.connect(lambda: self.batch_requested.emit(self._batch_name))
        row = QHBoxLayout()
        row.setContentsMargins(0, 0, 0, 0)
        row.setSpacing(theme.NEAR_PX)
        row.addWidget(self._hold)
        row.addLayout(self._cancel_stack)
        row.addStretch(1)
        row.addWidget(self._batch)
        return row

    def _build_body(self) -> None:
        self._score, self._order, self._history = Facts("Score"), Facts("Order"), Facts("History")
        self._plot_caption = _label("ALTITUDE THROUGH THE NIGHT, UTC", "caption")
        self._plot = AltitudePlot()
        self._json = QPlainTextEdit(readOnly=True, lineWrapMode=QPlainTextEdit.LineWrapMode.WidgetWidth)
        self._json.setAccessibleName("The order as JSON")
        self._json.setTabChangesFocus(True)
        copy = QPushButton("Copy")
        copy.setProperty("kind", "link")
        copy.setAccessibleName("Copy the JSON of the order")
        copy.clicked.connect(lambda: QGuiApplication.clipboard().setText(self._json_text))
        json_heading = QHBoxLayout()
        json_heading.addWidget(_label("JSON AS IT CAME", "caption"), 1)
        json_heading.addWidget(copy)
        content = QWidget()
        column = QVBoxLayout(content)
        column.setContentsMargins(0, theme.NEAR_PX, theme.NEAR_PX, 0)
        column.setSpacing(theme.GAP_PX)
        column.addWidget(self._order)
        plot_column = QVBoxLayout()
        plot_column.setSpacing(theme.TIGHT_PX)
        plot_column.addWidget(self._plot_caption)
        plot_column.addWidget(self._plot)
        column.addLayout(plot_column)
        column.addWidget(self._score)
        column.addWidget(self._history)
        json_column = QVBoxLayout()
        json_column.setSpacing(theme.TIGHT_PX)
        json_column.addLayout(json_heading)
        json_column.addWidget(self._json)
        column.addLayout(json_column)
        column.addStretch(1)
        self._body.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._body.setWidget(content)
        self._body.setProperty("focusable", True)
        self._body.setAccessibleName("Details of the order")

    def _show_buttons(self) -> None:
        """What can be done with the selection; a button that cannot says why."""
        waiting, held = self._names(OrderState.WAITING), self._names(OrderState.HELD)
        under_way = self._names(OrderState.RUNNING)
        is_release = not waiting and bool(held)
        hold_count, cancel_count = len(held if is_release else waiting), len(waiting) + len(held) + len(under_way)
        _dress(self._hold, "Release" if is_release else "Hold", hold_count, "only an order that waits can be held")
        _dress(self._cancel, "Cancel order", cancel_count, self._why_not_cancelled())
        self._cancel_stack.setCurrentWidget(self._stop if under_way else self._cancel)
        self._stop.set_text("Cancel order" if cancel_count < 2 else f"Cancel order {cancel_count}")

    def _why_not_cancelled(self) -> str:
        if self._names(OrderState.CANCELLING):
            return "it is stopping already"
        return "it has ended" if self._selected else "no order is selected"

    def _names(self, state: OrderState) -> tuple[str, ...]:
        return tuple(line.stored.name for line in self._selected if line.stored.state is state)

    def _ask_hold(self) -> None:
        waiting, held = self._names(OrderState.WAITING), self._names(OrderState.HELD)
        if waiting:
            self.hold_requested.emit(waiting)
        elif held:
            self.release_requested.emit(held)

    def _ask_cancel(self) -> None:
        names = tuple(
            line.stored.name
            for line in self._selected
            if line.stored.state in NOT_BEGUN or line.stored.state is OrderState.RUNNING
        )
        if names:
            self.cancel_requested.emit(names)

    def _show_plot(self, order: WorkOrder) -> None:
        is_shown = order.ra_deg is not None and order.dec_deg is not None and self._site != Site()
        self._plot.setVisible(is_shown)
        self._plot_caption.setVisible(is_shown)
        if not is_shown or self._now is None or order.ra_deg is None or order.dec_deg is None:
            self._plot.clear()
            return
        minute = self._now.replace(second=0, microsecond=0)
        wanted = (order.ra_deg, order.dec_deg, self._site, minute)
        if wanted != self._plotted:
            self._plotted = wanted
            self._plot.show_target(order.ra_deg, order.dec_deg, self._site, self._now)


def _label(text: str, role: str) -> QLabel:
    label = QLabel(text)
    label.setTextFormat(Qt.TextFormat.PlainText)
    if role:
        label.setProperty("role", role)
    return label


def _say_wrapped(label: QLabel, text: str) -> None:
    """Show a text; a long word, such as a path, may break behind its signs, and is then not to be copied here."""
    is_long = any(len(word) > _LONGEST_WORD for word in text.split())
    label.setText(re.sub(r"(?<=[/_.-])", "\u200b", text) if is_long else text)
    label.setToolTip(text if is_long else "")
    copying = Qt.TextInteractionFlag.TextSelectableByMouse
    label.setTextInteractionFlags(Qt.TextInteractionFlag.NoTextInteraction if is_long else copying)


def _dress(button: QPushButton, text: str, count: int, why_not: str) -> None:
    """Text with the number of orders, and why it is disabled when there are none."""
    shortcut = button.shortcut()
    button.setText(text if count < 2 else f"{text} {count}")
    button.setShortcut(shortcut)  # a new text takes it away
    button.setEnabled(count > 0)
    keys = shortcut.toString(QKeySequence.SequenceFormat.NativeText)
    explanation = f"{text} ({keys})" if count else f"Not possible: {why_not}"
    button.setToolTip(explanation)
    button.setAccessibleName(button.text())
    button.setAccessibleDescription(explanation)


def _sentence(line: OrderLine, progress: OrderProgress | None) -> str:
    """Why it stands where it stands."""
    if line.stored.state is OrderState.RUNNING:
        return "Running" if progress is None else f"Running: {progress.what}, {progress.done} of {progress.total}"
    return line.reason


def _score_facts(line: OrderLine, site: Site) -> list[tuple[str, str]]:
    """The score and the terms that sum to it, as they were when the order came."""
    order, stored = line.stored.order, line.stored
    if order.priority is None or order.ra_deg is None or order.dec_deg is None:
        return []
    score = f"{order.priority:.3f} of 10"
    if order.payload.get("priority") is not None:
        return [("Score", f"{score}, given by {order.user}")]
    terms = priority_terms(order.ra_deg, order.dec_deg, site, order.ordered_at, stored.received_at)
    if abs(terms.total - order.priority) > _ROUNDING:
        return [("Score", f"{score}, given when the settings named another site")]
    return [
        ("Height", f"{terms.height:.3f} of 6, for its best altitude"),
        ("Haste", f"{terms.haste:.3f} of 3, for how soon it sets"),
        ("Age", f"{terms.age:.3f} of 1, for its days of waiting"),
        ("Score", f"{score}, when the order came"),
    ]


def _order_facts(line: OrderLine, site: Site) -> list[tuple[str, str]]:
    """Where it is in the queue, what limits it, when it begins."""
    order, stored = line.stored.order, line.stored
    facts = [("Request", REQUEST_WORDS[order.request]), ("Target", order.url or target_text(stored))]
    if order.ra_deg is not None and order.dec_deg is not None:
        position = f"{wording.right_ascension_text(order.ra_deg)}  {wording.declination_text(order.dec_deg)} ICRS"
        facts[1] = ("Position", position)
        limits = f"above {LOWEST_ALTITUDE_DEG:.0f}°, Sun below {wording.angle_text(NIGHT_SUN_ALTITUDE_DEG)}"
        facts.append(("Limits", limits))
        if stored.state not in ENDED:
            facts.append(("Window", _window_text(line.window, site)))
    if order.batch and order.url:
        facts.append(("Batch", order.batch))
    if line.place is not None:
        facts.append(("Place", f"{line.place + 1} in the queue of the Processor"))
    if stored.state is OrderState.WAITING:
        facts.append(("Start", _start_text(line)))
    return facts


def _window_text(window: Span | None, site: Site) -> str:
    if window is None:
        return "the settings name no site" if site == Site() else "none in this night"
    length_s = (window.ends_at - window.begins_at).total_seconds()
    return f"{window.begins_at:%H:%M} to {window.ends_at:%H:%M} UTC, {wording.duration_text(length_s)}"


def _start_text(line: OrderLine) -> str:
    if line.starts_at is not None:
        return f"about {line.starts_at:%H:%M} UTC, if orders take as long as the last ones did"
    if line.place is None:
        return "when a telescope takes orders"
    return "not known until an order was done" if line.place else "as soon as the Processor is free"


def _history_facts(line: OrderLine) -> list[tuple[str, str]]:
    stored = line.stored
    facts = [("Ordered", _moment(stored.order.ordered_at)), ("Received", _moment(stored.received_at))]
    if stored.started_at is not None:
        facts.append(("Started", _moment(stored.started_at)))
    if stored.ended_at is not None:
        began = stored.started_at
        lasted = "" if began is None else f", after {wording.duration_text((stored.ended_at - began).total_seconds())}"
        facts.append(("Ended", _moment(stored.ended_at) + lasted))
    return facts


def _moment(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S} UTC"
