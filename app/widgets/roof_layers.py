"""The plan of a roof that neither turns nor tells an azimuth: a house seen from above, and its opening."""

from __future__ import annotations

from dataclasses import dataclass

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QPainter, QPen

from app.model.dome import ShutterState, ShutterWord
from app.model.reading import Freshness
from app.widgets import theme
from app.widgets.dome_words import Sight
from app.widgets.plan import Plan
from app.widgets.strokes import faded, label

_NO_BRUSH = Qt.BrushStyle.NoBrush
_RIDGES = 5
#: Light enough to differ from the leaves in every theme, and not so light that it dazzles at night.
_OPEN_ALPHA = 0.5


@dataclass(frozen=True, slots=True)
class _House:
    """The walls; the leaves of the roof go out of them to both sides, because no driver tells to which."""

    walls: QRectF

    def leaf(self, side: float, part_out: float) -> QRectF:
        """One half of the roof, so far out of the walls."""
        half = self.walls.width() / 2.0
        left = self.walls.left() if side < 0.0 else self.walls.center().x()
        return QRectF(left + side * part_out * half, self.walls.top(), half, self.walls.height())


def paint_roof(painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
    """The roof in a look of its own for each state; see `dial_layers.paint_slit` for the language of fill and line."""
    width, height = 0.95 * plan.outer_px, 1.4 * plan.outer_px
    house = _House(QRectF(plan.centre.x() - width / 2.0, plan.centre.y() - height / 2.0, width, height))
    light = look.color("text" if sight.freshness is Freshness.FRESH else "dim")
    shutter, word = sight.state.shutter.value, sight.state.shutter_word(sight.now_s)
    painter.setPen(QPen(look.color("dim"), 1.0))
    painter.setBrush(look.color("background"))
    painter.drawRect(house.walls)
    if word is ShutterWord.NOT_CLOSED or shutter is ShutterState.ERROR:
        _paint_not_closed(painter, look, house)
    elif shutter is ShutterState.OPEN:
        painter.fillRect(house.walls, faded(light, _OPEN_ALPHA))
        _paint_leaves(painter, look, house, 1.0, look.color("line"))
        _paint_edge(painter, light, house)
        painter.setBrush(light)
        painter.drawEllipse(house.walls.center(), 6.0, 6.0)
    elif shutter is ShutterState.CLOSED:
        _paint_closed(painter, look, house, light, is_proven=word is ShutterWord.PROVEN_CLOSED)
    elif shutter is None:
        painter.setPen(QPen(light, 2.0, Qt.PenStyle.DashLine))
        painter.drawRect(house.walls)
        label(painter, house.walls.center(), "?", light, theme.WORD_PX)
    else:
        painter.fillRect(house.walls, faded(light, _OPEN_ALPHA))
        _paint_leaves(painter, look, house, 0.5, look.color("line"))
        _paint_arrows(painter, light, house, opens=shutter is ShutterState.OPENING)


def _paint_leaves(painter: QPainter, look: theme.Theme, house: _House, part_out: float, fill: QColor) -> None:
    """Both halves of the roof with their ridges."""
    for side in (-1.0, 1.0):
        leaf = house.leaf(side, part_out)
        painter.setPen(QPen(look.color("dim"), 1.0))
        painter.setBrush(fill)
        painter.drawRect(leaf)
        painter.setPen(QPen(faded(look.color("dim"), 0.35), 1.0))
        for ridge in range(1, _RIDGES):
            y = leaf.top() + leaf.height() * ridge / _RIDGES
            painter.drawLine(QPointF(leaf.left(), y), QPointF(leaf.right(), y))


def _paint_closed(painter: QPainter, look: theme.Theme, house: _House, light: QColor, *, is_proven: bool) -> None:
    """Of the shell's colour by the driver's word; light and bolted when it is proven."""
    walls, middle = house.walls, house.walls.center().x()
    _paint_leaves(painter, look, house, 0.0, faded(look.color("dim"), 0.6) if is_proven else look.color("line"))
    painter.setPen(QPen(light, 2.0 if is_proven else 1.0))
    painter.drawLine(QPointF(middle, walls.top()), QPointF(middle, walls.bottom()))
    if is_proven:
        painter.setPen(QPen(light, 4.0, c=Qt.PenCapStyle.FlatCap))
        for part in (0.2, 0.5, 0.8):
            y = walls.top() + part * walls.height()
            painter.drawLine(QPointF(middle - 12.0, y), QPointF(middle + 12.0, y))


def _paint_not_closed(painter: QPainter, look: theme.Theme, house: _House) -> None:
    alarm = look.color("alarm")
    painter.setPen(QPen(alarm, 3.0))
    painter.setBrush(QBrush(alarm, Qt.BrushStyle.DiagCrossPattern))
    painter.drawRect(house.walls)


def _paint_edge(painter: QPainter, ink: QColor, house: _House) -> None:
    """The walls around what is open."""
    painter.setPen(QPen(ink, 3.0))
    painter.setBrush(_NO_BRUSH)
    painter.drawRect(house.walls)


def _paint_arrows(painter: QPainter, ink: QColor, house: _House, *, opens: bool) -> None:
    """Which way the leaves go; how far they are is not known."""
    painter.setPen(QPen(ink, 3.0))
    painter.setBrush(_NO_BRUSH)
    for side in (-1.0, 1.0):
        at, reach = house.leaf(side, 0.5).center(), 9.0 * side * (1.0 if opens else -1.0)
        tip = at + QPointF(reach, 0.0)
        painter.drawPolyline((at + QPointF(-reach, -14.0), tip, at + QPointF(-reach, 14.0)))
