"""What every simulated device has in common on the wire: members, parameters, error numbers."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from app import __version__

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)


class ErrorNumber(IntEnum):
    """Error numbers of the Alpaca API reference."""

    NOT_IMPLEMENTED = 0x400
    INVALID_VALUE = 0x401
    INVALID_WHILE_PARKED = 0x408
    INVALID_OPERATION = 0x40B
    ACTION_NOT_IMPLEMENTED = 0x40C


class AlpacaError(Exception):
    """The device understood, and does not: HTTP 200 with an error number."""

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a call.

    Attributes
    ----------
    parse : callable
        From the text on the wire; raises `ValueError`, which HTTP answers with 400.
    """

    name: str
    parse: Callable[[str], object]


class Call:
    """One method on one member: what it does, and the parameters that it needs, in order."""

    def __init__(self, action: Callable[..., object], *parameters: Parameter) -> None:
        self.action = action
        self.parameters = parameters


@dataclass(frozen=True, slots=True)
class Identity:
    """What a device says of itself.

    Attributes
    ----------
    kind : str
        ASCOM device type in its proper case, such as ``"SafetyMonitor"``.
    unique_id : str
        Never changes.
    """

    kind: str
    name: str
    description: str
    interface_version: int
    unique_id: str
    number: int = 0


class AlpacaDevice:
    """One device with all members of its interface.

    Parameters
    ----------
    identity : Identity
        What it says of itself.
    reads : mapping of str to callable
        Properties that are read without parameters, by lower-case name.
    calls : mapping of (str, str) to Call
        Everything else, by HTTP method and lower-case name.
    missing : collection of str
        Members of the interface that this device has not: they answer 0x400.
    state : collection of str
        Properties of DeviceState, in their proper case.
    utc : callable
        Time of the sky.
    """

    def __init__(
        self,
        identity: Identity,
        reads: Mapping[str, Callable[[], object]],
        calls: Mapping[tuple[str, str], Call],
        *,
        missing: Collection[str],
        state: Collection[str],
        utc: Callable[[], datetime],
    ) -> None:
        self.identity = identity
        self._is_connected = False
        self._reads = reads
        self._state = state
        self._utc = utc
        self._calls = (
            {(method, name): _not_implemented(name) for name in missing for method in ("GET", "PUT")}
            | self._common()
            | {("GET", name): Call(read) for name, read in reads.items()}
            | dict(calls)
        )

    def call(self, method: str, member: str) -> Call | None:
        """What an HTTP method on a member does; None when there is no such thing."""
        return self._calls.get((method, member))

    def methods(self, member: str) -> tuple[str, ...]:
        """HTTP methods of a member; none when there is no such member."""
        return tuple(method for method, name in self._calls if name == member)

    def _common(self) -> dict[tuple[str, str], Call]:
        """Members that every device has."""
        identity = self.identity
        facts: dict[str, object] = {
            "connecting": False,
            "description": identity.description,
            "driverinfo": "Cupola simulator, no hardware behind it",
            "driverversion": __version__,
            "interfaceversion": identity.interface_version,
            "name": identity.name,
            "supportedactions": [],
        }
        words = (Parameter("Command", str), Parameter("Raw", as_boolean))
        return {
            **{("GET", name): Call(fixed(value)) for name, value in facts.items()},
            ("GET", "connected"): Call(lambda: self._is_connected),
            ("GET", "devicestate"): Call(self._device_state),
            ("PUT", "connected"): Call(self._connect, Parameter("Connected", as_boolean)),
            ("PUT", "connect"): Call(lambda: self._connect(True)),
            ("PUT", "disconnect"): Call(lambda: self._connect(False)),
            ("PUT", "action"): Call(_no_action, Parameter("Action", str), Parameter("Parameters", str)),
            ("PUT", "commandblind"): _not_implemented("commandblind", *words),
            ("PUT", "commandbool"): _not_implemented("commandbool", *words),
            ("PUT", "commandstring"): _not_implemented("commandstring", *words),
        }

    def _connect(self, connected: bool) -> None:
        self._is_connected = connected

    def _device_state(self) -> list[dict[str, object]]:
        """Everything that changes, in one answer; what is not operational is left out."""
        values: list[dict[str, object]] = [{"Name": name, "Value": self._reads[name.lower()]()} for name in self._state]
        return [*values, {"Name": "TimeStamp", "Value": ascom_time(self._utc())}]


def as_boolean(text: str) -> bool:
    """``true`` or ``false`` in any case; raises `ValueError` otherwise."""
    word = text.lower()
    if word not in ("true", "false"):
        raise ValueError(f"{text!r} is neither True nor False")
    return word == "true"


def as_number(text: str) -> float:
    """A finite decimal number with a period; raises `ValueError` otherwise."""
    if not _NUMBER.fullmatch(text) or abs(number := float(text)) == float("inf"):
        raise ValueError(f"{text!r} is no number")
    return number


def as_whole(text: str) -> int:
    """A whole number; raises `ValueError` otherwise."""
    if not _WHOLE.fullmatch(text) or len(text) > 20:
        raise ValueError(f"{text!r} is no whole number")
    return int(text)


def ascom_time(at: datetime) -> str:
    """UTC as ASCOM writes it."""
    return at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


def fixed(value: object) -> Callable[[], object]:
    """A property that never changes."""
    return lambda: value


def _not_implemented(member: str, *parameters: Parameter) -> Call:
    def refuse(*_: object) -> None:
        raise AlpacaError(ErrorNumber.NOT_IMPLEMENTED, f"{member} is not implemented by this simulated device")

    return Call(refuse, *parameters)


def _no_action(action: str, _parameters: str) -> None:
    raise AlpacaError(ErrorNumber.ACTION_NOT_IMPLEMENTED, f"Action {action!r} is not implemented")
