"""The simulated dome on the wire: ASCOM's IDomeV3, and the older ones."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.sim.alpaca_device import AlpacaDevice, Call, Identity, Parameter, as_boolean, as_number, fixed
from app.sim.dome import SimulatedDome
from app.sim.driver_lies import SHUTTER_NUMBERS, Lies, LyingDriver

_ROLL_OFF_MISSING = (
    "altitude",
    "athome",
    "atpark",
    "azimuth",
    "findhome",
    "park",
    "setpark",
    "slewtoaltitude",
    "slewtoazimuth",
    "synctoazimuth",
)
_STATE = ("Altitude", "AtHome", "AtPark", "Azimuth", "ShutterStatus", "Slewing")


def alpaca_dome(
    dome: SimulatedDome,
    now_s: Callable[[], float],
    utc: Callable[[], datetime],
    *,
    lies: Callable[[], Lies] = Lies,
    interface: int = 3,
    number: int = 0,
) -> AlpacaDevice:
    """The dome as its driver shows it.

    Parameters
    ----------
    dome : SimulatedDome
        The physics.
    now_s : callable
        Simulated seconds.
    utc : callable
        Time of the sky.
    lies : callable
        What the driver says wrongly now.
    interface : int
        Version of ASCOM's IDome, 1 to 3.
    number : int
        Its device number.
    """
    driver = LyingDriver(dome, now_s, lies)
    missing = _missing(dome)
    reads = {name: read for name, read in _reads(dome, now_s, interface).items() if name not in missing}
    calls = {key: call for key, call in _calls(dome, now_s).items() if key[1] not in missing}
    return AlpacaDevice(
        _identity(dome, interface, number),
        reads=driver.reads(reads),
        calls=driver.calls(calls),
        missing=missing,
        state=tuple(name for name in _STATE if name.lower() in reads),
        utc=utc,
        is_platform_7=interface >= 3,
    )


def _identity(dome: SimulatedDome, interface: int, number: int) -> Identity:
    kinds = {
        "slit": "dome with a slit",
        "roll-off": "roll-off roof",
        "contacts": "dome with a slit that has power at one azimuth",
    }
    return Identity(
        kind="Dome",
        name="Cupola simulated dome",
        description=f"SIMULATED {kinds[dome.model.kind]}, no hardware",
        interface_version=interface,
        unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a001",
        number=number,
    )


def _missing(dome: SimulatedDome) -> tuple[str, ...]:
    if dome.model.kind == "roll-off":
        return _ROLL_OFF_MISSING
    return () if dome.model.has_altitude else ("altitude", "slewtoaltitude")


def _reads(dome: SimulatedDome, now_s: Callable[[], float], interface: int) -> dict[str, Callable[[], object]]:
    """Properties; before version 3 Slewing leaves the shutter out."""
    turns = dome.model.kind != "roll-off"
    abilities = {
        **dict.fromkeys(("canfindhome", "canpark", "cansetazimuth", "cansetpark", "cansyncazimuth"), turns),
        "cansetaltitude": turns and dome.model.has_altitude,
        "cansetshutter": True,
        "canslave": turns and dome.model.can_slave,
    }

    def is_slewing() -> bool:
        now = now_s()
        return dome.is_slewing(now) if interface >= 3 else dome.is_turning(now) or dome.is_raising(now)

    return {
        **{name: fixed(value) for name, value in abilities.items()},
        "altitude": lambda: dome.altitude_deg(now_s()),
        "athome": lambda: dome.is_at_home(now_s()),
        "atpark": lambda: dome.is_at_park(now_s()),
        "azimuth": lambda: dome.azimuth_deg(now_s()),
        "shutterstatus": lambda: SHUTTER_NUMBERS.index(dome.shutter.state(now_s())),
        "slaved": lambda: dome.is_slaved,
        "slewing": is_slewing,
    }


def _calls(dome: SimulatedDome, now_s: Callable[[], float]) -> dict[tuple[str, str], Call]:
    altitude, azimuth = Parameter("Altitude", as_number), Parameter("Azimuth", as_number)
    return {
        ("PUT", "abortslew"): Call(lambda: dome.abort(now_s())),
        ("PUT", "closeshutter"): Call(lambda: dome.close_shutter(now_s())),
        ("PUT", "findhome"): Call(lambda: dome.find_home(now_s())),
        ("PUT", "openshutter"): Call(lambda: dome.open_shutter(now_s())),
        ("PUT", "park"): Call(lambda: dome.park(now_s())),
        ("PUT", "setpark"): Call(lambda: dome.set_park(now_s())),
        ("PUT", "slaved"): Call(dome.set_slaved, Parameter("Slaved", as_boolean)),
        ("PUT", "slewtoaltitude"): Call(lambda altitude_deg: dome.slew_to_altitude(now_s(), altitude_deg), altitude),
        ("PUT", "slewtoazimuth"): Call(lambda azimuth_deg: dome.slew(now_s(), azimuth_deg), azimuth),
        ("PUT", "synctoazimuth"): Call(lambda azimuth_deg: dome.sync(now_s(), azimuth_deg), azimuth),
    }
