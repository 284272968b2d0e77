"""What is painted over a frame: crosshair, tags, scale bar and the directions of the sky; no pixel is touched."""

from __future__ import annotations

from collections.abc import Iterable

from PySide6.QtCore import QPointF, QRect, QRectF, Qt
from PySide6.QtGui import QFont, QPainter, QPen, QPolygonF

from app.model.picture_view import SkyFrame
from app.widgets import theme

#: Lengths that a scale bar may have, arc seconds.
_BAR_ARCSEC = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 18000, 36000, 72000)
#: How dark the ground below a mark is: it must be read over a bright star, and show the frame.
_GROUND = 0.75
_COMPASS_PX, _ARROW_PX = 36.0, 18.0
_LEAST_ROOM_PX = 220


def angle_text(arcsec: float) -> str:
    """``30″``, ``5′``, ``2°``."""
    if arcsec < 60.0:
        return f"{arcsec:g}\u2033"
    return f"{arcsec / 60.0:g}\u2032" if arcsec < 3600.0 else f"{arcsec / 3600.0:g}°"


def paint_crosshair(painter: QPainter, at: QPointF) -> None:
    """Four strokes that leave the pixel free."""
    look = theme.current()
    for pen in (QPen(look.color("background", _GROUND), 3.5), QPen(look.color("text"), 1.5)):
        painter.setPen(pen)
        for near, far in ((6.0, 18.0), (-6.0, -18.0)):
            painter.drawLine(at + QPointF(near, 0.0), at + QPointF(far, 0.0))
            painter.drawLine(at + QPointF(0.0, near), at + QPointF(0.0, far))


def paint_tags(painter: QPainter, room: QRect, tags: Iterable[tuple[str, str]]) -> None:
    """Texts, each with a token of the theme, from the top left downwards."""
    look = theme.current()
    painter.setFont(theme.font(theme.LABEL_PX, QFont.Weight.DemiBold))
    metrics = painter.fontMetrics()
    left, top = room.left() + float(theme.NEAR_PX), room.top() + float(theme.NEAR_PX)
    for text, color in tags:
        shown = metrics.elidedText(text, Qt.TextElideMode.ElideMiddle, max(40, room.width() - 32))
        box = QRectF(left, top, metrics.horizontalAdvance(shown) + 16.0, 22.0)
        painter.setPen(QPen(look.color(color), 1) if color == "attention" else Qt.PenStyle.NoPen)
        painter.setBrush(look.color("background", _GROUND))
        painter.drawRoundedRect(box, 4, 4)
        painter.setPen(look.color(color))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, shown)
        top = box.bottom() + theme.TIGHT_PX


def paint_sky(painter: QPainter, room: QRect, sky: SkyFrame, scale: float) -> None:
    """Scale bar at the bottom left, North and East at the bottom right; `scale` is widget pixels a frame pixel."""
    if min(room.width(), room.height()) < _LEAST_ROOM_PX:
        return
    painter.setFont(theme.font(theme.LABEL_PX, QFont.Weight.DemiBold))
    _paint_bar(painter, room, sky.scale_arcsec / scale)
    _paint_compass(painter, QPointF(room.right() - 44.0, room.bottom() - 44.0), sky)


def _paint_bar(painter: QPainter, room: QRect, pixel_arcsec: float) -> None:
    look = theme.current()
    left = room.left() + float(theme.NEAR_PX)
    arcsec = max((bar for bar in _BAR_ARCSEC if bar / pixel_arcsec <= room.width() / 4.0), default=_BAR_ARCSEC[0])
    length, y = arcsec / pixel_arcsec, room.bottom() - 19.0
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(look.color("background", _GROUND))
    painter.drawRoundedRect(QRectF(left, y - 22.0, max(length, 24.0) + 20.0, 33.0), 4, 4)
    painter.setPen(QPen(look.color("text"), 2))
    strokes = ((0.0, -4.0), (0.0, 4.0), (0.0, 0.0), (length, 0.0), (length, -4.0), (length, 4.0))
    painter.drawPolyline(QPolygonF([QPointF(left + 10.0 + right, y + down) for right, down in strokes]))
    painter.drawText(QPointF(left + 10.0, y - 7.0), angle_text(arcsec))


def _paint_compass(painter: QPainter, middle: QPointF, sky: SkyFrame) -> None:
    look = theme.current()
    painter.setPen(Qt.PenStyle.NoPen)
    painter.setBrush(look.color("background", _GROUND))
    painter.drawEllipse(middle, _COMPASS_PX, _COMPASS_PX)
    painter.setPen(QPen(look.color("text"), 2))
    for name, (right, up) in (("N", sky.north), ("E", sky.east)):
        way = QPointF(right, -up)
        painter.drawLine(middle, middle + way * _ARROW_PX)
        box = QRectF(0.0, 0.0, 16.0, 16.0)
        box.moveCenter(middle + way * (_ARROW_PX + 9.0))
        painter.drawText(box, Qt.AlignmentFlag.AlignCenter, name)
