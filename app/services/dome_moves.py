"""Follows a command of the dome to its final state: rules without I/O, to which samples and times are handed in."""

from __future__ import annotations

from dataclasses import dataclass, replace

from app.model.angles import AltitudeRefused, AzimuthRefused, parse_altitude_deg, parse_azimuth_deg, turn_deg
from app.model.dome import DomeFacts, DomeRefused, DomeSample, DomeWish, Move, Phase, ShutterState, WishKind
from app.model.settings import Dome

SHUTTER_WISHES = frozenset({WishKind.OPEN, WishKind.CLOSE})

#: An azimuth that changes by more than this between two samples moves, whatever the driver says.
_MOTION_DEG = 0.1


def is_at_rest(sample: DomeSample) -> bool:
    """Whether no part moves, by the driver's word; drivers of older interfaces leave the shutter out of Slewing."""
    return not sample.is_slewing and sample.shutter not in (ShutterState.OPENING, ShutterState.CLOSING)


def has_arrived(wish: DomeWish, sample: DomeSample, tolerance_deg: float) -> bool:
    """Whether the dome's state is the one that was wished for; how it came there does not matter."""
    match wish.kind:
        case WishKind.OPEN:
            return sample.shutter is ShutterState.OPEN
        case WishKind.CLOSE:
            return sample.shutter is ShutterState.CLOSED
        case WishKind.PARK:
            return not sample.is_slewing and sample.is_at_park is True
        case WishKind.HOME:
            return not sample.is_slewing and sample.is_at_home is True
        case WishKind.ALTITUDE:
            if sample.is_slewing or sample.altitude_deg is None or wish.altitude_deg is None:
                return False
            return abs(sample.altitude_deg - wish.altitude_deg) <= tolerance_deg
        case WishKind.GOTO:
            if sample.is_slewing or sample.azimuth_deg is None or wish.azimuth_deg is None:
                return False
            return abs(turn_deg(sample.azimuth_deg, wish.azimuth_deg)) <= tolerance_deg


@dataclass(frozen=True, slots=True)
class Follow:
    """A command, and what was seen since it was accepted.

    Attributes
    ----------
    accepted_s : float or None
        Monotonic time of the acceptance; samples that were asked for earlier prove nothing.
    motion_s : float
        When motion was seen last, or the acceptance.
    azimuth_deg : float or None
        Of the sample before.
    """

    move: Move
    accepted_s: float | None = None
    motion_s: float = 0.0
    azimuth_deg: float | None = None

    @property
    def is_open(self) -> bool:
        """Whether its end is still awaited."""
        return not self.move.phase.is_end

    def accepted(self, at_s: float) -> Follow:
        """The same, taken by the device."""
        move = replace(self.move, phase=Phase.ACCEPTED, answered_s=at_s - self.move.began_s)
        return replace(self, move=move, accepted_s=at_s, motion_s=at_s)

    def ended(self, phase: Phase, reason: str = "") -> Follow:
        """The same at an end."""
        return replace(self, move=replace(self.move, phase=phase, reason=reason))

    def seen(self, sample: DomeSample, asked_s: float, limits: Dome) -> Follow:
        """The same after a sample that was asked for at `asked_s`."""
        if self.accepted_s is None or asked_s < self.accepted_s or not self.is_open:
            return self
        wish = self.move.wish
        if has_arrived(wish, sample, limits.tolerance_deg):
            return self.ended(Phase.ARRIVED)
        if not is_at_rest(sample) or self._has_turned(sample):
            moving = replace(self.move, phase=Phase.MOVING)
            return replace(self, move=moving, motion_s=asked_s, azimuth_deg=sample.azimuth_deg)
        has_moved = self.move.phase is Phase.MOVING
        if has_moved and wish.kind in SHUTTER_WISHES and sample.shutter is ShutterState.ERROR:
            return self.ended(Phase.FAILED, f"{named(wish)}: the shutter reports an error; look at it, then close it")
        if asked_s - self.motion_s > limits.motion_start_s:
            what = "stopped short of its end" if has_moved else "was accepted but never moved"
            return self.ended(
                Phase.FAILED,
                f"{named(wish)} {what}: {_seen(sample)}, nothing moved for {limits.motion_start_s:g} s; "
                "see to the power and the limits of the drive, then ask again",
            )
        return replace(self, azimuth_deg=sample.azimuth_deg)

    def at(self, now_s: float, limits: Dome) -> Follow:
        """The same at a time; what lasts too long has failed, seen or not."""
        if self.accepted_s is None or not self.is_open or now_s - self.accepted_s <= limits.motion_end_s:
            return self
        return self.ended(
            Phase.FAILED,
            f"{named(self.move.wish)} did not end within {limits.motion_end_s:g} s; see what the dome does, press STOP",
        )

    def _has_turned(self, sample: DomeSample) -> bool:
        if sample.azimuth_deg is None or self.azimuth_deg is None:
            return False
        return abs(turn_deg(self.azimuth_deg, sample.azimuth_deg)) > _MOTION_DEG


@dataclass(slots=True)
class PendingStop:
    """A STOP that is not confirmed.

    Attributes
    ----------
    number : int
        Of the newest press: it stops the commands before.
    pressed_s : float
        Monotonic time of the first press.
    accepted_s : float or None
        When the dome accepted one of the presses last.
    is_given_up : bool
        Whether the operator was sent to the hardware stop.
    """

    number: int
    who: str
    pressed_s: float
    accepted_s: float | None = None
    is_given_up: bool = False

    def is_confirmed(self, sample: DomeSample, asked_s: float) -> bool:
        """Whether the dome rests in a sample that was asked for after it accepted the STOP, or after all hope."""
        if not is_at_rest(sample):
            return False
        return self.is_given_up or (self.accepted_s is not None and asked_s >= self.accepted_s)


def named(wish: DomeWish) -> str:
    """The wish as it begins a sentence."""
    angle_deg = wish.azimuth_deg if wish.altitude_deg is None else wish.altitude_deg
    where = "" if angle_deg is None else f" {angle_deg:.1f}°"
    return f"{wish.kind.value.capitalize()}{where}"


def _seen(sample: DomeSample) -> str:
    azimuth = "" if sample.azimuth_deg is None else f"azimuth {sample.azimuth_deg:.1f}°"
    shutter = "" if sample.shutter is None else f"shutter {sample.shutter.value}"
    return ", ".join(part for part in (azimuth, shutter) if part) or "nothing to be seen"


def can(facts: DomeFacts, kind: WishKind) -> bool:
    """Whether a dome can do it; CLOSE is sent to every dome."""
    return {
        WishKind.GOTO: facts.can_set_azimuth,
        WishKind.ALTITUDE: facts.can_set_altitude,
        WishKind.OPEN: facts.can_set_shutter,
        WishKind.CLOSE: True,
        WishKind.PARK: facts.can_park,
        WishKind.HOME: facts.can_find_home,
    }[kind]


def readable(wish: DomeWish) -> DomeWish:
    """The wish with its angles as numbers; raises `DomeRefused` for what is none."""
    try:
        if wish.kind is WishKind.GOTO:
            return replace(wish, azimuth_deg=parse_azimuth_deg(wish.azimuth_deg))
        if wish.kind is WishKind.ALTITUDE:
            return replace(wish, altitude_deg=parse_altitude_deg(wish.altitude_deg))
    except (AzimuthRefused, AltitudeRefused) as error:
        raise DomeRefused(str(error)) from error
    return wish
