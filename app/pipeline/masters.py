"""Masters of raw frames: bias and dark stacks, row by row from disk to disk."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from app.frames.fits_io import FrameSource
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
from app.pipeline.kernels.stack import Method, StackRule
from app.pipeline.products import Made, Plan, input_cards, make, set_up_cards, software_card, source_of
from app.pipeline.raw_stack import stack_jobs, stack_rows
from app.pipeline.step import Context, Findings


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
    jobs = stack_jobs(frames, rule, layout, error_plane)
    sums: list[float] = []
    noises: list[float] = []
    pixels, rows = 0, 0
    with context.workers.each(stack_rows, jobs, context.cancel.check) as futures:
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
