"""Run a batch: every step of the recipe, each recorded; the caller of a step catches, logs, and stops or goes on."""

from __future__ import annotations

import logging

from app.model.batch import FileBatch, Status
from app.model.clock import Clock, SystemClock
from app.model.errors import CalibrationError, Cancelled, ObservatoryError
from app.model.frame import FrameKind
from app.model.ports import BatchStore
from app.model.settings import Settings
from app.pipeline.events import BatchEnded, Report, StepEnded, StepStarted
from app.pipeline.products import promote, remove_unfinished
from app.pipeline.progress import COSTS, BatchProgress, bytes_of
from app.pipeline.recipe import calibration_recipe
from app.pipeline.space import require_space
from app.pipeline.step import FATAL, CancelToken, Context, Findings, Policy, Step, status_of
from app.pipeline.workers import open_workers

log = logging.getLogger(__name__)


def run_batch(
    store: BatchStore,
    batch: FileBatch,
    settings: Settings,
    report: Report,
    cancel: CancelToken,
    clock: Clock | None = None,
) -> Status:
    """Calibrate a batch from wherever it stands; what has a valid product is not made again.

    Parameters
    ----------
    store : BatchStore
        Truth of the batch.
    batch : FileBatch
        With the generation to work on.
    settings : Settings
        Cameras and limits.
    report : callable
        Takes each event.
    cancel : CancelToken
        Stops the work between files and bands.
    clock : Clock, optional
        Measures how long each step takes.

    Returns
    -------
    Status
        DONE, DONE_WITH_PROBLEMS, FAILED or CANCELLED; also recorded in the store.

    Raises
    ------
    ClusterError
        The workers of the settings cannot do this batch.
    """
    clock = clock or SystemClock()
    progress = BatchProgress(report, clock)
    store.set_status(batch.key, Status.RUNNING)
    store.begin_run(batch.key)
    remove_unfinished(batch.folder)
    status = Status.FAILED
    try:
        with open_workers(settings.processor, batch.folder) as workers:
            status = _run_steps(
                Context(store, batch, settings, progress.take, cancel, clock, workers, progress=progress)
            )
    finally:
        store.set_status(batch.key, status)
        report(BatchEnded(status))
    return status


def _run_steps(context: Context) -> Status:
    recipe = calibration_recipe()
    ended: list[Status] = []
    has_errors = False
    for number, step in enumerate(recipe):
        if step.name in COSTS and not context.progress.is_known:
            _count_work(context, recipe[number:])
        context.report(StepStarted(step.name, number, len(recipe)))
        findings = Findings(step.name, step.code)
        try:
            ended.append(_run_step(step, context, findings))
        except FATAL:  # recorded; no later step could do better
            return Status.FAILED
        if ended[-1] is Status.CANCELLED:
            return Status.CANCELLED
        if ended[-1] is Status.FAILED and step.policy is Policy.STOP:
            return Status.FAILED
        has_errors = has_errors or ended[-1] is Status.FAILED or findings.has_errors
    if not context.kept:
        return Status.FAILED
    try:
        promote(context, has_errors=has_errors)
    except CalibrationError as incomplete:
        log.error("%s", incomplete)
        return Status.FAILED
    return Status.DONE if all(status is Status.DONE for status in ended) else Status.DONE_WITH_PROBLEMS


def _count_work(context: Context, steps: tuple[Step, ...]) -> None:
    """The frames are known now."""
    sizes = {kind: bytes_of(context.store.exposures(context.batch.key, kind)) for kind in FrameKind}
    context.progress.expect([step.name for step in steps], sizes)


def _run_step(step: Step, context: Context, findings: Findings) -> Status:
    run = context.store.begin_step(context.batch.key, step.name, step.code, step.description)
    began = context.clock.monotonic()
    error: str | None = None
    status = Status.FAILED
    try:
        if context.progress.is_known:
            require_space(context)
        step.run(context, findings)
        status = status_of(findings.problems)
    except Cancelled:
        status = Status.CANCELLED
    except ObservatoryError as failure:
        error = str(failure)
        log.error("%s failed: %s", step.name, failure)
        if isinstance(failure, FATAL):
            raise
    except Exception as bug:
        error = f"a fault of the program: {bug!r}; it is in the log"
        raise
    finally:
        seconds = context.clock.monotonic() - began
        context.store.end_step(run, status, seconds, error, findings.problems)
        context.report(StepEnded(step.name, status, seconds, error))
    return status
