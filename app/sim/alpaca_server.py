"""The simulated observatory on the wire: Alpaca's device and management interfaces, and discovery.

After the ASCOM Alpaca API reference: status 200 when a request was understood, with the device's error number in the
JSON; 400 and a text when it was not.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from urllib.parse import parse_qsl

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from app import __version__
from app.sim.alpaca_device import AlpacaDevice, AlpacaError, Call, ErrorNumber, Pixels, as_whole
from app.sim.control_path import ControlPath
from app.sim.drivers import Drivers
from app.sim.faults import Fault
from app.sim.spoiling import spoilt

_UINT32 = 2**32 - 1
#: Alpaca's number for the type of an image's pixels.
_INTEGER = 2
#: Members that answer before the device is connected, whatever it needs.
_WITHOUT_CONNECTION = frozenset(
    {
        "connect",
        "connected",
        "connecting",
        "description",
        "disconnect",
        "driverinfo",
        "driverversion",
        "interfaceversion",
        "name",
        "supportedactions",
    }
)
_ANY_METHOD = ["GET", "HEAD", "PUT", "POST", "DELETE", "PATCH", "OPTIONS"]


class BadRequest(Exception):
    """A request that is no Alpaca: answered with a status and a text."""

    def __init__(self, text: str, status: int = 400, allow: tuple[str, ...] = ()) -> None:
        super().__init__(text)
        self.status = status
        self.allow = allow


class AlpacaServer:
    """Answers for the devices of one observatory; every method runs in the one event loop, so nothing is locked.

    Parameters
    ----------
    drivers : Drivers
        Of the devices that it shows.
    control : ControlPath
        Its faults spoil the replies, and it keeps the requests.
    end : asyncio.Event
        Set when the server ends: nothing hangs any longer.
    """

    def __init__(self, drivers: Drivers, control: ControlPath, end: asyncio.Event) -> None:
        self._drivers = drivers
        self._control = control
        self._end = end
        self._transactions = 0

    def routes(self) -> list[Route]:
        """Everything that it answers."""
        return [
            Route("/api/{path:path}", self._answer_device, methods=_ANY_METHOD),
            Route("/management/apiversions", self._management("apiversions", lambda: [1])),
            Route("/management/v1/description", self._management("description", self._description)),
            Route("/management/v1/configureddevices", self._management("configureddevices", self._configured_devices)),
            Route("/setup", self._show_setup),
            Route("/setup/v1/{kind}/{number}/setup", self._show_device_setup),
        ]

    async def _answer_device(self, request: Request) -> Response:
        """Act at once; whatever fault is set spoils only the reply."""
        arrived_s = time.monotonic()
        method, path = request.method, str(request.scope["path"])
        parameters = await _parameters(request)
        self._control.requests.add(arrived_s, method, path, parameters or {})
        kind, _, member = path.removeprefix("/api/v1/").partition("/")
        faults = self._control.faults.hitting(kind, member.rpartition("/")[2])
        try:
            if parameters is None:
                raise BadRequest(f"the body of {path} is no form of text")
            response = self._act(method, path, parameters, faults)
        except BadRequest as error:
            response = _refusal(error)
        return await spoilt(response, faults, self._end)

    def _act(self, method: str, path: str, given: Mapping[str, str], faults: Sequence[Fault]) -> Response:
        device, member, call = self._call(method, path)
        transaction = _identifier(given, method, "ClientTransactionID")
        _identifier(given, method, "ClientID")
        arguments = []
        for parameter in call.parameters:
            text = _value(given, method, parameter.name)
            if text is None:
                raise BadRequest(f"parameter {parameter.name} of {path} is missing: give it in its exact case")
            try:
                arguments.append(parameter.parse(text))
            except ValueError as error:
                raise BadRequest(f"parameter {parameter.name} of {path}: {error}") from error
        device.connection.fails = any(fault.connect_fails for fault in faults)
        try:
            if any(fault.requires_connect for fault in faults):
                _need_connection(device, member)
            value = call.action(*arguments)
        except AlpacaError as error:
            return self._reply(transaction, error=error)
        return self._reply(transaction, value) if method == "GET" else self._reply(transaction)

    def _call(self, method: str, path: str) -> tuple[AlpacaDevice, str, Call]:
        """What a path means; the case of its letters counts."""
        parts = path.split("/")[1:]
        if len(parts) != 5 or parts[:2] != ["api", "v1"]:
            raise BadRequest(f"{path} is not /api/v1/TYPE/NUMBER/MEMBER in lower case")
        kind, number, member = parts[2:]
        device = self._device(kind, number)
        if device is None:
            raise BadRequest(f"there is no device {kind}/{number} here: see /management/v1/configureddevices")
        call = device.call(method, member)
        if call is not None:
            return device, member, call
        allowed = device.methods(member)
        if allowed:
            raise BadRequest(f"{path} takes {' and '.join(allowed)}, not {method}", status=405, allow=allowed)
        raise BadRequest(f"{kind} has no member {member}: members are in lower case")

    def _device(self, kind: str, number: str) -> AlpacaDevice | None:
        for device in self._drivers.devices:
            if kind == device.identity.kind.lower() and number == str(device.identity.number):
                return device
        return None

    def _reply(self, transaction: int, *value: object, error: AlpacaError | None = None) -> Response:
        """The envelope of every reply; a PUT and an error have no value."""
        self._transactions += 1
        content: dict[str, object] = {
            "ClientTransactionID": transaction,
            "ServerTransactionID": self._transactions,
            "ErrorNumber": error.number if error else 0,
            "ErrorMessage": str(error) if error else "",
        }
        match value:
            case (Pixels(columns),):
                content |= {"Type": _INTEGER, "Rank": 2, "Value": columns}
            case (other,):
                content["Value"] = other
        return JSONResponse(content)

    def _management(self, name: str, value: Callable[[], object]) -> Callable[[Request], Awaitable[Response]]:
        async def answer(request: Request) -> Response:
            try:
                transaction = _identifier(request.query_params, "GET", "ClientTransactionID")
            except BadRequest:  # management knows no 400: an id that is none counts as not given
                transaction = 0
            faults = self._control.faults.hitting("management", name)
            return await spoilt(self._reply(transaction, value()), faults, self._end)

        return answer

    def _description(self) -> dict[str, str]:
        return {
            "ServerName": "Cupola simulated observatory",
            "Manufacturer": "Cupola",
            "ManufacturerVersion": __version__,
            "Location": "SIMULATED",
        }

    def _configured_devices(self) -> list[dict[str, object]]:
        return [
            {
                "DeviceName": device.identity.name,
                "DeviceType": device.identity.kind,
                "DeviceNumber": device.identity.number,
                "UniqueID": device.identity.unique_id,
            }
            for device in self._drivers.devices
        ]

    async def _show_setup(self, _: Request) -> Response:
        items = "".join(
            f'<li><a href="/setup/v1/{d.identity.kind.lower()}/{d.identity.number}/setup">{d.identity.name}</a></li>'
            for d in self._drivers.devices
        )
        return _page("Cupola simulated observatory", f"<p>Nothing here moves anything real.</p><ul>{items}</ul>")

    async def _show_device_setup(self, request: Request) -> Response:
        device = self._device(request.path_params["kind"], request.path_params["number"])
        if device is None:
            return _page("No such device", "<p>There is no such device here.</p>", status=403)
        return _page(device.identity.name, f"<p>{device.identity.description}. There is nothing to set.</p>")


def _need_connection(device: AlpacaDevice, member: str) -> None:
    if member not in _WITHOUT_CONNECTION and not device.connection.is_made:
        raise AlpacaError(ErrorNumber.NOT_CONNECTED, f"{device.identity.name} is not connected: set Connected first")


async def _parameters(request: Request) -> dict[str, str] | None:
    """What a request gives: a PUT in its body, whatever content type it claims, others in the query; None for no text."""
    if request.method != "PUT":
        return dict(request.query_params)
    body = await request.body()
    try:
        return dict(parse_qsl(body.decode(), keep_blank_values=True, errors="strict", max_num_fields=100))
    except ValueError:
        return None


def _value(given: Mapping[str, str], method: str, name: str) -> str | None:
    """One parameter: names have their exact case in a body, and any case in a query."""
    if method == "PUT":
        return given.get(name)
    return {key.lower(): value for key, value in given.items()}.get(name.lower())


def _identifier(given: Mapping[str, str], method: str, name: str) -> int:
    """ClientID or ClientTransactionID; 0 when it is not given."""
    text = _value(given, method, name)
    try:
        number = 0 if text is None else as_whole(text)
    except ValueError as error:
        raise BadRequest(f"{name}: {error}") from error
    if not 0 <= number <= _UINT32:
        raise BadRequest(f"{name} {number} is outside of 0 to {_UINT32}")
    return number


def _refusal(error: BadRequest) -> Response:
    headers = {"Allow": ", ".join(error.allow)} if error.allow else None
    return PlainTextResponse(str(error), status_code=error.status, headers=headers)


def _page(title: str, body: str, status: int = 200) -> Response:
    return HTMLResponse(
        f'<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><title>{title}</title></head>'
        f"<body><h1>{title}</h1><p><strong>SIMULATED.</strong></p>{body}</body></html>",
        status_code=status,
    )
