"""Quality of the lights through the night: small plots over one time axis, a column for each filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QFocusEvent, QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.model.quality_trend import TRENDS, Trend, TrendPoint, by_filter
from app.model.settings import Quality
from app.model.verdict import Verdict
from app.widgets import theme

_HEAD_PX, _FILTERS_PX, _ROW_PX, _FOOT_PX = 24, 20, 58, 20
_LEFT_PX, _RIGHT_PX = 132, 10
_DOT_PX = 3.0
#: A click or the cursor takes a point no farther away.
_REACH_PX = 24.0
#: Part of a row that stays free above the highest value and below the lowest.
_MARGIN = 0.18
_NAMES = ((Verdict.ACCEPTED, "accepted"), (Verdict.DOUBTFUL, "doubtful"), (Verdict.REJECTED, "left out"))
_LEGEND_PX = 82.0


@dataclass(frozen=True, slots=True)
class _Row:
    """One number of all lights, on one axis."""

    trend: Trend
    keyword: str
    unit: str
    low: float
    high: float

    def y_of(self, value: float, box: QRectF) -> float:
        """Where a value stands in the row's box."""
        return box.bottom() - (value - self.low) / (self.high - self.low) * box.height()

    def text(self, value: float | None) -> str:
        """With its unit."""
        if value is None:
            return "not known"
        space = "" if self.unit == "\u2033" else " "
        return f"{self.trend.text(value)}{space}{self.unit}".strip()


class QualityTrend(QWidget):
    """FWHM, stars, sky, zero point and ellipticity of each light, with verdicts and limits."""

    light_chosen = Signal(int)  #: Key of the light that the operator clicked.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._points: tuple[TrendPoint, ...] = ()
        self._columns: tuple[tuple[str, tuple[TrendPoint, ...]], ...] = ()
        self._rows: tuple[_Row, ...] = ()
        self._limits = Quality()
        self._pointed: int | None = None  # place of the light under the cursor
        self.setMouseTracking(True)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.setMinimumWidth(320)
        self.setAccessibleName("Quality of the lights: arrows step through them, Enter chooses one")
        self.set_points(())

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """All rows; of the empty one, a sentence."""
        return QSize(640, self.minimumHeight())

    def set_limits(self, limits: Quality) -> None:
        """Show the limits of the settings."""
        self._limits = limits
        self.set_points(self._points)

    def set_points(self, points: Sequence[TrendPoint]) -> None:
        """Show these lights, by filter and then by time."""
        pointed = None if self._pointed is None else self._points[self._pointed].key
        self._points = tuple(points)
        self._columns = by_filter(self._points)
        self._rows = tuple(row for trend in TRENDS if (row := self._row(trend)) is not None)
        keys = [point.key for point in self._points]
        self._pointed = keys.index(pointed) if pointed in keys else None
        height = _HEAD_PX + _FILTERS_PX + len(self._rows) * _ROW_PX + _FOOT_PX if self._rows else 2 * _HEAD_PX
        self.setFixedHeight(height)
        self._describe()
        self.update()

    @property
    def pointed(self) -> TrendPoint | None:
        """The light under the cursor, or to which the arrows went."""
        return None if self._pointed is None else self._points[self._pointed]

    def place_of(self, key: int, keyword: str) -> QPointF | None:
        """Where a number of a light is drawn; None when it is not."""
        for (_, points), column in zip(self._columns, self._column_boxes(), strict=True):
            for number, row in enumerate(self._rows):
                for point in points:
                    if point.key == key and row.keyword == keyword and keyword in point.values:
                        return self._place(point, row, self._box(column, number))
        return None

    # What the operator does

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Tell of the light under the cursor."""
        self._point_at(self._nearest(event.position()))

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Choose the light under the cursor."""
        nearest = self._nearest(event.position())
        if event.button() == Qt.MouseButton.LeftButton and nearest is not None:
            self._point_at(nearest)
            self.light_chosen.emit(self._points[nearest].key)

    def leaveEvent(self, _event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Tell of none."""
        self._point_at(None)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Step through the lights with the arrows, choose one with Enter; Esc is none."""
        key = event.key()
        if key in (Qt.Key.Key_Left, Qt.Key.Key_Right) and self._points:
            last = len(self._points) - 1
            step = 1 if key == Qt.Key.Key_Right else -1
            first = 0 if step > 0 else last
            self._point_at(first if self._pointed is None else min(max(self._pointed + step, 0), last))
        elif key in (Qt.Key.Key_Return, Qt.Key.Key_Enter) and self.pointed is not None:
            self.light_chosen.emit(self.pointed.key)
        elif key == Qt.Key.Key_Escape and self._pointed is not None:
            self._point_at(None)
        else:
            super().keyPressEvent(event)

    def focusOutEvent(self, event: QFocusEvent) -> None:  # noqa: N802 - Qt's name
        """Tell of none."""
        super().focusOutEvent(event)
        self._point_at(None)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Repaint in another theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.update()

    def _point_at(self, place: int | None) -> None:
        if place != self._pointed:
            self._pointed = place
            self._describe()
            self.update()

    def _nearest(self, at: QPointF) -> int | None:
        """Place of the light that is drawn nearest to there; None when none is near."""
        best, found = _REACH_PX, None
        place = 0
        for (_, points), column in zip(self._columns, self._column_boxes(), strict=True):
            for point in points:
                for number, row in enumerate(self._rows):
                    if row.keyword in point.values:
                        apart = self._place(point, row, self._box(column, number)) - at
                        distance = (apart.x() ** 2 + apart.y() ** 2) ** 0.5
                        if distance < best:
                            best, found = distance, place
                place += 1
        return found

    def _describe(self) -> None:
        self.setAccessibleDescription(self._sentence(with_numbers=True))

    def _sentence(self, *, with_numbers: bool = False) -> str:
        """The light under the cursor in one sentence, or how many there are of each verdict."""
        point = self.pointed
        if not self._points:
            return _EMPTY
        if point is None:
            counts = [(sum(one.verdict is verdict for one in self._points), name) for verdict, name in _NAMES]
            return ", ".join(f"{number} {name}" for number, name in counts if number) or "not judged yet"
        numbers = ", ".join(f"{row.trend.name} {row.text(point.values.get(row.keyword))}" for row in self._rows)
        verdict = dict(_NAMES)[point.verdict] if point.verdict else "not judged yet"
        why = f": {'; '.join(point.reasons)}" if point.reasons else ""
        told = f"{_clock_text(point.at_s, seconds=True)} {point.name}, {verdict}{why}"
        return f"{told} ({numbers})" if with_numbers else told

    # Where things are

    def _row(self, trend: Trend) -> _Row | None:
        """A number that some lights have, with room for its limits."""
        keyword, unit = trend.chosen(self._points)
        values = [point.values[keyword] for point in self._points if keyword in point.values]
        if not values:
            return None
        levels = values + [
            limit for _, some in self._columns if (limit := self._limit(trend, keyword, some)) is not None
        ]
        low, high = min(levels), max(levels)
        room = (high - low) * _MARGIN or max(abs(high) * 0.1, 10.0**-trend.digits)
        bottom = low - room
        if low >= 0.0:  # a scale that begins below nothing would be read wrong
            bottom = max(bottom, 0.0)
        return _Row(trend, keyword, unit, bottom, high + room)

    def _limit(self, trend: Trend, keyword: str, points: Sequence[TrendPoint]) -> float | None:
        values = [point.values[keyword] for point in points if keyword in point.values]
        return trend.limit_of(self._limits, values) if trend.limit_of and values else None

    def _column_boxes(self) -> list[QRectF]:
        count = max(len(self._columns), 1)
        width = (self.width() - _LEFT_PX - _RIGHT_PX - theme.GAP_PX * (count - 1)) / count
        height = len(self._rows) * float(_ROW_PX)
        top = float(_HEAD_PX + _FILTERS_PX)
        return [QRectF(_LEFT_PX + i * (width + theme.GAP_PX), top, max(width, 8.0), height) for i in range(count)]

    def _box(self, column: QRectF, number: int) -> QRectF:
        top = column.top() + number * _ROW_PX
        return QRectF(column.left(), top, column.width(), _ROW_PX - theme.NEAR_PX)

    def _place(self, point: TrendPoint, row: _Row, box: QRectF) -> QPointF:
        first, last = self._times()
        inside = box.adjusted(2 * _DOT_PX, 0.0, -2 * _DOT_PX, 0.0)
        part = (point.at_s - first) / (last - first) if last > first else 0.5
        return QPointF(inside.left() + part * inside.width(), row.y_of(point.values[row.keyword], box))

    def _times(self) -> tuple[float, float]:
        times = [point.at_s for point in self._points]
        return min(times), max(times)

    # Paint

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the columns, and what is told of one light above them."""
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setFont(theme.font(theme.LABEL_PX))
        if not self._rows:
            painter.setPen(look.color("dim"))
            painter.drawText(self.rect(), Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, _EMPTY)
        else:
            self._paint_head(painter, look)
            self._paint_names(painter, look)
            for (name, points), column in zip(self._columns, self._column_boxes(), strict=True):
                self._paint_column(painter, look, name, points, column)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))
        painter.end()

    def _paint_head(self, painter: QPainter, look: theme.Theme) -> None:
        """What is told of one light, or else of all; at the right, what the marks mean."""
        legend_px = _LEGEND_PX * len(_NAMES)
        left = self.width() - legend_px
        for number, (verdict, name) in enumerate(_NAMES):
            x = left + number * _LEGEND_PX
            _mark(painter, look, QPointF(x + 6.0, _HEAD_PX / 2.0), verdict)
            painter.setPen(look.color("dim"))
            place = QRectF(x + 16.0, 0.0, _LEGEND_PX - 16.0, _HEAD_PX)
            painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, name)
        painter.setPen(look.color("text" if self.pointed else "dim"))
        room = QRectF(0.0, 0.0, left - theme.GAP_PX, _HEAD_PX)
        text = painter.fontMetrics().elidedText(self._sentence(), Qt.TextElideMode.ElideRight, int(room.width()))
        painter.drawText(room, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)

    def _paint_names(self, painter: QPainter, look: theme.Theme) -> None:
        """Left of each row its name, with the values of its top and its bottom, and of the light that is pointed at."""
        column = self._column_boxes()[0]
        left, right = Qt.AlignmentFlag.AlignLeft, Qt.AlignmentFlag.AlignRight
        point = self.pointed
        for number, row in enumerate(self._rows):
            box = self._box(column, number)
            place = QRectF(0.0, box.top(), _LEFT_PX - 6.0, box.height())
            painter.setPen(look.color("text" if point is None else "dim"))
            unit = f" {row.unit}" if row.unit else ""
            if point is None:
                painter.drawText(place, left | Qt.AlignmentFlag.AlignVCenter, row.trend.name + unit)
            else:
                painter.drawText(place, left | Qt.AlignmentFlag.AlignTop, row.trend.name)
                painter.setPen(look.color("text"))
                painter.setFont(theme.font(theme.TEXT_PX))
                painter.drawText(place, left | Qt.AlignmentFlag.AlignBottom, row.text(point.values.get(row.keyword)))
                painter.setFont(theme.font(theme.LABEL_PX))
            painter.setPen(look.color("dim"))
            painter.drawText(place, right | Qt.AlignmentFlag.AlignTop, row.trend.text(max(row.high, 0.0)))
            painter.drawText(place, right | Qt.AlignmentFlag.AlignBottom, row.trend.text(row.low))

    def _paint_column(
        self, painter: QPainter, look: theme.Theme, name: str, points: Sequence[TrendPoint], column: QRectF
    ) -> None:
        painter.setPen(look.color("text"))
        head = QRectF(column.left(), _HEAD_PX, column.width(), _FILTERS_PX)
        count = f"{len(points)} light{'' if len(points) == 1 else 's'}"
        text = painter.fontMetrics().elidedText(
            f"{name or 'no filter'}, {count}", Qt.TextElideMode.ElideRight, int(head.width())
        )
        painter.drawText(head, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, text)
        pointed = self.pointed
        for number, row in enumerate(self._rows):
            box = self._box(column, number)
            painter.setPen(QPen(look.color("line"), 1.0))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(box)
            self._paint_limit(painter, look, row, points, box)
            for point in points:
                if row.keyword in point.values:
                    place = self._place(point, row, box)
                    if point is pointed:
                        painter.setPen(QPen(look.color("accent"), 1.0))
                        painter.drawLine(QPointF(place.x(), box.top()), QPointF(place.x(), box.bottom()))
                    _mark(painter, look, place, point.verdict, is_large=point is pointed)
        self._paint_times(painter, look, column)

    def _paint_limit(
        self, painter: QPainter, look: theme.Theme, row: _Row, points: Sequence[TrendPoint], box: QRectF
    ) -> None:
        """Where a light of this filter becomes doubtful."""
        limit = self._limit(row.trend, row.keyword, points)
        if limit is None:
            return
        y = row.y_of(limit, box)
        painter.setPen(QPen(look.color("dim"), 1.0, Qt.PenStyle.DashLine))
        painter.drawLine(QPointF(box.left(), y), QPointF(box.right(), y))

    def _paint_times(self, painter: QPainter, look: theme.Theme, column: QRectF) -> None:
        """When the first and the last light of the night began."""
        first, last = self._times()
        painter.setPen(look.color("dim"))
        place = QRectF(column.left(), column.bottom() - theme.TIGHT_PX, column.width(), _FOOT_PX)
        painter.drawText(place, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter, _clock_text(first))
        if column.width() > 90.0 and last > first:
            painter.drawText(place, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter, _clock_text(last))


_EMPTY = "FWHM, stars, sky, zero point and ellipticity of each light are drawn here as soon as it is measured."


def _mark(
    painter: QPainter, look: theme.Theme, at: QPointF, verdict: Verdict | None, *, is_large: bool = False
) -> None:
    """A dot, a ring where it is doubtful, a cross where it is left out: told by shape first, as in red light."""
    size = _DOT_PX * (1.6 if is_large else 1.0)
    if verdict is Verdict.REJECTED:
        painter.setPen(QPen(look.color("alarm"), 2.0))
        painter.drawLine(at + QPointF(-size, -size), at + QPointF(size, size))
        painter.drawLine(at + QPointF(-size, size), at + QPointF(size, -size))
    elif verdict is Verdict.DOUBTFUL:
        painter.setPen(QPen(look.color("attention"), 2.0))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawEllipse(at, size + 1.0, size + 1.0)
    else:
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(look.color("text" if verdict else "dim"))
        painter.drawEllipse(at, size, size)
        painter.setBrush(Qt.BrushStyle.NoBrush)


def _clock_text(at_s: float, *, seconds: bool = False) -> str:
    at = datetime.fromtimestamp(at_s, UTC)
    return f"{at:%H:%M:%S}" if seconds else f"{at:%H:%M} UTC"
