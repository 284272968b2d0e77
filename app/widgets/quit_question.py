"""The question before the end, when the dome is not known to be closed: in the window, never a dialog over it."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.widgets import theme
from app.widgets.hold_button import HoldButton


class QuitQuestion(QWidget):
    """Close the dome first, leave it as it is, or stay."""

    close_chosen = Signal()  #: Close the dome, then quit.
    leave_chosen = Signal()  #: Quit, and leave the dome as it is.
    stay_chosen = Signal()  #: Do not quit.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "raised")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._sentence = QLabel(wordWrap=True)
        self._close = QPushButton("Close the dome, then quit")
        self._close.setProperty("kind", "primary")
        self._leave = HoldButton("Leave it and quit (hold)")
        self._stay = QPushButton("Stay")
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.WIDE_PX, theme.NEAR_PX, theme.WIDE_PX, theme.NEAR_PX)
        row.setSpacing(theme.GAP_PX)
        row.addWidget(self._sentence, 1)
        for button in (self._close, self._leave, self._stay):
            row.addWidget(button)
        self._close.clicked.connect(self.close_chosen)
        self._leave.held.connect(self.leave_chosen)
        self._stay.clicked.connect(self.stay_chosen)
        self.hide()

    def ask(self, word: str) -> None:
        """Ask; `word` is what is known of the shutter."""
        self._say(f"The shutter is {word}. Without Cupola nobody here watches the sky for it.")
        self._close.setEnabled(True)
        self.show()
        self._stay.setFocus()

    def show_closing(self) -> None:
        """The dome is being closed."""
        self._say("Closing the shutter; Cupola quits when it is closed.")
        self._close.setEnabled(False)

    def show_failure(self, sentence: str) -> None:
        """The dome did not close."""
        self._say(sentence)
        self._close.setEnabled(True)

    def _say(self, sentence: str) -> None:
        self._sentence.setText(sentence)
        self.setAccessibleName(sentence)
