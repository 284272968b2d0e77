"""The dome service and what stands between a wish and a motion: interlocks, overrides, contacts, closes that fail."""

import asyncio
from threading import Event

import pytest

import app.services.dome as dome_module
from app.model.dome import (
    ClosedBy,
    DeviceBusy,
    DeviceUnreachable,
    DomeRefused,
    DomeWish,
    Override,
    Phase,
    ShutterState,
    ShutterWord,
    WishKind,
)
from app.model.interlocks import SAFETY_CLOSE, Interlock
from app.model.reading import NEVER_READ, Reading
from app.model.settings import Enclosure
from app.services import failed_closes
from tests.conditions import FixedConditions
from tests.fakes import FakeClock, ScriptedDome
from tests.unit.test_dome_service import CLOSE, LIMIT_S, OPEN, PARK, done, goto, running, when

WIND = Interlock("sky", False, "wind 14.2 m/s > 12", "wait", 2.0, covers=("sky: wind",))
SUN = Interlock("sun", False, "altitude 3.0° > 0°", "wait for sunset")
GOOD = Interlock("guard", True, "on duty")
LOCKOUT = Interlock("lockout", False, "Ada is in the dome", "Ada releases it", may_be_overridden=False)


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    """Pauses that nobody need sit out."""
    monkeypatch.setattr(dome_module, "_AT_REST_S", 0.005)
    monkeypatch.setattr(dome_module, "_BACK_OFF_S", (0.005,))
    monkeypatch.setattr(dome_module, "_CLOSE_LANES_S", 1.0)
    monkeypatch.setattr(failed_closes, "AGAIN_S", 0.02)


def conditions(*interlocks, kind=WishKind.OPEN, **others):
    return FixedConditions({kind: interlocks}, **others)


def overriding(reason="I stand beside it"):
    return DomeWish(WishKind.OPEN, override=Override("Ada", reason))


def refused(wish, given, dome=None, **options):
    """The sentence of a refusal, of which the dome hears nothing."""
    dome, said = dome or ScriptedDome(), []

    async def run():
        async with running(dome, conditions=given, **options) as service:
            with pytest.raises(DomeRefused) as refusal:
                await service.ask(wish, "ada")
            said.append(str(refusal.value))

    asyncio.run(run())
    assert set(dome.calls) <= {"connect"}
    return said[0]


class TestInterlocks:
    def test_all_that_are_not_met_are_named_with_value_limit_age_and_remedy(self):
        sentence = refused(OPEN, conditions(WIND, GOOD, SUN))
        assert "sky: wind 14.2 m/s > 12, 2 s old: wait; sun: altitude 3.0° > 0°: wait for sunset" in sentence
        assert "NAME: REASON" in sentence
        assert "guard" not in sentence

    def test_unknown_is_not_good(self):
        assert "never read" in refused(OPEN, conditions(Interlock("sky", None, "the weather was never read")))

    def test_an_override_opens_is_told_to_the_guard_and_stands_in_the_journal(self):
        rows, given = [], conditions(WIND, SUN)

        async def run():
            async with running(ScriptedDome(), rows, given) as service:
                assert (await done(service, overriding())).is_done
                held = service.state.override
                assert (held.override.name, held.covers) == ("Ada", ("sky: wind", "sun"))
                assert held.until_s - FakeClock().monotonic() == pytest.approx(1800.0, abs=LIMIT_S)

        asyncio.run(run())
        assert ("opening", "ada") in given.told
        assert ("override", Override("Ada", "I stand beside it"), ("sky: wind", "sun")) in given.told
        assert rows[0][3]["override"] == "Ada: I stand beside it"
        assert rows[0][3]["unmet"] == [WIND.sentence, SUN.sentence]

    def test_an_override_ends_when_the_dome_is_closed(self):
        async def run():
            async with running(ScriptedDome(), conditions=conditions(WIND)) as service:
                await done(service, overriding())
                await done(service, CLOSE)
                await when(service, lambda state: state.override is None)

        asyncio.run(run())

    def test_an_override_holds_while_the_closed_shutter_is_about_to_open(self):
        dome, given, lasted = ScriptedDome(hanging={"open_shutter"}), conditions(WIND), []

        async def run():
            async with running(dome, conditions=given) as service:
                asked = asyncio.create_task(service.ask(overriding(), "ada"))
                await when(service, lambda state: state.override is not None)
                read = dome.reads
                await when(service, lambda _: dome.reads > read + 2)
                lasted.append(service.state.override)
                dome.let_go.set()
                await asked

        asyncio.run(run())
        assert lasted[0] is not None
        assert ("override ended", "Cupola") not in given.told

    def test_rain_during_the_turn_to_the_contacts_keeps_the_shutter_closed(self):
        dome = ScriptedDome()
        given = conditions(enclosure=Enclosure(can_hit_mount=False, shutter_azimuth_deg=90.0))

        async def run():
            async with running(dome, conditions=given) as service:
                asked = asyncio.create_task(service.ask(OPEN, "ada"))
                await when(service, lambda _: "slew_to_azimuth" in dome.calls)
                given.interlocks[WishKind.OPEN] = (Interlock("sky", False, "rain 0.4 mm/h > 0", "wait"),)
                with pytest.raises(DomeRefused, match=r"rain 0\.4"):
                    await asked

        asyncio.run(run())
        assert "open_shutter" not in dome.calls

    @pytest.mark.logs_warnings
    def test_a_bug_in_what_is_made_of_a_reading_ends_no_polling(self, caplog):
        dome, given = ScriptedDome(), conditions()

        async def run():
            async with running(dome, conditions=given) as service:
                given.closed_contact = None
                await when(service, lambda state: state.failure)
                given.closed_contact = NEVER_READ
                await when(service, lambda state: state.failure is None)

        asyncio.run(run())
        assert "Bug while the dome was read" in caplog.text

    def test_nobody_answers_for_somebody_in_the_dome(self):
        sentence = refused(overriding(), conditions(LOCKOUT, WIND))
        assert "Ada is in the dome" in sentence
        assert "NAME: REASON" not in sentence

    @pytest.mark.parametrize("wish", [CLOSE, PARK, goto(10.0)])
    def test_lockout_holds_every_motion(self, wish):
        assert "Ada releases it" in refused(wish, conditions(LOCKOUT, kind=wish.kind))

    def test_who_only_watches_can_close(self):
        dome = ScriptedDome(shutter=ShutterState.OPEN)

        async def run():
            async with running(dome, is_owner=False) as service:
                with pytest.raises(DomeRefused, match="take over"):
                    await service.ask(goto(10.0), "ada")
                assert (await done(service, CLOSE)).is_done
                service.set_owner(True)
                assert (await done(service, goto(10.0))).is_done

        asyncio.run(run())

    def test_stop_is_told_to_the_guard(self):
        given = conditions()

        async def run():
            async with running(ScriptedDome(), conditions=given) as service:
                await asyncio.wrap_future(service.stop("bob"))

        asyncio.run(run())
        assert given.told == [("stopped", "bob")]

    def test_the_conditions_of_open_are_part_of_the_state(self):
        async def run():
            async with running(ScriptedDome(), conditions=conditions(WIND, GOOD)) as service:
                assert service.state.interlocks == (WIND, GOOD)

        asyncio.run(run())


class TestWhoseWord:
    @pytest.mark.parametrize(
        ("contact", "word", "closed_by"),
        [
            (True, ShutterWord.PROVEN_CLOSED, ClosedBy.SWITCH),
            (False, ShutterWord.NOT_CLOSED, ClosedBy.DRIVER),
            (None, ShutterWord.CLOSED, ClosedBy.DRIVER),
        ],
    )
    def test_a_contact_decides_against_the_driver(self, contact, word, closed_by):
        given = FixedConditions()

        async def run():
            async with running(ScriptedDome(), conditions=given) as service:
                if contact is not None:
                    given.closed_contact = Reading(contact, FakeClock().monotonic())
                state = await when(service, lambda state: state.closed_contact is given.closed_contact)
                assert state.shutter_word(FakeClock().monotonic()) is word
                assert state.closed_by is closed_by

        asyncio.run(run())

    @pytest.mark.parametrize("says", [True, False])
    def test_a_word_of_the_contact_from_before_the_driver_said_closed_is_none(self, says):
        given = FixedConditions(closed_contact=Reading(says, FakeClock().monotonic()))

        async def run():
            async with running(ScriptedDome(), conditions=given) as service:
                assert service.state.shutter_word(FakeClock().monotonic()) is ShutterWord.CLOSED

        asyncio.run(run())


class TestContactsOfTheShutter:
    AT_90 = Enclosure(can_hit_mount=False, shutter_azimuth_deg=90.0)

    @pytest.mark.parametrize(("wish", "call"), [(OPEN, "open_shutter"), (CLOSE, "close_shutter")])
    def test_the_dome_turns_there_first(self, wish, call):
        shutter = ShutterState.CLOSED if wish is OPEN else ShutterState.OPEN
        dome = ScriptedDome(azimuth_deg=75.0, step_deg=5.0, shutter=shutter)

        async def run():
            async with running(dome, conditions=FixedConditions(enclosure=self.AT_90)) as service:
                assert (await done(service, wish)).is_done

        asyncio.run(run())
        assert dome.calls == ["connect", "slew_to_azimuth", call]
        assert dome.azimuth_deg == pytest.approx(90.0, abs=1.5)

    def test_stop_on_the_way_means_that_it_never_opens(self):
        dome = ScriptedDome(azimuth_deg=0.0, step_deg=0.0)

        async def run():
            async with running(dome, conditions=FixedConditions(enclosure=self.AT_90)) as service:
                asked = asyncio.create_task(service.ask(OPEN, "ada"))
                await when(service, lambda _: "slew_to_azimuth" in dome.calls)
                await asyncio.wrap_future(service.stop("bob"))
                with pytest.raises(DomeRefused, match="dropped"):
                    await asked

        asyncio.run(run())
        assert "open_shutter" not in dome.calls


@pytest.mark.logs_warnings
class TestCloseThatFails:
    def test_a_dome_that_is_busy_is_stopped_and_closed(self):
        dome = ScriptedDome(shutter=ShutterState.OPEN, errors={"close_shutter": [DeviceBusy("turning")]})

        async def run():
            async with running(dome) as service:
                assert (await done(service, CLOSE)).is_done

        asyncio.run(run())
        assert dome.calls == ["connect", "close_shutter", "abort_slew", "close_shutter"]

    def test_it_is_sent_again_with_growing_waits_until_it_is_closed(self):
        nobody = DeviceUnreachable("nobody there")
        dome = ScriptedDome(shutter=ShutterState.OPEN, errors={"close_shutter": [nobody] * 4})
        waits = []

        async def run():
            async with running(dome) as service:

                def note(state):
                    if state.close_again_s is not None and state.close_again_s not in waits:
                        waits.append(state.close_again_s)

                service.subscribe(note)
                with pytest.raises(DeviceUnreachable):
                    await service.ask(CLOSE, "ada")
                state = await when(service, lambda state: state.shutter.value is ShutterState.CLOSED)
                assert state.shutter_word(FakeClock().monotonic()) is ShutterWord.PROVEN_CLOSED

        asyncio.run(run())
        assert dome.calls.count("close_shutter") == 5
        assert len(waits) == 4
        assert waits[3] - waits[2] > waits[1] - waits[0]

    @pytest.mark.parametrize("after", [goto(10.0), "stop"])
    def test_what_is_asked_after_it_takes_its_place(self, after):
        dome = ScriptedDome(shutter=ShutterState.OPEN, errors={"close_shutter": [DeviceUnreachable("nobody there")]})

        async def run():
            async with running(dome) as service:
                with pytest.raises(DeviceUnreachable):
                    await service.ask(CLOSE, "ada")
                if after == "stop":
                    await asyncio.wrap_future(service.stop("bob"))
                else:
                    await done(service, after)
                await when(service, lambda state: state.close_again_s is None)
                await asyncio.to_thread(Event().wait, 0.05)  # longer than the wait that was cancelled

        asyncio.run(run())
        assert dome.calls.count("close_shutter") == 1

    def test_a_guard_that_closes_tries_again_itself(self):
        dome = ScriptedDome(shutter=ShutterState.OPEN, errors={"close_shutter": [DeviceUnreachable("nobody there")]})
        closing = Interlock(SAFETY_CLOSE, False, "the guard closes: rain", may_be_overridden=False)

        async def run():
            async with running(dome, conditions=conditions(closing, kind=WishKind.PARK)) as service:
                with pytest.raises(DeviceUnreachable):
                    await service.ask(CLOSE, "ada")
                await when(service, lambda state: state.close_again_s is None)

        asyncio.run(run())
        assert dome.calls.count("close_shutter") == 1

    def test_one_that_stops_short_is_a_failure_and_is_sent_again(self):
        dome = ScriptedDome(shutter=ShutterState.OPEN, obeys=False)

        async def run():
            async with running(dome, motion_start_s=0.05) as service:
                assert (await done(service, CLOSE)).phase is Phase.FAILED
                dome.obeys = True
                await when(service, lambda state: state.shutter.value is ShutterState.CLOSED)

        asyncio.run(run())
