"""The Processor in the window: real orders, a real store, real child processes, and the page that shows them."""

from __future__ import annotations

import json
import logging
import sqlite3
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock

from app.bootstrap.observatory import Observatory, open_observatory
from app.controllers.batch_thread import BatchThread
from app.controllers.batches import BatchesController
from app.model.batch import ProductKind, Status
from app.model.work_order import OrderState, parse_work_order
from app.pipeline.events import BatchEnded, Progress
from app.pipeline.workers import ENVIRONMENT
from app.services.processor import BatchProcess, Processor
from app.store.batches import Batches
from app.store.engine import open_database
from app.store.work_orders import WorkOrders
from app.widgets.batches_page import BatchesPage
from tests.builders import small_night

PATIENCE_MS = 60_000


@pytest.fixture
def observatory() -> Iterator[Observatory]:
    with open_observatory() as opened:
        yield opened


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_night(tmp_path_factory.mktemp("raw") / "night").folder


def order(observatory: Observatory, folder: Path) -> Any:
    payload = {"id": folder.name, "request": "calibrate_file_batch", "datetime": "2026-03-15T08:00:00", "user": "t"}
    return observatory.front_desk.take_in(payload | {"url": str(folder)}, "t")[0]


class Heard:
    """What a thread said, in order."""

    def __init__(self, thread: BatchThread) -> None:
        self.started: list[Any] = []
        self.ended: list[Any] = []
        self.put_off: list[Any] = []
        self.events: list[Any] = []
        self.failures: list[str] = []
        thread.order_started.connect(lambda stored, batch: self.started.append((stored.name, batch.name)))
        thread.order_ended.connect(self.ended.append)
        thread.order_put_off.connect(self.put_off.append)
        thread.progressed.connect(self.events.append)
        thread.failed.connect(self.failures.append)


@contextmanager
def on_duty(processor: Processor) -> Iterator[tuple[BatchThread, Heard]]:
    thread = BatchThread(processor, retry_s=0.05)
    heard = Heard(thread)
    thread.start()
    try:
        yield thread, heard
    finally:
        thread.stop()
        assert thread.wait(20_000)


def is_amid_calibration(event: object) -> bool:
    return isinstance(event, Progress) and (event.name, event.done) == ("flat-dark correction", 1)


class Wired:
    """The page with its controllers, as the window wires them."""

    def __init__(self, observatory: Observatory, thread: BatchThread) -> None:
        self.lane = ThreadPoolExecutor(max_workers=1)
        self.controller = BatchesController(
            observatory.batches, observatory.orders, observatory.log_records, observatory.front_desk, self.lane, "ada"
        )
        self.page = BatchesPage()
        self.story: Any = None
        controller, page = self.controller, self.page
        controller.lines_changed.connect(page.set_lines)
        controller.story_changed.connect(page.set_story)
        controller.story_changed.connect(lambda story: setattr(self, "story", story))
        controller.accepted.connect(page.set_accepted)
        controller.accepted.connect(lambda stored: thread.wake())
        page.story_requested.connect(controller.open_story)
        page.run_requested.connect(controller.run)
        page.resume_requested.connect(controller.resume)
        page.cancel_requested.connect(controller.cancel)
        thread.order_started.connect(controller.set_started)
        thread.progressed.connect(controller.set_event)
        thread.order_ended.connect(controller.set_ended)

    def close(self) -> None:
        self.controller.close()
        self.lane.shutdown()


@contextmanager
def wired(observatory: Observatory, thread: BatchThread) -> Iterator[Wired]:
    window = Wired(observatory, thread)
    try:
        yield window
    finally:
        window.close()


def wait(qtbot: Any, is_so: Callable[[], bool]) -> None:
    qtbot.waitUntil(is_so, timeout=PATIENCE_MS)


@pytest.mark.logs_warnings
def test_folder_goes_from_the_page_to_stacks_with_progress(qtbot: Any, observatory: Observatory, night: Path) -> None:
    with on_duty(observatory.processor) as (thread, heard), wired(observatory, thread) as window:
        qtbot.addWidget(window.page)
        window.controller.set_watching(True)
        statuses = set()
        window.controller.story_changed.connect(lambda story: statuses.add(story.batch.status))
        window.page.set_folder(str(night))
        window.page._act()  # the button Run
        wait(qtbot, lambda: bool(heard.ended))
        wait(qtbot, lambda: window.story is not None and window.story.batch.status is Status.DONE_WITH_PROBLEMS)
        wait(qtbot, lambda: len(window.story.steps) == 8)
        assert Status.RUNNING in statuses
        story = window.story
        assert (story.groups[0].title, story.groups[0].count) == ("light R 30 s", 3)
        assert [card.kind for card in story.products].count(ProductKind.LIGHT_STACK) == 1
        assert all(card.path.is_file() for card in story.products)
        (use,) = story.uses
        assert (use.lights, use.subtracted_why) == ("R 30 s (3)", "dark of the same exposure, 30 s")
        assert [line.seconds is not None for line in story.steps] == [True] * 8
        assert any("light stack" in entry.message or "made from" in entry.message for entry in story.log)
        wait(qtbot, lambda: window.page.list.current.frames == 12)
        assert [stored.state for stored in heard.ended] == [OrderState.DONE_WITH_PROBLEMS]
        assert len(heard.started) == 1
        assert isinstance(heard.events[-1], BatchEnded)
    assert heard.failures == []


@pytest.mark.logs_warnings
def test_window_that_closes_amid_a_batch_leaves_its_order_waiting(
    qtbot: Any, observatory: Observatory, night: Path
) -> None:
    stored = order(observatory, night)
    with on_duty(observatory.processor) as (thread, heard):
        wait(qtbot, lambda: any(map(is_amid_calibration, heard.events)))
        thread.stop()
        assert thread.wait(15_000)
        wait(qtbot, lambda: bool(heard.put_off))
    assert heard.ended == []
    assert observatory.orders.by_key(stored.key).state is OrderState.WAITING
    with on_duty(observatory.processor) as (_, again):
        wait(qtbot, lambda: bool(again.ended))
    assert [one.state for one in again.ended] == [OrderState.DONE_WITH_PROBLEMS]
    (batch,) = observatory.batches.all()
    kinds = [one.kind for one in observatory.batches.combinations(batch.key)]
    assert len(kinds) == 7  # what the first window made was not made twice


@pytest.mark.logs_warnings
def test_operator_cancels_and_resumes(qtbot: Any, observatory: Observatory, night: Path) -> None:
    stored = order(observatory, night)
    with on_duty(observatory.processor) as (thread, heard), wired(observatory, thread) as window:
        qtbot.addWidget(window.page)
        window.controller.set_watching(True)
        wait(qtbot, lambda: any(map(is_amid_calibration, heard.events)))
        wait(qtbot, lambda: window.story is not None)
        window.page.cancel_requested.emit(window.story.batch.key)
        wait(qtbot, lambda: bool(heard.ended))
        assert [(one.key, one.state) for one in heard.ended] == [(stored.key, OrderState.CANCELLED)]
        wait(qtbot, lambda: "Resume goes on" in window.story.verdict)
        assert window.story.batch.status is Status.CANCELLED
        wait(qtbot, window.page.story.head.resume.isEnabled)
        window.page.story.head.resume.click()
        wait(qtbot, lambda: len(heard.ended) == 2)
        assert heard.ended[1].state is OrderState.DONE_WITH_PROBLEMS
        wait(qtbot, lambda: window.story.batch.status is Status.DONE_WITH_PROBLEMS)
    assert heard.put_off == []


@pytest.mark.logs_warnings
def test_folder_without_frames_fails_with_its_sentence(qtbot: Any, observatory: Observatory, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    with on_duty(observatory.processor) as (thread, heard), wired(observatory, thread) as window:
        qtbot.addWidget(window.page)
        window.controller.set_watching(True)
        window.controller.run(str(empty))
        wait(qtbot, lambda: bool(heard.ended))
        wait(qtbot, lambda: window.story is not None and window.story.batch.status is Status.FAILED)
        assert f"source {empty} has no FITS files" in window.story.verdict
        assert "check the path" in window.story.verdict
    assert [one.state for one in heard.ended] == [OrderState.FAILED]


def test_another_cupola_takes_the_orders_until_it_ends(
    qtbot: Any, observatory: Observatory, caplog: pytest.LogCaptureFixture
) -> None:
    other = FileLock(observatory.processor._lock_file)
    other.acquire()
    with on_duty(observatory.processor) as (thread, heard):
        wait(qtbot, lambda: len(heard.failures) >= 3)
        assert "another Cupola takes the orders" in heard.failures[0]
        with qtbot.waitSignal(thread.duty_changed, timeout=5_000) as changed:
            other.release()
        assert changed.args == [True]
    assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) == 1  # told once


@pytest.mark.logs_warnings
def test_locked_database_is_a_sentence_and_a_retry(qtbot: Any, tmp_path: Path, night: Path) -> None:
    file = tmp_path / "cupola.sqlite"
    database = open_database(f"sqlite:///{file}?timeout=0.1")
    child = [sys.executable, "-c", f"print({json.dumps(json.dumps({'event': 'BatchEnded', 'status': 'done'}))})"]
    orders, batches = WorkOrders(database), Batches(database)
    processor = Processor(orders, batches, BatchProcess(child, batches), tmp_path / "products", tmp_path / "lock")
    payload = {"id": "1", "request": "calibrate_file_batch", "datetime": "2026-03-15T08:00:00", "user": "t"}
    orders.add(parse_work_order(payload | {"url": str(night)}), database.clock.utc())
    holder = sqlite3.connect(file, isolation_level=None)
    try:
        holder.execute("BEGIN IMMEDIATE")
        with on_duty(processor) as (_, heard):
            wait(qtbot, lambda: len(heard.failures) >= 2)
            assert "locked" in heard.failures[0]
            holder.execute("ROLLBACK")
            wait(qtbot, lambda: bool(heard.ended))
        assert [one.state for one in heard.ended] == [OrderState.DONE]
    finally:
        holder.close()
        database.close()


def test_a_batch_keeps_its_memory_and_lets_no_library_start_threads(tmp_path: Path) -> None:
    said = "import json, os; print(json.dumps({'event': 'BatchEnded', 'status': 'done' if %s else 'failed'}))"
    is_so = f"all(os.environ.get(name) == text for name, text in {ENVIRONMENT!r}.items())"
    database = open_database(f"sqlite:///{tmp_path / 'cupola.sqlite'}")
    batches = Batches(database)
    batch = batches.open_batch(str(tmp_path / "raw"), tmp_path / "products")
    try:
        process = BatchProcess([sys.executable, "-c", said % is_so], batches)
        assert process.run(batch, lambda event: None, lambda: False) is Status.DONE
    finally:
        database.close()
    assert {"MALLOC_TRIM_THRESHOLD_", "OPENBLAS_NUM_THREADS"} <= ENVIRONMENT.keys()
