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
from app.sim.drivers import Drivers, Make
from app.sim.observatory import SimulatedObservatory

HOST = "127.0.0.1"
#: An idle connection is kept so long: the client's way to STOP must stay warm.
_KEEP_ALIVE_S = 600
_GRACE_S = 1
_BACKLOG = 128


async def serve(
    observatory: SimulatedObservatory,
    listener: socket.socket,
    *,
    make: Make,
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
    make : Make
        Of the drivers, until they are restarted.
    nonce : str
        Proves to whoever started it that this is it.
    idle_s : float or None
        End so long after the newest request; None never does.
    discovery_port : int
        UDP port of discovery.
    announce : callable
        Called once when requests are answered.
    """
    end = asyncio.Event()

    async def refuse(seconds: float) -> None:
        await server.refuse(seconds)

    drivers = Drivers(observatory, make)
    control = ControlPath(observatory, drivers, nonce, end.set, refuse)
    routes = [*AlpacaServer(drivers, control, end).routes(), *control.routes("/simulator/v1")]
    activity = _Activity(Starlette(routes=routes))
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
    port = listener.getsockname()[1]
    server = _Server(config, port, end, announce)
    responder = await answer_discovery(port, discovery_port, lambda: not control.faults.wanted.no_discovery)
    try:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(server.end_in_order())
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
    try:
        listener = _bound(port)
        listener.listen(_BACKLOG)
    except (OSError, OverflowError) as error:
        raise ObservatoryError(
            f"The simulator cannot listen on {HOST}:{port}: {error}: take another port, or 0 for any free one"
        ) from error
    return listener


def _bound(port: int) -> socket.socket:
    """A socket that has the port, but does not listen yet: whoever connects is refused."""
    # with its protocol named, or asyncio leaves Nagle's algorithm on: 44 ms for each reply instead of 1
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows, where SO_REUSEADDR would share the port
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((HOST, port))
    except (OSError, OverflowError):
        bound.close()
        raise
    return bound


class _Server(uvicorn.Server):
    """Says when it is ready, and ends in order on a signal instead of dying of it."""

    def __init__(self, config: uvicorn.Config, port: int, end: asyncio.Event, announce: Callable[[], None]) -> None:
        super().__init__(config)
        self._port = port
        self._end = end
        self._loop = asyncio.get_running_loop()
        self._announce = announce

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._announce()

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._end.set)

    async def end_in_order(self) -> None:
        """End when the event is set."""
        await self._end.wait()
        self.should_exit = True

    async def refuse(self, seconds: float) -> None:
        """Refuse connections for so long, the present ones too, then listen again on the same port."""
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.transport.close()
        listener = _bound(self._port)
        with suppress(TimeoutError):
            await asyncio.wait_for(self._end.wait(), seconds)
        if self._end.is_set():
            listener.close()
            return
        self.servers = [await self._loop.create_server(self._protocol, sock=listener, backlog=_BACKLOG)]

    def _protocol(self) -> H11Protocol:
        return _Protocol(self.config, self.server_state, self.lifespan.state)


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
