"""Tasks on dask.distributed: worker processes of this machine, or those of a scheduler somewhere."""

from __future__ import annotations

import logging
import pickle
import secrets
import threading
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import Future
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from app import __version__
from app.frames.product_file import output_error
from app.model.errors import Cancelled, ClusterError
from app.pipeline import forks
from app.pipeline.workers import AHEAD, ENVIRONMENT, Check, Task

try:
    import dask
    import distributed
    from distributed.scheduler import KilledWorker
except ImportError as error:
    raise ClusterError(
        "processor.cluster is set, and dask.distributed is not installed: "
        'install it with pip install "cupola[cluster]", or leave processor.cluster empty'
    ) from error

#: They come without types.
_set: Any = dask.config.set
_Client: Any = distributed.Client
_LocalCluster: Any = distributed.LocalCluster
_wait: Any = distributed.wait  # of the one client of this process

#: Of workers on this machine. Nobody looks at dask's own statistics of them, which take their time.
_SETTINGS = {
    "distributed.nanny.pre-spawn-environ": ENVIRONMENT,
    "distributed.worker.profile.enabled": False,
    "distributed.admin.tick.interval": "500ms",
} | ({"distributed.worker.multiprocessing-method": forks.METHOD} if forks.can_fork() else {})

J = TypeVar("J")
R = TypeVar("R")

#: How often the wish to stop is looked at while a result is waited for.
_LOOK_S = 0.1
#: Tasks that were told to stop have so long; then nobody waits for them.
_STOP_S = 2.0
#: How long a scheduler and its first worker may take to answer.
_PATIENCE_S = 30.0

#: In a worker: the calls of `each` whose tasks must stop.
_stopped: set[str] = set()


@contextmanager
def open_cluster(address: str, processes: int, folder: Path) -> Iterator[ClusterWorkers]:
    """Connect to a scheduler, or start one with workers on this machine for ``local``; see that they can do the batch.

    Parameters
    ----------
    address : str
        ``local``, or ``tcp://HOST:PORT``.
    processes : int
        How many to start on this machine.
    folder : Path
        Of the batch: every worker must see it.

    Raises
    ------
    ClusterError
        Nobody answers, no worker is there, or one has another version or does not see the folder.
    """
    with _connected(address, processes) as client:
        _examine(client, address, folder)
        yield ClusterWorkers(client, address)


class ClusterWorkers:
    """Workers of a dask cluster; a task whose worker is lost is done again by another.

    Parameters
    ----------
    client : distributed.Client
        Connected.
    address : str
        For messages.
    """

    def __init__(self, client: Any, address: str) -> None:
        self._client = client
        self._address = address

    @property
    def width(self) -> int:
        """How many threads all workers have together now."""
        threads: dict[str, int] = self._client.nthreads()
        return max(1, sum(threads.values()))

    def each(self, task: Task[J, R], jobs: Iterable[J], check: Check) -> closing[Generator[Future[R]]]:
        """As `app.pipeline.workers.Workers.each`; the first future raises `ClusterError` when the scheduler is lost."""
        return closing(self._each(task, jobs, check))

    def _each(self, task: Task[J, R], jobs: Iterable[J], check: Check) -> Generator[Future[R]]:
        if self._client.status != "running":
            raise self._lost
        run, most = secrets.token_hex(8), self.width * AHEAD
        waiting: deque[Any] = deque()
        try:
            for job in jobs:
                check()
                order = pickle.dumps((task, job))  # as bytes, dask does not look into it
                waiting.append(self._client.submit(_work, __version__, run, order, pure=False))
                while len(waiting) > most:
                    yield self._done(waiting, check)
            while waiting:
                yield self._done(waiting, check)
        finally:
            if waiting:
                self._stop(run, list(waiting))

    @property
    def _lost(self) -> ClusterError:
        return ClusterError(
            f"the cluster at {self._address} was lost: see that its scheduler runs, then resume the batch"
        )

    def _done(self, waiting: deque[Any], check: Check) -> Future[Any]:
        """The first of those that wait, with its result or what its task raised."""
        theirs, ours, is_over = waiting[0], Future[Any](), threading.Event()
        theirs.add_done_callback(lambda _: is_over.set())
        while theirs.status == "pending":
            check()
            is_over.wait(_LOOK_S)
        waiting.popleft()
        if theirs.status in ("cancelled", "lost"):
            raise self._lost
        error = theirs.exception()
        if isinstance(error, KilledWorker):
            error = ClusterError(
                f"workers at {self._address} died several times of one task: give them more memory, "
                "or leave processor.cluster empty, then resume the batch"
            )
        if error is not None:
            ours.set_exception(error)
        else:
            ours.set_result(theirs.result())
        return ours

    def _stop(self, run: str, waiting: list[Any]) -> None:
        """Have the tasks stop, and wait for them, so that none still writes when the next begins."""
        with suppress(Exception):  # a cluster that is lost has stopped
            self._client.run(_note_stop, run, on_error="ignore", wait=False)
            _wait(waiting, timeout=_STOP_S)
        with suppress(Exception):
            self._client.cancel(waiting, force=True)


@dataclass(frozen=True, slots=True)
class _StopCheck:
    """What a task on a worker calls between its bands."""

    run: str

    def __call__(self) -> None:
        if self.run in _stopped:
            raise Cancelled


def _work(version: str, run: str, order: bytes) -> Any:
    """In a worker: do one task."""
    _require_version(version)
    check = _StopCheck(run)
    check()
    task, job = pickle.loads(order)  # noqa: S301 - from our own coordinator; dask itself speaks pickle
    return task(job, check)


async def _note_stop(run: str) -> None:
    """In a worker: tasks of that call of `each` stop at their next check."""
    _stopped.add(run)


def _require_version(version: str) -> None:
    if version != __version__:
        raise ClusterError(f"a worker has Cupola {__version__}, the batch needs {version}: install the same on all")


def _introduce(version: str, file: Path, word: str) -> str:
    """In a worker: what keeps it from doing this batch; nothing when it can."""
    try:
        _require_version(version)
        return "" if file.read_text(encoding="ascii") == word else f"it sees another {file.parent}"
    except (ClusterError, OSError) as error:
        return str(error)


@contextmanager
def _connected(address: str, processes: int) -> Iterator[Any]:
    try:
        if address == "local":
            with _set(_SETTINGS):
                cluster = _LocalCluster(
                    n_workers=processes,
                    threads_per_worker=1,
                    processes=True,
                    host="127.0.0.1",
                    dashboard_address="127.0.0.1:0",
                    worker_dashboard_address="127.0.0.1:0",
                    memory_limit=None,
                    silence_logs=logging.ERROR,
                )
        else:
            cluster = None
        client = _Client(cluster or address, timeout=_PATIENCE_S)
    except (OSError, TimeoutError, RuntimeError, ValueError) as error:
        raise ClusterError(
            f"no scheduler answers at {address} ({error}): start it, or leave processor.cluster empty"
        ) from error
    with ExitStack() as stack:
        if cluster is not None:
            stack.enter_context(closing(cluster))
        yield stack.enter_context(closing(client))


def _examine(client: Any, address: str, folder: Path) -> None:
    """See that there are workers, and that each has our version and sees the batch's folder."""
    try:
        client.wait_for_workers(1, timeout=_PATIENCE_S)
    except TimeoutError as error:
        raise ClusterError(
            f"the scheduler at {address} has no workers: start some, or leave processor.cluster empty"
        ) from error
    word = secrets.token_hex(8)
    file = folder / f".cluster-{word}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(word, encoding="ascii")
    except OSError as error:
        raise output_error(folder, error) from error
    try:
        answers = client.run(_introduce, __version__, file, word, on_error="return")
    finally:
        file.unlink()
    for worker, answer in answers.items():
        if answer:
            raise ClusterError(
                f"worker {worker} of {address} cannot work on this batch: {answer}: install Cupola {__version__} "
                f"there, and let it see {folder} at the same path"
            )
