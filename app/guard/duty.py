"""The guard on duty: four times a second it looks, decides, and goes on with a close; nothing here waits for a device."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Protocol

from app.guard.close import ESCALATES_AT, Closing, Devices, MotorStarts
from app.guard.lease import Leases
from app.guard.memory import KeptOverride, Memory
from app.guard.policy import Reason, Sight, may_open_by, operator_needed, reasons_to_close, verdict_of
from app.model.clock import Clock
from app.model.errors import ObservatoryError
from app.model.guard import GuardedOverride, GuardPhase, GuardPlan, GuardState, Lockout
from app.model.surroundings import SKY_FRESH_S
from app.model.wording import duration_text, night_text

log = logging.getLogger(__name__)

TICK_S = 0.25
#: A guard whose last look is older says nothing any more: who asks must take it for dead.
_HANGS_S = 2.0
#: So long the dome has to be read at all, before its silence counts as an open shutter.
_FIRST_LOOK_S = 5.0
#: A guard that was started by a window ends so long after everybody has gone, and the dome is closed.
_LINGERS_S = 600.0
_KEEP_S = 2.0


class GuardRefused(ObservatoryError):
    """The guard does not do what it was asked; the sentence says what clears the way."""


class Eyes(Protocol):
    """What the guard looks with."""

    def sight(self, abandoned_s: float | None) -> Sight:
        """Everything that is known now."""
        ...

    def failures(self) -> tuple[str, ...]:
        """A sentence about every device that is not read."""
        ...


class Notes(Protocol):
    """What keeps the guard's memory."""

    failure: str

    def keep(self, memory: Memory) -> int:
        """Write it soon; return its number."""
        ...

    def is_kept(self, number: int, timeout_s: float) -> bool:
        """Whether it is on the disk within the time."""
        ...


class Mails(Protocol):
    """What mails."""

    failure: str

    def send(self, subject: str, body: str) -> None:
        """Send it soon."""
        ...


class Guard:
    """Everything that the guard decides; its methods may be called from any thread.

    Parameters
    ----------
    plan : GuardPlan
        The rules.
    eyes : Eyes
        What it looks with.
    devices : Devices
        How devices are told.
    memory : Memory
        What an earlier guard knew.
    flaw : str
        What is wrong with that memory; empty when nothing is.
    lingers : bool
        Whether it stays when nobody needs it: one that the system started does.
    """

    def __init__(
        self,
        plan: GuardPlan,
        eyes: Eyes,
        devices: Devices,
        memory: Memory,
        notes: Notes,
        mails: Mails,
        clock: Clock,
        *,
        flaw: str = "",
        lingers: bool = True,
    ) -> None:
        self._is_over = False
        self._plan = plan
        self._eyes = eyes
        self._devices = devices
        self._memory = memory
        self._notes = notes
        self._mails = mails
        self._clock = clock
        self._flaw = flaw
        self._lingers = lingers
        self._lock = threading.RLock()
        self._began_s = self._looked_s = clock.monotonic()
        self._leases = Leases(plan.guard.lease_s, self._began_s)
        self._starts = MotorStarts(plan.guard.motor_starts_an_hour)
        self._closing: Closing | None = None
        self._countdown_until_s: float | None = None
        self._override_until_s = self._began_s + _left_s(memory.override)
        self._reasons: tuple[Reason, ...] = ()
        self._reason_since_s: float | None = None
        self._safe_since_s: float | None = None
        self._idle_since_s: float | None = None
        self._mailed: set[str] = set()
        self._sight: Sight | None = None

    # --- what is asked of it ---

    def state(self) -> GuardState:
        """Everything that it tells; raises `GuardRefused` when it does not look any more."""
        with self._lock:
            now_s = self._clock.monotonic()
            if self._sight is None or now_s - self._looked_s > _HANGS_S:
                raise GuardRefused(f"The guard has not looked for {now_s - self._looked_s:.1f} s: restart it")
            return self._told(self._sight, now_s)

    def renew(self, name: str) -> None:
        """The program of that name lives."""
        with self._lock:
            if not self._leases.renew(name, self._clock.monotonic()):
                raise GuardRefused(f"Lease {name!r} is one too many: end others first")

    def end_lease(self, name: str) -> None:
        """The program of that name quits in order."""
        with self._lock:
            self._leases.end(name, self._clock.monotonic())

    def stop(self, who: str) -> None:
        """Somebody pressed STOP: a safety close waits for the countdown, and closes again."""
        with self._lock:
            if self._closing is None:
                return
            self._closing.stop()
            self._countdown_until_s = self._clock.monotonic() + self._plan.guard.stop_countdown_s
            log.warning("%s stopped the safety close: it goes on in %s s", who, self._plan.guard.stop_countdown_s)

    def take_lockout(self, who: str, reason: str) -> None:
        """People are in the dome: from now on nothing is closed."""
        with self._lock:
            held = self._memory.lockout
            if held is not None and held.who != who:
                raise GuardRefused(f"{held.who} holds LOCKOUT already ({held.reason}): they release it first")
            log.warning("LOCKOUT is taken by %s: %s", who, reason)
            self._drop_closing()
            kept = self._remember(lockout=Lockout(who=who, reason=reason, since=self._clock.utc()))
        self._be_sure(kept)

    def release_lockout(self, who: str, of: str) -> None:
        """Somebody releases LOCKOUT, and names its holder: nobody does that by mistake."""
        with self._lock:
            held = self._memory.lockout
            if held is None:
                return
            if held.who != of:
                raise GuardRefused(f"LOCKOUT is held by {held.who}, not by {of}: name who holds it")
            log.warning("LOCKOUT of %s is released by %s", of, who)
            kept = self._remember(lockout=None)
        self._be_sure(kept)

    def override(self, name: str, reason: str, minutes: float, covers: Sequence[str]) -> None:
        """Somebody answers for these reasons, for some time; one after another replaces it."""
        with self._lock:
            log.warning("%s overrides %s for %g min: %s", name, ", ".join(covers), minutes, reason)
            now_s, until = self._clock.monotonic(), datetime.now(UTC) + timedelta(minutes=minutes)
            self._lapse()
            override = KeptOverride(name=name, reason=reason, covers=tuple(covers), minutes=minutes, until=until)
            lapsed = tuple(one for one in self._memory.lapsed if one not in covers)
            self._override_until_s = now_s + minutes * 60.0
            kept = self._remember(override=override, lapsed=lapsed)
        self._be_sure(kept)

    def end_override(self, who: str) -> None:
        """Somebody ends the override: what it covered alarms from now on."""
        with self._lock:
            if self._memory.override is None:
                return
            log.warning("The override of %s is ended by %s", self._memory.override.name, who)
            kept = self._lapse()
        self._be_sure(kept)

    def opening(self, who: str, *, is_attended: bool) -> None:
        """The dome is told to open: after a close of the guard that is a reopening."""
        with self._lock:
            again = 1 if self._memory.closed_for else 0
            log.info("%s opens the dome", who)
            needs_operator = "" if is_attended else self._memory.needs_operator
            kept = self._remember(
                reopenings=self._memory.reopenings + again, closed_for="", needs_operator=needs_operator
            )
        self._be_sure(kept)

    def end(self, who: str) -> None:
        """Somebody ends the guard, which is refused while it is needed."""
        with self._lock:
            sight = self._sight
            is_closed = sight is not None and sight.closed_by is not None
            needed_by = [lease.name for lease in self._leases.states(self._clock.monotonic()) if not lease.is_lost]
            needed_by += ["a safety close"] if self._closing is not None else []
            if needed_by and not is_closed:
                raise GuardRefused(
                    f"The guard does not end while {', '.join(needed_by)} needs it and the dome is not closed: close it"
                )
            log.warning("The guard is ended by %s", who)
            self.leave()

    def leave(self) -> None:
        """End at the next look; takes no lock, so that a signal may call it."""
        self._is_over = True

    # --- what it does ---

    def run(self) -> None:
        """Be on duty until it ends."""
        pause = threading.Event()
        while not self._is_over:
            pause.wait(TICK_S)
            try:
                self.look()
            except Exception:
                log.exception("Bug in the guard")

    def look(self) -> None:
        """Look once, decide, and go on with a close."""
        with self._lock:
            now_s = self._clock.monotonic()
            sight = self._eyes.sight(self._leases.abandoned_for_s(now_s))
            self._reasons = reasons_to_close(sight, self._plan)
            self._begin_night()
            self._see_to_override(now_s)
            if may_open_by(sight, self._plan):
                self._safe_since_s = now_s if self._safe_since_s is None else self._safe_since_s
            else:
                self._safe_since_s = None
            self._decide(sight)
            self._note_reasons(sight)
            self._mail(sight)
            self._end_when_idle(sight)
            self._sight, self._looked_s = sight, now_s

    def _decide(self, sight: Sight) -> None:
        """Begin, go on with or end a close."""
        live = self._live()
        if self._memory.lockout is not None:
            self._drop_closing()
            return
        if sight.closed_by is not None:
            if self._closing is not None:
                log.warning("The dome is %s", sight.word)
                self._closing.finish()
            self._closing = self._countdown_until_s = None
            return
        if sight.dome.read_s is None and sight.now_s - sight.began_s < _FIRST_LOOK_S:
            return
        if self._closing is None and live:
            self._closing = Closing(live[0], self._plan, self._devices, self._starts, sight.now_s)
            log.warning("The guard closes the dome: %s", live[0].says)
            self._remember(closed_for=live[0].says)
        elif self._closing is not None and not live and self._is_covered(self._closing.reason):
            self._drop_closing()
        if self._closing is None:
            return
        if self._countdown_until_s is not None and sight.now_s < self._countdown_until_s:
            return
        self._countdown_until_s = None
        self._closing.step(sight)

    def _live(self) -> tuple[Reason, ...]:
        """Reasons for which nobody answers."""
        return tuple(one for one in self._reasons if not self._is_covered(one) and one.name not in self._memory.lapsed)

    def _is_covered(self, reason: Reason) -> bool:
        return self._memory.override is not None and reason.name in self._memory.override.covers

    def _drop_closing(self) -> None:
        if self._closing is not None:
            self._closing.stop()
        self._closing = self._countdown_until_s = None

    def _see_to_override(self, now_s: float) -> None:
        """End an override whose time is over; forget what had lapsed and has ceased."""
        if self._memory.override is not None and now_s >= self._override_until_s:
            log.warning("The override of %s has ended", self._memory.override.name)
            self._lapse()
        if self._memory.lapsed and now_s - self._began_s > SKY_FRESH_S:
            names = {reason.name for reason in self._reasons}
            lapsed = tuple(name for name in self._memory.lapsed if name in names)
            if lapsed != self._memory.lapsed:
                self._remember(lapsed=lapsed)

    def _lapse(self) -> int:
        """End the override: the reasons that it covered and that go on alarm, and move nothing."""
        names = {reason.name for reason in self._reasons}
        covers = () if self._memory.override is None else self._memory.override.covers
        covered = tuple(name for name in covers if name in names)
        return self._remember(override=None, lapsed=tuple(dict.fromkeys((*self._memory.lapsed, *covered))))

    def _begin_night(self) -> None:
        night = night_text(self._clock.utc())
        if night != self._memory.night:
            # A file that could not be read belongs to no night: it counts for this one.
            reopenings = 0 if self._memory.night else self._memory.reopenings
            self._remember(night=night, reopenings=reopenings, closed_for="")

    def _note_reasons(self, sight: Sight) -> None:
        """Keep why only an operator may open again, from what holds while the guard closes or has closed."""
        if self._memory.closed_for and not self._memory.needs_operator:
            why = operator_needed(self._live(), sight)
            if not why and self._closing is not None and self._closing.failures:
                why = f"the dome did not close at once: {self._closing.failure}"
            if why:
                self._remember(needs_operator=why)

    def _remember(self, **changed: object) -> int:
        self._memory = self._memory.model_copy(update=changed)
        return self._notes.keep(self._memory)

    def _be_sure(self, kept: int) -> None:
        """Answer when a restart would know it; when that takes too long a fault says so, and it holds all the same."""
        self._notes.is_kept(kept, _KEEP_S)

    def _end_when_idle(self, sight: Sight) -> None:
        # A simulator that has ended needs no guard; a real dome that is not read needs it more than ever.
        is_gone = bool(self._plan.night) and sight.shutter is None
        is_open = sight.closed_by is None and not is_gone
        is_needed = self._lingers or sight.abandoned_s is None or is_open
        if is_needed or self._memory.lockout is not None:
            self._idle_since_s = None
        elif self._idle_since_s is None:
            self._idle_since_s = sight.now_s
        elif sight.now_s - self._idle_since_s > _LINGERS_S:
            log.info("Nobody needs the guard any more, and the dome is %s: it ends", sight.word)
            self.leave()

    # --- what it says ---

    def _mail(self, sight: Sight) -> None:
        """One mail for each thing that somebody must see to, and one when the dome is closed after all."""
        dome, word = f"The dome {self._plan.server}", sight.word.value
        closing = self._closing
        if closing is not None and closing.failures >= ESCALATES_AT:
            self._mail_once(
                "close",
                f"{dome} does not close: {closing.failure}",
                f"{dome} must be closed: {closing.reason.says}.\n{closing.failures} tries failed, the newest because: "
                f"{closing.failure}\nIts shutter reads: {word}.\nThe guard tries again for ever.",
            )
        elif sight.closed_by is not None and "close" in self._mailed:
            self._mailed.discard("close")
            self._mails.send(f"{dome} is {word} at last", f"{dome} is {word}.")
        held = self._memory.lockout
        if held is not None and self._must_close(sight):
            says = f"{dome} stays {word} in LOCKOUT: {self._live()[0].says}"
            self._mail_once("lockout", says, f"{says}\nLOCKOUT is held by {held.who} ({held.reason}).")
        elif held is None:
            self._mailed.discard("lockout")
        if sight.abandoned_s is not None and sight.closed_by is None and not self._plan.guard.closes_abandoned:
            says = f"{dome} is {word}, and no window and no night is heard of"
            self._mail_once(
                "lease", says, f"{says} for {duration_text(sight.abandoned_s)}; the settings say: do not close."
            )
        else:
            self._mailed.discard("lease")

    def _mail_once(self, key: str, subject: str, body: str) -> None:
        if key not in self._mailed:
            self._mailed.add(key)
            log.error("%s", subject)
            self._mails.send(subject, body)

    def _must_close(self, sight: Sight) -> bool:
        return bool(self._live()) and sight.closed_by is None

    def _told(self, sight: Sight, now_s: float) -> GuardState:
        closing, memory = self._closing, self._memory
        verdict = verdict_of(sight, self._plan)
        reason = closing.reason.says if closing is not None else ""
        if memory.lockout is not None and self._must_close(sight):
            reason = self._live()[0].says
        if not reason:
            self._reason_since_s = None
        elif self._reason_since_s is None:
            self._reason_since_s = now_s
        waits = closing is not None and not closing.is_trying
        next_s = max(closing.next_s, self._countdown_until_s or 0.0) - now_s if closing is not None and waits else None
        override = memory.override
        return GuardState(
            server=self._plan.server,
            pid=os.getpid(),
            phase=self._phase(),
            reason=reason,
            unsafe_since_s=None if self._reason_since_s is None else now_s - self._reason_since_s,
            is_safe=verdict.is_safe,
            decider=verdict.decider,
            safe_for_s=0.0 if self._safe_since_s is None else now_s - self._safe_since_s,
            shutter=sight.word.value,
            failed_closes=0 if closing is None else closing.failures,
            close_failure="" if self._closing is None else self._closing.failure,
            next_close_s=None if next_s is None else max(0.0, next_s),
            countdown_s=None if self._countdown_until_s is None else max(0.0, self._countdown_until_s - now_s),
            lockout=memory.lockout,
            leases=self._leases.states(now_s),
            override=None
            if override is None
            else GuardedOverride(
                name=override.name,
                reason=override.reason,
                covers=override.covers,
                left_s=max(0.0, self._override_until_s - now_s),
            ),
            reopenings_left=max(0, self._plan.guard.reopenings_a_night - memory.reopenings),
            closed_for=memory.closed_for,
            needs_operator=memory.needs_operator,
            faults=tuple(self._faults(sight)),
        )

    def _phase(self) -> GuardPhase:
        if self._memory.lockout is not None:
            return GuardPhase.LOCKOUT
        if self._closing is None:
            return GuardPhase.WATCHING
        return GuardPhase.CLOSING if self._countdown_until_s is None else GuardPhase.COUNTDOWN

    def _faults(self, sight: Sight) -> Iterable[str]:
        """What is wrong, for the alarms of the window."""
        yield from self._eyes.failures()
        yield from (text for text in (self._notes.failure, self._mails.failure, self._flaw) if text)
        for reason in self._reasons:
            if reason.name in self._memory.lapsed and sight.closed_by is None:
                yield f"The override has ended, and {reason.says}: close the dome, or override it anew"
        if sight.abandoned_s is not None and not self._plan.guard.closes_abandoned and sight.closed_by is None:
            yield "Nobody looks after the open dome, and the settings say that the guard does not close it for that"


def _left_s(override: KeptOverride | None) -> float:
    """How long an override of an earlier guard still holds, by the machine's clock; never longer than it was given."""
    if override is None:
        return 0.0
    left_s = (override.until - datetime.now(UTC)).total_seconds()
    return min(max(left_s, 0.0), override.minutes * 60.0)
