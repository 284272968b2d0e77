"""Azimuths, and altitudes of a dome's opening: North 0, East 90, clockwise seen from above."""

from __future__ import annotations

from math import atan2, degrees, isfinite

from app.model.errors import ObservatoryError


class AzimuthRefused(ObservatoryError):
    """What was given is no azimuth."""


class AltitudeRefused(ObservatoryError):
    """What was given is no altitude of a dome's opening."""


def wrapped_deg(angle_deg: float) -> float:
    """The same direction from 0 up to, not including, 360."""
    wrapped = angle_deg % 360.0
    return 0.0 if wrapped == 360.0 else wrapped  # -1e-16 % 360 is 360


def turn_deg(from_deg: float, to_deg: float) -> float:
    """The shortest turn, from -180 (excluded) to 180; positive is clockwise."""
    turn = (to_deg - from_deg) % 360.0
    return turn - 360.0 if turn > 180.0 else turn


def azimuth_at_deg(right: float, down: float) -> float:
    """Azimuth of a point of the plan, from its offsets to the centre in screen directions."""
    return wrapped_deg(degrees(atan2(right, -down)))


def parse_azimuth_deg(given: object) -> float:
    """Check an azimuth that a person or another program gave.

    Parameters
    ----------
    given : object
        A number, or text that is one with a period.

    Returns
    -------
    float
        From 0 up to, not including, 360 degrees.

    Raises
    ------
    AzimuthRefused
        If it is no number, not finite, or outside of the circle.
    """
    remedy = "give a number from 0 to less than 360 degrees, North 0, East 90"
    try:
        azimuth_deg = _number(given)
    except (ValueError, OverflowError) as error:
        raise AzimuthRefused(f"Azimuth {str(given)[:40]!r} is no number: {remedy}") from error
    if not isfinite(azimuth_deg) or not 0.0 <= azimuth_deg < 360.0:
        raise AzimuthRefused(f"Azimuth {azimuth_deg:g} is outside of the circle: {remedy}")
    return azimuth_deg


def parse_altitude_deg(given: object) -> float:
    """Check the altitude of a dome's opening, as `parse_azimuth_deg`: from 0 to 90 degrees; raises `AltitudeRefused`."""
    remedy = "give a number from 0 to 90 degrees"
    try:
        altitude_deg = _number(given)
    except (ValueError, OverflowError) as error:
        raise AltitudeRefused(f"Altitude {str(given)[:40]!r} is no number: {remedy}") from error
    if not isfinite(altitude_deg) or not 0.0 <= altitude_deg <= 90.0:
        raise AltitudeRefused(f"Altitude {altitude_deg:g} is below the horizon or past the zenith: {remedy}")
    return altitude_deg


def _number(given: object) -> float:
    if isinstance(given, bool) or not isinstance(given, int | float | str) or "_" in str(given):
        raise ValueError(given)
    return float(given.replace("°", "") if isinstance(given, str) else given)
