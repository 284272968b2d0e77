from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton

from app.model.dome import DomeFacts, DomeState, DomeWish, Move, Override, Phase, ShutterState, WishKind
from app.model.queue_item import QueueItem
from app.model.reading import NEVER_READ, Reading
from app.model.settings import WeatherLimits
from app.model.strip import Severity
from app.model.surroundings import Moment, MountSample
from app.widgets import theme
from app.widgets.dome_panel import DomePanel, TurnClock
from app.widgets.night_page import NightPage
from app.widgets.night_plots import SPAN_S, NightPlots, line_pieces

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
def panel(qtbot):
    panel = DomePanel()
    panel.resize(480, 600)
    qtbot.addWidget(panel)
    panel.show()
    panel.set_state(dome(), NEVER_READ, NOW_S)
    return panel


@pytest.fixture
def page(qtbot):
    page = NightPage()
    page.setAutoFillBackground(True)
    page.resize(1208, 624)
    qtbot.addWidget(page)
    return page


def button(widget, name):
    return next(one for one in widget.findChildren(QPushButton) if one.accessibleName() == name)


def field(panel):
    return next(one for one in panel.findChildren(QLineEdit) if one.accessibleName().startswith("Azimuth"))


def message(panel):
    label = next(one for one in panel.findChildren(QLabel) if one.accessibleName() == "Answer of the dome")
    return label.text(), label.property("role")


def click(qtbot, one):
    qtbot.mouseClick(one, Qt.MouseButton.LeftButton)


def wish_of(qtbot, panel, act):
    with qtbot.waitSignal(panel.wished) as wished:
        act()
    return wished.args[0]


@pytest.mark.parametrize("text", ["171", "171.0°", " 171 "])
def test_enter_in_the_field_goes_there(qtbot, panel, text):
    field(panel).setText(text)
    wish = wish_of(qtbot, panel, lambda: qtbot.keyClick(field(panel), Qt.Key.Key_Return))
    assert wish == DomeWish(WishKind.GOTO, 171.0)
    assert message(panel) == ("GO TO 171.0°: sent", "")


@pytest.mark.parametrize("text", ["400", "-1", "nan", "abc", ""])
def test_what_is_no_azimuth_is_marked_and_explained(qtbot, panel, text):
    field(panel).setText(text)
    with qtbot.assertNotEmitted(panel.wished):
        click(qtbot, button(panel, "Go"))
    sentence, role = message(panel)
    assert sentence.startswith("Azimuth")
    assert "give a number from 0" in sentence
    assert role == "attention"
    assert field(panel).property("fault") == "true"
    field(panel).clear()
    qtbot.keyClicks(field(panel), "12")
    assert field(panel).property("fault") != "true"


def test_a_click_on_the_dial_becomes_a_wish(qtbot, panel):
    at = panel.dial.point_at(90.0, sum(panel.dial.shell_px) / 2.0).toPoint()
    wish = wish_of(qtbot, panel, lambda: qtbot.mouseClick(panel.dial, Qt.MouseButton.LeftButton, pos=at))
    assert wish.kind is WishKind.GOTO
    assert wish.azimuth_deg == pytest.approx(90.0, abs=0.4)


def test_jog_crosses_north_and_says_where_it_ends(qtbot, panel):
    panel.set_state(dome(azimuth_deg=358.0), NEVER_READ, NOW_S)
    panel.set_jog_step(5.0)
    assert any("353.0°" in label.text() and "3.0°" in label.text() for label in panel.findChildren(QLabel))
    assert wish_of(qtbot, panel, lambda: click(qtbot, button(panel, "Jog clockwise"))).azimuth_deg == 3.0
    panel.set_state(dome(azimuth_deg=3.0), NEVER_READ, NOW_S)
    assert wish_of(qtbot, panel, lambda: click(qtbot, button(panel, "Jog counterclockwise"))).azimuth_deg == 358.0


def test_jog_adds_to_where_the_dome_is_going(qtbot, panel):
    panel.set_jog_step(10.0)
    panel.set_state(dome(azimuth_deg=100.0, move=moved(Phase.MOVING)), NEVER_READ, NOW_S)
    assert wish_of(qtbot, panel, lambda: click(qtbot, button(panel, "Jog clockwise"))).azimuth_deg == 181.0


@pytest.mark.parametrize("name", ["Go", "Home", "Park", "OPEN", "Jog clockwise", "Jog counterclockwise"])
def test_while_stale_everything_but_close_is_refused_and_says_why(panel, name):
    panel.set_state(dome(age_s=12.0), NEVER_READ, NOW_S)
    refused = button(panel, name)
    assert not refused.isEnabled()
    assert "has not answered for 12 s" in refused.toolTip()
    assert "has not answered for 12 s" in refused.accessibleDescription()


@pytest.mark.parametrize("state", [DomeState(), dome(age_s=12.0), dome()])
def test_close_is_never_refused(qtbot, panel, state):
    panel.set_state(state, NEVER_READ, NOW_S)
    assert button(panel, "CLOSE").isEnabled()
    assert wish_of(qtbot, panel, lambda: click(qtbot, button(panel, "CLOSE"))) == DomeWish(WishKind.CLOSE)


def test_a_dial_that_is_stale_takes_no_wish(qtbot, panel):
    panel.set_state(dome(age_s=12.0), NEVER_READ, NOW_S)
    with qtbot.assertNotEmitted(panel.wished):
        panel.dial.azimuth_requested.emit(90.0)
    assert message(panel)[0].startswith("GO TO 90.0° refused: The dome has not answered for 12 s")


def test_never_read_is_told_apart_from_stale(panel):
    panel.set_state(DomeState(), NEVER_READ, NOW_S)
    assert "never read" in button(panel, "OPEN").toolTip()


def test_following_says_that_it_is_not_there(panel):
    assert not button(panel, "Follow").isEnabled()
    assert "nothing follows the telescope" in button(panel, "Follow").accessibleDescription()


def test_a_dome_without_park_says_so(panel):
    panel.set_state(dome(facts=DomeFacts("Dome", 3, True, True, False, True)), NEVER_READ, NOW_S)
    assert "cannot park" in button(panel, "Park").toolTip()
    assert button(panel, "Home").isEnabled()


def test_open_of_a_dome_that_is_not_ours_needs_name_and_reason(qtbot, panel):
    name, reason = (
        next(one for one in panel.findChildren(QLineEdit) if one.accessibleName() == text)
        for text in ("Name of who overrides", "Reason of the override")
    )
    assert not name.isVisible()
    panel.set_state(dome(is_ours=False), NEVER_READ, NOW_S)
    assert name.isVisible()
    assert "fill in your name and the reason" in button(panel, "OPEN").toolTip()
    name.setText("Ada")
    reason.setText("dry, I look at it")
    assert button(panel, "OPEN").isEnabled()
    wish = wish_of(qtbot, panel, button(panel, "OPEN").held.emit)
    assert wish == DomeWish(WishKind.OPEN, override=Override("Ada", "dry, I look at it"))
    assert not button(panel, "OPEN").isEnabled()  # a reason is for one opening


def test_our_simulator_opens_without_an_override(qtbot, panel):
    assert wish_of(qtbot, panel, button(panel, "OPEN").held.emit) == DomeWish(WishKind.OPEN)


def test_every_phase_is_named_and_the_end_stays(qtbot, panel):
    field(panel).setText("171")
    click(qtbot, button(panel, "Go"))
    panel.set_state(dome(move=moved(Phase.ACCEPTED)), NEVER_READ, NOW_S)
    assert message(panel)[0] == "GO TO 171.0°: accepted"
    panel.set_state(dome(move=moved(Phase.MOVING)), NEVER_READ, NOW_S)
    assert message(panel)[0] == "GO TO 171.0°: moving"
    for _ in range(3):
        panel.set_state(dome(last_move=moved(Phase.ARRIVED)), NEVER_READ, NOW_S)
        assert message(panel) == ("GO TO 171.0°: arrived in 12 s", "")


def test_a_failed_move_is_an_alarm_and_the_next_command_replaces_it(qtbot, panel):
    failed = moved(Phase.FAILED, WishKind.CLOSE, reason="nothing moved within 10 s: look at the dome")
    panel.set_state(dome(last_move=failed), NEVER_READ, NOW_S)
    assert message(panel) == ("CLOSE FAILED: nothing moved within 10 s: look at the dome", "alarm")
    click(qtbot, button(panel, "CLOSE"))
    panel.set_state(dome(last_move=failed), NEVER_READ, NOW_S + 0.5)
    assert message(panel) == ("CLOSE: sent", "")


def test_a_press_that_nobody_accepts_says_so(qtbot, panel):
    click(qtbot, button(panel, "Park"))
    panel.set_state(dome(), NEVER_READ, NOW_S + 1.0)
    assert message(panel)[0] == "PARK: sent"
    panel.set_state(dome(), NEVER_READ, NOW_S + 2.0)
    assert message(panel) == ("PARK: not accepted after 2.0 s: see Log, then ask again", "attention")


def test_a_stop_that_was_not_confirmed_is_an_alarm(panel):
    panel.set_state(dome(stop_notice="STOP not confirmed: use the hardware stop"), NEVER_READ, NOW_S)
    assert message(panel) == ("STOP not confirmed: use the hardware stop", "alarm")


def test_the_rate_is_measured_across_north():
    clock = TurnClock()
    for second, azimuth in ((0.0, 356.0), (1.0, 359.0), (2.0, 2.0)):
        clock.note(Reading(azimuth, second))
    assert clock.eta_s(34.0) == pytest.approx(34.0 / 3.0)
    assert clock.eta_s(-34.0) is None  # it turns the other way
    clock.note(Reading(2.0, 2.0))
    assert clock.eta_s(34.0) == pytest.approx(34.0 / 3.0)


def test_ctrl_g_comes_to_the_field(qtbot, page):
    with qtbot.waitActive(page):
        page.show()
        page.activateWindow()
    qtbot.keyClick(page, Qt.Key.Key_G, Qt.KeyboardModifier.ControlModifier)
    qtbot.waitUntil(lambda: field(page.dome).hasFocus(), timeout=2000)


# The plots


def test_no_line_crosses_north_and_gaps_stay_gaps():
    times = np.arange(8) * 30.0
    azimuths = np.array([350.0, 356.0, 2.0, 8.0, np.nan, 20.0, 26.0, 32.0])
    pieces = [values.tolist() for _, values in line_pieces(times, azimuths, 43200, 0.0, wraps=True)]
    assert [sorted(set(values)) for values in pieces] == [[350.0, 356.0], [2.0, 8.0], [20.0, 26.0, 32.0]]


def test_a_long_silence_is_a_gap():
    times = np.array([0.0, 30.0, 3600.0, 3630.0])
    assert len(list(line_pieces(times, np.ones(4), 720, 0.0))) == 2


def test_thinning_keeps_every_gust():
    times = np.linspace(0.0, SPAN_S, 5000)
    wind = np.full(5000, 5.0)
    wind[[1234, 4321]] = 30.0, 1.0
    ((columns, values),) = line_pieces(times, wind, 400, 0.0)
    assert columns.size <= 2 * 401
    assert (values.min(), values.max()) == (1.0, 30.0)


def night(points=200, **last):
    times = np.linspace(SKY_S - SPAN_S, SKY_S, points)
    moments = [Moment(at, 250.0, 251.0, 6.0, 60.0, 10.0) for at in times]
    moments[-1] = Moment(times[-1], **{"wind_m_s": 6.0, **last})
    return tuple(moments)


def plots_of(qtbot, moments):
    plots = NightPlots()
    plots.resize(760, 200)
    qtbot.addWidget(plots)
    plots.set_moments(moments, WeatherLimits(wind_m_s=12.0), SKY_S)
    return plots


def has_color(widget, token):
    image = widget.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
    return theme.current().color(token).rgb() in set(np.frombuffer(image.constBits(), np.uint32).tolist())


def test_only_what_is_beyond_its_limit_is_loud(qtbot):
    assert not has_color(plots_of(qtbot, night()), "alarm")
    assert has_color(plots_of(qtbot, night(wind_m_s=14.2)), "alarm")


def test_one_gust_beyond_the_limit_is_seen_when_it_is_over(qtbot):
    moments = list(night())
    moments[100] = Moment(moments[100].at_s, wind_m_s=14.2)
    assert has_color(plots_of(qtbot, tuple(moments)), "alarm")


def test_the_values_of_a_time_are_shown_by_mouse_and_keys(qtbot):
    plots = plots_of(qtbot, night(720, wind_m_s=9.5))
    plots.show()
    assert "wind 9.5 m/s" in plots.accessibleDescription()
    qtbot.mouseMove(plots, QPoint(300, 60))
    assert "UTC: dome 250.0°, tel 251.0°, wind 6.0 m/s" in plots.accessibleDescription()
    qtbot.keyClick(plots, Qt.Key.Key_Escape)
    qtbot.keyClick(plots, Qt.Key.Key_Left)
    assert plots.accessibleDescription().startswith("at 04:43 UTC")


def test_an_old_value_is_not_now(qtbot):
    moments = tuple(moment for moment in night(720) if moment.at_s < SKY_S - 600.0)
    assert plots_of(qtbot, moments).values_at(SKY_S)["wind"] is None


# The page


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
    page.set_alarms(("Dome is NOT CLOSED: the driver reports an error", "Wind 14.2 m/s is over 12 m/s", "Third"))
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


def test_alarms_that_have_no_room_are_counted(page):
    page.set_alarms(("one", "two", "three", "four"))
    assert any(one.text().startswith("2 more") for one in page.findChildren(QPushButton))


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


def test_turn_that_nobody_here_commanded_has_a_direction(panel):
    panel.set_state(dome(azimuth_deg=10.0, is_slewing=Reading(True, NOW_S)), NEVER_READ, NOW_S)
    later_s = NOW_S + 2.0
    readings = {name: Reading(value, later_s) for name, value in (("azimuth_deg", 4.0), ("is_slewing", True))}
    panel.set_state(replace(dome(), **readings), NEVER_READ, later_s)
    assert "moving CCW" in panel.dial.accessibleDescription()


def test_groups_of_buttons_are_evenly_spaced_and_end_with_the_row_below(panel):
    shown = {name: button(panel, name).geometry() for name in ("Go", "Jog counterclockwise", "Jog clockwise", "Home")}
    gaps = [
        shown["Jog counterclockwise"].left() - shown["Go"].right(),
        shown["Home"].left() - shown["Jog clockwise"].right(),
    ]
    assert gaps[0] == gaps[1]
    close = button(panel, "CLOSE")
    assert button(panel, "Follow").geometry().right() == close.mapTo(panel, close.rect().topRight()).x()


def test_alarm_in_the_answer_line_does_not_touch_its_box(panel):
    label = next(one for one in panel.findChildren(QLabel) if one.accessibleName() == "Answer of the dome")
    plain = label.contentsRect().left()
    panel.show_message("CLOSE: failed", Severity.ALARM)
    assert label.contentsRect().left() >= plain + theme.NEAR_PX
    panel.show_message("CLOSE: sent", Severity.NORMAL)
    assert label.contentsRect().left() == plain


def test_silent_line_keeps_its_last_value_and_says_how_old_it_is(qtbot):
    moments = tuple(Moment(SKY_S - 3600.0 + second, wind_m_s=5.0) for second in range(0, 600, 60))
    plots = plots_of(qtbot, moments)
    never = plots_of(qtbot, (Moment(SKY_S - 3600.0, humidity_percent=50.0),))
    wind = plots._boxes()[1]
    right = (int(wind.right()) + 60, int(wind.top()) - 3, 80, int(wind.height()) + 6)
    assert plots.grab().copy(*right).toImage() != never.grab().copy(*right).toImage()


def test_waiting_orders_give_their_reason_two_lines_where_there_is_room(page, qtbot):
    items = tuple(QueueItem(f"NGC {n}", "observe", "waiting", "Below 20 degrees, " * 5, key=str(n)) for n in range(3))
    page.set_queue(None, items)
    page.show()
    rows = [row for row in page.queue._rows._rows if row.isVisible()]
    assert len(rows) == 3
    assert all(row.height() >= 50 for row in rows)
    assert rows[1].y() == rows[0].height()
