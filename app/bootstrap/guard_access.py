"""The guard for one question of a command: whoever goes into the dome needs no window for LOCKOUT."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any

from app.bootstrap.devices import devices_of
from app.bootstrap.guarding import start_guard
from app.bootstrap.observatory import Observatory, open_observatory
from app.bootstrap.program import operator
from app.bootstrap.station import guard_plan
from app.model.errors import ObservatoryError
from app.model.guard import GuardPlan, GuardState
from app.services.guard_watch import GuardUnreachable, GuardWatch

_ANSWER_S = 10.0


def guard_state() -> GuardState:
    """What the guard of the settings' dome says now; raises `ObservatoryError` when none answers."""
    with _opened() as (_, _plan, watch):
        return _said(watch.read())


def take_lockout(name: str, reason: str) -> GuardState:
    """People go into the dome; a guard is started for that when there is none.

    Raises
    ------
    ObservatoryError
        Somebody else holds it, or no guard can be had: then nobody may go in.
    """
    with _opened() as (observatory, plan, watch):
        try:
            _said(watch.read())
        except ObservatoryError:
            start_guard(plan)
        state = _said(watch.take_lockout(name, reason))
        _note(observatory, "LOCKOUT taken", state, {"in": name, "reason": reason})
        return state


def release_lockout(of: str) -> GuardState:
    """They are out again; raises `ObservatoryError` when another than the named one holds it."""
    with _opened() as (observatory, _plan, watch):
        held = _said(watch.read()).lockout
        if held is None:
            raise ObservatoryError("Nobody holds LOCKOUT: there is nothing to release")
        state = _said(watch.release_lockout(operator(), of))
        _note(observatory, "LOCKOUT released", state, {"of": of})
        return state


@contextmanager
def _opened() -> Iterator[tuple[Observatory, GuardPlan, GuardWatch]]:
    with open_observatory() as observatory:
        plan = guard_plan(observatory, devices_of(observatory))
        watch = GuardWatch(plan, lambda: None, observatory.clock)
        try:
            yield observatory, plan, watch
        finally:
            asyncio.run(watch.shut_down())


def _said(answer: Future[GuardState]) -> GuardState:
    try:
        return answer.result(_ANSWER_S)
    except (GuardUnreachable, TimeoutError) as error:
        raise ObservatoryError(
            "No guard answers for this dome: open the window, or run cupola serve or cupola guard, then ask again"
        ) from error


def _note(observatory: Observatory, what: str, state: GuardState, detail: dict[str, Any]) -> None:
    observatory.journal.record(operator(), what, state.server, detail)
