"""What the top strip says: the five words, each with its age and how loud it is, and the numbers of the sky."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum

from app.model.dome import ClosedBy, DomeState, ShutterState, ShutterWord
from app.model.guard import GUARD_FRESH_S, GuardPhase, GuardState
from app.model.moon import moon_altitude_deg
from app.model.reading import FRESH_S, NEVER_READ, Freshness, Reading
from app.model.schedule import sidereal_time_deg, sun_altitude_deg
from app.model.settings import Site
from app.model.sky_verdict import SkyVerdict
from app.model.surroundings import MountSample, Surroundings
from app.model.wording import DASHES, age_text, azimuth_text


class Severity(IntEnum):
    """How much something wants the operator; normal has no colour."""

    NORMAL = 0
    ATTENTION = 1
    ALARM = 2


@dataclass(frozen=True, slots=True)
class Word:
    """One of the five words.

    Attributes
    ----------
    text : str
        The word, such as ``"closed"`` or ``"137.4°"``.
    age_s : float or None
        Seconds since it was read; None when it never was, or is no reading.
    freshness : Freshness
        Stale words are hatched; those never seen are dashes.
    severity : Severity
        How much it wants the operator.
    detail : str
        What stands beside it, smaller: whose word it is, the limit that decides.
    explanation : str
        The whole sentence, for tooltip and screen reader.
    """

    text: str
    age_s: float | None
    freshness: Freshness = Freshness.FRESH
    severity: Severity = Severity.NORMAL
    detail: str = ""
    explanation: str = ""


@dataclass(frozen=True, slots=True)
class StripValues:
    """Everything on the strip at one moment; `alarms` counts those that are not acknowledged."""

    shutter: Word
    dome: Word
    sky: Word
    mount: Word
    guard: Word
    utc: datetime
    lst_deg: float
    sun_altitude_deg: float
    moon_altitude_deg: float | None
    alarms: int
    site: str
    is_simulated: bool


def strip_values(
    state: DomeState,
    surroundings: Surroundings,
    verdict: SkyVerdict,
    site: Site,
    sky_utc: datetime,
    now_s: float,
    *,
    is_simulated: bool,
    guard: Reading[GuardState] = NEVER_READ,
    alarms: int = 0,
) -> StripValues:
    """What the strip says of a state.

    Parameters
    ----------
    state : DomeState
        The dome.
    surroundings : Surroundings
        Mount, sensors, weather.
    verdict : SkyVerdict
        Whether the sky is safe, and what decides it.
    site : Site
        The observatory.
    sky_utc : datetime
        Time of the sky.
    now_s : float
        Monotonic time, seconds, that ages are counted to.
    is_simulated : bool
        Whether the devices are simulated.
    guard : Reading of GuardState
        The guard's newest word; never read where there is none.
    alarms : int
        Alarms not acknowledged.

    Returns
    -------
    StripValues
        Unknown is never closed and never safe.
    """
    return StripValues(
        shutter=_shutter(state, now_s),
        dome=_dome(state, now_s),
        sky=_sky(surroundings, verdict, now_s, may_be_open=not _is_closed(state, now_s)),
        mount=_mount(surroundings, now_s),
        guard=guard_word(guard, now_s, is_simulated=is_simulated),
        utc=sky_utc,
        lst_deg=sidereal_time_deg(site, sky_utc),
        sun_altitude_deg=sun_altitude_deg(site, sky_utc),
        moon_altitude_deg=moon_altitude_deg(site, sky_utc),
        alarms=alarms,
        site=site.name,
        is_simulated=is_simulated,
    )


def _is_closed(state: DomeState, now_s: float) -> bool:
    return state.shutter_word(now_s) in (ShutterWord.CLOSED, ShutterWord.PROVEN_CLOSED)


def _shutter(state: DomeState, now_s: float) -> Word:
    word, age_s = state.shutter_word(now_s), state.shutter.age_s(now_s)
    if state.shutter.value is None:
        why = state.failure or "the dome was not asked yet"
        return _never(f"Whether the shutter is closed is unknown: {why}")
    if word is ShutterWord.UNKNOWN:
        last = "NOT CLOSED" if state.shutter.value is ShutterState.ERROR else state.shutter.value.value
        sentence = f"The shutter was {last} when it was last read; it is unknown now, and counts as not closed"
        return Word(word.value, age_s, Freshness.STALE, Severity.ATTENTION, f"was {last}", sentence)
    if word is ShutterWord.NOT_CLOSED:
        is_error = state.shutter.value is ShutterState.ERROR
        who = "The dome's driver reports an error of the shutter" if is_error else "The contact of the shutter is open"
        sentence, detail = f"{who}: it is not closed; close it, or look at it", "error" if is_error else "switch"
        return Word(word.value, age_s, severity=Severity.ALARM, detail=detail, explanation=sentence)
    detail = "driver's word" if word is ShutterWord.CLOSED else ""
    return Word(word.value, age_s, detail=detail, explanation=_shutter_sentence(word, state.closed_by))


def _shutter_sentence(word: ShutterWord, closed_by: ClosedBy | None) -> str:
    """Whose word it is."""
    if word is ShutterWord.CLOSED:
        return "The driver says that the shutter is closed; no switch and no closing motion proved it"
    if word is ShutterWord.PROVEN_CLOSED:
        proof = "a switch says so" if closed_by is ClosedBy.SWITCH else "its closing was seen to the end"
        return f"The shutter is closed: {proof}"
    return f"The driver says that the shutter is {word.value}"


def _dome(state: DomeState, now_s: float) -> Word:
    reading, moving = state.azimuth_deg, state.is_moving(now_s)
    if reading.value is None and moving is not None and state.facts is not None and not state.facts.can_set_azimuth:
        sentence = "By its driver this dome has no azimuth: it opens and closes only"
        return Word("no azimuth", None, explanation=sentence)
    if reading.value is None:
        return _never(f"The dome's azimuth is unknown: {state.failure or 'it was not asked yet'}")
    text, age_s = azimuth_text(reading.value), reading.age_s(now_s)
    if reading.freshness(now_s, state.fresh_s) is not Freshness.FRESH:
        sentence = f"The dome was at azimuth {text} when it was last read; whether it moves is unknown"
        return Word(text, age_s, Freshness.STALE, Severity.ATTENTION, "unknown", sentence)
    detail = _motion(state, moving)
    severity = Severity.ATTENTION if moving is None else Severity.NORMAL
    return Word(text, age_s, severity=severity, detail=detail, explanation=f"The dome is at azimuth {text}, {detail}")


def _motion(state: DomeState, moving: bool | None) -> str:
    """``turns CW`` while the dome turns to a place that is known."""
    if moving is None:
        return "unknown"
    left_deg = state.remaining_deg()
    if moving and state.is_slewing.value and left_deg:
        return f"turns {'CW' if left_deg > 0.0 else 'CCW'}"
    if moving and not state.is_slewing.value:
        return "shutter moves"
    return "moving" if moving else "still"


def _sky(surroundings: Surroundings, verdict: SkyVerdict, now_s: float, *, may_be_open: bool) -> Word:
    """Unsafe with an open shutter is an alarm; the verdict has aged its inputs already."""
    monitor_s = surroundings.is_safe.age_s(now_s) if surroundings.has_safety_monitor else None
    weather_s = surroundings.weather.age_s(now_s) if surroundings.has_weather else None
    age_s = max((age for age in (monitor_s, weather_s) if age is not None), default=None)
    if verdict.is_safe:
        return Word("safe", age_s, explanation=f"The sky is safe: {verdict.decider or 'every sensor is in its limits'}")
    severity = Severity.ALARM if may_be_open else Severity.ATTENTION
    if verdict.is_safe is False:
        return Word("unsafe", age_s, Freshness.FRESH, severity, verdict.decider, f"Unsafe: {verdict.decider}")
    sentence = f"Whether the sky is safe is unknown, which counts as unsafe: {verdict.decider}"
    if age_s is None:
        return Word(DASHES, None, Freshness.NEVER, Severity.ATTENTION, verdict.decider, sentence)
    return Word("unknown", age_s, Freshness.STALE, Severity.ATTENTION, verdict.decider, sentence)


def _mount(surroundings: Surroundings, now_s: float) -> Word:
    reading = surroundings.mount
    if not surroundings.has_mount:
        return Word("no mount", None, explanation="The settings name no mount")
    if reading.value is None:
        return _never(f"The mount was never read: {reading.failure or 'it was not asked yet'}")
    word, age_s = _mount_word(reading.value), reading.age_s(now_s)
    if reading.freshness(now_s, FRESH_S) is not Freshness.FRESH:
        sentence = f"The mount was {word} when it was last read: {reading.failure or 'it does not answer'}"
        return Word("unknown", age_s, Freshness.STALE, Severity.ATTENTION, f"was {word}", sentence)
    return Word(word, age_s, explanation=f"The mount is {word}")


def _mount_word(sample: MountSample) -> str:
    if sample.is_parked:
        return "parked"
    if sample.is_slewing:
        return "slewing"
    return {True: "tracking", False: "still", None: "unknown"}[sample.is_tracking]


def guard_word(reading: Reading[GuardState], now_s: float, *, is_simulated: bool) -> Word:
    """What the guard does, by its own word of the last seconds."""
    state, age_s = reading.value, reading.age_s(now_s)
    if state is None:
        sentence = "No guard program watches this window: when it dies, nothing closes the dome"
        severity = Severity.NORMAL if is_simulated else Severity.ATTENTION
        return Word("no guard", None, severity=severity, explanation=sentence)
    if reading.freshness(now_s, GUARD_FRESH_S) is not Freshness.FRESH:
        why = reading.failure or "it does not answer"
        sentence = f"The guard is silent for {age_text(age_s)}, limit {GUARD_FRESH_S:g} s: {why}. OPEN is refused"
        return Word("silent", age_s, Freshness.STALE, Severity.ALARM, explanation=sentence)
    if state.faults:
        sentence = f"The guard watches, but is not whole: {'; '.join(state.faults)}"
        severity = Severity.ATTENTION
    else:
        sentence, severity = "The guard closes the dome when it must, and when this window dies", Severity.NORMAL
    match state.phase:
        case GuardPhase.CLOSING:
            return Word("closing", age_s, severity=Severity.ALARM, explanation=f"The guard closes: {state.reason}")
        case GuardPhase.COUNTDOWN:
            left = f"{state.countdown_s or 0.0:.0f}\u00a0s"
            sentence = f"STOP ended a safety close ({state.reason}): the guard closes again in {left}"
            return Word(left, age_s, severity=Severity.ALARM, detail="to close", explanation=sentence)
        case GuardPhase.LOCKOUT:
            held = state.lockout
            why = "" if held is None else f" by {held.who}: {held.reason}"
            severity = Severity.ALARM if state.reason else Severity.ATTENTION
            return Word("LOCKOUT", age_s, severity=severity, explanation=f"LOCKOUT{why}; nothing moves, nothing closes")
    return Word("on duty", age_s, severity=severity, explanation=sentence)


def _never(sentence: str) -> Word:
    return Word(DASHES, None, Freshness.NEVER, Severity.ATTENTION, "never read", sentence)
