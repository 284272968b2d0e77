"""`cupola dome`: the dome on the command line; asks the Cupola that owns it, or owns it for this one command."""

from __future__ import annotations

import json
from collections.abc import Callable, Coroutine
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from pydantic import ValidationError

from app import __version__
from app.bootstrap.devices import Devices, devices_of
from app.bootstrap.observatory import Observatory, open_observatory
from app.bootstrap.program import operator
from app.bootstrap.station import Station, open_station, owner_address
from app.commands.console import DONE, FAILED, give, say
from app.model.angles import parse_azimuth_deg
from app.model.dome import DomeWish, WishKind, parse_override
from app.model.errors import ObservatoryError
from app.model.settings import Device, Dome
from app.services import dome_answer
from app.services.dome_answer import DomeAnswer
from app.services.dome_status import dome_status

_ANSWER_S = 15.0
_LARGEST_ANSWER = 100_000


@dataclass(frozen=True, slots=True)
class Manner:
    """How the dome is asked.

    Attributes
    ----------
    server : str or None
        HOST:PORT of another dome than that of the settings.
    device : int or None
        Its number there.
    waits : bool
        Whether to wait for the dome's final state, instead of for its acceptance.
    timeout_s : float
        Longest wait.
    as_json : bool
        Whether the answer is JSON.
    """

    server: str | None = None
    device: int | None = None
    waits: bool = True
    timeout_s: float = 120.0
    as_json: bool = False


def status(manner: Manner) -> int:
    """Print DomeStatus; good when its values are fresh."""
    with open_observatory() as observatory:
        found = _by_owner(observatory, manner, "GET", "DomeStatus", {}, "connected")
        failure: str | None = None
        if found is None:
            with _open_dome(observatory, manner) as station:
                state = station.loop.submit(station.dome.first_poll()).result()
                found, failure = dome_status(state, observatory.clock.monotonic(), __version__), state.failure
    give(found, _described(found), as_json=manner.as_json)
    if found["connected"]:
        return DONE
    say(failure or "the dome's values are not fresh: look at its server, and at the log of the Cupola that owns it")
    return FAILED


def goto(azimuth: str, manner: Manner) -> int:
    """Turn to an azimuth in degrees."""
    return _move("SetAzim", {"azim": azimuth}, lambda: DomeWish(WishKind.GOTO, parse_azimuth_deg(azimuth)), manner)


def open_dome(override: str | None, manner: Manner) -> int:
    """Open the shutter; `override` is ``NAME: REASON`` of who takes the responsibility."""
    given = {} if override is None else {"override": override}
    wish = lambda: DomeWish(WishKind.OPEN, override=parse_override(override) if override is not None else None)  # noqa: E731
    return _move("OpenDome", given, wish, manner)


def close_dome(manner: Manner) -> int:
    """Close the shutter."""
    return _move("CloseDome", {}, lambda: DomeWish(WishKind.CLOSE), manner)


def park(manner: Manner) -> int:
    """Turn to the park position."""
    return _move("ParkPosition", {}, lambda: DomeWish(WishKind.PARK), manner)


def stop(manner: Manner) -> int:
    """Stop everything that moves."""

    def act(station: Station) -> Coroutine[Any, Any, DomeAnswer]:
        clock = station.observatory.clock
        return dome_answer.stop(station.dome, operator(), clock, waits=manner.waits)

    return _answered("Stop", {}, act, manner)


def _move(name: str, query: dict[str, str], wish: Callable[[], DomeWish], manner: Manner) -> int:
    def act(station: Station) -> Coroutine[Any, Any, DomeAnswer]:
        return dome_answer.carry_out(station.dome, wish(), operator(), waits=manner.waits, timeout_s=manner.timeout_s)

    try:
        wish()
    except ObservatoryError as error:
        return _give(DomeAnswer(False, str(error)), manner)
    return _answered(name, query, act, manner)


def _answered(
    name: str, query: dict[str, str], act: Callable[[Station], Coroutine[Any, Any, DomeAnswer]], manner: Manner
) -> int:
    """Have it done by the owner, or as the owner, and say what came of it."""
    is_towards_safe = name in ("Stop", "CloseDome")
    query |= {"wait": str(manner.waits).lower(), "timeout_s": str(manner.timeout_s), "who": operator()[:100]}
    try:
        with open_observatory() as observatory:
            try:
                answer = _by_owner(observatory, manner, "PUT", name, query, "ok")
            except ObservatoryError as error:
                if not is_towards_safe:
                    raise
                say(f"{error}; the dome is asked directly")
                answer = None
            if answer is not None:
                return _give(DomeAnswer(bool(answer["ok"]), str(answer.get("reason", ""))), manner)
            with _open_dome(observatory, manner) as station:
                if not (station.is_dome_owner or is_towards_safe):
                    raise ObservatoryError(
                        f"Another Cupola commands the dome at {station.dome.state.server}: "
                        "ask that one, with its settings and without --server, or end it"
                    )
                return _give(station.loop.submit(act(station)).result(), manner)
    except ObservatoryError as error:
        return _give(DomeAnswer(False, str(error)), manner)


def _give(answer: DomeAnswer, manner: Manner) -> int:
    if answer.reason:
        say(answer.reason)
    give(answer.as_json, "done" if answer.is_ok else "not done", as_json=manner.as_json)
    return DONE if answer.is_ok else FAILED


def _by_owner(
    observatory: Observatory, manner: Manner, method: str, name: str, query: dict[str, str], must_have: str
) -> dict[str, Any] | None:
    """What the owner's front desk answers; None when there is none, or another dome is meant.

    Raises
    ------
    ObservatoryError
        If the front desk is there and does not answer.
    """
    address = None if _is_other(observatory, manner) else owner_address(observatory.database)
    if address is None:
        return None
    connection = HTTPConnection(address, timeout=_ANSWER_S + (manner.timeout_s if manner.waits else 0.0))
    try:
        connection.request(method, f"/dome/{name}?{urlencode(query)}")
        answer = json.loads(connection.getresponse().read(_LARGEST_ANSWER))
    except (ConnectionRefusedError, HTTPException, ValueError):  # left behind by an owner that was killed
        return None
    except OSError as error:
        raise ObservatoryError(
            f"The Cupola that owns the dome does not answer at {address} ({error}): look at it, or end it"
        ) from error
    finally:
        connection.close()
    return answer if isinstance(answer, dict) and must_have in answer else None


def _is_other(observatory: Observatory, manner: Manner) -> bool:
    """Whether another dome than that of the settings is meant."""
    own = observatory.settings.dome
    is_other_server = manner.server is not None and manner.server != own.server
    return is_other_server or (manner.device is not None and manner.device != own.device)


def _open_dome(observatory: Observatory, manner: Manner) -> AbstractContextManager[Station]:
    """Be on duty for this command alone, without a front desk."""
    return open_station(observatory, _devices(observatory, manner), serves_http=False)


def _devices(observatory: Observatory, manner: Manner) -> Devices:
    if manner.server is not None and _is_other(observatory, manner):
        try:
            dome = Dome(server=manner.server, device=manner.device or 0)
        except ValidationError as error:
            given = f"--server {manner.server!r}" + ("" if manner.device is None else f" with --device {manner.device}")
            raise ObservatoryError(
                f"{given} is no dome: give HOST:PORT, such as 192.168.1.20:11111, and a number from 0"
            ) from error
        none = Device()
        return Devices(dome, none, none, none, observatory.settings.site, observatory.clock)
    devices = devices_of(observatory)
    if manner.device is None:
        return devices
    return replace(devices, dome=devices.dome.model_copy(update={"device": manner.device}))


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
