"""Small stand-ins for what tests do not want to be real; contract tests keep them honest."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePath
from typing import Any

from app.model.angles import turn_deg, wrapped_deg
from app.model.batch import (
    SUCCESS,
    Combination,
    Exposure,
    FileBatch,
    LeftOut,
    NewCombination,
    NewExposure,
    Pins,
    Problem,
    ProductKind,
    Status,
    StepRun,
)
from app.model.dome import DeviceError, DeviceNotSupported, DeviceRefused, DomeFacts, DomeSample, ShutterState
from app.model.errors import UnknownBatch
from app.model.frame import FrameKind
from app.model.surroundings import MountSample, Weather
from app.model.work_order import source_of_url


@dataclass(slots=True)
class FakeClock:
    """A clock that moves only when it is told to."""

    now: datetime = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)

    def utc(self) -> datetime:
        return self.now

    def monotonic(self) -> float:
        return time.monotonic()

    def advance(self, **duration: float) -> None:
        self.now += timedelta(**duration)


@dataclass(slots=True)
class _Made:
    """A combination and the generation it belongs to."""

    key: int
    batch: int
    generation: int
    value: NewCombination
    made_at: datetime
    is_superseded: bool = False


@dataclass(slots=True)
class _Step:
    """A step and the run it belongs to."""

    batch: int
    run: int
    value: StepRun


@dataclass(slots=True)
class MemoryBatches:
    """A `BatchStore` in memory, with the few methods of `Batches` that set a test's scene."""

    clock: FakeClock = field(default_factory=FakeClock)
    _batches: dict[int, FileBatch] = field(default_factory=dict)
    _runs: dict[int, int] = field(default_factory=dict)
    _known: dict[tuple[str, str], Exposure] = field(default_factory=dict)
    _members: dict[int, dict[int, Path]] = field(default_factory=dict)
    _left_out: dict[int, tuple[LeftOut, ...]] = field(default_factory=dict)
    _corrections: dict[str, FrameKind] = field(default_factory=dict)
    _overrides: dict[str, bool] = field(default_factory=dict)
    _pins: dict[tuple[int, int], Pins] = field(default_factory=dict)
    _made: dict[int, _Made] = field(default_factory=dict)
    _made_count: int = 0
    _steps: list[_Step] = field(default_factory=list)

    def open_batch(self, source: str, folder_root: Path) -> FileBatch:
        source = str(Path(source_of_url(source)).resolve())
        for batch in self._batches.values():
            if batch.source == source:
                return batch
        taken = {batch.name for batch in self._batches.values()}
        name, number = PurePath(source).name, 1
        while name in taken:
            number += 1
            name = f"{PurePath(source).name}-{number}"
        key = len(self._batches) + 1
        made = FileBatch(key, name, source, folder_root / name, Status.WAITING, 0, 1, self.clock.utc())
        self._batches[key] = made
        return made

    def move_to(self, batch: int, folder_root: Path) -> FileBatch:
        known = self.batch(batch)
        folder = folder_root / known.name
        if known.folder != folder:
            self._remove([made for made in self._of(batch) if not self._is_used_elsewhere(made)])
            for made in self._of(batch):
                made.value, made.is_superseded = replace(made.value, path=self._value(made).file), True
            self._unpin(batch, range(known.target_generation + 1))
            target = known.target_generation + 1
            self._batches[batch] = replace(known, folder=folder, generation=0, target_generation=target)
        return self._batches[batch]

    def begin_restart(self, batch: int) -> FileBatch:
        known = self.batch(batch)
        unfinished = [made for made in self._of(batch) if made.generation > known.generation]
        self._remove([made for made in unfinished if not self._is_used_elsewhere(made)])
        target = max(known.target_generation, known.generation + 1)
        self._unpin(batch, range(known.generation + 1, target + 1))
        self._batches[batch] = replace(known, target_generation=target)
        return self._batches[batch]

    def correct(self, checksum: str, kind: FrameKind, who: str, file: str | None = None) -> None:
        self._corrections[checksum] = kind

    def override(self, checksum: str, is_used: bool | None, who: str, file: str) -> bool | None:
        before = self._overrides.pop(checksum, None)
        if is_used is not None:
            self._overrides[checksum] = is_used
        return before

    def overrides(self) -> dict[str, bool]:
        return dict(self._overrides)

    def batch(self, batch: int) -> FileBatch:
        if batch not in self._batches:
            raise UnknownBatch(f"No batch has the number {batch}")
        return self._batches[batch]

    def set_status(self, batch: int, status: Status) -> None:
        self._batches[batch] = replace(self.batch(batch), status=status)

    def set_exposures(self, batch: int, exposures: Sequence[NewExposure]) -> None:
        self.batch(batch)
        members = {}
        for new in exposures:
            identity = new.checksum, new.file
            key = self._known[identity].key if identity in self._known else len(self._known) + 1
            values = {name.name: getattr(new, name.name) for name in fields(NewExposure)}
            self._known[identity] = Exposure(**values, key=key)
            members[key] = new.path
        self._members[batch] = members

    def exposures(self, batch: int, kind: FrameKind | None = None) -> tuple[Exposure, ...]:
        members = self._members.get(batch, {})
        found = [replace(one, path=members[one.key]) for one in self._known.values() if one.key in members]
        chosen = [one for one in found if kind is None or one.recognition.kind is kind]
        latest = datetime.max.replace(tzinfo=UTC)
        return tuple(sorted(chosen, key=lambda one: (one.facts.started_at or latest, one.file)))

    def corrections(self) -> dict[str, FrameKind]:
        return dict(self._corrections)

    def set_left_out(self, batch: int, left_out: Sequence[LeftOut]) -> None:
        self.batch(batch)
        self._left_out[batch] = tuple(left_out)

    def left_out(self, batch: int) -> tuple[LeftOut, ...]:
        return self._left_out.get(batch, ())

    def find(self, batch: int, recipe: str) -> Combination | None:
        return next((one for one in self.combinations(batch) if one.recipe == recipe), None)

    def combinations(self, batch: int, kind: ProductKind | None = None) -> tuple[Combination, ...]:
        found = [self._value(made) for made in self._of_target(batch)]
        return tuple(one for one in found if kind in (None, one.kind))

    def library(self, kind: ProductKind, other_than: int) -> tuple[Combination, ...]:
        shown = [one for batch in self._batches if batch != other_than for one in self.shown(batch)]
        return tuple(sorted((one for one in shown if one.kind is kind), key=lambda one: -one.key))

    def pins(self, batch: int) -> Pins | None:
        pins = self._pins.get((batch, self.batch(batch).target_generation))
        if pins is None:
            return None
        masters = [self._value(self._made[one.key]) for one in pins.masters if one.key in self._made]
        return replace(pins, masters=tuple(sorted(masters, key=lambda one: -one.key)))

    def pin(self, batch: int, pins: Pins) -> None:
        kept = json.loads(json.dumps(pins.distortions, allow_nan=False))
        self._pins[batch, self.batch(batch).target_generation] = replace(pins, distortions=tuple(kept))

    def _unpin(self, batch: int, generations: range) -> None:
        for generation in generations:
            self._pins.pop((batch, generation), None)

    def record(self, batch: int, made: NewCombination) -> Combination:
        generation = self.batch(batch).target_generation
        known = [made for made in self._of(batch) if made.generation == generation]
        self._remove([one for one in known if one.value.path == made.path and one.value.recipe != made.recipe])
        row = next((one for one in known if one.value.recipe == made.recipe), None)
        if row is None:
            self._made_count += 1
            row = _Made(self._made_count, batch, generation, made, self.clock.utc())
        row.value, row.made_at, row.is_superseded = _kept(made), self.clock.utc(), False
        self._made[row.key] = row
        return self._value(row)

    def record_measurement(self, combination: int, checksum: str, qc: dict[str, Any], wcs: dict[str, Any]) -> None:
        made = self._made[combination]
        made.value = _kept(replace(made.value, checksum=checksum, qc=qc, wcs=wcs))

    def forget(self, batch: int, keep: Sequence[int]) -> tuple[Combination, ...]:
        return self._retire([made for made in self._of_target(batch) if made.key not in keep])

    def promote(self, batch: int) -> tuple[Combination, ...]:
        known = self.batch(batch)
        self._batches[batch] = replace(known, generation=known.target_generation)
        self._unpin(batch, range(known.target_generation))
        return self._retire([made for made in self._of(batch) if made.generation < known.target_generation])

    def shown(self, batch: int) -> tuple[Combination, ...]:
        generation = self.batch(batch).generation
        of_set = [made for made in self._of(batch) if made.generation == generation and not made.is_superseded]
        return tuple(self._value(made) for made in of_set)

    def is_taken(self, batch: int, path: Path, recipe: str) -> bool:
        target = self.batch(batch).target_generation
        others = [made for made in self._of(batch) if made.generation == target and made.value.recipe != recipe]
        return any(made.value.path == path and self._is_used_elsewhere(made) for made in others)

    def _retire(self, stale: Sequence[_Made]) -> tuple[Combination, ...]:
        gone = [made for made in stale if not self._is_used_elsewhere(made)]
        values = tuple(self._value(made) for made in gone)
        for made in stale:
            made.is_superseded = True
        self._remove(gone)
        return values

    def _is_used_elsewhere(self, made: _Made) -> bool:
        others = [pins.masters for (batch, _), pins in self._pins.items() if batch != made.batch]
        if any(made.key == one.key for masters in others for one in masters):
            return True
        return any(made.key in other.value.uses and other.batch != made.batch for other in self._made.values())

    def begin_step(self, batch: int, name: str, code: int, description: str) -> int:
        self.batch(batch)
        value = StepRun(name, Status.RUNNING, self.clock.utc(), None, code)
        self._steps.append(_Step(batch, self._runs.get(batch, 0), value))
        return len(self._steps)

    def end_step(
        self, step_run: int, status: Status, seconds: float, error: str | None, problems: Sequence[Problem]
    ) -> None:
        step = self._steps[step_run - 1]
        code = SUCCESS if status in (Status.DONE, Status.DONE_WITH_PROBLEMS) else step.value.code
        step.value = replace(
            step.value, status=status, seconds=seconds, code=code, error=error, problems=tuple(problems)
        )

    def begin_run(self, batch: int) -> None:
        self.batch(batch)
        self._runs[batch] = self._runs.get(batch, 0) + 1
        for step in self._steps:
            if step.batch == batch and step.value.status is Status.RUNNING:
                step.value = replace(step.value, status=Status.FAILED, error="The step was killed before it ended")

    def steps(self, batch: int) -> tuple[StepRun, ...]:
        run = self._runs.get(batch, 0)
        return tuple(step.value for step in self._steps if (step.batch, step.run) == (batch, run))

    def _of(self, batch: int) -> list[_Made]:
        return [made for made in self._made.values() if made.batch == batch]

    def _of_target(self, batch: int) -> list[_Made]:
        target = self.batch(batch).target_generation
        return [made for made in self._of(batch) if made.generation == target and not made.is_superseded]

    def _remove(self, gone: Sequence[_Made]) -> None:
        keys = {made.key for made in gone}
        for key in keys:
            del self._made[key]
        for made in self._made.values():
            made.value = replace(made.value, uses=tuple(used for used in made.value.uses if used not in keys))

    def _value(self, made: _Made) -> Combination:
        batch = self._batches[made.batch]
        names = {exposure.key: exposure.file for exposure in self._known.values()}
        values = {name.name: getattr(made.value, name.name) for name in fields(NewCombination)}
        return Combination(
            **values,
            key=made.key,
            batch=made.batch,
            file=batch.set_folder(made.generation) / made.value.path,
            made_at=made.made_at,
            inputs=tuple(names[key] for key in made.value.exposures),
        )


def _kept(made: NewCombination) -> NewCombination:
    """What a database gives back: JSON has no tuples, and shares nothing with the caller."""
    parameters, qc, wcs = json.loads(json.dumps([made.parameters, made.qc, made.wcs], allow_nan=False))
    return replace(made, parameters=parameters, qc=qc, wcs=wcs)


@dataclass(slots=True)
class ScriptedDome:
    """A `DomeClient` and its dome: every reading moves it one step, so that tests need no time.

    Attributes
    ----------
    errors : dict
        What the next calls of a method raise, in order, such as ``{"read": [DeviceUnreachable("gone")]}``.
    obeys : bool
        False accepts every command and does nothing.
    hanging : set of str
        Methods that hang until `let_go` is set.
    calls : list of str
        Every call but `read`, `warm` and `close`, in order.
    altitude_deg, is_slaved
        None is a dome without an opening that is raised, or without a telescope of its own; see `with_all_parts`.
    """

    azimuth_deg: float = 255.0
    shutter: ShutterState = ShutterState.CLOSED
    park_deg: float = 255.0
    home_deg: float = 75.0
    step_deg: float = 30.0
    shutter_steps: int = 2
    facts: DomeFacts = field(default_factory=lambda: DomeFacts("Scripted dome", 3, True, True, True, True))
    errors: dict[str, list[DeviceError]] = field(default_factory=dict)
    obeys: bool = True
    hanging: set[str] = field(default_factory=set)
    let_go: threading.Event = field(default_factory=threading.Event)
    calls: list[str] = field(default_factory=list)
    reads: int = 0
    altitude_deg: float | None = None
    is_slaved: bool | None = None
    _altitude_target_deg: float | None = None
    _target_deg: float | None = None
    _ends_at: str = ""
    _steps_left: int = 0
    _lock: threading.RLock = field(default_factory=threading.RLock)
    _at_park: bool = True
    _at_home: bool = False

    @classmethod
    def with_all_parts(cls, **given: Any) -> ScriptedDome:
        """One whose opening is raised, and whose driver follows a telescope."""
        facts = DomeFacts("Scripted dome", 3, True, True, True, True, can_set_altitude=True, can_slave=True)
        return cls(facts=facts, altitude_deg=45.0, is_slaved=False, **given)

    def connect(self) -> DomeFacts:
        self._begin("connect")
        return self.facts

    def read(self) -> DomeSample:
        self._begin("read")
        with self._lock:
            self.reads += 1
            sample = DomeSample(
                self.azimuth_deg,
                self.shutter,
                self._is_moving(),
                self._at_park,
                self._at_home,
                self.altitude_deg,
                self.is_slaved,
            )
            self._step()
        return sample

    def slew_to_azimuth(self, azimuth_deg: float) -> None:
        self._begin("slew_to_azimuth")
        if not 0.0 <= azimuth_deg < 360.0:
            raise DeviceRefused(f"azimuth {azimuth_deg} is outside of 0 to 360")
        self._turn(azimuth_deg, "")

    def slew_to_altitude(self, altitude_deg: float) -> None:
        self._begin("slew_to_altitude")
        if self.altitude_deg is None:
            raise DeviceNotSupported("this dome has no altitude")
        if not 0.0 <= altitude_deg <= 90.0:
            raise DeviceRefused(f"altitude {altitude_deg} is outside of 0 to 90")
        if self.obeys:
            self._altitude_target_deg = altitude_deg

    def set_slaved(self, is_slaved: bool) -> None:
        self._begin("set_slaved")
        if self.is_slaved is None and is_slaved:
            raise DeviceNotSupported("this dome cannot be slaved")
        if self.is_slaved is not None and self.obeys:
            self.is_slaved = is_slaved

    def open_shutter(self) -> None:
        self._begin("open_shutter")
        if self.shutter is ShutterState.ERROR:
            raise DeviceRefused("the shutter is in error: close it first")
        self._drive(ShutterState.OPENING, ShutterState.OPEN)

    def close_shutter(self) -> None:
        self._begin("close_shutter")
        self._drive(ShutterState.CLOSING, ShutterState.CLOSED)

    def park(self) -> None:
        self._begin("park")
        self._turn(self.park_deg, "park")

    def find_home(self) -> None:
        self._begin("find_home")
        self._turn(self.home_deg, "home")

    def abort_slew(self) -> None:
        self._begin("abort_slew")
        if self.obeys:
            with self._lock:
                self._target_deg = self._altitude_target_deg = None
                self._steps_left = 0
                self.is_slaved = None if self.is_slaved is None else False
                if self.shutter in (ShutterState.OPENING, ShutterState.CLOSING):
                    self.shutter = ShutterState.ERROR

    def warm(self) -> None:
        pass

    def close(self) -> None:
        pass

    def _begin(self, method: str) -> None:
        if method != "read":
            self.calls.append(method)
        if method in self.hanging:
            assert self.let_go.wait(10.0), f"{method} hangs for longer than a test may"
        if self.errors.get(method):
            raise self.errors[method].pop(0)

    def _turn(self, target_deg: float, ends_at: str) -> None:
        if self.is_slaved:
            raise DeviceRefused("the driver follows its telescope: end that first")
        if self.obeys:
            with self._lock:
                self._target_deg, self._ends_at = target_deg, ends_at
                self._at_park = self._at_home = False
                if self.azimuth_deg == target_deg:
                    self._arrive()

    def _drive(self, during: ShutterState, end: ShutterState) -> None:
        if self.obeys and self.shutter is not end:
            with self._lock:
                self.shutter, self._steps_left = during, self.shutter_steps

    def _is_moving(self) -> bool:
        is_turning = self._target_deg is not None or self._altitude_target_deg is not None
        return is_turning or self.shutter in (ShutterState.OPENING, ShutterState.CLOSING)

    def _step(self) -> None:
        if self._target_deg is not None:
            turn = turn_deg(self.azimuth_deg, self._target_deg)
            self.azimuth_deg = wrapped_deg(self.azimuth_deg + max(-self.step_deg, min(self.step_deg, turn)))
            if abs(turn) <= self.step_deg:
                self._arrive()
        if self._altitude_target_deg is not None:
            self.altitude_deg, self._altitude_target_deg = self._altitude_target_deg, None
        if self.shutter in (ShutterState.OPENING, ShutterState.CLOSING):
            self._steps_left -= 1
            if self._steps_left <= 0:
                opened = self.shutter is ShutterState.OPENING
                self.shutter = ShutterState.OPEN if opened else ShutterState.CLOSED

    def _arrive(self) -> None:
        self._target_deg = None
        self._at_park, self._at_home = self._ends_at == "park", self._ends_at == "home"


class LaterExecutor(Executor):
    """Does what it is given when the test says so, in the test's own thread."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Future[Any], Callable[..., Any], tuple[Any, ...]]] = []

    def submit(self, function: Callable[..., Any], /, *arguments: Any, **_: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((future, function, arguments))
        return future

    def work(self) -> None:
        """Do everything, with what that asks for."""
        while self.waiting:
            future, function, arguments = self.waiting.pop(0)
            try:
                future.set_result(function(*arguments))
            except Exception as error:  # noqa: BLE001 - as every executor does
                future.set_exception(error)


@dataclass(slots=True)
class ScriptedSource:
    """A client of a mount, safety monitor, weather station, contact or cover.

    Attributes
    ----------
    values : list
        What it gives in order, the last one again and again.
    errors : dict
        What the next calls of a command raise, in order, such as ``{"park": [DeviceRefused("it slews")]}``.
    calls : list of str
        Every command, in order.
    """

    values: list[MountSample | Weather | bool | DeviceError] = field(default_factory=list)
    hangs_until: threading.Event | None = None
    aborted: threading.Event = field(default_factory=threading.Event)
    errors: dict[str, list[DeviceError]] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def read(self) -> Any:
        if self.hangs_until is not None:
            assert self.hangs_until.wait(10.0), "a reading hangs for longer than a test may"
        value = self.values.pop(0) if len(self.values) > 1 else self.values[0]
        if isinstance(value, DeviceError):
            raise value
        return value

    def abort_slew(self) -> None:
        self._command("abort_slew")
        self.aborted.set()

    def park(self) -> None:
        self._command("park")

    def stop_tracking(self) -> None:
        self._command("stop_tracking")

    def close_cover(self) -> None:
        self._command("close_cover")

    def close(self) -> None:
        pass

    def _command(self, method: str) -> None:
        self.calls.append(method)
        if self.errors.get(method):
            raise self.errors[method].pop(0)


class ComError(Exception):
    """An error as comtypes raises it: HRESULT, text, details with the driver's own words first."""

    def __init__(self, number: int, words: str) -> None:
        super().__init__(number - 2**32, None, (words, "Scripted dome", None, None, None))


class ComDome:
    """A driver's object as COM gives it, on a scripted dome: ASCOM's names, HRESULTs, and one thread that may call.

    Reading Azimuth moves the dome one step; the other members are of the same moment.
    """

    def __init__(self, dome: ScriptedDome) -> None:
        self.dome = dome
        self.Connected = False
        self._thread = threading.get_ident()
        self._sample: DomeSample | None = None

    def __getattribute__(self, name: str) -> Any:
        if name[0].isupper():
            assert threading.get_ident() == self._thread, f"{name} is called outside of its apartment"
        return super().__getattribute__(name)

    def __getattr__(self, name: str) -> Any:
        if name in _COM_FACTS:
            return getattr(self._called(self.dome.connect), _COM_FACTS[name])
        if name in _COM_COMMANDS:
            return lambda *arguments: self._called(getattr(self.dome, _COM_COMMANDS[name]), *arguments)
        if name in _COM_VALUES:
            return self._value(name)
        raise ComError(0x80020006, "Unknown name")

    def __setattr__(self, name: str, value: Any) -> None:
        if name == "Slaved":
            self._called(self.dome.set_slaved, value)
        else:
            super().__setattr__(name, value)

    def _value(self, name: str) -> Any:
        if name == "Azimuth" or self._sample is None:
            self._sample = self._called(self.dome.read)
        value = getattr(self._sample, _COM_VALUES[name])
        if value is None:
            raise ComError(0x80040400, f"{name} is not implemented")
        return list(ShutterState).index(value) if name == "ShutterStatus" else value

    def _called(self, function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return function(*arguments)
        except DeviceNotSupported as error:
            raise ComError(0x80040400, str(error)) from error
        except DeviceRefused as error:
            raise ComError(0x8004040B, str(error)) from error


_COM_FACTS = {
    "Name": "name",
    "InterfaceVersion": "interface_version",
    "CanSetAzimuth": "can_set_azimuth",
    "CanSetAltitude": "can_set_altitude",
    "CanSetShutter": "can_set_shutter",
    "CanPark": "can_park",
    "CanFindHome": "can_find_home",
    "CanSlave": "can_slave",
}
_COM_VALUES = {
    "Azimuth": "azimuth_deg",
    "Altitude": "altitude_deg",
    "ShutterStatus": "shutter",
    "Slewing": "is_slewing",
    "Slaved": "is_slaved",
    "AtPark": "is_at_park",
    "AtHome": "is_at_home",
}
_COM_COMMANDS = {
    "SlewToAzimuth": "slew_to_azimuth",
    "SlewToAltitude": "slew_to_altitude",
    "OpenShutter": "open_shutter",
    "CloseShutter": "close_shutter",
    "Park": "park",
    "FindHome": "find_home",
    "AbortSlew": "abort_slew",
}
