"""The simulated mount: it follows the sky, slews and parks."""

from datetime import UTC, datetime, timedelta

import pytest

from app.model.schedule import altitude_deg, sidereal_time_deg
from app.model.surroundings import PierSide
from app.sim.alpaca_device import AlpacaError, ErrorNumber
from app.sim.alpaca_mount import alpaca_mount
from app.sim.mount import Instant, SimulatedMount, horizontal_deg
from app.sim.place import CENTRE_DEC_DEG, CENTRE_RA_DEG, SITE

BEGAN = datetime(2024, 8, 5, 22, 0, tzinfo=UTC)


def after(seconds):
    """Motors and sky, both so many seconds later."""
    return Instant(seconds, sidereal_time_deg(SITE, BEGAN + timedelta(seconds=seconds)))


def mount(kind="german"):
    """It points to the East, an hour and a half before the meridian."""
    return SimulatedMount(after(0.0), CENTRE_RA_DEG, CENTRE_DEC_DEG, SITE.latitude_deg, kind)


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
    simulated.slew(after(0.0), CENTRE_RA_DEG + 40.0, CENTRE_DEC_DEG)
    duration_s = 2.0 * (4.0 / 4.0) + (40.0 - 4.0) / 4.0
    assert simulated.is_slewing(after(duration_s - 0.01))
    assert not simulated.is_slewing(after(duration_s + 0.01))
    assert simulated.ra_deg(after(duration_s + 1.0)) == pytest.approx(CENTRE_RA_DEG + 40.0)
    assert simulated.is_tracking


def test_an_aborted_slew_stops_short_and_tracks_on():
    simulated = mount()
    simulated.slew(after(0.0), CENTRE_RA_DEG + 40.0, CENTRE_DEC_DEG - 20.0)
    simulated.abort(after(3.0))
    assert not simulated.is_slewing(after(4.001))
    assert CENTRE_RA_DEG + 5.0 < simulated.ra_deg(after(60.0)) < CENTRE_RA_DEG + 15.0
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


# The two sides of a German mount


def test_it_looks_west_from_the_east_side_and_east_from_the_west_side():
    simulated, meridian_deg = mount(), after(0.0).sidereal_deg
    assert simulated.pier_side(after(0.0)) is PierSide.WEST
    assert simulated.side_for(after(0.0), meridian_deg - 1.0) is PierSide.EAST
    assert simulated.side_for(after(0.0), meridian_deg) is PierSide.EAST
    assert simulated.side_for(after(0.0), meridian_deg + 1.0) is PierSide.WEST
    simulated.place(after(0.0), meridian_deg - 30.0, 20.0)
    assert simulated.pier_side(after(0.0)) is PierSide.EAST
    assert simulated.horizontal_deg(after(0.0)) == pytest.approx(horizontal_deg(30.0, 20.0, SITE.latitude_deg))


def test_tracking_past_the_meridian_keeps_the_side_and_the_next_slew_flips():
    simulated = mount()
    late = after(4 * 3600.0)
    assert simulated.side_for(late, CENTRE_RA_DEG) is PierSide.EAST
    assert simulated.pier_side(late) is PierSide.WEST
    assert simulated.ra_deg(late) == pytest.approx(CENTRE_RA_DEG)
    simulated.slew(late, CENTRE_RA_DEG, CENTRE_DEC_DEG)
    middle, end = after(4 * 3600.0 + 13.4), after(4 * 3600.0 + 120.0)
    assert simulated.is_slewing(middle)
    assert simulated.dec_deg(middle) > 80.0, "through the pole"
    assert simulated.pier_side(end) is PierSide.EAST
    assert (simulated.ra_deg(end), simulated.dec_deg(end)) == pytest.approx((CENTRE_RA_DEG, CENTRE_DEC_DEG))


def test_a_flip_takes_the_way_with_the_counterweight_down():
    simulated, meridian_deg = mount(), after(0.0).sidereal_deg
    simulated.place(after(0.0), meridian_deg + 5.0, 0.0)
    simulated.slew(after(0.0), meridian_deg - 5.0, 0.0)
    times = [after(0.5 * n) for n in range(200)]
    assert all(at.now_s < 60.0 for at in times if simulated.is_slewing(at)), "170 degrees at 4 a second, with ramps"
    lowest = min(simulated.horizontal_deg(at)[1] for at in times)
    assert lowest > 20.0, "it goes by the pole, not by the ground"


def test_pointing_is_the_same_from_either_side_before_and_after_a_flip():
    simulated, at = mount(), after(4 * 3600.0)
    before = simulated.horizontal_deg(at)
    simulated.place(at, CENTRE_RA_DEG, CENTRE_DEC_DEG)
    assert simulated.pier_side(at) is PierSide.EAST
    assert simulated.horizontal_deg(at) == pytest.approx(before)


def test_the_park_position_is_set_where_it_stands():
    simulated = mount()
    there = simulated.horizontal_deg(after(0.0))
    simulated.set_park(after(0.0))
    simulated.slew(after(0.0), CENTRE_RA_DEG + 20.0, 10.0)
    simulated.park(after(60.0))
    assert simulated.is_parked(after(200.0))
    assert simulated.horizontal_deg(after(200.0)) == pytest.approx(there)


# The alt-azimuth mount


def test_an_alt_azimuth_mount_slews_over_the_ground_only_without_tracking():
    simulated = mount("alt-az")
    assert simulated.pier_side(after(0.0)) is None
    assert simulated.side_for(after(0.0), CENTRE_RA_DEG) is None
    assert number_of(lambda: simulated.slew_horizontal(after(0.0), 200.0, 40.0)) == ErrorNumber.INVALID_OPERATION
    simulated.track(after(0.0), False)
    assert number_of(lambda: simulated.slew_horizontal(after(0.0), 360.0, 40.0)) == ErrorNumber.INVALID_VALUE
    simulated.slew_horizontal(after(0.0), 200.0, 40.0)
    assert simulated.is_slewing(after(1.0))
    assert simulated.horizontal_deg(after(200.0)) == pytest.approx((200.0, 40.0))
    assert simulated.horizontal_deg(after(3600.0)) == pytest.approx((200.0, 40.0))


def test_an_alt_azimuth_mount_tracks_and_slews_by_coordinates_too():
    simulated = mount("alt-az")
    simulated.slew(after(0.0), CENTRE_RA_DEG - 40.0, CENTRE_DEC_DEG)
    assert not simulated.is_slewing(after(11.01)), "no side to change to"
    assert simulated.ra_deg(after(3600.0)) == pytest.approx(CENTRE_RA_DEG - 40.0)


# On the wire


def wire(simulated, seconds=0.0, **more):
    return alpaca_mount(simulated, lambda: after(seconds), SITE, lambda: BEGAN, **more)


def read(device, name, *given):
    return device.call("GET", name).action(*given)


def test_the_side_of_the_pier_is_a_number_and_minus_one_when_it_is_not_known():
    simulated = mount()
    device, meridian_h = wire(simulated), after(0.0).sidereal_deg / 15.0
    assert read(device, "alignmentmode") == 2
    assert read(device, "sideofpier") == 1
    assert read(device, "destinationsideofpier", meridian_h - 1.0, 20.0) == 0
    assert read(device, "destinationsideofpier", meridian_h + 1.0, 20.0) == 1
    assert number_of(lambda: read(device, "destinationsideofpier", 24.0, 20.0)) == 0x401
    simulated.knows_pier_side = False
    assert read(device, "sideofpier") == -1
    assert read(device, "destinationsideofpier", meridian_h - 1.0, 20.0) == -1


def test_a_target_is_not_set_at_first_and_is_slewed_to_when_it_is():
    simulated = mount()
    device = wire(simulated)
    assert number_of(lambda: read(device, "targetrightascension")) == ErrorNumber.VALUE_NOT_SET == 0x402
    device.call("PUT", "targetdeclination").action(50.0)
    assert number_of(device.call("PUT", "slewtotargetasync").action) == 0x402
    for name, value in (("targetrightascension", 24.0), ("targetrightascension", -0.1), ("targetdeclination", 90.1)):
        assert number_of(lambda name=name, value=value: device.call("PUT", name).action(value)) == 0x401
    device.call("PUT", "targetrightascension").action(21.0)
    device.call("PUT", "slewtotargetasync").action()
    assert (simulated.ra_deg(after(100.0)), simulated.dec_deg(after(100.0))) == pytest.approx((315.0, 50.0))
    device.call("PUT", "slewtocoordinatesasync").action(22.0, 40.0)
    assert (read(device, "targetrightascension"), read(device, "targetdeclination")) == (22.0, 40.0)


def test_an_alt_azimuth_mount_has_no_sides_and_slews_over_the_ground():
    device = wire(mount("alt-az"))
    assert (read(device, "alignmentmode"), read(device, "canslewaltazasync")) == (0, True)
    assert number_of(lambda: read(device, "sideofpier")) == 0x400
    assert number_of(lambda: read(device, "destinationsideofpier", 1.0, 1.0)) == 0x400
    assert "SideOfPier" not in [item["Name"] for item in read(device, "devicestate")]
    device.call("PUT", "tracking").action(False)
    device.call("PUT", "slewtoaltazasync").action(200.0, 40.0)
    assert read(device, "slewing") is True


def test_a_german_mount_has_a_side_in_its_state_and_no_slew_over_the_ground():
    device = wire(mount())
    assert read(device, "canslewaltazasync") is False
    assert (
        number_of(
            device.call("PUT", "slewtoaltazasync").action,
        )
        == 0x400
    )
    assert {"Name": "SideOfPier", "Value": 1} in read(device, "devicestate")


def astropy_azimuth_deg(at):
    from astropy import units as u
    from astropy.coordinates import AltAz, EarthLocation, SkyCoord
    from astropy.time import Time

    place = EarthLocation.from_geodetic(SITE.longitude_deg, SITE.latitude_deg, SITE.elevation_m)
    target = SkyCoord(CENTRE_RA_DEG * u.deg, CENTRE_DEC_DEG * u.deg)
    return target.transform_to(AltAz(obstime=Time(at.replace(tzinfo=None)), location=place)).az.deg
