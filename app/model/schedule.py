"""When a target can be observed: altitude, the coming night, airmass, and the priority that follows.

Formulas of low precision (0.01 to 0.1 degree) suffice for planning: Astronomical Almanac, section C, for the Sun;
Meeus (1998), Astronomical Algorithms, chapters 12 and 13, for sidereal time and altitude.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from math import asin, atan2, cos, degrees, radians, sin

from app.model.settings import Site

#: The night is when the Sun is below this.
NIGHT_SUN_ALTITUDE_DEG = -12.0
#: Targets lower than this are not observed.
LOWEST_ALTITUDE_DEG = 20.0
_STEP = timedelta(minutes=10)


def altitude_deg(ra_deg: float, dec_deg: float, site: Site, at: datetime) -> float:
    """Altitude of a position over the horizon, without refraction, degrees."""
    hour_angle = radians(sidereal_time_deg(site, at) - ra_deg)
    latitude, dec = radians(site.latitude_deg), radians(dec_deg)
    return degrees(asin(sin(latitude) * sin(dec) + cos(latitude) * cos(dec) * cos(hour_angle)))


def sidereal_time_deg(site: Site, at: datetime) -> float:
    """Local mean sidereal time in degrees."""
    return (280.46061837 + 360.98564736629 * _days(at) + site.longitude_deg) % 360.0


def sun_altitude_deg(site: Site, at: datetime) -> float:
    """Altitude of the Sun, degrees, good to 0.05."""
    days = _days(at)
    anomaly = radians((357.528 + 0.9856003 * days) % 360.0)
    longitude = radians((280.460 + 0.9856474 * days + 1.915 * sin(anomaly) + 0.020 * sin(2.0 * anomaly)) % 360.0)
    obliquity = radians(23.439 - 0.0000004 * days)
    ra = degrees(atan2(cos(obliquity) * sin(longitude), cos(longitude)))
    dec = degrees(asin(sin(obliquity) * sin(longitude)))
    return altitude_deg(ra, dec, site, at)


def airmass(altitude_of_target_deg: float) -> float | None:
    """Relative air mass of Pickering (2002), DIO 12, 20; None below the horizon."""
    if altitude_of_target_deg <= 0.0:
        return None
    return 1.0 / sin(radians(altitude_of_target_deg + 244.0 / (165.0 + 47.0 * altitude_of_target_deg**1.1)))


@dataclass(frozen=True, slots=True)
class PriorityTerms:
    """What the priority of an observation is made of.

    Attributes
    ----------
    height : float
        0 to 6, for the best altitude of the night.
    haste : float
        0 to 3, for how soon the target sets below the lowest altitude.
    age : float
        0 to 1, for the age of the order.
    """

    height: float
    haste: float
    age: float

    @property
    def total(self) -> float:
        """The priority, 0 to 10."""
        return round(self.height + self.haste + self.age, 3)


@dataclass(frozen=True, slots=True)
class Span:
    """From one moment to another, UTC."""

    begins_at: datetime
    ends_at: datetime


def priority(ra_deg: float, dec_deg: float, site: Site, ordered_at: datetime, now: datetime) -> float:
    """Priority of an observation for the coming or present night, 0 to 10: the total of `priority_terms`."""
    return priority_terms(ra_deg, dec_deg, site, ordered_at, now).total


def priority_terms(ra_deg: float, dec_deg: float, site: Site, ordered_at: datetime, now: datetime) -> PriorityTerms:
    """Terms of the priority of an observation for the coming or present night, each to 0.001.

    Up to 6 for the best altitude, up to 3 for how soon the target sets below the lowest altitude, up to 1 for the
    age of the order (all of it after 30 days). A target that does not rise in the night has 0 of each.

    Parameters
    ----------
    ra_deg, dec_deg : float
        ICRS.
    site : Site
        The observatory.
    ordered_at, now : datetime
        Aware.
    """
    moments = tuple(_coming_night(site, now))
    altitudes = [altitude_deg(ra_deg, dec_deg, site, moment) for moment in moments]
    best = max(altitudes, default=-90.0)
    if best < LOWEST_ALTITUDE_DEG:
        return PriorityTerms(0.0, 0.0, 0.0)
    height = 6.0 * (best - LOWEST_ALTITUDE_DEG) / (90.0 - LOWEST_ALTITUDE_DEG)
    last = max(moment for moment, altitude in zip(moments, altitudes, strict=True) if altitude >= LOWEST_ALTITUDE_DEG)
    hours_left = (last - now) / timedelta(hours=1)
    haste = 3.0 * (1.0 - min(max(hours_left, 0.0), 24.0) / 24.0)
    age = min(max((now - ordered_at) / timedelta(days=30), 0.0), 1.0)
    return PriorityTerms(round(height, 3), round(haste, 3), round(age, 3))


def night_of(site: Site, now: datetime) -> Span | None:
    """The present night, or the next one within 24 h, to 10 minutes; None when the Sun does not go low enough."""
    moments = tuple(_coming_night(site, _whole_step(now)))
    if not moments:
        return None
    begins_at = moments[0]
    while begins_at > moments[-1] - timedelta(hours=24) and _is_dark(site, begins_at - _STEP):
        begins_at -= _STEP
    return Span(begins_at, moments[-1])


@lru_cache(maxsize=4096)
def window_of(ra_deg: float, dec_deg: float, site: Site, night: Span) -> Span | None:
    """From when until when a target can be observed in a night, to 10 minutes; None when it stays too low."""
    steps = range(int((night.ends_at - night.begins_at) / _STEP) + 1)
    moments = [night.begins_at + number * _STEP for number in steps]
    high = [moment for moment in moments if altitude_deg(ra_deg, dec_deg, site, moment) >= LOWEST_ALTITUDE_DEG]
    return Span(high[0], high[-1]) if high else None


def _coming_night(site: Site, now: datetime) -> Iterator[datetime]:
    """Moments of the rest of this night, or of the next one, within 24 h."""
    was_dark = False
    for number in range(int(timedelta(hours=24) / _STEP)):
        moment = now + number * _STEP
        is_dark = _is_dark(site, moment)
        if is_dark:
            yield moment
        elif was_dark:
            return
        was_dark = is_dark


def _is_dark(site: Site, at: datetime) -> bool:
    return sun_altitude_deg(site, at) < NIGHT_SUN_ALTITUDE_DEG


def _whole_step(at: datetime) -> datetime:
    """The last whole 10 minutes, so that a night is the same value all through it."""
    return at.replace(minute=at.minute // 10 * 10, second=0, microsecond=0)


def _days(at: datetime) -> float:
    """Days since J2000.0, UT1 taken as UTC."""
    return at.timestamp() / 86400.0 + 2440587.5 - 2451545.0
