"""A button for what leads away from safe: it acts only when it was held."""

from __future__ import annotations

from PySide6.QtCore import QElapsedTimer, QEvent, QObject, QRectF, QSize, Qt, QTimer, Signal
from PySide6.QtGui import (
    QHideEvent,
    QIcon,
    QKeyEvent,
    QKeySequence,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
    QShortcut,
)
from PySide6.QtWidgets import QApplication, QPushButton, QWidget

from app.widgets import theme

HOLD_S = 1.5
_TICK_MS = 16
#: A longer gap between two ticks is a window that stood still: it counts as this much, so that a click which is
#: followed by a frozen second never becomes a hold.
_LONGEST_TICK_MS = 50
#: The ring that fills, left of the text.
_RING_PX, _RING_PEN_PX = 20, 3.0
#: Between ring and text; the styles of Qt add the second.
_RING_GAP_PX, _ICON_GAP_PX = 4, 4


class HoldButton(QPushButton):
    """Emits `held` after it was held down for `hold_s` seconds with the mouse, or with its shortcut.

    A click, a tap, space and Enter do nothing. Leaving it, letting go, hiding it, or another window in front ends
    the hold. It can be reached by Tab, so that its description can be read, but never has the focus by default.

    Parameters
    ----------
    text : str
        What it does; ``(hold)`` is added.
    hold_s : float
        How long, seconds.
    shortcut : QKeySequence, optional
        Keys to be held instead of the mouse.
    """

    held = Signal()  #: It was held long enough.

    def __init__(
        self,
        text: str,
        hold_s: float = HOLD_S,
        shortcut: QKeySequence | None = None,
        parent: QWidget | None = None,
    ) -> None:
        super().__init__(f"{text} (hold)", parent)
        self._text, self._hold_s = text, hold_s
        self._held_ms = 0.0
        self._release_keys: frozenset[int] = frozenset()
        self._clock = QElapsedTimer()
        self._ticks = QTimer(self, interval=_TICK_MS, timerType=Qt.TimerType.PreciseTimer)
        self._ticks.timeout.connect(self._count)
        room = QPixmap(_RING_PX + _RING_GAP_PX, _RING_PX)
        room.fill(Qt.GlobalColor.transparent)
        self.setIcon(QIcon(room))  # keeps the place of the ring free
        self.setIconSize(room.size())
        self.setFocusPolicy(Qt.FocusPolicy.TabFocus)
        self.setAutoDefault(False)
        self.setAccessibleName(text)
        self._keys = ""
        if shortcut is not None:
            self._keys = shortcut.toString(QKeySequence.SequenceFormat.NativeText)
            self._shortcut = QShortcut(shortcut, self, autoRepeat=False)
            self._shortcut.activated.connect(self._hold_by_keys)
        self.set_refusal(None)

    @property
    def progress(self) -> float:
        """How much of the time it was held, 0 to 1."""
        return min(1.0, self._held_ms / (self._hold_s * 1000.0))

    def set_text(self, text: str) -> None:
        """Change what it does; ``(hold)`` is added."""
        self._text = text
        self.setAccessibleName(text)
        self.setText(f"{text} (hold)")

    def set_refusal(self, reason: str | None) -> None:
        """Disable it for a reason, which tooltip and accessible description tell; None enables it."""
        keys = f", or the keys {self._keys}," if self._keys else ""
        how = f"Hold the mouse button{keys} for {self._hold_s:.1f} s"
        self.setEnabled(reason is None)
        self.setToolTip(how if reason is None else reason)
        self.setAccessibleDescription(how if reason is None else f"Refused: {reason}")

    def cancel(self) -> None:
        """End the hold without an effect."""
        if self._ticks.isActive():
            self._ticks.stop()
            if self._release_keys:
                QApplication.instance().removeEventFilter(self)  # type: ignore[union-attr]
                self._release_keys = frozenset()
            self.setDown(False)
            self._held_ms = 0.0
            self.setText(f"{self._text} (hold)")
            self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Room for the text in all of its states, so that it never jumps."""
        texts = (f"{self._text} (hold)", f"{self._text} 8.8 s")
        longest = max(self.fontMetrics().horizontalAdvance(text) for text in texts)
        room = longest + _RING_PX + _RING_GAP_PX + _ICON_GAP_PX + 2 * theme.WIDE_PX
        return super().sizeHint().expandedTo(QSize(room, 0))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin the hold."""
        if event.button() is Qt.MouseButton.LeftButton:
            self._begin()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Leaving the button ends the hold."""
        if not self._release_keys and not self.rect().contains(event.position().toPoint()):
            self.cancel()

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Letting go ends the hold."""
        if event.button() is Qt.MouseButton.LeftButton:
            self.cancel()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """The second press of a double click is a press."""
        self.mousePressEvent(event)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Space and Enter do nothing here."""
        if event.key() not in (Qt.Key.Key_Space, Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Select):
            super().keyPressEvent(event)

    def keyReleaseEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Space does nothing here."""
        event.accept()

    def hideEvent(self, event: QHideEvent) -> None:  # noqa: N802 - Qt's name
        """What cannot be seen is not held."""
        self.cancel()
        super().hideEvent(event)

    def event(self, event: QEvent) -> bool:
        """End the hold when the focus or the window is lost, or the button is disabled."""
        ends = (QEvent.Type.WindowDeactivate, QEvent.Type.FocusOut, QEvent.Type.EnabledChange, QEvent.Type.Leave)
        if event.type() in ends[:3] or (event.type() is ends[3] and not self._release_keys):
            self.cancel()
        return super().event(event)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """While the keys are held: letting one of them go ends the hold."""
        if (
            event.type() is QEvent.Type.KeyRelease
            and isinstance(event, QKeyEvent)
            and not event.isAutoRepeat()
            and event.key() in self._release_keys
        ):
            self.cancel()
        return super().eventFilter(watched, event)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """The button, and around a point at the left of its text a ring that fills while it is held."""
        super().paintEvent(event)
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if self._held_ms > 0.0:
            edge = QPainterPath()
            edge.addRoundedRect(QRectF(self.rect()).adjusted(1, 1, -1, -1), theme.TIGHT_PX, theme.TIGHT_PX)
            painter.fillPath(edge, look.color("accent", 0.25 * self.progress))
        ring = self._ring
        painter.setPen(QPen(look.color("dim" if self.isEnabled() else "line"), 1.5))
        painter.drawEllipse(ring)
        point = ring.adjusted(*(_RING_PX / 3.0 * sign for sign in (1.0, 1.0, -1.0, -1.0)))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.color("text" if self.isEnabled() else "line"))
        painter.drawEllipse(point)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.color("accent"), _RING_PEN_PX, c=Qt.PenCapStyle.FlatCap))
        painter.drawArc(ring, 90 * 16, round(-360 * 16 * self.progress))

    @property
    def _ring(self) -> QRectF:
        """Where the empty icon is: Qt sets icon and text into the middle."""
        text_px = self.fontMetrics().horizontalAdvance(self.text())
        left = max((self.width() - _RING_PX - _RING_GAP_PX - _ICON_GAP_PX - text_px) / 2.0, float(theme.TIGHT_PX))
        inset = _RING_PEN_PX / 2.0
        whole = QRectF(left, (self.height() - _RING_PX) / 2.0, _RING_PX, _RING_PX)
        return whole.adjusted(inset, inset, -inset, -inset)

    def _begin(self) -> None:
        """Start to count."""
        self._held_ms = 0.0
        self._clock.start()
        self._ticks.start()
        self.setDown(True)

    def _hold_by_keys(self) -> None:
        """Start to count, and watch for the keys' release, whoever has the focus."""
        if self._ticks.isActive():
            return
        key = self._shortcut.key()[0].key()  # type: ignore[index]  # the stubs of 6.11 lack it
        self._release_keys = frozenset({key, Qt.Key.Key_Control, Qt.Key.Key_Shift, Qt.Key.Key_Alt})
        QApplication.instance().installEventFilter(self)  # type: ignore[union-attr]
        self._begin()

    def _count(self) -> None:
        """Add the time since the last tick; act when it is enough."""
        self._held_ms += min(self._clock.restart(), _LONGEST_TICK_MS)
        left_s = self._hold_s - self._held_ms / 1000.0
        if left_s <= 0.0:
            self.cancel()
            self.held.emit()
            return
        self.setText(f"{self._text} {left_s:.1f} s")
        self.update()
