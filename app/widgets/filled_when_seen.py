"""A page that nobody sees is not filled: what it is told waits until it is shown."""

from __future__ import annotations

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QWidget


class FilledWhenSeen(QWidget):
    """A part of the window that keeps what it is told, and fills itself from the newest of it while it is seen.

    Dressing labels takes a fifth of a millisecond each, seen or not: all that is hidden would keep the window waiting.
    """

    _is_old = False

    def fill_when_seen(self) -> None:
        """Show what is known now, or as soon as there is somebody to see it."""
        self._is_old = not self.isVisible()
        if not self._is_old:
            self._fill()

    def showEvent(self, event: QShowEvent) -> None:  # noqa: N802 - Qt's name
        """Catch up before the first paint."""
        super().showEvent(event)
        if self._is_old:
            self.fill_when_seen()

    def _fill(self) -> None:
        """Show what was told last."""
        raise NotImplementedError
