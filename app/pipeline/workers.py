"""Who computes: tasks are pure functions of a small job, results come in the order of the jobs."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from app.model.settings import Processing

J = TypeVar("J")
R = TypeVar("R")

#: Raises `Cancelled` when the work should stop; long tasks call it between bands.
Check = Callable[[], None]
#: Module-level, safe to do twice: paths and numbers in, a file and a small result out.
Task = Callable[[J, Check], R]

#: Environment of a process that computes. Its workers are threads: those of BLAS would only wait for each other, at twice
#: the cost. And what a band leaves behind is kept for the next one (glibc; in bytes): to have it from the system anew
#: costs a tenth of the time.
ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MALLOC_MMAP_THRESHOLD_": str(30_000_000),
    "MALLOC_TRIM_THRESHOLD_": str(500_000_000),
}

#: Jobs handed out ahead of the one whose result is waited for, for each worker.
AHEAD = 2


class Workers(Protocol):
    """Threads of this process, or processes of a cluster."""

    @property
    def width(self) -> int:
        """How many tasks run at the same time."""
        ...

    def each(self, task: Task[J, R], jobs: Iterable[J], check: Check) -> closing[Generator[Future[R]]]:
        """Run a task for every job, within a ``with``: at its end no task runs any more, whatever ended it.

        Parameters
        ----------
        task : callable
            Module-level function of a job and a check; both it and the jobs can be pickled.
        jobs : iterable
            Taken as workers become free.
        check : callable
            Tells when to stop; the check that the task gets raises then, too.

        Returns
        -------
        closing
            Gives futures that are done, in the order of the jobs: the result, or what the task raised.
        """
        ...


class ThreadWorkers:
    """Threads of this process; kernels run without the GIL.

    Parameters
    ----------
    threads : int
        How many, see `width_of`.
    """

    def __init__(self, threads: int = 0) -> None:
        self._width = width_of(threads)

    @property
    def width(self) -> int:
        """How many threads."""
        return self._width

    def each(self, task: Task[J, R], jobs: Iterable[J], check: Check) -> closing[Generator[Future[R]]]:
        """As `Workers.each`."""
        return closing(self._each(task, jobs, check))

    def _each(self, task: Task[J, R], jobs: Iterable[J], check: Check) -> Generator[Future[R]]:
        with ThreadPoolExecutor(self._width, thread_name_prefix="worker") as pool:
            waiting: deque[Future[R]] = deque()
            try:
                for job in jobs:
                    check()
                    waiting.append(pool.submit(task, job, check))
                    while len(waiting) > self._width * AHEAD:
                        yield _done(waiting.popleft())
                while waiting:
                    yield _done(waiting.popleft())
            finally:
                for future in waiting:
                    future.cancel()


def width_of(threads: int) -> int:
    """How many workers: 0 is one less than there are processors where these are more than two, else all."""
    processors = os.cpu_count() or 1
    return threads or (processors - 1 if processors > 2 else processors)


@contextmanager
def open_workers(settings: Processing, folder: Path) -> Iterator[Workers]:
    """Threads, or the cluster of the settings, until the end.

    Parameters
    ----------
    settings : Processing
        Which.
    folder : Path
        Of the batch: every worker must see it.

    Raises
    ------
    ClusterError
        The cluster is not there, or its workers cannot do this batch.
    """
    if not settings.cluster:
        yield ThreadWorkers(settings.threads)
        return
    from app.pipeline import forks

    if settings.cluster == "local" and forks.can_fork():
        forks.begin()
    from app.pipeline.cluster import open_cluster  # an extra, and slow to import

    with open_cluster(settings.cluster, width_of(settings.threads), folder) as workers:
        yield workers


def _done(future: Future[R]) -> Future[R]:
    future.exception()  # waits, and does not raise
    return future
