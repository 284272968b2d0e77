"""The order of a close: CloseShutter first, everything stopped only when that is refused, never once it closes."""

from __future__ import annotations

import re

import pytest

from app.devices import closing
from app.devices.closing import close_shutter, turn_to_contacts
from app.model.dome import (
    DeviceBusy,
    DeviceNotSupported,
    DeviceRefused,
    DeviceUnreachable,
    ShutterState,
)
from app.model.settings import Enclosure
from tests.fakes import ScriptedDome

SLIT = Enclosure(can_hit_mount=False)
CONTACTS = Enclosure(can_hit_mount=False, shutter_azimuth_deg=75.0)


@pytest.fixture(autouse=True)
def soon(monkeypatch):
    monkeypatch.setattr(closing, "STANDS_WITHIN_S", 0.05)
    monkeypatch.setattr(closing, "_TURN_S", 0.05)


def close(dome, enclosure=SLIT):
    """Close, and return the pauses."""
    pauses = []
    close_shutter(dome, enclosure, pauses.append)
    return pauses


class BentDome(ScriptedDome):
    """One whose methods a test may replace: it has no slots."""


def opened(**given):
    return BentDome(azimuth_deg=10.0, shutter=ShutterState.OPEN, **given)


def test_a_dome_that_obeys_gets_one_command():
    dome = opened()
    assert close(dome) == []
    assert dome.calls == ["close_shutter"]
    assert dome.reads == 0
    assert dome.shutter is ShutterState.CLOSING


@pytest.mark.logs_warnings
@pytest.mark.parametrize("refusal", [DeviceRefused("no"), DeviceBusy("I turn")])
def test_a_dome_that_refuses_is_stopped_stands_and_is_asked_again(refusal):
    dome = opened(errors={"close_shutter": [refusal]})
    dome.slew_to_azimuth(200.0)
    close(dome)
    assert dome.calls == ["slew_to_azimuth", "close_shutter", "abort_slew", "close_shutter"]
    assert dome.shutter is ShutterState.CLOSING


@pytest.mark.logs_warnings
def test_it_is_waited_for_until_it_stands():
    dome = opened(errors={"close_shutter": [DeviceBusy("I turn")], "abort_slew": []})
    turning = iter([True, True, True, False])
    dome._is_moving = lambda: next(turning)
    assert len(close(dome)) == 2  # the first look found out that it is not closing


@pytest.mark.logs_warnings
def test_a_dome_that_does_not_stand_in_time_is_asked_all_the_same():
    dome = opened(errors={"close_shutter": [DeviceBusy("I turn")]})
    dome._is_moving = lambda: True
    close(dome)
    assert dome.calls == ["close_shutter", "abort_slew", "close_shutter"]


@pytest.mark.logs_warnings
def test_readings_that_fail_while_it_is_waited_for_are_borne():
    dome = opened(errors={"close_shutter": [DeviceBusy("I turn")]})
    abort = dome.abort_slew

    def abort_and_be_gone_for_a_while():
        abort()
        dome.errors["read"] = [DeviceUnreachable("gone"), DeviceUnreachable("gone")]

    dome.abort_slew = abort_and_be_gone_for_a_while
    assert len(close(dome)) == 2
    assert dome.calls[-1] == "close_shutter"


@pytest.mark.parametrize("shutter", [ShutterState.CLOSING, ShutterState.CLOSED])
def test_a_shutter_that_closes_or_is_closed_is_never_stopped(shutter):
    dome = ScriptedDome(shutter=shutter, errors={"close_shutter": [DeviceBusy("I close")]}, shutter_steps=5)
    dome._steps_left = 5
    close(dome)
    assert dome.calls == ["close_shutter"]


@pytest.mark.logs_warnings
def test_a_second_refusal_is_the_callers():
    dome = opened(errors={"close_shutter": [DeviceRefused("no"), DeviceRefused("never")]})
    with pytest.raises(DeviceRefused, match="never"):
        close(dome)


@pytest.mark.parametrize("error", [DeviceUnreachable("gone"), DeviceNotSupported("no shutter")])
def test_what_is_no_refusal_stops_nothing(error):
    dome = opened(errors={"close_shutter": [error]})
    with pytest.raises(type(error)):
        close(dome)
    assert dome.calls == ["close_shutter"]


def test_nothing_is_stopped_while_it_is_not_known_whether_it_closes():
    dome = opened(errors={"close_shutter": [DeviceRefused("no")], "read": [DeviceUnreachable("gone")]})
    with pytest.raises(DeviceUnreachable):
        close(dome)
    assert dome.calls == ["close_shutter"]


class TestContacts:
    def test_it_turns_to_them_first(self):
        dome = opened()
        close(dome, CONTACTS)
        assert dome.calls == ["slew_to_azimuth", "close_shutter"]
        assert dome.azimuth_deg == 75.0

    @pytest.mark.parametrize("azimuth_deg", [75.0, 74.0, 76.0])
    def test_it_does_not_turn_where_it_has_power(self, azimuth_deg):
        dome = ScriptedDome(azimuth_deg=azimuth_deg, shutter=ShutterState.OPEN)
        close(dome, CONTACTS)
        assert dome.calls == ["close_shutter"]

    def test_a_dome_that_turns_through_the_contacts_has_no_power(self):
        dome = ScriptedDome(azimuth_deg=75.0, shutter=ShutterState.OPEN)
        dome.slew_to_azimuth(200.0)
        close(dome, CONTACTS)
        assert dome.calls == ["slew_to_azimuth", "slew_to_azimuth", "close_shutter"]
        assert dome.azimuth_deg == 75.0

    def test_a_closed_dome_does_not_turn(self):
        dome = ScriptedDome(azimuth_deg=10.0)
        close(dome, CONTACTS)
        assert dome.calls == ["close_shutter"]

    @pytest.mark.parametrize("shutter", [ShutterState.OPENING, ShutterState.CLOSING])
    def test_a_shutter_that_moves_has_power_though_slewing_is_true_of_it(self, shutter):
        dome = ScriptedDome(azimuth_deg=75.0, shutter=shutter)
        dome._steps_left = 5
        close(dome, CONTACTS)
        assert dome.calls == ["close_shutter"]

    def test_a_dome_that_does_not_come_there_is_told_to_close_all_the_same(self, caplog):
        dome = opened(obeys=False)
        close(dome, CONTACTS)
        assert dome.calls == ["slew_to_azimuth", "close_shutter"]
        (warned,) = caplog.messages
        assert re.search(r"did not come to 75\.0°.*turn it there by hand", warned)

    def test_a_dome_that_is_not_read_there_is_told_to_close_all_the_same(self, caplog):
        dome = opened(errors={"read": [DeviceUnreachable("nobody there")]})
        close(dome, CONTACTS)
        assert dome.calls == ["close_shutter"]
        assert "nobody there" in caplog.text

    def test_a_dome_without_an_azimuth_is_never_there(self):
        dome = opened()
        dome.azimuth_deg = None
        dome._turn = lambda *_: None
        with pytest.raises(DeviceRefused):
            turn_to_contacts(dome, 75.0, lambda _: None)
