"""A value that knows when it was read: truth ages."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum
from typing import Any, Generic, TypeVar

T = TypeVar("T")

#: A reading older than this is stale, unless three polls take longer.
FRESH_S = 5.0


class Freshness(Enum):
    """How a reading may be taken."""

    FRESH = "fresh"
    STALE = "stale"
    NEVER = "never seen"


@dataclass(frozen=True, slots=True)
class Reading(Generic[T]):
    """One value of a device, or that there was none.

    Attributes
    ----------
    value : T or None
        The last value that was read; None when there was none.
    read_s : float or None
        Monotonic time of that reading, seconds; ages are made of it.
    read_at : datetime or None
        The same in UTC, for people and other programs.
    failure : str or None
        Why the newest attempt gave no value; None when it did.
    """

    value: T | None = None
    read_s: float | None = None
    read_at: datetime | None = None
    failure: str | None = None

    def failed(self, why: str) -> Reading[T]:
        """The same after a failed attempt: the value is kept, and ages."""
        return replace(self, failure=why)

    def age_s(self, now_s: float) -> float | None:
        """Seconds since it was read; None when it never was."""
        return None if self.read_s is None else max(0.0, now_s - self.read_s)

    def freshness(self, now_s: float, limit_s: float = FRESH_S) -> Freshness:
        """Whether it is young enough to act on."""
        age = self.age_s(now_s)
        if age is None:
            return Freshness.NEVER
        return Freshness.FRESH if age <= limit_s else Freshness.STALE

    def fresh_value(self, now_s: float, limit_s: float = FRESH_S) -> T | None:
        """The value while it is fresh, else None: unknown."""
        return self.value if self.freshness(now_s, limit_s) is Freshness.FRESH else None


#: What was never read.
NEVER_READ: Reading[Any] = Reading()
