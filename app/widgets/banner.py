"""A sentence across the page or the window, with a sign for how much it wants the operator."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QRect, Signal
from PySide6.QtGui import QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QSizePolicy, QWidget

from app.model.strip import Severity
from app.widgets import icons, theme
from app.widgets.roles import set_look


class Banner(QWidget):
    """One sentence that stays until its cause is gone; how loud it is shows by its sign, too."""

    acted = Signal()  #: The operator presses its button.

    def __init__(self, text: str, severity: Severity, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.severity = severity
        self._label = QLabel(text, wordWrap=True)
        self._label.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Preferred)
        self._more = QLabel()
        self._action = QPushButton()
        self._action.setProperty("kind", "small")
        self._action.clicked.connect(self.acted)
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GAP_PX + 2 * theme.GAP_PX + theme.NEAR_PX, 6, theme.GAP_PX, 6)
        row.setSpacing(theme.GAP_PX)
        row.addWidget(self._label, 1)
        row.addWidget(self._more)
        row.addWidget(self._action)
        self.set_text(text, severity)

    @property
    def text(self) -> str:
        """The sentence."""
        return self._label.text()

    def set_text(self, text: str, severity: Severity, action: str = "") -> None:
        """Change the sentence in place; `action` is the one thing to do about it, on a button."""
        self.severity = severity
        self._label.setText(text)
        self._action.setText(action)
        self._action.setVisible(bool(action))
        self._action.setAccessibleName(f"{action}: {text}")
        set_look(self._action, "alarm", "active" if severity is Severity.ALARM else "")
        self.setAccessibleName(f"{severity.name.capitalize()}: {text}")
        self._recolor()

    def set_more(self, count: int) -> None:
        """Say how many banners are not shown for want of room."""
        self._more.setVisible(count > 0)
        self._more.setText(f"and {count} more: see the Log")

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() is QEvent.Type.PaletteChange:
            self._recolor()

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """An alarm is inverse; what wants attention has a bar and a sign; a note is plain."""
        look, painter = theme.current(), QPainter(self)
        is_alarm = self.severity is Severity.ALARM
        painter.fillRect(self.rect(), look.color("alarm" if is_alarm else "raised"))
        if self.severity is Severity.ATTENTION:
            painter.fillRect(QRect(0, 0, 4, self.height()), look.color("attention"))
        name = {Severity.NORMAL: "note", Severity.ATTENTION: "warning", Severity.ALARM: "alarm"}[self.severity]
        token = {Severity.NORMAL: "dim", Severity.ATTENTION: "attention", Severity.ALARM: "background"}[self.severity]
        top = (self.height() - 20) // 2
        painter.drawPixmap(theme.WIDE_PX, top, icons.pixmap(name, token, 20, self.devicePixelRatioF()))
        painter.fillRect(QRect(0, self.height() - 1, self.width(), 1), look.color("background"))

    def _recolor(self) -> None:
        look = theme.current()
        ink = look.color("background" if self.severity is Severity.ALARM else "text")
        for label in (self._label, self._more):
            palette = label.palette()
            palette.setColor(label.foregroundRole(), ink)
            label.setPalette(palette)
            # a style sheet of the application wins over palettes
            style = f"color: {ink.name()}; font-weight: {700 if self.severity is Severity.ALARM else 500};"
            if label.styleSheet() != style:
                label.setStyleSheet(style)
        self.update()
