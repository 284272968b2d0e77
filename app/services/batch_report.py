"""What became of a batch, as the JSON that command line and orders give."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from app.model.batch import Combination, Problem, Severity, Status
from app.model.frame import FrameKind
from app.model.ports import BatchStore

_COUNTED = (FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT, FrameKind.LIGHT)


def batch_report(store: BatchStore, batch: int) -> dict[str, Any]:
    """The batch as the database knows it.

    Returns
    -------
    dict
        batch, source, status, exposures, left_out, products, steps, problems: JSON.
    """
    known = store.batch(batch)
    steps = store.steps(batch)
    return {
        "batch": known.name,
        "source": known.source,
        "status": str(known.status),
        "exposures": {str(kind): len(store.exposures(batch, kind)) for kind in _COUNTED},
        "left_out": [asdict(item) for item in store.left_out(batch)],
        "products": [_product(combination) for combination in store.combinations(batch)],
        "steps": [
            {"name": step.name, "status": str(step.status), "seconds": step.seconds, "error": step.error}
            for step in steps
        ],
        "problems": [
            asdict(problem)
            for step in steps
            for problem in (*_failure(step.name, step.code, step.error), *step.problems)
        ],
    }


def failed_report(sentence: str, source: str | None, known: dict[str, Any] | None = None) -> dict[str, Any]:
    """The same shape for a run that could not begin or died, on top of what is known of the batch, if anything."""
    problem = Problem(100, Severity.ERROR, "start", source or "settings", sentence)
    report = known or {
        "batch": None,
        "source": source,
        "exposures": {str(kind): 0 for kind in _COUNTED},
        "left_out": [],
        "products": [],
        "steps": [],
        "problems": [],
    }
    return report | {"status": str(Status.FAILED), "problems": [asdict(problem), *report["problems"]]}


def _failure(step: str, code: int, error: str | None) -> tuple[Problem, ...]:
    return () if error is None else (Problem(code, Severity.ERROR, step, step, error),)


def _product(combination: Combination) -> dict[str, Any]:
    return {
        "path": str(combination.file),
        "kind": str(combination.kind),
        "filter": combination.facts.filter,
        "exptime": combination.facts.exposure_s,
        "inputs": list(combination.inputs),
        "qc": combination.qc,
        "wcs": combination.wcs,
        "parameters": combination.parameters,
    }
