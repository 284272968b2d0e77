"""`cupola drill`: the fault scripts on a simulator of their own, with what was measured."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from app.commands.console import BAD_USAGE, DONE, FAILED, give, refuse, say
from app.drills.rehearsal import DRILLS, play, rehearsal
from app.drills.report import as_table
from app.drills.soak import Soak, soak

SOAK = "soak"


def show_all(*, as_json: bool) -> int:
    """Print which drills there are."""
    known = {name: drill.proves for name, drill in DRILLS.items()}
    known[SOAK] = "Faults at random for a long time over a real window; not among those that are played by default."
    width = max(len(name) for name in known)
    give(known, "\n".join(f"{name.ljust(width)}  {says}" for name, says in known.items()), as_json=as_json)
    return DONE


def run(name: str | None, minutes: float, seed: int, *, as_json: bool) -> int:
    """Play one drill, or all but the soak.

    Parameters
    ----------
    name : str or None
        None plays all.
    minutes : float
        How long a soak lasts.
    seed : int
        Of its faults.

    Returns
    -------
    int
        0 when everything passed, 1 when something did not, 2 for a drill that there is not.
    """
    if name is not None and name not in (*DRILLS, SOAK):
        return refuse(f"There is no drill {name!r}: see `cupola drill --list`", as_json=as_json, code=BAD_USAGE)
    if sys.platform != "linux":
        return refuse("The drills freeze and kill processes as Linux does: run them there", as_json=as_json)
    with _own_folder() as folder, rehearsal(Path(folder)) as observatory:
        if name == SOAK:
            return _soak(soak(observatory, minutes * 60.0, seed, say), as_json=as_json)
        say("SIMULATED: the drills touch nothing but the simulators that they start ...")
        reports = play(observatory, DRILLS if name is None else (name,))
    give([report.as_json for report in reports], as_table(reports), as_json=as_json)
    return DONE if all(report.is_passed for report in reports) else FAILED


def _soak(result: Soak, *, as_json: bool) -> int:
    give(result.as_json, result.as_text, as_json=as_json)
    return DONE if result.is_passed else FAILED


def _own_folder() -> tempfile.TemporaryDirectory[str]:
    return tempfile.TemporaryDirectory(prefix="cupola-drill-", ignore_cleanup_errors=True)
