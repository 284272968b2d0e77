"""What a drill measured, and whether that is good enough."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Limits:
    """How long things may take, seconds from the fault; None where there is nothing to wait for."""

    detect_s: float | None = None
    close_s: float | None = None
    safe_s: float | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one drill measured, seconds from the fault.

    Attributes
    ----------
    did : str
        What was done, and what came of it, in one sentence.
    detect_s : float or None
        Until the first word of it in dome service, guard or alarms.
    close_s : float or None
        Until CloseShutter reached the simulator.
    safe_s : float or None
        Until the shutter was closed in truth; where it cannot be, until it was told as unknown and OPEN was refused.
    facts : mapping
        What else was measured.
    """

    did: str
    detect_s: float | None = None
    close_s: float | None = None
    safe_s: float | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def late(self, limits: Limits) -> str:
        """What took longer than it may; empty when nothing did."""
        checks = (
            ("The first word of it", self.detect_s, limits.detect_s),
            ("CloseShutter", self.close_s, limits.close_s),
            ("The safe state", self.safe_s, limits.safe_s),
        )
        return "; ".join(
            f"{what} never came" if value is None else f"{what} came after {value:.2f} s, limit {limit:g} s"
            for what, value, limit in checks
            if limit is not None and (value is None or value > limit)
        )


@dataclass(frozen=True, slots=True)
class DrillReport:
    """One drill that was played."""

    name: str
    outcome: Outcome
    limits: Limits
    failure: str = ""

    @property
    def is_passed(self) -> bool:
        """Whether it proved what it is for."""
        return not self.failure

    @property
    def as_json(self) -> dict[str, Any]:
        """For other programs."""
        values = asdict(self.outcome)
        rounded = {name: round(value, 2) if isinstance(value, float) else value for name, value in values.items()}
        return {
            "drill": self.name,
            **rounded,
            "limits": asdict(self.limits),
            "verdict": "passed" if self.is_passed else "failed",
            "failure": self.failure,
        }


def reported(name: str, outcome: Outcome, limits: Limits) -> DrillReport:
    """The report of a drill that came to its end."""
    return DrillReport(name, outcome, limits, outcome.late(limits))


def as_table(reports: Sequence[DrillReport]) -> str:
    """A table for people, times in seconds from the fault."""
    rows = [("drill", "detect", "CloseShutter", "safe", "verdict", "what was done")]
    for one in reports:
        out = one.outcome
        verdict = "passed" if one.is_passed else "FAILED"
        says = out.did if one.is_passed else one.failure
        rows.append((one.name, _seconds(out.detect_s), _seconds(out.close_s), _seconds(out.safe_s), verdict, says))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    return "\n".join(
        "  ".join((*(cell.ljust(width) for cell, width in zip(row, widths, strict=False)), row[5])) for row in rows
    )


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
