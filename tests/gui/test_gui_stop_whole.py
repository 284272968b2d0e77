"""STOP from a real press on the whole window to the simulator's socket, whatever is open and however the dome hangs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Thread
from time import monotonic
from typing import Any

import pytest
from PySide6.QtCore import QRect

from app.devices.answers import DOME_MEMBERS
from tests.gui.display import Display, start_display
from tests.gui.window import ask, newest, night_simulator, write_settings
from tests.simulated import Simulator, end_guards

IN_TIME_S = 0.1
#: In each case; all of them are the hundred.
PRESSES = 20
POLL_HANGS_S = 10.0
CONFIRMED_WITHIN_S = 20.0
#: What is open, whether STOP leaves a popup open, and which dialog is modal.
CASES = {
    "nothing": (False, None),
    "combo": (True, None),
    "menu": (True, None),
    "file": (False, "QFileDialog"),
    "modal": (False, "QDialog"),
}
#: No reading of the dome is answered in time, and no image comes; what the dome is told is.
HANGING_READS = {
    "members": ["dome/devicestate", *(f"dome/{member}" for member in DOME_MEMBERS)],
    "hang_s": POLL_HANGS_S,
    "more": [{"members": ["camera/imagearray"], "hang_s": 120.0}],
}


class Child:
    """The program of `stop_whole_child.py` on a real display.

    Attributes
    ----------
    way : list of int
        Native ids of the threads through which STOP goes.
    """

    def __init__(self, display: Display, folder: Path, simulated: Simulator, night: str) -> None:
        checkout = Path(__file__).parents[2]
        self.folder = folder
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
        self.way: list[int] = []

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
        answered = self.next(answer)
        self.way = answered.get("way", self.way)
        return answered

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
            end_guards(self.folder)
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


@pytest.fixture(scope="class")
def presses() -> list[Press]:
    """All those under load."""
    return []


@pytest.fixture(scope="class")
def loaded(child: Child, simulated: tuple[Simulator, str]) -> Iterator[None]:
    """Two threads of the window's process compute, the reading of its dome hangs, and so does an image."""
    simulator, _ = simulated
    since = newest(simulator)
    simulator.put("faults", HANGING_READS)
    child.order("load", "loaded")
    wait_for(simulator, since, "/camera/0/imagearray")
    wait_for(simulator, since, "/dome/0/devicestate")
    yield
    simulator.put("faults")
    child.order("rest", "working")


@dataclass(frozen=True, slots=True)
class Press:
    """How long AbortSlew took from the press to the simulator's socket, both by the machine's clock, seconds.

    Attributes
    ----------
    queued_s : float
        So long the threads on its way were ready to run, and no processor was free.
    """

    wait_s: float
    queued_s: float

    @property
    def own_s(self) -> float:
        """By the window's own fault."""
        return max(0.0, self.wait_s - self.queued_s)


def percentile(values: Sequence[float], part: float) -> float:
    """What this part of the values does not exceed: of a hundred the p99 is the second worst."""
    return sorted(values)[max(0, ceil(part * len(values)) - 1)]


def figures(presses: Sequence[Press]) -> str:
    """Percentiles and the worst in milliseconds, as the clock has it and by the window's own fault."""
    parts = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    clock, own = ([getattr(one, name) for one in presses] for name in ("wait_s", "own_s"))
    texts = [
        f"{name} {percentile(clock, part) * 1e3:.0f} ({percentile(own, part) * 1e3:.0f})"
        for name, part in parts.items()
    ]
    return f"{', '.join(texts)} ms (without the wait for a processor)"


def in_time(presses: Sequence[Press], part: float) -> bool:
    """Whether that part of them was in time; a press that other programs kept from the processors says nothing."""
    return percentile([one.own_s for one in presses], part) < IN_TIME_S


def press(display: Display, child: Child, simulator: Simulator) -> Press:
    """Click on STOP, and wait for AbortSlew."""
    at = child.place.center()
    return timed(child, simulator, lambda: display.pointer.click(at.x(), at.y()))


def timed(child: Child, simulator: Simulator, act: Callable[[], None]) -> Press:
    """Do it, and wait for AbortSlew."""
    since, queued_s, pressed_s = newest(simulator), waiting_s(child, simulator), monotonic()
    act()
    arrived_s = wait_for(simulator, since, "/dome/0/abortslew", pressed_s)
    return Press(arrived_s - pressed_s, waiting_s(child, simulator) - queued_s)


def waiting_s(child: Child, simulator: Simulator) -> float:
    """How long the threads on STOP's way have waited for a processor, all in all; 0 where the system does not tell."""
    threads = [(child.process.pid, thread) for thread in child.way] + [(simulator.pid, simulator.pid)]
    waited_ns = 0
    for process, thread in threads:
        with suppress(OSError):
            waited_ns += int(Path(f"/proc/{process}/task/{thread}/schedstat").read_text().split()[1])
    return waited_ns / 1e9


def wait_for(simulator: Simulator, since: int, path: str, not_before_s: float = 0.0) -> float:
    """When that request arrived, by the machine's clock."""
    until_s, pause = monotonic() + 5.0, Event()
    while monotonic() < until_s:
        for one in ask(simulator, f"requests?since={since}"):
            if one["path"].endswith(path) and one["at_s"] >= not_before_s:
                return float(one["at_s"])
        pause.wait(0.005)
    raise AssertionError(f"{path} did not reach the simulator within 5 s")


def is_open(child: Child) -> tuple[bool, str | None]:
    """Whether a popup is, and which modal dialog."""
    state = child.order("state", "popup")
    return state["popup"], state["modal"]


@pytest.mark.usefixtures("loaded")
class TestUnderLoad:
    """A poll that hangs for ten seconds, an image that does not come, two threads that compute; and what is open."""

    @pytest.mark.parametrize("obstacle", CASES)
    def test_first_press_reaches_the_simulator(
        self,
        display: Display,
        child: Child,
        simulated: tuple[Simulator, str],
        presses: list[Press],
        obstacle: str,
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        simulator, _ = simulated
        child.order(obstacle)
        assert is_open(child) == CASES[obstacle]
        mine = [press(display, child, simulator) for _ in range(PRESSES)]
        assert is_open(child) == CASES[obstacle], "STOP closed what was open"
        load = child.order("tell", "working")
        assert (load["working"], load["downloads"]) == (2, True), "the load ended before the presses"
        child.order("nothing")
        presses.extend(mine)
        with capsys.disabled():
            sys.stderr.write(f"\nSTOP with {obstacle} open: {figures(mine)}")

    def test_hundred_presses_were_in_time(self, presses: list[Press], capsys: pytest.CaptureFixture[str]) -> None:
        assert len(presses) == PRESSES * len(CASES) == 100
        with capsys.disabled():
            sys.stderr.write(f"\nSTOP under load, {len(presses)} presses: {figures(presses)}\n")
        assert in_time(presses, 0.99), figures(presses)

    def test_dome_stands_and_the_window_says_so(
        self, display: Display, child: Child, simulated: tuple[Simulator, str]
    ) -> None:
        simulator, _ = simulated
        simulator.command("dome/0/slewtoazimuth", Azimuth="170")
        assert ask(simulator, "state")["dome"]["is_slewing"]
        press(display, child, simulator)
        assert child.order("notice", "notice")["notice"] != "confirmed", "nothing that hangs can confirm it"
        simulator.put("faults", {"more": HANGING_READS["more"]})
        until_s, pause = monotonic() + CONFIRMED_WITHIN_S, Event()
        while (said := child.order("notice", "notice")["notice"]) != "confirmed":
            assert monotonic() < until_s, said
            pause.wait(0.1)
        assert not ask(simulator, "state")["dome"]["is_slewing"]


def test_first_press_reaches_a_dome_server_that_hangs(
    display: Display, child: Child, simulated: tuple[Simulator, str], capsys: pytest.CaptureFixture[str]
) -> None:
    simulator, _ = simulated
    child.order("file")
    simulator.put("faults", {"hang_s": POLL_HANGS_S})
    mine = [press(display, child, simulator) for _ in range(PRESSES)]
    simulator.put("faults")
    child.order("nothing")
    with capsys.disabled():
        sys.stderr.write(f"\nSTOP while the server hangs: {figures(mine)}\n")
    assert in_time(mine, 1.0), figures(mine)


def test_keys_reach_the_simulator_in_time(display: Display, child: Child, simulated: tuple[Simulator, str]) -> None:
    simulator, _ = simulated
    mine = []
    for obstacle in CASES:
        child.order(obstacle)
        mine.append(timed(child, simulator, lambda: display.pointer.tap("Ctrl", "Shift", "s")))
        child.order("nothing")
    assert in_time(mine, 1.0), figures(mine)
