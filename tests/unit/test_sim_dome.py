"""The simulated dome: ramps, the shortest way, stops, the shutter's rules."""

from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app.model.angles import turn_deg
from app.model.dome import ShutterState
from app.sim.alpaca_device import AlpacaError, ErrorNumber
from app.sim.dome import BRAKING, HOME_DEG, PARK_DEG, SHUTTER_TRAVEL_S, TURNING, SimulatedDome
from app.sim.motion import Motion
from app.sim.observatory import SimulatedObservatory
from app.sim.place import DOME

AZIMUTHS = st.floats(0.0, 360.0, exclude_max=True)


def number_of(action):
    with pytest.raises(AlpacaError) as raised:
        action()
    return raised.value.number


def end_s(is_moving, began_s=0.0, step_s=0.001):
    """When something ends, found by looking."""
    steps = range(1, 200_000)
    return next(began_s + n * step_s for n in steps if not is_moving(began_s + n * step_s))


def test_half_a_circle_takes_the_ramps_and_the_cruise():
    dome = SimulatedDome(90.0)
    dome.slew(0.0, 270.0)
    ramp_s = 6.0 / 3.0
    expected_s = 2.0 * ramp_s + (180.0 - 6.0 * ramp_s) / 6.0
    assert expected_s == 32.0
    assert end_s(dome.is_turning) == pytest.approx(expected_s, abs=0.002)
    assert dome.azimuth_deg(1.0) == pytest.approx(90.0 + 3.0 * 1.0**2 / 2.0)
    assert dome.azimuth_deg(16.0) == pytest.approx(180.0)
    assert dome.speed_deg_s(16.0) == 6.0
    assert dome.azimuth_deg(expected_s - 1.0) == pytest.approx(270.0 - 1.5)
    assert dome.azimuth_deg(expected_s) == 270.0


def test_a_short_turn_never_reaches_full_speed():
    dome = SimulatedDome(10.0)
    dome.slew(0.0, 13.0)
    assert end_s(dome.is_turning) == pytest.approx(2.0 * (3.0 / 3.0) ** 0.5, abs=0.002)
    assert dome.speed_deg_s(1.0) == pytest.approx(3.0)


@pytest.mark.parametrize(("start", "target", "turn"), [(350.0, 10.0, 20.0), (10.0, 350.0, -20.0)])
def test_north_is_passed_the_short_way(start, target, turn):
    dome = SimulatedDome(start)
    dome.slew(0.0, target)
    duration_s = 2.0 * 2.0 + (20.0 - 12.0) / 6.0
    assert turn_deg(dome.azimuth_deg(0.0), dome.azimuth_deg(duration_s / 2.0)) == pytest.approx(turn / 2.0)
    assert dome.is_turning(duration_s - 0.001)
    assert not dome.is_turning(duration_s + 0.001)
    assert dome.azimuth_deg(duration_s) == target


@pytest.mark.parametrize("azimuth", [-10.0, -1e-9, 360.0, 370.0])
def test_azimuths_outside_of_the_circle_are_refused_and_nothing_moves(azimuth):
    dome = SimulatedDome(90.0)
    assert number_of(lambda: dome.slew(0.0, azimuth)) == ErrorNumber.INVALID_VALUE == 0x401
    assert number_of(lambda: dome.sync(0.0, azimuth)) == 0x401
    assert not dome.is_slewing(0.001)
    assert dome.azimuth_deg(0.0) == 90.0


def test_an_abort_in_mid_slew_stops_within_the_brake_s_ramp():
    dome = SimulatedDome(0.0)
    dome.slew(0.0, 180.0)
    before = dome.azimuth_deg(10.0)
    dome.abort(10.0)
    assert dome.azimuth_deg(10.0) == before
    assert dome.is_slewing(10.9)
    assert not dome.is_slewing(11.001)
    assert dome.azimuth_deg(20.0) == pytest.approx(before + 6.0**2 / (2.0 * BRAKING.acceleration_deg_s2))
    assert dome.azimuth_deg(20.0) == dome.azimuth_deg(2000.0)


def test_a_second_abort_does_not_make_the_way_to_rest_longer():
    dome = SimulatedDome(0.0)
    dome.slew(0.0, 180.0)
    dome.abort(10.0)
    rest = dome.azimuth_deg(20.0)
    dome.abort(10.5)
    assert dome.azimuth_deg(20.0) == pytest.approx(rest)
    assert not dome.is_slewing(11.001)


def test_a_new_target_during_a_turn_is_reached_without_a_jump_of_place_or_speed():
    dome = SimulatedDome(0.0)
    dome.slew(0.0, 90.0)
    before = dome.azimuth_deg(5.0), dome.speed_deg_s(5.0)
    dome.slew(5.0, 350.0)
    assert (dome.azimuth_deg(5.0), dome.speed_deg_s(5.0)) == pytest.approx(before)
    assert dome.speed_deg_s(5.1) < before[1]
    assert dome.azimuth_deg(60.0) == 350.0


def test_it_starts_parked_and_closed_and_any_slew_unparks():
    dome = SimulatedDome()
    assert (dome.azimuth_deg(0.0), dome.is_at_park(0.0)) == (PARK_DEG, True)
    assert dome.shutter.state(0.0) is ShutterState.CLOSED
    dome.park(0.0)
    assert dome.is_at_park(0.0)
    assert not dome.is_slewing(0.0)
    dome.slew(0.0, 200.0)
    assert not dome.is_at_park(0.0)
    dome.slew(100.0, PARK_DEG)
    assert not dome.is_at_park(200.0), "it is there, but was not parked"


def test_park_and_home_end_at_their_places():
    dome = SimulatedDome(100.0, ShutterState.OPEN)
    dome.park(0.0)
    assert dome.is_slewing(0.0)
    assert not dome.is_at_park(0.0)
    assert dome.is_at_park(60.0)
    assert dome.azimuth_deg(60.0) == PARK_DEG
    assert dome.shutter.state(60.0) is ShutterState.OPEN, "parking does not close"
    dome.find_home(60.0)
    assert not dome.is_at_park(60.0)
    assert not dome.is_at_home(60.0)
    assert dome.is_at_home(120.0)
    assert dome.azimuth_deg(120.0) == HOME_DEG


def test_an_aborted_park_is_no_park():
    dome = SimulatedDome(100.0)
    dome.park(0.0)
    dome.abort(5.0)
    assert not dome.is_at_park(60.0)


def test_an_abort_at_rest_changes_nothing():
    dome = SimulatedDome()
    dome.abort(1.0)
    assert dome.is_at_park(1.0)
    assert dome.shutter.state(1.0) is ShutterState.CLOSED


def test_the_park_position_is_set_where_it_stands():
    dome = SimulatedDome(123.0)
    dome.set_park(0.0)
    dome.slew(0.0, 200.0)
    dome.park(100.0)
    assert dome.azimuth_deg(200.0) == 123.0


def test_a_sync_changes_the_azimuth_without_motion():
    dome = SimulatedDome(100.0)
    dome.sync(0.0, 55.0)
    assert dome.azimuth_deg(0.0) == 55.0
    assert not dome.is_slewing(0.0)
    dome.slew(0.0, 90.0)
    assert number_of(lambda: dome.sync(1.0, 10.0)) == ErrorNumber.INVALID_OPERATION


def test_the_shutter_says_opening_at_once_and_open_after_its_travel():
    dome = SimulatedDome()
    dome.shutter.open(100.0)
    assert dome.shutter.state(100.0) is ShutterState.OPENING
    assert dome.is_slewing(100.0)
    assert dome.shutter.opening(102.0) == pytest.approx(0.25)
    assert dome.shutter.state(100.0 + SHUTTER_TRAVEL_S - 0.001) is ShutterState.OPENING
    assert dome.shutter.state(100.0 + SHUTTER_TRAVEL_S) is ShutterState.OPEN
    assert not dome.is_slewing(100.0 + SHUTTER_TRAVEL_S)
    dome.shutter.open(200.0)
    assert dome.shutter.state(200.0) is ShutterState.OPEN, "open already"
    dome.shutter.close(200.0)
    assert dome.shutter.state(200.0) is ShutterState.CLOSING
    assert dome.shutter.state(200.0 + SHUTTER_TRAVEL_S) is ShutterState.CLOSED


def test_a_shutter_that_turns_back_needs_only_the_way_that_it_came():
    dome = SimulatedDome()
    dome.shutter.open(0.0)
    dome.shutter.close(2.0)
    assert dome.shutter.state(2.0) is ShutterState.CLOSING
    assert dome.shutter.state(3.999) is ShutterState.CLOSING
    assert dome.shutter.state(4.001) is ShutterState.CLOSED


def test_an_aborted_shutter_is_in_error_and_opens_only_after_a_close():
    dome = SimulatedDome()
    dome.shutter.open(0.0)
    dome.slew(0.0, 100.0)
    dome.abort(4.0)
    assert dome.shutter.state(4.0) is ShutterState.ERROR
    assert dome.shutter.opening(50.0) == pytest.approx(0.5), "it stands where it was stopped"
    assert not dome.is_slewing(50.0)
    assert number_of(lambda: dome.shutter.open(50.0)) == ErrorNumber.INVALID_OPERATION == 0x40B
    assert dome.shutter.state(50.0) is ShutterState.ERROR
    dome.shutter.close(50.0)
    assert dome.shutter.state(50.0) is ShutterState.CLOSING
    assert dome.shutter.state(54.001) is ShutterState.CLOSED
    dome.shutter.open(60.0)
    assert dome.shutter.state(60.0) is ShutterState.OPENING


def test_a_shutter_at_its_end_survives_an_abort():
    dome = SimulatedDome()
    dome.shutter.open(0.0)
    dome.abort(SHUTTER_TRAVEL_S)
    assert dome.shutter.state(SHUTTER_TRAVEL_S) is ShutterState.OPEN


@given(start=AZIMUTHS, target=AZIMUTHS)
@settings(max_examples=200, deadline=None)
def test_every_turn_stays_in_the_circle_takes_the_shortest_way_and_ends_at_its_target(start, target):
    dome = SimulatedDome(start)
    dome.slew(0.0, target)
    azimuths = [dome.azimuth_deg(n * 0.25) for n in range(140)]
    assert all(0.0 <= azimuth < 360.0 for azimuth in azimuths)
    steps = [turn_deg(a, b) for a, b in pairwise(azimuths)]
    assert all(abs(step) <= 6.0 * 0.25 + 1e-6 for step in steps), "no jumps"
    assert sum(abs(step) for step in steps) == pytest.approx(abs(turn_deg(start, target)), abs=1e-6)
    assert abs(turn_deg(azimuths[-1], target)) < 1e-9


@given(
    first=st.floats(-180.0, 180.0), second=st.floats(-180.0, 180.0), at_s=st.floats(0.0, 40.0), dt=st.floats(0.0, 80.0)
)
@settings(max_examples=300, deadline=None)
def test_motion_is_continuous_and_its_speed_is_the_slope_of_its_place(first, second, at_s, dt):
    one = TURNING.move(0.0, 0.0, 0.0, first)
    two = TURNING.move(at_s, one.position_deg(at_s), one.speed_deg_s(at_s), second)
    assert two.position_deg(at_s) == pytest.approx(one.position_deg(at_s), abs=1e-6)
    now_s, step_s = at_s + dt, 1e-4
    slope = (two.position_deg(now_s + step_s) - two.position_deg(now_s)) / step_s
    assert slope == pytest.approx(two.speed_deg_s(now_s + step_s / 2.0), abs=1e-3)
    assert abs(two.speed_deg_s(now_s)) <= TURNING.speed_deg_s + 1e-9
    last_s = two.began_s + two.duration_s
    assert two.position_deg(last_s + 1e-6) == one.position_deg(at_s) + second
    assert two.position_deg(last_s - 1e-6) == pytest.approx(two.end_deg, abs=1e-4)


def test_a_motion_at_rest_never_moves():
    rest = Motion.at_rest(42.0)
    assert not rest.is_moving(0.0)
    assert (rest.position_deg(5.0), rest.speed_deg_s(5.0)) == (42.0, 0.0)


def test_the_picture_stands_still_and_its_dome_begins_a_turn_without_ending_it():
    observatory = SimulatedObservatory.for_pictures()
    first = observatory.as_json()
    assert first == observatory.as_json()
    assert first["dome"]["azimuth_deg"] == pytest.approx(69.6)
    assert not first["dome"]["is_slewing"]
    observatory.dome.slew(observatory.now_s, 49.0)
    begun = observatory.as_json()["dome"]
    assert (begun["azimuth_deg"], begun["is_slewing"]) == (pytest.approx(69.6), True)
    assert first["dome"]["shutter"] is ShutterState.OPEN
    assert first["mount"]["is_tracking"]
    assert first["is_safe"]


def test_the_simulated_dome_is_the_one_that_the_settings_of_the_embedded_observatory_describe():
    assert (DOME.park_deg, DOME.home_deg) == (PARK_DEG, HOME_DEG)
