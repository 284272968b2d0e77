"""The dome over real HTTP, of every make and with every fault that its driver shows: what is shown at the end is true.

True means: what the simulator itself says of its dome; or unknown; or the driver's word, which is called so.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from app.model.angles import turn_deg
from app.model.dome import (
    ClosedBy,
    DomeRefused,
    Phase,
    ShutterWord,
    WishKind,
)
from app.services import dome as dome_module
from tests.dome_on_duty import OnDuty, on_duty, wish
from tests.simulated import Simulator, simulator

SCALE = 30.0
BESIDE_DEG = 1.5
CLOSED_WORDS = {ShutterWord.CLOSED, ShutterWord.PROVEN_CLOSED}
SLIT = {"interface": 3, "roof": "slit", "has_altitude": False, "can_slave": False, "dome_number": 0}
AT_REST = {
    "shutter_stuck_at": None,
    "is_motor_dead": False,
    "coast_deg": None,
    "dome_azimuth_deg": 20.0,
    "shutter": "closed",
}


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with simulator(SCALE) as running:
        yield running


@pytest.fixture
def sim(running: Simulator) -> Simulator:
    """The same for every test: honest, with a slit, closed, at 20 degrees."""
    running.put("faults")
    running.put("lies")
    if running.get("restart").items() < SLIT.items():
        running.put("restart", SLIT)
    running.put("state", AT_REST)
    return running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ages and waits in tenths of a second."""
    for name, seconds in (("_AT_REST_S", 0.1), ("FRESH_S", 0.5), ("STOP_AGAIN_S", 0.3), ("STOP_NOTICE_S", 0.6)):
        monkeypatch.setattr(dome_module, name, seconds)
    monkeypatch.setattr(dome_module, "_BACK_OFF_S", (0.1,))


def truth(sim: Simulator) -> dict[str, Any]:
    """The dome as it is."""
    dome: dict[str, Any] = sim.get("state")["dome"]
    return dome


def command(sim: Simulator, path: str, **form: Any) -> None:
    """Tell a simulated device something, past the service."""
    httpx.put(f"http://{sim.server}/api/v1/{path}", data=form, trust_env=False).raise_for_status()


def assert_true(duty: OnDuty, sim: Simulator) -> None:
    """What is shown is what is."""
    shown, is_ = duty.look(), truth(sim)
    assert duty.word in CLOSED_WORDS if is_["opening"] == 0.0 else duty.word not in CLOSED_WORDS
    assert shown.is_moving(duty.clock.monotonic()) is is_["is_slewing"]
    if shown.azimuth_deg.value is not None:
        assert abs(turn_deg(shown.azimuth_deg.value, is_["azimuth_deg"])) < 0.01
        assert shown.is_at_park.value is is_["is_at_park"]
        assert shown.is_at_home.value is is_["is_at_home"]


class TestCycle:
    @pytest.mark.parametrize("version", [3, 2, 1])
    def test_a_dome_with_a_slit(self, sim, version):
        sim.put("restart", {"interface": version})
        with on_duty(sim) as duty:
            assert duty.service.state.facts.interface_version == version
            assert (duty.word, duty.service.state.closed_by) == (ShutterWord.CLOSED, ClosedBy.DRIVER)
            assert duty.do(WishKind.OPEN).is_done
            assert_true(duty, sim)
            assert duty.do(WishKind.GOTO, 350.0).is_done
            for azimuth_deg in (10.0, 350.0):
                duty.azimuths_deg.clear()
                assert duty.do(WishKind.GOTO, azimuth_deg).is_done
                assert all(abs(turn_deg(seen, 0.0)) < 12.0 for seen in duty.azimuths_deg), "the long way"
                assert_true(duty, sim)

            first = duty.ask(wish(WishKind.GOTO, 250.0))
            duty.until(lambda state: abs(turn_deg(state.azimuth_deg.value, 350.0)) > 10.0)
            assert duty.do(WishKind.GOTO, 30.0).is_done
            assert duty.final(first).phase is Phase.REPLACED
            assert_true(duty, sim)

            assert duty.do(WishKind.HOME).is_done
            assert_true(duty, sim)
            assert duty.do(WishKind.PARK).is_done
            assert_true(duty, sim)

            going = duty.ask(wish(WishKind.GOTO, 75.0))
            duty.until(lambda state: state.move is not None and state.move.phase is Phase.MOVING)
            duty.service.stop("ada")
            assert duty.final(going).phase is Phase.STOPPED
            assert_true(duty, sim)
            assert duty.do(WishKind.CLOSE).is_done
            assert_true(duty, sim)
            assert (duty.word, duty.service.state.closed_by) == (ShutterWord.PROVEN_CLOSED, ClosedBy.MOTION)

    @pytest.mark.parametrize("version", [3, 2, 1])
    def test_a_roll_off_roof(self, sim, version):
        sim.put("restart", {"interface": version, "roof": "roll-off"})
        command(sim, "telescope/0/connected", Connected=True)
        command(sim, "telescope/0/park")
        with on_duty(sim, has_contact=True, can_hit_mount=True) as duty:
            facts, state = duty.service.state.facts, duty.service.state
            assert (facts.can_set_shutter, facts.can_set_azimuth, facts.can_park, facts.can_find_home) == (True, False, False, False)  # fmt: skip
            assert (state.azimuth_deg.value, state.is_at_park.value, state.is_at_home.value) == (None, None, None)
            for turn in (wish(WishKind.GOTO, 10.0), wish(WishKind.HOME), wish(WishKind.PARK)):
                with pytest.raises(DomeRefused, match="cannot do that"):
                    duty.ask(turn)
            assert duty.do(WishKind.OPEN).is_done
            assert_true(duty, sim)

            command(sim, "telescope/0/unpark")
            duty.until(lambda _: not duty.service._conditions.of(WishKind.CLOSE)[1].is_good)
            with pytest.raises(DomeRefused, match="mount: not parked: park the mount first"):
                duty.ask(wish(WishKind.CLOSE))
            assert_true(duty, sim)
            command(sim, "telescope/0/park")
            duty.until(lambda _: duty.service._conditions.of(WishKind.CLOSE)[1].is_good)

            closing = duty.ask(wish(WishKind.CLOSE))
            duty.until(lambda state: duty.word is ShutterWord.CLOSING)
            duty.service.stop("ada")
            assert duty.final(closing).phase is Phase.STOPPED
            assert duty.word is ShutterWord.NOT_CLOSED
            assert_true(duty, sim)
            assert duty.do(WishKind.CLOSE).is_done
            assert_true(duty, sim)
            assert (duty.word, duty.service.state.closed_by) == (ShutterWord.PROVEN_CLOSED, ClosedBy.SWITCH)

    @pytest.mark.parametrize("version", [3, 1])
    def test_a_shutter_with_power_at_one_azimuth(self, sim, version):
        sim.put("restart", {"interface": version, "roof": "contacts"})
        sim.put("state", {"dome_azimuth_deg": 200.0})
        with on_duty(sim, shutter_azimuth_deg=255.0) as duty:
            assert duty.do(WishKind.OPEN).is_done
            assert_true(duty, sim)
            assert truth(sim)["azimuth_deg"] == pytest.approx(255.0, abs=0.1)
            assert duty.do(WishKind.GOTO, 300.0).is_done
            duty.ask(wish(WishKind.GOTO, 340.0))
            assert duty.do(WishKind.CLOSE).is_done, "in the middle of a turn it first turns back to its power"
            assert_true(duty, sim)
            assert truth(sim)["azimuth_deg"] == pytest.approx(255.0, abs=0.1)
            assert duty.word is ShutterWord.PROVEN_CLOSED
            assert duty.do(WishKind.PARK).is_done
            assert_true(duty, sim)
