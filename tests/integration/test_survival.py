"""A batch that is killed, cancelled, run twice or restarted: nothing lost, nothing doubled, nothing half-written."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import sqlite3
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from astropy.io import fits
from filelock import FileLock

from app.pipeline.events import Event, Progress, StepStarted, from_line
from app.store.batches import Batches
from app.store.engine import open_database
from tests.builders import small_night
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
    out, _ = process.communicate(timeout=60)
    report = json.loads(out)
    assert (process.returncode, report["status"]) == (1, "cancelled")
    assert len(of_kind(report, "bias_master")) == 1


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
