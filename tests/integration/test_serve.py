"""`cupola serve`: orders come in over HTTP and through the drop folder, are run, and it ends when it is told to."""

from __future__ import annotations

import json
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.builders import small_night
from tests.integration.nights import Home, command, of_kind

SETTINGS = """
[dome]
server = "127.0.0.1:1"
[front_desk]
port = 0
drop_folder = "{drop}"
"""
ORDER = {"id": "1", "request": "calibrate_file_batch", "datetime": "2026-03-14T20:00:00", "user": "Ada"}
PATIENCE_S = 60.0


class Serving:
    """A program that serves, and what it answers."""

    def __init__(self, process: subprocess.Popen[str], address: str) -> None:
        self.process = process
        self.address = address

    def get(self, path: str) -> Any:
        return httpx.get(self.address + path, trust_env=False).json()

    def end(self, how: signal.Signals) -> tuple[int, str]:
        """Tell it to end; its exit code, and what it said."""
        self.process.send_signal(how)
        said = self.process.communicate(timeout=PATIENCE_S)[1]
        return self.process.returncode, said


def until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < deadline
        threading.Event().wait(0.1)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    home = Home(tmp_path)
    home.settings(SETTINGS.format(drop=tmp_path / "drop"))
    (tmp_path / "drop").mkdir()
    return home


@contextmanager
def serving(home: Home, *options: str) -> Iterator[Serving]:
    process = subprocess.Popen(
        [*command(), "serve", "--json", *options],
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        ready = ""
        for line in process.stdout:
            ready += line
            if line.startswith("}"):
                break
        yield Serving(process, json.loads(ready)["address"])
    finally:
        process.kill()
        process.communicate()


def test_orders_come_in_both_ways_and_are_run_until_it_is_told_to_end(home, tmp_path):
    night = small_night(tmp_path / "night").folder
    with serving(home) as served:
        answer = httpx.post(
            f"{served.address}/work-orders", json=ORDER | {"url": night.as_uri()}, timeout=30.0, trust_env=False
        )
        assert answer.status_code == 201
        (tmp_path / "drop" / "sky.json").write_text(
            json.dumps(ORDER | {"id": "2", "request": "observation", "ra": 10.5, "dec": -20.25})
        )
        (tmp_path / "drop" / "bad.json").write_text("calibrate, please")
        until(lambda: served.get("/work-orders/1")["ended"] is not None)
        ended = served.get("/work-orders/1")
        assert ended["state"] == "done_with_problems"
        assert len(of_kind(ended["result"], "light_stack")) == 1
        until((tmp_path / "drop" / "refused" / "bad.txt").exists)
        assert served.get("/work-orders/2")["state"] == "waiting"
        assert served.get("/dome/DomeStatus")["connected"] is False

        second = home.run("serve", "--json")
        assert second.returncode == 1
        assert "another Cupola takes the orders" in json.loads(second.stdout)["error"]

        began = time.monotonic()
        code, said = served.end(signal.SIGTERM)
        assert (code, time.monotonic() - began < 10.0) == (0, True)
        assert "order Ada/1: done with problems" in said
        assert "Traceback" not in said


def test_port_that_is_taken_is_named(home, tmp_path):
    with serving(home) as served:
        port = served.address.rpartition(":")[2]
        other = Home(tmp_path / "other")
        other.settings(SETTINGS.format(drop=tmp_path / "other" / "drop"))
        refused = other.run("serve", "--json", "--port", port)
        assert refused.returncode == 1
        assert f"port {port}" in json.loads(refused.stdout)["error"]
        assert served.end(signal.SIGINT)[0] == 0
