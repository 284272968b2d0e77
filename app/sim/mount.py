"""A simulated mount: two axes, sidereal tracking, a flip at the meridian, a park position at the celestial pole.

Pure physics: whoever asks hands in simulated seconds for the motors, and sidereal time for the sky.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import asin, atan2, cos, degrees, radians, sin
from typing import Literal

from app.model.angles import turn_deg, wrapped_deg
from app.model.surroundings import PierSide
from app.sim.alpaca_device import AlpacaError, ErrorNumber
from app.sim.motion import Drive, Motion

SLEWING = Drive(speed_deg_s=4.0, acceleration_deg_s2=4.0)

MountKind = Literal["german", "alt-az"]
#: The axes at the pole; the counterweight of a German mount hangs down there.
_PARK_DEG: dict[MountKind, tuple[float, float]] = {"german": (90.0, 90.0), "alt-az": (0.0, 90.0)}
_ROUNDING_DEG = 1e-6


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment for the mount: simulated seconds of its motors, and local sidereal time in degrees."""

    now_s: float
    sidereal_deg: float


class SimulatedMount:
    """A mount that tracks from the start.

    The first axis is counted in right ascension while it tracks, and in hour angle while it does not: so the sky
    carries it along, or not, without anybody stepping it.

    A German mount has two ways to point anywhere. On the east side of its pier, looking west, the axes stand at hour
    angle and declination (h, d); on the west side, through the pole, at (h + 180, 180 - d). So the second axis tells
    the side, and the first one, from -90 to 270 degrees, goes from one side to the other with its counterweight down.
    An alt-azimuth mount is counted by hour angle and declination too, and has no sides.

    Parameters
    ----------
    at : Instant
        Now.
    ra_deg, dec_deg : float
        Where it points, on the side that a slew there would end on.
    latitude_deg : float
        Of the site, north positive.
    kind : MountKind
        German equatorial or alt-azimuth.

    Attributes
    ----------
    target_ra_deg, target_dec_deg : float or None
        Where the newest slew went, or the next one goes.
    knows_pier_side : bool
        Whether its driver tells the side of the pier.
    """

    def __init__(
        self, at: Instant, ra_deg: float, dec_deg: float, latitude_deg: float, kind: MountKind = "german"
    ) -> None:
        self.kind = kind
        self.target_ra_deg: float | None = None
        self.target_dec_deg: float | None = None
        self.knows_pier_side = True
        self._latitude_deg = latitude_deg
        self._park_deg = _PARK_DEG[kind]
        self.place(at, ra_deg, dec_deg)

    def ra_deg(self, at: Instant) -> float:
        """Right ascension, 0 <= ra < 360."""
        return wrapped_deg(at.sidereal_deg - self._pointing_deg(at)[0])

    def dec_deg(self, at: Instant) -> float:
        """Declination."""
        return self._pointing_deg(at)[1]

    def horizontal_deg(self, at: Instant) -> tuple[float, float]:
        """Azimuth and altitude, without refraction."""
        return horizontal_deg(*self._pointing_deg(at), self._latitude_deg)

    @property
    def is_tracking(self) -> bool:
        """Whether it follows the sky."""
        return self._is_tracking

    def is_slewing(self, at: Instant) -> bool:
        """Whether an axis moves against the sky."""
        return self._first.is_moving(at.now_s) or self._second.is_moving(at.now_s)

    def is_parked(self, at: Instant) -> bool:
        """Whether it stands at its park position, and was sent there to stay."""
        return self._parks and not self.is_slewing(at)

    def pier_side(self, at: Instant) -> PierSide | None:
        """On which side of its pier it is in truth; None for a mount without sides."""
        if self.kind != "german":
            return None
        return PierSide.WEST if self._second.position_deg(at.now_s) > 90.0 + _ROUNDING_DEG else PierSide.EAST

    def side_for(self, at: Instant, ra_deg: float) -> PierSide | None:
        """On which side a slew there ends: looking away from the meridian; None for a mount without sides."""
        if self.kind != "german":
            return None
        return PierSide.EAST if turn_deg(ra_deg, at.sidereal_deg) >= 0.0 else PierSide.WEST

    def place(self, at: Instant, ra_deg: float, dec_deg: float) -> None:
        """Put it on a position, tracking."""
        first_deg, second_deg = self._axes_for(at, ra_deg, dec_deg)
        self._first, self._second = Motion.at_rest(at.sidereal_deg - first_deg), Motion.at_rest(second_deg)
        self._is_tracking, self._parks = True, False

    def slew(self, at: Instant, ra_deg: float, dec_deg: float) -> None:
        """Begin to slew; raises 0x408 while parked, 0x40B when it does not track, 0x401 out of reach."""
        self._refuse_parked(at)
        if not self._is_tracking:
            raise AlpacaError(ErrorNumber.INVALID_OPERATION, "The mount does not track: set Tracking before the slew")
        self.set_target(ra_deg=ra_deg, dec_deg=dec_deg)
        altitude = horizontal_deg(at.sidereal_deg - ra_deg, dec_deg, self._latitude_deg)[1]
        if altitude < 0.0:
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"The target is {-altitude:.1f} degrees below the horizon")
        self._move_to(at, *self._axes_for(at, ra_deg, dec_deg))

    def slew_to_target(self, at: Instant) -> None:
        """As `slew`, to the target that was set; raises 0x402 when one half of it is not."""
        self.slew(at, known_deg(self.target_ra_deg), known_deg(self.target_dec_deg))

    def slew_horizontal(self, at: Instant, azimuth_deg: float, altitude_deg: float) -> None:
        """Begin to slew to a place over the ground; raises 0x408 while parked, 0x40B when it tracks, 0x401 as `slew`."""
        self._refuse_parked(at)
        if self._is_tracking:
            raise AlpacaError(ErrorNumber.INVALID_OPERATION, "The mount tracks: clear Tracking before the slew")
        if not (0.0 <= azimuth_deg < 360.0 and 0.0 <= altitude_deg <= 90.0):
            raise AlpacaError(
                ErrorNumber.INVALID_VALUE, f"Azimuth {azimuth_deg:g}, altitude {altitude_deg:g} is out of 0..360, 0..90"
            )
        # the rotation is its own inverse
        self._move_to(at, *horizontal_deg(azimuth_deg, altitude_deg, self._latitude_deg))

    def set_target(self, *, ra_deg: float | None = None, dec_deg: float | None = None) -> None:
        """Where the next slew to its target goes; raises 0x401 outside of 0..24 h and -90..90 degrees."""
        if (ra_deg is not None and not 0.0 <= ra_deg < 360.0) or (dec_deg is not None and not -90.0 <= dec_deg <= 90.0):
            raise AlpacaError(ErrorNumber.INVALID_VALUE, "The target is outside of RA 0..24 h, Dec -90..90 degrees")
        self.target_ra_deg = self.target_ra_deg if ra_deg is None else ra_deg
        self.target_dec_deg = self.target_dec_deg if dec_deg is None else dec_deg

    def track(self, at: Instant, wanted: bool) -> None:
        """Follow the sky, or not, from where it points; raises 0x408 while parked. Ends a slew."""
        self._refuse_parked(at)
        self._parks = False
        self._count_by(at, is_tracking=wanted)

    def park(self, at: Instant) -> None:
        """Begin to slew to the park position, and stay there."""
        if not self._parks:
            self._count_by(at, is_tracking=False)
            self._move_to(at, *self._park_deg)
            self._parks = True

    def set_park(self, at: Instant) -> None:
        """Take where the axes stand now as the park position."""
        self._park_deg = self._axes_deg(at)

    def unpark(self, at: Instant) -> None:
        """Allow motion again; it stands where it stood."""
        if self.is_parked(at):
            self._parks = False

    def abort(self, at: Instant) -> None:
        """Stop a slew with a ramp; tracking goes on if it did. Raises 0x408 while parked."""
        self._refuse_parked(at)
        self._parks = False
        self._first, self._second = (
            SLEWING.brake(at.now_s, axis.position_deg(at.now_s), axis.speed_deg_s(at.now_s))
            for axis in (self._first, self._second)
        )

    def _refuse_parked(self, at: Instant) -> None:
        if self.is_parked(at):
            raise AlpacaError(ErrorNumber.INVALID_WHILE_PARKED, "The mount is parked: unpark it first")

    def _axes_deg(self, at: Instant) -> tuple[float, float]:
        """Where the axes stand."""
        first = self._first.position_deg(at.now_s)
        hour_angle = at.sidereal_deg - first if self._is_tracking else first
        return (hour_angle + 90.0) % 360.0 - 90.0, self._second.position_deg(at.now_s)

    def _pointing_deg(self, at: Instant) -> tuple[float, float]:
        """Hour angle and declination."""
        first, second = self._axes_deg(at)
        return (first, second) if self.pier_side(at) is not PierSide.WEST else (first - 180.0, 180.0 - second)

    def _axes_for(self, at: Instant, ra_deg: float, dec_deg: float) -> tuple[float, float]:
        """Where the axes stand when it points there."""
        hour_angle = turn_deg(ra_deg, at.sidereal_deg)
        if self.side_for(at, ra_deg) is PierSide.WEST:
            return hour_angle + 180.0, 180.0 - dec_deg
        return hour_angle, dec_deg

    def _count_by(self, at: Instant, *, is_tracking: bool) -> None:
        """Count the first axis by right ascension or by hour angle; both axes come to rest."""
        first_deg, second_deg = self._axes_deg(at)
        self._first = Motion.at_rest(at.sidereal_deg - first_deg if is_tracking else first_deg)
        self._second = Motion.at_rest(second_deg)
        self._is_tracking = is_tracking

    def _move_to(self, at: Instant, first_deg: float, second_deg: float) -> None:
        """Turn both axes: a German mount's first one never by the way on which its counterweight would stand up."""
        first, second = self._axes_deg(at)
        turn = first_deg - first if self.kind == "german" else turn_deg(first, first_deg)
        counted = self._first.position_deg(at.now_s)
        self._first = SLEWING.move(
            at.now_s, counted, self._first.speed_deg_s(at.now_s), -turn if self._is_tracking else turn
        )
        self._second = SLEWING.move(at.now_s, second, self._second.speed_deg_s(at.now_s), second_deg - second)


def horizontal_deg(hour_angle_deg: float, dec_deg: float, latitude_deg: float) -> tuple[float, float]:
    """Azimuth (North 0, East 90) and altitude of a position, without refraction.

    Meeus (1998), Astronomical Algorithms, chapter 13, with the azimuth counted from North.

    Parameters
    ----------
    hour_angle_deg, dec_deg : float
        The position; hour angle west positive.
    latitude_deg : float
        Of the site, north positive.
    """
    hour_angle, dec, latitude = radians(hour_angle_deg), radians(dec_deg), radians(latitude_deg)
    east = -cos(dec) * sin(hour_angle)
    north = sin(dec) * cos(latitude) - cos(dec) * sin(latitude) * cos(hour_angle)
    up = sin(dec) * sin(latitude) + cos(dec) * cos(latitude) * cos(hour_angle)
    return wrapped_deg(degrees(atan2(east, north))), degrees(asin(max(-1.0, min(1.0, up))))


def known_deg(target_deg: float | None) -> float:
    """One half of a target; raises 0x402 when it was never set."""
    if target_deg is None:
        raise AlpacaError(ErrorNumber.VALUE_NOT_SET, "The target was not set: set its right ascension and declination")
    return target_deg
