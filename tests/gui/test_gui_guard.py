"""The guard on the screen: its word, the interlocks, LOCKOUT, overrides, the countdown, and the window's lease."""

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime

import numpy as np
import pytest
from PySide6.QtCore import Qt
from PySide6.QtGui import QImage
from PySide6.QtWidgets import QApplication, QLabel, QLineEdit, QPushButton

from app.controllers.guarding import LEASE, GuardController
from app.model.alarms import Alarm
from app.model.dome import ActiveOverride, DomeRefused, DomeState, Override
from app.model.guard import GuardPhase, GuardState, LeaseState, Lockout
from app.model.interlocks import Interlock
from app.model.notices import HARDWARE_STOP, Notice, notices_of
from app.model.reading import NEVER_READ, Reading
from app.model.strip import Severity
from app.store.engine import open_database
from app.store.journal import Journal
from app.widgets import theme
from app.widgets.guard_panel import GuardPanel
from app.widgets.hold_button import HoldButton
from app.widgets.night_page import NightPage

NOW_S = 1000.0
AT = datetime(2026, 11, 22, 21, 4, 55, tzinfo=UTC)
INTERLOCKS = (
    Interlock("lockout", True, "nobody is in the dome"),
    Interlock("sky", False, "wind 14.2 m/s > 12", "wait until it is safe", 2.0),
    Interlock("mount", None, "not known to be parked", "park the mount first"),
)
HELD = Lockout(who="ada", reason="cleaning the mirror", since=AT)
OVERRIDE = ActiveOverride(Override("bob", "dry, I look at it"), ("sky",), NOW_S + 1400.0)


def word(age_s=0.3, **state):
    lease = LeaseState(name="window", age_s=0.4, limit_s=60.0)
    known = {"is_safe": True, "safe_for_s": 723.0, "shutter": "open", "leases": (lease,), "reopenings_left": 3}
    return Reading(GuardState(server="a:1/0", pid=7, **{**known, **state}), NOW_S - age_s)


def dome(**changes):
    return DomeState(**{"interlocks": INTERLOCKS, **changes})


@pytest.fixture(autouse=True, scope="module")
def dark(qapp):
    theme.apply(qapp, "dark")


@pytest.fixture
def panel(qtbot):
    made = GuardPanel()
    made.resize(782, 196)
    qtbot.addWidget(made)
    made.show()
    made.set_state(dome(), word(), NOW_S)
    return made


@pytest.fixture
def page(qtbot):
    made = NightPage()
    made.resize(1208, 624)
    qtbot.addWidget(made)
    made.show()
    return made


def texts(widget):
    return [label.text() for label in widget.findChildren(QLabel) if label.isVisible() and label.text()]


def edit(panel, name):
    return next(one for one in panel.findChildren(QLineEdit) if one.accessibleName() == name)


def hold_button(panel, name):
    return next(one for one in panel.findChildren(HoldButton) if one.accessibleName() == name)


def button(panel, text):
    return next(one for one in panel.findChildren(QPushButton) if one.text() == text)


# The panel


def test_unmet_interlocks_come_first_with_value_limit_age_and_remedy(panel):
    shown = texts(panel._interlocks)
    assert shown == [
        "\u2717", "sky: wind 14.2 m/s > 12, 2 s ago", "wait until it is safe",
        "?", "mount: not known to be parked", "park the mount first",
        "\u2713", "lockout: nobody is in the dome",
    ]  # fmt: skip


def test_the_guard_tells_its_leases_reopenings_and_safe_time(panel):
    facts = "\n".join(texts(panel._health))
    for fact in ("on duty, 0 s ago", "safe for 12 m 03 s", "window heard 0 s ago, limit 60 s", "3 reopenings left"):
        assert fact in facts


def test_a_failed_close_tells_its_tries_and_the_next(panel):
    panel.set_state(dome(), word(phase=GuardPhase.CLOSING, reason="rain", failed_closes=3, next_close_s=40.0), NOW_S)
    facts = "\n".join(texts(panel._health))
    assert "rain" in facts
    assert "3 failed closes, next try in 40 s" in facts


def test_a_countdown_is_large_and_a_silent_guard_counts_nothing(panel):
    counting = word(phase=GuardPhase.COUNTDOWN, reason="rain", countdown_s=22.6)
    panel.set_state(dome(), counting, NOW_S)
    assert panel._health._word.text() == "23\u00a0s"
    assert panel._health._word.property("role") == "countdown"
    panel.set_state(dome(), counting, NOW_S + 10.0)
    assert panel._health._word.text() == "silent, 10 s ago"


def test_lockout_needs_a_name_and_a_reason_and_is_held(qtbot, panel):
    panel.set_operator("ada")
    take = hold_button(panel, "LOCKOUT")
    assert not take.isEnabled()
    assert "what for" in take.accessibleDescription()
    edit(panel, "Reason of the LOCKOUT").setText("cleaning the mirror")
    assert take.isEnabled()
    with qtbot.assertNotEmitted(panel.lockout_wanted):
        qtbot.mouseClick(take, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(panel.lockout_wanted) as wanted:
        take.held.emit()
    assert wanted.args == ["ada", "cleaning the mirror"]
    assert not take.isEnabled()  # a reason is for one LOCKOUT
    assert any(HARDWARE_STOP in text for text in texts(panel))


def test_a_lockout_that_is_held_names_its_holder_and_is_released_by_a_hold(qtbot, panel):
    panel.set_state(dome(), word(phase=GuardPhase.LOCKOUT, lockout=HELD), NOW_S)
    assert "Taken by ada at 21:04:55: cleaning the mirror" in texts(panel)
    assert any(HARDWARE_STOP in text for text in texts(panel))
    assert not hold_button(panel, "LOCKOUT").isVisible()
    release = hold_button(panel, "Release LOCKOUT")
    with qtbot.assertNotEmitted(panel.release_wanted):
        qtbot.mouseClick(release, Qt.MouseButton.LeftButton)
    with qtbot.waitSignal(panel.release_wanted) as wanted:
        release.held.emit()
    assert wanted.args == ["ada"]


def test_an_override_tells_author_reason_and_time_and_ends_with_one_click(qtbot, panel):
    assert not button(panel, "End override").isVisible()
    panel.set_state(dome(override=OVERRIDE), word(), NOW_S)
    assert "Override of sky, 23 m 20 s left: bob, dry, I look at it" in texts(panel)
    with qtbot.waitSignal(panel.override_ended):
        qtbot.mouseClick(button(panel, "End override"), Qt.MouseButton.LeftButton)
    panel.set_state(dome(override=OVERRIDE), word(), NOW_S + 1400.0)
    assert "Override of sky, expired: bob, dry, I look at it" in texts(panel)


# The page


def test_the_guard_is_seen_at_all_times(page):
    page.set_dome(dome(), NEVER_READ, NOW_S)
    page.set_guard(word(), NOW_S)
    assert "on duty, 0 s ago" in texts(page._guard_summary)
    page.set_guard(word(age_s=3.1), NOW_S)
    assert "silent, 3 s ago" in texts(page._guard_summary)
    page.set_guard(word(phase=GuardPhase.COUNTDOWN, countdown_s=23.0), NOW_S)
    assert "23\u00a0s to close" in texts(page._guard_summary)


def test_a_dome_that_stays_open_when_it_is_abandoned_is_named(panel):
    assert any("does not close by itself" in text for text in texts(panel))
    panel.set_abandoned(closes=True)
    assert not any("does not close by itself" in text for text in texts(panel))


def test_all_about_the_guard_takes_the_place_of_the_plots_and_gives_it_back(qtbot, page):
    qtbot.mouseClick(button(page, "Show all"), Qt.MouseButton.LeftButton)
    assert page.guard.isVisible()
    kept = page.view_state()
    qtbot.mouseClick(button(page, "Back to the plots"), Qt.MouseButton.LeftButton)
    assert page.plots.isVisible()
    page.restore_view(kept)
    assert page.guard.isVisible()


def test_all_about_the_guard_is_seen_without_scrolling_on_a_small_screen(page):
    interlocks = (*INTERLOCKS, *(replace(INTERLOCKS[0], name=f"good {number}") for number in range(5)))
    page.set_dome(dome(interlocks=interlocks), NEVER_READ, NOW_S)
    page.set_guard(word(phase=GuardPhase.LOCKOUT, reason="rain", lockout=HELD, faults=("no mail",) * 3), NOW_S)
    page.show_guard()
    QApplication.processEvents()
    assert not page.guard._interlocks.verticalScrollBar().isVisible()
    assert page.guard._health._facts.height() >= page.guard._health._facts.sizeHint().height()
    assert {"would close: rain", "faults: 3, see the alarms"} <= {
        line for text in texts(page.guard) for line in text.splitlines()
    }
    page.show_plots()
    assert page.plots.height() < page.guard.height()


def test_a_countdown_shows_lockout_once(qtbot, page):
    page.set_guard(word(phase=GuardPhase.COUNTDOWN, countdown_s=30.0), NOW_S)
    assert page.guard.isVisible()
    qtbot.mouseClick(button(page, "Back to the plots"), Qt.MouseButton.LeftButton)
    page.set_guard(word(phase=GuardPhase.COUNTDOWN, countdown_s=29.0), NOW_S)
    assert page.plots.isVisible()


def test_red_is_red_in_every_state(qapp, page):
    alarm = Alarm("sky", "The sky is unsafe", Severity.ALARM, AT)
    page.set_alarms((alarm, replace(alarm, key="b", is_active=False), replace(alarm, key="c", acknowledged_by="ada")))
    page.set_dome(dome(override=OVERRIDE), NEVER_READ, NOW_S)
    page.show_guard()
    theme.apply(qapp, "red")
    try:
        for state in (
            word(phase=GuardPhase.COUNTDOWN, countdown_s=30.0),
            word(phase=GuardPhase.LOCKOUT, lockout=HELD, reason="rain"),
        ):
            page.set_guard(state, NOW_S)
            QApplication.processEvents()
            image = page.grab().toImage().convertToFormat(QImage.Format.Format_RGB32)
            pixels = np.frombuffer(image.constBits(), np.uint8).reshape(-1, 4)
            assert pixels[:, :2].max() == 0
    finally:
        theme.apply(qapp, "dark")


# What stands on every page


def test_a_normal_night_has_no_notice():
    assert notices_of((), word(), None, NOW_S) == {}


def test_lockout_stands_on_every_page_also_when_the_guard_is_silent():
    notice = notices_of((), word(phase=GuardPhase.LOCKOUT, lockout=HELD), None, NOW_S)["lockout"]
    assert notice.text.startswith("LOCKOUT by ada since 21:04:55: cleaning the mirror.")
    assert HARDWARE_STOP in notice.text
    assert notice.severity is Severity.ALARM
    old = notices_of((), word(age_s=12.0, phase=GuardPhase.LOCKOUT, lockout=HELD), None, NOW_S)["lockout"]
    assert old.text.endswith("(the guard is silent for 12 s)")


def test_a_countdown_stands_there_while_the_guard_says_so():
    counting = word(phase=GuardPhase.COUNTDOWN, reason="rain", countdown_s=23.2)
    assert "closes again in 23 s (rain)" in notices_of((), counting, None, NOW_S)["countdown"].text
    assert "countdown" not in notices_of((), counting, None, NOW_S + 10.0)


def test_a_countdown_is_told_once_on_every_page():
    counting = word(phase=GuardPhase.COUNTDOWN, reason="rain", countdown_s=23.2)
    told = Alarm("guard countdown", "STOP ended a safety close", Severity.ALARM, AT)
    other = replace(told, key="sky", sentence="Rain")
    assert "alarm" not in notices_of((told,), counting, None, NOW_S)
    assert notices_of((told, other), counting, None, NOW_S)["alarm"].text == "Rain"
    assert notices_of((told,), word(), None, NOW_S)["alarm"].text == told.sentence


def test_an_override_stands_there_with_author_reason_and_time_left_until_it_expires():
    text = "Override of sky by bob: dry, I look at it. 23 m 20 s left; its end is an alarm, no motion"
    assert notices_of((), word(), OVERRIDE, NOW_S)["override"] == Notice(text, Severity.ATTENTION, "End override")
    assert notices_of((), word(), OVERRIDE, NOW_S + 1400.0) == {}


def test_only_the_loudest_alarm_stands_there():
    alarm = Alarm("a", "Rain", Severity.ALARM, AT)
    notices = notices_of((alarm, replace(alarm, key="b", sentence="Wind")), word(), None, NOW_S)
    assert notices["alarm"].text == "Rain (and 1 more)"
    assert "alarm" not in notices_of((replace(alarm, acknowledged_by="ada"),), word(), None, NOW_S)


# The controller


class Watch:
    """A guard that answers at once, and what was asked of it."""

    def __init__(self):
        self.state, self.asked, self.ticks, self.listener = word(), [], [], None
        self.refusal = None

    def tick(self, name):
        self.ticks.append(name)

    def subscribe(self, listener):
        self.listener = listener
        return lambda: setattr(self, "listener", None)

    def take_lockout(self, who, reason):
        return self._answer("take", who, reason)

    def release_lockout(self, who, of):
        return self._answer("release", who, of)

    def _answer(self, *asked):
        self.asked.append(asked)
        future = Future()
        if self.refusal is None:
            future.set_result(self.state.value)
        else:
            future.set_exception(self.refusal)
        return future


class Dome:
    """A dome whose override ends."""

    def __init__(self):
        self.ended, self.stopped = [], []

    def stop(self, who):
        self.stopped.append(who)

    def end_override(self, who):
        self.ended.append(who)


class Loop:
    """A loop that runs at once."""

    def submit(self, coroutine):
        future = Future()
        future.set_result(asyncio.run(coroutine))
        return future


class Clock:
    def monotonic(self):
        return NOW_S


@pytest.fixture
def guarding(qapp, tmp_path):
    watch, dome_service = Watch(), Dome()
    database = open_database(f"sqlite:///{tmp_path / 'cupola.db'}")
    with ThreadPoolExecutor(1) as lane:
        made = GuardController(watch, dome_service, Loop(), Journal(database), lane, Clock(), "ada")
        made.watch, made.dome_service, made.journal = watch, dome_service, Journal(database)
        yield made
        made.close()
    database.close()


def test_the_window_ticks_as_long_as_its_loop_runs(qtbot, guarding):
    assert guarding.watch.ticks == [LEASE]
    with qtbot.waitSignal(guarding.state_changed, timeout=3000) as shown:
        pass
    assert guarding.watch.ticks == [LEASE, LEASE]
    assert shown.args == [guarding.watch.state, NOW_S]
    guarding.close()
    assert not guarding._timer.isActive()
    assert guarding.watch.listener is None


def test_a_new_word_is_shown_at_once(qtbot, guarding):
    newer = word(phase=GuardPhase.CLOSING)
    with qtbot.waitSignal(guarding.state_changed) as shown:
        guarding.watch.listener(newer)
    assert shown.args[0] is newer


def test_lockout_is_taken_in_the_name_of_who_goes_in_and_released_by_the_operator(qtbot, guarding):
    with qtbot.waitSignal(guarding.said) as said:
        guarding.take_lockout("eve", "mirror")
    assert said.args == ["LOCKOUT by eve: nothing moves until it is released", Severity.NORMAL]
    with qtbot.waitSignal(guarding.said):
        guarding.release_lockout("eve")
    assert guarding.watch.asked == [("take", "eve", "mirror"), ("release", "ada", "eve")]
    assert guarding.dome_service.stopped == ["ada"], "what moves when people go in is stopped"
    qtbot.waitUntil(lambda: len(guarding.journal.newest(9)) == 2)
    assert [(row.who, row.what, row.subject, row.detail) for row in guarding.journal.newest(9)] == [
        ("ada", "LOCKOUT released", "a:1/0", {"of": "eve"}),
        ("ada", "LOCKOUT taken", "a:1/0", {"in": "eve", "reason": "mirror"}),
    ]


def test_what_the_guard_refuses_is_said(qtbot, guarding):
    guarding.watch.refusal = DomeRefused("bob has LOCKOUT already: he releases it")
    with qtbot.waitSignal(guarding.said) as said:
        guarding.take_lockout("eve", "mirror")
    assert said.args == ["bob has LOCKOUT already: he releases it", Severity.ATTENTION]
    assert guarding.dome_service.stopped == []


def test_the_override_ends_in_the_dome_service(qtbot, guarding):
    with qtbot.waitSignal(guarding.said):
        guarding.end_override()
    assert guarding.dome_service.ended == ["ada"]
