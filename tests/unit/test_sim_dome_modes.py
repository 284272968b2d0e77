"""The simulated dome's other kinds, and what goes wrong with its mechanics."""

from math import inf

import pytest

from app.model.clock import SteppingClock
from app.model.dome import ShutterState
from app.sim.alpaca_device import AlpacaError
from app.sim.dome import BRAKING, HOME_DEG, PARK_DEG, SHUTTER_TRAVEL_S, DomeModel, SimulatedDome
from app.sim.observatory import Change, Equipment, SimulatedObservatory
from app.sim.place import NIGHT

LATE_S = 1000.0


def number_of(action):
    with pytest.raises(AlpacaError) as raised:
        action()
    return raised.value.number


class Sky:
    """Time as the tests want it, on a motors' clock of its own."""

    def __init__(self):
        self.now_s = 0.0

    def utc(self):
        return NIGHT

    def monotonic(self):
        return self.now_s


def observatory(interface=3, **model):
    sky = Sky()
    return SimulatedObservatory(sky, equipment=Equipment(interface=interface, dome=DomeModel(**model))), sky


def device_of(observed, kind):
    return next(device for device in observed.devices() if device.identity.kind == kind)


def read(device, name):
    return device.call("GET", name).action()


# What comes to rest elsewhere


@pytest.mark.parametrize(("start", "target", "rest"), [(340.0, 359.6, 18.1), (30.0, 0.0, 341.5)])
def test_a_dome_that_coasts_passes_its_target_and_zero(start, target, rest):
    dome = SimulatedDome(start, model=DomeModel(coast_deg=18.5))
    dome.slew(0.0, target)
    assert dome.azimuth_deg(LATE_S) == pytest.approx(rest)
    assert not dome.is_slewing(LATE_S)
    assert dome.speed_deg_s(LATE_S) == 0.0


def test_a_dome_that_coasts_needs_the_way_after_an_abort_and_a_second_abort_adds_none():
    dome = SimulatedDome(0.0, model=DomeModel(coast_deg=5.0))
    dome.slew(0.0, 180.0)
    before = dome.azimuth_deg(10.0)
    brake_deg = 6.0**2 / (2.0 * BRAKING.acceleration_deg_s2)
    dome.abort(10.0)
    assert dome.is_slewing(11.5), "3 degrees of brake would have been 1 s"
    dome.abort(11.5)
    assert dome.azimuth_deg(LATE_S) == pytest.approx(before + brake_deg + 5.0)


def test_park_and_home_creep_to_their_ends_however_far_it_coasts():
    dome = SimulatedDome(100.0, model=DomeModel(coast_deg=3.0))
    dome.find_home(0.0)
    assert (dome.azimuth_deg(LATE_S), dome.is_at_home(LATE_S)) == (HOME_DEG, True)
    dome.park(LATE_S)
    assert (dome.azimuth_deg(2 * LATE_S), dome.is_at_park(2 * LATE_S)) == (PARK_DEG, True)


@pytest.mark.parametrize(("azimuth", "at_home"), [(HOME_DEG + 0.5, True), (HOME_DEG + 0.51, False)])
def test_the_home_sensor_is_narrow_and_is_met_by_a_slew_too(azimuth, at_home):
    dome = SimulatedDome(90.0)
    dome.slew(0.0, azimuth)
    assert dome.is_at_home(LATE_S) is at_home
    dome.slew(LATE_S, 0.0)
    passing = [LATE_S + n * 0.01 for n in range(200)]
    assert not any(dome.is_at_home(now_s) for now_s in passing), "only at rest"


def test_speed_and_travel_are_the_models():
    dome = SimulatedDome(0.0, model=DomeModel(speed_deg_s=12.0, shutter_travel_s=2.0))
    dome.slew(0.0, 180.0)
    dome.open_shutter(0.0)
    assert dome.speed_deg_s(8.0) == 12.0
    assert dome.shutter.state(1.999) is ShutterState.OPENING
    assert dome.shutter.state(2.0) is ShutterState.OPEN


# The stuck shutter


def test_a_stuck_shutter_is_closing_for_ever_at_60_percent_and_a_retry_does_not_help():
    dome = SimulatedDome(shutter=ShutterState.OPEN)
    dome.shutter.stick(0.0, 0.6)
    dome.close_shutter(0.0)
    assert dome.shutter.travels(0.4 * SHUTTER_TRAVEL_S - 0.01)
    for now_s in (LATE_S, 2 * LATE_S):
        assert dome.shutter.opening(now_s) == pytest.approx(0.6)
        assert dome.shutter.state(now_s) is ShutterState.CLOSING
        assert (dome.is_slewing(now_s), dome.is_moving(now_s)) == (True, False), "the driver does not know"
        dome.close_shutter(now_s)


def test_a_stuck_shutter_that_is_freed_stands_until_the_next_command_closes_it():
    dome = SimulatedDome(shutter=ShutterState.OPEN)
    dome.shutter.stick(0.0, 0.6)
    dome.close_shutter(0.0)
    dome.shutter.stick(LATE_S, None)
    assert dome.shutter.opening(2 * LATE_S) == pytest.approx(0.6)
    assert dome.shutter.state(2 * LATE_S) is ShutterState.CLOSING
    dome.close_shutter(2 * LATE_S)
    assert dome.shutter.state(2 * LATE_S + 0.6 * SHUTTER_TRAVEL_S + 0.01) is ShutterState.CLOSED


def test_a_shutter_stuck_at_its_end_is_opening_for_ever_and_never_open():
    dome = SimulatedDome()
    dome.shutter.stick(0.0, 0.0)
    dome.open_shutter(1.0)
    assert dome.shutter.state(LATE_S) is ShutterState.OPENING
    assert dome.shutter.opening(LATE_S) == 0.0


def test_a_shutter_past_the_place_where_it_sticks_goes_on():
    dome = SimulatedDome(shutter=ShutterState.OPEN)
    dome.close_shutter(0.0)
    dome.shutter.stick(6.0, 0.6)
    assert dome.shutter.state(SHUTTER_TRAVEL_S + 0.01) is ShutterState.CLOSED


def test_a_shutter_that_sticks_on_its_way_is_not_moved_by_that():
    dome = SimulatedDome()
    dome.open_shutter(0.0)
    dome.shutter.stick(2.0, 0.5)
    assert dome.shutter.opening(2.0) == pytest.approx(0.25)
    assert dome.shutter.opening(3.0) == pytest.approx(0.375)
    assert dome.shutter.opening(LATE_S) == 0.5


def test_a_stuck_shutter_that_is_aborted_is_in_error_where_it_stands():
    dome = SimulatedDome(shutter=ShutterState.OPEN)
    dome.shutter.stick(0.0, 0.6)
    dome.close_shutter(0.0)
    dome.abort(LATE_S)
    assert dome.shutter.state(LATE_S) is ShutterState.ERROR
    assert dome.shutter.opening(LATE_S) == pytest.approx(0.6)


# Dead motors


def test_dead_motors_take_commands_and_nothing_moves_until_their_power_is_back():
    dome = SimulatedDome(90.0, ShutterState.OPEN, DomeModel(has_altitude=True))
    dome.kill_motors(0.0, True)
    for command in (
        lambda: dome.slew(0.0, 180.0),
        lambda: dome.find_home(0.0),
        lambda: dome.park(0.0),
        lambda: dome.close_shutter(0.0),
        lambda: dome.slew_to_altitude(0.0, 45.0),
    ):
        command()
        assert not dome.is_slewing(0.001)
        assert (dome.azimuth_deg(LATE_S), dome.altitude_deg(LATE_S)) == (90.0, 0.0)
        assert dome.shutter.state(LATE_S) is ShutterState.OPEN
    dome.kill_motors(LATE_S, False)
    dome.close_shutter(LATE_S)
    assert dome.shutter.state(2 * LATE_S) is ShutterState.CLOSED


def test_motors_that_die_on_the_way_leave_everything_there():
    dome = SimulatedDome(0.0, ShutterState.OPEN)
    dome.slew(0.0, 180.0)
    dome.close_shutter(0.0)
    dome.kill_motors(4.0, True)
    assert not dome.is_moving(5.1)
    assert dome.azimuth_deg(LATE_S) < 30.0
    assert dome.shutter.opening(LATE_S) == pytest.approx(0.5)
    assert dome.shutter.state(LATE_S) is ShutterState.CLOSING, "as its driver believes"


# A shutter with power at one azimuth


def test_a_shutter_with_contacts_moves_only_where_it_has_power():
    dome = SimulatedDome(100.0, model=DomeModel(kind="contacts", contacts_deg=200.0))
    assert number_of(lambda: dome.open_shutter(0.0)) == 0x40B
    assert dome.shutter.state(0.001) is ShutterState.CLOSED
    dome.slew(0.0, 200.5)
    assert dome.azimuth_deg(18.4) == pytest.approx(200.3, abs=0.1)
    assert number_of(lambda: dome.open_shutter(18.4)) == 0x40B, "not while it turns"
    dome.open_shutter(LATE_S)
    assert number_of(lambda: dome.slew(LATE_S + 1.0, 100.0)) == 0x40B, "it would leave its contacts"
    dome.slew(2 * LATE_S, 100.0)
    assert number_of(lambda: dome.close_shutter(3 * LATE_S)) == 0x40B
    assert dome.shutter.state(3 * LATE_S) is ShutterState.OPEN


# The altitude


def test_the_opening_is_raised_as_slowly_as_it_turns_and_an_abort_stops_it():
    dome = SimulatedDome(shutter=ShutterState.OPEN, model=DomeModel(has_altitude=True))
    dome.slew_to_altitude(0.0, 80.0)
    assert dome.is_slewing(1.0)
    assert dome.altitude_deg(LATE_S) == 80.0
    dome.slew_to_altitude(LATE_S, 10.0)
    dome.abort(LATE_S + 5.0)
    assert not dome.is_slewing(LATE_S + 5.0)
    assert 10.0 < dome.altitude_deg(2 * LATE_S) < 80.0


def test_a_closed_dome_remembers_the_altitude_until_it_opens():
    dome = SimulatedDome(model=DomeModel(has_altitude=True))
    dome.slew_to_altitude(0.0, 40.0)
    assert (dome.is_slewing(0.001), dome.altitude_deg(LATE_S)) == (False, 0.0)
    dome.open_shutter(LATE_S)
    assert dome.altitude_deg(2 * LATE_S) == 40.0
    dome.slew_to_altitude(2 * LATE_S, 20.0)
    dome.open_shutter(3 * LATE_S)
    assert dome.altitude_deg(4 * LATE_S) == 20.0, "what was done is forgotten"


@pytest.mark.parametrize("altitude", [-10.0, -1e-9, 90.1, 100.0])
def test_altitudes_that_cannot_be_are_refused(altitude):
    dome = SimulatedDome(shutter=ShutterState.OPEN, model=DomeModel(has_altitude=True))
    assert number_of(lambda: dome.slew_to_altitude(0.0, altitude)) == 0x401


# The driver slaves


def test_a_slaved_dome_follows_the_mount_and_refuses_motion_until_an_abort_ends_that():
    observed, sky = observatory(can_slave=True)
    device = device_of(observed, "Dome")
    device.call("PUT", "slaved").action(True)
    assert (read(device, "canslave"), read(device, "slaved"), read(device, "slewing")) == (True, True, True)
    for name, given in (("slewtoazimuth", (10.0,)), ("park", ()), ("findhome", ())):
        assert number_of(lambda name=name, given=given: device.call("PUT", name).action(*given)) == 0x409
    sky.now_s = LATE_S
    mount_deg = observed.mount.horizontal_deg(observed.instant)[0]
    assert read(device, "azimuth") == pytest.approx(mount_deg)
    observed.apply(Change(mount_ra_deg=330.0))
    assert read(device, "slewing") is True
    device.call("PUT", "abortslew").action()
    assert read(device, "slaved") is False
    device.call("PUT", "slewtoazimuth").action(10.0)
    sky.now_s = 2 * LATE_S
    assert read(device, "azimuth") == 10.0


def test_a_slaved_dome_waits_while_its_shutter_needs_the_contacts():
    dome = SimulatedDome(model=DomeModel(kind="contacts", can_slave=True))
    dome.open_shutter(0.0)
    dome.set_slaved(True)
    dome.follow(1.0, 90.0)
    assert not dome.is_turning(1.001)
    dome.follow(LATE_S, 90.0)
    assert dome.azimuth_deg(2 * LATE_S) == 90.0


def test_a_slaved_dome_stands_while_the_mount_moves_less_than_a_degree():
    dome = SimulatedDome(90.0, model=DomeModel(can_slave=True))
    dome.set_slaved(True)
    dome.follow(0.0, 90.9)
    assert not dome.is_turning(0.001)
    dome.follow(1.0, 91.1)
    assert dome.azimuth_deg(LATE_S) == pytest.approx(91.1)


# On the wire


def test_a_roll_off_roof_has_a_shutter_and_nothing_else():
    observed, sky = observatory(kind="roll-off")
    device = device_of(observed, "Dome")
    abilities = ["findhome", "park", "setaltitude", "setazimuth", "setpark", "slave", "syncazimuth"]
    assert [name for name in abilities if read(device, f"can{name}")] == []
    assert read(device, "cansetshutter") is True
    for name in ("altitude", "athome", "atpark", "azimuth"):
        assert number_of(lambda name=name: read(device, name)) == 0x400
    for name in ("findhome", "park", "setpark", "slewtoazimuth", "slewtoaltitude", "synctoazimuth"):
        assert number_of(device.call("PUT", name).action) == 0x400
    device.call("PUT", "abortslew").action()
    device.call("PUT", "openshutter").action()
    assert (read(device, "shutterstatus"), read(device, "slewing")) == (2, True)
    assert [item["Name"] for item in read(device, "devicestate")] == ["ShutterStatus", "Slewing", "TimeStamp"]
    sky.now_s = LATE_S
    assert read(device, "shutterstatus") == 0


@pytest.mark.parametrize("kind", ["slit", "roll-off"])
@pytest.mark.parametrize("interface", [1, 2])
def test_before_version_3_slewing_leaves_the_shutter_out_and_there_is_no_platform_7(interface, kind):
    observed, _ = observatory(interface, kind=kind)
    device = device_of(observed, "Dome")
    device.call("PUT", "openshutter").action()
    assert (read(device, "shutterstatus"), read(device, "slewing")) == (2, False)
    if kind == "slit":
        device.call("PUT", "slewtoazimuth").action(10.0)
        assert read(device, "slewing") is True
    assert read(device, "interfaceversion") == interface
    for old in observed.devices():
        members = (("GET", "connecting"), ("GET", "devicestate"), ("PUT", "connect"), ("PUT", "disconnect"))
        assert [old.call(*member) for member in members] == [None] * 4


def test_every_device_has_the_version_of_its_platform():
    def versions(interface):
        return {one.identity.kind: one.identity.interface_version for one in observatory(interface)[0].devices()}

    assert versions(3) == {
        "Dome": 3,
        "Telescope": 4,
        "SafetyMonitor": 3,
        "ObservingConditions": 2,
        "Switch": 3,
        "CoverCalibrator": 2,
        "Camera": 4,
    }
    assert versions(2) == {kind: version - 1 for kind, version in versions(3).items()}
    assert versions(1) == versions(2) | {"Dome": 1}


def test_an_altitude_is_on_the_wire_where_there_is_one():
    observed, _ = observatory(has_altitude=True)
    device = device_of(observed, "Dome")
    assert (read(device, "cansetaltitude"), read(device, "altitude")) == (True, 0.0)
    assert read(device, "devicestate")[0] == {"Name": "Altitude", "Value": 0.0}


def test_other_equipment_is_other_physics_and_other_drivers_alone_are_not():
    observed, _ = observatory()
    observed.dome.place(123.0)
    observed.equip(Equipment(interface=2, dome_number=7))
    assert observed.as_json()["dome"]["azimuth_deg"] == 123.0
    assert device_of(observed, "Dome").identity.number == 7
    observed.equip(Equipment(dome=DomeModel(kind="roll-off"), mount="alt-az"))
    assert observed.dome.model.kind == "roll-off"
    assert observed.mount.kind == "alt-az"


def test_mechanics_are_changed_at_run_time_and_null_makes_them_sound():
    observed, sky = observatory(coast_deg=1.0)
    observed.apply(Change(shutter="open", dome_azimuth_deg=90.0, coast_deg=4.0, shutter_stuck_at=0.6))
    observed.dome.close_shutter(0.0)
    observed.dome.slew(0.0, 100.0)
    sky.now_s = LATE_S
    truth = observed.as_json()["dome"]
    assert (truth["shutter"], truth["opening"], truth["is_moving"]) == (ShutterState.CLOSING, 0.6, False)
    assert truth["azimuth_deg"] == pytest.approx(104.0)
    observed.apply(Change(coast_deg=None, shutter_stuck_at=None, is_motor_dead=True))
    observed.dome.close_shutter(LATE_S)
    sky.now_s = 2 * LATE_S
    assert observed.as_json()["dome"]["opening"] == 0.6
    observed.apply(Change(is_motor_dead=None))
    observed.dome.close_shutter(sky.now_s)
    observed.dome.slew(sky.now_s, 110.0)
    sky.now_s = 3 * LATE_S
    assert observed.as_json()["dome"]["opening"] == 0.0
    assert observed.as_json()["dome"]["azimuth_deg"] == pytest.approx(111.0)


def test_a_dome_that_never_moved_never_came_to_rest():
    assert SimulatedDome().rest_s == -inf
    assert SimulatedObservatory(SteppingClock(NIGHT, 0.0)).dome.rest_s == -inf
