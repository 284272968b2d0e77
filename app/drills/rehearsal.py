"""Plays drills: which there are, on which stage, and what they must prove; independent stages at the same time."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Generic, Protocol, TypeVar

import tomlkit

from app.bootstrap.observatory import SETTINGS_VARIABLE, Observatory, open_observatory
from app.drills import scripts
from app.drills.report import DrillReport, Limits, Outcome, reported
from app.drills.station import Scene, StationStage, station_stage
from app.drills.window import window_frozen, window_killed, window_stage
from app.model.errors import ObservatoryError
from app.model.settings import Mail

#: A lease, the silence of a sensor and the wait after a failed close are as short as the settings allow.
LEASE_S = SILENT_S = 5.0
RETRY_S, LONGEST_RETRY_S = 1.0, 10.0


class Restorable(Protocol):
    """A stage between two drills."""

    def restore(self) -> None:
        """Have everything as at first."""
        ...


S = TypeVar("S", bound=Restorable)


@dataclass(frozen=True, slots=True)
class Drill(Generic[S]):
    """A fault script, and how quick the answer to it must be."""

    name: str
    play: Callable[[S], Outcome]
    limits: Limits

    @property
    def proves(self) -> str:
        """What it is about, in one sentence."""
        return (self.play.__doc__ or "").strip()


@dataclass(frozen=True, slots=True)
class Act(Generic[S]):
    """Drills that are played one after the other on one stage."""

    raise_stage: Callable[[Observatory], AbstractContextManager[S]]
    drills: tuple[Drill[S], ...]

    def play(self, observatory: Observatory, names: Collection[str]) -> list[DrillReport]:
        """Play those of these names; a drill that fails ends none of the others."""
        wanted = [drill for drill in self.drills if drill.name in names]
        if not wanted:
            return []
        with self.raise_stage(observatory) as stage:
            return [_played(drill, stage) for drill in wanted]


def _station(*drills: Drill[StationStage], scene: Scene | None = None) -> Act[StationStage]:
    return Act(partial(station_stage, scene=scene or Scene()), drills)


#: What the guard owes: CloseShutter within 5 s of the first unsafe reading, and the time of the shutter's travel.
_UNSAFE = Limits(detect_s=5.0, close_s=5.0, safe_s=9.0)

ACTS: tuple[Act[Any], ...] = (
    _station(
        Drill("stop-during-rain-close", scripts.stop_during_rain_close, Limits(5.0, 5.0, 40.0)),
    ),
    _station(
        Drill("comm-loss", scripts.comm_loss, Limits(detect_s=5.0, safe_s=7.0)),
        Drill("hung-server", scripts.hung_server, Limits(5.0, 5.0, 9.0)),
        Drill("guard-killed", scripts.guard_killed, Limits(detect_s=5.0, safe_s=5.0)),
    ),
    Act(
        window_stage,
        (
            Drill("gui-frozen", window_frozen, Limits(LEASE_S + 2.0, LEASE_S + 2.0, LEASE_S + 6.0)),
            Drill("gui-killed", window_killed, Limits(LEASE_S + 2.0, LEASE_S + 2.0, LEASE_S + 6.0)),
        ),
    ),
    _station(
        Drill("stuck-shutter", scripts.stuck_shutter, Limits(5.0, 5.0, 12.0)),
        Drill("server-restarted", scripts.server_restarted, Limits(5.0, 5.0, 9.0)),
        scene=Scene(adapt=scripts.impatient),
    ),
    _station(
        Drill("rain-while-slewing", scripts.rain_while_slewing, _UNSAFE),
        Drill("safety-monitor-unsafe", scripts.safety_monitor_unsafe, _UNSAFE),
        Drill(
            "weather-feed-frozen", scripts.weather_feed_frozen, Limits(SILENT_S + 3.0, SILENT_S + 3.0, SILENT_S + 7.0)
        ),
        Drill("lockout-in-rain", scripts.lockout_in_rain, _UNSAFE),
        Drill("mains-lost", scripts.mains_lost, _UNSAFE),
        Drill("clock-jump", scripts.clock_jump, Limits()),
    ),
    _station(
        Drill("mount-under-roof", scripts.mount_under_roof, Limits(detect_s=5.0, safe_s=40.0)),
        scene=Scene(("--roof", "roll-off"), scale=8.0, adapt=scripts.hits_mount),
    ),
)

DRILLS: Mapping[str, Drill[Any]] = {drill.name: drill for act in ACTS for drill in act.drills}


def play(observatory: Observatory, names: Collection[str]) -> list[DrillReport]:
    """Play drills; their stages stand side by side, for most of the time is waiting.

    Raises
    ------
    ObservatoryError
        A stage cannot be raised.
    """
    with ThreadPoolExecutor(len(ACTS), thread_name_prefix="act") as acts:
        played = acts.map(lambda act: act.play(observatory, names), ACTS)
        found = {report.name: report for reports in played for report in reports}
    return [found[name] for name in DRILLS if name in found]


@contextmanager
def rehearsal(folder: Path, mail: Mail | None = None) -> Iterator[Observatory]:
    """Live in a folder of its own: settings, database, guards; this program's children do, too.

    Parameters
    ----------
    folder : Path
        An empty one.
    mail : Mail, optional
        Where the guards mail to; without it nobody is mailed.
    """
    settings = folder / "settings.toml"
    settings.write_text(_settings(folder, mail), encoding="utf-8")
    changed = {
        SETTINGS_VARIABLE: str(settings),
        "HOME": str(folder),
        "XDG_DATA_HOME": str(folder / "data"),
        "XDG_CONFIG_HOME": str(folder / "config"),
    }
    before = {name: os.environ.get(name) for name in changed}
    os.environ.update(changed)
    try:
        with open_observatory() as observatory:
            yield observatory
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _settings(folder: Path, mail: Mail | None) -> str:
    tables: dict[str, Any] = {
        "database": f"sqlite:///{(folder / 'cupola.sqlite').as_posix()}",
        "repository": (folder / "repository").as_posix(),
        "front_desk": {"port": 0},
        "guard": {
            "lease_s": LEASE_S,
            "silent_s": SILENT_S,
            "retry_s": RETRY_S,
            "longest_retry_s": LONGEST_RETRY_S,
            "reopen_after_min": 0.0,
            "motor_starts_an_hour": 120,
        },
    }
    if mail is not None:
        tables["mail"] = mail.model_dump(mode="json", exclude_none=True)
    return tomlkit.dumps(tables)


def _played(drill: Drill[S], stage: S) -> DrillReport:
    try:
        stage.restore()
        return reported(drill.name, drill.play(stage), drill.limits)
    except ObservatoryError as error:
        return DrillReport(drill.name, Outcome(drill.proves), drill.limits, str(error))
