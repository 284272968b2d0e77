"""The dial and, under it, what may be asked of the dome: two rows of buttons that never move, and one line of answer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import TypeVar

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QKeySequence, QShortcut
from PySide6.QtWidgets import (
    QComboBox,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QPushButton,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.model.angles import AzimuthRefused, parse_azimuth_deg, wrapped_deg
from app.model.dome import DomeFacts, DomeState, DomeWish, Move, Override, Phase, WishKind
from app.model.reading import NEVER_READ, Freshness, Reading
from app.model.strip import Severity
from app.model.surroundings import MountSample
from app.model.wording import DASHES, age_text, azimuth_text, duration_text
from app.widgets import theme
from app.widgets.dome_dial import DomeDial
from app.widgets.hold_button import HoldButton
from app.widgets.roles import set_role

JOG_STEPS_DEG = (1.0, 5.0, 10.0, 45.0)
#: A press that the controller has not accepted by then says so.
ACCEPTED_WITHIN_S = 1.5
_SHUTTER_ROW_PX = 44
_ROLES = {Severity.NORMAL: "", Severity.ATTENTION: "attention", Severity.ALARM: "alarm"}
_W = TypeVar("_W", bound=QWidget)
_NO_SLAVING = "No slaving yet: nothing follows the telescope"


class TurnClock:
    """Measures how fast the dome turns, from its last readings."""

    def __init__(self) -> None:
        self._seen: deque[tuple[float, float]] = deque(maxlen=6)

    def note(self, azimuth: Reading[float]) -> None:
        """Take a reading; one that was noted before changes nothing."""
        if azimuth.value is None or azimuth.read_s is None:
            self._seen.clear()
        elif not self._seen or azimuth.read_s > self._seen[-1][0]:
            self._seen.append((azimuth.read_s, azimuth.value))

    def eta_s(self, left_deg: float | None) -> float | None:
        """Seconds until a turn is done; None while the dome does not turn that way measurably (0.1 degree/s)."""
        rate = self.rate_deg_s
        if left_deg is None or rate is None:
            return None
        return left_deg / rate if rate * left_deg > 0.0 else None

    @property
    def rate_deg_s(self) -> float | None:
        """How fast it turns, clockwise positive, degrees/s; None while that is not measurable (0.1 degree/s)."""
        if len(self._seen) < 2:
            return None
        (begin_s, begin_deg), (end_s, end_deg) = self._seen[0], self._seen[-1]
        rate = ((end_deg - begin_deg + 180.0) % 360.0 - 180.0) / (end_s - begin_s)
        return rate if abs(rate) >= 0.1 else None


def wish_text(wish: DomeWish) -> str:
    """``GO TO 171.0°``, ``OPEN``."""
    text = wish.kind.value.upper()
    return f"{text} {azimuth_text(wish.azimuth_deg)}" if wish.kind is WishKind.GOTO else text


def move_text(move: Move, took_s: float | None = None) -> tuple[str, Severity]:
    """One sentence for how far a command is, and how much it wants the operator."""
    name, why = wish_text(move.wish), f": {move.reason}" if move.reason else ""
    match move.phase:
        case Phase.FAILED:
            return f"{name} FAILED{why}", Severity.ALARM
        case Phase.STOPPED | Phase.REPLACED:
            return f"{name}: {move.phase.value}{why}", Severity.ATTENTION
        case Phase.ARRIVED:
            end = {WishKind.OPEN: "open", WishKind.CLOSE: "closed"}.get(move.wish.kind, "arrived")
            took = "" if took_s is None else f" in {duration_text(took_s)}"
            return f"{name}: {end}{took}{why}", Severity.ATTENTION if move.reason else Severity.NORMAL
        case Phase.SENT | Phase.ACCEPTED | Phase.MOVING:
            return f"{name}: {move.phase.value}{why}", Severity.ATTENTION if move.reason else Severity.NORMAL


def motion_refusal(state: DomeState, now_s: float) -> str | None:
    """Why nothing but CLOSE can be asked now: what was not read cannot be moved safely."""
    match state.is_slewing.freshness(now_s, state.fresh_s):
        case Freshness.NEVER:
            return "The dome was never read: connect one in Settings (Ctrl+6)"
        case Freshness.STALE:
            age = age_text(state.is_slewing.age_s(now_s))
            return f"The dome has not answered for {age}: it is asked again all the time; see Log"
        case Freshness.FRESH:
            return None


class DomePanel(QWidget):
    """The dome: dial, buttons, and what came of the last command."""

    wished = Signal(object)  #: A `DomeWish` of the operator.
    view_changed = Signal()  #: The step of the jog changed.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._state, self._now_s = DomeState(), 0.0
        self._clock = TurnClock()
        self._pending: tuple[DomeWish, float, int] | None = None
        self._shown: tuple[int, Phase, str] | None = None
        self._notice: str | None = None
        self._watched = 0
        self.dial = DomeDial()
        self._build_azimuth_row()
        self._build_shutter_row()
        self._message = _named(QLabel(wordWrap=True), "Answer of the dome")
        self._message.setFixedHeight(40)
        self._message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._message.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._arrange()
        self.set_state(DomeState(), NEVER_READ, 0.0)
        self.show_message("No command yet", Severity.NORMAL)

    @property
    def jog_step_deg(self) -> float:
        """By how much a jog turns."""
        return JOG_STEPS_DEG[self._step.currentIndex()]

    def set_jog_step(self, step_deg: float) -> None:
        """Choose the step of the jog; one that is not offered changes nothing."""
        if step_deg in JOG_STEPS_DEG:
            self._step.setCurrentIndex(JOG_STEPS_DEG.index(step_deg))

    def set_state(self, state: DomeState, mount: Reading[MountSample], now_s: float) -> None:
        """Show what is known of the dome, and what of it can be asked now."""
        self._state, self._now_s = state, now_s
        self._clock.note(state.azimuth_deg)
        eta_s = self._clock.eta_s(state.remaining_deg())
        self.dial.set_state(state, mount, now_s, eta_s, self._clock.rate_deg_s)
        self._override.setVisible(bool(state.server) and not state.is_ours)
        self._allow()
        self._show_reach()
        self._follow_move()

    def show_message(self, text: str, severity: Severity) -> None:
        """Show one sentence until the next command."""
        role = _ROLES[severity]
        set_role(self._message, role)
        self._message.setText(text)
        self._message.setToolTip(text)
        self._message.setAccessibleDescription(text)

    def focus_azimuth(self) -> None:
        """Put the cursor into the field of the azimuth."""
        self._field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._field.selectAll()

    # What it is made of

    def _build_azimuth_row(self) -> None:
        self._field = _named(QLineEdit(placeholderText="0\u2013360", maxLength=12), "Azimuth to go to, degrees")
        self._field.setToolTip("Azimuth in degrees, North 0, East 90. Ctrl+G comes here, Enter goes.")
        self._field.returnPressed.connect(self._go_to_field)
        self._field.textEdited.connect(lambda: self._mark_fault(False))
        self._go = self._button("Go", "Turn the dome to the azimuth in the field", self._go_to_field)
        self._minus = self._button("\u2212", "", lambda: self._jog(-1.0))
        self._plus = self._button("+", "", lambda: self._jog(1.0))
        self._step = _named(QComboBox(), "Step of the jog")
        self._step.addItems([f"{step:g}\u00b0" for step in JOG_STEPS_DEG])
        self._step.setCurrentIndex(1)
        self._step.setToolTip("By how much the buttons beside it turn the dome")
        self._step.currentIndexChanged.connect(self._change_step)
        self._reach = QLabel()
        self._reach.setProperty("role", "small")
        self._home = self._button("Home", "Look for the home sensor", lambda: self._wish(WishKind.HOME))
        self._park = self._button(
            "Park", "Turn to the park position; it does not close", lambda: self._wish(WishKind.PARK)
        )
        self._follow = self._button("Follow", "", lambda: None)
        _refuse(self._follow, _NO_SLAVING, "")
        self.dial.azimuth_requested.connect(self._go_to)
        QShortcut(QKeySequence("Ctrl+G"), self).activated.connect(self.focus_azimuth)

    def _build_shutter_row(self) -> None:
        self._name = _named(QLineEdit(placeholderText="Your name", maxLength=80), "Name of who overrides")
        why = QLineEdit(placeholderText="Why it may open without interlocks", maxLength=200)
        self._reason = _named(why, "Reason of the override")
        for field in (self._name, self._reason):
            field.setToolTip("No interlock watches this dome yet: OPEN is recorded with your name and reason")
            field.textChanged.connect(self._allow)
        self._override = QWidget()
        line = QHBoxLayout(self._override)
        line.setContentsMargins(0, 0, 0, 0)
        line.setSpacing(theme.NEAR_PX)
        line.addWidget(self._name, 2)
        line.addWidget(self._reason, 5)
        self._open = HoldButton("OPEN", shortcut=QKeySequence("Ctrl+Shift+O"))
        self._open.held.connect(self._wish_open)
        self._close = self._button("CLOSE", "", lambda: self._wish(WishKind.CLOSE))
        self._close.setShortcut(QKeySequence("Ctrl+Shift+C"))
        self._close.setToolTip("Close the shutter: one click, or Ctrl+Shift+C. Never refused here.")
        self._close.setAccessibleDescription(self._close.toolTip())
        for button in (self._open, self._close):
            button.setProperty("kind", "large")
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)

    def _button(self, text: str, tip: str, action: Callable[[], None]) -> QPushButton:
        button = _named(QPushButton(text, autoDefault=False), text)
        _refuse(button, None, tip)
        button.setProperty("kind", "compact")
        button.clicked.connect(lambda: action())  # noqa: PLW0108 - keeps `checked` from the action
        return button

    def _arrange(self) -> None:
        go_to, elsewhere = QLabel("Go to azimuth"), QLabel("Other turns")
        for caption in (go_to, elsewhere):
            caption.setProperty("role", "small")
        go_to.setBuddy(self._field)
        for part, least_px in (
            (self._field, 64),
            (self._go, 40),
            (self._minus, 32),
            (self._step, 58),
            (self._plus, 32),
        ):
            part.setMinimumWidth(least_px)
        row = QHBoxLayout()
        row.setSpacing(theme.WIDE_PX)
        row.addLayout(_group(go_to, self._field, self._go), 4)
        row.addLayout(_group(self._reach, self._minus, self._step, self._plus), 5)
        row.addLayout(_group(elsewhere, self._home, self._park, self._follow), 6)
        shutter_row = QWidget()
        shutter_row.setFixedHeight(_SHUTTER_ROW_PX)
        shutter = QHBoxLayout(shutter_row)
        shutter.setContentsMargins(0, 0, 0, 0)
        shutter.setSpacing(theme.NEAR_PX)
        shutter.addWidget(self._open, 1)
        shutter.addWidget(self._close, 1)
        column_of_all = QVBoxLayout(self)
        column_of_all.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.NEAR_PX)
        column_of_all.setSpacing(theme.NEAR_PX)
        column_of_all.addWidget(self.dial, 1)
        column_of_all.addLayout(row)
        column_of_all.addWidget(self._override)
        column_of_all.addWidget(shutter_row)
        column_of_all.addWidget(self._message)

    # What the operator asks

    def _go_to_field(self) -> None:
        try:
            azimuth = parse_azimuth_deg(self._field.text().strip())
        except AzimuthRefused as refusal:
            self._mark_fault(True)
            self.show_message(str(refusal), Severity.ATTENTION)
            return
        self._go_to(azimuth)

    def _go_to(self, azimuth_deg: float) -> None:
        self._wish(WishKind.GOTO, wrapped_deg(round(azimuth_deg, 1)))

    def _jog(self, direction: float) -> None:
        reach = self._reach_deg(direction)
        if reach is not None:
            self._go_to(reach)

    def _wish_open(self) -> None:
        name, reason = self._name.text().strip(), self._reason.text().strip()
        needs = not self._state.is_ours
        self._wish(WishKind.OPEN, override=Override(name, reason) if needs else None)
        self._reason.clear()  # a reason is for one opening

    def _wish(self, kind: WishKind, azimuth_deg: float | None = None, override: Override | None = None) -> None:
        """Pass a wish on and say so at once; CLOSE is passed on whatever is known."""
        wish = DomeWish(kind, azimuth_deg, override)
        refusal = self._refusal(kind)
        if refusal is not None:
            self.show_message(f"{wish_text(wish)} refused: {refusal}", Severity.ATTENTION)
            return
        self._pending = (wish, self._now_s, self._newest_number())
        self.show_message(f"{wish_text(wish)}: sent", Severity.NORMAL)
        self.wished.emit(wish)

    def _refusal(self, kind: WishKind) -> str | None:
        """Why a wish cannot be passed on now."""
        if kind is WishKind.CLOSE:
            return None
        if (refusal := motion_refusal(self._state, self._now_s)) is not None:
            return refusal
        if self._state.facts is not None and not _can(self._state.facts, kind):
            return f"this dome cannot {kind.value}: its driver says so"
        has_override = self._name.text().strip() and self._reason.text().strip()
        if kind is WishKind.OPEN and not self._state.is_ours and not has_override:
            return "no interlock watches this dome yet: fill in your name and the reason above OPEN"
        return None

    # What is shown

    def _allow(self) -> None:
        tips = {
            self._go: (WishKind.GOTO, "Turn the dome to the azimuth in the field (Enter)"),
            self._home: (WishKind.HOME, "Look for the home sensor"),
            self._park: (WishKind.PARK, "Turn to the park position; it does not close"),
        }
        for button, (kind, tip) in tips.items():
            _refuse(button, self._refusal(kind), tip)
        for button, direction in ((self._minus, -1.0), (self._plus, 1.0)):
            reach = self._reach_deg(direction)
            unknown = "The azimuth is not known: go to one instead" if reach is None else None
            way = "clockwise" if direction > 0.0 else "counterclockwise"
            _refuse(button, self._refusal(WishKind.GOTO) or unknown, f"Turn {way} to {azimuth_text(reach)}")
            button.setAccessibleName(f"Jog {way}")
        self._open.set_refusal(self._refusal(WishKind.OPEN))

    def _reach_deg(self, direction: float) -> float | None:
        """Where a jog ends: it adds to where the dome is going, else to where it is."""
        start = self._state.target_deg
        if start is None:
            start = self._state.azimuth_deg.fresh_value(self._now_s, self._state.fresh_s)
        return None if start is None else start + direction * self.jog_step_deg

    def _show_reach(self) -> None:
        ends = [azimuth_text(self._reach_deg(direction)) for direction in (-1.0, 1.0)]
        self._reach.setText("Jog" if DASHES in ends else f"Jog to {ends[0]} or {ends[1]}")

    def _change_step(self) -> None:
        self._allow()
        self._show_reach()
        self.view_changed.emit()

    def _follow_move(self) -> None:
        """Name each phase of the command under way, its end, and what is missing."""
        if self._state.stop_notice != self._notice:
            self._notice = self._state.stop_notice
            if self._notice is not None:
                self.show_message(self._notice, Severity.ALARM)
                return
        move = self._state.move or self._state.last_move
        if move is not None:
            self._show_move(move)
        if self._pending is None:
            return
        wish, pressed_s, number = self._pending
        if self._newest_number() > number:
            self._pending = None
        elif self._now_s - pressed_s > ACCEPTED_WITHIN_S:
            self._pending = None
            late = f"{wish_text(wish)}: not accepted after {self._now_s - pressed_s:.1f} s: see Log, then ask again"
            self.show_message(late, Severity.ATTENTION)

    def _show_move(self, move: Move) -> None:
        if not move.phase.is_end:
            self._watched = move.number
        shown = (move.number, move.phase, move.reason)
        if shown == self._shown or (self._pending is not None and move.number <= self._pending[2]):
            return
        self._shown = shown
        took = self._now_s - move.began_s if move.number == self._watched else None
        self.show_message(*move_text(move, took))

    def _newest_number(self) -> int:
        moves = (self._state.move, self._state.last_move)
        return max((move.number for move in moves if move is not None), default=-1)

    def _mark_fault(self, is_fault: bool) -> None:
        self._field.setProperty("fault", "true" if is_fault else "")
        self._field.style().polish(self._field)


def _named(widget: _W, name: str) -> _W:
    """The widget, with a name for those who do not see it."""
    widget.setAccessibleName(name)
    return widget


def _group(caption: QLabel, *parts: QWidget) -> QVBoxLayout:
    """Controls that belong together, close to one another under their caption, sharing the width."""
    caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    line = QHBoxLayout()
    line.setSpacing(theme.TIGHT_PX)
    for part in parts:
        part.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
        line.addWidget(part, 1)
    column = QVBoxLayout()
    column.setSpacing(2)
    column.addWidget(caption)
    column.addLayout(line)
    return column


def _can(facts: DomeFacts, kind: WishKind) -> bool:
    match kind:
        case WishKind.GOTO:
            return facts.can_set_azimuth
        case WishKind.OPEN | WishKind.CLOSE:
            return facts.can_set_shutter
        case WishKind.PARK:
            return facts.can_park
        case WishKind.HOME:
            return facts.can_find_home


def _refuse(button: QPushButton, reason: str | None, tip: str) -> None:
    """Disable a button and say why, or enable it and say what it does."""
    button.setEnabled(reason is None)
    text = tip if reason is None else reason
    if button.toolTip() != text:
        button.setToolTip(text)
        button.setAccessibleDescription(text)
