"""What a page says when it has nothing to show, is at work, or failed: designed states, never a bare spinner."""

from __future__ import annotations

from enum import Enum

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QLabel, QPushButton, QStackedWidget, QVBoxLayout, QWidget

from app.widgets import theme
from app.widgets.progress_bar import ProgressBar
from app.widgets.roles import set_role

_SENTENCE_PX = 560


class PageState(Enum):
    """What a page can be in, beside showing its values."""

    EMPTY = "empty"
    WORKING = "working"
    FAILED = "failed"


class StatePanel(QWidget):
    """A sentence in the middle of a page, with the one thing to do next."""

    action_requested = Signal()  #: The operator presses the button.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._title = QLabel(alignment=Qt.AlignmentFlag.AlignCenter)
        self._sentence = QLabel(alignment=Qt.AlignmentFlag.AlignCenter, wordWrap=True)
        self._sentence.setFixedWidth(_SENTENCE_PX)
        self._progress = ProgressBar()
        self._progress.setFixedWidth(320)
        self._action = QPushButton()
        self._action.setProperty("kind", "primary")
        self._action.clicked.connect(self.action_requested)
        column = QVBoxLayout(self)
        column.setSpacing(theme.GAP_PX)
        column.addStretch(2)
        for part in (self._title, self._sentence, self._progress, self._action):
            column.addWidget(part, alignment=Qt.AlignmentFlag.AlignHCenter)
        column.addStretch(3)
        self.show_state(PageState.EMPTY, "", "")

    def show_state(
        self, state: PageState, title: str, sentence: str, action: str = "", progress: tuple[int, int] | None = None
    ) -> None:
        """Show a state; `progress` is done and total, (0, 0) while the total is not known."""
        set_role(self._title, "alarm" if state is PageState.FAILED else "title")
        self._title.setText(title)
        self._sentence.setText(sentence)
        self._sentence.setMinimumHeight(
            max(0, self._sentence.heightForWidth(_SENTENCE_PX))
        )  # a layout gives it one line
        set_role(self._sentence, "dim" if state is PageState.EMPTY else "")
        self._action.setText(action)
        self._action.setVisible(bool(action))
        self._progress.setVisible(state is PageState.WORKING)
        if progress is not None:
            self._progress.show_part(*progress)
        self.setAccessibleName(f"{title}. {sentence}")


class StateStack(QStackedWidget):
    """A page's content, or the panel that says why there is none."""

    action_requested = Signal()  #: The operator presses the panel's button.

    def __init__(self, content: QWidget, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._panel = StatePanel()
        self._panel.action_requested.connect(self.action_requested)
        self.addWidget(content)
        self.addWidget(self._panel)

    def show_content(self) -> None:
        """Show the values."""
        self.setCurrentIndex(0)

    def show_state(
        self, state: PageState, title: str, sentence: str, action: str = "", progress: tuple[int, int] | None = None
    ) -> None:
        """Show a state instead of the values, see `StatePanel.show_state`."""
        self._panel.show_state(state, title, sentence, action, progress)
        self.setCurrentIndex(1)
