"""A program for the test of STOP on a real display: the whole window on a simulator that runs already.

Takes the address of the simulator and its night as arguments, and its settings from the environment. Reads names of
things to open or to do, one on each line of stdin; writes one JSON object for each thing that happened.
"""

from __future__ import annotations

import json
import signal
import sys
import threading
from contextlib import closing, suppress
from typing import Any

from PySide6.QtCore import QSocketNotifier, Qt, QTimer
from PySide6.QtWidgets import QApplication, QComboBox, QDialog, QFileDialog, QMenu

from app.devices.transport import Wire
from app.gui import SWITCH_S, Session, application_with_theme
from app.model.dome import DeviceError
from tests.gui.window import opening

#: A download may take so long, seconds.
DOWNLOAD_S = 120.0
WORKERS = 2


def say(**values: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


def way_of_stop() -> list[int]:
    """Native ids of the window's thread and of the lane of STOP."""
    names = ("MainThread", "dome-stop")
    return [one.native_id for one in threading.enumerate() if one.name.startswith(names) and one.native_id is not None]


class Stage:
    """Opens what may stand in the way of a press: the window's own combo, menu and file dialog, and a modal dialog."""

    def __init__(self, session: Session) -> None:
        self.panel = session.panel
        self.modal = QDialog(self.panel.window)

    def open(self, name: str) -> None:
        """Open one of them, or close them all."""
        if name == "combo":
            self.panel.window.show_page("Night")
            self.panel.night.dome.findChildren(QComboBox)[0].showPopup()
        elif name == "menu":
            menu = QMenu(self.panel.window)
            menu.addActions([menu.addAction(word) for word in ("one", "two", "three")])
            menu.popup(self.panel.window.mapToGlobal(self.panel.window.rect().center()))
        elif name == "file":
            self.panel.window.show_page("Batches")
            self.panel.batches.choose_folder()
        elif name == "modal":
            self.modal.open()
        elif name == "nothing":
            while (popup := QApplication.activePopupWidget()) is not None:
                popup.close()
            for dialog in (self.modal, *self.panel.window.findChildren(QFileDialog)):
                dialog.close()
        QTimer.singleShot(100, lambda: say(opened=name))

    def state(self) -> None:
        """Say what is open."""
        popup, modal = QApplication.activePopupWidget(), QApplication.activeModalWidget()
        say(popup=popup is not None, modal=None if modal is None else type(modal).__name__, way=way_of_stop())

    def notice(self) -> None:
        """Say what the STOP window says."""
        say(notice=self.panel.stop.notice)


class Load:
    """What else the process does: threads that compute without a pause, and a camera's image that does not come."""

    def __init__(self, server: str) -> None:
        self._server = server
        self._may_rest = threading.Event()
        self._threads = [threading.Thread(target=self._compute, name="worker", daemon=True) for _ in range(WORKERS)]
        self._download = threading.Thread(target=self._read_image, daemon=True)

    def begin(self) -> None:
        """Compute, and ask for the image."""
        for thread in (*self._threads, self._download):
            thread.start()
        say(loaded=True)

    def tell(self) -> None:
        """Say what still goes on."""
        say(working=sum(thread.is_alive() for thread in self._threads), downloads=self._download.is_alive())

    def rest(self) -> None:
        """Let the threads end; the download has its own end."""
        self._may_rest.set()
        for thread in self._threads:
            thread.join()
        self.tell()

    def _compute(self) -> None:
        total = 0
        while not self._may_rest.is_set():
            for number in range(1000):
                total += number * number

    def _read_image(self) -> None:
        with closing(Wire(self._server, "camera", timeout_s=DOWNLOAD_S)) as wire, suppress(DeviceError):
            wire.get("imagearray")


def main(server: str, night: str) -> int:
    """Run until stdin ends."""
    sys.setswitchinterval(SWITCH_S)  # as the program does
    application = application_with_theme("dark")
    session = Session(application, opening(server, night))
    stage, load = Stage(session), Load(server)
    session.panel.window.setWindowState(Qt.WindowState.WindowMaximized)

    def obey() -> None:
        line = sys.stdin.readline().strip()
        does = {"state": stage.state, "notice": stage.notice, "load": load.begin, "tell": load.tell, "rest": load.rest}
        if line in does:
            does[line]()
        elif line:
            stage.open(line)
        else:
            notifier.setEnabled(False)
            session.leave()

    notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(obey)

    def tell_when_read() -> None:
        if session.panel.night.dome._go.isEnabled():
            ready.stop()
            say(ready=list(session.panel.stop.frameGeometry().getRect()))

    ready = QTimer(interval=50)
    ready.timeout.connect(tell_when_read)
    session.connected.connect(ready.start)
    signal.signal(signal.SIGTERM, lambda *_: session.leave())
    session.show()
    return application.exec()


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
