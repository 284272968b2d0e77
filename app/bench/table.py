"""What a benchmark says: figures with their targets, as a table of Markdown or as JSON."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from app import __version__
from app.bench.place import installed

#: Packages whose versions decide the figures.
_PACKAGES = (
    "numpy",
    "numba",
    "llvmlite",
    "astropy",
    "ccdproc",
    "astroscrappy",
    "sep",
    "distributed",
    "PySide6-Essentials",
)
#: Programs that are measured where they are installed, by what they call themselves.
_PROGRAMS = {"siril": ("siril-cli",), "sextractor": ("source-extractor", "sex")}


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
        """For people: what, figure, target, whether it is met, details."""
        sign = ">=" if self.is_least else "<="
        target = "" if self.limit is None else f"{sign} {_number(self.limit)} {self.unit}".rstrip()
        verdict = {True: "yes", False: "**no**", None: ""}[self.is_met]
        figure = "not measured" if self.figure is None else f"{_number(self.figure)} {self.unit}".rstrip()
        return self.what, figure, target, verdict, self.details


def command_of(benchmark: str, *, is_quick: bool) -> str:
    """What makes the figures of a benchmark."""
    return f"./cupola bench {benchmark}{' --quick' if is_quick else ''}"


def as_markdown(rows: Iterable[Row], *, is_quick: bool) -> str:
    """A table."""
    head = ("made by", "what", "reached", "target", "met", "made from")
    lines = [head, tuple("---" for _ in head)]
    lines += [(f"`{command_of(row.benchmark, is_quick=is_quick)}`", *row.cells) for row in rows]
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
        **{name: _version_of(program) for name, names in _PROGRAMS.items() if (program := installed(*names))},
    }


def _version_of(program: str) -> str:
    """The first number with a point that a program says of itself."""
    said = subprocess.run((program, "--version"), capture_output=True, text=True, timeout=30, check=False)
    found = re.search(r"\d+(\.\d+)+", said.stdout + said.stderr)
    return found.group() if found else "unknown"


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
