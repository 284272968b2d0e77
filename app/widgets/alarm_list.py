"""The alarms: what needs an operator's response, each in whole, with its acknowledgement and its mute."""

from __future__ import annotations

import re

from PySide6.QtCore import QSize, Qt, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QHBoxLayout,
    QLabel,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QVBoxLayout,
    QWidget,
)

from app.model.alarms import Alarm, AlarmRow, rows_of
from app.model.strip import Severity
from app.model.wording import time_text
from app.widgets import theme
from app.widgets.roles import set_look

MUTE_MIN = 10.0
ACKNOWLEDGE_ALL = "Ctrl+K"
#: The alarms take no more of the page's height than this, and are scrolled.
_MOST_PX = 260
#: Between a number, or its sign, and what belongs to it, no line ends.
_UNIT = re.compile(r"([\d<>]) (?=\d|(?:s|m|h|m/s|mm/h|%|tries|try)\b)")
#: Lower than this, no alarm is seen whole.
_LEAST_PX = 96


class AlarmView(QWidget):
    """One alarm: when, whether it is the first, the whole sentence, and its two buttons.

    Active is inverse, returned has an outline, acknowledged is plain: shape tells them apart without colour.
    """

    acknowledged = Signal()  #: Somebody has seen it.
    muted = Signal()  #: It shall be silent for `MUTE_MIN`.
    expanded = Signal()  #: What lies under it shall be listed, or not any more.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._head, self._sentence = QLabel(), QLabel(wordWrap=True)
        policy = QSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Minimum)
        policy.setHeightForWidth(True)
        self._sentence.setSizePolicy(policy)
        self._more, self._mute, self._acknowledge = QPushButton(), QPushButton(), QPushButton("Acknowledge")
        buttons = {self._acknowledge: self.acknowledged, self._mute: self.muted, self._more: self.expanded}
        for button, signal in buttons.items():
            button.setProperty("kind", "small")
            button.clicked.connect(signal)
        head = QHBoxLayout()
        head.setSpacing(theme.TIGHT_PX)
        for part in (self._head, self._mute, self._acknowledge):
            head.addWidget(part, part is self._head)
        column = QVBoxLayout(self)
        column.setContentsMargins(theme.NEAR_PX, 2, theme.TIGHT_PX, 3)
        column.setSpacing(0)
        column.addLayout(head)
        column.addWidget(self._sentence)
        column.addWidget(self._more, alignment=Qt.AlignmentFlag.AlignLeft)

    def set_row(self, row: AlarmRow, *, is_expanded: bool) -> None:
        """Show an alarm, and how many lie under it; `is_expanded` offers to collapse them again."""
        alarm = row.alarm
        is_muted, state = alarm.muted_until_s is not None, _state(alarm)
        for part in (self, self._head, self._sentence, self._more, self._mute, self._acknowledge):
            set_look(part, "alarm", state)
        self._head.setText(" ".join((time_text(alarm.began_at), _fate(alarm))))
        sentence = _UNIT.sub("\\1\u00a0", alarm.sentence)
        self._sentence.setText(f"\u25c6 first: {sentence}" if alarm.is_first_out else sentence)
        self._acknowledge.setVisible(not alarm.is_acknowledged)
        self._mute.setVisible(alarm.severity is Severity.ALARM and alarm.is_active and not alarm.is_acknowledged)
        self._mute.setEnabled(not is_muted)
        self._mute.setText("Muted" if is_muted else f"Mute {MUTE_MIN:.0f} min")
        self._mute.setToolTip("It sounds again when the ten minutes are over" if is_muted else "")
        self._more.setText("show less" if is_expanded else f"{row.more}: show")
        self._more.setVisible(bool(row.hidden) or is_expanded)
        parts = (_fate(alarm), "first" if alarm.is_first_out else "", alarm.sentence, row.more)
        self.setAccessibleName(f"Alarm, {', '.join(part for part in parts if part)}")
        self._acknowledge.setAccessibleName(f"Acknowledge: {alarm.sentence}")
        self._mute.setAccessibleName(f"Mute for {MUTE_MIN:.0f} minutes: {alarm.sentence}")


class _Scroll(QScrollArea):
    """As high as it is told, and lower where there is less room."""

    def __init__(self) -> None:
        super().__init__(widgetResizable=True)
        self.wanted_px = 0
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Maximum)

    def sizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(0, self.wanted_px)

    def minimumSizeHint(self) -> QSize:  # noqa: N802 - Qt's name
        return QSize(0, min(self.wanted_px, _LEAST_PX))


class AlarmList(QWidget):
    """All alarms in their order, scrolled where they have no room."""

    acknowledged = Signal(str)  #: Key of the alarm that somebody has seen.
    all_acknowledged = Signal()  #: Somebody has seen them all.
    muted = Signal(object, float)  #: Keys of the alarms that shall be silent, and for how many minutes.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self._alarms: tuple[Alarm, ...] = ()
        self._expanded: frozenset[int] = frozenset()
        self._rows: dict[str, AlarmRow] = {}
        self._views: dict[str, AlarmView] = {}
        self._most_px = _MOST_PX
        self._caption, self._empty = QLabel(), QLabel("No alarms")
        self._caption.setProperty("role", "caption")
        self._empty.setProperty("role", "dim")
        self._all = QPushButton("Acknowledge all")
        self._all.setToolTip(f"Somebody has seen every alarm ({ACKNOWLEDGE_ALL})")
        self._all.setProperty("kind", "link")
        self._all.clicked.connect(self.all_acknowledged)
        self._inner = QWidget()
        self._lines = QVBoxLayout(self._inner)
        self._lines.setContentsMargins(0, 0, 0, 0)
        self._lines.setSpacing(2)
        self._lines.addStretch(1)
        self._scroll = _Scroll()
        self._scroll.setWidget(self._inner)
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(theme.TIGHT_PX)
        head = QHBoxLayout()
        head.addWidget(self._caption)
        head.addWidget(self._empty)
        head.addStretch(1)
        head.addWidget(self._all)
        column.addLayout(head)
        column.addWidget(self._scroll)
        self._show_rows()

    def set_alarms(self, alarms: tuple[Alarm, ...]) -> None:
        """Show these, in their order."""
        if alarms == self._alarms:
            return
        self._alarms = alarms
        self._show_rows()

    def set_most_height(self, most_px: int) -> None:
        """Be no higher than this, and scroll."""
        self._most_px = most_px
        self._fit()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Sentences of another width have another height."""
        super().resizeEvent(event)
        self._fit()

    def _show_rows(self) -> None:
        """One view for each row, which stays with its alarm."""
        rows = rows_of(self._alarms, self._expanded)
        self._rows = {row.alarm.key: row for row in rows}
        for key in self._views.keys() - self._rows.keys():
            gone = self._views.pop(key)
            self._lines.removeWidget(gone)
            gone.hide()
            gone.deleteLater()
        heads = {row.alarm.burst: row.alarm.key for row in reversed(rows)}
        for place, (key, row) in enumerate(self._rows.items()):
            view = self._views.get(key) or self._new_view(key)
            burst = row.alarm.burst
            view.set_row(row, is_expanded=burst in self._expanded and heads[burst] == key)
            if self._lines.indexOf(view) != place:
                self._lines.insertWidget(place, view)
                view.show()  # at once: the height of what is hidden does not count
        waiting = sum(not alarm.is_acknowledged for alarm in self._alarms)
        self._caption.setText(f"ALARMS ({waiting} new)" if waiting else f"ALARMS ({len(rows)})" if rows else "")
        self._caption.setVisible(bool(rows))
        self._all.setVisible(waiting > 1)
        self._empty.setVisible(not rows)
        self._scroll.setVisible(bool(rows))
        self._fit()

    def _new_view(self, key: str) -> AlarmView:
        view = AlarmView()
        view.acknowledged.connect(lambda: self.acknowledged.emit(key))
        view.muted.connect(lambda: self.muted.emit(self._rows[key].keys, MUTE_MIN))
        view.expanded.connect(lambda: self._turn(self._rows[key].alarm.burst))
        self._views[key] = view
        return view

    def _turn(self, burst: int) -> None:
        """Expand a flood, or collapse it."""
        self._expanded = self._expanded ^ {burst}
        self._show_rows()

    def _fit(self) -> None:
        """Take the height of what is shown, up to the most."""
        whole_px = self._height_px(self.width())
        is_scrolled = whole_px > self._most_px
        bar_px = self._scroll.verticalScrollBar().sizeHint().width() if is_scrolled else 0
        self._inner.setMinimumHeight(self._height_px(self.width() - bar_px))  # its own hint is of one width
        self._scroll.wanted_px = min(whole_px, self._most_px)
        self._scroll.updateGeometry()

    def _height_px(self, width_px: int) -> int:
        return self._lines.heightForWidth(width_px) if self._rows else 0


def _state(alarm: Alarm) -> str:
    """How it is dressed."""
    if alarm.is_acknowledged:
        return "acknowledged"
    if alarm.is_returned:
        return "returned"
    return "active" if alarm.severity is Severity.ALARM else "attention"


def _fate(alarm: Alarm) -> str:
    """What became of it, in words."""
    if alarm.is_acknowledged:
        return f"seen by {alarm.acknowledged_by}"
    return "returned" if alarm.is_returned else ""
