"""Following over a scripted dome and a mount that the test moves: turns, waits, ends, and what is told of them."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

import pytest

from app.model.angles import turn_deg
from app.model.dome import (
    DeviceRefused,
    DeviceUnreachable,
    DomeFacts,
    DomeRefused,
    DomeWish,
    Phase,
    ShutterState,
    WishKind,
)
from app.model.following import Follower
from app.model.interlocks import Interlock
from app.model.reading import Reading
from app.model.settings import Dome, Site, Slaving
from app.model.surroundings import MountSample, PierSide, Surroundings
from app.services import dome as dome_module
from app.services.dome import DomeService
from app.services.following import FOLLOWING, Following
from app.sim.mount import horizontal_deg
from tests.conditions import FixedConditions
from tests.fakes import ScriptedDome

LIMIT_S = 5.0
SITE = Site(latitude_deg=48.3, longitude_deg=11.0)
AT = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)
OFFSET = Slaving(axis_to_tube_m=0.4)
SAFETY_CLOSE = Interlock("safety close", False, "the guard closes: rain", "wait until it is done", None, False)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Pauses that nobody need sit out."""
    monkeypatch.setattr(dome_module, "_AT_REST_S", 0.005)
    monkeypatch.setattr(dome_module, "_BACK_OFF_S", (0.005,))
    monkeypatch.setattr(dome_module, "_CLOSE_LANES_S", 1.0)


@dataclass(slots=True)
class JumpingClock:
    """Real time, which a test may let jump."""

    jumped_s: float = 0.0

    def utc(self):
        return AT

    def monotonic(self):
        return time.monotonic() + self.jumped_s


@dataclass(slots=True)
class SlavableDome(ScriptedDome):
    """A dome whose driver may slave it."""

    is_slaved: bool = False

    def read(self):
        return replace(ScriptedDome.read(self), is_slaved=self.is_slaved)


def pointing(hour_angle_deg, dec_deg, **values):
    """A mount that tracks there."""
    azimuth_deg, altitude_deg = horizontal_deg(hour_angle_deg, dec_deg, SITE.latitude_deg)
    known = {"is_tracking": True, "is_slewing": False, "is_parked": False}
    return MountSample(azimuth_deg, altitude_deg, 100.0 - hour_angle_deg, dec_deg, **(known | values))


@dataclass(slots=True)
class Around:
    """The surroundings, with a mount that the test moves."""

    clock: JumpingClock
    mount: MountSample = field(default_factory=lambda: pointing(-30.0, 10.0))
    age_s: float = 0.0
    has_mount: bool = True

    def __call__(self):
        reading = Reading(self.mount, self.clock.monotonic() - self.age_s, AT, "no answer" if self.age_s else None)
        return Surroundings(has_mount=self.has_mount, mount=reading)


class WatchedFollowing(Following):
    """A following that says when it has looked."""

    has_looked: asyncio.Event

    async def _look(self):
        try:
            await super()._look()
        finally:
            self.has_looked.set()


@dataclass(slots=True)
class Scene:
    """All that a test needs."""

    scripted: SlavableDome
    dome: DomeService
    around: Around
    clock: JumpingClock
    conditions: FixedConditions
    following: WatchedFollowing

    @property
    def turns(self):
        return self.scripted.calls.count("slew_to_azimuth")

    @property
    def off_deg(self):
        """How far the slit is from where a centred beam is."""
        return abs(turn_deg(self.scripted.azimuth_deg, self.around.mount.azimuth_deg))

    async def when(self, enough):
        """The first state that is enough."""
        found = asyncio.get_running_loop().create_future()

        def look(state):
            if not found.done() and enough(state):
                found.set_result(state)

        unsubscribe = self.following.subscribe(look)
        look(self.following.state)
        try:
            return await asyncio.wait_for(found, LIMIT_S)
        finally:
            unsubscribe()

    async def looked(self, times=3):
        """Wait until it has looked some more times, from the beginning to the end."""
        for _ in range(times + 1):
            self.following.has_looked.clear()
            await asyncio.wait_for(self.following.has_looked.wait(), LIMIT_S)

    async def in_slit(self):
        """Follow until the dome rests with the beam in the slit."""
        self.following.start("ada")
        await self.when(lambda state: state.margin_deg is not None and state.margin_deg > 0.0)
        await self.at_rest()

    async def at_rest(self):
        """Wait until no command is under way."""
        rests = asyncio.get_running_loop().create_future()

        def look(state):
            if not rests.done() and state.move is None and not state.is_slewing.value:
                rests.set_result(state)

        unsubscribe = self.dome.subscribe(look)
        try:
            await asyncio.wait_for(rests, LIMIT_S)
        finally:
            unsubscribe()
        await self.looked()


@asynccontextmanager
async def scene(slaving=None, mount=None, *, is_owner=True, settings=None, **dome):
    """A dome that is read, a mount, and a following that is switched off."""
    scripted, clock, conditions = (
        SlavableDome(**{"shutter": ShutterState.OPEN, **dome}),
        JumpingClock(),
        FixedConditions(),
    )
    values = {**Dome().model_dump(), "poll_s": 0.002, **(settings or {})}
    limits, around = Dome.model_construct(**values), Around(clock)
    around.mount = mount or around.mount
    service = DomeService(
        lambda: scripted, limits, lambda *_: None, clock, conditions, server="sim:1/0", is_ours=True, is_owner=is_owner
    )
    following = WatchedFollowing(service, around, SITE, limits, slaving or Slaving(), clock, clock, look_s=0.005)
    following.has_looked = asyncio.Event()
    runner = asyncio.create_task(service.run())
    await service.first_poll()
    looker = asyncio.create_task(following.run())
    try:
        yield Scene(scripted, service, around, clock, conditions, following)
    finally:
        looker.cancel()
        await asyncio.wait({looker, runner}, timeout=0.01)
        scripted.let_go.set()
        await service.shut_down()


def played(play, *args, **values):
    """Run a play in a scene."""

    async def run():
        async with scene(*args, **values) as at:
            await play(at)

    asyncio.run(run())


class TestTurns:
    def test_the_slit_comes_to_the_beam_by_a_turn_like_anybodys(self):
        async def play(at):
            await at.in_slit()
            state = await at.when(lambda state: state.clip_s is not None and state.margin_deg > 0.0)
            assert at.turns == 1
            assert at.dome.state.last_move.who == FOLLOWING
            assert (state.who, state.is_suspended, state.is_dropped, state.reason) == (
                Follower.CUPOLA,
                False,
                False,
                "",
            )
            assert turn_deg(state.target_deg, at.around.mount.azimuth_deg) == pytest.approx(0.0, abs=1e-6)
            assert abs(state.beam_deg) == pytest.approx(at.off_deg, abs=1e-6)
            assert at.off_deg < state.half_width_deg
            assert state.clip_s > 1800.0, "it was placed ahead of the sky"
            assert at.dome.state.following == state

        played(play)

    def test_it_moves_when_the_beam_nears_the_edge_and_not_before(self):
        async def play(at):
            await at.in_slit()
            asked_deg = at.scripted.azimuth_deg
            at.around.mount = pointing(-22.0, 10.0)
            await at.looked()
            assert at.turns == 1
            at.around.mount = pointing(-5.0, 10.0)
            await at.when(lambda state: state.margin_deg < 0.0)
            await at.when(lambda state: state.margin_deg > 0.0)
            await at.at_rest()
            assert at.turns == 2
            assert turn_deg(asked_deg, at.scripted.azimuth_deg) > 15.0

        played(play)

    def test_during_a_slew_it_goes_to_the_end_and_never_chases(self):
        async def play(at):
            await at.in_slit()
            end = pointing(50.0, 30.0)
            target = {"target_ra_deg": end.ra_deg, "target_dec_deg": end.dec_deg}
            for part in range(1, 8):
                at.around.mount = pointing(-30.0 + 10.0 * part, 10.0 + 2.0 * part, is_slewing=True, **target)
                state = await at.when(lambda state: state.beam_deg is None)
                assert turn_deg(state.target_deg, end.azimuth_deg) == pytest.approx(0.0, abs=0.01)
                await at.looked()
            at.around.mount = end
            await at.when(lambda state: state.margin_deg is not None and state.margin_deg > 0.0)
            await at.at_rest()
            assert at.turns == 2

        played(play)

    def test_a_new_target_in_the_middle_of_the_turn_takes_its_place(self):
        async def play(at):
            await at.in_slit()
            at.scripted.step_deg = 0.5
            for turns, hour_angle_deg in ((2, 60.0), (3, -80.0)):
                end = pointing(hour_angle_deg, 20.0)
                at.around.mount = pointing(
                    0.0, 10.0, is_slewing=True, target_ra_deg=end.ra_deg, target_dec_deg=end.dec_deg
                )
                await at.looked(5)
                assert at.turns == turns
            at.scripted.step_deg = 90.0
            at.around.mount = pointing(-80.0, 20.0)
            await at.when(lambda state: state.margin_deg is not None and state.margin_deg > 0.0)
            assert at.following.state.who is Follower.CUPOLA

        played(play)

    def test_a_beam_below_the_slit_is_told(self):
        async def play(at):
            at.following.start("ada")
            state = await at.when(lambda state: state.clipped_by == "the slit's lower edge at 60.0°")
            assert state.margin_deg <= 0.0
            assert state.clip_s == 0.0

        played(play, Slaving(slit_lower_edge_deg=60.0))


class TestWaits:
    @pytest.mark.parametrize(
        ("mount", "reason"),
        [
            (pointing(-30.0, 10.0, is_parked=True), "the mount is parked"),
            (pointing(-30.0, 10.0, is_slewing=True), "the mount slews, and does not tell where to"),
        ],
    )
    def test_it_waits_with_a_reason_and_goes_on(self, mount, reason):
        async def play(at):
            at.following.start("ada")
            assert at.following.state.is_suspended
            await at.looked()
            state = at.following.state
            assert (state.is_suspended, state.reason, state.target_deg) == (True, reason, None)
            assert at.turns == 0
            at.around.mount = pointing(-30.0, 10.0)
            await at.when(lambda state: not state.is_suspended and state.margin_deg > 0.0)

        played(play, mount=mount)

    def test_a_slew_to_an_unknown_side_of_the_pier(self):
        async def play(at):
            await at.in_slit()
            end = pointing(50.0, 30.0)
            target = {"target_ra_deg": end.ra_deg, "target_dec_deg": end.dec_deg}
            at.around.mount = pointing(0.0, 20.0, is_slewing=True, **target)
            state = await at.when(lambda state: state.is_suspended)
            assert state.reason == "the mount slews, and does not tell to which side of its pier"
            at.around.mount = replace(at.around.mount, target_pier_side=PierSide.EAST)
            await at.when(lambda state: not state.is_suspended)
            await at.looked()
            assert at.turns == 2

        played(play, OFFSET, pointing(-30.0, 10.0, pier_side=PierSide.WEST))

    def test_homing_suspends_it_visibly_and_then_it_comes_back(self):
        async def play(at):
            await at.in_slit()
            at.scripted.step_deg = 2.0
            move = await at.dome.ask(DomeWish(WishKind.HOME), "bob")
            state = await at.when(lambda state: state.is_suspended)
            assert state.reason == "Home of bob is under way"
            assert state.beam_deg is not None
            assert (await at.dome.final(move, LIMIT_S)).phase is Phase.ARRIVED
            at.scripted.step_deg = 90.0
            await at.when(lambda state: not state.is_suspended and state.margin_deg > 0.0)
            assert at.turns == 2

        played(play, home_deg=300.0)

    def test_a_dome_that_somebody_moves_by_hand(self):
        async def play(at):
            await at.in_slit()
            at.scripted.step_deg = 1.0
            at.scripted.slew_to_azimuth(300.0)
            state = await at.when(lambda state: state.is_suspended)
            assert state.reason == "the dome moves, not by a command of Cupola"
            at.scripted.step_deg = 90.0
            await at.when(lambda state: not state.is_suspended and state.margin_deg > 0.0)

        played(play)

    def test_a_mount_that_is_silent_for_a_while(self):
        async def play(at):
            await at.in_slit()
            at.around.age_s = 7.0
            state = await at.when(lambda state: state.is_suspended)
            assert (state.reason, state.beam_deg) == ("the mount is not read", None)
            at.around.age_s = 0.0
            await at.when(lambda state: not state.is_suspended)

        played(play)


class TestEnds:
    def test_switched_off_it_moves_nothing_and_is_no_alarm(self, caplog):
        caplog.set_level(logging.INFO, "app")

        async def play(at):
            await at.in_slit()
            at.following.stop("ada")
            at.around.mount = pointing(60.0, 20.0)
            await at.at_rest()
            assert at.turns == 1
            assert at.following.state.who is Follower.NOBODY
            assert not at.following.state.is_dropped
            assert at.dome.state.following == at.following.state

        played(play)
        lines = [record.message for record in caplog.records if record.name.endswith("following")]
        assert lines == ["Following is switched on by ada", "Following is switched off by ada"]

    @pytest.mark.parametrize("wish", [DomeWish(WishKind.GOTO, 300.0), DomeWish(WishKind.PARK)])
    def test_a_person_who_wants_the_dome_elsewhere_switches_it_off(self, wish):
        async def play(at):
            await at.in_slit()
            move = await at.dome.ask(wish, "bob")
            state = await at.when(lambda state: state.who is Follower.NOBODY)
            assert not state.is_dropped
            assert (await at.dome.final(move, LIMIT_S)).phase is Phase.ARRIVED
            await at.at_rest()
            assert at.turns == (2 if wish.kind is WishKind.GOTO else 1)

        played(play)

    def test_stop_switches_it_off_without_an_alarm(self):
        async def play(at):
            at.scripted.step_deg = 0.5
            at.following.start("ada")
            await at.when(lambda _: at.turns == 1)
            await asyncio.wrap_future(at.dome.stop("bob"))
            state = await at.when(lambda state: state.who is Follower.NOBODY)
            assert not state.is_dropped
            await at.at_rest()
            assert at.turns == 1

        played(play)

    def test_stop_of_a_dome_that_rests_switches_it_off_too(self):
        async def play(at):
            at.around.mount = pointing(0.0, 48.0)  # near the zenith: nothing turns
            at.following.start("ada")
            await asyncio.wrap_future(at.dome.stop("bob"))
            state = await at.when(lambda state: state.who is Follower.NOBODY)
            assert not state.is_dropped

        played(play)

    @pytest.mark.logs_warnings
    @pytest.mark.parametrize(
        ("break_it", "reason"),
        [
            (lambda at: setattr(at.around, "age_s", 11.0), r"the mount has not been read for 11 s \(no answer\)"),
            (lambda at: setattr(at.around, "has_mount", False), "the settings name no mount"),
            (lambda at: setattr(at.scripted, "is_slaved", True), "driver follows a telescope of its own"),
            (lambda at: at.dome.set_owner(False), "another Cupola commands the dome at sim:1/0"),
            (
                lambda at: setattr(at.around, "mount", replace(at.around.mount, pier_side=None)),
                "does not tell its side of the pier",
            ),
            (
                lambda at: setattr(at.around, "mount", MountSample(None, None, None, None, True, False, False)),
                "does not tell where it points",
            ),
        ],
    )
    def test_it_is_dropped_with_the_reason(self, break_it, reason):
        async def play(at):
            await at.in_slit()
            break_it(at)
            state = await at.when(lambda state: state.is_dropped)
            assert reason.replace("\\", "") in state.reason
            assert state.who is (Follower.DRIVER if at.scripted.is_slaved else Follower.NOBODY)
            assert (state.beam_deg, state.is_suspended) == (None, False)
            await at.looked()
            assert at.following.state.is_dropped, "until somebody acts"
            at.following.stop("ada")
            assert not at.following.state.is_dropped

        played(play, OFFSET, pointing(-30.0, 10.0, pier_side=PierSide.WEST))

    @pytest.mark.logs_warnings
    def test_a_dome_that_is_lost_is_waited_for_and_then_dropped(self):
        async def play(at):
            await at.in_slit()
            at.scripted.errors["read"] = [DeviceUnreachable("no route")] * 100_000
            at.clock.jumped_s = 7.0
            at.around.mount = pointing(60.0, 20.0)
            state = await at.when(lambda state: state.is_suspended)
            assert state.reason == "the dome is not read"
            at.clock.jumped_s = 14.0
            state = await at.when(lambda state: state.is_dropped)
            assert state.reason.startswith("the dome has not been read for 14 s (no route)")
            assert at.turns == 1

        played(play)

    @pytest.mark.logs_warnings
    def test_a_turn_that_never_began_drops_it(self):
        async def play(at):
            at.following.start("ada")
            state = await at.when(lambda state: state.is_dropped)
            assert "was accepted but never moved" in state.reason

        played(play, obeys=False, settings={"motion_start_s": 0.05})

    @pytest.mark.logs_warnings
    def test_a_turn_that_the_dome_refuses_drops_it(self):
        async def play(at):
            at.scripted.errors["slew_to_azimuth"] = [DeviceRefused("the drive is hot")]
            at.following.start("ada")
            state = await at.when(lambda state: state.is_dropped)
            assert "the drive is hot" in state.reason
            at.following.start("ada")
            await at.when(lambda state: state.margin_deg is not None and state.margin_deg > 0.0)

        played(play)

    @pytest.mark.logs_warnings
    def test_while_the_guard_closes_nothing_is_turned(self):
        async def play(at):
            await at.in_slit()
            at.conditions.interlocks[WishKind.GOTO] = [SAFETY_CLOSE]
            at.around.mount = pointing(60.0, 20.0)
            state = await at.when(lambda state: state.is_dropped)
            assert "the guard closes: rain" in state.reason
            assert at.turns == 1

        played(play)

    @pytest.mark.logs_warnings
    def test_a_safety_close_drops_it_even_when_no_turn_is_due(self):
        async def play(at):
            await at.in_slit()
            at.conditions.interlocks[WishKind.OPEN] = [SAFETY_CLOSE]
            state = await at.when(lambda state: state.is_dropped)
            assert "the guard closes: rain" in state.reason

        played(play)

    def test_a_bug_drops_it_and_the_looks_go_on(self, caplog):
        async def play(at):
            await at.in_slit()
            at.around.mount = "no sample"
            state = await at.when(lambda state: state.is_dropped)
            assert state.reason == "because of a bug, which the log has"
            at.around.mount = pointing(-30.0, 10.0)
            at.following.start("ada")
            await at.when(lambda state: state.margin_deg is not None)

        played(play)
        assert "Bug while the dome followed the telescope" in caplog.text


class TestRefusals:
    @pytest.mark.parametrize(
        ("values", "reason"),
        [
            ({"slaving": OFFSET}, "does not tell its side of the pier"),
            ({"slaving": Slaving(beam_diameter_m=1.0)}, r"0\.87 m wide and the beam 1\.00 m"),
            ({"is_slaved": True}, "driver follows a telescope of its own; switch that off first"),
            ({"is_owner": False}, "another Cupola commands the dome"),
            ({"facts": DomeFacts("roof", 3, False, True, True, True)}, "cannot turn to an azimuth"),
            ({"mount": MountSample(None, None, None, None, True, False, False)}, "does not tell where it points"),
        ],
    )
    def test_what_cannot_be_followed_is_refused(self, values, reason):
        async def play(at):
            with pytest.raises(DomeRefused, match=reason):
                at.following.start("ada")
            await at.looked(1)
            assert at.following.state.who is (Follower.DRIVER if at.scripted.is_slaved else Follower.NOBODY)
            assert not at.following.state.is_dropped
            assert at.turns == 0

        played(play, **values)

    def test_a_mount_that_is_not_read_now(self):
        async def play(at):
            at.around.age_s = 6.0
            with pytest.raises(DomeRefused, match="the mount has not been read for 6 s"):
                at.following.start("ada")

        played(play)

    def test_who_slaves_is_told_also_when_it_is_the_driver(self):
        async def play(at):
            at.scripted.is_slaved = True
            await at.when(lambda state: state.who is Follower.DRIVER)
            at.scripted.is_slaved = False
            await at.when(lambda state: state.who is Follower.NOBODY)

        played(play)
