"""What whole processes cost: seconds on processors, on the clock, and the most memory; always in pairs."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from app.model.errors import ObservatoryError
from app.pipeline.workers import ENVIRONMENT

#: Between two looks at the memory of all processes.
_LOOK_S = 0.1
_SAID_CHARS = 2000
_LAUNCH = Path(__file__).with_name("launch.py")


class BenchFailed(ObservatoryError):
    """A benchmark could not be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process and all its children took.

    Attributes
    ----------
    cpu_s, wall_s : float
        Seconds on processors, children included, and on the clock.
    peak_mb : float
        Most memory that the greatest process had at one time, 10^6 bytes.
    together_mb : float
        Most memory that all of them had at one time, looked at ten times a second; shared pages count once.
    said : dict
        What it printed, when that is JSON.
    """

    cpu_s: float
    wall_s: float
    peak_mb: float
    together_mb: float = 0.0
    said: dict[str, Any] = field(default_factory=dict)


def cost_of(
    command: tuple[str, ...], folder: Path, variables: Mapping[str, str] | None = None, *, watch: bool = False
) -> Cost:
    """Run a process to its end.

    Parameters
    ----------
    command : tuple of str
        Program and arguments.
    folder : Path
        Where it runs; it is its HOME too.
    variables : mapping, optional
        Further variables of its environment.
    watch : bool
        Whether to sum up the memory of its children as well.

    Raises
    ------
    BenchFailed
        It ended with an error.
    """
    output, took = folder / ".said", folder / ".took"
    with output.open("wb") as file:
        process = subprocess.Popen(
            (sys.executable, "-I", "-S", str(_LAUNCH), str(took), *command),
            cwd=folder,
            env=environment(folder, variables or {}),
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            process_group=0,
        )
        together = _Memory(process.pid) if watch else None
        try:
            process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
        finally:
            most_mb = together.end() if together else 0.0
    said = output.read_text(encoding="utf-8", errors="replace")
    if process.returncode != 0:
        raise BenchFailed(
            f"{Path(command[0]).name} ended with code {process.returncode}: {said[-_SAID_CHARS:].strip()}"
        )
    cpu_s, wall_s, peak_kb = map(float, took.read_text(encoding="ascii").split())
    return Cost(cpu_s, wall_s, peak_kb * 1024 / 1e6, most_mb, _json(said))


def child(task: str, folder: Path, *arguments: object) -> Cost:
    """Cost of a task of `app.bench.children` in a process of its own."""
    command = (sys.executable, "-P", "-m", "app.bench.children", task, *map(str, arguments))
    return cost_of(command, folder, ENVIRONMENT)


def paired(rounds: int, *alternatives: Callable[[], Cost]) -> list[list[Cost]]:
    """Costs of all alternatives, one after the other in every round, so that a busy machine is busy for all of them."""
    found: list[list[Cost]] = [[] for _ in alternatives]
    for _ in range(rounds):
        for costs, alternative in zip(found, alternatives, strict=True):
            costs.append(alternative())
    return found


def ratio(ours: list[Cost], theirs: list[Cost], of: Callable[[Cost], float] = lambda cost: cost.cpu_s) -> float:
    """Median of the ratios of the rounds."""
    return median(of(one) / of(other) for one, other in zip(ours, theirs, strict=True))


def middle(costs: list[Cost], of: Callable[[Cost], float] = lambda cost: cost.cpu_s) -> float:
    """Median over the rounds."""
    return median(of(cost) for cost in costs)


def rounds_text(rounds: int) -> str:
    """For the details of a row."""
    return "one round" if rounds == 1 else f"{rounds} rounds"


def peak_mb(cost: Cost) -> float:
    """Most memory of the greatest process."""
    return cost.peak_mb


class _Memory:
    """Looks at the memory of a process and all its descendants until the end."""

    def __init__(self, pid: int) -> None:
        self._pid, self._most_kb = pid, 0
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._look, name="memory", daemon=True)
        self._thread.start()

    def end(self) -> float:
        """Most, 10^6 bytes."""
        self._ended.set()
        self._thread.join()
        return self._most_kb * 1024 / 1e6

    def _look(self) -> None:
        while not self._ended.wait(_LOOK_S):
            self._most_kb = max(self._most_kb, sum(_shared_out_kb(pid) for pid in _family(self._pid)))


def _family(pid: int) -> list[int]:
    found = [pid]
    for one in found:
        for file in Path(f"/proc/{one}/task").glob("*/children"):
            with contextlib.suppress(OSError):
                found += [int(word) for word in file.read_text().split()]
    return found


def _shared_out_kb(pid: int) -> int:
    """Memory of a process; of pages that others have too, its share."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1])
    return 0


def environment(home: Path, more: Mapping[str, str]) -> dict[str, str]:
    """Of a child: a home of its own, the kernels and the table of the sky that there are, no settings of the user.

    Python keeps what it compiled, as it does for users.
    """
    from app.paths import kernel_folder

    foreign = ("CUPOLA_", "XDG_", "PYTHONDONTWRITEBYTECODE")
    own = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
    kernels, package = kernel_folder(), Path(__file__).parents[2]
    own |= {"HOME": str(home), "XDG_CACHE_HOME": str(kernels.parents[1]), "PYTHONPATH": str(package)}
    return own | {"NUMBA_CACHE_DIR": str(kernels)} | dict(more)


def _json(said: str) -> dict[str, Any]:
    with contextlib.suppress(ValueError):
        values = json.loads(said[said.index("{") :])
        return values if isinstance(values, dict) else {}
    return {}
