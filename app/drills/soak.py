"""A soak: faults at random for a long time over a real window, with every guarantee and every resource watched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from random import Random
from statistics import median
from threading import Event, Thread
from time import monotonic
from typing import Any, Self

from app.bootstrap.observatory import Observatory
from app.drills.controls import DrillFailed
from app.drills.window import WindowStage, window_stage
from app.model.errors import ObservatoryError
from app.model.reading import FRESH_S

#: Memory, threads and files are not judged before: caches fill, lanes begin.
WARM_UP_S = 300.0
#: How much memory may differ from that after the warm-up, and how many threads or files more there may be at rest.
_MEMORY_PART, _SPARE = 0.05, 2
_SAMPLE_S, _LOOK_S = 5.0, 0.25
#: CloseShutter leaves within 5 s, the shutter needs 2 s at the stage's pace, and the truth is looked at so often.
_CLOSED_S = 8.0
#: The guard may just have begun the longest wait between two tries.
_RETRY_S = 11.0
#: A closed word may be as old as a fresh reading and a poll.
_SHOWN_S = FRESH_S + 2.0
#: Everything works again so long after the last fault.
_CALM_S = 60.0
_MOST_BROKEN = 50


@dataclass(frozen=True, slots=True)
class Mischief:
    """One fault of the server or of the dome.

    Attributes
    ----------
    faults, lies, state : mapping
        What the simulator is told.
    restarts : bool
        Whether the drivers begin anew, and are not connected.
    delay_s : float
        How much longer than `_CLOSED_S` a close may take under it.
    lasts_s : float or None
        The close is possible only when it is over; None when it is possible under it.
    """

    name: str
    faults: Mapping[str, Any] = field(default_factory=dict)
    lies: Mapping[str, Any] = field(default_factory=dict)
    state: Mapping[str, Any] = field(default_factory=dict)
    restarts: bool = False
    delay_s: float = 0.0
    lasts_s: float | None = None


#: Sensors that are silent for so long count as unsafe; one look of the guard more.
_SILENT_S = 7.0
_SENSORS = ("safetymonitor", "observingconditions")
MISCHIEF: tuple[Mischief, ...] = (
    Mischief("nothing"),
    Mischief("dome drops", {"members": ["dome"], "drop": True}, delay_s=_RETRY_S),
    Mischief("dome hangs", {"members": ["dome"], "hang_s": 30.0}, delay_s=_RETRY_S),
    Mischief("dome 500", {"members": ["dome"], "status": 500}, delay_s=_RETRY_S),
    Mischief("dome HTML", {"members": ["dome"], "html": True}, delay_s=_RETRY_S),
    Mischief("dome null", {"members": ["dome"], "value": "null"}, delay_s=_RETRY_S),
    Mischief("dome NaN", {"members": ["dome"], "value": "nan"}, delay_s=_RETRY_S),
    Mischief("dome cut", {"members": ["dome"], "cut": True}, delay_s=_RETRY_S),
    Mischief("dome trickles", {"members": ["dome"], "trickle_s": 1.0}, delay_s=_RETRY_S),
    Mischief("dome empty", {"members": ["dome"], "empty": True}, delay_s=_RETRY_S),
    Mischief("dome wrong echo", {"members": ["dome"], "wrong_echo": True}, delay_s=_RETRY_S),
    Mischief("every other reply drops", {"drop": True, "probability": 0.5}, delay_s=_RETRY_S + _SILENT_S),
    Mischief("sensors hang", {"members": _SENSORS, "hang_s": 30.0}, delay_s=_SILENT_S),
    Mischief("sensors NaN", {"members": _SENSORS, "value": "nan"}, delay_s=_SILENT_S),
    Mischief("sensors drop", {"members": _SENSORS, "drop": True}, delay_s=_SILENT_S),
    Mischief("busy driver", lies={"busy_while_moving": True}, delay_s=_RETRY_S),
    Mischief("slewing lingers", lies={"slewing_lingers_s": 10.0}),
    Mischief("drivers restart", {"requires_connect": True}, restarts=True, delay_s=_RETRY_S),
    Mischief("server refuses", {"refuse_s": 6.0}, delay_s=_RETRY_S, lasts_s=6.0),
    Mischief("shutter stuck", state={"shutter_stuck_at": 0.5}, delay_s=_RETRY_S, lasts_s=4.0),
    Mischief("motor dead", state={"is_motor_dead": True}, delay_s=_RETRY_S, lasts_s=4.0),
)
#: What makes the sky, or the mains, unsafe.
WEATHER: tuple[Mapping[str, Any], ...] = (
    {"rain_mm_h": 3.0},
    {"is_safe": False},
    {"wind_m_s": 30.0},
    {"humidity_percent": 99.0},
    {"weather_age_s": 1000.0},
    {"has_mains": False},
)
_FINE: Mapping[str, Any] = {name: None for weather in WEATHER for name in weather}


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used at one moment."""

    at_s: float
    memory_mb: float
    threads: int
    files: int


@dataclass(frozen=True, slots=True)
class Use:
    """What a process used over the soak; floors are of the first and of the last third after the warm-up.

    Attributes
    ----------
    drift : float
        Largest part by which the memory of any minute differed from that after the warm-up.
    """

    memory_first_mb: float
    memory_last_mb: float
    drift: float
    threads_first: int
    threads_last: int
    files_first: int
    files_last: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Use:
        """Of the samples after the warm-up."""
        third = max(1, len(samples) // 3)
        minutes = [samples[begin : begin + 12] for begin in range(0, len(samples), 12)]
        memory = [median(one.memory_mb for one in minute) for minute in minutes]
        first, last = samples[:third], samples[-third:]
        return cls(
            round(memory[0], 1),
            round(memory[-1], 1),
            round(max(abs(one - memory[0]) / memory[0] for one in memory), 4),
            min(one.threads for one in first),
            min(one.threads for one in last),
            min(one.files for one in first),
            min(one.files for one in last),
        )

    def flaws(self, name: str) -> list[str]:
        """What grew."""
        found = []
        if self.drift > _MEMORY_PART:
            found.append(f"memory of the {name} drifted by {self.drift:.1%}, limit {_MEMORY_PART:.0%}")
        for what, first, last in (
            ("threads", self.threads_first, self.threads_last),
            ("open files", self.files_first, self.files_last),
        ):
            if last > first + _SPARE:
                found.append(f"{what} of the {name} grew from {first} to {last}")
        return found


@dataclass(frozen=True, slots=True)
class Soak:
    """What came of a soak.

    Attributes
    ----------
    closes_s : list of float
        From each unsafe moment to the closed shutter, seconds.
    broken : list of str
        Every guarantee that was broken, with its time.
    bugs : int
        Tracebacks that window and guard logged.
    """

    seed: int
    seconds: float
    rounds: int
    faults: Mapping[str, int]
    closes_s: list[float]
    use: Mapping[str, Use]
    broken: list[str]
    bugs: int

    @property
    def is_passed(self) -> bool:
        """Whether nothing was broken, and nothing leaked."""
        return not self.flaws

    @property
    def flaws(self) -> list[str]:
        """Everything that is wrong."""
        grown = [flaw for name, use in self.use.items() for flaw in use.flaws(name)]
        return [*self.broken, *grown, *([f"{self.bugs} tracebacks were logged"] if self.bugs else [])]

    @property
    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        return {**asdict(self), "flaws": self.flaws, "verdict": "passed" if self.is_passed else "failed"}

    @property
    def as_text(self) -> str:
        """For people."""
        closes = f"{median(self.closes_s):.1f} s, longest {max(self.closes_s):.1f} s" if self.closes_s else "none"
        lines = [f"soak of {self.seconds / 60.0:.1f} min, seed {self.seed}"]
        lines.append(f"{self.rounds} rounds, {sum(self.faults.values())} faults; unsafe to closed: median {closes}")
        lines += [
            f"{name}: {use.memory_first_mb} to {use.memory_last_mb} MB (drift {use.drift:.1%}), "
            f"threads {use.threads_first} to {use.threads_last}, files {use.files_first} to {use.files_last}"
            for name, use in self.use.items()
        ]
        return "\n".join((*lines, *self.flaws, "passed" if self.is_passed else "FAILED"))


class _Watch:
    """Looks at truth and window all the time, in a thread of its own."""

    def __init__(self, stage: WindowStage, warm_up_s: float, tell: Callable[[str], None]) -> None:
        self.broken: list[str] = []
        self._samples: dict[str, list[Sample]] = {"window": [], "guard": []}
        self._stage = stage
        self._tell = tell
        self._began_s = monotonic()
        self._warm_up_s = warm_up_s
        self._sample_due_s = self._began_s
        self._good_s = self._began_s
        self._answered_s = self._began_s
        guard = stage.guard_word()
        self._pids = {"window": stage.process.pid, "guard": 0 if guard is None else guard.pid}
        self._over = Event()
        self._thread = Thread(target=self._run, name="soak", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join(30.0)

    def break_(self, what: str) -> None:
        """Note a broken guarantee."""
        if len(self.broken) < _MOST_BROKEN:
            self.broken.append(f"{monotonic() - self._began_s:.0f} s: {what}")
            self._tell(self.broken[-1])

    def use(self) -> dict[str, Use]:
        """What the processes used after the warm-up."""
        warm_s = self._began_s + self._warm_up_s
        late = {name: [one for one in some if one.at_s >= warm_s] for name, some in self._samples.items()}
        return {name: Use.of(some) for name, some in late.items() if some}

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            try:
                self._look_at_word()
                if monotonic() >= self._sample_due_s:
                    self._sample_due_s += _SAMPLE_S
                    self._sample()
            except OSError as error:
                self.break_(f"a process is gone ({error})")
                return

    def _look_at_word(self) -> None:
        """The window answers, and never shows closed what has been open for longer than a reading may be old."""
        now_s = monotonic()
        try:
            status = self._stage.ask("GET", "DomeStatus")
            self._answered_s = monotonic()
            is_lie = not status.get("open") and self._stage.truth().opening > 0.0
        except DrillFailed:  # the simulator refuses, or the window does not answer in time
            is_lie = False
        if not is_lie:
            self._good_s = now_s
        elif now_s - self._good_s > _SHOWN_S:
            self.break_(f"the shutter is shown closed, and has been open for {now_s - self._good_s:.1f} s")
            self._good_s = now_s
        if monotonic() - self._answered_s > 10.0:
            self.break_("the window has not answered for 10 s")
            self._answered_s = monotonic()

    def _sample(self) -> None:
        for name, pid in self._pids.items():
            folder = Path(f"/proc/{pid}")
            status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
            memory_mb = int(status["VmRSS"].split()[0]) / 1024.0
            files = len(list((folder / "fd").iterdir()))
            self._samples[name].append(Sample(monotonic(), memory_mb, int(status["Threads"]), files))


def soak(observatory: Observatory, seconds: float, seed: int, tell: Callable[[str], None]) -> Soak:
    """Make faults for a long time.

    Parameters
    ----------
    observatory : Observatory
        Of a rehearsal.
    seconds : float
        How long; of less than half an hour the first sixth is the warm-up.
    seed : int
        Of the faults.
    tell : callable
        Takes sentences on the way.

    Raises
    ------
    ObservatoryError
        The stage cannot be raised.
    """
    chance, faults, closes_s = Random(seed), Counter[str](), list[float]()  # noqa: S311 - dice, no secret
    with window_stage(observatory) as stage:
        stage.restore()
        warm_up_s = min(WARM_UP_S, seconds / 6.0)
        with _Watch(stage, warm_up_s, tell) as watch:
            rounds, end_s, told_s = 0, monotonic() + seconds, monotonic()
            while monotonic() < end_s:
                try:
                    closes_s.append(_round(stage, chance, faults))
                except ObservatoryError as error:
                    watch.break_(str(error))
                rounds += 1
                if monotonic() - told_s > 60.0:
                    told_s = monotonic()
                    tell(f"{rounds} rounds, {sum(faults.values())} faults, {len(watch.broken)} guarantees broken")
            use = watch.use()
        logs = (stage.log_file, stage.plan.runtime_file.with_suffix(".log"))
        bugs = sum(file.read_text(errors="replace").count("Traceback") for file in logs if file.exists())
    rounded = [round(one, 2) for one in closes_s]
    return Soak(seed, round(seconds, 1), rounds, dict(faults.most_common()), rounded, use, watch.broken, bugs)


def _round(stage: WindowStage, chance: Random, faults: Counter[str]) -> float:
    """Open, do mischief, turn; then more of it and an unsafe sky, until it is closed: how long that took, seconds."""
    _open(stage)
    first = chance.choice(MISCHIEF)
    _do(stage, first, faults)
    stage.ask("PUT", "SetAzim", azim=str(chance.randrange(360)), wait="false")
    stage.during("Mischief", lambda: True, max(first.lasts_s or 0.0, chance.uniform(1.0, 3.0)))
    _undo(stage, first)
    second, weather = chance.choice(MISCHIEF), chance.choice(WEATHER)
    stage.controls.change(**weather)
    unsafe_s = monotonic()
    _do(stage, second, faults)
    faults[f"weather {next(iter(weather))}"] += 1
    if second.lasts_s is not None:
        stage.during("Mischief", lambda: True, second.lasts_s)
        _undo(stage, second)
    limit_s = _CLOSED_S + second.delay_s + (second.lasts_s or 0.0) + (_RETRY_S if first.delay_s else 0.0)
    says = f"The shutter closed after {next(iter(weather))} under {second.name!r}, after {first.name!r},"
    closed_s = stage.until(says, lambda: stage.truth().is_closed, limit_s - (monotonic() - unsafe_s))
    _undo(stage, second)
    stage.controls.change(**_FINE)
    return closed_s - unsafe_s


def _open(stage: WindowStage) -> None:
    """As the operator does, when everything works again; raises `DrillFailed` when that never comes."""
    answer: dict[str, Any] = {}

    def is_open() -> bool:
        nonlocal answer
        if stage.truth().opening >= 1.0:
            return True
        answer = stage.ask("PUT", "OpenDome", wait="true", timeout_s="10")
        return bool(answer.get("ok"))

    try:
        stage.until("The opening", is_open, _CALM_S)
    except DrillFailed as error:
        raise DrillFailed(f"The dome could not be opened again within {_CALM_S:g} s: {answer}") from error


def _do(stage: WindowStage, mischief: Mischief, faults: Counter[str]) -> None:
    faults[mischief.name] += 1
    if mischief.restarts:
        stage.controls.restart()
    if mischief.lies:
        stage.controls.lie(**mischief.lies)
    if mischief.state:
        stage.controls.change(**mischief.state)
    if mischief.faults:
        stage.controls.spoil(**mischief.faults)


def _undo(stage: WindowStage, mischief: Mischief) -> None:
    """No mischief any more; a shutter that was held springs open, for its driver takes it for under way else."""
    stage.until("The simulator's return", lambda: _is_there(stage), 15.0)
    stage.controls.spoil()
    stage.controls.lie()
    if mischief.state:
        freed = dict.fromkeys(mischief.state)
        stage.controls.change(**freed, **({} if stage.truth().is_closed else {"shutter": "open"}))


def _is_there(stage: WindowStage) -> bool:
    try:
        stage.truth()
    except DrillFailed:
        return False
    return True
