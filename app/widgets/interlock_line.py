"""One line over OPEN: its interlocks, an override of those that may be overridden, or who commands the dome instead."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeyEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QLineEdit, QPushButton, QSpinBox, QStackedWidget, QWidget

from app.model.dome import Override
from app.model.interlocks import Interlock, unmet
from app.model.wording import age_text
from app.widgets import theme
from app.widgets.hold_button import HoldButton
from app.widgets.move_words import not_owner_text
from app.widgets.roles import set_role

_LINE_PX = 34
_MINUTES, _MOST_MINUTES = 30, 240


class InterlockLine(QStackedWidget):
    """Says what stands in the way of OPEN, and takes the name and the reason of who answers for it."""

    changed = Signal()  #: What may be asked changed, because an override was typed, or given up.
    take_over_requested = Signal()  #: The operator wants to command the dome from here.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._unmet: tuple[Interlock, ...] = ()
        self._words = QLabel(wordWrap=True)
        self._words.setAccessibleName("Interlocks of OPEN")
        self._disclose = QPushButton("Override…", autoDefault=False)
        self._disclose.setAccessibleName(self._disclose.text())
        self._disclose.clicked.connect(self._show_form)
        self._build_form()
        self._take_over = HoldButton("Take over")
        self._take_over.held.connect(self.take_over_requested)
        self._owner = QLabel(wordWrap=True)
        set_role(self._owner, "fault")
        self._summary = _line((self._words, 1), (self._disclose, 0))
        self._form = _line((self._name, 3), (self._reason, 5), (self._minutes, 0), (self._back, 0))
        self._other = _line((self._owner, 1), (self._take_over, 0))
        for page in (self._summary, self._form, self._other):
            self.addWidget(page)
        self.setFixedHeight(_LINE_PX)
        self.set_interlocks((), is_owner=True)

    def set_interlocks(
        self, interlocks: tuple[Interlock, ...], *, is_owner: bool, owner: str = "", refusal: str | None = None
    ) -> None:
        """Show the conditions of OPEN, met or not, or who commands the dome.

        `refusal` is what comes before them: a dome that is not read.
        """
        self._owner.setText(not_owner_text(owner))
        self._unmet = unmet(interlocks)
        self._disclose.setVisible(bool(self._unmet) and self._may_be_overridden and refusal is None)
        if not is_owner:
            self.setCurrentWidget(self._other)
        elif self.currentWidget() is not self._form or not self._may_be_overridden or not self._unmet:
            self.setCurrentWidget(self._summary)
        self._say(interlocks, refusal)

    @property
    def override(self) -> Override | None:
        """Who answers for what is not met; None when nothing needs it, or it was not typed."""
        name, reason = self._name.text().strip(), self._reason.text().strip()
        is_asked = self.currentWidget() is self._form and self._unmet and name and reason
        return Override(name, reason, float(self._minutes.value())) if is_asked else None

    @property
    def refusal(self) -> str | None:
        """Why OPEN cannot be asked; None when everything is met, or somebody answers for the rest."""
        if not self._unmet or self.override is not None:
            return None
        sentences = "\n".join(one.sentence for one in self._unmet)
        if not self._may_be_overridden:
            return sentences
        is_open = self.currentWidget() is self._form
        return f"{sentences}\n{'fill in your name and the reason' if is_open else 'or answer for it with Override…'}"

    def use_up(self) -> None:
        """A reason is for one opening."""
        self._reason.clear()
        self._hide_form()

    def keyPressEvent(self, event: QKeyEvent) -> None:  # noqa: N802 - Qt's name
        """Esc gives the override up."""
        if event.key() == Qt.Key.Key_Escape and self.currentWidget() is self._form:
            self._hide_form()
        else:
            super().keyPressEvent(event)

    @property
    def _may_be_overridden(self) -> bool:
        return all(one.may_be_overridden for one in self._unmet)

    def _build_form(self) -> None:
        self._name = QLineEdit(placeholderText="Your name", maxLength=80)
        self._reason = QLineEdit(placeholderText="Why it may open", maxLength=200)
        self._minutes = QSpinBox(minimum=1, maximum=_MOST_MINUTES, value=_MINUTES, suffix=" min")
        self._back = QPushButton("Cancel", autoDefault=False)
        for field, name in (
            (self._name, "Name of who overrides"),
            (self._reason, "Reason of the override"),
            (self._minutes, "Minutes that the override holds"),
        ):
            field.setAccessibleName(name)
        self._minutes.setToolTip("How long the override holds; its end is an alarm, never a motion")
        self._back.setToolTip("Give the override up (Esc)")
        self._back.setAccessibleDescription(self._back.toolTip())
        self._back.clicked.connect(self._hide_form)
        for one in (self._name, self._reason):
            one.textChanged.connect(self.changed)

    def _show_form(self) -> None:
        self.setCurrentWidget(self._form)
        first = self._reason if self._name.text() else self._name
        first.setFocus(Qt.FocusReason.OtherFocusReason)
        self.changed.emit()

    def _hide_form(self) -> None:
        if self.currentWidget() is self._form:
            self.setCurrentWidget(self._summary)
            self.changed.emit()

    def _say(self, interlocks: tuple[Interlock, ...], refusal: str | None) -> None:
        sentences = "\n".join(one.sentence for one in self._unmet or interlocks)
        if self._unmet:
            more = f" · and {len(self._unmet) - 1} more" if len(self._unmet) > 1 else ""
            text = f"OPEN refused · {_words(self._unmet[0])}{more}"
        elif refusal is not None:
            text = f"OPEN refused · {refusal}"
        else:
            count = len(interlocks)
            text = f"OPEN: all {count} interlocks are good" if count else "OPEN: no interlock was told yet"
        set_role(self._words, "small" if self._may_be_overridden else "fault")
        if text != self._words.text() or sentences != self._words.toolTip():
            self._words.setText(text)
            self._words.setToolTip(sentences)
            self._words.setAccessibleDescription(sentences or text)
        for one in (self._disclose, self._name, self._reason):
            one.setToolTip(f"To be answered for:\n{sentences}" if self._unmet else "Nothing needs an override")
            one.setAccessibleDescription(one.toolTip())


def _words(one: Interlock) -> str:
    """Name, value, age and what clears it."""
    age = "" if one.age_s is None or one.age_s < 1.0 else f", {age_text(one.age_s)} old"
    return f"{one.name}: {one.says}{age} · {one.remedy}".removesuffix(" · ")


def _line(*parts: tuple[QWidget, int]) -> QWidget:
    """Parts side by side, with their shares of the width."""
    page = QWidget()
    row = QHBoxLayout(page)
    row.setContentsMargins(0, 0, 0, 0)
    row.setSpacing(theme.TIGHT_PX)
    for part, share in parts:
        if isinstance(part, QPushButton):
            part.setProperty("kind", "compact")
        row.addWidget(part, share)
    return page
