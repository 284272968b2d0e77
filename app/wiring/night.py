"""The Night page, the strip and STOP."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject, QSize
from PySide6.QtGui import QImage

from app.controllers.batch_thread import BatchThread
from app.controllers.batches import BatchesController
from app.controllers.dome import DomeController
from app.controllers.frames import FramesController
from app.controllers.night import NightController
from app.controllers.work_orders import WorkOrdersController
from app.model.batch import ProductKind
from app.model.dome import DomeState
from app.model.order_life import StoredOrder
from app.model.order_queue import OrderLine
from app.model.queue_item import QueueItem, queue_of
from app.model.settings import WeatherLimits
from app.model.story import BatchStory, ProductCard
from app.model.surroundings import Moment
from app.pipeline.events import Event, Progress
from app.widgets.control_panel import ControlPanel

#: The picture of the newest frame is made at this size.
PICTURE = QSize(1100, 900)


def connect_night(
    panel: ControlPanel,
    dome: DomeController,
    night: NightController,
    orders: WorkOrdersController,
    batches: BatchesController,
    batch_thread: BatchThread,
    frames: FramesController,
    limits: WeatherLimits,
    open_at: float,
) -> None:
    """Connect dome, surroundings, queue and newest frame to the Night page and the strip."""
    page = panel.night
    surroundings = night.surroundings

    def show_dome(state: DomeState, now_s: float) -> None:
        page.set_dome(state, surroundings().mount, now_s)

    def show_moments(moments: tuple[Moment, ...], now: float) -> None:
        page.set_moments(moments, limits, now, open_at)

    dome.state_changed.connect(show_dome)
    dome.said.connect(page.show_message)
    dome.stop_said.connect(panel.stop.set_notice)
    page.wished.connect(dome.ask)
    page.dome.follow_requested.connect(dome.follow)
    page.dome.take_over_requested.connect(dome.take_over)
    night.strip_changed.connect(panel.window.set_values)
    night.moments_changed.connect(show_moments)
    queue = _Queue(panel)
    orders.orders_changed.connect(queue.take_lines)
    batch_thread.progressed.connect(queue.take_event)
    batch_thread.order_ended.connect(queue.forget)
    batch_thread.order_put_off.connect(queue.forget)
    page.page_requested.connect(panel.window.show_page)
    page.order_requested.connect(partial(_show_order, panel))
    page.frame_requested.connect(lambda path: _open_frame(panel, Path(path)))
    newest = _NewestFrame(panel, frames)
    batches.story_changed.connect(newest.take)
    frames.thumbnail_ready.connect(newest.show)


def _show_order(panel: ControlPanel, name: str) -> None:
    panel.window.show_page(panel.orders.TITLE)
    panel.orders.select_order(name)


def _open_frame(panel: ControlPanel, path: Path) -> None:
    panel.window.show_page(panel.frames.TITLE)
    panel.frames.open(path)


class _Queue(QObject):
    """The running order, with the progress of what runs."""

    def __init__(self, panel: ControlPanel) -> None:
        super().__init__(panel)
        self._page = panel.night
        self._running: QueueItem | None = None
        self._next: tuple[QueueItem, ...] = ()
        self._progress: Progress | None = None

    def take_lines(self, lines: tuple[OrderLine, ...]) -> None:
        """The queue changed."""
        self._running, self._next = queue_of(lines)
        self._show()

    def take_event(self, event: Event) -> None:
        """What runs went on."""
        if isinstance(event, Progress):
            self._progress = event
            self._show()

    def forget(self, stored: StoredOrder) -> None:
        """What ran has ended."""
        self._progress = None

    def _show(self) -> None:
        running, progress = self._running, self._progress
        if running is not None and progress is not None:
            why = f"{progress.name.replace('_', ' ')}: {progress.what}"
            running = replace(running, why=why, progress=(progress.done, progress.total))
        self._page.set_queue(running, self._next)


class _NewestFrame(QObject):
    """The newest product of the batch that is shown, as the picture of the night."""

    def __init__(self, panel: ControlPanel, frames: FramesController) -> None:
        super().__init__(panel)
        self._panel = panel
        self._frames = frames
        self._card: ProductCard | None = None
        self._width = 0

    def take(self, story: BatchStory) -> None:
        """Ask for the picture of the newest stack, or of the newest product while there is none."""
        stacks = [card for card in story.products if card.kind is ProductKind.LIGHT_STACK]
        cards = stacks or list(story.products)
        if cards and (self._card is None or cards[-1].path != self._card.path):
            self._card, self._width = cards[-1], 0
            self._frames.make_thumbnail(self._card.path, PICTURE)

    def show(self, path: Path, image: QImage) -> None:
        """Show it."""
        card = self._card
        if card is None or path != card.path or image.width() <= self._width:
            return  # another picture, none, or a smaller one of the same
        self._width = image.width()
        numbers = (("FWHM", card.fwhm), ("sky", card.sky), ("WCS", card.wcs), ("frames", str(len(card.inputs))))
        self._panel.night.set_frame(image, card.title, tuple((name, text) for name, text in numbers if text), str(path))
