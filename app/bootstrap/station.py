"""The duties that go on for hours, opened and closed in order: dome, surroundings, front desk."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from fastapi import FastAPI

from app import __version__
from app.bootstrap.devices import Devices, devices_of
from app.bootstrap.guarding import end_hung_guard, start_guard
from app.bootstrap.observatory import Observatory, lock_file
from app.bootstrap.ownership import Ownership
from app.devices.address import Address
from app.devices.ascom import AscomDome, AscomDriver
from app.devices.contact import AlpacaContact
from app.devices.dome import AlpacaDome
from app.devices.mount import AlpacaMount
from app.devices.safety import AlpacaSafety
from app.devices.weather import AlpacaWeather
from app.model.clock import Clock
from app.model.errors import ObservatoryError
from app.model.guard import GuardPlan
from app.model.ports import DomeClient
from app.model.settings import Contact, Device, Dome
from app.paths import free_bytes, guard_folder, user_data_folder
from app.services.alerts import send_mails
from app.services.conditions import Conditions
from app.services.dome import DomeService
from app.services.drop_folder import DropFolder
from app.services.following import Following
from app.services.front_desk import FrontDesk
from app.services.guard_watch import GuardWatch
from app.services.http_api import create_api
from app.services.http_duties import duty_addresses
from app.services.http_server import HttpFrontDesk
from app.services.service_loop import ServiceLoop
from app.services.surroundings import SurroundingsService
from app.services.unattended import close_without_guard
from app.store.engine import Database

log = logging.getLogger(__name__)

T = TypeVar("T")

_CLOSE_S = 8.0
#: Between two looks at who commands the dome.
_NAMES_OWNER_S = 1.0


@dataclass(frozen=True, slots=True)
class Station:
    """What is on duty.

    Attributes
    ----------
    loop : ServiceLoop
        Where the services run.
    ownership : Ownership
        Whether this process alone commands the dome; another that looks on may close and stop it, and take over.
    guard : GuardWatch
        Ear and voice of the guard.
    following : Following
        Makes the slit follow the telescope.
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
    ownership: Ownership
    surroundings: SurroundingsService
    guard: GuardWatch
    following: Following
    http: HttpFrontDesk | None
    http_failure: str | None
    takes_orders: bool = True
    free_bytes: Callable[[Path], int | None] = free_bytes

    @property
    def is_dome_owner(self) -> bool:
        """Whether this process alone commands the dome."""
        return self.ownership.is_ours

    @property
    def is_read(self) -> bool:
        """Whether dome, guard, mount and sky were all heard of; for pictures."""
        around, now_s = self.surroundings.state, self.observatory.clock.monotonic()
        heard = (around.mount, around.is_safe, around.weather, around.closed_contact, self.guard.state)
        return None not in [reading.read_s for reading in heard] and self.dome.state.is_connected(now_s)

    def take_over(self, who: str) -> None:
        """Command the dome from here on; blocks for some seconds, raises `DomeRefused` when the other keeps it."""
        self.ownership.take_over(who)
        if self.http is not None:
            _announce(self.observatory, self.ownership, self.http)
        self.loop.submit(_set_owner(self.dome, True)).result(_CLOSE_S)


@contextmanager
def open_station(
    observatory: Observatory,
    devices: Devices | None = None,
    *,
    port: int | None = None,
    serves_http: bool = True,
    is_guarded: bool = True,
    is_attended: bool = True,
    guard_of: Callable[[GuardPlan, Clock], GuardWatch] | None = None,
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
    is_guarded : bool
        Whether a guard is started when there is none, and again when it dies.
    is_attended : bool
        Whether an operator is there.
    guard_of : callable, optional
        Makes the watch over another guard than one of a process of its own; for pictures.

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
        ownership = Ownership(user_data_folder() / "domes", devices.dome)
        stack.callback(ownership.release)
        surroundings = _surroundings(observatory, devices)
        plan = guard_plan(observatory, devices)
        if guard_of is None:
            guard = _guard_watch(plan, observatory.clock, is_guarded=is_guarded)
        else:
            guard = guard_of(plan, observatory.clock)
        settings = observatory.settings
        conditions = Conditions(
            lambda: surroundings.state,
            guard,
            surroundings.stop_mount,
            devices.site,
            settings.weather_limits,
            devices.enclosure,
            settings.guard,
            observatory.clock,
            devices.sky_clock,
            is_attended=is_attended,
        )
        connect, place = stack.enter_context(_dome_clients(devices.dome))
        dome = DomeService(
            connect,
            devices.dome,
            observatory.journal.record,
            observatory.clock,
            conditions,
            server=devices.dome.place,
            is_ours=devices.is_ours,
            is_owner=ownership.is_ours,
            place=place,
        )
        following = Following(
            dome,
            lambda: surroundings.state,
            devices.site,
            devices.dome,
            devices.slaving,
            observatory.clock,
            devices.sky_clock,
        )
        loop.submit(guard.run())
        stack.callback(lambda: loop.submit(guard.shut_down()).result(_CLOSE_S))
        loop.submit(following.run())
        if not is_attended:
            loop.submit(close_without_guard(dome, guard, observatory.clock))
            loop.submit(_keep_lease(guard))
        loop.submit(dome.run())
        stack.callback(lambda: loop.submit(dome.shut_down()).result(_CLOSE_S))
        loop.submit(_name_owner(dome, ownership))
        loop.submit(surroundings.run())
        stack.callback(lambda: loop.submit(surroundings.shut_down()).result(_CLOSE_S))
        http, http_failure = None, None
        if serves_http:
            api = create_api(front_desk, observatory.orders, dome, observatory.clock, __version__, ownership.release)
            api.include_router(duty_addresses(following, guard, observatory.clock))
            http, http_failure = _open_desk(stack, observatory, api, loop, port)
            if http is not None and ownership.is_ours:
                _announce(observatory, ownership, http)
            _begin_duties(observatory, front_desk, loop)
        yield Station(
            observatory,
            devices,
            loop,
            front_desk,
            dome,
            ownership,
            surroundings,
            guard,
            following,
            http,
            http_failure,
        )


def owner_address(database: Database) -> str | None:
    """HOST:PORT of the front desk that works on this database, as it was written down; None when none was."""
    try:
        known = json.loads(_address_file(database).read_text(encoding="utf-8"))
        return f"127.0.0.1:{int(known['port'])}"
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _surroundings(observatory: Observatory, devices: Devices) -> SurroundingsService:
    """Mount, sky and contacts, as far as there are any."""
    contacts = {
        "closed_contact": devices.enclosure.closed,
        "parked_contact": devices.enclosure.mount_parked,
        "mains_contact": devices.enclosure.mains,
    }
    return SurroundingsService(
        _client(AlpacaMount, devices.mount) if devices.mount.server else None,
        _client(AlpacaSafety, devices.safety_monitor) if devices.safety_monitor.server else None,
        _client(AlpacaWeather, devices.weather) if devices.weather.server else None,
        clock=observatory.clock,
        contacts={field: _contact(contact) for field, contact in contacts.items() if contact.server},
    )


def guard_plan(observatory: Observatory, devices: Devices) -> GuardPlan:
    """What a guard of these devices has to know."""
    settings = observatory.settings
    return GuardPlan(
        folder=str(guard_folder()),
        dome=devices.dome,
        mount=devices.mount,
        safety_monitor=devices.safety_monitor,
        weather=devices.weather,
        cover=devices.cover,
        site=devices.site,
        weather_limits=settings.weather_limits,
        enclosure=devices.enclosure,
        slaving=devices.slaving,
        guard=settings.guard,
        mail=settings.mail,
        night=devices.night,
    )


def _guard_watch(plan: GuardPlan, clock: Clock, *, is_guarded: bool) -> GuardWatch:
    """The watch over the guard's process; one that is not ours to start is not ours to end."""
    if not is_guarded:
        return GuardWatch(plan, lambda: None, clock)
    return GuardWatch(plan, lambda: start_guard(plan), clock, end_hung=lambda: end_hung_guard(plan))


async def _keep_lease(guard: GuardWatch) -> None:
    """An observatory without a window lives as long as its service loop turns."""
    while True:
        guard.tick("serve")
        await asyncio.sleep(0.5)


async def _name_owner(dome: DomeService, ownership: Ownership) -> None:
    """While another commands the dome, say who."""
    while True:
        if not ownership.is_ours:
            holder = await asyncio.to_thread(ownership.holder)
            if not ownership.is_ours and (dome.state.is_owner or holder != dome.state.owner):
                dome.set_owner(False, holder)
        await asyncio.sleep(_NAMES_OWNER_S)


async def _set_owner(dome: DomeService, is_owner: bool) -> None:
    dome.set_owner(is_owner)


def _open_desk(
    stack: ExitStack, observatory: Observatory, api: FastAPI, loop: ServiceLoop, port: int | None
) -> tuple[HttpFrontDesk | None, str | None]:
    """The HTTP front desk; a window without it still works, and says why."""
    desk = HttpFrontDesk(api, observatory.settings.front_desk.port if port is None else port)
    try:
        loop.submit(desk.start()).result(_CLOSE_S)
    except ObservatoryError as error:
        log.warning("%s", error)
        return None, str(error)
    stack.callback(lambda: loop.submit(desk.stop()).result(_CLOSE_S))
    stack.callback(_forget_address, observatory)
    return desk, None


def _announce(observatory: Observatory, ownership: Ownership, desk: HttpFrontDesk) -> None:
    """Write down where the owner of the dome is spoken to: for other windows, and for `cupola dome`."""
    ownership.announce(desk.port)
    file = _address_file(observatory.database)
    try:
        file.write_text(json.dumps({"port": desk.port, "pid": os.getpid()}), encoding="utf-8")
    except OSError as error:
        log.warning("`cupola dome` will not find this Cupola: %s cannot be written (%s)", file, error.strerror)


def _forget_address(observatory: Observatory) -> None:
    """Only what this process wrote is taken away."""
    file = _address_file(observatory.database)
    try:
        if json.loads(file.read_text(encoding="utf-8"))["pid"] == os.getpid():
            file.unlink()
    except (OSError, ValueError, KeyError, TypeError) as error:
        log.debug("No address of this front desk is taken away: %s", error)


def _begin_duties(observatory: Observatory, front_desk: FrontDesk, loop: ServiceLoop) -> None:
    """What goes on beside: the drop folder and the mails; the loop ends them."""
    if (folder := observatory.settings.front_desk.drop_folder) is not None:
        loop.submit(DropFolder(folder.expanduser().absolute(), front_desk, observatory.clock).run())
    if observatory.settings.mail.host:
        loop.submit(send_mails(observatory.outbox, observatory.settings.mail))


def _address_file(database: Database) -> Path:
    return lock_file(database, "desk").with_suffix(".json")


def _client(kind: Callable[[Address], T], device: Device) -> Callable[[], T]:
    """Makes clients of one device, which share its address: whoever finds it elsewhere moves them all."""
    address = Address(device.server or "", device.device, device.unique_id)
    return lambda: kind(address)


@contextmanager
def _dome_clients(dome: Dome) -> Iterator[tuple[Callable[[], DomeClient], Callable[[], str]]]:
    """Makes clients of the dome, and says where it is: over Alpaca, or an ASCOM driver of this machine, which they share."""
    if not dome.progid:
        address = Address(dome.server or "", dome.device, dome.unique_id)
        yield lambda: AlpacaDome(address), lambda: str(address)
        return
    driver = AscomDriver(dome.progid)
    try:
        yield lambda: AscomDome(driver), lambda: dome.progid
    finally:
        driver.close()


def _contact(contact: Contact) -> Callable[[], AlpacaContact]:
    address = Address(contact.server or "", contact.device, contact.unique_id)
    return lambda: AlpacaContact(address, contact=contact.contact, is_inverted=contact.is_inverted)
