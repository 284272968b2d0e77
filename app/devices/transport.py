"""Alpaca for one lane: no lock shared with other devices, versions 1 to 3, and what a device has not is None."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from threading import Event
from time import monotonic
from typing import Any, TypeVar

from app.devices.address import Address, address_of
from app.devices.answers import Answers, checked_flag, nonsense
from app.devices.http import TIMEOUT_S, Http
from app.devices.refusals import DeviceNotConnected
from app.model.dome import DeviceError, DeviceNotSupported, DeviceRefused, DeviceUnreachable

#: Connecting a device may wake hardware, and parking one may take drivers of older versions as long.
SLOW_TIMEOUT_S = 10.0

#: From these interface versions on a device connects in the background (ASCOM Platform 7).
_CONNECTS_BY_METHOD = {
    "dome": 3,
    "telescope": 4,
    "safetymonitor": 3,
    "observingconditions": 2,
    "switch": 3,
    "covercalibrator": 2,
    "camera": 4,
}
_NAMES = {
    "dome": "Dome",
    "telescope": "Mount",
    "safetymonitor": "Safety monitor",
    "observingconditions": "Weather station",
    "switch": "Switch",
    "covercalibrator": "Mirror cover",
    "camera": "Camera",
}
_LOOK_S = 0.1
#: Some servers close every connection: a device is not looked for more often because of that.
_CONFIRM_EVERY_S = 1.0

D = TypeVar("D")
T = TypeVar("T")


class Wire:
    """Carries the calls of one alpyca device object, for the thread of one lane.

    alpyca 3.1.3 holds one class-wide lock during every HTTP exchange, so that one silent device delays all others of
    the process, and its time-out counts from each received chunk. `carry` replaces its two private methods that send
    (`_get`, `_put`); the contract test notices when another version sends differently.

    Parameters
    ----------
    server : str or Address
        ``HOST:PORT``, or the address that all clients of the device share.
    kind : str
        Alpaca's device type in lower case, such as ``"dome"`` or ``"telescope"``.
    device : int
        Number of the device, unless an address is given.
    timeout_s : float
        For each call as a whole.
    """

    def __init__(self, server: str | Address, kind: str, device: int = 0, timeout_s: float = TIMEOUT_S) -> None:
        self.address = address_of(server, device)
        self._http = Http(self.address.place[0])
        self._kind = kind
        self._timeout_s = timeout_s
        self._client = random.randint(1, 65535)  # noqa: S311 - a name, not a secret
        self._transaction = 0
        self._losses, self._server_transaction = 0, 0
        self._is_connected = False
        self._confirmed_s = float("-inf")
        self._unsupported: set[str] = set()

    @property
    def subject(self) -> str:
        """The device, as the subject of sentences."""
        server, device = self.address.place
        return f"{_NAMES[self._kind]} {device} at {server}"

    def carry(self, device: D) -> D:
        """Make an alpyca device object send its requests here."""
        device._get, device._put = self.get, self.put  # type: ignore[attr-defined]  # noqa: SLF001
        return device

    def get(self, member: str, tmo: float | None = None, **query: Any) -> Any:
        """Read a member; the value is never None."""
        reply = self._request("GET", member, tmo, query)
        self._see_server(reply.get("ServerTransactionID"))
        value = reply.get("Value")
        if value is None:
            raise nonsense(self.subject, member, value)
        return value

    def put(self, member: str, tmo: float | None = None, **form: Any) -> dict[str, Any]:
        """Call a member, once: what it does may not be wanted twice."""
        return self._request("PUT", member, tmo, form)

    def flag(self, member: str, **query: Any) -> bool:
        """Read a member that is a boolean."""
        return checked_flag(self.subject, member, self.get(member, **query))

    def values(self, members: Sequence[str]) -> Answers:
        """Read members: as many as there are in DeviceState, the others one by one; None where there is no such part."""
        known = self._device_state()
        more = self.members([member for member in members if member not in known])
        return Answers(self.subject, {**known, **more.values})

    def members(self, members: Sequence[str]) -> Answers:
        """Read members one by one; None where there is no such part, which is not asked for again."""
        return Answers(self.subject, {member: self.optional(member) for member in members})

    def optional(self, member: str, **query: Any) -> Any:
        """Read a member; None where there is no such part, which is not asked for again."""
        if member in self._unsupported:
            return None
        try:
            return self.get(member, **query)
        except DeviceNotSupported:
            self._unsupported.add(member)
            return None

    def connect(self) -> int:
        """Connect the device unless it is connected, wherever it is now; return the version of its interface."""
        self.address.confirm(self._kind)
        self._unsupported.clear()
        version = self._interface_version()
        if self.flag("connected"):
            return version
        if version < _CONNECTS_BY_METHOD[self._kind] or not self._connect_in_background():
            self.put("connected", SLOW_TIMEOUT_S, Connected=True)
        if not self.flag("connected"):
            server, _ = self.address.place
            raise DeviceRefused(f"{self.subject} does not connect: see what its server says at {server}/setup")
        return version

    def connected(self, call: Callable[[], T]) -> T:
        """Call with the device connected: at the first call, again after an error, and at once when it says it is not."""
        try:
            if not self._is_connected:
                self.connect()
            try:
                answer = call()
            except DeviceNotConnected:
                self.connect()
                answer = call()
        except DeviceError:
            self._is_connected = False
            raise
        self._is_connected = True
        return answer

    def warm(self) -> None:
        """Open the connection before it is needed; nothing is sent."""
        self._current().warm()

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def _interface_version(self) -> int:
        """Read the version of the interface; a device that does not tell has the first."""
        try:
            version = self.get("interfaceversion")
        except DeviceRefused:
            return 1
        try:
            return int(version)
        except (TypeError, ValueError, OverflowError) as error:
            raise nonsense(self.subject, "interfaceversion", version) from error

    def _connect_in_background(self) -> bool:
        """Connect by method; False where the device has none."""
        try:
            self.put("connect")
            deadline_s, pause = monotonic() + SLOW_TIMEOUT_S, Event()
            while self.flag("connecting") and monotonic() < deadline_s:
                pause.wait(_LOOK_S)
        except DeviceRefused:
            return False  # the property tells why, if it is no better
        return True

    def _device_state(self) -> dict[str, Any]:
        """Everything in one request; empty where the server has no such member."""
        if "devicestate" in self._unsupported:
            return {}
        try:
            items = self.get("devicestate")
            return {item["Name"].lower(): item["Value"] for item in items if item["Value"] is not None}
        except DeviceNotConnected:
            raise
        except DeviceRefused:
            pass  # servers of older versions: 0x400, 0x40B or HTTP 4xx
        except (AttributeError, KeyError, TypeError):
            pass  # no list of names and values
        self._unsupported.add("devicestate")
        return {}

    def _current(self) -> Http:
        """The connection to where the device is now."""
        server, _ = self.address.place
        if self._http.server != server:
            self._http.close()
            self._http, self._losses, self._server_transaction = Http(server), 0, 0
        return self._http

    def _request(self, verb: str, member: str, timeout_s: float | None, fields: dict[str, Any]) -> dict[str, Any]:
        self._transaction += 1
        fields |= {"ClientID": self._client, "ClientTransactionID": self._transaction}
        path = f"/api/v1/{self._kind}/{self.address.place[1]}/{member}"
        what = f"{self.subject}, {member}"
        return self._current().request(verb, path, fields, timeout_s or self._timeout_s, what)

    def _see_server(self, transaction: object) -> None:
        """Notice a server that began anew: its connection was lost, and it counts its replies from the start again."""
        number = transaction if isinstance(transaction, int) else 0
        is_lost = self._http.losses != self._losses
        is_new = is_lost and 0 < number < self._server_transaction
        self._losses, self._server_transaction = self._http.losses, number
        if is_new:
            raise DeviceUnreachable(f"{self.subject}: its server has begun anew; the device is connected again")
        place, now_s = self.address.place, monotonic()
        if is_lost and now_s - self._confirmed_s > _CONFIRM_EVERY_S:
            self._confirmed_s = now_s
            self.address.confirm(self._kind)  # its numbers may have changed
        if self.address.place != place:
            raise DeviceUnreachable(f"{self.subject}: it was {place[0]}/{place[1]} before; it is connected again")
