from datetime import UTC, datetime

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton

from app.model.alarms import Alarm
from app.model.dome import DomeFacts, DomeState, DomeWish, Move, Phase, ShutterState, WishKind
from app.model.queue_item import QueueItem
from app.model.reading import Reading
from app.model.settings import WeatherLimits
from app.model.strip import Severity
from app.model.surroundings import Moment, MountSample
from app.widgets import theme
from app.widgets.night_page import NightPage
from app.widgets.night_plots import SPAN_S

NOW_S = 1000.0
SKY_S = datetime(2026, 11, 22, 4, 53, tzinfo=UTC).timestamp()
FACTS = DomeFacts("Dome", 3, True, True, True, True)


def dome(azimuth_deg=137.4, age_s=0.2, **more):
    values = {
        "server": "127.0.0.1:11111/0",
        "is_ours": True,
        "facts": FACTS,
        "azimuth_deg": Reading(azimuth_deg, NOW_S - age_s),
        "shutter": Reading(ShutterState.OPEN, NOW_S - age_s),
        "is_slewing": Reading(False, NOW_S - age_s),
    }
    return DomeState(**{**values, **more})


def moved(phase, kind=WishKind.GOTO, azimuth_deg=171.0, number=1, reason=""):
    wish = DomeWish(kind, azimuth_deg if kind is WishKind.GOTO else None)
    return Move(number, wish, "ada", NOW_S - 12.0, phase, reason)


@pytest.fixture(autouse=True, scope="module")
def dark(qapp):
    theme.apply(qapp, "dark")


@pytest.fixture
def page(qtbot):
    page = NightPage()
    page.setAutoFillBackground(True)
    page.resize(1208, 624)
    qtbot.addWidget(page)
    return page


def field(panel):
    return next(one for one in panel.findChildren(QLineEdit) if one.accessibleName().startswith("Azimuth"))


def message(panel):
    label = next(one for one in panel.findChildren(QLabel) if one.accessibleName() == "Answer of the dome")
    return label.text(), label.property("role")


def click(qtbot, one):
    qtbot.mouseClick(one, Qt.MouseButton.LeftButton)


def test_ctrl_g_comes_to_the_field(qtbot, page):
    with qtbot.waitActive(page):
        page.show()
        page.activateWindow()
    qtbot.keyClick(page, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: field(page.dome).hasFocus(), timeout=2000)


def night(points=200, **last):
    times = np.linspace(SKY_S - SPAN_S, SKY_S, points)
    moments = [Moment(at, 250.0, 251.0, 6.0, 60.0, 10.0) for at in times]
    moments[-1] = Moment(times[-1], **{"wind_m_s": 6.0, **last})
    return tuple(moments)


def frame():
    return QImage(64, 64, QImage.Format.Format_RGB32)


def fill(page, state):
    page.set_dome(state, Reading(MountSample(139.1, 52.3, None, None, True, False, False), NOW_S), NOW_S)
    image = frame()
    image.fill(Qt.GlobalColor.white)
    page.set_frame(image, "M 51 · R · 120 s", (("FWHM", "2.31″"), ("sky", "1 843 adu")), "/data/m51.fits")
    running = QueueItem("M 51", "R, 30 × 120 s", "running", "ends about 05:12", (18, 30), "7")
    upcoming = tuple(QueueItem(f"NGC {n}", "R", "waiting", "rises at 05:40", None, str(n)) for n in range(9))
    page.set_queue(running, upcoming)
    sentences = ("Dome is NOT CLOSED: the driver reports an error", "Wind 14.2 m/s is over 12 m/s", "Third")
    at = datetime(2026, 11, 22, 4, 52, tzinfo=UTC)
    page.set_alarms(tuple(Alarm(sentence, sentence, Severity.ALARM, at) for sentence in sentences))
    page.set_moments(night(wind_m_s=14.2), WeatherLimits(), SKY_S)


STATES = {
    "empty": None,
    "normal": dome(),
    "stale": dome(age_s=12.0),
    "alarm": dome(
        shutter=Reading(ShutterState.ERROR, NOW_S),
        is_ours=False,
        last_move=moved(Phase.FAILED, WishKind.CLOSE, reason="nothing moved within 10 s: look at the dome " * 3),
    ),
}


@pytest.mark.parametrize("state", STATES.values(), ids=STATES.keys())
def test_red_is_red_in_every_state_and_the_page_keeps_its_size(qapp, page, state):
    page.show()
    if state is not None:
        fill(page, state)
    theme.apply(qapp, "red")
    qapp.processEvents()
    image = page.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    theme.apply(qapp, "dark")
    pixels = np.frombuffer(image.constBits(), np.uint8).reshape(-1, 4)
    assert pixels[:, :2].max() == 0
    assert pixels[:, 2].max() > 200
    assert (page.width(), page.height()) == (1208, 624)
    assert page.minimumSizeHint().height() <= 624
    assert page.minimumSizeHint().width() <= 1208


def test_the_frame_opens_by_click_and_enter(qtbot, page):
    page.show()
    fill(page, dome())
    picture = next(one for one in page.findChildren(type(page.frame._picture)))
    with qtbot.waitSignal(page.frame_requested) as opened:
        qtbot.mouseClick(picture, Qt.MouseButton.LeftButton)
    assert opened.args == ["/data/m51.fits"]
    with qtbot.waitSignal(page.frame_requested):
        qtbot.keyClick(picture, Qt.Key.Key_Return)
    page.set_frame(None, "", (), "")
    with qtbot.assertNotEmitted(page.frame_requested):
        qtbot.mouseClick(picture, Qt.MouseButton.LeftButton)


def test_an_order_opens_by_enter_and_five_fit(qtbot, page):
    page.show()
    fill(page, dome())
    page.set_alarms(())
    qtbot.waitUntil(lambda: page.queue._rows.shown >= 5, timeout=2000)
    rows = [row for row in page.queue._rows._rows if row.isVisible()]
    assert len(rows) >= 5
    assert rows[-1].geometry().bottom() < page.queue._rows.height()  # none is cut
    with qtbot.waitSignal(page.order_requested) as opened:
        qtbot.keyClick(page.queue._rows._rows[2], Qt.Key.Key_Return)
    assert opened.args == ["2"]


def test_a_page_with_nothing_says_what_to_do(qtbot, page):
    page.show()
    page.set_queue(None, ())
    with qtbot.waitSignal(page.page_requested) as wanted:
        click(qtbot, next(one for one in page.findChildren(QPushButton) if one.text().startswith("New order")))
    assert wanted.args == ["Orders"]


def test_the_step_of_the_jog_is_restored_and_nonsense_is_not(qtbot, page):
    with qtbot.waitSignal(page.view_changed):
        page.dome.set_jog_step(45.0)
    kept = page.view_state()
    page.dome.set_jog_step(1.0)
    for nonsense in ({}, {"jog_step_deg": "x"}, {"jog_step_deg": 7.0}, {"jog_step_deg": None}, [], None):
        page.restore_view(nonsense)
        assert page.dome.jog_step_deg == 1.0
    page.restore_view(kept)
    assert page.dome.jog_step_deg == 45.0


def test_a_message_of_the_owner_is_shown(page):
    page.show_message("OPEN refused: the Sun is up", Severity.ATTENTION)
    assert message(page.dome) == ("OPEN refused: the Sun is up", "attention")


def test_every_control_has_a_name_and_a_tooltip(page):
    for one in page.findChildren(QPushButton):
        assert one.accessibleName() or one.text()
    for one in page.dome.findChildren(QPushButton):
        assert one.toolTip()
        assert one.accessibleDescription()


def test_waiting_orders_give_their_reason_two_lines_where_there_is_room(page, qtbot):
    items = tuple(QueueItem(f"NGC {n}", "observe", "waiting", "Below 20 degrees, " * 5, key=str(n)) for n in range(3))
    page.set_queue(None, items)
    page.show()
    rows = [row for row in page.queue._rows._rows if row.isVisible()]
    assert len(rows) == 3
    assert all(row.height() >= 50 for row in rows)
    assert rows[1].y() == rows[0].height()
