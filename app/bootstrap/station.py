"""The duties that go on for hours, opened and closed in order: dome, surroundings, front desk."""

from __future__ import annotations

import json
import logging
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI
from filelock import FileLock, Timeout

from app import __version__
from app.bootstrap.devices import Devices, devices_of
from app.bootstrap.observatory import Observatory, lock_file
from app.devices.dome import AlpacaDome
from app.devices.mount import AlpacaMount
from app.devices.safety import AlpacaSafety
from app.devices.weather import AlpacaWeather
from app.model.errors import ObservatoryError
from app.model.settings import Device, Dome
from app.paths import user_data_folder
from app.services.alerts import send_mails
from app.services.dome import DomeService
from app.services.drop_folder import DropFolder
from app.services.front_desk import FrontDesk
from app.services.http_api import create_api
from app.services.http_server import HttpFrontDesk
from app.services.service_loop import ServiceLoop
from app.services.surroundings import SurroundingsService
from app.store.engine import Database

log = logging.getLogger(__name__)

T = TypeVar("T")

_CLOSE_S = 8.0


def free_bytes(folder: Path) -> int | None:
    """Bytes that are free where `folder` lies or will lie; None when that cannot be known."""
    existing = next((place for place in (folder, *folder.parents) if place.exists()), None)
    try:
        return None if existing is None else shutil.disk_usage(existing).free
    except OSError:
        return None


@dataclass(frozen=True, slots=True)
class Station:
    """What is on duty.

    Attributes
    ----------
    loop : ServiceLoop
        Where the services run.
    is_dome_owner : bool
        Whether this process alone commands the dome; another that looks on may close and stop it.
    http : HttpFrontDesk or None
        None when its port is taken; `http_failure` says so.
    takes_orders : bool
        Whether waiting orders are run here; a picture runs none.
    free_bytes : callable
        Free space of a folder; None when it cannot be known.
    """

    observatory: Observatory
    devices: Devices
    loop: ServiceLoop
    front_desk: FrontDesk
    dome: DomeService
    is_dome_owner: bool
    surroundings: SurroundingsService
    http: HttpFrontDesk | None
    http_failure: str | None
    takes_orders: bool = True
    free_bytes: Callable[[Path], int | None] = free_bytes


@contextmanager
def open_station(
    observatory: Observatory, devices: Devices | None = None, *, port: int | None = None, serves_http: bool = True
) -> Iterator[Station]:
    """Go on duty; everything is closed again in the opposite order, and no device is commanded by that.

    Parameters
    ----------
    observatory : Observatory
        What the services work on.
    devices : Devices, optional
        Instead of those of the settings.
    port : int, optional
        Of the HTTP front desk, instead of the settings'.
    serves_http : bool
        Whether orders come in here: over HTTP and by the drop folder; one command alone does without.

    Raises
    ------
    ObservatoryError
        The simulator does not begin.
    """
    devices = devices or devices_of(observatory)
    with ExitStack() as stack:
        loop = ServiceLoop()
        loop.start()
        stack.callback(loop.close, _CLOSE_S)
        front_desk = FrontDesk(
            observatory.orders, observatory.batches, observatory.journal, devices.site, observatory.clock
        )
        is_owner = stack.enter_context(_owning(devices.dome))
        dome = DomeService(
            _client(AlpacaDome, devices.dome),
            devices.dome,
            observatory.journal.record,
            observatory.clock,
            server=f"{devices.dome.server}/{devices.dome.device}",
            is_ours=devices.is_ours,
            is_owner=is_owner,
        )
        surroundings = SurroundingsService(
            _client(AlpacaMount, devices.mount) if devices.mount.server else None,
            _client(AlpacaSafety, devices.safety_monitor) if devices.safety_monitor.server else None,
            _client(AlpacaWeather, devices.weather) if devices.weather.server else None,
            clock=observatory.clock,
        )
        loop.submit(dome.run())
        stack.callback(lambda: loop.submit(dome.shut_down()).result(_CLOSE_S))
        loop.submit(surroundings.run())
        stack.callback(lambda: loop.submit(surroundings.shut_down()).result(_CLOSE_S))
        http, http_failure = None, None
        if serves_http:
            api = create_api(front_desk, observatory.orders, dome if is_owner else None, observatory.clock, __version__)
            http, http_failure = _open_desk(stack, observatory, api, loop, port, is_owner=is_owner)
            _begin_duties(observatory, front_desk, loop)
        yield Station(observatory, devices, loop, front_desk, dome, is_owner, surroundings, http, http_failure)


def owner_address(database: Database) -> str | None:
    """HOST:PORT of the front desk that works on this database, as it was written down; None when none was."""
    try:
        known = json.loads(_address_file(database).read_text(encoding="utf-8"))
        return f"127.0.0.1:{int(known['port'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _open_desk(
    stack: ExitStack, observatory: Observatory, api: FastAPI, loop: ServiceLoop, port: int | None, *, is_owner: bool
) -> tuple[HttpFrontDesk | None, str | None]:
    """The HTTP front desk; a window without it still works, and says why."""
    desk = HttpFrontDesk(api, observatory.settings.front_desk.port if port is None else port)
    try:
        loop.submit(desk.start()).result(_CLOSE_S)
    except ObservatoryError as error:
        log.warning("%s", error)
        return None, str(error)
    stack.callback(lambda: loop.submit(desk.stop()).result(_CLOSE_S))
    if is_owner:
        file = _address_file(observatory.database)
        try:
            file.write_text(json.dumps({"port": desk.port, "pid": os.getpid()}), encoding="utf-8")
            stack.callback(file.unlink, missing_ok=True)
        except OSError as error:
            log.warning("`cupola dome` will not find this Cupola: %s cannot be written (%s)", file, error.strerror)
    return desk, None


def _begin_duties(observatory: Observatory, front_desk: FrontDesk, loop: ServiceLoop) -> None:
    """What goes on beside: the drop folder and the mails; the loop ends them."""
    if (folder := observatory.settings.front_desk.drop_folder) is not None:
        loop.submit(DropFolder(folder.expanduser().absolute(), front_desk, observatory.clock).run())
    if observatory.settings.mail.host:
        loop.submit(send_mails(observatory.outbox, observatory.settings.mail))


def _address_file(database: Database) -> Path:
    return lock_file(database, "desk").with_suffix(".json")


@contextmanager
def _owning(dome: Dome) -> Iterator[bool]:
    """Whether this process owns the dome: the first that asks, until it ends."""
    name = f"{dome.server}-{dome.device}".replace(":", "-").replace("/", "-")
    folder = user_data_folder() / "domes"
    lock = FileLock(folder / f"{name}.lock", timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        yield False
        return
    except OSError as error:
        raise ObservatoryError(
            f"The dome's lock {lock.lock_file} cannot be made ({error.strerror}): allow writing there"
        ) from error
    try:
        yield True
    finally:
        lock.release()


def _client(kind: Callable[[str, int], T], device: Device) -> Callable[[], T]:
    server, number = device.server or "", device.device
    return lambda: kind(server, number)
