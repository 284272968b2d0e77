"""What is known of mount, sky and weather."""

from __future__ import annotations

from dataclasses import dataclass

from app.model.reading import NEVER_READ, Reading


@dataclass(frozen=True, slots=True)
class MountSample:
    """What one poll of a mount gave; None where it has no such part."""

    azimuth_deg: float | None
    altitude_deg: float | None
    ra_deg: float | None
    dec_deg: float | None
    is_tracking: bool | None
    is_slewing: bool | None
    is_parked: bool | None


@dataclass(frozen=True, slots=True)
class Weather:
    """What one poll of a weather station gave; None where it has no such sensor."""

    wind_m_s: float | None = None
    gust_m_s: float | None = None
    humidity_percent: float | None = None
    cloud_percent: float | None = None
    rain_mm_h: float | None = None
    temperature_degc: float | None = None
    dew_point_degc: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of the night's plots: time of the sky as a POSIX timestamp, and the values; None where unknown."""

    at_s: float
    dome_azimuth_deg: float | None = None
    mount_azimuth_deg: float | None = None
    wind_m_s: float | None = None
    humidity_percent: float | None = None
    cloud_percent: float | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Mount, sky and weather at one moment, each with its age.

    Attributes
    ----------
    has_mount, has_safety_monitor, has_weather : bool
        Whether the settings name such a device.
    """

    has_mount: bool = False
    has_safety_monitor: bool = False
    has_weather: bool = False
    mount: Reading[MountSample] = NEVER_READ
    is_safe: Reading[bool] = NEVER_READ
    weather: Reading[Weather] = NEVER_READ
