"""Products are known by their recipe: what has a valid product of the same recipe is not made again."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from app import __version__
from app.frames.fits_io import FrameReader, FrameSource, examine_raw
from app.frames.product_file import is_unchanged
from app.frames.provenance import CardRow
from app.frames.readout import is_mode_of
from app.model.batch import Combination, Exposure, NewCombination, ProductKind
from app.model.errors import CalibrationError, FrameError, ObservatoryError
from app.model.frame import FrameFacts
from app.model.settings import Settings
from app.model.wording import frames_text
from app.pipeline.events import Progress
from app.pipeline.progress import bytes_of
from app.pipeline.step import FATAL, Context, Findings, Step
from app.pipeline.workers import Task

log = logging.getLogger(__name__)

T = TypeVar("T")
J = TypeVar("J")

#: Products that one task makes at most: more share more of what they are made of, and are all lost with the task.
TOGETHER = 4
#: Changes when the arithmetic does, so that older products are made anew.
ARITHMETIC = 4


@dataclass(frozen=True, slots=True)
class Plan:
    """A product before it is made.

    Attributes
    ----------
    path : Path
        Relative to the batch's folder.
    facts : FrameFacts
        What its frames have in common.
    parameters : dict
        Everything that decides the pixels besides the inputs, JSON.
    """

    kind: ProductKind
    path: Path
    facts: FrameFacts
    exposures: tuple[Exposure, ...]
    uses: tuple[Combination, ...] = ()
    parameters: dict[str, Any] = field(default_factory=dict)

    @property
    def recipe(self) -> str:
        """SHA-256 over all that decides the product."""
        parts = {
            "arithmetic": ARITHMETIC,
            "kind": self.kind,
            "path": self.path.as_posix(),
            "readout": self.facts.readout_mode,
            "exposures": [exposure.checksum for exposure in self.exposures],
            "uses": [combination.recipe for combination in self.uses],
            "parameters": self.parameters,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Made:
    """What a task says of the product that it wrote: SHA-256 of the file, quality numbers, and notes to warn of."""

    checksum: str
    qc: dict[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Making(Generic[J]):
    """A product and how it is made.

    Attributes
    ----------
    job : callable
        The job for the path that the product shall have.
    """

    plan: Plan
    job: Callable[[Path], J]


def make(context: Context, plan: Plan, write: Callable[[Path], Made]) -> Combination:
    """Return the product of a plan, made by `write` unless a valid one is there.

    A master that other batches used is never overwritten: another one gets a name of its own.

    Parameters
    ----------
    context : Context
        Of the running step.
    plan : Plan
        What is wanted.
    write : callable
        Takes the absolute path and writes the file; calls `context.progress.reached` between bands.

    Returns
    -------
    Combination
        As the database keeps it.
    """
    known, size = _valid(context, plan), bytes_of(plan.exposures)
    if known is None:
        path = _path(context, plan)
        with context.progress.product(size):
            known = _recorded(context, plan, path, write(_file(context, path)))
    else:
        context.progress.add(size, is_work=False)
    context.kept.add(known.key)
    return known


def make_each(
    step: Step,
    context: Context,
    findings: Findings,
    items: Sequence[T],
    prepare: Callable[[T], Making[J]],
    task: Task[Sequence[J], Sequence[Made | ObservatoryError]],
    label: Callable[[T], str],
) -> None:
    """Make one product of each item, some with each worker at a time; report, and go on after one that failed.

    Parameters
    ----------
    step : Step
        Which step this is.
    context, findings : Context, Findings
        Of its run.
    items : sequence
        What the products are made of.
    prepare : callable
        The product of an item; it and the database are met in this thread alone.
    task : callable
        Pure: writes the products of some jobs, at most `TOGETHER`, and says of each what it wrote or why it could not.
    label : callable
        Names an item.

    Raises
    ------
    OutputError, StoreError, ClusterError
        At once: what cannot be written, recorded or computed for one cannot be for the next.
    """
    begun: deque[list[tuple[T, Plan, Path, J]]] = deque()
    done = 0

    def finish(item: T) -> None:
        nonlocal done
        done += 1
        context.report(Progress(step.name, done, len(items), label(item)))

    def order(item: T) -> tuple[Plan, Path, J] | None:
        making = prepare(item)
        known = _valid(context, making.plan)
        if known is None:
            path = _path(context, making.plan)
            return making.plan, path, making.job(_file(context, path))
        context.kept.add(known.key)
        context.progress.add(bytes_of(making.plan.exposures), is_work=False)
        return None

    def jobs() -> Iterator[tuple[J, ...]]:
        for part in parts_of(items, context.workers.width):
            orders = []
            for item in part:
                context.cancel.check()
                wanted = None
                try:
                    wanted = order(item)
                except FATAL:
                    raise
                except ObservatoryError as error:
                    findings.give_up(label(item), error)
                if wanted is None:
                    finish(item)
                else:
                    orders.append((item, *wanted))
            if orders:
                begun.append(orders)
                yield tuple(job for _, _, _, job in orders)

    with context.workers.each(task, jobs(), context.cancel.check) as futures:
        for future in futures:
            for (item, plan, path, _), made in zip(begun.popleft(), future.result(), strict=True):
                if isinstance(made, ObservatoryError):
                    findings.give_up(label(item), made)
                else:
                    for note in made.notes:
                        findings.warn(label(item), note)
                    context.kept.add(_recorded(context, plan, path, made).key)
                context.progress.add(bytes_of(plan.exposures))
                finish(item)


def parts_of(items: Sequence[T], workers: int) -> Iterator[Sequence[T]]:
    """Cut items into parts of `TOGETHER` at most, as even as can be, as many for each worker."""
    number = min(len(items), workers * -(-len(items) // (workers * TOGETHER)))
    for part in range(number):
        yield items[len(items) * part // number : len(items) * (part + 1) // number]


def _valid(context: Context, plan: Plan) -> Combination | None:
    known = context.store.find(context.batch.key, plan.recipe)
    return known if known is not None and is_intact(known) else None


def _path(context: Context, plan: Plan) -> Path:
    is_taken = context.store.is_taken(context.batch.key, plan.path, plan.recipe)
    return plan.path.with_stem(f"{plan.path.stem}-{plan.recipe[:8]}") if is_taken else plan.path


def _file(context: Context, path: Path) -> Path:
    return context.batch.set_folder(context.batch.target_generation) / path


def _recorded(context: Context, plan: Plan, path: Path, made: Made) -> Combination:
    combination = NewCombination(
        plan.kind,
        path,
        plan.recipe,
        made.checksum,
        plan.facts,
        tuple(exposure.key for exposure in plan.exposures),
        tuple(combination.key for combination in plan.uses),
        plan.parameters,
        made.qc,
    )
    log.info("%s made from %s", path, frames_text(len(plan.exposures)))
    return context.store.record(context.batch.key, combination)


def is_intact(combination: Combination) -> bool:
    """Whether the product's file is there and is what was recorded."""
    try:
        return combination.file.is_file() and is_unchanged(combination.file, combination.checksum)
    except FrameError as error:
        log.warning("%s: it is made again", error)
        return False


def source_of(exposure: Exposure, settings: Settings | None = None) -> FrameSource:
    """Examine a raw frame, as its header and the settings of its camera say: small, for the jobs of tasks.

    ``FrameReader(source)`` then gives its rows: amplifiers put together, overscan and crosstalk removed, trimmed,
    pedestal added.

    Raises
    ------
    FrameError
        The frame is gone, cut off, its sections are wrong, or other ones than when it was taken in.
    """
    camera = settings.camera(exposure.facts.instrument) if settings else None
    source = examine_raw(exposure.path, camera, exposure.facts.pedestal_adu)
    if not is_mode_of(source.readout, exposure.facts.readout_mode):
        raise FrameError(f"{exposure.file} is read out in another way than when it was taken in: run the batch again")
    return source


def open_exposure(exposure: Exposure, settings: Settings | None = None) -> FrameReader:
    """Rows of a raw frame; raises as `source_of`."""
    return FrameReader(source_of(exposure, settings))


def open_all(stack: ExitStack, exposures: Sequence[Exposure], settings: Settings | None = None) -> list[FrameReader]:
    """Open frames together; the stack closes them."""
    return [stack.enter_context(open_exposure(exposure, settings)) for exposure in exposures]


def input_cards(exposures: Sequence[Exposure]) -> list[CardRow]:
    """Names and SHA-256 of the raw frames in a product."""
    rows: list[CardRow] = [("NCOMBINE", len(exposures), "frames combined")]
    for number, exposure in enumerate(exposures, 1):
        rows.append((f"INP{number:04d}", exposure.file, ""))
        rows.append((f"INS{number:04d}", exposure.checksum, ""))
    return rows


def master_cards(name: str, master: Combination | None) -> list[CardRow]:
    """Name and SHA-256 of a master that was used, such as BIASFILE and BIASSHA."""
    if master is None:
        return []
    return [(f"{name}FILE", master.path.name, ""), (f"{name}SHA", master.checksum, "")]


def software_card() -> CardRow:
    """Which Cupola made it."""
    return ("SWCREATE", f"Cupola {__version__}", "")


def set_up_cards(facts: FrameFacts) -> list[CardRow]:
    """Camera, filter, exposure, binning and temperature, as far as they are known."""
    rows: list[tuple[str, Any, str]] = [
        ("INSTRUME", facts.instrument, "camera"),
        ("FILTER", facts.filter, "filter"),
        ("EXPTIME", facts.exposure_s, "[s] exposure time of one frame"),
        ("XBINNING", facts.binning and facts.binning[0], "binning along rows"),
        ("YBINNING", facts.binning and facts.binning[1], "binning along columns"),
        ("CCD-TEMP", facts.temperature_degc, "[degC] temperature of the detector"),
        ("DATE-OBS", facts.started_at and facts.started_at.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3], "UTC, first frame"),
        ("READOUTM", facts.readout_mode, "readout mode"),
    ]
    return [row for row in rows if row[1] is not None]


class Names:
    """File names that are readable and never taken twice by one step."""

    def __init__(self, folder: str) -> None:
        self._folder = folder
        self._taken: set[str] = set()

    def path(self, *parts: str | None) -> Path:
        """Relative path made of the parts that are known, safe on every file system."""
        stem = "_".join(_safe(part) for part in parts if part)
        name, number = stem, 1
        while name.lower() in self._taken:
            number += 1
            name = f"{stem}-{number}"
        self._taken.add(name.lower())
        return Path(self._folder) / f"{name}.fits"


def set_up_name(facts: FrameFacts) -> tuple[str | None, ...]:
    """Parts of a master's name that tell set-ups apart."""
    binning = "{}x{}".format(*facts.binning) if facts.binning else None
    return (
        f"{facts.columns}x{facts.rows}",
        binning and f"bin{binning}",
        facts.gain_setting and f"gain{facts.gain_setting}",
    )


def lights_of(context: Context) -> tuple[Combination, ...]:
    """Lights of this run, by time and then by name."""
    kinds = (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT)
    found = [
        light
        for kind in kinds
        for light in context.store.combinations(context.batch.key, kind)
        if light.key in context.kept
    ]
    return tuple(sorted(found, key=_time_and_name))


def _time_and_name(light: Combination) -> tuple[str, str]:
    started = light.facts.started_at
    return (started.isoformat() if started else "unknown, so last", light.path.name)


def promote(context: Context, *, has_errors: bool) -> None:
    """Show the target set and let go of what it replaces.

    After errors nothing is given up for want of a replacement: a product stays while its raw frames are there, and a
    restart that lacks something of the shown set is not shown.

    Raises
    ------
    CalibrationError
        The restart is incomplete; the old set stays.
    """
    store, batch = context.store, context.batch
    made = store.combinations(batch.key)
    keep = set(context.kept)
    if has_errors:
        missing = {one.path for one in store.shown(batch.key)} - {one.path for one in made}
        if batch.generation < batch.target_generation and missing:
            raise CalibrationError(
                f"the restart of {batch.name} lacks {len(missing)} product(s), {min(missing)} first: "
                "the old set stays; mend the errors and resume the batch"
            )
        present = {exposure.file for exposure in store.exposures(batch.key)}
        present |= {item.file for item in store.left_out(batch.key)}
        keep |= {one.key for one in made if present.issuperset(one.inputs)}
    for gone in (*store.forget(batch.key, tuple(keep)), *store.promote(batch.key)):
        log.info("%s is replaced or its frames are gone: removed", gone.path)
        _remove(gone.file)


def remove_unfinished(folder: Path) -> None:
    """Remove what a run that was killed had begun to write in a batch's folder."""
    for part in tuple(folder.rglob(".*.part")):
        log.info("%s was never finished: removed", part.name)
        _remove(part)


def _remove(file: Path) -> None:
    try:
        file.unlink(missing_ok=True)
    except OSError as error:
        log.warning("%s could not be removed: %s", file, error.strerror)
        return
    for folder in file.parents[:2]:  # of its kind and of its set, when they are empty now
        with suppress(OSError):
            folder.rmdir()


def _safe(part: str) -> str:
    return re.sub(r"[^A-Za-z0-9.+-]+", "_", part).strip("._") or "unnamed"
