"""The Orders page."""

from __future__ import annotations

from PySide6.QtCore import QTimer

from app.controllers.batch_thread import BatchThread
from app.controllers.work_orders import WorkOrdersController
from app.model.clock import Clock
from app.model.settings import Site
from app.pipeline.events import Event, Progress
from app.widgets.control_panel import ControlPanel
from app.widgets.order_table import OrderProgress

_MINUTE_MS = 60_000


def connect_orders(
    panel: ControlPanel,
    orders: WorkOrdersController,
    thread: BatchThread,
    site: Site,
    clock: Clock,
    sky_clock: Clock,
) -> None:
    """Connect the queue, the form and the Processor's progress to the Orders page."""
    page = panel.orders
    page.set_operator(orders.who)
    page.set_site(site)
    page.set_now(sky_clock.utc(), clock.utc())
    minute = QTimer(page, interval=_MINUTE_MS)
    minute.timeout.connect(lambda: page.set_now(sky_clock.utc(), clock.utc()))
    minute.start()

    orders.orders_changed.connect(page.set_orders)
    orders.failed.connect(page.set_failure)
    orders.recovered.connect(page.set_recovered)
    orders.accepted.connect(page.show_accepted)
    orders.accepted.connect(thread.wake)
    orders.refused.connect(page.show_refused)
    page.submit_requested.connect(orders.submit)
    page.text_dropped.connect(orders.submit_text)
    page.file_dropped.connect(orders.submit_file)
    page.hold_requested.connect(orders.hold)
    page.release_requested.connect(orders.release)
    page.cancel_requested.connect(orders.cancel)

    running: list[int] = []

    def show_progress(event: Event) -> None:
        if running and isinstance(event, Progress):
            what = f"{event.name.replace('_', ' ')}: {event.what}"
            page.set_progress(running[-1], OrderProgress(event.done, event.total, what))

    def forget(stored: object) -> None:
        while running:
            page.set_progress(running.pop(), None)
        orders.refresh()

    thread.order_started.connect(lambda stored, batch: running.append(stored.key))
    thread.order_started.connect(lambda stored, batch: orders.refresh())
    thread.progressed.connect(show_progress)
    thread.order_ended.connect(forget)
    thread.order_put_off.connect(forget)
    thread.duty_changed.connect(lambda on_duty: orders.set_processor_failure("") if on_duty else None)
    thread.failed.connect(orders.set_processor_failure)

    def show_batch(name: str) -> None:
        panel.window.show_page(panel.batches.TITLE)
        panel.batches.select_batch(name)

    page.batch_requested.connect(show_batch)
