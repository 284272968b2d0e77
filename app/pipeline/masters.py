"""Masters of raw frames: bias and dark stacks, row by row from disk to disk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from app.frames.fits_io import Encoding, FrameReader, FrameSource
from app.frames.headers import read_header, value
from app.frames.product_file import PIXELS, Layout, NewProduct
from app.frames.provenance import add_cards, add_history
from app.model.batch import Combination, Exposure, ProductKind
from app.model.errors import CalibrationError, FrameError
from app.model.settings import Calibration
from app.model.wording import frames_text
from app.pipeline.amplifiers import AmplifierJob, amplifier_cards, amplifier_numbers, doubts, measured
from app.pipeline.bad_pixels import OF_DARK, flag_bad_pixels
from app.pipeline.calibrating import DQ, UNCERT
from app.pipeline.kernels.stack import Method, StackRule, combine
from app.pipeline.products import Made, Plan, input_cards, make, set_up_cards, software_card, source_of
from app.pipeline.step import Context, Findings
from app.pipeline.workers import Check

#: Raw frames of one task, and of one band of it: so much stays in the processor's cache with two of them at work.
_JOB_BYTES, _BAND_BYTES = 2**27, 2**22
#: Every so many rows tell the noise.
_NOISE_ROWS = 16
#: Standard deviation of normal noise over the median difference of two values.
_SIGMA_OVER_DIFFERENCE = 1.4826 / math.sqrt(2.0)


@dataclass(frozen=True, slots=True)
class StackJob:
    """Rows of a stack of raw frames.

    Attributes
    ----------
    frames : tuple of FrameSource
        All of them, of one size.
    rule : StackRule
        How they are combined.
    layout : Layout
        Of the stack: the pixels first.
    error_plane : int or None
        Number of the plane of standard errors, if there is one.
    first_row, last_row : int
        Which rows.
    """

    frames: tuple[FrameSource, ...]
    rule: StackRule
    layout: Layout
    error_plane: int | None
    first_row: int
    last_row: int


@dataclass(frozen=True, slots=True)
class Level:
    """What rows of a master say of its level and noise: each row by itself, so that the cut is no matter.

    Attributes
    ----------
    sums_adu : tuple of float
        Sum of the finite values of each row.
    pixels : int
        Finite values.
    noises_adu : tuple of float
        Standard deviation of the difference of neighbours over sqrt(2), robust, of every 16th row.
    """

    sums_adu: tuple[float, ...]
    pixels: int
    noises_adu: tuple[float, ...]


def rule_of(limits: Calibration) -> StackRule:
    """How masters are combined; min/max drops the lowest and the highest value."""
    method = Method(limits.masters)
    return StackRule(method, 1, 1) if method is Method.MIN_MAX else StackRule(method, limits.clip_low, limits.clip_high)


def stack_master(
    context: Context, findings: Findings, kind: ProductKind, path: Path, group: tuple[Exposure, ...]
) -> Combination:
    """Combine raw frames, saved and recorded; a dark has a DQ plane.

    A frame that cannot be read is left out with the reason. The median is exactly numpy's.

    Raises
    ------
    CalibrationError, FrameError, OutputError
        No frame can be read; one vanishes while it is read; the product cannot be written.
    """
    found = _readable(context, findings, kind, group)
    if not found:
        raise CalibrationError(f"none of {frames_text(len(group))} can be read: copy them again")
    exposures, frames = tuple(exposure for exposure, _ in found), tuple(frame for _, frame in found)
    warn_of_group(context, findings, kind, exposures)
    limits = context.settings.calibration
    rule = rule_of(limits)
    parameters = {"method": rule.text, "uncertainty": limits.uncertainty}
    plan = Plan(kind, path, exposures[0].facts, exposures, parameters=parameters)
    planes = (PIXELS, *((DQ,) if kind is ProductKind.DARK_MASTER else ()), *((UNCERT,) if limits.uncertainty else ()))

    def write(target: Path) -> Made:
        text = f"{rule.text[0].upper()}{rule.text[1:]} of {frames_text(len(frames))}"
        header = master_header(plan, input_cards(exposures), [text])
        gain, is_bias = plan.facts.gain_e_per_adu, kind is ProductKind.BIAS_MASTER
        amplifiers = measured(context, AmplifierJob(frames)) if is_bias else ()
        add_cards(header, amplifier_cards(amplifiers, gain))
        for doubt in doubts(amplifiers, gain, context.settings.camera(plan.facts.instrument)):
            findings.warn(describe(exposures), doubt)
        with NewProduct(target, header, (frames[0].rows, frames[0].columns), planes) as product:
            error_plane = planes.index(UNCERT) if UNCERT in planes else None
            qc: dict[str, Any] = _stack(context, frames, rule, product.layout, error_plane)
            if DQ in planes:
                check = context.cancel.check
                qc["NBAD"] = flag_bad_pixels(product.layout, planes.index(DQ), OF_DARK, context.workers, check)
            return Made(product.finish(), qc | amplifier_numbers(amplifiers, gain))

    return make(context, plan, write)


def _readable(
    context: Context, findings: Findings, kind: ProductKind, group: tuple[Exposure, ...]
) -> list[tuple[Exposure, FrameSource]]:
    """The frames that can be read and are of the size that most have; of the others it is said why not."""
    found = []

    def leave_out(exposure: Exposure, reason: object) -> None:
        findings.warn(exposure.file, f"left out of the {str(kind).replace('_', ' ')}: {reason}")

    for exposure in group:
        context.cancel.check()
        try:
            found.append((exposure, source_of(exposure, context.settings)))
        except FrameError as error:
            leave_out(exposure, error)
    sizes = Counter(f"{frame.columns}x{frame.rows}" for _, frame in found)
    usual = sizes.most_common(1)[0][0] if sizes else ""
    kept = []
    for exposure, frame in found:
        size = f"{frame.columns}x{frame.rows}"
        if size == usual:
            kept.append((exposure, frame))
        else:
            leave_out(exposure, f"it has {size} pixels, the others {usual}: copy it again")
    return kept


def _stack(
    context: Context, frames: tuple[FrameSource, ...], rule: StackRule, layout: Layout, error_plane: int | None
) -> dict[str, float]:
    """Write the rows of a stack; ``L1MEAN`` and ``L1SIGMA`` of its pixels, adu."""
    height = max(1, _JOB_BYTES // (_encoding(frames).dtype.itemsize * len(frames) * layout.columns))
    jobs = (
        StackJob(frames, rule, layout, error_plane, first, min(first + height, layout.rows))
        for first in range(0, layout.rows, height)
    )
    sums: list[float] = []
    noises: list[float] = []
    pixels, rows = 0, 0
    with closing(context.workers.each(stack_rows, jobs, context.cancel.check)) as futures:
        for future in futures:
            level = future.result()
            sums.extend(level.sums_adu)
            noises.extend(level.noises_adu)
            pixels += level.pixels
            rows += len(level.sums_adu)
            context.progress.reached(rows / layout.rows)
    measured = {}
    if pixels:
        measured["L1MEAN"] = round(math.fsum(sums) / pixels, 4)
    if noises:
        measured["L1SIGMA"] = round(float(np.median(noises)), 4)
    return measured


def stack_rows(job: StackJob, check: Check) -> Level:
    """Combine some rows of raw frames.

    Raises
    ------
    FrameError, OutputError
        A frame is no longer what it was; the stack cannot be written.
    """
    number, columns = len(job.frames), job.layout.columns
    encoding = _encoding(job.frames)
    height = max(1, min(_BAND_BYTES // (encoding.dtype.itemsize * number * columns), job.last_row - job.first_row))
    buffer = np.empty(number * height * columns, encoding.dtype)
    sums: list[float] = []
    noises: list[float] = []
    pixels = 0
    with ExitStack() as stack:
        readers = [stack.enter_context(FrameReader(frame)) for frame in job.frames]
        for first in range(job.first_row, job.last_row, height):
            check()
            last = min(first + height, job.last_row)
            shape = last - first, columns
            band = buffer[: number * shape[0] * columns].reshape(number, *shape)
            for reader, place in zip(readers, band, strict=True):
                if reader.encoding == encoding:
                    reader.read_encoded(first, last, place)
                else:
                    place[...] = reader.read(first, last)
            out = np.empty(shape, np.float32)
            error = None if job.error_plane is None else np.empty(shape, np.float32)
            combine(band, job.rule, out, encoding=encoding, error=error)
            job.layout.write(0, first, out)
            if error is not None and job.error_plane is not None:
                job.layout.write(job.error_plane, first, error)
            for row, values in enumerate(out, first):
                total = float(values.sum(dtype=np.float64))
                if not math.isfinite(total):
                    values = values[np.isfinite(values)]  # noqa: PLW2901 - the row without what is no number
                    total = float(values.sum(dtype=np.float64))
                sums.append(total)
                pixels += values.size
                if row % _NOISE_ROWS == 0 and values.size > 1:
                    noises.append(_noise(values))
    return Level(tuple(sums), pixels, tuple(noises))


def _noise(values: NDArray[np.float32]) -> float:
    return _SIGMA_OVER_DIFFERENCE * float(np.median(np.abs(np.diff(values))))


def _encoding(frames: Sequence[FrameSource]) -> Encoding:
    """How all frames lie in memory when they are read; decoded when they do not agree."""
    encodings = {frame.encoding for frame in frames}
    return encodings.pop() if len(encodings) == 1 else Encoding(np.dtype(np.float32))


def warn_of_group(context: Context, findings: Findings, kind: ProductKind, group: tuple[Exposure, ...]) -> None:
    """Say when a group is small or its temperatures differ."""
    few = context.settings.calibration.few_frames
    name = str(kind).replace("_", " ")
    if len(group) < few:
        findings.warn(
            describe(group), f"{name} of {frames_text(len(group))}: fewer than {few} keep their outliers: take more"
        )
    known = [exposure.facts.temperature_degc for exposure in group if exposure.facts.temperature_degc is not None]
    ok_degc = context.settings.matching.temperature_ok_degc
    if known and max(known) - min(known) > ok_degc:
        findings.warn(
            describe(group),
            f"{name}: temperatures from {min(known):.1f} to {max(known):.1f} degC differ by more than "
            f"{ok_degc:g} degC: let the camera settle",
        )


def master_header(plan: Plan, inputs: list[tuple[str, Any, str]], history: Sequence[str]) -> fits.Header:
    """Header of a master: what it is, its set-up, its inputs, how it was made."""
    header = fits.Header()
    if any(value(read_header(exposure.path), "SIMULATE") is True for exposure in plan.exposures):
        add_cards(header, [("SIMULATE", True, "made from simulated frames")])
    add_cards(header, [("IMAGETYP", str(plan.kind).upper().replace("_", " "), "product of Cupola")])
    add_cards(header, set_up_cards(plan.facts))
    add_cards(header, [("BUNIT", "adu", ""), software_card(), *inputs])
    add_history(header, history)
    return header


def describe(group: tuple[Exposure, ...]) -> str:
    """A group in a few words: kind, filter, exposure, number."""
    facts = group[0].facts
    seconds = None if not facts.exposure_s else f"{facts.exposure_s:g} s"
    words = [str(group[0].recognition.kind), facts.filter, seconds, f"({frames_text(len(group))})"]
    return " ".join(word for word in words if word)
