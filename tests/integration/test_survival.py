"""A batch that is killed, cancelled, run twice or restarted: nothing lost, nothing doubled, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from filelock import FileLock

from app.model.batch import FileBatch, Status
from app.model.clock import Clock, SystemClock
from app.model.settings import Astrometry, Processing, Settings
from app.model.story import MasterUse
from app.pipeline.events import BatchEnded, Cancelling, Event, Progress, StepEnded, StepStarted, from_line
from app.pipeline.run_batch import run_batch
from app.pipeline.step import CancelToken
from app.services.batch_stories import BatchStories
from app.store.batches import Batches
from app.store.engine import open_database
from app.store.log_records import LogRecords
from app.store.work_orders import WorkOrders
from tests.builders import BIAS_ADU, DARK_ADU_PER_S, SIDE, frame, small_night
from tests.integration.nights import Home, command, of_kind


@pytest.fixture(scope="module")
def night(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small_night(tmp_path_factory.mktemp("raw") / "night").folder


@pytest.fixture(scope="module")
def uninterrupted(night: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Digests of the products of a run that nobody disturbed."""
    home = Home(tmp_path_factory.mktemp("home"))
    report = home.json("process", str(night), "--into", str(tmp_path_factory.mktemp("products")))
    assert report["status"] == "done_with_problems"  # no position: astrometry says so
    return digests(report)


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


def digests(report: dict[str, Any]) -> dict[str, str]:
    return {
        Path(product["path"]).name: hashlib.sha256(Path(product["path"]).read_bytes()).hexdigest()
        for product in report["products"]
    }


def kill_at(home: Home, night: Path, into: Path, is_time: Callable[[Event], bool]) -> None:
    """Kill -9 the process of a batch at the first event that `is_time` says."""
    url = f"sqlite:///{home.database}"
    opened = open_database(url)
    key = Batches(opened).open_batch(str(night), into).key
    opened.close()
    child = subprocess.Popen(
        [*command(), "run-batch", str(key)],
        env=home.environment,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    for line in child.stdout:
        if is_time(from_line(line)):
            child.kill()
            break
    child.communicate()
    assert child.returncode == -signal.SIGKILL


PLACES = {
    "masters begin": lambda event: isinstance(event, StepStarted) and event.name == "bias stacks",
    "between flats": lambda event: isinstance(event, Progress) and event.name == "flat stacks",
    "second light": lambda event: (
        isinstance(event, Progress) and (event.name, event.done) == ("flat-dark correction", 1)
    ),
    "amid astrometry": lambda event: isinstance(event, Progress) and (event.name, event.done) == ("astrometry", 2),
    "stack begins": lambda event: isinstance(event, StepStarted) and event.name == "light stacks",
}


def test_batch_killed_at_five_places_resumes_to_the_same_products(
    home: Home, night: Path, tmp_path: Path, uninterrupted: dict[str, str]
) -> None:
    into = tmp_path / "products"
    for place, is_time in PLACES.items():
        before = {file: file.stat().st_mtime_ns for file in into.rglob("masters/*.fits")}
        kill_at(home, night, into, is_time)
        assert {file: file.stat().st_mtime_ns for file in before} == before, place
    report = home.json("process", str(night), "--into", str(into))
    assert digests(report) == uninterrupted
    with sqlite3.connect(home.database) as connection:
        assert connection.execute("SELECT count(*), count(DISTINCT recipe) FROM combination").fetchone() == (7, 7)
        assert connection.execute("SELECT count(*), count(DISTINCT checksum) FROM exposure").fetchone() == (12, 12)
        assert connection.execute("SELECT count(*) FROM step_run WHERE status = 'running'").fetchone() == (0,)
    leftovers = [file for file in into.rglob("*") if file.name.endswith(".part")]
    assert leftovers == []


def test_dead_supervisor_leaves_no_process_behind(
    home: Home, night: Path, tmp_path: Path, uninterrupted: dict[str, str]
) -> None:
    into = tmp_path / "products"
    supervisor = subprocess.Popen(
        [*command(), "process", str(night), "--into", str(into)],
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert supervisor.stderr is not None
    for line in supervisor.stderr:
        if "flat stacks" in line:
            supervisor.kill()
            break
    supervisor.communicate()
    with FileLock(home.lock, timeout=30):
        pass  # the orphan noticed the end of its input, stopped, and let go
    assert digests(home.json("process", str(night), "--into", str(into))) == uninterrupted


def test_ctrl_c_cancels_in_order_and_keeps_what_is_done(home: Home, night: Path, tmp_path: Path) -> None:
    into = tmp_path / "products"
    process = subprocess.Popen(
        [*command(), "process", str(night), "--into", str(into), "--json"],
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if "flat-dark correction" in line:
            process.send_signal(signal.SIGINT)
            break
    out, said = process.communicate(timeout=60)
    report = json.loads(out)
    assert (process.returncode, report["status"]) == (1, "cancelled")
    assert 0 < said.index("the batch stops") < said.index("batch cancelled")  # the child heard it, then ended
    assert len(of_kind(report, "bias_master")) == 1


def test_cancel_amid_compilation_ends_in_time_and_resumes_to_the_same_products(
    home: Home, night: Path, tmp_path: Path, uninterrupted: dict[str, str]
) -> None:
    into = tmp_path / "products"
    opened = open_database(f"sqlite:///{home.database}")
    batches = Batches(opened)
    batch = batches.open_batch(str(night), into)
    abandoned = batch.folder / ".of-a-killed-run.fits.part"
    abandoned.parent.mkdir(parents=True)
    abandoned.touch()
    child = subprocess.Popen(
        [*command(), "run-batch", str(batch.key)],
        env=home.environment
        | {"NUMBA_CACHE_DIR": str(tmp_path / "kernels")},  # empty: the first stack takes ten seconds
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stdin is not None
    assert child.stdout is not None
    assert child.stderr is not None
    events = []
    for line in child.stdout:
        events.append(from_line(line))
        if isinstance(events[-1], StepStarted) and events[-1].name == "bias stacks":
            Timer(1.0, child.stdin.close).start()
    child.wait()
    child.stdout.close()
    child.stderr.close()
    heard, ended, last = events[-3:]
    assert isinstance(heard, Cancelling)
    assert isinstance(ended, StepEnded)
    assert (ended.name, ended.status) == ("bias stacks", Status.CANCELLED)
    assert 2.0 < ended.seconds < 8.0  # it takes 6 s of a processor of its own; nobody waited for that
    assert last == BatchEnded(Status.CANCELLED)
    assert batches.batch(batch.key).status is Status.CANCELLED
    assert [(step.name, step.status) for step in batches.steps(batch.key)][-1] == ("bias stacks", Status.CANCELLED)
    opened.close()
    assert not abandoned.exists()
    assert digests(home.json("process", str(night), "--into", str(into))) == uninterrupted


def test_second_run_of_a_running_batch_is_refused(home: Home, night: Path, tmp_path: Path) -> None:
    into = tmp_path / "products"
    home.lock.parent.mkdir(parents=True)
    with FileLock(home.lock):
        report = home.json("process", str(night), "--into", str(into), code=1)
    assert "being worked on by another process" in report["problems"][0]["message"]
    assert report["products"] == []


def test_resume_makes_only_what_is_missing(home: Home, night: Path, tmp_path: Path) -> None:
    into = tmp_path / "products"
    first = home.json("process", str(night), "--into", str(into))
    (dark,) = of_kind(first, "dark_master")
    times = {product["path"]: Path(product["path"]).stat().st_mtime_ns for product in first["products"]}
    Path(dark["path"]).unlink()
    order = {
        "id": "2",
        "request": "resume_file_batch",
        "batch": "night",
        "datetime": "2026-03-15T08:00:00",
        "user": "t",
    }
    home.json("orders", "submit", "-", stdin=json.dumps(order))
    (ended,) = home.json("orders", "run")
    second = ended["result"]
    assert [product["path"] for product in second["products"]].count(dark["path"]) == 1
    made = [path for path, time in times.items() if Path(path).stat().st_mtime_ns != time]
    assert made == [dark["path"]]


def test_restart_replaces_the_old_products_only_when_the_new_are_complete(
    home: Home, night: Path, tmp_path: Path
) -> None:
    raw = tmp_path / "raw"
    shutil.copytree(night, raw)
    first = home.json("process", str(raw))
    old = digests(first)
    order = {"request": "restart_file_batch", "url": raw.as_uri(), "datetime": "2026-03-15T08:00:00", "user": "t"}
    hidden = tmp_path / "hidden"
    raw.rename(hidden)
    home.json("orders", "submit", "-", stdin=json.dumps(order | {"id": "fails"}))
    (failed,) = home.json("orders", "run", code=1)
    assert failed["state"] == "failed"
    assert digests(first) == old  # still there, untouched
    hidden.rename(raw)
    (raw / "light_2.fits").unlink()
    home.json("orders", "submit", "-", stdin=json.dumps(order | {"id": "works"}))
    (ended,) = home.json("orders", "run")
    second = ended["result"]
    (stack,) = of_kind(second, "light_stack")
    assert fits.getval(stack["path"], "NCOMBINE") == 2
    assert not any(Path(product["path"]).exists() for product in first["products"])
    assert {Path(product["path"]).parents[1].name for product in second["products"]} == {"set-2"}


def test_restart_of_a_running_batch_is_refused_and_harms_nothing(home: Home, night: Path) -> None:
    first = home.json("process", str(night))
    order = {"request": "restart_file_batch", "url": night.as_uri(), "datetime": "2026-03-15T08:00:00", "user": "t"}
    home.json("orders", "submit", "-", stdin=json.dumps(order | {"id": "1"}))
    before = digests(first)
    with FileLock(home.lock):
        (refused,) = home.json("orders", "run", code=1)
    assert "being worked on by another process" in refused["reason"]
    assert digests(first) == before
    refusal = home.json("orders", "submit", "-", stdin=json.dumps(order | {"id": "2", "url": "/elsewhere"}), code=1)
    assert "/elsewhere" in refusal["reason"]
    assert "night" in refusal["problems"][0]["remedy"]


def test_products_never_lie_among_the_raw_frames(home: Home, tmp_path: Path) -> None:
    raw = small_night(tmp_path / "raw").folder
    before = {file.name: file.read_bytes() for file in raw.iterdir()}
    report = home.json("process", str(raw), "--into", str(tmp_path), code=1)
    assert "among the raw frames" in report["problems"][0]["message"]
    assert {file.name: file.read_bytes() for file in raw.iterdir()} == before


#: Random moments of each kind; 20 take some minutes: SURVIVAL_POINTS=20 pytest tests/integration/test_survival.py.
POINTS = int(os.environ.get("SURVIVAL_POINTS", "2"))
PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(["tests.integration.test_survival", "app.pipeline.recipe"])


@dataclass(frozen=True)
class Moment:
    """So many events after the beginning of a run, and a little later."""

    event: int
    delay_s: float

    def waiter(self, act: Callable[[], None]) -> Callable[[Event], None]:
        """A report that acts at this moment."""
        left = iter(range(self.event, -1, -1))

        def report(event: Event) -> None:
            if next(left, None) == 0:
                timer = Timer(self.delay_s, act)
                timer.daemon = True
                timer.start()

        return report


def moments(seed: int, events: int) -> list[Moment]:
    """Spread over a run of so many events."""
    rng = np.random.default_rng(seed)
    return [Moment(int(rng.integers(events - 1)), float(rng.uniform(0.0, 0.02))) for _ in range(POINTS)]


@dataclass(frozen=True)
class AtStep:
    """The first event of a step, or the first that says that so much of it is done."""

    name: str
    done: int = 0

    def waiter(self, act: Callable[[], None]) -> Callable[[Event], None]:
        """A report that acts there."""

        def report(event: Event) -> None:
            is_there = isinstance(event, Progress) and event.done == self.done
            if (is_there or (isinstance(event, StepStarted) and not self.done)) and event.name == self.name:
                act()

        return report


@dataclass(frozen=True)
class Bench:
    """A database and a repository, and batches run on them without the program around."""

    folder: Path
    settings: Settings = field(default_factory=Settings)

    @property
    def url(self) -> str:
        return f"sqlite:///{self.folder / 'bench.sqlite'}"

    @property
    def digests(self) -> dict[str, str]:
        files = (self.folder / "products").rglob("*.fits")
        return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in files}

    @contextmanager
    def opened(self, night: Path, clock: Clock | None = None) -> Iterator[tuple[Batches, FileBatch]]:
        database = open_database(self.url, clock or SystemClock())
        try:
            batches = Batches(database)
            yield batches, batches.open_batch(str(night), self.folder / "products")
        finally:
            database.close()

    def run(
        self,
        night: Path,
        threads: int = 0,
        report: Callable[[Event], None] = lambda event: None,
        cancel: CancelToken | None = None,
        clock: Clock | None = None,
    ) -> Status:
        settings = self.settings.model_copy(update={"processor": Processing(threads=threads)})
        with self.opened(night, clock) as (batches, batch):
            return run_batch(batches, batch, settings, report, cancel or CancelToken(), clock)

    def run_until(self, night: Path, moment: Moment | AtStep) -> None:
        """In a child: killed in the middle."""
        self.run(night, report=moment.waiter(lambda: os.kill(os.getpid(), signal.SIGKILL)))

    def assert_whole(self, night: Path, expected: dict[str, str], moment: str) -> None:
        """After a resume nothing is lost, doubled, half-written or different."""
        assert self.run(night) is Status.DONE_WITH_PROBLEMS, moment
        assert self.digests == expected, moment
        assert not [file for file in self.folder.rglob("*") if file.name.endswith(".part")], moment
        with sqlite3.connect(self.folder / "bench.sqlite") as connection:
            recipes = connection.execute("SELECT count(*), count(DISTINCT recipe) FROM combination").fetchone()
            running = connection.execute("SELECT count(*) FROM step_run WHERE status = 'running'").fetchone()
        assert (recipes, running) == ((len(expected), len(expected)), (0,)), moment


@dataclass(frozen=True)
class Undisturbed:
    """What a run came to that nobody disturbed, and how many events it told."""

    digests: dict[str, str]
    events: int
    empty: Path

    def bench(self, folder: Path) -> Bench:
        folder.mkdir()
        shutil.copy(self.empty, folder / "bench.sqlite")
        return Bench(folder)


@pytest.fixture(scope="module")
def undisturbed(night: Path, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    bench = Bench(tmp_path_factory.mktemp("undisturbed"))
    open_database(bench.url).close()
    empty = shutil.copy(bench.folder / "bench.sqlite", bench.folder / "empty.sqlite")
    events: list[Event] = []
    bench.run(night, threads=2, report=events.append)
    return Undisturbed(bench.digests, len(events), empty)


@pytest.mark.logs_warnings
def test_kill_9_at_random_moments_and_resume_give_the_same_products(
    night: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    codes = []
    for number, moment in enumerate(moments(5, undisturbed.events)):
        bench = undisturbed.bench(tmp_path / str(number))
        process = PROCESSES.Process(target=bench.run_until, args=(night, moment))
        process.start()
        process.join()
        codes.append(process.exitcode)
        bench.assert_whole(night, undisturbed.digests, f"killed at {moment}")
    assert codes.count(-signal.SIGKILL) > 0.8 * POINTS  # one that had ended just before may be among them


@pytest.mark.logs_warnings
def test_cancel_at_random_moments_and_resume_give_the_same_products(
    night: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    ends = []
    for number, moment in enumerate(moments(6, undisturbed.events)):
        bench = undisturbed.bench(tmp_path / str(number))
        token = CancelToken()
        ends.append(bench.run(night, report=moment.waiter(token.cancel), cancel=token))
        bench.assert_whole(night, undisturbed.digests, f"cancelled at {moment}")
    assert ends.count(Status.CANCELLED) > 0.8 * POINTS


@pytest.mark.logs_warnings
@pytest.mark.parametrize("threads", [1, 5])
def test_products_do_not_depend_on_the_number_of_threads(
    night: Path, undisturbed: Undisturbed, tmp_path: Path, threads: int
) -> None:
    bench = undisturbed.bench(tmp_path / "bench")
    bench.run(night, threads=threads)
    assert bench.digests == undisturbed.digests


@pytest.mark.logs_warnings
def test_two_batches_with_the_same_files_at_the_same_time_do_not_meet(
    night: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    bench = undisturbed.bench(tmp_path / "bench")
    folders = [shutil.copytree(night, tmp_path / name / "night") for name in ("one", "other")]
    processes = [PROCESSES.Process(target=bench.run, args=(folder,)) for folder in folders]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
        assert process.exitcode == 0
    for folder in folders:
        with bench.opened(folder) as (_, batch):
            made = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in batch.folder.rglob("*.fits")}
        assert made == undisturbed.digests


def darks_of(folder: Path, day: int) -> Path:
    """Three darks of another night."""
    rng = np.random.default_rng(day)
    for n in range(3):
        counts = BIAS_ADU + 30 * DARK_ADU_PER_S + rng.normal(0.0, 3.0, (SIDE, SIDE))
        frame(folder / f"dark_{n}.fits", counts, "DARK", 30.0, DATE_OBS=f"2026-03-{day:02d}T20:00:0{n}")
    return folder


@pytest.mark.logs_warnings
def test_a_batch_killed_before_another_makes_a_nearer_dark_resumes_with_the_dark_that_it_began_with(
    night: Path, undisturbed: Undisturbed, tmp_path: Path
) -> None:
    tonight = shutil.copytree(night, tmp_path / "tonight", ignore=shutil.ignore_patterns("dark_*"))
    far, near = darks_of(tmp_path / "far", 1), darks_of(tmp_path / "near", 12)

    def made_of(bench: Bench) -> dict[str, str]:
        with bench.opened(tonight) as (_, batch):
            return {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in batch.folder.rglob("*.fits")}

    def told_of(bench: Bench) -> MasterUse:
        with bench.opened(tonight) as (batches, batch):
            stories = BatchStories(batches, WorkOrders(batches.database), LogRecords(batches.database))
            (use,) = stories.story(batch.key).story.uses
            return use

    unsolved = Settings(astrometry=Astrometry(solvers=("cupola",), blind=False))
    calm, bench = (replace(undisturbed.bench(tmp_path / name), settings=unsolved) for name in ("calm", "bench"))
    for folder in (far, tonight):
        calm.run(folder)
    assert told_of(calm).better_now == ""

    bench.run(far)
    for moment in (AtStep("bias stacks"), AtStep("flat-dark correction", 1)):
        process = PROCESSES.Process(target=bench.run_until, args=(tonight, moment))
        process.start()
        process.join()
        assert process.exitcode == -signal.SIGKILL, moment
        bench.run(near)  # the second time it is known already
    assert bench.run(tonight) is Status.DONE_WITH_PROBLEMS
    assert made_of(bench) == made_of(calm)

    use = told_of(bench)
    assert "of 2026-03-01, 13 days before" in use.subtracted_why
    told = "now there is dark_30s_200x200_bin1x1.fits of 2026-03-12, 2 days before, from 3 frames: restart the batch to use it"
    assert use.better_now == told

    with bench.opened(tonight) as (batches, batch):
        batches.begin_restart(batch.key)
    assert bench.run(tonight) is Status.DONE_WITH_PROBLEMS
    restarted = told_of(bench)
    assert "of 2026-03-12, 2 days before" in restarted.subtracted_why
    assert restarted.better_now == ""


class Backwards:
    """A clock that is set back by an hour at every look."""

    def __init__(self) -> None:
        self._looks = 0

    def utc(self) -> datetime:
        self._looks += 1
        return datetime(2026, 3, 15, tzinfo=UTC) - self._looks * timedelta(hours=1)

    def monotonic(self) -> float:
        self._looks += 1
        return 1e6 - self._looks * 3600.0


@pytest.mark.logs_warnings
def test_a_clock_that_goes_backwards_changes_nothing(night: Path, undisturbed: Undisturbed, tmp_path: Path) -> None:
    bench = undisturbed.bench(tmp_path / "bench")
    token = CancelToken()
    token.cancel()
    assert bench.run(night, cancel=token) is Status.CANCELLED
    assert bench.run(night, clock=Backwards()) is Status.DONE_WITH_PROBLEMS
    assert bench.digests == undisturbed.digests


@pytest.mark.logs_warnings
def test_a_disk_that_is_too_small_stops_the_batch_before_it_writes(
    night: Path, undisturbed: Undisturbed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench = undisturbed.bench(tmp_path / "bench")
    usage = type(shutil.disk_usage("/"))
    with monkeypatch.context() as small:
        small.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 64 * 10**6, 64 * 10**6))
        assert bench.run(night) is Status.FAILED
        assert bench.digests == {}
        with bench.opened(night) as (batches, batch):
            stopped = batches.steps(batch.key)[-1]
    assert stopped.name == "bias stacks"
    assert "0.06 GB free, the products still to be written need 0.07 GB" in (stopped.error or "")
    assert bench.run(night) is Status.DONE_WITH_PROBLEMS
    assert bench.digests == undisturbed.digests
