"""The page of the control room: is it safe, what is happening, what comes next."""

from __future__ import annotations

from typing import Any

from PySide6.QtCore import Signal
from PySide6.QtGui import QImage, QResizeEvent
from PySide6.QtWidgets import QGridLayout, QWidget

from app.model.dome import DomeState
from app.model.queue_item import QueueItem
from app.model.reading import Reading
from app.model.settings import WeatherLimits
from app.model.strip import Severity
from app.model.surroundings import Moment, MountSample
from app.widgets import theme
from app.widgets.dome_panel import DomePanel
from app.widgets.newest_frame import NewestFrame
from app.widgets.night_plots import NightPlots
from app.widgets.running_order import RunningOrder


class NightPage(QWidget):
    """Dial, newest frame, running order, alarms, and the last 12 hours."""

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
        self.queue = RunningOrder()
        self.plots = NightPlots()
        grid = QGridLayout(self)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(theme.NEAR_PX)
        grid.addWidget(self.dome, 0, 0, 2, 1)
        grid.addWidget(self.frame, 0, 1)
        grid.addWidget(self.queue, 0, 2)
        grid.addWidget(self.plots, 1, 1, 1, 2)
        grid.setColumnStretch(1, 1)
        grid.setRowStretch(0, 1)
        self.dome.wished.connect(self.wished)
        self.dome.view_changed.connect(self.view_changed)
        self.frame.frame_requested.connect(self.frame_requested)
        self.queue.order_requested.connect(self.order_requested)
        self.queue.page_requested.connect(self.page_requested)

    def set_dome(self, state: DomeState, mount: Reading[MountSample], now_s: float) -> None:
        """Show dome and telescope; `now_s` is monotonic."""
        self.dome.set_state(state, mount, now_s)

    def show_message(self, text: str, severity: Severity) -> None:
        """Show what came of a command."""
        self.dome.show_message(text, severity)

    def set_frame(self, image: QImage | None, title: str, numbers: tuple[tuple[str, str], ...], path: str) -> None:
        """Show the newest frame, see `NewestFrame.set_frame`."""
        self.frame.set_frame(image, title, numbers, path)

    def set_queue(self, running: QueueItem | None, upcoming: tuple[QueueItem, ...]) -> None:
        """Show what runs and what waits."""
        self.queue.set_queue(running, upcoming)

    def set_alarms(self, alarms: tuple[str, ...]) -> None:
        """Show the alarms, the most urgent first."""
        self.queue.set_alarms(alarms)

    def set_moments(self, moments: tuple[Moment, ...], limits: WeatherLimits, now: float) -> None:
        """Show the last 12 hours; `now` is the POSIX time of the sky."""
        self.plots.set_moments(moments, limits, now)

    def focus_filter(self) -> None:
        """There is nothing to filter here: the field of the azimuth is what one types into."""
        self.dome.focus_azimuth()

    def view_state(self) -> dict[str, Any]:
        """What is worth restoring."""
        return {"jog_step_deg": self.dome.jog_step_deg}

    def restore_view(self, state: dict[str, Any]) -> None:
        """Restore it; anything else changes nothing."""
        step = state.get("jog_step_deg") if isinstance(state, dict) else None
        if isinstance(step, int | float):
            self.dome.set_jog_step(float(step))

    def resizeEvent(self, event: QResizeEvent) -> None:  # noqa: N802 - Qt's name
        """Give the dial what its height can use, the queue enough to read, and the frame all the rest."""
        super().resizeEvent(event)
        width, height = event.size().width(), event.size().height()
        self.dome.setFixedWidth(round(min(max(488.0, 0.72 * height), 0.42 * width, 1400.0)))
        self.queue.setFixedWidth(round(min(max(288.0, 0.19 * width), 520.0)))
        self.plots.setFixedHeight(round(min(max(196.0, 0.25 * height), 460.0)))
