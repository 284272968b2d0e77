"""What the guard says of itself: a process of its own that closes the dome when no one else does."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from app.model.settings import Device, Dome, Enclosure, Guard, Mail, Site, Slaving, WeatherLimits

#: A word of the guard that is older has no worth: it may be dead.
GUARD_FRESH_S = 3.0


class _Value(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class GuardPhase(StrEnum):
    """What the guard does."""

    WATCHING = "watching"
    CLOSING = "closing"
    COUNTDOWN = "countdown"
    LOCKOUT = "lockout"


class LeaseState(_Value):
    """One program that keeps the dome open by being alive: how long ago it was heard of, and the limit, seconds."""

    name: str
    age_s: float
    limit_s: float

    @property
    def is_lost(self) -> bool:
        """Whether it counts as dead."""
        return self.age_s > self.limit_s


class Lockout(_Value):
    """People are in the dome: nothing moves, the guard included, until the one who took it releases it."""

    who: str
    reason: str
    since: datetime


class GuardedOverride(_Value):
    """What somebody takes the responsibility for, by names of interlocks, and for how much longer, seconds."""

    name: str
    reason: str
    covers: tuple[str, ...]
    left_s: float


class GuardState(_Value):
    """Everything that the guard tells, at one moment of its own.

    Attributes
    ----------
    server : str
        ``HOST:PORT/device`` of the dome that it guards.
    pid : int
        Its process.
    phase : GuardPhase
        What it does.
    reason : str
        Why it closes, counts down, or alarms instead of closing; empty while all is well.
    unsafe_since_s : float or None
        How long the reason has held, seconds.
    is_safe : bool or None
        Its own verdict of the sky; None when nothing fresh says so.
    decider : str
        The sensor, its value and limit that decide.
    safe_for_s : float
        How long everything has been safe without a break, under the thresholds for opening.
    shutter : str
        The word that it reads itself: a `ShutterWord`.
    failed_closes : int
        How many closes in a row came to nothing.
    close_failure : str
        Why the last of them did.
    next_close_s : float or None
        Seconds until it tries again.
    countdown_s : float or None
        Seconds until it closes again after a STOP.
    lockout : Lockout or None
        Who is in the dome.
    leases : tuple of LeaseState
        Who keeps the dome open by being alive.
    override : GuardedOverride or None
        What somebody answers for.
    reopenings_left : int
        How often the dome may still open again this night.
    closed_for : str
        Why the guard closed last this night; empty while it had no reason to.
    needs_operator : str
        Why only an operator may open again; empty when a schedule may.
    faults : tuple of str
        Sentences about what is wrong with the guarding itself: a device that is not read, a mail that is not taken.
    """

    server: str
    pid: int
    phase: GuardPhase = GuardPhase.WATCHING
    reason: str = ""
    unsafe_since_s: float | None = None
    is_safe: bool | None = None
    decider: str = ""
    safe_for_s: float = 0.0
    shutter: str = "unknown"
    failed_closes: int = 0
    close_failure: str = ""
    next_close_s: float | None = None
    countdown_s: float | None = None
    lockout: Lockout | None = None
    leases: tuple[LeaseState, ...] = ()
    override: GuardedOverride | None = None
    reopenings_left: int = 0
    closed_for: str = ""
    needs_operator: str = ""
    faults: tuple[str, ...] = ()


class GuardPlan(_Value):
    """What a guard guards, and by which rules: a part of the settings, or of a simulated observatory.

    Attributes
    ----------
    folder : str
        Where its lock, its address and its LOCKOUT are kept.
    night : str
        The sky clock of a simulated observatory, as the environment names it; empty for the machine's.
    """

    folder: str
    dome: Dome
    mount: Device = Device()
    safety_monitor: Device = Device()
    weather: Device = Device()
    cover: Device = Device()
    site: Site = Site()
    weather_limits: WeatherLimits = WeatherLimits()
    enclosure: Enclosure = Enclosure()
    slaving: Slaving = Slaving()
    guard: Guard = Guard()
    mail: Mail = Mail()
    night: str = ""

    @property
    def server(self) -> str:
        """``HOST:PORT/device`` of the dome, or the name of its driver."""
        return self.dome.place

    @property
    def runtime_file(self) -> Path:
        """Where the guard that runs writes its port, process, token and the digest of its plan."""
        name = self.server.replace(":", "-").replace("/", "-")
        return Path(self.folder) / f"guard-{name}.json"

    @property
    def as_text(self) -> str:
        """The plan as JSON for a guard's file: without the password of the mail account, which is in no file."""
        return self.model_dump_json(exclude={"mail": {"password"}})

    @property
    def digest(self) -> str:
        """What tells it from another plan."""
        return hashlib.sha256(self.as_text.encode()).hexdigest()
