"""What is known of mount, sky and weather."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from app.model.reading import FRESH_S, NEVER_READ, Reading

#: Surroundings are polled every 2 s: older than three polls is stale.
SKY_FRESH_S = 6.0


class PierSide(StrEnum):
    """Which side of its pier a German mount is on: a pointing state (ASCOM SideOfPier), not a compass direction."""

    EAST = "east"
    WEST = "west"


@dataclass(frozen=True, slots=True)
class MountSample:
    """What one poll of a mount gave; None where it has no such part.

    Attributes
    ----------
    pier_side : PierSide or None
        EAST is the normal pointing state, looking west; None when the mount does not know or tell.
    target_ra_deg, target_dec_deg : float or None
        Where a slew goes.
    target_pier_side : PierSide or None
        On which side it will end (DestinationSideOfPier).
    """

    azimuth_deg: float | None
    altitude_deg: float | None
    ra_deg: float | None
    dec_deg: float | None
    is_tracking: bool | None
    is_slewing: bool | None
    is_parked: bool | None
    pier_side: PierSide | None = None
    target_ra_deg: float | None = None
    target_dec_deg: float | None = None
    target_pier_side: PierSide | None = None


@dataclass(frozen=True, slots=True)
class Weather:
    """What one poll of a weather station gave; None where it has no such sensor.

    Attributes
    ----------
    wind_direction_deg : float or None
        Where the wind comes from, north over east; 0 by ASCOM's word when there is no wind.
    wind_mean_m_s : float or None
        Mean of the last ten minutes, or of those that were watched; made by whoever watches.
    age_s : float or None
        Age of its data by its own word when they were read, seconds.
    """

    wind_m_s: float | None = None
    gust_m_s: float | None = None
    humidity_percent: float | None = None
    cloud_percent: float | None = None
    rain_mm_h: float | None = None
    temperature_degc: float | None = None
    dew_point_degc: float | None = None
    wind_direction_deg: float | None = None
    wind_mean_m_s: float | None = None
    age_s: float | None = None


@dataclass(frozen=True, slots=True)
class Moment:
    """One point of the night's plots: time of the sky as a POSIX timestamp, and the values; None where unknown.

    The wind is its ten-minute mean where somebody watched so long.
    """

    at_s: float
    dome_azimuth_deg: float | None = None
    mount_azimuth_deg: float | None = None
    wind_m_s: float | None = None
    humidity_percent: float | None = None
    cloud_percent: float | None = None
    gust_m_s: float | None = None


@dataclass(frozen=True, slots=True)
class Surroundings:
    """Mount, sky and weather at one moment, each with its age.

    Attributes
    ----------
    has_mount, has_safety_monitor, has_weather : bool
        Whether the settings name such a device.
    closed_contact, parked_contact, mains_contact : Reading of bool
        Independent contacts: on when the shutter is closed, the mount is parked, the mains is there; never read where
        there is none.
    """

    has_mount: bool = False
    has_safety_monitor: bool = False
    has_weather: bool = False
    mount: Reading[MountSample] = NEVER_READ
    is_safe: Reading[bool] = NEVER_READ
    weather: Reading[Weather] = NEVER_READ
    closed_contact: Reading[bool] = NEVER_READ
    parked_contact: Reading[bool] = NEVER_READ
    mains_contact: Reading[bool] = NEVER_READ

    def mount_is_parked(self, now_s: float) -> bool | None:
        """By its contact where there is one, else by its own fresh word; None is unknown."""
        if self.parked_contact.read_s is not None:
            return self.parked_contact.fresh_value(now_s, SKY_FRESH_S)
        mount = self.mount.fresh_value(now_s, FRESH_S)
        return None if mount is None else mount.is_parked
