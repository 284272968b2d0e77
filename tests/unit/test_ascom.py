"""A driver behind COM: one thread, errors of COM as ours, calls that wait for one another."""

from __future__ import annotations

import threading

import pytest

from app.devices import ascom
from app.devices.ascom import AscomDome, AscomDriver, create_driver
from app.model.dome import (
    DeviceBusy,
    DeviceError,
    DeviceNonsense,
    DeviceNotSupported,
    DeviceRefused,
    DeviceUnreachable,
    ShutterState,
)
from tests import fakes
from tests.fakes import ComDome, ComError, ScriptedDome

LIMIT_S = 10.0


class WinError(Exception):
    """An error as pywin32 raises it: the number within the details."""


@pytest.fixture
def make():
    """Makes clients of a driver on a scripted dome."""
    drivers = []

    def of(dome, dispatch=None, timeout_s=LIMIT_S):
        drivers.append(AscomDriver("Scripted.Dome", dispatch or (lambda _: ComDome(dome)), timeout_s))
        return AscomDome(drivers[-1]), AscomDome(drivers[-1])

    yield of
    for driver in drivers:
        driver.close()


def test_all_clients_call_from_one_thread_and_share_one_object(make):
    made = []
    first, second = make(None, lambda _: made.append(ComDome(ScriptedDome())) or made[-1])
    first.connect()
    second.slew_to_azimuth(10.0)  # ComDome asserts that no other thread calls
    assert first.read().is_slewing
    assert len(made) == 1
    assert made[0].dome.calls[-1] == "slew_to_azimuth"


def test_a_dome_with_all_parts(make):
    dome, _ = make(ScriptedDome.with_all_parts())
    facts = dome.connect()
    assert (facts.can_set_altitude, facts.can_slave) == (True, True)
    dome.slew_to_altitude(30.0)
    dome.set_slaved(True)
    dome.read()
    sample = dome.read()
    assert (sample.altitude_deg, sample.is_slaved) == (30.0, True)
    dome.abort_slew()
    assert dome.read().is_slaved is False


class Failing:
    """A driver of which every member fails."""

    def __init__(self, error):
        self.error = error

    def __getattr__(self, name):
        raise self.error


@pytest.mark.parametrize(
    ("error", "kind", "match"),
    [
        (ComError(0x80040400, "no such"), DeviceNotSupported, "AbortSlew: the device has no such part .no such"),
        (ComError(0x8004040B, "slaved"), DeviceRefused, "error 0x8004040B .slaved"),
        (ComError(0x800407DA, "moving"), DeviceBusy, "busy, error 0x7DA .moving"),
        (ComError(0x80020006, "Unknown name"), DeviceNotSupported, "no such member"),
        (AttributeError("AbortSlew"), DeviceNotSupported, "no such member"),
        (ComError(0x800706BA, "The RPC server is unavailable"), DeviceUnreachable, "has ended .The RPC server"),
        (WinError(-2147352567, "Exception", (0, "Dome", "slaved", None, 0, -2147220469), None), DeviceRefused, "0x8004040B .slaved"),
        (WinError(-2147023174, "The RPC server is unavailable", None, None), DeviceUnreachable, "has ended .The RPC"),
    ],
)  # fmt: skip
def test_errors_of_com_are_ours(make, error, kind, match):
    dome, _ = make(None, lambda _: Failing(error))
    with pytest.raises(kind, match=match) as caught:
        dome.abort_slew()
    assert type(caught.value) is kind


def test_what_is_no_error_of_com_is_a_bug(make):
    dome, _ = make(None, lambda _: Failing(ZeroDivisionError()))
    with pytest.raises(ZeroDivisionError):
        dome.abort_slew()


def test_a_driver_that_ended_is_started_anew(make):
    objects = [Failing(ComError(0x80010108, "disconnected")), ComDome]
    dome, _ = make(None, lambda _: objects.pop(0) if len(objects) > 1 else ComDome(ScriptedDome()))
    with pytest.raises(DeviceUnreachable):
        dome.read()
    assert dome.read().shutter is ShutterState.CLOSED


def test_a_driver_that_does_not_start_says_what_to_do(make):
    def refuse(_):
        raise OSError(-2147221005, "Invalid class string")

    dome, _ = make(None, refuse)
    with pytest.raises(DeviceUnreachable, match=r"Scripted\.Dome does not start \(Invalid class string\): install it"):
        dome.read()


def test_a_version_before_versions_is_the_first(make, monkeypatch):
    monkeypatch.delitem(fakes._COM_FACTS, "InterfaceVersion")
    dome, _ = make(ScriptedDome())
    assert dome.connect().interface_version == 1


def test_a_device_that_does_not_connect_says_so(make):
    stubborn = type("Stubborn", (ComDome,), {"Connected": property(lambda _: False, lambda *_: None)})
    dome, _ = make(None, lambda _: stubborn(ScriptedDome()))
    with pytest.raises(DeviceRefused, match="does not connect: see its setup dialog"):
        dome.connect()


@pytest.mark.parametrize(("name", "value"), [("azimuth_deg", 400.0), ("azimuth_deg", float("nan")), ("_at_park", "no")])
def test_nonsense_is_refused(make, name, value):
    scripted = ScriptedDome()
    setattr(scripted, name, value)
    dome, _ = make(scripted)
    with pytest.raises(DeviceNonsense, match="is nonsense"):
        dome.read()


def test_a_call_that_hangs_is_given_up_and_what_waited_in_vain_is_never_made(make):
    scripted = ScriptedDome(hanging={"find_home"})
    dome, other = make(scripted, timeout_s=0.2)
    dome.connect()
    with pytest.raises(DeviceUnreachable, match=r"FindHome: no answer within 0\.2 s, it has not ended"):
        dome.find_home()
    with pytest.raises(DeviceUnreachable, match=r"OpenShutter: .* it was not sent: another call hangs"):
        other.open_shutter()
    scripted.let_go.set()
    while True:  # the hanging call may need a moment to end
        try:
            assert dome.read().shutter is ShutterState.CLOSED
            break
        except DeviceUnreachable:
            continue
    assert "open_shutter" not in scripted.calls


def test_stop_and_close_go_before_what_waits(make):
    scripted = ScriptedDome(hanging={"find_home"})
    dome, other = make(scripted)
    dome.connect()
    driver, threads = dome._driver, []

    def begin(call):
        before = driver._calls.qsize()
        threads.append(threading.Thread(target=call))
        threads[-1].start()
        return before

    begin(dome.find_home)
    deadline = threading.Event()
    for _ in range(1000):
        if "find_home" in scripted.calls:
            break
        deadline.wait(0.005)
    for call in (other.park, other.open_shutter, other.abort_slew, other.close_shutter):
        waiting = begin(call)
        for _ in range(1000):
            if driver._calls.qsize() > waiting:
                break
            deadline.wait(0.005)
    scripted.let_go.set()
    for thread in threads:
        thread.join(LIMIT_S)
    made = scripted.calls[scripted.calls.index("find_home") :]
    assert made == ["find_home", "abort_slew", "close_shutter", "park", "open_shutter"]


def test_elsewhere_than_on_windows_the_way_is_told(monkeypatch):
    monkeypatch.setattr(ascom.sys, "platform", "linux")
    with pytest.raises(DeviceError, match=r"needs Windows and .pip install cupola.ascom.*ASCOM Remote"):
        create_driver("ASCOM.Simulator.Dome")
