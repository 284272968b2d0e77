"""What a process uses over a long time, and whether that grows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from time import monotonic
from typing import Self

#: How much memory may differ from that after the warm-up, and how many threads or files more there may be at rest.
_MEMORY_PART, _SPARE = 0.05, 2
#: How often a process is looked at, seconds.
SAMPLE_S = 5.0


@dataclass(frozen=True, slots=True)
class Sample:
    """What a process used at one moment."""

    at_s: float
    memory_mb: float
    threads: int
    files: int

    @classmethod
    def of(cls, pid: int) -> Self:
        """Of a process now; raises `OSError` when it is gone."""
        folder = Path(f"/proc/{pid}")
        status = dict(line.split(":", 1) for line in (folder / "status").read_text().splitlines())
        memory_mb = int(status["VmRSS"].split()[0]) / 1024.0
        return cls(monotonic(), memory_mb, int(status["Threads"]), len(list((folder / "fd").iterdir())))


@dataclass(frozen=True, slots=True)
class Use:
    """What a process used over the soak; floors are of the first and of the last third after the warm-up.

    Attributes
    ----------
    memory_mb : list of float
        Of each minute, the first being what the others are measured by.
    """

    memory_mb: list[float]
    threads_first: int
    threads_last: int
    files_first: int
    files_last: int

    @classmethod
    def of(cls, samples: Sequence[Sample]) -> Self:
        """Of the samples after the warm-up."""
        a_minute = round(60.0 / SAMPLE_S)
        third = max(1, len(samples) // 3)
        minutes = [samples[begin : begin + a_minute] for begin in range(0, len(samples), a_minute)]
        first, last = samples[:third], samples[-third:]
        return cls(
            [round(median(one.memory_mb for one in minute), 1) for minute in minutes],
            min(one.threads for one in first),
            min(one.threads for one in last),
            min(one.files for one in first),
            min(one.files for one in last),
        )

    @property
    def drift(self) -> float:
        """The largest part by which the memory of any minute differs from that of the first."""
        return max(abs(one - self.memory_mb[0]) / self.memory_mb[0] for one in self.memory_mb)

    def flaws(self, name: str) -> list[str]:
        """What grew."""
        found = []
        if self.drift > _MEMORY_PART:
            found.append(f"memory of the {name} drifted by {self.drift:.1%}, limit {_MEMORY_PART:.0%}")
        for what, first, last in (
            ("threads", self.threads_first, self.threads_last),
            ("open files", self.files_first, self.files_last),
        ):
            if last > first + _SPARE:
                found.append(f"{what} of the {name} grew from {first} to {last}")
        return found
