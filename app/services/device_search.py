"""Devices for *connect your observatory*: looked for on the network, and tried out before they are saved."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing

from app.devices.contact import AlpacaContact
from app.devices.cover import AlpacaCover
from app.devices.discovery import devices_of, discover
from app.devices.dome import AlpacaDome
from app.devices.mount import AlpacaMount
from app.devices.safety import AlpacaSafety
from app.devices.transport import Wire
from app.devices.weather import AlpacaWeather
from app.model.dome import DeviceError
from app.model.found_device import FoundDevice
from app.model.settings import Contact
from app.model.wording import azimuth_text

#: How long a search waits for answers, seconds.
SEARCH_S = 2.0


def everywhere(report: Callable[[str], None]) -> tuple[FoundDevice, ...]:
    """Every device of this network; `report` takes sentences about how it goes."""
    return discover(SEARCH_S, report)


def at(server: str) -> tuple[FoundDevice, ...]:
    """Every device of one server; raises `DeviceError` when it does not say."""
    return devices_of(server)


def try_device(kind: str, server: str, number: int) -> str:
    """Connect and read a device once, and say in a sentence what it gave; nothing is moved.

    Parameters
    ----------
    kind : str
        A device of the settings: dome, mount, safety_monitor, weather, cover; or switch, camera.
    server : str
        ``HOST:PORT``.
    number : int
        Of the device at that server.

    Raises
    ------
    DeviceError
        It cannot be read, and why.
    """
    return f"{server}/{number}: {_TRIALS[kind](server, number)}"


def try_contact(contact: Contact) -> str:
    """Read a contact once, and say in a sentence what it means; raises `DeviceError` when there is none."""
    if contact.server is None:
        raise DeviceError("No contact is saved here: give the server of its switch device, and save it first")
    with closing(
        AlpacaContact(contact.server, contact.device, contact.contact, is_inverted=contact.is_inverted)
    ) as wire:
        says = "yes" if wire.read() else "no"
    return f"{contact.server}/{contact.device}: contact {contact.contact} says {says}"


def _try_dome(server: str, number: int) -> str:
    with closing(AlpacaDome(server, number)) as dome:
        facts, sample = dome.connect(), dome.read()
    return f"{facts.name} is at {azimuth_text(sample.azimuth_deg)}, its shutter is {sample.shutter or 'none'}"


def _try_mount(server: str, number: int) -> str:
    with closing(AlpacaMount(server, number)) as mount:
        return f"the mount points to azimuth {azimuth_text(mount.read().azimuth_deg)}"


def _try_safety_monitor(server: str, number: int) -> str:
    with closing(AlpacaSafety(server, number)) as monitor:
        return "it says safe" if monitor.read() else "it says UNSAFE"


def _try_weather(server: str, number: int) -> str:
    with closing(AlpacaWeather(server, number)) as station:
        weather = station.read()
    wind = "no wind" if weather.wind_m_s is None else f"wind {weather.wind_m_s:.1f} m/s"
    humidity = "no humidity" if weather.humidity_percent is None else f"humidity {weather.humidity_percent:.0f} %"
    return f"it gives {wind}, {humidity}"


def _try_cover(server: str, number: int) -> str:
    with closing(AlpacaCover(server, number)) as cover:
        return f"the mirror cover is {cover.state()}"


def _try_switch(server: str, number: int) -> str:
    with closing(AlpacaContact(server, number)) as contact:
        return f"its contact 0 is {'on' if contact.read() else 'off'}"


def _try_camera(server: str, number: int) -> str:
    with closing(Wire(server, "camera", number)) as wire:
        wire.connect()
        return f"the camera is {wire.get('name')}"


_TRIALS: dict[str, Callable[[str, int], str]] = {
    "dome": _try_dome,
    "mount": _try_mount,
    "safety_monitor": _try_safety_monitor,
    "weather": _try_weather,
    "cover": _try_cover,
    "switch": _try_switch,
    "camera": _try_camera,
}
