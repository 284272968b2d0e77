"""Products are known by their recipe: what has a valid product of the same recipe is not made again."""

from __future__ import annotations

import hashlib
import json
import logging
import re
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from app import __version__
from app.frames.fits_io import FrameReader, checksum
from app.frames.headers import read_header
from app.frames.provenance import CardRow
from app.frames.readout import readout_of
from app.model.batch import Combination, Exposure, NewCombination, ProductKind
from app.model.errors import CalibrationError, FrameError
from app.model.frame import FrameFacts
from app.model.wording import frames_text
from app.pipeline.step import Context

log = logging.getLogger(__name__)

#: Changes when the arithmetic does, so that older products are made anew.
ARITHMETIC = 1


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
            "exposures": [exposure.checksum for exposure in self.exposures],
            "uses": [combination.recipe for combination in self.uses],
            "parameters": self.parameters,
        }
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def make(context: Context, plan: Plan, write: Callable[[Path], tuple[str, dict[str, Any]]]) -> Combination:
    """Return the product of a plan, made by `write` unless a valid one is there.

    A master that other batches used is never overwritten: another one gets a name of its own.

    Parameters
    ----------
    context : Context
        Of the running step.
    plan : Plan
        What is wanted.
    write : callable
        Takes the absolute path, writes the file, and returns its SHA-256 and its quality numbers.

    Returns
    -------
    Combination
        As the database keeps it.
    """
    store, batch = context.store, context.batch
    known = store.find(batch.key, plan.recipe)
    if known is None or not is_intact(known):
        path = plan.path
        if store.is_taken(batch.key, path, plan.recipe):
            path = path.with_stem(f"{path.stem}-{plan.recipe[:8]}")
        digest, qc = write(batch.set_folder(batch.target_generation) / path)
        known = store.record(
            batch.key,
            NewCombination(
                plan.kind,
                path,
                plan.recipe,
                digest,
                plan.facts,
                tuple(exposure.key for exposure in plan.exposures),
                tuple(combination.key for combination in plan.uses),
                plan.parameters,
                qc,
            ),
        )
        count = len(plan.exposures)
        log.info("%s made from %s", path, frames_text(count))
    context.kept.add(known.key)
    return known


def is_intact(combination: Combination) -> bool:
    """Whether the product's file is there and is what was recorded."""
    try:
        return combination.file.is_file() and checksum(combination.file) == combination.checksum
    except FrameError as error:
        log.warning("%s: it is made again", error)
        return False


def open_exposure(exposure: Exposure) -> FrameReader:
    """Rows of a raw frame: overscan removed, trimmed, pedestal added.

    Raises
    ------
    FrameError
        The frame is gone, cut off, or its sections are wrong.
    """
    header = read_header(exposure.path)
    readout = readout_of(header, exposure.facts.rows, exposure.facts.columns)
    return FrameReader(exposure.path, readout, exposure.facts.pedestal_adu)


def open_all(stack: ExitStack, exposures: Sequence[Exposure]) -> list[FrameReader]:
    """Open frames together; the stack closes them."""
    return [stack.enter_context(open_exposure(exposure)) for exposure in exposures]


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
