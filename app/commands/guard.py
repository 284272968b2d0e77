"""`cupola guard`: the dead man's guard of a dome, a process of its own."""

from __future__ import annotations

from pathlib import Path

from app.guard import __main__ as guard


def run(plan: Path | None, *, as_json: bool) -> int:
    """Guard the dome of a plan, or of the settings, until told to end; one line on stdout when it is ready.

    Parameters
    ----------
    plan : Path or None
        A `GuardPlan` as JSON; a guard with a plan ends by itself when nobody needs it any more.
    as_json : bool
        Whether the line is JSON.

    Returns
    -------
    int
        0 at its end; 3 when another guard guards this dome.

    Raises
    ------
    ObservatoryError
        The plan or the settings cannot be used.
    """
    return guard.run(plan, as_json=as_json)
