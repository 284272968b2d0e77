"""The simulated contacts, mirror cover and camera."""

from datetime import timedelta

import pytest

from app.model.dome import ShutterState
from app.sim.alpaca_camera import alpaca_camera
from app.sim.alpaca_device import AlpacaError, Pixels
from app.sim.camera import READOUT_S, SimulatedCamera
from app.sim.cover import COVER_TRAVEL_S, SimulatedCover, alpaca_cover
from app.sim.observatory import Change, SimulatedObservatory
from app.sim.place import CLOSED_CONTACT, ENCLOSURE, MAINS_CONTACT, NIGHT, PARKED_CONTACT


class Time:
    def __init__(self):
        self.now_s = 0.0

    def utc(self):
        return NIGHT + timedelta(seconds=self.now_s)

    def monotonic(self):
        return self.now_s


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def camera(time):
    return alpaca_camera(SimulatedCamera(), time.monotonic, time.utc)


def read(device, name, *given):
    return device.call("GET", name).action(*given)


def put(device, name, *given):
    device.call("PUT", name).action(*given)


def number_of(action, *given):
    with pytest.raises(AlpacaError) as raised:
        action(*given)
    return raised.value.number


# Contacts


def test_the_contacts_tell_what_is_true_while_the_driver_lies(time):
    observed = SimulatedObservatory(time)
    switch = next(device for device in observed.devices() if device.identity.kind == "Switch")
    numbers = (ENCLOSURE.closed.contact, ENCLOSURE.mount_parked.contact, ENCLOSURE.mains.contact)
    assert numbers == (CLOSED_CONTACT, PARKED_CONTACT, MAINS_CONTACT)
    assert [read(switch, "getswitch", number) for number in numbers] == [True, False, True]
    assert [read(switch, "getswitchname", number) for number in numbers] == ["Shutter closed", "Mount parked", "Mains"]
    observed.apply(Change(shutter="open", shutter_stuck_at=0.1, has_mains=False))
    observed.lies = observed.lies.model_copy(update={"says_shutter": ShutterState.CLOSED})
    observed.dome.close_shutter(0.0)
    observed.mount.park(observed.instant)
    time.now_s = 1000.0
    assert [read(switch, "getswitch", number) for number in numbers] == [False, True, False]
    assert [read(switch, "getswitchvalue", number) for number in numbers] == [0.0, 1.0, 0.0]
    assert observed.as_json()["contacts"] == {"closed": False, "mount_parked": True, "mains": False}
    observed.apply(Change(shutter_stuck_at=None, has_mains=None))
    observed.dome.close_shutter(1000.0)
    time.now_s = 2000.0
    assert [read(switch, "getswitch", number) for number in numbers] == [True, True, True]


def test_contacts_are_read_only_and_there_are_three(time):
    switch = next(device for device in SimulatedObservatory(time).devices() if device.identity.kind == "Switch")
    assert read(switch, "maxswitch") == 3
    assert read(switch, "canwrite", 0) is False
    assert number_of(switch.call("PUT", "setswitch").action, 0, True) == 0x400
    assert number_of(switch.call("PUT", "setswitchvalue").action, 0, 1.0) == 0x400
    for number in (-1, 3):
        assert number_of(switch.call("GET", "getswitch").action, number) == 0x401
        assert number_of(switch.call("PUT", "setswitch").action, number, True) == 0x401


# The cover


def test_the_cover_moves_for_its_time_and_a_halt_leaves_it_unknown(time):
    cover = alpaca_cover(SimulatedCover(), time.monotonic, time.utc)
    assert (read(cover, "coverstate"), read(cover, "covermoving")) == (3, False)
    put(cover, "closecover")
    assert (read(cover, "coverstate"), read(cover, "covermoving")) == (2, True)
    time.now_s = COVER_TRAVEL_S
    assert (read(cover, "coverstate"), read(cover, "covermoving")) == (1, False)
    put(cover, "closecover")
    assert read(cover, "coverstate") == 1, "closed already"
    put(cover, "haltcover")
    assert read(cover, "coverstate") == 1, "nothing to halt"
    put(cover, "opencover")
    put(cover, "haltcover")
    assert (read(cover, "coverstate"), read(cover, "covermoving")) == (4, False)
    put(cover, "closecover")
    time.now_s += COVER_TRAVEL_S
    assert read(cover, "coverstate") == 1


def test_the_cover_has_no_lamp(time):
    cover = alpaca_cover(SimulatedCover(), time.monotonic, time.utc)
    assert read(cover, "calibratorstate") == 0
    for name in ("brightness", "maxbrightness"):
        assert number_of(cover.call("GET", name).action) == 0x400


# The camera


def test_an_exposure_goes_through_its_states_to_an_image(camera, time):
    assert (read(camera, "camerastate"), read(camera, "imageready")) == (0, False)
    assert number_of(camera.call("GET", "imagearray").action) == 0x40B
    assert number_of(camera.call("GET", "lastexposureduration").action) == 0x40B
    put(camera, "startexposure", 10.0, True)
    assert (read(camera, "camerastate"), read(camera, "imageready")) == (2, False)
    assert number_of(camera.call("PUT", "startexposure").action, 1.0, True) == 0x40B
    time.now_s = 10.0
    assert (read(camera, "camerastate"), read(camera, "percentcompleted")) == (3, 95)
    time.now_s = 10.0 + READOUT_S
    assert (read(camera, "camerastate"), read(camera, "imageready"), read(camera, "percentcompleted")) == (0, True, 100)
    assert read(camera, "lastexposureduration") == 10.0
    assert read(camera, "lastexposurestarttime") == "2024-08-05T21:00:00"
    image = read(camera, "imagearray")
    assert isinstance(image, Pixels)
    assert (len(image.columns), len(image.columns[0])) == (64, 48)
    assert (image.columns[0][0], image.columns[63][47]) == (1000, 1000 + 10 * 110)


def test_a_part_of_the_sensor_is_read_and_one_beside_it_is_refused_when_the_exposure_begins(camera, time):
    for name, value in (("startx", 60), ("starty", 2), ("numx", 4), ("numy", 3)):
        put(camera, name, value)
        assert read(camera, name) == value
    put(camera, "startexposure", 1.0, True)
    time.now_s = 100.0
    assert read(camera, "imagearray").columns[0] == [1062, 1063, 1064]
    put(camera, "startx", 61)
    assert number_of(camera.call("PUT", "startexposure").action, 1.0, True) == 0x401


def test_an_exposure_without_light_is_dark_and_an_aborted_one_has_no_image(camera, time):
    put(camera, "startexposure", 10.0, False)
    time.now_s = 100.0
    assert {count for column in read(camera, "imagearray").columns for count in column} == {1000}
    put(camera, "abortexposure")
    assert read(camera, "imageready") is True, "nothing was under way"
    put(camera, "startexposure", 10.0, False)
    put(camera, "abortexposure")
    time.now_s = 200.0
    assert (read(camera, "camerastate"), read(camera, "imageready")) == (0, False)


@pytest.mark.parametrize(("name", "given"), [("binx", (2,)), ("readoutmode", (1,)), ("startexposure", (-1.0, True))])
def test_what_the_camera_cannot_is_refused(camera, name, given):
    assert number_of(camera.call("PUT", name).action, *given) == 0x401
