"""The recipe of a night: every step of `app.pipeline.steps`, in the order of its code."""

from __future__ import annotations

import importlib
import pkgutil

from app.model.batch import CALIBRATION_CODES
from app.pipeline import steps
from app.pipeline.step import Step


def calibration_recipe() -> tuple[Step, ...]:
    """One object of each step class, ordered by code.

    Raises
    ------
    ValueError
        Two steps share a code, or a code is not a calibration code: a bug in a step's file.
    """
    found: dict[int, Step] = {}
    for module_info in pkgutil.iter_modules(steps.__path__):
        module = importlib.import_module(f"{steps.__name__}.{module_info.name}")
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, Step) and kind.__module__ == module.__name__:
                if kind.code in found or kind.code not in CALIBRATION_CODES:
                    raise ValueError(f"{kind.__name__}: code {kind.code} is taken or not one of {CALIBRATION_CODES}")
                found[kind.code] = kind()
    return tuple(found[code] for code in sorted(found))
