"""The guard's desk: a few requests over HTTP on loopback, for whoever knows its token."""

from __future__ import annotations

import hmac
import json
import logging
import socketserver
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from app.guard.duty import Guard
from app.model.errors import ObservatoryError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
TOKEN_HEADER = "X-Cupola-Token"  # noqa: S105 - the name of a header, not a secret
_LONGEST_BODY = 10_000
_TIMEOUT_S = 5.0

M = TypeVar("M", bound=BaseModel)

_Text = Annotated[str, Field(min_length=1, max_length=200, pattern=r"\S")]


class _Request(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class _Nothing(_Request):
    """The state alone is asked for."""


class _Name(_Request):
    name: _Text


class _Who(_Request):
    who: _Text


class _Lockout(_Request):
    who: _Text
    reason: _Text


class _Release(_Request):
    who: _Text
    of: _Text


class _Override(_Request):
    name: _Text
    reason: _Text
    minutes: Annotated[float, Field(gt=0.0, le=720.0)]
    covers: Annotated[tuple[_Text, ...], Field(max_length=30)]


class _Opening(_Request):
    who: _Text
    is_attended: bool


_Answer = Callable[[Guard, bytes], None]


def _asked(model: type[M], do: Callable[[Guard, M], None]) -> _Answer:
    """Check the body, then do it."""
    return lambda guard, body: do(guard, model.model_validate_json(body or b"{}"))


_ANSWERS: dict[tuple[str, str], _Answer] = {
    ("GET", "/state"): _asked(_Nothing, lambda _, __: None),
    ("PUT", "/lease"): _asked(_Name, lambda guard, it: guard.renew(it.name)),
    ("DELETE", "/lease"): _asked(_Name, lambda guard, it: guard.end_lease(it.name)),
    ("PUT", "/stop"): _asked(_Who, lambda guard, it: guard.stop(it.who)),
    ("PUT", "/lockout"): _asked(_Lockout, lambda guard, it: guard.take_lockout(it.who, it.reason)),
    ("DELETE", "/lockout"): _asked(_Release, lambda guard, it: guard.release_lockout(it.who, it.of)),
    ("PUT", "/override"): _asked(
        _Override, lambda guard, it: guard.override(it.name, it.reason, it.minutes, it.covers)
    ),
    ("DELETE", "/override"): _asked(_Who, lambda guard, it: guard.end_override(it.who)),
    ("PUT", "/opening"): _asked(_Opening, lambda guard, it: guard.opening(it.who, is_attended=it.is_attended)),
    ("PUT", "/end"): _asked(_Who, lambda guard, it: guard.end(it.who)),
}


class Desk(ThreadingHTTPServer):
    """Answers on a free port of loopback, each request in a thread of its own.

    Parameters
    ----------
    guard : Guard
        Who is asked.
    token : str
        What every request must bring.
    """

    daemon_threads = True
    block_on_close = False

    def __init__(self, guard: Guard, token: str) -> None:
        super().__init__((HOST, 0), _Handler)
        self.guard = guard
        self.token = token

    @property
    def port(self) -> int:
        """Where it answers."""
        return self.server_port

    def open(self) -> None:
        """Begin to answer."""
        threading.Thread(target=self.serve_forever, args=(0.1,), name="desk", daemon=True).start()

    def server_bind(self) -> None:
        """Bind without asking a name server for this machine's name, as the base class does."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Log what a client made of its connection."""
        log.debug("A request broke off: %s", sys.exception())


class _Handler(BaseHTTPRequestHandler):
    server: Desk
    protocol_version = "HTTP/1.1"
    timeout = _TIMEOUT_S
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer."""
        self._answer()

    def do_PUT(self) -> None:
        """Answer."""
        self._answer()

    def do_DELETE(self) -> None:
        """Answer."""
        self._answer()

    def log_message(self, *_: object) -> None:
        """Say nothing: requests come every second."""

    def _answer(self) -> None:
        self.close_connection = True
        length = self.headers.get("Content-Length", "0")
        if not (length.isascii() and length.isdigit()) or int(length) > _LONGEST_BODY:
            return self._reply(413, error=f"The request is longer than {_LONGEST_BODY} bytes")
        body = self.rfile.read(int(length))
        if not hmac.compare_digest(self.headers.get(TOKEN_HEADER, "").encode(), self.server.token.encode()):
            return self._reply(403, error=f"{TOKEN_HEADER} is not the guard's: read it from its file")
        answer = _ANSWERS.get((self.command, self.path))
        if answer is None:
            return self._reply(404, error=f"The guard knows no {self.command} {self.path[:60]}")
        try:
            answer(self.server.guard, body)
            state = self.server.guard.state()
        except ValidationError as error:
            return self._reply(400, error="; ".join(f"{one['loc']}: {one['msg']}" for one in error.errors()))
        except ObservatoryError as error:
            return self._reply(409, error=str(error))
        return self._reply(200, text=state.model_dump_json())

    def _reply(self, status: int, *, text: str = "", error: str = "") -> None:
        body = (text or json.dumps({"error": error})).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)
