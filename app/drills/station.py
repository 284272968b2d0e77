"""The stage of most drills: the services in this process, over a guard process."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from time import monotonic

from app.bootstrap.devices import Devices, simulated_devices
from app.bootstrap.embedded import start_simulator
from app.bootstrap.observatory import Observatory
from app.bootstrap.station import Station, open_station
from app.drills.controls import Controls, DrillFailed
from app.drills.stage import CALM_S, LOOK_S, SCALE, Stage, end_guard
from app.model.alarm_causes import Watched, alarms_of
from app.model.alarms import Alarm, AlarmBook
from app.model.clock import SystemClock
from app.model.dome import DomeRefused, DomeWish, Move, WishKind
from app.model.guard import GUARD_FRESH_S, GuardPhase, GuardPlan, GuardState
from app.model.interlocks import is_closed_word
from app.model.sky_verdict import SkyVerdict, sky_verdict
from app.paths import guard_folder
from app.sim.place import NIGHT

LEASE = "drill"


class JumpingClock:
    """The machine's clock, but for the time of day, which may be set otherwise while everything runs."""

    def __init__(self) -> None:
        self._clock = SystemClock()
        self.ahead = timedelta()

    def utc(self) -> datetime:
        """Now, as far off as it was set."""
        return self._clock.utc() + self.ahead

    def monotonic(self) -> float:
        """Seconds since some start, which nothing sets."""
        return self._clock.monotonic()


@dataclass(frozen=True, slots=True)
class Word:
    """Something that service, guard or alarms began to say at a monotonic time, seconds."""

    at_s: float
    says: str


class StationStage(Stage):
    """The services in this process, over a guard process.

    Parameters
    ----------
    controls : Controls
        Of the simulator.
    station : Station
        What is on duty there.
    clock : JumpingClock
        The station's.
    plan : GuardPlan
        What its guard guards.

    Attributes
    ----------
    alarms : tuple of Alarm
        As a window would show them now.
    """

    def __init__(self, controls: Controls, station: Station, clock: JumpingClock, plan: GuardPlan) -> None:
        super().__init__(controls)
        self.station = station
        self.clock = clock
        self.plan = plan
        self.alarms: tuple[Alarm, ...] = ()
        self._book = AlarmBook()
        self._heard: list[Word] = []
        self._spoken: frozenset[str] = frozenset()
        self._began_s = monotonic()

    async def listen(self) -> None:
        """Keep the lease and the alarms, as a window does, until cancelled."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def restore(self) -> None:
        """Have everything mended, closed and calm, and no alarm; raises `DrillFailed` when it does not calm down."""
        self.controls.mend()
        self.clock.ahead = timedelta()
        self.until("Calm", self._is_calm, CALM_S)
        self.station.loop.submit(self._forget()).result(CALM_S)

    def open_dome(self) -> None:
        """Have the shutter open and known to be, at once."""
        self.controls.change(shutter="open")
        self.until("The open shutter", self._is_known_open, 5.0)

    def ask(self, wish: DomeWish) -> Move:
        """Ask the dome service; raises `DomeRefused`, `DeviceError`."""
        return self.station.loop.submit(self.station.dome.ask(wish, "drill")).result(30.0)

    def refusal(self, kind: WishKind) -> str:
        """Why the dome service refuses a motion; raises `DrillFailed` when it does not."""
        try:
            self.ask(DomeWish(kind))
        except DomeRefused as error:
            return str(error)
        raise DrillFailed(f"The dome service passed {kind} on, which it must refuse; {self.says()}")

    def first_word_s(self, since_s: float, *words: str) -> float:
        """Monotonic time of the first of these words; waits for it for some seconds."""

        def found() -> list[Word]:
            return [one for one in tuple(self._heard) if one.at_s >= since_s and one.says in words]

        self.until(f"The word {' or '.join(words)}", lambda: bool(found()), 20.0)
        return found()[0].at_s

    def has_said(self, since_s: float, *words: str) -> bool:
        """Whether anybody began to say something that begins like these since then."""
        return any(one.at_s >= since_s and one.says.startswith(words) for one in tuple(self._heard))

    def guard_word(self) -> GuardState | None:
        """The guard's word, while it is fresh."""
        return self.station.guard.state.fresh_value(monotonic(), GUARD_FRESH_S)

    @property
    def shutter_word(self) -> str:
        """As the window shows it."""
        return str(self.station.dome.state.shutter_word(monotonic()))

    def is_shown_closed(self) -> bool:
        """Whether the window shows a closed shutter."""
        return is_closed_word(self.station.dome.state.shutter_word(monotonic()))

    def alarm(self, key: str) -> Alarm | None:
        """The alarm of that key; None when there is none."""
        return next((one for one in self.alarms if one.key == key), None)

    def _is_known_open(self) -> bool:
        guard = self.guard_word()
        return self.shutter_word == "open" and guard is not None and guard.shutter == "open"

    def _is_calm(self) -> bool:
        guard, now_s = self.guard_word(), monotonic()
        if guard is None or guard.phase is not GuardPhase.WATCHING or not guard.is_safe:
            return False
        is_safe = self._verdict(now_s).is_safe is True
        return self.is_shown_closed() and is_safe and guard.shutter.endswith("closed") and not guard.faults

    def _verdict(self, now_s: float) -> SkyVerdict:
        """The verdict that the window would show."""
        settings, around = self.station.observatory.settings, self.station.surroundings.state
        return sky_verdict(around, settings.weather_limits, now_s, oldest_data_s=settings.guard.silent_s)

    def _look(self) -> None:
        station, now_s = self.station, monotonic()
        station.guard.tick(LEASE)
        dome, guard = station.dome.state, station.guard.state
        causes = alarms_of(Watched(dome, self._verdict(now_s), guard, 0, self._began_s, now_s))
        self.alarms = self._book.take(causes, now_s, self.clock.utc())
        spoken = {f"alarm {key}" for key in causes} | {f"shutter {dome.shutter_word(now_s)}"}
        if dome.failure is not None:
            spoken.add("dome not read")
        if (word := self.guard_word()) is not None:
            spoken |= {f"guard {word.phase}"} | ({f"guard says {word.phase}"} if word.reason else set())
        self._heard += [Word(now_s, says) for says in sorted(spoken - self._spoken)]
        self._spoken = frozenset(spoken)

    async def _forget(self) -> None:
        """Forget alarms and words; on the loop's thread, where they are kept."""
        self._book, self._heard = AlarmBook(), []


@dataclass(frozen=True, slots=True)
class Scene:
    """What a stage is built like.

    Attributes
    ----------
    options : tuple of str
        Of ``cupola simulate``, but for the scale.
    scale : float
        Of the simulated motors.
    adapt : callable
        Makes the devices of the scene from the simulator's.
    """

    options: tuple[str, ...] = ()
    scale: float = SCALE
    adapt: Callable[[Devices], Devices] = field(default=lambda devices: devices)


@contextmanager
def station_stage(observatory: Observatory, scene: Scene) -> Iterator[StationStage]:
    """Raise a stage in this process; simulator and guard end with it.

    Raises
    ------
    ObservatoryError
        A part of it does not begin.
    """
    clock = JumpingClock()
    observatory = replace(observatory, clock=clock)
    with ExitStack() as stack:
        simulator = start_simulator(f"{NIGHT.isoformat()} {monotonic()}", *_options(scene))
        stack.callback(simulator.end)
        controls = Controls(simulator)
        devices = scene.adapt(simulated_devices(simulator, observatory.settings.site))
        plan = GuardPlan(folder=str(guard_folder()), dome=devices.dome)
        stack.callback(end_guard, plan)
        station = stack.enter_context(open_station(observatory, devices, serves_http=False))
        stage = StationStage(controls, station, clock, plan)
        station.loop.submit(stage.listen())
        yield stage


def _options(scene: Scene) -> tuple[str, ...]:
    return ("--scale", str(scene.scale), "--idle", "300", *scene.options)
