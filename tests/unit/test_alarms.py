"""Alarms from cause to acknowledgement, and what is an alarm."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.model.alarm_causes import Watched, alarms_of
from app.model.alarms import AlarmBook, Cause, rows_of
from app.model.dome import (
    ActiveOverride,
    ClosedBy,
    DomeState,
    DomeWish,
    Move,
    Override,
    Phase,
    ShutterState,
    WishKind,
)
from app.model.following import Follower, FollowState
from app.model.guard import GuardPhase, GuardState, LeaseState, Lockout
from app.model.reading import NEVER_READ, Reading
from app.model.sky_verdict import SkyVerdict
from app.model.strip import Severity

NOW_S = 1000.0
AT = datetime(2026, 11, 22, 21, 4, 55, tzinfo=UTC)
RAIN, WIND = Cause("Rain"), Cause("Wind")
SAFE, UNSAFE = SkyVerdict(is_safe=True, decider=""), SkyVerdict(is_safe=False, decider="wind 14.2 m/s > 12")
UNKNOWN = SkyVerdict(is_safe=None, decider="the weather station is silent for 72 s")


class Looks:
    """A book, and the time that passes between looks."""

    def __init__(self):
        self.book, self.now_s = AlarmBook(), NOW_S

    def take(self, after_s=0.5, **active):
        self.now_s += after_s
        return self.book.take(active, self.now_s, AT + timedelta(seconds=self.now_s - NOW_S))

    @property
    def sounds(self):
        return self.book.must_sound(self.now_s)


@pytest.fixture
def looks():
    return Looks()


def test_an_unsafe_sky_and_the_guards_answer_to_it_are_one_alarm():
    closing = guarded(phase=GuardPhase.CLOSING, reason="rain", failed_closes=1, close_failure="it is stuck")
    found = causes(verdict=UNSAFE, guard=closing)
    assert set(found) == {"sky"}
    assert "it is stuck" in found["sky"].sentence


def test_an_alarm_stays_when_its_cause_is_gone_until_somebody_acknowledges_it(looks):
    (alarm,) = looks.take(rain=RAIN)
    assert (alarm.is_active, alarm.is_acknowledged, looks.sounds) == (True, False, True)
    (alarm,) = looks.take()
    assert (alarm.is_returned, looks.sounds, looks.book.unacknowledged) == (True, True, 1)
    looks.book.acknowledge("ada", "rain")
    assert looks.book.alarms == ()
    assert not looks.sounds


def test_an_acknowledged_alarm_is_silent_and_goes_with_its_cause(looks):
    began_at = looks.take(rain=RAIN)[0].began_at
    looks.book.acknowledge("ada", "rain")
    (alarm,) = looks.take(rain=replace(RAIN, sentence="More rain"))
    assert (alarm.acknowledged_by, alarm.sentence, alarm.began_at) == ("ada", "More rain", began_at)
    assert not looks.sounds
    assert looks.book.unacknowledged == 0
    assert looks.take() == ()
    assert not looks.take(rain=RAIN)[0].is_acknowledged


def test_what_comes_back_before_it_was_acknowledged_is_the_same_alarm(looks):
    began_at = looks.take(rain=RAIN)[0].began_at
    looks.take()
    (alarm,) = looks.take(rain=RAIN)
    assert (alarm.is_active, alarm.began_at) == (True, began_at)


def test_an_alarm_that_became_louder_is_to_be_acknowledged_anew(looks):
    looks.take(dome=Cause("silent", Severity.ATTENTION))
    looks.book.acknowledge("ada")
    looks.take(dome=Cause("silent and open"))
    assert looks.book.unacknowledged == 1
    assert looks.sounds


def test_attention_makes_no_sound_and_goes_with_its_cause(looks):
    looks.take(log=Cause("1 error", Severity.ATTENTION))
    assert not looks.sounds
    assert looks.book.unacknowledged == 1
    assert looks.take() == ()


def test_a_muted_alarm_is_listed_and_sounds_again_when_the_mute_expires(looks):
    looks.take(rain=RAIN)
    looks.book.mute("rain", 600.0, looks.now_s)
    (alarm,) = looks.take(after_s=599.0, rain=RAIN)
    assert alarm.muted_until_s is not None
    assert not looks.sounds
    (alarm,) = looks.take(after_s=1.0, rain=RAIN)
    assert alarm.muted_until_s is None
    assert looks.sounds


def test_a_mute_does_not_silence_the_others(looks):
    looks.take(rain=RAIN, wind=WIND)
    looks.book.mute("rain", 600.0, looks.now_s)
    assert looks.sounds


def test_acknowledge_all_is_all(looks):
    looks.take(rain=RAIN, wind=WIND)
    looks.book.acknowledge("ada")
    assert [alarm.acknowledged_by for alarm in looks.book.alarms] == ["ada", "ada"]


def test_the_first_of_those_that_come_together_is_marked(looks):
    assert not looks.take(guard=RAIN)[0].is_first_out
    alarms = looks.take(after_s=9.0, guard=RAIN, wind=WIND)
    assert [(alarm.key, alarm.is_first_out) for alarm in alarms] == [("guard", True), ("wind", False)]
    alarms = looks.take(after_s=60.0, guard=RAIN, wind=WIND, late=RAIN)
    assert not alarms[-1].is_first_out


def test_one_alone_is_not_the_first(looks):
    looks.take(guard=RAIN)
    assert not any(alarm.is_first_out for alarm in looks.take(after_s=11.0, guard=RAIN, wind=WIND))


def test_the_unacknowledged_come_first_then_the_louder_then_the_older(looks):
    looks.take(log=Cause("error", Severity.ATTENTION), old=RAIN, seen=RAIN)
    looks.book.acknowledge("ada", "seen")
    alarms = looks.take(log=Cause("error", Severity.ATTENTION), old=RAIN, seen=RAIN, new=WIND)
    assert [alarm.key for alarm in alarms] == ["old", "new", "log", "seen"]


def flood(count):
    return {f"a{number}": Cause(f"alarm {number}") for number in range(count)}


def test_five_are_no_flood_and_six_are(looks):
    assert len(rows_of(looks.take(**flood(5)))) == 5
    (row,) = rows_of(looks.take(**flood(6)))
    assert (row.alarm.key, row.alarm.is_first_out, row.more) == ("a0", True, "and 5 more since 21:04:55")
    assert row.keys == ("a0", "a1", "a2", "a3", "a4", "a5")


def test_a_flood_expands(looks):
    alarms = looks.take(**flood(8))
    assert len(rows_of(alarms, {alarms[0].burst})) == 8


def test_nothing_loud_or_unseen_lies_under_what_is_not(looks):
    looks.take(log=Cause("error", Severity.ATTENTION))
    looks.take(log=Cause("error", Severity.ATTENTION), **flood(7))
    looks.book.acknowledge("ada", "a0")
    rows = rows_of(looks.book.alarms)
    assert [(row.alarm.key, len(row.hidden)) for row in rows] == [("a1", 5), ("log", 0), ("a0", 0)]


def test_what_came_later_is_not_in_the_flood(looks):
    looks.take(**flood(7))
    assert [len(row.hidden) for row in rows_of(looks.take(after_s=11.0, late=RAIN, **flood(7)))] == [6, 0]


# What is an alarm


def read(value, age_s=0.5):
    return Reading(value, NOW_S - age_s)


def dome(shutter=ShutterState.OPEN, age_s=0.5, **changes):
    state = DomeState(
        azimuth_deg=read(137.4, age_s),
        shutter=read(shutter, age_s),
        is_slewing=read(False, age_s),
        closed_by=ClosedBy.DRIVER,
    )
    return replace(state, **changes)


def causes(state=None, verdict=SAFE, guard=None, *, errors=0, age_s=0.3, up_s=3600.0):
    word = read(guard or GuardState(server="a:1/0", pid=7), age_s)
    return alarms_of(Watched(state or dome(), verdict, word, errors, NOW_S - up_s, NOW_S))


def guarded(**changes):
    return GuardState(server="a:1/0", pid=7, **changes)


def test_a_normal_night_has_no_alarm():
    assert causes() == {}
    assert causes(dome(ShutterState.CLOSED), UNSAFE) == {}
    assert causes(guard=guarded(phase=GuardPhase.LOCKOUT, lockout=Lockout(who="ada", reason="mirror", since=AT))) == {}


@pytest.mark.parametrize(
    ("given", "key", "says"),
    [
        ({"state": dome(ShutterState.ERROR)}, "shutter", "NOT CLOSED: the dome's driver reports an error"),
        (
            {"state": dome(ShutterState.CLOSED, closed_contact=read(False), closed_since_s=0.0)},
            "shutter",
            "the contact says",
        ),
        ({"verdict": UNSAFE}, "sky", "wind 14.2 m/s > 12"),
        ({"verdict": UNKNOWN}, "sky", "silent for 72 s"),
        ({"state": dome(ShutterState.CLOSING), "verdict": UNSAFE}, "sky", "the shutter is closing: see that it does"),
        ({"age_s": 3.1}, "guard", "is silent for 3 s, limit 3 s"),
        ({"guard": guarded(phase=GuardPhase.CLOSING, reason="rain")}, "sky", "closes the dome: rain"),
        (
            {"guard": guarded(phase=GuardPhase.CLOSING, reason="rain", failed_closes=3, next_close_s=40.0)},
            "sky",
            "NOT CLOSED after 3 tries, next in 40 s (rain)",
        ),
        (
            {"guard": guarded(phase=GuardPhase.COUNTDOWN, reason="rain", countdown_s=23.0)},
            "guard countdown",
            "closes again in 23 s unless you take LOCKOUT",
        ),
        (
            {
                "guard": guarded(
                    phase=GuardPhase.LOCKOUT, reason="rain", lockout=Lockout(who="ada", reason="mirror", since=AT)
                )
            },
            "guard lockout",
            "but ada has LOCKOUT",
        ),
        ({"guard": guarded(faults=("no mail for 5 s",))}, "guard fault no mail for  s", "no mail for 5 s"),
        (
            {"guard": guarded(leases=(LeaseState(name="window", age_s=61.0, limit_s=60.0),))},
            "lease window",
            "The window is silent for 61 s, limit 60 s",
        ),
        (
            {"state": dome(following=FollowState(is_dropped=True, reason="the mount is not read"))},
            "following",
            "the mount is not read",
        ),
        (
            {"state": dome(following=FollowState(Follower.CUPOLA), is_slaved=read(True))},
            "two followers",
            "switch one off",
        ),
        (
            {"state": dome(last_move=Move(4, DomeWish(WishKind.CLOSE), "ada", 0.0, Phase.FAILED, "nothing moved"))},
            "move 4",
            "Close failed: nothing moved",
        ),
        ({"state": dome(stop_notice="STOP not confirmed: use the hardware stop")}, "stop", "hardware stop"),
        (
            {"state": dome(override=ActiveOverride(Override("ada", "dry"), ("sky",), NOW_S))},
            "override",
            "The override by ada (dry) has expired",
        ),
        ({"state": dome(age_s=10.1, failure="no route")}, "dome", "not read for 10 s: no route. Its shutter was open"),
        ({"state": DomeState(failure="no route")}, "dome", "never read: no route"),
    ],
)
def test_each_thing_that_needs_a_response_is_an_alarm_that_says_what(given, key, says):
    cause = causes(**given)[key]
    assert cause.severity is Severity.ALARM
    assert says in cause.sentence


def test_what_was_not_asked_yet_is_no_alarm():
    watched = Watched(DomeState(), UNKNOWN, NEVER_READ, 0, NOW_S - 9.0, NOW_S)
    assert alarms_of(watched) == {}
    assert set(alarms_of(replace(watched, since_s=NOW_S - 10.0))) == {"guard", "dome", "sky"}


def test_unsafe_does_not_wait_for_the_start():
    assert "sky" in causes(verdict=UNSAFE, up_s=0.1)


def test_a_closed_dome_that_fell_silent_is_not_loud():
    assert causes(dome(ShutterState.CLOSED, age_s=11.0))["dome"].severity is Severity.ATTENTION


def test_a_failed_move_is_over_when_the_next_begins():
    failed = Move(4, DomeWish(WishKind.CLOSE), "ada", 0.0, Phase.FAILED, "nothing moved")
    assert causes(dome(last_move=failed, move=Move(5, DomeWish(WishKind.CLOSE), "ada", 1.0))) == {}


def test_an_override_that_holds_and_a_lease_that_is_kept_are_fine():
    kept = guarded(leases=(LeaseState(name="window", age_s=59.0, limit_s=60.0),))
    assert causes(dome(override=ActiveOverride(Override("ada", "dry"), ("sky",), NOW_S + 1.0)), guard=kept) == {}


def test_a_dome_that_its_driver_slaves_is_fine_while_we_do_not():
    assert causes(dome(following=FollowState(Follower.DRIVER), is_slaved=read(True))) == {}


def test_errors_in_the_log_want_a_look():
    assert causes(errors=2) == {"log": Cause("2 errors in the log: look with Ctrl+5", Severity.ATTENTION)}
    assert causes(errors=1)["log"].sentence.startswith("1 error in")


def test_a_new_fault_of_the_guard_is_not_silenced_by_the_acknowledgement_of_another():
    mail, disk = "the mail is not taken", "the memory cannot be written"
    book = AlarmBook()
    book.take(causes(guard=guarded(faults=(mail,))), NOW_S, AT)
    book.acknowledge("ada")
    alarms = book.take(causes(guard=guarded(faults=(disk, mail))), NOW_S + 1.0, AT)
    assert [alarm.is_acknowledged for alarm in alarms] == [False, True]
    assert disk in alarms[0].sentence


def test_a_fault_whose_age_grows_is_one_alarm():
    young, old = (causes(guard=guarded(faults=(f"the dome is silent for {age} s",))) for age in (9, 10))
    assert young.keys() == old.keys()
