"""Values of a file batch: its exposures, what was made of them, and how each step ended."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

from app.model.frame import FrameFacts, Recognition

#: Numbers of the status codes; each step has its own between them (see `app.pipeline.step.Step.code`).
SUCCESS = 0
CALIBRATION_CODES = range(100, 200)


class Status(StrEnum):
    """How a batch or a step stands."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    DONE_WITH_PROBLEMS = "done_with_problems"
    FAILED = "failed"
    CANCELLED = "cancelled"


class ProductKind(StrEnum):
    """What a combination is."""

    BIAS_MASTER = "bias_master"
    DARK_MASTER = "dark_master"
    FLAT_MASTER = "flat_master"
    CALIBRATED_LIGHT = "calibrated_light"
    UNCALIBRATED_LIGHT = "uncalibrated_light"
    LIGHT_STACK = "light_stack"


class Severity(StrEnum):
    """A warning goes on, worse; an error gave something up."""

    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class FileBatch:
    """Frames that are processed together; known by its source.

    Attributes
    ----------
    key : int
        Number in the database.
    name : str
        Short unique name; also the name of its folder.
    source : str
        Where the frames come from: an absolute path or a URL.
    folder : Path
        Where its products lie, absolute.
    status : Status
        How its last run ended, or RUNNING.
    generation : int
        The complete set of products that is shown; 0 before the first.
    target_generation : int
        The set that a run works on; greater than `generation` until that set is complete.
    """

    key: int
    name: str
    source: str
    folder: Path
    status: Status
    generation: int
    target_generation: int
    created_at: datetime

    def set_folder(self, generation: int) -> Path:
        """Where the products of one generation lie: each has a folder of its own, so no set ever overwrites another."""
        return self.folder / f"set-{generation}"


@dataclass(frozen=True, slots=True)
class NewExposure:
    """A raw frame that was read and recognised.

    Attributes
    ----------
    file : str
        Name relative to the batch's source, for people.
    path : Path
        Where the readable frame lies: the source itself, or its unpacked copy.
    checksum : str
        SHA-256 of the file at the source, hexadecimal.
    """

    file: str
    path: Path
    checksum: str
    facts: FrameFacts
    recognition: Recognition


@dataclass(frozen=True, slots=True)
class Exposure(NewExposure):
    """An exposure as the database keeps it."""

    key: int = 0


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A file that takes no part, and why."""

    file: str
    reason: str


@dataclass(frozen=True, slots=True)
class NewCombination:
    """What a step made of exposures and other combinations.

    Attributes
    ----------
    kind : ProductKind
        What it is.
    path : Path
        Relative to the folder of its generation, such as ``masters/bias_1024x1024_1x1.fits``.
    recipe : str
        SHA-256 over kind, inputs, masters and parameters: the same recipe gives the same product.
    checksum : str
        SHA-256 of the file; of a light that is not measured yet, the digest of a draft.
    facts : FrameFacts
        What its frames have in common: camera, size, binning, gain, filter, exposure, temperature, date of the first.
    exposures : tuple of int
        Keys of the raw frames in it.
    uses : tuple of int
        Keys of the combinations used for it.
    parameters : dict
        What was applied, JSON: method, clipping, scale of the dark, shifts, ...
    qc : dict
        Quality numbers, JSON; a number that is not known has no key.
    wcs : dict or None
        ``{"status": "solved" | "header" | "unsolved", ...}``; None before astrometry and for masters.
    """

    kind: ProductKind
    path: Path
    recipe: str
    checksum: str
    facts: FrameFacts
    exposures: tuple[int, ...]
    uses: tuple[int, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)
    qc: dict[str, Any] = field(default_factory=dict)
    wcs: dict[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Combination(NewCombination):
    """A combination as the database keeps it.

    Attributes
    ----------
    file : Path
        Absolute path of the product now.
    made_at : datetime
        When it was recorded, UTC.
    inputs : tuple of str
        Names of the raw frames in it.
    """

    key: int = 0
    batch: int = 0
    file: Path = Path()
    made_at: datetime | None = None
    inputs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pins:
    """What a set of products began with, of other batches: its later runs see these and nothing newer.

    Attributes
    ----------
    masters : tuple of Combination
        Newest first.
    set_ups : tuple of str
        Camera set-ups that were looked up for it.
    distortions : tuple of dict
        Remembered distortions, JSON.
    """

    masters: tuple[Combination, ...] = ()
    set_ups: tuple[str, ...] = ()
    distortions: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class Problem:
    """Something that an operator should know of a run.

    Attributes
    ----------
    code : int
        Number of the `StatusCode`.
    step : str
        Name of the step.
    subject : str
        The file, group or product it is about.
    message : str
        Subject, value, limit and remedy in one sentence.
    """

    code: int
    severity: Severity
    step: str
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class StepRun:
    """One run of one step over one batch."""

    name: str
    status: Status
    started_at: datetime
    seconds: float | None
    code: int
    error: str | None = None
    problems: tuple[Problem, ...] = ()
