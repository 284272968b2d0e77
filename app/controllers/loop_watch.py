"""Watches how late the GUI thread is: one line in the log for each freeze, not for each tick of it."""

from __future__ import annotations

import logging
from time import perf_counter

from PySide6.QtCore import QObject, Qt, QTimer

log = logging.getLogger(__name__)

TICK_MS = 50
#: Lateness that an operator notices.
FREEZE_S = 0.25


class LoopWatch(QObject):
    """Ticks in the GUI thread and says when a tick was late."""

    def __init__(self, parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._last_s = perf_counter()
        self.worst_s = 0.0
        self._timer = QTimer(self)
        self._timer.setTimerType(Qt.TimerType.PreciseTimer)
        self._timer.timeout.connect(self._tick)
        self._timer.start(TICK_MS)

    def _tick(self) -> None:
        now_s = perf_counter()
        late_s = now_s - self._last_s - TICK_MS / 1000.0
        self._last_s = now_s
        self.worst_s = max(self.worst_s, late_s)
        if late_s > FREEZE_S:
            log.info("The window stood still for %.2f s", late_s)
