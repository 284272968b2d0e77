"""The frames of a batch as a strip of small pictures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PySide6.QtCore import (
    QAbstractListModel,
    QEvent,
    QItemSelectionModel,
    QModelIndex,
    QObject,
    QPersistentModelIndex,
    QRect,
    QSize,
    Qt,
    Signal,
)
from PySide6.QtGui import QImage, QKeyEvent, QPainter, QPen, QPixmap
from PySide6.QtWidgets import (
    QAbstractItemView,
    QListView,
    QStyle,
    QStyledItemDelegate,
    QStyleOptionViewItem,
    QWidget,
)

from app.widgets import theme
from app.widgets.frame_viewer import themed

_Index = QModelIndex | QPersistentModelIndex
_NO_INDEX = QModelIndex()
THUMBNAIL = QSize(128, 96)
_CELL = QSize(THUMBNAIL.width() + 2 * theme.NEAR_PX, THUMBNAIL.height() + 46)


@dataclass(frozen=True, slots=True)
class StripItem:
    """One frame of a strip.

    Attributes
    ----------
    title, subtitle : str
        Such as ``"light 14"`` and ``"R 60 s, FWHM 2.3″"``.
    """

    path: Path
    title: str
    subtitle: str = ""


class StripModel(QAbstractListModel):
    """Frames, and the small pictures that have come."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._items: tuple[StripItem, ...] = ()
        self._images: dict[Path, QImage] = {}
        self._pixmaps: dict[Path, QPixmap] = {}

    @property
    def items(self) -> tuple[StripItem, ...]:
        """All frames."""
        return self._items

    def set_items(self, items: tuple[StripItem, ...]) -> None:
        """Show frames; frames that come at the end leave the others where they are."""
        kept = len(self._items)
        if kept and items[:kept] == self._items:
            if len(items) > kept:
                self.beginInsertRows(_NO_INDEX, kept, len(items) - 1)
                self._items = items
                self.endInsertRows()
            return
        if [item.path for item in items] == [item.path for item in self._items]:
            self._items = items
            self.dataChanged.emit(self.index(0), self.index(len(items) - 1))
            return
        self.beginResetModel()
        self._items = items
        known = {item.path for item in items}
        self._images = {path: image for path, image in self._images.items() if path in known}
        self._pixmaps.clear()
        self.endResetModel()

    def row_of(self, path: Path) -> int | None:
        """The row of a frame."""
        return next((row for row, item in enumerate(self._items) if item.path == path), None)

    def has_image(self, path: Path) -> bool:
        """Whether a small picture has come, be it that there is none."""
        return path in self._images

    def set_image(self, path: Path, image: QImage) -> None:
        """Keep a small picture."""
        self._images[path] = image
        self._pixmaps.pop(path, None)
        row = self.row_of(path)
        if row is not None:
            self.dataChanged.emit(self.index(row), self.index(row))

    def pixmap(self, path: Path) -> QPixmap | None:
        """A small picture in the colours of the theme; None before it came, null when the frame has none."""
        if path not in self._pixmaps and path in self._images:
            image = self._images[path]
            self._pixmaps[path] = QPixmap() if image.isNull() else QPixmap.fromImage(themed(image))
        return self._pixmaps.get(path)

    def forget_colors(self) -> None:
        """The theme changed."""
        self._pixmaps.clear()

    def rowCount(self, parent: _Index = _NO_INDEX) -> int:  # noqa: N802 - Qt's name
        """Frames."""
        return 0 if parent.isValid() else len(self._items)

    def data(self, index: _Index, role: int = Qt.ItemDataRole.DisplayRole) -> Any:
        """Title; the whole path as its tooltip."""
        item = self._items[index.row()]
        if role == Qt.ItemDataRole.DisplayRole:
            return item.title
        if role == Qt.ItemDataRole.ToolTipRole:
            return f"{item.title}\n{item.subtitle}\n{item.path}"
        if role == Qt.ItemDataRole.AccessibleTextRole:
            return f"{item.title}, {item.subtitle}"
        if role == Qt.ItemDataRole.UserRole:
            return item
        return None


class _StripDelegate(QStyledItemDelegate):
    """Paints a small picture with its title and subtitle below."""

    wanted = Signal(object)  #: Path of a frame whose small picture has not come.

    def __init__(self, model: StripModel, parent: QObject) -> None:
        super().__init__(parent)
        self._frames = model

    def sizeHint(self, _option: QStyleOptionViewItem, _index: _Index) -> QSize:  # noqa: N802 - Qt's name
        """The same for all."""
        return _CELL

    def paint(self, painter: QPainter, option: QStyleOptionViewItem, index: _Index) -> None:
        """Paint a frame."""
        item: StripItem = index.data(Qt.ItemDataRole.UserRole)
        look = theme.current()
        cell: QRect = option.rect.adjusted(2, 2, -2, -2)
        is_chosen = bool(option.state & QStyle.StateFlag.State_Selected)
        painter.save()
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if is_chosen:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.color("line"))
            painter.drawRoundedRect(cell, 4, 4)
        self._paint_picture(
            painter, item, QRect(cell.left() + 6, cell.top() + 6, cell.width() - 12, THUMBNAIL.height())
        )
        text = cell.adjusted(6, THUMBNAIL.height() + 8, -6, -2)
        painter.setFont(theme.font(theme.LABEL_PX))
        metrics = painter.fontMetrics()
        for row, (line, token) in enumerate(((item.title, "text"), (item.subtitle, "text" if is_chosen else "dim"))):
            painter.setPen(look.color(token))
            shown = metrics.elidedText(line, Qt.TextElideMode.ElideMiddle, text.width())
            painter.drawText(QRect(text.left(), text.top() + 15 * row, text.width(), 15), 0, shown)
        if option.state & QStyle.StateFlag.State_HasFocus:
            painter.setPen(QPen(look.color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(cell, 4, 4)
        painter.restore()

    def _paint_picture(self, painter: QPainter, item: StripItem, room: QRect) -> None:
        look = theme.current()
        pixmap = self._frames.pixmap(item.path)
        if pixmap is None:
            self.wanted.emit(item.path)
        if pixmap is None or pixmap.isNull():
            painter.setPen(look.color("dim"))
            painter.setFont(theme.font(theme.LABEL_PX))
            text = "picture follows" if pixmap is None else "cannot be read"
            painter.drawText(room, Qt.AlignmentFlag.AlignCenter, text)
        else:
            painter.drawPixmap(room.left(), room.center().y() - pixmap.height() // 2, pixmap)


class FilmStrip(QListView):
    """Frames one below the other; arrows go to the next, several can be selected."""

    frame_chosen = Signal(object)  #: Path of the frame that the operator turned to.
    thumbnail_requested = Signal(object, object)  #: Path, and QSize that it may have.
    pair_changed = Signal()  #: Other frames are selected.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._frames = StripModel(self)
        self._asked: set[Path] = set()
        self._is_telling = True
        delegate = _StripDelegate(self._frames, self)
        delegate.wanted.connect(self._want)
        self.setModel(self._frames)
        self.setItemDelegate(delegate)
        self.setAccessibleName("Frames of the batch")
        self.setSelectionMode(QAbstractItemView.SelectionMode.ExtendedSelection)
        self.setVerticalScrollMode(QAbstractItemView.ScrollMode.ScrollPerPixel)
        self.setUniformItemSizes(True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setVerticalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOn)
        self.setFixedWidth(_CELL.width() + 14)
        self.selectionModel().currentChanged.connect(self._tell_current)
        self.selectionModel().selectionChanged.connect(self.pair_changed)

    @property
    def frames(self) -> StripModel:
        """The frames."""
        return self._frames

    def set_items(self, items: tuple[StripItem, ...]) -> None:
        """Show frames; the current one stays current."""
        current = self.current_path()
        self._is_telling = False
        self._frames.set_items(items)
        self._asked &= {item.path for item in items}
        self._is_telling = True
        if current is not None:
            self.show_current(current)

    def set_thumbnail(self, path: Path, image: QImage) -> None:
        """Show a small picture; null when the frame cannot be read."""
        self._frames.set_image(path, image)

    def current_path(self) -> Path | None:
        """The frame that the operator turned to last."""
        index = self.currentIndex()
        return self._frames.items[index.row()].path if index.isValid() else None

    def selected_paths(self) -> tuple[Path, ...]:
        """The frames that are selected, from top to bottom."""
        rows = sorted(index.row() for index in self.selectedIndexes())
        return tuple(self._frames.items[row].path for row in rows)

    def show_current(self, path: Path) -> None:
        """Mark a frame as the current one, without telling."""
        row = self._frames.row_of(path)
        if path == self.current_path():
            return
        self._is_telling = False
        if row is None:
            self.selectionModel().clear()
        else:
            index = self._frames.index(row)
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self.scrollTo(index, QAbstractItemView.ScrollHint.PositionAtCenter)
        self._is_telling = True

    def step(self, rows: int) -> None:
        """Turn to the frame so many rows further down."""
        wanted = self.currentIndex().row() + rows if self.currentIndex().isValid() else 0
        if 0 <= wanted < len(self._frames.items):
            index = self._frames.index(wanted)
            self.selectionModel().setCurrentIndex(index, QItemSelectionModel.SelectionFlag.ClearAndSelect)
            self.scrollTo(index)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Left and Right go to the frame before and after, as Up and Down do."""
        steps = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}
        if event.key() in steps and not event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self.step(steps[Qt.Key(event.key())])
            return
        super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._frames.forget_colors()
            self.viewport().update()

    def _want(self, path: Path) -> None:
        if path not in self._asked:
            self._asked.add(path)
            self.thumbnail_requested.emit(path, THUMBNAIL)

    def _tell_current(self, current: QModelIndex) -> None:
        if self._is_telling and current.isValid():
            self.frame_chosen.emit(self._frames.items[current.row()].path)
