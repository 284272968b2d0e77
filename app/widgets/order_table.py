"""The table of work orders: state, place and reason of each; sorted and filtered here."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

from PySide6.QtCore import (
    QAbstractTableModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QPoint,
    QPointF,
    QRect,
    QRectF,
    Qt,
    Signal,
)
from PySide6.QtGui import QAction, QColor, QFont, QKeyEvent, QPainter, QPen, QPolygonF, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QMenu,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.model.order_life import ENDED
from app.model.order_queue import OrderLine, target_text
from app.model.work_order import OrderState, Request
from app.widgets import theme
from app.widgets.cells import TextDelegate, paint_ground, paint_text, text_width_px

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
_EARLY = datetime(1, 1, 1, tzinfo=UTC)

#: How states are written.
STATE_WORDS = {
    OrderState.WAITING: "waiting",
    OrderState.HELD: "held",
    OrderState.RUNNING: "running",
    OrderState.CANCELLING: "stopping",
    OrderState.DONE: "done",
    OrderState.DONE_WITH_PROBLEMS: "problems",
    OrderState.FAILED: "FAILED",
    OrderState.CANCELLED: "cancelled",
}
#: How requests are written.
REQUEST_WORDS = {
    Request.CALIBRATE: "calibrate",
    Request.RESUME: "resume",
    Request.RESTART: "restart",
    Request.OBSERVE: "observe",
}
#: From what goes on to what is over.
_STATE_RANK = {
    OrderState.CANCELLING: 0,
    OrderState.RUNNING: 0,
    OrderState.WAITING: 1,
    OrderState.HELD: 2,
}


class Column(IntEnum):
    """Columns of the table."""

    STATE = 0
    PRIORITY = 1
    ORDER = 2
    REQUEST = 3
    TARGET = 4
    WINDOW = 5
    REASON = 6


_TITLES = ("State", "Priority", "Order", "Request", "Target", "Window (UTC)", "Progress, or the reason")
_WIDTHS = (98, 66, 130, 78, 118, 104, 200)
#: What these get of the room that is left, the last column takes the rest.
_GROWING = {Column.ORDER: 0.15, Column.TARGET: 0.25}
#: Bar of the progress.
_BAR_PX = 64


class Choice(StrEnum):
    """Which orders are shown."""

    ALL = "all"
    OPEN = "open"
    ENDED = "ended"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class OrderProgress:
    """How far a running order is: pieces done of a total, and what is being done."""

    done: int
    total: int
    what: str


def window_text(line: OrderLine) -> str:
    """``21:10–03:40``; empty without a window."""
    return "" if line.window is None else f"{line.window.begins_at:%H:%M}–{line.window.ends_at:%H:%M}"


def is_chosen(choice: Choice, state: OrderState) -> bool:
    """Whether orders of that state belong to the choice."""
    if choice is Choice.ALL:
        return True
    if choice is Choice.FAILED:
        return state in (OrderState.FAILED, OrderState.DONE_WITH_PROBLEMS)
    return (state in ENDED) is (choice is Choice.ENDED)


class OrderModel(QAbstractTableModel):
    """Orders as rows; new values keep the selection, the sorting and the scrolling."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._lines: dict[int, OrderLine] = {}
        self._rows: list[int] = []
        self._progress: dict[int, OrderProgress] = {}
        self._choice = Choice.ALL
        self._needle = ""
        self._column: int = Column.STATE
        self._is_descending = False

    @property
    def lines(self) -> tuple[OrderLine, ...]:
        """All orders, shown or not."""
        return tuple(self._lines.values())

    @property
    def sorting(self) -> tuple[int, bool]:
        """The column that sorts, and whether downwards."""
        return self._column, self._is_descending

    def line(self, row: int) -> OrderLine:
        """The order of a row."""
        return self._lines[self._rows[row]]

    def row_of(self, key: int) -> int | None:
        """The row of an order; None when it is not shown."""
        return self._rows.index(key) if key in self._rows else None

    def progress(self, key: int) -> OrderProgress | None:
        """How far an order is."""
        return self._progress.get(key)

    def set_lines(self, lines: Sequence[OrderLine]) -> None:
        """Show these orders."""
        before = self._lines
        self._lines = {line.stored.key: line for line in lines}
        self._progress = {key: value for key, value in self._progress.items() if key in self._lines}
        for key in self._lines.keys() - before.keys():
            self._progress.pop(key, None)
        self._arrange()
        changed = [row for row, key in enumerate(self._rows) if _differs(before.get(key), self._lines[key])]
        if changed:
            self.dataChanged.emit(self.index(changed[0], 0), self.index(changed[-1], len(Column) - 1))

    def set_progress(self, key: int, progress: OrderProgress | None) -> None:
        """Show how far an order is."""
        if progress is None:
            self._progress.pop(key, None)
        else:
            self._progress[key] = progress
        row = self.row_of(key)
        if row is not None:
            self.dataChanged.emit(self.index(row, Column.REASON), self.index(row, Column.REASON))

    def set_filter(self, choice: Choice, text: str) -> None:
        """Show only orders of a choice, in which every word of a text occurs."""
        self._choice, self._needle = choice, text.casefold()
        self._arrange()

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column."""
        self._column, self._is_descending = column, order is Qt.SortOrder.DescendingOrder
        self._arrange()

    def _arrange(self) -> None:
        """Bring the rows to what is wished: rows go, rows come, rows change places."""
        wanted = [key for key, line in self._lines.items() if self._is_shown(line)]
        wanted.sort(key=lambda key: self._sort_key(self._lines[key]), reverse=self._is_descending)
        staying = set(wanted)
        for first, last in _runs([row for row, key in enumerate(self._rows) if key not in staying]):
            self.beginRemoveRows(_NO_INDEX, first, last)
            del self._rows[first : last + 1]
            self.endRemoveRows()
        known = set(self._rows)
        coming = [key for key in wanted if key not in known]
        if coming:
            self.beginInsertRows(_NO_INDEX, len(self._rows), len(self._rows) + len(coming) - 1)
            self._rows.extend(coming)
            self.endInsertRows()
        if self._rows != wanted:
            self._reorder(wanted)

    def _reorder(self, wanted: list[int]) -> None:
        self.layoutAboutToBeChanged.emit()
        place = {key: row for row, key in enumerate(wanted)}
        held = self.persistentIndexList()
        moved = [self.index(place[self._rows[index.row()]], index.column()) for index in held]
        self._rows = wanted
        self.changePersistentIndexList(held, moved)
        self.layoutChanged.emit()

    def _is_shown(self, line: OrderLine) -> bool:
        if not is_chosen(self._choice, line.stored.state):
            return False
        return not self._needle or all(word in _searched(line) for word in self._needle.split())

    def _sort_key(self, line: OrderLine) -> tuple[Any, ...]:
        return (*_SORT_KEYS[self._column](line), *_queue_key(line))

    def rowCount(self, parent: Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """Orders that are shown."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """One for each `Column`."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802 - Qt's name
        """Titles."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if section == Column.PRIORITY else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, colour and tooltip of a cell."""
        line = self.line(index.row())
        column = Column(index.column())
        if role == Qt.ItemDataRole.DisplayRole:
            return self._text(line, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return self._tooltip(line, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{_TITLES[column]}: {self._text(line, column) or 'none'}"
        return None

    def cell(self, row: int, column: int) -> tuple[str, str]:
        """Text and colour of a cell; what is over is quiet, but for its reason."""
        line = self.line(row)
        is_quiet = line.stored.state in ENDED and column != Column.REASON
        return self._text(line, column), "dim" if is_quiet else "text"

    def _text(self, line: OrderLine, column: int) -> str:
        if column == Column.REASON and line.stored.state is OrderState.RUNNING:
            progress = self._progress.get(line.stored.key)
            if progress is None or not progress.total:
                return "Begun"
            return f"{progress.done} of {progress.total}  {progress.what}"
        return _TEXTS[column](line)

    def _tooltip(self, line: OrderLine, column: Column) -> str:
        if column is Column.TARGET:
            return line.stored.order.url or target_text(line.stored)
        return self._text(line, column)


def _runs(rows: Sequence[int]) -> list[tuple[int, int]]:
    """First and last of each run of neighbours, from the end, so that removing one moves no other."""
    runs: list[tuple[int, int]] = []
    for row in reversed(rows):
        if runs and runs[-1][0] == row + 1:
            runs[-1] = (row, runs[-1][1])
        else:
            runs.append((row, row))
    return runs


def _differs(before: OrderLine | None, now: OrderLine) -> bool:
    return before is not now and before != now


def _searched(line: OrderLine) -> str:
    order = line.stored.order
    parts = (STATE_WORDS[line.stored.state], line.stored.name, REQUEST_WORDS[order.request], target_text(line.stored))
    return " ".join((*parts, order.url or "", line.reason)).casefold()


def _queue_key(line: OrderLine) -> tuple[Any, ...]:
    """What runs, then the queue as it will be done, then what is held, then what has ended, newest first."""
    stored = line.stored
    rank = _STATE_RANK.get(stored.state, 3)
    if rank == 3:
        return rank, -_seconds(stored.ended_at), -stored.key
    place = line.place if line.place is not None else 10_000 - (stored.order.priority or 0.0)
    return rank, place, stored.key


def _seconds(at: datetime | None) -> float:
    return ((at or _EARLY) - _EARLY).total_seconds()


_SORT_KEYS: dict[int, Callable[[OrderLine], tuple[Any, ...]]] = {
    Column.STATE: lambda _line: (),
    Column.PRIORITY: lambda line: (-(line.stored.order.priority if line.stored.order.priority is not None else -1.0),),
    Column.ORDER: lambda line: (line.stored.name.casefold(),),
    Column.REQUEST: lambda line: (REQUEST_WORDS[line.stored.order.request],),
    Column.TARGET: lambda line: (target_text(line.stored).casefold(),),
    Column.WINDOW: lambda line: (line.window is None, _seconds(line.window.begins_at if line.window else None)),
    Column.REASON: lambda line: (not line.reason, line.reason.casefold()),
}
_TEXTS: dict[int, Callable[[OrderLine], str]] = {
    Column.STATE: lambda line: STATE_WORDS[line.stored.state],
    Column.PRIORITY: lambda line: "" if line.stored.order.priority is None else f"{line.stored.order.priority:.2f}",
    Column.ORDER: lambda line: line.stored.name,
    Column.REQUEST: lambda line: REQUEST_WORDS[line.stored.order.request],
    Column.TARGET: lambda line: target_text(line.stored),
    Column.WINDOW: window_text,
    Column.REASON: lambda line: line.reason,
}


class OrderDelegate(TextDelegate):
    """Paints the state with a sign of its own shape, and progress as a bar; everything else is text."""

    def __init__(self, model: OrderModel, parent: QObject | None = None) -> None:
        super().__init__(model.cell, parent)
        self._model = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a cell."""
        if index.column() not in (Column.STATE, Column.REASON):
            paint_ground(painter, option)
            is_number = index.column() == Column.PRIORITY
            # both ends of names tell them apart
            way = Qt.TextElideMode.ElideMiddle
            text, token = self._cell(index.row(), index.column())
            paint_text(painter, option.rect, text, token, elide=way, is_number=is_number)
            return
        stored = self._model.line(index.row()).stored
        if index.column() == Column.STATE:
            paint_ground(painter, option)
            paint_state(painter, option.rect, stored.state)
            return
        progress = self._model.progress(stored.key) if stored.state is OrderState.RUNNING else None
        if progress is None or not progress.total:
            super().paint(painter, option, index)
            return
        paint_ground(painter, option)
        cell = option.rect
        bar = QRect(cell.left() + theme.NEAR_PX, cell.center().y() - 2, _BAR_PX, 5)
        look = theme.current()
        painter.fillRect(bar, look.color("line"))
        bar.setWidth(round(_BAR_PX * min(max(progress.done / progress.total, 0.0), 1.0)))
        painter.fillRect(bar, look.color("text"))
        paint_text(painter, cell.adjusted(_BAR_PX + theme.NEAR_PX, 0, 0, 0), *self._cell(index.row(), index.column()))


def paint_state(painter: QPainter, cell: QRect, state: OrderState) -> None:
    """A state as sign and word; only what is not normal has a colour, and FAILED is inverse."""
    look = theme.current()
    color = {OrderState.DONE_WITH_PROBLEMS: "attention", OrderState.FAILED: "alarm"}.get(
        state, "dim" if state in ENDED else "text"
    )
    weight = QFont.Weight.DemiBold if color in ("attention", "alarm") else QFont.Weight.Normal
    room = cell.adjusted(theme.NEAR_PX, 4, -4, -4)
    painter.save()
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    if state is OrderState.FAILED:
        painter.setBrush(look.color(color))
        painter.setPen(Qt.PenStyle.NoPen)
        width = text_width_px(STATE_WORDS[state], weight) + 30
        painter.drawRoundedRect(QRect(room.left() - 4, room.top(), width, room.height()), 4, 4)
        color = "background"
    _paint_sign(painter, QPointF(room.left() + 6.0, room.center().y() + 0.5), state, look.color(color))
    paint_text(painter, cell.adjusted(18, 0, 0, 0), STATE_WORDS[state], color, weight)
    painter.restore()


def _paint_sign(painter: QPainter, centre: QPointF, state: OrderState, color: QColor) -> None:
    """A shape for each state, told apart without colour."""
    painter.translate(centre)
    painter.setPen(QPen(color, 1.6))
    painter.setBrush(Qt.BrushStyle.NoBrush)
    if state is OrderState.WAITING:
        painter.drawEllipse(QPointF(0, 0), 3.6, 3.6)
    elif state is OrderState.RUNNING:
        painter.setBrush(color)
        painter.drawPolygon(QPolygonF([QPointF(-3, -4), QPointF(4, 0), QPointF(-3, 4)]))
    elif state is OrderState.CANCELLING:
        painter.setBrush(color)
        painter.drawRect(QRectF(-3, -3, 6, 6))
    elif state is OrderState.HELD:
        painter.drawLine(QPointF(-2.2, -4), QPointF(-2.2, 4))
        painter.drawLine(QPointF(2.2, -4), QPointF(2.2, 4))
    elif state is OrderState.DONE:
        painter.drawPolyline(QPolygonF([QPointF(-4, 0), QPointF(-1, 3.4), QPointF(4.4, -4)]))
    elif state is OrderState.DONE_WITH_PROBLEMS:
        painter.drawPolygon(QPolygonF([QPointF(0, -5), QPointF(5, 4), QPointF(-5, 4)]))
        painter.drawLine(QPointF(0, -1.5), QPointF(0, 1.5))
    elif state is OrderState.FAILED:
        painter.drawLine(QPointF(-3.6, -3.6), QPointF(3.6, 3.6))
        painter.drawLine(QPointF(-3.6, 3.6), QPointF(3.6, -3.6))
    else:
        painter.drawLine(QPointF(-4, 0), QPointF(4, 0))
    painter.translate(-centre)


class OrderTable(QTableView):
    """The view: selects whole orders, Enter opens, columns are chosen in the header's menu."""

    opened = Signal()  #: Enter or double-click on an order.
    columns_changed = Signal()  #: The operator chose, moved or resized columns.

    def __init__(self, model: OrderModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setModel(model)
        self.setItemDelegate(OrderDelegate(model, self))
        self.setAccessibleName("Work orders")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        header.setMinimumSectionSize(48)
        self._is_fitting = True
        header.sectionResized.connect(self._keep_widths)
        self.setSortingEnabled(True)
        self.sortByColumn(Column.STATE, Qt.SortOrder.AscendingOrder)
        header.setContextMenuPolicy(Qt.ContextMenuPolicy.CustomContextMenu)
        header.customContextMenuRequested.connect(self._offer_columns)
        header.sortIndicatorChanged.connect(self.columns_changed)
        self.doubleClicked.connect(self.opened)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter opens; the other keys are Qt's."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit()
            return
        super().keyPressEvent(event)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give names the room that is there, until the operator gives widths of his own."""
        super().resizeEvent(event)
        if self._is_fitting:
            self._fit()

    def _fit(self) -> None:
        left_over = max(0, self.viewport().width() - sum(_WIDTHS))
        self._is_fitting = False
        for column in list(Column)[:-1]:
            self.setColumnWidth(column, _WIDTHS[column] + round(left_over * _GROWING.get(column, 0.0)))
        self._is_fitting = True

    def _keep_widths(self, column: int, _old: int, _new: int) -> None:
        """The operator's widths stay; the last column always takes the rest."""
        if column != Column.REASON:
            self._is_fitting = False

    def hidden_columns(self) -> list[int]:
        """Columns that the operator does not want to see."""
        return [column for column in Column if self.isColumnHidden(column)]

    def hide_columns(self, hidden: Sequence[int]) -> None:
        """Hide these columns; the state always stays."""
        for column in Column:
            self.setColumnHidden(column, column in hidden and column is not Column.STATE)

    def _offer_columns(self, at: QPoint) -> None:
        menu = QMenu(self)
        menu.setAttribute(Qt.WidgetAttribute.WA_DeleteOnClose)
        for column in list(Column)[1:]:
            action = QAction(_TITLES[column], menu, checkable=True, checked=not self.isColumnHidden(column))
            action.setData(int(column))
            menu.addAction(action)
        menu.triggered.connect(self._toggle_column)
        menu.popup(self.horizontalHeader().mapToGlobal(at))

    def _toggle_column(self, action: QAction) -> None:
        self.setColumnHidden(action.data(), not action.isChecked())
        self.columns_changed.emit()
