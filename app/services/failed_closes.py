"""A close that failed is sent again, with growing waits, until something else is asked or the dome is closed."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Wait after the first failure, doubled after each, and the longest one, seconds.
AGAIN_S, LONGEST_S = 10.0, 900.0


class FailedCloses:
    """Counts them, and waits; for the thread of the service loop.

    Parameters
    ----------
    send : callable
        Sends CLOSE again, for whoever asked first.
    """

    def __init__(self, send: Callable[[str], None]) -> None:
        self._send = send
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self, who: str, reason: str) -> float:
        """One more has failed; return the seconds until it is sent again."""
        wait_s = min(AGAIN_S * 2.0 ** min(self._count, 30), LONGEST_S)
        self._count += 1
        level = logging.ERROR if self._count == 1 else logging.WARNING  # errors are mailed: once is enough
        log.log(level, "The shutter is not closed, CLOSE is sent again in %.0f s: %s", wait_s, reason)
        self._timer = asyncio.get_running_loop().call_later(wait_s, self._send, who)
        return wait_s

    def forget(self) -> None:
        """It is closed, or what comes now takes the place of the close."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._count = 0
