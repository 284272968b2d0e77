"""The guard on duty over scripted eyes and devices: closes, retries, STOP, LOCKOUT, overrides, reopening, memory."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from app.guard.close import Devices
from app.guard.duty import Guard, GuardRefused
from app.guard.memory import Keeper, KeptOverride, Memory, recall
from app.guard.policy import SeenDome, Sight
from app.model.dome import ShutterState
from app.model.guard import GuardPhase, GuardPlan
from app.model.reading import NEVER_READ, Reading
from app.model.settings import Device, Dome, Enclosure, Slaving
from app.model.settings import Guard as Rules
from app.model.surroundings import MountSample, Surroundings, Weather

CALM = Weather(wind_m_s=5.0, gust_m_s=6.0, humidity_percent=40.0, cloud_percent=5.0, rain_mm_h=0.0)
RAIN = Weather(wind_m_s=5.0, gust_m_s=6.0, humidity_percent=40.0, cloud_percent=5.0, rain_mm_h=1.0)
WINDY = Weather(wind_m_s=14.0, gust_m_s=14.0, humidity_percent=40.0, cloud_percent=5.0, rain_mm_h=0.0)
CLOUDY = Weather(wind_m_s=5.0, gust_m_s=6.0, humidity_percent=40.0, cloud_percent=95.0, rain_mm_h=0.0)

pytestmark = pytest.mark.logs_warnings


class Told:
    """An errand that the test ends."""

    def __init__(self, site, name):
        self.site, self.name, self.began_s = site, name, site.now_s
        self.ended_s, self.failure, self.is_given_up = None, "", False

    def give_up(self):
        self.is_given_up = True

    def end(self, failure=""):
        self.failure, self.ended_s = failure, self.site.now_s


class Scene:
    """A guard, and everything that it sees and tells, at a time that the test moves."""

    def __init__(self, *, can_hit_mount=False, mount=True, memory=None, rules=None, cover=True, night=""):
        self.now_s = 1000.0
        self.at = datetime(2026, 3, 14, 22, 0, tzinfo=UTC)
        self.shutter, self.is_closing_seen, self.is_dome_read = ShutterState.OPEN, False, True
        self.weather, self.is_safe, self.is_parked, self.sun_deg = CALM, True, False, -30.0
        self.told, self.mails, self.kept = [], [], []
        self.closed_contact = None
        self.failure, self.has_cover = "", cover
        device = Device(server="127.0.0.1:1")
        self.plan = GuardPlan(
            folder="",
            dome=Dome(server="127.0.0.1:1", motion_start_s=10.0, motion_end_s=60.0),
            mount=device if mount else Device(),
            enclosure=Enclosure(can_hit_mount=can_hit_mount),
            night=night,
            guard=rules or Rules(lease_s=60.0, retry_s=10.0, longest_retry_s=60.0, motor_starts_an_hour=20),
        )
        self.memory = memory or Memory()
        self.guard = self.new_guard()

    def new_guard(self):
        """A guard by the plan of the scene."""
        devices = Devices(
            shut=lambda connects: self.tell(f"shut connected={connects}"),
            park_mount=lambda stops: self.tell(f"park stopped={stops}"),
            close_cover=(lambda: self.tell("cover")) if self.has_cover else None,
            turn_dome=lambda azimuth_deg: self.tell(f"turn to {azimuth_deg:g}"),
        )
        guard = Guard(self.plan, self, devices, self.memory, self, self, self, lingers=False)
        guard.renew("window")
        return guard

    # clock, eyes, notes and mails of the guard
    def monotonic(self):
        return self.now_s

    def utc(self):
        return self.at

    def sight(self, abandoned_s):
        def read(value):
            return Reading(value, self.now_s)

        around = Surroundings(
            has_mount=True,
            has_safety_monitor=True,
            has_weather=True,
            mount=read(MountSample(0.0, 0.0, 0.0, 0.0, True, False, self.is_parked)),
            is_safe=read(self.is_safe),
            weather=read(self.weather),
            closed_contact=NEVER_READ if self.closed_contact is None else read(self.closed_contact),
        )
        seen = read(SeenDome(self.shutter, self.is_closing_seen)) if self.is_dome_read else NEVER_READ
        return Sight(seen, around, self.sun_deg, abandoned_s, 1000.0, self.now_s)

    def failures(self):
        return ()

    def keep(self, memory):
        self.kept.append(memory)
        return len(self.kept)

    def is_kept(self, number, timeout_s):
        return True

    def send(self, subject, body):
        self.mails.append(subject)

    # what the test does
    def tell(self, name):
        errand = Told(self, name)
        self.told.append(errand)
        return errand

    @property
    def names(self):
        return [errand.name for errand in self.told]

    def look(self, after_s=0.25, *, alive=True):
        self.now_s += after_s
        if alive:
            self.guard.renew("window")
        self.guard.look()
        return self.guard.state()

    def errand(self, name):
        return next(errand for errand in reversed(self.told) if errand.name.startswith(name))

    def close_fails(self, failure="the dome refused"):
        """The close that is under way, or due, fails; return how long the guard waits then."""
        state = self.look()
        if state.next_close_s is not None:
            state = self.look(state.next_close_s)
        self.errand("shut").end(failure)
        return self.look().next_close_s


class TestClose:
    def test_a_good_night_moves_nothing(self):
        scene = Scene()
        state = scene.look()
        assert (scene.told, state.phase, state.reason, state.is_safe) == ([], GuardPhase.WATCHING, "", True)

    def test_closeshutter_is_sent_at_once_and_the_mount_parks_beside(self):
        scene = Scene()
        scene.weather = RAIN
        state = scene.look()
        assert scene.names == ["shut connected=False", "park stopped=False"]
        assert (state.phase, state.reason) == (GuardPhase.CLOSING, "rain 1.0 mm/h > 0")
        assert scene.look(2.0).unsafe_since_s == 2.0

    def test_it_is_not_ended_in_the_middle_though_no_window_lives(self):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        scene.look(100.0, alive=False)
        with pytest.raises(GuardRefused, match="while a safety close needs it"):
            scene.guard.end("ada")

    def test_it_goes_on_until_closed_though_the_rain_ends(self):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        scene.weather = CALM
        scene.errand("shut").end()
        scene.shutter = ShutterState.CLOSING
        assert scene.look().phase is GuardPhase.CLOSING
        scene.shutter, scene.is_closing_seen = ShutterState.CLOSED, True
        state = scene.look()
        assert (state.phase, state.shutter, state.reason) == (GuardPhase.WATCHING, "proven closed", "")
        assert not scene.errand("park").is_given_up
        assert state.closed_for == "rain 1.0 mm/h > 0"
        assert scene.mails == []

    def test_a_closed_dome_is_left_alone(self):
        scene = Scene()
        scene.shutter, scene.weather = ShutterState.CLOSED, RAIN
        assert scene.look().phase is GuardPhase.WATCHING
        assert scene.told == []

    def test_a_dome_of_which_nothing_is_known_is_closed_after_the_first_looks(self):
        scene = Scene()
        scene.is_dome_read, scene.weather = False, RAIN
        assert scene.look(4.0).phase is GuardPhase.WATCHING
        assert scene.look(1.5).phase is GuardPhase.CLOSING

    def test_a_failed_close_is_told_again_with_growing_waits_and_one_mail(self):
        scene = Scene()
        scene.weather = RAIN
        waits = [scene.close_fails() for _ in range(5)]
        assert waits == [10.0, 20.0, 40.0, 60.0, 60.0]
        assert [name for name in scene.names if "shut" in name][1:] == ["shut connected=True"] * 4
        assert len(scene.mails) == 1
        assert "does not close: the dome refused" in scene.mails[0]
        state = scene.look()
        assert (state.failed_closes, state.close_failure, state.faults) == (5, "the dome refused", ())
        scene.shutter = ShutterState.CLOSED
        scene.look()
        assert scene.mails[1:] == ["The dome 127.0.0.1:1/0 is closed at last"]

    def test_after_two_failures_mount_and_mirror_are_saved(self):
        scene = Scene()
        scene.weather = RAIN
        scene.close_fails()
        assert "cover" not in scene.names
        scene.close_fails()
        assert scene.names.count("cover") == 1
        assert scene.names.count("park stopped=False") == 2

    @pytest.mark.parametrize(
        ("from_deg", "can_hit_mount", "shutter_azimuth_deg", "turns"),
        [
            (270.0, False, None, ["turn to 100"]),
            (360.0, False, None, ["turn to 190"]),
            (0.0, False, None, []),  # a calm
            (None, False, None, []),
            (270.0, True, None, []),
            (270.0, None, None, []),
            (270.0, False, 90.0, []),
        ],
    )
    def test_after_two_failures_the_slit_is_turned_away_from_the_wind(
        self, from_deg, can_hit_mount, shutter_azimuth_deg, turns
    ):
        scene = Scene()
        scene.plan = scene.plan.model_copy(
            update={
                "enclosure": Enclosure(can_hit_mount=can_hit_mount, shutter_azimuth_deg=shutter_azimuth_deg),
                "slaving": Slaving(azimuth_zero_deg=10.0),
            }
        )
        scene.is_parked = can_hit_mount is not False
        scene.guard = scene.new_guard()
        scene.weather = replace(RAIN, wind_direction_deg=from_deg)
        scene.close_fails()
        assert not [name for name in scene.names if "turn" in name]
        scene.close_fails()
        assert [name for name in scene.names if "turn" in name] == turns
        scene.guard.take_lockout("Ada", "wheel")
        assert all(errand.is_given_up for errand in scene.told if "turn" in errand.name)

    def test_the_motor_is_spared_when_it_was_started_often_but_not_for_long(self):
        scene = Scene(rules=Rules(retry_s=10.0, longest_retry_s=300.0, motor_starts_an_hour=4))
        scene.weather = RAIN
        waits = []
        for _ in range(4):
            state = scene.look()
            if state.next_close_s is not None:
                scene.look(state.next_close_s)
            scene.errand("shut").end()  # taken, but nothing moves
            scene.look()
            waits.append(scene.look(10.5).next_close_s)
        assert waits == [10.0, 20.0, 40.0, 300.0]

    def test_what_the_dome_did_not_take_started_no_motor(self):
        scene = Scene(rules=Rules(retry_s=10.0, longest_retry_s=10.0, motor_starts_an_hour=4))
        scene.weather = RAIN
        assert [scene.close_fails() for _ in range(8)] == [10.0] * 8

    @pytest.mark.parametrize(
        ("after_s", "shutter", "says"),
        [
            (10.5, ShutterState.OPEN, "still says open after 10 s"),
            (10.5, ShutterState.ERROR, "still says error after 10 s"),
            (60.5, ShutterState.CLOSING, "still closing after 1 m 00 s"),
        ],
    )
    def test_a_close_that_was_accepted_is_no_close(self, after_s, shutter, says):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        scene.errand("shut").end()
        scene.shutter = shutter
        assert scene.look(after_s - 1.0).failed_closes == 0
        state = scene.look(1.0)
        assert state.failed_closes == 1
        assert says in state.close_failure

    def test_a_contact_that_contradicts_the_dome_is_believed_and_given_time(self):
        scene = Scene()
        scene.weather, scene.closed_contact = RAIN, False
        scene.look()
        scene.errand("shut").end()
        scene.shutter, scene.is_closing_seen = ShutterState.CLOSING, True
        scene.look(50.0)
        scene.shutter = ShutterState.CLOSED
        assert scene.look().shutter == "NOT CLOSED"
        assert scene.look(9.0).failed_closes == 0
        assert "the contact of the shutter says not" in scene.look(2.0).close_failure
        scene.closed_contact = True
        assert scene.look().shutter == "proven closed"

    def test_a_shutter_that_stops_midway_has_failed_at_once(self):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        scene.errand("shut").end()
        scene.shutter = ShutterState.CLOSING
        scene.look()
        scene.shutter = ShutterState.ERROR
        assert "stopped on its way" in scene.look().close_failure

    def test_a_dome_that_falls_silent_after_it_accepted_is_told_again(self):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        scene.errand("shut").end()
        scene.is_dome_read = False
        assert "is not read since" in scene.look(10.5).close_failure

    def test_a_command_that_hangs_is_left_behind(self):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        first = scene.errand("shut")
        assert "has not answered" in scene.look(20.5).close_failure
        assert first.is_given_up
        scene.look(10.0)
        assert scene.names.count("shut connected=True") == 1

    def test_the_sun_closes(self):
        scene = Scene()
        scene.sun_deg = 0.2
        assert scene.look().reason == "the Sun is at 0.2°, limit 0°"

    def test_a_lost_lease_closes_and_only_an_operator_opens_again(self):
        scene = Scene()
        assert scene.look(59.0, alive=False).phase is GuardPhase.WATCHING
        state = scene.look(2.0, alive=False)
        assert state.phase is GuardPhase.CLOSING
        assert state.leases[0].is_lost
        assert "was lost" in state.needs_operator

    def test_an_abandoned_dome_that_may_stay_is_an_alarm_and_a_mail(self):
        scene = Scene(rules=Rules(closes_abandoned=False))
        state = scene.look(61.0, alive=False)
        assert (state.phase, scene.told) == (GuardPhase.WATCHING, [])
        assert "Nobody looks after the open dome" in state.faults[0]
        scene.look(alive=False)
        assert len(scene.mails) == 1


class TestCollision:
    @pytest.mark.parametrize("can_hit_mount", [True, None])
    def test_a_roof_waits_for_the_parked_mount(self, can_hit_mount):
        scene = Scene(can_hit_mount=can_hit_mount)
        scene.weather = RAIN
        scene.look()
        assert scene.names == ["park stopped=True"]
        scene.errand("park").end()
        scene.look(30.0)
        assert scene.names == ["park stopped=True"]
        scene.is_parked = True
        scene.look()
        scene.look()
        assert scene.names == ["park stopped=True", "shut connected=False"]

    def test_it_never_closes_anyway(self):
        scene = Scene(can_hit_mount=True)
        scene.weather = RAIN
        scene.look()
        for _ in range(5):
            scene.errand("park").end("the mount is gone")
            state = scene.look()
            assert "park it by hand" in state.close_failure
            scene.look(state.next_close_s)
        assert not [name for name in scene.names if "shut" in name]
        assert len(scene.mails) == 1

    def test_a_mount_that_takes_for_ever_is_told_again(self):
        scene = Scene(can_hit_mount=True)
        scene.weather = RAIN
        scene.look()
        scene.errand("park").end()
        assert scene.look(181.0).failed_closes == 1
        scene.look(10.0)
        assert scene.names.count("park stopped=True") == 2


class TestStop:
    def test_it_closes_again_after_the_countdown(self):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        first = scene.errand("shut")
        scene.guard.stop("Ada")
        scene.shutter = ShutterState.ERROR
        state = scene.look(1.0)
        assert (state.phase, state.countdown_s, first.is_given_up) == (GuardPhase.COUNTDOWN, 29.0, True)
        assert scene.look(28.5).phase is GuardPhase.COUNTDOWN
        state = scene.look(1.0)
        assert (state.phase, state.failed_closes) == (GuardPhase.CLOSING, 0)
        assert scene.names.count("shut connected=True") == 1

    def test_without_a_safety_close_it_means_nothing_here(self):
        scene = Scene()
        scene.guard.stop("Ada")
        assert scene.look().phase is GuardPhase.WATCHING
        scene.weather = RAIN
        assert scene.look().phase is GuardPhase.CLOSING

    def test_lockout_ends_the_countdown_and_nothing_closes(self):
        scene = Scene()
        scene.weather = RAIN
        scene.look()
        scene.guard.stop("Ada")
        scene.guard.take_lockout("Ada", "wheel")
        for _ in range(3):
            state = scene.look(40.0)
        assert (state.phase, state.reason, state.countdown_s) == (GuardPhase.LOCKOUT, "rain 1.0 mm/h > 0", None)
        assert scene.names.count("shut connected=False") == 1
        assert len(scene.mails) == 1
        assert "stays open in LOCKOUT" in scene.mails[0]


class TestLockout:
    def test_it_ends_only_by_release_that_names_the_holder(self):
        scene = Scene()
        scene.guard.take_lockout("Ada", "wheel")
        scene.weather = RAIN
        state = scene.look(10_000.0)
        assert (state.phase, state.lockout.since) == (GuardPhase.LOCKOUT, scene.at)
        with pytest.raises(GuardRefused, match="held by Ada, not by Bob"):
            scene.guard.release_lockout("Bob", "Bob")
        with pytest.raises(GuardRefused, match="Ada holds LOCKOUT already"):
            scene.guard.take_lockout("Bob", "lamp")
        assert scene.told == []
        scene.guard.release_lockout("Bob", "Ada")
        assert scene.look().phase is GuardPhase.CLOSING

    def test_a_new_guard_knows_it(self):
        scene = Scene()
        scene.guard.take_lockout("Ada", "wheel")
        again = Scene(memory=scene.kept[-1])
        again.weather = RAIN
        state = again.look()
        assert (state.phase, state.lockout.who, again.told) == (GuardPhase.LOCKOUT, "Ada", [])


class TestOverride:
    def test_it_covers_what_it_names_and_nothing_else(self):
        scene = Scene()
        scene.weather = WINDY
        scene.guard.override("Ada", "test", 30.0, ("sky: wind",))
        state = scene.look()
        assert (state.phase, state.override.left_s) == (GuardPhase.WATCHING, 30.0 * 60.0 - 0.25)
        scene.weather = RAIN
        assert scene.look().reason == "rain 1.0 mm/h > 0"

    def test_its_end_is_an_alarm_and_never_a_motion(self):
        scene = Scene()
        scene.weather = WINDY
        scene.guard.override("Ada", "test", 1.0, ("sky: wind",))
        scene.look()
        state = scene.look(61.0)
        assert (state.phase, state.override, scene.told) == (GuardPhase.WATCHING, None, [])
        assert "The override has ended, and wind 14.0 m/s > 12" in state.faults[0]
        scene.weather = CALM
        assert scene.look(10.0).faults == ()
        scene.weather = WINDY  # it ceased: this is another wind
        assert scene.look().phase is GuardPhase.CLOSING

    def test_it_ends_a_close_that_it_covers(self):
        scene = Scene()
        scene.weather = WINDY
        scene.look()
        scene.guard.override("Ada", "test", 1.0, ("sky: wind",))
        assert scene.look().phase is GuardPhase.WATCHING
        assert scene.errand("shut").is_given_up

    def test_a_new_guard_knows_what_is_left_of_it(self):
        until = datetime.now(UTC) + timedelta(minutes=3)
        kept = KeptOverride(name="Ada", reason="test", covers=("sky: wind",), minutes=30.0, until=until)
        scene = Scene(memory=Memory(override=kept))
        scene.weather = WINDY
        state = scene.look()
        assert state.phase is GuardPhase.WATCHING
        assert 170.0 < state.override.left_s < 180.0

    def test_a_clock_that_jumped_back_makes_it_no_longer(self):
        until = datetime.now(UTC) + timedelta(days=2)
        kept = KeptOverride(name="Ada", reason="test", covers=("sky: wind",), minutes=30.0, until=until)
        assert Scene(memory=Memory(override=kept)).look().override.left_s <= 1800.0


class TestReopening:
    def closed(self, weather=CLOUDY):
        scene = Scene()
        scene.weather = weather
        scene.look()
        scene.errand("shut").end()
        scene.shutter, scene.is_closing_seen = ShutterState.CLOSED, True
        scene.look()
        scene.weather = CALM
        return scene

    def test_safe_time_counts_from_zero_after_every_break(self):
        scene = Scene()
        scene.look()
        assert scene.look(100.0).safe_for_s == 100.0
        scene.is_safe = None
        assert scene.look().safe_for_s == 0.0
        scene.is_safe = True
        scene.look()
        assert scene.look(5.0).safe_for_s == 5.0

    def test_it_counts_after_a_close_of_the_guard_alone(self):
        scene = Scene()
        scene.look()
        scene.guard.opening("schedule", is_attended=False)
        assert scene.look().reopenings_left == 3
        scene = self.closed()
        assert scene.look().closed_for == "cloud 95.0 % > 80"
        scene.guard.opening("schedule", is_attended=False)
        state = scene.look()
        assert (state.reopenings_left, state.closed_for) == (2, "")

    def test_the_next_night_begins_anew(self):
        scene = self.closed()
        scene.guard.opening("schedule", is_attended=False)
        scene.at += timedelta(days=1)
        assert scene.look().reopenings_left == 3

    def test_after_rain_only_an_operator_opens(self):
        scene = self.closed(RAIN)
        scene.guard.opening("schedule", is_attended=False)
        assert scene.look().needs_operator == "it rained"
        scene.guard.opening("Ada", is_attended=True)
        assert scene.look().needs_operator == ""

    def test_rain_that_came_after_the_close_counts(self):
        scene = self.closed()
        assert scene.look().needs_operator == ""
        scene.weather = RAIN
        assert scene.look().needs_operator == "it rained"

    def test_after_a_failed_close_only_an_operator_opens(self):
        scene = Scene()
        scene.weather = CLOUDY
        scene.close_fails("the belt slipped")
        assert "the belt slipped" in scene.look().needs_operator


class TestEnd:
    def test_it_does_not_end_while_it_is_needed(self):
        scene = Scene()
        scene.look()
        with pytest.raises(GuardRefused, match="window needs it"):
            scene.guard.end("Ada")
        scene.shutter = ShutterState.CLOSED
        scene.look()
        scene.guard.end("Ada")
        scene.guard.run()

    def test_it_ends_by_itself_when_nobody_needs_it(self):
        scene = Scene()
        scene.shutter = ShutterState.CLOSED
        scene.look(61.0, alive=False)
        scene.look(599.0, alive=False)
        assert not scene.guard._is_over
        scene.look(2.0, alive=False)
        assert scene.guard._is_over

    @pytest.mark.parametrize(("night", "ends"), [("2024-08-05T22:00:00+00:00 0.0", True), ("", False)])
    def test_it_ends_without_its_simulator_but_never_without_a_real_dome(self, night, ends):
        scene = Scene(night=night)
        scene.is_dome_read = False
        scene.look(61.0, alive=False)
        scene.look(601.0, alive=False)
        assert scene.guard._is_over is ends

    def test_a_guard_that_does_not_look_tells_nothing(self):
        scene = Scene()
        with pytest.raises(GuardRefused, match="has not looked"):
            scene.guard.state()
        scene.look()
        scene.now_s += 2.5
        with pytest.raises(GuardRefused, match=r"has not looked for 2\.5 s"):
            scene.guard.state()


class TestMemory:
    def test_it_comes_back_whole(self, tmp_path):
        file = tmp_path / "memory.json"
        keeper = Keeper(file)
        memory = Memory(night="2026-03-14", reopenings=2, closed_for="rain", needs_operator="it rained")
        assert keeper.is_kept(keeper.keep(memory), 5.0)
        assert recall(file, 3) == (memory, "")
        assert file.stat().st_mode & 0o777 == 0o600

    @pytest.mark.parametrize("text", ["", "{", '{"night": 3}', "\0\0\0"])
    def test_what_cannot_be_read_counts_for_the_careful_side(self, tmp_path, text):
        file = tmp_path / "memory.json"
        file.write_text(text)
        memory, flaw = recall(file, 3)
        assert "cannot be read" in flaw
        assert (memory.needs_operator, memory.reopenings) == ("the guard's memory could not be read", 3)
        assert file.with_suffix(".unreadable").read_text() == text
        scene = Scene(memory=memory)
        assert scene.look().reopenings_left == 0

    def test_a_disk_that_takes_nothing_is_told(self, tmp_path):
        keeper = Keeper(tmp_path / "nowhere" / "memory.json")
        assert not keeper.is_kept(keeper.keep(Memory()), 5.0)
        assert "cannot be written" in keeper.failure
