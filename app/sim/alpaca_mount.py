"""The simulated mount on the wire: ASCOM's ITelescopeV4, and the one before."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from app.model.settings import Site
from app.model.surroundings import PierSide
from app.sim.alpaca_device import (
    AlpacaDevice,
    AlpacaError,
    Call,
    ErrorNumber,
    Identity,
    Parameter,
    as_boolean,
    as_number,
    as_whole,
    ascom_time,
    fixed,
)
from app.sim.mount import Instant, SimulatedMount, known_deg

# ASCOM's AlignmentModes, EquatorialCoordinateType and PierSide
_ALIGNMENTS = {"alt-az": 0, "german": 2}
_J2000 = 2
_PIER_SIDES = {PierSide.EAST: 0, PierSide.WEST: 1}
_UNKNOWN_SIDE = -1

_CANNOT = (
    "canfindhome",
    "canpulseguide",
    "cansetdeclinationrate",
    "cansetguiderates",
    "cansetpierside",
    "cansetrightascensionrate",
    "canslew",
    "canslewaltaz",
    "cansync",
    "cansyncaltaz",
)
_CAN = ("canpark", "cansetpark", "cansettracking", "canslewasync", "canunpark")
_MISSING = (
    "aperturearea",
    "aperturediameter",
    "findhome",
    "focallength",
    "guideratedeclination",
    "guideraterightascension",
    "ispulseguiding",
    "moveaxis",
    "pulseguide",
    "slewsettletime",
    "slewtoaltaz",
    "slewtocoordinates",
    "slewtotarget",
    "synctoaltaz",
    "synctocoordinates",
    "synctotarget",
)
#: Properties that could be written on another mount.
_ONLY_READ = (
    "declinationrate",
    "doesrefraction",
    "rightascensionrate",
    "sideofpier",
    "siteelevation",
    "sitelatitude",
    "sitelongitude",
    "trackingrate",
    "utcdate",
)
_STATE = (
    "Altitude",
    "AtHome",
    "AtPark",
    "Azimuth",
    "Declination",
    "RightAscension",
    "SideOfPier",
    "SiderealTime",
    "Slewing",
    "Tracking",
    "UTCDate",
)


def alpaca_mount(
    mount: SimulatedMount,
    instant: Callable[[], Instant],
    site: Site,
    utc: Callable[[], datetime],
    *,
    is_platform_7: bool = True,
) -> AlpacaDevice:
    """The mount as its driver shows it: what a dome needs of it, and slews.

    Parameters
    ----------
    mount : SimulatedMount
        The physics.
    instant : callable
        Simulated seconds and sidereal time of now.
    site : Site
        Where it stands.
    utc : callable
        Time of the sky.
    is_platform_7 : bool
        ITelescopeV4, or ITelescopeV3.
    """
    has_sides = mount.kind == "german"
    absent = ("slewtoaltazasync",) if has_sides else ("destinationsideofpier",)
    reads = _facts(mount, site) | _reads(mount, instant, utc)
    if not has_sides:
        del reads["sideofpier"]
    return AlpacaDevice(
        _identity(mount, is_platform_7),
        reads=reads,
        calls={key: call for key, call in _calls(mount, instant).items() if key[1] not in absent},
        missing=(*_MISSING, *_ONLY_READ, *absent),
        state=tuple(name for name in _STATE if name.lower() in reads),
        utc=utc,
        is_platform_7=is_platform_7,
    )


def _identity(mount: SimulatedMount, is_platform_7: bool) -> Identity:
    kinds = {"german": "German equatorial mount", "alt-az": "alt-azimuth mount"}
    return Identity(
        kind="Telescope",
        name="Cupola simulated mount",
        description=f"SIMULATED {kinds[mount.kind]}, no hardware",
        interface_version=4 if is_platform_7 else 3,
        unique_id="5c0f6d0e-8a55-4b0e-9a53-2f4dc1f8a002",
    )


def _facts(mount: SimulatedMount, site: Site) -> dict[str, Callable[[], object]]:
    """Properties that never change."""
    facts: dict[str, object] = {
        **dict.fromkeys(_CANNOT, False),
        **dict.fromkeys(_CAN, True),
        "canslewaltazasync": mount.kind == "alt-az",
        "alignmentmode": _ALIGNMENTS[mount.kind],
        "athome": False,
        "declinationrate": 0.0,
        "doesrefraction": False,
        "equatorialsystem": _J2000,
        "rightascensionrate": 0.0,
        "siteelevation": site.elevation_m,
        "sitelatitude": site.latitude_deg,
        "sitelongitude": site.longitude_deg,
        "trackingrate": 0,
        "trackingrates": [0],
    }
    return {name: fixed(value) for name, value in facts.items()}


def _reads(
    mount: SimulatedMount, instant: Callable[[], Instant], utc: Callable[[], datetime]
) -> dict[str, Callable[[], object]]:
    return {
        "altitude": lambda: mount.horizontal_deg(instant())[1],
        "atpark": lambda: mount.is_parked(instant()),
        "azimuth": lambda: mount.horizontal_deg(instant())[0],
        "declination": lambda: mount.dec_deg(instant()),
        "rightascension": lambda: mount.ra_deg(instant()) / 15.0,
        "sideofpier": lambda: _side_number(mount, mount.pier_side(instant())),
        "siderealtime": lambda: instant().sidereal_deg / 15.0,
        "slewing": lambda: mount.is_slewing(instant()),
        "targetdeclination": lambda: known_deg(mount.target_dec_deg),
        "targetrightascension": lambda: known_deg(mount.target_ra_deg) / 15.0,
        "tracking": lambda: mount.is_tracking,
        "utcdate": lambda: ascom_time(utc()),
    }


def _calls(mount: SimulatedMount, instant: Callable[[], Instant]) -> dict[tuple[str, str], Call]:
    ra, dec = Parameter("RightAscension", as_number), Parameter("Declination", as_number)
    azimuth, altitude = Parameter("Azimuth", as_number), Parameter("Altitude", as_number)
    target_ra, target_dec = Parameter("TargetRightAscension", as_number), Parameter("TargetDeclination", as_number)
    axis = Parameter("Axis", as_whole)

    def side_for(ra_h: float, dec_deg: float) -> int:
        if not (0.0 <= ra_h < 24.0 and -90.0 <= dec_deg <= 90.0):
            raise AlpacaError(ErrorNumber.INVALID_VALUE, f"RA {ra_h:g} h, Dec {dec_deg:g} is outside of 0..24, -90..90")
        return _side_number(mount, mount.side_for(instant(), ra_h * 15.0))

    return {
        ("GET", "axisrates"): Call(lambda _axis: [], axis),
        ("GET", "canmoveaxis"): Call(lambda _axis: False, axis),
        ("GET", "destinationsideofpier"): Call(side_for, ra, dec),
        ("PUT", "abortslew"): Call(lambda: mount.abort(instant())),
        ("PUT", "park"): Call(lambda: mount.park(instant())),
        ("PUT", "setpark"): Call(lambda: mount.set_park(instant())),
        ("PUT", "slewtoaltazasync"): Call(
            lambda azimuth_deg, altitude_deg: mount.slew_horizontal(instant(), azimuth_deg, altitude_deg),
            azimuth,
            altitude,
        ),
        ("PUT", "slewtocoordinatesasync"): Call(
            lambda ra_h, dec_deg: mount.slew(instant(), ra_h * 15.0, dec_deg), ra, dec
        ),
        ("PUT", "slewtotargetasync"): Call(lambda: mount.slew_to_target(instant())),
        ("PUT", "targetdeclination"): Call(lambda dec_deg: mount.set_target(dec_deg=dec_deg), target_dec),
        ("PUT", "targetrightascension"): Call(lambda ra_h: mount.set_target(ra_deg=ra_h * 15.0), target_ra),
        ("PUT", "tracking"): Call(lambda wanted: mount.track(instant(), wanted), Parameter("Tracking", as_boolean)),
        ("PUT", "unpark"): Call(lambda: mount.unpark(instant())),
    }


def _side_number(mount: SimulatedMount, side: PierSide | None) -> int:
    return _PIER_SIDES[side] if mount.knows_pier_side and side is not None else _UNKNOWN_SIDE
