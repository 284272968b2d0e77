"""What a running batch tells: small values, also as lines of JSON over the pipe of its process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict, dataclass

from app.model.batch import Status


@dataclass(frozen=True, slots=True)
class StepStarted:
    """A step began; it is number `number` of `steps`."""

    name: str
    number: int
    steps: int


@dataclass(frozen=True, slots=True)
class Progress:
    """A step did `done` of `total` pieces; `what` is the newest.

    Attributes
    ----------
    bytes_done, bytes_total : int
        Of the whole batch: bytes of raw frames, each counted for every step that goes through it; 0 while the work is
        not known.
    left_s : float or None
        Until the batch is done; None while that is not known.
    """

    name: str
    done: int
    total: int
    what: str
    bytes_done: int = 0
    bytes_total: int = 0
    left_s: float | None = None


@dataclass(frozen=True, slots=True)
class Cancelling:
    """The wish to stop was heard; the batch ends at the next band."""


@dataclass(frozen=True, slots=True)
class StepEnded:
    """A step ended."""

    name: str
    status: Status
    seconds: float
    error: str | None


@dataclass(frozen=True, slots=True)
class BatchEnded:
    """The batch ended; this is the last event."""

    status: Status


@dataclass(frozen=True, slots=True)
class Refused:
    """The batch could not be worked on at all; `reason` is the sentence for the operator."""

    reason: str


Event = StepStarted | Progress | Cancelling | StepEnded | BatchEnded | Refused
Report = Callable[[Event], None]

_KINDS = {kind.__name__: kind for kind in (StepStarted, Progress, Cancelling, StepEnded, BatchEnded, Refused)}


def to_line(event: Event) -> str:
    """One line of JSON, with its newline."""
    return json.dumps({"event": type(event).__name__, **asdict(event)}) + "\n"


def from_line(line: str) -> Event:
    """The event that `to_line` wrote; raises ValueError for anything else."""
    fields = json.loads(line)
    if not isinstance(fields, dict) or fields.get("event") not in _KINDS:
        raise ValueError(f"{line[:80]!r} is no event")
    kind = _KINDS[fields.pop("event")]
    if "status" in fields:
        fields["status"] = Status(fields["status"])
    return kind(**fields)
