"""Letters, stripes and faint colours for what is painted by hand."""

from __future__ import annotations

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPen, QPixmap

from app.widgets import theme

_TILE_PX = 16.0


def write(
    painter: QPainter,
    box: QRectF,
    flags: Qt.AlignmentFlag,
    text: str,
    color: QColor,
    size_px: int,
    weight: QFont.Weight = QFont.Weight.Normal,
) -> None:
    """Write a text in a box."""
    painter.setFont(theme.font(size_px, weight))
    painter.setPen(color)
    painter.drawText(box, int(flags), text)


def write_inverse(
    painter: QPainter, box: QRectF, flags: Qt.AlignmentFlag, text: str, look: theme.Theme, size_px: int
) -> None:
    """Write a text as an alarm: the background's colour on a plate of the alarm's."""
    painter.setFont(theme.font(size_px, QFont.Weight.Bold))
    inside = box.adjusted(theme.NEAR_PX, 0.0, -theme.NEAR_PX, 0.0)
    painter.setPen(look.color("background"))  # without a pen no text has a size
    slim = 3.0 if size_px > theme.WORD_PX else 0.0
    around = painter.boundingRect(inside, int(flags), text).adjusted(-theme.NEAR_PX, slim, theme.NEAR_PX, -slim)
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(look.color("alarm"))
    painter.drawRoundedRect(around, theme.TIGHT_PX, theme.TIGHT_PX)
    painter.setPen(look.color("background"))
    painter.drawText(inside, int(flags), text)


def label(
    painter: QPainter,
    at: QPointF,
    text: str,
    color: QColor,
    size_px: int = theme.LABEL_PX,
    weight: QFont.Weight = QFont.Weight.Normal,
) -> None:
    """Write a short text around a point."""
    box = QRectF(0.0, 0.0, 90.0, 24.0)
    box.moveCenter(at)
    write(painter, box, Qt.AlignmentFlag.AlignCenter, text, color, size_px, weight)


def faded(color: QColor, alpha: float) -> QColor:
    """The same colour, seen through."""
    thin = QColor(color)
    thin.setAlphaF(alpha)
    return thin


def hatching(look: theme.Theme, strength: float) -> QBrush:
    """Stripes of what is old: a tile, because lines cost ten times more."""
    tile = QPixmap(int(_TILE_PX), int(_TILE_PX))
    tile.fill(Qt.GlobalColor.transparent)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(look.color("stale", strength), 4.0))
    for shift in (-_TILE_PX, 0.0, _TILE_PX):  # the neighbours' corners are part of the tile
        painter.drawLine(QPointF(shift, _TILE_PX), QPointF(shift + _TILE_PX, 0.0))
    painter.end()
    return QBrush(tile)
