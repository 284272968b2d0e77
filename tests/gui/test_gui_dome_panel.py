"""The dome's panel: what is asked, what is refused and why, and what came of it."""

from dataclasses import replace

import pytest
from PySide6.QtCore import QPoint, Qt
from PySide6.QtWidgets import QLabel, QLineEdit, QPushButton, QSpinBox

from app.model.dome import DomeFacts, DomeState, DomeWish, Move, Override, Phase, ShutterState, WishKind
from app.model.following import Follower, FollowState
from app.model.interlocks import Interlock
from app.model.reading import NEVER_READ, Reading
from app.model.strip import Severity
from app.widgets import theme
from app.widgets.dome_panel import DomePanel
from app.widgets.hold_button import HoldButton
from app.widgets.move_words import move_text
from app.widgets.turn_clock import TurnClock

NOW_S = 1000.0
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


def button(widget, name):
    return next(one for one in widget.findChildren(QPushButton) if one.accessibleName() == name)


def field(panel):
    return next(one for one in panel.findChildren(QLineEdit) if one.accessibleName().startswith("Azimuth"))


def texts(panel):
    return [one.text() for one in panel.findChildren(QLabel) if one.isVisible()]


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


def test_a_dome_without_park_has_no_such_button_and_a_sentence(panel):
    panel.set_state(dome(facts=DomeFacts("Dome", 3, True, True, False, True)), NEVER_READ, NOW_S)
    assert not button(panel, "Park").isVisible()
    assert "By its driver it has no park position" in texts(panel)
    assert button(panel, "Home").isEnabled()
    panel.set_state(dome(), NEVER_READ, NOW_S)
    assert button(panel, "Park").isVisible()
    assert not any(text.startswith("By its driver") for text in texts(panel))


def test_a_roof_opens_and_closes_only(qtbot, panel):
    roof = dome(azimuth_deg=None, facts=DomeFacts("Roof", 2, False, True, False, False))
    panel.set_state(replace(roof, azimuth_deg=NEVER_READ), NEVER_READ, NOW_S)
    for name in ("Go", "Jog clockwise", "Home", "Park", "Follow"):
        assert not button(panel, name).isVisible()
    assert any(text.endswith("it opens and closes only") for text in texts(panel))
    assert wish_of(qtbot, panel, button(panel, "OPEN").held.emit) == DomeWish(WishKind.OPEN)
    assert panel.dial.accessibleDescription().startswith("shutter open, driver's word")
    with qtbot.assertNotEmitted(panel.wished):
        at = panel.dial.point_at(90.0, sum(panel.dial.shell_px) / 2.0).toPoint()
        qtbot.mouseClick(panel.dial, Qt.MouseButton.LeftButton, pos=at)


def test_a_dome_without_a_shutter_has_no_open_and_no_close(panel):
    panel.set_state(dome(facts=DomeFacts("Dome", 3, True, False, True, True)), NEVER_READ, NOW_S)
    assert not button(panel, "OPEN").isVisible()
    assert not button(panel, "CLOSE").isVisible()
    assert "By its driver it has no shutter" in texts(panel)


def test_the_opening_is_raised_where_it_can_be(qtbot, panel):
    altitude = next(one for one in panel.findChildren(QLineEdit) if one.accessibleName().startswith("Altitude"))
    assert not altitude.isVisible()
    panel.set_state(dome(facts=replace(FACTS, can_set_altitude=True)), NEVER_READ, NOW_S)
    assert altitude.isVisible()
    altitude.setText("45")
    wish = wish_of(qtbot, panel, lambda: qtbot.keyClick(altitude, Qt.Key.Key_Return))
    assert wish == DomeWish(WishKind.ALTITUDE, altitude_deg=45.0)
    assert message(panel)[0] == "RAISE TO 45.0°: sent"
    altitude.setText("90.5")
    with qtbot.assertNotEmitted(panel.wished):
        click(qtbot, button(panel, "Set"))
    assert message(panel) == ("Altitude '90.5' is refused: give a number from 0 to 90 degrees", "attention")
    assert altitude.property("fault") == "true"


# Interlocks, overrides, the owner

GOOD = tuple(Interlock(name, True, "well") for name in ("lockout", "guard", "sky"))
WIND = Interlock("sky", False, "wind 14.2 m/s > 12", "wait until it is safe", 3.0)
SUN = Interlock("sun", None, "not known", "set the site")
LOCKOUT = Interlock("lockout", False, "Bea is in the dome (mirror)", "Bea releases it", may_be_overridden=False)


def override_fields(panel):
    names = ("Name of who overrides", "Reason of the override")
    return [next(one for one in panel.findChildren(QLineEdit) if one.accessibleName() == name) for name in names]


def interlock_words(panel):
    return next(one for one in panel.findChildren(QLabel) if one.accessibleName() == "Interlocks of OPEN")


def test_interlocks_that_are_good_are_counted_and_open_is_free(qtbot, panel):
    panel.set_state(dome(interlocks=GOOD), NEVER_READ, NOW_S)
    assert interlock_words(panel).text() == "OPEN: all 3 interlocks are good"
    assert "guard: well" in interlock_words(panel).accessibleDescription()
    assert not button(panel, "Override…").isVisible()
    assert wish_of(qtbot, panel, button(panel, "OPEN").held.emit) == DomeWish(WishKind.OPEN)


def test_open_that_is_refused_says_which_interlock_its_value_limit_age_and_remedy(panel):
    panel.set_state(dome(interlocks=(*GOOD, WIND, SUN)), NEVER_READ, NOW_S)
    refused = button(panel, "OPEN")
    assert not refused.isEnabled()
    for words in (refused.toolTip(), refused.accessibleDescription()):
        assert "sky: wind 14.2 m/s > 12, 3 s old: wait until it is safe" in words
        assert "sun: not known: set the site" in words
        assert "Override" in words
    assert "wind 14.2 m/s > 12" in interlock_words(panel).text()
    assert interlock_words(panel).text().endswith("1 more")
    assert button(panel, "Go").isEnabled()  # turns obey the guard alone


def test_the_line_over_open_says_that_nothing_is_known_rather_than_that_all_is_good(panel):
    panel.set_state(dome(age_s=12.0, interlocks=GOOD), NEVER_READ, NOW_S)
    assert interlock_words(panel).text().startswith("OPEN refused \u00b7 The dome has not answered for 12 s")


def test_close_says_that_nothing_comes_of_it_in_lockout(panel):
    close = button(panel, "CLOSE")
    assert "Never refused here" in close.toolTip()
    panel.set_state(dome(interlocks=(LOCKOUT,)), NEVER_READ, NOW_S)
    assert close.isEnabled()
    assert "Nothing closes now: lockout: Bea is in the dome" in close.toolTip()


def test_open_with_an_override_carries_name_reason_and_minutes_once(qtbot, panel):
    refusing = dome(interlocks=(*GOOD, WIND))
    panel.set_state(refusing, NEVER_READ, NOW_S)
    name, reason = override_fields(panel)
    assert not name.isVisible()
    click(qtbot, button(panel, "Override…"))
    assert name.isVisible()
    assert "fill in your name and the reason" in button(panel, "OPEN").toolTip()
    qtbot.keyClicks(name, "Ada")
    assert not button(panel, "OPEN").isEnabled()
    qtbot.keyClicks(reason, "dry, I look at it")
    panel.set_state(refusing, NEVER_READ, NOW_S + 0.4)  # what was typed stays
    assert button(panel, "OPEN").isEnabled()
    panel.findChild(QSpinBox).setValue(20)
    wish = wish_of(qtbot, panel, button(panel, "OPEN").held.emit)
    assert wish == DomeWish(WishKind.OPEN, override=Override("Ada", "dry, I look at it", 20.0))
    assert not button(panel, "OPEN").isEnabled()  # a reason is for one opening
    click(qtbot, button(panel, "Override…"))
    assert (name.text(), reason.text()) == ("Ada", "")


def test_an_override_is_given_up_by_esc_and_not_sent_when_nothing_needs_it(qtbot, panel):
    panel.set_state(dome(interlocks=(WIND,)), NEVER_READ, NOW_S)
    click(qtbot, button(panel, "Override…"))
    name, reason = override_fields(panel)
    qtbot.keyClicks(name, "Ada")
    qtbot.keyClicks(reason, "dry")
    qtbot.keyClick(reason, Qt.Key.Key_Escape)
    assert not name.isVisible()
    assert not button(panel, "OPEN").isEnabled()
    click(qtbot, button(panel, "Override…"))
    panel.set_state(dome(interlocks=GOOD), NEVER_READ, NOW_S)
    assert wish_of(qtbot, panel, button(panel, "OPEN").held.emit).override is None


def test_nobody_may_override_a_lockout_and_nothing_but_close_is_free(qtbot, panel):
    panel.set_state(dome(interlocks=(WIND,)), NEVER_READ, NOW_S)
    click(qtbot, button(panel, "Override…"))
    panel.set_state(dome(interlocks=(LOCKOUT, WIND)), NEVER_READ, NOW_S)
    assert not any(one.isVisible() for one in override_fields(panel))
    assert not button(panel, "Override…").isVisible()
    for name in ("OPEN", "Go", "Home", "Park", "Jog clockwise", "Follow"):
        assert not button(panel, name).isEnabled()
        assert "Bea is in the dome (mirror): Bea releases it" in button(panel, name).toolTip()
    assert wish_of(qtbot, panel, lambda: click(qtbot, button(panel, "CLOSE"))) == DomeWish(WishKind.CLOSE)


def test_who_does_not_own_the_dome_closes_only_and_may_take_over(qtbot, panel):
    take_over = button(panel, "Take over")
    assert not take_over.isVisible()
    state = dome(is_owner=False, owner="bea's Cupola (process 7)", following=FollowState(Follower.CUPOLA))
    panel.set_state(state, NEVER_READ, NOW_S)
    for name in ("OPEN", "Go", "Home", "Park", "Jog clockwise", "Follow"):
        assert not button(panel, name).isEnabled()
        assert (
            "Commanded by bea's Cupola (process 7): this window watches" in button(panel, name).accessibleDescription()
        )
    assert any("Commanded by bea's Cupola (process 7)" in text for text in texts(panel))
    assert wish_of(qtbot, panel, lambda: click(qtbot, button(panel, "CLOSE"))) == DomeWish(WishKind.CLOSE)
    assert isinstance(take_over, HoldButton)
    with qtbot.assertNotEmitted(panel.take_over_requested):
        click(qtbot, take_over)
    with qtbot.waitSignal(panel.take_over_requested):
        take_over.held.emit()
    panel.set_state(dome(), NEVER_READ, NOW_S)
    assert not take_over.isVisible()
    assert button(panel, "Go").isEnabled()


# Following


@pytest.mark.parametrize(
    ("following", "caption", "in_words"),
    [
        (FollowState(), "off", "follow: off"),
        (FollowState(Follower.DRIVER), "driver", "follows: driver"),
        (
            FollowState(Follower.CUPOLA, False, "", False, 140.0, 2.6, 8.4, 840.0),
            "Cupola",
            "margin 5.8°, clips in 14 m 00 s",
        ),
        (FollowState(Follower.CUPOLA, False, "", False, 140.0, 2.6, 8.4), "Cupola", "margin 5.8°, no clip ahead"),
        (FollowState(Follower.CUPOLA, False, "", False, 140.0, -9.4, 8.4), "Cupola", "CLIPPED by 1.0°"),
        (FollowState(Follower.CUPOLA, True, "homing"), "suspended", "follows: Cupola, suspended, homing"),
        (FollowState(is_dropped=True, reason="the mount is silent"), "DROPPED", "follow DROPPED, the mount is silent"),
    ],
)
def test_who_slaves_and_how_that_fares_is_said(panel, following, caption, in_words):
    panel.set_state(dome(following=following), NEVER_READ, NOW_S)
    who = next(one for one in panel.findChildren(QLabel) if one.accessibleName() == "Who follows the telescope")
    assert who.text() == caption
    assert who.property("role") == ("small" if caption in ("off", "driver") or "margin" in in_words else "fault")
    assert in_words in panel.dial.accessibleDescription()
    assert button(panel, "Follow").isChecked() == (following.who is not Follower.NOBODY)


def test_follow_asks_for_the_other_and_shows_what_is(qtbot, panel):
    follow = button(panel, "Follow")
    with qtbot.waitSignal(panel.follow_requested) as asked:
        click(qtbot, follow)
    assert asked.args == [True]
    assert not follow.isChecked()  # nothing follows yet
    panel.set_state(dome(following=FollowState(Follower.DRIVER)), NEVER_READ, NOW_S)
    assert follow.isChecked()
    with qtbot.waitSignal(panel.follow_requested) as asked:
        click(qtbot, follow)
    assert asked.args == [False]
    assert follow.isChecked()


def test_following_can_be_ended_but_not_begun_while_the_dome_is_silent(panel):
    panel.set_state(dome(age_s=12.0), NEVER_READ, NOW_S)
    assert "has not answered for 12 s" in button(panel, "Follow").toolTip()
    panel.set_state(dome(age_s=12.0, following=FollowState(Follower.CUPOLA)), NEVER_READ, NOW_S)
    assert button(panel, "Follow").isEnabled()


# Messages


def test_a_refusal_goes_when_its_reason_is_gone(panel):
    panel.set_state(DomeState(), NEVER_READ, NOW_S)
    panel.dial.azimuth_requested.emit(90.0)
    assert "refused: The dome was never read" in message(panel)[0]
    panel.set_state(DomeState(), NEVER_READ, NOW_S + 1.0)
    assert "refused" in message(panel)[0]
    panel.set_state(dome(), NEVER_READ, NOW_S)
    assert message(panel) == ("No command yet", "")


def test_a_refusal_of_the_owner_while_nothing_was_read_goes_too_and_an_alarm_stays(panel):
    panel.set_state(DomeState(), NEVER_READ, NOW_S)
    panel.show_message("The dome was never read", Severity.ATTENTION)
    panel.set_state(dome(last_move=moved(Phase.ARRIVED)), NEVER_READ, NOW_S)
    assert message(panel)[0] == "GO TO 171.0°: arrived"
    panel.set_state(dome(age_s=12.0), NEVER_READ, NOW_S)
    panel.show_message("CLOSE FAILED: look at the dome", Severity.ALARM)
    panel.set_state(dome(), NEVER_READ, NOW_S)
    assert message(panel) == ("CLOSE FAILED: look at the dome", "alarm")


def test_how_long_the_dome_takes_to_answer_is_shown(panel):
    panel.set_state(dome(latency_s=0.0123), NEVER_READ, NOW_S)
    assert "answers in\n12 ms" in texts(panel)


def test_every_phase_is_named_and_the_end_stays(qtbot, panel):
    field(panel).setText("171")
    click(qtbot, button(panel, "Go"))
    panel.set_state(dome(move=moved(Phase.ACCEPTED)), NEVER_READ, NOW_S)
    assert message(panel)[0] == "GO TO 171.0°: accepted"
    panel.set_state(dome(move=moved(Phase.MOVING)), NEVER_READ, NOW_S)
    assert message(panel)[0] == "GO TO 171.0°: moving"
    assert move_text(replace(moved(Phase.ACCEPTED), answered_s=0.012))[0] == "GO TO 171.0°: accepted in 12 ms"
    assert move_text(replace(moved(Phase.MOVING), answered_s=0.012))[0] == "GO TO 171.0°: moving, accepted in 12 ms"
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


def test_turn_that_nobody_here_commanded_has_a_direction(panel):
    panel.set_state(dome(azimuth_deg=10.0, is_slewing=Reading(True, NOW_S)), NEVER_READ, NOW_S)
    later_s = NOW_S + 2.0
    readings = {name: Reading(value, later_s) for name, value in (("azimuth_deg", 4.0), ("is_slewing", True))}
    panel.set_state(replace(dome(), **readings), NEVER_READ, later_s)
    assert "moving CCW" in panel.dial.accessibleDescription()


def test_groups_of_buttons_are_evenly_spaced_and_end_with_the_row_below(panel):
    def ends(name):
        one = button(panel, name)
        return one.mapTo(panel, one.rect().topLeft()).x(), one.mapTo(panel, one.rect().topRight()).x()

    gaps = [
        ends("Jog counterclockwise")[0] - ends("Go")[1],
        ends("Home")[0] - ends("Jog clockwise")[1],
        ends("Follow")[0] - ends("Park")[1],
    ]
    assert len(set(gaps)) == 1
    assert ends("Follow")[1] == ends("CLOSE")[1]


@pytest.mark.parametrize("interlocks", [GOOD, (WIND,), (LOCKOUT,)])
def test_what_is_said_above_open_moves_nothing(qtbot, panel, interlocks):
    before = [button(panel, name).mapTo(panel, QPoint()) for name in ("OPEN", "CLOSE", "Go", "Follow")]
    panel.set_state(dome(interlocks=interlocks), NEVER_READ, NOW_S)
    if interlocks == (WIND,):
        click(qtbot, button(panel, "Override…"))
    panel.set_state(dome(interlocks=interlocks), NEVER_READ, NOW_S)
    assert [button(panel, name).mapTo(panel, QPoint()) for name in ("OPEN", "CLOSE", "Go", "Follow")] == before


def test_alarm_in_the_answer_line_does_not_touch_its_box(panel):
    label = next(one for one in panel.findChildren(QLabel) if one.accessibleName() == "Answer of the dome")
    plain = label.contentsRect().left()
    panel.show_message("CLOSE: failed", Severity.ALARM)
    assert label.contentsRect().left() >= plain + theme.NEAR_PX
    panel.show_message("CLOSE: sent", Severity.NORMAL)
    assert label.contentsRect().left() == plain
