"""Altitudes against astropy, and a priority that rises with height, haste and age."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from astropy import units as u
from astropy.coordinates import AltAz, EarthLocation, SkyCoord, get_sun
from astropy.time import Time

from app.model.schedule import (
    airmass,
    altitude_deg,
    night_of,
    priority,
    priority_terms,
    sun_altitude_deg,
    window_of,
)
from app.model.settings import Site

TENERIFE = Site(name="Tenerife", latitude_deg=28.3, longitude_deg=-16.5, elevation_m=2390.0)
EVENING = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)


def frame(at: datetime) -> AltAz:
    place = EarthLocation(lat=TENERIFE.latitude_deg * u.deg, lon=TENERIFE.longitude_deg * u.deg)
    return AltAz(obstime=Time(at), location=place)


@pytest.mark.parametrize("hours", [0, 5, 13])
@pytest.mark.parametrize(("ra", "dec"), [(202.47, 47.2), (83.8, -5.4), (0.0, 89.0)])
def test_altitude_is_astropys(ra: float, dec: float, hours: int) -> None:
    at = EVENING + timedelta(hours=hours)
    truth = SkyCoord(ra * u.deg, dec * u.deg).transform_to(frame(at)).alt.deg
    assert altitude_deg(ra, dec, TENERIFE, at) == pytest.approx(truth, abs=0.4)  # precession since 2000


@pytest.mark.parametrize("hours", [0, 7, 15, 4000])
def test_sun_is_astropys(hours: int) -> None:
    at = EVENING + timedelta(hours=hours)
    assert sun_altitude_deg(TENERIFE, at) == pytest.approx(get_sun(Time(at)).transform_to(frame(at)).alt.deg, abs=0.1)


def test_airmass_of_pickering() -> None:
    assert airmass(90.0) == pytest.approx(1.0, abs=1e-3)
    assert airmass(30.0) == pytest.approx(1.995, abs=2e-3)
    assert airmass(0.0) is None
    assert airmass(-5.0) is None


def score(ra: float, dec: float, ordered: datetime = EVENING, now: datetime = EVENING) -> float:
    return priority(ra, dec, TENERIFE, ordered, now)


def test_target_that_does_not_rise_has_no_priority() -> None:
    assert score(0.0, -75.0) == 0.0


def test_higher_target_sets_sooner_target_and_older_order_come_first() -> None:
    assert score(180.0, 28.0) > score(180.0, -30.0)
    assert score(120.0, 28.0) > score(180.0, 28.0)  # both pass the zenith this night
    assert score(180.0, 28.0, ordered=EVENING - timedelta(days=20)) > score(180.0, 28.0)


@pytest.mark.parametrize("ra", range(0, 360, 45))
@pytest.mark.parametrize("dec", [-80.0, -20.0, 28.3, 60.0, 90.0])
def test_priority_is_within_0_and_10(ra: float, dec: float) -> None:
    assert 0.0 <= score(ra, dec, ordered=EVENING - timedelta(days=400)) <= 10.0


def test_polar_summer_has_no_night() -> None:
    site = Site(name="Svalbard", latitude_deg=78.0, longitude_deg=15.0)
    june = datetime(2026, 6, 21, 20, 0, tzinfo=UTC)
    assert priority(0.0, 80.0, site, june, june) == 0.0


def test_terms_sum_to_the_priority_and_say_what_made_it() -> None:
    terms = priority_terms(180.0, 28.0, TENERIFE, EVENING - timedelta(days=15), EVENING)
    assert terms.height + terms.haste + terms.age == pytest.approx(terms.total, abs=1e-9)
    assert terms.total == score(180.0, 28.0, ordered=EVENING - timedelta(days=15))
    assert terms.age == pytest.approx(0.5, abs=1e-3)
    assert terms.height == pytest.approx(6.0, abs=0.1)  # it passes 0.3 degrees from the zenith
    assert priority_terms(0.0, -75.0, TENERIFE, EVENING, EVENING).total == 0.0


@pytest.mark.parametrize("hours", [-6, 0, 3, 8])
def test_night_is_the_same_from_noon_until_it_ends(hours: int) -> None:
    night = night_of(TENERIFE, EVENING + timedelta(hours=hours))
    assert night == night_of(TENERIFE, EVENING)
    for moment, is_inside in ((night.begins_at, True), (night.ends_at, True)):
        assert (sun_altitude_deg(TENERIFE, moment) < -12.0) is is_inside
    assert sun_altitude_deg(TENERIFE, night.begins_at - timedelta(minutes=10)) >= -12.0
    assert sun_altitude_deg(TENERIFE, night.ends_at + timedelta(minutes=10)) >= -12.0


def test_window_is_when_the_target_is_high_and_the_sky_dark() -> None:
    night = night_of(TENERIFE, EVENING)
    window = window_of(83.8, -5.4, TENERIFE, night)  # Orion sets in a night of March
    assert window.begins_at == night.begins_at
    assert altitude_deg(83.8, -5.4, TENERIFE, window.ends_at) >= 20.0
    assert altitude_deg(83.8, -5.4, TENERIFE, window.ends_at + timedelta(minutes=10)) < 20.0
    assert window_of(0.0, -75.0, TENERIFE, night) is None
    assert night_of(Site(latitude_deg=78.0, longitude_deg=15.0), datetime(2026, 6, 21, 20, tzinfo=UTC)) is None
