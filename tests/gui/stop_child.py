"""A program for the test of STOP on a real display: a window with popups and dialogs, and the STOP window.

Reads names of things to open, one on each line of stdin; writes one JSON object for each thing that happened.
"""

from __future__ import annotations

import json
import sys
import time
from typing import Any

from PySide6.QtCore import QRect, QSocketNotifier, QTimer
from PySide6.QtWidgets import QApplication, QComboBox, QDialog, QFileDialog, QMenu, QPushButton, QVBoxLayout, QWidget

from app.widgets.stop_window import StopFilter, StopWindow


def say(**values: Any) -> None:
    """Write one line."""
    sys.stdout.write(json.dumps(values) + "\n")
    sys.stdout.flush()


class Stage(QWidget):
    """What may stand in the way of a press."""

    def __init__(self) -> None:
        super().__init__()
        self.combo = QComboBox()
        self.combo.addItems([str(number) for number in range(30)])
        self.clicks = QPushButton("count", clicked=lambda: say(clicked=True))
        column = QVBoxLayout(self)
        column.addWidget(self.combo)
        column.addWidget(self.clicks)
        self.menu = QMenu(self)
        self.menu.addActions([self.menu.addAction(name) for name in ("one", "two", "three")])
        self.file = QFileDialog(self, options=QFileDialog.Option.DontUseNativeDialog)
        self.modal = QDialog(self)
        self.setGeometry(100, 150, 700, 400)

    def open(self, name: str) -> None:
        """Open one of them over the window."""
        if name == "combo":
            self.combo.showPopup()
        elif name == "menu":
            self.menu.popup(self.mapToGlobal(self.rect().center()))
        elif name in ("file", "modal"):
            getattr(self, name).open()
        elif name == "nothing":
            for widget in (self.combo.view().window(), self.menu, self.file, self.modal):
                widget.close()
        QTimer.singleShot(100, lambda: say(opened=name))

    def state(self) -> None:
        """Say what is open and who is active."""
        popup, active = QApplication.activePopupWidget(), QApplication.activeWindow()
        say(popup=popup is not None, active=type(active).__name__)


def main() -> int:
    """Run until stdin ends."""
    application = QApplication(sys.argv[:1])
    stage, stop = Stage(), StopWindow()
    stop.pressed.connect(lambda: say(pressed_s=time.monotonic()))
    watch = StopFilter(stop, application)
    stage.show()
    stage.activateWindow()
    stop.place(QRect(1198, 0, 168, 56))
    stop.show()

    def obey() -> None:
        line = sys.stdin.readline()
        if not line:
            application.quit()
        elif line.strip() == "state":
            stage.state()
        else:
            stage.open(line.strip())

    notifier = QSocketNotifier(sys.stdin.fileno(), QSocketNotifier.Type.Read)
    notifier.activated.connect(obey)
    QTimer.singleShot(400, lambda: say(ready=list(stop.frameGeometry().getRect())))
    code = application.exec()
    del watch
    return code


if __name__ == "__main__":
    sys.exit(main())
