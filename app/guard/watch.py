"""The guard's eyes: every device is read in a thread of its own, so that one that hangs ages alone."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, Generic, Protocol, TypeVar

from app.devices.address import Address
from app.devices.contact import AlpacaContact
from app.devices.mount import AlpacaMount
from app.devices.safety import AlpacaSafety
from app.devices.weather import AlpacaWeather
from app.guard.places import Places
from app.guard.policy import SeenDome, Sight
from app.model.clock import Clock
from app.model.dome import DeviceError, ShutterState
from app.model.guard import GuardPlan
from app.model.ports import DomeClient, WeatherClient
from app.model.reading import NEVER_READ, Reading
from app.model.schedule import sun_altitude_deg
from app.model.settings import Contact
from app.model.surroundings import Surroundings, Weather
from app.model.wind_mean import WindMean

log = logging.getLogger(__name__)

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)

POLL_S = 1.0
#: The dome is looked at more often: its motions prove a close.
DOME_POLL_S = 0.4
_CLOSE_S = 1.0


class Client(Protocol[T_co]):
    """What is read."""

    def read(self) -> T_co:
        """Its newest value; raises `DeviceError`."""
        ...

    def close(self) -> None:
        """Let the connection go."""
        ...


class Eye(Generic[T]):
    """Reads one device again and again, for ever.

    Parameters
    ----------
    name : str
        Such as ``"safety monitor"``.
    connect : callable or None
        Makes a client that has not asked its server yet; None where there is no such device: then it sees nothing.
    """

    def __init__(
        self, name: str, connect: Callable[[], Client[T]] | None, clock: Clock, poll_s: float = POLL_S
    ) -> None:
        self.name = name
        self.reading: Reading[T] = NEVER_READ
        self._connect = connect
        self._clock = clock
        self._poll_s = poll_s
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def is_there(self) -> bool:
        """Whether there is such a device."""
        return self._connect is not None

    def open(self) -> None:
        """Begin to look."""
        if self._connect is not None:
            self._thread = threading.Thread(
                target=self._run, args=(self._connect,), name=f"eye {self.name}", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        """Look no more; one that hangs is left behind."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(_CLOSE_S)

    def _run(self, connect: Callable[[], Client[T]]) -> None:
        client: Client[T] | None = None
        while not self._is_over.is_set():
            asked_s, asked_at = self._clock.monotonic(), self._clock.utc()
            try:
                client = client or connect()
                value = client.read()
            except DeviceError as error:
                self._failed(str(error))
            except Exception:
                log.exception("Bug while the %s was read", self.name)
                self._failed(f"The {self.name} is not read because of a bug, which the log has: restart the guard")
            else:
                if self.reading.failure is not None:
                    log.info("The %s is read again", self.name)
                self.reading = Reading(value, asked_s, asked_at)
            self._is_over.wait(self._poll_s)
        if client is not None:
            client.close()

    def _failed(self, why: str) -> None:
        if self.reading.failure is None:
            log.warning("The %s is not read: %s", self.name, why)
        self.reading = self.reading.failed(why)


class WatchedDome:
    """A dome that connects itself, and whose closing motions are seen.

    Parameters
    ----------
    dome : DomeClient
        Asked from one thread alone.
    """

    def __init__(self, dome: DomeClient) -> None:
        self._dome = dome
        self._is_connected = False
        self._is_closing_seen = False

    def read(self) -> SeenDome:
        """Everything that changes; after an error the server may have started anew, and nothing is proven."""
        try:
            if not self._is_connected:
                self._dome.connect()
            sample = self._dome.read()
        except DeviceError:
            self._is_connected = self._is_closing_seen = False
            raise
        self._is_connected = True
        if sample.shutter is not ShutterState.CLOSED:
            self._is_closing_seen = sample.shutter is ShutterState.CLOSING
        return SeenDome(sample.shutter, self._is_closing_seen)

    def close(self) -> None:
        """Let the connection go."""
        self._dome.close()


class WatchedWeather:
    """A weather station with the mean of the wind.

    Parameters
    ----------
    station : WeatherClient
        Asked from one thread alone.
    """

    def __init__(self, station: WeatherClient, clock: Clock) -> None:
        self._station = station
        self._clock = clock
        self._mean = WindMean()

    def read(self) -> Weather:
        """Every sensor that it has."""
        weather = self._station.read()
        return self._mean.added_to(weather, self._clock.monotonic())

    def close(self) -> None:
        """Let the connection go."""
        self._station.close()


class Watch:
    """Everything that the guard sees.

    Parameters
    ----------
    plan : GuardPlan
        What the contacts mean, and where the Sun is looked at from.
    places : Places
        Which devices there are.
    clock : Clock
        Of the sky.
    """

    def __init__(self, plan: GuardPlan, places: Places, clock: Clock) -> None:
        self._plan = plan
        self._clock = clock
        self.began_s = clock.monotonic()
        enclosure = plan.enclosure
        self._dome = Eye("dome", lambda: WatchedDome(places.dome_client()), clock, DOME_POLL_S)
        self._mount = Eye("mount", _client(AlpacaMount, places.mount), clock)
        self._safety = Eye("safety monitor", _client(AlpacaSafety, places.safety), clock)
        station = _client(AlpacaWeather, places.weather)
        self._weather = Eye(
            "weather station", None if station is None else lambda: WatchedWeather(station(), clock), clock
        )
        self._closed = Eye("contact of the shutter", _contact(places.closed, enclosure.closed), clock)
        self._parked = Eye("contact of the parked mount", _contact(places.parked, enclosure.mount_parked), clock)
        self._mains = Eye("contact of the mains", _contact(places.mains, enclosure.mains), clock)
        self._eyes: tuple[Eye[Any], ...] = (
            self._dome,
            self._mount,
            self._safety,
            self._weather,
            self._closed,
            self._parked,
            self._mains,
        )

    def open(self) -> None:
        """Begin to look."""
        for eye in self._eyes:
            eye.open()

    def close(self) -> None:
        """Look no more."""
        for eye in self._eyes:
            eye.close()

    def sight(self, abandoned_s: float | None) -> Sight:
        """Everything that is known now; waits for nothing."""
        return Sight(
            dome=self._dome.reading,
            around=Surroundings(
                has_mount=self._mount.is_there,
                has_safety_monitor=self._safety.is_there,
                has_weather=self._weather.is_there,
                mount=self._mount.reading,
                is_safe=self._safety.reading,
                weather=self._weather.reading,
                closed_contact=self._closed.reading,
                parked_contact=self._parked.reading,
                mains_contact=self._mains.reading,
            ),
            sun_altitude_deg=sun_altitude_deg(self._plan.site, self._clock.utc()),
            abandoned_s=abandoned_s,
            began_s=self.began_s,
            now_s=self._clock.monotonic(),
        )

    def failures(self) -> tuple[str, ...]:
        """A sentence about every device that is not read now."""
        return tuple(eye.reading.failure for eye in self._eyes if eye.reading.failure is not None)


def _client(kind: Callable[[Address], T], place: Address | None) -> Callable[[], T] | None:
    return None if place is None else partial(kind, place)


def _contact(place: Address | None, contact: Contact) -> Callable[[], AlpacaContact] | None:
    if place is None:
        return None
    return lambda: AlpacaContact(place, contact=contact.contact, is_inverted=contact.is_inverted)
