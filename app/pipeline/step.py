"""What a step is: it queries its frames, makes one product a group, and records each."""

from __future__ import annotations

import logging
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, TypeVar

from app.model.batch import FileBatch, Problem, Severity, Status
from app.model.clock import Clock, SystemClock
from app.model.errors import Cancelled, ClusterError, ObservatoryError, OutputError, StoreError
from app.model.ports import BatchStore
from app.model.settings import Settings
from app.pipeline.events import Progress, Report
from app.pipeline.progress import BatchProgress
from app.pipeline.workers import ThreadWorkers, Workers

log = logging.getLogger(__name__)

T = TypeVar("T")

#: Errors after which no other frame and no later step could do better.
FATAL = (OutputError, StoreError, ClusterError)


class CancelToken:
    """A wish to stop, checked between files and bands."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def cancel(self) -> None:
        """Ask the work to stop."""
        self._event.set()

    def wait(self) -> None:
        """Return when the work should stop."""
        self._event.wait()

    def check(self) -> None:
        """Raise `Cancelled` when the work should stop."""
        if self._event.is_set():
            raise Cancelled


class Policy(StrEnum):
    """What the batch does when a step fails."""

    STOP = "stop"
    GO_ON = "go on"


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may use: the batch, its store, the settings, how to report and to stop, and what was kept or made."""

    store: BatchStore
    batch: FileBatch
    settings: Settings
    report: Report
    cancel: CancelToken
    clock: Clock = field(default_factory=SystemClock)
    workers: Workers = field(default_factory=ThreadWorkers)
    kept: set[int] = field(default_factory=set)
    progress: BatchProgress = field(default_factory=BatchProgress)


@dataclass(slots=True)
class Findings:
    """Problems that a step meets while it goes on; each is logged once, here."""

    step: str
    code: int
    problems: list[Problem] = field(default_factory=list)

    @property
    def has_errors(self) -> bool:
        """Whether something was given up."""
        return any(problem.severity is Severity.ERROR for problem in self.problems)

    def warn(self, subject: str, message: str) -> None:
        """The step goes on, worse."""
        log.warning("%s: %s", subject, message)
        self.problems.append(Problem(self.code, Severity.WARNING, self.step, subject, message))

    def warn_of(self, told: Mapping[str, Sequence[str]]) -> None:
        """Each sentence once, for all subjects that it is true of: the first is named, the others are counted."""
        for message, subjects in told.items():
            others = f" and {len(subjects) - 1} more" if len(subjects) > 1 else ""
            self.warn(f"{subjects[0]}{others}", message)

    def give_up(self, subject: str, error: ObservatoryError) -> None:
        """One group or frame was given up; the rest goes on. Logged as ERROR, which mails the admins."""
        log.error("%s", error if str(error).startswith(subject) else f"{subject}: {error}")
        self.problems.append(Problem(self.code, Severity.ERROR, self.step, subject, str(error)))


class Step(ABC):
    """One step of a night's calibration.

    A step is one file in `app.pipeline.steps`; nothing else names it. Steps run in the order of their codes.

    Attributes
    ----------
    name : str
        As in the log and the database.
    code : int
        Number of the status code of its failures, 100 to 199; also its place in the night.
    description : str
        What the code says in the table of status codes.
    policy : Policy
        Whether a failure stops the batch.
    """

    name: ClassVar[str]
    code: ClassVar[int]
    description: ClassVar[str]
    policy: ClassVar[Policy] = Policy.GO_ON

    @abstractmethod
    def run(self, context: Context, findings: Findings) -> None:
        """Do the step for the whole batch.

        Raises
        ------
        ObservatoryError
            The step failed as a whole; what was recorded stays.
        Cancelled
            The operator stopped it.
        """

    def for_each(
        self,
        items: tuple[T, ...],
        work: Callable[[T], None],
        label: Callable[[T], str],
        context: Context,
        findings: Findings,
    ) -> None:
        """Do the work for each item, report progress, and go on after an item that failed.

        Raises
        ------
        OutputError, StoreError, ClusterError
            At once: what cannot be written, recorded or computed for one cannot be for the next.
        """
        for number, item in enumerate(items):
            context.cancel.check()
            context.report(Progress(self.name, number, len(items), label(item)))
            try:
                work(item)
            except FATAL:
                raise
            except ObservatoryError as error:
                findings.give_up(label(item), error)
        context.report(Progress(self.name, len(items), len(items), ""))


def status_of(problems: list[Problem]) -> Status:
    """How a step ended that did not fail as a whole."""
    return Status.DONE_WITH_PROBLEMS if problems else Status.DONE
