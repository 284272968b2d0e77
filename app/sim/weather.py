"""The weather of the embedded night: calm and mostly clear, the same for the same time of the sky."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from math import log, sin, tau

from app.model.surroundings import Weather
from app.sim.alpaca_device import AlpacaDevice, AlpacaError, Call, ErrorNumber, Identity, Parameter, as_number, fixed

#: Field of `Weather` that each ASCOM property shows.
_SENSORS = {
    "CloudCover": "cloud_percent",
    "DewPoint": "dew_point_degc",
    "Humidity": "humidity_percent",
    "RainRate": "rain_mm_h",
    "Temperature": "temperature_degc",
    "WindDirection": "wind_direction_deg",
    "WindGust": "gust_m_s",
    "WindSpeed": "wind_m_s",
}
_MISSING = ("pressure", "skybrightness", "skyquality", "skytemperature", "starfwhm")


def weather_at(at: datetime) -> Weather:
    """The weather at a time of the sky.

    Sums of slow waves whose periods have no common measure: smooth, never quite repeating, and known for any time.
    Wind 3 to 8 m/s from the west, humidity 45 to 65 %, cloud 5 to 20 %, no rain. The dew point follows from the formula of Magnus
    with the constants of Alduchov and Eskridge (1996), J. Appl. Meteor. 35, 601.

    Parameters
    ----------
    at : datetime
        Aware.

    Returns
    -------
    Weather
        Every sensor.
    """
    hours = at.timestamp() / 3600.0
    wind = 5.5 + _waves(hours, (1.3, 3.17), (0.7, 0.83), (0.4, 0.19))
    gustiness = 1.25 + _waves(hours, (0.06, 0.41), (0.04, 0.067))
    humidity = 55.0 + _waves(hours, (6.5, 7.3), (2.5, 1.9), (0.5, 0.31))
    cloud = 12.5 + _waves(hours, (4.5, 5.1), (2.0, 1.27), (0.8, 0.29))
    temperature = 13.0 + _waves(hours, (4.0, 24.0), (0.6, 2.3), (0.1, 0.37))
    return Weather(
        wind_m_s=wind,
        gust_m_s=wind * gustiness,
        wind_direction_deg=250.0 + _waves(hours, (25.0, 4.3), (6.0, 0.71), (2.0, 0.11)),
        humidity_percent=humidity,
        cloud_percent=cloud,
        rain_mm_h=0.0,
        temperature_degc=temperature,
        dew_point_degc=dew_point_degc(temperature, humidity),
    )


def dew_point_degc(temperature_degc: float, humidity_percent: float) -> float:
    """Dew point over water by the formula of Magnus; humidity above 0."""
    gamma = log(humidity_percent / 100.0) + 17.625 * temperature_degc / (243.04 + temperature_degc)
    return 243.04 * gamma / (17.625 - gamma)


def alpaca_weather(
    weather: Callable[[], Weather],
    age_s: Callable[[], float],
    utc: Callable[[], datetime],
    *,
    is_platform_7: bool = True,
) -> AlpacaDevice:
    """The weather station as its driver shows it.

    Parameters
    ----------
    weather : callable
        What its sensors show now.
    age_s : callable
        How old that is, seconds.
    utc : callable
        Time of the sky.
    is_platform_7 : bool
        ASCOM's IObservingConditionsV2, or the one before.
    """
    identity = Identity(
        kind="ObservingConditions",
        name="Cupola simulated weather station",
        description="SIMULATED weather station, no hardware",
        interface_version=2 if is_platform_7 else 1,
        unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a004",
    )
    sensor = Parameter("SensorName", str)

    def reader(field: str) -> Callable[[], object]:
        return lambda: getattr(weather(), field)

    def age_of(name: str) -> float:
        _known(name, allow_empty=True)
        return age_s()

    return AlpacaDevice(
        identity,
        reads={
            **{name.lower(): reader(field) for name, field in _SENSORS.items()},
            "averageperiod": fixed(0.0),
        },
        calls={
            ("PUT", "averageperiod"): Call(_only_instant, Parameter("AveragePeriod", as_number)),
            ("PUT", "refresh"): Call(lambda: None),
            ("GET", "sensordescription"): Call(lambda name: f"Simulated sensor of {_known(name)}", sensor),
            ("GET", "timesincelastupdate"): Call(age_of, sensor),
        },
        missing=_MISSING,
        state=tuple(_SENSORS),
        utc=utc,
        is_platform_7=is_platform_7,
    )


def _waves(hours: float, *waves: tuple[float, float]) -> float:
    """Sum of waves, each of an amplitude and a period in hours."""
    return sum(amplitude * sin(tau * hours / period_h) for amplitude, period_h in waves)


def _known(name: str, *, allow_empty: bool = False) -> str:
    """The sensor's name in its proper case; raises 0x400 for a sensor that is not there, 0x401 for none at all."""
    if allow_empty and not name:
        return name
    for known in _SENSORS:
        if known.lower() == name.lower():
            return known
    if name.lower() in _MISSING:
        raise AlpacaError(ErrorNumber.NOT_IMPLEMENTED, f"This station has no sensor of {name}")
    raise AlpacaError(ErrorNumber.INVALID_VALUE, f"{name!r} is no sensor: take one of {', '.join(_SENSORS)}")


def _only_instant(hours: float) -> None:
    if hours != 0.0:
        raise AlpacaError(
            ErrorNumber.INVALID_VALUE, f"AveragePeriod {hours:g} h: this station does not average, give 0"
        )
