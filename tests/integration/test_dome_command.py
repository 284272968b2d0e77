"""`cupola dome` against a simulated dome: as the owner for one command, and through the owner's front desk."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from app.bootstrap import dome_access
from app.bootstrap.dome_access import Manner
from app.bootstrap.observatory import lock_file, open_observatory
from app.bootstrap.station import Station, open_station
from app.commands import dome, guard

SIMULATE = (
    "import sys; sys.path.insert(0, '.')\n"
    "from app.commands.simulate import run; run(0, 20.0, frozen=False, idle_s=120.0, discovery_port=0)"
)
MANNER = Manner(timeout_s=20.0)


class Simulator:
    """A simulated dome that moves twenty times quicker than in truth."""

    def __init__(self, server: str) -> None:
        self.server = server
        self.client = httpx.Client(base_url=f"http://{server}/simulator/v1", trust_env=False)

    def control(self, what: str, **content: Any) -> None:
        self.client.put(what, json=content).raise_for_status()

    @property
    def commands(self) -> list[str]:
        """Members that were put since the scene was set, but for the connection."""
        asked = self.client.get("/requests", params={"since": 0}).json()
        return [one["path"].rpartition("/")[2] for one in asked if one["method"] == "PUT" and "/dome/" in one["path"]]


@pytest.fixture(scope="module")
def running() -> Iterator[Simulator]:
    process = subprocess.Popen([sys.executable, "-P", "-c", SIMULATE], stdout=subprocess.PIPE, text=True)
    try:
        simulator = Simulator(json.loads(process.stdout.readline())["server"])
        with simulator.client:
            yield simulator
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def simulator(running: Simulator) -> Simulator:
    running.control("faults")
    running.control("state", dome_azimuth_deg=90.0, shutter="closed")
    return running


def name_the_dome(home: Path, monkeypatch: pytest.MonkeyPatch, server: str) -> None:
    file = home / "settings.toml"
    file.write_text(f'[dome]\nserver = "{server}"\npoll_s = 0.1\nmotion_start_s = 2.0\n[front_desk]\nport = 0\n')
    monkeypatch.setenv("CUPOLA_SETTINGS", str(file))


@pytest.fixture
def settings(own_home: Path, monkeypatch: pytest.MonkeyPatch, simulator: Simulator) -> None:
    name_the_dome(own_home, monkeypatch, simulator.server)


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Any:
    """The one JSON value on stdout since it was asked last."""
    return lambda: json.loads(capsys.readouterr().out)


@pytest.fixture
def station(settings: None) -> Iterator[Station]:
    """The Cupola that owns the dome."""
    with open_observatory() as observatory, open_station(observatory, is_guarded=False) as station:
        station.loop.submit(station.dome.first_poll()).result(5.0)
        yield station


@pytest.mark.usefixtures("settings")
class TestAsTheOwnerForOneCommand:
    def test_dome_is_turned_and_its_status_is_the_missions(self, said):
        before = time.time()
        assert (dome.goto("120.5", None, MANNER, as_json=True), said()) == (0, {"ok": True, "reason": ""})

        assert dome.status(MANNER, as_json=True) == 0
        status = said()
        assert status.pop("azim") == pytest.approx(120.5, abs=1.0)
        assert before <= status.pop("time") <= time.time()
        assert status == {
            "open": False,
            "park": False,
            "connected": True,
            "version": "v0.1.0",
            "closed_by": "driver",
        }

    def test_open_needs_an_override_and_close_and_park_need_none(self, said, simulator):
        assert dome.open_dome(None, MANNER, as_json=True) == 1
        refused = said()
        assert refused["ok"] is False
        assert "override as NAME: REASON" in refused["reason"]
        assert dome.open_dome("Ada", MANNER, as_json=True) == 1
        assert "write it as NAME: REASON" in said()["reason"]

        assert (dome.open_dome("Ada: seen by eye", MANNER, as_json=True), said()["ok"]) == (0, True)
        assert (dome.status(MANNER, as_json=True), said()["open"]) == (0, True)
        assert (dome.close_dome(MANNER, as_json=True), said()["ok"]) == (0, True)
        assert (dome.park(MANNER, as_json=True), said()["ok"]) == (0, True)
        assert dome.status(MANNER, as_json=True) == 0
        status = said()
        assert (status["open"], status["park"]) == (False, True)

    def test_stop_ends_a_motion_that_nobody_waited_for(self, said, simulator):
        assert dome.goto("270", None, replace(MANNER, waits=False), as_json=True) == 0
        assert "not waited for" in said()["reason"]
        assert (dome.stop(MANNER, as_json=True), said()) == (0, {"ok": True, "reason": ""})
        assert dome.status(MANNER, as_json=True) == 0
        assert said()["azim"] != pytest.approx(270.0, abs=5.0)

    @pytest.mark.parametrize("azimuth", ["400", "-1", "nan", "north", ""])
    def test_azimuth_that_is_none_reaches_no_dome(self, said, simulator, azimuth):
        known = len(simulator.commands)
        assert dome.goto(azimuth, None, MANNER, as_json=True) == 1
        answer = said()
        assert answer["ok"] is False
        assert "0 to less than 360 degrees" in answer["reason"]
        assert len(simulator.commands) == known

    def test_another_dome_is_named_by_its_server(self, said, simulator, own_home, monkeypatch):
        name_the_dome(own_home, monkeypatch, "127.0.0.1:1")
        assert dome.status(replace(MANNER, server=simulator.server), as_json=True) == 0
        assert said()["connected"] is True
        assert dome.goto("10", None, replace(MANNER, server="nowhere"), as_json=True) == 1
        assert "give HOST:PORT" in said()["reason"]


@contextmanager
def answering(answer: bytes | None) -> Iterator[str]:
    """A server of another kind: it says the same to everybody, or nothing at all."""
    connections: list[socket.socket] = []

    def reply(connection: socket.socket) -> None:
        if connection.recv(65536) and answer is not None:
            connection.sendall(answer)

    def serve() -> None:
        while True:
            try:
                connections.append(listener.accept()[0])
            except OSError:  # the test is over
                return
            threading.Thread(target=reply, args=connections[-1:], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = threading.Thread(target=serve)
        server.start()
        yield "{}:{}".format(*listener.getsockname())
        listener.shutdown(socket.SHUT_RDWR)
        server.join()
    for connection in connections:
        connection.close()


HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>"


@contextmanager
def absent() -> Iterator[str]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        address = "{}:{}".format(*listener.getsockname())
    yield address


@pytest.mark.logs_warnings
@pytest.mark.parametrize("server", [absent(), answering(None), answering(HTML)], ids=["absent", "hangs", "HTML"])
def test_server_that_is_no_dome_gets_a_sentence(server, capsys, own_home, monkeypatch):
    with server as address:
        name_the_dome(own_home, monkeypatch, address)
        assert dome.status(MANNER, as_json=True) == 1
        seen = capsys.readouterr()
        assert (json.loads(seen.out)["connected"], json.loads(seen.out)["azim"]) == (False, None)
        assert address in seen.err

        assert dome.goto("10", None, MANNER, as_json=True) == 1
        answer = json.loads(capsys.readouterr().out)
        assert answer["ok"] is False
        assert address in answer["reason"]


class TestThroughTheOwner:
    def test_owner_is_asked_and_writes_down_who_asked(self, settings, said):
        with open_observatory() as observatory, open_station(observatory, is_guarded=False):
            assert (dome.goto("100", None, MANNER, as_json=True), said()["ok"]) == (0, True)
            assert (dome.status(MANNER, as_json=True), said()["azim"]) == (0, pytest.approx(100.0, abs=1.0))
            assert dome.open_dome(None, MANNER, as_json=True) == 1
            assert "override" in said()["reason"]
            assert (dome.stop(MANNER, as_json=True), said()["ok"]) == (0, True)
        with open_observatory() as observatory:
            rows = {entry.who for entry in observatory.journal.newest(50) if entry.what.startswith("dome")}
        assert rows == {f"{dome_access.operator()} over HTTP"}

    def test_second_owner_is_refused_but_may_close_and_stop(self, station, said):
        lock_file(station.observatory.database, "desk").with_suffix(".json").unlink()  # as if its port had been taken
        assert dome.goto("100", None, MANNER, as_json=True) == 1
        assert "Another Cupola commands the dome" in said()["reason"]
        assert (dome.close_dome(MANNER, as_json=True), said()["ok"]) == (0, True)
        assert (dome.stop(MANNER, as_json=True), said()["ok"]) == (0, True)

    @pytest.mark.parametrize("left_behind", [absent(), answering(HTML)], ids=["nobody", "another program"])
    def test_address_that_a_killed_owner_left_behind_is_passed_over(self, settings, said, left_behind):
        with left_behind as address:
            write_address(address)
            assert (dome.goto("95", None, MANNER, as_json=True), said()["ok"]) == (0, True)

    def test_owner_that_hangs_gets_a_sentence_and_stop_goes_past_it(self, settings, said, monkeypatch):
        monkeypatch.setattr(dome_access, "_ANSWER_S", 0.3)
        monkeypatch.setattr(dome_access, "_STOP_ANSWER_S", 0.3)
        with answering(None) as address:
            write_address(address)
            assert dome.goto("95", None, replace(MANNER, timeout_s=0.1), as_json=True) == 1
            assert f"does not answer at {address}" in said()["reason"]
            assert (dome.stop(replace(MANNER, timeout_s=0.1), as_json=True), said()["ok"]) == (0, True)

    def test_many_at_once_are_all_answered(self, station):
        with ThreadPoolExecutor(8) as threads:
            codes = list(threads.map(lambda _: dome.status(MANNER, as_json=True), range(16)))
        assert codes == [0] * 16


def write_address(address: str) -> None:
    with open_observatory() as observatory:
        file = lock_file(observatory.database, "desk").with_suffix(".json")
    file.write_text(json.dumps({"port": int(address.partition(":")[2]), "pid": 1}))


@pytest.mark.usefixtures("settings")
def test_who_goes_into_the_dome_stops_it_and_nothing_moves_until_they_are_out(simulator, said):
    known = len(simulator.commands)
    guard.lockout("Ada: greases the wheels", as_json=True)
    state = said()
    try:
        assert state["lockout"]["who"] == "Ada"
        assert "abortslew" in simulator.commands[known:]
        assert dome.goto("200", None, MANNER, as_json=True) == 1
        assert "slewtoazimuth" not in simulator.commands[known:]
        assert "Ada releases it" in said()["reason"]
        guard.release("Ada", as_json=True)
        assert said()["lockout"] is None
    finally:
        os.kill(state["pid"], signal.SIGTERM)
