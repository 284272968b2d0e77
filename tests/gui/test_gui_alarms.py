"""Alarms: the controller that looks and sounds, the list, the banners, and the journal."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QLabel, QPushButton

from app.controllers.alarms import SOUND_S, AlarmsController
from app.controllers.journal import JournalController
from app.model.alarms import Alarm
from app.model.dome import DomeState, ShutterState
from app.model.guard import GuardState
from app.model.notices import Notice
from app.model.reading import Reading
from app.model.records import JournalEntry
from app.model.settings import WeatherLimits
from app.model.strip import Severity
from app.model.surroundings import Surroundings, Weather
from app.store.engine import open_database
from app.store.journal import Journal
from app.widgets import theme
from app.widgets.alarm_list import AlarmList, AlarmView
from app.widgets.journal_view import JournalView
from app.widgets.log_page import LogPage
from app.widgets.main_window import MainWindow
from app.widgets.night_page import NightPage

AT = datetime(2026, 11, 22, 21, 4, 55, tzinfo=UTC)
RAIN = Alarm("sky", "The sky is unsafe (rain 0.4 mm/h > 0) and the shutter is open: close", Severity.ALARM, AT, burst=1)


@pytest.fixture(autouse=True, scope="module")
def dark(qapp):
    theme.apply(qapp, "dark")


class Watch:
    """A clock that is set by hand."""

    def __init__(self):
        self.now_s = 1000.0

    def monotonic(self):
        return self.now_s

    def utc(self):
        return AT + timedelta(seconds=self.now_s - 1000.0)


class World:
    """What the controller is told, and what it says."""

    def __init__(self):
        self.clock, self.sounds, self.alarms, self.notices = Watch(), 0, (), {}
        self.shutter = ShutterState.OPEN
        self.is_safe = False
        self.data_age_s = 2.0
        self.controller = AlarmsController(
            lambda: DomeState(shutter=self.read(self.shutter), is_slewing=self.read(False)),
            lambda: Surroundings(
                has_safety_monitor=True,
                is_safe=self.read(self.is_safe),
                has_weather=True,
                weather=self.read(Weather(wind_m_s=3.0, age_s=self.data_age_s)),
            ),
            lambda: self.read(GuardState(server="a:1/0", pid=7)),
            WeatherLimits(),
            30.0,
            self.clock,
            self.clock,
            "ada",
            self.sound,
        )
        self.controller._timer.stop()
        self.controller.alarms_changed.connect(lambda alarms: setattr(self, "alarms", alarms))
        self.controller.notices_changed.connect(lambda notices: setattr(self, "notices", notices))

    def read(self, value):
        return Reading(value, self.clock.now_s - 0.1)

    def sound(self):
        self.sounds += 1

    def look(self, after_s=0.5):
        self.clock.now_s += after_s
        self.controller.look()


@pytest.fixture
def world(qapp):
    return World()


def test_a_weather_station_whose_data_stand_still_is_an_alarm_though_it_answers(world):
    world.is_safe = True
    world.look(after_s=11.0)
    assert world.alarms == ()
    world.data_age_s = 60.0
    world.look()
    assert "data are 60 s old, limit 30 s" in world.alarms[0].sentence


def test_an_alarm_is_emitted_with_its_banner_and_sounds_every_two_seconds(world):
    world.look()
    (alarm,) = world.alarms
    assert (alarm.key, alarm.began_at) == ("sky", AT + timedelta(seconds=0.5))
    assert world.notices["alarm"] == Notice(alarm.sentence, Severity.ALARM, "Acknowledge")
    assert world.sounds == 1
    world.look(SOUND_S - 0.1)
    assert world.sounds == 1
    world.look(0.1)
    assert world.sounds == 2


def test_what_is_acknowledged_is_silent_and_stands_in_no_banner(world):
    world.look()
    world.controller.acknowledge_loudest()
    assert world.alarms[0].acknowledged_by == "ada"
    assert world.notices == {}
    assert world.controller.unacknowledged == 0
    world.look(10.0)
    assert world.sounds == 1


def test_a_mute_holds_its_minutes(world):
    world.look()
    world.controller.mute(("sky",), 10.0)
    world.look(599.0)
    assert world.sounds == 1
    world.look(1.0)
    assert world.sounds == 2


def test_what_returned_is_called_so_until_it_is_acknowledged(world):
    world.look()
    world.shutter = ShutterState.CLOSED
    world.look()
    assert world.notices["alarm"].text.startswith("returned: The sky is unsafe")
    world.controller.acknowledge_all()
    assert world.alarms == ()


def test_errors_in_the_log_are_counted_and_silent(world):
    world.is_safe = True
    world.controller.set_errors(2)
    world.look()
    assert (world.controller.unacknowledged, world.sounds) == (1, 0)
    assert world.notices["alarm"].severity is Severity.ATTENTION


def test_it_looks_by_itself(qtbot):
    world = World()
    world.controller._timer.start()
    with qtbot.waitSignal(world.controller.alarms_changed, timeout=3000):
        pass
    world.controller.close()
    assert not world.controller._timer.isActive()


# The list


@pytest.fixture
def alarm_list(qtbot):
    made = AlarmList()
    made.resize(296, 400)
    qtbot.addWidget(made)
    made.show()
    return made


def views(alarm_list):
    return [view for view in alarm_list.findChildren(AlarmView) if not view.isHidden()]


def button(widget, name):
    found = [one for one in widget.findChildren(QPushButton) if one.accessibleName().startswith(name)]
    return next(one for one in found if not one.isHidden())


def click(qtbot, one):
    qtbot.mouseClick(one, Qt.MouseButton.LeftButton)


def flood(count, **changes):
    return tuple(
        replace(RAIN, key=f"a{n}", sentence=f"Thing {n} is broken", is_first_out=n == 0, **changes)
        for n in range(count)
    )


def test_without_alarms_it_says_so(alarm_list):
    assert [label.text() for label in alarm_list.findChildren(QLabel) if label.isVisible()] == ["No alarms"]
    assert not any(one.isVisible() for one in alarm_list.findChildren(QPushButton))


def test_an_alarm_is_acknowledged_and_muted_by_its_buttons(qtbot, alarm_list):
    alarm_list.set_alarms((RAIN,))
    (view,) = views(alarm_list)
    assert RAIN.sentence in view.accessibleName()
    with qtbot.waitSignal(alarm_list.acknowledged) as seen:
        click(qtbot, button(view, "Acknowledge"))
    assert seen.args == ["sky"]
    with qtbot.waitSignal(alarm_list.muted) as muted:
        click(qtbot, button(view, "Mute"))
    assert muted.args == [("sky",), 10.0]
    alarm_list.set_alarms((replace(RAIN, muted_until_s=5.0),))
    assert not button(view, "Mute").isEnabled()


def test_alarms_that_have_room_are_not_scrolled_and_a_number_stays_with_its_unit(qtbot, alarm_list):
    two = (RAIN, replace(RAIN, key="b", sentence="NOT CLOSED after 3 tries, next in 45 s (wind 14.2 m/s > 12): look"))
    alarm_list.set_alarms(two)
    QApplication.processEvents()
    assert not alarm_list._scroll.verticalScrollBar().isVisible()
    sentence = next(view._sentence.text() for view in views(alarm_list) if "tries" in view._sentence.text())
    assert "next in 45\u00a0s (wind 14.2\u00a0m/s >\u00a012)" in sentence
    alarm_list.set_most_height(100)
    qtbot.waitUntil(alarm_list._scroll.verticalScrollBar().isVisible)


def test_all_are_acknowledged_at_once(qtbot, alarm_list):
    alarm_list.set_alarms(flood(2))
    with qtbot.waitSignal(alarm_list.all_acknowledged):
        click(qtbot, next(one for one in alarm_list.findChildren(QPushButton) if one.text() == "Acknowledge all"))


def test_a_view_stays_with_its_alarm_when_others_come_and_go(alarm_list):
    alarm_list.set_alarms((RAIN,))
    (view,) = views(alarm_list)
    alarm_list.set_alarms((replace(RAIN, key="new", burst=2), RAIN))
    assert [one is view for one in sorted(views(alarm_list), key=alarm_list._lines.indexOf)] == [
        False,
        True,
    ]


def test_a_flood_is_one_line_that_expands_and_is_muted_as_one(qtbot, alarm_list):
    alarm_list.set_alarms(flood(8))
    (view,) = views(alarm_list)
    more = next(one for one in view.findChildren(QPushButton) if one.text() == "and 7 more since 21:04:55: show")
    assert "first" in view.accessibleName()
    with qtbot.waitSignal(alarm_list.muted) as muted:
        click(qtbot, button(view, "Mute"))
    assert muted.args[0] == tuple(f"a{n}" for n in range(8))
    click(qtbot, more)
    assert len(views(alarm_list)) == 8
    click(qtbot, more)
    assert len(views(alarm_list)) == 1


def grey(widget):
    QApplication.processEvents()
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    return np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), -1)[:, : image.width()].astype(float)


@pytest.mark.parametrize("look", ["dark", "red"])
def test_active_returned_and_acknowledged_differ_without_colour(qapp, alarm_list, look):
    theme.apply(qapp, look)
    shown = {}
    for name, alarm in {
        "active": RAIN,
        "returned": replace(RAIN, is_active=False),
        "acknowledged": replace(RAIN, acknowledged_by="ada"),
    }.items():
        alarm_list.set_alarms((alarm,))
        QApplication.processEvents()
        (view,) = views(alarm_list)
        shown[name] = grey(view)
    theme.apply(qapp, "dark")
    ground = np.median(shown["acknowledged"])
    assert np.median(shown["active"]) > ground + 50.0  # inverse
    assert abs(np.median(shown["returned"]) - ground) < 20.0
    edges = {name: picture[0, 8:-8] for name, picture in shown.items()}
    assert edges["returned"].max() > ground + 50.0  # an outline, dashed
    assert edges["acknowledged"].max() < ground + 20.0


def test_three_alarms_fit_beside_the_queue_on_a_small_screen(qtbot):
    page = NightPage()
    qtbot.addWidget(page)
    page.resize(1208, 592)  # 624 less a banner
    page.show()
    sentences = (
        RAIN.sentence,
        "NOT CLOSED after 3 tries, next in 40 s (wind 14.2 m/s > 12): close it by hand",
        "The dome follows no more: the mount is not read. Follow again, or switch it off",
    )
    page.set_alarms(tuple(replace(RAIN, key=text, sentence=text) for text in sentences))
    QApplication.processEvents()
    scroll = page.alarms._scroll
    last = max(views(page.alarms), key=lambda view: view.geometry().bottom())
    label = last.findChildren(QLabel)[-1]
    assert label.mapTo(scroll, label.rect().bottomLeft()).y() <= scroll.height()
    assert page.minimumSizeHint().height() <= 592


# Banners


def test_the_button_of_a_banner_tells_its_key(qtbot):
    window = MainWindow()
    qtbot.addWidget(window)
    window.show()
    window.show_banner("Rain", Severity.ALARM, "alarm", "Acknowledge")
    with qtbot.waitSignal(window.banner_acted) as acted:
        click(qtbot, button(window._banners["alarm"], "Acknowledge"))
    assert acted.args == ["alarm"]
    window.show_banner("Rain", Severity.ALARM, "alarm")
    assert not window._banners["alarm"]._action.isVisible()
    with qtbot.waitSignal(window.strip.guard_clicked):
        click(qtbot, window.strip.cell("GUARD"))


# The journal

VALUES = {"azimuth_deg": 137.42, "shutter": "open", "is_slewing": False, "age_s": 0.2}
CLOSE = JournalEntry(
    "ada",
    "dome close",
    "127.0.0.1:11111/0",
    {"number": 4, "before": VALUES, "latency_s": 0.012, "interlocks": ["lockout: nobody"], "answer": "accepted"},
    AT,
)
ENDED = JournalEntry(
    "ada", "dome close ended", "127.0.0.1:11111/0", {"seconds": 34.2, "after": {**VALUES, "shutter": "closed"}}, AT
)
VERDICT = JournalEntry("ada", "frame verdict", "a.fits", {"before": "as found", "after": "leave out"}, AT)
ORDER = JournalEntry("bob", "order taken in", "M51", {"request": {"object": "M 51"}}, AT)


def cells(view, entry):
    row = view._model.row_of((entry.at, entry.who, entry.what, entry.subject, entry.detail.get("number")))
    return [view._model.index(row, column).data() for column in range(view._model.columnCount())]


def test_a_row_says_who_what_before_after_latency_and_interlocks(qtbot):
    view = JournalView()
    qtbot.addWidget(view)
    view.set_entries((ENDED, CLOSE, VERDICT, ORDER))
    assert cells(view, CLOSE) == [
        "11-22 21:04:55", "ada", "dome close", "127.0.0.1:11111/0", "137.4° open still", "", "12 ms",
        "answer: accepted; interlocks: lockout: nobody",
    ]  # fmt: skip
    assert cells(view, ENDED)[5:7] == ["137.4° closed still", "34 s"]
    assert cells(view, VERDICT)[1:] == ["ada", "frame verdict", "a.fits", "as found", "leave out", "", ""]
    assert cells(view, ORDER)[-1] == "request: object M 51"


def test_the_filter_wants_every_word(qtbot):
    view = JournalView()
    qtbot.addWidget(view)
    view.set_entries((ENDED, CLOSE, ORDER))
    view.set_filter("ADA lockout")
    assert view.entries == (CLOSE,)
    assert view.summary == "1 of 3 rows, newest first"
    view.set_filter("")
    assert view.entries == (ENDED, CLOSE, ORDER)


def test_the_log_page_shows_the_journal_and_remembers_it(qtbot):
    page = LogPage()
    qtbot.addWidget(page)
    shown = deque(maxlen=1)
    page.journal_shown.connect(shown.append)
    page.show()
    assert shown == deque([False])
    click(qtbot, next(one for one in page.findChildren(QPushButton) if one.text() == "Journal"))
    assert shown == deque([True])
    page.set_journal((CLOSE, ORDER))
    assert page._journal.isVisible()
    assert page._counts.text() == "2 rows, newest first"
    page._text.setText("bob")
    page._apply_filter()
    assert page._journal.entries == (ORDER,)
    kept = page.view_state()
    page.hide()
    assert shown == deque([False])
    other = LogPage()
    qtbot.addWidget(other)
    other.restore_view(kept)
    assert other._is_journal


def test_the_journal_is_read_while_it_is_looked_at(qtbot, tmp_path):
    database = open_database(f"sqlite:///{tmp_path / 'a.db'}")
    journal = Journal(database)
    journal.record("ada", "dome close", "dome", {"number": 1})
    with ThreadPoolExecutor(1) as lane:
        controller = JournalController(journal, lane)
        with qtbot.waitSignal(controller.entries_changed, timeout=5000) as came:
            controller.set_shown(True)
        assert [entry.what for entry in came.args[0]] == ["dome close"]
        journal.record("ada", "dome open", "dome", {"number": 2})
        with qtbot.waitSignal(controller.entries_changed, timeout=5000) as came:
            pass
        assert [entry.what for entry in came.args[0]] == ["dome open", "dome close"]
        controller.set_shown(False)
        assert not controller._timer.isActive()
    database.close()
