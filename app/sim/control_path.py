"""The simulator's own control path: proof of who it is, faults, what was asked, the state of everything, the end."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import asdict, dataclass
from typing import TypeVar

from pydantic import BaseModel, ValidationError
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app.sim.driver_lies import Lies
from app.sim.drivers import Drivers, Make
from app.sim.faults import Faults, FaultsInForce
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
    observatory : SimulatedObservatory
        What is simulated.
    drivers : Drivers
        Of its devices.
    nonce : str
        Known to this simulator and to whoever started it.
    end : callable
        Ends the process.
    refuse : callable
        Refuses connections for some seconds.
    """

    def __init__(
        self,
        observatory: SimulatedObservatory,
        drivers: Drivers,
        nonce: str,
        end: Callable[[], None],
        refuse: Callable[[float], Awaitable[None]],
    ) -> None:
        self.faults = FaultsInForce(Faults())
        self.requests = RequestLog()
        self._observatory = observatory
        self._drivers = drivers
        self._nonce = nonce
        self._end = end
        self._refuse = refuse

    def routes(self, under: str) -> list[Route]:
        """Everything that it answers."""
        return [
            Route(f"{under}/proof", self._prove, methods=["GET"]),
            Route(f"{under}/requests", self._show_requests, methods=["GET"]),
            Route(f"{under}/faults", self._show_faults, methods=["GET"]),
            Route(f"{under}/faults", self._set_faults, methods=["PUT"]),
            Route(f"{under}/lies", self._show_lies, methods=["GET"]),
            Route(f"{under}/lies", self._set_lies, methods=["PUT"]),
            Route(f"{under}/restart", self._show_make, methods=["GET"]),
            Route(f"{under}/restart", self._restart, methods=["PUT"]),
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
        return JSONResponse(self.faults.wanted.model_dump(mode="json"))

    async def _set_faults(self, request: Request) -> Response:
        faults = await _parsed(request, Faults)
        if isinstance(faults, Faults):
            self.faults = FaultsInForce(faults)
            answer = await self._show_faults(request)
            if faults.refuse_s:
                answer.background = BackgroundTask(self._refuse, faults.refuse_s)
            return answer
        return faults

    async def _show_lies(self, _: Request) -> Response:
        return JSONResponse(self._observatory.lies.model_dump(mode="json"))

    async def _set_lies(self, request: Request) -> Response:
        lies = await _parsed(request, Lies)
        if isinstance(lies, Lies):
            self._observatory.lies = lies
            return await self._show_lies(request)
        return lies

    async def _show_make(self, _: Request) -> Response:
        return JSONResponse(self._drivers.make.model_dump(mode="json"))

    async def _restart(self, request: Request) -> Response:
        make = await _parsed(request, Make)
        if isinstance(make, Make):
            self._drivers.restart(make)
            return await self._show_make(request)
        return make

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
