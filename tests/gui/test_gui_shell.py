"""The frame of the window: strip, rail, banners, foot line, pages, first and second close, help."""

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtCore import Qt, Signal
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QLineEdit, QVBoxLayout, QWidget

from app.model.reading import Freshness
from app.model.strip import Severity, StripValues, Word
from app.paths import resource
from app.widgets import icons, theme
from app.widgets.foot_line import FootLine, Health, Work
from app.widgets.help_page import KEYS_TOPIC, STOP_TOPIC, TASKS_TOPIC, HelpPage
from app.widgets.main_window import MainWindow
from app.widgets.status_strip import STOP_ROOM_PX, StatusStrip

FINE = StripValues(
    shutter=Word("closed", 0.3, detail="driver's word"),
    dome=Word("137.4°", 0.3, detail="moving"),
    sky=Word("safe", 2.0),
    mount=Word("tracking", 0.8),
    guard=Word("no guard", None),
    utc=datetime(2024, 6, 2, 0, 41, 17, tzinfo=UTC),
    lst_deg=301.2,
    sun_altitude_deg=-21.4,
    moon_altitude_deg=12.7,
    alarms=0,
    site="Calar Alto",
    is_simulated=True,
)
LONGEST = {
    "SHUTTER": Word("NOT CLOSED", 0.3, severity=Severity.ALARM, detail="error"),
    "DOME": Word("359.9°", 12.0, Freshness.STALE, Severity.ATTENTION, "moving"),
    "SKY": Word("unsafe", 2.0, severity=Severity.ALARM, detail="wind 14.2 m/s > 12"),
    "MOUNT": Word("unknown", 72.0, Freshness.STALE, Severity.ATTENTION, "was tracking"),
    "GUARD": Word("no guard", None, severity=Severity.ATTENTION),
}


class PlainPage(QWidget):
    """A page that remembers one text."""

    ICON = "log"
    view_changed = Signal()

    def __init__(self, title):
        super().__init__()
        self.TITLE = title
        self.line = QLineEdit()
        QVBoxLayout(self).addWidget(self.line)

    def view_state(self):
        return {"text": self.line.text()}

    def restore_view(self, state):
        self.line.setText(str(state.get("text", "")))

    def focus_filter(self):
        self.line.setFocus()


@pytest.fixture
def window(qtbot):
    made = MainWindow()
    qtbot.addWidget(made, before_close_func=lambda frame: frame.finish_close())
    for title in ("Night", "Orders", "Log"):
        made.add_page(PlainPage(title))
    made.resize(1366, 740)
    made.show()
    made.activateWindow()
    qtbot.waitUntil(made.isActiveWindow)
    return made


@pytest.fixture
def strip(qtbot):
    made = StatusStrip()
    qtbot.addWidget(made)
    made.resize(1366, 56)
    made.show()
    return made


@pytest.fixture
def look(qapp):
    """Themes, and the dark one again afterwards."""
    yield lambda name: theme.apply(qapp, name)
    qapp.setStyleSheet("")
    theme._current = theme.DARK


def green_and_blue(widget):
    """The brightest green or blue of a picture of the widget."""
    picture = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB888)
    pixels = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.bytesPerLine())
    return int(pixels[:, : picture.width() * 3].reshape(picture.height(), picture.width(), 3)[:, :, 1:].max())


def grey(widget):
    picture = widget.grab().toImage().convertToFormat(QImage.Format.Format_Grayscale8)
    pixels = np.frombuffer(picture.constBits(), np.uint8).reshape(picture.height(), picture.bytesPerLine())
    return pixels[:, : picture.width()].astype(float)


def test_ctrl_and_a_number_show_a_page(window, qtbot):
    with qtbot.waitSignal(window.page_changed) as shown:
        qtbot.keyClick(window.windowHandle(), Qt.Key.Key_2, Qt.KeyboardModifier.ControlModifier)
    assert shown.args == ["Orders"]
    assert window.page == "Orders"
    assert window.rail.button("Orders").isChecked()


def test_click_on_the_rail_shows_a_page(window, qtbot):
    qtbot.mouseClick(window.rail.button("Log"), Qt.MouseButton.LeftButton)
    assert window.page == "Log"


def test_ctrl_f_goes_to_the_search_of_the_shown_page(window, qtbot):
    window.show_page("Orders")
    qtbot.keyClick(window.windowHandle(), Qt.Key.Key_F, Qt.KeyboardModifier.ControlModifier)
    assert window._pages["Orders"].line.hasFocus()


def test_unknown_page_changes_nothing(window):
    window.show_page("Nowhere")
    assert window.page == "Night"


def test_dot_on_the_rail_is_said_too(window):
    window.set_page_attention("Log", True)
    assert window.rail.button("Log").wants_attention
    assert "attention" in window.rail.button("Log").accessibleDescription()
    window.set_page_attention("Log", False)
    assert not window.rail.button("Log").wants_attention


def test_view_comes_back(window, qtbot):
    window._pages["Log"].line.setText("error")
    window.show_page("Log")
    state = window.view_state()
    other = MainWindow()
    qtbot.addWidget(other, before_close_func=lambda frame: frame.finish_close())
    for title in ("Night", "Orders", "Log"):
        other.add_page(PlainPage(title))
    other.restore_view(state)
    assert other.page == "Log"
    assert other._pages["Log"].line.text() == "error"
    assert other.height() == window.height()  # Qt keeps the width on the test's narrow screen


@pytest.mark.parametrize(
    "state", [{}, {"page": 7, "geometry": "§$%", "pages": [1]}, {"pages": {"Log": None, "Gone": {}}, "page": "Gone"}]
)
def test_nonsense_is_no_view(window, state):
    window.restore_view(state)
    assert window.page == "Night"


def test_first_close_asks_and_second_closes(window, qtbot):
    with qtbot.waitSignal(window.close_requested):
        window.close()
    assert window.isVisible()
    window.finish_close()
    assert not window.isVisible()


def test_banner_takes_a_line_of_its_own(window, qtbot):
    above = window._stack.mapTo(window, window._stack.rect().topLeft()).y()
    window.show_banner("The dome did not stop", Severity.ALARM, "stop")
    qtbot.waitUntil(lambda: window._stack.mapTo(window, window._stack.rect().topLeft()).y() > above)
    window.clear_banner("stop")
    qtbot.waitUntil(lambda: window._stack.mapTo(window, window._stack.rect().topLeft()).y() == above)


def test_loudest_banners_are_shown_and_the_rest_counted(window):
    window.show_banner("a note", Severity.NORMAL, "note")
    window.show_banner("mail is late", Severity.ATTENTION, "mail")
    window.show_banner("no front desk", Severity.ATTENTION, "desk")
    window.show_banner("rain", Severity.ALARM, "rain")
    shown = {key for key, banner in window._banners.items() if banner.isVisible()}
    assert shown == {"mail", "desk", "rain"}
    assert "1 more" in window._banners["desk"]._more.text()
    window.clear_banner("rain")
    assert window._banners["note"].isVisible()
    window.clear_banner("never shown")


def test_banner_of_the_same_key_changes_in_place(window):
    window.show_banner("12 s", Severity.ATTENTION, "dome")
    window.show_banner("13 s", Severity.ALARM, "dome")
    assert len(window._banners) == 1
    assert window._banners["dome"].accessibleName() == "Alarm: 13 s"


def test_title_says_simulated(window):
    window.set_values(FINE)
    assert window.windowTitle() == "Cupola - Calar Alto (SIMULATED)"


def test_stop_goes_along_with_the_window(window, qtbot):
    with qtbot.waitSignal(window.stop_room_changed) as moved:
        window.resize(1300, 740)
    room = moved.args[0]
    assert room.width() == STOP_ROOM_PX
    assert room.right() == window.mapToGlobal(window.rect().topRight()).x()


def test_page_has_the_room_of_a_small_screen(window):
    assert window._stack.width() >= 1208
    assert window._stack.height() >= 624


@pytest.mark.parametrize("width", [1280, 1366, 1920])
def test_longest_words_are_whole_on_a_small_screen(strip, look, width):
    look("dark")
    strip.resize(width, 56)
    QApplication.processEvents()
    for caption, word in LONGEST.items():
        strip.cell(caption).set_word(word)
        assert strip.cell(caption).is_whole, caption


def test_words_do_not_move_each_other(strip, qtbot):
    strip.set_values(FINE)
    before = [strip.cell(caption).geometry() for caption in LONGEST]
    for caption, word in LONGEST.items():
        strip.cell(caption).set_word(word)
    QApplication.processEvents()
    assert [strip.cell(caption).geometry() for caption in LONGEST] == before


def test_room_for_stop_stays_free(strip):
    strip.set_values(FINE)
    assert max(child.geometry().right() for child in strip.findChildren(QWidget)) < strip.width() - STOP_ROOM_PX


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (Word("closed", 0.3), Word("closed", 12.0, Freshness.STALE, Severity.ATTENTION)),
        (Word("closed", 0.3), Word("closed", 0.3, severity=Severity.ALARM)),
        (Word("––", 12.0, Freshness.STALE), Word("––", None, Freshness.NEVER)),
    ],
)
def test_fresh_stale_never_and_alarm_differ_without_colour(strip, one, other):
    cell = strip.cell("SHUTTER")
    cell.set_word(one)
    first = grey(cell)
    cell.set_word(other)
    assert np.abs(grey(cell) - first).mean() > 2.0


def test_word_is_read_out_with_its_age(strip):
    strip.set_values(FINE)
    assert strip.cell("SHUTTER").accessibleName() == "Shutter: closed driver's word"
    strip.cell("SKY").set_word(Word("unsafe", 2.0, explanation="Unsafe: wind 14.2 m/s > 12"))
    assert strip.cell("SKY").toolTip() == "Unsafe: wind 14.2 m/s > 12; read 2 s ago"


def test_sky_numbers_of_the_strip(strip):
    strip.set_values(FINE)
    texts = {name: label.text() for name, label in strip._numbers.items()}
    assert texts == {"UTC": "00:41:17", "LST": "20:04:48", "Sun": "−21.4°", "Moon": "+12.7°"}


def test_red_theme_has_neither_green_nor_blue(window, look):
    look("red")
    window.rail.button("Log").setFocus()
    window.set_values(FINE)
    for caption, word in LONGEST.items():
        window.strip.cell(caption).set_word(word)
    window.show_banner("rain", Severity.ALARM, "rain")
    window.show_banner("mail is late", Severity.ATTENTION, "mail")
    window.set_page_attention("Log", True)
    window.foot.set_work(Work("M 57: divide flat", 3, 5, 80.0))
    window.foot.set_mail(Health("refused", Severity.ATTENTION, "The server refuses the login"))
    assert green_and_blue(window) == 0


def test_foot_line_says_how_far_the_work_is(qtbot):
    foot = FootLine()
    qtbot.addWidget(foot)
    foot.show()
    assert not foot._bar.isVisible()
    foot.set_work(Work("M 57: divide flat", 31, 50, 80.0))
    assert foot._left.text() == "31 of 50, 1 m 20 s left"
    with qtbot.waitSignal(foot.cancel_requested):
        qtbot.mouseClick(foot._cancel, Qt.MouseButton.LeftButton)
    foot.set_work(Work("M 57: divide flat", 31, 50, None, is_cancelling=True))
    assert foot._left.text() == "cancelling"
    assert not foot._cancel.isEnabled()
    assert foot._cancel.toolTip()
    foot.set_work(None)
    assert not foot._cancel.isVisible()


def test_foot_line_keeps_a_long_event_whole_in_the_tooltip(qtbot):
    foot = FootLine()
    qtbot.addWidget(foot)
    foot.resize(900, 28)
    foot.show()
    sentence = "Order main/42 failed: " + "a long reason " * 20
    foot.set_event(sentence, datetime(2024, 6, 2, 0, 41, 17, tzinfo=UTC))
    assert foot._event.text().endswith("…")
    assert foot._event.toolTip() == f"00:41:17  {sentence}"
    assert foot.width() == 900


@pytest.mark.parametrize(
    ("size", "text"), [(1_834_000_000_000, "1.8 TB free"), (64_000_000_000, "64 GB free"), (None, "––")]
)
def test_disk_room_in_words(qtbot, size, text):
    foot = FootLine()
    qtbot.addWidget(foot)
    foot.set_disk_free(size)
    assert foot._health["Disk"].accessibleName() == f"Disk: {text}"


def test_every_drawing_can_be_drawn(qapp):
    names = [file.stem for file in Path(resource("icons")).glob("*.svg")]
    assert {"night", "orders", "batches", "frames", "log", "settings", "help", "stop", "warning"} <= set(names)
    for name in names:
        picture = icons.pixmap(name).toImage()
        drawn = sum(
            picture.pixelColor(column, row).alpha() > 0
            for column in range(picture.width())
            for row in range(picture.height())
        )
        assert 20 < drawn < picture.width() * picture.height() / 2, name


@pytest.fixture
def help_page(qtbot):
    page = HelpPage()
    qtbot.addWidget(page)
    page.show()
    return page


def test_help_has_ten_tasks_and_the_limits_of_stop(help_page):
    assert len(TASKS_TOPIC.rows) == 10
    said = " ".join(text for _, text in STOP_TOPIC.rows)
    assert "hardware emergency stop within reach is required" in said
    assert any(keys == "Ctrl+Shift+S" for keys, _ in KEYS_TOPIC.rows)


def test_help_shows_what_contains_every_word(help_page):
    help_page.filter("hold shutter")
    shown = {term for panel in help_page.panels for term in panel.shown}
    assert shown == {"Ctrl+Shift+O"}
    help_page.filter("xyzzy")
    assert help_page._said.text().startswith("Nothing")
    help_page.filter("")
    assert not help_page._said.text()


def test_help_search_comes_back(help_page):
    help_page.restore_view({"search": "dome"})
    assert help_page.view_state() == {"search": "dome"}


def test_long_site_and_long_reason_are_whole_on_a_small_screen(qtbot, qapp):
    strip = StatusStrip()
    qtbot.addWidget(strip)
    strip.resize(1366, strip.height())
    sky = Word("unsafe", 1.0, severity=Severity.ALARM, detail="wind 12.6 m/s, limit 12 m/s")
    strip.set_values(replace(FINE, sky=sky, site="Roque de los Muchachos North"))
    strip.show()
    assert strip.cell("SKY").is_whole
    assert strip._site.text() == "Roque de los Muchachos North"
    assert strip._site.heightForWidth(strip._site.width()) <= strip._site.height() + 2


def test_help_says_how_many_entries_were_found(help_page):
    help_page.filter("shutter")
    shown = sum(len(panel.shown) for panel in help_page.panels)
    assert help_page._said.text() == f"{shown} entries say that"
