"""The real window under observation: starts as `cupola window` does, and obeys and answers in lines of JSON.

On stdin one command in each line, such as ``{"do": "page", "title": "Log"}``; on stdout what happened. The window is
none the wiser: a timer in its thread, an event filter for the first paint, and calls that an operator's clicks make.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from types import FrameType
from typing import Any

gc.disable()  # before the imports, as the command does

from PySide6.QtCore import QEvent, QObject, QSocketNotifier, Qt, QTimer  # noqa: E402
from PySide6.QtTest import QTest  # noqa: E402

from app import __main__ as program  # noqa: E402
from app import gui  # noqa: E402
from app.widgets.log_table import LogTable  # noqa: E402

TICK_MS = 10
#: With the name of a file as an argument every tick later than this is explained there.
LATE_S = 0.03
#: Packages that the first paint does not wait for.
SLOW = ("alembic", "astropy", "ccdproc", "fastapi", "numba", "scipy", "sep", "sqlalchemy", "uvicorn")


def say(**values: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(values, default=str) + "\n")
    sys.stdout.flush()


class Ticks(QObject):
    """A precise timer, and how late each of its ticks was.

    Parameters
    ----------
    parent : QObject
        Whose thread is watched.
    why : str
        File for what the thread did at every late tick; empty for none. An alarm clock shows it, in the thread
        itself: whoever else looked at its stack would keep painters alive.
    """

    def __init__(self, parent: QObject, why: str) -> None:
        super().__init__(parent)
        self._timer = QTimer(self, timerType=Qt.TimerType.PreciseTimer, interval=TICK_MS)
        self._timer.timeout.connect(self._tick)
        self._schedule = Path(f"/proc/self/task/{threading.get_native_id()}/schedstat")
        self._why = Path(why) if why else None
        self._seen = ""
        if self._why is not None:
            signal.signal(signal.SIGALRM, self._note)
        self.begin()
        self._timer.start()

    def begin(self) -> None:
        """Forget what was; the next tick counts."""
        self._late_s: list[float] = []
        self._own_s: list[float] = []  # without the time in which no processor was free
        self._last_s, self._last = time.perf_counter(), self._counts()

    def summary(self) -> dict[str, Any]:
        """Milliseconds of lateness, as the clock has it and by the window's own fault."""
        return {"ticks": len(self._late_s), **_parts(self._late_s), "own": _parts(self._own_s)}

    def _tick(self) -> None:
        now_s, counts = time.perf_counter(), self._counts()
        late_s = max(0.0, now_s - self._last_s - TICK_MS / 1e3)
        worked_s, queued_s = (now - before for now, before in zip(counts, self._last, strict=True))
        self._late_s.append(late_s)
        self._own_s.append(max(0.0, late_s - queued_s))
        if self._why is not None:
            if late_s > LATE_S:
                figures = f"{1e3 * late_s:.0f} late, {1e3 * worked_s:.0f} worked, {1e3 * queued_s:.0f} queued"
                with self._why.open("a") as file:
                    file.write(f"{figures}: {self._seen}\n")
            self._seen = ""
            signal.setitimer(signal.ITIMER_REAL, LATE_S)
        self._last_s, self._last = now_s, counts

    def _note(self, _signal: int, frame: FrameType | None) -> None:
        here = traceback.extract_stack(frame)[-6:]
        self._seen = " < ".join(f"{Path(one.filename).stem}:{one.lineno} {one.name}" for one in reversed(here))

    def _counts(self) -> tuple[float, float]:
        """Seconds on a processor, and seconds of waiting for one; zeros where the system does not tell."""
        try:
            on_ns, queued_ns, _ = self._schedule.read_text().split()
        except OSError:
            return 0.0, 0.0
        return int(on_ns) / 1e9, int(queued_ns) / 1e9


def _parts(values_s: list[float]) -> dict[str, float]:
    ordered = sorted(values_s)
    parts = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {name: ordered[int(part * (len(ordered) - 1))] * 1e3 for name, part in parts.items()}


class WatchedSession(gui.Session):
    """The session of the window, with somebody at its controls."""

    def show(self) -> None:
        self._ticks = Ticks(self, "".join(OPTIONS))
        self._commands = b""
        self._notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read, self)
        self._notifier.activated.connect(self._obey)
        self.panel.window.installEventFilter(self)
        self.connected.connect(self._tell_connected)
        super().show()

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        if event.type() is QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self._tell_painted)  # when the children are painted, too
        return super().eventFilter(watched, event)

    def _tell_painted(self) -> None:
        painted_s, worked_s = time.monotonic(), time.process_time()
        imported = [name for name in SLOW if name in sys.modules]
        picture = self.panel.window.grab().toImage().scaled(64, 64)
        colors = [picture.pixelColor(column, row) for column in range(64) for row in range(64)]
        green_or_blue = max(max(color.green(), color.blue()) for color in colors)
        say(painted_s=painted_s, cpu_s=worked_s, imported=imported, green_or_blue=green_or_blue)

    def _tell_connected(self) -> None:
        connections = self.connections
        say(connected_s=time.monotonic(), front_desk=connections._station.http and connections._station.http.address)
        connections.batch_thread.order_started.connect(lambda stored, batch: say(started=stored.name, batch=batch.key))
        connections.batch_thread.progressed.connect(lambda event: say(event=repr(event)))
        connections.batch_thread.order_ended.connect(lambda stored: say(ended=stored.name, how=stored.state))
        connections.batch_thread.order_put_off.connect(lambda stored: say(put_off=stored.name))

    def _obey(self) -> None:
        received = os.read(sys.stdin.fileno(), 65536)
        if not received:
            self._notifier.setEnabled(False)
        *lines, self._commands = (self._commands + received).split(b"\n")
        for line in lines:
            command = json.loads(line)
            getattr(self, f"do_{command.pop('do')}")(**command)

    def do_page(self, title: str) -> None:
        self.panel.window.show_page(title)
        say(page=self.panel.window.page)

    def do_begin(self) -> None:
        self._known = set(sys.modules)
        self._ticks.begin()
        say(begun=True)

    def do_lateness(self) -> None:
        say(lateness={**self._ticks.summary(), "imported": sorted(set(sys.modules) - self._known)})

    def do_state(self) -> None:
        batch = self.panel.batches.list.current
        top = self.panel.log.view_state()["top"]
        table = self.panel.log.findChild(LogTable)
        row = table.verticalScrollBar().value()
        orders = self.panel.orders._model
        model = table.model()
        say(
            state={
                "page": self.panel.window.page,
                "batch": batch and batch.name,
                "orders": [[line.stored.name, line.stored.state] for line in orders.lines],
                "top": top,
                "records": model.rowCount(),
                "top_text": [model.index(row, column).data() for column in (0, 4)] if row < model.rowCount() else None,
                "shutter": self._shutter(),
                "asks": self.panel.question.isVisible(),
                "sentence": self.panel.question._sentence.text(),
            }
        )

    def _shutter(self) -> str | None:
        if self.connections is None:
            return None
        station = self.connections._station
        return str(station.dome.state.shutter_word(station.observatory.clock.monotonic()))

    def do_scroll_log(self, row: int) -> None:
        self.panel.log.findChild(LogTable).verticalScrollBar().setValue(row)
        say(scrolled=self.panel.log.view_state()["top"])

    def do_select_batch(self, name: str) -> None:
        self.panel.batches.select_batch(name)
        say(selected=name)

    def do_close(self) -> None:
        """As the window's own button does."""
        say(closing_s=time.monotonic())
        self.panel.window.close()

    def do_answer(self, button: str) -> None:
        """Answer the question about the dome; "leave" is held, with a real press of the mouse."""
        question = self.panel.question
        if button == "leave":
            QTest.mousePress(question._leave, Qt.MouseButton.LeftButton)
        else:
            {"stay": question._stay, "close": question._close}[button].click()
        say(answered=button, at_s=time.monotonic())


OPTIONS = sys.argv[1:]

if __name__ == "__main__":
    faulthandler.register(signal.SIGUSR1)  # for whoever wonders where it hangs
    gui.Session = WatchedSession  # type: ignore[misc]
    sys.argv = ["cupola", "window"]
    program.main()
