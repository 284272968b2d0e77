"""The one source of time, so that nights can be fixed and tests need not wait."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Protocol


class Clock(Protocol):
    """Sky time and duty time."""

    def utc(self) -> datetime:
        """Time of the sky and of records: aware, UTC; fixed in the embedded night."""
        ...

    def monotonic(self) -> float:
        """Seconds for ages, leases and time-outs: always real."""
        ...


@dataclass(frozen=True, slots=True)
class SystemClock:
    """The machine's clock."""

    def utc(self) -> datetime:
        """Now."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some start."""
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class NightClock:
    """The embedded night's clock: starts at a fixed time of the sky and runs at the real pace."""

    starts_at: datetime
    began: float

    def utc(self) -> datetime:
        """Time of the embedded sky."""
        return datetime.fromtimestamp(self.starts_at.timestamp() + self.monotonic() - self.began, UTC)

    def monotonic(self) -> float:
        """Seconds since some start."""
        return time.monotonic()


@dataclass(frozen=True, slots=True)
class SteppingClock:
    """The clock of pictures: each look at it is `step_s` later than the one before; with 0 it stands still.

    Real times would make every picture another one.
    """

    starts_at: datetime
    step_s: float
    _looks: Iterator[int] = field(default_factory=count, init=False, repr=False)

    def utc(self) -> datetime:
        """Time of the picture."""
        return self.starts_at + timedelta(seconds=self.monotonic())

    def monotonic(self) -> float:
        """Seconds since the first look."""
        return next(self._looks) * self.step_s
