"""Our own drawings, in the colours of the theme."""

from __future__ import annotations

from functools import cache

from PySide6.QtCore import QRectF, Qt
from PySide6.QtGui import QIcon, QPainter, QPixmap
from PySide6.QtSvg import QSvgRenderer

from app.paths import resource
from app.widgets import theme

ICON_PX = 24
_SHARPNESS = 2.0


def pixmap(name: str, color: str = "text", size_px: int = ICON_PX, ratio: float = _SHARPNESS) -> QPixmap:
    """A drawing in a colour of the theme in force.

    Parameters
    ----------
    name : str
        File below ``resources/icons`` without its ending, such as ``"night"``.
    color : str
        A token of `theme.Theme`, such as ``"dim"``.
    size_px : int
        Edge in device-independent pixels.
    ratio : float
        Device pixels to one of those.
    """
    drawn = QPixmap(round(size_px * ratio), round(size_px * ratio))
    drawn.fill(Qt.GlobalColor.transparent)
    painter = QPainter(drawn)
    _renderer(name).render(painter, QRectF(drawn.rect()))
    painter.setCompositionMode(QPainter.CompositionMode.CompositionMode_SourceIn)
    painter.fillRect(drawn.rect(), theme.current().color(color))
    painter.end()
    drawn.setDevicePixelRatio(ratio)
    return drawn


def icon(name: str, color: str = "text", size_px: int = ICON_PX) -> QIcon:
    """The same for a button, dim where it is disabled; to be made again when the theme changes."""
    made = QIcon(pixmap(name, color, size_px))
    made.addPixmap(pixmap(name, "dim", size_px), QIcon.Mode.Disabled)
    return made


def window_icon() -> QIcon:
    """The program's own icon."""
    return icon("night", "text", 2 * ICON_PX)


@cache
def _renderer(name: str) -> QSvgRenderer:
    """The drawing, read once."""
    return QSvgRenderer(str(resource(f"icons/{name}.svg")))
