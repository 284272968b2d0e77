import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from PySide6.QtCore import QItemSelectionModel, Qt
from PySide6.QtGui import QGuiApplication
from PySide6.QtTest import QTest

from app.controllers.log_bridge import LogBridge
from app.model.errors import StoreError
from app.model.records import LogEntry
from app.store.batches import Batches
from app.store.engine import open_database
from app.store.log_records import LogRecords
from app.widgets import theme
from app.widgets.log_page import LogPage
from app.widgets.log_table import MOST_ROWS, LogFilter, LogModel, level_text, source_text
from tests.fakes import FakeClock

NOW = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)


def entry(number, level=logging.INFO, source="app.services.dome", batch=None, message="", **more):
    name = f"night{batch}" if batch else ""
    at = NOW + timedelta(seconds=number)
    return LogEntry(batch, at, level, source, message or f"line {number}", number, name, **more)


def messages(model):
    return [model.entry(row).message for row in range(model.rowCount())]


def top(page):
    return page._model.entry(page._table.verticalScrollBar().value()).message


@pytest.fixture
def page(qtbot, qapp):
    if theme.current() is not theme.DARK or not qapp.styleSheet():
        theme.apply(qapp, "dark")
    page = LogPage()
    qtbot.addWidget(page)
    page.resize(1208, 624)
    page.show()
    return page


@pytest.fixture
def lane():
    with ThreadPoolExecutor(1) as lane:
        yield lane


@pytest.fixture
def database(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'cupola.db'}")
    yield database
    database.close()


def is_filtered(qtbot, page):
    qtbot.waitUntil(lambda: not page._model.is_filtering)


def test_records_stand_in_order_of_time_however_they_come(qtbot):
    model = LogModel()
    model.add([entry(n) for n in (5, 6, 9)])
    model.add([entry(n) for n in (10, 4, 7, 8, 11)])
    assert messages(model) == [f"line {n}" for n in range(4, 12)]


def test_filters_by_level_words_source_and_batch(qtbot):
    model = LogModel()
    model.add([entry(1, logging.WARNING, message="Dome NOT read"), entry(2, source="app.services.dome_old")])
    model.add([entry(3, source="app.services.dome.slit", batch=2), entry(4, logging.ERROR, "app.pipeline", batch=2)])
    for chosen, lines in (
        (LogFilter(level=logging.WARNING), ["Dome NOT read", "line 4"]),
        (LogFilter(text="read not"), ["Dome NOT read"]),
        (LogFilter(source="dome"), ["Dome NOT read", "line 3"]),
        (LogFilter(text="app.services.dome_old"), ["line 2"]),
        (LogFilter(batch=2), ["line 3", "line 4"]),
        (LogFilter(text="zebra"), []),
        (LogFilter(), ["Dome NOT read", "line 2", "line 3", "line 4"]),
    ):
        with qtbot.waitSignal(model.filtered):
            model.set_filter(chosen)
        assert messages(model) == lines


@pytest.mark.parametrize(
    ("logger", "word"),
    [
        ("app.services.front_desk", "front desk"),
        ("app.services.http_api", "HTTP"),
        ("app.services.alerts", "mail"),
        ("app.pipeline.products", "pipeline"),
        ("app.store.engine", "database"),
        ("app.controllers.loop_watch", "window"),
        ("app", "app"),
        ("front desk", "front desk"),
    ],
)
def test_sources_are_named_in_the_operator_s_words(logger, word):
    assert source_text(logger) == word


def test_only_errors_are_written_in_capitals():
    assert [level_text(level) for level in (20, 30, 40)] == ["info", "warning", "ERROR"]


def test_one_choice_of_source_shows_all_its_loggers(page, qtbot):
    page.add_entries([entry(1, source="app.pipeline.step"), entry(2), entry(3, source="app.pipeline.products")])
    assert [page._source.itemText(row) for row in range(page._source.count())] == ["All sources", "dome", "pipeline"]
    page._source.setCurrentIndex(2)
    is_filtered(qtbot, page)
    assert messages(page._model) == ["line 1", "line 3"]
    again = LogPage()
    qtbot.addWidget(again)
    again.restore_view(page.view_state() | {"source": "app.pipeline.step"})  # as an older view has it
    assert again.view_state()["source"] == "pipeline"


def test_records_have_the_room_that_no_selected_record_needs(page, qapp):
    page.add_entries([entry(n) for n in range(300)])
    qapp.processEvents()
    assert page._stack.height() > 0.66 * page.height()
    assert not page._full.isVisible()
    page._table.selectRow(299)
    assert page._full.isVisible()
    assert "dome (app.services.dome)" in page._what.text()


def test_records_that_come_while_filtering_are_neither_lost_nor_doubled(qtbot):
    model = LogModel()
    model.add([entry(n) for n in range(0, 40, 2)])
    with qtbot.waitSignal(model.filtered):
        model.set_filter(LogFilter(text="line"))
        model.add([entry(n) for n in range(1, 40, 2)])
    assert messages(model) == [f"line {n}" for n in range(40)]


def test_the_oldest_records_go(qtbot):
    model = LogModel()
    model.add([entry(n) for n in range(MOST_ROWS + 10_001)])
    assert (model.total, model.rowCount()) == (MOST_ROWS, MOST_ROWS)
    assert messages(model)[0] == "line 10001"


def test_a_hundred_thousand_records_are_filtered_in_pieces(qtbot):
    model = LogModel()
    model.add([entry(n) for n in range(MOST_ROWS)])
    model.set_filter(LogFilter(text="line 77777"))
    pieces = 0
    while model.is_filtering:
        model._look_on()
        pieces += 1
    assert messages(model) == ["line 77777"]
    assert pieces > 2


def test_page_follows_the_newest_until_the_operator_scrolls_up(page, qtbot):
    page.add_entries([entry(n) for n in range(200)])
    bar = page._table.verticalScrollBar()
    assert bar.value() == bar.maximum() > 0
    bar.setValue(50)
    page.add_entries([entry(n) for n in range(200, 212)])
    assert top(page) == "line 50"
    assert page._tail.text() == "12 new below"
    assert page._tail.isVisible()
    QTest.mouseClick(page._tail, Qt.MouseButton.LeftButton)
    assert bar.value() == bar.maximum()
    assert not page._tail.isVisible()
    page.add_entries([entry(300)])
    assert bar.value() == bar.maximum()


def test_late_records_above_do_not_move_what_is_read(page):
    page.add_entries([entry(n) for n in range(100, 300)])
    page._table.verticalScrollBar().setValue(40)
    page._table.selectRow(45)
    page.add_entries([entry(n) for n in range(50)])
    assert top(page) == "line 140"
    assert [chosen.message for chosen in page._table.selected_entries()] == ["line 145"]


def test_killed_window_comes_back_to_the_same_place(page, qtbot, qapp):
    entries = [entry(n, logging.WARNING if n % 2 else logging.INFO, batch=n % 3) for n in range(300)]
    page.add_entries(entries)
    page._level_chips[logging.WARNING].setChecked(True)
    page.show_batch(1)
    page._level_chips[logging.WARNING].setChecked(True)
    page._apply_filter()
    is_filtered(qtbot, page)
    bar = page._table.verticalScrollBar()
    qtbot.waitUntil(lambda: 7 < bar.maximum() < 50)  # laid out anew after the filter: nobody scrolls before
    bar.setValue(7)
    assert top(page) == "line 43"
    state, seen = page.view_state(), top(page)
    again = LogPage()
    qtbot.addWidget(again)
    again.resize(1208, 624)
    again.show()
    again.restore_view(state)
    is_filtered(qtbot, again)
    again.add_entries([replace(entry(400), message="newer than all")])
    again.add_entries(entries)
    assert again.view_state()["batch"] == 1
    assert (top(again), again._model.rowCount()) == (seen, page._model.rowCount())


@pytest.mark.parametrize("state", [{}, {"level": "x", "text": 3, "top": ["noon", 1]}, {"top": 5, "split": [0, "a"]}])
def test_nonsense_restores_nothing(page, qtbot, state):
    page.restore_view(state)
    page.add_entries([entry(1)])
    is_filtered(qtbot, page)
    assert messages(page._model) == ["line 1"]


def test_selected_records_are_copied_whole(page):
    page.add_entries([entry(1), entry(2, logging.ERROR, traceback="Traceback\n  somewhere\n"), entry(3)])
    page._table.selectRow(1)
    rows = QItemSelectionModel.SelectionFlag.Select | QItemSelectionModel.SelectionFlag.Rows
    page._table.selectionModel().select(page._model.index(0, 0), rows)
    QTest.keyClick(page._table, Qt.Key.Key_C, Qt.KeyboardModifier.ControlModifier)
    first, second, *trace = QGuiApplication.clipboard().text().split("\n")
    assert first.split("\t") == ["2026-03-14 20:00:01.000 UTC", "INFO", "app.services.dome", "", "line 1"]
    assert second.endswith("line 2")
    assert trace == ["Traceback", "  somewhere"]


def test_record_with_a_traceback_is_read_below_and_one_of_a_batch_leads_there(page, qtbot):
    page.add_entries([entry(1, logging.ERROR, traceback="Traceback: here"), entry(2, batch=7)])
    page._table.selectRow(0)
    assert page._full.toPlainText() == "line 1\n\nTraceback: here"
    assert not page._to_batch.isVisible()
    page._table.selectRow(1)
    with qtbot.waitSignal(page.batch_requested) as asked:
        QTest.keyClick(page._table, Qt.Key.Key_Return)
    assert asked.args == [7]
    assert page._to_batch.text() == "Open batch night7"


def test_batch_is_shown_though_its_first_record_is_still_to_come(page, qtbot):
    page.add_entries([entry(1, batch=1), entry(2)])
    page.show_batch(2)
    is_filtered(qtbot, page)
    assert messages(page._model) == []
    page.add_entries([entry(3, batch=2), entry(4, batch=1)])
    assert messages(page._model) == ["line 3"]
    assert page._batch.currentText() == "night2"
    page._batch.setCurrentIndex(0)
    is_filtered(qtbot, page)
    assert len(messages(page._model)) == 4


def test_empty_filtered_and_failed_states_say_what_to_do(page, qtbot):
    assert page._stack.currentIndex() == 1
    page.add_entries([entry(1)])
    assert page._stack.currentIndex() == 0
    page.focus_filter()
    QTest.keyClicks(page._text, "zebra")
    qtbot.waitUntil(lambda: page._stack.currentIndex() == 1)
    page._stack.action_requested.emit()
    qtbot.waitUntil(lambda: page._stack.currentIndex() == 0)
    page.set_failure("The database is locked")
    assert "The database is locked" in page._failure.text()
    page.set_failure("")
    assert not page._failure.isVisible()


@pytest.mark.parametrize("name", ["dark", "red"])
def test_nothing_but_red_shines_in_the_red_theme(page, qapp, name):
    theme.apply(qapp, name)
    page.add_entries([entry(n, (10, 20, 30, 40, 50)[n % 5]) for n in range(30)])
    image = page.grab().toImage()
    shines = {image.pixelColor(x, y).green() for x in range(0, 1208, 7) for y in range(0, 624, 3)}
    assert (shines == {0}) is (name == "red")
    theme.apply(qapp, "dark")


@pytest.mark.logs_warnings
def test_bridge_delivers_this_program_s_records_with_their_traceback(qtbot, database, lane):
    bridge = LogBridge(LogRecords(database), lane, FakeClock(NOW))
    log = logging.getLogger("app.test_gui_log")
    log.setLevel(logging.INFO)
    log.addHandler(bridge.handler)
    try:
        log.info("before the window: %d", 1)
        try:
            raise RuntimeError("lost")
        except RuntimeError:
            log.exception("Bug here")
    finally:
        log.removeHandler(bridge.handler)
    errors = []
    bridge.errors_changed.connect(errors.append)
    with qtbot.waitSignal(bridge.entries_added) as added:
        bridge.start()
    first, second = added.args[0]
    assert (first.message, first.level, first.traceback) == ("before the window: 1", logging.INFO, "")
    assert first.at == NOW
    assert "RuntimeError: lost" in second.traceback
    assert errors == [1]
    bridge.acknowledge_errors()
    assert errors == [1, 0]
    bridge.stop()


def test_bridge_brings_the_records_of_batches_once(qtbot, database, lane, tmp_path):
    batch = Batches(database).open_batch("/data/night1", tmp_path)
    records = LogRecords(database)
    records.add_many([LogEntry(batch.key, NOW, logging.ERROR, "app.pipeline", "old error")])
    bridge = LogBridge(records, lane, FakeClock(NOW))
    seen, errors = [], []
    bridge.entries_added.connect(seen.extend)
    bridge.errors_changed.connect(errors.append)
    bridge.look()
    qtbot.waitUntil(lambda: len(seen) == 1)
    assert errors == []  # it was there before this start
    records.add_many([LogEntry(batch.key, NOW, logging.ERROR, "app.pipeline", "new error")])
    bridge.look()
    qtbot.waitUntil(lambda: len(seen) == 2)
    assert [(one.message, one.batch_name) for one in seen] == [("old error", batch.name), ("new error", batch.name)]
    assert errors == [1]


def test_database_that_fails_is_told_once_and_its_return_too(qtbot, lane):
    answers = [StoreError("locked"), StoreError("locked"), ()]

    class Records:
        def newest(self, _n, _after):
            answer = answers.pop(0)
            if isinstance(answer, Exception):
                raise answer
            return answer

    bridge = LogBridge(Records(), lane, FakeClock(NOW))
    told = []
    bridge.failed.connect(told.append)
    for left in (2, 1, 0):
        bridge.look()
        qtbot.waitUntil(lambda left=left: len(answers) == left and not bridge._is_reading)
    assert told == ["locked", ""]


def test_record_that_cannot_be_written_does_not_end_the_program(capsys, monkeypatch, qtbot, lane, database):
    bridge = LogBridge(LogRecords(database), lane, FakeClock(NOW))
    monkeypatch.setattr(logging, "raiseExceptions", False)
    record = logging.LogRecord("app", logging.INFO, "", 0, "%d frames", ("many",), None)
    bridge.handler.emit(record)
    assert bridge.handler.drain() == ()
    assert sys.exc_info() == (None, None, None)
