"""The work of the child process of one batch: on its database and its folder, alone, with its log in both."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from filelock import FileLock, Timeout

from app.bootstrap.observatory import Observatory, lock_file, open_observatory
from app.commands.console import DONE, FAILED
from app.commands.run_batch import Told
from app.frames.product_file import output_error
from app.model.batch import FileBatch, Status
from app.model.errors import ObservatoryError
from app.model.records import LogEntry
from app.pipeline.events import Refused
from app.pipeline.run_batch import run_batch
from app.pipeline.step import CancelToken
from app.services.alerts import AlertHandler

log = logging.getLogger(__name__)

_FLUSH_AT = 50


def work(key: int, into: Path | None, told: Told, cancel: CancelToken, *, restart: bool) -> int:
    """Calibrate the batch with that key, and tell of it; returns the exit code."""
    try:
        with open_observatory() as observatory, _alone(observatory, key):
            batch = _prepared(observatory, key, into, restart=restart)
            with _logging(observatory, batch):
                told.abandon = partial(observatory.batches.abandon, key)
                return _run(observatory, batch, told, cancel)
    except ObservatoryError as error:
        told.report(Refused(str(error)))
        return FAILED


def _prepared(observatory: Observatory, key: int, into: Path | None, *, restart: bool) -> FileBatch:
    """The batch as it is to be worked on; only who holds its lock may change what it aims at.

    Raises
    ------
    ObservatoryError
        Its folder cannot be written, or lies in the way of the raw frames.
    """
    batches = observatory.batches
    batch = batches.batch(key) if into is None else batches.move_to(key, into)
    if restart:
        batch = batches.begin_restart(key)
        shutil.rmtree(batch.set_folder(batch.target_generation), ignore_errors=True)  # of an unfinished restart
    source = Path(batch.source).resolve()
    if source.is_relative_to(batch.folder.resolve()):
        raise ObservatoryError(
            f"products in {batch.folder} would lie among the raw frames: choose another folder with --into"
        )
    try:
        batch.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(batch.folder, error) from error
    return batch


def _run(observatory: Observatory, batch: FileBatch, told: Told, cancel: CancelToken) -> int:
    try:
        status = run_batch(observatory.batches, batch, observatory.settings, told.report, cancel, observatory.clock)
    except ObservatoryError:
        raise
    except Exception:
        log.exception("Batch %s ended by a fault of the program", batch.name)
        return FAILED
    return DONE if status in (Status.DONE, Status.DONE_WITH_PROBLEMS) else FAILED


@contextmanager
def _alone(observatory: Observatory, key: int) -> Iterator[None]:
    """Hold the batch's lock; it goes when the process goes, however it goes.

    Raises
    ------
    ObservatoryError
        Another process holds it.
    """
    file = lock_file(observatory.database, f"batch-{key}")
    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        name = observatory.batches.batch(key).name
        raise ObservatoryError(
            f"batch {name} is being worked on by another process ({file} is locked): wait for it, or cancel it first"
        ) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _logging(observatory: Observatory, batch: FileBatch) -> Iterator[None]:
    """Route the log to the batch's file and the database, and errors to the admins."""
    try:
        file = logging.FileHandler(batch.folder / "log.txt", encoding="utf-8")
    except OSError as error:
        raise output_error(batch.folder / "log.txt", error) from error
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    records = _BatchRecords(observatory, batch.key)
    alerts = AlertHandler(observatory.outbox, observatory.settings.mail.recipients)
    alerts.addFilter(_names(batch))
    root = logging.getLogger()
    handlers = (file, records, alerts)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def _names(batch: FileBatch) -> Callable[[logging.LogRecord], bool]:
    """A filter that lets everything pass and tells the mails which batch it is about."""

    def name(record: logging.LogRecord) -> bool:
        record.batch = batch.name
        return True

    return name


class _BatchRecords(logging.Handler):
    """Keeps the batch's log in the database, some records at a time."""

    def __init__(self, observatory: Observatory, batch: int) -> None:
        super().__init__(logging.INFO)
        self._clock = observatory.clock
        self._records = observatory.log_records
        self._batch = batch
        self._waiting: list[LogEntry] = []

    def emit(self, record: logging.LogRecord) -> None:
        self._waiting.append(LogEntry(self._batch, self._clock.utc(), record.levelno, record.name, record.getMessage()))
        if len(self._waiting) >= _FLUSH_AT or record.levelno >= logging.WARNING:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        self.acquire()
        try:
            waiting, self._waiting = self._waiting, []
            self._records.add_many(waiting)
        except ObservatoryError:
            self.handleError(logging.LogRecord("app", logging.ERROR, "", 0, "log of the batch not kept", None, None))
        finally:
            self.release()

    def close(self) -> None:
        self.flush()
        super().close()
