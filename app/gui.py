"""Start-up and ordered shutdown of the window.

The window is painted first; what is slow to import or to open comes in a thread of its own, `Duty`, which holds the
observatory open until the window is done with it.
"""

from __future__ import annotations

import gc
import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from PySide6.QtCore import QEvent, QObject, Qt, QThread, QTimer, Signal
from PySide6.QtWidgets import QApplication

from app.controllers.window_memory import WindowMemory
from app.model.errors import ObservatoryError
from app.model.strip import Severity
from app.paths import user_data_folder
from app.widgets import theme
from app.widgets.control_panel import ControlPanel
from app.widgets.plain_words import PlainWords

if TYPE_CHECKING:
    from app.bootstrap.station import Station
    from app.wiring.station import Connections

log = logging.getLogger(__name__)

#: How long a thread that computes may keep the others of this process waiting: each event of Qt's takes the
#: interpreter's lock anew, so that Python's own 5 ms add up to a STOP that comes seconds late.
SWITCH_S = 0.0001

#: The observatory is opened after the first paint; a window that is not painted, for it is minimised, waits this long.
UNSEEN_MS = 2000

Opening = Callable[[], AbstractContextManager["Station"]]


class Session(QObject):
    """The window from its first paint to its end.

    Attributes
    ----------
    panel : ControlPanel
        What is seen.
    connections : Connections or None
        Between panel and observatory; None until that is open.
    """

    connected = Signal()  #: The observatory is open, and every page shows it.

    def __init__(self, application: QApplication, opening: Opening, memory_file: Path | None = None) -> None:
        super().__init__()
        self._application = application
        self._memory = None if memory_file is None else WindowMemory(memory_file, self._view, self)
        view = {} if self._memory is None else self._memory.recall()
        if (name := str(view.get("theme"))) in theme.THEMES:
            theme.prepare(application, name)
        self.panel = ControlPanel(application)
        self.connections: Connections | None = None
        self._is_closing = False
        self._duty = Duty(opening)
        self._duty.ready.connect(self._connect)
        self._duty.failed.connect(self._show_failure)
        self._duty.finished.connect(self._finish)
        self.panel.stop.pressed.connect(self._stop_everything)
        self.panel.window.close_requested.connect(self.close)
        if self._memory is not None:
            self._restore(view)
            self.panel.window.view_changed.connect(self._memory.note)
            self.panel.theme_changed.connect(self._memory.note)

    def show(self) -> None:
        """Show the windows; when they are painted, begin to open the observatory."""
        self.panel.window.installEventFilter(self)
        self.panel.show()
        QTimer.singleShot(UNSEEN_MS, self._duty.begin)

    def eventFilter(self, watched: QObject, event: QEvent) -> bool:  # noqa: N802 - Qt's name
        """Wait for the first paint of the window: imports in another thread would delay it."""
        if event.type() is QEvent.Type.Paint:
            watched.removeEventFilter(self)
            QTimer.singleShot(0, self._duty.begin)  # when everything in it is painted, too
        return super().eventFilter(watched, event)

    def close(self) -> None:
        """Settle the dome question, then begin the shutdown; the windows close when it is done."""
        if self.connections is None:
            self.leave()
        else:
            self.connections.quitting.ask()

    def leave(self) -> None:
        """Begin the shutdown, whatever the dome does."""
        if self._is_closing:
            return
        self._is_closing = True
        if self._memory is not None:
            self._memory.write()
        if self.connections is None:
            self._duty.leave()
            if self._duty.isFinished():  # the start had failed
                self._finish()
        else:
            self.connections.close(self._duty.leave)

    def _view(self) -> dict[str, Any]:
        return {"theme": theme.current().name, **self.panel.window.view_state()}

    def _restore(self, view: dict[str, Any]) -> None:
        if not view:
            self.panel.window.setWindowState(Qt.WindowState.WindowMaximized)
        self.panel.window.restore_view(view)

    def _connect(self, station: Station) -> None:
        from app.wiring.station import connect_station

        if self._is_closing:
            return  # closed meanwhile: the observatory is on its way to be closed, too
        self.connections = connect_station(self.panel, station)
        self.connections.quitting.may_quit.connect(self.leave)
        self.connected.emit()

    def _stop_everything(self) -> None:
        if self.connections is None:
            self.panel.stop.set_notice("not connected: use the hardware stop", True)
        else:
            self.connections.stop_everything()

    def _show_failure(self, sentence: str) -> None:
        self.panel.window.show_banner(sentence, Severity.ALARM, "start")

    def _finish(self) -> None:
        if self._is_closing:
            self.panel.close()
            self._application.exit(0)


class Duty(QThread):
    """Opens the observatory and holds it open until it may be left."""

    ready = Signal(object)  #: The Station.
    failed = Signal(str)  #: Why there is none, in one sentence.

    def __init__(self, opening: Opening) -> None:
        super().__init__()
        self._opening = opening
        self._may_leave = threading.Event()

    def begin(self) -> None:
        """Start, unless it has."""
        if not (self.isRunning() or self.isFinished()):
            self.start()

    def run(self) -> None:
        """Open, wait, close."""
        try:
            import app.wiring.station  # noqa: F401 - slow to import: here, not in the GUI thread

            with self._opening() as station:
                gc.freeze()  # what was imported stays: looking through all of it again stops every thread for 0.3 s
                gc.enable()
                self.ready.emit(station)
                self._may_leave.wait()
        except ObservatoryError as error:
            log.error("%s", error)
            self.failed.emit(str(error))
        except Exception as error:
            log.exception("The observatory could not be opened, or not be closed")
            self.failed.emit(f"Cupola failed at its start: {error}: see the log")
        finally:
            gc.enable()

    def leave(self) -> None:
        """Let the observatory be closed."""
        self._may_leave.set()


def run() -> int:
    """Open the control panel on the observatory of the settings; returns when it was closed."""
    _log_bugs()
    logging.getLogger("app").setLevel(logging.INFO)  # the Log page shows what an operator would write down
    sys.setswitchinterval(SWITCH_S)
    application = application_with_theme("dark")
    session = Session(application, _of_settings, user_data_folder() / "window.json")
    signal.signal(signal.SIGINT, lambda *_: session.leave())
    signal.signal(signal.SIGTERM, lambda *_: session.leave())
    session.show()
    return application.exec()


@contextmanager
def _of_settings() -> Iterator[Station]:
    """Open what the settings name."""
    from app.bootstrap.observatory import open_observatory  # slow to import: in the thread that opens it
    from app.bootstrap.station import open_station
    from app.bootstrap.warming import kernels_warming

    with open_observatory() as observatory, open_station(observatory) as station, kernels_warming():
        yield station


def application_with_theme(name: str) -> QApplication:
    """The application; it ends when the shutdown is done, not when a window closes."""
    existing = QApplication.instance()
    application = existing if isinstance(existing, QApplication) else QApplication(sys.argv[:1])
    application.setApplicationName("Cupola")
    application.setDesktopFileName("cupola")
    application.setQuitOnLastWindowClosed(False)
    theme.prepare(application, name)
    PlainWords(application)
    return application


def _log_bugs() -> None:
    """What nobody caught ends in the log, whole."""

    def log_it(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        log.critical("Bug", exc_info=(kind, error, trace))

    def log_it_of_thread(caught: Any) -> None:
        log.critical(
            "Bug in thread %s", caught.thread, exc_info=(caught.exc_type, caught.exc_value, caught.exc_traceback)
        )

    sys.excepthook = log_it
    threading.excepthook = log_it_of_thread
