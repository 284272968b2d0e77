"""The five words: unknown is never closed and never safe, and every word knows its age."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.model.dome import ClosedBy, DomeFacts, DomeState, DomeWish, Move, Phase, ShutterState, WishKind
from app.model.guard import GuardPhase, GuardState
from app.model.reading import NEVER_READ, Freshness, Reading
from app.model.settings import Site
from app.model.sky_verdict import SkyVerdict
from app.model.strip import Severity, strip_values
from app.model.surroundings import MountSample, Surroundings, Weather

NOW_S = 1000.0
SITE = Site(name="Calar Alto", latitude_deg=37.2, longitude_deg=-2.5, elevation_m=2168.0)
UTC_NOW = datetime(2024, 6, 2, 0, 41, 17, tzinfo=UTC)
SAFE = SkyVerdict(is_safe=True, decider="")
UNSAFE = SkyVerdict(is_safe=False, decider="wind 14.2 m/s > 12")
UNKNOWN = SkyVerdict(is_safe=None, decider="weather is 72 s old")


def read(value, age_s=0.5):
    return Reading(value, NOW_S - age_s)


def dome(shutter=ShutterState.CLOSED, age_s=0.5, **changes):
    state = DomeState(
        azimuth_deg=read(137.4, age_s),
        shutter=read(shutter, age_s),
        is_slewing=read(False, age_s),
        closed_by=ClosedBy.DRIVER,
    )
    return replace(state, **changes)


def around(age_s=0.5, **changes):
    sample = MountSample(137.0, 50.0, 300.0, 38.0, True, False, False)
    values = Surroundings(True, True, True, read(sample, age_s), read(True, age_s), read(Weather(), age_s))
    return replace(values, **changes)


def strip(state=None, surroundings=None, verdict=SAFE, *, is_simulated=False):
    return strip_values(
        state or dome(), surroundings or around(), verdict, SITE, UTC_NOW, NOW_S, is_simulated=is_simulated, alarms=2
    )


def test_normal_night_has_no_colour():
    values = strip(is_simulated=True)
    words = (values.shutter, values.dome, values.sky, values.mount, values.guard)
    assert [word.severity for word in words] == [Severity.NORMAL] * 5
    assert [word.text for word in words] == ["closed", "137.4°", "safe", "tracking", "no guard"]
    assert (values.site, values.alarms, values.is_simulated) == ("Calar Alto", 2, True)


@pytest.mark.parametrize(
    ("closed_by", "text", "detail"),
    [
        (ClosedBy.DRIVER, "closed", "driver's word"),
        (ClosedBy.MOTION, "proven closed", ""),
        (ClosedBy.SWITCH, "proven closed", ""),
    ],
)
def test_closed_says_whose_word_it_is(closed_by, text, detail):
    word = strip(dome(closed_by=closed_by)).shutter
    assert (word.text, word.detail) == (text, detail)


def test_shutter_error_is_not_closed_and_loud():
    word = strip(dome(ShutterState.ERROR)).shutter
    assert (word.text, word.severity) == ("NOT CLOSED", Severity.ALARM)


def test_stale_shutter_is_unknown_and_says_what_it_was():
    word = strip(dome(ShutterState.CLOSED, age_s=12.0)).shutter
    assert (word.text, word.detail, word.freshness) == ("unknown", "was closed", Freshness.STALE)
    assert word.age_s == 12.0
    assert word.severity is Severity.ATTENTION


def test_never_read_is_dashes():
    values = strip(DomeState(failure="no route to 10.0.0.5"), around(mount=NEVER_READ))
    for word in (values.shutter, values.dome, values.mount):
        assert (word.freshness, word.age_s) == (Freshness.NEVER, None)
        assert word.text == "––"
    assert "no route to 10.0.0.5" in values.shutter.explanation


@pytest.mark.parametrize(("slewing", "detail"), [(True, "moving"), (False, "still")])
def test_dome_says_whether_it_moves(slewing, detail):
    assert strip(dome(is_slewing=read(slewing))).dome.detail == detail


def test_dome_of_unknown_motion_wants_attention():
    word = strip(dome(is_slewing=NEVER_READ)).dome
    assert (word.detail, word.severity) == ("unknown", Severity.ATTENTION)


def test_stale_azimuth_is_kept():
    word = strip(dome(age_s=12.0)).dome
    assert (word.text, word.detail, word.freshness) == ("137.4°", "unknown", Freshness.STALE)


def test_unsafe_is_an_alarm_unless_the_shutter_is_closed():
    assert strip(dome(ShutterState.CLOSED), verdict=UNSAFE).sky.severity is Severity.ATTENTION
    for state in (dome(ShutterState.OPEN), dome(ShutterState.CLOSING), dome(age_s=12.0), DomeState()):
        assert strip(state, verdict=UNSAFE).sky.severity is Severity.ALARM


def test_unsafe_names_the_sensor_and_its_limit():
    assert strip(verdict=UNSAFE).sky.detail == "wind 14.2 m/s > 12"


def test_unknown_sky_is_not_safe():
    word = strip(verdict=UNKNOWN).sky
    assert (word.text, word.freshness) == ("unknown", Freshness.STALE)
    never = strip(surroundings=around(is_safe=NEVER_READ, weather=NEVER_READ), verdict=UNKNOWN).sky
    assert (never.text, never.freshness) == ("––", Freshness.NEVER)


def test_sky_is_as_old_as_its_oldest_sensor():
    assert strip(surroundings=around(weather=read(Weather(), 4.0))).sky.age_s == 4.0
    assert strip(surroundings=around(weather=read(Weather(), 4.0), has_weather=False)).sky.age_s == 0.5


def test_no_mount_is_nothing_to_worry_about():
    word = strip(surroundings=Surroundings()).mount
    assert (word.text, word.severity, word.age_s) == ("no mount", Severity.NORMAL, None)


@pytest.mark.parametrize(
    ("tracking", "slewing", "parked", "text"),
    [(True, False, False, "tracking"), (True, True, False, "slewing"), (False, False, True, "parked"),
     (False, False, False, "still"), (None, None, None, "unknown")],
)  # fmt: skip
def test_mount_in_a_word(tracking, slewing, parked, text):
    sample = MountSample(None, None, None, None, tracking, slewing, parked)
    assert strip(surroundings=around(mount=read(sample))).mount.text == text


def test_stale_mount_is_unknown():
    word = strip(surroundings=around(age_s=30.0)).mount
    assert (word.text, word.detail) == ("unknown", "was tracking")


def test_missing_guard_wants_attention_only_where_something_real_moves():
    assert strip(is_simulated=True).guard.severity is Severity.NORMAL
    assert strip(is_simulated=False).guard.severity is Severity.ATTENTION


def test_sky_numbers_are_of_the_site_and_time():
    values = strip()
    assert values.utc == UTC_NOW
    assert values.lst_deg == pytest.approx(258.6, abs=0.3)  # 17 h 14 m
    assert values.sun_altitude_deg == pytest.approx(-29.5, abs=1.0)


def guard_word(age_s=0.3, *, failure=None, **state):
    word = replace(read(GuardState(server="a:1/0", pid=7, **state), age_s), failure=failure)
    return strip_values(dome(), around(), SAFE, SITE, UTC_NOW, NOW_S, is_simulated=True, guard=word, alarms=0).guard


@pytest.mark.parametrize(
    ("state", "text", "detail", "severity"),
    [
        ({}, "on duty", "", Severity.NORMAL),
        ({"faults": ("no mail",)}, "on duty", "", Severity.ATTENTION),
        ({"phase": GuardPhase.CLOSING, "reason": "rain"}, "closing", "", Severity.ALARM),
        ({"phase": GuardPhase.COUNTDOWN, "countdown_s": 22.6}, "23\u00a0s", "to close", Severity.ALARM),
        ({"phase": GuardPhase.LOCKOUT}, "LOCKOUT", "", Severity.ATTENTION),
        ({"phase": GuardPhase.LOCKOUT, "reason": "rain"}, "LOCKOUT", "", Severity.ALARM),
    ],
)
def test_the_guard_says_what_it_does(state, text, detail, severity):
    word = guard_word(**state)
    assert (word.text, word.detail, word.severity) == (text, detail, severity)
    assert word.age_s == pytest.approx(0.3)


def test_a_guard_that_is_silent_is_an_alarm_whatever_it_said():
    word = guard_word(3.1, failure="connection refused", phase=GuardPhase.LOCKOUT)
    assert (word.text, word.freshness, word.severity) == ("silent", Freshness.STALE, Severity.ALARM)
    assert "connection refused" in word.explanation


@pytest.mark.parametrize(("target_deg", "detail"), [(3.0, "turns CW"), (350.0, "turns CCW")])
def test_dome_says_which_way_it_turns_also_across_north(target_deg, detail):
    move = Move(1, DomeWish(WishKind.GOTO, target_deg), "ada", 0.0, Phase.MOVING)
    state = dome(azimuth_deg=read(358.0), is_slewing=read(True), move=move)
    assert strip(state).dome.detail == detail


def test_a_turn_that_has_not_begun_has_no_direction():
    move = Move(1, DomeWish(WishKind.GOTO, 3.0), "ada", 0.0, Phase.ACCEPTED)
    assert strip(dome(move=move)).dome.detail == "still"
    assert strip(dome(ShutterState.CLOSING, move=move)).dome.detail == "shutter moves"


def test_a_roof_has_no_azimuth_and_that_is_normal():
    facts = DomeFacts("Roof", 2, can_set_azimuth=False, can_set_shutter=True, can_park=False, can_find_home=False)
    word = strip(dome(facts=facts, azimuth_deg=NEVER_READ)).dome
    assert (word.text, word.freshness, word.severity) == ("no azimuth", Freshness.FRESH, Severity.NORMAL)
    unread = strip(dome(facts=facts, azimuth_deg=NEVER_READ, is_slewing=NEVER_READ)).dome
    assert unread.severity is Severity.ATTENTION


def test_a_contact_that_contradicts_the_driver_is_named():
    word = strip(dome(closed_contact=read(False), closed_since_s=0.0)).shutter
    assert (word.text, word.detail, word.severity) == ("NOT CLOSED", "switch", Severity.ALARM)
