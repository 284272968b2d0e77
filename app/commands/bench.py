"""`cupola bench`: how fast and how small the Processor is, against what users would run instead."""

from __future__ import annotations

import sys

from app.bench.benchmarks import BENCHMARKS, measure
from app.bench.table import Row, as_markdown, command_of, machine
from app.commands.console import BAD_USAGE, DONE, FAILED, give, refuse, say


def run(name: str | None, *, is_quick: bool, as_json: bool) -> int:
    """Run one benchmark, or all.

    Parameters
    ----------
    name : str or None
        None runs all.
    is_quick : bool
        Fewer rounds of smaller frames.

    Returns
    -------
    int
        0 when everything was measured, whether targets were met or not; 1 when something was not, 2 for a benchmark
        that there is not.
    """
    if name is not None and name not in BENCHMARKS:
        sentence = f"There is no benchmark {name!r}: take one of {', '.join(BENCHMARKS)}"
        return refuse(sentence, as_json=as_json, code=BAD_USAGE)
    if sys.platform != "linux" or getattr(sys, "frozen", False):
        return refuse("Benchmarks need Linux and a Python of their own: run them in a checkout", as_json=as_json)
    rows: list[Row] = []
    for row in measure((name,) if name else tuple(BENCHMARKS), say, is_quick=is_quick):
        rows.append(row)
        say("  " + "  ".join(cell for cell in row.cells if cell))
    facts = machine()
    text = "\n".join(
        (
            ", ".join(f"{key} {value}" for key, value in facts.items()),
            "",
            as_markdown(rows, is_quick=is_quick),
        )
    )
    told = [row.as_json | {"command": command_of(row.benchmark, is_quick=is_quick)} for row in rows]
    give({"machine": facts, "is_quick": is_quick, "rows": told}, text, as_json=as_json)
    return DONE if all(row.figure is not None for row in rows) else FAILED
