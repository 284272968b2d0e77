"""How every command talks: results on stdout, everything else on stderr; one JSON value with --json."""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any

from app.model.wording import duration_text
from app.pipeline.events import BatchEnded, Cancelling, Event, StepEnded, StepStarted
from app.pipeline.events import Progress as Done

if TYPE_CHECKING:
    from rich.progress import Progress

    from app.bootstrap.observatory import Observatory

log = logging.getLogger(__name__)

DONE, FAILED, BAD_USAGE = 0, 1, 2
#: A mail server that does not answer by then gets its mails at the next command.
MAIL_PATIENCE_S = 2.0


def say(text: str) -> None:
    """A line for the person at the terminal, on stderr."""
    print(text, file=sys.stderr)


def give(result: Any, text: str, *, as_json: bool) -> None:
    """The command's result on stdout: exactly one JSON value, or text."""
    print(json.dumps(result, indent=2, default=str) if as_json else text)


def refuse(sentence: str, *, as_json: bool, code: int = FAILED) -> int:
    """Say on stderr why there is no result, and on stdout too when that is to be JSON; returns the exit code."""
    say(sentence)
    if as_json:
        give({"error": sentence}, "", as_json=True)
    return code


def log_to_stderr(level: int = logging.WARNING) -> None:
    """Log to stderr; the level may be set by CUPOLA_LOG."""
    name = os.environ.get("CUPOLA_LOG", "").upper()
    logging.basicConfig(
        stream=sys.stderr,
        level=logging.getLevelNamesMapping().get(name, level),
        format="%(asctime)s %(levelname)-7s %(message)s",
        datefmt="%H:%M:%S",
    )


@contextmanager
def mails(observatory: Observatory) -> Iterator[None]:
    """Errors of this process are mailed, and the waiting mails are sent beside the work; nothing waits for them."""
    from app.services.alerts import AlertHandler

    handler = AlertHandler(observatory.outbox, observatory.settings.mail.recipients)
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)
        if observatory.settings.mail.host and observatory.outbox.waiting_count():
            sender = threading.Thread(target=_deliver, args=(observatory,), name="mail", daemon=True)
            sender.start()
            sender.join(MAIL_PATIENCE_S)


def _deliver(observatory: Observatory) -> None:
    from app.services.alerts import deliver_due

    try:
        delivery = deliver_due(observatory.outbox, observatory.settings.mail)
    except Exception:
        log.exception("Mails could not be delivered")
        return
    if delivery.failed:
        say(f"{delivery.failed} mail(s) could not be sent: they wait and are tried again")


class ProgressLine:
    """Progress of a batch on stderr: a bar on a terminal, a line for each step elsewhere."""

    def __init__(self) -> None:
        self._bar = _bar()
        self._tasks: dict[str, Any] = {}

    def __enter__(self) -> Callable[[Event], None]:
        if self._bar:
            self._bar.start()
        return self._take

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar:
            self._bar.stop()

    def _take(self, event: Event) -> None:
        if self._bar:
            self._draw(self._bar, event)
        elif isinstance(event, StepStarted):
            say(f"[{event.number + 1}/{event.steps}] {event.name} ...")
        elif isinstance(event, StepEnded):
            say(f"      {event.name}: {event.status.replace('_', ' ')}, {event.seconds:.1f} s")
        elif isinstance(event, Cancelling):
            say("the batch stops ...")
        elif isinstance(event, BatchEnded):
            say(f"batch {event.status.replace('_', ' ')}")

    def _draw(self, bar: Progress, event: Event) -> None:
        if isinstance(event, StepStarted):
            self._tasks[event.name] = bar.add_task(event.name, total=None, what="")
        elif isinstance(event, Done):
            far = f"{event.bytes_done / event.bytes_total:.0%} of all" if event.bytes_total else ""
            left = f"about {duration_text(event.left_s)} left" if event.left_s is not None else ""
            what = ", ".join(filter(None, (event.what, far, left)))
            bar.update(self._tasks[event.name], completed=event.done, total=event.total, what=what)
        elif isinstance(event, Cancelling):
            say("the batch stops ...")
        elif isinstance(event, StepEnded):
            bar.update(self._tasks[event.name], what=event.status.replace("_", " "))


def _bar() -> Progress | None:
    """A bar on a terminal, none elsewhere."""
    from rich.console import Console  # slow to import: the window does without
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        return None
    return Progress(
        TextColumn("{task.description:<22}"),
        BarColumn(),
        TextColumn("{task.completed}/{task.total}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[what]}"),
        console=console,
    )
