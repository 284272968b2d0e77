"""Mount, sky, weather and contacts: each read in a lane of its own, so that one that hangs ages alone."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from dataclasses import replace
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from app.model.clock import Clock
from app.model.dome import DeviceError
from app.model.ports import ContactClient, MountClient, SafetyClient, WeatherClient
from app.model.reading import NEVER_READ, Reading
from app.model.surroundings import Surroundings, Weather
from app.model.wind_mean import WindMean
from app.services.lanes import Lane

log = logging.getLogger(__name__)

#: Contacts are quick to answer, and the end of a close waits for their word.
_CONTACT_POLL_S = 0.5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


class _Client(Protocol[T_co]):
    """What all three have in common."""

    def read(self) -> T_co: ...

    def close(self) -> None: ...


class _Watch(Generic[T]):
    """Reads one device again and again."""

    def __init__(
        self, name: str, client: _Client[T], clock: Clock, changed: Callable[[Reading[T]], None], poll_s: float
    ) -> None:
        self._name = name
        self._client = client
        self._clock = clock
        self._changed = changed
        self._lane = Lane(name)
        self._poll_s = poll_s
        self._reading: Reading[T] = NEVER_READ

    async def run(self) -> None:
        """Read until cancelled; no failure ends it."""
        while True:
            asked_s, asked_at = self._clock.monotonic(), self._clock.utc()
            try:
                value = await self._lane.call(self._client.read)
            except DeviceError as error:
                self._failed(str(error))
            except Exception:
                log.exception("Bug while the %s was read", self._name)
                self._failed(f"The {self._name} is not read because of a bug, which the log has: restart Cupola")
            else:
                if self._reading.failure is not None:
                    log.info("The %s is read again", self._name)
                self._reading = Reading(value, asked_s, asked_at)
            self._changed(self._reading)
            await asyncio.sleep(self._poll_s)

    async def close(self) -> None:
        """Let the device go."""
        self._lane.submit(self._client.close)
        await self._lane.close()

    def _failed(self, why: str) -> None:
        if self._reading.failure is None:
            log.warning("The %s is not read: %s", self._name, why)
        self._reading = self._reading.failed(why)


class SurroundingsService:
    """What is around the dome, as far as the settings name it.

    Parameters
    ----------
    mount, safety, weather : callable or None
        Make a client that has not asked its server yet; None where there is no such device.
    clock : Clock
        Monotonic for ages, UTC for the readings.
    contacts : mapping of str to callable
        Make clients of the contacts that there are, by their fields of `Surroundings`.
    poll_s : float
        Pause between two readings of a device, seconds.
    """

    def __init__(
        self,
        mount: Callable[[], MountClient] | None,
        safety: Callable[[], SafetyClient] | None,
        weather: Callable[[], WeatherClient] | None,
        clock: Clock,
        *,
        contacts: Mapping[str, Callable[[], ContactClient]] | None = None,
        poll_s: float = 2.0,
    ) -> None:
        self._mount = mount
        self._stop_lane = Lane("mount-stop", threads=4)
        self._listeners: tuple[Callable[[Surroundings], None], ...] = ()
        self._runner: asyncio.Task[Any] | None = None
        self._state = Surroundings(
            has_mount=mount is not None, has_safety_monitor=safety is not None, has_weather=weather is not None
        )
        self._wind_mean = WindMean()
        self._watches: list[_Watch[Any]] = []
        sources: tuple[tuple[str, Callable[[], _Client[Any]] | None, str, float], ...] = (
            ("mount", mount, "mount", poll_s),
            ("safety monitor", safety, "is_safe", poll_s),
            ("weather station", weather, "weather", poll_s),
            *(
                (field.replace("_", " "), connect, field, min(poll_s, _CONTACT_POLL_S))
                for field, connect in (contacts or {}).items()
            ),
        )
        for name, connect, field, pause_s in sources:
            if connect is not None:
                self._watches.append(_Watch(name, connect(), clock, partial(self._take, field), pause_s))

    @property
    def state(self) -> Surroundings:
        """Everything that is known now; from any thread."""
        return self._state

    def subscribe(self, listener: Callable[[Surroundings], None]) -> Callable[[], None]:
        """Have each new state handed to a listener, on the loop's thread; return what ends that."""
        self._listeners = (*self._listeners, listener)

        def unsubscribe() -> None:
            self._listeners = tuple(one for one in self._listeners if one is not listener)

        return unsubscribe

    async def run(self) -> None:
        """Read every device until cancelled."""
        self._runner = asyncio.current_task()
        async with asyncio.TaskGroup() as group:
            for watch in self._watches:
                group.create_task(watch.run())

    def stop_mount(self) -> Future[None]:
        """Stop the mount's slew; from any thread, past every queue, without waiting for anything.

        Returns
        -------
        Future
            Of `concurrent.futures`; done when the mount answered, with its `DeviceError` if it refused.
        """
        if self._mount is None:
            nothing: Future[None] = Future()
            nothing.set_exception(DeviceError("The mount is not stopped: the settings name none; use its own stop"))
            return nothing
        sent = self._stop_lane.submit(self._abort)
        sent.add_done_callback(_log_refusal)
        return sent

    async def shut_down(self) -> None:
        """End the reading and the lanes within seconds; no command is sent."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.wait({self._runner}, timeout=1.0)
        await asyncio.gather(self._stop_lane.close(), *(watch.close() for watch in self._watches))

    def _abort(self) -> None:
        """Stop the mount over a connection of its own."""
        if self._mount is not None:
            with closing(self._mount()) as client:
                client.abort_slew()

    def _take(self, field: str, reading: Reading[Any]) -> None:
        if isinstance(reading.value, Weather) and reading.failure is None and reading.read_s is not None:
            reading = replace(reading, value=self._wind_mean.added_to(reading.value, reading.read_s))
        changed: dict[str, Any] = {field: reading}
        self._state = replace(self._state, **changed)
        for listener in self._listeners:
            try:
                listener(self._state)
            except Exception:
                log.exception("Bug in a listener of the surroundings")


def _log_refusal(answer: Future[None]) -> None:
    """Whoever presses STOP need not look at the answer: a mount that goes on is told in any case."""
    if not answer.cancelled() and (error := answer.exception()) is not None:
        log.warning("STOP of the mount was not accepted: %s", error)
