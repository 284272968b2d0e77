"""Threads and worker processes keep one contract: order, errors, stop, lost workers, and the same products."""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from app import __version__
from app.model.errors import CalibrationError, Cancelled, ClusterError
from app.model.settings import Processing
from app.pipeline import cluster, forks
from app.pipeline.step import CancelToken
from app.pipeline.workers import Check, Workers, open_workers


@dataclass(frozen=True)
class Job:
    """What the tasks below work on."""

    number: int
    folder: Path


def square(job: Job, check: Check) -> int:
    return job.number**2


def fail_at_two(job: Job, check: Check) -> int:
    if job.number == 2:
        raise CalibrationError("two is too many")
    return job.number


def last_long(job: Job, check: Check) -> int:
    """Work until the stop; say when it began, and that it ended."""
    (job.folder / f"begun-{job.number}").touch()
    try:
        give_up_at = time.monotonic() + 30.0
        while time.monotonic() < give_up_at:
            check()
    finally:
        (job.folder / f"ended-{job.number}").touch()
    return 0


def last_short(job: Job, check: Check) -> int:
    """Take a while when it is not the first."""
    give_up_at = time.monotonic() + 0.5 * min(job.number, 1)
    while time.monotonic() < give_up_at:
        check()
    return job.number


@pytest.fixture(scope="module", autouse=True)
def forks_begun() -> None:
    """As `workers.opened` does it: tests that connect by themselves come in any order."""
    if forks.can_fork():
        forks.begin()


def has_steps(job: Job, check: Check) -> bool:
    """Whether the steps are imported, though this task needs none."""
    return "app.pipeline.steps.solve_lights" in sys.modules


def die_once(job: Job, check: Check) -> int:
    """Kill the process of whoever does job 3 first."""
    file = job.folder / "died"
    if job.number == 3 and not file.exists():
        file.write_text(str(os.getpid()))
        os.kill(os.getpid(), signal.SIGKILL)
    return job.number**2


@contextmanager
def opened(settings: Processing, folder: Path) -> Iterator[Workers]:
    with open_workers(settings, folder) as workers:
        yield workers


@pytest.fixture(scope="module", params=["", "local"], ids=["threads", "processes"])
def workers(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Workers]:
    with opened(Processing(cluster=request.param, threads=2), tmp_path_factory.mktemp("batch")) as opened_workers:
        yield opened_workers


def jobs(folder: Path, number: int) -> tuple[Job, ...]:
    return tuple(Job(n, folder) for n in range(number))


def go_on() -> None:
    """Check of a run that nobody stops."""


def results(workers: Workers, task: Any, given: tuple[Job, ...], check: Check = go_on) -> list[Any]:
    with workers.each(task, given, check) as futures:
        return [future.result() for future in futures]


def test_results_come_in_the_order_of_the_jobs(workers: Workers, tmp_path: Path) -> None:
    assert results(workers, square, jobs(tmp_path, 20)) == [n**2 for n in range(20)]
    assert workers.width == 2


def test_jobs_are_taken_as_they_are_needed(workers: Workers, tmp_path: Path) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Job]:
        while True:
            taken.append(len(taken))
            yield Job(len(taken), tmp_path)

    with workers.each(square, endless(), go_on) as done:
        next(done)
    assert len(taken) <= 2 * workers.width + 1


def test_what_a_task_raises_comes_back_as_itself_and_the_others_go_on(workers: Workers, tmp_path: Path) -> None:
    with workers.each(fail_at_two, jobs(tmp_path, 4), go_on) as futures:
        done = list(futures)
    with pytest.raises(CalibrationError, match="two is too many"):
        done[2].result()
    assert [future.result() for future in (done[0], done[1], done[3])] == [0, 1, 3]


def test_a_stop_reaches_running_tasks_within_two_seconds_and_waits_for_them(workers: Workers, tmp_path: Path) -> None:
    token = CancelToken()

    def check() -> None:
        if len(list(tmp_path.glob("begun-*"))) == 2:
            token.cancel()
        token.check()

    began = time.monotonic()
    with pytest.raises(Cancelled):
        results(workers, last_long, jobs(tmp_path, 6), check)
    assert time.monotonic() - began < 10.0  # not the 30 s of the tasks; the rest is for a busy machine
    begun = {file.name.removeprefix("begun-") for file in tmp_path.glob("begun-*")}
    assert begun == {file.name.removeprefix("ended-") for file in tmp_path.glob("ended-*")}


def test_a_killed_worker_is_replaced_and_its_task_done_again(tmp_path: Path) -> None:
    with opened(Processing(cluster="local", threads=2), tmp_path) as two:
        done = results(two, die_once, jobs(tmp_path, 8))
        assert all(results(two, has_steps, jobs(tmp_path, 4)))
    assert done == [n**2 for n in range(8)]
    assert (tmp_path / "died").exists()
    assert not list(tmp_path.glob(".cluster-*"))


def test_workers_of_a_scheduler_elsewhere_do_the_tasks_and_others_versions_are_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    with cluster._connected("local", 1) as client:
        elsewhere = Processing(cluster=client.scheduler.address)
        with opened(elsewhere, tmp_path) as one:
            assert results(one, square, jobs(tmp_path, 3)) == [0, 1, 4]
        monkeypatch.setattr(cluster, "__version__", "0.0.1")
        with pytest.raises(ClusterError, match=r"the batch needs 0\.0\.1"), opened(elsewhere, tmp_path):
            pass
        with pytest.raises(ClusterError, match="install the same on all"):
            results(cluster.ClusterWorkers(client, "there"), square, jobs(tmp_path, 1))


def test_a_worker_that_sees_another_folder_is_told_from_one_that_sees_ours(tmp_path: Path) -> None:
    (tmp_path / "word").write_text("ours")
    assert cluster._introduce(__version__, tmp_path / "word", "ours") == ""
    assert "sees another" in cluster._introduce(__version__, tmp_path / "word", "theirs")
    assert "No such file" in cluster._introduce(__version__, tmp_path / "gone", "ours")


def test_a_lost_scheduler_is_said(tmp_path: Path) -> None:
    with cluster._connected("local", 1) as client:
        one = cluster.ClusterWorkers(client, "there")
        with one.each(last_short, jobs(tmp_path, 3), go_on) as done:
            next(done)
            client.close()
            with pytest.raises(ClusterError, match="the cluster at there was lost"):
                next(done)
        with pytest.raises(ClusterError, match="the cluster at there was lost"):
            results(one, square, jobs(tmp_path, 3))


def test_without_dask_the_cluster_is_refused_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delitem(sys.modules, "app.pipeline.cluster")
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(ClusterError, match=r"pip install .*cluster"), opened(Processing(cluster="local"), tmp_path):
        pass


def test_a_scheduler_that_does_not_answer_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cluster, "_PATIENCE_S", 0.5)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(ClusterError, match="no scheduler answers"), opened(Processing(cluster=address), tmp_path):
            pass
