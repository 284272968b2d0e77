"""The Processor: takes orders one by one and runs each batch in a process of its own, which may be stopped or die."""

from __future__ import annotations

import logging
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from app.model.batch import FileBatch, Status
from app.model.errors import ObservatoryError, StoreError
from app.model.order_life import StoredOrder
from app.model.work_order import OrderState, Request, source_of_url
from app.pipeline.events import BatchEnded, Event, Refused, Report, from_line
from app.pipeline.workers import ENVIRONMENT
from app.services.batch_report import batch_report
from app.store.batches import Batches
from app.store.work_orders import WorkOrders

log = logging.getLogger(__name__)

#: Told of an order and its batch.
Begun = Callable[[StoredOrder, FileBatch], None]

#: A cancelled batch that has not ended by then is killed; resume goes on from what it finished.
CANCEL_GRACE_S = 10.0
#: So often the wish to stop is looked up; the child says within 0.2 s of it that it was heard.
_LOOK_S = 0.1


class BatchProcess:
    """One batch, calibrated in a child process.

    Parameters
    ----------
    command : sequence of str
        Starts the child; it takes the batch's key as its last argument, prints events as lines of JSON, and stops
        when its standard input says so or ends.
    store : Batches
        To say what became of a batch whose process died.
    """

    def __init__(self, command: Sequence[str], store: Batches) -> None:
        self._command = tuple(command)
        self._store = store

    def run(
        self,
        batch: FileBatch,
        report: Report,
        is_cancelled: Callable[[], bool],
        *,
        into: Path | None = None,
        restart: bool = False,
    ) -> Status:
        """Run the batch to one of its ends.

        Parameters
        ----------
        batch : FileBatch
            What to run; the child reads it anew once it holds the batch's lock.
        report : callable
            Takes every event, in this thread.
        is_cancelled : callable
            Asked several times a second, in a thread of its own.
        into : Path, optional
            Another root for the batch's folder.
        restart : bool
            Make everything anew.

        Returns
        -------
        Status
            As the batch ended.

        Raises
        ------
        ObservatoryError
            The child could not begin, for another process works on the batch; or it died.
        """
        options = [*(("--into", str(into)) if into else ()), *(("--restart",) if restart else ())]
        child = subprocess.Popen(
            [*self._command, str(batch.key), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
            env={**os.environ, **ENVIRONMENT},
            start_new_session=True,
        )
        watch = _CancelWatch(child, is_cancelled)
        ended: Status | None = None
        refusal: str | None = None
        try:
            for event in _events(child):
                if isinstance(event, Refused):
                    refusal = event.reason
                    continue
                if isinstance(event, BatchEnded):
                    ended = event.status
                report(event)
            code = child.wait()
        finally:
            watch.close()
            assert child.stdout is not None  # noqa: S101 - asked for above
            child.stdout.close()
        if refusal is not None:
            raise ObservatoryError(refusal)
        if ended is not None:
            return ended
        if watch.was_cancelled:
            self._store.abandon(batch.key)
            return Status.CANCELLED
        self._store.set_status(batch.key, Status.FAILED)
        how = f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"
        raise ObservatoryError(
            f"the process of batch {batch.name} {how}: see {batch.folder / 'log.txt'}, then resume the batch"
        )


class _CancelWatch:
    """Tells a child to stop when asked, and ends it when it does not."""

    def __init__(self, child: subprocess.Popen[str], is_cancelled: Callable[[], bool]) -> None:
        self._child = child
        self._is_cancelled = is_cancelled
        self._over = threading.Event()
        self.was_cancelled = False
        self._thread = threading.Thread(target=self._watch, name="cancel watch", daemon=True)
        self._thread.start()

    def _watch(self) -> None:
        while not self._over.wait(_LOOK_S):
            if self._is_wished():
                self.was_cancelled = True
                self._hang_up()
                if not self._over.wait(CANCEL_GRACE_S):
                    log.warning("Batch process %d did not stop within %g s: killed", self._child.pid, CANCEL_GRACE_S)
                    self._child.kill()
                return

    def _is_wished(self) -> bool:
        """Whether somebody wants the batch to stop; a database that cannot be asked now is asked again."""
        try:
            return self._is_cancelled()
        except StoreError as error:
            log.debug("The wish to cancel could not be looked up: %s", error)
            return False

    def _hang_up(self) -> None:
        """The child stops when its standard input ends."""
        if self._child.stdin is not None and not self._child.stdin.closed:
            try:
                self._child.stdin.close()
            except BrokenPipeError:
                log.debug("Batch process %d had gone already", self._child.pid)

    def close(self) -> None:
        """End the watch; a child that still runs, because its supervisor failed, is told to stop."""
        self._over.set()
        self._thread.join()
        self._hang_up()


def _events(child: subprocess.Popen[str]) -> Iterator[Event]:
    """Events of the child; what a library prints between them is none."""
    assert child.stdout is not None  # noqa: S101 - asked for in Popen
    for line in child.stdout:
        try:
            yield from_line(line)
        except (ValueError, TypeError):
            log.warning("The batch process printed what is no event: %s", line.strip()[:200])


class Processor:
    """Runs the Processor's orders, oldest first.

    Parameters
    ----------
    orders, batches
        The store.
    process : BatchProcess
        Runs a batch.
    repository : Path
        Where new batches get their folders.
    lock_file : Path
        Exactly one process takes orders from a database.
    """

    def __init__(
        self, orders: WorkOrders, batches: Batches, process: BatchProcess, repository: Path, lock_file: Path
    ) -> None:
        self._orders = orders
        self._batches = batches
        self._process = process
        self._repository = repository
        self._lock_file = lock_file

    @contextmanager
    def on_duty(self) -> Iterator[None]:
        """Take orders, alone; orders that a killed Processor left running wait again.

        Raises
        ------
        ObservatoryError
            Another process takes them.
        """
        lock = FileLock(self._lock_file, timeout=0)
        try:
            self._lock_file.parent.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout as error:
            raise ObservatoryError(
                f"another Cupola takes the orders of this database ({self._lock_file} is locked): "
                "leave them to it, or stop it first"
            ) from error
        except OSError as error:
            raise ObservatoryError(
                f"no orders can be taken: the lock {self._lock_file} cannot be made ({error.strerror}): "
                "allow writing there"
            ) from error
        try:
            for orphan in self._orders.requeue_orphans():
                log.warning("Order %s was cut off: it waits again", orphan.name)
            yield
        finally:
            lock.release()

    def run_next(
        self,
        report: Report,
        is_going: Callable[[], bool] = lambda: False,
        begun: Begun = lambda stored, batch: None,
    ) -> StoredOrder | None:
        """Run the oldest waiting order to its end, while on duty.

        Parameters
        ----------
        report : callable
            Takes every event, in this thread.
        is_going : callable
            Whether this Processor goes off duty: the batch is stopped, and its order waits for the next one on duty.
        begun : callable
            Told of the order and its batch before the batch begins, in this thread.

        Returns
        -------
        StoredOrder or None
            As it ended, or WAITING when it was put off; None when none waits.
        """
        for stored in self._orders.waiting():
            if self._orders.take(stored.key):
                self._run(stored, report, is_going, begun)
                return self._orders.by_key(stored.key)
        return None

    def _run(self, stored: StoredOrder, report: Report, is_going: Callable[[], bool], begun: Begun) -> None:
        order, key = stored.order, stored.key
        log.info("Order %s: %s", stored.name, order.request)
        result: dict[str, Any] = {}
        reason: str | None = None
        try:
            batch = self._batch_of(stored)
            begun(stored, batch)
            status = self._process.run(
                batch,
                report,
                lambda: is_going() or self._orders.is_cancelling(key),
                restart=order.request is Request.RESTART,
            )
            if status is Status.CANCELLED and is_going() and not self._orders.is_cancelling(key):
                self._put_off(stored)
                return
            result = batch_report(self._batches, batch.key)
            state = OrderState(status)
        except ObservatoryError as error:
            log.error("Order %s failed: %s", stored.name, error)
            state, reason = OrderState.FAILED, str(error)
        self._orders.finish(key, state, result, reason)

    def _put_off(self, stored: StoredOrder) -> None:
        """Nobody cancelled this order, the Processor goes: it is the only one that runs, and it waits again."""
        self._orders.requeue_orphans()
        log.info("Order %s is put off: it waits for the next Processor on duty", stored.name)

    def _batch_of(self, stored: StoredOrder) -> FileBatch:
        order = stored.order
        source = order.url and source_of_url(order.url)
        if order.request is Request.CALIBRATE and source:
            return self._batches.open_batch(source, self._repository)
        return self._batches.by_name_or_source(order.batch, source)
