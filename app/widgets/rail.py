"""The left rail: one button for each page, with a dot where something wants attention."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFont, QPainter, QPaintEvent
from PySide6.QtWidgets import QAbstractButton, QButtonGroup, QVBoxLayout, QWidget

from app.widgets import icons, theme

RAIL_PX = 72
_BUTTON_PX = 64
_BAR_PX = 3
_DOT_PX = 4.0


class RailButton(QAbstractButton):
    """Icon and word of a page."""

    def __init__(self, title: str, icon_name: str, number: int, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._icon_name = icon_name
        self.wants_attention = False
        self.setText(title)
        self.setCheckable(True)
        self.setFixedSize(RAIL_PX - 1, _BUTTON_PX)
        self.setAccessibleName(title)
        self.setToolTip(f"{title} (Ctrl+{number})")

    def set_attention(self, wants_attention: bool) -> None:
        """Show or hide the dot."""
        self.wants_attention = wants_attention
        self.setAccessibleDescription("Something here wants attention" if wants_attention else "")
        self.update()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Fixed."""
        return QSize(RAIL_PX - 1, _BUTTON_PX)

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Icon over word; the shown page has a bar at its left, the focused one a frame."""
        look, painter = theme.current(), QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        is_lit = self.isChecked() or self.underMouse()
        if self.isChecked():
            painter.fillRect(self.rect(), look.color("raised"))
            painter.fillRect(QRect(0, 0, _BAR_PX, self.height()), look.color("accent"))
        token = "text" if is_lit else "dim"
        left = (self.width() - icons.ICON_PX) // 2
        painter.drawPixmap(left, 10, icons.pixmap(self._icon_name, token, ratio=self.devicePixelRatioF()))
        painter.setPen(look.color(token))
        painter.setFont(theme.font(theme.LABEL_PX, QFont.Weight.DemiBold if is_lit else QFont.Weight.Medium))
        painter.drawText(QRect(0, 38, self.width(), 18), Qt.AlignmentFlag.AlignCenter, self.text())
        if self.wants_attention:
            painter.setPen(look.color("background"))
            painter.setBrush(look.color("attention"))
            painter.drawEllipse(QPointF(left + icons.ICON_PX + 5.0, 13.0), _DOT_PX, _DOT_PX)
        if self.hasFocus():
            painter.setPen(look.color("accent"))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRoundedRect(QRectF(self.rect()).adjusted(2.5, 2.5, -2.5, -2.5), 4, 4)


class Rail(QWidget):
    """The pages, from top to bottom; Up and Down go through them."""

    page_requested = Signal(str)  #: Title of the page that is wanted.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "rail")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedWidth(RAIL_PX)
        self.setAccessibleName("Pages")
        self._buttons: dict[str, RailButton] = {}
        self._group = QButtonGroup(self)
        self._group.buttonClicked.connect(lambda button: self.page_requested.emit(button.text()))
        self._column = QVBoxLayout(self)
        self._column.setContentsMargins(0, theme.NEAR_PX, 0, 0)
        self._column.setSpacing(0)
        self._column.addStretch()

    def add_page(self, title: str, icon_name: str) -> None:
        """Put a page at the end."""
        button = RailButton(title, icon_name, len(self._buttons) + 1)
        self._buttons[title] = button
        self._group.addButton(button)
        self._column.insertWidget(self._column.count() - 1, button)

    def button(self, title: str) -> RailButton:
        """The button of a page."""
        return self._buttons[title]

    def mark(self, title: str) -> None:
        """Show which page is shown."""
        self._buttons[title].setChecked(True)

    def set_attention(self, title: str, wants_attention: bool) -> None:
        """Show or hide the dot of a page."""
        self._buttons[title].set_attention(wants_attention)
