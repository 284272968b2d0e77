"""A combo box that shows that it opens: its arrow is painted in the theme's colour."""

from __future__ import annotations

from PySide6.QtCore import QPointF
from PySide6.QtGui import QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QComboBox

from app.widgets import theme


class ChoiceBox(QComboBox):
    """A combo box with an arrow in every theme."""

    def paintEvent(self, event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """The box, then its arrow."""
        super().paintEvent(event)
        with QPainter(self) as painter:
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            painter.setPen(QPen(theme.current().color("dim"), 1.6))
            centre = QPointF(self.width() - 14.0, self.height() / 2.0 + 1.0)
            offsets = (QPointF(-4.0, -2.5), QPointF(0.0, 2.0), QPointF(4.0, -2.5))
            painter.drawPolyline(QPolygonF([centre + offset for offset in offsets]))
