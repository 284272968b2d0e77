"""A table of frozen values: sorted in the model, updated in place, so that selection and place are kept."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import cache
from typing import Any, Generic, TypeVar

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QPersistentModelIndex, QRect, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetrics, QPainter, QWheelEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.widgets import theme

T = TypeVar("T")

#: The value itself, for delegates.
VALUE_ROLE = Qt.ItemDataRole.UserRole
#: Texts up to this length are seen whole and need no tooltip.
_SHORT = 12
_MARK_PX = 3

_Index = QModelIndex | QPersistentModelIndex


class Tone(Enum):
    """How much a cell wants the operator."""

    NORMAL = "text"
    DIM = "dim"
    ATTENTION = "attention"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """What a column shows of a value.

    Attributes
    ----------
    width_px : int
        0 takes what the others leave.
    order : callable or None
        What it sorts by; its text when None.
    tip : callable or None
        Tooltip; the text when None.
    is_cut_in_middle : bool
        Whether a text that is too long loses its middle: the ends of names tell them apart.
    """

    title: str
    text: Callable[[T], str]
    width_px: int = 0
    is_number: bool = False
    tone: Callable[[T], Tone] = lambda value: Tone.NORMAL
    order: Callable[[T], Any] | None = None
    tip: Callable[[T], str] | None = None
    is_cut_in_middle: bool = False


class ValueModel(QAbstractTableModel, Generic[T]):
    """Values in rows, each known by its key.

    Parameters
    ----------
    columns : sequence of Column
        From left to right.
    key : callable
        Tells the same row of another time.
    """

    def __init__(self, columns: Sequence[Column[T]], key: Callable[[T], Hashable]) -> None:
        super().__init__()
        self.columns = tuple(columns)
        self._key = key
        self._values: list[T] = []
        self._sorting: tuple[int, Qt.SortOrder] | None = None

    @property
    def values(self) -> tuple[T, ...]:
        """From top to bottom."""
        return tuple(self._values)

    def value_at(self, row: int) -> T:
        """The value of a row."""
        return self._values[row]

    def row_of(self, key: Hashable) -> int | None:
        """Where the value with that key is."""
        return next((row for row, value in enumerate(self._values) if self._key(value) == key), None)

    def set_values(self, values: Sequence[T]) -> None:
        """Show these: rows that are still there stay selected, only what changed is painted."""
        wanted = self._in_order(values)
        if wanted == self._values:
            return
        self._remove_all_but({self._key(value) for value in wanted})
        present = {self._key(value) for value in self._values}
        row = 0
        while row < len(wanted):
            if row < len(self._values) and self._key(self._values[row]) == self._key(wanted[row]):
                self._replace(row, wanted[row])
                row += 1
            elif self._key(wanted[row]) in present:
                self._bring(wanted[row], row)
            else:
                row = self._insert(wanted, row, present)

    def rowCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Rows of the table; a cell has none."""
        return 0 if parent.isValid() else len(self._values)

    def columnCount(self, parent: _Index = QModelIndex()) -> int:  # noqa: N802, B008 - Qt's name and default
        """Columns of the table; a cell has none."""
        return 0 if parent.isValid() else len(self.columns)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, place, colour and weight of a cell."""
        column, value = self.columns[index.column()], self._values[index.row()]
        match role:
            case Qt.ItemDataRole.DisplayRole:
                return column.text(value)
            case Qt.ItemDataRole.ToolTipRole:
                tip = column.tip(value) if column.tip else column.text(value)
                return tip if len(tip) > _SHORT else None
            case Qt.ItemDataRole.TextAlignmentRole:
                side = Qt.AlignmentFlag.AlignRight if column.is_number else Qt.AlignmentFlag.AlignLeft
                return side | Qt.AlignmentFlag.AlignVCenter
            case Qt.ItemDataRole.ForegroundRole:
                return theme.current().color(column.tone(value).value)
            case Qt.ItemDataRole.FontRole:
                is_loud = column.tone(value) in (Tone.ATTENTION, Tone.ALARM)
                return theme.font(theme.TEXT_PX, QFont.Weight.DemiBold if is_loud else QFont.Weight.Normal)
            case role if role == VALUE_ROLE:
                return value
        return None

    def headerData(  # noqa: N802 - Qt's name
        self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole
    ) -> Any:
        """Titles of the columns."""
        if orientation is not Qt.Orientation.Horizontal:
            return None
        if role == Qt.ItemDataRole.DisplayRole:
            return self.columns[section].title
        if role == Qt.ItemDataRole.TextAlignmentRole:
            side = Qt.AlignmentFlag.AlignRight if self.columns[section].is_number else Qt.AlignmentFlag.AlignLeft
            return side | Qt.AlignmentFlag.AlignVCenter
        return None

    def sort(self, column: int, order: Qt.SortOrder = Qt.SortOrder.AscendingOrder) -> None:
        """Sort by a column; -1 is the order in which the values were given last."""
        self._sorting = (column, order) if column >= 0 else None
        self.layoutAboutToBeChanged.emit()
        before = self.persistentIndexList()
        keys = [self._key(self._values[index.row()]) for index in before]
        self._values = self._in_order(self._values)
        rows = {self._key(value): row for row, value in enumerate(self._values)}
        after = [self.index(rows[key], index.column()) for key, index in zip(keys, before, strict=True)]
        self.changePersistentIndexList(before, after)
        self.layoutChanged.emit()

    def _in_order(self, values: Sequence[T]) -> list[T]:
        if self._sorting is None:
            return list(values)
        column = self.columns[self._sorting[0]]
        return sorted(values, key=column.order or column.text, reverse=self._sorting[1] is Qt.SortOrder.DescendingOrder)

    def _remove_all_but(self, keys: set[Hashable]) -> None:
        """Remove the others, neighbours at once."""
        row = len(self._values) - 1
        while row >= 0:
            first = row
            while first >= 0 and self._key(self._values[first]) not in keys:
                first -= 1
            if first < row:
                self.beginRemoveRows(QModelIndex(), first + 1, row)
                del self._values[first + 1 : row + 1]
                self.endRemoveRows()
            row = first - 1

    def _replace(self, row: int, value: T) -> None:
        if self._values[row] != value:
            self._values[row] = value
            self.dataChanged.emit(self.index(row, 0), self.index(row, len(self.columns) - 1))

    def _bring(self, value: T, row: int) -> None:
        """Move a row up from further below; one that was used already, for a key came twice, is inserted."""
        keys = [self._key(one) for one in self._values]
        try:
            at = keys.index(self._key(value), row)
        except ValueError:
            self.beginInsertRows(QModelIndex(), row, row)
            self._values.insert(row, value)
            self.endInsertRows()
            return
        self.beginMoveRows(QModelIndex(), at, at, QModelIndex(), row)
        self._values.insert(row, self._values.pop(at))
        self.endMoveRows()

    def _insert(self, wanted: Sequence[T], row: int, present: set[Hashable]) -> int:
        """Insert the run of new values that begins here; returns the row behind it."""
        end = row
        while end < len(wanted) and self._key(wanted[end]) not in present:
            end += 1
        self.beginInsertRows(QModelIndex(), row, end - 1)
        self._values[row:row] = wanted[row:end]
        self.endInsertRows()
        return end


def paint_row(painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
    """The ground of a selected row, marked at its left: in red, the ground alone is hardly seen."""
    if not option.state & QStyle.StateFlag.State_Selected:
        return
    look = theme.current()
    painter.fillRect(option.rect, look.color("raised"))
    if index.column() == 0:
        has_focus = option.widget is not None and option.widget.hasFocus()
        mark = QRect(option.rect.left(), option.rect.top(), _MARK_PX, option.rect.height())
        painter.fillRect(mark, look.color("accent" if has_focus else "dim"))


class _CellDelegate(QStyledItemDelegate, Generic[T]):
    """Paints texts right below their titles; a style sheet would move them by 3 px, and takes ten times as long."""

    def __init__(self, values: ValueModel[T], parent: QTableView) -> None:
        super().__init__(parent)
        self._values = values

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        paint_row(painter, option, index)
        column, value = self._values.columns[index.column()], self._values.value_at(index.row())
        text, tone = column.text(value), column.tone(value)
        if not text:
            return
        font, metrics = cell_font(theme.TEXT_PX, is_loud=tone in (Tone.ATTENTION, Tone.ALARM))
        room = option.rect.adjusted(theme.NEAR_PX, 0, -theme.NEAR_PX, 0)
        cut = Qt.TextElideMode.ElideMiddle if column.is_cut_in_middle else Qt.TextElideMode.ElideRight
        shown = metrics.elidedText(text, cut, room.width())
        side = Qt.AlignmentFlag.AlignRight if column.is_number else Qt.AlignmentFlag.AlignLeft
        look, ink = theme.current(), tone.value
        if tone is Tone.ALARM:
            ink = "background"
            width = metrics.horizontalAdvance(shown)
            left = room.right() + 1 - width if column.is_number else room.left()
            ground = QRect(left - theme.TIGHT_PX, room.top() + 4, width + 2 * theme.TIGHT_PX, room.height() - 8)
            painter.fillRect(ground, look.color("alarm"))
        painter.setFont(font)
        painter.setPen(look.color(ink))
        painter.drawText(room, side | Qt.AlignmentFlag.AlignVCenter, shown)


@cache
def cell_font(size_px: int, *, is_loud: bool = False) -> tuple[QFont, QFontMetrics]:
    """A font of what is painted often, made once: it is the same in every theme."""
    font = theme.font(size_px, QFont.Weight.DemiBold if is_loud else QFont.Weight.Normal)
    return font, QFontMetrics(font)


class ValueTable(QTableView, Generic[T]):
    """The table of a `ValueModel`.

    Parameters
    ----------
    model : ValueModel
        What it shows.
    name : str
        Accessible name.
    is_whole : bool
        As high as its rows, for a page that scrolls as a whole.
    is_sortable : bool
        Whether a click on a title sorts.
    """

    value_activated = Signal(object)  #: Value of the row that was double-clicked or entered.
    selection_changed = Signal()  #: Other rows are selected, or the current one is another.

    def __init__(
        self,
        model: ValueModel[T],
        name: str,
        *,
        is_whole: bool = False,
        is_sortable: bool = False,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(parent)
        self.values = model
        self._is_whole = is_whole
        self.setModel(model)
        self.setItemDelegate(_CellDelegate(model, self))
        self.setAccessibleName(name)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.verticalHeader().setVisible(False)
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        self.verticalHeader().setMinimumSectionSize(theme.ROW_PX)
        self._lay_out_columns()
        if is_sortable:
            self.horizontalHeader().setSortIndicator(-1, Qt.SortOrder.AscendingOrder)
            self.horizontalHeader().setSortIndicatorClearable(True)
            self.setSortingEnabled(True)
        if is_whole:
            self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
            model.rowsInserted.connect(self._fit)
            model.rowsRemoved.connect(self._fit)
            self._fit()
        self.activated.connect(self._activate)
        self.selectionModel().selectionChanged.connect(self.selection_changed)
        self.selectionModel().currentRowChanged.connect(self.selection_changed)

    @property
    def current(self) -> T | None:
        """Value of the current row."""
        row = self.currentIndex().row()
        return self.values.value_at(row) if 0 <= row < self.values.rowCount() else None

    def select(self, key: Hashable) -> bool:
        """Make the row with that key the current and only selected one; False when there is none."""
        row = self.values.row_of(key)
        if row is None:
            return False
        self.setCurrentIndex(self.values.index(row, 0))
        return True

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As high as its rows when it is shown whole."""
        return QSize(super().sizeHint().width(), self._whole_px()) if self._is_whole else super().sizeHint()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """A table that is shown whole leaves scrolling to its page."""
        if self._is_whole:
            event.ignore()
        else:
            super().wheelEvent(event)

    def _whole_px(self) -> int:
        return self.horizontalHeader().sizeHint().height() + self.values.rowCount() * theme.ROW_PX + 2

    def _fit(self) -> None:
        self.setFixedHeight(self._whole_px())

    def _lay_out_columns(self) -> None:
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setMinimumSectionSize(theme.FAR_PX)
        for place, column in enumerate(self.values.columns):
            if column.width_px:
                header.resizeSection(place, column.width_px)
            else:
                header.setSectionResizeMode(place, QHeaderView.ResizeMode.Stretch)

    def _activate(self, index: QModelIndex) -> None:
        self.value_activated.emit(self.values.value_at(index.row()))
