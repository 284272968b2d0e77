"""What `cupola doctor` asks of the dome: the collision rule, contacts, mains, and whether a guard is on duty."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from app.commands.doctor import Finding
from app.model.clock import SystemClock
from app.model.guard import GuardPlan
from app.model.settings import Settings
from app.model.wording import time_text
from app.paths import guard_folder
from app.services.device_search import try_contact
from app.services.guard_watch import GuardUnreachable, GuardWatch

_ANSWER_S = 5.0
_QUESTION = "answer “Can the closing roof hit the telescope?” under Settings, Connect your observatory"


def probes_of(settings: Settings) -> Mapping[str, Callable[[], Finding]]:
    """Probes by name; the embedded simulated observatory needs none of them."""
    if settings.is_embedded:
        return {"Dome": lambda: Finding("Dome", True, "none is named: the simulated observatory stands in")}
    return {
        "Collision rule": lambda: _collision_rule(settings),
        "Contacts": lambda: _contacts(settings),
        "Mains": lambda: _mains(settings),
        "Guard": lambda: _guard(settings),
    }


def _collision_rule(settings: Settings) -> Finding:
    name, can_hit = "Collision rule", settings.enclosure.can_hit_mount
    if can_hit is None:
        return Finding(name, False, "whether the roof can hit the telescope is not said: OPEN is refused", _QUESTION)
    if not can_hit:
        return Finding(name, True, "the roof cannot hit the telescope")
    if settings.mount.server is None and settings.enclosure.mount_parked.server is None:
        says = "the roof can hit the telescope, and nothing tells whether it is parked: the guard could never close"
        return Finding(name, False, says, "name the mount, or a contact of the parked mount, in Settings")
    return Finding(name, True, "the roof can hit the telescope: it closes over a parked mount alone")


def _contacts(settings: Settings) -> Finding:
    """Reads every contact that is named; raises `DeviceError` for one that is not read."""
    contacts = {"shutter": settings.enclosure.closed, "parked mount": settings.enclosure.mount_parked}
    said = [f"{what}: {try_contact(contact)}" for what, contact in contacts.items() if contact.server is not None]
    if settings.enclosure.closed.server is not None:
        return Finding("Contacts", True, "; ".join(said))
    missing = "none at the shutter, so that CLOSED is the word of the driver or of a motion that was seen"
    remedy = "wire one to an Alpaca switch, and name it in Settings, Contact: shutter"
    return Finding("Contacts", True, "; ".join((*said, missing)), remedy)


def _mains(settings: Settings) -> Finding:
    mains = settings.enclosure.mains
    if mains.server is None:
        return Finding("Mains", True, "no contact: a power failure is not seen", "name one in Settings, Contact: mains")
    return Finding("Mains", True, try_contact(mains))


def _guard(settings: Settings) -> Finding:
    """Whether one is on duty, and since when; one that hangs is missing."""
    plan = GuardPlan(folder=str(guard_folder()), dome=settings.dome)
    if not plan.runtime_file.exists():
        return Finding("Guard", True, "not on duty: the window and cupola serve start it, or run cupola guard")
    since = datetime.fromtimestamp(plan.runtime_file.stat().st_mtime, UTC)
    watch = GuardWatch(plan, lambda: None, SystemClock())
    try:
        state = watch.read().result(_ANSWER_S)
    except (GuardUnreachable, TimeoutError):
        says = f"one began at {since:%Y-%m-%d} {time_text(since)} UTC and does not answer"
        return Finding("Guard", False, says, "open the window or run cupola serve: they end it, and start another")
    finally:
        asyncio.run(watch.shut_down())
    says = f"on duty since {since:%Y-%m-%d} {time_text(since)} UTC, {state.phase}, process {state.pid}"
    remedy = "; ".join(state.faults)
    return Finding("Guard", not remedy, says, remedy)
