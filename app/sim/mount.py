"""A simulated mount: two equatorial axes, sidereal tracking, a park position at the celestial pole.

Pure physics: whoever asks hands in simulated seconds for the motors, and sidereal time for the sky.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from math import asin, atan2, cos, degrees, radians, sin

from app.model.angles import turn_deg, wrapped_deg
from app.model.settings import Site
from app.sim.alpaca_device import (
    AlpacaDevice,
    AlpacaError,
    Call,
    ErrorNumber,
    Identity,
    Parameter,
    as_boolean,
    as_number,
    as_whole,
    ascom_time,
    fixed,
)
from app.sim.motion import Drive, Motion

SLEWING = Drive(speed_deg_s=4.0, acceleration_deg_s2=4.0)
PARK_HOUR_ANGLE_DEG, PARK_DEC_DEG = 0.0, 90.0

_POLAR, _J2000 = 1, 2  # ASCOM's AlignmentModes and EquatorialCoordinateType
_IDENTITY = Identity(
    kind="Telescope",
    name="Cupola simulated mount",
    description="SIMULATED equatorial mount, no hardware",
    interface_version=4,
    unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a002",
)
_CANNOT = (
    "canfindhome",
    "canpulseguide",
    "cansetdeclinationrate",
    "cansetguiderates",
    "cansetpark",
    "cansetpierside",
    "cansetrightascensionrate",
    "canslew",
    "canslewaltaz",
    "canslewaltazasync",
    "cansync",
    "cansyncaltaz",
)
_MISSING = (
    "aperturearea",
    "aperturediameter",
    "destinationsideofpier",
    "findhome",
    "focallength",
    "guideratedeclination",
    "guideraterightascension",
    "ispulseguiding",
    "moveaxis",
    "pulseguide",
    "setpark",
    "sideofpier",
    "slewsettletime",
    "slewtoaltaz",
    "slewtoaltazasync",
    "slewtocoordinates",
    "slewtotarget",
    "slewtotargetasync",
    "synctoaltaz",
    "synctocoordinates",
    "synctotarget",
    "targetdeclination",
    "targetrightascension",
)
#: Properties that could be written on another mount.
_ONLY_READ = (
    "declinationrate",
    "doesrefraction",
    "rightascensionrate",
    "siteelevation",
    "sitelatitude",
    "sitelongitude",
    "trackingrate",
    "utcdate",
)


@dataclass(frozen=True, slots=True)
class Instant:
    """One moment for the mount: simulated seconds of its motors, and local sidereal time in degrees."""

    now_s: float
    sidereal_deg: float


class SimulatedMount:
    """A mount that tracks from the start.

    The first axis is counted in right ascension while it tracks, and in hour angle while it does not: so the sky
    carries it along, or not, without anybody stepping it.
    """

    def __init__(self, ra_deg: float, dec_deg: float, latitude_deg: float) -> None:
        self._latitude_deg = latitude_deg
        self._first = Motion.at_rest(ra_deg)
        self._dec = Motion.at_rest(dec_deg)
        self._is_tracking = True
        self._parks = False

    def ra_deg(self, at: Instant) -> float:
        """Right ascension, 0 <= ra < 360."""
        first = self._first.position_deg(at.now_s)
        return wrapped_deg(first if self._is_tracking else at.sidereal_deg - first)

    def dec_deg(self, at: Instant) -> float:
        """Declination."""
        return self._dec.position_deg(at.now_s)

    def horizontal_deg(self, at: Instant) -> tuple[float, float]:
        """Azimuth and altitude, without refraction."""
        return horizontal_deg(at.sidereal_deg - self.ra_deg(at), self.dec_deg(at), self._latitude_deg)

    @property
    def is_tracking(self) -> bool:
        """Whether it follows the sky."""
        return self._is_tracking

    def is_slewing(self, at: Instant) -> bool:
        """Whether an axis moves against the sky."""
        return self._first.is_moving(at.now_s) or self._dec.is_moving(at.now_s)

    def is_parked(self, at: Instant) -> bool:
        """Whether it stands at its park position, and was sent there to stay."""
        return self._parks and not self.is_slewing(at)

    def place(self, ra_deg: float, dec_deg: float) -> None:
        """Put it on a position, tracking."""
        self._first, self._dec = Motion.at_rest(ra_deg), Motion.at_rest(dec_deg)
        self._is_tracking, self._parks = True, False

    def slew(self, at: Instant, ra_deg: float, dec_deg: float) -> None:
        """Begin to slew; raises 0x408 while parked, 0x40B when it does not track, 0x401 out of reach."""
        self._refuse_parked(at)
        if not self._is_tracking:
            raise AlpacaError(ErrorNumber.INVALID_OPERATION, "The mount does not track: set Tracking before the slew")
        if not (0.0 <= ra_deg < 360.0 and -90.0 <= dec_deg <= 90.0):
            raise AlpacaError(
                ErrorNumber.INVALID_VALUE, f"RA {ra_deg / 15.0:g} h, Dec {dec_deg:g} is outside of 0..24 h, -90..90"
            )
        altitude = horizontal_deg(at.sidereal_deg - ra_deg, dec_deg, self._latitude_deg)[1]
        if altitude < 0.0:
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"The target is {-altitude:.1f} degrees below the horizon")
        self._move_to(at, ra_deg, dec_deg)

    def track(self, at: Instant, wanted: bool) -> None:
        """Follow the sky, or not, from where it points; raises 0x408 while parked. Ends a slew."""
        self._refuse_parked(at)
        self._parks = False
        self._count_by(at, is_tracking=wanted)

    def park(self, at: Instant) -> None:
        """Begin to slew to the pole, and stay there."""
        if not self._parks:
            self._count_by(at, is_tracking=False)
            self._move_to(at, PARK_HOUR_ANGLE_DEG, PARK_DEC_DEG)
            self._parks = True

    def unpark(self, at: Instant) -> None:
        """Allow motion again; it stands where it stood."""
        if self.is_parked(at):
            self._parks = False

    def abort(self, at: Instant) -> None:
        """Stop a slew with a ramp; tracking goes on if it did. Raises 0x408 while parked."""
        self._refuse_parked(at)
        self._parks = False
        self._first, self._dec = (
            SLEWING.brake(at.now_s, axis.position_deg(at.now_s), axis.speed_deg_s(at.now_s))
            for axis in (self._first, self._dec)
        )

    def _refuse_parked(self, at: Instant) -> None:
        if self.is_parked(at):
            raise AlpacaError(ErrorNumber.INVALID_WHILE_PARKED, "The mount is parked: unpark it first")

    def _count_by(self, at: Instant, *, is_tracking: bool) -> None:
        """Count the first axis by right ascension or by hour angle; both axes come to rest."""
        ra_deg, dec_deg = self.ra_deg(at), self.dec_deg(at)
        self._first = Motion.at_rest(ra_deg if is_tracking else wrapped_deg(at.sidereal_deg - ra_deg))
        self._dec = Motion.at_rest(dec_deg)
        self._is_tracking = is_tracking

    def _move_to(self, at: Instant, first_deg: float, dec_deg: float) -> None:
        first, dec = self._first.position_deg(at.now_s), self._dec.position_deg(at.now_s)
        turn = turn_deg(first, first_deg)
        self._first = SLEWING.move(at.now_s, first, self._first.speed_deg_s(at.now_s), turn)
        self._dec = SLEWING.move(at.now_s, dec, self._dec.speed_deg_s(at.now_s), dec_deg - dec)


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


def alpaca_mount(
    mount: SimulatedMount, instant: Callable[[], Instant], site: Site, utc: Callable[[], datetime]
) -> AlpacaDevice:
    """The mount as ASCOM's ITelescopeV4: what a dome needs of it, and slews.

    Parameters
    ----------
    mount : SimulatedMount
        The physics.
    instant : callable
        Simulated seconds and sidereal time of now.
    site : Site
        Where it stands.
    utc : callable
        Time of the sky.
    """
    slew = (Parameter("RightAscension", as_number), Parameter("Declination", as_number))
    axis = Parameter("Axis", as_whole)
    facts: dict[str, object] = {
        **dict.fromkeys(_CANNOT, False),
        **dict.fromkeys(("canpark", "cansettracking", "canslewasync", "canunpark"), True),
        "alignmentmode": _POLAR,
        "athome": False,
        "declinationrate": 0.0,
        "doesrefraction": False,
        "equatorialsystem": _J2000,
        "rightascensionrate": 0.0,
        "siteelevation": site.elevation_m,
        "sitelatitude": site.latitude_deg,
        "sitelongitude": site.longitude_deg,
        "trackingrate": 0,
        "trackingrates": [0],
    }
    return AlpacaDevice(
        _IDENTITY,
        reads={
            **{name: fixed(value) for name, value in facts.items()},
            "altitude": lambda: mount.horizontal_deg(instant())[1],
            "atpark": lambda: mount.is_parked(instant()),
            "azimuth": lambda: mount.horizontal_deg(instant())[0],
            "declination": lambda: mount.dec_deg(instant()),
            "rightascension": lambda: mount.ra_deg(instant()) / 15.0,
            "siderealtime": lambda: instant().sidereal_deg / 15.0,
            "slewing": lambda: mount.is_slewing(instant()),
            "tracking": lambda: mount.is_tracking,
            "utcdate": lambda: ascom_time(utc()),
        },
        calls={
            ("GET", "axisrates"): Call(lambda _axis: [], axis),
            ("GET", "canmoveaxis"): Call(lambda _axis: False, axis),
            ("PUT", "abortslew"): Call(lambda: mount.abort(instant())),
            ("PUT", "park"): Call(lambda: mount.park(instant())),
            ("PUT", "slewtocoordinatesasync"): Call(
                lambda ra_h, dec_deg: mount.slew(instant(), ra_h * 15.0, dec_deg), *slew
            ),
            ("PUT", "tracking"): Call(lambda wanted: mount.track(instant(), wanted), Parameter("Tracking", as_boolean)),
            ("PUT", "unpark"): Call(lambda: mount.unpark(instant())),
        },
        missing=(*_MISSING, *_ONLY_READ),
        state=(
            "Altitude",
            "AtHome",
            "AtPark",
            "Azimuth",
            "Declination",
            "RightAscension",
            "SiderealTime",
            "Slewing",
            "Tracking",
            "UTCDate",
        ),
        utc=utc,
    )
