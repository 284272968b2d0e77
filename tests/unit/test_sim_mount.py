"""The simulated mount: it follows the sky, slews and parks."""

from datetime import UTC, datetime, timedelta

import pytest

from app.model.schedule import altitude_deg, sidereal_time_deg
from app.sim.alpaca_device import AlpacaError, ErrorNumber
from app.sim.mount import Instant, SimulatedMount
from app.sim.place import CENTRE_DEC_DEG, CENTRE_RA_DEG, SITE

BEGAN = datetime(2024, 8, 5, 22, 0, tzinfo=UTC)


def after(seconds):
    """Motors and sky, both so many seconds later."""
    return Instant(seconds, sidereal_time_deg(SITE, BEGAN + timedelta(seconds=seconds)))


def mount():
    return SimulatedMount(CENTRE_RA_DEG, CENTRE_DEC_DEG, SITE.latitude_deg)


def number_of(action):
    with pytest.raises(AlpacaError) as raised:
        action()
    return raised.value.number


def test_tracking_keeps_the_target_while_azimuth_and_altitude_follow_the_sky():
    simulated, later = mount(), BEGAN + timedelta(hours=1)
    first, second = simulated.horizontal_deg(after(0.0)), simulated.horizontal_deg(after(3600.0))
    assert simulated.ra_deg(after(3600.0)) == pytest.approx(CENTRE_RA_DEG)
    assert second[1] == pytest.approx(altitude_deg(CENTRE_RA_DEG, CENTRE_DEC_DEG, SITE, later), abs=1e-6)
    assert second[1] > first[1] + 10.0, "it rises in the East"
    assert first[0] == pytest.approx(astropy_azimuth_deg(BEGAN), abs=0.5), "half a degree for 24 years of precession"
    assert second[0] == pytest.approx(astropy_azimuth_deg(later), abs=0.7)


def test_without_tracking_it_stands_and_the_sky_moves_on():
    simulated = mount()
    simulated.track(after(0.0), False)
    assert simulated.horizontal_deg(after(3600.0)) == pytest.approx(simulated.horizontal_deg(after(0.0)))
    assert simulated.ra_deg(after(3600.0)) == pytest.approx(CENTRE_RA_DEG + 15.041, abs=0.001)
    simulated.track(after(3600.0), True)
    assert simulated.ra_deg(after(7200.0)) == pytest.approx(CENTRE_RA_DEG + 15.041, abs=0.001)


def test_a_slew_ends_on_its_target_in_the_time_of_its_ramps():
    simulated = mount()
    simulated.slew(after(0.0), CENTRE_RA_DEG - 40.0, CENTRE_DEC_DEG)
    duration_s = 2.0 * (4.0 / 4.0) + (40.0 - 4.0) / 4.0
    assert simulated.is_slewing(after(duration_s - 0.01))
    assert not simulated.is_slewing(after(duration_s + 0.01))
    assert simulated.ra_deg(after(duration_s + 1.0)) == pytest.approx(CENTRE_RA_DEG - 40.0)
    assert simulated.is_tracking


def test_an_aborted_slew_stops_short_and_tracks_on():
    simulated = mount()
    simulated.slew(after(0.0), CENTRE_RA_DEG - 40.0, CENTRE_DEC_DEG - 20.0)
    simulated.abort(after(3.0))
    assert not simulated.is_slewing(after(4.001))
    assert CENTRE_RA_DEG - 15.0 < simulated.ra_deg(after(60.0)) < CENTRE_RA_DEG - 5.0
    assert simulated.is_tracking


def test_a_parked_mount_refuses_motion_until_it_is_unparked():
    simulated = mount()
    simulated.park(after(0.0))
    assert not simulated.is_parked(after(1.0))
    at = after(120.0)
    assert simulated.is_parked(at)
    assert not simulated.is_tracking
    assert simulated.horizontal_deg(at) == pytest.approx((0.0, SITE.latitude_deg))
    assert number_of(lambda: simulated.slew(at, CENTRE_RA_DEG, CENTRE_DEC_DEG)) == ErrorNumber.INVALID_WHILE_PARKED
    assert number_of(lambda: simulated.track(at, True)) == ErrorNumber.INVALID_WHILE_PARKED
    assert number_of(lambda: simulated.abort(at)) == ErrorNumber.INVALID_WHILE_PARKED
    simulated.unpark(at)
    simulated.track(at, True)
    simulated.slew(at, CENTRE_RA_DEG, CENTRE_DEC_DEG)
    assert simulated.is_slewing(after(121.0))


def test_it_does_not_slew_without_tracking_nor_below_the_horizon():
    simulated = mount()
    assert number_of(lambda: simulated.slew(after(0.0), CENTRE_RA_DEG, -89.0)) == ErrorNumber.INVALID_VALUE
    simulated.track(after(0.0), False)
    assert number_of(lambda: simulated.slew(after(0.0), CENTRE_RA_DEG, 40.0)) == ErrorNumber.INVALID_OPERATION
    assert not simulated.is_slewing(after(0.001))


def astropy_azimuth_deg(at):
    from astropy import units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time

    place = EarthLocation.from_geodetic(SITE.longitude_deg, SITE.latitude_deg, SITE.elevation_m)
    target = SkyCoord(CENTRE_RA_DEG * u.deg, CENTRE_DEC_DEG * u.deg)
    return target.transform_to(AltAz(obstime=Time(at.replace(tzinfo=None)), location=place)).az.deg
