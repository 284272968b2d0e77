"""Watches over the guard: keeps it alive, renews its leases, and tells it what is done to the dome."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from http.client import HTTPConnection, HTTPException
from threading import Lock
from typing import Any

from pydantic import ValidationError

from app.model.clock import Clock
from app.model.dome import Override
from app.model.errors import ObservatoryError
from app.model.guard import GuardPlan, GuardState
from app.model.reading import NEVER_READ, Reading
from app.services.lanes import Lane

log = logging.getLogger(__name__)

#: A lease is renewed while its program's tick is younger.
TICK_FRESH_S = 2.0
#: Between two tries to start a guard.
_START_AGAIN_S = 2.0
_TIMEOUT_S = 2.0
#: A guard that says nothing for so long hangs, and is ended.
HANGS_S = 30.0
_TOKEN_HEADER = "X-Cupola-Token"  # noqa: S105 - the name of a header, not a secret


class GuardUnreachable(ObservatoryError):
    """No guard answers."""


class GuardSaidNo(ObservatoryError):
    """The guard answers, and refuses; the sentence is its own."""


@dataclass(frozen=True, slots=True)
class _Runtime:
    """Where a guard answers, as its file has it."""

    port: int
    token: str
    digest: str


class GuardWatch:
    """The guard, as the services and the window see it.

    Parameters
    ----------
    plan : GuardPlan
        What it guards.
    start : callable
        Starts a guard by the plan and waits until it is on duty; raises `ObservatoryError`.
    clock : Clock
        Monotonic for ages, UTC for the readings.
    poll_s : float
        Between two questions.
    end_hung : callable, optional
        Ends a guard that is there and hangs, so that another can start; raises `ObservatoryError`.
    hangs_s : float
        One that says nothing for so long hangs.
    """

    def __init__(
        self,
        plan: GuardPlan,
        start: Callable[[], None],
        clock: Clock,
        *,
        poll_s: float = 1.0,
        end_hung: Callable[[], None] = lambda: None,
        hangs_s: float = HANGS_S,
    ) -> None:
        self._plan = plan
        self._start = start
        self._end_hung = end_hung
        self._hangs_s = hangs_s
        self._clock = clock
        self._poll_s = poll_s
        self._polls = Lane("guard-poll")
        self._orders = Lane("guard-orders", threads=4)
        self._lock = Lock()
        self._ticks: dict[str, float] = {}
        self._listeners: tuple[Callable[[Reading[GuardState]], None], ...] = ()
        self._runner: asyncio.Task[Any] | None = None
        self._state: Reading[GuardState] = NEVER_READ
        self._start_due_s = 0.0
        self._silent_since_s: float | None = None

    @property
    def state(self) -> Reading[GuardState]:
        """The guard's newest word, and why there is none; from any thread."""
        return self._state

    def subscribe(self, listener: Callable[[Reading[GuardState]], None]) -> Callable[[], None]:
        """Have each new word handed to a listener, on the loop's thread; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    async def run(self) -> None:
        """Ask the guard, renew the leases, and start it when none answers, until cancelled."""
        self._runner = asyncio.current_task()
        while True:
            asked_s, asked_at = self._clock.monotonic(), self._clock.utc()
            try:
                state = await self._polls.call(self._poll)
            except GuardUnreachable as error:
                self._failed(str(error))
                await self._start_again()
            except ObservatoryError as error:
                self._failed(str(error))
            except Exception:
                log.exception("Bug while the guard was asked")
                self._failed("The guard is not asked because of a bug, which the log has: restart Cupola")
            else:
                self._silent_since_s = None
                if self._state.failure is not None:
                    log.info("The guard answers again")
                self._publish(Reading(state, asked_s, asked_at))
            await asyncio.sleep(self._poll_s)

    async def shut_down(self) -> None:
        """End the watch, and the leases of whoever still ticks, within seconds; the guard stays on duty."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner}, timeout=1.0)
        for name in self._ticking():
            ended = self._polls.submit(partial(self._send, "DELETE", "/lease", {"name": name}))  # after the last poll
            ended.add_done_callback(partial(_log_failure, "the end of a lease"))
        await asyncio.gather(self._polls.close(), self._orders.close())

    def tick(self, name: str) -> None:
        """The program of that name lives: from its own loop, any thread; nothing is sent here."""
        with self._lock:
            self._ticks[name] = self._clock.monotonic()

    def read(self) -> Future[GuardState]:
        """Ask for its word, past the polls."""
        return self._order("GET", "/state")

    def end_lease(self, name: str) -> Future[GuardState]:
        """The program quits in order, after the question of the dome is settled."""
        with self._lock:
            self._ticks.pop(name, None)
        return self._order("DELETE", "/lease", name=name)

    def stopped(self, who: str) -> Future[GuardState]:
        """Somebody pressed STOP."""
        return self._order("PUT", "/stop", who=who)

    def opening(self, who: str, is_attended: bool) -> Future[GuardState]:
        """The dome is told to open."""
        return self._order("PUT", "/opening", who=who, is_attended=is_attended)

    def override(self, override: Override, covers: tuple[str, ...]) -> Future[GuardState]:
        """Somebody takes the responsibility for what is named."""
        given = {"name": override.name, "reason": override.reason, "minutes": override.minutes}
        return self._order("PUT", "/override", **given, covers=list(covers))

    def end_override(self, who: str) -> Future[GuardState]:
        """Somebody ends the override."""
        return self._order("DELETE", "/override", who=who)

    def take_lockout(self, who: str, reason: str) -> Future[GuardState]:
        """Somebody goes into the dome."""
        return self._order("PUT", "/lockout", who=who, reason=reason)

    def release_lockout(self, who: str, of: str) -> Future[GuardState]:
        """Somebody releases LOCKOUT, and names who holds it."""
        return self._order("DELETE", "/lockout", who=who, of=of)

    def end(self, who: str) -> Future[GuardState]:
        """End the guard, which it refuses while it is needed."""
        return self._order("PUT", "/end", who=who)

    def _order(self, verb: str, path: str, **body: object) -> Future[GuardState]:
        """Send it past the polls; its failure is logged too, for nobody has to look at the future."""
        sent = self._orders.submit(lambda: self._send(verb, path, body))
        sent.add_done_callback(partial(_log_failure, f"{verb} {path}"))
        return sent

    def _poll(self) -> GuardState:
        """Renew the leases of whoever ticks, and read the state."""
        try:
            state = self._send("GET", "/state", {})
        except GuardSaidNo as error:  # it answers, and does not look any more
            raise GuardUnreachable(str(error)) from error
        for name in self._ticking():
            state = self._send("PUT", "/lease", {"name": name})
        self._see_to_plan(state)
        return state

    def _ticking(self) -> tuple[str, ...]:
        now_s = self._clock.monotonic()
        with self._lock:
            return tuple(name for name, at_s in self._ticks.items() if now_s - at_s <= TICK_FRESH_S)

    async def _start_again(self) -> None:
        """Start a guard, at most every few seconds, and end one before that hangs."""
        now_s = self._clock.monotonic()
        self._silent_since_s = now_s if self._silent_since_s is None else self._silent_since_s
        if now_s < self._start_due_s:
            return
        self._start_due_s = now_s + _START_AGAIN_S
        try:
            if now_s - self._silent_since_s > self._hangs_s:
                self._silent_since_s = now_s
                await self._polls.call(self._end_hung)
            await self._polls.call(self._start)
        except ObservatoryError as error:
            self._failed(str(error))
        except Exception:
            log.exception("Bug while the guard was started")

    def _see_to_plan(self, state: GuardState) -> None:
        """End a guard by another plan once the dome is closed, where this program keeps one; the next poll starts it."""
        runtime = self._runtime()
        if self._ticking() and runtime.digest != self._plan.digest and state.shutter in ("closed", "proven closed"):
            log.info("The guard works by an older plan, and is replaced")
            self._send("PUT", "/end", {"who": "Cupola, for a newer plan"})

    def _runtime(self) -> _Runtime:
        file = self._plan.runtime_file
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            return _Runtime(int(known["port"]), str(known["token"]), str(known["digest"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise GuardUnreachable("No guard is on duty: it is started by itself within seconds") from error

    def _send(self, verb: str, path: str, body: dict[str, object]) -> GuardState:
        """One request to the guard, on loopback and past every proxy."""
        runtime = self._runtime()
        connection = HTTPConnection("127.0.0.1", runtime.port, timeout=_TIMEOUT_S)
        headers = {_TOKEN_HEADER: runtime.token, "Content-Type": "application/json"}
        try:
            connection.request(verb, path, json.dumps(body), headers)
            reply = connection.getresponse()
            text = reply.read()
        except (OSError, HTTPException) as error:
            raise GuardUnreachable(
                f"The guard does not answer ({error or type(error).__name__}): it is started again by itself"
            ) from error
        finally:
            connection.close()
        if reply.status == 200:
            try:
                return GuardState.model_validate_json(text)
            except ValidationError as error:
                raise GuardUnreachable("What answers at the guard's port is no guard: restart Cupola") from error
        if reply.status == 403:
            raise GuardUnreachable("What answers at the guard's port does not know its token: it is started again")
        raise GuardSaidNo(_sentence(text))

    def _failed(self, why: str) -> None:
        if self._state.failure is None and self._state.value is not None:
            log.error("The guard is lost: %s", why)
        self._publish(self._state.failed(why))

    def _publish(self, state: Reading[GuardState]) -> None:
        self._state = state
        for listener in self._listeners:
            try:
                listener(state)
            except Exception:
                log.exception("Bug in a listener of the guard")


class StillGuard(GuardWatch):
    """The guard of pictures, in which time stands: always of one word, and no process behind it."""

    def __init__(self, plan: GuardPlan, clock: Clock, word: GuardState) -> None:
        super().__init__(plan, lambda: None, clock)
        self._word = word

    def _poll(self) -> GuardState:
        return self._word

    def _send(self, verb: str, path: str, body: dict[str, object]) -> GuardState:
        """Nobody is told."""
        return self._word


def _sentence(text: bytes) -> str:
    try:
        return str(json.loads(text)["error"])
    except (ValueError, KeyError, TypeError):
        return "The guard refuses, and does not say why: see its log"


def _log_failure(what: str, answer: Future[GuardState]) -> None:
    if not answer.cancelled() and (error := answer.exception()) is not None:
        level = logging.INFO if isinstance(error, GuardUnreachable) else logging.WARNING  # a lost guard is said once
        log.log(level, "The guard did not take %s: %s", what, error)
