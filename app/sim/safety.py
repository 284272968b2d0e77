"""A simulated safety monitor: the weather against the limits that the settings have by default."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.model.settings import WeatherLimits
from app.model.surroundings import Weather
from app.sim.alpaca_device import AlpacaDevice, Identity


def is_safe(weather: Weather, limits: WeatherLimits) -> bool:
    """Whether every sensor is there and within its limit, and no rain falls; a missing one is never safe.

    Parameters
    ----------
    weather : Weather
        What the sensors show.
    limits : WeatherLimits
        The highest values that are safe.
    """
    checks = (
        (weather.wind_m_s, limits.wind_m_s),
        (weather.gust_m_s, limits.gust_m_s),
        (weather.humidity_percent, limits.humidity_percent),
        (weather.cloud_percent, limits.cloud_percent),
        (weather.rain_mm_h, 0.0),
    )
    return all(value is not None and value <= limit for value, limit in checks)


def alpaca_safety_monitor(
    safe: Callable[[], bool], utc: Callable[[], datetime], *, is_platform_7: bool = True
) -> AlpacaDevice:
    """The monitor as its driver shows it.

    Parameters
    ----------
    safe : callable
        Whether all is safe now.
    utc : callable
        Time of the sky.
    is_platform_7 : bool
        ASCOM's ISafetyMonitorV3, or the one before.
    """
    identity = Identity(
        kind="SafetyMonitor",
        name="Cupola simulated safety monitor",
        description="SIMULATED safety monitor, no hardware",
        interface_version=3 if is_platform_7 else 2,
        unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a003",
    )
    return AlpacaDevice(
        identity, reads={"issafe": safe}, calls={}, missing=(), state=("IsSafe",), utc=utc, is_platform_7=is_platform_7
    )
