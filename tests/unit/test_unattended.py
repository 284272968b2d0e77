"""An observatory without an operator and without a guard closes by itself, and leaves retries to the dome service."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import pytest

from app.model.clock import SystemClock
from app.model.dome import ShutterState
from app.model.guard import GuardState
from app.model.reading import NEVER_READ, Reading
from app.services import unattended
from app.services.unattended import close_without_guard
from tests.fakes import ScriptedDome
from tests.unit.test_dome_service import LIMIT_S, running, when

pytestmark = pytest.mark.logs_warnings


class Guard:
    """A guard that is on duty, or is never heard of; it counts how often somebody looks."""

    def __init__(self, *, is_on_duty):
        self.is_on_duty, self.looks, self.looked = is_on_duty, 0, asyncio.Event()

    @property
    def state(self):
        self.looks += 1
        self.looked.set()
        word = GuardState(server="sim:1/0", pid=7)
        return Reading(word, SystemClock().monotonic()) if self.is_on_duty else NEVER_READ

    async def is_looked_at(self, times):
        seen = self.looks
        async with asyncio.timeout(LIMIT_S):
            while self.looks < seen + times:
                self.looked.clear()
                await self.looked.wait()


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(unattended, "WITHOUT_GUARD_S", 0.02)
    monkeypatch.setattr(unattended, "_LOOK_S", 0.005)


def alone(dome, then, *, is_on_duty=False, **settings):
    """Have nobody but the services look after the dome, and do `then` meanwhile."""

    async def run():
        guard = Guard(is_on_duty=is_on_duty)
        async with running(dome, **settings) as service:
            closing = asyncio.create_task(close_without_guard(service, guard, SystemClock()))
            try:
                await then(service, guard)
            finally:
                dome.let_go.set()
                closing.cancel()
                with suppress(asyncio.CancelledError):
                    await closing

    asyncio.run(run())


def test_without_a_guard_the_dome_is_closed():
    dome = ScriptedDome(shutter=ShutterState.OPEN)

    async def then(service, _):
        await when(service, lambda state: state.shutter.value is ShutterState.CLOSED)

    alone(dome, then)
    assert dome.calls.count("close_shutter") == 1


def test_with_a_guard_it_stays_open():
    dome = ScriptedDome(shutter=ShutterState.OPEN)

    async def then(_, guard):
        await guard.is_looked_at(20)

    alone(dome, then, is_on_duty=True)
    assert "close_shutter" not in dome.calls


@pytest.mark.parametrize("motion_start_s", [60.0, 0.01], ids=["under way", "to be sent again"])
def test_a_close_is_not_asked_for_anew(motion_start_s):
    dome = ScriptedDome(shutter=ShutterState.OPEN, obeys=False)

    async def then(service, guard):
        is_due = motion_start_s < 1.0
        await when(service, lambda state: state.close_again_s is not None if is_due else state.move is not None)
        await guard.is_looked_at(20)

    alone(dome, then, motion_start_s=motion_start_s)
    assert dome.calls.count("close_shutter") == 1


def test_a_bug_in_the_dome_service_ends_no_watch(caplog):
    dome = ScriptedDome(shutter=ShutterState.OPEN)

    async def then(service, guard):
        ask, service.ask = service.ask, None
        await guard.is_looked_at(20)
        service.ask = ask
        await when(service, lambda state: state.shutter.value is ShutterState.CLOSED)

    alone(dome, then)
    assert "Bug while the dome was closed" in caplog.text
