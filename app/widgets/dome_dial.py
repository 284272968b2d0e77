"""The dome seen from above, North up: measured values only, each with its age, and a click that asks for an azimuth."""

from __future__ import annotations

from math import cos, hypot, radians, sin

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QBrush,
    QColor,
    QFocusEvent,
    QFont,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPainterPath,
    QPaintEvent,
    QPen,
    QPixmap,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.model.angles import azimuth_at_deg, turn_deg, wrapped_deg
from app.model.dome import ClosedBy, DomeState, ShutterState, ShutterWord
from app.model.reading import NEVER_READ, Freshness, Reading
from app.model.surroundings import MountSample
from app.model.wording import DASHES, age_text, azimuth_text, turn_text
from app.widgets import theme

#: Room for ticks and letters around the shell, and for the two values under it, in pixels.
_MARGIN_PX = 34
_VALUES_PX = 72
#: Clicks nearer to the centre than this part of the shell's radius have no clear direction.
_DEAD_ZONE = 0.15
_PROOFS = {ClosedBy.DRIVER: "driver's word", ClosedBy.MOTION: "proven by motion", ClosedBy.SWITCH: "proven by switch"}


def dial_freshness(state: DomeState, now_s: float) -> Freshness:
    """How the dial as a whole may be taken: as its newest part, never better than the azimuth."""
    parts = [reading.freshness(now_s, state.fresh_s) for reading in (state.azimuth_deg, state.shutter)]
    if parts[0] is Freshness.NEVER:
        return parts[1]
    return parts[0]


def azimuth_words(state: DomeState, now_s: float, eta_s: float | None = None, rate_deg_s: float | None = None) -> str:
    """What the rotation does: ``CW 34.0°, 12 s``, ``moving CW``, ``still``; dashes when that is not known.

    `rate_deg_s` is how fast it was seen to turn: a turn that nobody here commanded has a direction too.
    """
    if state.is_moving(now_s) is None:
        return DASHES
    if state.target_deg is not None:
        return turn_text(state.remaining_deg(), eta_s)
    if not state.is_slewing.value:
        return "still"
    return "moving" if rate_deg_s is None else "moving CW" if rate_deg_s > 0.0 else "moving CCW"


def shutter_words(state: DomeState, now_s: float) -> tuple[str, str]:
    """The word for the shutter, and whose word it is."""
    if state.facts is not None and not state.facts.can_set_shutter and state.shutter.value is None:
        return "no shutter", "the dome says that it has none"
    word = state.shutter_word(now_s)
    if word is ShutterWord.UNKNOWN:
        was = state.shutter.value
        never = "never read" if state.shutter.read_s is None else "the driver does not tell"
        return word.value, never if was is None else f"was {was.value}"
    if word in (ShutterWord.CLOSED, ShutterWord.PROVEN_CLOSED) and state.closed_by is not None:
        return word.value, _PROOFS[state.closed_by]
    return word.value, "driver reports an error" if word is ShutterWord.NOT_CLOSED else "driver's word"


def dial_words(
    state: DomeState,
    mount: Reading[MountSample],
    now_s: float,
    eta_s: float | None = None,
    rate_deg_s: float | None = None,
) -> str:
    """Everything that the dial shows, for those who do not see it."""
    if dial_freshness(state, now_s) is Freshness.NEVER:
        return "The dome was never read"
    word, whose = shutter_words(state, now_s)
    words = [
        f"Azimuth {azimuth_text(state.azimuth_deg.value)}, {azimuth_words(state, now_s, eta_s, rate_deg_s)}",
        f"shutter {word}, {whose}",
        f"read {age_text(state.azimuth_deg.age_s(now_s))} ago",
    ]
    if mount.value is not None and mount.value.azimuth_deg is not None:
        words.append(f"telescope {azimuth_text(mount.value.azimuth_deg)}")
    if dial_freshness(state, now_s) is Freshness.STALE:
        words.insert(0, "STALE")
    return "; ".join(words)


class DomeDial(QWidget):
    """Dome seen from above, North up, East right."""

    azimuth_requested = Signal(float)  #: Azimuth in degrees, to 0.1, which the operator clicked or entered.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._state = DomeState()
        self._mount: Reading[MountSample] = NEVER_READ
        self._now_s = 0.0
        self._eta_s: float | None = None
        self._rate_deg_s: float | None = None
        self._ghost_deg: float | None = None
        self._ghost_by_key = False
        self._was_pressed_in = False
        self._face: tuple[tuple[object, ...], QPixmap] | None = None
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(240, 240)
        self.setAccessibleName("Dome dial")
        self._describe()

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Square with the values under it."""
        return QSize(440, 440)

    def set_state(
        self,
        state: DomeState,
        mount: Reading[MountSample],
        now_s: float,
        eta_s: float | None = None,
        rate_deg_s: float | None = None,
    ) -> None:
        """Show `state`: stale values hatched, never seen ones as dashes; `eta_s` is of the turn that is left."""
        self._state, self._mount, self._now_s = state, mount, now_s
        self._eta_s, self._rate_deg_s = eta_s, rate_deg_s
        if self._freshness() is not Freshness.FRESH:
            self._ghost_deg = None
        self._describe()
        self.update()

    @property
    def centre(self) -> QPointF:
        """The middle of the plan, in the widget."""
        return QPointF(self.width() / 2.0, (self.height() - _VALUES_PX) / 2.0)

    @property
    def shell_px(self) -> tuple[float, float]:
        """Inner and outer radius of the shell."""
        outer = max(40.0, min(self.width(), self.height() - _VALUES_PX) / 2.0 - _MARGIN_PX)
        return outer - max(16.0, 0.11 * outer), outer

    def point_at(self, azimuth_deg: float, radius_px: float) -> QPointF:
        """Where an azimuth is on the plan."""
        angle = radians(azimuth_deg)
        return self.centre + QPointF(radius_px * sin(angle), -radius_px * cos(angle))

    # What the operator does

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Show which azimuth a click would ask for."""
        self._set_ghost(self._azimuth_at(event.position()), by_key=False)

    def leaveEvent(self, _event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Forget the azimuth under the cursor."""
        if not self._ghost_by_key:
            self._set_ghost(None, by_key=False)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a click."""
        is_left = event.button() is Qt.MouseButton.LeftButton
        self._was_pressed_in = is_left and self._azimuth_at(event.position()) is not None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask for the azimuth, unless the press was elsewhere or the cursor left the plan."""
        azimuth = self._azimuth_at(event.position())
        if self._was_pressed_in and azimuth is not None and event.button() is Qt.MouseButton.LeftButton:
            self._request(azimuth)
        self._was_pressed_in = False

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Turn an outline with the arrows, go there with Enter, let it be with Esc."""
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            step = 10.0 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
            start = self._ghost_deg if self._ghost_deg is not None else self._state.azimuth_deg.value or 0.0
            turned = round(start, 1) + (step if key == Qt.Key.Key_Right else -step)
            self._set_ghost(wrapped_deg(round(turned, 1)), by_key=True)
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self._ghost_deg is not None:
            self._request(self._ghost_deg)
            self._set_ghost(None, by_key=False)
        elif key == Qt.Key.Key_Escape and self._ghost_deg is not None:
            self._set_ghost(None, by_key=False)
        else:
            super().keyPressEvent(event)

    def focusInEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show the focus."""
        super().focusInEvent(event)
        self.update()

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Drop the outline that the keys turned."""
        super().focusOutEvent(event)
        self._set_ghost(None, by_key=False)
        self.update()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Repaint in another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._face = None
            self.update()

    def _azimuth_at(self, position: QPointF) -> float | None:
        offset = position - self.centre
        _, outer = self.shell_px
        if not _DEAD_ZONE * outer <= hypot(offset.x(), offset.y()) <= outer + _MARGIN_PX:
            return None
        return wrapped_deg(round(azimuth_at_deg(offset.x(), offset.y()), 1))

    def _request(self, azimuth_deg: float) -> None:
        self.azimuth_requested.emit(azimuth_deg)

    def _set_ghost(self, azimuth_deg: float | None, *, by_key: bool) -> None:
        if self._freshness() is not Freshness.FRESH:
            azimuth_deg = None
        has_hand = azimuth_deg is not None and not by_key
        self.setCursor(Qt.CursorShape.PointingHandCursor if has_hand else Qt.CursorShape.ArrowCursor)
        if (azimuth_deg, by_key) != (self._ghost_deg, self._ghost_by_key):
            self._ghost_deg, self._ghost_by_key = azimuth_deg, by_key
            self._describe()
            self.update()

    def _describe(self) -> None:
        words = dial_words(self._state, self._mount, self._now_s, self._eta_s, self._rate_deg_s)
        if self._ghost_by_key and self._ghost_deg is not None:
            words = f"Enter: go to {azimuth_text(self._ghost_deg)}. {words}"
        if words != self.accessibleDescription():
            self.setAccessibleDescription(words)

    def _freshness(self) -> Freshness:
        return dial_freshness(self._state, self._now_s)

    # Paint

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the plan from the floor up, then the values under it."""
        look = theme.current()
        freshness = self._freshness()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._face_pixmap(look))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        self._paint_shell(painter, look, freshness)
        if freshness is not Freshness.NEVER:
            self._paint_slit(painter, look, freshness)
            self._paint_marks(painter, look)
        self._paint_telescope(painter, look)
        if freshness is Freshness.FRESH:
            self._paint_turn(painter, look)
            self._paint_ghost(painter, look)
        elif freshness is Freshness.STALE:
            self._paint_age(painter, look)
        else:
            self._paint_never(painter, look)
        self._paint_values(painter, look, freshness)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawEllipse(self.centre, self.shell_px[1] + 2.0, self.shell_px[1] + 2.0)
        painter.end()

    def _face_pixmap(self, look: theme.Theme) -> QPixmap:
        """What does not change with the state, painted once for each size and theme."""
        key = (self.size(), self.devicePixelRatioF(), look.name)
        if self._face is None or self._face[0] != key:
            pixmap = QPixmap(self.size() * self.devicePixelRatioF())
            pixmap.setDevicePixelRatio(self.devicePixelRatioF())
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_face(painter, look)
            painter.end()
            self._face = (key, pixmap)
        return self._face[1]

    def _paint_face(self, painter: QPainter, look: theme.Theme) -> None:
        """Paint ticks, letters and circles of altitude."""
        inner, outer = self.shell_px
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.color("background"))
        painter.drawEllipse(self.centre, outer, outer)
        for azimuth in range(0, 360, 5):
            is_long = azimuth % 30 == 0
            painter.setPen(QPen(look.color("dim" if is_long else "line"), 2.0 if is_long else 1.0))
            reach = 9.0 if is_long else 6.0 if azimuth % 10 == 0 else 4.0
            painter.drawLine(self.point_at(azimuth, outer + 3.0), self.point_at(azimuth, outer + 3.0 + reach))
            if azimuth % 90 == 0:
                self._label(painter, azimuth, outer + 21.0, "NESW"[azimuth // 90], look.color("text"), 16)
            elif is_long:
                self._label(painter, azimuth, outer + 24.0, str(azimuth), look.color("dim"), theme.LABEL_PX)
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.color("line"), 1.0, Qt.PenStyle.DotLine))
        for altitude in (30.0, 60.0):  # seen from above, an altitude is a circle of the cosine
            radius = inner * cos(radians(altitude))
            painter.drawEllipse(self.centre, radius, radius)
            self._label(painter, 0.0, radius - 8.0, f"{altitude:.0f}°", look.color("dim"), theme.LABEL_PX)
            painter.setPen(QPen(look.color("line"), 1.0, Qt.PenStyle.DotLine))
        cross = 5.0
        painter.setPen(QPen(look.color("line"), 1.0))
        painter.drawLine(self.centre - QPointF(cross, 0.0), self.centre + QPointF(cross, 0.0))
        painter.drawLine(self.centre - QPointF(0.0, cross), self.centre + QPointF(0.0, cross))
        corner = QRectF(0.0, 4.0, self.width(), 32.0)
        flags = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignTop
        _write(painter, corner, flags, "seen\nfrom above", look.color("dim"), theme.LABEL_PX)

    def _label(
        self, painter: QPainter, azimuth_deg: float, radius_px: float, text: str, color: QColor, size_px: int
    ) -> None:
        """Write a short text round a point of the plan."""
        box = QRectF(0.0, 0.0, 60.0, 20.0)
        box.moveCenter(self.point_at(azimuth_deg, radius_px))
        weight = QFont.Weight.Bold if size_px > theme.LABEL_PX else QFont.Weight.Normal
        _write(painter, box, Qt.AlignmentFlag.AlignCenter, text, color, size_px, weight)

    def _paint_shell(self, painter: QPainter, look: theme.Theme, freshness: Freshness) -> None:
        inner, outer = self.shell_px
        ring = QPainterPath()
        ring.addEllipse(self.centre, outer, outer)
        ring.addEllipse(self.centre, inner, inner)
        if freshness is Freshness.NEVER:
            painter.setPen(QPen(look.color("dim"), 1.0, Qt.PenStyle.DashLine))
            painter.setBrush(Qt.BrushStyle.NoBrush)
        else:
            painter.setPen(QPen(look.color("dim"), 1.0))
            painter.setBrush(look.color("line"))
        painter.drawPath(ring)

    def _paint_marks(self, painter: QPainter, look: theme.Theme) -> None:
        """Park and home: triangles at the inner side of the shell."""
        inner, _ = self.shell_px
        marks = [("park", self._state.park_deg), ("home", self._state.home_deg)]
        places = [(word, azimuth) for word, azimuth in marks if azimuth is not None]
        if len(places) == 2 and abs(turn_deg(places[0][1], places[1][1])) < 15.0:
            places = [("park, home", places[0][1])]
        for word, azimuth in places:
            tip = self.point_at(azimuth, inner - 2.0)
            spread = degrees_of(5.0, inner - 10.0)
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(look.color("dim"))
            feet = (self.point_at(azimuth - spread, inner - 11.0), self.point_at(azimuth + spread, inner - 11.0))
            painter.drawPolygon((tip, *feet))
            self._label(
                painter,
                azimuth,
                inner - 22.0 - 14.0 * abs(sin(radians(azimuth))),
                word,
                look.color("dim"),
                theme.LABEL_PX,
            )

    def _paint_slit(self, painter: QPainter, look: theme.Theme, freshness: Freshness) -> None:
        """The slit where it was measured, in a look of its own for each state of the shutter."""
        azimuth = self._state.azimuth_deg.value
        if azimuth is None:
            return
        half = self._state.slit_width_deg / 2.0
        whole = self._sector(azimuth - half, azimuth + half)
        shutter = self._state.shutter.value
        light = look.color("text" if freshness is Freshness.FRESH else "dim")
        if shutter is ShutterState.OPEN:
            self._paint_corridor(painter, azimuth, half, QBrush(_faded(light, 0.13)), light)
            painter.setPen(QPen(light, 1.0))
            painter.setBrush(light)
            painter.drawPath(whole)
        elif shutter is ShutterState.CLOSED:
            self._paint_leaf(painter, look, whole)
            inner, outer = self.shell_px
            painter.setPen(QPen(light, 2.0))
            painter.drawLine(self.point_at(azimuth, inner), self.point_at(azimuth, outer))
        elif shutter is ShutterState.ERROR:
            alarm = look.color("alarm")
            self._paint_corridor(painter, azimuth, half, QBrush(alarm, Qt.BrushStyle.DiagCrossPattern), alarm)
            painter.setPen(QPen(alarm, 3.0))
            painter.setBrush(look.color("background"))
            painter.drawPath(whole)
            painter.setBrush(QBrush(alarm, Qt.BrushStyle.DiagCrossPattern))
            painter.drawPath(whole)
        elif shutter is None:
            painter.setPen(QPen(light, 2.0, Qt.PenStyle.DashLine))
            painter.setBrush(look.color("background"))
            painter.drawPath(whole)
            middle = sum(self.shell_px) / 2.0
            self._label(painter, azimuth, middle, "?", light, theme.VALUE_PX)
        else:
            self._paint_half_open(painter, look, light, opens=shutter is ShutterState.OPENING)

    def _paint_half_open(self, painter: QPainter, look: theme.Theme, light: QColor, *, opens: bool) -> None:
        """Half leaves with arrows: how far they are is not known, so nothing pretends to show it."""
        azimuth, half = self._state.azimuth_deg.value or 0.0, self._state.slit_width_deg / 2.0
        inner, outer = self.shell_px
        self._paint_corridor(painter, azimuth, half / 2.0, QBrush(_faded(light, 0.10)), light)
        painter.setPen(QPen(light, 1.0))
        painter.setBrush(light)
        painter.drawPath(self._sector(azimuth - half / 2.0, azimuth + half / 2.0))
        for side in (-1.0, 1.0):
            leaf = sorted((azimuth + side * half, azimuth + side * half / 2.0))
            self._paint_leaf(painter, look, self._sector(leaf[0], leaf[1]))
            middle, reach = (inner + outer) / 2.0, half / 7.0 * side * (1.0 if opens else -1.0)
            at = azimuth + side * half * 0.75
            painter.setPen(QPen(light, 2.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            ends = (self.point_at(at - reach, middle - 5.0), self.point_at(at - reach, middle + 5.0))
            painter.drawPolyline((ends[0], self.point_at(at + reach, middle), ends[1]))

    def _paint_leaf(self, painter: QPainter, look: theme.Theme, sector: QPainterPath) -> None:
        painter.setPen(QPen(look.color("dim"), 1.0))
        painter.setBrush(look.color("raised"))
        painter.drawPath(sector)

    def _paint_corridor(
        self, painter: QPainter, azimuth_deg: float, half_deg: float, fill: QBrush, edge: QColor
    ) -> None:
        """The opening from the shell to just behind the zenith, as wide as the slit."""
        inner, _ = self.shell_px
        wide = inner * sin(radians(min(half_deg, 60.0)))
        painter.save()
        painter.translate(self.centre)
        painter.rotate(azimuth_deg)
        far = -((inner**2 - wide**2) ** 0.5)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(fill)
        painter.drawRect(QRectF(-wide, far, 2.0 * wide, 0.12 * inner - far))
        painter.setPen(QPen(_faded(edge, 0.5), 1.0))
        for side in (-wide, wide):
            painter.drawLine(QPointF(side, far), QPointF(side, 0.12 * inner))
        painter.restore()

    def _paint_telescope(self, painter: QPainter, look: theme.Theme) -> None:
        """The beam: a line from the pier to where it leaves the dome; dashed when it is old."""
        corner = QRectF(0.0, 4.0, 150.0, 50.0)
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop
        mount = self._mount.value
        if mount is None or mount.azimuth_deg is None:
            _write(painter, corner, flags, "telescope\n" + DASHES, look.color("dim"), theme.LABEL_PX)
            return
        is_fresh = self._mount.freshness(self._now_s, self._state.fresh_s) is Freshness.FRESH
        altitude = mount.altitude_deg or 0.0
        inner, _ = self.shell_px
        tip = self.point_at(mount.azimuth_deg, inner * cos(radians(altitude)))
        ink = look.color("text" if is_fresh else "dim")
        painter.setPen(QPen(ink, 3.0 if is_fresh else 2.0, Qt.PenStyle.SolidLine if is_fresh else Qt.PenStyle.DotLine))
        painter.setBrush(look.color("background"))
        painter.drawLine(self.centre, tip)
        size = max(6.0, 0.045 * inner)
        painter.drawEllipse(tip, size, size)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(ink)
        painter.drawEllipse(self.centre, 4.0, 4.0)
        if is_fresh and not mount.is_parked:
            painter.drawEllipse(tip, size / 2.5, size / 2.5)
        lines = f"telescope\naz {azimuth_text(mount.azimuth_deg)}, alt {altitude:.1f}°"
        age = self._mount.age_s(self._now_s)
        lines += "\nparked" if mount.is_parked and is_fresh else "" if is_fresh else f"\nSTALE {age_text(age)}"
        _write(painter, corner, flags, lines, look.color("dim" if is_fresh else "attention"), theme.LABEL_PX)

    def _paint_turn(self, painter: QPainter, look: theme.Theme) -> None:
        """The commanded azimuth as an outline, and the arc of the turn that is left."""
        target, left = self._state.target_deg, self._state.remaining_deg()
        azimuth = self._state.azimuth_deg.value
        if target is None:
            return
        half = self._state.slit_width_deg / 2.0
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.color("text"), 2.0, Qt.PenStyle.DashLine))
        painter.drawPath(self._sector(target - half, target + half))
        if azimuth is None or left is None or abs(left) < 0.05:
            return
        inner, _ = self.shell_px
        radius = inner - 8.0
        painter.setPen(QPen(look.color("text"), 2.0))
        painter.drawPath(self._arc(radius, azimuth, left))
        head = min(degrees_of(11.0, radius), abs(left)) * (1.0 if left > 0.0 else -1.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.color("text"))
        foot = target - head
        feet = (self.point_at(foot, radius - 6.0), self.point_at(foot, radius + 6.0))
        painter.drawPolygon((self.point_at(target, radius), *feet))

    def _paint_ghost(self, painter: QPainter, look: theme.Theme) -> None:
        """What a click or Enter would do."""
        if self._ghost_deg is None:
            return
        half = self._state.slit_width_deg / 2.0
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.color("accent"), 2.0))
        painter.drawPath(self._sector(self._ghost_deg - half, self._ghost_deg + half))
        foot = self.height() - _VALUES_PX - 4.0
        flags = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom
        way = "Enter" if self._ghost_by_key else "click"
        above = QRectF(0.0, foot - 62.0, 150.0, 38.0)
        _write(painter, above, flags, f"{way}:\ngo to", look.color("accent"), theme.LABEL_PX)
        box = QRectF(0.0, foot - 24.0, 150.0, 24.0)
        _write(painter, box, flags, azimuth_text(self._ghost_deg), look.color("accent"), theme.VALUE_PX)

    def _paint_age(self, painter: QPainter, look: theme.Theme) -> None:
        """Veil what is old, and say how old it is."""
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(_hatching(look, 0.55))
        painter.drawEllipse(self.centre, self.shell_px[1] + 2.0, self.shell_px[1] + 2.0)
        why = self._state.failure or "no answer from the dome"
        age = age_text(self._state.azimuth_deg.age_s(self._now_s))
        self._paint_notice(painter, look, f"STALE {age}", why, look.color("attention"))

    def _paint_never(self, painter: QPainter, look: theme.Theme) -> None:
        why = self._state.failure or "No dome has answered yet. Settings (Ctrl+6) connects one."
        self._paint_notice(painter, look, "Never read", why, look.color("dim"))

    def _paint_notice(self, painter: QPainter, look: theme.Theme, title: str, why: str, color: QColor) -> None:
        """A framed sentence in the middle of the plan, of two lines at most."""
        inner, _ = self.shell_px
        width = min(320.0, 1.7 * inner)
        painter.setFont(theme.font(theme.TEXT_PX))
        painter.setPen(color)  # without a pen no text has a size
        wrap = int(Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignTop) | int(Qt.TextFlag.TextWordWrap)
        room = QRectF(0.0, 0.0, width - 2.0 * theme.GAP_PX, 80.0)
        needed = painter.boundingRect(room, wrap, why).height()
        box = QRectF(0.0, 0.0, width, min(needed, 80.0) + 34.0 + 2.0 * theme.NEAR_PX)
        box.moveCenter(self.centre)
        painter.setBrush(look.color("panel"))
        painter.drawRoundedRect(box, 4.0, 4.0)
        inside = box.adjusted(theme.GAP_PX, theme.NEAR_PX, -theme.GAP_PX, -theme.NEAR_PX)
        top = QRectF(inside.topLeft(), QPointF(inside.right(), inside.top() + 30.0))
        _write(painter, top, Qt.AlignmentFlag.AlignCenter, title, color, theme.WORD_PX, QFont.Weight.DemiBold)
        painter.setFont(theme.font(theme.TEXT_PX))
        painter.setPen(look.color("text"))
        painter.drawText(inside.adjusted(0.0, 34.0, 0.0, 0.0), wrap, why)

    def _paint_values(self, painter: QPainter, look: theme.Theme, freshness: Freshness) -> None:
        """Azimuth and shutter, large, and under them what they do, whose word it is, and the age."""
        state, now = self._state, self._now_s
        top = self.height() - _VALUES_PX + 4.0
        left = QRectF(0.0, top, 0.42 * self.width(), 44.0)
        right = QRectF(0.34 * self.width(), top, 0.66 * self.width(), 44.0)
        under_left, under_right = left.translated(0.0, 44.0), right.translated(0.0, 44.0)
        to_left = Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter
        to_right = Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter
        above = Qt.AlignmentFlag.AlignTop
        is_fresh = freshness is Freshness.FRESH
        ink, small = (
            look.color("text" if is_fresh else "dim"),
            look.color("attention" if freshness is Freshness.STALE else "dim"),
        )
        if freshness is Freshness.STALE:
            painter.fillRect(QRectF(0.0, top + 2.0, self.width(), 40.0), _hatching(look, 0.35))
        bold = QFont.Weight.DemiBold
        value = azimuth_text(state.azimuth_deg.value)
        _write(painter, left, to_left, value, ink, theme.DIAL_PX, bold, look)
        word, whose = shutter_words(state, now)
        if freshness is Freshness.NEVER:
            word, whose = DASHES, ""
        is_alarm = word == ShutterWord.NOT_CLOSED.value
        word_ink = look.color("attention") if word == ShutterWord.UNKNOWN.value else ink
        _write(painter, right, to_right, word, word_ink, theme.DIAL_PX, bold, look, is_inverse=is_alarm)
        doing = azimuth_words(state, now, self._eta_s, self._rate_deg_s)
        ages = [f"{age_text(reading.age_s(now))} ago" for reading in (state.azimuth_deg, state.shutter)]
        if freshness is Freshness.NEVER:
            first, second = "azimuth, never read", "shutter, never read"
        else:
            first = f"{doing} \u00b7 read {ages[0]}" if is_fresh else f"was read {ages[0]}"
            second = f"{whose} \u00b7 {ages[1]}" if is_fresh else f"{whose} {ages[1]}"
        size = theme.TEXT_PX
        _write(painter, under_left, Qt.AlignmentFlag.AlignLeft | above, first, small, size)
        _write(painter, under_right, Qt.AlignmentFlag.AlignRight | above, second, small, size)

    def _sector(self, from_deg: float, to_deg: float) -> QPainterPath:
        """The part of the shell between two azimuths, clockwise."""
        inner, outer = self.shell_px
        big, little = self._circle(outer), self._circle(inner)
        path = QPainterPath()
        path.arcMoveTo(big, 90.0 - from_deg)
        path.arcTo(big, 90.0 - from_deg, from_deg - to_deg)
        path.arcTo(little, 90.0 - to_deg, to_deg - from_deg)
        path.closeSubpath()
        return path

    def _arc(self, radius_px: float, from_deg: float, by_deg: float) -> QPainterPath:
        path = QPainterPath()
        path.arcMoveTo(self._circle(radius_px), 90.0 - from_deg)
        path.arcTo(self._circle(radius_px), 90.0 - from_deg, -by_deg)
        return path

    def _circle(self, radius_px: float) -> QRectF:
        reach = QPointF(radius_px, radius_px)
        return QRectF(self.centre - reach, self.centre + reach)


def degrees_of(length_px: float, radius_px: float) -> float:
    """The angle that an arc of that length has on a circle, degrees."""
    return 57.29577951308232 * length_px / max(radius_px, 1.0)


def _faded(color: QColor, alpha: float) -> QColor:
    faded = QColor(color)
    faded.setAlphaF(alpha)
    return faded


def _hatching(look: theme.Theme, strength: float) -> QBrush:
    """Stripes of what is old: a tile, because lines cost ten times more."""
    side = 16.0
    tile = QPixmap(int(side), int(side))
    tile.fill(Qt.GlobalColor.transparent)
    painter = QPainter(tile)
    painter.setRenderHint(QPainter.RenderHint.Antialiasing)
    painter.setPen(QPen(look.color("stale", strength), 4.0))
    for shift in (-side, 0.0, side):  # the neighbours' corners are part of the tile
        painter.drawLine(QPointF(shift, side), QPointF(shift + side, 0.0))
    painter.end()
    return QBrush(tile)


def _write(
    painter: QPainter,
    box: QRectF,
    flags: Qt.AlignmentFlag,
    text: str,
    color: QColor,
    size_px: int,
    weight: QFont.Weight = QFont.Weight.Normal,
    look: theme.Theme | None = None,
    *,
    is_inverse: bool = False,
) -> None:
    """Write a text in a box; inverse is for alarms alone, and then `look` has their colour."""
    painter.setFont(theme.font(size_px, weight))
    if is_inverse and look is not None:
        box = box.adjusted(0.0, 0.0, -theme.NEAR_PX, 0.0)
        around = painter.boundingRect(box, flags, text).adjusted(-theme.NEAR_PX, 3.0, theme.NEAR_PX, -3.0)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.color("alarm"))
        painter.drawRoundedRect(around, 4.0, 4.0)
        color = look.color("background")
    painter.setPen(color)
    painter.drawText(box, int(flags), text)
