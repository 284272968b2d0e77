"""The page of work orders: the queue, the selected order, a form, and what was refused."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PySide6.QtCore import QItemSelection, QItemSelectionModel, Qt, QTimer, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QGuiApplication, QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QButtonGroup,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from app.model import wording
from app.model.errors import FieldProblem
from app.model.order_life import StoredOrder
from app.model.order_queue import OrderLine
from app.model.settings import Site
from app.model.strip import Severity
from app.widgets import theme
from app.widgets.banner import Banner
from app.widgets.order_details import OrderDetails
from app.widgets.order_form import OrderForm
from app.widgets.order_table import Choice, OrderModel, OrderProgress, OrderTable, is_chosen
from app.widgets.roles import set_role
from app.widgets.state_panel import PageState, StateStack

_CHOICES = {Choice.ALL: "All", Choice.OPEN: "Open", Choice.ENDED: "Ended", Choice.FAILED: "Failed or problems"}
#: Sentences that are kept about what was handed in.
_NOTICES = 50
_PANE_PX = 380


class Notices(QWidget):
    """What became of what was handed in: sentences in the page, never a popup."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "raised")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._sentences: list[str] = []
        self._heading = QLabel()
        self._text = QLabel(wordWrap=True, alignment=Qt.AlignmentFlag.AlignTop)
        self._text.setTextFormat(Qt.TextFormat.PlainText)
        self._text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self._close = QPushButton("Dismiss")
        self._close.setProperty("kind", "link")
        self._close.setToolTip("Dismiss these sentences (Esc)")
        self._close.clicked.connect(self.clear)
        self._area = QScrollArea(widgetResizable=True)
        self._area.setWidget(self._text)
        heading = QHBoxLayout()
        heading.addWidget(self._heading, 1)
        heading.addWidget(self._close)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.TIGHT_PX, theme.NEAR_PX, theme.NEAR_PX)
        column.setSpacing(theme.TIGHT_PX)
        column.addLayout(heading)
        column.addWidget(self._area)
        self.clear()

    def add(self, heading: str, sentences: Sequence[str], *, is_fault: bool) -> None:
        """Add sentences; the newest stand on top, under the heading of the newest."""
        self._sentences = [*sentences, *self._sentences][:_NOTICES]
        self._heading.setText(heading)
        set_role(self._heading, "attention" if is_fault else "")
        self._text.setText("\n".join(self._sentences))
        rows = min(max(len(self._sentences), 1), 5)
        self._area.setFixedHeight(rows * self._text.fontMetrics().lineSpacing() + theme.TIGHT_PX)
        self._area.setVisible(bool(self._sentences))
        self.setAccessibleName(f"{heading}. {' '.join(sentences)}")
        self.show()

    def clear(self) -> None:
        """Forget everything."""
        self._sentences = []
        self.hide()


class OrdersPage(QWidget):
    """The queue of work orders."""

    TITLE = "Orders"
    ICON = "orders"

    submit_requested = Signal(object)  #: An order as a dict, from the form.
    text_dropped = Signal(str)  #: JSON that was dropped or pasted.
    file_dropped = Signal(object)  #: Path of a file that was dropped.
    hold_requested = Signal(object)  #: Names of orders, a tuple of ``user/id``.
    release_requested = Signal(object)  #: Names of orders.
    cancel_requested = Signal(object)  #: Names of orders.
    batch_requested = Signal(str)  #: Name of the batch that came of an order.
    view_changed = Signal()  #: Something that is worth restoring changed.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAcceptDrops(True)
        self._user = ""
        self._now = datetime.now(UTC)
        self._wanted: str | None = None
        self._is_known = False
        self._model = OrderModel(self)
        self._table = OrderTable(self._model)
        self._details = OrderDetails()
        self._form = OrderForm()
        self._notices = Notices()
        self._build()
        self._connect()
        self._shown = QTimer(self, singleShot=True, interval=0)
        self._shown.timeout.connect(self._show_selection)
        self._show_counts()
        self._show_state()

    def set_operator(self, user: str) -> None:
        """Who fills the form in."""
        self._user = user

    def set_site(self, site: Site) -> None:
        """Where the observatory stands, for altitudes."""
        self._details.set_site(site)

    def set_now(self, sky_now: datetime, now: datetime | None = None) -> None:
        """Time of the sky, and of new orders where that is another one: under a simulated sky."""
        self._now = now or sky_now
        self._details.set_now(sky_now)

    def set_orders(self, lines: Sequence[OrderLine]) -> None:
        """Show the queue; selection, sorting and scrolling stay."""
        self._is_known = True
        self._model.set_lines(lines)
        self._show_counts()
        self._show_state()
        self._select_wanted()
        self._shown.start()

    def set_progress(self, key: int, progress: OrderProgress | None) -> None:
        """Show how far the running order is."""
        self._model.set_progress(key, progress)
        self._shown.start()

    def set_failure(self, sentence: str, age_s: float) -> None:
        """Say that the queue cannot be read; the last list stays and is marked as old."""
        if age_s < 0.0 or not self._is_known:
            self._stack.show_state(PageState.FAILED, "The orders cannot be read", sentence)
            self._stale.hide()
            return
        self._stale.set_text(f"As of {wording.age_text(age_s)} ago: {sentence}", Severity.ATTENTION)
        self._stale.setToolTip(sentence)
        self._stale.show()

    def set_recovered(self) -> None:
        """The queue is read again."""
        self._stale.hide()
        if self._is_known:
            self._show_state()

    def show_accepted(self, stored: StoredOrder, is_new: bool) -> None:
        """Say that an order was taken in, and select it."""
        text = f"Taken in: {stored.name}" if is_new else f"Known already: {stored.name}"
        self._notices.add(text, (), is_fault=False)
        self._wanted = stored.name
        if self._pane.currentWidget() is self._form and self._form.name == stored.name:
            self._form.clear()
            self._show_details()
        self._select_wanted()

    def show_refused(self, subject: str, sentence: str, problems: Sequence[FieldProblem]) -> None:
        """Say what was refused and why: in the form where it came from there, else in sentences."""
        if self._pane.currentWidget() is self._form and self._form.name == subject and problems:
            self._form.show_problems(problems)
            return
        sentences = [f"{subject}: {problem}" for problem in problems] or [f"{subject}: {sentence}"]
        self._notices.add(f"Refused: {subject}", sentences, is_fault=True)

    def open_form(self) -> None:
        """Begin a new order beside the table."""
        self._pane.setCurrentWidget(self._form)
        self._form.begin(self._user, self._now, [line.stored.name for line in self._model.lines])

    def select_order(self, name: str) -> None:
        """Select an order by ``user/id``, as soon as it is there."""
        self._wanted = name
        self._select_wanted()

    def focus_filter(self) -> None:
        """Ctrl+F."""
        self._filter.setFocus()
        self._filter.selectAll()

    def view_state(self) -> dict[str, Any]:
        """What another start shows again."""
        column, is_descending = self._model.sorting
        current = self._current()
        return {
            "choice": str(self._choice()),
            "filter": self._filter.text(),
            "sort": [int(column), is_descending],
            "hidden": [int(column) for column in self._table.hidden_columns()],
            "order": current.stored.name if current else self._wanted,
            "split": self._splitter.sizes(),
            "has_form": self._pane.currentWidget() is self._form,
        }

    def restore_view(self, state: dict[str, Any]) -> None:
        """Show what an earlier start showed; what is nonsense is left as it is."""
        choice, text = state.get("choice"), state.get("filter")
        if choice in tuple(Choice):
            self._chips[Choice(choice)].setChecked(True)
        if isinstance(text, str):
            self._filter.setText(text)
        match state.get("sort"):
            case [int(column), bool(is_descending)] if 0 <= column < self._model.columnCount():
                down = Qt.SortOrder.DescendingOrder if is_descending else Qt.SortOrder.AscendingOrder
                self._table.sortByColumn(column, down)
        hidden = state.get("hidden")
        if isinstance(hidden, list):
            self._table.hide_columns([column for column in hidden if isinstance(column, int)])
        match state.get("split"):
            case [int(left), int(right)] if left > 0 and right > 0:
                self._splitter.setSizes([left, right])
        if isinstance(state.get("order"), str):
            self.select_order(state["order"])
        if state.get("has_form") is True:
            self.open_form()
        self._apply_filter()

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:  # noqa: N802 - Qt's name
        """Files and text may be orders."""
        if event.mimeData().hasUrls() or event.mimeData().hasText():
            event.acceptProposedAction()
            self._hint.setText("Let go to hand in what you carry")

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:  # noqa: N802 - Qt's name
        """Nothing was dropped."""
        super().dragLeaveEvent(event)
        self._show_counts()

    def dropEvent(self, event: QDropEvent) -> None:  # noqa: N802 - Qt's name
        """Hand in every file, or the text."""
        self._show_counts()
        self._take(event.mimeData().urls(), event.mimeData().text())
        event.acceptProposedAction()

    def paste(self) -> None:
        """Hand in what the clipboard holds."""
        content = QGuiApplication.clipboard().mimeData()
        self._take(content.urls(), content.text())

    def _take(self, urls: Sequence[Any], text: str) -> None:
        files = [Path(url.toLocalFile()) for url in urls if url.isLocalFile()]
        for file in files:
            self.file_dropped.emit(file)
        if not files and text.strip():
            self.text_dropped.emit(text)
        elif not files:
            self._notices.add("Nothing was handed in: copy an order as JSON first", (), is_fault=True)

    def _build(self) -> None:
        self._stale = Banner("", Severity.ATTENTION)
        self._stale.hide()
        self._stack = StateStack(self._table)
        self._pane = QStackedWidget()
        self._pane.addWidget(self._details)
        self._pane.addWidget(self._form)
        self._pane.setMinimumWidth(340)
        self._splitter = QSplitter(Qt.Orientation.Horizontal)
        self._splitter.setChildrenCollapsible(False)
        left = QWidget()
        left_column = QVBoxLayout(left)
        left_column.setContentsMargins(0, 0, 0, 0)
        left_column.setSpacing(theme.NEAR_PX)
        for part in (self._stale, self._notices):
            left_column.addWidget(part)
        left_column.addWidget(self._stack, 1)
        self._splitter.addWidget(left)
        self._splitter.addWidget(self._pane)
        self._splitter.setStretchFactor(0, 3)
        self._splitter.setStretchFactor(1, 1)
        self._splitter.setSizes([1208 - _PANE_PX, _PANE_PX])
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.NEAR_PX)
        column.addLayout(self._build_bar())
        column.addWidget(self._splitter, 1)

    def _build_bar(self) -> QHBoxLayout:
        title = QLabel("Orders")
        title.setProperty("role", "title")
        self._hint = QLabel()
        self._hint.setProperty("role", "dim")
        self._filter = QLineEdit(placeholderText="Filter (Ctrl+F)")
        self._filter.setAccessibleName("Filter the orders by text")
        self._filter.setFixedWidth(200)
        self._chips: dict[Choice, QPushButton] = {}
        self._group = QButtonGroup(self)
        new = QPushButton("New order")
        new.setProperty("kind", "primary")
        new.setToolTip("New order beside the table (Ctrl+N)")
        new.clicked.connect(self.open_form)
        row = QHBoxLayout()
        row.setSpacing(theme.NEAR_PX)
        row.addWidget(title)
        row.addSpacing(theme.TIGHT_PX)
        row.addWidget(self._hint, 1)
        for choice, text in _CHOICES.items():
            chip = QPushButton(text)
            chip.setCheckable(True)
            chip.setAccessibleName(f"Show {text.lower()} orders")
            self._chips[choice] = chip
            self._group.addButton(chip)
            row.addWidget(chip)
        self._chips[Choice.ALL].setChecked(True)
        row.addWidget(self._filter)
        row.addWidget(new)
        return row

    def _connect(self) -> None:
        self._filter.textChanged.connect(self._apply_filter)
        self._group.buttonToggled.connect(self._apply_filter)
        self._table.selectionModel().selectionChanged.connect(self._change_selection)
        self._table.selectionModel().currentChanged.connect(self._change_selection)
        self._table.opened.connect(self._show_details)
        self._table.columns_changed.connect(self.view_changed)
        self._splitter.splitterMoved.connect(self.view_changed)
        self._stack.action_requested.connect(self._act_on_state)
        self._form.closed.connect(self._show_details)
        self._form.submit_requested.connect(self.submit_requested)
        self._details.hold_requested.connect(self.hold_requested)
        self._details.release_requested.connect(self.release_requested)
        self._details.cancel_requested.connect(self.cancel_requested)
        self._details.batch_requested.connect(self.batch_requested)
        for keys, slot in (("Ctrl+N", self.open_form), ("Ctrl+V", self.paste)):
            QShortcut(QKeySequence(keys), self, slot, context=Qt.ShortcutContext.WidgetWithChildrenShortcut)
        QShortcut(QKeySequence("Esc"), self._table, self._notices.clear, context=Qt.ShortcutContext.WidgetShortcut)

    def _choice(self) -> Choice:
        return next((choice for choice, chip in self._chips.items() if chip.isChecked()), Choice.ALL)

    def _apply_filter(self) -> None:
        self._model.set_filter(self._choice(), self._filter.text())
        self._show_state()
        self.view_changed.emit()

    def _show_counts(self) -> None:
        lines = self._model.lines
        self._hint.setText("" if lines else "Drop JSON here")
        states = Counter(line.stored.state for line in lines)
        for choice, chip in self._chips.items():
            count = sum(number for state, number in states.items() if is_chosen(choice, state))
            chip.setText(f"{_CHOICES[choice]} {wording.count_text(count)}")

    def _show_state(self) -> None:
        """Empty, nothing found, or the table."""
        if not self._is_known:
            self._stack.show_state(PageState.WORKING, "Reading the orders", "", progress=(0, 0))
        elif not self._model.lines:
            self._stack.show_state(
                PageState.EMPTY, "No orders yet", "Drop a JSON file here, or press Ctrl+N.", "New order"
            )
        elif not self._model.rowCount():
            self._stack.show_state(PageState.EMPTY, "No order matches the filter", "", "Show all orders")
        else:
            self._stack.show_content()

    def _act_on_state(self) -> None:
        if self._model.lines:
            self._filter.clear()
            self._chips[Choice.ALL].setChecked(True)
        else:
            self.open_form()

    def _show_details(self) -> None:
        self._pane.setCurrentWidget(self._details)
        self._table.setFocus()
        self.view_changed.emit()

    def _change_selection(self, *_what: QItemSelection) -> None:
        self._shown.start()
        self.view_changed.emit()

    def _current(self) -> OrderLine | None:
        index = self._table.currentIndex()
        return self._model.line(index.row()) if index.isValid() else None

    def _show_selection(self) -> None:
        rows = sorted({index.row() for index in self._table.selectionModel().selectedRows()})
        selected = tuple(self._model.line(row) for row in rows)
        current = self._current()
        if current is None or current not in selected:
            current = selected[0] if selected else None
        progress = self._model.progress(current.stored.key) if current else None
        self._details.show_orders(selected, current, progress)

    def _select_wanted(self) -> None:
        """Select what was asked for once it is there; without a wish the first order."""
        if self._wanted is None:
            if not self._table.currentIndex().isValid() and self._model.rowCount():
                self._select_row(0)
            return
        found = next((line for line in self._model.lines if line.stored.name == self._wanted), None)
        row = None if found is None else self._model.row_of(found.stored.key)
        if row is not None:
            self._wanted = None
            self._select_row(row)

    def _select_row(self, row: int) -> None:
        flags = QItemSelectionModel.SelectionFlag.ClearAndSelect | QItemSelectionModel.SelectionFlag.Rows
        self._table.selectionModel().setCurrentIndex(self._model.index(row, 0), flags)
        self._table.scrollTo(self._model.index(row, 0))
