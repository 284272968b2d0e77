"""The Moon's altitude, against astropy's ephemeris."""

from datetime import UTC, datetime, timedelta

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import AltAz, EarthLocation, get_body
from astropy.time import Time

from app.model.moon import moon_altitude_deg
from app.model.settings import Site


@pytest.mark.parametrize(
    "site",
    [
        Site(latitude_deg=48.5, longitude_deg=9.0, elevation_m=800.0),
        Site(latitude_deg=-31.0, longitude_deg=149.0, elevation_m=1100.0),
        Site(latitude_deg=0.0, longitude_deg=-110.0),
    ],
)
def test_agrees_with_an_ephemeris_for_two_months(site):
    moments = [datetime(2024, 6, 1, tzinfo=UTC) + timedelta(hours=7.3 * number) for number in range(200)]
    place = EarthLocation(lat=site.latitude_deg * u.deg, lon=site.longitude_deg * u.deg, height=site.elevation_m * u.m)
    times = Time(moments)
    true_deg = get_body("moon", times, place).transform_to(AltAz(obstime=times, location=place)).alt.deg
    ours_deg = np.array([moon_altitude_deg(site, moment) for moment in moments])
    assert np.abs(ours_deg - true_deg).max() < 0.5
