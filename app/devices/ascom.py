"""A dome behind an ASCOM driver of this Windows machine: the same members over COM.

COM lets a driver be called from one thread alone, its apartment: all calls wait for one another there. STOP and CLOSE
go before what waits, but a call that runs cannot be interrupted, so that the latency of STOP cannot be promised. ASCOM
Remote in front of the driver, and `AlpacaDome`, have no such limit.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from itertools import count
from queue import PriorityQueue
from threading import Thread
from typing import Any, TypeVar

from app.devices.answers import (
    DOME_ABILITIES,
    DOME_MEMBERS,
    Answers,
    checked_flag,
    checked_number,
    dome_facts,
    dome_members,
    dome_sample,
)
from app.devices.refusals import refusal
from app.model.dome import DeviceError, DeviceNotSupported, DeviceRefused, DeviceUnreachable, DomeFacts, DomeSample

T = TypeVar("T")

#: For a call and those before it.
TIMEOUT_S = 5.0
CONNECT_TIMEOUT_S = 30.0

_NAMES = {
    "azimuth": "Azimuth",
    "altitude": "Altitude",
    "shutterstatus": "ShutterStatus",
    "slewing": "Slewing",
    "slaved": "Slaved",
    "atpark": "AtPark",
    "athome": "AtHome",
    "cansetazimuth": "CanSetAzimuth",
    "cansetaltitude": "CanSetAltitude",
    "cansetshutter": "CanSetShutter",
    "canpark": "CanPark",
    "canfindhome": "CanFindHome",
    "canslave": "CanSlave",
}
#: DISP_E_UNKNOWNNAME, DISP_E_MEMBERNOTFOUND: a driver of an older interface.
_NO_MEMBER = {0x80020006, 0x80020003}
#: RPC_S_SERVER_UNAVAILABLE, RPC_S_CALL_FAILED, RPC_E_DISCONNECTED: the driver's process has ended.
_GONE = {0x800706BA, 0x800706BE, 0x80010108}
#: DISP_E_EXCEPTION: the number is in the details.
_IN_DETAILS = 0x80020009


def create_driver(progid: str) -> Any:
    """Start an ASCOM driver, in the thread that will call it.

    Raises
    ------
    DeviceUnreachable
        If this is no Windows, or comtypes and pywin32 are both missing.
    """
    if sys.platform == "win32":
        try:
            import comtypes.client

            comtypes.CoInitialize()
            return comtypes.client.CreateObject(progid, dynamic=True)
        except ModuleNotFoundError:
            pass  # pywin32 does as well
        try:
            import pythoncom
            import win32com.client

            pythoncom.CoInitialize()
            return win32com.client.Dispatch(progid)
        except ModuleNotFoundError:
            pass
    raise DeviceUnreachable(
        f"ASCOM driver {progid} cannot be started: that needs Windows and `pip install cupola[ascom]`; or put ASCOM "
        "Remote before the driver, and name its HOST:PORT as the dome's server"
    )


class AscomDriver:
    """One driver and its apartment: the thread in which it is made and called, for all clients of it.

    Parameters
    ----------
    progid : str
        Name of the driver, such as ``"ASCOM.Simulator.Dome"``.
    dispatch : callable
        Makes the driver's object from its name; called in the apartment.
    timeout_s : float
        For each call and those that it waits for.
    """

    def __init__(
        self, progid: str, dispatch: Callable[[str], Any] = create_driver, timeout_s: float = TIMEOUT_S
    ) -> None:
        self.progid = progid
        self.timeout_s = timeout_s
        self._dispatch = dispatch
        self._driver: Any = None
        self._numbers = count()
        self._calls: PriorityQueue[tuple[bool, int, Future[Any] | None, Callable[[Any], Any]]] = PriorityQueue()
        # A driver that hangs must not keep Cupola from ending.
        Thread(target=self._work, name=f"ascom {progid}", daemon=True).start()

    def call(
        self, member: str, function: Callable[[Any], T], *, timeout_s: float | None = None, is_urgent: bool = False
    ) -> T:
        """Call the driver in its apartment; from any thread.

        Parameters
        ----------
        member : str
            What is called, for sentences.
        function : callable
            Takes the driver's object.
        timeout_s : float, optional
            Instead of the driver's.
        is_urgent : bool
            Whether it goes before all that waits and is not urgent.

        Raises
        ------
        DeviceUnreachable
            Without an answer in time; a call that had not begun by then is never made.
        DeviceRefused, DeviceNotSupported, DeviceBusy
            With the driver's error.
        """
        what, limit_s = f"ASCOM driver {self.progid}, {member}", timeout_s or self.timeout_s
        answer: Future[T] = Future()
        self._calls.put((not is_urgent, next(self._numbers), answer, lambda driver: _call(what, function, driver)))
        try:
            return answer.result(limit_s)
        except TimeoutError as error:
            how = "was not sent: another call hangs" if answer.cancel() else "has not ended: it may still be done"
            raise DeviceUnreachable(f"{what}: no answer within {limit_s:g} s, it {how}; see to the driver") from error

    def close(self) -> None:
        """Let the driver go after the call that runs; the device stays as it is."""
        self._calls.put((False, next(self._numbers), None, lambda _: None))

    def _work(self) -> None:
        """Make the calls in order, urgent ones first; in the apartment."""
        while True:
            _, _, answer, call = self._calls.get()
            if answer is None:
                self._driver = None
                return
            if not answer.set_running_or_notify_cancel():
                continue
            try:
                answer.set_result(call(self._started()))
            except DeviceUnreachable as error:
                self._driver = None  # the next call starts it anew
                answer.set_exception(error)
            except BaseException as error:  # noqa: BLE001 - who asked gets it
                answer.set_exception(error)

    def _started(self) -> Any:
        if self._driver is None:
            try:
                self._driver = self._dispatch(self.progid)
            except DeviceError:
                raise
            except Exception as error:
                raise DeviceUnreachable(
                    f"ASCOM driver {self.progid} does not start ({_words(error)}): install it, or correct progid in "
                    "the settings"
                ) from error
        return self._driver


class AscomDome:
    """A `DomeClient` over COM; any number of them share one driver, whose calls wait for one another.

    STOP's latency cannot be promised: it waits for the call that runs.

    Parameters
    ----------
    driver : AscomDriver
        The dome's.
    """

    def __init__(self, driver: AscomDriver) -> None:
        self._driver = driver
        self._subject = f"ASCOM driver {driver.progid}"
        self._members: tuple[str, ...] = DOME_MEMBERS

    def warm(self) -> None:
        """Nothing can be opened before."""

    def connect(self) -> DomeFacts:
        """Connect the device unless it is connected, and read what it is and can do."""
        version = self._version()
        if not self._is_connected():
            self._driver.call("Connected", _set("Connected", value=True), timeout_s=CONNECT_TIMEOUT_S)
            if not self._is_connected():
                raise DeviceRefused(f"{self._subject} does not connect: see its setup dialog")
        name = str(self._driver.call("Name", _get("Name")))
        facts = dome_facts(name, version, self._answers(DOME_ABILITIES))
        self._members = dome_members(facts)
        return facts

    def read(self) -> DomeSample:
        """Everything that changes, in one visit to the apartment."""
        return dome_sample(self._answers(self._members))

    def slew_to_azimuth(self, azimuth_deg: float) -> None:
        """Begin to turn; 0 <= azimuth < 360."""
        self._command("SlewToAzimuth", azimuth_deg)

    def slew_to_altitude(self, altitude_deg: float) -> None:
        """Begin to raise or lower the opening; 0 <= altitude <= 90."""
        self._command("SlewToAltitude", altitude_deg)

    def set_slaved(self, is_slaved: bool) -> None:
        """Have the driver follow its own telescope, or not."""
        self._driver.call("Slaved", _set("Slaved", value=is_slaved))

    def open_shutter(self) -> None:
        """Begin to open."""
        self._command("OpenShutter")

    def close_shutter(self) -> None:
        """Begin to close; goes before what waits."""
        self._command("CloseShutter", is_urgent=True)

    def park(self) -> None:
        """Begin to turn to the park position."""
        self._command("Park")

    def find_home(self) -> None:
        """Begin to look for the home sensor."""
        self._command("FindHome")

    def abort_slew(self) -> None:
        """Stop everything that moves; goes before what waits, but not before the call that runs."""
        self._command("AbortSlew", is_urgent=True)

    def close(self) -> None:
        """The driver is shared: who made it lets it go."""

    def _command(self, member: str, *arguments: float, is_urgent: bool = False) -> None:
        self._driver.call(member, lambda driver: getattr(driver, member)(*arguments), is_urgent=is_urgent)

    def _is_connected(self) -> bool:
        return checked_flag(self._subject, "Connected", self._driver.call("Connected", _get("Connected")))

    def _version(self) -> int:
        """Version of the interface; the first had no such member."""
        try:
            version = self._driver.call("InterfaceVersion", _get("InterfaceVersion"))
        except DeviceNotSupported:
            return 1
        return int(checked_number(self._subject, "InterfaceVersion", version))

    def _answers(self, members: Sequence[str]) -> Answers:
        """Members in one visit; None where there is no such part."""

        def read(driver: Any) -> dict[str, Any]:
            return {
                member: _optional(driver, f"{self._subject}, {_NAMES[member]}", _NAMES[member]) for member in members
            }

        return Answers(self._subject, self._driver.call("state", read))


def _get(member: str) -> Callable[[Any], Any]:
    return lambda driver: getattr(driver, member)


def _set(member: str, *, value: bool) -> Callable[[Any], None]:
    return lambda driver: setattr(driver, member, value)


def _optional(driver: Any, what: str, member: str) -> Any:
    try:
        return _call(what, _get(member), driver)
    except DeviceNotSupported:
        return None


def _call(what: str, function: Callable[[Any], T], driver: Any) -> T:
    """Call the driver's object; its errors become ours, and what is no error of COM is a bug."""
    try:
        return function(driver)
    except DeviceError:
        raise
    except Exception as error:
        number = _number(error)
        if number is None:
            raise
        if number in _GONE:
            raise DeviceUnreachable(f"{what}: the driver has ended ({_words(error)}); it is started anew") from error
        if number in _NO_MEMBER:
            raise DeviceNotSupported(f"{what}: the driver has no such member") from error
        raise refusal(what, number, _words(error)) from error


def _number(error: Exception) -> int | None:
    """HRESULT of comtypes' COMError or pywin32's com_error; None of what is neither."""
    if isinstance(error, AttributeError):
        return min(_NO_MEMBER)  # pywin32's word for a member that is not there
    if not error.args or not isinstance(error.args[0], int) or isinstance(error, OSError):
        return None
    number = error.args[0] & 0xFFFFFFFF
    details = _details(error)
    if number == _IN_DETAILS and len(details) > 5 and isinstance(details[5], int):
        return details[5] & 0xFFFFFFFF
    return number


def _words(error: Exception) -> str:
    """What a person can read of an error of COM: pywin32 puts the description third, comtypes first."""
    details = _details(error)
    place = 2 if details and isinstance(details[0], int) else 0
    words = details[place] if len(details) > place else None
    return " ".join(str(words or (error.args[1:2] or (error,))[0]).split())[:120]


def _details(error: Exception) -> tuple[Any, ...]:
    details = error.args[2] if len(error.args) > 2 else None
    return details if isinstance(details, tuple) else ()
