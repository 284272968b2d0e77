"""The devices around the simulated dome, as plain alpyca meets them over HTTP."""

import time

import pytest

from tests.simulated import simulator

PATIENCE_S = 20.0


@pytest.fixture(scope="module")
def observatory():
    with simulator(scale=20.0) as running:
        yield running


def until(is_done):
    """Ask again and again, as a client polls."""
    deadline = time.monotonic() + PATIENCE_S
    while not is_done():
        assert time.monotonic() < deadline


def test_the_camera_gives_its_image(observatory):
    from alpaca.camera import Camera, CameraStates

    camera = Camera(observatory.server, 0)
    camera.NumX, camera.NumY = 5, 3
    camera.StartExposure(2.0, True)
    assert camera.CameraState is not CameraStates.cameraError
    until(lambda: camera.ImageReady)
    assert camera.ImageArray == [[1000 + 2 * (x + y) for y in range(3)] for x in range(5)]


def test_the_contacts_and_the_dome_agree(observatory):
    from alpaca.dome import Dome, ShutterState
    from alpaca.exceptions import NotImplementedException
    from alpaca.switch import Switch

    switch, dome = Switch(observatory.server, 0), Dome(observatory.server, 0)
    observatory.put("state", {"shutter": "closed"})
    assert (switch.MaxSwitch, switch.GetSwitch(0), switch.CanWrite(0)) == (3, True, False)
    dome.OpenShutter()
    until(lambda: dome.ShutterStatus == ShutterState.shutterOpen)
    assert switch.GetSwitch(0) is False
    with pytest.raises(NotImplementedException):
        switch.SetSwitch(0, True)


def test_the_cover_closes(observatory):
    from alpaca.covercalibrator import CoverCalibrator, CoverStatus

    cover = CoverCalibrator(observatory.server, 0)
    assert cover.CoverState is CoverStatus.Open
    cover.CloseCover()
    assert cover.CoverState is CoverStatus.Moving
    until(lambda: cover.CoverState is CoverStatus.Closed)


def test_the_mount_tells_its_side_and_where_a_slew_will_end(observatory):
    from alpaca.telescope import PierSide, Telescope

    mount = Telescope(observatory.server, 0)
    meridian_h = mount.SiderealTime
    west_h, east_h = (meridian_h - 2.0) % 24.0, (meridian_h + 2.0) % 24.0
    assert mount.DestinationSideOfPier(west_h, 30.0) == PierSide.pierEast
    assert mount.DestinationSideOfPier(east_h, 30.0) == PierSide.pierWest
    mount.SlewToCoordinatesAsync(west_h, 30.0)
    assert mount.TargetDeclination == 30.0
    until(lambda: not mount.Slewing)
    assert mount.SideOfPier is PierSide.pierEast
    observatory.put("state", {"knows_pier_side": False})
    assert mount.SideOfPier is PierSide.pierUnknown
