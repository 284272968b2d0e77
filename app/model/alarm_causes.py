"""What is wrong: everything that needs an operator's response, made of what is known of guard, dome, sky and log."""

from __future__ import annotations

from dataclasses import dataclass

from app.model.alarms import Cause
from app.model.dome import DomeState, Phase, ShutterState, ShutterWord
from app.model.following import Follower
from app.model.guard import GUARD_FRESH_S, GuardPhase, GuardState
from app.model.interlocks import is_closed_word
from app.model.reading import Reading
from app.model.sky_verdict import SkyVerdict
from app.model.strip import Severity
from app.model.wording import age_text, duration_text

#: What was never read is no alarm so soon, seconds: devices connect, the guard starts.
START_S = 10.0
#: A dome that is not read for longer, seconds, is an alarm.
DOME_SILENT_S = 10.0
#: An unsafe sky over an open dome, and the guard's answer to it, are one alarm.
_UNSAFE = "sky"


@dataclass(frozen=True, slots=True)
class Watched:
    """What alarms are made of.

    Attributes
    ----------
    verdict : SkyVerdict
        Of the sensors that this program reads itself.
    guard : Reading of GuardState
        The guard's newest word.
    errors : int
        Errors in the log that nobody has looked at.
    since_s : float
        Monotonic time since when all this is watched, seconds: before `START_S` nothing is missed.
    now_s : float
        Monotonic, seconds.
    """

    dome: DomeState
    verdict: SkyVerdict
    guard: Reading[GuardState]
    errors: int
    since_s: float
    now_s: float

    @property
    def is_starting(self) -> bool:
        """Whether what was never read may just not have been asked yet."""
        return self.now_s - self.since_s < START_S

    @property
    def may_be_open(self) -> bool:
        """Whether the shutter is not known to be closed."""
        return not is_closed_word(self.dome.shutter_word(self.now_s))


def alarms_of(at: Watched) -> dict[str, Cause]:
    """Everything that is wrong now, by key, the most urgent first."""
    of_guard = _of_guard(at)
    of_sky = {} if _UNSAFE in of_guard else _of_sky(at)
    return {**of_guard, **_of_dome(at), **of_sky, **_of_following(at.dome, at.now_s), **_of_log(at.errors)}


def _of_guard(at: Watched) -> dict[str, Cause]:
    """What the guard does, does not do, or complains of; nothing but its silence when it is silent."""
    state, age_s = at.guard.fresh_value(at.now_s, GUARD_FRESH_S), at.guard.age_s(at.now_s)
    if state is None:
        if age_s is None and at.is_starting:
            return {}
        since = "was never heard of" if age_s is None else f"is silent for {age_text(age_s)}"
        limit = "" if age_s is None else f", limit {GUARD_FRESH_S:g} s"
        why = f": {at.guard.failure}" if at.guard.failure else ""
        return {"guard": Cause(f"The guard {since}{limit}{why}. Nothing closes the dome if this window dies: watch it")}
    sentence = _guard_sentence(state)
    key = _UNSAFE if state.phase is GuardPhase.CLOSING else f"guard {state.phase}"
    causes = {key: Cause(sentence)} if sentence else {}
    for lease in state.leases:
        if lease.is_lost:
            program = {"window": "window", "serve": "service without a window"}.get(lease.name, lease.name)
            text = f"The {program} is silent for {age_text(lease.age_s)}, limit {age_text(lease.limit_s)}"
            causes[f"lease {lease.name}"] = Cause(f"{text}: the guard takes it for dead. Look at that program")
    for fault in state.faults:
        words = "".join(letter for letter in fault if not letter.isdigit())  # ages and counts change, the fault stays
        causes[f"guard fault {words}"] = Cause(f"The guard reports a fault: {fault}")
    return causes


def _guard_sentence(state: GuardState) -> str:
    """What it does that needs a response; empty while it only watches."""
    match state.phase:
        case GuardPhase.COUNTDOWN:
            left = duration_text(state.countdown_s)
            return (
                f"STOP ended a safety close ({state.reason}): the guard closes again in {left} unless you take LOCKOUT"
            )
        case GuardPhase.CLOSING if state.failed_closes:
            tries = "1 try" if state.failed_closes == 1 else f"{state.failed_closes} tries"
            then = "trying again now" if state.next_close_s is None else f"next in {duration_text(state.next_close_s)}"
            why = f": {state.close_failure}" if state.close_failure else ""
            return f"NOT CLOSED after {tries}, {then} ({state.reason}){why}. Close it by hand"
        case GuardPhase.CLOSING:
            return f"The guard closes the dome: {state.reason}"
        case GuardPhase.LOCKOUT if state.reason and state.lockout is not None:
            who = state.lockout.who
            return f"The guard would close ({state.reason}), but {who} has LOCKOUT: get {who} out and release it"
    return ""


def _of_dome(at: Watched) -> dict[str, Cause]:
    dome, causes = at.dome, {}
    if dome.stop_notice is not None:
        causes["stop"] = Cause(dome.stop_notice)
    if dome.shutter_word(at.now_s) is ShutterWord.NOT_CLOSED:
        is_error = dome.shutter.value is ShutterState.ERROR
        who = "the dome's driver reports an error of the shutter" if is_error else "the contact says that it is open"
        causes["shutter"] = Cause(f"NOT CLOSED: {who}. Close it, or look at it")
    failed = dome.last_move
    if failed is not None and failed.phase is Phase.FAILED and dome.move is None:
        name = str(failed.wish.kind).capitalize()
        causes[f"move {failed.number}"] = Cause(f"{name} failed: {failed.reason}")
    held = dome.override
    if held is not None and at.now_s >= held.until_s:
        text = f"The override by {held.override.name} ({held.override.reason}) has expired, and covers nothing any more"
        causes["override"] = Cause(f"{text}: close, or override anew")
    silence = _silence(at)
    if silence is not None:
        causes["dome"] = silence
    return causes


def _silence(at: Watched) -> Cause | None:
    """The dome is not read; a shutter that was closed when it fell silent is not loud."""
    dome, age_s = at.dome, at.dome.is_slewing.age_s(at.now_s)
    if (age_s is None and at.is_starting) or (age_s is not None and age_s <= DOME_SILENT_S):
        return None
    why = f": {dome.failure}" if dome.failure else ""
    if age_s is None:
        return Cause(f"The dome was never read{why}. Whether it is closed is unknown: look at it")
    last = dome.shutter.value
    was = "unknown" if last is None else "NOT CLOSED" if last is ShutterState.ERROR else str(last)
    severity = Severity.ATTENTION if last is ShutterState.CLOSED else Severity.ALARM
    return Cause(f"The dome is not read for {age_text(age_s)}{why}. Its shutter was {was} then: look at it", severity)


def _of_sky(at: Watched) -> dict[str, Cause]:
    """Unsafe, or unknown, over a shutter that may be open."""
    if at.verdict.is_safe or not at.may_be_open:
        return {}
    shutter = at.dome.shutter_word(at.now_s)
    if at.verdict.is_safe is False:
        remedy = "see that it does" if shutter is ShutterWord.CLOSING else "close"
        return {_UNSAFE: Cause(f"The sky is unsafe ({at.verdict.decider}) and the shutter is {shutter}: {remedy}")}
    if at.is_starting:
        return {}
    return {
        _UNSAFE: Cause(f"Whether the sky is safe is unknown ({at.verdict.decider}), the shutter is {shutter}: close")
    }


def _of_following(dome: DomeState, now_s: float) -> dict[str, Cause]:
    following, causes = dome.following, {}
    if following.is_dropped:
        why = following.reason or "no reason is known"
        causes["following"] = Cause(f"The dome follows no more: {why}. Follow again, or switch it off")
    if following.who is Follower.CUPOLA and dome.is_slaved.fresh_value(now_s, dome.fresh_s):
        causes["two followers"] = Cause(
            "Cupola and the dome's driver both make it follow the telescope: switch one off"
        )
    return causes


def _of_log(errors: int) -> dict[str, Cause]:
    """An event that is worth a look, no alarm."""
    if not errors:
        return {}
    what = "error" if errors == 1 else "errors"
    return {"log": Cause(f"{errors} {what} in the log: look with Ctrl+5", Severity.ATTENTION)}
