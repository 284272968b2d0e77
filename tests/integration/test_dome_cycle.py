"""The dome over real HTTP, of every make and with every fault that its driver shows: what is shown at the end is true.

True means: what the simulator itself says of its dome; or unknown; or the driver's word, which is called so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest

from app.model.angles import turn_deg
from app.model.dome import (
    ClosedBy,
    DeviceBusy,
    DeviceError,
    DeviceRefused,
    DomeRefused,
    DomeWish,
    Phase,
    ShutterWord,
    WishKind,
)
from app.services import dome as dome_module
from app.services.dome_status import dome_status
from tests.dome_on_duty import LIMIT_S, OnDuty, on_duty, wish
from tests.simulated import Simulator, simulator

SCALE = 40.0
DOME_ID = "5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a001"
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
    if not SLIT.items() <= running.get("restart").items():
        running.put("restart", SLIT)
    running.put("state", AT_REST)
    return running


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Short waits."""
    for name, seconds in (
        ("_AT_REST_S", 0.04),
        ("_BACK_OFF_S", (0.04,)),
        ("STOP_AGAIN_S", 0.3),
        ("STOP_NOTICE_S", 0.6),
    ):
        monkeypatch.setattr(dome_module, name, seconds)


@pytest.fixture
def stale_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Values are stale after half a second."""
    monkeypatch.setattr(dome_module, "FRESH_S", 0.5)


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
        command(sim, "dome/0/setpark")
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
            assert duty.do(WishKind.GOTO, 20.0).is_done
            assert duty.final(first).phase is Phase.REPLACED
            assert_true(duty, sim)

            assert duty.do(WishKind.HOME).is_done
            assert_true(duty, sim)
            assert duty.do(WishKind.PARK).is_done
            assert_true(duty, sim)

            going = duty.ask(wish(WishKind.GOTO, 200.0))
            duty.until(lambda state: state.move is not None and state.move.phase is Phase.MOVING)
            duty.service.stop("ada")
            assert duty.final(going).phase is Phase.STOPPED
            assert_true(duty, sim)
            assert duty.do(WishKind.CLOSE).is_done
            assert_true(duty, sim)
            assert (duty.word, duty.service.state.closed_by) == (ShutterWord.PROVEN_CLOSED, ClosedBy.MOTION)

    @pytest.mark.parametrize("version", [3, 1])
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

    def test_who_hands_the_dome_on_in_the_middle_of_an_open_does_not_open_it(self, sim):
        sim.put("restart", {"roof": "contacts"})
        sim.put("state", {"dome_azimuth_deg": 100.0})
        with on_duty(sim, shutter_azimuth_deg=255.0) as duty:
            opening = duty.loop.submit(duty.service.ask(wish(WishKind.OPEN), "ada"))
            duty.until(lambda state: state.is_slewing.value)
            duty.service.set_owner(False)
            with pytest.raises(DomeRefused, match="another owner"):
                opening.result(LIMIT_S)
            assert duty.service.state.last_move.phase is Phase.REPLACED
            assert truth(sim)["opening"] == 0.0


#: Faults of every reply of the dome, by kind, and what is said of them; what it was told it does all the same.
UNREADABLE: dict[str, list[tuple[dict[str, Any], str]]] = {
    "HTTP errors": [
        ({"status": 400}, "HTTP 400"),
        ({"status": 404, "html": True}, "HTTP 404"),
        ({"status": 405, "empty": True}, "HTTP 405"),
        ({"status": 422, "other_json": True}, "HTTP 422"),
        ({"status": 500}, "HTTP 500"),
    ],
    "no Alpaca": [
        ({"html": True}, "is not Alpaca's"),
        ({"other_json": True}, "is not Alpaca's"),
        ({"empty": True}, "is not Alpaca's"),
        ({"wrong_echo": True}, "the answer is to request"),
    ],
    "error numbers": [
        ({"error": 0x400}, "no such part|nonsense"),
        ({"error": 0x407}, "0x407"),
        ({"error": 0x40B}, "0x40B"),
        ({"error": 0x7DA}, "0x7DA"),
        ({"error": 1003}, "0x3EB"),
        ({"error": -2147220991}, "0x80040"),
    ],
    "broken connections": [
        ({"drop": True}, "no connection"),
        ({"cut": True}, "no connection"),
        ({"refuse_s": 0.6}, "no connection"),
    ],
    "a byte a second, and never": [
        ({"trickle_s": 1.0}, "no answer within 0.4 s"),
        ({"hang_s": 60.0}, "no answer within 0.4 s"),
    ],
}


@pytest.mark.logs_warnings
@pytest.mark.parametrize("faults", UNREADABLE.values(), ids=UNREADABLE)
def test_what_cannot_be_read_is_unknown_and_true_when_it_is_read_again(sim, faults, stale_soon):
    sim.put("state", {"shutter": "open"})
    with on_duty(sim, has_contact=True, timeout_s=0.4) as duty, on_duty(sim, timeout_s=0.4) as other:
        assert duty.word is other.word is ShutterWord.OPEN
        duty.words.clear()
        other.words.clear()
        for fault, match in faults:
            sim.put("state", {"shutter": "open"})
            sim.put("faults", {"members": ["dome"], **fault})
            duty.until(lambda state, sentence=match: state.failure and re.search(sentence, state.failure))
            with pytest.raises(DeviceError, match=match):
                duty.ask(wish(WishKind.CLOSE))
            assert duty.service.state.last_move.phase is Phase.FAILED
        for each in (duty, other):
            state = each.until(lambda _, one=each: one.word is ShutterWord.UNKNOWN)
            assert state.failure
            assert not state.is_connected(each.clock.monotonic())
            with pytest.raises(DomeRefused, match=r"is not read .*; CLOSE and STOP are sent"):
                each.ask(wish(WishKind.GOTO, 30.0))
            assert not each.words & CLOSED_WORDS

        if "refuse_s" not in faults[-1][0]:
            sim.put("faults")
        for each in (duty, other):
            each.until(lambda state: state.failure is None)
        duty.until(lambda _: not truth(sim)["is_slewing"])
        for each in (duty, other):
            assert_true(each, sim)


@pytest.mark.logs_warnings
def test_values_that_cannot_be_are_unknown_and_prove_no_close(sim, stale_soon):
    sim.put("state", {"shutter": "open"})
    with on_duty(sim, has_contact=True) as duty:
        duty.words.clear()
        for value, said in (("null", None), ("nan", "nan"), ("comma", "12,5"), ("string", "20.0"), ("absent", None)):
            sim.put("faults", {"members": ["devicestate", "azimuth"], "value": value})
            duty.until(lambda state, it=said: state.failure and f"'{it}' is nonsense" in state.failure)
            assert duty.ask(wish(WishKind.CLOSE)).phase is Phase.ACCEPTED
        duty.until(lambda _: truth(sim)["opening"] == 0.0 and duty.word is ShutterWord.UNKNOWN)
        assert duty.service.state.move.phase is Phase.ACCEPTED
        assert not duty.words & CLOSED_WORDS
        sim.put("faults")
        duty.until(lambda state: state.last_move and state.last_move.is_done)
        assert_true(duty, sim)


#: What servers do in their own way, several at once.
TOLERATED = {
    "old": [
        {"members": ["devicestate"], "error": 0x400},
        {"members": ["interfaceversion"], "value": "string"},
        {"members": ["management"], "status": 404},
    ],
    "without a version": [
        {"members": ["devicestate"], "error": 0x40B},
        {"members": ["interfaceversion"], "error": 0x400},
        {"members": ["management"], "status": 500},
    ],
    "wants to be connected": [
        {"members": ["devicestate"], "status": 404},
        {"members": ["dome"], "requires_connect": True},
        {"members": ["dome", "management"], "extra_keys": True, "odd_types": True},
    ],
    "now and then nothing": [
        {"members": ["dome/devicestate"], "drop": True, "probability": 0.2, "seed": 7},
        {"members": ["dome/devicestate"], "empty": True, "probability": 0.1, "seed": 8},
    ],
}


@pytest.mark.logs_warnings
@pytest.mark.parametrize("faults", TOLERATED.values(), ids=TOLERATED)
def test_a_server_with_its_own_ways_is_driven_all_the_same(sim, faults):
    sim.put("restart", {"interface": 3})  # not connected
    sim.put("faults", {"times": 1, "members": ["nothing"], "more": faults})
    with on_duty(sim) as duty:
        duty.until(lambda state: state.failure is None)
        assert duty.do(WishKind.OPEN).is_done
        assert duty.do(WishKind.GOTO, 40.0).is_done
        assert duty.do(WishKind.CLOSE).is_done
        sim.put("faults")
        assert_true(duty, sim)


@dataclass(frozen=True)
class Lie:
    """What is wrong with a dome that is told to move, and what is shown at the end.

    `contact` is the word with the independent contact, `driver` the word without.
    """

    phase: Phase
    contact: ShutterWord = ShutterWord.UNKNOWN
    driver: ShutterWord = ShutterWord.UNKNOWN
    match: str = ""
    lies: dict[str, Any] = field(default_factory=dict)
    state: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)


CLOSES = {
    "accepted, never moves": Lie(
        Phase.FAILED,
        ShutterWord.OPEN,
        ShutterWord.OPEN,
        "was accepted but never moved",
        lies={"ignores": ["closeshutter"]},
    ),
    "dead motor": Lie(
        Phase.FAILED, ShutterWord.OPEN, ShutterWord.OPEN, "was accepted but never moved", state={"is_motor_dead": True}
    ),
    "stuck at 60 %": Lie(
        Phase.FAILED,
        ShutterWord.CLOSING,
        ShutterWord.CLOSING,
        "did not end within 0.7 s",
        state={"shutter_stuck_at": 0.6},
        settings={"motion_end_s": 0.7},
    ),
    "status frozen in open": Lie(
        Phase.FAILED,
        ShutterWord.OPEN,
        ShutterWord.OPEN,
        "shutter open, nothing moved",
        lies={"says_shutter": "open", "hides_slewing": True},
    ),
    "status frozen in opening": Lie(
        Phase.FAILED,
        ShutterWord.OPENING,
        ShutterWord.OPENING,
        "did not end within 0.7 s",
        lies={"says_shutter": "opening"},
        settings={"motion_end_s": 0.7},
    ),
    "status frozen in error": Lie(
        Phase.FAILED,
        ShutterWord.NOT_CLOSED,
        ShutterWord.NOT_CLOSED,
        "shutter error|reports an error",
        lies={"says_shutter": "error"},
    ),
    "says closed, and is open": Lie(
        Phase.FAILED,
        ShutterWord.NOT_CLOSED,
        ShutterWord.CLOSED,
        "the contact of the shutter says not",
        lies={"says_shutter": "closed", "ignores": ["closeshutter"]},
    ),
    "error, and closes": Lie(
        Phase.ARRIVED, ShutterWord.PROVEN_CLOSED, ShutterWord.PROVEN_CLOSED, lies={"fails_but_acts": ["closeshutter"]}
    ),
    "at once": Lie(Phase.ARRIVED, ShutterWord.PROVEN_CLOSED, ShutterWord.CLOSED, lies={"is_instant": True}),
    "hides its slewing": Lie(
        Phase.ARRIVED, ShutterWord.PROVEN_CLOSED, ShutterWord.PROVEN_CLOSED, lies={"hides_slewing": True}
    ),
}


@pytest.mark.logs_warnings
@pytest.mark.parametrize("case", CLOSES.values(), ids=CLOSES)
def test_a_shutter_is_shown_closed_by_whose_word_it_is(sim, case):
    sim.put("state", {"shutter": "open"})
    with on_duty(sim, has_contact=True, **case.settings) as duty, on_duty(sim) as other:
        sim.put("lies", case.lies)
        sim.put("state", case.state)
        move = duty.do(WishKind.CLOSE)
        assert move.phase is case.phase, move
        assert (case.match in move.reason) or any(part in move.reason for part in case.match.split("|")), move
        other.look()
        duty.until(lambda _: duty.word is case.contact)
        assert (duty.word, other.word) == (case.contact, case.driver)
        for each in (duty, other):
            status = dome_status(each.service.state, each.clock.monotonic(), "0.1.0")
            assert status["open"] is (each.word not in CLOSED_WORDS), "other programs read the same"
        is_open = truth(sim)["opening"] > 0.0
        assert not (is_open and ShutterWord.PROVEN_CLOSED in duty.words | other.words)
        if is_open and other.word in CLOSED_WORDS:
            assert case.lies["says_shutter"] == "closed", "only a driver that hides it"
            assert other.service.state.closed_by is ClosedBy.DRIVER


def going(duty: OnDuty, azimuth_deg: float) -> Any:
    """A turn that is seen to go on."""
    move = duty.ask(wish(WishKind.GOTO, azimuth_deg))
    duty.until(lambda state: state.move is not None and state.move.phase is Phase.MOVING)
    return move


#: Phase and sentence of a turn from 20 to 60 degrees.
TURNS = {
    "accepted, never moves": Lie(
        Phase.FAILED, match="was accepted but never moved", lies={"ignores": ["slewtoazimuth"]}
    ),
    "dead motor": Lie(Phase.FAILED, match="was accepted but never moved", state={"is_motor_dead": True}),
    "azimuth jumps at the end": Lie(Phase.ARRIVED, lies={"azimuth_jumps": True}),
    "hides its slewing": Lie(Phase.ARRIVED, lies={"hides_slewing": True}),
    "stops some degrees off": Lie(Phase.FAILED, match="stopped short of its end", state={"coast_deg": 5.0}),
    "slewing lingers": Lie(Phase.ARRIVED, lies={"slewing_lingers_s": 10.0}),
    "slewing never ends": Lie(
        Phase.FAILED,
        match="did not end within 0.7 s",
        lies={"slewing_lingers_s": 1e9},
        settings={"motion_end_s": 0.7},
    ),
    "always parked": Lie(Phase.ARRIVED, lies={"says_parked": True}),
}


@pytest.mark.logs_warnings
@pytest.mark.parametrize("case", TURNS.values(), ids=TURNS)
def test_a_turn_ends_where_the_dome_is(sim, case):
    with on_duty(sim, **case.settings) as duty:
        sim.put("lies", case.lies)
        sim.put("state", case.state)
        move = duty.do(WishKind.GOTO, 60.0)
        assert (move.phase, case.match in move.reason) == (case.phase, True), move
        shown, is_ = duty.look(), truth(sim)
        assert abs(turn_deg(shown.azimuth_deg.value, is_["azimuth_deg"])) < BESIDE_DEG
        assert (abs(turn_deg(is_["azimuth_deg"], 60.0)) < BESIDE_DEG) is (
            case.phase is Phase.ARRIVED or "slewing_lingers_s" in case.lies
        )


@pytest.mark.logs_warnings
class TestOwnWays:
    def test_coasting_past_zero_is_seen_where_it_ends(self, sim):
        sim.put("state", {"dome_azimuth_deg": 340.0, "coast_deg": 18.5})
        with on_duty(sim) as duty:
            move = duty.do(WishKind.GOTO, 359.6)
            assert (move.phase, "stopped short of its end: azimuth 18.1" in move.reason) == (Phase.FAILED, True)
            assert_true(duty, sim)

    def test_an_error_that_turns_all_the_same(self, sim):
        sim.put("lies", {"fails_but_acts": ["slewtoazimuth", "openshutter"]})
        with on_duty(sim) as duty:
            with pytest.raises(DeviceRefused, match="slewtoazimuth failed"):
                duty.ask(wish(WishKind.GOTO, 60.0))
            assert duty.service.state.last_move.phase is Phase.FAILED
            with pytest.raises(DeviceRefused, match="openshutter failed"):
                duty.ask(wish(WishKind.OPEN))
            duty.until(lambda state: duty.word is ShutterWord.OPEN and state.is_moving(duty.clock.monotonic()) is False)
            assert_true(duty, sim)
            assert (duty.word, truth(sim)["azimuth_deg"]) == (ShutterWord.OPEN, pytest.approx(60.0))

    def test_a_busy_dome_refuses_another_turn_and_is_stopped_for_a_close(self, sim):
        sim.put("state", {"shutter": "open"})
        sim.put("lies", {"busy_while_moving": True})
        with on_duty(sim) as duty:
            first = going(duty, 150.0)
            with pytest.raises(DeviceBusy, match="wait until it stands, or STOP"):
                duty.ask(wish(WishKind.GOTO, 200.0))
            assert duty.service.state.move.number == first.number
            assert duty.do(WishKind.CLOSE).is_done
            assert_true(duty, sim)
            assert duty.final(first).phase is Phase.FAILED

    def test_a_number_that_the_driver_checks_late(self, sim, stale_soon):
        sim.put("lies", {"checks_range_late": True})
        with on_duty(sim) as duty:
            command(sim, "dome/0/slewtoazimuth", Azimuth=400)  # somebody else's
            duty.until(lambda state: state.failure and "outside of the circle" in state.failure)
            duty.until(lambda _: duty.word is ShutterWord.UNKNOWN)
            duty.service.stop("ada").result(5.0)
            duty.until(lambda state: state.failure is None)
            assert_true(duty, sim)

    def test_a_stop_that_the_dome_ignores(self, sim):
        sim.put("lies", {"ignores": ["abortslew"]})
        with on_duty(sim) as duty:
            move = going(duty, 200.0)
            duty.service.stop("ada")
            state = duty.until(lambda state: state.stop_notice)
            assert "the dome still moves): use the hardware stop" in state.stop_notice
            assert duty.final(move).phase in (Phase.STOPPED, Phase.ARRIVED), "as soon as it stands"
            assert_true(duty, sim)

    def test_park_and_home_at_once_and_never(self, sim):
        with on_duty(sim) as duty:
            sim.put("lies", {"is_instant": True})
            assert duty.do(WishKind.PARK).is_done
            assert_true(duty, sim)
            assert duty.do(WishKind.HOME).is_done
            assert_true(duty, sim)
            sim.put("lies", {"ignores": ["park"], "says_parked": False})
            assert duty.do(WishKind.PARK).phase is Phase.FAILED
            assert_true(duty, sim)

    def test_a_driver_that_follows_is_told_apart_and_goes_on_after_stop(self, sim):
        sim.put("restart", {"can_slave": True})
        sim.put("lies", {"keeps_slaved": True})
        with on_duty(sim) as duty:
            command(sim, "dome/0/slaved", Slaved=True)
            duty.until(lambda state: state.is_slaved.value)
            with pytest.raises(DomeRefused, match="driver follows its telescope; switch that off there first"):
                duty.ask(wish(WishKind.GOTO, 60.0))
            duty.service.stop("ada").result(5.0)
            assert duty.look().is_slaved.value is truth(sim)["is_slaved"] is True
            sim.put("lies")
            duty.service.stop("ada").result(5.0)
            assert duty.look().is_slaved.value is truth(sim)["is_slaved"] is False

    def test_a_shutter_stopped_midway_is_not_closed_and_opens_after_a_close_alone(self, sim):
        with on_duty(sim, has_contact=True) as duty:
            opening = duty.ask(wish(WishKind.OPEN))
            duty.until(lambda _: duty.word is ShutterWord.OPENING)
            duty.service.stop("ada")
            assert duty.final(opening).phase is Phase.STOPPED
            assert duty.word is ShutterWord.NOT_CLOSED
            assert_true(duty, sim)
            with pytest.raises(DeviceRefused, match="0x40B"):
                duty.ask(wish(WishKind.OPEN))
            assert duty.do(WishKind.CLOSE).is_done
            assert_true(duty, sim)
            assert duty.do(WishKind.OPEN).is_done
            assert_true(duty, sim)


def test_what_is_no_azimuth_reaches_no_dome(sim):
    with on_duty(sim) as duty:
        since = sim.newest()
        for azimuth in (float("nan"), -10, 360, 370, "12,5", None, True, float("inf"), "1e999"):
            with pytest.raises(DomeRefused, match="give a number from 0 to less than 360 degrees"):
                duty.ask(DomeWish(WishKind.GOTO, azimuth))
        assert not [one for one in sim.requests(since) if one["method"] == "PUT"]
        assert duty.service.state.move is None


@pytest.mark.logs_warnings
def test_a_server_that_begins_anew_is_adopted_never_commanded_and_proves_nothing():
    def commands(server: Simulator) -> set[str]:
        puts = {one["path"].rpartition("/")[2] for one in server.requests() if one["method"] == "PUT"}
        return puts - {"connect", "connected"}

    with ExitStack() as stack:
        with simulator(SCALE) as first:
            duty = stack.enter_context(on_duty(first))
            known = stack.enter_context(on_duty(first, unique_id=DOME_ID))
            assert duty.do(WishKind.OPEN).is_done
            known.until(lambda _: known.word is ShutterWord.OPEN)
            assert duty.do(WishKind.CLOSE).is_done
            assert duty.word is ShutterWord.PROVEN_CLOSED
        state = duty.until(lambda state: state.failure)
        assert state.closed_by is None
        duty.words.clear()
        with simulator(SCALE, port=int(first.server.rpartition(":")[2])) as second:
            for each in (duty, known):
                state = each.until(lambda state: state.failure is None)
                assert (each.word, state.closed_by) == (ShutterWord.CLOSED, ClosedBy.DRIVER)
                assert_true(each, second)
            assert ShutterWord.PROVEN_CLOSED not in duty.words
            assert commands(second) == set()

            assert known.do(WishKind.OPEN).is_done
            assert known.do(WishKind.CLOSE).is_done
            assert known.word is ShutterWord.PROVEN_CLOSED
            second.put("restart", {"dome_number": 3, "interface": 2})
            state = duty.until(lambda state: state.failure)
            assert "HTTP 4" in state.failure, "who does not know the dome by its UniqueID does not take another"
            state = known.until(lambda state: state.facts.interface_version == 2 and state.failure is None)
            assert (known.word, state.closed_by) == (ShutterWord.CLOSED, ClosedBy.DRIVER)
            assert_true(known, second)
            assert commands(second) == {"openshutter", "closeshutter"}, "those from before"
