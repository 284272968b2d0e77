"""The dome seen from above, North up: measured values only, each with its age, and a click that asks for an azimuth."""

from __future__ import annotations

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.model.angles import wrapped_deg
from app.model.dome import DomeState, ShutterWord
from app.model.reading import NEVER_READ, Freshness, Reading
from app.model.strip import Severity
from app.model.surroundings import MountSample
from app.model.wording import DASHES, age_text, azimuth_text
from app.widgets import theme
from app.widgets.dial_layers import (
    paint_face,
    paint_margin,
    paint_marks,
    paint_shell,
    paint_slit,
    paint_telescope,
    paint_turn,
)
from app.widgets.dome_words import Sight, follow_words, shutter_words, sight_words, turn_words
from app.widgets.plan import Plan
from app.widgets.roof_layers import paint_roof
from app.widgets.strokes import hatching, write, write_inverse

#: Room for the two values under the plan, in pixels.
VALUES_PX = 72
_TO_LEFT = Qt.AlignmentFlag.AlignLeft
_TO_RIGHT = Qt.AlignmentFlag.AlignRight
_TOP, _MIDDLE, _BOTTOM = Qt.AlignmentFlag.AlignTop, Qt.AlignmentFlag.AlignVCenter, Qt.AlignmentFlag.AlignBottom


class DomeDial(QWidget):
    """Dome seen from above, North up, East right; a roof that does not turn has no compass."""

    azimuth_requested = Signal(float)  #: Azimuth in degrees, to 0.1, which the operator clicked or entered.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._sight = Sight(DomeState(), NEVER_READ, 0.0)
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
        self._sight = Sight(state, mount, now_s, eta_s, rate_deg_s)
        if not self._takes_azimuths:
            self._ghost_deg = None
        self._describe()
        self.update()

    @property
    def plan(self) -> Plan:
        """Where things are."""
        return Plan.within(self.width(), self.height() - VALUES_PX)

    @property
    def shell_px(self) -> tuple[float, float]:
        """Inner and outer radius of the shell."""
        return self.plan.inner_px, self.plan.outer_px

    def point_at(self, azimuth_deg: float, radius_px: float) -> QPointF:
        """Where an azimuth is on the plan."""
        return self.plan.point_at(azimuth_deg, radius_px)

    # What the operator does

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Show which azimuth a click would ask for."""
        self._set_ghost(self.plan.azimuth_at(event.position()), by_key=False)

    def leaveEvent(self, _event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Forget the azimuth under the cursor."""
        if not self._ghost_by_key:
            self._set_ghost(None, by_key=False)

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Begin a click."""
        is_left = event.button() is Qt.MouseButton.LeftButton
        self._was_pressed_in = is_left and self.plan.azimuth_at(event.position()) is not None

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Ask for the azimuth, unless the press was elsewhere or the cursor left the plan."""
        azimuth = self.plan.azimuth_at(event.position())
        if self._was_pressed_in and azimuth is not None and event.button() is Qt.MouseButton.LeftButton:
            self._request(azimuth)
        self._was_pressed_in = False

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Turn an outline with the arrows, go there with Enter, let it be with Esc."""
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and not self._sight.is_roof:
            step = 10.0 if event.modifiers() & Qt.KeyboardModifier.ShiftModifier else 1.0
            start = self._ghost_deg if self._ghost_deg is not None else self._sight.state.azimuth_deg.value or 0.0
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

    @property
    def _takes_azimuths(self) -> bool:
        facts = self._sight.state.facts
        return self._sight.freshness is Freshness.FRESH and (facts is None or facts.can_set_azimuth)

    def _request(self, azimuth_deg: float) -> None:
        if not self._sight.is_roof:
            self.azimuth_requested.emit(azimuth_deg)

    def _set_ghost(self, azimuth_deg: float | None, *, by_key: bool) -> None:
        if not self._takes_azimuths:
            azimuth_deg = None
        has_hand = azimuth_deg is not None and not by_key
        self.setCursor(Qt.CursorShape.PointingHandCursor if has_hand else Qt.CursorShape.ArrowCursor)
        if (azimuth_deg, by_key) != (self._ghost_deg, self._ghost_by_key):
            self._ghost_deg, self._ghost_by_key = azimuth_deg, by_key
            self._describe()
            self.update()

    def _describe(self) -> None:
        words = sight_words(self._sight)
        if self._ghost_by_key and self._ghost_deg is not None:
            words = f"Enter: go to {azimuth_text(self._ghost_deg)}. {words}"
        if words != self.accessibleDescription():
            self.setAccessibleDescription(words)

    # Paint

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the plan from the floor up, then the words around it and the values under it."""
        look, sight, plan = theme.current(), self._sight, self.plan
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        if sight.is_roof:
            paint_roof(painter, look, plan, sight)
        else:
            self._paint_dome(painter, look, plan, sight)
        self._paint_corners(painter, look, sight)
        self._paint_veil(painter, look, plan, sight)
        self._paint_values(painter, look, sight)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            if sight.is_roof:
                flat = 0.27 * plan.outer_px
                painter.drawRect(plan.circle(plan.outer_px + 4.0).adjusted(0.0, flat, 0.0, -flat))
            else:
                painter.drawEllipse(plan.circle(plan.outer_px + 2.0))
        painter.end()

    def _paint_dome(self, painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
        painter.drawPixmap(0, 0, self._face_pixmap(look, plan))
        paint_shell(painter, look, plan, sight.freshness)
        if sight.freshness is not Freshness.NEVER:
            paint_slit(painter, look, plan, sight)
            paint_marks(painter, look, plan, sight)
        if sight.freshness is Freshness.FRESH:
            paint_margin(painter, look, plan, sight)
        paint_telescope(painter, look, plan, sight)
        if sight.freshness is Freshness.FRESH:
            paint_turn(painter, look, plan, sight)
            self._paint_ghost(painter, look, plan)

    def _face_pixmap(self, look: theme.Theme, plan: Plan) -> QPixmap:
        """What does not change with the state, painted once for each size and theme."""
        key = (self.size(), self.devicePixelRatioF(), look.name)
        if self._face is None or self._face[0] != key:
            pixmap = QPixmap(self.size() * self.devicePixelRatioF())
            pixmap.setDevicePixelRatio(self.devicePixelRatioF())
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            paint_face(painter, look, plan)
            painter.end()
            self._face = (key, pixmap)
        return self._face[1]

    def _paint_ghost(self, painter: QPainter, look: theme.Theme, plan: Plan) -> None:
        """What a click or Enter would do."""
        if self._ghost_deg is None:
            return
        half = self._sight.state.slit_width_deg / 2.0
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.setPen(QPen(look.color("accent"), 2.0))
        painter.drawPath(plan.sector(self._ghost_deg - half, self._ghost_deg + half))
        foot = self.height() - VALUES_PX - 4.0
        way = "Enter" if self._ghost_by_key else "click"
        above, box = QRectF(0.0, foot - 62.0, 150.0, 38.0), QRectF(0.0, foot - 24.0, 150.0, 24.0)
        write(painter, above, _TO_LEFT | _BOTTOM, f"{way}:\ngo to", look.color("accent"), theme.LABEL_PX)
        write(painter, box, _TO_LEFT | _BOTTOM, azimuth_text(self._ghost_deg), look.color("accent"), theme.VALUE_PX)

    def _paint_corners(self, painter: QPainter, look: theme.Theme, sight: Sight) -> None:
        """Telescope at the upper left, how the plan is to be read at the upper right, who follows at the lower right."""
        dim, size = look.color("dim"), theme.LABEL_PX
        top = QRectF(0.0, 4.0, self.width(), 50.0)
        above = "roof, seen\nfrom above" if sight.is_roof else "seen\nfrom above"
        write(painter, top, _TO_RIGHT | _TOP, above, dim, size)
        words, is_odd = _telescope_words(sight)
        write(painter, top, _TO_LEFT | _TOP, words, look.color("attention") if is_odd else dim, size)
        if sight.is_roof or sight.freshness is Freshness.NEVER:
            return
        foot = QRectF(0.0, 0.0, self.width(), self.height() - VALUES_PX - 4.0)
        who, how, severity = follow_words(sight.state.following)
        if severity is Severity.ALARM:
            write_inverse(painter, foot, _TO_RIGHT | _BOTTOM, who, look, theme.TEXT_PX)
            return
        lines, token = [who, *how.split(", ")], "text" if how else "dim"
        if severity is Severity.ATTENTION:
            lines, token = who.split(", "), "attention"
        text = "\n".join(filter(None, lines))
        write(painter, foot, _TO_RIGHT | _BOTTOM, text, look.color(token), theme.TEXT_PX if how else size)

    def _paint_veil(self, painter: QPainter, look: theme.Theme, plan: Plan, sight: Sight) -> None:
        """Veil what is old and say how old it is; say why there is nothing."""
        if sight.freshness is Freshness.FRESH:
            return
        failure = sight.state.failure
        if sight.freshness is Freshness.NEVER:
            why = failure or "No dome has answered yet. Settings (Ctrl+6) connects one."
            _paint_notice(painter, look, plan, "Never read", why, "dim")
            return
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(hatching(look, 0.55))
        painter.drawEllipse(plan.circle(plan.outer_px + 2.0))
        _paint_notice(painter, look, plan, f"STALE {_age(sight)}", failure or "no answer from the dome", "attention")

    def _paint_values(self, painter: QPainter, look: theme.Theme, sight: Sight) -> None:
        """Azimuth and shutter, large, and under them what they do, whose word it is, and the age."""
        freshness = sight.freshness
        width, top = float(self.width()), self.height() - VALUES_PX + 4.0
        if freshness is Freshness.STALE:
            painter.fillRect(QRectF(0.0, top + 2.0, width, 40.0), hatching(look, 0.35))
        large = QRectF(0.0, top, width, 44.0)
        small = QRectF(0.0, top + 42.0, width, 24.0)
        if not sight.is_roof:
            ink = look.color("text" if freshness is Freshness.FRESH else "dim")
            value = azimuth_text(sight.state.azimuth_deg.value)
            write(painter, large, _TO_LEFT | _MIDDLE, value, ink, theme.DIAL_PX, QFont.Weight.DemiBold)
            self._paint_doing(painter, look, sight, small)
        self._paint_shutter(painter, look, sight, large, small)

    def _paint_doing(self, painter: QPainter, look: theme.Theme, sight: Sight, box: QRectF) -> None:
        """What the rotation does, large while there is a turn, and the age of the azimuth behind it."""
        age = age_text(sight.state.azimuth_deg.age_s(sight.now_s))
        token, size = ("attention", theme.TEXT_PX) if sight.freshness is Freshness.STALE else ("dim", theme.TEXT_PX)
        if sight.freshness is not Freshness.FRESH:
            words = "azimuth, never read" if sight.freshness is Freshness.NEVER else f"was read {age} ago"
            write(painter, box, _TO_LEFT | _MIDDLE, words, look.color(token), size)
            return
        doing = turn_words(sight)
        if doing != "still":
            token, size = "text", theme.VALUE_PX
        write(painter, box, _TO_LEFT | _MIDDLE, doing, look.color(token), size)
        begin = painter.fontMetrics().horizontalAdvance(doing)
        write(
            painter,
            box.adjusted(begin, 0.0, 0.0, 0.0),
            _TO_LEFT | _MIDDLE,
            f" · {age} ago",
            look.color("dim"),
            theme.TEXT_PX,
        )

    def _paint_shutter(self, painter: QPainter, look: theme.Theme, sight: Sight, large: QRectF, small: QRectF) -> None:
        """The word of the shutter, and whose word it is."""
        word, whose = shutter_words(sight)
        age = f"{age_text(sight.state.shutter.age_s(sight.now_s))} ago"
        token, under = "text", f"{whose} · {age}"
        if sight.freshness is Freshness.NEVER:
            token, word, under = "dim", DASHES, "shutter, never read"
        elif word == ShutterWord.UNKNOWN.value:
            token, under = "attention", f"{whose} {age}" if sight.state.shutter.value is not None else whose
        elif word == "no shutter":
            token, under = "dim", whose
        if word == ShutterWord.NOT_CLOSED.value:
            write_inverse(painter, large, _TO_RIGHT | _MIDDLE, word, look, theme.DIAL_PX)
        else:
            bold = QFont.Weight.DemiBold
            write(painter, large, _TO_RIGHT | _MIDDLE, word, look.color(token), theme.DIAL_PX, bold)
        ink = look.color("attention" if sight.freshness is Freshness.STALE else "dim")
        write(painter, small, _TO_RIGHT | _MIDDLE, under, ink, theme.TEXT_PX)


def _age(sight: Sight) -> str:
    reading = sight.state.shutter if sight.is_roof else sight.state.azimuth_deg
    return age_text(reading.age_s(sight.now_s))


def _telescope_words(sight: Sight) -> tuple[str, bool]:
    """Where the telescope looks, and whether that is old."""
    mount = sight.mount.value
    if mount is None or mount.azimuth_deg is None:
        return f"telescope\n{DASHES}", False
    altitude = DASHES if mount.altitude_deg is None else f"{mount.altitude_deg:.1f}°"
    where = f"telescope\naz {azimuth_text(mount.azimuth_deg)}, alt {altitude}"
    if not sight.has_fresh_mount:
        return f"{where}\nSTALE {age_text(sight.mount.age_s(sight.now_s))}", True
    if sight.is_roof and mount.is_parked is False:
        return f"{where}\nnot parked", False
    return (f"{where}\nparked" if mount.is_parked else where), False


def _paint_notice(painter: QPainter, look: theme.Theme, plan: Plan, title: str, why: str, token: str) -> None:
    """A framed sentence in the middle of the plan, of four lines at most."""
    color = look.color(token)
    width = min(320.0, 1.7 * plan.inner_px)
    painter.setFont(theme.font(theme.TEXT_PX))
    painter.setPen(color)  # without a pen no text has a size
    wrap = int(Qt.AlignmentFlag.AlignHCenter | _TOP) | int(Qt.TextFlag.TextWordWrap)
    room = QRectF(0.0, 0.0, width - 2.0 * theme.GAP_PX, 80.0)
    needed = painter.boundingRect(room, wrap, why).height()
    box = QRectF(0.0, 0.0, width, min(needed, 80.0) + 34.0 + 2.0 * theme.NEAR_PX)
    box.moveCenter(plan.centre)
    painter.setBrush(look.color("panel"))
    painter.drawRoundedRect(box, theme.TIGHT_PX, theme.TIGHT_PX)
    inside = box.adjusted(theme.GAP_PX, theme.NEAR_PX, -theme.GAP_PX, -theme.NEAR_PX)
    top = QRectF(inside.topLeft(), QPointF(inside.right(), inside.top() + 30.0))
    write(painter, top, Qt.AlignmentFlag.AlignCenter, title, color, theme.WORD_PX, QFont.Weight.DemiBold)
    painter.setFont(theme.font(theme.TEXT_PX))
    painter.setPen(look.color("text"))
    painter.drawText(inside.adjusted(0.0, 34.0, 0.0, 0.0), wrap, why)
