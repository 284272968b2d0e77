"""The whole window in a process of its own, with its own home and its own simulator, for tests that may kill it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread
from typing import Any

import httpx

from tests.integration.nights import Home
from tests.simulated import end_guards

CHECKOUT = Path(__file__).parents[2]


class WindowProcess:
    """`window_child.py`, spoken to."""

    def __init__(self, home: Home, *options: str, **environment: str) -> None:
        self.errors = home.folder / f"stderr-{time.monotonic_ns()}.txt"
        self.began_s = time.monotonic()
        with self.errors.open("wb") as errors:
            self.process = subprocess.Popen(
                [sys.executable, "-P", "-m", "tests.gui.window_child", *options],
                cwd=CHECKOUT,
                env=home.environment | environment | {"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(CHECKOUT)},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        self.said: list[dict[str, Any]] = []
        self._lines: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def next(self, name: str, timeout_s: float = 30.0) -> dict[str, Any]:
        """The next line that tells of this; what comes before is skipped, and kept in `said`."""
        until_s = time.monotonic() + timeout_s
        while True:
            try:
                values = self._lines.get(timeout=max(0.01, until_s - time.monotonic()))
            except Empty:
                raise AssertionError(f"no {name!r} within {timeout_s:g} s; said: {self.said[-5:]}") from None
            self.said.append(values)
            if name in values:
                return values

    def do(self, command: str, answer: str, **values: Any) -> Any:
        """Ask for something; its answer."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps({"do": command, **values}) + "\n")
        self.process.stdin.flush()
        return self.next(answer)[answer]

    def until(self, is_so: Any, timeout_s: float = 30.0) -> dict[str, Any]:
        """The state, as soon as it is so."""
        until_s, pause = time.monotonic() + timeout_s, Event()
        while not is_so(state := self.do("state", "state")):
            assert time.monotonic() < until_s, state
            pause.wait(0.1)
        return dict(state)

    def batch_process(self) -> int:
        """Process id of the batch that the window runs."""
        children = Path(f"/proc/{self.process.pid}/task").glob("*/children")
        pids = [int(pid) for file in children for pid in file.read_text().split()]
        (found,) = [pid for pid in pids if b"run-batch" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        return found

    def kill(self) -> None:
        """As ``kill -9`` does."""
        self.process.kill()
        self.process.wait(10)
        self._reader.join(10)

    def end(self, timeout_s: float = 30.0) -> int:
        """Wait until it has ended by itself."""
        code = self.process.wait(timeout_s)
        self._reader.join(10)
        while not self._lines.empty():
            self.said.append(self._lines.get())
        return code

    def _read(self) -> None:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self._lines.put(json.loads(line))


class Embedded:
    """The simulator that a window of this home began."""

    def __init__(self, home: Home) -> None:
        known = json.loads((home.database.with_name("simulator.json")).read_text(encoding="utf-8"))
        self.server, self.pid = str(known["server"]), int(known["pid"])

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Device requests that arrived after that number."""
        found: list[dict[str, Any]] = self._get("requests", since=since)
        return found

    def newest(self) -> int:
        """Number of the newest request."""
        return max((request["number"] for request in self.requests()), default=0)

    def dome(self) -> dict[str, Any]:
        """The dome as it is."""
        return dict(self._get("state")["dome"])

    def put(self, **change: Any) -> None:
        """Change the state of a device."""
        httpx.put(f"http://{self.server}/simulator/v1/state", json=change, timeout=5.0, trust_env=False)

    def end(self) -> None:
        """End its process."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def _get(self, path: str, **query: Any) -> Any:
        address = f"http://{self.server}/simulator/v1/{path}"
        return httpx.get(address, params=query, timeout=5.0, trust_env=False).json()


class Windows:
    """Windows of one home, one after the other; the front desk takes any free port."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self._started: list[WindowProcess] = []
        file = folder / ".config" / "cupola" / "settings.toml"
        file.parent.mkdir(parents=True)
        file.write_text("[front_desk]\nport = 0\n", encoding="utf-8")

    def start(self, *options: str, **environment: str) -> WindowProcess:
        """Start a window."""
        self._started.append(WindowProcess(self.home, *options, **environment))
        return self._started[-1]

    @property
    def simulator(self) -> Embedded:
        """The simulator that the newest window uses."""
        return Embedded(self.home)

    def end(self) -> None:
        """End whatever still runs."""
        for window in self._started:
            if window.process.poll() is None:
                window.kill()
            for pipe in (window.process.stdin, window.process.stdout):
                assert pipe is not None
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        with contextlib.suppress(FileNotFoundError):
            self.simulator.end()
        end_guards(self.home.folder)


@contextmanager
def windows(folder: Path) -> Iterator[Windows]:
    """Windows in a home of their own; all of them, their simulator and its guard end with the test."""
    all_of_them = Windows(folder)
    try:
        yield all_of_them
    finally:
        all_of_them.end()
