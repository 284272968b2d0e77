"""The same cases for the scripted dome, for a driver behind COM, and for alpyca, carried by our transport, on the simulator."""

from __future__ import annotations

import inspect
import threading
from pathlib import Path

import alpaca.device
import alpaca.dome
import pytest
from alpaca.dome import Dome

from app.devices.ascom import AscomDome, AscomDriver
from app.devices.dome import AlpacaDome
from app.devices.transport import Wire
from app.model.angles import turn_deg
from app.model.dome import DeviceNotSupported, DeviceRefused, ShutterState
from tests.fakes import ComDome, ScriptedDome
from tests.simulated import simulator

SCALE = 60.0


@pytest.fixture(scope="module")
def server():
    with simulator(SCALE) as running:
        yield running


@pytest.fixture(params=["scripted", "com", "alpaca"])
def dome(request):
    if request.param == "scripted":
        yield ScriptedDome()
        return
    if request.param == "com":
        driver = AscomDriver("Scripted.Dome", lambda _: ComDome(ScriptedDome()))
        yield AscomDome(driver)
        driver.close()
        return
    client = AlpacaDome(request.getfixturevalue("server").server, 0)
    try:
        yield client
        client.close_shutter()
        client.park()
        until(client, lambda sample: sample.is_at_park and not sample.is_slewing)
    finally:
        client.close()


@pytest.fixture(params=["scripted", "com", "alpaca"])
def whole_dome(request):
    """One whose opening is raised, and whose driver follows a telescope."""
    if request.param == "scripted":
        yield ScriptedDome.with_all_parts()
        return
    if request.param == "com":
        driver = AscomDriver("Scripted.Dome", lambda _: ComDome(ScriptedDome.with_all_parts()))
        yield AscomDome(driver)
        driver.close()
        return
    server = request.getfixturevalue("server")
    server.put("restart", {"has_altitude": True, "can_slave": True})
    server.put("state", {"shutter": "open"})  # its opening is moved with an open shutter alone
    client = AlpacaDome(server.server, 0)
    try:
        yield client
    finally:
        client.set_slaved(False)
        client.close()
        server.put("restart", {"has_altitude": False, "can_slave": False})
        server.put("state", {"shutter": "closed"})


def until(dome, reached):
    """Read until a sample is what is waited for, 10 s at most."""
    pause = threading.Event()
    for _ in range(500):
        sample = dome.read()
        if reached(sample):
            return sample
        pause.wait(0.02 if isinstance(dome, AlpacaDome) else 0.0)
    pytest.fail(f"not reached; the last sample was {sample}")


def test_it_says_what_it_can(dome):
    facts = dome.connect()
    assert facts.name
    assert facts.interface_version == 3
    assert (facts.can_set_azimuth, facts.can_set_shutter, facts.can_park, facts.can_find_home) == (True,) * 4


def test_it_starts_parked_and_closed(dome):
    dome.connect()
    sample = dome.read()
    assert sample.shutter is ShutterState.CLOSED
    assert (sample.is_at_park, sample.is_at_home, sample.is_slewing) == (True, False, False)
    assert sample.azimuth_deg == pytest.approx(255.0)


def test_a_turn_leaves_park_and_arrives(dome):
    dome.connect()
    dome.slew_to_azimuth(10.0)
    assert dome.read().is_slewing
    sample = until(dome, lambda sample: not sample.is_slewing)
    assert abs(turn_deg(sample.azimuth_deg, 10.0)) < 0.2
    assert sample.is_at_park is False


def test_home_is_found(dome):
    dome.connect()
    dome.find_home()
    assert until(dome, lambda sample: sample.is_at_home and not sample.is_slewing).azimuth_deg == pytest.approx(
        75, abs=0.2
    )


def test_the_shutter_opens_and_closes(dome):
    dome.connect()
    dome.open_shutter()
    assert dome.read().shutter is ShutterState.OPENING
    until(dome, lambda sample: sample.shutter is ShutterState.OPEN)
    dome.close_shutter()
    assert dome.read().shutter is ShutterState.CLOSING
    until(dome, lambda sample: sample.shutter is ShutterState.CLOSED)


def test_abort_stops_turn_and_shutter_and_open_is_refused_until_close(dome):
    dome.connect()
    dome.slew_to_azimuth(75.0)
    dome.open_shutter()
    dome.abort_slew()
    sample = until(dome, lambda sample: not sample.is_slewing)
    assert sample.shutter is ShutterState.ERROR
    assert abs(turn_deg(sample.azimuth_deg, 75.0)) > 1.0
    with pytest.raises(DeviceRefused):
        dome.open_shutter()
    dome.close_shutter()
    until(dome, lambda sample: sample.shutter is ShutterState.CLOSED)


@pytest.mark.parametrize("azimuth_deg", [-10.0, 370.0])
def test_what_is_no_azimuth_is_refused(dome, azimuth_deg):
    dome.connect()
    with pytest.raises(DeviceRefused):
        dome.slew_to_azimuth(azimuth_deg)


def test_a_part_that_is_not_there_is_none_and_its_command_is_refused(dome):
    facts = dome.connect()
    assert (facts.can_set_altitude, facts.can_slave) == (False, False)
    sample = dome.read()
    assert (sample.altitude_deg, sample.is_slaved) == (None, None)
    with pytest.raises(DeviceNotSupported):
        dome.slew_to_altitude(30.0)
    with pytest.raises(DeviceNotSupported):
        dome.set_slaved(True)


def test_an_opening_that_is_raised(whole_dome):
    assert whole_dome.connect().can_set_altitude
    whole_dome.slew_to_altitude(30.0)
    sample = until(whole_dome, lambda sample: not sample.is_slewing)
    assert sample.altitude_deg == pytest.approx(30.0, abs=0.5)
    with pytest.raises(DeviceRefused):
        whole_dome.slew_to_altitude(100.0)


def test_a_driver_that_follows_refuses_turns_until_it_is_stopped(whole_dome):
    assert whole_dome.connect().can_slave
    assert whole_dome.read().is_slaved is False
    whole_dome.set_slaved(True)
    assert whole_dome.read().is_slaved is True
    with pytest.raises(DeviceRefused):
        whole_dome.slew_to_azimuth(10.0)
    whole_dome.abort_slew()
    assert whole_dome.read().is_slaved is False


class TestAlpyca:
    """What the transport takes for granted of a library whose private names it touches."""

    def test_every_request_goes_through_the_two_methods_that_are_replaced(self, server):
        wire = Wire(server.server, "dome", 0)
        dome = wire.carry(Dome(server.server, 0))
        since = server.newest()
        dome.rqs = None  # alpyca's own way out is gone
        assert dome.CanSetAzimuth is True
        dome.AbortSlew()
        wire.close()
        requests = server.requests(since)
        assert [(one["method"], one["path"].rpartition("/")[2]) for one in requests] == [
            ("GET", "cansetazimuth"), ("PUT", "abortslew")
        ]  # fmt: skip
        assert [one["form"]["ClientTransactionID"] for one in requests] == ["1", "2"]

    def test_its_class_lock_holds_nobody_up(self, server):
        client = AlpacaDome(server.server, 0)
        with alpaca.device.Device._ctid_lock:
            assert client.connect().interface_version == 3
        client.close()

    def test_it_sends_nowhere_else(self):
        source = Path(inspect.getfile(alpaca.dome)).read_text()
        assert "requests" not in source
        assert "rqs" not in source
