"""STOP: a window of its own above everything, which acts on the first press.

A popup takes the press that closes it, and a modal dialog blocks the windows of its parents: so the window has no
parent, and a filter on the application looks at every press before anybody else, by its place on the screen.
"""

from __future__ import annotations

from PySide6.QtCore import QEvent, QObject, QRect, QRectF, Qt, QTimer, Signal
from PySide6.QtGui import QFont, QGuiApplication, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QTouchEvent
from PySide6.QtWidgets import QApplication, QWidget

from app.widgets import theme

STOP_WIDTH_PX, STOP_HEIGHT_PX = 156, 52
SHORTCUT = "Ctrl+Shift+S"
_PRESSED_MS = 200
_KEYS = Qt.KeyboardModifier.ControlModifier | Qt.KeyboardModifier.ShiftModifier
_MOUSE = (QEvent.Type.MouseButtonPress, QEvent.Type.MouseButtonDblClick)
_OF_PRESSES = (QMouseEvent, QKeyEvent, QTouchEvent)
_KEYBOARD = (QEvent.Type.ShortcutOverride, QEvent.Type.KeyPress)


class StopWindow(QWidget):
    """The word STOP, and what came of it. Never takes the focus, never waits, never asks.

    `pressed` is emitted straight from the press, so whoever is connected directly runs before anything else.
    """

    pressed = Signal()  #: Stop everything, now.

    def __init__(self) -> None:
        super().__init__(
            None,
            Qt.WindowType.Tool
            | Qt.WindowType.FramelessWindowHint
            | Qt.WindowType.WindowStaysOnTopHint
            | Qt.WindowType.WindowDoesNotAcceptFocus,
        )
        self.setAttribute(Qt.WidgetAttribute.WA_ShowWithoutActivating)
        self.setAttribute(Qt.WidgetAttribute.WA_QuitOnClose, False)
        self.setAttribute(Qt.WidgetAttribute.WA_MacAlwaysShowToolWindow)
        self.setFixedSize(STOP_WIDTH_PX, STOP_HEIGHT_PX)
        self.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self.setWindowTitle("STOP")
        self.setToolTip(f"Stop every motion ({SHORTCUT})")
        self._notice, self._is_alarm = "", False
        self._release = QTimer(self, singleShot=True, interval=_PRESSED_MS)
        self._release.timeout.connect(self.update)
        self.set_notice("")

    @property
    def notice(self) -> str:
        """What is said of the last STOP."""
        return self._notice

    def set_notice(self, text: str, is_alarm: bool = False) -> None:
        """Say what came of a STOP, such as ``"sent 0.1 s"``; empty brings back the shortcut."""
        self._notice, self._is_alarm = text, is_alarm
        self.setAccessibleName("STOP")
        self.setAccessibleDescription(text or f"Stops every motion at the first press, or with {SHORTCUT}")
        self.update()

    def place(self, room: QRect) -> None:
        """Lie in the middle of a place, in global coordinates, and not over the edge of its screen."""
        placed = QRect(0, 0, STOP_WIDTH_PX, STOP_HEIGHT_PX)
        placed.moveCenter(room.center())
        screen = QGuiApplication.screenAt(room.center())
        if screen is not None:
            area = screen.availableGeometry()
            placed.moveLeft(max(area.left(), min(placed.left(), area.right() + 1 - placed.width())))
            placed.moveTop(max(area.top(), min(placed.top(), area.bottom() + 1 - placed.height())))
        self.move(placed.topLeft())

    def press(self) -> None:
        """Stop: emitted at once, then painted."""
        self.pressed.emit()
        self._release.start()
        self.update()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """A red frame on a dark ground; all red while pressed, and when the STOP was not confirmed."""
        look, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_inverse = self._is_alarm or self._release.isActive()
        painter.fillRect(self.rect(), look.color("background"))
        if is_inverse:
            painter.setBrush(look.color("alarm"))
        else:
            painter.setBrush(look.color("alarm", 0.22))
        painter.setPen(QPen(look.color("alarm"), 2.0))
        painter.drawRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.TIGHT_PX, theme.TIGHT_PX)
        painter.setPen(look.color("background" if is_inverse else "text"))
        word_px = theme.VALUE_PX if self._is_alarm else theme.WORD_PX
        painter.setFont(theme.font(word_px, QFont.Weight.Bold))
        top = QRect(0, 2, self.width(), 18 if self._is_alarm else 29)
        painter.drawText(top, Qt.AlignmentFlag.AlignCenter, "STOP")
        painter.setFont(theme.font(theme.LABEL_PX, QFont.Weight.DemiBold if self._notice else QFont.Weight.Medium))
        below = QRect(4, top.bottom(), self.width() - 8, self.height() - top.bottom() - 3)
        flags = Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignVCenter | Qt.TextFlag.TextWordWrap
        painter.drawText(below, flags, self._notice or SHORTCUT)


class StopFilter(QObject):
    """Watches every press of the application for one on the STOP window, and every key for its shortcut.

    Press and release are taken away from whoever would get them: an open popup stays open. One press
    that arrives as several events (touch and mouse, key and shortcut) has one time stamp and counts once.
    """

    def __init__(self, stop: StopWindow, application: QApplication) -> None:
        super().__init__(stop)
        self._stop = stop
        self._seen: tuple[str, int] | None = None
        self._button: Qt.MouseButton | None = None
        application.installEventFilter(self)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Take the presses that mean STOP."""
        if not isinstance(event, _OF_PRESSES):  # nearly all events; asking for the type of each costs more
            return False
        kind = event.type()
        if kind in _MOUSE and isinstance(event, QMouseEvent):
            point = event.globalPosition().toPoint()
            self._button = None
            if not (self._stop.isVisible() and self._stop.frameGeometry().contains(point)):
                return False
            self._button = event.button()
            self._press("pointer", event.timestamp())
            return True
        if kind is QEvent.Type.MouseButtonRelease and isinstance(event, QMouseEvent):
            is_ours = event.button() is self._button
            self._button = self._seen = None
            return is_ours
        if kind in _KEYBOARD and isinstance(event, QKeyEvent):
            if event.key() != Qt.Key.Key_S or event.modifiers() & ~Qt.KeyboardModifier.KeypadModifier != _KEYS:
                return False
            event.accept()
            if not event.isAutoRepeat():
                self._press("keys", event.timestamp())
            return True
        if kind is QEvent.Type.TouchBegin and isinstance(event, QTouchEvent):
            points = [point.globalPosition().toPoint() for point in event.points()]
            if self._stop.isVisible() and any(self._stop.frameGeometry().contains(point) for point in points):
                self._press("pointer", event.timestamp())
                return True
        return False

    def _press(self, by: str, stamp: int) -> None:
        """Press, unless this is another event of the same press; events without a time stamp all count."""
        if stamp == 0 or (by, stamp) != self._seen:
            self._seen = (by, stamp)
            self._stop.press()
