"""The dial and, under it, what may be asked of the dome: rows of buttons that never move, and one line of answer."""

from __future__ import annotations

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
from app.model.dome import DomeState, DomeWish, Move, Phase, WishKind
from app.model.following import Follower
from app.model.interlocks import unmet
from app.model.reading import NEVER_READ, Reading
from app.model.strip import Severity
from app.model.surroundings import MountSample
from app.model.wording import DASHES, azimuth_text, latency_text
from app.widgets import theme
from app.widgets.dome_dial import DomeDial
from app.widgets.dome_words import absent_parts, follow_words
from app.widgets.hold_button import HoldButton
from app.widgets.interlock_line import InterlockLine
from app.widgets.move_words import can, motion_refusal, move_text, wish_text
from app.widgets.roles import set_role
from app.widgets.turn_clock import TurnClock

JOG_STEPS_DEG = (1.0, 5.0, 10.0, 45.0)
#: A press that the controller has not accepted by then says so.
ACCEPTED_WITHIN_S = 1.5
_TURNS_ROW_PX, _SHUTTER_ROW_PX, _MESSAGE_PX = 54, 48, 40
_ROLES = {Severity.NORMAL: "", Severity.ATTENTION: "attention", Severity.ALARM: "alarm"}
_CAPTIONS = {Severity.NORMAL: "small", Severity.ATTENTION: "fault", Severity.ALARM: "fault"}
_CLOSE_TIP = "Close the shutter: one click, or Ctrl+Shift+C. Never refused here."
_NOTHING_YET = "No command yet"
_W = TypeVar("_W", bound=QWidget)


class DomePanel(QWidget):
    """The dome: dial, buttons, and what came of the last command."""

    wished = Signal(object)  #: A `DomeWish` of the operator.
    follow_requested = Signal(bool)  #: Whether the slit shall follow the telescope.
    take_over_requested = Signal()  #: The operator wants to command the dome from here.
    view_changed = Signal()  #: The step of the jog changed.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setProperty("surface", "panel")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._state, self._now_s = DomeState(), 0.0
        self._clock = TurnClock()
        self._pending: tuple[DomeWish, float, int] | None = None
        self._shown: tuple[int, Phase, str] | None = None
        self._refused: WishKind | None = None
        self._notice: str | None = None
        self._watched = 0
        self.dial = DomeDial()
        self._interlocks = InterlockLine()
        self._build_azimuth_row()
        self._build_follow()
        self._build_shutter_row()
        self._build_answer()
        self._arrange()
        self.set_state(DomeState(), NEVER_READ, 0.0)
        self.show_message(_NOTHING_YET, Severity.NORMAL)

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
        refusal = motion_refusal(state, now_s)
        self._interlocks.set_interlocks(state.interlocks, is_owner=state.is_owner, owner=state.owner, refusal=refusal)
        self._show_parts()
        self._allow()
        self._show_reach()
        self._show_following()
        self._latency.setText("" if state.latency_s is None else f"answers in\n{latency_text(state.latency_s)}")
        self._forget_refusal()
        self._follow_move()

    def show_message(self, text: str, severity: Severity) -> None:
        """Show one sentence until the next command."""
        self._refused = None
        if severity is Severity.ATTENTION and motion_refusal(self._state, self._now_s) is not None:
            self._refused = WishKind.OPEN  # it was said while nothing could be asked: it ends with that
        self._say(text, severity)

    def focus_azimuth(self) -> None:
        """Put the cursor into the field of the azimuth."""
        self._field.setFocus(Qt.FocusReason.ShortcutFocusReason)
        self._field.selectAll()

    # What it is made of

    def _build_azimuth_row(self) -> None:
        self._field = _named(QLineEdit(placeholderText="0\u2013360", maxLength=12), "Azimuth to go to, degrees")
        self._field.setToolTip("Azimuth in degrees, North 0, East 90. Ctrl+G comes here, Enter goes.")
        self._field.returnPressed.connect(self._go_to_field)
        self._field.textEdited.connect(lambda: _mark_fault(self._field, False))
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
        self.dial.azimuth_requested.connect(self._go_to)
        QShortcut(QKeySequence("Ctrl+G"), self).activated.connect(self.focus_azimuth)

    def _build_follow(self) -> None:
        self._follow = self._button("Follow", "", self._toggle_following)
        self._follow.setCheckable(True)
        self._who = QLabel()
        self._who.setAccessibleName("Who follows the telescope")

    def _build_shutter_row(self) -> None:
        self._interlocks.changed.connect(self._allow)
        self._interlocks.take_over_requested.connect(self.take_over_requested)
        self._open = HoldButton("OPEN", shortcut=QKeySequence("Ctrl+Shift+O"))
        self._open.held.connect(self._wish_open)
        self._close = self._button("CLOSE", "", lambda: self._wish(WishKind.CLOSE))
        self._close.setShortcut(QKeySequence("Ctrl+Shift+C"))
        for button in (self._open, self._close):
            button.setProperty("kind", "large")
            button.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Expanding)
        self._altitude = _named(QLineEdit(placeholderText="0\u201390", maxLength=6), "Altitude of the opening, degrees")
        self._altitude.setToolTip("Altitude of the opening in degrees: 0 is the horizon, 90 the zenith. Enter sets it.")
        self._altitude.returnPressed.connect(self._raise_to_field)
        self._altitude.textEdited.connect(lambda: _mark_fault(self._altitude, False))
        self._raise = self._button("Set", "", self._raise_to_field)

    def _build_answer(self) -> None:
        self._message = _named(QLabel(wordWrap=True), "Answer of the dome")
        self._message.setFixedHeight(_MESSAGE_PX)
        self._message.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self._message.setAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
        self._latency = _named(QLabel(), "How long the dome takes to answer")
        self._latency.setProperty("role", "small")
        self._latency.setToolTip("Between the last question to the dome and its answer")
        self._latency.setAlignment(Qt.AlignmentFlag.AlignRight | Qt.AlignmentFlag.AlignVCenter)

    def _button(self, text: str, tip: str, action: Callable[[], None]) -> QPushButton:
        button = _named(QPushButton(text, autoDefault=False), text)
        _refuse(button, None, tip)
        button.setProperty("kind", "compact")
        button.clicked.connect(lambda: action())  # noqa: PLW0108 - keeps `checked` from the action
        return button

    def _arrange(self) -> None:
        self._absent = QLabel(wordWrap=True)
        self._absent.setProperty("role", "small")
        answer = QHBoxLayout()
        answer.setSpacing(theme.NEAR_PX)
        answer.addWidget(self._message, 1)
        answer.addWidget(self._latency)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.NEAR_PX)
        column.setSpacing(theme.TIGHT_PX)
        column.addWidget(self.dial, 1)
        column.addWidget(self._turns_row())
        column.addWidget(self._absent)
        column.addWidget(self._interlocks)
        column.addWidget(self._shutter_row())
        column.addLayout(answer)

    def _turns_row(self) -> QWidget:
        go_to, elsewhere = QLabel("Go to azimuth"), QLabel("Other turns")
        for caption in (go_to, elsewhere):
            caption.setProperty("role", "small")
        go_to.setBuddy(self._field)
        widths = {self._field: 68, self._go: 40, self._minus: 32, self._step: 58, self._plus: 32, self._follow: 72}
        for part, least_px in widths.items():
            part.setMinimumWidth(least_px)
        self._go_group = _group(go_to, self._field, self._go)
        self._jog_group = _group(self._reach, self._minus, self._step, self._plus)
        self._else_group = _group(elsewhere, self._home, self._park)
        self._follow_group = _group(self._who, self._follow)
        self._turns = _row((self._go_group, 5), (self._jog_group, 5), (self._else_group, 4), (self._follow_group, 3))
        self._turns.setFixedHeight(_TURNS_ROW_PX)
        return self._turns

    def _shutter_row(self) -> QWidget:
        caption = QLabel("Opening altitude")
        caption.setProperty("role", "small")
        caption.setBuddy(self._altitude)
        self._altitude_group = _group(caption, self._altitude, self._raise)
        self._altitude_group.setMaximumWidth(120)
        self._shutter = _row((self._open, 5), (self._close, 5), (self._altitude_group, 3), spacing_px=theme.NEAR_PX)
        self._shutter.setFixedHeight(_SHUTTER_ROW_PX)
        self._altitude_group.hide()
        return self._shutter

    # What the operator asks

    def _go_to_field(self) -> None:
        try:
            azimuth = parse_azimuth_deg(self._field.text().strip())
        except AzimuthRefused as refusal:
            _mark_fault(self._field, True)
            self.show_message(str(refusal), Severity.ATTENTION)
            return
        self._go_to(azimuth)

    def _raise_to_field(self) -> None:
        try:
            altitude = parse_azimuth_deg(self._altitude.text().strip())
        except AzimuthRefused:
            altitude = None
        if altitude is None or altitude > 90.0:
            _mark_fault(self._altitude, True)
            given = self._altitude.text().strip()
            self.show_message(f"Altitude {given!r} is refused: give a number from 0 to 90 degrees", Severity.ATTENTION)
            return
        self._wish(DomeWish(WishKind.ALTITUDE, altitude_deg=altitude))

    def _go_to(self, azimuth_deg: float) -> None:
        self._wish(DomeWish(WishKind.GOTO, wrapped_deg(round(azimuth_deg, 1))))

    def _jog(self, direction: float) -> None:
        reach = self._reach_deg(direction)
        if reach is not None:
            self._go_to(reach)

    def _wish_open(self) -> None:
        self._wish(DomeWish(WishKind.OPEN, override=self._interlocks.override))
        self._interlocks.use_up()

    def _wish(self, wish: DomeWish | WishKind) -> None:
        """Pass a wish on and say so at once; CLOSE is passed on whatever is known."""
        wish = DomeWish(wish) if isinstance(wish, WishKind) else wish
        refusal = self._refusal(wish.kind)
        if refusal is not None:
            self._say(f"{wish_text(wish)} refused: {refusal}", Severity.ATTENTION)
            self._refused = wish.kind
            return
        self._pending, self._refused = (wish, self._now_s, self._newest_number()), None
        self._say(f"{wish_text(wish)}: sent", Severity.NORMAL)
        self.wished.emit(wish)

    def _toggle_following(self) -> None:
        """Ask for the other; the button shows what is, not what was asked."""
        is_wanted = self._state.following.who is Follower.NOBODY
        self._show_following()
        self._say(f"FOLLOW {'on' if is_wanted else 'off'}: sent", Severity.NORMAL)
        self.follow_requested.emit(is_wanted)

    def _refusal(self, kind: WishKind) -> str | None:
        """Why a wish cannot be passed on now."""
        if kind is WishKind.CLOSE:
            return None
        if (refusal := motion_refusal(self._state, self._now_s)) is not None:
            return refusal
        if self._state.facts is not None and not can(self._state.facts, kind):
            return f"this dome cannot {kind.value}: its driver says so"
        return self._interlocks.refusal if kind is WishKind.OPEN else None

    # What is shown

    def _show_parts(self) -> None:
        """What the dome has not is not there, and a sentence says so."""
        facts = self._state.facts
        if facts is None:
            return
        for part, is_there in (
            (self._go_group, facts.can_set_azimuth),
            (self._jog_group, facts.can_set_azimuth),
            (self._home, facts.can_find_home),
            (self._park, facts.can_park),
            (self._else_group, facts.can_find_home or facts.can_park),
            (self._follow_group, facts.can_set_azimuth or facts.can_slave),
            (self._open, facts.can_set_shutter),
            (self._close, facts.can_set_shutter),
            (self._interlocks, facts.can_set_shutter or not self._state.is_owner),
            (self._altitude_group, facts.can_set_altitude),
        ):
            part.setVisible(is_there)
        self._turns.setVisible(any(not group.isHidden() for group in self._turn_groups))
        self._shutter.setVisible(facts.can_set_shutter or facts.can_set_altitude)
        sentence = absent_parts(facts)
        self._absent.setText(sentence)
        self._absent.setVisible(bool(sentence))

    @property
    def _turn_groups(self) -> tuple[QWidget, ...]:
        return self._go_group, self._jog_group, self._else_group, self._follow_group

    def _allow(self) -> None:
        """Enable what can be asked, and say of the rest why it cannot."""
        tips = {
            self._go: (WishKind.GOTO, "Turn the dome to the azimuth in the field (Enter)"),
            self._home: (WishKind.HOME, "Look for the home sensor; it suspends Follow"),
            self._park: (WishKind.PARK, "Turn to the park position; it does not close"),
            self._raise: (WishKind.ALTITUDE, "Raise or lower the opening to the altitude in the field (Enter)"),
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
        _refuse(self._close, None, self._close_tip())

    def _close_tip(self) -> str:
        """CLOSE is never disabled here; in LOCKOUT nothing comes of it."""
        held = next((one for one in unmet(self._state.interlocks) if one.name == "lockout"), None)
        return _CLOSE_TIP if held is None else f"Nothing closes now: {held.sentence}"

    def _reach_deg(self, direction: float) -> float | None:
        """Where a jog ends: it adds to where the dome is going, else to where it is."""
        start = self._state.target_deg
        if start is None:
            start = self._state.azimuth_deg.fresh_value(self._now_s, self._state.fresh_s)
        return None if start is None else start + direction * self.jog_step_deg

    def _show_reach(self) -> None:
        ends = [azimuth_text(self._reach_deg(direction)) for direction in (-1.0, 1.0)]
        self._reach.setText("Jog" if DASHES in ends else f"Jog to {ends[0]} or {ends[1]}")

    def _show_following(self) -> None:
        """Who slaves, over the button that changes it; a drop and a pause say why."""
        following = self._state.following
        words, how, severity = follow_words(following)
        is_on = following.who is not Follower.NOBODY
        short = "DROPPED" if following.is_dropped else "suspended" if following.is_suspended else following.who.value
        set_role(self._who, _CAPTIONS[severity])
        self._who.setText(short)
        self._who.setToolTip(f"{words}: {how}" if how else words)
        self._who.setAccessibleDescription(self._who.toolTip())
        self._follow.setChecked(is_on)
        does = f"Stop following: {words}" if is_on else "Let the slit follow the telescope"
        refusal = None if is_on and self._state.is_owner else motion_refusal(self._state, self._now_s)
        _refuse(self._follow, refusal, f"{does}. {how}" if how else does)

    def _change_step(self) -> None:
        self._allow()
        self._show_reach()
        self.view_changed.emit()

    def _forget_refusal(self) -> None:
        """A refusal whose reason is gone gives way to the last command."""
        if self._refused is None or self._refusal(self._refused) is not None:
            return
        self._refused, self._shown = None, None
        if self._state.move is None and self._state.last_move is None:
            self._say(_NOTHING_YET, Severity.NORMAL)

    def _follow_move(self) -> None:
        """Name each phase of the command under way, its end, and what is missing."""
        if self._state.stop_notice != self._notice:
            self._notice = self._state.stop_notice
            if self._notice is not None:
                self._say(self._notice, Severity.ALARM)
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
            self._say(late, Severity.ATTENTION)

    def _show_move(self, move: Move) -> None:
        if not move.phase.is_end:
            self._watched = move.number
        shown = (move.number, move.phase, move.reason)
        if shown == self._shown or (self._pending is not None and move.number <= self._pending[2]):
            return
        self._shown = shown
        took = self._now_s - move.began_s if move.number == self._watched else None
        self._refused = None
        self._say(*move_text(move, took))

    def _newest_number(self) -> int:
        moves = (self._state.move, self._state.last_move)
        return max((move.number for move in moves if move is not None), default=-1)

    def _say(self, text: str, severity: Severity) -> None:
        set_role(self._message, _ROLES[severity])
        self._message.setText(text)
        self._message.setToolTip(text)
        self._message.setAccessibleDescription(text)


def _named(widget: _W, name: str) -> _W:
    """The widget, with a name for those who do not see it."""
    widget.setAccessibleName(name)
    return widget


def _row(*groups: tuple[QWidget, int], spacing_px: int = theme.GAP_PX) -> QWidget:
    """Groups side by side, with their shares of the width."""
    row = QWidget()
    line = QHBoxLayout(row)
    line.setContentsMargins(0, 0, 0, 0)
    line.setSpacing(spacing_px)
    for group, share in groups:
        line.addWidget(group, share)
    return row


def _group(caption: QLabel, *parts: QWidget) -> QWidget:
    """Controls that belong together, close to one another under their caption, sharing the width."""
    caption.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
    line = QHBoxLayout()
    line.setSpacing(theme.TIGHT_PX)
    for part in parts:
        part.setSizePolicy(QSizePolicy.Policy.MinimumExpanding, QSizePolicy.Policy.Fixed)
        line.addWidget(part, 1)
    group = QWidget()
    column = QVBoxLayout(group)
    column.setContentsMargins(0, 0, 0, 0)
    column.setSpacing(2)
    column.addWidget(caption)
    column.addLayout(line)
    return group


def _refuse(button: QPushButton, reason: str | None, tip: str) -> None:
    """Disable a button and say why, or enable it and say what it does."""
    button.setEnabled(reason is None)
    text = tip if reason is None else reason
    if button.toolTip() != text:
        button.setToolTip(text)
        button.setAccessibleDescription(text)


def _mark_fault(field: QLineEdit, is_fault: bool) -> None:
    field.setProperty("fault", "true" if is_fault else "")
    field.style().polish(field)
