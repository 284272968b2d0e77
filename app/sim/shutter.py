"""A simulated shutter: travels at an even pace, loses its way when it is stopped on it, and can be stuck."""

from __future__ import annotations

from math import inf

from app.model.dome import ShutterState
from app.sim.alpaca_device import AlpacaError, ErrorNumber

SHUTTER_TRAVEL_S = 8.0


class SimulatedShutter:
    """A shutter of which every moment is known.

    Parameters
    ----------
    state : ShutterState
        OPEN, CLOSED or ERROR.
    travel_s : float
        How long it needs from end to end, simulated seconds.
    """

    def __init__(self, state: ShutterState = ShutterState.CLOSED, travel_s: float = SHUTTER_TRAVEL_S) -> None:
        self._travel_s = travel_s
        self._began_s = -inf
        self._start = 0.0
        self._stuck_at: float | None = None
        self._is_lost = False
        self._is_halted = False  # its motor gave up on the way, and the driver does not know
        self._opens = False
        self.place(state)

    @property
    def rest_s(self) -> float:
        """When it came, or comes, to rest; minus infinity when it was never on its way."""
        return -inf if self._stands else self._began_s + abs(self._end - self._start) * self._travel_s

    @property
    def _stands(self) -> bool:
        return self._is_lost or self._is_halted

    @property
    def _end(self) -> float:
        """How far its way goes: to the end, or to what it is stuck at."""
        end = float(self._opens)
        if self._stuck_at is None or not min(self._start, end) <= self._stuck_at <= max(self._start, end):
            return end
        return self._stuck_at

    def place(self, state: ShutterState) -> None:
        """Put it into one of its states of rest; OPENING and CLOSING count as their ends."""
        self._opens = state in (ShutterState.OPEN, ShutterState.OPENING)
        self._is_lost, self._is_halted = state is ShutterState.ERROR, False
        self._start = 0.5 if self._is_lost else float(self._opens)

    def state(self, now_s: float) -> ShutterState:
        """As an honest driver says it, who takes what does not arrive for under way."""
        if self._is_lost:
            return ShutterState.ERROR
        opening = self.opening(now_s)
        if self._opens:
            return ShutterState.OPEN if opening >= 1.0 else ShutterState.OPENING
        return ShutterState.CLOSED if opening <= 0.0 else ShutterState.CLOSING

    def opening(self, now_s: float) -> float:
        """How far it is open in truth, 0 to 1."""
        if self._stands:
            return self._start
        if now_s >= self.rest_s:
            return self._end
        travelled = (now_s - self._began_s) / self._travel_s
        return self._start + (travelled if self._opens else -travelled)

    def is_moving(self, now_s: float) -> bool:
        """Whether an honest driver says that it is on its way."""
        return self.state(now_s) in (ShutterState.OPENING, ShutterState.CLOSING)

    def travels(self, now_s: float) -> bool:
        """Whether it moves in truth."""
        return now_s < self.rest_s

    def open(self, now_s: float) -> None:
        """Begin to open; raises 0x40B when it lost its way."""
        if self._is_lost:
            raise AlpacaError(
                ErrorNumber.INVALID_OPERATION, "The shutter was stopped midway: close it before it can be opened"
            )
        self._travel(now_s, opens=True)

    def close(self, now_s: float) -> None:
        """Begin to close, from wherever it is."""
        self._travel(now_s, opens=False)

    def abort(self, now_s: float) -> None:
        """Stop at once; midway, its place is lost."""
        if self.is_moving(now_s):
            self._start, self._is_lost = self.opening(now_s), True

    def halt(self, now_s: float) -> None:
        """Take its motor's power on the way: it stands until the next command."""
        if self.is_moving(now_s):
            self._start, self._is_halted = self.opening(now_s), True

    def stick(self, now_s: float, stuck_at: float | None) -> None:
        """Hold it when it comes to that opening, 0 to 1; None sets it free, and it stands until the next command."""
        if self.is_moving(now_s) and not self.travels(now_s):
            self.halt(now_s)
        else:
            self._start, self._began_s = self.opening(now_s), now_s
        self._stuck_at = stuck_at

    def finish(self) -> None:
        """Be where it goes."""
        if not self._stands:
            self._start = self._end

    def _travel(self, now_s: float, *, opens: bool) -> None:
        self._start = self.opening(now_s)
        self._began_s, self._opens = now_s, opens
        self._is_lost = self._is_halted = False
