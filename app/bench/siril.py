"""Siril, as its users run it: a script on a folder of numbered frames."""

from __future__ import annotations

from pathlib import Path

from app.bench.cost import Cost, cost_of
from app.bench.place import installed

MISSING = "siril-cli is not installed"


def siril() -> str | None:
    """Where it lies."""
    return installed("siril-cli")


def run(folder: Path, *commands: str) -> Cost:
    """Cost of a script.

    Raises
    ------
    BenchFailed
        A command failed.
    """
    script = folder / "bench.ssf"
    script.write_text("\n".join(("requires 1.0.0", "setext fits", *commands, "")), encoding="utf-8")
    return cost_of((siril() or "siril-cli", "-d", str(folder), "-s", str(script)), folder)
