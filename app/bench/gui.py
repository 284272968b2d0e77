"""How late the window's own thread is while it has a night calibrated."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from time import monotonic
from typing import IO, cast

from app.bench.cost import BenchFailed, cost_of, environment
from app.bench.night import SOLVERS, night_of, warm
from app.bench.place import Place
from app.bench.table import Row
from app.sim.big_night import write_big_night

_LIMITS_MS = {"p95": 16.0, "p99": 50.0, "worst": 100.0}
#: A night of the great camera takes some minutes.
_LONGEST_S = 3600.0


def measure(place: Place) -> Iterator[Row]:
    """Lateness of a timer of 10 ms, from the beginning of an order to its end."""
    night = night_of(place)
    place.need(night.rows * night.columns * (2 * night.frames + 6 * night.lights + 40))
    place.say(f"rendering {night.frames} frames of {night.columns} x {night.rows}")
    write_big_night(place.sub("raw"), night)
    warm(place)
    home = place.sub("home")
    (home / "settings.toml").write_text(
        f'repository = "{home / "products"}"\n[front_desk]\nport = 0\n{SOLVERS}', encoding="utf-8"
    )
    order = {
        "id": "1", "user": "bench", "request": "calibrate_file_batch", "datetime": "2026-03-15T08:00:00",
        "priority": None, "url": place.sub("raw").as_uri(),
    }  # fmt: skip
    (home / "order.json").write_text(json.dumps(order), encoding="utf-8")
    own = {"CUPOLA_SETTINGS": str(home / "settings.toml"), "QT_QPA_PLATFORM": "offscreen"}
    cost_of((sys.executable, "-P", "-m", "app", "orders", "submit", str(home / "order.json")), home, own)
    place.say("a window works on the night")
    try:
        said = _watched(home, own)
    finally:
        _end_what_outlives_it(home)
    if "worst" not in said:
        raise BenchFailed(f"the window's order ended as {said.get('how')} before anything was measured")
    details = f"{said['ticks']} ticks of 10 ms; {night.frames} frames of {night.columns} x {night.rows}: {said['how']}"
    for name, limit_ms in _LIMITS_MS.items():
        yield Row(
            "gui", f"timer lateness while a night is processed, {name}", said[name], "ms", limit_ms, details=details
        )


def _watched(home: Path, own: dict[str, str]) -> dict[str, float]:
    """What the window says when its order has ended."""
    with (home / "window.log").open("wb") as log:
        window = subprocess.Popen(
            (sys.executable, "-P", "-m", "app.commands.bench_window"),
            cwd=home,
            env=environment(home, own),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
        )
    output = cast(IO[bytes], window.stdout)
    try:
        ready, _, _ = select.select([output], [], [], _LONGEST_S)
        line = output.readline() if ready else b""
    finally:
        window.kill()
        window.wait()
        output.close()
    if not line:
        said = (home / "window.log").read_text(encoding="utf-8", errors="replace")
        raise BenchFailed(f"the window told nothing of its order: {said[-1000:].strip()}")
    values: dict[str, float] = json.loads(line)
    return values


def _end_what_outlives_it(home: Path) -> None:
    """End the simulator and the guard that the window began: they are made to live on when it is killed."""
    until_s = monotonic() + 10.0
    for file in (*home.rglob("simulator.json"), *home.rglob("guards/guard-*.json")):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            pid = int(json.loads(file.read_text(encoding="utf-8"))["pid"])
            os.kill(pid, signal.SIGTERM)
            while monotonic() < until_s:
                os.kill(pid, 0)
                select.select([], [], [], 0.05)
