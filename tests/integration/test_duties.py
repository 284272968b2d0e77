"""What goes on for hours, asked from outside: following, the guard's word, LOCKOUT, who commands, where the dome is."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time

import httpx
import pytest

from app.bootstrap.dome_access import Manner
from app.bootstrap.observatory import open_observatory
from app.bootstrap.program import operator
from app.bootstrap.station import open_station
from app.commands import dome, guard
from app.commands.doctor_dome import probes_of
from app.model.dome import DomeRefused, DomeWish, WishKind
from app.model.errors import ObservatoryError
from app.model.following import Follower
from tests.simulated import CHECKOUT, simulator

DOME_ID = "5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a001"


@pytest.fixture(scope="module")
def sim():
    with simulator(16.0) as sim:
        yield sim


@pytest.fixture
def settings(own_home, monkeypatch, sim):
    file = own_home / "settings.toml"
    lines = [f'[{name}]\nserver = "{sim.server}"' for name in ("mount", "safety_monitor", "weather")]
    lines += ["[enclosure]\ncan_hit_mount = false", "[front_desk]\nport = 0"]
    lines += [f'[dome]\nserver = "{sim.server}"\nunique_id = "{DOME_ID}"\npoll_s = 0.1']
    file.write_text("\n".join(lines))
    monkeypatch.setenv("CUPOLA_SETTINGS", str(file))


@pytest.fixture
def station(settings):
    """The Cupola that is on duty, without a guard's process."""
    with open_observatory() as observatory, open_station(observatory, is_guarded=False) as station:
        station.loop.submit(station.dome.first_poll()).result(5.0)
        until(lambda: station.surroundings.state.mount.value)
        yield station


def until(is_so, limit_s=10.0):
    """Look until it is so, and return what was looked for."""
    deadline_s, pause = time.monotonic() + limit_s, threading.Event()
    while not (found := is_so()):
        assert time.monotonic() < deadline_s, "it did not come to be in time"
        pause.wait(0.02)
    return found


def test_following_is_switched_over_the_front_desk_and_from_the_command_line(station, capsys):
    def asked(method, query):
        return httpx.request(method, f"{station.http.address}/dome/Follow{query}", trust_env=False)

    assert dome.follow(Manner(waits=False), is_on=True, as_json=True) == 0
    assert json.loads(capsys.readouterr().out)["ok"] is True
    assert station.following.state.who is Follower.CUPOLA
    assert asked("DELETE", "").json()["ok"] is True
    assert station.following.state.who is Follower.NOBODY
    assert asked("PUT", "?on=true&who=Ada").json()["ok"] is True
    assert station.following.state.who is Follower.CUPOLA
    assert dome.follow(Manner(waits=False), is_on=False, as_json=True) == 0
    assert station.following.state.who is Follower.NOBODY
    assert asked("PUT", "").status_code == 422
    station.loop.submit(handed_over(station)).result(5.0)
    assert asked("PUT", "?on=true").status_code == 409


async def handed_over(station):
    station.dome.set_owner(False)


@pytest.mark.usefixtures("settings")
def test_nobody_goes_on_following_when_the_command_ends(capsys):
    assert dome.follow(Manner(waits=False), is_on=True, as_json=True) == 1
    assert "No Cupola is on duty" in json.loads(capsys.readouterr().out)["reason"]


@pytest.mark.logs_warnings
def test_lockout_needs_no_window_and_a_guard_is_started_for_it(station, capsys):
    def said():
        return json.loads(capsys.readouterr().out)

    with pytest.raises(ObservatoryError, match="No guard answers"):
        guard.status(as_json=True)
    with pytest.raises(DomeRefused, match="write it as NAME: REASON"):
        guard.lockout("Ada", as_json=True)
    assert guard.lockout("Ada: mirror wash", as_json=True) == 0
    assert said()["lockout"]["reason"] == "mirror wash"
    assert guard.status(as_json=False) == 0
    assert "LOCKOUT by Ada" in capsys.readouterr().out
    until(lambda: station.guard.state.value)
    word = httpx.get(f"{station.http.address}/dome/Guard", trust_env=False).json()
    assert (word["is_fresh"], word["state"]["phase"], word["state"]["lockout"]["who"]) == (True, "lockout", "Ada")
    assert word["age_s"] < 3.0
    found = probes_of(station.observatory.settings)["Guard"]()
    assert "on duty since" in found.found
    assert "lockout" in found.found
    with pytest.raises(ObservatoryError, match="held by Ada, not by Bob"):
        guard.release("Bob", as_json=True)
    assert guard.release("Ada", as_json=True) == 0
    assert said()["lockout"] is None
    with pytest.raises(ObservatoryError, match="nothing to release"):
        guard.release("Ada", as_json=True)
    rows = [entry.what for entry in station.observatory.journal.newest(10)]
    assert rows.count("LOCKOUT taken") == rows.count("LOCKOUT released") == 1


@pytest.mark.usefixtures("settings")
def test_the_guard_is_asked_one_thing_at_a_time():
    done = subprocess.run(
        [sys.executable, "-m", "app", "guard", "--status", "--release", "Ada"],
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert "give one of" in done.stderr


@pytest.mark.logs_warnings
def test_who_only_watches_knows_who_commands_and_where_the_dome_is(station, sim):
    with open_observatory() as observatory, open_station(observatory, serves_http=False, is_guarded=False) as second:
        owner = f"{operator()}'s Cupola (process {os.getpid()})"
        until(lambda: second.dome.state.owner == owner)
        assert not second.dome.state.is_owner
        assert f"refused: {owner} commands" in dome_refusal(second)
    assert (station.dome.state.is_owner, station.dome.state.owner) == (True, "")
    assert station.dome.state.server == f"{sim.server}/0"
    sim.put("restart", {"dome_number": 4})
    try:
        until(lambda: station.dome.state.server == f"{sim.server}/4", 20.0)
    finally:
        sim.put("restart", {"dome_number": 0})


def dome_refusal(station):
    with pytest.raises(DomeRefused) as refused:
        station.loop.submit(station.dome.ask(DomeWish(WishKind.PARK), "Ada")).result(10.0)
    return str(refused.value)
