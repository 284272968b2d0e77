"""What stands between a wish and a motion: each interlock alone keeps OPEN back, and unknown is never good."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from app.model.dome import WishKind
from app.model.guard import GuardPhase, GuardState, Lockout
from app.model.interlocks import Situation, interlocks_of, unmet
from app.model.reading import NEVER_READ, Reading
from app.model.settings import Enclosure, Guard
from app.model.sky_verdict import SkyVerdict

AT = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)
WATCHING = GuardState(server="dome:1/0", pid=7, safe_for_s=3600.0, reopenings_left=3)


def heard(read_s=99.5, **changed):
    return Reading(WATCHING.model_copy(update=changed), read_s, AT)


GOOD = Situation(
    guard=heard(),
    verdict=SkyVerdict(True, "humidity 50.0 % ≤ 90"),
    sky_age_s=1.0,
    sources=2,
    sun_altitude_deg=-20.0,
    mount_is_parked=False,
    is_attended=True,
    enclosure=Enclosure(can_hit_mount=False),
    rules=Guard(),
    now_s=100.0,
)


def kept_back(kind=WishKind.OPEN, **changed):
    """Names of what is not met."""
    return [one.name for one in unmet(interlocks_of(kind, replace(GOOD, **changed)))]


def test_a_good_night_opens():
    assert kept_back() == []
    assert kept_back(is_attended=False) == []


@pytest.mark.parametrize(
    ("changed", "name"),
    [
        ({"verdict": SkyVerdict(False, "wind 14.2 m/s > 12", ("wind",))}, "sky"),
        ({"verdict": SkyVerdict(None, "the weather station is silent for 9 s")}, "sky"),
        ({"sun_altitude_deg": 0.1}, "sun"),
        ({"guard": NEVER_READ}, "guard"),
        ({"guard": heard(read_s=96.9)}, "guard"),
        ({"enclosure": Enclosure()}, "collision rule"),
        ({"enclosure": Enclosure(can_hit_mount=True)}, "mount"),
        ({"enclosure": Enclosure(can_hit_mount=True), "mount_is_parked": None}, "mount"),
        ({"is_attended": False, "sources": 1}, "second source"),
        ({"is_attended": False, "guard": heard(safe_for_s=1100.0)}, "safe time"),
        ({"is_attended": False, "guard": heard(needs_operator="it has rained")}, "operator"),
        ({"is_attended": False, "guard": heard(reopenings_left=0)}, "reopenings"),
        ({"guard": heard(closed_for="rain", safe_for_s=30.0)}, "safe time"),
        ({"guard": heard(phase=GuardPhase.CLOSING, reason="rain")}, "safety close"),
        ({"guard": heard(phase=GuardPhase.COUNTDOWN)}, "safety close"),
    ],
)
def test_each_of_them_alone_keeps_open_back(changed, name):
    assert kept_back(**changed) == [name]


def test_a_parked_mount_lets_a_roof_open_and_close():
    roof = {"enclosure": Enclosure(can_hit_mount=True)}
    assert kept_back(**roof, mount_is_parked=True) == []
    assert kept_back(WishKind.CLOSE, **roof, mount_is_parked=True) == []
    assert kept_back(WishKind.CLOSE, **roof, mount_is_parked=None) == ["mount"]


def test_nobody_answers_for_closing_a_roof_on_the_mount():
    at = replace(GOOD, enclosure=Enclosure(can_hit_mount=True))
    (mount,) = unmet(interlocks_of(WishKind.CLOSE, at))
    assert not mount.may_be_overridden
    (mount,) = unmet(interlocks_of(WishKind.OPEN, at))
    assert mount.may_be_overridden


def test_close_waits_for_nothing_else():
    worst = SkyVerdict(False, "rain 2.0 mm/h > 0", ("rain",))
    assert kept_back(WishKind.CLOSE, guard=NEVER_READ, verdict=worst, sun_altitude_deg=40.0) == []
    assert kept_back(WishKind.CLOSE, guard=heard(phase=GuardPhase.CLOSING)) == []


@pytest.mark.parametrize("kind", list(WishKind))
def test_lockout_keeps_everything_back_and_nobody_overrides_it_even_when_the_guard_is_silent(kind):
    held = Lockout(who="Ada", reason="greases the wheels", since=AT)
    conditions = interlocks_of(kind, replace(GOOD, guard=heard(read_s=1.0, lockout=held)))
    (lockout,) = [one for one in unmet(conditions) if one.name == "lockout"]
    assert not lockout.may_be_overridden
    assert lockout.sentence == "lockout: Ada is in the dome (greases the wheels): Ada releases it"


@pytest.mark.parametrize("kind", [WishKind.GOTO, WishKind.PARK, WishKind.HOME, WishKind.ALTITUDE])
def test_turns_wait_for_a_safety_close_and_nothing_else(kind):
    assert kept_back(kind, guard=heard(phase=GuardPhase.CLOSING, reason="rain")) == ["safety close"]
    assert kept_back(kind, guard=NEVER_READ, sun_altitude_deg=40.0) == []


def test_an_override_covers_what_the_guard_would_close_for():
    windy = replace(GOOD, verdict=SkyVerdict(False, "wind 14.2 m/s > 12", ("wind", "gusts")))
    (sky,) = unmet(interlocks_of(WishKind.OPEN, windy))
    assert sky.covers == ("sky: wind", "sky: gusts")
    silent = replace(GOOD, verdict=SkyVerdict(None, "the weather station is silent"))
    assert unmet(interlocks_of(WishKind.OPEN, silent))[0].covers == ("sky silent",)


def test_a_sentence_names_value_limit_age_and_remedy():
    (sky,) = unmet(interlocks_of(WishKind.OPEN, replace(GOOD, verdict=SkyVerdict(False, "wind 14.2 m/s > 12"))))
    assert sky.sentence == "sky: wind 14.2 m/s > 12, 1 s old: wait until it is safe, or see to the sensor"
