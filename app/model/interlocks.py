"""What stands between a wish and a motion: each interlock with its value, its limit, its age and what clears it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from app.model.dome import ShutterWord, WishKind
from app.model.guard import GUARD_FRESH_S, GuardPhase, GuardState
from app.model.reading import Reading
from app.model.settings import Enclosure, Guard
from app.model.sky_verdict import SkyVerdict
from app.model.wording import age_text, duration_text

#: Name of the interlock that holds while the guard closes.
SAFETY_CLOSE = "safety close"


@dataclass(frozen=True, slots=True)
class Interlock:
    """One condition of a motion.

    Attributes
    ----------
    name : str
        Such as ``"sky"``; overrides name it.
    is_good : bool or None
        None when nothing fresh says so: unknown is not good.
    says : str
        Value and limit, such as ``"wind 14.2 m/s > 12"``.
    remedy : str
        What clears it.
    age_s : float or None
        Of the value, seconds; None when it has none.
    may_be_overridden : bool
        Whether a named person may answer for it.
    covers : tuple of str
        What an override of it covers, by the guard's names; its own name when empty.
    """

    name: str
    is_good: bool | None
    says: str
    remedy: str = ""
    age_s: float | None = None
    may_be_overridden: bool = True
    covers: tuple[str, ...] = ()

    @property
    def sentence(self) -> str:
        """For tooltip, journal and refusal."""
        age = "" if self.age_s is None or self.age_s < 1.0 else f", {age_text(self.age_s)} old"
        remedy = f": {self.remedy}" if self.remedy and not self.is_good else ""
        return f"{self.name}: {self.says}{age}{remedy}"


def unmet(interlocks: Iterable[Interlock]) -> tuple[Interlock, ...]:
    """Those that are not known to be good."""
    return tuple(one for one in interlocks if one.is_good is not True)


@dataclass(frozen=True, slots=True)
class Situation:
    """What the interlocks are judged by.

    Attributes
    ----------
    guard : Reading of GuardState
        The guard's newest word.
    verdict : SkyVerdict
        Of the sensors that this program reads itself.
    sky_age_s : float or None
        Age of the oldest reading behind the verdict.
    sources : int
        How many independent sensors say safe.
    sun_altitude_deg : float
        Of now.
    mount_is_parked : bool or None
        By a contact or the mount's fresh word.
    is_attended : bool
        Whether an operator is there; without one, two sources must agree.
    """

    guard: Reading[GuardState]
    verdict: SkyVerdict
    sky_age_s: float | None
    sources: int
    sun_altitude_deg: float
    mount_is_parked: bool | None
    is_attended: bool
    enclosure: Enclosure
    rules: Guard
    now_s: float


def interlocks_of(kind: WishKind, at: Situation) -> tuple[Interlock, ...]:
    """Every condition of a motion, met or not.

    Parameters
    ----------
    kind : WishKind
        CLOSE has none but LOCKOUT, and a parked mount where the roof can hit it, for which nobody can answer; turns
        obey the guard; OPEN obeys everything.
    at : Situation
        What is known.
    """
    guard = at.guard.fresh_value(at.now_s, GUARD_FRESH_S)
    lockout = _lockout(at.guard.value)
    if kind is WishKind.CLOSE:
        return (lockout, replace(_parked(at), may_be_overridden=False)) if at.enclosure.can_hit_mount else (lockout,)
    if kind is not WishKind.OPEN:
        return (lockout, _not_closing(guard))
    return (
        lockout,
        _guard(at),
        _not_closing(guard),
        _collision(at.enclosure),
        *([_parked(at)] if at.enclosure.can_hit_mount else []),
        _sky(at),
        *([] if at.is_attended else [_sources(at.sources)]),
        _sun(at),
        *_reopening(guard, at),
    )


def _lockout(guard: GuardState | None) -> Interlock:
    """Also by an old word: a lockout ends only by release."""
    held = None if guard is None else guard.lockout
    if held is None:
        return Interlock("lockout", True, "nobody is in the dome", may_be_overridden=False)
    says = f"{held.who} is in the dome ({held.reason})"
    return Interlock("lockout", False, says, f"{held.who} releases it", may_be_overridden=False)


def _guard(at: Situation) -> Interlock:
    age_s = at.guard.age_s(at.now_s)
    if at.guard.fresh_value(at.now_s, GUARD_FRESH_S) is not None:
        return Interlock("guard", True, "on duty", age_s=age_s)
    says = "never heard of" if age_s is None else f"silent for {age_text(age_s)}, limit {GUARD_FRESH_S:g} s"
    return Interlock("guard", False, says, "it is started again by itself; see Log", age_s)


def _not_closing(guard: GuardState | None) -> Interlock:
    if guard is None or guard.phase in (GuardPhase.WATCHING, GuardPhase.LOCKOUT):
        return Interlock(SAFETY_CLOSE, True, "none", may_be_overridden=False)
    return Interlock(
        SAFETY_CLOSE, False, f"the guard closes: {guard.reason}", "wait until it is done", may_be_overridden=False
    )


def _collision(enclosure: Enclosure) -> Interlock:
    if enclosure.can_hit_mount is None:
        remedy = "set enclosure.can_hit_mount in Settings: no for a dome with a slit, yes for a roof"
        return Interlock("collision rule", None, "whether the roof can hit the mount is not set", remedy)
    says = "the roof can hit the mount" if enclosure.can_hit_mount else "the roof cannot hit the mount"
    return Interlock("collision rule", True, says)


def _parked(at: Situation) -> Interlock:
    words = {True: "parked", False: "not parked", None: "not known to be parked"}
    return Interlock("mount", at.mount_is_parked, words[at.mount_is_parked], "park the mount first")


def _sky(at: Situation) -> Interlock:
    remedy = "wait until it is safe, or see to the sensor"
    beyond = tuple(f"sky: {sensor}" for sensor in at.verdict.beyond)
    covers = (*beyond, *(() if beyond else ("sky silent",)))
    return Interlock("sky", at.verdict.is_safe, at.verdict.decider, remedy, at.sky_age_s, covers=covers)


def _sources(count: int) -> Interlock:
    says = f"{count} of 2 independent sources say safe, and no operator is there"
    return Interlock("second source", count >= 2, says, "name a safety monitor and a weather station in Settings")


def _sun(at: Situation) -> Interlock:
    is_down = at.sun_altitude_deg <= at.rules.sun_altitude_deg
    sign = "≤" if is_down else ">"
    says = f"altitude {at.sun_altitude_deg:.1f}° {sign} {at.rules.sun_altitude_deg:g}°"
    return Interlock("sun", is_down, says, "wait for sunset")


def _reopening(guard: GuardState | None, at: Situation) -> tuple[Interlock, ...]:
    """Conditions of opening after a close of the guard, and of every opening without an operator."""
    if guard is None or (at.is_attended and not guard.closed_for):
        return ()
    needed_s = at.rules.reopen_after_min * 60.0
    waits = Interlock(
        "safe time",
        guard.safe_for_s >= needed_s,
        f"safe for {duration_text(guard.safe_for_s)} of {duration_text(needed_s)}",
        "wait",
    )
    if at.is_attended:
        return (waits,)
    if guard.needs_operator:
        return (waits, Interlock("operator", False, guard.needs_operator, "an operator opens"))
    left = f"{guard.reopenings_left} of {at.rules.reopenings_a_night} reopenings left"
    return (waits, Interlock("reopenings", guard.reopenings_left > 0, left, "an operator opens"))


def is_closed_word(word: ShutterWord) -> bool:
    """Whether it means closed, by whosever word."""
    return word in (ShutterWord.CLOSED, ShutterWord.PROVEN_CLOSED)
