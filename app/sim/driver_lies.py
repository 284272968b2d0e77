"""Drivers that say one thing while the dome does another: each lie was seen on some real server."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from app.model.dome import ShutterState
from app.sim.alpaca_device import AlpacaError, Call, ErrorNumber
from app.sim.dome import SimulatedDome

Read = Callable[[], object]
Command = Literal[
    "abortslew",
    "closeshutter",
    "findhome",
    "openshutter",
    "park",
    "setpark",
    "slaved",
    "slewtoaltitude",
    "slewtoazimuth",
    "synctoazimuth",
]

#: What drivers of the wild answer to a command that comes too early.
BUSY = 0x7DA
#: ASCOM's numbers of the shutter's states, in order.
SHUTTER_NUMBERS = (
    ShutterState.OPEN,
    ShutterState.CLOSED,
    ShutterState.OPENING,
    ShutterState.CLOSING,
    ShutterState.ERROR,
)


class Lies(BaseModel):
    """What the dome's driver says wrongly; the empty one tells the truth.

    Attributes
    ----------
    ignores : tuple of Command
        Commands that are accepted, and nothing is done.
    fails_but_acts : tuple of Command
        Commands that are answered with error 0x500, and done all the same.
    busy_while_moving : bool
        Every command but AbortSlew is answered with 0x7DA while anything moves.
    checks_range_late : bool
        SlewToAzimuth takes any number; what is no azimuth moves nothing, and Slewing raises until the next command.
    is_instant : bool
        Shutter, park and home are at their ends when the command returns.
    azimuth_jumps : bool
        Azimuth keeps its old value during a turn.
    hides_slewing : bool
        Slewing is always False.
    slewing_lingers_s : float
        Slewing stays True so long after the end, simulated seconds.
    keeps_slaved : bool
        AbortSlew stops the dome, and does not end slaving.
    says_parked : bool
        AtPark is always True.
    says_shutter : ShutterState or None
        What ShutterStatus says, whatever the shutter does.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    ignores: tuple[Command, ...] = ()
    fails_but_acts: tuple[Command, ...] = ()
    busy_while_moving: bool = False
    checks_range_late: bool = False
    is_instant: bool = False
    azimuth_jumps: bool = False
    hides_slewing: bool = False
    slewing_lingers_s: Annotated[float, Field(ge=0.0)] = 0.0
    keeps_slaved: bool = False
    says_parked: bool = False
    says_shutter: ShutterState | None = None


class LyingDriver:
    """Stands between the wire and a dome, and tells the lies of now.

    Parameters
    ----------
    dome : SimulatedDome
        The truth.
    now_s : callable
        Simulated seconds.
    lies : callable
        The lies of now.
    """

    def __init__(self, dome: SimulatedDome, now_s: Callable[[], float], lies: Callable[[], Lies]) -> None:
        self._dome = dome
        self._now_s = now_s
        self._lies = lies
        self._failed_late = False

    def reads(self, honest: Mapping[str, Read]) -> dict[str, Read]:
        """Properties as it tells them, by lower-case name."""
        told: dict[str, Callable[[Read], object]] = {
            "atpark": lambda read: self._lies().says_parked or read(),
            "azimuth": self._azimuth_deg,
            "shutterstatus": self._shutter_status,
            "slewing": self._is_slewing,
        }
        return {name: partial(told[name], read) if name in told else read for name, read in honest.items()}

    def calls(self, honest: Mapping[tuple[str, str], Call]) -> dict[tuple[str, str], Call]:
        """Commands as it obeys them, by HTTP method and lower-case name."""
        return {
            (method, name): Call(partial(self._command, name, call.action), *call.parameters)
            if method == "PUT" and name in get_args(Command)
            else call
            for (method, name), call in honest.items()
        }

    def _azimuth_deg(self, read: Read) -> object:
        return self._dome.stood_deg(self._now_s()) if self._lies().azimuth_jumps else read()

    def _shutter_status(self, read: Read) -> object:
        said = self._lies().says_shutter
        return read() if said is None else SHUTTER_NUMBERS.index(said)

    def _is_slewing(self, read: Read) -> object:
        if self._failed_late:
            raise AlpacaError(ErrorNumber.DRIVER, "The last slew failed: its azimuth is outside of the circle")
        lies = self._lies()
        if lies.hides_slewing:
            return False
        lingers = lies.slewing_lingers_s > 0.0 and self._now_s() < self._dome.rest_s + lies.slewing_lingers_s
        return lingers or read()

    def _command(self, name: str, action: Callable[..., object], *arguments: object) -> None:
        lies, now_s, was_slaved = self._lies(), self._now_s(), self._dome.is_slaved
        if lies.busy_while_moving and name != "abortslew" and self._dome.is_slewing(now_s):
            raise AlpacaError(BUSY, "The simulated dome is busy: it moves")
        self._failed_late = lies.checks_range_late and name == "slewtoazimuth" and not _is_azimuth(*arguments)
        if self._failed_late or name in lies.ignores:
            return
        action(*arguments)
        if lies.keeps_slaved and name == "abortslew" and was_slaved:
            self._dome.set_slaved(True)
        if lies.is_instant and name in ("closeshutter", "openshutter"):
            self._dome.shutter.finish()
        if lies.is_instant and name in ("findhome", "park"):
            self._dome.finish_turn()
        if name in lies.fails_but_acts:
            raise AlpacaError(ErrorNumber.DRIVER, f"{name} failed, says the simulated driver")


def _is_azimuth(given: object) -> bool:
    return isinstance(given, float) and 0.0 <= given < 360.0
