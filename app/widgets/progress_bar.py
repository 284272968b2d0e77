"""How far something is, as a bar without words."""

from __future__ import annotations

from PySide6.QtWidgets import QProgressBar


class ProgressBar(QProgressBar):
    """A bar that is painted with everything else.

    Qt's own paints at once whenever a number of it changes, and with it all of the window that waits to be painted.
    """

    def __init__(self) -> None:
        super().__init__(textVisible=False)

    def show_part(self, done: int, total: int) -> None:
        """Show how much of the total is done; a total of 0 is not known yet."""
        if (done, total) != (self.value(), self.maximum()):
            self.setUpdatesEnabled(False)
            self.setRange(0, total)
            self.setValue(done)
            self.setUpdatesEnabled(True)
