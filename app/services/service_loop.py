"""The one asyncio loop on which every service runs, in a thread of its own."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from concurrent.futures import Future
from threading import Event, Thread
from typing import Any, TypeVar

from app.model.errors import ObservatoryError

log = logging.getLogger(__name__)

T = TypeVar("T")


class LoopClosed(ObservatoryError):
    """Something was asked of the services before their start or after their end."""


class ServiceLoop:
    """An asyncio loop in a daemon thread, so that a busy window delays nothing."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = Thread(target=self._run, name="services", daemon=True)
        self._is_open = Event()
        self._pending: set[Future[Any]] = set()

    def start(self) -> None:
        """Start the thread; returns when the loop runs."""
        self._thread.start()
        self._is_open.wait()

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine on the loop; from any thread.

        Returns
        -------
        Future
            Of `concurrent.futures`. Bugs are logged even when nobody looks at it; expected errors are the caller's.

        Raises
        ------
        LoopClosed
            Before `start` and after `close`.
        """
        if self._loop is None or not self._is_open.is_set():
            coroutine.close()
            raise LoopClosed("The services do not run: Cupola is starting or shutting down")
        future = asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        self._pending.add(future)  # the loop itself holds its tasks weakly
        future.add_done_callback(self._ended)
        return future

    def close(self, timeout_s: float) -> None:
        """Cancel what runs, wait for its end, and stop the thread; a second call does nothing."""
        if self._loop is None or not self._is_open.is_set():
            return
        self._is_open.clear()
        try:
            asyncio.run_coroutine_threadsafe(_cancel_all(timeout_s), self._loop).result(timeout_s + 1.0)
        except TimeoutError:
            log.error("The service loop is blocked and is left behind: a service calls something that waits")
            return
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(timeout_s)

    def _run(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._loop.set_exception_handler(_log_whole)
        asyncio.set_event_loop(self._loop)
        self._loop.call_soon(self._is_open.set)
        try:
            self._loop.run_forever()
        finally:
            self._loop.close()

    def _ended(self, future: Future[Any]) -> None:
        self._pending.discard(future)
        error = None if future.cancelled() else future.exception()
        if error is not None and not isinstance(error, ObservatoryError):
            log.error("Bug in a service", exc_info=error)


async def _cancel_all(timeout_s: float) -> None:
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    if tasks:
        _, hanging = await asyncio.wait(tasks, timeout=timeout_s)
        for task in hanging:
            log.error("A task does not end when it is cancelled: %s", task)


def _log_whole(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log what a task died of when nobody awaited it."""
    log.error("Bug on the service loop: %s", context["message"], exc_info=context.get("exception"))
