"""The simulated observatory in its own process, as the window starts it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: its address, its control path and its process."""

    server: str
    discovery_port: int
    pid: int

    def put(self, path: str, value: Any = None) -> Any:
        """Say something over the control path."""
        reply = httpx.put(f"http://{self.server}/simulator/v1/{path}", json=value or {}, timeout=5.0, verify=False)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def get(self, path: str) -> Any:
        """Ask over the control path."""
        reply = httpx.get(f"http://{self.server}/simulator/v1/{path}", timeout=5.0, verify=False)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def command(self, member: str, **form: str) -> None:
        """Tell a device something as another client does, such as ``"dome/0/abortslew"``."""
        fields = {**form, "ClientID": "1", "ClientTransactionID": "1"}
        reply = httpx.put(f"http://{self.server}/api/v1/{member}", data=fields, timeout=5.0, verify=False)
        assert reply.json()["ErrorNumber"] == 0, reply.text

    def requests(self, since: int = 0) -> list[dict[str, Any]]:
        """Every device request that arrived after that number."""
        requests: list[dict[str, Any]] = httpx.get(
            f"http://{self.server}/simulator/v1/requests", params={"since": since}, timeout=5.0, verify=False
        ).json()
        return requests

    def newest(self) -> int:
        """Number of the newest request."""
        return max((request["number"] for request in self.requests()), default=0)


@contextmanager
def simulator(scale: float = 1.0, port: int = 0, discovery_port: int = 0, **make: Any) -> Iterator[Simulator]:
    """Start a simulator, and end it; `make` are fields of `app.sim.drivers.Make`."""
    code = (
        "from app.commands.simulate import run; from app.sim.drivers import Make;"
        f"run({port}, {scale}, frozen=False, idle_s=120.0, discovery_port={discovery_port}, make=Make(**{make!r}))"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Simulator(json.loads(process.stdout.readline())["server"], discovery_port, process.pid)
        finally:
            process.terminate()
            process.wait(10)


def end_guards(folder: Path) -> None:
    """End the guards that a test left on duty in a home folder, or in homes below it: they outlive their starters."""
    for file in folder.rglob("cupola/guards/guard-*.json"):
        if ".plan" in file.name:
            continue
        try:
            pid = int(json.loads(file.read_text(encoding="utf-8"))["pid"])
        except (OSError, ValueError, KeyError, TypeError):  # it has just ended by itself
            continue
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)
