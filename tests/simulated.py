"""The simulated observatory in its own process, as the window starts it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

CHECKOUT = Path(__file__).parents[1]


@dataclass(frozen=True, slots=True)
class Simulator:
    """A running simulator: its address and its control path."""

    server: str
    discovery_port: int

    def put(self, path: str, value: Any = None) -> Any:
        """Say something over the control path."""
        reply = httpx.put(f"http://{self.server}/simulator/v1/{path}", json=value or {}, timeout=5.0, verify=False)
        assert reply.status_code == 200, reply.text
        return reply.json()

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
def simulator(scale: float = 1.0, port: int = 0, discovery_port: int = 0) -> Iterator[Simulator]:
    """Start a simulator, and end it."""
    code = (
        "from app.commands.simulate import run;"
        f"run({port}, {scale}, frozen=False, idle_s=120.0, discovery_port={discovery_port})"
    )
    with subprocess.Popen([sys.executable, "-c", code], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield Simulator(json.loads(process.stdout.readline())["server"], discovery_port)
        finally:
            process.terminate()
            process.wait(10)
