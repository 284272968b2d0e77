"""Parts of a page that tells something from top to bottom: captioned sections, and sentences behind a word."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QGridLayout, QLabel, QSizePolicy, QVBoxLayout, QWidget

from app.widgets import theme


class Section(QWidget):
    """A caption, a note, and what it is about."""

    def __init__(self, title: str, *parts: QWidget) -> None:
        super().__init__()
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._title = QLabel(title)
        self._title.setProperty("role", "caption")
        self._title.setSizePolicy(QSizePolicy.Policy.Preferred, QSizePolicy.Policy.Fixed)
        self._note = QLabel(wordWrap=True)
        self._note.hide()
        self._note.setProperty("role", "dim")
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.NEAR_PX)
        column.setSpacing(theme.NEAR_PX)
        for part in (self._title, self._note, *parts):
            column.addWidget(part)

    def set_title(self, text: str) -> None:
        """Change the caption."""
        self._title.setText(text)

    def set_note(self, text: str) -> None:
        """Say something about the whole; nothing hides the note."""
        self._note.setText(text)
        self._note.setVisible(bool(text))


class Sentences(QWidget):
    """Some sentences, each behind a word that says what it is; updated in place."""

    def __init__(self) -> None:
        super().__init__()
        self._grid = QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)
        self._grid.setHorizontalSpacing(theme.GAP_PX)
        self._grid.setVerticalSpacing(theme.TIGHT_PX)
        self._grid.setColumnStretch(1, 1)
        self._rows: list[tuple[QLabel, QLabel]] = []
        self._shown: list[tuple[str, str, str]] = []
        self.hide()

    def set_sentences(self, sentences: Sequence[tuple[str, str, str]], most: int) -> None:
        """Show word, role and sentence of each, `most` at most, and say how many more there are."""
        shown = list(sentences[:most])
        if len(sentences) > most:
            shown.append(("", "dim", f"and {len(sentences) - most} more: see the log"))
        if shown == self._shown:
            return
        self._shown = shown
        while len(self._rows) < len(shown):
            self._add_row()
        for number, (word, text) in enumerate(self._rows):
            is_used = number < len(shown)
            word.setVisible(is_used)
            text.setVisible(is_used)
            if is_used:
                name, role, sentence = shown[number]
                word.setText(name)
                word.setProperty("role", role)
                word.style().polish(word)
                text.setText(sentence)
        self.setVisible(bool(shown))

    def _add_row(self) -> None:
        word, text = QLabel(), QLabel(wordWrap=True)
        text.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        word.setFixedWidth(72)
        row = len(self._rows)
        self._grid.addWidget(word, row, 0, Qt.AlignmentFlag.AlignTop)
        self._grid.addWidget(text, row, 1)
        self._rows.append((word, text))
