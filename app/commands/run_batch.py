"""The child process of one batch: events on stdout, logs on stderr; it stops, in time, when its standard input ends."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

from app.bootstrap.program import importing
from app.commands.console import FAILED, log_to_stderr
from app.model.batch import Status
from app.pipeline.events import BatchEnded, Cancelling, Event, StepEnded, StepStarted, to_line
from app.pipeline.step import CancelToken

#: Whoever watches the batch comes first when the processors are busy.
_NICENESS = 10
#: So long the work may take to stop by itself: a kernel that compiles, or a library, asks nobody.
_PATIENCE_S = 1.3
#: So long the last words may take; without them the supervisor says what became of the batch.
_LAST_WORDS_S = 0.3


def run(key: int, into: Path | None, *, restart: bool) -> NoReturn:
    """Calibrate the batch with that key, and end with 0 when it was done, with problems or without; else with 1.

    Parameters
    ----------
    key : int
        Of the batch.
    into : Path or None
        Another root for the batch's folder.
    restart : bool
        Make everything anew.
    """
    log_to_stderr()
    logging.getLogger("app").setLevel(logging.INFO)
    cancel, told = CancelToken(), Told()
    signal.signal(signal.SIGTERM, lambda *_: cancel.cancel())
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C is the supervisor's: it ends our standard input
    for listen, arguments in ((_cancel_at_end_of_input, (cancel,)), (_end_in_time, (cancel, told))):
        threading.Thread(target=listen, args=arguments, name=listen.__name__, daemon=True).start()
    if hasattr(os, "nice"):  # on Linux it is a thread's own: those that listen are begun and stay quick
        os.nice(_NICENESS)
    with importing():  # takes a second or two, and a wish may come meanwhile
        from app.commands.batch_work import work
        from app.pipeline.recipe import calibration_recipe

        calibration_recipe()  # brings the modules of all steps
    code = work(key, into, told, cancel, restart=restart)
    logging.shutdown()
    os._exit(code)  # everything is closed: to take down what was imported and compiled would take a second more


class Told:
    """What was told of the batch: the reporter, and the last words where the work cannot say them.

    Attributes
    ----------
    abandon : callable
        Records, after so many seconds of a step, that the run was cut short; set once there is a batch.
    """

    def __init__(self) -> None:
        self.abandon: Callable[[float], None] | None = None
        self._lock = threading.Lock()
        self._step: str | None = None
        self._began_s = 0.0
        self._has_ended = False

    def report(self, event: Event) -> None:
        """Write an event."""
        with self._lock:
            self._write(event)

    def end(self) -> NoReturn:
        """End the process as if the work had stopped by itself: what it made is kept, and resume makes the rest."""
        try:
            if self._lock.acquire(timeout=_LAST_WORDS_S):  # never released: nothing is told after the end
                self._say_last()
        finally:
            os._exit(FAILED)

    def _say_last(self) -> None:
        if self.abandon is None or self._has_ended:
            return
        seconds = time.monotonic() - self._began_s
        self.abandon(seconds)
        if self._step is not None:
            from app.pipeline.external_solvers import kill_all  # all steps are there since the first began

            kill_all()
            self._write(StepEnded(self._step, Status.CANCELLED, seconds, None))
        self._write(BatchEnded(Status.CANCELLED))
        logging.shutdown()

    def _write(self, event: Event) -> None:
        match event:
            case StepStarted(name):
                self._step, self._began_s = name, time.monotonic()
            case StepEnded():
                self._step = None
            case BatchEnded():
                self._has_ended = True
        with suppress(BrokenPipeError):  # the supervisor is gone: its end of stdin cancels the work
            sys.stdout.write(to_line(event))
            sys.stdout.flush()


def _cancel_at_end_of_input(cancel: CancelToken) -> None:
    sys.stdin.buffer.read()
    cancel.cancel()


def _end_in_time(cancel: CancelToken, told: Told) -> None:
    """Say at once that the wish was heard, whatever the work is at, and wait for its end no longer than that takes."""
    cancel.wait()
    told.report(Cancelling())
    threading.Event().wait(_PATIENCE_S)
    told.end()
