"""The page of the control room: is it safe, what is happening, what comes next."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QStackedWidget, QVBoxLayout, QWidget

from app.model.alarms import Alarm
from app.model.dome import DomeState
from app.model.guard import GuardPhase, GuardState
from app.model.queue_item import QueueItem
from app.model.reading import NEVER_READ, Reading
from app.model.settings import WeatherLimits
from app.model.strip import Severity
from app.model.surroundings import Moment, MountSample
from app.widgets import theme
from app.widgets.alarm_list import AlarmList
from app.widgets.dome_panel import DomePanel
from app.widgets.guard_panel import GuardPanel, GuardSummary
from app.widgets.newest_frame import NewestFrame
from app.widgets.night_plots import NightPlots
from app.widgets.running_order import RunningOrder

#: What is left to queue and guard when alarms take all that they may.
_OTHERS_PX = 156
#: Lower than this, not all about the guard is seen; plots are content with less.
_GUARD_PX, _PLOTS_PX = 240, 196


class NightPage(QWidget):
    """Dial, newest frame, alarms, running order, guard, and the last 12 hours or all about the guard."""

    TITLE = "Night"
    ICON = "night"

    wished = Signal(object)  #: A `DomeWish` of the operator.
    frame_requested = Signal(str)  #: Path of the frame to open.
    order_requested = Signal(str)  #: Key of the order to show.
    page_requested = Signal(str)  #: Title of the page to show.
    view_changed = Signal()  #: Something changed that is worth restoring.

    def __init__(self, parent: QWidget | None = None) -> None:
        super().__init__(parent)
        self.dome = DomePanel()
        self.frame = NewestFrame()
        self.alarms, self.queue, self._guard_summary = AlarmList(), RunningOrder(), GuardSummary()
        self.plots, self.guard = NightPlots(), GuardPanel()
        self._dome: DomeState = DomeState()
        self._guard: Reading[GuardState] = NEVER_READ
        self._right, self._below = self._column(), QStackedWidget()
        self._below.addWidget(self.plots)
        self._below.addWidget(self.guard)
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.NEAR_PX)
        grid.addWidget(self.dome, 0, 0, 2, 1)
        grid.addWidget(self.frame, 0, 1)
        grid.addWidget(self._right, 0, 2)
        grid.addWidget(self._below, 1, 1, 1, 2)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(0, 1)
        self.dome.wished.connect(self.wished)
        self.dome.view_changed.connect(self.view_changed)
        self.frame.frame_requested.connect(self.frame_requested)
        self.queue.order_requested.connect(self.order_requested)
        self.queue.page_requested.connect(self.page_requested)
        self._guard_summary.opened.connect(self.show_guard)
        self.guard.closed.connect(self.show_plots)

    def set_dome(self, state: DomeState, mount: Reading[MountSample], now_s: float) -> None:
        """Show dome and telescope; `now_s` is monotonic."""
        self.dome.set_state(state, mount, now_s)
        self._dome = state
        self._show_guard(now_s)

    def set_guard(self, guard: Reading[GuardState], now_s: float) -> None:
        """Show the guard; a countdown shows all about it, for LOCKOUT is to be had there."""
        was_counting, self._guard = _is_counting(self._guard), guard
        if _is_counting(guard) and not was_counting:
            self.show_guard()
        self._show_guard(now_s)

    def show_guard(self) -> None:
        """Show all about the guard, the interlocks and LOCKOUT in the place of the plots."""
        self._below.setCurrentWidget(self.guard)
        self._share()
        self.view_changed.emit()

    def show_plots(self) -> None:
        """Show the plots again."""
        self._below.setCurrentWidget(self.plots)
        self._share()
        self.view_changed.emit()

    def show_message(self, text: str, severity: Severity) -> None:
        """Show what came of a command."""
        self.dome.show_message(text, severity)

    def set_frame(self, image: QImage | None, title: str, numbers: tuple[tuple[str, str], ...], path: str) -> None:
        """Show the newest frame, see `NewestFrame.set_frame`."""
        self.frame.set_frame(image, title, numbers, path)

    def set_queue(self, running: QueueItem | None, upcoming: tuple[QueueItem, ...]) -> None:
        """Show what runs and what waits."""
        self.queue.set_queue(running, upcoming)

    def set_alarms(self, alarms: tuple[Alarm, ...]) -> None:
        """Show the alarms, in their order."""
        self.alarms.set_alarms(alarms)

    def set_moments(
        self, moments: tuple[Moment, ...], limits: WeatherLimits, now: float, open_at: float | None = None
    ) -> None:
        """Show the last 12 hours; `now` is the POSIX time of the sky, `open_at` a part of each limit."""
        self.plots.set_moments(moments, limits, now, open_at)

    def focus_filter(self) -> None:
        """There is nothing to filter here: the field of the azimuth is what one types into."""
        self.dome.focus_azimuth()

    def view_state(self) -> dict[str, Any]:
        """What is worth restoring."""
        return {"jog_step_deg": self.dome.jog_step_deg, "guard": self._below.currentWidget() is self.guard}

    def restore_view(self, state: dict[str, Any]) -> None:
        """Restore it; anything else changes nothing."""
        step = state.get("jog_step_deg") if isinstance(state, dict) else None
        if isinstance(step, int | float):
            self.dome.set_jog_step(float(step))
        if isinstance(state, dict) and state.get("guard") is True:
            self.show_guard()

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give the dial what its height can use, the queue enough to read, and the frame all the rest."""
        super().resizeEvent(event)
        self._share()

    def _share(self) -> None:
        """Share out the room of now."""
        width, height = self.width(), self.height()
        self.dome.setFixedWidth(round(min(max(488.0, 0.72 * height), 0.42 * width, 1400.0)))
        self._right.setFixedWidth(round(min(max(320.0, 0.19 * width), 520.0)))
        least_px = _GUARD_PX if self._below.currentWidget() is self.guard else _PLOTS_PX
        below_px = round(min(max(float(least_px), 0.25 * height), 460.0))
        self._below.setFixedHeight(below_px)
        above_px = height - below_px
        self.alarms.set_most_height(min(above_px - _OTHERS_PX, max(208, above_px // 2)))

    def _column(self) -> QWidget:
        """Alarms, queue and guard, one below the other."""
        right = QWidget()
        right.setProperty("surface", "panel")
        right.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        column = QVBoxLayout(right)
        column.setContentsMargins(theme.GAP_PX, theme.NEAR_PX, theme.GAP_PX, theme.NEAR_PX)
        column.setSpacing(theme.TIGHT_PX)
        column.addWidget(self.alarms)
        column.addWidget(self.queue, 1)
        column.addWidget(self._guard_summary)
        return right

    def _show_guard(self, now_s: float) -> None:
        for part in (self._guard_summary, self.guard):
            part.set_state(self._dome, self._guard, now_s)


def _is_counting(guard: Reading[GuardState]) -> bool:
    return guard.value is not None and guard.value.phase is GuardPhase.COUNTDOWN
