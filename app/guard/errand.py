"""What the guard tells devices: each errand in a thread and over a connection of its own, which may hang."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing
from time import monotonic

from app.devices.address import Address
from app.devices.closing import close_shutter
from app.devices.cover import AlpacaCover
from app.devices.dome import AlpacaDome
from app.devices.mount import AlpacaMount
from app.guard.places import Places
from app.model.angles import turn_deg
from app.model.dome import DeviceError
from app.model.settings import Enclosure

log = logging.getLogger(__name__)

#: A dome that stands within this of where it is to be turned stays.
_NEAR_DEG = 30.0


class GivenUp(DeviceError):
    """Nobody wants the errand any more: nothing further is sent."""


class Errand:
    """Something that is told to a device.

    Parameters
    ----------
    name : str
        Of its thread.
    do : callable
        Takes the errand, asks it before each command whether it may go on, and raises `DeviceError` when it fails.

    Attributes
    ----------
    began_s : float
        Monotonic, seconds.
    ended_s : float or None
        When the device had accepted everything, or it failed.
    failure : str
        Why it failed; empty while it runs, and when it did not.
    """

    def __init__(self, name: str, do: Callable[[Errand], None]) -> None:
        self.name = name
        self.began_s = monotonic()
        self.ended_s: float | None = None
        self.failure = ""
        self._do = do
        self._is_given_up = threading.Event()
        threading.Thread(target=self._run, name=name, daemon=True).start()

    def give_up(self) -> None:
        """Send nothing more; what hangs is left behind."""
        self._is_given_up.set()

    def check(self) -> None:
        """Raise `GivenUp` when it was."""
        if self._is_given_up.is_set():
            raise GivenUp(f"The errand {self.name} was given up: nothing more is sent")

    def pause(self, seconds: float) -> None:
        """Wait; raises `GivenUp` as soon as it is."""
        self._is_given_up.wait(seconds)
        self.check()

    def _run(self) -> None:
        failure = ""
        try:
            self._do(self)
        except GivenUp as error:
            log.info("%s", error)
        except DeviceError as error:
            failure = str(error)
            log.warning("The errand %s failed: %s", self.name, error)
        except Exception:
            log.exception("Bug in the errand %s", self.name)
            failure = f"The errand {self.name} failed by a bug, which the log of the guard has"
        self.failure = failure
        self.ended_s = monotonic()  # last: whoever sees it sees the failure too


class _HeldDome(AlpacaDome):
    """A dome that is told nothing more once the errand is given up."""

    def __init__(self, place: Address, errand: Errand) -> None:
        super().__init__(place)
        self._errand = errand

    def close_shutter(self) -> None:
        """Begin to close."""
        self._errand.check()
        super().close_shutter()

    def abort_slew(self) -> None:
        """Stop everything that moves."""
        self._errand.check()
        super().abort_slew()

    def slew_to_azimuth(self, azimuth_deg: float) -> None:
        """Begin to turn; 0 <= azimuth < 360."""
        self._errand.check()
        super().slew_to_azimuth(azimuth_deg)


def shut(places: Places, enclosure: Enclosure, *, connects: bool) -> Errand:
    """Tell the dome to close, in the order of a safety close.

    Parameters
    ----------
    connects : bool
        Whether the device is connected first: the first try does without, for CloseShutter must leave at once.
    """

    def do(errand: Errand) -> None:
        with closing(_HeldDome(places.dome, errand) if places.driver is None else places.dome_client()) as dome:
            if connects:
                try:
                    dome.connect()
                except DeviceError as error:
                    log.info("The dome does not connect before it is closed: %s", error)
            errand.check()  # of a driver, whose calls are not held: connecting it may take half a minute
            close_shutter(dome, enclosure, errand.pause)

    return Errand("close", do)


def park_mount(place: Address | None, *, stops: bool) -> Errand:
    """Tell the mount to park.

    Parameters
    ----------
    stops : bool
        Whether it is stopped first: where the roof could hit it.
    """

    def do(errand: Errand) -> None:
        if place is None:
            raise DeviceError("The mount cannot be parked: the settings name none; park it by hand")
        with closing(AlpacaMount(place)) as mount:
            if mount.read().is_parked:
                return
            if stops:
                for stop in (mount.abort_slew, mount.stop_tracking):
                    errand.check()
                    try:
                        stop()
                    except DeviceError as error:
                        log.info("The mount does not stop before it parks: %s", error)
            errand.check()
            mount.park()

    return Errand("park", do)


def turn_dome(places: Places, azimuth_deg: float) -> Errand:
    """Turn the dome to an azimuth that it reads, if it can turn and does not stand near it."""

    def do(errand: Errand) -> None:
        with closing(_HeldDome(places.dome, errand) if places.driver is None else places.dome_client()) as dome:
            if not dome.connect().can_set_azimuth:
                return
            sample = dome.read()
            if sample.azimuth_deg is None or abs(turn_deg(sample.azimuth_deg, azimuth_deg)) <= _NEAR_DEG:
                return
            errand.check()
            if sample.is_slaved:
                dome.set_slaved(False)
            errand.check()
            dome.slew_to_azimuth(azimuth_deg)

    return Errand("turn", do)


def close_cover(place: Address) -> Errand:
    """Tell the mirror cover to close."""

    def do(errand: Errand) -> None:
        with closing(AlpacaCover(place)) as cover:
            errand.check()
            cover.close_cover()

    return Errand("cover", do)
