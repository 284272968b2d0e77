"""The foot line: the last event, the work behind the pages, and the health of what the window depends on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from PySide6.QtCore import QObject

from app.controllers.batch_thread import BatchThread
from app.controllers.batches import BatchesController
from app.controllers.health import Findings, HealthController
from app.controllers.log_bridge import LogBridge
from app.model.batch import FileBatch
from app.model.order_life import StoredOrder
from app.model.records import LogEntry
from app.model.strip import Severity
from app.pipeline.events import Cancelling, Event, Progress, StepStarted
from app.widgets.control_panel import ControlPanel
from app.widgets.foot_line import Health, Work

if TYPE_CHECKING:
    from app.bootstrap.station import Station

#: Less free space than this wants the operator.
LEAST_FREE_BYTES = 20e9


def connect_foot(
    panel: ControlPanel,
    station: Station,
    health: HealthController,
    thread: BatchThread,
    batches: BatchesController,
    bridge: LogBridge,
) -> None:
    """Connect everything that the foot line shows."""
    foot = panel.window.foot
    work = _RunningBatch(panel)
    thread.order_started.connect(work.begin)
    thread.progressed.connect(work.take)
    thread.order_ended.connect(work.end)
    thread.order_put_off.connect(work.end)
    foot.cancel_requested.connect(lambda: batches.cancel(work.key))

    def show_event(entries: tuple[LogEntry, ...]) -> None:
        foot.set_event(entries[-1].message, entries[-1].at)

    def show_health(findings: Findings) -> None:
        free = findings.disk_free
        is_short = free is not None and free < LEAST_FREE_BYTES
        foot.set_disk_free(free, Severity.ATTENTION if is_short else Severity.NORMAL)
        failure = findings.database_failure
        foot.set_database(
            Health("failed", Severity.ALARM, failure)
            if failure
            else Health("ok", Severity.NORMAL, "The database answers")
        )
        foot.set_mail(_mail(findings, is_set=bool(station.observatory.settings.mail.recipients)))

    bridge.entries_added.connect(show_event)
    health.looked.connect(show_health)
    if station.http is None:
        foot.set_front_desk(Health("closed", Severity.ATTENTION, station.http_failure or ""))
    else:
        foot.set_front_desk(Health("ok", Severity.NORMAL, f"Orders come in at {station.http.address}"))


def _mail(findings: Findings, *, is_set: bool) -> Health:
    if not is_set:
        return Health("off", Severity.NORMAL, "No mail server or no admins in the settings: errors are not mailed")
    waiting = findings.mails_waiting
    if waiting is None:
        return Health("unknown", Severity.ATTENTION, "The database does not say how many mails wait")
    if waiting:
        return Health(f"{waiting} waiting", Severity.ATTENTION, "These mails are sent as soon as the server takes them")
    return Health("ok", Severity.NORMAL, "No mail waits")


class _RunningBatch(QObject):
    """What the foot line says of the batch that runs."""

    def __init__(self, panel: ControlPanel) -> None:
        super().__init__(panel)
        self._foot = panel.window.foot
        self._name = ""
        self._work = Work("")
        self.key = 0

    def begin(self, stored: StoredOrder, batch: FileBatch) -> None:
        """An order began."""
        self._name, self.key = batch.name, batch.key
        self._work = Work("")
        self._set(Work(batch.name))

    def take(self, event: Event) -> None:
        """It went on."""
        if isinstance(event, StepStarted):
            self._set(Work(f"{self._name}: {event.name.replace('_', ' ')}"))
        elif isinstance(event, Progress):
            self._set(replace(self._work, done=event.done, total=event.total, eta_s=event.left_s))
        elif isinstance(event, Cancelling):
            self._set(replace(self._work, is_cancelling=True))

    def end(self, stored: StoredOrder) -> None:
        """It ended."""
        self.key = 0
        self._foot.set_work(None)

    def _set(self, work: Work) -> None:
        """Show it, and that it is being cancelled once it is."""
        self._work = replace(work, is_cancelling=work.is_cancelling or self._work.is_cancelling)
        self._foot.set_work(self._work)
