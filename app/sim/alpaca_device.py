"""What every simulated device has in common on the wire: members, parameters, error numbers."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from app import __version__

_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_WHOLE = re.compile(r"[+-]?\d+", re.ASCII)
#: So long a Connect takes, real seconds: clients wait with time-outs of real seconds.
_CONNECT_S = 0.2


class ErrorNumber(IntEnum):
    """Error numbers of the Alpaca API reference."""

    NOT_IMPLEMENTED = 0x400
    INVALID_VALUE = 0x401
    VALUE_NOT_SET = 0x402
    NOT_CONNECTED = 0x407
    INVALID_WHILE_PARKED = 0x408
    INVALID_WHILE_SLAVED = 0x409
    INVALID_OPERATION = 0x40B
    ACTION_NOT_IMPLEMENTED = 0x40C
    DRIVER = 0x500


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
class Pixels:
    """The value of ImageArray, whose reply has keys of its own: columns of whole numbers."""

    columns: list[list[int]]


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


class Connection:
    """Whether the driver is connected to its device: at once by Connected, some time after Connect.

    Attributes
    ----------
    fails : bool
        From now on connecting fails: Connected raises it at once, after Connect the next read of Connecting.
    """

    def __init__(self) -> None:
        self.fails = False
        self._has_failed = False
        self._is_wanted = False
        self._done_s = 0.0

    @property
    def is_busy(self) -> bool:
        """Whether it is on its way; raises 0x500 when it has failed."""
        if time.monotonic() < self._done_s:
            return True
        self._tell_failure()
        return False

    @property
    def is_made(self) -> bool:
        """Whether the driver is connected."""
        return self._is_wanted and not self._has_failed and time.monotonic() >= self._done_s

    def begin(self, *, wanted: bool) -> None:
        """Begin to connect or to disconnect."""
        if wanted != self.is_made:
            self._done_s = time.monotonic() + _CONNECT_S
        self._is_wanted, self._has_failed = wanted, wanted and self.fails

    def set(self, wanted: bool) -> None:
        """Connect or disconnect at once; raises 0x500 when that fails."""
        self._done_s = 0.0
        self._is_wanted, self._has_failed = wanted, wanted and self.fails
        self._tell_failure()

    def _tell_failure(self) -> None:
        if self._has_failed:
            raise AlpacaError(ErrorNumber.DRIVER, "The simulated driver cannot reach its device")


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
    is_platform_7 : bool
        Whether the interface is of ASCOM's Platform 7: older ones have no Connect, Connecting, Disconnect, DeviceState.
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
        is_platform_7: bool = True,
    ) -> None:
        self.identity = identity
        self.connection = Connection()
        self._reads = reads
        self._state = state
        self._utc = utc
        self._calls = (
            {(method, name): _not_implemented(name) for name in missing for method in ("GET", "PUT")}
            | self._common()
            | (self._platform_7() if is_platform_7 else {})
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
            ("GET", "connected"): Call(lambda: self.connection.is_made),
            ("PUT", "connected"): Call(self.connection.set, Parameter("Connected", as_boolean)),
            ("PUT", "action"): Call(_no_action, Parameter("Action", str), Parameter("Parameters", str)),
            ("PUT", "commandblind"): _not_implemented("commandblind", *words),
            ("PUT", "commandbool"): _not_implemented("commandbool", *words),
            ("PUT", "commandstring"): _not_implemented("commandstring", *words),
        }

    def _platform_7(self) -> dict[tuple[str, str], Call]:
        """Members that every device of Platform 7 has besides."""
        return {
            ("GET", "connecting"): Call(lambda: self.connection.is_busy),
            ("GET", "devicestate"): Call(self._device_state),
            ("PUT", "connect"): Call(lambda: self.connection.begin(wanted=True)),
            ("PUT", "disconnect"): Call(lambda: self.connection.begin(wanted=False)),
        }

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
