"""A soak: faults at random for a long time over a real window, with every guarantee and every resource watched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from statistics import median
from threading import Event, Thread
from time import monotonic
from typing import Any, Self

from app.bootstrap.observatory import Observatory
from app.drills.controls import DrillFailed
from app.drills.mischief import FINE, MISCHIEF, NOTHING, RETRY_S, WEATHER, Mischief
from app.drills.usage import SAMPLE_S, Sample, Use
from app.drills.window import WindowStage, window_stage
from app.model.errors import ObservatoryError
from app.model.reading import FRESH_S

#: Memory, threads and files are not judged before: caches fill, lanes begin.
WARM_UP_S = 300.0
_LOOK_S = 0.25
#: CloseShutter leaves within 5 s, the shutter needs 2 s at the stage's pace, and the truth is looked at so often.
_CLOSED_S = 8.0
#: A closed word may be as old as a fresh reading and a poll.
_SHOWN_S = FRESH_S + 2.0
#: Everything works again so long after the last fault.
_CALM_S = 60.0
_MOST_BROKEN = 50


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
            f"{name}: {use.memory_mb[0]} to {use.memory_mb[-1]} MB (drift {use.drift:.1%}), "
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
                    self._sample_due_s += SAMPLE_S
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
            self._samples[name].append(Sample.of(pid))


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
        The stage cannot be raised, or the machine does not tell what processes use.
    """
    if not Path("/proc/self/status").exists():
        raise ObservatoryError("A soak reads memory, threads and files from /proc: run it on Linux")
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
                    _recover(stage, watch)
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
    limit_s = _CLOSED_S + second.delay_s + (second.lasts_s or 0.0) + (RETRY_S if first.delay_s else 0.0)
    says = f"The shutter closed after {next(iter(weather))} under {second.name!r}, after {first.name!r},"
    closed_s = stage.until(says, lambda: stage.truth().is_closed, limit_s - (monotonic() - unsafe_s))
    _undo(stage, second)
    stage.controls.change(**FINE)
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
    if mischief is not NOTHING:
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


def _recover(stage: WindowStage, watch: _Watch) -> None:
    """Have everything mended after a round that failed, so that the next one begins like the others."""
    try:
        stage.until("The simulator's return", lambda: _is_there(stage), 15.0)
        stage.controls.mend()
        stage.controls.change(**FINE)
    except ObservatoryError as error:
        watch.break_(str(error))


def _is_there(stage: WindowStage) -> bool:
    try:
        stage.truth()
    except DrillFailed:
        return False
    return True
