"""How fast the dome turns, and how long it takes."""

from __future__ import annotations

from collections import deque
from itertools import pairwise

from app.model.angles import turn_deg
from app.model.reading import Reading

#: What turns more slowly than this does not turn measurably, degrees/s.
_SLOWEST_DEG_S = 0.1


class TurnClock:
    """Measures how fast the dome turns, from its last readings."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=6)

    def note(self, azimuth: Reading[float]) -> None:
        """Take a reading; one that was noted before changes nothing."""
        if azimuth.value is None or azimuth.read_s is None:
            self._seen.clear()
        elif not self._seen or azimuth.read_s > self._seen[-1][0]:
            self._seen.append((azimuth.read_s, azimuth.value))

    def eta_s(self, left_deg: float | None) -> float | None:
        """Seconds until a turn is done; None while the dome does not turn that way measurably (0.1 degree/s)."""
        rate = self.rate_deg_s
        if left_deg is None or rate is None:
            return None
        return left_deg / rate if rate * left_deg > 0.0 else None

    @property
    def rate_deg_s(self) -> float | None:
        """How fast it turns, clockwise positive, degrees/s; None while that is not measurable (0.1 degree/s)."""
        if len(self._seen) < 2:
            return None
        turned = sum(turn_deg(begin, end) for (_, begin), (_, end) in pairwise(self._seen))
        rate = turned / (self._seen[-1][0] - self._seen[0][0])
        return rate if abs(rate) >= _SLOWEST_DEG_S else None
