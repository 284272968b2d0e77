"""Joins an opened station to the window: makes the controllers, connects each page, and takes them apart in order."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QApplication

from app.bootstrap.program import own_command
from app.controllers.alarms import AlarmsController
from app.controllers.batch_thread import BatchThread
from app.controllers.batches import BatchesController
from app.controllers.devices import DevicesController
from app.controllers.dome import DomeController
from app.controllers.frames import FramesController
from app.controllers.guarding import GuardController
from app.controllers.health import HealthController
from app.controllers.journal import JournalController
from app.controllers.log_bridge import LogBridge
from app.controllers.loop_watch import LoopWatch
from app.controllers.night import NightController
from app.controllers.quitting import QuitController
from app.controllers.work_orders import WorkOrdersController
from app.model.dome import DomeState
from app.model.strip import Severity
from app.services.preflight_child import check_in_child
from app.widgets.control_panel import ControlPanel
from app.wiring.alarms import connect_alarms
from app.wiring.batches import connect_batches
from app.wiring.foot import connect_foot
from app.wiring.frames import connect_frames
from app.wiring.log import connect_log
from app.wiring.night import connect_night
from app.wiring.orders import connect_orders
from app.wiring.question import connect_question
from app.wiring.settings import connect_settings

if TYPE_CHECKING:
    from app.bootstrap.station import Station

log = logging.getLogger(__name__)


class Connections(QObject):
    """Everything between an opened station and the window.

    Parameters
    ----------
    panel : ControlPanel
        Window and pages.
    station : Station
        What is on duty.
    who : str
        Who acts, for the journal.
    """

    def __init__(self, panel: ControlPanel, station: Station, who: str) -> None:
        super().__init__(panel)
        observatory, devices = station.observatory, station.devices
        self._panel = panel
        self._station = station
        self._sql = ThreadPoolExecutor(1, thread_name_prefix="sql")
        self._pictures = ThreadPoolExecutor(1, thread_name_prefix="pictures")
        self._network = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._checks = ThreadPoolExecutor(1, thread_name_prefix="checks")
        self._barriers: list[Future[None]] = []
        self._after_end: Callable[[], None] | None = None
        self.bridge = LogBridge(observatory.log_records, self._sql, observatory.clock)
        logging.getLogger().addHandler(self.bridge.handler)
        self.journal = JournalController(observatory.journal, self._sql)
        self.dome = DomeController(
            station.dome, station.loop, station.following, station.take_over, observatory.clock, who
        )
        self.guard = GuardController(
            station.guard, station.dome, station.loop, observatory.journal, self._sql, observatory.clock, who
        )
        self.alarms = AlarmsController(
            lambda: station.dome.state,
            lambda: station.surroundings.state,
            lambda: station.guard.state,
            observatory.settings.weather_limits,
            observatory.settings.guard.silent_s,
            observatory.clock,
            devices.sky_clock,
            who,
            QApplication.beep,
        )
        self.night = NightController(
            lambda: station.dome.state,
            lambda: station.surroundings.state,
            lambda: station.guard.state,
            lambda: self.alarms.unacknowledged,
            devices.site,
            observatory.settings.weather_limits,
            observatory.settings.guard.silent_s,
            observatory.clock,
            devices.sky_clock,
            is_simulated=devices.is_ours,
            history=devices.history,
        )
        self.orders = WorkOrdersController(
            station.front_desk, observatory.orders, self._sql, who, devices.site, observatory.clock, devices.sky_clock
        )
        self.batches = BatchesController(
            observatory.batches,
            observatory.orders,
            observatory.log_records,
            station.front_desk,
            self._sql,
            who,
            observatory.clock,
            check=partial(check_in_child, own_command("process")),
            checks=self._checks,
            settings=observatory.settings,
        )
        self.frames = FramesController(self._pictures)
        self.health = HealthController(observatory.outbox, observatory.repository, self._sql, station.free_bytes)
        self.devices = DevicesController(
            self._network, observatory.settings, observatory.settings_file, observatory.database
        )
        self.batch_thread = BatchThread(observatory.processor)
        self.loop_watch = LoopWatch()
        self.quitting = QuitController(self.dome, parent=self)
        self._connect(who)

    def _connect(self, who: str) -> None:
        panel, station = self._panel, self._station
        limits, site = station.observatory.settings.weather_limits, station.devices.site
        connect_night(
            panel,
            self.dome,
            self.night,
            self.orders,
            self.batches,
            self.batch_thread,
            self.frames,
            limits,
            station.observatory.settings.guard.open_at,
        )
        connect_orders(
            panel, self.orders, self.batch_thread, site, station.observatory.clock, station.devices.sky_clock
        )
        connect_batches(panel, self.batches, self.batch_thread, self.frames, station.observatory.settings.quality)
        connect_frames(panel, self.frames)
        connect_log(panel, self.bridge, self.journal, self.alarms)
        connect_alarms(panel, self.alarms, self.guard, who)
        connect_settings(panel, self.devices, station.observatory.settings, station.observatory.settings_file)
        connect_foot(panel, station, self.health, self.batch_thread, self.batches, self.bridge)
        connect_question(panel.question, self.quitting)
        panel.night.guard.set_abandoned(closes=station.devices.enclosure.closes_when_abandoned)
        self.dome.state_changed.connect(self._say_who_commands)

    def _say_who_commands(self, state: DomeState, _: float) -> None:
        """The banner of a window that only watches."""
        if state.is_owner:
            self._panel.window.clear_banner("owner")
        else:
            who = state.owner or "another Cupola"
            watched = f"Commanded by {who}: from here you can watch the dome, close it, stop it, and take it over"
            self._panel.window.show_banner(watched, Severity.ATTENTION, "owner")

    def start(self) -> None:
        """Begin to read and to take orders."""
        self.bridge.start()
        self.orders.start()
        self.batches.look()
        self.health.start()
        self.night.look()
        if self._station.takes_orders:
            self.batch_thread.start()

    def stop_everything(self) -> None:
        """STOP: past every queue, in the thread of the press."""
        self.dome.stop()

    def close(self, then: Callable[[], None]) -> None:
        """Stop the batch, then everything else, then call `then`; the window stays alive meanwhile."""
        self._after_end = then
        self.batch_thread.finished.connect(self._take_apart)  # before the stop: it may end at once
        self.batch_thread.stop()
        if not self.batch_thread.isRunning():
            self._take_apart()

    def _take_apart(self) -> None:
        """Once, whoever calls first."""
        then, self._after_end = self._after_end, None
        if then is None:
            return
        for controller in (self.orders, self.health, self.bridge):
            controller.stop()
        self.batches.close()
        self.dome.close()
        self.night.close()
        self.alarms.close()
        self.journal.set_shown(False)
        self.guard.close()
        self.frames.close()
        logging.getLogger().removeHandler(self.bridge.handler)
        for executor in (self._sql, self._network, self._checks):
            executor.shutdown(wait=False, cancel_futures=True)
        self._pictures.shutdown(wait=False)  # what waits there closes the open frames
        then()

    def is_settled(self) -> bool:
        """Whether all that was asked before the last look has come, and every device was read; for pictures."""
        is_answered = all(barrier.done() for barrier in self._barriers)
        if is_answered:
            self._barriers = [executor.submit(_nothing) for executor in (self._sql, self._pictures)]
        return is_answered and self._station.is_read


def _nothing() -> None:
    """A barrier: what was asked before it is done when it is."""


def connect_station(panel: ControlPanel, station: Station) -> Connections:
    """Make the connections and start them."""
    from app.bootstrap.program import operator

    connections = Connections(panel, station, operator())
    connections.start()
    return connections
