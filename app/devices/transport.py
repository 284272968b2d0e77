"""Alpaca over HTTP for one lane: no lock shared with other devices, a total deadline, one family of errors."""

from __future__ import annotations

import json
import logging
import random
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from math import isfinite
from threading import Event
from time import monotonic
from typing import Any, TypeVar
from urllib.parse import urlencode

from app.model.dome import DeviceError, DeviceNotSupported, DeviceRefused, DeviceUnreachable

log = logging.getLogger(__name__)

#: A call that has no answer by then is given up, however the reply trickles.
TIMEOUT_S = 2.0
#: Connecting a device may wake hardware.
CONNECT_TIMEOUT_S = 10.0

_NOT_SUPPORTED = 0x400
_LONGEST_REPLY = 4_000_000
#: From these interface versions on a device connects in the background (ASCOM Platform 7).
_CONNECTS_BY_METHOD = {"dome": 3, "telescope": 4, "safetymonitor": 3, "observingconditions": 2}
_NAMES = {
    "dome": "Dome",
    "telescope": "Mount",
    "safetymonitor": "Safety monitor",
    "observingconditions": "Weather station",
}

D = TypeVar("D")


class _DeadlineSocket(socket.socket):
    """A socket that gives up at one moment, not so many seconds after each byte."""

    deadline_s = 0.0

    def recv_into(self, *args: Any, **options: Any) -> int:
        self.settimeout(_left_s(self.deadline_s))
        return super().recv_into(*args, **options)

    def sendall(self, *args: Any, **options: Any) -> None:
        self.settimeout(_left_s(self.deadline_s))
        super().sendall(*args, **options)


class Http:
    """One kept connection to one server, without proxies; for one thread at a time.

    Parameters
    ----------
    server : str
        ``HOST:PORT``; an IPv6 host in brackets.
    """

    def __init__(self, server: str) -> None:
        host, _, port = server.rpartition(":")
        self.server = server
        self._host = "127.0.0.1" if host == "localhost" else host.strip("[]")
        self._connection = HTTPConnection(self._host, int(port))
        # Servers refuse the zone of an IPv6 address (fe80::1%eth0) in the header.
        self._host_header = f"[{self._host.partition('%')[0]}]:{port}" if ":" in self._host else server

    def request(self, verb: str, path: str, fields: Mapping[str, Any], timeout_s: float, what: str) -> dict[str, Any]:
        """Send one request and check that the reply is one of Alpaca without an error.

        Parameters
        ----------
        verb : str
            GET or PUT; a GET that loses its connection is sent a second time.
        fields : mapping
            The query of a GET, the form of a PUT.
        timeout_s : float
            For everything together: connection, request, reply.
        what : str
            The subject of the sentences, such as ``"Dome 0 at 127.0.0.1:11111, azimuth"``.

        Raises
        ------
        DeviceUnreachable
            Without an answer in time, or with one that is not Alpaca's.
        DeviceRefused, DeviceNotSupported
            With an answer that is an error.
        """
        deadline_s = monotonic() + timeout_s
        try:
            try:
                status, body = self._send(verb, path, fields, deadline_s)
            except (ConnectionResetError, BrokenPipeError):
                if verb != "GET":
                    raise
                status, body = self._send(verb, path, fields, deadline_s)
        except TimeoutError as error:
            raise DeviceUnreachable(
                f"{what}: no answer within {timeout_s:g} s; see whether the server hangs or the network is down"
            ) from error
        except (OSError, HTTPException, UnicodeError) as error:
            raise DeviceUnreachable(
                f"{what}: no connection ({_short(error)}); start the server or correct its address in the settings"
            ) from error
        return _checked(status, body, what)

    def warm(self) -> None:
        """Open the connection before it is needed; nothing is sent."""
        try:
            self._open(monotonic() + TIMEOUT_S)
        except OSError as error:
            log.debug("%s is not warmed: %s", self.server, error)

    def close(self) -> None:
        """Close the connection; the next request opens another."""
        self._connection.close()

    def _send(self, verb: str, path: str, fields: Mapping[str, Any], deadline_s: float) -> tuple[int, bytes]:
        form, headers = urlencode(fields), {"Host": self._host_header}
        try:
            self._open(deadline_s)
            if verb == "GET":
                self._connection.request(verb, f"{path}?{form}" if form else path, headers=headers)
            else:
                headers["Content-Type"] = "application/x-www-form-urlencoded"
                self._connection.request(verb, path, form.encode(), headers)
            reply = self._connection.getresponse()
            body = reply.read(_LONGEST_REPLY)
            if not reply.isclosed():
                raise HTTPException(f"the reply is longer than {_LONGEST_REPLY} bytes")
        except BaseException:
            self._connection.close()
            raise
        return reply.status, body

    def _open(self, deadline_s: float) -> None:
        kept = self._connection.sock
        if not isinstance(kept, _DeadlineSocket) or _is_dropped(kept):
            self._connection.close()
            plain = socket.create_connection((self._host, self._connection.port), _left_s(deadline_s))
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            kept = _DeadlineSocket(plain.family, plain.type, plain.proto, plain.detach())
            self._connection.sock = kept
        kept.deadline_s = deadline_s


class Wire:
    """Carries the calls of one alpyca device object, for the thread of one lane.

    alpyca 3.1.3 holds one class-wide lock during every HTTP exchange, so that one silent device delays all others of
    the process, and its time-out counts from each received chunk. `carry` replaces its two private methods that send
    (`_get`, `_put`); the contract test notices when another version sends differently.

    Parameters
    ----------
    server : str
        ``HOST:PORT``.
    kind : str
        Alpaca's device type in lower case: dome, telescope, safetymonitor or observingconditions.
    device : int
        Number of the device.
    timeout_s : float
        For each call as a whole.
    """

    def __init__(self, server: str, kind: str, device: int, timeout_s: float = TIMEOUT_S) -> None:
        self.subject = f"{_NAMES[kind]} {device} at {server}"
        self.server = server
        self._http = Http(server)
        self._kind = kind
        self._path = f"/api/v1/{kind}/{device}/"
        self._timeout_s = timeout_s
        self._client = random.randint(1, 65535)  # noqa: S311 - a name, not a secret
        self._transaction = 0
        self._is_connected = False
        self._unsupported: set[str] = set()

    def carry(self, device: D) -> D:
        """Make an alpyca device object send its requests here."""
        device._get, device._put = self.get, self.put  # type: ignore[attr-defined]  # noqa: SLF001
        return device

    def get(self, member: str, tmo: float | None = None, **query: Any) -> Any:
        """Read a member; the value is never None."""
        value = self._request("GET", member, tmo, query).get("Value")
        if value is None:
            raise self.nonsense(member, value)
        return value

    def put(self, member: str, tmo: float | None = None, **form: Any) -> dict[str, Any]:
        """Call a member, once: what it does may not be wanted twice."""
        return self._request("PUT", member, tmo, form)

    def values(self, members: Sequence[str]) -> dict[str, Any]:
        """Read members: as many as there are in DeviceState, the others one by one; None where there is no such part."""
        known = self._device_state()
        return {member: known[member] if member in known else self._optional(member) for member in members}

    def flag(self, member: str, value: object) -> bool:
        """Check that a value is a boolean."""
        if not isinstance(value, bool):
            raise self.nonsense(member, value)
        return value

    def number(self, member: str, value: object) -> float:
        """Check that a value is a finite number."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
            raise self.nonsense(member, value)
        return float(value)

    def optional_flag(self, member: str, value: object) -> bool | None:
        """As `flag`, but None stays None: no such part."""
        return None if value is None else self.flag(member, value)

    def optional_number(self, member: str, value: object) -> float | None:
        """As `number`, but None stays None: no such part."""
        return None if value is None else self.number(member, value)

    def interface_version(self) -> int:
        """Read the version of the interface; a device that does not tell has the first."""
        try:
            version = self.get("interfaceversion")
        except DeviceRefused:
            return 1
        try:
            return int(version)
        except (TypeError, ValueError) as error:
            raise self.nonsense("interfaceversion", version) from error

    def connect(self) -> int:
        """Connect the device unless it is connected; return the version of its interface."""
        self._unsupported.clear()
        version = self.interface_version()
        if self.flag("connected", self.get("connected")):
            return version
        if version < _CONNECTS_BY_METHOD[self._kind] or not self._connect_in_background():
            self.put("connected", CONNECT_TIMEOUT_S, Connected=True)
        if not self.flag("connected", self.get("connected")):
            raise DeviceRefused(f"{self.subject} does not connect: see what its server says at {self.server}/setup")
        return version

    @contextmanager
    def connected(self) -> Iterator[None]:
        """For calls that need a connected device: it is connected at the first, and again after an error."""
        try:
            if not self._is_connected:
                self.connect()
            yield
        except DeviceError:
            self._is_connected = False
            raise
        self._is_connected = True

    def warm(self) -> None:
        """Open the connection before it is needed; nothing is sent."""
        self._http.warm()

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def nonsense(self, member: str, value: object) -> DeviceRefused:
        """The refusal of a value that cannot be."""
        return DeviceRefused(f"{self.subject}, {member}: {str(value)[:60]!r} is nonsense; see what its driver says")

    def _connect_in_background(self) -> bool:
        """Connect by method; False where the device has none."""
        try:
            self.put("connect")
            deadline_s, pause = monotonic() + CONNECT_TIMEOUT_S, Event()
            while self.flag("connecting", self.get("connecting")) and monotonic() < deadline_s:
                pause.wait(0.1)
        except DeviceNotSupported:
            return False
        return True

    def _device_state(self) -> dict[str, Any]:
        """Everything in one request; empty where the server has no such member."""
        if "devicestate" in self._unsupported:
            return {}
        try:
            items = self.get("devicestate")
            return {item["Name"].lower(): item["Value"] for item in items if item["Value"] is not None}
        except DeviceRefused:
            self._unsupported.add("devicestate")  # servers of older versions: 0x400, 0x40B or HTTP 4xx
        except (AttributeError, KeyError, TypeError):
            log.info("%s: DeviceState is no list of names and values; members are read one by one", self.subject)
            self._unsupported.add("devicestate")
        return {}

    def _optional(self, member: str) -> Any:
        if member in self._unsupported:
            return None
        try:
            return self.get(member)
        except DeviceNotSupported:
            self._unsupported.add(member)
            return None

    def _request(self, verb: str, member: str, timeout_s: float | None, fields: dict[str, Any]) -> dict[str, Any]:
        self._transaction += 1
        fields |= {"ClientID": self._client, "ClientTransactionID": self._transaction}
        what = f"{self.subject}, {member}"
        return self._http.request(verb, self._path + member, fields, timeout_s or self._timeout_s, what)


def _checked(status: int, body: bytes, what: str) -> dict[str, Any]:
    """The reply, when it is one of Alpaca and no error."""
    text = body.decode("utf-8", "replace")
    if status != 200:
        raise DeviceRefused(f"{what}: refused with HTTP {status} ({_plain(text)}); see what the server says")
    try:
        reply = json.loads(text)
        number, message = reply["ErrorNumber"], reply.get("ErrorMessage")
        if isinstance(number, bool) or not isinstance(number, int):
            raise TypeError(number)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise DeviceUnreachable(
            f"{what}: the answer is not Alpaca's ({_plain(text)}); correct the address in the settings"
        ) from error
    if number == _NOT_SUPPORTED:
        raise DeviceNotSupported(f"{what}: the device has no such part ({message})")
    if number != 0:
        raise DeviceRefused(
            f"{what}: refused with error 0x{number & 0xFFFFFFFF:X} ({message}); see what its driver says"
        )
    checked: dict[str, Any] = reply
    return checked


def _is_dropped(kept: socket.socket) -> bool:
    """Whether the server has closed an idle connection, or sent what nobody asked for."""
    kept.settimeout(0.0)
    try:
        kept.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _left_s(deadline_s: float) -> float:
    left_s = deadline_s - monotonic()
    if left_s <= 0.0:
        raise TimeoutError("the deadline has passed")
    return left_s


def _short(error: Exception) -> str:
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    return _plain(text) if text.strip() else type(error).__name__


def _plain(text: str) -> str:
    return " ".join(text.split())[:80] or "empty"
