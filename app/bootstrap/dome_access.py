"""The dome for one question of another program: the Cupola that owns it is asked, or this program owns it meanwhile."""

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
from app.model.dome import DomeWish
from app.model.errors import ObservatoryError
from app.model.settings import Device, Dome, Enclosure, Slaving
from app.services import dome_answer
from app.services.dome_answer import DomeAnswer
from app.services.dome_status import dome_status

_ANSWER_S = 15.0
#: An owner that has not answered to STOP by then is passed over: `dome_answer.STOP_PATIENCE_S`, and the way.
_STOP_ANSWER_S = 12.0
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
    """

    server: str | None = None
    device: int | None = None
    waits: bool = True
    timeout_s: float = 120.0


def status(manner: Manner, tell: Callable[[str], None]) -> dict[str, Any]:
    """DomeStatus, as `app.services.dome_status` writes it; `tell` takes a sentence when its values are not fresh.

    Raises
    ------
    ObservatoryError
        The dome cannot be asked at all.
    """
    failure: str | None = None
    with open_observatory() as observatory:
        found = _by_owner(observatory, manner, "GET", "DomeStatus", {}, "connected")
        if found is None:
            with _open_dome(observatory, manner) as station:
                state = station.loop.submit(station.dome.first_poll()).result()
                found, failure = dome_status(state, observatory.clock.monotonic(), __version__), state.failure
    if not found["connected"]:
        tell(
            failure or "the dome's values are not fresh: look at its server, and at the log of the Cupola that owns it"
        )
    return found


def stop(manner: Manner, tell: Callable[[str], None]) -> DomeAnswer:
    """Stop everything that moves; expected errors are answers."""

    def act(station: Station) -> Coroutine[Any, Any, DomeAnswer]:
        clock = station.observatory.clock
        return dome_answer.stop(station.dome, operator(), clock, waits=manner.waits)

    return _answered("Stop", {}, act, manner, tell)


def move(
    name: str, query: dict[str, str], wish: Callable[[], DomeWish], manner: Manner, tell: Callable[[str], None]
) -> DomeAnswer:
    """Have a motion done and followed; expected errors are answers.

    Parameters
    ----------
    name : str
        Of the mission's function, such as ``"SetAzim"``.
    query : dict
        What the owner's front desk is given.
    wish : callable
        Makes the wish, or raises what is wrong with it.
    manner : Manner
        How the dome is asked.
    tell : callable
        Takes sentences on the way.
    """

    def act(station: Station) -> Coroutine[Any, Any, DomeAnswer]:
        return dome_answer.carry_out(station.dome, wish(), operator(), waits=manner.waits, timeout_s=manner.timeout_s)

    try:
        wish()
    except ObservatoryError as error:
        return DomeAnswer(False, str(error))
    return _answered(name, query, act, manner, tell)


def follow(manner: Manner, *, is_on: bool) -> DomeAnswer:
    """Have the slit follow the telescope, or not, by the Cupola that stays; expected errors are answers."""
    query = {"on": str(is_on).lower(), "who": operator()[:100]}
    try:
        with open_observatory() as observatory:
            answer = _by_owner(observatory, manner, "PUT", "Follow", query, "ok")
    except ObservatoryError as error:
        return DomeAnswer(False, str(error))
    if answer is None:
        return DomeAnswer(False, "No Cupola is on duty that could go on following: open the window, or cupola serve")
    return DomeAnswer(bool(answer["ok"]), str(answer.get("reason", "")))


def _answered(
    name: str,
    query: dict[str, str],
    act: Callable[[Station], Coroutine[Any, Any, DomeAnswer]],
    manner: Manner,
    tell: Callable[[str], None],
) -> DomeAnswer:
    """Have it done by the owner, or as the owner."""
    is_towards_safe = name in ("Stop", "CloseDome")
    query |= {"wait": str(manner.waits).lower(), "timeout_s": str(manner.timeout_s), "who": operator()[:100]}
    try:
        with open_observatory() as observatory:
            try:
                answer = _by_owner(observatory, manner, "PUT", name, query, "ok")
            except ObservatoryError as error:
                if not is_towards_safe:
                    raise
                tell(f"{error}; the dome is asked directly")
                answer = None
            if answer is not None:
                return DomeAnswer(bool(answer["ok"]), str(answer.get("reason", "")))
            with _open_dome(observatory, manner) as station:
                if not (station.is_dome_owner or is_towards_safe):
                    raise ObservatoryError(
                        f"Another Cupola commands the dome at {station.dome.state.server}: "
                        "ask that one, with its settings and without --server, or end it"
                    )
                return station.loop.submit(act(station)).result()
    except ObservatoryError as error:
        return DomeAnswer(False, str(error))


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
    limit_s = _ANSWER_S + (manner.timeout_s if manner.waits else 0.0)
    connection = HTTPConnection(address, timeout=_STOP_ANSWER_S if name == "Stop" else limit_s)
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
    return open_station(observatory, _devices(observatory, manner), serves_http=False, is_guarded=False)


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
        site, clock = observatory.settings.site, observatory.clock
        return Devices(dome, none, none, none, site, clock, Enclosure(), Slaving(), none)
    devices = devices_of(observatory)
    if manner.device is None:
        return devices
    return replace(devices, dome=devices.dome.model_copy(update={"device": manner.device, "unique_id": ""}))
