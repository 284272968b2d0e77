"""The Batches page."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QSize
from PySide6.QtGui import QKeySequence, QShortcut

from app.controllers.batch_thread import BatchThread
from app.controllers.batches import BatchesController
from app.controllers.frames import FramesController
from app.model.batch import ProductKind
from app.model.settings import Quality
from app.model.story import BatchStory
from app.widgets.control_panel import ControlPanel
from app.widgets.film_strip import StripItem

_CARD = QSize(320, 240)


def connect_batches(
    panel: ControlPanel,
    batches: BatchesController,
    thread: BatchThread,
    frames: FramesController,
    limits: Quality,
) -> None:
    """Connect stories, runs and thumbnails to the Batches page, and its products to the film strip."""
    page = panel.batches
    page.story.trend.set_limits(limits)
    batches.lines_changed.connect(page.set_lines)
    batches.story_changed.connect(page.set_story)
    batches.accepted.connect(page.set_accepted)
    batches.accepted.connect(thread.wake)
    batches.refused.connect(page.show_refusal)
    batches.failed.connect(page.show_failure)
    page.story_requested.connect(batches.open_story)
    page.run_requested.connect(batches.run)
    page.resume_requested.connect(batches.resume)
    page.restart_requested.connect(batches.restart)
    page.cancel_requested.connect(batches.cancel)
    page.cancel_order_requested.connect(batches.cancel_order)
    page.check_requested.connect(batches.check)
    batches.checked.connect(page.set_preflight)
    batches.not_checked.connect(page.show_no_preflight)
    page.verdict_requested.connect(batches.decide)
    batches.decided.connect(page.show_verdict)

    thread.order_started.connect(batches.set_started)
    thread.progressed.connect(batches.set_event)
    thread.order_ended.connect(batches.set_ended)
    thread.order_put_off.connect(batches.set_ended)
    thread.duty_changed.connect(lambda on_duty: page.set_duty(True) if on_duty else None)
    thread.failed.connect(lambda sentence: page.set_duty(False, sentence))

    page.thumbnail_requested.connect(lambda path: frames.make_thumbnail(path, _CARD))
    frames.thumbnail_ready.connect(page.set_thumbnail)

    def open_frame(path: Path) -> None:
        panel.window.show_page(panel.frames.TITLE)
        panel.frames.open(path)

    def compare(raw: Path, calibrated: Path) -> None:
        panel.window.show_page(panel.frames.TITLE)
        panel.frames.compare(raw, calibrated, ("raw", "calibrated"))

    def show_log(key: int) -> None:
        panel.window.show_page(panel.log.TITLE)
        panel.log.show_batch(key)

    shown: list[tuple[StripItem, ...]] = [()]

    def fill_strip(story: BatchStory) -> None:
        items = tuple(
            StripItem(card.path, card.title, f"FWHM {card.fwhm}" if card.fwhm else "") for card in story.products
        )
        if items != shown[-1]:
            shown[-1] = items
            panel.frames.set_items(items)
            panel.frames.set_origins(_origins(story))

    def watch(title: str) -> None:
        batches.set_watching(title in (page.TITLE, panel.night.TITLE))
        if title == page.TITLE and not panel.window.rail.button(title).hasFocus():  # it came by keys, not by the rail
            page.list.focus_table()
        if title == panel.frames.TITLE and not panel.window.rail.button(title).hasFocus():
            panel.frames.strip.setFocus()

    def choose_folder() -> None:
        panel.window.show_page(page.TITLE)
        page.choose_folder()

    QShortcut(QKeySequence("Ctrl+Shift+N"), panel.window, choose_folder)  # a new batch, from any page
    page.frame_requested.connect(open_frame)
    page.compare_requested.connect(compare)
    page.log_requested.connect(show_log)
    batches.story_changed.connect(fill_strip)
    panel.window.page_changed.connect(watch)
    watch(panel.window.page)


def _origins(story: BatchStory) -> dict[Path, tuple[Path, Path]]:
    """For each light its raw frame and itself; for each stack those of its first light."""
    pairs = {card.path: (card.raw_path, card.path) for card in story.products if card.raw_path is not None}
    of_raw = {raw.name: (raw, calibrated) for raw, calibrated in pairs.values()}
    for card in story.products:
        inputs = [of_raw[name] for name in card.inputs if name in of_raw]
        if card.kind is ProductKind.LIGHT_STACK and inputs:
            pairs[card.path] = inputs[0]
    return pairs
