"""The guard and the interlocks of OPEN: in two lines at all times, in whole on request, with LOCKOUT and overrides."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import (
    QGridLayout,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QScrollArea,
    QVBoxLayout,
    QWidget,
)

from app.model.dome import DomeState
from app.model.guard import GuardPhase, GuardState
from app.model.interlocks import Interlock, unmet
from app.model.notices import HARDWARE_STOP
from app.model.reading import NEVER_READ, Freshness, Reading
from app.model.strip import Severity, Word, guard_word
from app.model.wording import age_text, duration_text, time_text
from app.widgets import theme
from app.widgets.filled_when_seen import FilledWhenSeen
from app.widgets.hold_button import HoldButton
from app.widgets.roles import set_role

#: How an interlock is signed: good, not met, unknown.
_SIGNS = {True: "\u2713", False: "\u2717", None: "?"}
_SIGN_PX, _SIDE_PX = 16, 224
_STAYS_OPEN = "The dome does not close by itself when no program speaks to it: this guard is the last line of defence"
_CLOSES_ITSELF = "The dome closes by itself when no program speaks to it"
_WORD_ROLES = {Severity.NORMAL: "word", Severity.ATTENTION: "notable", Severity.ALARM: "loud"}
_ROLES = {Severity.NORMAL: "", Severity.ATTENTION: "attention", Severity.ALARM: "alarm"}


class GuardSummary(QWidget):
    """What the guard does, in a line that is always there."""

    opened = Signal()  #: The operator wants all of it.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        caption, self._show = QLabel("GUARD"), QPushButton("Show all")
        caption.setProperty("role", "caption")
        self._show.setProperty("kind", "link")
        self._show.setAccessibleName("Show guard, LOCKOUT and all interlocks")
        self._show.clicked.connect(self.opened)
        self._guard = QLabel()
        line = QHBoxLayout(self)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(theme.NEAR_PX)
        for part in (caption, self._guard):
            line.addWidget(part)
        line.addStretch(1)
        line.addWidget(self._show)
        self.set_state(DomeState(), NEVER_READ, 0.0)

    def set_state(self, dome: DomeState, guard: Reading[GuardState], now_s: float) -> None:
        """Show the guard as it is now; `now_s` is monotonic."""
        word = guard_word(guard, now_s, is_simulated=dome.is_ours)
        self._guard.setText(_with_age(word))
        self._guard.setToolTip(word.explanation)
        set_role(self._guard, _ROLES[word.severity])


class GuardPanel(FilledWhenSeen):
    """All that the guard tells, every interlock of OPEN, LOCKOUT and the override."""

    lockout_wanted = Signal(str, str)  #: Name and reason of who goes into the dome.
    release_wanted = Signal(str)  #: Name of whose LOCKOUT ends.
    override_ended = Signal()  #: The operator wants no override any more.
    closed = Signal()  #: The operator has seen enough.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._health, self._interlocks, self._lockout = _Health(), _Interlocks(), _Lockout()
        back = QPushButton("Back to the plots")
        back.setProperty("kind", "link")
        back.clicked.connect(self.closed)
        self._lockout.lockout_wanted.connect(self.lockout_wanted)
        self._lockout.release_wanted.connect(self.release_wanted)
        self._lockout.override_ended.connect(self.override_ended)
        grid = QGridLayout(self)
        grid.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.NEAR_PX)
        grid.setHorizontalSpacing(theme.WIDE_PX)
        grid.setVerticalSpacing(theme.TIGHT_PX)
        for column, (text, part) in enumerate(
            (("GUARD", self._health), ("INTERLOCKS OF OPEN", self._interlocks), ("PEOPLE IN THE DOME", self._lockout))
        ):
            caption = QLabel(text)
            caption.setProperty("role", "caption")
            grid.addWidget(caption, 0, column)
            grid.addWidget(part, 1, column)
        grid.addWidget(back, 0, 1, alignment=Qt.AlignmentFlag.AlignRight)
        for column, share in enumerate((2, 3, 2)):
            grid.setColumnStretch(column, share)
        grid.setRowStretch(1, 1)
        self.set_state(DomeState(), NEVER_READ, 0.0)

    def set_operator(self, name: str) -> None:
        """Whose name stands in the field of LOCKOUT before it is changed."""
        self._lockout.set_operator(name)

    def set_abandoned(self, *, closes: bool) -> None:
        """Whether the dome's controller closes by itself when nobody speaks to it, as the settings have it."""
        self._health.set_abandoned(closes=closes)

    def set_state(self, dome: DomeState, guard: Reading[GuardState], now_s: float) -> None:
        """Show everything as it is now; `now_s` is monotonic."""
        self._told = dome, guard, now_s
        self.fill_when_seen()

    def show_message(self, text: str, severity: Severity) -> None:
        """Say what came of a wish."""
        self._lockout.show_message(text, severity)

    def _fill(self) -> None:
        dome, guard, now_s = self._told
        self._health.set_state(guard, now_s, is_simulated=dome.is_ours)
        self._interlocks.set_interlocks(dome.interlocks)
        self._lockout.set_state(dome, guard, now_s)


class _Health(QWidget):
    """What the guard does, large, and the facts behind it."""

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumWidth(_SIDE_PX)
        self._word, self._why = QLabel(), QLabel(wordWrap=True)
        self._facts = QLabel(wordWrap=True, textFormat=Qt.TextFormat.PlainText)
        self._last = QLabel(wordWrap=True)
        for part in (self._facts, self._last):
            part.setProperty("role", "small")
        self._facts.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignTop)
        self.set_abandoned(closes=False)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.TIGHT_PX)
        for part in (self._word, self._why, self._facts):
            column.addWidget(part)
        column.addStretch(1)
        column.addWidget(self._last)

    def set_abandoned(self, *, closes: bool) -> None:
        self._last.setText(_CLOSES_ITSELF if closes else _STAYS_OPEN)
        self._last.setToolTip("By the settings: enclosure.closes_when_abandoned")

    def set_state(self, guard: Reading[GuardState], now_s: float, *, is_simulated: bool) -> None:
        word, state = guard_word(guard, now_s, is_simulated=is_simulated), guard.value
        is_counting = state is not None and state.phase is GuardPhase.COUNTDOWN and word.freshness is Freshness.FRESH
        self._word.setText(word.text if is_counting else _with_age(word))
        set_role(self._word, "countdown" if is_counting else _WORD_ROLES[word.severity])
        is_heard = state is not None and word.freshness is Freshness.FRESH
        reason = state.reason if state is not None and is_heard else word.explanation
        would = reason and state is not None and is_heard and state.phase is GuardPhase.LOCKOUT
        self._why.setText(
            f"then it closes again: {reason}" if is_counting else f"would close: {reason}" if would else reason
        )
        self._why.setVisible(bool(reason))
        self._word.setToolTip(word.explanation)
        self._facts.setText("" if state is None else "\n".join(_facts(state)))
        self._facts.setToolTip("" if state is None else "\n".join((*_facts(state), *state.faults)))


class _Interlocks(QScrollArea):
    """Every interlock of OPEN, those that are not met first."""

    def __init__(self) -> None:
        super().__init__(widgetResizable=True)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setAccessibleName("Interlocks of OPEN")
        inner = QWidget()
        self._rows: list[_InterlockRow] = []
        self._column = QVBoxLayout(inner)
        self._column.setContentsMargins(0, 0, theme.NEAR_PX, 0)
        self._column.setSpacing(0)
        self._none = QLabel("The interlocks are not known yet")
        self._none.setProperty("role", "dim")
        self._column.addWidget(self._none)
        self._column.addStretch(1)
        self.setWidget(inner)

    def set_interlocks(self, interlocks: tuple[Interlock, ...]) -> None:
        ordered = (*unmet(interlocks), *(one for one in interlocks if one.is_good))
        while len(self._rows) < len(ordered):
            self._rows.append(_InterlockRow())
            self._column.insertWidget(len(self._rows), self._rows[-1])
        for row, one in zip(self._rows, ordered, strict=False):
            row.set_interlock(one)
        for place, row in enumerate(self._rows):
            row.setVisible(place < len(ordered))
        self._none.setVisible(not ordered)


class _InterlockRow(QWidget):
    """Sign, name, value with limit and age, and what clears it."""

    def __init__(self) -> None:
        super().__init__()
        self._sign, self._says, self._remedy = QLabel(), QLabel(wordWrap=True), QLabel(wordWrap=True)
        self._sign.setFixedWidth(_SIGN_PX)
        self._remedy.setProperty("role", "small")
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setHorizontalSpacing(theme.TIGHT_PX)
        grid.setVerticalSpacing(0)
        grid.addWidget(self._sign, 0, 0, alignment=Qt.AlignmentFlag.AlignTop)
        grid.addWidget(self._says, 0, 1)
        grid.addWidget(self._remedy, 1, 1)
        grid.setColumnStretch(1, 1)

    def set_interlock(self, one: Interlock) -> None:
        age = "" if one.age_s is None else f", {age_text(one.age_s)} ago"
        self._sign.setText(_SIGNS[one.is_good])
        self._says.setText(f"{one.name}: {one.says}{age}")
        self._remedy.setText(one.remedy)
        self._remedy.setVisible(bool(one.remedy) and not one.is_good)
        for label in (self._sign, self._says):
            set_role(label, "small" if one.is_good else "fault")
        state = {True: "good", False: "not met", None: "unknown"}[one.is_good]
        self.setAccessibleName(f"{state}: {one.sentence}")
        self.setToolTip(one.sentence)


class _Lockout(QWidget):
    """LOCKOUT taken or to be taken, and the override that holds. Both lead away from safe: they are held."""

    lockout_wanted = Signal(str, str)
    release_wanted = Signal(str)
    override_ended = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setMinimumWidth(_SIDE_PX)
        self._holder = ""
        self._said = QLabel(wordWrap=True)
        self._needs = QLabel(f"Nothing moves, nothing closes: {HARDWARE_STOP}", wordWrap=True)
        self._needs.setProperty("role", "fault")
        self._name = QLineEdit(placeholderText="Who goes in")
        self._name.setAccessibleName("Name of who takes LOCKOUT")
        self._reason = QLineEdit(placeholderText="What for")
        self._reason.setAccessibleName("Reason of the LOCKOUT")
        self._take, self._release = HoldButton("LOCKOUT"), HoldButton("Release LOCKOUT")
        self._override = QLabel(wordWrap=True)
        self._override.setProperty("role", "fault")
        self._end = QPushButton("End override")
        self._end.setProperty("kind", "small")
        self._message = QLabel(wordWrap=True)
        self._message.setAccessibleName("Answer of the guard")
        for edit in (self._name, self._reason):
            edit.textChanged.connect(self._judge)
        self._take.held.connect(self._want)
        self._release.held.connect(lambda: self.release_wanted.emit(self._holder))
        self._end.clicked.connect(self.override_ended)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.TIGHT_PX)
        fields = QHBoxLayout()
        fields.setSpacing(theme.TIGHT_PX)
        fields.addWidget(self._name, 2)
        fields.addWidget(self._reason, 3)
        column.addWidget(self._said)
        column.addWidget(self._needs)
        column.addLayout(fields)
        for part in (self._take, self._release, self._override, self._end, self._message):
            column.addWidget(part)
        column.addStretch(1)
        self.set_state(DomeState(), NEVER_READ, 0.0)
        self.show_message("", Severity.NORMAL)
        self._judge()

    def set_operator(self, name: str) -> None:
        self._name.setText(name)

    def set_state(self, dome: DomeState, guard: Reading[GuardState], now_s: float) -> None:
        held = None if guard.value is None else guard.value.lockout
        self._holder = "" if held is None else held.who
        for part in (self._name, self._reason, self._take):
            part.setVisible(held is None)
        self._release.setVisible(held is not None)
        self._needs.setVisible(held is not None)
        if held is None:
            self._said.setText(f"LOCKOUT stops every motion, safety closes too: {HARDWARE_STOP}.")
            set_role(self._said, "small")
        else:
            self._said.setText(f"Taken by {held.who} at {time_text(held.since)}: {held.reason}")
            set_role(self._said, "alarm")
        self._show_override(dome, now_s)

    def show_message(self, text: str, severity: Severity) -> None:
        self._message.setText(text)
        self._message.setVisible(bool(text))
        set_role(self._message, _ROLES[severity] or "small")

    def _show_override(self, dome: DomeState, now_s: float) -> None:
        held = dome.override
        for part in (self._override, self._end):
            part.setVisible(held is not None)
        if held is not None:
            left_s = held.until_s - now_s
            ends = f"{duration_text(max(10.0, left_s))} left" if left_s > 0.0 else "expired"
            covers = ", ".join(held.covers)
            text = f"Override of {covers}, {ends}: {held.override.name}, {held.override.reason}"
            self._override.setText(text)
            self._override.setToolTip(text)

    def _want(self) -> None:
        self.lockout_wanted.emit(self._name.text().strip(), self._reason.text().strip())
        self._reason.clear()

    def _judge(self) -> None:
        """A person and a reason, or no LOCKOUT."""
        is_whole = self._name.text().strip() and self._reason.text().strip()
        self._take.set_refusal(None if is_whole else "Fill in who goes into the dome, and what for")


def _with_age(word: Word) -> str:
    """``on duty, 0 s ago``, ``23 s to close``."""
    text = f"{word.text} {word.detail}".strip()
    return text if word.age_s is None or word.detail else f"{text}, {age_text(word.age_s)} ago"


def _facts(state: GuardState) -> list[str]:
    """What lies behind its phase, one line each; what stands over them as the reason is not said twice."""
    verdict = {True: "safe", False: "unsafe", None: "unknown"}[state.is_safe]
    facts = [f"faults: {len(state.faults)}, see the alarms"] if state.faults else []
    if state.is_safe or state.decider != state.reason:
        facts.append(
            f"sky {verdict}" + (f" for {duration_text(state.safe_for_s)}" if state.is_safe else f": {state.decider}")
        )
    if state.failed_closes:
        tries = f"{state.failed_closes} failed {'close' if state.failed_closes == 1 else 'closes'}"
        facts.append(f"{tries}, next try in {duration_text(state.next_close_s)}")
    facts.append(f"reads the shutter as {state.shutter}")
    facts += [
        f"{one.name} heard {age_text(one.age_s)} ago, {'DEAD, ' if one.is_lost else ''}limit {age_text(one.limit_s)}"
        for one in state.leases
    ]
    if state.closed_for and state.closed_for != state.reason:
        facts.append(f"closed this night for {state.closed_for}")
    facts.append(
        f"operator: {state.needs_operator}" if state.needs_operator else f"{state.reopenings_left} reopenings left"
    )
    return facts
