"""The dome by the names of the mission: as its owner for one call, and through the Cupola that owns it."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from app import mission
from app.bootstrap import dome_access, ownership
from app.bootstrap.dome_access import Manner
from app.bootstrap.observatory import open_observatory
from app.bootstrap.station import Station, open_station
from app.commands import dome as command_line
from app.model.dome import DomeRefused, DomeWish, Move, Override, Phase, WishKind
from tests.simulated import CHECKOUT, Simulator, simulator

LIMIT_S = 15.0
NO_AZIMUTHS = ("nan", "-10", "360", "370", "12,5")
OWNER = """
import sys
from app.bootstrap.observatory import open_observatory
from app.bootstrap.station import open_station
with open_observatory() as observatory, open_station(observatory, port=0, is_guarded=False) as station:
    station.loop.submit(station.dome.first_poll()).result(10.0)
    print(station.is_dome_owner, flush=True)
    sys.stdin.read()
"""


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    with simulator(30.0, has_altitude=True) as running:
        yield running


@pytest.fixture
def sim(running: Simulator, own_home: Path, monkeypatch: pytest.MonkeyPatch) -> Simulator:
    """The dome of the settings: closed, at 20 degrees."""
    running.put("state", {"dome_azimuth_deg": 20.0, "shutter": "closed"})
    file = own_home / "settings.toml"
    file.write_text(
        f'[dome]\nserver = "{running.server}"\npoll_s = 0.1\nmotion_start_s = 0.5\n'
        "[enclosure]\ncan_hit_mount = false\n[front_desk]\nport = 0\n"
    )
    monkeypatch.setenv("CUPOLA_SETTINGS", str(file))
    return running


@contextmanager
def station() -> Iterator[Station]:
    """A Cupola on duty."""
    with open_observatory() as observatory, open_station(observatory, port=0, is_guarded=False) as opened:
        opened.loop.submit(opened.dome.first_poll()).result(LIMIT_S)
        yield opened


@pytest.fixture(params=["alone", "through the owner"])
def owner(request: pytest.FixtureRequest, sim: Simulator) -> Iterator[Station | None]:
    if request.param == "alone":
        yield None
    else:
        with station() as opened:
            yield opened


def motions(sim: Simulator, since: int) -> list[str]:
    """What the dome was told."""
    put = [one["path"].rpartition("/")[2] for one in sim.requests(since) if one["method"] == "PUT"]
    return [member for member in put if member not in ("connect", "connected")]


def ask(on: Station, kind: WishKind, azimuth_deg: float | None = None) -> Move:
    """Have a wish accepted by a station; raises what it says."""
    override = Override("Ada", "a test") if kind is WishKind.OPEN else None
    return on.loop.submit(on.dome.ask(DomeWish(kind, azimuth_deg, override=override), "ada")).result(LIMIT_S)


def do(on: Station, kind: WishKind, azimuth_deg: float | None = None) -> Move:
    """The same, followed to its end."""
    return on.loop.submit(on.dome.final(ask(on, kind, azimuth_deg), LIMIT_S)).result(LIMIT_S)


class TestFunctions:
    def test_a_night_by_its_names(self, sim, owner):
        assert mission.SetAzim("40") == {"ok": True, "reason": ""}
        assert mission.DomeStatus()["azim"] == pytest.approx(40.0, abs=1.0)
        refused = mission.OpenDome()
        assert (refused["ok"], "override as NAME: REASON" in refused["reason"]) == (False, True)
        assert "write it as NAME: REASON" in mission.OpenDome("Ada")["reason"]
        assert sim.get("state")["dome"]["shutter"] == "closed"

        assert mission.OpenDome("Ada: seen by eye")["ok"] is True
        status = mission.DomeStatus()
        assert (status["open"], status["closed_by"], status["connected"]) == (True, None, True)
        assert sim.get("state")["dome"]["shutter"] == "open"
        assert mission.MoveTo(50.5, 10) == {"ok": True, "reason": ""}
        assert sim.get("state")["dome"]["azimuth_deg"] == pytest.approx(50.5)
        assert mission.CloseDome() == {"ok": True, "reason": ""}
        assert sim.get("state")["dome"]["opening"] == 0.0
        assert mission.ParkPosition() == {"ok": True, "reason": ""}
        status = mission.DomeStatus()
        assert (status["open"], status["park"]) == (False, True)
        assert status["closed_by"] == ("driver" if owner is None else "motion"), "who was there has seen it close"
        assert mission.ParkPostion is mission.ParkPosition

    def test_what_is_no_angle_moves_nothing(self, sim, owner):
        since = sim.newest()
        for azimuth in (*NO_AZIMUTHS, float("nan"), 360, None):
            answer = mission.SetAzim(azimuth)
            assert (answer["ok"], "from 0 to less than 360 degrees" in answer["reason"]) == (False, True), azimuth
        for altitude in ("nan", -1, 91, "12,5"):
            answer = mission.MoveTo(90, altitude)
            assert (answer["ok"], "from 0 to 90 degrees" in answer["reason"]) == (False, True), altitude
        assert motions(sim, since) == []

    def test_the_command_line_says_the_same(self, sim, owner, capsys):
        since = sim.newest()
        for azimuth, altitude in (*((one, None) for one in NO_AZIMUTHS), ("90", "91"), ("90", "12,5")):
            assert command_line.goto(azimuth, altitude, Manner(), as_json=True) == 1
            assert json.loads(capsys.readouterr().out)["ok"] is False
        assert motions(sim, since) == []


@pytest.mark.logs_warnings
def test_a_dome_that_says_yes_and_does_nothing(sim):
    sim.put("lies", {"ignores": ["slewtoazimuth", "openshutter", "park"]})
    try:
        with station():
            answers = [mission.SetAzim(40), mission.OpenDome("Ada: seen by eye"), mission.ParkPosition()]
            status = mission.DomeStatus()
    finally:
        sim.put("lies")
    for answer in answers:
        assert (answer["ok"], "accepted but never moved" in answer["reason"]) == (False, True), answer
    assert (status["open"], status["park"]) == (False, False)


def test_http_says_the_same(sim):
    with station() as opened, httpx.Client(base_url=opened.http.address, trust_env=False) as client:
        since = sim.newest()
        for azimuth in (*NO_AZIMUTHS, ""):
            answer = client.put("/dome/SetAzim", params={"azim": azimuth})
            assert (answer.status_code, answer.json()["ok"]) == (422, False)
            assert "from 0 to less than 360 degrees" in answer.json()["reason"]
        answer = client.put("/dome/MoveTo", params={"azim": "90", "alt": "12,5"})
        assert (answer.status_code, "from 0 to 90 degrees" in answer.json()["reason"]) == (422, True)
        assert motions(sim, since) == []


def until(is_so: Callable[[], Any]) -> None:
    deadline_s = time.monotonic() + LIMIT_S
    while not is_so():
        assert time.monotonic() < deadline_s


@pytest.mark.logs_warnings
class TestTwoOnOneDome:
    def test_the_second_watches_closes_and_stops_until_it_takes_over(self, sim):
        with station() as first, station() as second:
            assert (first.is_dome_owner, second.is_dome_owner) == (True, False)
            assert (first.dome.state.is_owner, second.dome.state.is_owner) == (True, False)
            for kind, azimuth_deg in ((WishKind.GOTO, 90.0), (WishKind.OPEN, None), (WishKind.PARK, None)):
                with pytest.raises(DomeRefused, match=r"Cupola.* commands the dome at .*: take over"):
                    ask(second, kind, azimuth_deg)
            refused = httpx.put(f"{second.http.address}/dome/SetAzim?azim=90", trust_env=False)
            assert (refused.status_code, "commands the dome" in refused.json()["reason"]) == (409, True)

            assert do(first, WishKind.OPEN).is_done
            until(lambda: second.dome.state.shutter.value == "open")
            move = ask(first, WishKind.GOTO, 150.0)
            second.dome.stop("ben").result(LIMIT_S)
            ended = first.loop.submit(first.dome.final(move, LIMIT_S)).result(LIMIT_S)
            assert ended.phase is Phase.FAILED, "it did not arrive, and nobody here stopped it"
            assert do(second, WishKind.CLOSE).is_done

            second.take_over("Ben")
            assert (first.is_dome_owner, second.is_dome_owner) == (False, True)
            assert (first.dome.state.is_owner, second.dome.state.is_owner) == (False, True)
            assert do(second, WishKind.GOTO, 40.0).is_done
            with pytest.raises(DomeRefused, match=r"Cupola.* commands the dome"):
                ask(first, WishKind.GOTO, 90.0)
            assert do(first, WishKind.CLOSE).is_done
            assert mission.SetAzim(50)["ok"] is True, "scripts find the new owner"
            first.take_over("Ada")
            assert do(first, WishKind.GOTO, 60.0).is_done

    def test_an_owner_that_hangs_keeps_the_dome_and_one_that_was_killed_does_not(self, sim, monkeypatch):
        monkeypatch.setattr(ownership, "_HANDS_ON_S", 0.3)
        monkeypatch.setattr(dome_access, "_ANSWER_S", 0.3)
        command = [sys.executable, "-c", OWNER]
        with subprocess.Popen(command, cwd=CHECKOUT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as owner:
            try:
                assert owner.stdout.readline() == "True\n"
                with station() as second:
                    assert not second.is_dome_owner
                    owner.send_signal(signal.SIGSTOP)
                    began_s = time.monotonic()
                    with pytest.raises(DomeRefused, match=r"did not hand the dome on within 0\.3 s: end it"):
                        second.take_over("Ben")
                    assert time.monotonic() - began_s < 3.0
                    with pytest.raises(DomeRefused, match=r"Cupola.* commands the dome"):
                        ask(second, WishKind.GOTO, 90.0)
                    assert do(second, WishKind.CLOSE).is_done
                    second.dome.stop("ben").result(LIMIT_S)

                    owner.kill()
                    owner.wait(LIMIT_S)
                    assert not second.dome.state.is_owner, "nobody becomes the owner by himself"
                    second.take_over("Ben")
                    assert do(second, WishKind.GOTO, 90.0).is_done
                    assert mission.DomeStatus()["azim"] == pytest.approx(90.0, abs=1.0)
            finally:
                owner.kill()

    def test_one_dome_has_one_lock_by_whatever_name(self, own_home):
        folder = own_home / "domes"
        one = ownership.Ownership(folder, ownership.Dome(server="127.0.0.1:11111"))
        other = ownership.Ownership(folder, ownership.Dome(server="LocalHost:11111"))
        assert (one.is_ours, other.is_ours) == (True, False)
        one.release()
        assert other.acquire() is True
        other.release()
