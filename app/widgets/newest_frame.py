"""The newest frame of the night with its numbers; a click or Enter opens it."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import (
    QFocusEvent,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QPixmap,
    QResizeEvent,
)
from PySide6.QtWidgets import QGridLayout, QHBoxLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.widgets import theme

#: More numbers than these would not be read at a glance.
_MOST_NUMBERS = 6


class FramePicture(QWidget):
    """A picture as large as there is room, in the colours of the theme."""

    opened = Signal()  #: The operator wants to see it closely.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._image: QImage | None = None
        self._scaled: tuple[tuple[object, ...], QPixmap] | None = None
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.set_image(None)

    def set_image(self, image: QImage | None) -> None:
        """Show this picture; None shows what comes here."""
        self._image, self._scaled = image, None
        has_one = image is not None
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus if has_one else Qt.FocusPolicy.NoFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor if has_one else Qt.CursorShape.ArrowCursor)
        self.setToolTip("Open it in Frames: click or Enter" if has_one else "")
        self.update()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Open it."""
        is_left = event.button() is Qt.MouseButton.LeftButton
        if is_left and self._image is not None and self.rect().contains(event.position().toPoint()):
            self.opened.emit()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Open it with Enter."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._image is not None:
            self.opened.emit()
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show the focus."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show that the focus went."""
        super().focusOutEvent(event)
        self.update()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Repaint in another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._scaled = None
            self.update()

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the picture in the middle."""
        look = theme.current()
        painter = QPainter(self)
        if self._image is None:
            painter.fillRect(self.rect(), look.color("background"))
            painter.setPen(look.color("dim"))
            sentence = "No frame yet.\nThe newest frame of a batch is shown here: start one on page Batches (Ctrl+3)."
            flags = int(Qt.AlignmentFlag.AlignCenter) | int(Qt.TextFlag.TextWordWrap)
            painter.drawText(self.rect().adjusted(24, 24, -24, -24), flags, sentence)
        else:
            pixmap = self._pixmap(look, self._image)
            place = QRect(0, 0, *(round(side / pixmap.devicePixelRatio()) for side in pixmap.size().toTuple()))
            place.moveCenter(self.rect().center())
            painter.drawPixmap(place, pixmap)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 2.0))
            painter.drawRect(self.rect().adjusted(1, 1, -1, -1))
        painter.end()

    def _pixmap(self, look: theme.Theme, image: QImage) -> QPixmap:
        """The picture at the size of the widget, white being the theme's white; made once for each size and theme."""
        size = QSize(self.size() * self.devicePixelRatioF())
        key = (size, look.name)
        if self._scaled is None or self._scaled[0] != key:
            ways = (Qt.AspectRatioMode.KeepAspectRatio, Qt.TransformationMode.SmoothTransformation)
            scaled = image.scaled(size, *ways).convertToFormat(QImage.Format.Format_RGB32)
            painter = QPainter(scaled)
            painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_Multiply)
            white = look.color("text")
            white.setRgbF(*look.image)
            painter.fillRect(scaled.rect(), white)
            painter.end()
            pixmap = QPixmap.fromImage(scaled)
            pixmap.setDevicePixelRatio(self.devicePixelRatioF())
            self._scaled = (key, pixmap)
        return self._scaled[1]


class NewestFrame(QWidget):
    """Title, picture and numbers of the newest frame."""

    frame_requested = Signal(str)  #: Path of the frame that the operator wants to see closely.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._path = ""
        caption = QLabel("NEWEST FRAME")
        caption.setProperty("role", "caption")
        self._title = _Title()
        self._picture = FramePicture()
        self._picture.opened.connect(self._open)
        self._cells = [(QLabel(), QLabel()) for _ in range(_MOST_NUMBERS)]
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.GAP_PX)
        grid.setVerticalSpacing(0)
        for column, (name, value) in enumerate(self._cells):
            name.setProperty("role", "small")
            value.setProperty("role", "value")
            value.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
            grid.addWidget(name, 0, column)
            grid.addWidget(value, 1, column)
            grid.setColumnStretch(column, 1)
        self._grid = grid
        column_of_all = QVBoxLayout(self)
        column_of_all.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.NEAR_PX)
        column_of_all.setSpacing(theme.TIGHT_PX)
        head = QHBoxLayout()
        head.setSpacing(theme.GAP_PX)
        head.addWidget(caption)
        head.addWidget(self._title, 1)
        column_of_all.addLayout(head)
        column_of_all.addWidget(self._picture, 1)
        column_of_all.addLayout(grid)
        self.set_frame(None, "", (), "")

    def set_frame(self, image: QImage | None, title: str, numbers: tuple[tuple[str, str], ...], path: str) -> None:
        """Show a frame: `numbers` are names and values with their units, `path` is what opens."""
        self._path = path
        self._picture.set_image(image)
        self._title.say(title, path)
        for number, (name, value) in enumerate(self._cells):
            is_there = number < len(numbers)
            name.setText(numbers[number][0] if is_there else "")
            value.setText(numbers[number][1] if is_there else "")
            name.setVisible(is_there)
            value.setVisible(is_there)
            self._grid.setColumnStretch(number, max(5, len(numbers[number][1])) if is_there else 0)
        words = ", ".join(f"{name} {value}" for name, value in numbers)
        self._picture.setAccessibleName(f"Newest frame: {title}" if title else "Newest frame: none yet")
        self._picture.setAccessibleDescription(words)

    def _open(self) -> None:
        if self._path:
            self.frame_requested.emit(self._path)


class _Title(QLabel):
    """One line, shortened in its middle where there is no room: both ends tell frames apart."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setProperty("role", "value")
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)

    def say(self, text: str, path: str) -> None:
        """Show a title; the tooltip has all of it, and the path."""
        self._whole = text
        self.setToolTip("\n".join(part for part in (text, path) if part))
        self.setAccessibleName(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Show as much as fits."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideMiddle, self.width()))
