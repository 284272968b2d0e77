"""The last 12 hours: azimuths, wind, humidity and cloud over one time axis, with their limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, QTimer
from PySide6.QtGui import QFocusEvent, QFont, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPixmap, QPolygonF
from PySide6.QtWidgets import QSizePolicy, QWidget
from shiboken6 import VoidPtr

from app.model.settings import WeatherLimits
from app.model.surroundings import Moment
from app.model.wording import DASHES, age_text, azimuth_text
from app.widgets import theme

if TYPE_CHECKING:
    from numpy.typing import NDArray

SPAN_S = 12.0 * 3600.0
#: A value older than this is not "now"; a longer silence is a gap in the line.
OLD_S = 120.0
_STEP_OF_KEYS_S = 600.0
_LEFT_PX, _RIGHT_PX, _FOOT_PX = 132, 148, 20
#: From one label of an axis to the next, at least.
_LABEL_STEP_PX = 13.0
#: Where the values begin, behind their names.
_NAME_PX = 58


@dataclass(frozen=True, slots=True)
class _Line:
    """One value over time; beyond `limit` is not normal, and only below `open_below` the dome may open again."""

    name: str
    value_of: Callable[[Moment], float | None]
    is_minor: bool = False
    limit: float | None = None
    open_below: float | None = None

    def is_beyond(self, value: float | None) -> bool:
        """Whether a value is over the limit."""
        return value is not None and self.limit is not None and value > self.limit


@dataclass(frozen=True, slots=True)
class _Strip:
    """One row of the plots: its lines share an axis from 0 to `top`."""

    unit: str
    lines: tuple[_Line, ...]
    top: float
    wraps: bool = False
    ticks: tuple[tuple[float, str], ...] = ((0.0, "0"),)
    share: float = 1.0

    def text(self, value: float | None) -> str:
        """The value with its unit; dashes when there is none."""
        if value is None:
            return DASHES
        if self.wraps:
            return azimuth_text(value)
        return f"{value:.1f} {self.unit}" if self.unit == "m/s" else f"{value:.0f} {self.unit}"


def _strips(limits: WeatherLimits, strongest_wind_m_s: float, open_at: float | None) -> tuple[_Strip, ...]:
    def line(name: str, value_of: Callable[[Moment], float | None], limit: float, is_minor: bool = False) -> _Line:
        return _Line(name, value_of, is_minor, limit, None if open_at is None else open_at * limit)

    wind_top = max(1.25 * limits.wind_m_s, 1.15 * limits.gust_m_s, 1.05 * strongest_wind_m_s)
    azimuths = (
        _Line("dome", lambda moment: moment.dome_azimuth_deg),
        _Line("tel", lambda moment: moment.mount_azimuth_deg, is_minor=True),
    )
    winds = (
        line("wind", lambda moment: moment.wind_m_s, limits.wind_m_s),
        line("gust", lambda moment: moment.gust_m_s, limits.gust_m_s, is_minor=True),
    )
    humidity = (line("humidity", lambda moment: moment.humidity_percent, limits.humidity_percent),)
    cloud = (line("cloud", lambda moment: moment.cloud_percent, limits.cloud_percent),)
    compass = ((0.0, "0°"), (180.0, "az 180°"), (360.0, "360°"))
    return (
        _Strip("\u00b0", azimuths, 360.0, wraps=True, ticks=compass, share=2.0),
        _Strip("m/s", winds, wind_top, share=1.6),
        _Strip("%", humidity, 100.0),
        _Strip("%", cloud, 100.0),
    )


def _limit_text(line: _Line, is_named: bool) -> str:
    """``limit 90, open < 81``: what closes, and what must be reached before the dome may open again."""
    name = line.name if is_named else "limit"
    reopens = "" if line.open_below is None else f", open < {line.open_below:.3g}"
    return f"{name} {line.limit:g}{reopens}"


def line_pieces(
    times_s: NDArray[np.float64],
    values: NDArray[np.float64],
    columns: int,
    start_s: float,
    *,
    wraps: bool = False,
) -> Iterator[tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Thin a line to its lowest and highest value per pixel column, in pieces without gaps.

    Parameters
    ----------
    times_s : ndarray, float64, shape (points,)
        Ascending POSIX times, seconds.
    values : ndarray, float64, shape (points,)
        NaN where unknown.
    columns : int
        Width of the span in pixels.
    start_s : float
        Time of the left edge.
    wraps : bool
        Whether the values are azimuths in degrees: a step across North begins a new piece.

    Yields
    ------
    tuple of ndarray
        Pixel columns and values of one piece.
    """
    inside = np.isfinite(values) & (times_s >= start_s)
    positions = np.flatnonzero(inside)
    if positions.size == 0:
        return
    times, known = times_s[positions], values[positions]
    breaks = (np.diff(positions) > 1) | (np.diff(times) > OLD_S)
    if wraps:
        breaks |= np.abs(np.diff(known)) > 180.0
    pixels = np.clip(((times - start_s) * (columns / SPAN_S)).astype(np.int64), 0, columns)
    bounds = np.concatenate(([0], np.flatnonzero(breaks) + 1, [positions.size]))
    for begin, end in pairwise(bounds):
        columns_of, values_of = pixels[begin:end], known[begin:end]
        firsts = np.concatenate(([0], np.flatnonzero(np.diff(columns_of)) + 1))
        lows, highs = np.minimum.reduceat(values_of, firsts), np.maximum.reduceat(values_of, firsts)
        rises = values_of[firsts] * 2.0 <= lows + highs  # enter the column at the end that is nearer
        pairs = np.where(rises[:, None], np.stack((lows, highs), axis=1), np.stack((highs, lows), axis=1))
        yield np.repeat(columns_of[firsts], 2).astype(np.float64), pairs.ravel()


class NightPlots(QWidget):
    """Azimuth, wind, humidity and cloud of the last 12 h; now is at the right."""

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._moments: tuple[Moment, ...] = ()
        self._times = np.zeros(0)
        self._values: dict[str, NDArray[np.float64]] = {}
        self._now_s = 0.0
        self._layout = _strips(WeatherLimits(), 0.0, None)
        self._cursor_s: float | None = None
        self._layer: tuple[tuple[object, ...], QPixmap] | None = None
        self._serial = 0
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(320, 150)
        self.setAccessibleName("The last 12 hours")
        self.setToolTip("")
        self.set_moments((), WeatherLimits(), 0.0)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Wide and low."""
        return QSize(720, 190)

    def set_moments(
        self, moments: tuple[Moment, ...], limits: WeatherLimits, now: float, open_at: float | None = None
    ) -> None:
        """Show these moments, oldest first.

        Parameters
        ----------
        now : float
            POSIX time of the right edge, seconds.
        open_at : float, optional
            Part of each limit that a value must be under before the dome may open again; without it no such line.
        """
        self._moments, self._now_s = moments, now
        self._times = np.array([moment.at_s for moment in moments], dtype=np.float64)
        winds = [wind for moment in moments for wind in (moment.wind_m_s, moment.gust_m_s) if wind is not None]
        self._layout = _strips(limits, max(winds, default=0.0), open_at)
        self._values = {
            line.name: np.array([np.nan if (v := line.value_of(m)) is None else v for m in moments], dtype=np.float64)
            for strip in self._layout
            for line in strip.lines
        }
        self._serial += 1
        self._describe()
        QTimer.singleShot(0, self, self.update)  # a paint of its own: the strip has its own already

    def values_at(self, at_s: float) -> dict[str, float | None]:
        """What is known of each line at a time: the last value before it, unless that is too old."""
        last = int(np.searchsorted(self._times, at_s, side="right"))
        found: dict[str, float | None] = {}
        for name, values in self._values.items():
            known = np.flatnonzero(np.isfinite(values[:last]))
            is_near = known.size > 0 and at_s - self._times[known[-1]] <= OLD_S
            found[name] = float(values[known[-1]]) if is_near else None
        return found

    # What the operator does

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Show the values of the time under the cursor."""
        left, width = float(_LEFT_PX), self._plot_width
        at = event.position().x() - left
        self._set_cursor(self._start_s + at / width * SPAN_S if 0.0 <= at <= width else None)

    def leaveEvent(self, _event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Show the newest values again."""
        self._set_cursor(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Step through time by 10 minutes with the arrows; Esc is now."""
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right):
            start = self._now_s if self._cursor_s is None else self._cursor_s
            step = _STEP_OF_KEYS_S if key == Qt.Key.Key_Right else -_STEP_OF_KEYS_S
            self._set_cursor(min(max(start + step, self._start_s), self._now_s))
        elif key == Qt.Key.Key_Escape and self._cursor_s is not None:
            self._set_cursor(None)
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Show the newest values again."""
        super().focusOutEvent(event)
        self._set_cursor(None)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Repaint in another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._layer = None
            self.update()

    def _set_cursor(self, at_s: float | None) -> None:
        if at_s != self._cursor_s:
            self._cursor_s = at_s
            self._describe()
            self.update()

    @property
    def _start_s(self) -> float:
        return self._now_s - SPAN_S

    @property
    def _plot_width(self) -> float:
        return max(40.0, float(self.width() - _LEFT_PX - _RIGHT_PX))

    def _describe(self) -> None:
        at_s = self._now_s if self._cursor_s is None else self._cursor_s
        values = self.values_at(at_s)
        words = [f"{line.name} {strip.text(values[line.name])}" for strip in self._layout for line in strip.lines]
        when = "now" if self._cursor_s is None else f"at {_clock_text(at_s)} UTC"
        self.setAccessibleDescription(f"{when}: {', '.join(words)}" if self._moments else "Nothing was recorded yet")

    # Paint

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the lines from their layer, and over them what changes with the cursor."""
        look = theme.current()
        painter = QPainter(self)
        painter.drawPixmap(0, 0, self._lines_pixmap(look))
        values = self.values_at(self._now_s if self._cursor_s is None else self._cursor_s)
        for strip, box in zip(self._layout, self._boxes(), strict=True):
            self._paint_values(painter, look, strip, box, values)
        if self._cursor_s is not None:
            self._paint_cursor(painter, look)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _boxes(self) -> list[QRectF]:
        """Where the strips are."""
        room = self.height() - _FOOT_PX - 2 * theme.NEAR_PX
        share_px = room / sum(strip.share for strip in self._layout)
        boxes, top = [], float(theme.NEAR_PX)
        for strip in self._layout:
            height = strip.share * share_px
            boxes.append(QRectF(_LEFT_PX, top, self._plot_width, height - theme.NEAR_PX))
            top += height
        return boxes

    def _lines_pixmap(self, look: theme.Theme) -> QPixmap:
        """Axes, limits and lines, painted once for each set of moments, size and theme."""
        key = (self._serial, self.size(), self.devicePixelRatioF(), look.name)
        if self._layer is None or self._layer[0] != key:
            pixmap = QPixmap(self.size() * self.devicePixelRatioF())
            pixmap.setDevicePixelRatio(self.devicePixelRatioF())
            pixmap.fill(Qt.GlobalColor.transparent)
            painter = QPainter(pixmap)
            if self._moments:
                self._paint_hours(painter, look)
                for strip, box in zip(self._layout, self._boxes(), strict=True):
                    self._paint_strip(painter, look, strip, box)
            else:
                self._paint_empty(painter, look)
            painter.end()
            self._layer = (key, pixmap)
        return self._layer[1]

    def _paint_empty(self, painter: QPainter, look: theme.Theme) -> None:
        painter.setPen(look.color("dim"))
        painter.setFont(theme.font(theme.TEXT_PX))
        area = QRectF(_LEFT_PX, 0.0, self._plot_width, self.height() - _FOOT_PX)
        sentence = "Nothing was recorded yet.\nDome, telescope and weather are drawn here as soon as they answer."
        painter.drawText(area, Qt.AlignmentFlag.AlignCenter, sentence)

    def _paint_hours(self, painter: QPainter, look: theme.Theme) -> None:
        boxes = self._boxes()
        top, foot = boxes[0].top(), boxes[-1].bottom()
        step_s = 3600.0 * (1.0 if self._plot_width > 700 else 2.0)
        at_s = (self._start_s // step_s + 1.0) * step_s
        painter.setFont(theme.font(theme.LABEL_PX))
        while at_s <= self._now_s:
            x = round(self._x_of(at_s)) + 0.5
            painter.setPen(QPen(look.color("line"), 1.0, Qt.PenStyle.DotLine))
            painter.drawLine(QPointF(x, top), QPointF(x, foot))
            if _LEFT_PX + 20.0 < x < _LEFT_PX + self._plot_width - 90.0:
                painter.setPen(look.color("dim"))
                place = QRectF(x - 24.0, foot + 2.0, 48.0, 16.0)
                painter.drawText(place, Qt.AlignmentFlag.AlignCenter, f"{datetime.fromtimestamp(at_s, UTC):%H:%M}")
            at_s += step_s
        painter.setPen(look.color("dim"))
        place = QRectF(_LEFT_PX + self._plot_width - 80.0, foot + 2.0, 80.0, 16.0)
        now = f"now, {_clock_text(self._now_s)}"
        painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, now)
        painter.drawText(QRectF(0.0, foot + 2.0, _LEFT_PX - 6.0, 16.0), Qt.AlignmentFlag.AlignRight, "UTC")

    def _paint_strip(self, painter: QPainter, look: theme.Theme, strip: _Strip, box: QRectF) -> None:
        for value, _ in strip.ticks:
            self._paint_level(painter, strip, box, value, QPen(look.color("line"), 1.0))
        for line in strip.lines:
            if line.limit is not None:
                self._paint_level(painter, strip, box, line.limit, QPen(look.color("dim"), 1.0, Qt.PenStyle.DashLine))
            if line.open_below is not None:
                dots = QPen(look.color("dim", 0.6), 1.0, Qt.PenStyle.DotLine)
                self._paint_level(painter, strip, box, line.open_below, dots)
        self._paint_labels(painter, look, strip, box)
        for line in reversed(strip.lines):  # the first is on top
            values = self._values[line.name]
            painter.setPen(QPen(look.color("dim" if line.is_minor else "text"), 1.0))
            self._draw(painter, strip, box, values)
            if line.limit is not None and np.any(values > line.limit):
                painter.setPen(QPen(look.color("alarm"), 3.0))
                self._draw(painter, strip, box, np.where(values > line.limit, values, np.nan))

    def _paint_level(self, painter: QPainter, strip: _Strip, box: QRectF, value: float, pen: QPen) -> None:
        y = round(_y_of(value, strip, box)) + 0.5
        painter.setPen(pen)
        painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))

    def _paint_labels(self, painter: QPainter, look: theme.Theme, strip: _Strip, box: QRectF) -> None:
        """Write what the levels are, from the top; one that would touch its neighbour goes under it, or not at all."""
        limits = [
            (line.limit, _limit_text(line, len(strip.lines) > 1)) for line in strip.lines if line.limit is not None
        ]
        painter.setFont(theme.font(theme.LABEL_PX))
        painter.setPen(look.color("dim"))
        least = box.top() - 6.0
        for value, text in sorted([*limits, *strip.ticks], reverse=True):
            top = max(min(_y_of(value, strip, box) - 8.0, box.bottom() - 12.0), least)
            if top > box.bottom() - 8.0:
                continue
            place = QRectF(0.0, top, _LEFT_PX - 6.0, 16.0)
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, text)
            least = top + _LABEL_STEP_PX

    def _draw(self, painter: QPainter, strip: _Strip, box: QRectF, values: NDArray[np.float64]) -> None:
        """Draw a line in its pieces."""
        pieces = line_pieces(self._times, values, int(box.width()), self._start_s, wraps=strip.wraps)
        for columns, known in pieces:
            xs, ys = box.left() + columns, box.bottom() - known * (box.height() / strip.top)
            polygon = _polygon(xs, ys)
            painter.drawPolyline(polygon)
            if polygon.size() == 2:
                painter.drawPoints(polygon)  # a line without a length is not drawn

    def _paint_values(
        self, painter: QPainter, look: theme.Theme, strip: _Strip, box: QRectF, values: dict[str, float | None]
    ) -> None:
        """The number at the right end with its name; beyond its limit it is loud."""
        room = QRectF(box.right() + theme.GAP_PX, box.top() - 3.0, _RIGHT_PX - 2.0 * theme.GAP_PX, box.height() + 6.0)
        height = room.height() / len(strip.lines)
        for number, line in enumerate(strip.lines):
            value = values[line.name]
            is_beyond = line.is_beyond(value)
            place = QRectF(room.left(), room.top() + number * height, room.width(), height)
            name = QRectF(place.left(), place.top(), _NAME_PX, place.height())
            middle = Qt.AlignmentFlag.AlignVCenter
            painter.setFont(theme.font(theme.LABEL_PX))
            painter.setPen(look.color("dim"))
            painter.drawText(name, int(Qt.AlignmentFlag.AlignLeft | middle), line.name)
            if value is None and self._cursor_s is None and self._paint_old(painter, look, strip, line, place):
                continue
            painter.setFont(theme.font(theme.VALUE_PX, QFont.Weight.Bold if is_beyond else QFont.Weight.Medium))
            flags = int(Qt.AlignmentFlag.AlignRight | middle)
            text = strip.text(value)
            painter.setPen(look.color("dim" if value is None or line.is_minor else "text"))
            if is_beyond:
                around = painter.boundingRect(place, flags, text).adjusted(-4.0, 0.0, 4.0, 0.0)
                painter.fillRect(around, look.color("alarm"))
                painter.setPen(look.color("background"))
            painter.drawText(place, flags, text)

    def _paint_old(self, painter: QPainter, look: theme.Theme, strip: _Strip, line: _Line, place: QRectF) -> bool:
        """The last value of a line that is silent, dim, and under it how old it is; say whether there was one."""
        known = np.flatnonzero(np.isfinite(self._values[line.name]))
        if known.size == 0:
            return False
        right = int(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)
        half = QRectF(place.left(), place.center().y() - 16.0, place.width(), 17.0)
        painter.setFont(theme.font(theme.TEXT_PX))
        painter.setPen(look.color("dim"))
        painter.drawText(half, right, strip.text(float(self._values[line.name][known[-1]])))
        painter.setFont(theme.font(theme.LABEL_PX, QFont.Weight.DemiBold))
        painter.setPen(look.color("attention"))
        age = age_text(self._now_s - float(self._times[known[-1]]))
        painter.drawText(half.translated(0.0, 15.0), right, f"{age} old")
        return True

    def _paint_cursor(self, painter: QPainter, look: theme.Theme) -> None:
        """A line at the time that is looked at, and that time on the axis."""
        at_s = self._cursor_s or 0.0
        boxes = self._boxes()
        x = round(self._x_of(at_s)) + 0.5
        painter.setPen(QPen(look.color("text"), 1.0))
        painter.drawLine(QPointF(x, boxes[0].top()), QPointF(x, boxes[-1].bottom()))
        place = QRectF(0.0, boxes[-1].bottom() + 1.0, 76.0, 18.0)
        place.moveLeft(min(max(x - 38.0, float(_LEFT_PX)), _LEFT_PX + self._plot_width - 76.0))
        painter.fillRect(place, look.color("text"))
        painter.setPen(look.color("background"))
        painter.setFont(theme.font(theme.LABEL_PX, QFont.Weight.DemiBold))
        painter.drawText(place, Qt.AlignmentFlag.AlignCenter, f"{_clock_text(at_s)} UTC")

    def _x_of(self, at_s: float) -> float:
        return _LEFT_PX + (at_s - self._start_s) / SPAN_S * self._plot_width


def _polygon(xs: NDArray[np.float64], ys: NDArray[np.float64]) -> QPolygonF:
    """Points written into the polygon's memory: a QPointF for each takes 2 us, 20 ms for a night."""
    polygon = QPolygonF()
    polygon.resize(xs.size)
    memory = VoidPtr(polygon.data(), 16 * xs.size, True)  # type: ignore[call-arg,arg-type]  # the stubs are wrong
    points = np.frombuffer(memory, dtype=np.float64).reshape(-1, 2)  # type: ignore[call-overload]  # here too
    points[:, 0], points[:, 1] = xs, ys
    return polygon


def _y_of(value: float, strip: _Strip, box: QRectF) -> float:
    return box.bottom() - value / strip.top * box.height()


def _clock_text(at_s: float) -> str:
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M}"
