"""What is known of the dome, and what may be asked of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, TypeVar

from app.model.angles import turn_deg
from app.model.errors import ObservatoryError
from app.model.following import NOT_FOLLOWING, FollowState
from app.model.reading import FRESH_S, NEVER_READ, Freshness, Reading

if TYPE_CHECKING:
    from app.model.interlocks import Interlock

T = TypeVar("T")


class DeviceError(ObservatoryError):
    """A device did not do what it was asked."""


class DeviceUnreachable(DeviceError):
    """Nothing answers at the address, or not in time, or no Alpaca."""


class DeviceRefused(DeviceError):
    """The device answered with an error."""


class DeviceNotSupported(DeviceRefused):
    """The device has no such part (Alpaca error 0x400)."""


class DeviceBusy(DeviceRefused):
    """The device is doing something else and takes no command now (driver error 0x7DA and the like)."""


class DeviceNonsense(DeviceError):
    """The device answered with a value that cannot be."""


class DomeRefused(ObservatoryError):
    """The dome service does not pass a wish on; the sentence says what clears the way."""


class ShutterState(StrEnum):
    """What a driver says of the shutter (ASCOM ShutterState)."""

    OPEN = "open"
    CLOSED = "closed"
    OPENING = "opening"
    CLOSING = "closing"
    ERROR = "error"


class ClosedBy(StrEnum):
    """Whose word it is that the shutter is closed, from the weakest."""

    DRIVER = "driver"
    MOTION = "motion"
    SWITCH = "switch"


class ShutterWord(StrEnum):
    """The word that the operator reads."""

    CLOSED = "closed"
    PROVEN_CLOSED = "proven closed"
    OPEN = "open"
    OPENING = "opening"
    CLOSING = "closing"
    NOT_CLOSED = "NOT CLOSED"
    UNKNOWN = "unknown"


class WishKind(StrEnum):
    """What may be asked of the dome; STOP has a way of its own."""

    GOTO = "go to"
    OPEN = "open"
    CLOSE = "close"
    PARK = "park"
    HOME = "home"
    ALTITUDE = "raise to"


@dataclass(frozen=True, slots=True)
class Override:
    """A person takes the responsibility that an interlock cannot take, for some time.

    Attributes
    ----------
    minutes : float
        How long it holds; its end is an alarm, never a motion.
    """

    name: str
    reason: str
    minutes: float = 30.0

    def __str__(self) -> str:
        return f"{self.name}: {self.reason}"


def parse_override(text: str) -> Override:
    """Read ``NAME: REASON``; raises `DomeRefused` when one of them is missing."""
    name, _, reason = (part.strip() for part in text.partition(":"))
    if not name or not reason:
        raise DomeRefused(f"Override {text[:80]!r} has no name or no reason: write it as NAME: REASON")
    return Override(name, reason)


@dataclass(frozen=True, slots=True)
class ActiveOverride:
    """What somebody answers for, by the guard's names, until a monotonic time in seconds."""

    override: Override
    covers: tuple[str, ...]
    until_s: float


@dataclass(frozen=True, slots=True)
class DomeWish:
    """What somebody wants of the dome.

    Attributes
    ----------
    azimuth_deg : float or None
        Where to, for GOTO alone.
    altitude_deg : float or None
        Where to, for ALTITUDE alone.
    override : Override or None
        For OPEN against interlocks that are not met.
    """

    kind: WishKind
    azimuth_deg: float | None = None
    altitude_deg: float | None = None
    override: Override | None = None


class Phase(StrEnum):
    """How far a command is; the last four are ends."""

    SENT = "sent"
    ACCEPTED = "accepted"
    MOVING = "moving"
    ARRIVED = "arrived"
    STOPPED = "stopped"
    REPLACED = "replaced"
    FAILED = "failed"

    @property
    def is_end(self) -> bool:
        """Whether nothing follows."""
        return self in (Phase.ARRIVED, Phase.STOPPED, Phase.REPLACED, Phase.FAILED)


@dataclass(frozen=True, slots=True)
class Move:
    """One command from the wish to its final state.

    Attributes
    ----------
    number : int
        Counts the commands of this owner.
    who : str
        Who asked.
    began_s : float
        Monotonic time of the wish, seconds.
    reason : str
        Why it failed or was replaced, or a warning; empty when there is nothing to say.
    answered_s : float or None
        From the wish to the device's answer, seconds; None while there is none.
    """

    number: int
    wish: DomeWish
    who: str
    began_s: float
    phase: Phase = Phase.SENT
    reason: str = ""
    answered_s: float | None = None

    @property
    def is_done(self) -> bool:
        """Whether the dome's final state says so."""
        return self.phase is Phase.ARRIVED


@dataclass(frozen=True, slots=True)
class DomeSample:
    """What one poll of a dome gave; None where the dome has no such part."""

    azimuth_deg: float | None
    shutter: ShutterState | None
    is_slewing: bool
    is_at_park: bool | None
    is_at_home: bool | None
    altitude_deg: float | None = None
    is_slaved: bool | None = None


@dataclass(frozen=True, slots=True)
class DomeFacts:
    """What a dome is and can do, read once at each connection."""

    name: str
    interface_version: int
    can_set_azimuth: bool
    can_set_shutter: bool
    can_park: bool
    can_find_home: bool
    can_set_altitude: bool = False
    can_slave: bool = False


@dataclass(frozen=True, slots=True)
class DomeState:
    """Everything that is known of the dome at one moment; made by its owner alone.

    Attributes
    ----------
    server : str
        ``HOST:PORT/device`` that is asked.
    is_ours : bool
        Whether it is the simulator that this program started, which its nonce proved.
    facts : DomeFacts or None
        None before the first connection.
    failure : str or None
        Why it cannot be read now, in one sentence.
    is_slewing : Reading of bool
        The driver's word; any part of the dome may move.
    closed_by : ClosedBy or None
        The strongest proof that the shutter is closed; None when it is not known to be.
    move : Move or None
        The command under way.
    last_move : Move or None
        The command that ended last.
    latency_s : float or None
        How long the newest poll took.
    stop_notice : str or None
        What came of a STOP that was not confirmed.
    is_slaved : Reading of bool
        Whether the driver follows a telescope of its own.
    closed_contact : Reading of bool
        Whether an independent contact says that the shutter is closed; never read where there is none.
    closed_since_s : float or None
        Monotonic time of the first of the readings without a break in which the driver says closed.
    interlocks : tuple of Interlock
        The conditions of OPEN, met or not.
    following : FollowState
        Who slaves, and how that fares.
    override : ActiveOverride or None
        The override under which it was opened, until it is closed; its end is an alarm.
    is_owner : bool
        Whether this program alone commands the dome.
    owner : str
        Who commands it instead, such as ``"ada's Cupola (process 123)"``; empty when it is not known, or we do.
    is_stopping : bool
        Whether a STOP is not confirmed yet.
    close_again_s : float or None
        Monotonic time at which a failed close is sent again.
    doubted_s : float or None
        Monotonic time at which a command failed last: it may be done all the same, and what was read before does not
        show it.
    """

    server: str = ""
    is_ours: bool = False
    facts: DomeFacts | None = None
    failure: str | None = None
    azimuth_deg: Reading[float] = NEVER_READ
    shutter: Reading[ShutterState] = NEVER_READ
    is_slewing: Reading[bool] = NEVER_READ
    is_at_park: Reading[bool] = NEVER_READ
    is_at_home: Reading[bool] = NEVER_READ
    closed_by: ClosedBy | None = None
    move: Move | None = None
    last_move: Move | None = None
    latency_s: float | None = None
    stop_notice: str | None = None
    altitude_deg: Reading[float] = NEVER_READ
    is_slaved: Reading[bool] = NEVER_READ
    closed_contact: Reading[bool] = NEVER_READ
    closed_since_s: float | None = None
    interlocks: tuple[Interlock, ...] = ()
    following: FollowState = NOT_FOLLOWING
    override: ActiveOverride | None = None
    is_owner: bool = True
    owner: str = ""
    is_stopping: bool = False
    close_again_s: float | None = None
    doubted_s: float | None = None
    slit_width_deg: float = 20.0
    park_deg: float | None = None
    home_deg: float | None = None
    fresh_s: float = FRESH_S

    @property
    def target_deg(self) -> float | None:
        """Where the command under way goes, if that is known."""
        if self.move is None:
            return None
        known = {WishKind.PARK: self.park_deg, WishKind.HOME: self.home_deg}
        return self.move.wish.azimuth_deg if self.move.wish.kind is WishKind.GOTO else known.get(self.move.wish.kind)

    def sampled(self, sample: DomeSample, asked_s: float, asked_at: datetime) -> DomeState:
        """The state after a poll; what the dome has not was never read.

        Parameters
        ----------
        sample : DomeSample
            What the poll gave.
        asked_s : float
            Monotonic time of its question, seconds: the values may be as old.
        asked_at : datetime
            The same moment, aware.
        """

        def reading(value: T | None) -> Reading[T]:
            return NEVER_READ if value is None else Reading(value, asked_s, asked_at)

        return replace(
            self,
            failure=None,
            azimuth_deg=reading(sample.azimuth_deg),
            shutter=reading(sample.shutter),
            is_slewing=reading(sample.is_slewing),
            is_at_park=reading(sample.is_at_park),
            is_at_home=reading(sample.is_at_home),
            altitude_deg=reading(sample.altitude_deg),
            is_slaved=reading(sample.is_slaved),
        )

    def failed(self, why: str) -> DomeState:
        """The state after a poll that gave nothing: values are kept and age, and what was proven is not any more."""
        return replace(
            self,
            failure=why,
            azimuth_deg=self.azimuth_deg.failed(why),
            shutter=self.shutter.failed(why),
            is_slewing=self.is_slewing.failed(why),
            is_at_park=self.is_at_park.failed(why),
            is_at_home=self.is_at_home.failed(why),
            altitude_deg=self.altitude_deg.failed(why),
            is_slaved=self.is_slaved.failed(why),
            closed_by=None,
            closed_since_s=None,
        )

    def is_connected(self, now_s: float) -> bool:
        """Whether the newest values are fresh."""
        return self.is_slewing.freshness(now_s, self.fresh_s) is Freshness.FRESH

    def is_moving(self, now_s: float) -> bool | None:
        """Whether any part moves; None when that is not known, as after a failed command until it is read again."""
        slewing, read_s = self.is_slewing.fresh_value(now_s, self.fresh_s), self.is_slewing.read_s
        if slewing is None or read_s is None:
            return None
        shutter = self.shutter.fresh_value(now_s, self.fresh_s)
        if slewing or shutter in (ShutterState.OPENING, ShutterState.CLOSING):
            return True
        return None if self.doubted_s is not None and read_s < self.doubted_s else False

    def shutter_word(self, now_s: float) -> ShutterWord:
        """The word for the operator: unknown is never closed."""
        shutter = self.shutter.fresh_value(now_s, self.fresh_s)
        if shutter is None:
            return ShutterWord.UNKNOWN
        if shutter is ShutterState.CLOSED:
            if self.contact_says(now_s) is False:
                return ShutterWord.NOT_CLOSED
            proven = self.closed_by in (ClosedBy.MOTION, ClosedBy.SWITCH)
            return ShutterWord.PROVEN_CLOSED if proven else ShutterWord.CLOSED
        return ShutterWord.NOT_CLOSED if shutter is ShutterState.ERROR else ShutterWord(shutter.value)

    def contact_says(self, now_s: float) -> bool | None:
        """What the independent contact says of a shutter that its driver calls closed; None without a fresh word.

        What was read before the driver said so is of another time.
        """
        read_s = self.closed_contact.read_s
        if read_s is None or self.closed_since_s is None or read_s <= self.closed_since_s:
            return None
        return self.closed_contact.fresh_value(now_s, self.fresh_s)

    def remaining_deg(self) -> float | None:
        """The turn that is left to the target, clockwise positive; None when either end is unknown."""
        if self.target_deg is None or self.azimuth_deg.value is None:
            return None
        return turn_deg(self.azimuth_deg.value, self.target_deg)
