"""What stands under the strip on every page while it holds: the loudest alarm, LOCKOUT, an override, a countdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from app.model.alarms import Alarm
from app.model.dome import ActiveOverride
from app.model.guard import GUARD_FRESH_S, GuardPhase, GuardState
from app.model.reading import Reading
from app.model.strip import Severity
from app.model.wording import age_text, duration_text, time_text

HARDWARE_STOP = "a hardware emergency stop is required"


@dataclass(frozen=True, slots=True)
class Notice:
    """One sentence across the window, how loud it is, and the one thing to do about it."""

    text: str
    severity: Severity
    action: str = ""


def notices_of(
    alarms: Sequence[Alarm], guard: Reading[GuardState], override: ActiveOverride | None, now_s: float
) -> dict[str, Notice]:
    """Everything that stands under the strip now, by key: ``countdown``, ``lockout``, ``alarm``, ``override``.

    Parameters
    ----------
    alarms : sequence of Alarm
        The loudest first.
    guard : Reading of GuardState
        A LOCKOUT holds by an old word too; a countdown does not.
    override : ActiveOverride or None
        Under which the dome is open.
    now_s : float
        Monotonic, seconds.
    """
    notices: dict[str, Notice] = {}
    state = guard.fresh_value(now_s, GUARD_FRESH_S)
    if state is not None and state.phase is GuardPhase.COUNTDOWN:
        left = f"closes again in {state.countdown_s or 0.0:.0f} s"
        text = f"STOP ended a safety close: the guard {left} ({state.reason})"
        notices["countdown"] = Notice(text, Severity.ALARM, "LOCKOUT\u2026")
    if guard.value is not None and guard.value.lockout is not None:
        held, age_s = guard.value.lockout, guard.age_s(now_s)
        old = f" (the guard is silent for {age_text(age_s)})" if state is None else ""
        text = f"LOCKOUT by {held.who} since {time_text(held.since)}: {held.reason}. Nothing moves, nothing closes; "
        notices["lockout"] = Notice(f"{text}{HARDWARE_STOP}{old}", Severity.ALARM, "Release\u2026")
    waiting = [
        alarm for alarm in alarms if not alarm.is_acknowledged and not (_is_told(alarm) and "countdown" in notices)
    ]
    if waiting:
        first = waiting[0]
        more = f" (and {len(waiting) - 1} more)" if len(waiting) > 1 else ""
        returned = "returned: " if first.is_returned else ""
        notices["alarm"] = Notice(f"{returned}{first.sentence}{more}", first.severity, "Acknowledge")
    if override is not None and now_s < override.until_s:
        held_by, covers = override.override, ", ".join(override.covers)
        left = duration_text(max(10.0, override.until_s - now_s))
        text = f"Override of {covers} by {held_by.name}: {held_by.reason}. {left} left; its end is an alarm, no motion"
        notices["override"] = Notice(text, Severity.ATTENTION, "End override")
    return notices


def _is_told(alarm: Alarm) -> bool:
    """Whether the countdown is its own banner."""
    return alarm.key == f"guard {GuardPhase.COUNTDOWN}"
