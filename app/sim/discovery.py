"""Alpaca discovery: whoever asks on the loopback network is told the port of the server."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

#: Reaches the whole of the loopback network, and nothing else.
DISCOVERY_HOST = "127.255.255.255"
DISCOVERY_PORT = 32227
_WORD = b"alpacadiscovery1"


class DiscoveryResponder(asyncio.DatagramProtocol):
    """Answers each question with the port, while it is to answer."""

    def __init__(self, alpaca_port: int, answers: Callable[[], bool]) -> None:
        self._answer = json.dumps({"AlpacaPort": alpaca_port}).encode()
        self._answers = answers
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """Keep the way to answer."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """Answer; later versions of the question may be longer."""
        if self._transport is not None and data.startswith(_WORD) and self._answers():
            self._transport.sendto(self._answer, addr)


async def answer_discovery(
    alpaca_port: int, discovery_port: int, answers: Callable[[], bool]
) -> asyncio.DatagramTransport | None:
    """Begin to answer, beside other servers of this machine; None where the port cannot be had, which is no harm.

    Parameters
    ----------
    alpaca_port : int
        What the answer says.
    discovery_port : int
        Where questions come in.
    answers : callable
        Whether questions are answered now.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    try:
        for name in ("SO_REUSEADDR", "SO_REUSEPORT"):
            if hasattr(socket, name):
                listener.setsockopt(socket.SOL_SOCKET, getattr(socket, name), 1)
        listener.setblocking(False)
        listener.bind((DISCOVERY_HOST, discovery_port))
    except OSError as error:
        listener.close()
        log.info("The simulator is not found by discovery, only by its address: UDP %s: %s", discovery_port, error)
        return None
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: DiscoveryResponder(alpaca_port, answers), sock=listener)
    return transport
