"""The simulated observatory: everything that it has, under one clock."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.model.clock import Clock, SteppingClock
from app.model.dome import ShutterState
from app.model.schedule import sidereal_time_deg
from app.model.settings import WeatherLimits
from app.model.surroundings import Weather
from app.sim.alpaca_camera import alpaca_camera
from app.sim.alpaca_device import AlpacaDevice, ascom_time
from app.sim.alpaca_dome import alpaca_dome
from app.sim.alpaca_mount import alpaca_mount
from app.sim.camera import SimulatedCamera
from app.sim.cover import SimulatedCover, alpaca_cover
from app.sim.dome import DomeModel, SimulatedDome
from app.sim.driver_lies import Lies
from app.sim.mount import Instant, MountKind, SimulatedMount
from app.sim.place import CENTRE_DEC_DEG, CENTRE_RA_DEG, NIGHT, SITE
from app.sim.safety import alpaca_safety_monitor, is_safe
from app.sim.switch import SimulatedContact, alpaca_switch
from app.sim.weather import alpaca_weather, weather_at

_Azimuth = Annotated[float, Field(ge=0.0, lt=360.0)]
#: The moment of pictures for which none is given.
PICTURE_AT = NIGHT + timedelta(minutes=100)
#: Where the picture's dome stands: the beam of its telescope is near the slit's edge.
_PICTURE_AZIMUTH_DEG = 69.6
_WEATHER_FIELDS = frozenset(Weather.__dataclass_fields__)


class Equipment(BaseModel):
    """What the observatory has, and in which version its drivers speak.

    Attributes
    ----------
    interface : int
        Version of ASCOM's IDome; below 3 all devices are older than Platform 7.
    dome_number : int
        Device number of the dome.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    interface: Literal[1, 2, 3] = 3
    dome_number: Annotated[int, Field(ge=0, le=2**32 - 1)] = 0
    dome: DomeModel = DomeModel()
    mount: MountKind = "german"


class Change(BaseModel):
    """What a test wants otherwise: fields that are given are set, and null gives them back to the sky and the motors.

    Attributes
    ----------
    shutter_stuck_at : float or None
        The shutter stops there, 0 to 1, while the driver takes it for under way; null sets it free, and it stands
        until the next command.
    is_motor_dead : bool or None
        Commands of the dome are taken, and nothing moves.
    coast_deg : float or None
        So much further than wanted the dome comes to rest after a slew or an abort.
    knows_pier_side : bool or None
        Whether the mount's driver tells the side of its pier.
    has_mains : bool or None
        Whether the mains is there, for its contact; the motors have a battery.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dome_azimuth_deg: _Azimuth | None = None
    shutter: ShutterState | None = None
    shutter_stuck_at: Annotated[float, Field(ge=0.0, le=1.0)] | None = None
    is_motor_dead: bool | None = None
    coast_deg: Annotated[float, Field(ge=0.0, le=30.0)] | None = None
    mount_ra_deg: _Azimuth | None = None
    mount_dec_deg: Annotated[float, Field(ge=-90.0, le=90.0)] | None = None
    knows_pier_side: bool | None = None
    has_mains: bool | None = None
    is_safe: bool | None = None
    weather_age_s: Annotated[float, Field(ge=0.0)] | None = None
    wind_m_s: float | None = None
    gust_m_s: float | None = None
    wind_direction_deg: Annotated[float, Field(ge=0.0, le=360.0)] | None = None
    humidity_percent: float | None = None
    cloud_percent: float | None = None
    rain_mm_h: float | None = None
    temperature_degc: float | None = None
    dew_point_degc: float | None = None


class SimulatedObservatory:
    """Everything that is simulated, at the present time of its clock.

    Parameters
    ----------
    clock : Clock
        Time of the sky, and the real seconds behind the physics.
    scale : float
        How many simulated seconds of the motors pass in a real one; the sky keeps its pace.
    equipment : Equipment
        What it has.

    Attributes
    ----------
    lies : Lies
        What the dome's driver says wrongly.
    """

    def __init__(self, clock: Clock, scale: float = 1.0, equipment: Equipment | None = None) -> None:
        self.clock = clock
        self.lies = Lies()
        self.equipment = equipment or Equipment()
        self.dome = SimulatedDome(model=self.equipment.dome)
        self.cover = SimulatedCover()
        self.camera = SimulatedCamera()
        self._has_mains = True
        self._scale = scale
        self._began_s = clock.monotonic()
        self.mount = self._new_mount()
        self._overrides: dict[str, float] = {}
        self._is_safe: bool | None = None
        self._weather_age_s = 0.0

    @classmethod
    def for_pictures(cls, at: datetime = PICTURE_AT) -> SimulatedObservatory:
        """One in which time stands: the dome is open and at rest, the mount tracks."""
        observatory = cls(SteppingClock(at, 0.0))
        observatory.dome = SimulatedDome(_PICTURE_AZIMUTH_DEG, ShutterState.OPEN)
        return observatory

    @property
    def now_s(self) -> float:
        """Simulated seconds since the start."""
        return (self.clock.monotonic() - self._began_s) * self._scale

    @property
    def instant(self) -> Instant:
        """Now, for the mount."""
        return Instant(self.now_s, sidereal_time_deg(SITE, self.clock.utc()))

    @property
    def weather(self) -> Weather:
        """The sky's weather, but for what a test wants otherwise."""
        return replace(weather_at(self.clock.utc()), **self._overrides)

    @property
    def is_safe(self) -> bool:
        """The safety monitor's word."""
        return is_safe(self.weather, WeatherLimits()) if self._is_safe is None else self._is_safe

    @property
    def is_closed(self) -> bool:
        """Whether the shutter is closed in truth."""
        return self.dome.shutter.opening(self.now_s) <= 0.0

    @property
    def is_mount_parked(self) -> bool:
        """Whether the mount is parked in truth."""
        return self.mount.is_parked(self.instant)

    def equip(self, equipment: Equipment) -> None:
        """Have other drivers, and other devices where they differ; `devices` shows them."""
        if equipment.dome != self.equipment.dome:
            self.dome = SimulatedDome(model=equipment.dome)
        is_other_mount = equipment.mount != self.equipment.mount
        self.equipment = equipment
        if is_other_mount:
            self.mount = self._new_mount()

    def devices(self) -> tuple[AlpacaDevice, ...]:
        """What the observatory shows on the wire."""
        utc, is_new = self.clock.utc, self.equipment.interface >= 3
        return (
            alpaca_dome(
                self.dome,
                self._follow,
                utc,
                lies=lambda: self.lies,
                interface=self.equipment.interface,
                number=self.equipment.dome_number,
            ),
            alpaca_mount(self.mount, lambda: self.instant, SITE, utc, is_platform_7=is_new),
            alpaca_safety_monitor(lambda: self.is_safe, utc, is_platform_7=is_new),
            alpaca_weather(lambda: self.weather, lambda: self._weather_age_s, utc, is_platform_7=is_new),
            alpaca_switch(self._contacts(), utc, is_platform_7=is_new),
            alpaca_cover(self.cover, lambda: self.now_s, utc, is_platform_7=is_new),
            alpaca_camera(self.camera, lambda: self.now_s, utc, is_platform_7=is_new),
        )

    def apply(self, change: Change) -> None:
        """Make it as a test wants it, at once and without motion."""
        given = {name: getattr(change, name) for name in change.model_fields_set}
        if change.dome_azimuth_deg is not None:
            self.dome.place(change.dome_azimuth_deg)
        if change.shutter is not None:
            self.dome.shutter.place(change.shutter)
        if "shutter_stuck_at" in given:
            self.dome.shutter.stick(self.now_s, change.shutter_stuck_at)
        if "is_motor_dead" in given:
            self.dome.kill_motors(self.now_s, bool(change.is_motor_dead))
        if "coast_deg" in given:
            self.dome.coast_deg = self.dome.model.coast_deg if change.coast_deg is None else change.coast_deg
        if change.mount_ra_deg is not None or change.mount_dec_deg is not None:
            at = self.instant
            ra_deg = self.mount.ra_deg(at) if change.mount_ra_deg is None else change.mount_ra_deg
            dec_deg = self.mount.dec_deg(at) if change.mount_dec_deg is None else change.mount_dec_deg
            self.mount.place(at, ra_deg, dec_deg)
        if "knows_pier_side" in given:
            self.mount.knows_pier_side = change.knows_pier_side is not False
        if "has_mains" in given:
            self._has_mains = change.has_mains is not False
        self._is_safe = given.get("is_safe", self._is_safe)
        self._weather_age_s = given.get("weather_age_s", self._weather_age_s) or 0.0
        for name in _WEATHER_FIELDS & given.keys():
            self._overrides.pop(name, None)
            if given[name] is not None:
                self._overrides[name] = given[name]

    def _contacts(self) -> tuple[SimulatedContact, ...]:
        """By their numbers, which `app.sim.place` has."""
        return (
            SimulatedContact("Shutter closed", "On when the shutter is closed in truth", lambda: self.is_closed),
            SimulatedContact("Mount parked", "On when the mount is parked in truth", lambda: self.is_mount_parked),
            SimulatedContact("Mains", "On when the mains is there", lambda: self._has_mains),
        )

    def _new_mount(self) -> SimulatedMount:
        return SimulatedMount(self.instant, CENTRE_RA_DEG, CENTRE_DEC_DEG, SITE.latitude_deg, self.equipment.mount)

    def _follow(self) -> float:
        """Now, after a slaved driver has looked where the mount points."""
        now_s = self.now_s
        if self.dome.is_slaved:
            self.dome.follow(now_s, self.mount.horizontal_deg(self.instant)[0])
        return now_s

    def as_json(self) -> dict[str, object]:
        """The whole truth of now."""
        now_s, at = self._follow(), self.instant
        azimuth_deg, altitude_deg = self.mount.horizontal_deg(at)
        return {
            "now_s": now_s,
            "utc": ascom_time(self.clock.utc()),
            "dome": {
                "azimuth_deg": self.dome.azimuth_deg(now_s),
                "speed_deg_s": self.dome.speed_deg_s(now_s),
                "shutter": self.dome.shutter.state(now_s),
                "opening": self.dome.shutter.opening(now_s),
                "is_moving": self.dome.is_moving(now_s),
                "is_slewing": self.dome.is_slewing(now_s),
                "is_slaved": self.dome.is_slaved,
                "is_at_park": self.dome.is_at_park(now_s),
                "is_at_home": self.dome.is_at_home(now_s),
            },
            "mount": {
                "azimuth_deg": azimuth_deg,
                "altitude_deg": altitude_deg,
                "ra_deg": self.mount.ra_deg(at),
                "dec_deg": self.mount.dec_deg(at),
                "is_tracking": self.mount.is_tracking,
                "is_slewing": self.mount.is_slewing(at),
                "is_parked": self.mount.is_parked(at),
                "pier_side": self.mount.pier_side(at),
            },
            "contacts": {
                "closed": self.is_closed,
                "mount_parked": self.is_mount_parked,
                "mains": self._has_mains,
            },
            "cover": self.cover.state(now_s).name.lower(),
            "camera": self.camera.state(now_s).name.lower(),
            "weather": asdict(self.weather),
            "is_safe": self.is_safe,
        }
