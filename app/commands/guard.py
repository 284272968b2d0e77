"""`cupola guard`: the dead man's guard of a dome, a process of its own; what it says, and LOCKOUT for who goes in."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from app.model.dome import DomeRefused
from app.model.guard import GuardState
from app.model.wording import age_text, duration_text, time_text


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
    from app.guard import __main__ as guard

    return guard.run(plan, as_json=as_json)


def status(*, as_json: bool) -> int:
    """Print what the guard of the settings' dome says."""
    from app.bootstrap.guard_access import guard_state

    return _give(guard_state(), as_json=as_json)


def lockout(text: str, *, as_json: bool) -> int:
    """Take LOCKOUT, and stop what moves; `text` is ``NAME: REASON`` of who goes into the dome."""
    from app.bootstrap.dome_access import Manner, stop
    from app.bootstrap.guard_access import take_lockout
    from app.commands.console import say

    name, _, reason = (part.strip() for part in text.partition(":"))
    if not name or not reason:
        raise DomeRefused(f"LOCKOUT {text[:80]!r} has no name or no reason: write it as NAME: REASON")
    state = take_lockout(name, reason)
    stopped = stop(Manner(), say)
    if not stopped.is_ok:
        say(f"LOCKOUT holds, but the dome was not seen standing still: {stopped.reason}")
    return _give(state, as_json=as_json)


def release(name: str, *, as_json: bool) -> int:
    """Release the LOCKOUT that `name` holds."""
    from app.bootstrap.guard_access import release_lockout

    return _give(release_lockout(name.strip()), as_json=as_json)


def _give(state: GuardState, *, as_json: bool) -> int:
    from app.commands.console import DONE, give

    give(state.model_dump(mode="json"), "\n".join(_described(state)), as_json=as_json)
    return DONE


def _described(state: GuardState) -> Iterator[str]:
    """One line for each thing that somebody at a terminal wants to know."""
    yield f"guard of {state.server}: {state.phase}, process {state.pid}"
    if state.lockout is not None:
        held = state.lockout
        yield f"LOCKOUT by {held.who} since {time_text(held.since)} UTC ({held.reason}): nothing moves, nothing closes"
    if state.reason:
        yield f"because: {state.reason}"
    if state.countdown_s is not None:
        yield f"closes again in {duration_text(state.countdown_s)}"
    verdict = {True: "safe", False: "UNSAFE", None: "unknown"}[state.is_safe]
    yield f"sky {verdict}: {state.decider}"
    yield f"shutter {state.shutter}"
    for lease in state.leases:
        yield f"{lease.name} heard of {age_text(lease.age_s)} ago, limit {age_text(lease.limit_s)}"
    yield from (f"! {fault}" for fault in state.faults)
