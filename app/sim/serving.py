"""The simulator's process: one event loop that serves on loopback until it is told to end, or nobody asks any longer."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

import uvicorn
from starlette.applications import Starlette
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol

from app.model.errors import ObservatoryError
from app.sim.alpaca_server import AlpacaServer
from app.sim.control_path import ControlPath
from app.sim.discovery import answer_discovery
from app.sim.observatory import SimulatedObservatory

HOST = "127.0.0.1"
#: An idle connection is kept so long: the client's way to STOP must stay warm.
_KEEP_ALIVE_S = 600
_GRACE_S = 1


def create_app(observatory: SimulatedObservatory, nonce: str, end: asyncio.Event) -> Starlette:
    """Everything that the simulator answers.

    Parameters
    ----------
    observatory : SimulatedObservatory
        What is simulated.
    nonce : str
        Proves to whoever started it that this is it.
    end : asyncio.Event
        Set by the control path to end the process.
    """
    control = ControlPath(observatory, nonce, end.set)
    return Starlette(routes=[*AlpacaServer(observatory, control, end).routes(), *control.routes("/simulator/v1")])


async def serve(
    observatory: SimulatedObservatory,
    listener: socket.socket,
    *,
    nonce: str,
    idle_s: float | None,
    discovery_port: int,
    announce: Callable[[], None],
) -> None:
    """Serve until the control path, a signal or idleness ends it.

    Parameters
    ----------
    observatory : SimulatedObservatory
        What is simulated.
    listener : socket
        Bound to loopback, see `listen`.
    nonce : str
        See `create_app`.
    idle_s : float or None
        End so long after the newest request; None never does.
    discovery_port : int
        UDP port of discovery.
    announce : callable
        Called once when requests are answered.
    """
    end = asyncio.Event()
    activity = _Activity(create_app(observatory, nonce, end))
    config = uvicorn.Config(
        activity,
        http=_Protocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_keep_alive=_KEEP_ALIVE_S,
        timeout_graceful_shutdown=_GRACE_S,
    )
    server = _Server(config, end, announce)
    responder = await answer_discovery(listener.getsockname()[1], discovery_port)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.end_with(end))
            tasks.create_task(activity.end_when_idle(end, idle_s))
            await server.serve([listener])
            end.set()
    finally:
        if responder is not None:
            responder.close()


def listen(port: int) -> socket.socket:
    """A socket on loopback; port 0 takes any free one.

    Raises
    ------
    ObservatoryError
        The port is taken.
    """
    # with its protocol named, or asyncio leaves Nagle's algorithm on: 44 ms for each reply instead of 1
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR would share the port
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(128)
    except (OSError, OverflowError) as error:
        listener.close()
        raise ObservatoryError(
            f"The simulator cannot listen on {HOST}:{port}: {error}: take another port, or 0 for any free one"
        ) from error
    return listener


class _Server(uvicorn.Server):
    """Says when it is ready, and ends in order on a signal instead of dying of it."""

    def __init__(self, config: uvicorn.Config, end: asyncio.Event, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)

    async def end_with(self, end: asyncio.Event) -> None:
        """End when the event is set."""
        await end.wait()
        self.should_exit = True


class _Protocol(H11Protocol):
    """Lets a fault close the connection: its transport is in the state of every request."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn's
        super().connection_made(transport)
        self.app_state = {**self.app_state, "transport": transport}


class _Activity:
    """Passes requests on, and knows when the newest came."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._newest_s = time.monotonic()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._newest_s = time.monotonic()
        await self._app(scope, receive, send)

    async def end_when_idle(self, end: asyncio.Event, idle_s: float | None) -> None:
        """Set the event when no request came for so long."""
        while idle_s is not None and not end.is_set():
            left_s = self._newest_s + idle_s - time.monotonic()
            if left_s <= 0.0:
                end.set()
            with suppress(TimeoutError):
                await asyncio.wait_for(end.wait(), max(left_s, 0.0))
