"""The child process of one batch: events on stdout, logs to stderr, database and batch folder; ends with its stdin."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime

from filelock import FileLock, Timeout

from app.bootstrap import Observatory, open_observatory
from app.commands.console import DONE, FAILED, log_to_stderr
from app.frames.fits_io import output_error
from app.model.batch import FileBatch, Status
from app.model.errors import BatchBusy, ObservatoryError, OutputError
from app.model.records import LogEntry
from app.pipeline.events import Event, to_line
from app.pipeline.run_batch import run_batch
from app.pipeline.step import CancelToken
from app.services.alerts import AlertHandler
from app.store.log_records import LogRecords

_FLUSH_AT = 50


def run(key: int) -> int:
    """Calibrate the batch with that key.

    Returns
    -------
    int
        0 when it was done, with problems or without; 1 otherwise.
    """
    log_to_stderr()
    logging.getLogger("app").setLevel(logging.INFO)
    cancel = CancelToken()
    signal.signal(signal.SIGTERM, lambda *_: cancel.cancel())
    threading.Thread(target=_cancel_at_end_of_input, args=(cancel,), name="stdin", daemon=True).start()
    with open_observatory() as observatory:
        batch = observatory.batches.batch(key)
        try:
            with _alone(batch), _logging(observatory, batch):
                status = run_batch(observatory.batches, batch, observatory.settings, _report, cancel)
        except (BatchBusy, OutputError) as error:
            print(f"refused: {error}", flush=True)
            return FAILED
    return DONE if status in (Status.DONE, Status.DONE_WITH_PROBLEMS) else FAILED


def _report(event: Event) -> None:
    with suppress(BrokenPipeError):  # the supervisor is gone: its end of stdin cancels the work
        sys.stdout.write(to_line(event))
        sys.stdout.flush()


def _cancel_at_end_of_input(cancel: CancelToken) -> None:
    sys.stdin.read()
    cancel.cancel()


@contextmanager
def _alone(batch: FileBatch) -> Iterator[None]:
    """Hold the batch's lock; it goes when the process goes, however it goes."""
    try:
        batch.folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(batch.folder / ".lock", timeout=0)
        lock.acquire()
    except Timeout as error:
        raise BatchBusy(
            f"batch {batch.name} is being worked on by another process: wait for it, or cancel it first"
        ) from error
    except OSError as error:
        raise output_error(batch.folder, error) from error
    try:
        yield
    finally:
        lock.release()


@contextmanager
def _logging(observatory: Observatory, batch: FileBatch) -> Iterator[None]:
    """Route the log to the batch's file and the database, and errors to the admins."""
    file = logging.FileHandler(batch.folder / "log.txt", encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    records = _BatchRecords(observatory.log_records, batch.key)
    alerts = AlertHandler(observatory.outbox, observatory.settings.mail.admins)
    alerts.addFilter(_names(batch))
    root = logging.getLogger()
    handlers = (file, records, alerts)
    for handler in handlers:
        root.addHandler(handler)
    try:
        yield
    except ObservatoryError:
        raise
    except Exception:
        logging.getLogger(__name__).exception("Batch %s ended by a fault of the program", batch.name)
        raise
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

    def __init__(self, records: LogRecords, batch: int) -> None:
        super().__init__(logging.INFO)
        self._records = records
        self._batch = batch
        self._waiting: list[LogEntry] = []

    def emit(self, record: logging.LogRecord) -> None:
        moment = datetime.fromtimestamp(record.created, UTC)
        self._waiting.append(LogEntry(self._batch, moment, record.levelno, record.name, record.getMessage()))
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
