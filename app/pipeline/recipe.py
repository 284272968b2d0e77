"""The recipe of a night: every step of `app.pipeline.steps`, in the order of its code."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterable, Iterator

from app.model.batch import CALIBRATION_CODES
from app.pipeline import steps
from app.pipeline.step import Step


def calibration_recipe() -> tuple[Step, ...]:
    """One object of each step class, ordered by code."""
    return in_order(_found())


def in_order(kinds: Iterable[type[Step]]) -> tuple[Step, ...]:
    """One object of each class, ordered by code.

    Raises
    ------
    ValueError
        Two steps share a code, or a code is not a calibration code: a bug in a step's file.
    """
    by_code: dict[int, Step] = {}
    for kind in kinds:
        if kind.code in by_code or kind.code not in CALIBRATION_CODES:
            raise ValueError(f"{kind.__name__}: code {kind.code} is taken or not one of {CALIBRATION_CODES}")
        by_code[kind.code] = kind()
    return tuple(by_code[code] for code in sorted(by_code))


def _found() -> Iterator[type[Step]]:
    """The step classes that the modules of the package define."""
    for module_info in pkgutil.iter_modules(steps.__path__):
        module = importlib.import_module(f"{steps.__name__}.{module_info.name}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Step) and kind.__module__ == module.__name__:
                yield kind
