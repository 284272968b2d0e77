"""Where things are on a plan of the dome seen from above, North up, East right."""

from __future__ import annotations

from dataclasses import dataclass
from math import cos, degrees, hypot, radians, sin

from PySide6.QtCore import QPointF, QRectF
from PySide6.QtGui import QPainterPath

from app.model.angles import azimuth_at_deg, wrapped_deg

#: Room for ticks and letters around the shell, in pixels.
MARGIN_PX = 34
#: Points nearer to the centre than this part of the shell's radius have no clear direction.
_DEAD_ZONE = 0.15


@dataclass(frozen=True, slots=True)
class Plan:
    """A shell of two circles.

    Attributes
    ----------
    centre : QPointF
        In the widget.
    inner_px, outer_px : float
        Radii of the shell.
    """

    centre: QPointF
    inner_px: float
    outer_px: float

    @staticmethod
    def within(width_px: float, height_px: float) -> Plan:
        """The largest plan that has room there."""
        outer = max(40.0, min(width_px, height_px) / 2.0 - MARGIN_PX)
        return Plan(QPointF(width_px / 2.0, height_px / 2.0), outer - max(16.0, 0.11 * outer), outer)

    @property
    def middle_px(self) -> float:
        """Radius of the middle of the shell."""
        return (self.inner_px + self.outer_px) / 2.0

    def point_at(self, azimuth_deg: float, radius_px: float) -> QPointF:
        """Where an azimuth is."""
        angle = radians(azimuth_deg)
        return self.centre + QPointF(radius_px * sin(angle), -radius_px * cos(angle))

    def azimuth_at(self, position: QPointF) -> float | None:
        """Azimuth of a point, to 0.1 degree; None in the middle and outside."""
        offset = position - self.centre
        if not _DEAD_ZONE * self.outer_px <= hypot(offset.x(), offset.y()) <= self.outer_px + MARGIN_PX:
            return None
        return wrapped_deg(round(azimuth_at_deg(offset.x(), offset.y()), 1))

    def circle(self, radius_px: float) -> QRectF:
        """The square around a circle."""
        reach = QPointF(radius_px, radius_px)
        return QRectF(self.centre - reach, self.centre + reach)

    def arc(self, radius_px: float, from_deg: float, by_deg: float) -> QPainterPath:
        """A part of a circle, clockwise positive."""
        path = QPainterPath()
        path.arcMoveTo(self.circle(radius_px), 90.0 - from_deg)
        path.arcTo(self.circle(radius_px), 90.0 - from_deg, -by_deg)
        return path

    def sector(self, from_deg: float, to_deg: float) -> QPainterPath:
        """The part of the shell between two azimuths, clockwise."""
        path = self.arc(self.outer_px, from_deg, to_deg - from_deg)
        path.arcTo(self.circle(self.inner_px), 90.0 - to_deg, to_deg - from_deg)
        path.closeSubpath()
        return path


def degrees_of(length_px: float, radius_px: float) -> float:
    """The angle that an arc of that length has on a circle, degrees."""
    return degrees(length_px / max(radius_px, 1.0))
