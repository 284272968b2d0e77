"""When the guard closes, judged from one moment: every reason by its name, and whose word a closed shutter is."""

from __future__ import annotations

from dataclasses import replace

import pytest

from app.guard.lease import MOST, Leases
from app.guard.policy import SeenDome, Sight, may_open_by, operator_needed, reasons_to_close
from app.model.dome import ClosedBy, ShutterState, ShutterWord
from app.model.guard import GuardPlan
from app.model.reading import NEVER_READ, Reading
from app.model.settings import Dome, Guard
from app.model.surroundings import MountSample, Surroundings, Weather

NOW_S = 1000.0
PLAN = GuardPlan(folder="", dome=Dome(server="127.0.0.1:1"), guard=Guard(silent_s=30.0))
CALM = Weather(
    wind_m_s=5.0, gust_m_s=6.0, humidity_percent=40.0, cloud_percent=5.0, rain_mm_h=0.0, temperature_degc=8.0
)
PARKED = MountSample(0.0, 0.0, 0.0, 0.0, False, False, True)


def read(value, age_s=0.5):
    return Reading(value, NOW_S - age_s)


def dome(shutter, *, closing_seen=False, age_s=0.5):
    return read(SeenDome(shutter, closing_seen), age_s)


def around(**changes):
    fields = {"has_safety_monitor": True, "has_weather": True, "is_safe": read(True), "weather": read(CALM)}
    return Surroundings(**(fields | changes))


def sight(**changes):
    fields = {
        "dome": dome(ShutterState.OPEN),
        "around": around(),
        "sun_altitude_deg": -20.0,
        "abandoned_s": None,
        "began_s": 0.0,
        "now_s": NOW_S,
    }
    return Sight(**(fields | changes))


def names(seen, plan=PLAN):
    return [reason.name for reason in reasons_to_close(seen, plan)]


class TestReasons:
    def test_there_is_none_on_a_good_night(self):
        assert names(sight()) == []

    @pytest.mark.parametrize(
        ("changes", "name", "says"),
        [
            ({"around": around(is_safe=read(False))}, "sky: safety monitor", "the safety monitor says unsafe"),
            ({"around": around(weather=read(replace(CALM, rain_mm_h=0.1)))}, "sky: rain", "rain 0.1 mm/h > 0"),
            ({"around": around(weather=read(replace(CALM, wind_mean_m_s=12.1)))}, "sky: wind", "wind 12.1 m/s > 12"),
            ({"around": around(weather=read(replace(CALM, gust_m_s=15.1)))}, "sky: gusts", "gusts 15.1 m/s > 15"),
            ({"around": around(is_safe=read(True, 31.0))}, "sky silent", "silent for 31 s, limit 30 s"),
            ({"around": around(weather=NEVER_READ)}, "sky silent", "weather station was never read"),
            ({"around": around(weather=read(replace(CALM, age_s=30.0)))}, "sky silent", "newest data are 30 s old"),
            ({"around": around(weather=read(Weather(temperature_degc=3.0)))}, "sky silent", "has no sensor"),
            ({"sun_altitude_deg": 0.1}, "sun", "the Sun is at 0.1°, limit 0°"),
            ({"abandoned_s": 61.0}, "lease", "for 61 s, limit 60 s"),
            ({"around": around(mains_contact=read(False))}, "mains", "the mains is off"),
        ],
    )
    def test_each_has_its_name_and_its_value(self, changes, name, says):
        (reason,) = reasons_to_close(sight(**changes), PLAN)
        assert reason.name == name
        assert says in reason.says

    @pytest.mark.parametrize(
        "changes",
        [
            {"around": around(is_safe=read(True, 29.0))},
            {"around": around(weather=NEVER_READ), "began_s": NOW_S - 29.0},  # a guard that begins gives time
            {"around": around(weather=read(replace(CALM, age_s=29.0)))},
            {"around": around(mains_contact=read(False, 10.0))},  # an old word of a contact is unknown
            {"around": Surroundings()},  # nothing is set up that could fall silent
        ],
    )
    def test_what_is_no_reason_yet(self, changes):
        assert names(sight(**changes)) == []

    def test_several_hold_at_once(self):
        storm = around(is_safe=read(False), weather=read(replace(CALM, rain_mm_h=2.0, gust_m_s=30.0)))
        found = names(sight(around=storm, sun_altitude_deg=5.0))
        assert set(found) == {"sky: safety monitor", "sky: rain", "sky: gusts", "sun"}

    def test_an_abandoned_dome_stays_when_the_settings_say_so(self):
        plan = PLAN.model_copy(update={"guard": Guard(closes_abandoned=False)})
        assert names(sight(abandoned_s=61.0), plan) == []


class TestOpening:
    def test_it_takes_less_than_the_limits(self):
        assert may_open_by(sight(), PLAN)
        assert not may_open_by(sight(around=around(weather=read(replace(CALM, gust_m_s=13.6)))), PLAN)
        assert names(sight(around=around(weather=read(replace(CALM, gust_m_s=13.6))))) == []

    def test_it_takes_known_values(self):
        assert not may_open_by(sight(around=around(is_safe=read(True, 7.0))), PLAN)
        assert not may_open_by(sight(around=Surroundings()), PLAN)
        assert not may_open_by(sight(sun_altitude_deg=1.0), PLAN)

    @pytest.mark.parametrize(
        ("changes", "why"),
        [
            ({"weather": read(replace(CALM, rain_mm_h=0.1))}, "it rained"),
            ({"weather": read(replace(CALM, humidity_percent=95.0, temperature_degc=1.0))}, "ice is possible"),
            ({"is_safe": read(False), "weather": read(replace(CALM, rain_mm_h=None))}, "no sensor of rain"),
            ({"is_safe": read(True, 40.0)}, "fell silent"),
            ({"is_safe": read(False)}, ""),
            ({"weather": read(replace(CALM, humidity_percent=95.0))}, ""),
        ],
    )
    def test_after_these_only_an_operator_opens(self, changes, why):
        seen = sight(around=around(**changes))
        needed = operator_needed(reasons_to_close(seen, PLAN), seen)
        assert why in needed if why else needed == ""

    def test_after_a_lost_lease_only_an_operator_opens(self):
        seen = sight(abandoned_s=61.0)
        assert "was lost" in operator_needed(reasons_to_close(seen, PLAN), seen)


class TestShutter:
    @pytest.mark.parametrize(
        ("looked", "contact", "closed_by", "word"),
        [
            (dome(ShutterState.CLOSED), NEVER_READ, ClosedBy.DRIVER, ShutterWord.CLOSED),
            (dome(ShutterState.CLOSED, closing_seen=True), NEVER_READ, ClosedBy.MOTION, ShutterWord.PROVEN_CLOSED),
            (dome(ShutterState.CLOSED), read(True), ClosedBy.SWITCH, ShutterWord.PROVEN_CLOSED),
            (dome(ShutterState.ERROR), read(True), ClosedBy.SWITCH, ShutterWord.PROVEN_CLOSED),
            (dome(ShutterState.CLOSED, closing_seen=True), read(False), None, ShutterWord.NOT_CLOSED),
            (dome(ShutterState.OPEN), read(True), None, ShutterWord.OPEN),
            (dome(ShutterState.ERROR), NEVER_READ, None, ShutterWord.NOT_CLOSED),
            (dome(ShutterState.CLOSED, closing_seen=True, age_s=6.0), NEVER_READ, None, ShutterWord.UNKNOWN),
            (dome(ShutterState.CLOSED), read(True, 7.0), ClosedBy.DRIVER, ShutterWord.CLOSED),
            (NEVER_READ, NEVER_READ, None, ShutterWord.UNKNOWN),
        ],
    )
    def test_whose_word_it_is(self, looked, contact, closed_by, word):
        seen = sight(dome=looked, around=around(closed_contact=contact))
        assert seen.closed_by is closed_by
        assert seen.word is word

    def test_the_mount_is_parked_by_its_contact_where_there_is_one(self):
        assert sight(around=around(mount=read(PARKED))).mount_is_parked is True
        assert sight(around=around(mount=read(PARKED, 6.0))).mount_is_parked is None
        assert sight(around=around(mount=read(PARKED), parked_contact=read(False))).mount_is_parked is False
        assert sight(around=around(mount=read(PARKED), parked_contact=read(True, 7.0))).mount_is_parked is None


class TestLeases:
    def test_a_guard_that_begins_gives_everybody_time(self):
        leases = Leases(60.0, 100.0)
        assert leases.abandoned_for_s(160.0) is None
        assert leases.abandoned_for_s(160.5) == 60.5

    def test_one_that_lives_is_enough(self):
        leases = Leases(60.0, 0.0)
        leases.renew("window", 10.0)
        leases.renew("night", 100.0)
        window, night = sorted(leases.states(101.0), key=lambda one: one.age_s, reverse=True)
        assert (window.name, window.is_lost, night.name, night.is_lost) == ("window", True, "night", False)
        assert leases.abandoned_for_s(101.0) is None

    def test_one_that_ends_in_order_leaves_time_to_others(self):
        leases = Leases(60.0, 0.0)
        leases.renew("window", 10.0)
        leases.end("window", 60.0)
        assert leases.states(60.0) == ()
        assert leases.abandoned_for_s(119.0) is None
        assert leases.abandoned_for_s(121.0) == 61.0

    def test_nobody_fills_the_guard_with_names(self):
        leases = Leases(60.0, 0.0)
        assert all(leases.renew(f"window {number}", 1.0) for number in range(MOST))
        assert not leases.renew("another", 1.0)
        assert leases.renew("window 0", 2.0)
