"""The simulated dome's driver when it lies: what it says, against what is true."""

import pytest
from pydantic import ValidationError

from app.model.dome import ShutterState
from app.sim.alpaca_device import AlpacaError
from app.sim.alpaca_dome import alpaca_dome
from app.sim.dome import PARK_DEG, DomeModel, SimulatedDome
from app.sim.driver_lies import Lies
from app.sim.place import NIGHT

OPEN, CLOSED, OPENING = 0, 1, 2
LATE_S = 1000.0


class Stage:
    """A dome at 90 degrees, closed, behind a driver that lies as it is told."""

    def __init__(self, azimuth_deg=90.0, shutter=ShutterState.CLOSED, **lies):
        self.now_s = 0.0
        self.dome = SimulatedDome(azimuth_deg, shutter, DomeModel(can_slave=True, has_altitude=True))
        self.device = alpaca_dome(self.dome, lambda: self.now_s, lambda: NIGHT, lies=lambda: Lies(**lies))

    def read(self, name):
        return self.device.call("GET", name).action()

    def put(self, name, *given):
        self.device.call("PUT", name).action(*given)

    def error(self, name, *given):
        with pytest.raises(AlpacaError) as raised:
            self.put(name, *given)
        return raised.value.number


def test_without_lies_it_tells_the_truth():
    stage = Stage()
    stage.put("slewtoazimuth", 180.0)
    stage.put("openshutter")
    stage.now_s = 5.0
    assert (stage.read("slewing"), stage.read("shutterstatus"), stage.read("atpark")) == (True, OPENING, False)
    assert stage.read("azimuth") == stage.dome.azimuth_deg(5.0) > 90.0
    stage.now_s = LATE_S
    assert (stage.read("slewing"), stage.read("shutterstatus"), stage.read("azimuth")) == (False, OPEN, 180.0)


@pytest.mark.parametrize(
    ("command", "given"),
    [("slewtoazimuth", (180.0,)), ("park", ()), ("findhome", ()), ("openshutter", ()), ("slaved", (True,))],
)
def test_ignored_commands_are_accepted_and_nothing_is_done(command, given):
    stage = Stage(ignores=(command,))
    stage.put(command, *given)
    assert (stage.read("slewing"), stage.read("shutterstatus"), stage.read("slaved")) == (False, CLOSED, False)
    assert (stage.dome.is_moving(0.001), stage.dome.azimuth_deg(LATE_S)) == (False, 90.0)


def test_a_close_that_is_ignored_leaves_the_status_open():
    stage = Stage(shutter=ShutterState.OPEN, ignores=("closeshutter",))
    stage.put("closeshutter")
    stage.now_s = LATE_S
    assert (stage.read("shutterstatus"), stage.dome.shutter.opening(LATE_S)) == (OPEN, 1.0)
    stage.put("slewtoazimuth", 100.0)
    assert stage.read("slewing") is True, "the others are obeyed"


def test_a_command_that_fails_changes_the_state_all_the_same():
    stage = Stage(fails_but_acts=("openshutter", "slewtoazimuth"))
    assert stage.error("openshutter") == 0x500
    assert stage.error("slewtoazimuth", 180.0) == 0x500
    stage.now_s = LATE_S
    assert (stage.read("shutterstatus"), stage.read("azimuth")) == (OPEN, 180.0)


def test_a_busy_driver_refuses_everything_but_abort_while_it_moves():
    stage = Stage(busy_while_moving=True)
    stage.put("slewtoazimuth", 180.0)
    stage.now_s = 5.0
    for command, given in (("closeshutter", ()), ("slewtoazimuth", (10.0,)), ("park", ())):
        assert stage.error(command, *given) == 0x7DA
    stage.put("abortslew")
    stage.now_s = LATE_S
    stage.put("closeshutter")


def test_a_range_that_is_checked_late_raises_from_slewing_until_the_next_command():
    stage = Stage(checks_range_late=True)
    stage.put("slewtoazimuth", 400.0)
    with pytest.raises(AlpacaError) as raised:
        stage.read("slewing")
    assert raised.value.number == 0x500
    assert stage.dome.azimuth_deg(LATE_S) == 90.0
    stage.put("slewtoazimuth", 100.0)
    assert stage.read("slewing") is True
    assert stage.error("slewtoaltitude", 100.0) == 0x401


def test_an_instant_dome_is_at_its_ends_when_commands_return():
    stage = Stage(is_instant=True)
    stage.put("openshutter")
    assert (stage.read("shutterstatus"), stage.read("slewing")) == (OPEN, False)
    stage.put("park")
    assert (stage.read("atpark"), stage.read("azimuth"), stage.read("slewing")) == (True, PARK_DEG, False)
    stage.put("findhome")
    assert (stage.read("athome"), stage.read("slewing")) == (True, False)
    stage.put("closeshutter")
    assert (stage.read("shutterstatus"), stage.dome.shutter.opening(0.0)) == (CLOSED, 0.0)
    stage.put("slewtoazimuth", 200.0)
    stage.put("openshutter")
    assert stage.read("slewing") is True, "slews take their time"


def test_an_instant_shutter_that_is_stuck_is_stuck_at_once():
    stage = Stage(shutter=ShutterState.OPEN, is_instant=True)
    stage.dome.shutter.stick(0.0, 0.6)
    stage.put("closeshutter")
    assert stage.dome.shutter.opening(0.0) == 0.6


def test_an_azimuth_that_jumps_keeps_its_old_value_even_when_the_slew_is_sent_elsewhere():
    stage = Stage(azimuth_jumps=True)
    stage.put("slewtoazimuth", 180.0)
    stage.now_s = 5.0
    assert stage.read("azimuth") == 90.0 < stage.dome.azimuth_deg(5.0)
    stage.put("slewtoazimuth", 200.0)
    stage.now_s = 10.0
    assert stage.read("azimuth") == 90.0
    stage.now_s = LATE_S
    assert stage.read("azimuth") == 200.0


def test_slewing_is_hidden_while_it_moves():
    stage = Stage(hides_slewing=True)
    stage.put("slewtoazimuth", 180.0)
    stage.now_s = 5.0
    assert (stage.read("slewing"), stage.dome.is_moving(5.0)) == (False, True)


def test_slewing_lingers_after_the_end_and_not_before_anything_moved():
    stage = Stage(slewing_lingers_s=60.0)
    assert stage.read("slewing") is False
    stage.put("openshutter")
    stage.now_s = stage.dome.rest_s + 59.0
    assert (stage.read("slewing"), stage.dome.is_moving(stage.now_s)) == (True, False)
    stage.now_s = stage.dome.rest_s + 61.0
    assert stage.read("slewing") is False


def test_a_driver_that_keeps_slaved_stops_and_is_slaved_after_an_abort():
    stage = Stage(keeps_slaved=True)
    stage.put("slaved", True)
    stage.put("abortslew")
    assert stage.read("slaved") is True
    stage.put("slaved", False)
    stage.put("abortslew")
    assert stage.read("slaved") is False, "it was not slaved any more"


def test_it_says_parked_wherever_it_is():
    stage = Stage(says_parked=True)
    assert (stage.read("atpark"), stage.dome.is_at_park(0.0)) == (True, False)


def test_it_says_closed_while_it_is_open_in_one_answer_too():
    stage = Stage(shutter=ShutterState.OPEN, says_shutter="closed")
    told = {item["Name"]: item["Value"] for item in stage.read("devicestate")}
    assert (stage.read("shutterstatus"), told["ShutterStatus"]) == (CLOSED, CLOSED)
    assert stage.dome.shutter.opening(0.0) == 1.0


@pytest.mark.parametrize("lies", [{"ignores": ["shutterclose"]}, {"slewing_lingers_s": -1.0}, {"fibs": True}])
def test_a_lie_that_nobody_knows_is_refused(lies):
    with pytest.raises(ValidationError):
        Lies(**lies)
