"""What the window showed last, kept in a file, so that a killed window comes back as it was."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PySide6.QtCore import QObject, QTimer

log = logging.getLogger(__name__)

#: Changes are written together, this long after the first.
WRITE_MS = 500


class WindowMemory(QObject):
    """Writes the view some moments after it changed.

    Parameters
    ----------
    file : Path
        Where it is kept.
    view : callable
        Gives the view as JSON.
    """

    def __init__(self, file: Path, view: Callable[[], dict[str, Any]], parent: QObject | None = None) -> None:
        super().__init__(parent)
        self._file = file
        self._view = view
        self._timer = QTimer(self, interval=WRITE_MS, singleShot=True)
        self._timer.timeout.connect(self.write)

    def recall(self) -> dict[str, Any]:
        """The view that was written last; empty when there is none that can be read."""
        try:
            known = json.loads(self._file.read_text(encoding="utf-8"))
        except (OSError, ValueError):  # the first start, or a file that somebody broke
            return {}
        return known if isinstance(known, dict) else {}

    def note(self) -> None:
        """The view changed."""
        if not self._timer.isActive():
            self._timer.start()

    def write(self) -> None:
        """Write it now; a few kilobytes."""
        self._timer.stop()
        new = self._file.with_suffix(".new")
        try:
            self._file.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(self._view()), encoding="utf-8")
            new.replace(self._file)
        except OSError as error:
            log.warning("The view cannot be kept in %s: %s", self._file, error)
