"""The simulated observatory: dome, mount, safety monitor and weather station under one clock."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from app.model.clock import Clock, SteppingClock
from app.model.dome import ShutterState
from app.model.schedule import sidereal_time_deg
from app.model.settings import WeatherLimits
from app.model.surroundings import Weather
from app.sim.alpaca_device import AlpacaDevice, ascom_time
from app.sim.dome import SimulatedDome, alpaca_dome
from app.sim.mount import Instant, SimulatedMount, alpaca_mount
from app.sim.place import CENTRE_DEC_DEG, CENTRE_RA_DEG, NIGHT, SITE
from app.sim.safety import alpaca_safety_monitor, is_safe
from app.sim.weather import alpaca_weather, weather_at

_Azimuth = Annotated[float, Field(ge=0.0, lt=360.0)]
#: The moment of pictures for which none is given.
PICTURE_AT = NIGHT + timedelta(minutes=100)
#: The picture's dome has turned for so long: 2 s of ramp over 6 degrees, then at 6 degrees per second from 98 to 137.4.
_PICTURE_TURN_S = 2.0 + (137.4 - 98.0 - 6.0) / 6.0
_WEATHER_FIELDS = frozenset(Weather.__dataclass_fields__)


class Change(BaseModel):
    """What a test wants otherwise: fields that are given are set, and null gives the weather's back to the sky."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    dome_azimuth_deg: _Azimuth | None = None
    shutter: ShutterState | None = None
    mount_ra_deg: _Azimuth | None = None
    mount_dec_deg: Annotated[float, Field(ge=-90.0, le=90.0)] | None = None
    is_safe: bool | None = None
    weather_age_s: Annotated[float, Field(ge=0.0)] | None = None
    wind_m_s: float | None = None
    gust_m_s: float | None = None
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
    """

    def __init__(self, clock: Clock, scale: float = 1.0) -> None:
        self.clock = clock
        self.dome = SimulatedDome()
        self.mount = SimulatedMount(CENTRE_RA_DEG, CENTRE_DEC_DEG, SITE.latitude_deg)
        self._scale = scale
        self._began_s = clock.monotonic()
        self._overrides: dict[str, float] = {}
        self._is_safe: bool | None = None
        self._weather_age_s = 0.0

    @classmethod
    def for_pictures(cls, at: datetime = PICTURE_AT) -> SimulatedObservatory:
        """One in which time stands: dome open, on its way from 98 to 171 degrees, now at 137.4, mount tracking."""
        observatory = cls(SteppingClock(at, 0.0))
        observatory.dome = SimulatedDome(98.0, ShutterState.OPEN)
        observatory.dome.slew(-_PICTURE_TURN_S, 171.0)
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

    def devices(self) -> tuple[AlpacaDevice, ...]:
        """What the observatory shows on the wire."""
        utc = self.clock.utc
        return (
            alpaca_dome(self.dome, lambda: self.now_s, utc),
            alpaca_mount(self.mount, lambda: self.instant, SITE, utc),
            alpaca_safety_monitor(lambda: self.is_safe, utc),
            alpaca_weather(lambda: self.weather, lambda: self._weather_age_s, utc),
        )

    def apply(self, change: Change) -> None:
        """Make it as a test wants it, at once and without motion."""
        given = {name: getattr(change, name) for name in change.model_fields_set}
        if change.dome_azimuth_deg is not None:
            self.dome.place(change.dome_azimuth_deg)
        if change.shutter is not None:
            self.dome.shutter.place(change.shutter)
        if change.mount_ra_deg is not None or change.mount_dec_deg is not None:
            at = self.instant
            ra_deg = self.mount.ra_deg(at) if change.mount_ra_deg is None else change.mount_ra_deg
            dec_deg = self.mount.dec_deg(at) if change.mount_dec_deg is None else change.mount_dec_deg
            self.mount.place(ra_deg, dec_deg)
        self._is_safe = given.get("is_safe", self._is_safe)
        self._weather_age_s = given.get("weather_age_s", self._weather_age_s) or 0.0
        for name in _WEATHER_FIELDS & given.keys():
            self._overrides.pop(name, None)
            if given[name] is not None:
                self._overrides[name] = given[name]

    def as_json(self) -> dict[str, object]:
        """The whole truth of now."""
        now_s, at = self.now_s, self.instant
        azimuth_deg, altitude_deg = self.mount.horizontal_deg(at)
        return {
            "now_s": now_s,
            "utc": ascom_time(self.clock.utc()),
            "dome": {
                "azimuth_deg": self.dome.azimuth_deg(now_s),
                "speed_deg_s": self.dome.speed_deg_s(now_s),
                "shutter": self.dome.shutter.state(now_s),
                "opening": self.dome.shutter.opening(now_s),
                "is_slewing": self.dome.is_slewing(now_s),
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
            },
            "weather": asdict(self.weather),
            "is_safe": self.is_safe,
        }
