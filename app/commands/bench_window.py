"""The real window with a stopwatch, for `cupola bench gui`: ``python -m app.commands.bench_window``.

It opens as `cupola window` does, on a home where an order to calibrate is waiting, and says in one line of JSON how late
a timer of 10 ms was in its thread from the beginning of that order to its end. Who started it ends it.
"""

from __future__ import annotations

import json
import sys
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer

from app import gui
from app.commands import window

_TICK_MS = 10


class _Stopwatch(QObject):
    """How late each tick of a precise timer is."""

    def __init__(self, parent: QObject) -> None:
        super().__init__(parent)
        self._late_s: list[float] = []
        self._last_s = perf_counter()
        self._timer = QTimer(self, timerType=Qt.TimerType.PreciseTimer, interval=_TICK_MS)
        self._timer.timeout.connect(self._tick)

    def begin(self) -> None:
        """Count from now on."""
        self._late_s, self._last_s = [], perf_counter()
        self._timer.start()

    def tell(self, how: str) -> None:
        """Write the line."""
        late_ms = sorted(1e3 * late_s for late_s in self._late_s)
        parts = {"p95": 0.95, "p99": 0.99, "worst": 1.0}
        said = {name: late_ms[int(part * (len(late_ms) - 1))] for name, part in parts.items()} if late_ms else {}
        sys.stdout.write(json.dumps({"ticks": len(late_ms), "how": how, **said}) + "\n")
        sys.stdout.flush()

    def _tick(self) -> None:
        now_s = perf_counter()
        self._late_s.append(max(0.0, now_s - self._last_s - _TICK_MS / 1e3))
        self._last_s = now_s


class _WatchedSession(gui.Session):
    """The session of the window, with a stopwatch."""

    def show(self) -> None:
        self._stopwatch = _Stopwatch(self)
        self.connected.connect(self._watch)
        super().show()

    def _watch(self) -> None:
        if self.connections is not None:
            self.connections.batch_thread.order_started.connect(lambda *_: self._stopwatch.begin())
            self.connections.batch_thread.order_ended.connect(lambda stored: self._stopwatch.tell(str(stored.state)))


if __name__ == "__main__":
    gui.Session = _WatchedSession  # type: ignore[misc]
    sys.exit(window.run())
