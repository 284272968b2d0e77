"""One safety close, from its reason to the closed shutter: told, watched, told again for ever."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from app.guard.errand import Errand, close_cover, park_mount, shut, turn_dome
from app.guard.places import Places
from app.guard.policy import Reason, Sight
from app.model.angles import wrapped_deg
from app.model.dome import ShutterState
from app.model.guard import GuardPlan
from app.model.settings import Enclosure
from app.model.surroundings import SKY_FRESH_S
from app.model.wording import duration_text

log = logging.getLogger(__name__)

#: From so many failures on the close escalates.
ESCALATES_AT = 2
#: A command that has no end by then hangs; a turn to the shutter's contacts may take longer.
_COMMAND_S, _COMMAND_WITH_TURN_S = 20.0, 240.0
#: A mount is parked by then.
_PARK_S = 180.0
_HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class Devices:
    """How devices are told: to close (connected first, or not), to park (stopped first, or not), to cover the mirror.

    `turn_dome` takes the azimuth that the dome shall read.
    """

    shut: Callable[[bool], Errand]
    park_mount: Callable[[bool], Errand]
    close_cover: Callable[[], Errand] | None
    turn_dome: Callable[[float], Errand]


def devices_at(places: Places, enclosure: Enclosure) -> Devices:
    """Those on the wire."""
    return Devices(
        shut=lambda connects: shut(places, enclosure, connects=connects),
        park_mount=lambda stops: park_mount(places.mount, stops=stops),
        close_cover=None if places.cover is None else partial(close_cover, places.cover),
        turn_dome=partial(turn_dome, places),
    )


class MotorStarts:
    """When the shutter's motor was started within the last hour."""

    def __init__(self, an_hour: int) -> None:
        self._an_hour = an_hour
        self._starts_s: deque[float] = deque()

    def add(self, now_s: float) -> None:
        """One more."""
        self._starts_s.append(now_s)

    def next_s(self, now_s: float) -> float:
        """When it may be started again."""
        while self._starts_s and self._starts_s[0] <= now_s - _HOUR_S:
            self._starts_s.popleft()
        if len(self._starts_s) < self._an_hour:
            return now_s
        return self._starts_s[-self._an_hour] + _HOUR_S


class Closing:
    """A close that has a reason; it ends when the shutter is known to be closed, which its owner sees.

    Attributes
    ----------
    failures : int
        How many tries in a row came to nothing.
    failure : str
        Why the newest of them did.
    next_s : float
        Monotonic time of the next try.
    """

    def __init__(self, reason: Reason, plan: GuardPlan, devices: Devices, starts: MotorStarts, now_s: float) -> None:
        self.reason = reason
        self.failures = 0
        self.failure = ""
        self.next_s = now_s
        self._plan = plan
        self._devices = devices
        self._starts = starts
        self._shutting: Errand | None = None
        self._parking: Errand | None = None
        self._beside: list[Errand] = []
        self._is_taken = False
        self._is_closing_seen = False
        self._closed_since_s: float | None = None
        self._tries = 0

    @property
    def is_trying(self) -> bool:
        """Whether a try is under way."""
        return self._shutting is not None or self._parking is not None

    def step(self, sight: Sight) -> None:
        """Go on: begin a try, or judge the one that is under way."""
        failure: str | None = None
        if self._shutting is not None:
            failure = self._judge_shutting(self._shutting, sight)
        elif self._parking is not None:
            failure = self._judge_parking(self._parking, sight)
        elif sight.now_s >= self.next_s:
            self._begin(sight)
        if failure is not None:
            self._fail(failure, sight)

    def stop(self) -> None:
        """Give up everything that is under way, without counting it as a failure."""
        self.finish()
        for errand in self._beside:
            errand.give_up()
        self._beside = []

    def finish(self) -> None:
        """Send nothing more to the dome; what was begun beside the close, the parking, goes on."""
        for errand in (self._shutting, self._parking):
            if errand is not None:
                errand.give_up()
        self._shutting = self._parking = None

    def _begin(self, sight: Sight) -> None:
        can_hit_mount = self._plan.enclosure.can_hit_mount is not False
        if can_hit_mount and sight.mount_is_parked is not True:
            log.warning("The roof may hit the mount, which is not known to be parked: it is parked before the close")
            self._parking = self._devices.park_mount(True)
            return
        log.warning("CloseShutter is sent, for the %s. time: %s", self._tries + 1, self.reason.says)
        self._is_closing_seen, self._closed_since_s = False, None
        self._shutting, self._is_taken = self._devices.shut(self._tries > 0), False
        if self._tries == 0 and not can_hit_mount and self._plan.mount.server is not None:
            self._beside.append(self._devices.park_mount(False))
        self._tries += 1

    def _judge_parking(self, errand: Errand, sight: Sight) -> str | None:
        """Why the parking failed; None while it goes on, and when it is done."""
        if sight.mount_is_parked is True:
            self._parking = None
            return None
        why = errand.failure
        if not why and sight.now_s - errand.began_s > _PARK_S:
            why = f"it is not parked {duration_text(_PARK_S)} after it was told to"
        if why:
            return f"The roof may hit the mount, and the mount is not known to be parked ({why}): park it by hand"
        return None

    def _judge_shutting(self, errand: Errand, sight: Sight) -> str | None:
        """Why the shutter does not close; None while it may."""
        now_s = sight.now_s
        if errand.ended_s is None:
            turns = self._plan.enclosure.shutter_azimuth_deg is not None
            limit_s = _COMMAND_WITH_TURN_S if turns else _COMMAND_S
            says = f"The dome has not answered to CloseShutter within {duration_text(limit_s)}: see whether it hangs"
            return says if now_s - errand.began_s > limit_s else None
        if errand.failure:
            return errand.failure
        if not self._is_taken:  # what the dome did not take started no motor
            self._is_taken = True
            self._starts.add(now_s)
        is_newer = sight.dome.read_s is not None and sight.dome.read_s >= errand.ended_s
        return self._judge_motion(sight.shutter if is_newer else None, now_s - errand.ended_s, now_s)

    def _judge_motion(self, shutter: ShutterState | None, since_s: float, now_s: float) -> str | None:
        """Why the shutter does not close though the dome has accepted it `since_s` ago; None while it may."""
        start_s, end_s = self._plan.dome.motion_start_s, self._plan.dome.motion_end_s
        if shutter is ShutterState.CLOSED:  # a contact says otherwise: it may be slower
            self._closed_since_s = now_s if self._closed_since_s is None else self._closed_since_s
            is_slow = now_s - self._closed_since_s <= start_s
            return None if is_slow else "The dome says closed, but the contact of the shutter says not: look at it"
        if shutter is ShutterState.CLOSING:
            self._is_closing_seen = True
            says = f"The shutter is still closing after {duration_text(end_s)}: see what holds it"
            return says if since_s > end_s else None
        if shutter is None:
            says = "The dome accepted CloseShutter, and is not read since: nobody knows whether it is closed"
            return says if since_s > (end_s if self._is_closing_seen else start_s) else None
        if self._is_closing_seen:
            return f"The shutter stopped on its way to closed, and says {shutter}: see what holds it"
        says = f"The dome accepted CloseShutter, and its shutter still says {shutter} after {duration_text(start_s)}"
        return f"{says}: close it by hand" if since_s > start_s else None

    def _fail(self, failure: str, sight: Sight) -> None:
        self.finish()
        self.failures += 1
        self.failure = failure
        rules = self._plan.guard
        wait_s = min(rules.retry_s * 2.0 ** min(self.failures - 1, 30), rules.longest_retry_s)
        rests_s = min(self._starts.next_s(sight.now_s) - sight.now_s, rules.longest_retry_s)
        self.next_s = sight.now_s + max(wait_s, rests_s)
        log.error("Close %s failed, next in %s: %s", self.failures, duration_text(self.next_s - sight.now_s), failure)
        if self.failures >= ESCALATES_AT:
            self._escalate(sight)

    def _escalate(self, sight: Sight) -> None:
        """Save what can be saved: the mount, the mirror, and the slit's lee."""
        self._beside = [errand for errand in self._beside if errand.ended_s is None]
        if self._plan.mount.server is not None and sight.mount_is_parked is not True:
            self._beside.append(self._devices.park_mount(False))
        if self._devices.close_cover is not None:
            self._beside.append(self._devices.close_cover())
        if (azimuth_deg := lee_deg(sight, self._plan)) is not None:
            log.warning("The slit is turned away from the wind, to %.0f°", azimuth_deg)
            self._beside.append(self._devices.turn_dome(azimuth_deg))


def lee_deg(sight: Sight, plan: GuardPlan) -> float | None:
    """What the dome reads when its slit looks where the wind goes; None when nobody knows, or it must not turn.

    A shutter that has its power at one azimuth stays near it, and a roof that can hit the mount is not turned.
    """
    weather = sight.around.weather.fresh_value(sight.now_s, SKY_FRESH_S)
    if plan.enclosure.can_hit_mount is not False or plan.enclosure.shutter_azimuth_deg is not None or weather is None:
        return None
    if not weather.wind_direction_deg:  # by ASCOM's word 0 is a calm, and a wind from the north 360
        return None
    return wrapped_deg(weather.wind_direction_deg + 180.0 + plan.slaving.azimuth_zero_deg)
