"""A program for the test of STOP on a real display: the whole window on a simulator that runs already.

Takes the address of the simulator and its night as arguments, and its settings from the environment. Reads names of
things to open, one on each line of stdin; writes one JSON object for each thing that happened.
"""

from __future__ import annotations

import json
import signal
import sys
from typing import Any

from PySide6.QtCore import QSocketNotifier, Qt, QTimer
from PySide6.QtWidgets import QApplication, QComboBox, QDialog, QFileDialog, QMenu

from app.gui import Session, application_with_theme
from tests.gui.window import opening


def say(**values: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


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
        say(popup=popup is not None, modal=None if modal is None else type(modal).__name__)


def main(server: str, night: str) -> int:
    """Run until stdin ends."""
    application = application_with_theme("dark")
    session = Session(application, opening(server, night))
    stage = Stage(session)
    session.panel.window.setWindowState(Qt.WindowState.WindowMaximized)

    def obey() -> None:
        line = sys.stdin.readline().strip()
        if line == "state":
            stage.state()
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
