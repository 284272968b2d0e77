"""Connections of a dome for calls that wait for no other: STOP and CLOSE."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextlib import suppress
from time import monotonic
from typing import TypeVar

from app.model.dome import DeviceUnreachable
from app.model.ports import DomeClient

T = TypeVar("T")

#: A STOP whose connection broke sooner than this was not heard: it is sent once more at once.
_BROKEN_AT_ONCE_S = 0.5


class DomeClients:
    """Clients for calls at the same time: an idle one if there is one, else a new one.

    Parameters
    ----------
    connect : callable
        Makes a client that has not asked the server yet.
    """

    def __init__(self, connect: Callable[[], DomeClient]) -> None:
        self._connect = connect
        self._idle = deque([connect()])
        self._is_closed = False

    def use(self, function: Callable[[DomeClient], T]) -> T:
        """Call a function with a client that nobody else uses."""
        try:
            client = self._idle.pop()
        except IndexError:
            client = self._connect()
        try:
            return function(client)
        finally:
            self._idle.append(client)
            if self._is_closed:
                self.close()

    def stop(self) -> None:
        """Send STOP."""
        self.use(_abort)

    def warm(self) -> None:
        """Open a connection before it is needed: neither name server nor handshake shall delay what is urgent."""
        self.use(lambda client: client.warm())

    def close(self) -> None:
        """Let the idle connections go, and those in use after their call."""
        self._is_closed = True
        with suppress(IndexError):
            while True:
                self._idle.pop().close()


def _abort(client: DomeClient) -> None:
    """Send STOP; once more when the kept connection turns out to be broken, for twice stopped is stopped."""
    began_s = monotonic()
    try:
        client.abort_slew()
    except DeviceUnreachable:
        if monotonic() - began_s > _BROKEN_AT_ONCE_S:
            raise
        client.abort_slew()
