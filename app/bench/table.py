"""What a benchmark says: figures with their targets, as a table of Markdown or as JSON."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app import __version__

#: Packages whose versions decide the figures.
_PACKAGES = ("numpy", "numba", "astropy", "ccdproc", "astroscrappy", "sep")


@dataclass(frozen=True, slots=True)
class Row:
    """One figure.

    Attributes
    ----------
    benchmark : str
        Which benchmark it is of.
    what : str
        What was measured, in a few words.
    figure : float or None
        The result; None when it could not be measured, `details` says why.
    unit : str
        Of the figure; empty for ratios.
    limit : float or None
        The target, if there is one.
    is_least : bool
        Whether the target is the least that the figure should be, and not the most.
    details : str
        What the figure was made from, or why there is none.
    """

    benchmark: str
    what: str
    figure: float | None
    unit: str = ""
    limit: float | None = None
    is_least: bool = False
    details: str = ""

    @property
    def is_met(self) -> bool | None:
        """Whether the target is reached; None without a figure or a target."""
        if self.figure is None or self.limit is None:
            return None
        return self.figure >= self.limit if self.is_least else self.figure <= self.limit

    @property
    def as_json(self) -> dict[str, Any]:
        """For programs."""
        names = ("benchmark", "what", "figure", "unit", "limit", "is_least", "details")
        return {name: getattr(self, name) for name in names} | {"is_met": self.is_met}

    @property
    def cells(self) -> tuple[str, ...]:
        """For people: benchmark, what, figure, target, whether it is met, details."""
        sign = ">=" if self.is_least else "<="
        target = "" if self.limit is None else f"{sign} {_number(self.limit)} {self.unit}".rstrip()
        verdict = {True: "yes", False: "**no**", None: ""}[self.is_met]
        figure = "not measured" if self.figure is None else f"{_number(self.figure)} {self.unit}".rstrip()
        return self.benchmark, self.what, figure, target, verdict, self.details


def as_markdown(rows: Iterable[Row]) -> str:
    """A table."""
    head = ("benchmark", "what", "reached", "target", "met", "made from")
    lines = [head, tuple("---" for _ in head), *(row.cells for row in rows)]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def machine() -> dict[str, str]:
    """What the figures were measured on and with."""
    return {
        "processor": _processor(),
        "processors": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "cupola": __version__,
        **{name: version(name) for name in _PACKAGES if _is_installed(name)},
    }


def _processor() -> str:
    if sys.platform == "linux":
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or "unknown"


def _is_installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ModuleNotFoundError:
        return False


def _number(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"
