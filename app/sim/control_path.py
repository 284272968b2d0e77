"""The simulator's own control path: proof of who it is, faults, what was asked, the state of everything, the end."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.sim.faults import Faults
from app.sim.observatory import Change, SimulatedObservatory

_KEPT_REQUESTS = 10_000

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SeenRequest:
    """One request to a device.

    Attributes
    ----------
    number : int
        Counts them from 1.
    at_s : float
        Monotonic time of the machine when it arrived, seconds.
    form : mapping of str to str
        Its parameters: the body's of a PUT, the query's of a GET.
    """

    number: int
    at_s: float
    method: str
    path: str
    form: Mapping[str, str]


class RequestLog:
    """The newest requests to the devices."""

    def __init__(self) -> None:
        self._count = 0
        self._requests: deque[SeenRequest] = deque(maxlen=_KEPT_REQUESTS)

    def add(self, at_s: float, method: str, path: str, form: Mapping[str, str]) -> None:
        """Keep one that arrived."""
        self._count += 1
        self._requests.append(SeenRequest(self._count, at_s, method, path, form))

    def since(self, number: int) -> list[SeenRequest]:
        """Those after that number, oldest first."""
        return [request for request in self._requests if request.number > number]


class ControlPath:
    """What tests, drills and the program that started the simulator say to it.

    Parameters
    ----------
    nonce : str
        Known to this simulator and to whoever started it.
    end : callable
        Ends the process.
    """

    def __init__(self, observatory: SimulatedObservatory, nonce: str, end: Callable[[], None]) -> None:
        self.faults = Faults()
        self.requests = RequestLog()
        self._observatory = observatory
        self._nonce = nonce
        self._end = end

    def routes(self, under: str) -> list[Route]:
        """Everything that it answers."""
        return [
            Route(f"{under}/proof", self._prove, methods=["GET"]),
            Route(f"{under}/requests", self._show_requests, methods=["GET"]),
            Route(f"{under}/faults", self._show_faults, methods=["GET"]),
            Route(f"{under}/faults", self._set_faults, methods=["PUT"]),
            Route(f"{under}/state", self._show_state, methods=["GET"]),
            Route(f"{under}/state", self._change_state, methods=["PUT"]),
            Route(f"{under}/stop", self._stop, methods=["PUT"]),
        ]

    async def _prove(self, request: Request) -> Response:
        challenge = request.query_params.get("challenge", "")
        return JSONResponse({"proof": proof(self._nonce, challenge)})

    async def _show_requests(self, request: Request) -> Response:
        since = request.query_params.get("since", "0")
        if not (since.isascii() and since.isdigit()):
            return PlainTextResponse(f"since = {since[:40]!r} is no number of a request", status_code=400)
        return JSONResponse([asdict(seen) for seen in self.requests.since(int(since))])

    async def _show_faults(self, _: Request) -> Response:
        return JSONResponse(self.faults.model_dump(mode="json"))

    async def _set_faults(self, request: Request) -> Response:
        faults = await _parsed(request, Faults)
        if isinstance(faults, Faults):
            self.faults = faults
            return await self._show_faults(request)
        return faults

    async def _show_state(self, _: Request) -> Response:
        return JSONResponse(self._observatory.as_json())

    async def _change_state(self, request: Request) -> Response:
        change = await _parsed(request, Change)
        if isinstance(change, Change):
            self._observatory.apply(change)
            return await self._show_state(request)
        return change

    async def _stop(self, _: Request) -> Response:
        self._end()
        return JSONResponse({"stops": True})


def proof(nonce: str, challenge: str) -> str:
    """What only a holder of the nonce can answer to a challenge: their HMAC-SHA256, hexadecimal."""
    return hmac.new(nonce.encode(), challenge.encode(), hashlib.sha256).hexdigest()


async def _parsed(request: Request, model: type[M]) -> M | Response:
    """The request's JSON, checked; or the answer that says what is wrong with it."""
    try:
        return model.model_validate_json(await request.body())
    except ValidationError as error:
        problems = json.loads(error.json(include_url=False, include_input=False, include_context=False))
        return JSONResponse({"problems": problems}, status_code=400)
