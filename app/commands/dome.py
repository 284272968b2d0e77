"""`cupola dome`: the dome on the command line."""

from __future__ import annotations

from typing import Any

from app.bootstrap import dome_access
from app.bootstrap.dome_access import Manner
from app.commands.console import DONE, FAILED, give, say
from app.model.angles import parse_altitude_deg, parse_azimuth_deg
from app.model.dome import DomeWish, WishKind, parse_override
from app.services.dome_answer import DomeAnswer


def status(manner: Manner, *, as_json: bool) -> int:
    """Print DomeStatus; good when its values are fresh."""
    found = dome_access.status(manner, say)
    give(found, _described(found), as_json=as_json)
    return DONE if found["connected"] else FAILED


def goto(azimuth: str, altitude: str | None, manner: Manner, *, as_json: bool) -> int:
    """Turn to an azimuth in degrees, and raise the opening to an altitude where one is given."""

    def rise() -> DomeWish:
        return DomeWish(WishKind.ALTITUDE, altitude_deg=parse_altitude_deg(altitude))

    def turn() -> DomeWish:
        if altitude is not None:
            rise()  # both are checked before anything moves
        return DomeWish(WishKind.GOTO, parse_azimuth_deg(azimuth))

    answer = dome_access.move("SetAzim", {"azim": azimuth}, turn, manner, say)
    if altitude is not None and answer.is_ok:
        answer = dome_access.move("SetAltitude", {"alt": altitude}, rise, manner, say)
    return _give(answer, as_json=as_json)


def open_dome(override: str | None, manner: Manner, *, as_json: bool) -> int:
    """Open the shutter; `override` is ``NAME: REASON`` of who takes the responsibility."""
    given = {} if override is None else {"override": override}
    wish = lambda: DomeWish(WishKind.OPEN, override=parse_override(override) if override is not None else None)  # noqa: E731
    return _give(dome_access.move("OpenDome", given, wish, manner, say), as_json=as_json)


def close_dome(manner: Manner, *, as_json: bool) -> int:
    """Close the shutter."""
    return _give(dome_access.move("CloseDome", {}, lambda: DomeWish(WishKind.CLOSE), manner, say), as_json=as_json)


def park(manner: Manner, *, as_json: bool) -> int:
    """Turn to the park position."""
    return _give(dome_access.move("ParkPosition", {}, lambda: DomeWish(WishKind.PARK), manner, say), as_json=as_json)


def follow(manner: Manner, *, is_on: bool, as_json: bool) -> int:
    """Have the slit follow the telescope, or not."""
    return _give(dome_access.follow(manner, is_on=is_on), as_json=as_json)


def stop(manner: Manner, *, as_json: bool) -> int:
    """Stop everything that moves."""
    return _give(dome_access.stop(manner, say), as_json=as_json)


def _give(answer: DomeAnswer, *, as_json: bool) -> int:
    if answer.reason:
        say(answer.reason)
    give(answer.as_json, "done" if answer.is_ok else "not done", as_json=as_json)
    return DONE if answer.is_ok else FAILED


def _described(found: dict[str, Any]) -> str:
    azimuth = "azimuth never read" if found["azim"] is None else f"azimuth {found['azim']:.1f}°"
    shutter = "open, or not known to be closed" if found["open"] else f"closed (by the word of: {found['closed_by']})"
    return ", ".join(
        (
            "connected" if found["connected"] else "NOT CONNECTED",
            azimuth,
            shutter,
            "parked" if found["park"] else "not parked",
        )
    )
