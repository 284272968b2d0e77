"""The log as a table: a hundred thousand rows of fixed height, filtered piece by piece."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from functools import lru_cache
from logging import ERROR, WARNING, getLevelName
from time import monotonic
from typing import Any

from PySide6.QtCore import QAbstractTableModel, QModelIndex, QObject, QPersistentModelIndex, QRect, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QGuiApplication, QKeyEvent, QKeySequence, QPainter, QResizeEvent
from PySide6.QtWidgets import (
    QAbstractItemView,
    QHeaderView,
    QStyleOptionViewItem,
    QTableView,
    QWidget,
)

from app.model.records import LogEntry
from app.widgets import theme
from app.widgets.cells import TextDelegate, paint_ground, paint_text, text_width_px

Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()

#: More rows than this are not kept; the oldest go, some at once.
MOST_ROWS = 100_000
_GOING = 10_000
#: While filtering, so many rows are looked at between two looks at the time, and so long in one go.
_SLICE = 1000
_SLICE_S = 0.006

_STRONG = QFont.Weight.DemiBold


class Column(IntEnum):
    """Columns of the table."""

    TIME = 0
    LEVEL = 1
    SOURCE = 2
    BATCH = 3
    MESSAGE = 4


_TITLES = ("Time (UTC)", "Level", "Source", "Batch", "Message")
_WIDTHS = (124, 92, 120, 160, 400)
#: Names of batches are long: their column takes this part of a wide table.
_BATCH_PART, _MOST_BATCH_PX = 0.14, 320


@dataclass(frozen=True, slots=True)
class LogFilter:
    """What is shown: all of it when every field has its default.

    Attributes
    ----------
    level : int
        The lowest level of `logging`.
    text : str
        Words that all occur in message, source or batch, in any case.
    source : str
        Who writes, in the operator's words, see `source_text`.
    batch : int or None
        Key of a batch.
    """

    level: int = 0
    text: str = ""
    source: str = ""
    batch: int | None = None

    def lets_pass(self, entry: LogEntry) -> bool:
        """Whether a record is shown."""
        if entry.level < self.level or (self.batch is not None and entry.batch != self.batch):
            return False
        if self.source and source_text(entry.source) != self.source:
            return False
        if not self.text:
            return True
        searched = f"{entry.message} {entry.source} {source_text(entry.source)} {entry.batch_name}".casefold()
        return all(word in searched for word in _words(self.text))


@lru_cache(maxsize=8)
def _words(text: str) -> tuple[str, ...]:
    """The words of a filter, split once and not for each record."""
    return tuple(text.casefold().split())


def place_of(entry: LogEntry) -> tuple[datetime, int]:
    """Where a record stands in the log: by time, then by its number in the database."""
    return entry.at, entry.key or 0


@lru_cache(maxsize=512)
def source_text(source: str) -> str:
    """Who writes, in the operator's words: the duty for services, else the part of the program."""
    program, *parts = source.split(".")
    if program != "app" or not parts:
        return source
    word = parts[1] if parts[0] == "services" and len(parts) > 1 else parts[0]
    return _SOURCES.get(word, word.replace("_", " "))


#: Parts of the program whose own names say little.
_SOURCES = {
    "alerts": "mail",
    "bootstrap": "program",
    "commands": "program",
    "controllers": "window",
    "gui": "window",
    "http_api": "HTTP",
    "lanes": "program",
    "picture": "window",
    "service_loop": "program",
    "sim": "simulator",
    "store": "database",
    "widgets": "window",
    "wiring": "window",
}


def level_text(level: int) -> str:
    """``info``, ``warning``, ``ERROR``: what is normal does not shout."""
    name = str(getLevelName(level))
    return name if level >= ERROR else name.lower()


def time_text(at: datetime) -> str:
    """``03-14 21:04:55``: a log may go over many nights."""
    return f"{at:%m-%d %H:%M:%S}"


def full_time_text(at: datetime) -> str:
    """``2026-03-14 21:04:55.120 UTC``."""
    return f"{at:%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"


def line_text(entry: LogEntry) -> str:
    """One record as text, for the clipboard."""
    line = "\t".join(
        (full_time_text(entry.at), getLevelName(entry.level), entry.source, entry.batch_name, entry.message)
    )
    return f"{line}\n{entry.traceback.rstrip()}" if entry.traceback else line


class LogModel(QAbstractTableModel):
    """Records in order of time; those that come late go where they belong."""

    filtered = Signal()  #: All rows were looked at with the newest filter.

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._all: list[LogEntry] = []
        self._rows: list[LogEntry] = []
        self._filter = LogFilter()
        self._found: list[LogEntry] = []
        self._looked_at = 0
        self._late: list[LogEntry] = []
        self._timer = QTimer(self, interval=0)
        self._timer.timeout.connect(self._look_on)

    @property
    def total(self) -> int:
        """Records, shown or not."""
        return len(self._all)

    @property
    def is_filtering(self) -> bool:
        """Whether rows are still being looked at."""
        return self._timer.isActive()

    def entry(self, row: int) -> LogEntry:
        """The record of a row."""
        return self._rows[row]

    def row_at(self, place: tuple[datetime, int]) -> int:
        """The first row that does not stand before a place; may be the number of rows."""
        return bisect_left(self._rows, place, key=place_of)

    def add(self, entries: Sequence[LogEntry]) -> None:
        """Add records; while a filter is at work they wait for its end."""
        if self.is_filtering:
            self._late.extend(entries)
            return
        coming = sorted(entries, key=place_of)
        _merge(self._all, coming)
        self._insert([entry for entry in coming if self._filter.lets_pass(entry)])
        if len(self._all) > MOST_ROWS + _GOING:
            self._forget_oldest(len(self._all) - MOST_ROWS)

    def set_filter(self, chosen: LogFilter) -> None:
        """Show only what passes; the rows change when all were looked at, some slices later."""
        if chosen == self._filter:
            return
        self._filter = chosen
        self._found, self._looked_at = [], 0
        self._timer.start()

    def _look_on(self) -> None:
        """Look at another slice, and show what was found at the end."""
        began_s = monotonic()
        while self._looked_at < len(self._all):
            end = self._looked_at + _SLICE
            self._found.extend(filter(self._filter.lets_pass, self._all[self._looked_at : end]))
            self._looked_at = end
            if monotonic() - began_s > _SLICE_S:
                return
        self._timer.stop()
        self.beginResetModel()
        self._rows, self._found = self._found, []
        self.endResetModel()
        late, self._late = self._late, []
        self.add(late)
        self.filtered.emit()

    def _insert(self, coming: list[LogEntry]) -> None:
        """Insert rows that are in order, as few runs as possible."""
        begin = 0
        while begin < len(coming):
            row = bisect_right(self._rows, place_of(coming[begin]), key=place_of)
            end = len(coming)
            if row < len(self._rows):
                end = bisect_left(coming, place_of(self._rows[row]), begin + 1, key=place_of)
            self.beginInsertRows(_NO_INDEX, row, row + end - begin - 1)
            self._rows[row:row] = coming[begin:end]
            self.endInsertRows()
            begin = end

    def _forget_oldest(self, count: int) -> None:
        last = place_of(self._all[count - 1])
        del self._all[:count]
        rows = bisect_right(self._rows, last, key=place_of)
        if rows:
            self.beginRemoveRows(_NO_INDEX, 0, rows - 1)
            del self._rows[:rows]
            self.endRemoveRows()

    def rowCount(self, parent: Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """Records that are shown."""
        return 0 if parent.isValid() else len(self._rows)

    def columnCount(self, parent: Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """One for each `Column`."""
        return 0 if parent.isValid() else len(Column)

    def headerData(self, section: int, orientation: Qt.Orientation, role: int = Qt.ItemDataRole.DisplayRole) -> Any:  # noqa: N802 - Qt's name
        """Titles."""
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.DisplayRole:
            return _TITLES[section]
        if orientation is Qt.Orientation.Horizontal and role == Qt.ItemDataRole.TextAlignmentRole:
            return Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        return None

    def data(self, index: Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Text, colour and tooltip of a cell."""
        entry = self._rows[index.row()]
        column = index.column()
        if role == Qt.ItemDataRole.DisplayRole:
            return _text(entry, column)
        if role == Qt.ItemDataRole.ToolTipRole:
            return full_time_text(entry.at) if column == Column.TIME else _text(entry, column)
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{_TITLES[column]}: {_text(entry, column) or 'none'}"
        return None

    def cell(self, row: int, column: int) -> tuple[str, str]:
        """Text and colour of a cell; the message is read first."""
        entry = self._rows[row]
        is_read = column == Column.MESSAGE or entry.level >= WARNING
        return _text(entry, column), "text" if is_read else "dim"


def _text(entry: LogEntry, column: int) -> str:
    if column == Column.TIME:
        return time_text(entry.at)
    if column == Column.LEVEL:
        return level_text(entry.level)
    if column == Column.SOURCE:
        return source_text(entry.source)
    if column == Column.BATCH:
        return entry.batch_name
    first, _, rest = entry.message.partition("\n")
    return f"{first} …" if rest or entry.traceback else first


def _merge(known: list[LogEntry], coming: list[LogEntry]) -> None:
    """Add `coming` to `known`, both in order; usually it all goes to the end."""
    if not coming:
        return
    start = bisect_right(known, place_of(coming[0]), key=place_of)
    if start == len(known):
        known.extend(coming)
    else:
        known[start:] = sorted([*known[start:], *coming], key=place_of)


class _LevelDelegate(TextDelegate):
    """Paints what is not normal: WARNING strong, ERROR inverse; the word says it too."""

    def __init__(self, model: LogModel, parent: QObject | None = None) -> None:
        super().__init__(model.cell, parent)
        self._model = model

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: Index) -> None:
        """Paint a level."""
        level = self._model.entry(index.row()).level
        if level < WARNING:
            super().paint(painter, option, index)
            return
        paint_ground(painter, option)
        text = level_text(level)
        if level < ERROR:
            paint_text(painter, option.rect, text, "attention", _STRONG)
            return
        room = option.rect.adjusted(theme.NEAR_PX - 4, 4, 0, -4)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.current().color("alarm"))
        painter.drawRoundedRect(QRect(room.left(), room.top(), text_width_px(text, _STRONG) + 8, room.height()), 4, 4)
        painter.restore()
        paint_text(painter, option.rect, text, "background", _STRONG)


class LogTable(QTableView):
    """The view: stays at the tail, or at the record where the operator scrolled to."""

    opened = Signal()  #: Enter or double-click on a record.
    anchored = Signal()  #: The operator scrolled: to the tail, or to a record.
    new_below_changed = Signal(int)  #: Records that came below what is seen.

    def __init__(self, model: LogModel, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._log = model
        self._anchor: tuple[datetime, int] | None = None
        self._is_placing = False
        self._new_below = 0
        self.setModel(model)
        self.setItemDelegate(TextDelegate(model.cell, self))
        self.setItemDelegateForColumn(Column.LEVEL, _LevelDelegate(model, self))
        self.setAccessibleName("Log")
        self.setSelectionBehavior(QAbstractItemView.SelectionBehavior.SelectRows)
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerItem)
        self.setHorizontalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setShowGrid(False)
        self.setWordWrap(False)
        self.setTabKeyNavigation(False)
        self.setAutoScroll(False)
        self.verticalHeader().hide()
        self.verticalHeader().setSectionResizeMode(QHeaderView.ResizeMode.Fixed)
        self.verticalHeader().setDefaultSectionSize(theme.ROW_PX)
        header = self.horizontalHeader()
        header.setHighlightSections(False)
        header.setStretchLastSection(True)
        for column, width in enumerate(_WIDTHS):
            self.setColumnWidth(column, width)
        self.doubleClicked.connect(self.opened)
        self.verticalScrollBar().valueChanged.connect(self._take_scrolling)
        self.verticalScrollBar().rangeChanged.connect(self.place)
        model.rowsInserted.connect(self._count_new)
        model.filtered.connect(self._forget_new)

    @property
    def anchor(self) -> tuple[datetime, int] | None:
        """Place of the topmost record; None at the tail."""
        return self._anchor

    def set_anchor(self, anchor: tuple[datetime, int] | None) -> None:
        """Go to a record, as soon as it is there; None follows the tail."""
        self._anchor = anchor
        self._forget_new()
        self.place()

    def place(self) -> None:
        """Scroll to where the operator wants to be, after anything changed."""
        bar = self.verticalScrollBar()
        self._is_placing = True
        bar.setValue(bar.maximum() if self._anchor is None else self._log.row_at(self._anchor))
        self._is_placing = False

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Names of batches take their part of the width."""
        super().resizeEvent(event)
        wanted = round(_BATCH_PART * self.viewport().width())
        self.setColumnWidth(Column.BATCH, min(_MOST_BATCH_PX, max(_WIDTHS[Column.BATCH], wanted)))

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Enter opens, Ctrl+C copies the selected records, Ctrl+End follows the tail."""
        if event.matches(QKeySequence.StandardKey.Copy):
            self.copy()
        elif event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.currentIndex().isValid():
            self.opened.emit()
        else:
            super().keyPressEvent(event)
            if event.key() in _MOVING_KEYS and self.currentIndex().isValid():
                self.scrollTo(self.currentIndex())

    def selected_entries(self) -> tuple[LogEntry, ...]:
        """The selected records, oldest first."""
        rows = sorted(index.row() for index in self.selectionModel().selectedRows())
        return tuple(self._log.entry(row) for row in rows)

    def copy(self) -> None:
        """Put the selected records on the clipboard."""
        chosen = self.selected_entries()
        if chosen:
            QGuiApplication.clipboard().setText("\n".join(map(line_text, chosen)))

    def _take_scrolling(self, value: int) -> None:
        if self._is_placing:
            return
        at_tail = value >= self.verticalScrollBar().maximum()
        self._anchor = None if at_tail or value >= self._log.rowCount() else place_of(self._log.entry(value))
        if at_tail:
            self._forget_new()
        self.anchored.emit()

    def _count_new(self, _parent: QModelIndex, first: int, last: int) -> None:
        if self._anchor is not None and last == self._log.rowCount() - 1 and first > 0:
            self._new_below += last - first + 1
            self.new_below_changed.emit(self._new_below)

    def _forget_new(self) -> None:
        if self._new_below:
            self._new_below = 0
            self.new_below_changed.emit(0)


_MOVING_KEYS = (
    Qt.Key.Key_Up,
    Qt.Key.Key_Down,
    Qt.Key.Key_PageUp,
    Qt.Key.Key_PageDown,
    Qt.Key.Key_Home,
    Qt.Key.Key_End,
)
