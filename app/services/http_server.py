"""Serves the front desk on loopback, on the service loop."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from app.model.errors import ObservatoryError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"


class HttpFrontDesk:
    """Serves the addresses on loopback, on the loop that calls `start`.

    Parameters
    ----------
    api : FastAPI
        Of `create_api`.
    port : int
        Where to listen; 0 takes any free port.
    """

    def __init__(self, api: FastAPI, port: int) -> None:
        self._api = api
        self._wanted_port = port
        self._port = 0
        self._server: _Server | None = None
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """Where it listens; 0 before it does."""
        return self._port

    @property
    def address(self) -> str:
        """Where browsers and programs of this machine find it."""
        return f"http://{HOST}:{self._port}"

    async def start(self) -> None:
        """Listen; a client may connect as soon as this returns.

        Raises
        ------
        ObservatoryError
            If the port cannot be had.
        """
        listener = _listen(self._wanted_port)
        self._port = listener.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                self._api,
                http="h11",
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                proxy_headers=False,
                server_header=False,
                timeout_graceful_shutdown=1,
            )
        )
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="HTTP front desk")
        self._serving.add_done_callback(_log_failure)

    async def stop(self) -> None:
        """Answer what is under way, within about a second, and listen no more."""
        if self._server is None or self._serving is None:
            return
        self._api.state.closing.set()
        self._server.should_exit = True
        await asyncio.wait({self._serving})


class _Server(uvicorn.Server):
    """Leaves the signals to the program."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _listen(port: int) -> socket.socket:
    # asyncio sends at once only over sockets that say they are TCP: else each answer waits 40 ms for its ACK
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        if os.name == "posix":
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(512)
    except OSError as error:
        listener.close()
        raise ObservatoryError(
            f"The front desk cannot listen on port {port} of this machine ({error.strerror}): close the program that "
            "has it, which may be another Cupola, or set front_desk.port to another number, or to 0 for any free one"
        ) from error
    return listener


def _log_failure(serving: asyncio.Task[None]) -> None:
    if not serving.cancelled() and (error := serving.exception()) is not None:
        log.error("The front desk ended: no orders come in over HTTP until a restart", exc_info=error)
