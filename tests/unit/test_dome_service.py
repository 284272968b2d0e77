"""The dome service over a scripted dome: ages, final states, watchdogs, and STOP past everything."""

from __future__ import annotations

import asyncio
import logging
import threading
from contextlib import asynccontextmanager

import pytest

from app.model.dome import (
    ClosedBy,
    DeviceError,
    DeviceRefused,
    DeviceUnreachable,
    DomeFacts,
    DomeRefused,
    DomeSample,
    DomeWish,
    Move,
    Phase,
    ShutterState,
    WishKind,
)
from app.model.errors import StoreError
from app.model.settings import Dome
from app.services import dome as dome_module
from app.services.dome import DomeService
from app.services.dome_moves import Follow
from app.services.lanes import Lane, LaneClosed
from app.services.service_loop import LoopClosed, ServiceLoop
from tests.conditions import FixedConditions
from tests.fakes import FakeClock, ScriptedDome

OPEN, CLOSE, PARK, HOME = (DomeWish(kind) for kind in (WishKind.OPEN, WishKind.CLOSE, WishKind.PARK, WishKind.HOME))
LIMIT_S = 5.0


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Pauses that nobody need sit out."""
    monkeypatch.setattr(dome_module, "_AT_REST_S", 0.005)
    monkeypatch.setattr(dome_module, "_BACK_OFF_S", (0.005,))
    monkeypatch.setattr(dome_module, "_CLOSE_LANES_S", 1.0)


def goto(azimuth_deg):
    return DomeWish(WishKind.GOTO, azimuth_deg)


def limits(**values):
    """Settings that poll quicker than an operator may set."""
    return Dome.model_construct(**{**Dome().model_dump(), "poll_s": 0.002, "park_deg": 255.0, **values})


@asynccontextmanager
async def running(dome, journal=None, conditions=None, *, is_ours=True, is_owner=True, **settings):
    """A service that has polled the dome once."""
    rows = [] if journal is None else journal
    write = rows if callable(rows) else lambda *row: rows.append(row)
    service = DomeService(
        lambda: dome,
        limits(**settings),
        write,
        FakeClock(),
        conditions or FixedConditions(),
        server="sim:1/0",
        is_ours=is_ours,
        is_owner=is_owner,
    )
    runner = asyncio.create_task(service.run())
    await service.first_poll()
    try:
        yield service
    finally:
        dome.let_go.set()
        await service.shut_down()
        assert runner.done()


async def when(service, enough):
    """The first state that is enough."""
    found = asyncio.get_running_loop().create_future()

    def look(state):
        if not found.done() and enough(state):
            found.set_result(state)

    unsubscribe = service.subscribe(look)
    look(service.state)
    try:
        return await asyncio.wait_for(found, LIMIT_S)
    finally:
        unsubscribe()


async def done(service, wish, who="ada"):
    """Ask, and follow to the end."""
    move = await service.ask(wish, who)
    return await service.final(move, LIMIT_S)


class TestReadings:
    def test_everything_is_read(self):
        async def run():
            async with running(ScriptedDome(azimuth_deg=255.0)) as service:
                state, now_s = service.state, FakeClock().monotonic()
                assert state.is_connected(now_s)
                assert (state.azimuth_deg.value, state.shutter.value) == (255.0, ShutterState.CLOSED)
                assert (state.is_slewing.value, state.is_at_park.value, state.is_at_home.value) == (False, True, False)
                assert state.facts.name == "Scripted dome"
                assert state.failure is None
                assert state.latency_s >= 0.0

        asyncio.run(run())

    def test_polling_survives_an_outage_with_values_kept_and_two_lines_in_the_log(self, caplog):
        caplog.set_level(logging.INFO, "app")

        async def run():
            dome = ScriptedDome()
            async with running(dome) as service:
                dome.errors["read"] = [DeviceUnreachable("no route"), DeviceUnreachable("no route")]
                failed = await when(service, lambda state: state.failure is not None)
                assert failed.azimuth_deg.value == 255.0
                assert failed.azimuth_deg.failure == "no route"
                back = await when(service, lambda state: state.failure is None)
                assert back.azimuth_deg.read_s > failed.azimuth_deg.read_s
            assert dome.calls.count("connect") >= 2
            assert set(dome.calls) == {"connect"}, "a dome that returns is re-adopted, never re-commanded"

        asyncio.run(run())
        lines = [record.message for record in caplog.records if " read" in record.message]
        assert lines[0] == "The dome is not read: no route"
        assert lines[1].startswith("The dome at sim:1/0 is read again")
        assert len(lines) == 2

    @pytest.mark.logs_warnings
    def test_a_bug_while_reading_does_not_end_the_polling(self):
        async def run():
            dome = ScriptedDome()
            async with running(dome) as service:
                dome.errors["read"] = [ZeroDivisionError("a bug")]
                await when(service, lambda state: "bug" in (state.failure or ""))
                await when(service, lambda state: state.failure is None)

        asyncio.run(run())

    def test_what_the_dome_does_not_have_is_never_read(self):
        class RollOff(ScriptedDome):
            def read(self):
                return DomeSample(None, super().read().shutter, False, None, None)

        async def run():
            async with running(RollOff()) as service:
                assert service.state.azimuth_deg.read_s is None
                assert service.state.is_at_park.value is None
                assert service.state.is_connected(FakeClock().monotonic())

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_a_listener_with_a_bug_hurts_nobody_else(self):
        async def run():
            dome = ScriptedDome()
            async with running(dome) as service:
                service.subscribe(lambda state: 1 / 0)
                reads = dome.reads
                await when(service, lambda state: dome.reads > reads + 2)

        asyncio.run(run())


class TestClosed:
    def test_a_dome_found_closed_is_closed_by_the_drivers_word(self):
        async def run():
            async with running(ScriptedDome()) as service:
                assert service.state.closed_by is ClosedBy.DRIVER

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_a_whole_closing_motion_proves_it_until_the_server_is_lost(self):
        async def run():
            dome = ScriptedDome(shutter=ShutterState.OPEN)
            async with running(dome) as service:
                assert service.state.closed_by is None
                assert (await done(service, CLOSE)).is_done
                assert service.state.closed_by is ClosedBy.MOTION
                dome.errors["read"] = [DeviceUnreachable("gone")]
                lost = await when(service, lambda state: state.failure is not None)
                assert lost.closed_by is None
                back = await when(service, lambda state: state.failure is None)
                assert back.closed_by is ClosedBy.DRIVER

        asyncio.run(run())

    def test_closed_without_a_motion_is_the_drivers_word(self):
        async def run():
            dome = ScriptedDome(shutter=ShutterState.OPEN)
            async with running(dome) as service:
                dome.shutter = ShutterState.CLOSED  # a driver that jumps
                assert (await when(service, lambda state: state.closed_by)).closed_by is ClosedBy.DRIVER

        asyncio.run(run())


class TestMoves:
    def test_a_turn_over_north_arrives(self):
        async def run():
            dome = ScriptedDome(azimuth_deg=350.0, step_deg=4.0)
            async with running(dome) as service:
                move = await service.ask(goto(20.0), "ada")
                assert move.phase in (Phase.ACCEPTED, Phase.MOVING)
                assert move.answered_s is not None
                assert 0.0 <= move.answered_s < LIMIT_S
                seen = await when(service, lambda state: state.move and state.move.phase is Phase.MOVING)
                assert seen.target_deg == 20.0
                ended = await service.final(move, LIMIT_S)
                assert ended.is_done
                assert service.state.azimuth_deg.value == 20.0
                assert service.state.move is None
                assert service.state.last_move == ended

        asyncio.run(run())

    @pytest.mark.parametrize(
        ("wish", "check"),
        [
            (PARK, lambda state: state.is_at_park.value),
            (HOME, lambda state: state.is_at_home.value),
            (OPEN, lambda state: state.shutter.value is ShutterState.OPEN),
            (goto(255.0), lambda state: state.azimuth_deg.value == 255.0),
        ],
    )
    def test_final_states(self, wish, check):
        async def run():
            async with running(ScriptedDome()) as service:
                assert (await done(service, wish)).phase is Phase.ARRIVED
                assert check(service.state)

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_accepted_but_never_moved(self):
        async def run():
            async with running(ScriptedDome(obeys=False), motion_start_s=0.05) as service:
                move = await done(service, goto(10.0))
                assert move.phase is Phase.FAILED
                assert move.reason.startswith("Go to 10.0° was accepted but never moved: azimuth 255.0°")

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_a_close_that_only_says_ok_has_failed(self):
        async def run():
            async with running(ScriptedDome(shutter=ShutterState.OPEN, obeys=False), motion_start_s=0.05) as service:
                move = await done(service, CLOSE)
                assert move.phase is Phase.FAILED
                assert "shutter open" in move.reason

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_a_motion_that_never_ends(self):
        async def run():
            async with running(ScriptedDome(step_deg=0.0), motion_end_s=0.05) as service:
                move = await done(service, goto(10.0))
                assert move.phase is Phase.FAILED
                assert "did not end within 0.05 s" in move.reason

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_a_move_of_a_dome_that_is_lost_ends_too(self):
        async def run():
            dome = ScriptedDome()
            async with running(dome, motion_end_s=0.05) as service:
                move = await service.ask(goto(10.0), "ada")
                dome.errors["read"] = [DeviceUnreachable("gone")] * 1000
                assert (await service.final(move, LIMIT_S)).phase is Phase.FAILED

        asyncio.run(run())

    def test_a_new_turn_takes_the_place_of_the_running_one(self):
        async def run():
            async with running(ScriptedDome(step_deg=1.0)) as service:
                first = await service.ask(goto(10.0), "ada")
                second = await service.ask(goto(250.0), "bob")
                replaced = await service.final(first, LIMIT_S)
                assert replaced.phase is Phase.REPLACED
                assert replaced.reason == "Go to 250.0° of bob took its place"
                assert (await service.final(second, LIMIT_S)).is_done

        asyncio.run(run())

    def test_a_turn_and_the_shutter_run_together(self):
        async def run():
            async with running(ScriptedDome(shutter=ShutterState.OPEN)) as service:
                turn = await service.ask(goto(75.0), "ada")
                close = await service.ask(CLOSE, "ada")
                assert (await service.final(close, LIMIT_S)).is_done
                assert (await service.final(turn, LIMIT_S)).is_done

        asyncio.run(run())

    def test_waiting_ends_at_its_own_limit(self):
        async def run():
            async with running(ScriptedDome(step_deg=0.0)) as service:
                move = await service.ask(goto(10.0), "ada")
                assert not (await service.final(move, 0.02)).phase.is_end

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_what_the_device_refuses_is_raised_and_has_failed(self):
        async def run():
            dome = ScriptedDome(errors={"slew_to_azimuth": [DeviceRefused("slaved")]})
            async with running(dome) as service:
                with pytest.raises(DeviceRefused, match="slaved"):
                    await service.ask(goto(10.0), "ada")
                failed = await when(service, lambda state: state.last_move is not None)
                assert (failed.last_move.phase, failed.last_move.reason) == (Phase.FAILED, "slaved")

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_what_was_read_before_a_command_that_failed_does_not_show_that_the_dome_stands(self):
        async def run():
            dome = ScriptedDome(errors={"slew_to_azimuth": [DeviceRefused("it failed, and turns")]})
            async with running(dome) as service:
                assert service.state.is_moving(service.state.is_slewing.read_s) is False
                states = []
                service.subscribe(states.append)
                with pytest.raises(DeviceRefused):
                    await service.ask(goto(10.0), "ada")
                await when(service, lambda state: state.last_move and state.is_moving(state.is_slewing.read_s) is False)
            failed = next(state for state in states if state.last_move is not None)
            assert failed.is_moving(failed.is_slewing.read_s) is None
            stands = next(
                state for state in states if state.last_move and state.is_moving(state.is_slewing.read_s) is False
            )
            assert stands.is_slewing.read_s >= stands.doubted_s

        asyncio.run(run())


class TestFollow:
    """Rules of one command, sample by sample."""

    LIMITS = Dome(motion_start_s=10.0, motion_end_s=300.0, tolerance_deg=1.0)

    def follow(self, wish, accepted_s=100.0):
        return Follow(Move(1, wish, "ada", 99.0)).accepted(accepted_s)

    def sample(self, azimuth_deg=0.0, *, slewing=False, shutter=ShutterState.OPEN, park=False):
        return DomeSample(azimuth_deg, shutter, slewing, park, False)

    def phase(self, follow, *samples):
        for asked_s, sample in samples:
            follow = follow.seen(sample, asked_s, self.LIMITS)
        return follow.move.phase

    def test_a_sample_from_before_the_acceptance_proves_nothing(self):
        assert self.phase(self.follow(goto(0.0)), (99.9, self.sample())) is Phase.ACCEPTED
        assert self.phase(self.follow(goto(0.0)), (100.0, self.sample())) is Phase.ARRIVED

    @pytest.mark.parametrize(("azimuth_deg", "arrived"), [(359.5, True), (1.0, True), (1.1, False), (358.9, False)])
    def test_the_distance_counts_over_north(self, azimuth_deg, arrived):
        assert (self.phase(self.follow(goto(0.0)), (101.0, self.sample(azimuth_deg))) is Phase.ARRIVED) is arrived

    def test_passing_the_target_is_not_arriving(self):
        assert self.phase(self.follow(goto(0.0)), (101.0, self.sample(slewing=True))) is Phase.MOVING

    def test_park_needs_the_sensor_and_rest(self):
        follow = self.follow(PARK)
        assert self.phase(follow, (101.0, self.sample(park=True, slewing=True))) is Phase.MOVING
        assert self.phase(follow, (101.0, self.sample(slewing=True)), (112.0, self.sample())) is Phase.FAILED
        assert self.phase(follow, (101.0, self.sample(park=True))) is Phase.ARRIVED

    def test_a_driver_that_denies_its_slewing_is_seen_by_its_azimuth(self):
        samples = [(100.0 + 6.0 * step, self.sample(90.0 - step)) for step in range(1, 20)]
        assert self.phase(self.follow(goto(0.0)), *samples) is Phase.MOVING

    def test_a_shutter_in_error_in_mid_motion_has_failed(self):
        closing = self.sample(shutter=ShutterState.CLOSING)
        error = self.sample(shutter=ShutterState.ERROR)
        assert self.phase(self.follow(CLOSE), (101.0, closing), (102.0, error)) is Phase.FAILED
        assert self.phase(self.follow(CLOSE), (101.0, error)) is Phase.ACCEPTED  # it was there before the motion

    def test_watchdogs(self):
        still = self.sample(90.0)
        assert self.phase(self.follow(goto(0.0)), (110.0, still)) is Phase.ACCEPTED
        assert self.phase(self.follow(goto(0.0)), (110.1, still)) is Phase.FAILED
        assert self.follow(goto(0.0)).at(400.0, self.LIMITS).is_open
        assert not self.follow(goto(0.0)).at(400.1, self.LIMITS).is_open


class TestRefusals:
    def refused(self, wish, dome=None, match="", **options):
        dome = dome or ScriptedDome()

        async def run():
            async with running(dome, **options) as service:
                with pytest.raises(DomeRefused, match=match):
                    await service.ask(wish, "ada")
            assert set(dome.calls) <= {"connect"}

        asyncio.run(run())

    @pytest.mark.parametrize("azimuth_deg", [400.0, -1.0, float("nan"), None])
    def test_what_is_no_azimuth(self, azimuth_deg):
        self.refused(goto(azimuth_deg), match="from 0 to less than 360")

    @pytest.mark.parametrize("wish", [goto(10.0), OPEN, PARK, HOME])
    def test_what_the_dome_cannot_do(self, wish):
        dome = ScriptedDome(facts=DomeFacts("roof", 2, False, False, False, False))
        self.refused(wish, dome, match="cannot do that")

    @pytest.mark.logs_warnings
    @pytest.mark.parametrize("wish", [goto(10.0), OPEN, PARK, HOME])
    def test_a_dome_that_was_never_read(self, wish):
        async def run():
            dome = ScriptedDome(errors={"connect": [DeviceUnreachable("nobody there")] * 1000})
            async with running(dome) as service:
                with pytest.raises(DomeRefused, match=r"is not read \(nobody there\)"):
                    await service.ask(wish, "ada")

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_close_and_stop_are_sent_to_a_dome_that_was_never_read(self):
        async def run():
            dome = ScriptedDome(errors={"connect": [DeviceUnreachable("nobody there")] * 1000})
            async with running(dome, is_ours=False) as service:
                await service.ask(CLOSE, "ada")
                await asyncio.wrap_future(service.stop("ada"))
                assert {"close_shutter", "abort_slew"} <= set(dome.calls)

        asyncio.run(run())


class TestStop:
    def test_it_ends_what_moves(self):
        async def run():
            async with running(ScriptedDome(step_deg=1.0)) as service:
                turn = await service.ask(goto(75.0), "ada")
                opened = await service.ask(OPEN, "ada")
                await asyncio.wrap_future(service.stop("bob"))
                for move in (turn, opened):
                    ended = await service.final(move, LIMIT_S)
                    assert (ended.phase, ended.reason) == (Phase.STOPPED, "stopped by bob")
                assert service.state.stop_notice is None
                assert not service.state.is_slewing.value

        asyncio.run(run())

    def test_it_needs_no_loop_and_passes_a_hung_poll_and_a_hung_command(self):
        dome = ScriptedDome(hanging={"read", "slew_to_azimuth"})
        service = DomeService(
            lambda: dome, limits(), lambda *_: None, FakeClock(), FixedConditions(), server="sim:1/0", is_ours=True
        )
        service._issue(goto(10.0), "ada")  # hangs in the command lane
        service.stop("ada").result(LIMIT_S)
        assert dome.calls[-1] == "abort_slew"
        dome.let_go.set()
        asyncio.run(service.shut_down())

    def test_a_press_does_not_wait_for_the_press_before(self):
        dome = ScriptedDome(hanging={"abort_slew"})
        service = DomeService(
            lambda: dome, limits(), lambda *_: None, FakeClock(), FixedConditions(), server="sim:1/0", is_ours=True
        )
        presses = [service.stop("ada") for _ in range(8)]
        all_sent = threading.Event()
        for _ in range(500):
            if dome.calls.count("abort_slew") == 8:
                all_sent.set()
                break
            all_sent.wait(0.01)
        assert all_sent.is_set()
        assert not any(press.done() for press in presses)
        dome.let_go.set()
        asyncio.run(service.shut_down())

    @pytest.mark.logs_warnings
    def test_a_command_that_waited_is_dropped(self):
        async def run():
            dome = ScriptedDome(hanging={"park"}, azimuth_deg=100.0)
            async with running(dome) as service:
                hung = asyncio.create_task(service.ask(PARK, "ada"))
                waiting = asyncio.create_task(service.ask(goto(10.0), "ada"))
                await when(service, lambda state: state.move and state.move.wish == goto(10.0))
                await asyncio.wrap_future(service.stop("ada"))
                await when(service, lambda state: state.last_move and state.last_move.phase is Phase.STOPPED)
                dome.hanging.clear()
                dome.let_go.set()
                with pytest.raises(DomeRefused, match="dropped before it was sent"):
                    await waiting
                await hung
                # The dome took PARK after all, after STOP: it is stopped again.
                await when(service, lambda state: dome.calls[-1] == "abort_slew" and not state.is_slewing.value)
                assert "slew_to_azimuth" not in dome.calls

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_it_is_sent_again_and_then_asks_for_the_hardware_stop(self, monkeypatch):
        monkeypatch.setattr(dome_module, "STOP_AGAIN_S", 0.05)
        monkeypatch.setattr(dome_module, "STOP_NOTICE_S", 0.18)

        async def run():
            dome = ScriptedDome(step_deg=0.1)
            async with running(dome) as service:
                move = await service.ask(goto(75.0), "ada")
                dome.obeys = False
                await asyncio.wrap_future(service.stop("ada"))
                with pytest.raises(DomeRefused, match="STOP is not confirmed yet"):
                    await service.ask(goto(20.0), "ada")
                state = await when(service, lambda state: state.stop_notice)
                assert "use the hardware stop" in state.stop_notice
                assert dome.calls.count("abort_slew") in (3, 4)
                assert not (await service.final(move, 0.0)).phase.is_end
                dome.obeys = True
                service.stop("ada")
                assert (await service.final(move, LIMIT_S)).phase is Phase.STOPPED
                assert service.state.stop_notice is None

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_standing_still_confirms_nothing_before_the_dome_accepted_it(self, monkeypatch):
        monkeypatch.setattr(dome_module, "STOP_NOTICE_S", 0.05)

        async def run():
            dome = ScriptedDome(hanging={"abort_slew"})
            async with running(dome) as service:
                service.stop("ada")
                reads = dome.reads
                await when(service, lambda state: dome.reads > reads + 3)
                with pytest.raises(DomeRefused, match="STOP is not confirmed yet"):
                    await service.ask(goto(20.0), "ada")

        asyncio.run(run())

    @pytest.mark.logs_warnings
    def test_a_close_after_it_is_not_stopped_by_its_repetition(self, monkeypatch):
        monkeypatch.setattr(dome_module, "STOP_AGAIN_S", 0.02)

        async def run():
            dome = ScriptedDome(shutter=ShutterState.OPEN, shutter_steps=20)
            dome.errors["abort_slew"] = [DeviceRefused("busy")]
            async with running(dome) as service:
                with pytest.raises(DeviceError):
                    await asyncio.wrap_future(service.stop("ada"))
                assert (await done(service, CLOSE)).is_done
                assert dome.calls.count("abort_slew") == 1

        asyncio.run(run())

    def test_a_broken_connection_is_tried_once_more_at_once(self):
        dome = ScriptedDome(errors={"abort_slew": [DeviceUnreachable("connection reset")]})
        service = DomeService(
            lambda: dome, limits(), lambda *_: None, FakeClock(), FixedConditions(), server="sim:1/0", is_ours=True
        )
        service.stop("ada").result(LIMIT_S)
        assert dome.calls == ["abort_slew", "abort_slew"]
        asyncio.run(service.shut_down())

    def test_close_drops_an_open_that_waits(self):
        dome = ScriptedDome(hanging={"park"}, shutter=ShutterState.OPEN)

        async def run():
            async with running(dome) as service:
                parking = asyncio.create_task(service.ask(PARK, "ada"))
                opening = asyncio.create_task(service.ask(OPEN, "ada"))
                await when(service, lambda state: state.move is not None and state.move.wish.kind is WishKind.OPEN)
                assert (await done(service, CLOSE)).is_done
                dome.let_go.set()
                with pytest.raises(DomeRefused, match="STOP, CLOSE or the end"):
                    await opening
                await parking

        asyncio.run(run())
        assert "open_shutter" not in dome.calls

    @pytest.mark.logs_warnings
    def test_close_without_polling_is_sent_and_answered(self):
        async def run():
            dome = ScriptedDome(shutter=ShutterState.OPEN)
            service = DomeService(
                lambda: dome, limits(), lambda *_: None, FakeClock(), FixedConditions(), server="sim:1/0", is_ours=False
            )
            assert (await service.ask(CLOSE, "ada")).phase is Phase.ACCEPTED
            await service.shut_down()
            await service.shut_down()

        asyncio.run(run())


class TestJournal:
    def test_a_command_has_a_row_when_it_is_answered_and_one_at_its_end(self):
        rows = []

        async def run():
            async with running(ScriptedDome(), rows) as service:
                await done(service, goto(75.0))
                await asyncio.wrap_future(service.stop("bob"))
                await when(service, lambda state: service._stop is None)

        asyncio.run(run())
        assert [(who, what) for who, what, _, _ in rows] == [
            ("ada", "dome go to"),
            ("ada", "dome go to ended"),
            ("bob", "dome stop"),
            ("bob", "dome stop confirmed"),
        ]
        asked, ended = rows[0][3], rows[1][3]
        assert (asked["azimuth_deg"], asked["before"]["azimuth_deg"], asked["answer"]) == (75.0, 255.0, "accepted")
        assert asked["latency_s"] >= 0.0
        assert (ended["phase"], ended["after"]["azimuth_deg"]) == ("arrived", 75.0)

    @pytest.mark.logs_warnings
    @pytest.mark.parametrize("error", [StoreError("the database is locked"), ZeroDivisionError("a bug")])
    def test_its_failure_stops_nothing(self, error):
        def fail(*_):
            raise error

        async def run():
            async with running(ScriptedDome(), fail) as service:
                assert (await done(service, goto(75.0))).is_done
                await asyncio.wrap_future(service.stop("ada"))

        asyncio.run(run())

    def test_a_journal_that_hangs_does_not_hold_up_stop(self):
        let_go = threading.Event()

        async def run():
            dome = ScriptedDome()
            async with running(dome, lambda *_: let_go.wait(LIMIT_S)) as service:
                await service.ask(goto(75.0), "ada")
                await asyncio.wait_for(asyncio.wrap_future(service.stop("ada")), 1.0)
                let_go.set()

        asyncio.run(run())


@pytest.mark.logs_warnings
def test_shutting_down_sends_no_command():
    async def run():
        dome = ScriptedDome(hanging={"park"}, shutter=ShutterState.OPEN)
        async with running(dome) as service:
            hung = asyncio.create_task(service.ask(PARK, "ada"))
            waiting = asyncio.create_task(service.ask(goto(10.0), "ada"))
            await when(service, lambda state: state.move and state.move.wish == goto(10.0))
            closing = asyncio.create_task(service.shut_down())
            await asyncio.sleep(0)
            dome.let_go.set()
            await closing
            with pytest.raises(DomeRefused, match="dropped"):
                await waiting
            await hung
            assert dome.calls[-1] == "park"
            with pytest.raises(LaneClosed, match="shutting down"):
                service.stop("ada")

    asyncio.run(run())


class TestLane:
    def test_calls_are_made_in_order_in_one_thread(self):
        async def run():
            lane, names = Lane("one"), []
            for number in range(20):
                lane.submit(lambda number=number: names.append((number, threading.current_thread().name)))
            await lane.close(LIMIT_S)
            assert names == [(number, "one_0") for number in range(20)]

        asyncio.run(run())

    def test_closing_leaves_behind_what_hangs(self, caplog):
        async def run():
            lane, let_go = Lane("hung"), threading.Event()
            lane.submit(let_go.wait)
            await lane.close(0.01)
            let_go.set()

        asyncio.run(run())
        assert "Lane hung still hangs" in caplog.text


class TestServiceLoop:
    def test_it_runs_what_it_is_given_and_cancels_it_at_the_end(self):
        loop = ServiceLoop()
        loop.start()
        cancelled = threading.Event()

        async def forever():
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

        async def name():
            return threading.current_thread().name

        endless = loop.submit(forever())
        assert loop.submit(name()).result(LIMIT_S) == "services"
        loop.close(LIMIT_S)
        assert cancelled.is_set()
        assert endless.cancelled()
        with pytest.raises(LoopClosed):
            loop.submit(name())
        loop.close(LIMIT_S)

    def test_a_bug_that_nobody_looks_at_is_logged_whole(self, caplog):
        loop = ServiceLoop()
        loop.start()

        async def bug():
            raise ZeroDivisionError("a bug")

        async def expected():
            raise DeviceRefused("slaved")

        for coroutine in (bug(), expected()):
            with pytest.raises((ZeroDivisionError, DeviceRefused)):
                loop.submit(coroutine).result(LIMIT_S)
        loop.close(LIMIT_S)
        assert [(record.message, record.exc_info[0]) for record in caplog.records] == [
            ("Bug in a service", ZeroDivisionError)
        ]
