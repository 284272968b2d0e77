"""The order in which a shutter is closed: CloseShutter at once; only when that is refused, stop everything and again."""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic

from app.model.angles import turn_deg
from app.model.dome import DeviceError, DeviceNotSupported, DeviceRefused, DeviceUnreachable, DomeSample, ShutterState
from app.model.ports import DomeClient
from app.model.settings import Enclosure

log = logging.getLogger(__name__)

#: How long a dome has to stand still after AbortSlew.
STANDS_WITHIN_S = 5.0
#: How near the shutter's contacts must be, and how long a turn to them may last.
_CONTACT_DEG, _TURN_S = 1.5, 180.0
_LOOK_S = 0.2


def close_shutter(client: DomeClient, enclosure: Enclosure, pause: Callable[[float], object]) -> None:
    """Tell a dome to close; a shutter that is closing is never stopped.

    Parameters
    ----------
    client : DomeClient
        Of the thread that calls; it may be blocked for as long as the turn to the shutter's contacts lasts.
    enclosure : Enclosure
        Where the shutter has its power.
    pause : callable
        Waits so many seconds.

    Raises
    ------
    DeviceError
        The dome did not accept it: nothing may be assumed.
    """
    if enclosure.shutter_azimuth_deg is not None:
        try:
            _bring_to_power(client, enclosure.shutter_azimuth_deg, pause)
        except DeviceError as error:
            log.warning("The dome is not brought to its shutter's power, CLOSE is sent all the same: %s", error)
    try:
        client.close_shutter()
    except (DeviceNotSupported, DeviceUnreachable):
        raise
    except DeviceRefused as refusal:
        if client.read().shutter in (ShutterState.CLOSING, ShutterState.CLOSED):
            return
        log.warning("CloseShutter was refused, everything is stopped before it is sent again: %s", refusal)
        client.abort_slew()
        _wait_until(client, lambda sample: not sample.is_slewing, STANDS_WITHIN_S, pause)
        client.close_shutter()


def _bring_to_power(client: DomeClient, azimuth_deg: float, pause: Callable[[float], object]) -> None:
    """Turn an open dome to where its shutter has power, its driver's own following off."""
    sample = client.read()
    if sample.shutter is ShutterState.CLOSED:
        return
    if sample.is_slaved:
        client.set_slaved(False)
    turn_to_contacts(client, azimuth_deg, pause)


def turn_to_contacts(client: DomeClient, azimuth_deg: float, pause: Callable[[float], object]) -> None:
    """Turn to where the shutter has its power, and wait until the dome stands there; raises `DeviceError`."""

    def is_there(sample: DomeSample) -> bool:
        """Slewing is true of a moving shutter, too: one that moves has its power."""
        is_turning = sample.is_slewing and sample.shutter not in (ShutterState.OPENING, ShutterState.CLOSING)
        if is_turning or sample.azimuth_deg is None:
            return False
        return abs(turn_deg(sample.azimuth_deg, azimuth_deg)) <= _CONTACT_DEG

    if is_there(client.read()):
        return
    client.slew_to_azimuth(azimuth_deg)
    if not _wait_until(client, is_there, _TURN_S, pause):
        raise DeviceRefused(
            f"The dome did not come to {azimuth_deg:.1f}°, where its shutter has power, within {_TURN_S:.0f} s: "
            "turn it there by hand"
        )


def _wait_until(
    client: DomeClient, is_so: Callable[[DomeSample], bool], seconds: float, pause: Callable[[float], object]
) -> bool:
    """Look at the dome until it is so; False when the time is over."""
    deadline_s = monotonic() + seconds
    while monotonic() < deadline_s:
        try:
            if is_so(client.read()):
                return True
        except DeviceError as error:  # it may come back within the time
            log.debug("The dome is not read while it is waited for: %s", error)
        pause(_LOOK_S)
    return False
