"""A frame to look at: pan, zoom, pixel values and places in the sky, by mouse and by keys alike."""

from __future__ import annotations

import math

from PySide6.QtCore import QEvent, QPointF, QRect, QRectF, QSize, Qt, Signal
from PySide6.QtGui import (
    QColor,
    QImage,
    QKeyEvent,
    QMouseEvent,
    QPainter,
    QPaintEvent,
    QPen,
    QResizeEvent,
    QWheelEvent,
)
from PySide6.QtWidgets import QSizePolicy, QWidget

from app.model.picture_view import FrameOverview, Rendering, Stretch, View, fitting_zoom
from app.widgets import frame_marks, theme

_LEAST_MARKED_PX = 220
_LEAST_ZOOM, _MOST_ZOOM = 1.0 / 256.0, 64.0
#: One notch of the wheel, and one press of + or -.
_WHEEL_STEP, _KEY_STEP = math.sqrt(2.0), 2.0
#: What the keys do, as text for people.
KEYS = (
    ("F", "fit the whole frame"),
    ("1", "one to one"),
    ("+ \u2212, wheel", "zoom"),
    ("arrows, drag", "pan"),
    ("C", "crosshair on or off"),
    ("Shift + arrows", "crosshair by one pixel"),
    ("Ctrl + Shift + arrows", "crosshair by ten"),
    ("double-click", "centre, then one to one"),
)
_ARROWS = {
    Qt.Key.Key_Left: (-1, 0),
    Qt.Key.Key_Right: (1, 0),
    Qt.Key.Key_Up: (0, 1),
    Qt.Key.Key_Down: (0, -1),
}


def themed(image: QImage) -> QImage:
    """A picture in shades (one byte a pixel) in the colours of the theme in force, ready to be painted."""
    red, green, blue = theme.current().image
    tinted = QImage(image)
    tinted.setColorTable([QColor.fromRgbF(red * s, green * s, blue * s).rgb() for s in (i / 255.0 for i in range(256))])
    return tinted.convertToFormat(QImage.Format.Format_RGB32)


class FrameViewer(QWidget):
    """Shows one frame.

    What was drawn last is shown moved and scaled until the drawing of the new view arrives.
    """

    render_requested = Signal(object, object)  #: Path and View that should be drawn.
    cursor_asked = Signal(object, float, float)  #: Path and FITS position that should be read.
    place_changed = Signal(float, float, float)  #: The operator moved to this centre x, y and zoom.
    cursor_left = Signal()  #: No pixel is pointed at any more.
    focused = Signal()  #: The viewer got the keyboard.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setMouseTracking(True)
        self.setCursor(Qt.CursorShape.CrossCursor)
        self.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Expanding)
        self.setMinimumSize(160, 120)
        self.setAccessibleName("Frame")
        self.setAccessibleDescription("; ".join(f"{key}: {effect}" for key, effect in KEYS))
        self._overview: FrameOverview | None = None
        self._label = ""
        self._rendering: Rendering | None = None
        self._image = QImage()
        self._centre = (0.5, 0.5)
        self._zoom = 1.0
        self._is_fitted = True
        self._shading: tuple[float, float, Stretch] = (0.0, 1.0, Stretch.ASINH)
        self._crosshair: tuple[float, float] | None = None
        self._dragged_from: QPointF | None = None

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        """Some room."""
        return QSize(640, 480)

    @property
    def overview(self) -> FrameOverview | None:
        """The frame that is shown."""
        return self._overview

    @property
    def place(self) -> tuple[float, float, float]:
        """Centre x, y and zoom."""
        return (*self._centre, self._zoom)

    @property
    def is_fitted(self) -> bool:
        """Whether the whole frame is shown, also when the window changes its size."""
        return self._is_fitted

    @property
    def shading(self) -> tuple[float, float, Stretch]:
        """Low, high and stretch."""
        return self._shading

    @property
    def is_painted(self) -> bool:
        """Whether a drawing of the frame has come."""
        return not self._image.isNull()

    @property
    def crosshair(self) -> tuple[float, float] | None:
        """FITS position of the crosshair; None when there is none."""
        return self._crosshair

    def view(self) -> View:
        """What is to be drawn."""
        ratio = self.devicePixelRatioF()
        width, height = max(1, round(self.width() * ratio)), max(1, round(self.height() * ratio))
        low, high, stretch = self._shading
        return View(*self._centre, self._zoom, width, height, low, high, stretch)

    def show_frame(self, overview: FrameOverview, shading: tuple[float, float, Stretch], label: str = "") -> None:
        """Show a frame; a frame of the same size as the one before keeps its place."""
        before = self._overview
        is_same_size = before is not None and (before.rows, before.columns) == (overview.rows, overview.columns)
        if before is None or before.path != overview.path:
            self._rendering, self._image = None, QImage()
        self._overview, self._shading, self._label = overview, shading, label
        self.setAccessibleName(f"Frame {overview.title}")
        if not is_same_size:
            self._crosshair = None
        if self._is_fitted or not is_same_size:
            self._fit()
        self._ask()

    def clear(self) -> None:
        """Show nothing."""
        self._overview, self._rendering, self._image, self._crosshair = None, None, QImage(), None
        self.setAccessibleName("Frame")
        self.update()

    def set_rendering(self, rendering: Rendering) -> None:
        """Paint a drawing; one of another frame is not taken."""
        if self._overview is None or rendering.path != self._overview.path:
            return
        self._rendering = rendering
        self._color()

    def set_shading(self, low: float, high: float, stretch: Stretch) -> None:
        """Draw with other limits."""
        self._shading = (low, high, stretch)
        self._ask()

    def set_place(self, centre_x: float, centre_y: float, zoom: float) -> None:
        """Go to a place without telling others, who lead."""
        self._is_fitted = False
        self._centre, self._zoom = (centre_x, centre_y), zoom
        self._ask()

    def fit(self) -> None:
        """Show the whole frame."""
        self._fit()
        self._moved()

    def zoom_to(self, zoom: float, screen: QPointF | None = None) -> None:
        """Zoom, and keep the frame still under a point of the widget, else its middle."""
        if self._overview is None:
            return
        ratio = self.devicePixelRatioF()
        at = (QPointF(self.width() / 2.0, self.height() / 2.0) if screen is None else screen) * ratio
        x, y = self.view().frame_at(at.x(), at.y())
        self._is_fitted = False
        self._zoom = min(_MOST_ZOOM, max(_LEAST_ZOOM, zoom))
        view = self.view()
        self._centre = (
            x - (at.x() - view.width / 2.0) / self._zoom,
            y + (at.y() - view.height / 2.0) / self._zoom,
        )
        self._moved()

    def zoom_by(self, factor: float, screen: QPointF | None = None) -> None:
        """Zoom in by a factor, out by one below 1."""
        self.zoom_to(self._zoom * factor, screen)

    def _fit(self) -> None:
        if self._overview is None:
            return
        self._is_fitted = True
        view = self.view()
        self._zoom = fitting_zoom(self._overview.rows, self._overview.columns, view.width, view.height)
        self._centre = ((self._overview.columns + 1) / 2.0, (self._overview.rows + 1) / 2.0)

    def _pan(self, screen_right: float, screen_down: float) -> None:
        """Move the frame by so many screen pixels; its edge cannot leave the middle."""
        if self._overview is None:
            return
        self._is_fitted = False
        self._centre = (
            min(self._overview.columns + 0.5, max(0.5, self._centre[0] - screen_right / self._zoom)),
            min(self._overview.rows + 0.5, max(0.5, self._centre[1] + screen_down / self._zoom)),
        )
        self._moved()

    def _moved(self) -> None:
        self.place_changed.emit(*self.place)
        self._ask()

    def _ask(self) -> None:
        if self._overview is not None:
            self.render_requested.emit(self._overview.path, self.view())
        self.update()

    def _set_crosshair(self, place: tuple[float, float] | None) -> None:
        self._crosshair = place
        self._read_crosshair()
        if place is not None:
            self._keep_in_sight(*place)
        self.update()

    def _read_crosshair(self) -> None:
        """What is read where no mouse points."""
        if self._crosshair is not None and self._overview is not None:
            self.cursor_asked.emit(self._overview.path, *self._crosshair)
        else:
            self.cursor_left.emit()

    def _keep_in_sight(self, x: float, y: float) -> None:
        view = self.view()
        at_x, at_y = view.screen_at(x, y)
        right = min(0.0, view.width * 0.95 - at_x) + max(0.0, view.width * 0.05 - at_x)
        down = min(0.0, view.height * 0.95 - at_y) + max(0.0, view.height * 0.05 - at_y)
        if right or down:
            self._pan(right, down)

    def _color(self) -> None:
        if self._rendering is not None:
            height, width = self._rendering.shades.shape
            shades = QImage(self._rendering.shades.data, width, height, width, QImage.Format.Format_Indexed8)
            self._image = themed(shades)
        self.update()

    # --- events -------------------------------------------------------------------------------------------------

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Draw for the new size."""
        super().resizeEvent(event)
        if self._is_fitted:
            self._fit()
        self._ask()

    def changeEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Follow the theme."""
        super().changeEvent(event)
        if event.type() in (QEvent.Type.PaletteChange, QEvent.Type.StyleChange):
            self._color()

    def focusInEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Say that the operator turns to this frame."""
        self.focused.emit()
        self.update()
        event.accept()

    def focusOutEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """Take the focus mark away."""
        self.update()
        event.accept()

    def wheelEvent(self, event: QWheelEvent) -> None:  # noqa: N802 - Qt's name
        """Zoom about the cursor."""
        self.zoom_by(_WHEEL_STEP ** (event.angleDelta().y() / 120.0), event.position())
        event.accept()

    def mousePressEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Take hold of the frame."""
        self._dragged_from = event.position()
        self.setCursor(Qt.CursorShape.ClosedHandCursor)

    def mouseReleaseEvent(self, _event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Let go."""
        self._dragged_from = None
        self.setCursor(Qt.CursorShape.CrossCursor)

    def mouseMoveEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Pan while held, else read the pixel below."""
        if self._overview is None:
            return
        ratio = self.devicePixelRatioF()
        if self._dragged_from is not None:
            moved = (event.position() - self._dragged_from) * ratio
            self._dragged_from = event.position()
            self._pan(moved.x(), moved.y())
        else:
            at = event.position() * ratio
            self.cursor_asked.emit(self._overview.path, *self.view().frame_at(at.x(), at.y()))

    def leaveEvent(self, event: QEvent) -> None:  # noqa: N802 - Qt's name
        """The crosshair is read again, if there is one."""
        super().leaveEvent(event)
        self._read_crosshair()

    def mouseDoubleClickEvent(self, event: QMouseEvent) -> None:  # noqa: N802 - Qt's name
        """Centre on the point; at the same place again, one to one."""
        if self._overview is None:
            return
        at = event.position() * self.devicePixelRatioF()
        view = self.view()
        is_middle = math.hypot(at.x() - view.width / 2.0, at.y() - view.height / 2.0) < 24.0
        self._is_fitted = False
        self._centre = view.frame_at(at.x(), at.y())
        if is_middle:
            self._zoom = 1.0
        self._moved()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Everything that the mouse does."""
        arrow = _ARROWS.get(Qt.Key(event.key()))
        is_shifted = bool(event.modifiers() & Qt.KeyboardModifier.ShiftModifier)
        if self._overview is None:
            super().keyPressEvent(event)
        elif arrow is not None and is_shifted:
            step = 10 if event.modifiers() & Qt.KeyboardModifier.ControlModifier else 1
            self._step_crosshair(arrow[0] * step, arrow[1] * step)
        elif arrow is not None and event.modifiers() in (
            Qt.KeyboardModifier.NoModifier,
            Qt.KeyboardModifier.KeypadModifier,
        ):
            view = self.view()
            self._pan(-arrow[0] * view.width / 8.0, arrow[1] * view.height / 8.0)
        elif not self._take_letter(event.text()):
            super().keyPressEvent(event)

    def _take_letter(self, letter: str) -> bool:
        if letter in ("f", "F"):
            self.fit()
        elif letter == "1":
            self.zoom_to(1.0)
        elif letter in ("+", "="):
            self.zoom_by(_KEY_STEP)
        elif letter in ("-", "\u2212"):
            self.zoom_by(1.0 / _KEY_STEP)
        elif letter in ("c", "C"):
            self._set_crosshair(None if self._crosshair else self._centre_pixel())
        else:
            return False
        return True

    def _centre_pixel(self) -> tuple[float, float]:
        return float(round(self._centre[0])), float(round(self._centre[1]))

    def _step_crosshair(self, right: int, up: int) -> None:
        if self._overview is None:
            return
        x, y = self._crosshair or self._centre_pixel()
        self._set_crosshair(
            (
                float(min(self._overview.columns, max(1, x + right))),
                float(min(self._overview.rows, max(1, y + up))),
            )
        )

    # --- paint --------------------------------------------------------------------------------------------------

    def paintEvent(self, _event: QPaintEvent) -> None:  # noqa: N802 - Qt's name
        """Paint the newest drawing where it belongs now, and what explains it above."""
        painter = QPainter(self)
        painter.fillRect(self.rect(), theme.current().color("background"))
        if self._overview is not None:
            self._paint_picture(painter)
            painter.setRenderHint(QPainter.RenderHint.Antialiasing)
            self._paint_marks(painter, self._overview)
        if self.hasFocus():
            painter.setRenderHint(QPainter.RenderHint.Antialiasing, on=False)
            painter.setPen(QPen(theme.current().color("accent"), 1))
            painter.setBrush(Qt.BrushStyle.NoBrush)
            painter.drawRect(self.rect().adjusted(0, 0, -1, -1))

    def _paint_picture(self, painter: QPainter) -> None:
        if self._rendering is None or self._overview is None:
            return
        ratio = self.devicePixelRatioF()
        now, then = self.view(), self._rendering.view
        middle_x, middle_y = now.screen_at(then.centre_x, then.centre_y)
        scale = now.zoom / then.zoom
        target = QRectF(
            middle_x - then.width * scale / 2.0, middle_y - then.height * scale / 2.0,
            then.width * scale, then.height * scale,
        )  # fmt: skip
        painter.save()
        painter.scale(1.0 / ratio, 1.0 / ratio)
        painter.setClipRect(self._frame_rect(self._overview).toAlignedRect())
        painter.drawImage(target, self._image)
        painter.restore()

    def _frame_rect(self, overview: FrameOverview) -> QRectF:
        """Where the frame lies now, in screen pixels."""
        view = self.view()
        left, top = view.screen_at(0.5, overview.rows + 0.5)
        right, bottom = view.screen_at(overview.columns + 0.5, 0.5)
        return QRectF(left, top, right - left, bottom - top)

    def _marks_room(self, overview: FrameOverview) -> QRect:
        """Marks lie on what is seen of the frame; on all of the widget where that is too small for them."""
        lies, ratio = self._frame_rect(overview), self.devicePixelRatioF()
        seen = QRectF(lies.topLeft() / ratio, lies.size() / ratio).toAlignedRect() & self.rect()
        return seen if min(seen.width(), seen.height()) >= _LEAST_MARKED_PX else self.rect()

    def _paint_marks(self, painter: QPainter, overview: FrameOverview) -> None:
        """Crosshair; what the picture is, whether it is simulated or no longer on disk; scale and directions."""
        ratio = self.devicePixelRatioF()
        if self._crosshair is not None:
            at_x, at_y = self.view().screen_at(*self._crosshair)
            frame_marks.paint_crosshair(painter, QPointF(at_x, at_y) / ratio)
        notice = self._rendering.notice if self._rendering is not None else ""
        tags = [
            (self._label, "text"),
            ("SIMULATED" if overview.is_simulated else "", "text"),
            (notice, "attention"),
            ("" if self.is_painted else "drawing \u2026", "dim"),
        ]
        room = self._marks_room(overview)
        frame_marks.paint_tags(painter, room, [tag for tag in tags if tag[0]])
        if overview.sky is not None:
            frame_marks.paint_sky(painter, room, overview.sky, self._zoom / ratio)
