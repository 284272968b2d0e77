"""The histogram of a frame, with the limits of the picture as handles."""

from __future__ import annotations

import math

import numpy as np
from PySide6.QtCore import QEvent, QPointF, QRectF, QSize, Qt, Signal
from PySide6.QtGui import QKeyEvent, QMouseEvent, QPainter, QPaintEvent, QPen, QPolygonF
from PySide6.QtWidgets import (
    QButtonGroup,
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QVBoxLayout,
    QWidget,
)

from app.model.picture_view import FrameOverview, Stretch, opening_limits
from app.widgets import theme

DEFAULT_STRETCH = Stretch.ASINH
_STRETCH_WORDS = {
    Stretch.LINEAR: ("linear", "Equal steps of value, equal steps of brightness"),
    Stretch.ASINH: ("asinh", "Linear for the faint, logarithmic for the bright: the usual choice"),
    Stretch.LOG: ("log", "Logarithmic: lifts the faintest most"),
    Stretch.SQRT: ("sqrt", "Square root: between linear and asinh"),
}
_FOOT_PX, _HEAD_PX, _SIDE_PX = 18, 14, 8
_GRIP_PX = 9.0
_PANEL_PX = 430


def axis_of(overview: FrameOverview, low: float, high: float) -> tuple[float, float]:
    """The part of the values that a histogram shows: the limits with room around them, nearly all of the sample."""
    sample = overview.sample
    if sample.size == 0:
        return 0.0, 1.0
    bulk_low, bulk_high = (float(sample[round(part * (sample.size - 1))]) for part in (0.001, 0.995))
    span = max(high - low, 1e-6)
    first = max(min(low - 0.25 * span, bulk_low), min(float(sample[0]), low) - 0.05 * span)
    last = min(max(high + 0.5 * span, bulk_high), max(float(sample[-1]), high) + 0.05 * span)
    return first, max(last, first + 1e-6)


class Histogram(QWidget):
    """Counts on a logarithmic scale; the handles are dragged, or moved by keys."""

    limits_changed = Signal(float, float)  #: Low and high that the operator set.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setMinimumHeight(120)
        self.setAccessibleName("Histogram with the limits of the picture")
        self.setToolTip("Drag the limits; or Left and Right move the low one, with Shift the high one")
        self.setAccessibleDescription(self.toolTip())
        self._overview: FrameOverview | None = None
        self._low, self._high, self._stretch = 0.0, 1.0, DEFAULT_STRETCH
        self._axis = (0.0, 1.0)
        self._held: str | None = None

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Some room."""
        return QSize(296, 150)

    @property
    def limits(self) -> tuple[float, float]:
        """Low and high."""
        return self._low, self._high

    def set_frame(self, overview: FrameOverview | None) -> None:
        """Show the counts of a frame."""
        self._overview = overview
        self._settle()

    def set_limits(self, low: float, high: float, stretch: Stretch) -> None:
        """Show the limits of the picture."""
        self._low, self._high, self._stretch = low, high, stretch
        if self._held is None:
            self._settle()
        self.update()

    def _settle(self) -> None:
        """Choose the axis anew, never while a handle is held."""
        if self._overview is not None:
            self._axis = axis_of(self._overview, self._low, self._high)
        self.update()

    def _x(self, value: float) -> float:
        first, last = self._axis
        return _SIDE_PX + (value - first) / (last - first) * (self.width() - 2 * _SIDE_PX)

    def _value(self, x: float) -> float:
        first, last = self._axis
        return first + (x - _SIDE_PX) / max(1, self.width() - 2 * _SIDE_PX) * (last - first)

    def _grip_at(self, x: float) -> str:
        middle = (self._x(self._low) + self._x(self._high)) / 2.0
        return "low" if x < middle else "high"

    def _move(self, grip: str, value: float) -> None:
        least = (self._axis[1] - self._axis[0]) * 1e-3
        if grip == "low":
            self._low = min(value, self._high - least)
        else:
            self._high = max(value, self._low + least)
        self.limits_changed.emit(self._low, self._high)
        self.update()

    # --- events -------------------------------------------------------------------------------------------------

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take the nearer handle."""
        if self._overview is not None:
            self._held = self._grip_at(event.position().x())
            self._move(self._held, self._value(event.position().x()))

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Drag the handle."""
        if self._held is not None:
            inside = min(max(event.position().x(), _SIDE_PX), self.width() - _SIDE_PX)
            self._move(self._held, self._value(inside))
            return
        is_near = min(abs(event.position().x() - self._x(limit)) for limit in (self._low, self._high)) < _GRIP_PX
        self.setCursor(Qt.CursorShape.SizeHorCursor if is_near else Qt.CursorShape.ArrowCursor)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Let go."""
        self._held = None
        self._settle()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Move a handle by a hundredth of the axis."""
        direction = {Qt.Key.Key_Left: -1, Qt.Key.Key_Right: 1}.get(Qt.Key(event.key()))
        if direction is None or self._overview is None:
            super().keyPressEvent(event)
            return
        step = direction * (self._axis[1] - self._axis[0]) / 100.0
        if event.modifiers() & Qt.KeyboardModifier.ShiftModifier:
            self._move("high", self._high + step)
        else:
            self._move("low", self._low + step)

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self.update()

    # --- paint --------------------------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint counts, transfer curve, limits and axis."""
        look = theme.current()
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        ground = QRectF(0, 0, self.width(), self.height() - _FOOT_PX)
        painter.fillRect(self.rect(), look.color("panel"))
        painter.fillRect(ground, look.color("background"))
        if self._overview is None or self._overview.sample.size == 0:
            painter.setPen(look.color("dim"))
            text = "no frame" if self._overview is None else "no pixel has a value"
            painter.drawText(ground, Qt.AlignmentFlag.AlignCenter, text)
            return
        self._paint_counts(painter, ground)
        self._paint_curve(painter, ground)
        for grip, value in (("low", self._low), ("high", self._high)):
            self._paint_grip(painter, self._x(value), grip)
        painter.setFont(theme.font(theme.LABEL_PX))
        painter.setPen(look.color("dim"))
        foot = QRectF(_SIDE_PX, ground.bottom(), self.width() - 2 * _SIDE_PX, _FOOT_PX)
        painter.drawText(foot, Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignBottom, _short(self._axis[0]))
        painter.drawText(foot, Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignBottom, _short(self._axis[1]))
        painter.drawText(foot, Qt.AlignmentFlag.AlignHCenter | Qt.AlignmentFlag.AlignBottom, self._overview.unit)
        if self.hasFocus():
            painter.setPen(QPen(look.color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(ground.adjusted(0.5, 0.5, -0.5, -0.5))

    def _paint_counts(self, painter: QPainter, ground: QRectF) -> None:
        if self._overview is None:
            return
        bins = max(1, (self.width() - 2 * _SIDE_PX) // 2)
        counts = np.log1p(self._overview.histogram(bins, *self._axis).astype(np.float64))
        heights = counts / max(float(counts.max()), 1e-9) * (ground.height() - _HEAD_PX - 4)
        step = (self.width() - 2 * _SIDE_PX) / bins
        outline = [QPointF(_SIDE_PX, ground.bottom())]
        for number, height in enumerate(heights.tolist()):
            outline += [
                QPointF(_SIDE_PX + number * step, ground.bottom() - height),
                QPointF(_SIDE_PX + (number + 1) * step, ground.bottom() - height),
            ]
        outline.append(QPointF(self.width() - _SIDE_PX, ground.bottom()))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.current().color("dim", 0.55))
        painter.drawPolygon(QPolygonF(outline))

    def _paint_curve(self, painter: QPainter, ground: QRectF) -> None:
        """How values become brightness, from black at the foot to white at the head."""
        left, right = self._x(self._low), self._x(self._high)
        room = ground.height() - _HEAD_PX - 4
        points = [
            QPointF(left + (right - left) * part, ground.bottom() - room * _brightness(part, self._stretch))
            for part in (step / 48.0 for step in range(49))
        ]
        painter.setPen(QPen(theme.current().color("text", 0.8), 1.2))
        painter.setBrush(Qt.BrushStyle.NoBrush)
        painter.drawPolyline(QPolygonF(points))

    def _paint_grip(self, painter: QPainter, x: float, grip: str) -> None:
        accent = theme.current().color("accent")
        side = 1.0 if grip == "low" else -1.0
        painter.setPen(QPen(accent, 1.5))
        painter.drawLine(QPointF(x, 0), QPointF(x, self.height() - _FOOT_PX))
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(accent)
        painter.drawPolygon(QPolygonF([QPointF(x, 0), QPointF(x + side * _GRIP_PX, 0), QPointF(x, _GRIP_PX + 3)]))


class _LimitEdit(QLineEdit):
    """A limit as a number: Enter takes it, Up and Down step."""

    value_entered = Signal()  #: The operator typed or stepped.

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name, self._places, self._step = name, 0, 1.0
        self.setAccessibleName(name)
        self.mark(is_fault=False)
        self.returnPressed.connect(self.value_entered)

    def set_value(self, value: float, places: int, step: float) -> None:
        """Show a number with so many decimals."""
        self._places, self._step = places, step
        self.setText(_number(value, places))
        self.mark(is_fault=False)

    def value(self) -> float | None:
        """The number that stands there; None when there is none."""
        try:
            number = float(self.text().replace(",", ".").replace("\u2212", "-"))
        except ValueError:
            return None
        return number if math.isfinite(number) else None

    def mark(self, *, is_fault: bool) -> None:
        """Say that the number cannot be used, and what can."""
        self.setProperty("fault", is_fault)
        self.setToolTip(
            f"{self._name} must be a number, the low one below the high one"
            if is_fault
            else f"{self._name}; Enter takes it, Up and Down step"
        )
        self.style().polish(self)

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Step."""
        direction = {Qt.Key.Key_Up: 1, Qt.Key.Key_Down: -1}.get(Qt.Key(event.key()))
        value = self.value()
        if direction is None or value is None:
            super().keyPressEvent(event)
            return
        self.setText(_number(value + direction * self._step, self._places))
        self.value_entered.emit()


class HistogramPanel(QWidget):
    """Histogram, limits as numbers, the usual choices of limits, and the stretch."""

    shading_changed = Signal(float, float, object)  #: Low, high and Stretch that the operator chose.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._overview: FrameOverview | None = None
        self.histogram = Histogram()
        self.histogram.limits_changed.connect(self._take_limits)
        self._low, self._high = _LimitEdit("Low limit: black"), _LimitEdit("High limit: white")
        self._captions = (QLabel("Low"), QLabel("High"))
        for edit in (self._low, self._high):
            edit.value_entered.connect(self._take_edits)
        self._stretches = QButtonGroup(self)
        self._buttons: list[QPushButton] = []
        self.setMaximumHeight(_PANEL_PX)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.NEAR_PX)
        column.addWidget(self.histogram, 1)
        column.addLayout(self._limits_row())
        column.addLayout(self._choices_row())
        column.addLayout(self._stretch_row())
        self.set_frame(None)

    @property
    def stretch(self) -> Stretch:
        """The stretch that is chosen."""
        return list(Stretch)[max(0, self._stretches.checkedId())]

    def set_frame(self, overview: FrameOverview | None) -> None:
        """Offer the limits of a frame; without one, nothing."""
        self._overview = overview
        self.histogram.set_frame(overview)
        for part in (self._low, self._high, *self._buttons, *self._stretches.buttons()):
            part.setEnabled(overview is not None)
            part.setAccessibleDescription(part.toolTip() if overview is not None else "No frame is open: open one")
        unit = f", {overview.unit}" if overview is not None else ""
        for caption, name, edit in zip(self._captions, ("Low", "High"), (self._low, self._high), strict=True):
            caption.setText(name + unit)
            if overview is None:
                edit.clear()

    def set_shading(self, low: float, high: float, stretch: Stretch) -> None:
        """Show what is in force, without answering."""
        places = 0 if high - low >= 50.0 else min(8, max(1, 2 - math.floor(math.log10(max(high - low, 1e-8)))))
        for edit, value in ((self._low, low), (self._high, high)):
            edit.set_value(value, places, max((high - low) / 50.0, 10.0**-places))
        self._stretches.button(list(Stretch).index(stretch)).setChecked(True)
        self.histogram.set_limits(low, high, stretch)

    def _limits_row(self) -> QGridLayout:
        grid = QGridLayout()
        grid.setHorizontalSpacing(theme.NEAR_PX)
        grid.setVerticalSpacing(2)
        for number, (caption, edit) in enumerate(zip(self._captions, (self._low, self._high), strict=True)):
            caption.setProperty("role", "small")
            caption.setBuddy(edit)
            grid.addWidget(caption, 0, number)
            grid.addWidget(edit, 1, number)
        return grid

    def _choices_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.TIGHT_PX)
        for text, meaning, slot in (
            ("zscale", "Limits around the sky, by the zscale rule", self._zscale),
            ("min\u2013max", "Limits at the lowest and the highest value", self._min_max),
            ("Reset", "As at first: asinh, with four times the room of zscale above", self._reset),
        ):
            button = QPushButton(text)
            button.setToolTip(meaning)
            button.clicked.connect(slot)
            self._buttons.append(button)
            row.addWidget(button, 1)
        return row

    def _stretch_row(self) -> QHBoxLayout:
        row = QHBoxLayout()
        row.setSpacing(theme.TIGHT_PX)
        for number, stretch in enumerate(Stretch):
            word, meaning = _STRETCH_WORDS[stretch]
            button = QPushButton(word)
            button.setToolTip(meaning)
            button.setCheckable(True)
            button.setAccessibleName(f"Stretch {word}")
            self._stretches.addButton(button, number)
            row.addWidget(button, 1)
        self._stretches.button(list(Stretch).index(DEFAULT_STRETCH)).setChecked(True)
        self._stretches.idClicked.connect(self._take_stretch)
        return row

    def _take_limits(self, low: float, high: float) -> None:
        self._tell(low, high, self.stretch)

    def _take_edits(self) -> None:
        """Take both numbers; what is no number, or a low limit over the high one, is marked and changes nothing."""
        low, high = self._low.value(), self._high.value()
        is_fine = low is not None and high is not None and low < high
        self._low.mark(is_fault=low is None or (high is not None and not is_fine))
        self._high.mark(is_fault=high is None or (low is not None and not is_fine))
        if low is not None and high is not None and low < high:
            self._tell(low, high, self.stretch)

    def _take_stretch(self, number: int) -> None:
        self._tell(*self._limits(), list(Stretch)[number])

    def _limits(self) -> tuple[float, float]:
        return self.histogram.limits

    def _zscale(self) -> None:
        if self._overview is not None:
            self._tell(*self._overview.limits, self.stretch)

    def _min_max(self) -> None:
        if self._overview is not None:
            numbers = self._overview.statistics
            low, high = numbers.lowest or 0.0, numbers.highest or 0.0
            self._tell(low, high if high > low else low + 1.0, self.stretch)

    def _reset(self) -> None:
        if self._overview is not None:
            self._tell(*opening_limits(self._overview.limits), DEFAULT_STRETCH)

    def _tell(self, low: float, high: float, stretch: Stretch) -> None:
        self.set_shading(low, high, stretch)
        self.shading_changed.emit(low, high, stretch)


def _number(value: float, places: int) -> str:
    return f"{value:.{places}f}".replace("-", "\u2212")


def _brightness(part: float, stretch: Stretch) -> float:
    """The curve of a stretch, as `app.frames.stretch` has it in its tables."""
    if stretch is Stretch.ASINH:
        return math.asinh(part * 10.0) / math.asinh(10.0)
    if stretch is Stretch.LOG:
        return math.log1p(1000.0 * part) / math.log1p(1000.0)
    return math.sqrt(part) if stretch is Stretch.SQRT else part


def _short(value: float) -> str:
    text = f"{value:,.0f}" if abs(value) >= 100.0 else f"{value:.3g}"
    return text.replace(",", "\u2009").replace("-", "\u2212")
