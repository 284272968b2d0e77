"""What a batch would come to, told before it is begun: groups, masters with their reasons, doubts, disk and time."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from app.model.batch import LeftOut, Severity
from app.model.frame import FrameKind
from app.model.wording import count_text, duration_text, frames_text


@dataclass(frozen=True, slots=True)
class Doubt:
    """Something that an operator should know before the run; an error stops it."""

    severity: Severity
    subject: str
    message: str


@dataclass(frozen=True, slots=True)
class PlannedGroup:
    """Frames that go together.

    Attributes
    ----------
    set_up : str
        Camera, size, binning, gain, ... that they share.
    temperatures_degc : tuple of float
        Lowest and highest of the detector; empty when none is known.
    makes : str
        What is made of them, such as ``1 dark master``.
    """

    kind: FrameKind
    title: str
    frames: int
    set_up: str
    temperatures_degc: tuple[float, ...]
    makes: str


@dataclass(frozen=True, slots=True)
class NotUsed:
    """A master that was at hand, and why it is not taken."""

    master: str
    why: str


@dataclass(frozen=True, slots=True)
class Match:
    """What some lights or flats are calibrated with, and why.

    Attributes
    ----------
    frames : str
        Which, with their number.
    subtracted, subtracted_because : str
        What is done about bias and dark current.
    flat_because : str
        Why they get the flat they get, or none; empty for flats.
    masters : tuple of str
        Those that are used.
    refused : tuple of NotUsed
        Those that were at hand, and are not.
    """

    kind: FrameKind
    frames: str
    subtracted: str
    subtracted_because: str
    flat_because: str
    masters: tuple[str, ...]
    refused: tuple[NotUsed, ...]


@dataclass(frozen=True, slots=True)
class DiskNeed:
    """Bytes that the batch writes at most, and that are free; None when that is not known."""

    unpacked_bytes: int
    masters_bytes: int
    lights_bytes: int
    free_bytes: int | None

    @property
    def needed_bytes(self) -> int:
        """All together."""
        return self.unpacked_bytes + self.masters_bytes + self.lights_bytes


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a batch would come to.

    Attributes
    ----------
    source : str
        Where the frames are.
    batch : str or None
        Name of the batch; None when it is a new one.
    seconds : float
        Estimate of the whole run.
    workers : int
        With so many at work.
    """

    source: str
    batch: str | None
    groups: tuple[PlannedGroup, ...]
    matches: tuple[Match, ...]
    doubts: tuple[Doubt, ...]
    left_out: tuple[LeftOut, ...]
    disk: DiskNeed
    seconds: float
    workers: int

    @property
    def is_ready(self) -> bool:
        """Whether nothing stops the run."""
        return all(doubt.severity is not Severity.ERROR for doubt in self.doubts)

    @property
    def frames(self) -> int:
        """Frames that take part."""
        return sum(group.frames for group in self.groups)

    @property
    def verdict(self) -> str:
        """In a few words, for the head of the report."""
        errors = sum(doubt.severity is Severity.ERROR for doubt in self.doubts)
        if errors:
            return f"Cannot run: {errors} error{'s' if errors > 1 else ''}"
        warnings = len(self.doubts)
        return f"Ready, with {warnings} warning{'s' if warnings > 1 else ''}" if warnings else "Ready"

    @property
    def as_json(self) -> dict[str, Any]:
        """All of it as JSON."""
        told = asdict(self)
        told["disk"]["needed_bytes"] = self.disk.needed_bytes
        return {"ready": self.is_ready, **told}

    @property
    def text(self) -> str:
        """All of it for people; what is wrong comes first."""
        lines = [f"{self.verdict}: {self.source}", f"  {self.cost_text}", "  Nothing was written."]
        lines += _part("Problems", [f"{one.severity}: {one.subject}: {one.message}" for one in self.doubts])
        lines += _part("Frames", [_group_text(group) for group in self.groups])
        lines += _part("Masters", [line for match in self.matches for line in _match_lines(match)])
        lines += _part("Left out", [f"{one.file}: {one.reason}" for one in self.left_out])
        return "\n".join(lines)

    @property
    def cost_text(self) -> str:
        """Frames, disk and time in one line."""
        free = "" if self.disk.free_bytes is None else f" of {size_text(self.disk.free_bytes)} free"
        return (
            f"{frames_text(self.frames)}, at most {size_text(self.disk.needed_bytes)}{free}, "
            f"about {duration_text(self.seconds)} with {self.workers} at work (an estimate)"
        )


def size_text(size_bytes: int) -> str:
    """``12 kB``, ``3.4 MB``, ``12.0 GB``."""
    for unit, scale in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if size_bytes >= scale:
            return f"{size_bytes / scale:.1f} {unit}"
    return f"{count_text(round(size_bytes / 1e3))} kB"


def temperatures_text(temperatures_degc: tuple[float, ...]) -> str:
    """``-10.0 degC``, or the range; nothing when none is known."""
    if not temperatures_degc:
        return ""
    low, high = temperatures_degc
    return f"{low:.1f} degC" if high - low < 0.05 else f"{low:.1f} to {high:.1f} degC"


def _group_text(group: PlannedGroup) -> str:
    about = ", ".join(filter(None, (group.set_up, temperatures_text(group.temperatures_degc))))
    return f"{group.frames:>4} {group.title} ({about}): {group.makes}"


def _match_lines(match: Match) -> list[str]:
    why = "; ".join(filter(None, (match.subtracted_because, match.flat_because)))
    lines = [f"{match.frames}: {', '.join(match.masters) or 'none'}", f"  because: {why}"]
    return lines if match.masters else lines + [f"  not {one.master}: {one.why}" for one in match.refused]


def _part(title: str, lines: list[str]) -> list[str]:
    return [f"{title}:", *(f"  {line}" for line in lines)] if lines else []
