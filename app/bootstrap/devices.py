"""Which devices are asked: those of the settings, or of the embedded simulator."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from app.bootstrap.embedded import Simulator, embedded_simulator
from app.bootstrap.observatory import Observatory
from app.model.clock import Clock
from app.model.settings import Contact, Device, Dome, Enclosure, Site, Slaving
from app.model.surroundings import Moment
from app.paths import user_data_folder
from app.sim.place import DOME, ENCLOSURE, SITE, SLAVING
from app.sim.weather import weather_at

_HISTORY = timedelta(hours=12)
_HISTORY_STEP = timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Devices:
    """Which devices are asked, and under which sky they stand.

    Attributes
    ----------
    is_ours : bool
        Whether they are the simulator that this program started.
    night : str
        The sky clock of a simulator, as the environment names it; empty for the machine's.
    """

    dome: Dome
    mount: Device
    safety_monitor: Device
    weather: Device
    site: Site
    sky_clock: Clock
    enclosure: Enclosure
    slaving: Slaving
    cover: Device
    is_ours: bool = False
    night: str = ""
    history: tuple[Moment, ...] = ()


def devices_of(observatory: Observatory) -> Devices:
    """The devices that the settings name, or those of the embedded simulator.

    Raises
    ------
    ObservatoryError
        The simulator does not begin.
    """
    settings = observatory.settings
    if not settings.is_embedded:
        return Devices(
            settings.dome,
            settings.mount,
            settings.safety_monitor,
            settings.weather,
            settings.site,
            observatory.clock,
            settings.enclosure,
            settings.slaving,
            settings.cover,
        )
    return simulated_devices(embedded_simulator(user_data_folder()), settings.site)


def simulated_devices(simulator: Simulator, site: Site | None = None) -> Devices:
    """The devices of a simulator, under its own sky; the site is the example observatory's unless another is given."""
    device = Device(server=simulator.server)
    dome = DOME.model_copy(update={"server": simulator.server})
    sky = simulator.sky_clock
    place = site if site is not None and site != Site() else SITE
    return Devices(
        dome,
        device,
        device,
        device,
        place,
        sky,
        _wired(simulator.server),
        SLAVING,
        device,
        is_ours=True,
        night=simulator.night,
        history=_simulated_history(sky),
    )


def _wired(server: str) -> Enclosure:
    """The simulated building, its contacts at the simulator's switch."""
    contacts = {
        name: contact.model_copy(update={"server": server})
        for name, contact in ENCLOSURE
        if isinstance(contact, Contact)
    }
    wired: Enclosure = ENCLOSURE.model_copy(update=contacts)
    return wired


def _simulated_history(sky: Clock) -> tuple[Moment, ...]:
    """The weather of the simulated sky over the last hours, which nobody recorded but everybody can compute."""
    now = sky.utc()
    moments = []
    at = now - _HISTORY
    while at < now:
        weather = weather_at(at)
        moments.append(
            Moment(
                at.timestamp(),
                wind_m_s=weather.wind_m_s,
                humidity_percent=weather.humidity_percent,
                cloud_percent=weather.cloud_percent,
                gust_m_s=weather.gust_m_s,
            )
        )
        at += _HISTORY_STEP
    return tuple(moments)
