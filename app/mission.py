"""The dome by the names of the mission's document, for scripts of the observatory.

Every function asks the Cupola that owns the dome, or owns it for this one call; all of them wait for the dome's final
state. There is no sync on purpose: a dome that reads a wrong azimuth is mended at its controller, not renamed here.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from app.bootstrap.dome_access import Manner, move, status
from app.model.angles import parse_altitude_deg, parse_azimuth_deg
from app.model.dome import DomeWish, WishKind, parse_override

log = logging.getLogger(__name__)


def DomeStatus() -> dict[str, Any]:
    """``azim``, ``open``, ``park``, ``connected``, ``time``, ``version``, ``closed_by``: see `app.services.dome_status`."""
    return status(Manner(), log.warning)


def SetAzim(azim: float | str) -> dict[str, Any]:
    """Turn to an azimuth in degrees; ``ok`` is true when the dome stands there, else ``reason`` says why not."""
    return _done("SetAzim", {"azim": str(azim)}, lambda: DomeWish(WishKind.GOTO, parse_azimuth_deg(azim)))


def MoveTo(azim: float | str, alt: float | str) -> dict[str, Any]:
    """Turn to an azimuth, then raise the opening to an altitude, degrees; answers as `SetAzim`."""

    def rise() -> DomeWish:
        return DomeWish(WishKind.ALTITUDE, altitude_deg=parse_altitude_deg(alt))

    def turn() -> DomeWish:
        rise()  # both are checked before anything moves
        return DomeWish(WishKind.GOTO, parse_azimuth_deg(azim))

    turned = _done("SetAzim", {"azim": str(azim)}, turn)
    return _done("SetAltitude", {"alt": str(alt)}, rise) if turned["ok"] else turned


def OpenDome(override: str | None = None) -> dict[str, Any]:
    """Open the shutter; `override` is ``NAME: REASON``, against interlocks; answers as `SetAzim`."""
    query = {} if override is None else {"override": override}
    return _done("OpenDome", query, lambda: _opening(override))


def CloseDome() -> dict[str, Any]:
    """Close the shutter; answers as `SetAzim`."""
    return _done("CloseDome", {}, lambda: DomeWish(WishKind.CLOSE))


def ParkPosition() -> dict[str, Any]:
    """Turn to the park position, which does not close the shutter; answers as `SetAzim`."""
    return _done("ParkPosition", {}, lambda: DomeWish(WishKind.PARK))


#: As the mission's document spells it.
ParkPostion = ParkPosition


def _opening(override: str | None) -> DomeWish:
    return DomeWish(WishKind.OPEN, override=None if override is None else parse_override(override))


def _done(name: str, query: dict[str, str], wish: Callable[[], DomeWish]) -> dict[str, Any]:
    return move(name, query, wish, Manner(), log.warning).as_json
