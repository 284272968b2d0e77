"""What runs, what comes next and why not now."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QFontMetricsF, QKeyEvent, QPainter, QPaintEvent, QPen, QResizeEvent, QTextLayout
from PySide6.QtWidgets import (
    QAbstractButton,
    QHBoxLayout,
    QLabel,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.model.queue_item import QueueItem
from app.model.wording import count_text
from app.widgets import theme
from app.widgets.progress_bar import ProgressBar

#: As many of the next as there is room for: five on a screen of 1366x768.
NEXT_SHOWN = 12
#: A row has its reason in one line, or in two where there is room.
_ROW_PX, _TALL_ROW_PX = 38, 56
#: In less height than this there is no room for what comes next, nor for its caption.
_WITH_NEXT_PX = 150


class QueueRow(QAbstractButton):
    """One order of two lines: what it is, and why not now; a click or Enter opens it."""

    def __init__(self, name_px: int = theme.TEXT_PX, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._name_px = name_px
        self._why_px = name_px + 4.0
        self._item: QueueItem | None = None
        self.setMinimumHeight(_ROW_PX + name_px - theme.TEXT_PX)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._dress()

    @property
    def key(self) -> str:
        """By which its order is found; empty when the row is."""
        return "" if self._item is None else self._item.key

    def set_item(self, item: QueueItem | None) -> None:
        """Show this order; None leaves the row empty."""
        if item != self._item:
            self._item = item
            self._dress()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as there is room."""
        return QSize(240, self.minimumHeight())

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Open it with Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Repaint in another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint two lines."""
        if self._item is None:
            return
        look = theme.current()
        painter = QPainter(self)
        if self.isDown() or self.underMouse():
            painter.fillRect(self.rect(), look.color("raised"))
        first = QRectF(0.0, 1.0, float(self.width()), self._why_px)
        state_width = _write(painter, first, self._item.state, look, "dim", theme.TEXT_PX, is_right=True)
        room = first.adjusted(0.0, 0.0, -state_width - theme.NEAR_PX, 0.0)
        used = _write(painter, room, self._item.name, look, "text", self._name_px, QFont.Weight.DemiBold)
        what = room.adjusted(used + theme.NEAR_PX, 0.0, 0.0, 0.0)
        _write(painter, what, self._item.what, look, "text", theme.TEXT_PX)
        below = QRectF(0.0, self._why_px, float(self.width()), self.height() - self._why_px)
        _write_lines(painter, below, self._item.why, look)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 1.0))
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _dress(self) -> None:
        item = self._item
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus if item is None else Qt.FocusPolicy.StrongFocus)
        self.setEnabled(item is not None)
        self.setCursor(Qt.CursorShape.ArrowCursor if item is None else Qt.CursorShape.PointingHandCursor)
        parts = () if item is None else (item.name, item.what, item.state, item.why)
        text = ", ".join(part for part in parts if part)
        self.setAccessibleName(text)
        self.setToolTip(text)
        self.update()


class NextRows(QWidget):
    """The next orders: as many as there is room for, so that the page never grows."""

    row_clicked = Signal(str)  #: Key of the order.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._rows = [QueueRow(parent=self) for _ in range(NEXT_SHOWN)]
        self._items: tuple[QueueItem, ...] = ()
        for row in self._rows:
            row.clicked.connect(self._open)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Ignored)

    @property
    def shown(self) -> int:
        """How many rows there is room for."""
        return min(len(self._items), self.height() // _ROW_PX, NEXT_SHOWN)

    def set_items(self, items: tuple[QueueItem, ...]) -> None:
        """Show these, the first at the top."""
        self._items = items
        for row, item in zip(self._rows, (*items, *(None,) * NEXT_SHOWN), strict=False):
            row.set_item(item)
        self._place()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Show as many as there is room for now."""
        super().resizeEvent(event)
        self._place()

    def _place(self) -> None:
        height = min(max(_ROW_PX, self.height() // max(1, self.shown)), _TALL_ROW_PX)
        for number, row in enumerate(self._rows):
            row.setGeometry(0, number * height, self.width(), height)
            row.setVisible(number < self.shown)

    def _open(self) -> None:
        row = self.sender()
        if isinstance(row, QueueRow) and row.key:
            self.row_clicked.emit(row.key)


class RunningOrder(QWidget):
    """The running order and the next five."""

    order_requested = Signal(str)  #: Key of the order that the operator wants to see.
    page_requested = Signal(str)  #: Title of the page that the operator wants.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._running = QueueRow(theme.VALUE_PX)
        self._progress = ProgressBar()
        self._progress.setFixedHeight(theme.NEAR_PX)
        self._progress.setAccessibleName("Progress of the running order")
        self._done = QLabel()
        self._idle = QLabel("Nothing runs.", wordWrap=True)
        self._rows = NextRows()
        self._empty = QLabel("No order waits.", wordWrap=True)
        self._new_order = QPushButton("New order on page Orders (Ctrl+2)")
        self._new_order.setProperty("kind", "link")
        self._new_order.clicked.connect(lambda: self.page_requested.emit("Orders"))
        self._running.clicked.connect(lambda: self.order_requested.emit(self._running.key))
        self._rows.row_clicked.connect(self.order_requested)
        self._arrange()
        self.set_queue(None, ())

    def set_queue(self, running: QueueItem | None, upcoming: tuple[QueueItem, ...]) -> None:
        """Show what runs, and the next five of what waits."""
        self._running.set_item(running)
        self._running.setVisible(running is not None)
        self._idle.setVisible(running is None)
        progress = None if running is None else running.progress
        self._progress.setVisible(running is not None)
        self._done.setVisible(running is not None)
        done, total = progress or (0, 0)
        self._progress.show_part(done, total)
        counted = f"{count_text(done)} of {count_text(total)}"
        self._done.setText("not counted" if progress is None else counted)
        self._rows.set_items(upcoming)
        self._empty.setVisible(not upcoming)
        self._new_order.setVisible(not upcoming)

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """No caption without a row below it."""
        super().resizeEvent(event)
        self._next_caption.setVisible(self.height() >= _WITH_NEXT_PX)

    def _arrange(self) -> None:
        self._next_caption, running_caption = QLabel("NEXT, AND WHY NOT NOW"), QLabel("RUNNING")
        for caption in (running_caption, self._next_caption):
            caption.setProperty("role", "caption")
        for label in (self._idle, self._empty):
            label.setProperty("role", "dim")
        self._done.setProperty("role", "small")
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        progress = QHBoxLayout()
        progress.setSpacing(theme.NEAR_PX)
        progress.addWidget(self._progress, 1)
        progress.addWidget(self._done)
        for part in (running_caption, self._idle):
            column.addWidget(part)
        column.addWidget(self._running)
        column.addLayout(progress)
        column.addSpacing(theme.NEAR_PX)
        for part in (self._next_caption, self._empty):
            column.addWidget(part)
        column.addWidget(self._new_order)
        column.addWidget(self._rows, 1)


def _write(
    painter: QPainter,
    room: QRectF,
    text: str,
    look: theme.Theme,
    token: str,
    size_px: int,
    weight: QFont.Weight = QFont.Weight.Normal,
    *,
    is_right: bool = False,
) -> float:
    """Write a line, shortened where it has no room (the tooltip has all of it); return its width."""
    font = theme.font(size_px, weight)
    painter.setFont(font)
    painter.setPen(look.color(token))
    metrics = QFontMetricsF(font)
    is_name = weight > QFont.Weight.Normal  # both ends tell names apart
    way = Qt.TextElideMode.ElideMiddle if is_name else Qt.TextElideMode.ElideRight
    shown = metrics.elidedText(text, way, room.width())
    side = Qt.AlignmentFlag.AlignRight if is_right else Qt.AlignmentFlag.AlignLeft
    painter.drawText(room, int(side | Qt.AlignmentFlag.AlignVCenter), shown)
    return metrics.horizontalAdvance(shown)


def _write_lines(painter: QPainter, room: QRectF, text: str, look: theme.Theme) -> None:
    """Write a reason in as many small lines as there is room for, the last one shortened."""
    painter.setFont(theme.font(theme.LABEL_PX))
    painter.setPen(look.color("dim"))
    metrics = QFontMetricsF(painter.font())
    layout = QTextLayout(text, painter.font())
    layout.beginLayout()
    top = room.top()
    while (line := layout.createLine()).isValid():
        line.setLineWidth(room.width())
        is_last = top + 2.0 * metrics.height() > room.bottom() + 2.0
        rest = text[line.textStart() :] if is_last else text[line.textStart() : line.textStart() + line.textLength()]
        place = QRectF(room.left(), top, room.width(), metrics.height())
        shown = metrics.elidedText(rest.strip(), Qt.TextElideMode.ElideRight, room.width())
        painter.drawText(place, int(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter), shown)
        if is_last:
            break
        top += metrics.height()
    layout.endLayout()
