"""What stands between a wish and a motion, as this program knows it now; and the guard's ear for what is done."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from app.model.clock import Clock
from app.model.dome import Override, WishKind
from app.model.guard import GuardState
from app.model.interlocks import Interlock, Situation, interlocks_of
from app.model.reading import NEVER_READ, Reading
from app.model.schedule import sun_altitude_deg
from app.model.settings import Enclosure, Guard, Site, WeatherLimits
from app.model.sky_verdict import sky_verdict
from app.model.surroundings import SKY_FRESH_S, Surroundings


class GuardPort(Protocol):
    """The guard as the dome service speaks to it; nothing here waits, from any thread."""

    @property
    def state(self) -> Reading[GuardState]:
        """Its newest word."""
        ...

    def stopped(self, who: str) -> object:
        """Somebody pressed STOP: a safety close begins its countdown."""
        ...

    def opening(self, who: str, is_attended: bool) -> object:
        """The dome is told to open."""
        ...

    def override(self, override: Override, covers: tuple[str, ...]) -> object:
        """Somebody takes the responsibility for what is named."""
        ...

    def end_override(self, who: str) -> object:
        """Nobody answers for anything any more."""
        ...


class Conditions:
    """Judges the interlocks by what the services read.

    Parameters
    ----------
    surroundings : callable
        Gives the newest state of mount, sky and contacts.
    guard : GuardPort or None
        None when this program speaks to none.
    stop_mount : callable
        Stops the mount's slew, without waiting for anything: STOP stops everything.
    site, limits, enclosure, rules
        Of the settings.
    clock, sky_clock : Clock
        For ages, and of the sky.
    is_attended : bool
        Whether an operator is there.
    """

    def __init__(
        self,
        surroundings: Callable[[], Surroundings],
        guard: GuardPort | None,
        stop_mount: Callable[[], object],
        site: Site,
        limits: WeatherLimits,
        enclosure: Enclosure,
        rules: Guard,
        clock: Clock,
        sky_clock: Clock,
        *,
        is_attended: bool,
    ) -> None:
        self._surroundings = surroundings
        self._guard = guard
        self._stop_mount = stop_mount
        self._site = site
        self._limits = limits
        self._rules = rules
        self._clock = clock
        self._sky_clock = sky_clock
        self._is_attended = is_attended
        self.enclosure = enclosure

    @property
    def guard(self) -> Reading[GuardState]:
        """The guard's newest word."""
        return NEVER_READ if self._guard is None else self._guard.state

    @property
    def closed_contact(self) -> Reading[bool]:
        """Whether an independent contact says that the shutter is closed."""
        return self._surroundings().closed_contact

    def of(self, kind: WishKind) -> tuple[Interlock, ...]:
        """Every interlock of a motion, met or not."""
        return interlocks_of(kind, self._situation())

    def opening(self, who: str) -> None:
        """The dome is told to open."""
        if self._guard is not None:
            self._guard.opening(who, self._is_attended)

    def override(self, override: Override, covers: tuple[str, ...]) -> None:
        """Somebody takes the responsibility for what is named."""
        if self._guard is not None:
            self._guard.override(override, covers)

    def end_override(self, who: str) -> None:
        """Nobody answers for anything any more."""
        if self._guard is not None:
            self._guard.end_override(who)

    def stopped(self, who: str) -> None:
        """Somebody pressed STOP: the mount stops, too, and a safety close begins its countdown."""
        self._stop_mount()
        if self._guard is not None:
            self._guard.stopped(who)

    def _is_safe_by(self, around: Surroundings, now_s: float) -> bool:
        return sky_verdict(around, self._limits, now_s, oldest_data_s=self._rules.silent_s).is_safe is True

    def _situation(self) -> Situation:
        now_s, around = self._clock.monotonic(), self._surroundings()
        monitor = around.is_safe.fresh_value(now_s, SKY_FRESH_S) is True
        station = _weather_alone(around)
        verdict = sky_verdict(around, self._limits, now_s, oldest_data_s=self._rules.silent_s)
        ages = [
            reading.age_s(now_s)
            for reading, is_there in ((around.is_safe, around.has_safety_monitor), (around.weather, around.has_weather))
            if is_there
        ]
        return Situation(
            guard=self.guard,
            verdict=verdict,
            sky_age_s=max((age for age in ages if age is not None), default=None),
            sources=int(monitor) + int(self._is_safe_by(station, now_s)),
            sun_altitude_deg=sun_altitude_deg(self._site, self._sky_clock.utc()),
            mount_is_parked=around.mount_is_parked(now_s),
            is_attended=self._is_attended,
            enclosure=self.enclosure,
            rules=self._rules,
            now_s=now_s,
        )


def _weather_alone(around: Surroundings) -> Surroundings:
    """The same without a safety monitor: what the weather station alone says."""
    return Surroundings(has_weather=around.has_weather, weather=around.weather)
