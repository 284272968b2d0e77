"""Alarms: what needs an operator's response, from its cause to the acknowledgement; the rest are events."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from app.model.strip import Severity
from app.model.wording import time_text

#: Alarms that come within so long, seconds, come together: they have a first one, and may be a flood.
BURST_S = 10.0
#: More than these within `BURST_S` are a flood.
FLOOD = 5


@dataclass(frozen=True, slots=True)
class Cause:
    """Why there is an alarm now.

    Attributes
    ----------
    sentence : str
        What it is, with value and limit, and what to do.
    severity : Severity
        ALARM needs a response: it sounds, and stays until it is acknowledged. ATTENTION is silent and goes with its
        cause.
    """

    sentence: str
    severity: Severity = Severity.ALARM


@dataclass(frozen=True, slots=True)
class Alarm:
    """One alarm at one moment.

    Attributes
    ----------
    key : str
        Tells the same alarm of another moment.
    began_at : datetime
        When its cause came, aware.
    is_active : bool
        Whether the cause is there now; an alarm that is not has returned, and waits for its acknowledgement.
    acknowledged_by : str
        Who has seen it; empty while nobody has.
    muted_until_s : float or None
        Monotonic time until which it makes no sound, seconds.
    burst : int
        Number of the burst that it came with; 0 for what only wants attention.
    is_first_out : bool
        Whether it is the first of several that came together.
    """

    key: str
    sentence: str
    severity: Severity
    began_at: datetime
    is_active: bool = True
    acknowledged_by: str = ""
    muted_until_s: float | None = None
    burst: int = 0
    is_first_out: bool = False

    @property
    def is_acknowledged(self) -> bool:
        """Whether somebody has seen it."""
        return bool(self.acknowledged_by)

    @property
    def is_returned(self) -> bool:
        """Whether its cause is gone, and nobody has seen it."""
        return not self.is_active and not self.is_acknowledged

    def must_sound(self, now_s: float) -> bool:
        """Whether it is to be heard; `now_s` is monotonic."""
        is_muted = self.muted_until_s is not None and now_s < self.muted_until_s
        return self.severity is Severity.ALARM and not self.is_acknowledged and not is_muted


@dataclass(frozen=True, slots=True)
class AlarmRow:
    """A line of the list: an alarm, and those of its flood that lie under it."""

    alarm: Alarm
    hidden: tuple[Alarm, ...] = ()

    @property
    def keys(self) -> tuple[str, ...]:
        """Of all its alarms."""
        return (self.alarm.key, *(one.key for one in self.hidden))

    @property
    def more(self) -> str:
        """``and 7 more since 21:04:55``; empty when nothing is hidden."""
        return f"and {len(self.hidden)} more since {time_text(self.alarm.began_at)}" if self.hidden else ""


class AlarmBook:
    """Keeps the alarms from look to look; for one thread."""

    def __init__(self) -> None:
        self._alarms: dict[str, Alarm] = {}
        self._burst = 0
        self._burst_began_s = float("-inf")
        self._first_key = ""

    @property
    def alarms(self) -> tuple[Alarm, ...]:
        """Those that nobody acknowledged before the others, then the louder, the active, the older."""
        return tuple(sorted(self._alarms.values(), key=_rank))

    @property
    def unacknowledged(self) -> int:
        """How many nobody has acknowledged."""
        return sum(not alarm.is_acknowledged for alarm in self._alarms.values())

    def take(self, active: Mapping[str, Cause], now_s: float, at: datetime) -> tuple[Alarm, ...]:
        """Take what is wrong now.

        Parameters
        ----------
        active : mapping of str to Cause
            Everything that is wrong, by its key, the most urgent first.
        now_s : float
            Monotonic, seconds.
        at : datetime
            The same moment for people, aware.

        Returns
        -------
        tuple of Alarm
            As `alarms`.
        """
        aged = {key: _aged(alarm, active.get(key), now_s) for key, alarm in self._alarms.items()}
        self._alarms = {key: alarm for key, alarm in aged.items() if alarm is not None}
        for key, cause in active.items():
            if key not in self._alarms:
                self._begin(key, cause, now_s, at)
        return self.alarms

    def acknowledge(self, who: str, key: str | None = None) -> None:
        """Note that somebody has seen one alarm, or all; a returned one is done with."""
        for alarm in tuple(self._alarms.values()):
            if key not in (None, alarm.key) or alarm.is_acknowledged:
                continue
            if alarm.is_active:
                self._alarms[alarm.key] = replace(alarm, acknowledged_by=who, muted_until_s=None)
            else:
                del self._alarms[alarm.key]

    def mute(self, key: str, seconds: float, now_s: float) -> None:
        """Silence an alarm for some time; it stays in the list, and sounds again unless somebody acknowledges it."""
        if key in self._alarms:
            self._alarms[key] = replace(self._alarms[key], muted_until_s=now_s + seconds)

    def must_sound(self, now_s: float) -> bool:
        """Whether any alarm is to be heard; `now_s` is monotonic."""
        return any(alarm.must_sound(now_s) for alarm in self._alarms.values())

    def _begin(self, key: str, cause: Cause, now_s: float, at: datetime) -> None:
        """A new alarm: the first of a burst, or one more of it."""
        if cause.severity is not Severity.ALARM:
            self._alarms[key] = Alarm(key, cause.sentence, cause.severity, at)
            return
        if now_s - self._burst_began_s > BURST_S:
            self._burst, self._burst_began_s, self._first_key = self._burst + 1, now_s, key
        elif self._first_key in self._alarms:
            self._alarms[self._first_key] = replace(self._alarms[self._first_key], is_first_out=True)
        self._alarms[key] = Alarm(key, cause.sentence, cause.severity, at, burst=self._burst)


def _rank(alarm: Alarm) -> tuple[bool, int, bool]:
    return alarm.is_acknowledged, -alarm.severity, not alarm.is_active


def _aged(alarm: Alarm, cause: Cause | None, now_s: float) -> Alarm | None:
    """The alarm a look later; None when it is done with. One that became louder is to be acknowledged anew."""
    if cause is None:
        is_done = alarm.is_acknowledged or alarm.severity is not Severity.ALARM
        return None if is_done else replace(alarm, is_active=False)
    is_muted = alarm.muted_until_s is not None and now_s < alarm.muted_until_s
    return replace(
        alarm,
        sentence=cause.sentence,
        severity=cause.severity,
        is_active=True,
        acknowledged_by="" if cause.severity > alarm.severity else alarm.acknowledged_by,
        muted_until_s=alarm.muted_until_s if is_muted else None,
    )


def rows_of(alarms: Iterable[Alarm], expanded: Container[int] = ()) -> tuple[AlarmRow, ...]:
    """The lines of the list: a flood lies under its first alarm, unless its burst is expanded.

    Nothing lies under an alarm that wants less than itself: one that is acknowledged, or not so loud.
    """
    groups: dict[tuple[int, bool, Severity], list[Alarm]] = {}
    for alarm in alarms:
        groups.setdefault((alarm.burst, alarm.is_acknowledged, alarm.severity), []).append(alarm)
    rows: list[AlarmRow] = []
    for (burst, _, _), members in groups.items():
        if len(members) <= FLOOD or burst in expanded:
            rows += map(AlarmRow, members)
            continue
        head = next((one for one in members if one.is_first_out), members[0])
        rows.append(AlarmRow(head, tuple(one for one in members if one is not head)))
    return tuple(rows)
