"""The simulated camera on the wire: ASCOM's ICameraV4, and the one before."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from app.sim.alpaca_device import (
    AlpacaDevice,
    AlpacaError,
    Call,
    ErrorNumber,
    Identity,
    Parameter,
    Pixels,
    as_boolean,
    as_number,
    as_whole,
    fixed,
)
from app.sim.camera import BIAS_ADU, FULL_ADU, HEIGHT_PX, LONGEST_S, WIDTH_PX, SimulatedCamera

_MONOCHROME = 0
_MISSING = (
    "bayeroffsetx",
    "bayeroffsety",
    "ccdtemperature",
    "cooleron",
    "coolerpower",
    "fastreadout",
    "gain",
    "gainmax",
    "gainmin",
    "gains",
    "heatsinktemperature",
    "ispulseguiding",
    "offset",
    "offsetmax",
    "offsetmin",
    "offsets",
    "pulseguide",
    "setccdtemperature",
    "stopexposure",
    "subexposureduration",
)
_CANNOT = (
    "canasymmetricbin",
    "canfastreadout",
    "cangetcoolerpower",
    "canpulseguide",
    "cansetccdtemperature",
    "canstopexposure",
)
_FACTS: dict[str, object] = {
    **dict.fromkeys(_CANNOT, False),
    **dict.fromkeys(("binx", "biny", "maxbinx", "maxbiny"), 1),
    "cameraxsize": WIDTH_PX,
    "cameraysize": HEIGHT_PX,
    "canabortexposure": True,
    "electronsperadu": 1.0,
    "exposuremax": LONGEST_S,
    "exposuremin": 0.0,
    "exposureresolution": 0.001,
    "fullwellcapacity": float(FULL_ADU - BIAS_ADU),
    "hasshutter": True,
    "maxadu": FULL_ADU,
    "pixelsizex": 9.0,
    "pixelsizey": 9.0,
    "readoutmode": 0,
    "readoutmodes": ["Normal"],
    "sensorname": "Simulated sensor",
    "sensortype": _MONOCHROME,
}
#: ASCOM's name of each side of the area, and ours.
_AREA = {"StartX": "start_x", "StartY": "start_y", "NumX": "columns", "NumY": "rows"}
#: What can be set to its only value.
_ONLY = {"BinX": 1, "BinY": 1, "ReadoutMode": 0}


def alpaca_camera(
    camera: SimulatedCamera, now_s: Callable[[], float], utc: Callable[[], datetime], *, is_platform_7: bool = True
) -> AlpacaDevice:
    """The camera as its driver shows it: no cooler, no binning, no gain.

    Parameters
    ----------
    camera : SimulatedCamera
        The physics.
    now_s : callable
        Simulated seconds.
    utc : callable
        Time of the sky.
    is_platform_7 : bool
        ICameraV4, or ICameraV3.
    """
    identity = Identity(
        kind="Camera",
        name="Cupola simulated camera",
        description="SIMULATED camera, no hardware",
        interface_version=4 if is_platform_7 else 3,
        unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a007",
    )
    return AlpacaDevice(
        identity,
        reads=_reads(camera, now_s),
        calls=_calls(camera, now_s, utc),
        missing=_MISSING,
        state=("CameraState", "ImageReady", "PercentCompleted"),
        utc=utc,
        is_platform_7=is_platform_7,
    )


def _reads(camera: SimulatedCamera, now_s: Callable[[], float]) -> dict[str, Callable[[], object]]:
    def area(field: str) -> Callable[[], object]:
        return lambda: getattr(camera.area, field)

    def image() -> Pixels:
        return Pixels(camera.image(now_s()))

    return {
        **{name: fixed(value) for name, value in _FACTS.items()},
        **{name.lower(): area(field) for name, field in _AREA.items()},
        "camerastate": lambda: int(camera.state(now_s())),
        "imagearray": image,
        "imagearrayvariant": image,
        "imageready": lambda: camera.is_ready(now_s()),
        "lastexposureduration": lambda: camera.last(now_s()).duration_s,
        "lastexposurestarttime": lambda: camera.last(now_s()).began_at.strftime("%Y-%m-%dT%H:%M:%S"),
        "percentcompleted": lambda: camera.percent_completed(now_s()),
    }


def _calls(
    camera: SimulatedCamera, now_s: Callable[[], float], utc: Callable[[], datetime]
) -> dict[tuple[str, str], Call]:
    return {
        **{("PUT", name.lower()): _setting(camera, name, field) for name, field in _AREA.items()},
        **{("PUT", name.lower()): _only(name, value) for name, value in _ONLY.items()},
        ("PUT", "abortexposure"): Call(lambda: camera.abort(now_s())),
        ("PUT", "startexposure"): Call(
            lambda duration_s, has_light: camera.expose(now_s(), utc(), duration_s, has_light),
            Parameter("Duration", as_number),
            Parameter("Light", as_boolean),
        ),
    }


def _setting(camera: SimulatedCamera, name: str, field: str) -> Call:
    """One side of the area; whether the sensor has it all is asked when the exposure begins."""

    def put(pixels: int) -> None:
        camera.area = replace(camera.area, **{field: pixels})

    return Call(put, Parameter(name, as_whole))


def _only(name: str, only: int) -> Call:
    def put(value: int) -> None:
        if value != only:
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"{name} {value}: this camera has {only} only")

    return Call(put, Parameter(name, as_whole))
