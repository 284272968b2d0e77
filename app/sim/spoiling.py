"""Replies that go wrong on request: their words, their pace, their end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from contextlib import suppress
from math import nan

from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from app.sim.faults import Fault

_PAGE = "<!DOCTYPE html><html><body><h1>Welcome to your router</h1></body></html>"
_EXTRA = {"extra_by_the_vendor": {"firmware": "1.0"}}


async def spoilt(response: Response, faults: Sequence[Fault], end: asyncio.Event) -> Response:
    """The reply as its faults make it, after they let it wait.

    Parameters
    ----------
    response : Response
        The true one.
    faults : sequence of Fault
        Each spoils what the one before has left.
    end : asyncio.Event
        Set when the server ends: nothing waits any longer.

    Returns
    -------
    Response
        What is sent instead.
    """
    for fault in faults:
        if fault.hang_s:
            await _wait(end, fault.hang_s)
        response = _reworded(response, fault)
    for fault in faults:
        response = _delivered(response, fault, end)
    return response


def _reworded(response: Response, fault: Fault) -> Response:
    """With another status, body or value."""
    status = fault.status or response.status_code
    if fault.empty:
        return Response(status_code=status)
    if fault.html:
        return HTMLResponse(_PAGE, status_code=status)
    if fault.other_json:
        return JSONResponse({"detail": "the simulator shows this on request"}, status_code=status)
    if fault.status is not None:
        return PlainTextResponse("the simulator shows this status on request", status_code=status)
    if response.headers.get("content-type") == JSONResponse.media_type:
        return _other_envelope(response, fault)
    return response


def _other_envelope(response: Response, fault: Fault) -> Response:
    """An Alpaca reply with other keys in it."""
    content = json.loads(bytes(response.body))
    if fault.odd_types and _is_list_of_devices(content.get("Value")):
        content["Value"] = _odd_devices(content["Value"])
    if fault.extra_keys:
        content = _with_extra_keys(content)
    if fault.wrong_echo:
        content["ClientTransactionID"] += 1
    if fault.error is not None:
        content |= {"ErrorNumber": fault.error, "ErrorMessage": "the simulator shows this error on request"}
        content.pop("Value", None)
    if fault.value is not None and "Value" in content:
        content = _with_other_value(content, fault.value)
    return Response(json.dumps(content), media_type=JSONResponse.media_type)  # NaN is not JSON: JSONResponse refuses it


def _with_other_value(content: dict[str, object], word: str) -> dict[str, object]:
    values: dict[str, object] = {"null": None, "nan": nan, "comma": "12,5", "string": _as_text(content["Value"])}
    if word in values:
        return content | {"Value": values[word]}
    return {key: value for key, value in content.items() if key != "Value"}


def _as_text(value: object) -> str:
    """A plain string of any value, as some servers write even their description."""
    return ", ".join(map(str, value.values())) if isinstance(value, dict) else str(value)


def _with_extra_keys(content: dict[str, object]) -> dict[str, object]:
    value = content.get("Value")
    if isinstance(value, list):
        content["Value"] = [item | _EXTRA if isinstance(item, dict) else item for item in value]
    elif isinstance(value, dict):
        content["Value"] = value | _EXTRA
    return content | _EXTRA


def _is_list_of_devices(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(item, dict) and "DeviceType" in item for item in value)


def _odd_devices(devices: list[dict[str, object]]) -> list[dict[str, object]]:
    """Types in odd case, and devices that no client knows."""
    odd = [device | {"DeviceType": str(device["DeviceType"]).swapcase()} for device in devices]
    unknown = {"DeviceName": "Espresso machine", "DeviceType": "CoffeeMaker", "DeviceNumber": 0, "UniqueID": "coffee"}
    return [unknown, *odd]


def _delivered(response: Response, fault: Fault, end: asyncio.Event) -> Response:
    """Sent in another way."""
    if fault.drop:
        return _Dropped()
    if fault.cut:
        return _Cut(response)
    if fault.trickle_s:
        return _Trickling(response, fault.trickle_s, end)
    return response


class _Dropped(Response):
    """No reply: the connection is closed."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await _close(scope, receive)


class _Cut(Response):
    """The connection is closed after half of the body."""

    def __init__(self, whole: Response) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        half = bytes(self.body)[: len(self.body) // 2]
        await send({"type": "http.response.body", "body": half, "more_body": True})
        await _close(scope, receive)


class _Trickling(Response):
    """The body comes byte by byte."""

    def __init__(self, whole: Response, pace_s: float, end: asyncio.Event) -> None:
        super().__init__(whole.body, whole.status_code)
        self.raw_headers = whole.raw_headers
        self._pace_s = pace_s
        self._end = end

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        for byte in bytes(self.body):
            if scope["state"]["transport"].is_closing():
                return
            await send({"type": "http.response.body", "body": bytes([byte]), "more_body": True})
            await _wait(self._end, self._pace_s)
        await send({"type": "http.response.body", "body": b""})


async def _close(scope: Scope, receive: Receive) -> None:
    """Close the connection, and wait until it is."""
    scope["state"]["transport"].close()
    while (await receive())["type"] != "http.disconnect":
        pass


async def _wait(end: asyncio.Event, seconds: float) -> None:
    with suppress(TimeoutError):
        await asyncio.wait_for(end.wait(), seconds)
