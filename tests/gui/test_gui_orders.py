import json
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from PySide6.QtCore import QItemSelectionModel, QMimeData, QPointF, Qt, QUrl
from PySide6.QtGui import QDropEvent, QGuiApplication
from PySide6.QtTest import QTest

from app.controllers.work_orders import WorkOrdersController
from app.model.errors import FieldProblem, StoreError
from app.model.order_life import StoredOrder
from app.model.order_queue import order_lines
from app.model.schedule import priority
from app.model.settings import Site
from app.model.work_order import OrderState, Request, parse_work_order
from app.services.front_desk import FrontDesk
from app.store.batches import Batches
from app.store.engine import open_database
from app.store.journal import Journal
from app.store.work_orders import WorkOrders
from app.widgets import theme
from app.widgets.order_table import Choice, Column, OrderProgress
from app.widgets.orders_page import OrdersPage
from tests.fakes import FakeClock

SITE = Site(name="Tenerife", latitude_deg=28.3, longitude_deg=-16.5)
NOW = datetime(2026, 3, 14, 21, 0, tzinfo=UTC)
ORDER = {
    "user": "ada",
    "id": "1",
    "request": "calibrate_file_batch",
    "datetime": "2026-03-14T20:00:00",
    "url": "/data/night",
}


def stored(key, state=OrderState.WAITING, reason=None, **more):
    payload = ORDER | {"id": str(key)} | more
    if "ra" in more:
        payload = {name: value for name, value in payload.items() if name != "url"} | {"request": "observation"}
    order = parse_work_order(payload)
    received = NOW - timedelta(minutes=60 - key)
    if order.ra_deg is not None:
        order = replace(order, priority=priority(order.ra_deg, order.dec_deg, SITE, order.ordered_at, received))
    return StoredOrder(key, order, state, received, reason=reason)


def lines(*orders):
    return order_lines(orders, SITE, NOW, NOW)


def shown(page, column=Column.ORDER):
    model = page._model
    return [model.index(row, column).data() for row in range(model.rowCount())]


def selected(page):
    return [page._model.line(index.row()).stored.name for index in page._table.selectionModel().selectedRows()]


@pytest.fixture
def page(qtbot, qapp):
    if theme.current() is not theme.DARK or not qapp.styleSheet():
        theme.apply(qapp, "dark")
    page = OrdersPage()
    qtbot.addWidget(page)
    page.set_site(SITE)
    page.set_operator("ada")
    page.set_now(NOW)
    page.resize(1208, 624)
    page.show()
    return page


def settled(qtbot, page):
    qtbot.waitUntil(lambda: not page._shown.isActive())


class TestTheTable:
    def test_what_runs_comes_first_then_the_queue_and_each_says_why_it_waits(self, page):
        page.set_orders(
            lines(
                stored(1, OrderState.DONE),
                stored(2, OrderState.HELD),
                stored(4),
                stored(3),
                stored(5, OrderState.RUNNING),
                stored(6, OrderState.FAILED, "no FITS file: name the folder of the frames"),
            )
        )
        assert shown(page)[:4] == ["ada/5", "ada/3", "ada/4", "ada/2"]
        assert shown(page, Column.REASON)[1:4] == [
            "Next, after ada/5",
            "1 order is before it",
            "Held: release it to go on",
        ]
        page.set_progress(5, OrderProgress(3, 8, "night_003.fits"))
        assert shown(page, Column.REASON)[0] == "3 of 8  night_003.fits"

    def test_new_values_keep_selection_sorting_and_scrolling(self, page, qtbot):
        many = [stored(key) for key in range(1, 60)]
        page.set_orders(lines(*many))
        page._table.sortByColumn(Column.ORDER, Qt.SortOrder.DescendingOrder)
        page.select_order("ada/30")
        bar = page._table.verticalScrollBar()
        bar.setValue(bar.maximum() // 2)
        before = bar.value()
        resets = []
        page._model.modelReset.connect(lambda: resets.append(1))
        page.set_orders(lines(*[replace(one, state=OrderState.HELD) if one.key == 30 else one for one in many]))
        assert selected(page) == ["ada/30"]
        assert bar.value() == before
        page.set_orders(lines(*many[10:], stored(70), stored(71)))
        assert selected(page) == ["ada/30"]
        assert shown(page) == sorted(shown(page), reverse=True)
        assert resets == []

    def test_filter_and_chips_show_what_is_asked_for(self, page):
        page.set_orders(
            lines(stored(1, url="/data/m31"), stored(2, OrderState.DONE), stored(3, OrderState.FAILED, "x"))
        )
        page.focus_filter()
        QTest.keyClicks(page._filter, "M31 calibrate")
        assert shown(page) == ["ada/1"]
        page._filter.clear()
        for choice, names in ((Choice.OPEN, {"ada/1"}), (Choice.ENDED, {"ada/2", "ada/3"}), (Choice.FAILED, {"ada/3"})):
            page._chips[choice].click()
            assert set(shown(page)) == names
        page._filter.setText("zebra")
        assert page._stack.currentIndex() == 1
        page._stack.action_requested.emit()
        assert len(shown(page)) == 3

    def test_view_comes_back_and_nonsense_is_harmless(self, page, qtbot, qapp):
        orders = lines(*[stored(key) for key in range(1, 9)])
        page.set_orders(orders)
        page._chips[Choice.OPEN].click()
        page._filter.setText("ada")
        page._table.sortByColumn(Column.ORDER, Qt.SortOrder.DescendingOrder)
        page._table.hide_columns([Column.WINDOW])
        page.select_order("ada/6")
        state = json.loads(json.dumps(page.view_state()))
        again = OrdersPage()
        qtbot.addWidget(again)
        again.restore_view(state)
        again.set_orders(orders)
        assert selected(again) == ["ada/6"]
        assert again._table.hidden_columns() == [Column.WINDOW]
        assert again.view_state() | {"split": 0} == state | {"split": 0}
        for nonsense in (
            {"sort": [99, True]},
            {"choice": 7, "filter": None},
            {"hidden": "x", "split": [1], "order": 3},
        ):
            again.restore_view(nonsense)
        assert selected(again) == ["ada/6"]


class TestTheSelectedOrder:
    def test_terms_sum_to_the_score_in_the_table(self, page, qtbot):
        page.set_orders(lines(stored(1, ra=180.0, dec=28.0)))
        settled(qtbot, page)
        facts = {name.text(): value.text() for name, value in page._details._score._labels}
        terms = [float(facts[name].split()[0]) for name in ("Height", "Haste", "Age")]
        assert sum(terms) == pytest.approx(float(facts["Score"].split()[0]), abs=1e-9)
        assert shown(page, Column.PRIORITY) == [f"{sum(terms):.2f}"]
        assert page._details._plot.isVisible()
        assert "UTC" in page._details._plot.accessibleDescription()

    def test_priority_given_by_the_sender_has_no_terms(self, page, qtbot):
        one = stored(1, ra=180.0, dec=28.0, priority=7.5)
        page.set_orders(lines(replace(one, order=parse_work_order(one.order.payload))))
        settled(qtbot, page)
        assert [value.text() for name, value in page._details._score._labels if name.isVisible()] == [
            "7.500 of 10, given by ada"
        ]

    def test_source_is_shown_and_copied(self, page, qtbot):
        page.set_orders(lines(stored(1, weather="clear")))
        settled(qtbot, page)
        assert json.loads(page._details._json.toPlainText())["weather"] == "clear"

    def test_hold_and_release_and_cancel_act_on_the_selection(self, page, qtbot):
        page.set_orders(lines(stored(1), stored(2), stored(3, OrderState.DONE)))
        page._table.selectAll()
        settled(qtbot, page)
        assert page._details._hold.text() == "Hold 2"
        with qtbot.waitSignal(page.hold_requested) as held:
            page._details._hold.click()
        assert set(held.args[0]) == {"ada/1", "ada/2"}
        with qtbot.waitSignal(page.cancel_requested) as cancelled:
            page._details._cancel.click()
        assert set(cancelled.args[0]) == {"ada/1", "ada/2"}
        page.set_orders(lines(stored(1, OrderState.HELD)))
        settled(qtbot, page)
        with qtbot.waitSignal(page.release_requested) as released:
            page._details._hold.click()
        assert released.args[0] == ("ada/1",)

    def test_cancelling_a_running_order_must_be_held(self, page, qtbot):
        page.set_orders(lines(stored(1, OrderState.RUNNING)))
        settled(qtbot, page)
        asked = []
        page.cancel_requested.connect(asked.append)
        assert page._details._cancel_stack.currentWidget() is page._details._stop
        QTest.mouseClick(page._details._stop, Qt.MouseButton.LeftButton)
        assert asked == []
        page._details._stop.held.emit()
        assert asked == [("ada/1",)]

    def test_disabled_buttons_say_why(self, page, qtbot):
        page.set_orders(lines(stored(1, OrderState.DONE)))
        settled(qtbot, page)
        for button in (page._details._hold, page._details._cancel):
            assert not button.isEnabled()
            assert button.toolTip().startswith("Not possible: ")
            assert button.accessibleDescription() == button.toolTip()


class TestTheForm:
    def write(self, page, **texts):
        for field, text in texts.items():
            edit = page._form._fields[field]
            edit.clear()
            QTest.keyClicks(edit, text)

    def test_checks_while_typing_and_sends_what_it_shows(self, page, qtbot):
        QTest.keyClick(page, Qt.Key.Key_N, Qt.KeyboardModifier.ControlModifier)
        form = page._form
        assert page._pane.currentWidget() is form
        assert not form._submit_button.isEnabled()
        assert "Folder" in form._submit_button.accessibleDescription()
        self.write(page, url="data/night")
        assert "absolute path" in form._says["url"].text()
        assert form._fields["url"].property("fault") is True
        self.write(page, url="/data/night")
        assert form._submit_button.isEnabled()
        assert json.loads(form._json.toPlainText()) == form.payload()
        with qtbot.waitSignal(page.submit_requested) as sent:
            form._submit_button.click()
        assert parse_work_order(sent.args[0]).url == "/data/night"
        assert sent.args[0]["user"] == "ada"

    def test_positions_are_degrees_or_sexagesimal(self, page):
        page.open_form()
        page._form.choose(Request.OBSERVE)
        self.write(page, ra="20 12 06.5", dec="+38 21 17")
        payload = page._form.payload()
        assert payload["ra"] == pytest.approx(303.027083, abs=1e-6)
        assert payload["dec"] == pytest.approx(38.354722, abs=1e-6)
        assert payload["priority"] is None
        assert page._form._submit_button.isEnabled()
        self.write(page, dec="98", priority="eleven")
        assert "-90 to 90" in page._form._says["dec"].text()
        assert "0 to 10" in page._form._says["priority"].text()
        assert not page._form._submit_button.isEnabled()

    def test_fields_of_other_requests_are_neither_shown_nor_sent(self, page):
        page.open_form()
        self.write(page, url="/data/night")
        page._form.choose(Request.OBSERVE)
        assert not page._form._fields["url"].isVisible()
        assert "url" not in page._form.payload()

    def test_id_is_new_and_one_that_was_used_is_refused(self, page):
        page.set_orders(lines(stored(1)))
        page.open_form()
        assert page._form.payload()["id"] == "20260314-210000"
        self.write(page, url="/data/night", id="1")
        assert "used by this user before" in page._form._says["id"].text()

    def test_what_was_typed_stays_until_it_was_taken_in(self, page):
        page.open_form()
        self.write(page, url="/data/night")
        QTest.keyClick(page._form, Qt.Key.Key_Escape)
        assert page._pane.currentWidget() is page._details
        page.open_form()
        assert page._form.payload()["url"] == "/data/night"
        name = page._form.name
        page.show_refused(name, "x", (FieldProblem("url", "'/data/night'", "is on a disk that is gone"),))
        assert page._form._says["url"].text() == "is on a disk that is gone"
        user, order_id = name.split("/")
        page.show_accepted(replace(stored(1), order=parse_work_order(ORDER | {"user": user, "id": order_id})), True)
        assert page._pane.currentWidget() is page._details
        page.open_form()
        assert "url" not in page._form.payload()

    def test_folder_is_chosen_beside_the_work(self, page, qtbot):
        page.open_form()
        page._form._browse()
        assert page._form._dialog.isVisible()
        page._form._dialog.fileSelected.emit("/data/chosen")
        page._form._dialog.close()
        assert page._form.payload()["url"] == "/data/chosen"


class TestWhatIsDropped:
    def drop(self, page, content):
        event = QDropEvent(
            QPointF(100, 100), Qt.DropAction.CopyAction, content, Qt.MouseButton.LeftButton, Qt.KeyboardModifier(0)
        )
        page.dropEvent(event)

    def test_every_file_and_every_text_is_handed_on(self, page, tmp_path):
        files, texts = [], []
        page.file_dropped.connect(files.append)
        page.text_dropped.connect(texts.append)
        content = QMimeData()
        content.setUrls([QUrl.fromLocalFile(str(tmp_path / name)) for name in ("one.json", "two.json")])
        self.drop(page, content)
        assert files == [tmp_path / "one.json", tmp_path / "two.json"]
        content = QMimeData()
        content.setText('{"id": 1}')
        self.drop(page, content)
        QGuiApplication.clipboard().setText('{"id": 2}')
        page.paste()
        assert texts == ['{"id": 1}', '{"id": 2}']

    def test_five_faults_are_five_sentences_in_the_page(self, page):
        problems = tuple(
            FieldProblem(name, "nothing", "must be given") for name in ("id", "user", "ra", "dec", "datetime")
        )
        page.show_refused("night.json", "all wrong", problems)
        assert page._notices.isVisible()
        assert page._notices._text.text().count("night.json: ") == 5
        page._notices._close.click()
        assert not page._notices.isVisible()


class TestStates:
    def test_empty_says_what_to_do_and_does_it(self, page):
        page.set_orders(())
        panel = page._stack.currentWidget()
        assert "Ctrl+N" in panel.accessibleName()
        page._stack.action_requested.emit()
        assert page._pane.currentWidget() is page._form

    def test_last_list_stays_and_says_how_old_it_is(self, page):
        page.set_orders(lines(stored(1)))
        page.set_failure("The database is locked by another program", 12.0)
        assert page._stale.isVisible()
        assert page._stale.text == "As of 12 s ago: The database is locked by another program"
        assert shown(page) == ["ada/1"]
        page.set_recovered()
        assert not page._stale.isVisible()

    def test_never_read_is_a_failure_and_not_an_empty_queue(self, page):
        page.set_failure("The database cannot be opened", -1.0)
        assert "cannot be opened" in page._stack.currentWidget().accessibleName()

    def test_nothing_but_red_shines_in_the_red_theme(self, page, qapp, qtbot):
        theme.apply(qapp, "red")
        states = list(OrderState)
        page.set_orders(
            lines(*[stored(key, state) for key, state in enumerate(states)], stored(40, ra=180.0, dec=28.0))
        )
        page.select_order("ada/40")
        settled(qtbot, page)
        image = page.grab().toImage()
        shines = {image.pixelColor(x, y).green() for x in range(0, 1208, 5) for y in range(0, 624, 3)}
        theme.apply(qapp, "dark")
        assert shines == {0}

    def test_a_thousand_orders_are_taken_in_without_a_reset(self, page):
        page.set_orders(lines(*[stored(key) for key in range(1, 1001)]))
        page._table.selectionModel().select(page._model.index(999, 0), QItemSelectionModel.SelectionFlag.Select)
        page.set_orders(lines(*[stored(key) for key in range(2, 1003)]))
        assert len(shown(page)) == 1001


@pytest.fixture
def database(tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'cupola.db'}?timeout=0.05", FakeClock(NOW))
    yield database
    database.close()


@pytest.fixture
def lane():
    with ThreadPoolExecutor(1) as lane:
        yield lane


@pytest.fixture
def controller(database, lane, qtbot):
    clock = FakeClock(NOW)
    orders = WorkOrders(database)
    desk = FrontDesk(orders, Batches(database), Journal(database), SITE, clock)
    return WorkOrdersController(desk, orders, lane, "ada", SITE, clock, clock)


class TestTheController:
    def test_order_is_taken_in_once_held_released_and_cancelled(self, controller, qtbot, database):
        with qtbot.waitSignal(controller.orders_changed), qtbot.waitSignal(controller.accepted) as accepted:
            controller.submit(ORDER)
        kept, is_new = accepted.args
        assert (kept.name, is_new) == ("ada/1", True)
        with qtbot.waitSignal(controller.accepted) as again:
            controller.submit(ORDER)
        assert again.args[1] is False
        for do, state in (
            (controller.hold, OrderState.HELD),
            (controller.release, OrderState.WAITING),
            (controller.cancel, OrderState.CANCELLED),
        ):
            with qtbot.waitSignal(controller.orders_changed) as changed:
                do(("ada/1",))
            (line,) = changed.args[0]
            assert line.stored.state is state
        journal = [(entry.who, entry.what) for entry in Journal(database).newest(3)]
        assert journal == [("ada", "order cancelled"), ("ada", "order released"), ("ada", "order held")]

    def test_unchanged_queue_is_not_shown_again(self, controller, qtbot):
        with qtbot.waitSignal(controller.orders_changed):
            controller.refresh()
        changes = []
        controller.orders_changed.connect(changes.append)
        with qtbot.waitSignal(controller.recovered):
            controller.refresh()
        assert changes == []

    @pytest.mark.logs_warnings
    def test_bad_files_get_sentences_and_the_good_one_goes_in(self, controller, qtbot, tmp_path):
        (tmp_path / "good.json").write_text(json.dumps(ORDER))
        (tmp_path / "no.json").write_text("hello")
        (tmp_path / "five.json").write_text(json.dumps({"request": "observation", "ra": 400, "dec": None}))
        (tmp_path / "list.json").write_text(json.dumps([ORDER | {"id": "2"}, ORDER | {"id": "3", "url": "x"}]))
        refused, accepted = [], []
        controller.refused.connect(lambda subject, _sentence, problems: refused.append((subject, len(problems))))
        controller.accepted.connect(lambda kept, _is_new: accepted.append(kept.name))
        for name in ("good.json", "no.json", "five.json", "list.json", "absent.json"):
            controller.submit_file(tmp_path / name)
        qtbot.waitUntil(lambda: len(refused) == 4 and len(accepted) == 2)
        assert dict(refused) == {"no.json": 1, "five.json": 5, "list.json, order 2": 1, "absent.json": 1}
        assert accepted == ["ada/1", "ada/2"]

    def test_wish_that_fails_is_one_sentence(self, controller, qtbot):
        with qtbot.waitSignal(controller.refused) as refused:
            controller.cancel(("ada/nobody",))
        subject, sentence, problems = refused.args
        assert (subject, problems) == ("ada/nobody", ())
        assert "No work order is called" in sentence

    def test_database_that_does_not_answer_makes_the_list_old(self, controller, qtbot, lane, monkeypatch):
        with qtbot.waitSignal(controller.orders_changed):
            controller.refresh()
        go = threading.Event()
        lane.submit(go.wait, 5.0)
        controller.refresh()
        monkeypatch.setattr(controller, "_began_s", controller._began_s - 10.0)
        with qtbot.waitSignal(controller.failed) as failed:
            controller.refresh()
        go.set()
        assert failed.args[0] == "The database does not answer yet"
        assert failed.args[1] >= 0.0

    def test_failure_and_recovery_are_told(self, controller, qtbot, monkeypatch):
        def locked(_self, _limit):
            raise StoreError("The database is locked")

        with monkeypatch.context() as broken:
            broken.setattr(WorkOrders, "all", locked)
            with qtbot.waitSignal(controller.failed) as failed:
                controller.refresh()
        assert failed.args == ["The database is locked", -1.0]
        with qtbot.waitSignal(controller.recovered):
            controller.refresh()


def test_pane_without_a_selected_order_has_no_buttons(page):
    page.set_orders(())
    assert not page._details._buttons.isVisible()


def test_long_path_does_not_make_the_pane_wider_than_its_place(page, qtbot):
    url = "/data/observations/2026/11/2026-11-21_remote_schmidt_LRGB_NGC6888_Crescent_Nebula_mosaic_panel_3_of_4"
    page.set_orders(lines(stored(1, url=url)))
    settled(qtbot, page)
    body = page._details._body
    assert body.isVisible()
    assert body.widget().width() <= body.viewport().width()
