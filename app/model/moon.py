"""Where the Moon stands, for the strip: 0.3 degrees are enough there.

Series of low precision: Astronomical Almanac, section D, "Low-precision formulae for geocentric coordinates of the
Moon".
"""

from __future__ import annotations

from datetime import datetime
from math import asin, atan2, cos, degrees, radians, sin

from app.model.schedule import altitude_deg
from app.model.settings import Site

_J2000_S = 946728000.0
_CENTURY_S = 36525.0 * 86400.0


def moon_altitude_deg(site: Site, at: datetime) -> float:
    """Altitude of the Moon's centre as seen from the site, without refraction, degrees, good to 0.4.

    Parameters
    ----------
    site : Site
        The observatory.
    at : datetime
        Aware.

    Returns
    -------
    float
        The geocentric altitude less the parallax, which is up to 1 degree at the horizon.
    """
    centuries = (at.timestamp() - _J2000_S) / _CENTURY_S
    longitude, latitude, parallax_deg = _ecliptic(centuries)
    obliquity = radians(23.4393 - 0.0130 * centuries)
    x = cos(latitude) * cos(longitude)
    y = cos(obliquity) * cos(latitude) * sin(longitude) - sin(obliquity) * sin(latitude)
    z = sin(obliquity) * cos(latitude) * sin(longitude) + cos(obliquity) * sin(latitude)
    geocentric_deg = altitude_deg(degrees(atan2(y, x)), degrees(asin(z)), site, at)
    return geocentric_deg - parallax_deg * cos(radians(geocentric_deg))


def _ecliptic(centuries: float) -> tuple[float, float, float]:
    """Longitude and latitude in radians, horizontal parallax in degrees."""

    def angle(start_deg: float, rate_deg: float) -> float:
        return radians((start_deg + rate_deg * centuries) % 360.0)

    anomaly, evection = angle(135.0, 477198.87), angle(259.3, -413335.36)
    variation, double = angle(235.7, 890534.22), angle(269.9, 954397.74)
    longitude_deg = (
        218.32
        + 481267.881 * centuries
        + 6.29 * sin(anomaly)
        - 1.27 * sin(evection)
        + 0.66 * sin(variation)
        + 0.21 * sin(double)
        - 0.19 * sin(angle(357.5, 35999.05))
        - 0.11 * sin(angle(186.5, 966404.03))
    )
    latitude_deg = (
        5.13 * sin(angle(93.3, 483202.02))
        + 0.28 * sin(angle(228.2, 960400.89))
        - 0.28 * sin(angle(318.3, 6003.15))
        - 0.17 * sin(angle(217.6, -407332.21))
    )
    parallax_deg = (
        0.9508 + 0.0518 * cos(anomaly) + 0.0095 * cos(evection) + 0.0078 * cos(variation) + 0.0028 * cos(double)
    )
    return radians(longitude_deg % 360.0), radians(latitude_deg), parallax_deg
