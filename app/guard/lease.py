"""Leases: who keeps the dome open by being alive."""

from __future__ import annotations

from app.model.guard import LeaseState

#: More names than windows and nights there can be: somebody makes them up.
MOST = 20


class Leases:
    """Every program that was heard of, by name.

    Parameters
    ----------
    limit_s : float
        One that is not heard of for so long is dead.
    now_s : float
        Monotonic, seconds: a guard that begins gives everybody time to be heard of.
    """

    def __init__(self, limit_s: float, now_s: float) -> None:
        self._limit_s = limit_s
        self._heard_s: dict[str, float] = {}
        self._last_s = now_s

    def renew(self, name: str, now_s: float) -> bool:
        """The program lives; False when there are too many of them."""
        if name not in self._heard_s and len(self._heard_s) >= MOST:
            return False
        self._heard_s[name] = self._last_s = now_s
        return True

    def end(self, name: str, now_s: float) -> None:
        """The program quits in order; others have the time of a lease to be heard of."""
        if self._heard_s.pop(name, None) is not None:
            self._last_s = now_s

    def states(self, now_s: float) -> tuple[LeaseState, ...]:
        """Everybody, by name."""
        return tuple(
            LeaseState(name=name, age_s=now_s - heard_s, limit_s=self._limit_s)
            for name, heard_s in sorted(self._heard_s.items())
        )

    def abandoned_for_s(self, now_s: float) -> float | None:
        """How long nobody has been heard of when that is longer than a lease; None while somebody lives."""
        silence_s = now_s - self._last_s
        return silence_s if silence_s > self._limit_s else None
