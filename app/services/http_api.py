"""The front desk over HTTP: work orders, and the dome by the names of the mission.

It listens on loopback only. A web page in the operator's browser reaches loopback too, so what a browser sends for
another page is refused: by its Host (a name that was bent to loopback), its Origin, its Sec-Fetch-Site; no preflight
is ever granted.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from http import HTTPStatus
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Depends, FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from app.model.angles import AltitudeRefused, AzimuthRefused, parse_altitude_deg, parse_azimuth_deg
from app.model.clock import Clock
from app.model.dome import DeviceError, DomeRefused, DomeWish, WishKind, parse_override
from app.model.errors import ObservatoryError, OrderRefused, StoreError
from app.model.order_life import IdTaken, OrderBegun, OrderEnded, StoredOrder, UnknownOrder
from app.model.work_order import LARGEST_ORDER, NoJson, decode_order
from app.services.dome import DomeService
from app.services.dome_answer import DomeAnswer, carry_out, stop
from app.services.dome_status import dome_status
from app.services.front_desk import FrontDesk
from app.services.http_server import HOST
from app.store.work_orders import WorkOrders

log = logging.getLogger(__name__)

#: How long a command of the dome is followed unless the request says otherwise, in seconds.
DOME_TIMEOUT_S = 120.0

_BODY_S = 10.0
_DRAINED = 16 * LARGEST_ORDER

#: The first that fits decides; any other expected error is 500.
_STATUS: tuple[tuple[type[ObservatoryError], int], ...] = (
    (NoJson, 400),
    (IdTaken, 409),
    (OrderRefused, 422),
    (AzimuthRefused, 422),
    (AltitudeRefused, 422),
    (UnknownOrder, 404),
    (OrderBegun, 409),
    (OrderEnded, 409),
    (DomeRefused, 409),
    (DeviceError, 502),
    (StoreError, 503),
)

#: So many orders are written at once: those that wait for a locked database leave threads to those who only look.
_WRITERS = 8

Who = Annotated[str, Query(max_length=100)]
Override = Annotated[str | None, Query(max_length=500)]
Limit = Annotated[int, Query(ge=1, le=1000)]


@dataclass(frozen=True, slots=True)
class _Manner:
    """How a motion is asked for."""

    who: str
    wait: bool
    timeout_s: float


async def _manner(
    who: Who = "", wait: bool = True, timeout_s: Annotated[float, Query(gt=0.0, le=3600.0)] = DOME_TIMEOUT_S
) -> _Manner:
    return _Manner(who, wait, timeout_s)


Manner = Annotated[_Manner, Depends(_manner)]


def create_api(
    front_desk: FrontDesk,
    orders: WorkOrders,
    dome: DomeService,
    clock: Clock,
    version: str,
    hand_over: Callable[[], None],
) -> FastAPI:
    """Build the addresses of the front desk.

    Parameters
    ----------
    front_desk : FrontDesk
        Takes orders in.
    orders : WorkOrders
        To look orders up.
    dome : DomeService
        Of the owner, or of a program that only watches.
    clock : Clock
        For the age of the dome's values.
    version : str
        Of this program.
    hand_over : callable
        Lets another program have the dome.

    Returns
    -------
    FastAPI
        To be served by `app.services.http_server.HttpFrontDesk`.
    """
    api = FastAPI(
        title="Cupola", version=version, docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False
    )
    api.state.closing = asyncio.Event()
    api.add_middleware(_OwnPagesOnly)
    api.add_exception_handler(ObservatoryError, _expected)
    api.add_exception_handler(RequestValidationError, _bad_parameter)
    api.add_exception_handler(HTTPException, _no_such_address)
    api.add_exception_handler(Exception, _bug)
    api.include_router(_order_addresses(front_desk, orders))
    api.include_router(_dome_addresses(dome, clock, version, hand_over, api.state.closing))
    return api


class _OwnPagesOnly:
    """Refuses what a browser sends on behalf of another page."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        reason = _foreign(Headers(scope=scope), scope["server"][1])
        if reason is None:
            await self._app(scope, receive, send)
        else:
            await _refusal(403, reason)(scope, receive, send)


def _foreign(headers: Headers, port: int) -> str | None:
    """Why a request does not come from this machine's own programs; None when it does."""
    hosts = {f"{name}:{port}" for name in (HOST, "localhost", "[::1]")}
    if headers.get("host", "").lower() not in hosts:
        return f"Host {headers.get('host', '')[:80]!r} is not this front desk: ask {HOST}:{port}"
    for origin in headers.getlist("origin"):
        if origin.lower() not in {f"http://{host}" for host in hosts}:
            return f"Origin {origin[:80]!r} may not ask here: only programs and pages of this front desk may"
    if any(site.lower() in ("cross-site", "same-site") for site in headers.getlist("sec-fetch-site")):
        return "A page of another site may not ask here: only programs and pages of this front desk may"
    return None


class Json(JSONResponse):
    """JSON in ASCII: orders may hold text that no encoding takes, such as halves of characters."""

    def render(self, content: Any) -> bytes:
        """Write it out; no NaN."""
        return json.dumps(content, allow_nan=False).encode("ascii")

    def init_headers(self, headers: Any = None) -> None:
        """Add that it is of now, and JSON alone."""
        super().init_headers(headers)
        self.headers["Cache-Control"] = "no-store"
        self.headers["X-Content-Type-Options"] = "nosniff"


def _refusal(status: int, reason: str, problems: list[dict[str, str]] | None = None) -> Json:
    return Json({"ok": False, "reason": reason, "problems": problems or []}, status)


def _expected(_: Request, error: Exception) -> Response:
    status = next((status for kind, status in _STATUS if isinstance(error, kind)), 500)
    return _refusal(status, str(error), error.as_json if isinstance(error, OrderRefused) else None)


def _bad_parameter(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101 - as it was registered
    problems = [
        {"field": str(fault["loc"][-1]), "value": repr(fault["input"])[:80], "remedy": fault["msg"]}
        for fault in error.errors()
    ]
    reason = "; ".join(f"{fault['field']} = {fault['value']}: {fault['remedy']}" for fault in problems)
    return _refusal(422, f"Request refused: {reason}", problems)


def _no_such_address(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - as it was registered
    what = f"{request.method} {request.url.path[:80]}"
    sentence = (
        f"{what} is {HTTPStatus(error.status_code).phrase.lower()} here: ask for /work-orders or /dome/DomeStatus"
    )
    answer = _refusal(error.status_code, sentence)
    answer.headers.update(error.headers or {})
    return answer


def _bug(request: Request, _: Exception) -> Response:
    """The traceback is logged by the server."""
    return _refusal(500, f"Cupola failed at {request.method} {request.url.path[:80]}: see its log")


def _order_addresses(front_desk: FrontDesk, orders: WorkOrders) -> APIRouter:
    router = APIRouter(prefix="/work-orders", default_response_class=Json)
    writers = asyncio.Semaphore(_WRITERS)

    @router.post("")
    async def take_in(request: Request, who: Who = "") -> Response:
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            return _refusal(415, "A work order is sent as JSON: set Content-Type to application/json")
        try:
            payload = decode_order(await _body(request))
        except TimeoutError:
            return _refusal(408, f"The work order did not arrive within {_BODY_S:g} s: send it again")
        except ClientDisconnect:
            return _refusal(400, "The connection ended in the middle of the order: send it again")
        except NoJson as refusal:
            return _refusal(413 if _is_large(request) else 400, str(refusal), refusal.as_json)
        async with writers:
            stored, is_new = await run_in_threadpool(front_desk.take_in, payload, by_http(who))
        where = {"Location": f"/work-orders/{quote(stored.name)}"}
        return Json({"accepted": True, "new": is_new, "order": stored.as_json}, 201 if is_new else 200, where)

    @router.get("")
    def list_orders(limit: Limit = 100) -> Response:
        return Json([stored.as_json for stored in orders.all(limit)])

    @router.get("/{name:path}")
    def show(name: str) -> Response:
        return Json(orders.by_id(name).as_json)

    def action(act: Callable[[str, str], StoredOrder]) -> Callable[..., Response]:
        def do(name: str, who: Who = "") -> Response:
            return Json(act(name, by_http(who)).as_json)

        return do

    for verb, act in (("cancel", front_desk.cancel), ("hold", front_desk.hold), ("release", front_desk.release)):
        router.post("/{name:path}/" + verb, response_model=None)(action(act))
    return router


async def _body(request: Request) -> bytes:
    """What was sent, up to one byte more than an order may have; the rest is read and dropped, for the client's sake."""
    kept, size = bytearray(), 0
    async with asyncio.timeout(_BODY_S):
        async for chunk in request.stream():
            size += len(chunk)
            kept += chunk[: LARGEST_ORDER + 1 - len(kept)]
            if size > _DRAINED:
                break
    request.state.is_large = size > LARGEST_ORDER
    return bytes(kept)


def _is_large(request: Request) -> bool:
    return bool(request.state.is_large)


def _dome_addresses(
    dome: DomeService, clock: Clock, version: str, hand_over: Callable[[], None], closing: asyncio.Event
) -> APIRouter:
    router = APIRouter(prefix="/dome", default_response_class=Json)

    async def answered(wish: DomeWish, manner: _Manner) -> Response:
        who = by_http(manner.who)
        motion = carry_out(dome, wish, who, waits=manner.wait, timeout_s=manner.timeout_s)
        return Json((await _unless(closing, motion)).as_json)

    @router.get("/DomeStatus")
    async def status() -> Response:
        return Json(dome_status(dome.state, clock.monotonic(), version))

    @router.put("/SetAzim")
    async def set_azimuth(manner: Manner, azim: str = "") -> Response:
        return await answered(DomeWish(WishKind.GOTO, parse_azimuth_deg(azim)), manner)

    @router.put("/SetAltitude")
    async def set_altitude(manner: Manner, alt: str = "") -> Response:
        return await answered(DomeWish(WishKind.ALTITUDE, altitude_deg=parse_altitude_deg(alt)), manner)

    @router.put("/MoveTo")
    async def move_to(manner: Manner, azim: str = "", alt: str = "") -> Response:
        turn = DomeWish(WishKind.GOTO, parse_azimuth_deg(azim))
        rise = DomeWish(WishKind.ALTITUDE, altitude_deg=parse_altitude_deg(alt))
        turned = carry_out(dome, turn, by_http(manner.who), waits=manner.wait, timeout_s=manner.timeout_s)
        answer = await _unless(closing, turned)
        return await answered(rise, manner) if answer.is_ok else Json(answer.as_json)

    @router.put("/HandOver")
    async def hand_dome_over(who: Who = "") -> Response:
        log.warning("The dome is handed over to %s", by_http(who))
        dome.set_owner(False)
        await run_in_threadpool(hand_over)
        return Json(DomeAnswer(True).as_json)

    @router.put("/OpenDome")
    async def open_dome(manner: Manner, override: Override = None) -> Response:
        given = None if override is None else parse_override(_printable(override))
        return await answered(DomeWish(WishKind.OPEN, override=given), manner)

    @router.put("/CloseDome")
    async def close_dome(manner: Manner) -> Response:
        return await answered(DomeWish(WishKind.CLOSE), manner)

    @router.put("/ParkPosition")
    @router.put("/ParkPostion")  # as the mission spells it
    async def park(manner: Manner) -> Response:
        return await answered(DomeWish(WishKind.PARK), manner)

    @router.put("/Stop")
    async def stop_dome(manner: Manner) -> Response:
        standing = stop(dome, by_http(manner.who), clock, waits=manner.wait)
        return Json((await _unless(closing, standing)).as_json)

    return router


async def _unless(closing: asyncio.Event, work: Coroutine[Any, Any, DomeAnswer]) -> DomeAnswer:
    """The answer, or that the program ends first: what the dome was told goes on."""
    task, bell = asyncio.create_task(work), asyncio.create_task(closing.wait())
    try:
        await asyncio.wait({task, bell}, return_when=asyncio.FIRST_COMPLETED)
        if task.done():
            return task.result()
        return DomeAnswer(False, "Cupola was closed before the dome had finished: it may still move")
    finally:
        task.cancel()
        bell.cancel()


def by_http(who: str) -> str:
    """Who acts, for journal and log."""
    name = _printable(who).strip()
    return f"{name} over HTTP" if name else "HTTP"


def _printable(text: str) -> str:
    """The text without what would write another line into the log, or turn it round."""
    return "".join(letter if letter.isprintable() else " " for letter in text)
