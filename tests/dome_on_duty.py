"""A dome service with its contacts and interlocks over real HTTP, and the simulator's truth beside it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any

from app.devices.address import Address
from app.devices.contact import AlpacaContact
from app.devices.dome import AlpacaDome
from app.devices.http import TIMEOUT_S
from app.model.clock import SystemClock
from app.model.dome import DomeState, DomeWish, Move, Override, ShutterWord, WishKind
from app.model.settings import Dome, Enclosure, Guard, WeatherLimits
from app.services.conditions import Conditions
from app.services.dome import DomeService
from app.services.service_loop import ServiceLoop
from app.services.surroundings import SurroundingsService
from app.sim.place import CLOSED_CONTACT, PARKED_CONTACT, SITE
from tests.simulated import Simulator

LIMIT_S = 15.0
#: No guard is there and the Sun may be up: somebody answers for it.
BY_EYE = Override("Ada", "a test")


@dataclass(slots=True)
class OnDuty:
    """A dome service on its loop, and every word of the shutter that it has shown."""

    service: DomeService
    loop: ServiceLoop
    clock: SystemClock
    words: set[ShutterWord] = field(default_factory=set)
    azimuths_deg: list[float] = field(default_factory=list)

    @property
    def word(self) -> ShutterWord:
        """What is shown of the shutter now."""
        return self.service.state.shutter_word(self.clock.monotonic())

    def keep(self, state: DomeState) -> None:
        """Keep what is shown."""
        self.words.add(state.shutter_word(self.clock.monotonic()))
        if state.azimuth_deg.value is not None:
            self.azimuths_deg.append(state.azimuth_deg.value)

    def ask(self, wish: DomeWish) -> Move:
        """Have a wish accepted; raises what the dome says."""
        return self.loop.submit(self.service.ask(wish, "ada")).result(LIMIT_S)

    def final(self, move: Move) -> Move:
        """Follow a move to its end."""
        ended = self.loop.submit(self.service.final(move, LIMIT_S)).result(LIMIT_S + 1.0)
        assert ended.phase.is_end, ended
        return ended

    def do(self, kind: WishKind, azimuth_deg: float | None = None) -> Move:
        """Ask, and follow to the end."""
        return self.final(self.ask(wish(kind, azimuth_deg)))

    def until(self, is_so: Callable[[DomeState], object]) -> DomeState:
        """Wait until the state is so."""
        changed = threading.Event()
        unsubscribe = self.service.subscribe(lambda _: changed.set())
        deadline_s = time.monotonic() + LIMIT_S
        try:
            while not is_so(self.service.state):
                assert changed.wait(max(0.0, deadline_s - time.monotonic())), self.service.state
                changed.clear()
        finally:
            unsubscribe()
        return self.service.state

    def look(self) -> DomeState:
        """A state that was read after now."""
        now_s = self.clock.monotonic()
        return self.until(lambda state: (state.is_slewing.read_s or 0.0) > now_s)


def wish(kind: WishKind, azimuth_deg: float | None = None) -> DomeWish:
    """A wish that passes what a test has not: guard, night, sky."""
    return DomeWish(kind, azimuth_deg, override=BY_EYE if kind is WishKind.OPEN else None)


@contextmanager
def on_duty(
    simulator: Simulator,
    *,
    has_contact: bool = False,
    can_hit_mount: bool = False,
    shutter_azimuth_deg: float | None = None,
    unique_id: str = "",
    timeout_s: float = TIMEOUT_S,
    **settings: Any,
) -> Iterator[OnDuty]:
    """A dome service that has read the simulated dome, or knows why not.

    `settings` are fields of the dome's; with `can_hit_mount` the mount's contact is read, too; `timeout_s` is what the
    dome has for each answer.
    """

    def connect() -> AlpacaDome:
        client = AlpacaDome(address)
        client._wire._timeout_s = timeout_s
        return client

    clock, loop, server = SystemClock(), ServiceLoop(), simulator.server
    contacts = {"closed_contact": CLOSED_CONTACT} if has_contact else {}
    contacts |= {"parked_contact": PARKED_CONTACT} if can_hit_mount else {}
    around = SurroundingsService(
        None,
        None,
        None,
        clock=clock,
        contacts={name: lambda n=number: AlpacaContact(server, 0, n) for name, number in contacts.items()},
        poll_s=0.1,
    )
    enclosure = Enclosure(can_hit_mount=can_hit_mount, shutter_azimuth_deg=shutter_azimuth_deg)
    conditions = Conditions(
        lambda: around.state,
        None,
        lambda: None,
        SITE,
        WeatherLimits(),
        enclosure,
        Guard(),
        clock,
        clock,
        is_attended=True,
    )
    dome = Dome(server=server, **{"motion_start_s": 0.5, "motion_end_s": 10.0} | settings)
    dome = dome.model_copy(update={"poll_s": 0.04})  # quicker than a person may set it
    address = Address(server, 0, unique_id, search=lambda: ())
    service = DomeService(
        connect,
        dome,
        lambda *_: None,
        clock,
        conditions,
        server=dome.place,
        is_ours=True,
    )
    duty = OnDuty(service, loop, clock)
    service.subscribe(duty.keep)
    with ExitStack() as stack:
        loop.start()
        stack.callback(loop.close, LIMIT_S)
        loop.submit(around.run())
        stack.callback(lambda: loop.submit(around.shut_down()).result(LIMIT_S))
        loop.submit(service.run())
        stack.callback(lambda: loop.submit(service.shut_down()).result(LIMIT_S))
        loop.submit(service.first_poll()).result(LIMIT_S)
        yield duty
