"""The plan of a dome in layers, from the floor up: each paints one thing, and only what was measured."""

from __future__ import annotations

from math import cos, radians, sin

from PySide6.QtCore import QPointF, QRectF, Qt
from PySide6.QtGui import QBrush, QColor, QFont, QPainter, QPainterPath, QPen

from app.model.angles import turn_deg
from app.model.dome import ShutterState, ShutterWord
from app.model.reading import Freshness
from app.widgets import theme
from app.widgets.dome_words import Sight
from app.widgets.plan import Plan, degrees_of
from app.widgets.strokes import faded, label

_NO_BRUSH, _NO_PEN = Qt.BrushStyle.NoBrush, Qt.PenStyle.NoPen
_CARDINAL_PX = 16
#: Where the circles of altitude are named: away from the usual places of park and home.
_ALTITUDES_AT_DEG = 225.0
#: The arc of a turn keeps so far from the shell where the bracket of the margin is.
_INSIDE_MARGIN_PX = 32.0
#: Marks that are nearer to each other than this share one name.
_NEAR_DEG = 15.0


def paint_face(painter: QPainter, look: theme.Theme, plan: Plan) -> None:
    """Ticks, letters and circles of altitude: what does not change with the state."""
    painter.setPen(_NO_PEN)
    painter.setBrush(look.color("background"))
    painter.drawEllipse(plan.centre, plan.outer_px, plan.outer_px)
    for azimuth in range(0, 360, 5):
        _paint_tick(painter, look, plan, azimuth)
    for altitude in (30.0, 60.0):  # seen from above, an altitude is a circle of the cosine
        radius = plan.inner_px * cos(radians(altitude))
        painter.setBrush(_NO_BRUSH)
        painter.setPen(QPen(look.color("line"), 1.0, Qt.PenStyle.DotLine))
        painter.drawEllipse(plan.centre, radius, radius)
        label(painter, plan.point_at(_ALTITUDES_AT_DEG, radius), f"{altitude:.0f}°", look.color("dim"))
    painter.setPen(QPen(look.color("line"), 1.0))
    for arm in (QPointF(5.0, 0.0), QPointF(0.0, 5.0)):
        painter.drawLine(plan.centre - arm, plan.centre + arm)


def _paint_tick(painter: QPainter, look: theme.Theme, plan: Plan, azimuth: int) -> None:
    is_long = azimuth % 30 == 0
    painter.setPen(QPen(look.color("dim" if is_long else "line"), 2.0 if is_long else 1.0))
    foot = plan.outer_px + 3.0
    reach = 9.0 if is_long else 6.0 if azimuth % 10 == 0 else 4.0
    painter.drawLine(plan.point_at(azimuth, foot), plan.point_at(azimuth, foot + reach))
    if azimuth % 90 == 0:
        at = plan.point_at(azimuth, plan.outer_px + 21.0)
        label(painter, at, "NESW"[azimuth // 90], look.color("text"), _CARDINAL_PX, QFont.Weight.Bold)
    elif is_long:
        label(painter, plan.point_at(azimuth, plan.outer_px + 24.0), str(azimuth), look.color("dim"))


def paint_shell(painter: QPainter, look: theme.Theme, plan: Plan, freshness: Freshness) -> None:
    """The ring in which the slit is; dashed and empty when nothing was ever read."""
    ring = QPainterPath()
    ring.addEllipse(plan.centre, plan.outer_px, plan.outer_px)
    ring.addEllipse(plan.centre, plan.inner_px, plan.inner_px)
    is_known = freshness is not Freshness.NEVER
    painter.setPen(QPen(look.color("dim"), 1.0, Qt.PenStyle.SolidLine if is_known else Qt.PenStyle.DashLine))
    painter.setBrush(QBrush(look.color("line")) if is_known else _NO_BRUSH)
    painter.drawPath(ring)


def paint_marks(painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
    """Park and home: triangles at the inner side of the shell."""
    marks = [("park", sight.state.park_deg), ("home", sight.state.home_deg)]
    places = [(word, azimuth) for word, azimuth in marks if azimuth is not None]
    if len(places) == 2 and abs(turn_deg(places[0][1], places[1][1])) < _NEAR_DEG:
        places = [("park, home", places[0][1])]
    inner = plan.inner_px
    spread = degrees_of(5.0, inner - 10.0)
    for word, azimuth in places:
        painter.setPen(_NO_PEN)
        painter.setBrush(look.color("dim"))
        feet = (plan.point_at(azimuth - spread, inner - 11.0), plan.point_at(azimuth + spread, inner - 11.0))
        painter.drawPolygon((plan.point_at(azimuth, inner - 2.0), *feet))
        at = plan.point_at(azimuth, inner - 22.0 - 14.0 * abs(sin(radians(azimuth))))
        label(painter, at, word, look.color("dim"))


def paint_slit(painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
    """The slit where it was measured, in a look of its own for each state of the shutter.

    Open is light and has a corridor; closed by the driver's word is a door of the shell's colour, proven closed a light
    one with bolts across its seam; not closed is hatched as an alarm; unknown is dashed with a question mark.
    """
    azimuth = sight.state.azimuth_deg.value
    if azimuth is None:
        return
    light = look.color("text" if sight.freshness is Freshness.FRESH else "dim")
    slit = _Slit(painter, look, plan, azimuth, sight.state.slit_width_deg / 2.0, light)
    shutter, word = sight.state.shutter.value, sight.state.shutter_word(sight.now_s)
    if word is ShutterWord.NOT_CLOSED or shutter is ShutterState.ERROR:
        slit.paint_not_closed()
    elif shutter is ShutterState.OPEN:
        slit.paint_open()
    elif shutter is ShutterState.CLOSED:
        slit.paint_closed(is_proven=word is ShutterWord.PROVEN_CLOSED)
    elif shutter is None:
        slit.paint_unknown(has_shutter=sight.state.facts is None or sight.state.facts.can_set_shutter)
    else:
        slit.paint_half_open(opens=shutter is ShutterState.OPENING)


class _Slit:
    """Paints one slit."""

    def __init__(
        self,
        painter: QPainter,
        look: theme.Theme,
        plan: Plan,
        azimuth_deg: float,
        half_deg: float,
        light: QColor,
    ) -> None:
        self._painter, self._look, self._plan = painter, look, plan
        self._azimuth, self._half, self._light = azimuth_deg, half_deg, light
        self._whole = plan.sector(azimuth_deg - half_deg, azimuth_deg + half_deg)

    def paint_open(self) -> None:
        self._paint_corridor(self._half, QBrush(faded(self._light, 0.13)), self._light)
        self._fill(self._whole, QPen(self._light, 1.0), self._light)

    def paint_closed(self, *, is_proven: bool) -> None:
        dim = self._look.color("dim")
        painter, plan = self._painter, self._plan
        self._fill(self._whole, QPen(dim, 1.0), self._look.color("line"))
        if is_proven:
            self._fill(self._whole, QPen(dim, 2.0), faded(dim, 0.6))
        painter.setPen(QPen(self._light, 2.0 if is_proven else 1.0))
        painter.drawLine(plan.point_at(self._azimuth, plan.inner_px), plan.point_at(self._azimuth, plan.outer_px))
        if is_proven:
            painter.setPen(QPen(self._light, 3.0, c=Qt.PenCapStyle.FlatCap))
            reach = self._half * 0.5
            for part in (0.3, 0.7):
                radius = plan.inner_px + part * (plan.outer_px - plan.inner_px)
                painter.drawPath(plan.arc(radius, self._azimuth - reach, 2.0 * reach))

    def paint_not_closed(self) -> None:
        alarm = self._look.color("alarm")
        stripes = QBrush(alarm, Qt.BrushStyle.DiagCrossPattern)
        self._paint_corridor(self._half, stripes, alarm)
        self._fill(self._whole, QPen(alarm, 3.0), self._look.color("background"))
        self._fill(self._whole, QPen(alarm, 3.0), stripes)

    def paint_unknown(self, *, has_shutter: bool) -> None:
        pen = QPen(self._light, 2.0, Qt.PenStyle.DashLine if has_shutter else Qt.PenStyle.SolidLine)
        self._fill(self._whole, pen, self._look.color("background"))
        if has_shutter:
            label(self._painter, self._plan.point_at(self._azimuth, self._plan.middle_px), "?", self._light, 18)

    def paint_half_open(self, *, opens: bool) -> None:
        """Half leaves with arrows: how far they are is not known, so nothing pretends to show it."""
        plan, half = self._plan, self._half
        self._paint_corridor(half / 2.0, QBrush(faded(self._light, 0.10)), self._light)
        self._fill(plan.sector(self._azimuth - half / 2.0, self._azimuth + half / 2.0), QPen(self._light), self._light)
        for side in (-1.0, 1.0):
            begin, end = sorted((self._azimuth + side * half, self._azimuth + side * half / 2.0))
            self._fill(plan.sector(begin, end), QPen(self._look.color("dim")), self._look.color("raised"))
        self._paint_ways(plan.inner_px * sin(radians(half)) + 6.0, opens=opens)

    def _paint_ways(self, aside_px: float, *, opens: bool) -> None:
        """Chevrons at both sides of the corridor: apart where it opens, together where it closes."""
        painter, reach = self._painter, 5.0 if opens else -5.0
        painter.save()
        painter.translate(self._plan.centre)
        painter.rotate(self._azimuth)
        painter.setPen(QPen(self._light, 3.0))
        painter.setBrush(_NO_BRUSH)
        for side in (-1.0, 1.0):
            for part in (0.35, 0.65):
                at = QPointF(side * aside_px, -part * self._plan.inner_px)
                foot, tip = at - QPointF(side * reach, 0.0), at + QPointF(side * reach, 0.0)
                painter.drawPolyline((foot - QPointF(0.0, 10.0), tip, foot + QPointF(0.0, 10.0)))
        painter.restore()

    def _fill(self, path: QPainterPath, pen: QPen, fill: QColor | QBrush) -> None:
        self._painter.setPen(pen)
        self._painter.setBrush(fill)
        self._painter.drawPath(path)

    def _paint_corridor(self, half_deg: float, fill: QBrush, edge: QColor) -> None:
        """The opening from the shell to just behind the zenith, as wide as the slit."""
        painter, inner = self._painter, self._plan.inner_px
        wide = inner * sin(radians(min(half_deg, 60.0)))
        far, behind = -((inner**2 - wide**2) ** 0.5), 0.12 * inner
        painter.save()
        painter.translate(self._plan.centre)
        painter.rotate(self._azimuth)
        painter.setPen(_NO_PEN)
        painter.setBrush(fill)
        painter.drawRect(QRectF(-wide, far, 2.0 * wide, behind - far))
        painter.setPen(QPen(faded(edge, 0.5), 1.0))
        for side in (-wide, wide):
            painter.drawLine(QPointF(side, far), QPointF(side, behind))
        painter.restore()


def paint_telescope(painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
    """The beam: a line from the pier, and a footprint where it leaves the dome; dotted when it is old."""
    mount, beam = sight.mount.value, sight.beam_deg
    if mount is None or beam is None:
        return
    is_fresh = sight.has_fresh_mount
    tip = plan.point_at(beam, plan.inner_px * cos(radians(mount.altitude_deg or 0.0)))
    ink = look.color("text" if is_fresh else "dim")
    size = max(6.0, 0.045 * plan.inner_px)
    painter.setPen(QPen(ink, 3.0 if is_fresh else 2.0, Qt.PenStyle.SolidLine if is_fresh else Qt.PenStyle.DotLine))
    painter.setBrush(look.color("background"))
    painter.drawLine(plan.centre, tip)
    painter.drawEllipse(tip, size, size)
    painter.setPen(_NO_PEN)
    painter.setBrush(ink)
    painter.drawEllipse(plan.centre, 4.0, 4.0)
    if is_fresh and not mount.is_parked:
        painter.drawEllipse(tip, size / 2.5, size / 2.5)


def paint_margin(painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
    """How far the beam may be from the middle of the slit: a bracket, with the beam as a pointer on it."""
    azimuth, following = sight.state.azimuth_deg.value, sight.state.following
    if azimuth is None or following.half_width_deg is None or following.beam_deg is None:
        return
    half = min(following.half_width_deg, 90.0)
    radius, is_clipped = plan.inner_px - 8.0, (following.margin_deg or 0.0) < 0.0
    ink = look.color("alarm" if is_clipped else "text")
    painter.setBrush(_NO_BRUSH)
    painter.setPen(QPen(ink, 2.0))
    painter.drawPath(plan.arc(radius, azimuth - half, 2.0 * half))
    for end in (azimuth - half, azimuth + half):
        painter.drawLine(plan.point_at(end, radius - 6.0), plan.point_at(end, radius + 6.0))
    at = azimuth + following.beam_deg
    spread = degrees_of(6.0, radius)
    painter.setPen(_NO_PEN)
    painter.setBrush(ink)
    feet = (plan.point_at(at - spread, radius - 14.0), plan.point_at(at + spread, radius - 14.0))
    painter.drawPolygon((plan.point_at(at, radius - 2.0), *feet))


def paint_turn(painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
    """The commanded azimuth as an outline, and the arc of the turn that is left."""
    state = sight.state
    target, left, azimuth = state.target_deg, state.remaining_deg(), state.azimuth_deg.value
    if target is None:
        return
    half = state.slit_width_deg / 2.0
    painter.setBrush(_NO_BRUSH)
    painter.setPen(QPen(look.color("text"), 2.0, Qt.PenStyle.DashLine))
    painter.drawPath(plan.sector(target - half, target + half))
    if azimuth is None or left is None or abs(left) < 0.05:
        return
    has_margin = state.following.margin_deg is not None
    radius = plan.inner_px - (_INSIDE_MARGIN_PX if has_margin else 8.0)
    painter.setPen(QPen(look.color("text"), 2.0))
    painter.drawPath(plan.arc(radius, azimuth, left))
    head = min(degrees_of(11.0, radius), abs(left)) * (1.0 if left > 0.0 else -1.0)
    feet = (plan.point_at(target - head, radius - 6.0), plan.point_at(target - head, radius + 6.0))
    painter.setPen(_NO_PEN)
    painter.setBrush(look.color("text"))
    painter.drawPolygon((plan.point_at(target, radius), *feet))
