"""Positions on the sky as people write them: degrees, or hours, minutes and seconds."""

from __future__ import annotations

import re
from math import isfinite

from app.model.errors import ObservatoryError

_SEPARATORS = re.compile(r"[\s:hdms°'′\"″]+")


class PositionRefused(ObservatoryError):
    """What was given is no position."""


def parse_right_ascension_deg(text: str) -> float:
    """Read ``303.03`` (degrees) or ``20 12 06.5`` (hours, minutes, seconds); the result is in degrees.

    Raises
    ------
    PositionRefused
        If it is neither, or not from 0 to less than 360 degrees.
    """
    remedy = "give degrees such as 303.03, or hours such as 20 12 06.5"
    parts = _parts(text, remedy)
    degrees = parts[0] if len(parts) == 1 else _sexagesimal(text, parts, remedy) * 15.0
    if text.strip().startswith(("-", "−")) or not 0.0 <= degrees < 360.0:
        raise PositionRefused(f"{text.strip()[:40]!r} is outside of 0 to less than 360 degrees (24 hours): {remedy}")
    return degrees


def parse_declination_deg(text: str) -> float:
    """Read ``38.35`` or ``+38 21 17``, both in degrees.

    Raises
    ------
    PositionRefused
        If it is neither, or not from -90 to 90 degrees.
    """
    remedy = "give degrees such as 38.35, or +38 21 17"
    parts = _parts(text, remedy)
    size = parts[0] if len(parts) == 1 else _sexagesimal(text, parts, remedy)
    degrees = -size if text.strip().startswith(("-", "−")) else size
    if not -90.0 <= degrees <= 90.0:
        raise PositionRefused(f"{text.strip()[:40]!r} is outside of -90 to 90 degrees: {remedy}")
    return degrees


def _parts(text: str, remedy: str) -> list[float]:
    """The numbers of a text, without the sign of the first."""
    words = [word for word in _SEPARATORS.split(text.strip().lstrip("+-−").strip()) if word]
    try:
        parts = [float(word) for word in words]
    except ValueError as error:
        raise PositionRefused(f"{text.strip()[:40]!r} is no position: {remedy}") from error
    if not 1 <= len(parts) <= 3 or not all(isfinite(part) and part >= 0.0 for part in parts):
        raise PositionRefused(f"{text.strip()[:40]!r} is no position: {remedy}")
    return parts


def _sexagesimal(text: str, parts: list[float], remedy: str) -> float:
    if any(part >= 60.0 for part in parts[1:]) or any(part != int(part) for part in parts[:-1]):
        raise PositionRefused(f"{text.strip()[:40]!r} is no position: minutes and seconds are less than 60; {remedy}")
    return sum(part / 60.0**power for power, part in enumerate(parts))
