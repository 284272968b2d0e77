"""Lanes: threads of one duty each, in which calls may block."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from app.model.errors import ObservatoryError

log = logging.getLogger(__name__)

T = TypeVar("T")

#: How long the end of a lane waits for a call that hangs, seconds: longer than a device has for its answer.
CLOSE_S = 3.0


class LaneClosed(ObservatoryError):
    """A call came after the lane was closed."""


class Lane:
    """A named thread for blocking calls, which it makes in order.

    Parameters
    ----------
    name : str
        Of the thread, for logs and debuggers.
    threads : int
        With more than one, a call does not wait for another that hangs.
    """

    def __init__(self, name: str, threads: int = 1) -> None:
        self._name = name
        self._executor = ThreadPoolExecutor(max_workers=threads, thread_name_prefix=name)

    def submit(self, function: Callable[[], T]) -> Future[T]:
        """Call soon; from any thread.

        Raises
        ------
        LaneClosed
            After `close`.
        """
        try:
            return self._executor.submit(function)
        except RuntimeError as error:
            raise LaneClosed(f"Lane {self._name} takes no more calls: Cupola is shutting down") from error

    async def call(self, function: Callable[[], T]) -> T:
        """Call, and wait for what it returns or raises; who stops waiting does not stop the call."""
        return await asyncio.wrap_future(self.submit(function))

    async def close(self, timeout_s: float = CLOSE_S) -> None:
        """Take nothing more, and wait a while for what was taken."""
        last = self.submit(lambda: None)
        self._executor.shutdown(wait=False)
        try:
            async with asyncio.timeout(timeout_s):
                await asyncio.wrap_future(last)
        except TimeoutError:
            log.warning("Lane %s still hangs after %g s and is left behind", self._name, timeout_s)
