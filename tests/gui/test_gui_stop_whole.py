"""STOP from a real press on the whole window to the simulator's socket, whatever is open and however the dome hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from time import monotonic
from typing import Any

import pytest
from PySide6.QtCore import QRect

from tests.gui.display import Display, start_display
from tests.gui.window import ask, newest, night_simulator, write_settings
from tests.simulated import Simulator

IN_TIME_S = 0.1
PRESSES = 20
#: What is open, whether STOP leaves a popup open, and which dialog is modal.
CASES = {
    "nothing": (False, None),
    "combo": (True, None),
    "menu": (True, None),
    "file": (False, "QFileDialog"),
    "modal": (False, "QDialog"),
}


class Child:
    """The program of `stop_whole_child.py` on a real display."""

    def __init__(self, display: Display, folder: Path, simulated: Simulator, night: str) -> None:
        checkout = Path(__file__).parents[2]
        given = {"CUPOLA_SETTINGS": str(write_settings(folder)), "HOME": str(folder), "PYTHONPATH": str(checkout)}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.gui.stop_whole_child", simulated.server, night],
            cwd=checkout,
            env=display.environment | given,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.lines: SimpleQueue[dict[str, Any]] = SimpleQueue()
        self.reader = Thread(target=self.read, daemon=True)
        self.reader.start()
        self.place = QRect(*self.next("ready")["ready"])

    def read(self) -> None:
        """Take its lines."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            self.lines.put(json.loads(line))

    def next(self, name: str) -> dict[str, Any]:
        """The next thing of that name."""
        while True:
            values = self.lines.get(timeout=30)
            if name in values:
                return values

    def order(self, name: str, answer: str = "opened") -> dict[str, Any]:
        """Say what it should do, and wait until it did."""
        assert self.process.stdin is not None
        self.process.stdin.write(f"{name}\n")
        self.process.stdin.flush()
        return self.next(answer)

    def close(self) -> None:
        """End it in order."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        try:
            code = self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise
        finally:
            self.reader.join(timeout=10)
            self.process.stdout.close()
        assert code == 0


@pytest.fixture(scope="module")
def display() -> Iterator[Display]:
    if os.name != "posix":
        pytest.skip("X servers are tested on Linux")
    with start_display() as started:
        yield started


@pytest.fixture(scope="module")
def simulated() -> Iterator[tuple[Simulator, str]]:
    with night_simulator() as running:
        yield running


@pytest.fixture(scope="module")
def child(
    display: Display, simulated: tuple[Simulator, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Child]:
    started = Child(display, tmp_path_factory.mktemp("stop"), *simulated)
    yield started
    started.close()


@pytest.fixture(scope="module")
def waits(child: Child) -> Iterator[list[float]]:
    """Of all presses of this module, seconds."""
    taken: list[float] = []
    yield taken
    sys.stderr.write(f"STOP, {len(taken)} presses: {figures(taken)}\n")


def figures(waits: list[float]) -> str:
    """Median, 99th percentile (the second worst of 100 is beyond it) and worst, in milliseconds."""
    ordered = sorted(waits)
    p99 = ordered[min(len(ordered) - 1, round(0.99 * len(ordered)) - 1)]
    return f"p50 {ordered[len(ordered) // 2] * 1e3:.1f}, p99 {p99 * 1e3:.1f}, max {ordered[-1] * 1e3:.1f} ms"


def press(display: Display, child: Child, simulator: Simulator) -> float:
    """Seconds from the press to the arrival of AbortSlew at the simulator's socket, both by the machine's clock."""
    since, at = newest(simulator), child.place.center()
    pressed_s = monotonic()
    display.pointer.click(at.x(), at.y())
    return arrived_s(simulator, since, pressed_s) - pressed_s


def arrived_s(simulator: Simulator, since: int, pressed_s: float) -> float:
    while monotonic() < pressed_s + 5.0:
        for one in ask(simulator, f"requests?since={since}"):
            if one["path"].endswith("/dome/0/abortslew") and one["at_s"] >= pressed_s:
                return float(one["at_s"])
    raise AssertionError("STOP did not reach the simulator within 5 s")


@pytest.mark.parametrize("obstacle", CASES)
def test_first_press_reaches_the_simulator_in_time(
    display: Display,
    child: Child,
    simulated: tuple[Simulator, str],
    waits: list[float],
    obstacle: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    simulator, _ = simulated
    child.order(obstacle)
    before = child.order("state", "popup")
    assert (before["popup"], before["modal"]) == CASES[obstacle]
    mine = [press(display, child, simulator) for _ in range(PRESSES)]
    assert child.order("state", "popup") == before, "STOP closed what was open"
    child.order("nothing")
    waits.extend(mine)
    with capsys.disabled():
        sys.stderr.write(f"\nSTOP with {obstacle} open: {figures(mine)}")
    assert max(mine) < IN_TIME_S


def test_first_press_reaches_a_dome_server_that_hangs(
    display: Display, child: Child, simulated: tuple[Simulator, str], waits: list[float], capsys: Any
) -> None:
    simulator, _ = simulated
    child.order("file")
    simulator.put("faults", {"hang_s": 10.0})
    mine = [press(display, child, simulator) for _ in range(PRESSES)]
    simulator.put("faults", {})
    child.order("nothing")
    waits.extend(mine)
    with capsys.disabled():
        sys.stderr.write(f"\nSTOP while the server hangs: {figures(mine)}\n")
    assert max(mine) < IN_TIME_S


def test_keys_reach_the_simulator_in_time(
    display: Display, child: Child, simulated: tuple[Simulator, str], waits: list[float]
) -> None:
    simulator, _ = simulated
    for obstacle in CASES:
        child.order(obstacle)
        since, pressed_s = newest(simulator), monotonic()
        display.pointer.tap("Ctrl", "Shift", "s")
        waits.append(arrived_s(simulator, since, pressed_s) - pressed_s)
        child.order("nothing")
    assert max(waits[-len(CASES) :]) < IN_TIME_S
