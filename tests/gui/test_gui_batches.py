"""The page of the batches: what is shown, what is wished, and that it stays calm while a batch runs."""

from __future__ import annotations

import hashlib
import statistics
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import QMimeData, QPoint, QPointF, QRect, Qt, QUrl
from PySide6.QtGui import QDropEvent, QImage
from PySide6.QtWidgets import QApplication, QLabel

from app.bootstrap.observatory import open_observatory
from app.controllers.batches import BatchesController
from app.model.batch import FileBatch, LeftOut, ProductKind, Severity, Status
from app.model.errors import StoreError
from app.model.frame import FrameKind
from app.model.order_life import StoredOrder
from app.model.preflight import DiskNeed, Doubt, Match, PlannedGroup, Preflight
from app.model.records import LogEntry
from app.model.story import BatchLine, BatchStory, Group, MasterUse, ProductCard, StepLine, Trouble
from app.model.work_order import OrderState, parse_work_order
from app.pipeline.events import Progress, StepStarted
from app.widgets import theme
from app.widgets.batches_page import BatchesPage
from app.widgets.state_panel import StatePanel
from app.widgets.value_table import Column, ValueModel, ValueTable
from tests.fakes import LaterExecutor

AT = datetime(2026, 3, 15, 1, 0, tzinfo=UTC)
NIGHT = BatchLine(2, "night", "/data/night", Status.DONE, night="2026-03-14", frames=12, warnings=3, errors=0)
OLD = BatchLine(1, "old", "/data/old", Status.FAILED, night="2025-01-01", frames=700, warnings=0, errors=1)


def batch(key=2, status=Status.DONE):
    return FileBatch(key, "night", "/data/night", Path("/products/night"), status, 1, 1, AT)


def card(key, kind=ProductKind.CALIBRATED_LIGHT, raw="/data/night/light.fits"):
    path = Path(f"/products/night/{kind}_{key}.fits")
    return ProductCard(
        key, kind, f"{kind} {key}", path, "R", "2.31″", "812 adu", "solved", inputs=("a",), raw_path=raw and Path(raw)
    )


def story(status=Status.DONE, lights=3, **changes):
    cards = [card(n) for n in range(1, lights + 1)]
    cards = [card(100, ProductKind.LIGHT_STACK, None), *cards, card(200, ProductKind.BIAS_MASTER, None)]
    told = BatchStory(
        batch(status=status),
        "2026-03-14",
        "",
        groups=(Group(FrameKind.LIGHT, "R", 30.0, "200 x 200", "1 x 1", "−10.0 °C", "M 57", 3, ("one is odd",)),),
        uses=(MasterUse("R 30 s (3)", "dark", "dark of 30 s", "flat of R", (("dark.fits", Path("/p/dark.fits")),)),),
        steps=(StepLine("ingest", "Ingest", Status.DONE, seconds=1.0), StepLine("astrometry", "Astrometry", status)),
        products=tuple(cards),
        troubles=(Trouble(Severity.WARNING, "astrometry", ("a", "b"), "unsolved: no position"),),
        log=tuple(LogEntry(2, AT, 20, "app", f"line {n}") for n in range(30)),
    )
    return replace(told, **changes)


PREFLIGHT = Preflight(
    "/data/new",
    None,
    (
        PlannedGroup(
            FrameKind.LIGHT, "light R 30 s M 57", 3, "cam, binning 1x1", (-10.0, -9.0), "3 calibrated, 1 stack"
        ),
    ),
    (Match(FrameKind.LIGHT, "light R 30 s (3 frames)", "dark", "dark of 30 s", "no flat", ("dark 30 s",), ()),),
    (Doubt(Severity.WARNING, "flat R", "only 2 frames"),),
    (LeftOut("out.fits", "an operator left it out"),),
    DiskNeed(0, 10**9, 2 * 10**9, 10**11),
    12.0,
    2,
)


@pytest.fixture
def page(qtbot):
    shown = BatchesPage()
    qtbot.addWidget(shown)
    shown.resize(1208, 624)
    shown.show()
    return shown


@pytest.fixture
def told(page):
    page.set_lines((NIGHT, OLD))
    page.set_story(story())
    return page


@pytest.fixture
def look(qapp) -> Iterator[QApplication]:
    yield qapp
    theme.apply(qapp, "dark")


def labels(widget):
    return " | ".join(label.text() for label in widget.findChildren(QLabel) if label.isVisible())


def test_empty_page_says_what_to_do(page):
    page.set_lines(())
    assert "No batch yet" in labels(page)
    assert "Ctrl+O" in labels(page)


def test_chosen_folder_waits_for_run(qtbot, page):
    page.set_lines((NIGHT, OLD))
    with qtbot.waitSignal(page.check_requested) as asked:
        page.set_folder("/data/new")
    assert asked.args == ["/data/new"]
    assert "Its headers are being looked at" in labels(page)
    assert "Choose Run to calibrate" in labels(page)
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)
    with qtbot.waitSignal(page.run_requested) as wished:
        qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert wished.args == ["/data/new"]


def test_preflight_tells_what_is_wrong_first_and_runs(qtbot, page):
    page.set_lines((NIGHT, OLD))
    page.set_folder("/data/new")
    page.set_preflight(replace(PREFLIGHT, source="/data/another"))  # was chosen before
    assert page.preflight.isHidden()
    page.set_preflight(PREFLIGHT)

    told = labels(page.preflight)
    assert "READY, WITH 1 WARNING" in told
    assert told.index("flat R: only 2 frames") < told.index("FRAMES") < told.index("MASTERS") < told.index("LEFT OUT")
    assert "Nothing was written." in told
    assert "All of cam, binning 1x1" in told
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)
    with qtbot.waitSignal(page.run_requested) as wished:
        qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)
    assert wished.args == ["/data/new"]
    with qtbot.waitSignal(page.check_requested):
        page.preflight.again.click()


def test_preflight_with_an_error_does_not_run(qtbot, page):
    page.set_lines((NIGHT, OLD))
    page.set_folder("/data/new")
    page.set_preflight(replace(PREFLIGHT, doubts=(Doubt(Severity.ERROR, "disk", "is full"),)))

    assert "CANNOT RUN: 1 ERROR" in labels(page.preflight)
    assert not page.preflight.run.isEnabled()
    page.activateWindow()
    qtbot.waitUntil(page.isActiveWindow)
    with qtbot.assertNotEmitted(page.run_requested):
        qtbot.keyClick(page, Qt.Key.Key_Return, Qt.KeyboardModifier.ControlModifier)


def test_preflight_that_cannot_be_told_leaves_the_folder_to_run(qtbot, page):
    page.set_lines((NIGHT, OLD))
    page.set_folder("/data/new")
    page.show_no_preflight("the disk hangs")

    assert "the disk hangs" in labels(page)
    with qtbot.waitSignal(page.run_requested):
        page.findChild(StatePanel).action_requested.emit()


def test_batch_is_checked_and_resumed_or_left_as_it_is(qtbot, told):
    with qtbot.waitSignal(told.check_requested) as asked:
        told.story.head.check.click()
    assert asked.args == ["/data/night"]
    told.set_story(story(lights=2))  # a look meanwhile changes nothing
    found = replace(PREFLIGHT, source="/data/night", batch="night")
    told.set_preflight(found)
    assert told.preflight.isVisible()
    assert told.preflight.run.text() == "Resume"
    with qtbot.waitSignal(told.resume_requested) as wished:
        told.preflight.run.click()
    assert wished.args == [2]
    told.preflight.back.click()
    assert told.story.isVisible()


def test_operator_decides_about_an_exposure(qtbot, told):
    told.set_story(story(lights=1))
    grid = next(grid for _, grid, kind in told.story.products._grids if ProductKind.CALIBRATED_LIGHT in kind.kinds)
    for text, is_used in (("Leave out of stacks", False), ("Take anyway", True), ("As found", None)):
        grid.customContextMenuRequested.emit(grid.visualRect(grid.cards.index(0, 0)).center())
        menu = QApplication.activePopupWidget()
        action = next(action for action in menu.actions() if action.text() == text)
        with qtbot.waitSignal(told.verdict_requested) as wished:
            action.trigger()
        menu.close()
        assert wished.args == ["/data/night", "a", is_used]


def test_a_better_master_that_came_since_is_told_calmly_below_what_was_used(told):
    (use,) = story().uses
    sentence = "now there is near.fits of 2026-03-13, 1 day before, from 5 frames: restart the batch to use it"
    told.set_story(story(uses=(replace(use, better_now=sentence),)))
    (word, text) = told.story._better._rows[0]
    assert (word.property("role"), text.text()) == ("dim", f"R 30 s (3): {sentence}")
    assert f"R 30 s (3): {sentence}" in labels(told)
    told.set_story(story())
    assert sentence not in labels(told)


def test_what_was_left_out_is_taken_back_and_looked_at_again(qtbot, page):
    page.set_lines((NIGHT, OLD))
    page.set_folder("/data/new")
    page.set_preflight(PREFLIGHT)
    page.preflight._left_out.customContextMenuRequested.emit(QPoint(5, 5))
    menu = QApplication.activePopupWidget()
    with qtbot.waitSignal(page.verdict_requested) as wished:
        menu.actions()[2].trigger()
    menu.close()
    assert wished.args == ["/data/new", "out.fits", None]
    with qtbot.waitSignal(page.check_requested):
        page.show_verdict("out.fits is taken as it is found")


def test_folder_of_a_known_batch_shows_its_story(qtbot, page):
    page.set_lines((NIGHT, OLD))
    with qtbot.waitSignal(page.story_requested) as wished:
        page.set_folder("/data/old")
    assert wished.args == [1]


def test_accepted_order_is_shown_until_its_batch_begins(qtbot, page):
    page.set_lines((NIGHT, OLD))
    page.set_folder("/data/new")
    page.set_accepted(accepted("/data/new"))
    page.set_lines((BatchLine(0, "new", "/data/new", Status.WAITING, "u/1", 1), NIGHT, OLD))
    assert "1 order is before it" in labels(page)
    with qtbot.waitSignal(page.story_requested) as wished:
        page.set_lines((BatchLine(3, "new", "/data/new", Status.RUNNING, "u/1"), NIGHT, OLD))
    assert wished.args == [3]


def test_waiting_order_is_taken_back(qtbot, page):
    page.set_lines((BatchLine(0, "new", "/data/new", Status.WAITING, "u/1"),))
    with qtbot.waitSignal(page.cancel_order_requested) as wished:
        page._panel.action_requested.emit()
    assert wished.args == ["u/1"]


def accepted(url):
    payload = {"id": "1", "user": "u", "request": "calibrate_file_batch", "url": url, "datetime": "2026-03-15T00:00:00"}
    return StoredOrder(1, parse_work_order(payload), OrderState.WAITING, AT)


def test_updates_keep_selection_and_sorting(qtbot, told):
    table = told.list._table
    told.list.select("/data/old")
    told.list.restore_view({"sort": [3, True]})  # frames, most first
    assert [line.key for line in table.values.values] == [1, 2]
    with qtbot.assertNotEmitted(told.story_requested), qtbot.assertNotEmitted(table.model().modelReset):
        told.set_lines((replace(NIGHT, frames=800), OLD))
    assert [line.key for line in table.values.values] == [2, 1]
    assert told.list.current.key == 1


def test_filter_finds_by_every_word_and_says_what_it_hides(told):
    told.focus_filter()
    told.list._filter.setText("2026-03 NIGHT")
    assert [line.key for line in told.list._table.values.values] == [2]
    assert "1 of 2 batches hidden" in labels(told)


def test_story_of_another_batch_is_not_shown(told):
    told.set_story(story(batch=batch(key=1), groups=()))
    assert told.story.key == 2


def test_failed_batch_tells_its_sentence_beside_resume(qtbot, told):
    sentence = "Transfer failed: source /x has no FITS files: check the path."
    told.set_story(story(Status.FAILED, verdict=sentence))
    assert sentence in labels(told)
    assert "FAILED" in labels(told)
    assert told.story.head.resume.property("kind") == "primary"
    with qtbot.waitSignal(told.resume_requested) as wished:
        told.story.head.resume.click()
    assert wished.args == [2]
    with qtbot.waitSignal(told.restart_requested):
        told.story.head.restart.click()


def test_running_batch_is_cancelled_by_holding_and_says_why_nothing_else_can_be_done(qtbot, told):
    told.set_story(story(Status.RUNNING))
    head = told.story.head
    assert not head.resume.isEnabled()
    assert head.resume.toolTip() == head.resume.accessibleDescription() == "It runs: cancel it first"
    with qtbot.assertNotEmitted(told.cancel_requested, wait=50):
        qtbot.mouseClick(head.cancel, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(told.cancel_requested, timeout=5000) as wished:
        qtbot.mousePress(head.cancel, Qt.MouseButton.LeftButton)
    assert wished.args == [2]


def test_progress_is_told_in_words(told):
    line = StepLine("astrometry", "Astrometry", Status.RUNNING, 3, 12, "light_4.fits", 30.0, 5.0)
    steps = (StepLine("ingest", "Ingest", Status.DONE), line)
    told.set_story(story(Status.RUNNING, steps=steps, more_steps=1, part=0.25, left_s=90.0))
    whole = told.story.head._now.toolTip()
    assert whole == "Step 2 of 3: astrometry, 3 of 12 light_4.fits, 30 s, about 1 m 30 s left"
    assert told.story.steps.values.rowCount() == 3
    assert told.story.head._bar.value() == told.story.head._bar.maximum() / 4  # of the bytes, not of the steps


def test_story_that_changes_keeps_place_and_choice_and_is_quick(qtbot, told):
    full = story(Status.RUNNING, lights=60)
    told.set_story(full)
    told.story.products._grids[1][1].unfold()
    told.story.products.select(2)
    bar = told.story.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 2000)
    bar.setValue(900)
    QApplication.processEvents()
    resets = []
    for grid in told.story.products._grids:
        grid[1].cards.modelReset.connect(lambda: resets.append(1))
    spent_ms = []
    for n in range(40):
        line = StepLine("astrometry", "Astrometry", Status.RUNNING, n, 60, f"light_{n}.fits", float(n), 60.0 - n)
        newest = (*full.log[1:], LogEntry(2, AT, 20, "app", f"new {n}"))
        began = time.perf_counter()
        told.set_story(replace(full, steps=(full.steps[0], line), log=newest))
        QApplication.processEvents()
        spent_ms.append((time.perf_counter() - began) * 1e3)
    assert statistics.median(spent_ms) < 16.0
    assert bar.value() == 900
    assert told.story.products.current.key == 2
    assert resets == []


def test_what_is_read_stays_when_something_above_grows(qtbot, told):
    bar = told.story.verticalScrollBar()
    qtbot.waitUntil(lambda: bar.maximum() > 300)
    told.story.show_products()
    qtbot.waitUntil(lambda: bar.value() > 0)
    before = told.story._made.y()
    offset = before - bar.value()
    told.set_story(story(troubles=tuple(Trouble(Severity.ERROR, "s", (f"f{n}",), f"fault {n}") for n in range(8))))
    qtbot.waitUntil(lambda: told.story._made.y() - bar.value() == offset and told.story._made.y() > before + 100)


def test_product_opens_by_enter_and_compares_by_shift_enter(qtbot, told):
    told.list.entered.emit(NIGHT)  # Enter in the list leads to the products
    stacks, lights = told.story.products._grids[0][1], told.story.products._grids[1][1]
    with qtbot.waitSignal(told.frame_requested) as opened:
        qtbot.keyClick(stacks, Qt.Key.Key_Return)
    assert opened.args == [Path("/products/night/light_stack_100.fits")]
    told.story.products.select(2)
    with qtbot.waitSignal(told.compare_requested) as compared:
        qtbot.keyClick(lights, Qt.Key.Key_Return, Qt.KeyboardModifier.ShiftModifier)
    assert compared.args == [Path("/data/night/light.fits"), Path("/products/night/calibrated_light_2.fits")]
    assert not stacks.selectionModel().hasSelection()


def test_master_has_no_raw_frame_to_compare_with_and_says_so(told):
    told.story.products.select(200)
    button = told.story.products._detail.compare_button
    assert not button.isEnabled()
    assert "one raw frame" in button.toolTip()


def test_log_row_leads_to_the_log_of_the_batch(qtbot, told):
    assert [entry.message for entry in told.story._log.values.values] == [f"line {n}" for n in range(20, 30)]
    with qtbot.waitSignal(told.log_requested) as wished:
        told.story._log.activated.emit(told.story._log.values.index(0, 0))
    assert wished.args == [2]


def test_thumbnails_are_asked_for_once_and_only_in_sight(qtbot, page):
    asked = []
    page.thumbnail_requested.connect(asked.append)
    page.set_lines((NIGHT,))
    page.set_story(story(lights=200))
    page.story.products._grids[1][1].unfold()
    qtbot.waitUntil(lambda: page.story.verticalScrollBar().maximum() > 2000)
    page.story.show_products()
    qtbot.waitUntil(lambda: len(asked) > 2)
    page.story.products.update()
    QApplication.processEvents()
    assert len(asked) == len(set(asked)) < 30


def test_red_theme_has_neither_green_nor_blue(qtbot, look, told):
    theme.apply(look, "red")
    grey = QImage(64, 48, QImage.Format.Format_Grayscale8)
    grey.fill(Qt.GlobalColor.white)
    told.story.show_products()
    told.set_thumbnail(Path("/products/night/light_stack_100.fits"), grey)
    told.story.products.select(1)
    QApplication.processEvents()
    image = told.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.width(), 4)
    assert pixels[..., :2].max() == 0
    assert pixels[..., 2].max() == 255


def drop(page, *urls):
    mime = QMimeData()
    mime.setUrls([QUrl(url) for url in urls])
    action, button, key = Qt.DropAction.CopyAction, Qt.MouseButton.LeftButton, Qt.KeyboardModifier.NoModifier
    page.dropEvent(QDropEvent(QPointF(QPoint(5, 5)), action, mime, button, key))


def test_dropped_folder_or_file_is_chosen(page, tmp_path):
    page.set_lines((NIGHT,))
    (tmp_path / "a.fits").touch()
    drop(page, tmp_path.as_uri())
    assert page.view_state()["folder"] == str(tmp_path)
    page.set_folder("/elsewhere")
    drop(page, (tmp_path / "a.fits").as_uri())
    assert page.view_state()["folder"] == str(tmp_path)


def test_dropped_address_is_refused_with_a_remedy(page):
    page.set_lines((NIGHT,))
    drop(page, "https://example.org/night")
    assert "copy the frames to a folder" in labels(page)


def test_failure_keeps_the_list_and_says_that_it_is_old(page):
    page.show_failure("the database is locked: wait")
    assert "The batches cannot be read" in labels(page)
    page.set_lines((NIGHT,))
    page.show_failure("the database is locked: wait")
    assert "Not up to date: the database is locked: wait" in labels(page)
    assert page.list.current == NIGHT
    page.set_lines((NIGHT,))
    assert "Not up to date" not in labels(page)


def test_duty_of_another_cupola_is_told(page):
    page.set_lines((NIGHT,))
    page.set_duty(False, "another Cupola takes the orders")
    assert "another Cupola takes the orders" in labels(page)
    page.set_duty(True)
    assert "another Cupola" not in labels(page)


def test_view_comes_back(qtbot, told):
    told.list.select("/data/old")
    told.list._filter.setText("o")
    state = told.view_state()
    again = BatchesPage()
    qtbot.addWidget(again)
    again.restore_view(state)
    again.set_lines((NIGHT, OLD))
    assert again.list.current == OLD
    assert again.view_state()["list"]["filter"] == "o"


@pytest.mark.parametrize("state", [{}, {"list": 3, "batch": 4, "scroll": "x", "split": [0, "a"], "folder": 1}])
def test_nonsense_is_no_view(page, state):
    page.restore_view(state)
    page.set_lines((NIGHT, OLD))
    assert page.list.current == NIGHT


@pytest.fixture
def observatory():
    with open_observatory() as opened:
        yield opened


@pytest.fixture
def lane():
    return LaterExecutor()


@pytest.fixture
def controller(qtbot, observatory, lane):
    desk = observatory.front_desk
    made = BatchesController(observatory.batches, observatory.orders, observatory.log_records, desk, lane, "ada")
    yield made
    made.close()


def test_preflight_is_told_beside_the_database_lane(qtbot, observatory, lane):
    def check(source):
        if source == "/nope":
            raise StoreError("the database is gone")
        return replace(PREFLIGHT, source=source)

    checks = LaterExecutor()
    parts = observatory.batches, observatory.orders, observatory.log_records, observatory.front_desk
    made = BatchesController(*parts, lane, "ada", check=check, checks=checks)
    with qtbot.waitSignal(made.checked) as told:
        made.check("/data/new")
        checks.work()
    assert told.args == [replace(PREFLIGHT, source="/data/new")]
    with qtbot.waitSignal(made.not_checked) as failed:
        made.check("/nope")
        checks.work()
    assert failed.args == ["the database is gone"]
    made.close()


def test_decision_about_a_file_is_remembered_by_its_content(qtbot, controller, observatory, lane, tmp_path):
    (tmp_path / "a.fits").write_bytes(b"abc")
    with qtbot.waitSignal(controller.decided) as told:
        controller.decide(str(tmp_path), "a.fits", False)
        lane.work()
    assert told.args == ["a.fits is left out from the next run on: resume the batch"]
    assert observatory.batches.overrides() == {hashlib.sha256(b"abc").hexdigest(): False}
    assert observatory.batches.decided_names() == {"a.fits"}
    with qtbot.waitSignal(controller.decided) as told:
        controller.decide(str(tmp_path), "a.fits", None)
        lane.work()
    assert told.args == ["a.fits is taken as it is found from the next run on: resume the batch"]
    assert observatory.batches.overrides() == {}
    back, left_out = observatory.journal.newest(3)
    assert (left_out.who, left_out.what, left_out.subject) == ("ada", "frame verdict", "a.fits")
    assert (left_out.detail, back.detail) == (
        {"before": "as found", "after": "leave out"},
        {"before": "leave out", "after": "as found"},
    )
    assert left_out.at <= back.at
    with qtbot.waitSignal(controller.refused) as refused:
        controller.decide(str(tmp_path), "gone.fits", None)
        lane.work()
    assert "gone.fits" in refused.args[0]
    assert len(observatory.journal.newest(3)) == 2


def test_answer_to_an_outdated_question_is_dropped(controller, observatory, lane, tmp_path):
    first, second = (observatory.batches.open_batch(str(tmp_path / name), tmp_path).key for name in ("a", "b"))
    stories = []
    controller.story_changed.connect(lambda told: stories.append(told.batch.key))
    controller.open_story(first)
    controller.open_story(second)
    lane.work()
    assert stories == [second]


def test_orders_are_submitted_under_the_name_of_the_operator(controller, observatory, lane, tmp_path):
    accepted_orders, lines = [], []
    controller.accepted.connect(accepted_orders.append)
    controller.lines_changed.connect(lines.append)
    controller.run(str(tmp_path))
    lane.work()
    (stored,) = accepted_orders
    assert (stored.order.user, stored.order.url, stored.state) == ("ada", str(tmp_path), OrderState.WAITING)
    assert [(line.key, line.name, line.status) for line in lines[-1]] == [(0, tmp_path.name, Status.WAITING)]
    controller.cancel_order(stored.name)
    lane.work()
    assert lines[-1] == ()


def test_batch_run_by_a_command_elsewhere_cannot_be_cancelled_here(qtbot, controller, observatory, lane, tmp_path):
    key = observatory.batches.open_batch(str(tmp_path), tmp_path).key
    with qtbot.waitSignal(controller.refused) as refusal:
        controller.cancel(key)
        lane.work()
    assert "stop it there" in refusal.args[0]


@pytest.mark.logs_warnings
def test_relative_folder_is_refused_with_a_sentence(qtbot, controller, lane):
    with qtbot.waitSignal(controller.refused) as refusal:
        controller.run("night")
        lane.work()
    assert "absolute path" in refusal.args[0]


def test_failure_is_told_and_the_next_success_too(qtbot, controller, observatory, lane, monkeypatch):
    class Broken:
        def all(self):
            raise StoreError("the database is locked")

    with qtbot.waitSignal(controller.lines_changed):
        controller.look()
        lane.work()
    good = controller._stories._batches
    controller._stories._batches = Broken()
    with qtbot.waitSignal(controller.failed) as failure:
        controller.look()
        lane.work()
    assert failure.args == ["the database is locked"]
    controller._stories._batches = good
    with qtbot.waitSignal(controller.lines_changed):
        controller.look()
        lane.work()


def test_events_reach_the_story_between_readings(qtbot, controller, observatory, lane, tmp_path):
    opened = observatory.batches.open_batch(str(tmp_path), tmp_path)
    observatory.batches.set_status(opened.key, Status.RUNNING)
    controller.open_story(opened.key)
    lane.work()
    controller.set_started(accepted(str(tmp_path)), opened)
    controller.set_event(StepStarted("astrometry", 6, 8))
    with qtbot.waitSignal(controller.story_changed) as told_now:
        controller.set_event(Progress("astrometry", 2, 5, "light_2.fits"))
    (line,) = told_now.args[0].steps
    assert (line.title, line.done, line.total, line.what) == ("Astrometry", 2, 5, "light_2.fits")
    assert told_now.args[0].more_steps == 7


def shown_order(view):
    parts = {"found": view._found, "steps": view._done, "products": view._made}
    return sorted(parts, key=lambda name: parts[name].y())


@pytest.mark.parametrize(
    ("status", "order"),
    [
        (Status.DONE, ["products", "found", "steps"]),
        (Status.DONE_WITH_PROBLEMS, ["products", "found", "steps"]),
        (Status.RUNNING, ["steps", "found", "products"]),
        (Status.FAILED, ["found", "steps", "products"]),
    ],
)
def test_what_is_looked_for_stands_first(told, status, order):
    told.set_story(story(status))
    QApplication.processEvents()
    assert shown_order(told.story) == order
    assert told.story._faults.y() < told.story._found.y()


def test_result_of_a_batch_is_told_in_one_sentence(told):
    assert "1 stack, 3 lights and 1 master of 3 frames, in 1.0 s" in labels(told)
    told.set_story(story(Status.RUNNING))
    assert "1 stack, 3 lights" not in labels(told)


def test_many_lights_are_folded_until_all_are_wished_for_and_come_in_turns(qtbot, told):
    told.set_story(story(lights=100))
    lights = told.story.products._grids[1][1]
    qtbot.waitUntil(lambda: not lights._adding.isActive())
    folded = lights.cards.rowCount()
    assert 4 <= folded <= 20
    assert lights.more.text() == "Show all 100 lights"
    lights.more.click()
    assert lights.cards.rowCount() < 100
    qtbot.waitUntil(lambda: lights.cards.rowCount() == 100)
    assert not lights.more.isVisible()
    told.set_story(story(lights=101))
    assert lights.cards.rowCount() == 101  # what is unfolded stays so
    told.set_lines((NIGHT, OLD))
    told.select_batch(1)
    told.set_story(story(lights=100, batch=batch(key=1)))
    qtbot.waitUntil(lambda: lights.cards.rowCount() == folded)


def test_folded_light_is_found_by_its_key(qtbot, told):
    told.set_story(story(lights=100))
    assert told.story.products.select(77)
    assert told.story.products.current.key == 77


def test_picture_fills_its_card(qtbot, told):
    wide = QImage(320, 240, QImage.Format.Format_Grayscale8)
    wide.fill(Qt.GlobalColor.white)
    told.set_thumbnail(Path("/products/night/light_stack_100.fits"), wide)
    stacks = told.story.products._grids[0][1]
    QApplication.processEvents()
    image = stacks.viewport().grab().toImage()
    rect = stacks.visualRect(stacks.cards.index(0, 0))
    row = [image.pixelColor(x, rect.top() + 60).lightness() > 240 for x in range(rect.left(), rect.right() - 7)]
    assert sum(not lit for lit in row) <= 2


def lit_columns(image, ground):
    return [x for x in range(image.width()) if any(image.pixel(x, y) != ground for y in range(4, image.height() - 6))]


def test_cells_stand_below_their_titles(qtbot, look):
    theme.apply(look, "dark")
    columns = (Column("HHH", lambda text: text, 200), Column("HHH", lambda text: text, 200, is_number=True))
    table = ValueTable(ValueModel(columns, lambda text: text), "Test")
    qtbot.addWidget(table)
    table.values.set_values(("HHH",))
    table.resize(420, 100)
    table.show()
    ground = theme.current().color("panel").rgb()
    places = []
    for part, height in ((table.horizontalHeader().viewport(), 20), (table.viewport(), theme.ROW_PX)):
        lit = lit_columns(part.grab(QRect(0, 0, 400, height)).toImage(), ground)
        left = [x for x in lit if x < 200]
        places.append((min(left), max(lit)))
    assert places[0] == pytest.approx(places[1], abs=1)


def test_name_is_told_without_the_date_that_stands_beside_it(page):
    page.set_lines((replace(NIGHT, name="2026-03-14_field_7"), replace(OLD, name="2025-01-01")))
    table = page.list._table.values
    assert [table.index(row, 1).data() for row in (0, 1)] == ["field_7", "2025-01-01"]
    assert table.index(0, 1).data(Qt.ItemDataRole.ToolTipRole).startswith("2026-03-14_field_7, from")


def test_problems_are_counted_in_the_list(page):
    page.set_lines((replace(NIGHT, status=Status.DONE_WITH_PROBLEMS), OLD))
    table = page.list._table.values
    assert [table.index(row, 2).data() for row in (0, 1)] == ["3 problems", "FAILED"]
