"""The bottom line: the last event, the work that goes on behind, and what the window depends on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import QHBoxLayout, QLabel, QPushButton, QWidget

from app.model.strip import Severity
from app.model.wording import DASHES, duration_text, time_text
from app.widgets import theme
from app.widgets.progress_bar import ProgressBar
from app.widgets.roles import set_role

FOOT_PX = 28
_BAR_PX = 120


@dataclass(frozen=True, slots=True)
class Work:
    """Work that goes on behind the pages.

    Attributes
    ----------
    what : str
        Such as ``"M 57: divide flat"``.
    done, total : int
        How far; total 0 while that is not known.
    eta_s : float or None
        Seconds that are left, if that is known.
    is_cancelling : bool
        Whether it was asked to end.
    """

    what: str
    done: int = 0
    total: int = 0
    eta_s: float | None = None
    is_cancelling: bool = False


@dataclass(frozen=True, slots=True)
class Health:
    """How one thing is that the window depends on, in a word, with a sentence for more."""

    word: str = DASHES
    severity: Severity = Severity.NORMAL
    sentence: str = "Not looked at yet"


class FootLine(QWidget):
    """One line for events, work and health."""

    cancel_requested = Signal()  #: The operator wants the work to end.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "foot")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setFixedHeight(FOOT_PX)
        self.setAccessibleName("Events and work")
        self._event = _Sentence()
        self._work = QLabel()
        self._bar = ProgressBar()
        self._bar.setFixedSize(_BAR_PX, 8)
        self._left = QLabel()
        self._left.setProperty("role", "dim")
        self._cancel = QPushButton("Cancel")
        self._cancel.setProperty("kind", "link")
        self._cancel.setAccessibleName("Cancel the work")
        self._cancel.setFixedHeight(FOOT_PX - 4)
        self._cancel.clicked.connect(self.cancel_requested)
        self._health = {name: _Fact(name) for name in ("Disk", "Database", "Mail", "Front desk")}
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.GAP_PX, 0, theme.GAP_PX, 0)
        row.setSpacing(theme.NEAR_PX)
        row.addWidget(self._event, 1)
        for part in (self._work, self._bar, self._left, self._cancel):
            row.addWidget(part)
        row.addSpacing(theme.NEAR_PX)
        for fact in self._health.values():
            row.addWidget(fact)
        self.set_work(None)
        self.set_event("")

    def set_event(self, sentence: str, at: datetime | None = None) -> None:
        """Say what happened last, and when (UTC)."""
        text = f"{time_text(at)}  {sentence}" if at is not None else sentence or "Nothing happened yet"
        self._event.say(text)
        self._event.setAccessibleName(f"Last event: {text}")

    def set_work(self, work: Work | None) -> None:
        """Show how far the work is; None when there is none."""
        for part in (self._work, self._bar, self._left, self._cancel):
            part.setVisible(work is not None)
        if work is None:
            return
        self._work.setText(work.what)
        self._bar.show_part(work.done, work.total)
        self._bar.setAccessibleName(f"{work.what}, {work.done} of {work.total or 'an unknown number'}")
        far = f"{work.done} of {work.total}" if work.total else "counting"
        eta = f", {duration_text(work.eta_s)} left" if work.eta_s is not None else ""
        self._left.setText("cancelling" if work.is_cancelling else f"{far}{eta}")
        self._cancel.setEnabled(not work.is_cancelling)
        why = "Already asked to end" if work.is_cancelling else "End the work; what is finished stays"
        self._cancel.setToolTip(why)
        self._cancel.setAccessibleDescription(why)

    def set_disk_free(self, free_bytes: int | None, severity: Severity = Severity.NORMAL) -> None:
        """Say how much room is left where the products go."""
        text = DASHES if free_bytes is None else f"{_size_text(free_bytes)} free"
        self._health["Disk"].set_health(Health(text, severity, f"Disk of the local repository: {text}"))

    def set_database(self, health: Health) -> None:
        """Say how the database is."""
        self._health["Database"].set_health(health)

    def set_mail(self, health: Health) -> None:
        """Say how the mail is."""
        self._health["Mail"].set_health(health)

    def set_front_desk(self, health: Health) -> None:
        """Say how the front desk is."""
        self._health["Front desk"].set_health(health)


class _Sentence(QLabel):
    """A sentence that takes the room which is left; all of it is in the tooltip."""

    def __init__(self) -> None:
        super().__init__()
        self._whole = ""
        self.setMinimumWidth(1)

    def say(self, text: str) -> None:
        """Show another sentence."""
        self._whole = text
        self.setToolTip(text)
        self._elide()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Show as much as fits."""
        super().resizeEvent(event)
        self._elide()

    def _elide(self) -> None:
        self.setText(self.fontMetrics().elidedText(self._whole, Qt.TextElideMode.ElideRight, self.width()))


class _Fact(QWidget):
    """A caption and the word behind it."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self._name = name
        caption = QLabel(name)
        caption.setProperty("role", "small")
        self._word = QLabel()
        self._word.setProperty("role", "small")
        row = QHBoxLayout(self)
        row.setContentsMargins(theme.NEAR_PX, 0, 0, 0)
        row.setSpacing(theme.TIGHT_PX)
        row.addWidget(caption)
        row.addWidget(self._word, alignment=Qt.AlignmentFlag.AlignVCenter)
        self.set_health(Health())

    def set_health(self, health: Health) -> None:
        """Show a word; one that is not normal has its colour and its weight."""
        role = {Severity.NORMAL: "", Severity.ATTENTION: "attention", Severity.ALARM: "alarm"}[health.severity]
        set_role(self._word, role)
        self._word.setText(health.word)
        self.setToolTip(health.sentence)
        self.setAccessibleName(f"{self._name}: {health.word}")
        self.setAccessibleDescription(health.sentence)


def _size_text(size_bytes: int) -> str:
    """``1.8 TB``, ``640 GB``, ``812 MB``."""
    for unit, factor in (("TB", 10**12), ("GB", 10**9)):
        if size_bytes >= factor:
            amount = size_bytes / factor
            return f"{amount:.1f} {unit}" if amount < 10.0 else f"{amount:.0f} {unit}"
    return f"{size_bytes / 10**6:.0f} MB"
