"""How high a target stands through the night, with the limit, twilight and now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt
from PySide6.QtGui import QColor, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QToolTip, QWidget

from app.model.schedule import (
    LOWEST_ALTITUDE_DEG,
    NIGHT_SUN_ALTITUDE_DEG,
    airmass,
    altitude_deg,
    sun_altitude_deg,
)
from app.model.settings import Site
from app.widgets import theme

_STEP = timedelta(minutes=10)
_LEFT_PX, _BOTTOM_PX, _TOP_PX, _RIGHT_PX = 30, 20, 18, 8
#: Beyond the Sun's setting and rising nothing is shown.
_SUNSET_DEG = -0.83


@dataclass(frozen=True, slots=True)
class _Curve:
    """Altitudes of target and Sun, degrees, every 10 minutes."""

    begins_at: datetime
    target_deg: tuple[float, ...]
    sun_deg: tuple[float, ...]

    @property
    def ends_at(self) -> datetime:
        return self.at(len(self.target_deg) - 1)

    def at(self, number: int) -> datetime:
        return self.begins_at + number * _STEP


class AltitudePlot(QWidget):
    """The altitude of one target from sunset to sunrise; the Sun's depth shades the night."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._curve: _Curve | None = None
        self._now: datetime | None = None
        self.setMouseTracking(True)
        self.setMinimumHeight(120)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setAccessibleName("Altitude through the night")

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """As wide as there is room."""
        return QSize(320, 140)

    def show_target(self, ra_deg: float, dec_deg: float, site: Site, now: datetime) -> None:
        """Show a position, ICRS, for the present or coming night."""
        self._curve = _curve(ra_deg, dec_deg, site, now)
        self._now = now
        best = max(range(len(self._curve.target_deg)), key=self._curve.target_deg.__getitem__)
        self.setAccessibleDescription(
            f"Highest {self._curve.target_deg[best]:.0f}° at {self._curve.at(best):%H:%M} UTC, "
            f"now {altitude_deg(ra_deg, dec_deg, site, now):.0f}°; not observed below {LOWEST_ALTITUDE_DEG:.0f}°"
        )
        self.update()

    def clear(self) -> None:
        """Show nothing."""
        self._curve = None
        self.update()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Colours come from the theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.update()

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Tell the altitude under the cursor."""
        if self._curve is None:
            return
        room = self._room()
        count = len(self._curve.target_deg)
        number = round((event.position().x() - room.left()) / room.width() * (count - 1))
        number = min(max(number, 0), count - 1)
        altitude = self._curve.target_deg[number]
        air = airmass(altitude)
        text = f"{self._curve.at(number):%H:%M} UTC  {altitude:.0f}°"
        QToolTip.showText(
            event.globalPosition().toPoint(), text + (f"  airmass {air:.2f}" if air and altitude > 5.0 else ""), self
        )

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Shading, limit, curve, now."""
        if self._curve is None:
            return
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(theme.LABEL_PX))
        room = self._room()
        self._paint_night(painter, room, self._curve)
        self._paint_axes(painter, room, self._curve)
        self._paint_curve(painter, room, self._curve)
        self._paint_now(painter, room, self._curve)

    def _room(self) -> QRectF:
        return QRectF(self.rect()).adjusted(_LEFT_PX, _TOP_PX, -_RIGHT_PX, -_BOTTOM_PX)

    def _x(self, room: QRectF, at: datetime) -> float:
        assert self._curve is not None  # noqa: S101 - only asked while painting it
        return room.left() + room.width() * (
            (at - self._curve.begins_at) / (self._curve.ends_at - self._curve.begins_at)
        )

    @staticmethod
    def _y(room: QRectF, degrees: float) -> float:
        return room.bottom() - room.height() * degrees / 90.0

    def _paint_night(self, painter: QPainter, room: QRectF, curve: _Curve) -> None:
        """The darker the sky, the darker the ground."""
        look = theme.current()
        slice_px = room.width() / (len(curve.sun_deg) - 1)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
        painter.fillRect(room, look.color("raised"))
        for number, sun in enumerate(curve.sun_deg[:-1]):
            if sun < NIGHT_SUN_ALTITUDE_DEG:
                left = room.left() + number * slice_px
                painter.fillRect(QRectF(left, room.top(), slice_px + 1.0, room.height()), look.color("background"))
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)

    def _paint_axes(self, painter: QPainter, room: QRectF, curve: _Curve) -> None:
        look = theme.current()
        for degrees in (0, 30, 60, 90):
            y = self._y(room, degrees)
            painter.setPen(QPen(look.color("line"), 0.0))
            painter.drawLine(QPointF(room.left(), y), QPointF(room.right(), y))
            painter.setPen(look.color("dim"))
            right_aligned = QRectF(0, y - 8, _LEFT_PX - 4, 16)
            painter.drawText(right_aligned, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, f"{degrees}°")
        hour = curve.begins_at.replace(minute=0) + timedelta(hours=1)
        while hour <= curve.ends_at:
            x = self._x(room, hour)
            painter.setPen(QPen(look.color("line"), 0.0))
            painter.drawLine(QPointF(x, room.bottom()), QPointF(x, room.bottom() + 4))
            if hour.hour % 2 == 0 and x < room.right() - 10:
                painter.setPen(look.color("dim"))
                painter.drawText(
                    QRectF(x - 20, room.bottom() + 4, 40, 16), Qt.AlignmentFlag.AlignHCenter, f"{hour:%H:%M}"
                )
            hour += timedelta(hours=1)
        painter.setPen(QPen(look.color("dim"), 1.0, Qt.PenStyle.DashLine))
        limit = self._y(room, LOWEST_ALTITUDE_DEG)
        painter.drawLine(QPointF(room.left(), limit), QPointF(room.right(), limit))
        painter.setPen(look.color("dim"))
        above_limit = QRectF(room.left() + 4, limit - 17, 120, 16)
        painter.drawText(above_limit, Qt.AlignmentFlag.AlignLeft, f"limit {LOWEST_ALTITUDE_DEG:.0f}°")

    def _paint_curve(self, painter: QPainter, room: QRectF, curve: _Curve) -> None:
        """Full where it can be observed, thin where it is too low or the sky too bright."""
        look = theme.current()
        points = [QPointF(self._x(room, curve.at(n)), self._y(room, deg)) for n, deg in enumerate(curve.target_deg)]
        painter.setClipRect(room)
        painter.setPen(QPen(look.color("dim"), 1.0))
        painter.drawPolyline(QPolygonF(points))
        painter.setPen(QPen(look.color("text"), 2.5))
        for number in range(len(points) - 1):
            if _is_good(curve, number) and _is_good(curve, number + 1):
                painter.drawLine(points[number], points[number + 1])
        painter.setClipping(False)

    def _paint_now(self, painter: QPainter, room: QRectF, curve: _Curve) -> None:
        if self._now is None or not curve.begins_at <= self._now <= curve.ends_at:
            return
        look = theme.current()
        x = self._x(room, self._now)
        painter.setPen(QPen(look.color("text"), 1.0))
        painter.drawLine(QPointF(x, room.top() - 2), QPointF(x, room.bottom()))
        width = 64.0
        left = min(max(x - width / 2.0, room.left()), room.right() - width)
        painter.drawText(QRectF(left, 0, width, 16), Qt.AlignmentFlag.AlignCenter, f"now {self._now:%H:%M}")
        altitude = _interpolated(curve, self._now)
        if altitude > 0.0:
            painter.setBrush(QColor(look.color("background")))
            painter.setPen(QPen(look.color("text"), 2.0))
            painter.drawEllipse(QPointF(x, self._y(room, altitude)), 4.0, 4.0)


def _curve(ra_deg: float, dec_deg: float, site: Site, now: datetime) -> _Curve:
    """The present or coming night from sunset to sunrise; where there is none, the next 24 hours."""
    start = now.replace(minute=now.minute // 10 * 10, second=0, microsecond=0)
    moments = [start + number * _STEP for number in range(-144, 145)]
    sun = [sun_altitude_deg(site, moment) for moment in moments]
    first = next((n for n in range(144, len(sun)) if sun[n] < _SUNSET_DEG), None)
    last = first
    while first is not None and first > 0 and sun[first - 1] < _SUNSET_DEG:
        first -= 1
    while last is not None and last < len(sun) - 1 and sun[last + 1] < _SUNSET_DEG:
        last += 1
    chosen = slice(144, None) if first is None or last is None or last - first < 2 else slice(first, last + 1)
    target = tuple(altitude_deg(ra_deg, dec_deg, site, moment) for moment in moments[chosen])
    return _Curve(moments[chosen][0], target, tuple(sun[chosen]))


def _is_good(curve: _Curve, number: int) -> bool:
    return curve.target_deg[number] >= LOWEST_ALTITUDE_DEG and curve.sun_deg[number] < NIGHT_SUN_ALTITUDE_DEG


def _interpolated(curve: _Curve, at: datetime) -> float:
    exact = (at - curve.begins_at) / _STEP
    number = min(int(exact), len(curve.target_deg) - 2)
    part = exact - number
    return curve.target_deg[number] * (1.0 - part) + curve.target_deg[number + 1] * part
