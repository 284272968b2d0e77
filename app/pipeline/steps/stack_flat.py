"""Flat stacks: one for each camera set-up, filter and rotator angle; exposure is no key."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from app.frames.fits_io import examine
from app.frames.product_file import PIXELS, Layout, NewProduct
from app.frames.provenance import add_cards
from app.model.batch import Combination, Exposure, ProductKind
from app.model.errors import CalibrationError, FrameError
from app.model.frame import FrameKind
from app.model.matching import DarkChoice, master_groups
from app.pipeline.amplifiers import (
    AmplifierJob,
    AmplifierNoise,
    amplifier_cards,
    amplifier_numbers,
    biases_of,
    doubts,
    measured,
)
from app.pipeline.bad_pixels import OF_FLAT, flag_bad_pixels, sampled_rows
from app.pipeline.calibrating import DQ, UNCERT, Subtraction
from app.pipeline.flats import FlatJob, FlatRowsJob, examine_flat, stack_flat_rows
from app.pipeline.library import dark_for
from app.pipeline.masters import describe, master_header, rule_of, warn_of_group
from app.pipeline.products import Made, Names, Plan, input_cards, make, set_up_name, source_of
from app.pipeline.step import Context, Findings, Step

#: Rows of one task.
_JOB_ROWS = 256


@dataclass(frozen=True, slots=True)
class _Flat:
    """A flat that passed, with how its dark current is removed and its level."""

    exposure: Exposure
    choice: DarkChoice[Combination]
    job: FlatJob
    level_adu: float


class StackFlat(Step):
    """Median of the flats, each without its dark current and normalised by its median over the whole frame."""

    name: ClassVar[str] = "flat stacks"
    code: ClassVar[int] = 150
    description: ClassVar[str] = "flat frames could not be stacked"

    def run(self, context: Context, findings: Findings) -> None:
        """One stack for each group, saved and recorded."""
        names = Names("masters")

        def stack(group: tuple[Exposure, ...]) -> None:
            facts = group[0].facts
            path = names.path("flat", facts.filter or "nofilter", *set_up_name(facts))
            _stack_flats(context, findings, path, group)

        flats = context.store.exposures(context.batch.key, FrameKind.FLAT)
        groups = master_groups(FrameKind.FLAT, flats, context.settings.matching)
        self.for_each(groups, stack, describe, context, findings)


def _stack_flats(context: Context, findings: Findings, path: Path, group: tuple[Exposure, ...]) -> None:
    good = tuple(_examined(context, findings, group))
    if not good:
        raise CalibrationError(f"none of {len(group)} flat(s) is usable: take flats of an evenly lit field")
    exposures = tuple(flat.exposure for flat in good)
    warn_of_group(context, findings, ProductKind.FLAT_MASTER, exposures)
    for flat in good:
        if flat.choice.formula == "nothing":
            findings.warn(
                flat.exposure.file, f"flat with its bias in it: {flat.choice.reason}: take bias or flat-darks"
            )
    uses = {master.key: master for flat in good for master in (flat.choice.bias, flat.choice.dark) if master}
    biases = biases_of(context, exposures[0].facts)
    limits = context.settings.calibration
    rule = rule_of(limits)
    parameters = {
        "method": f"{rule.text} of flats normalised by their median",
        "subtracted": [flat.choice.formula for flat in good],
        "levels_adu": [flat.level_adu for flat in good],
        "flat_floor": limits.flat_floor,
        "uncertainty": limits.uncertainty,
        "biases": [bias.checksum for bias in biases],
    }
    plan = Plan(ProductKind.FLAT_MASTER, path, exposures[0].facts, exposures, tuple(uses.values()), parameters)

    def write(target: Path) -> Made:
        history = [f"{flat.exposure.file}: minus {flat.choice.formula}, over {flat.level_adu:.2f} adu" for flat in good]
        text = f"{rule.text[0].upper()}{rule.text[1:]} of {len(good)} normalised flats"
        header = master_header(plan, input_cards(exposures), [text, *history])
        gain = plan.facts.gain_e_per_adu
        amplifiers = _amplifiers(context, good, biases)
        add_cards(header, amplifier_cards(amplifiers, gain))
        for doubt in doubts(amplifiers, gain, context.settings.camera(plan.facts.instrument)):
            findings.warn(describe(exposures), doubt)
        planes = (PIXELS, DQ, UNCERT) if limits.uncertainty else (PIXELS, DQ)
        raw = good[0].job.raw
        with NewProduct(target, header, (raw.rows, raw.columns), planes) as product:
            check = context.cancel.check
            with context.workers.each(stack_flat_rows, rows_of(product.layout), check) as futures:
                for done, future in enumerate(futures, 1):
                    future.result()
                    context.progress.reached(done * _JOB_ROWS / raw.rows)
            bad = flag_bad_pixels(product.layout, 1, OF_FLAT, context.workers, check)
            brightest = _brightest(product.layout)
            digest = product.finish()
        level_adu = float(np.mean([flat.level_adu for flat in good]))
        qc = {"LEVEL": round(level_adu, 3), "BRIGHTEST": round(brightest, 4), "NBAD": bad}
        return Made(digest, qc | amplifier_numbers(amplifiers, gain))

    def rows_of(layout: Layout) -> Iterator[FlatRowsJob]:
        jobs, levels = tuple(flat.job for flat in good), tuple(flat.level_adu for flat in good)
        plane = 2 if limits.uncertainty else None
        for first in range(0, layout.rows, _JOB_ROWS):
            last = min(first + _JOB_ROWS, layout.rows)
            yield FlatRowsJob(jobs, levels, rule, limits.flat_floor, layout, plane, first, last)

    make(context, plan, write)


def _amplifiers(context: Context, good: tuple[_Flat, ...], biases: tuple[Exposure, ...]) -> tuple[AmplifierNoise, ...]:
    """What the flats and the batch's bias frames say of the amplifiers; else the bias master tells the level."""
    raw = tuple(source_of(bias, context.settings) for bias in biases)
    master = good[0].choice.bias
    level = examine(master.file) if master is not None and not raw else None
    return measured(context, AmplifierJob(raw, tuple(flat.job.raw for flat in good), level))


def _examined(context: Context, findings: Findings, group: tuple[Exposure, ...]) -> Iterator[_Flat]:
    """The flats that can serve as such; of the others it is said why not."""
    begun: list[tuple[Exposure, DarkChoice[Combination], FlatJob]] = []
    for exposure in group:
        context.cancel.check()
        choice = dark_for(context, exposure.facts)
        try:
            raw = source_of(exposure, context.settings)
            level = exposure.facts.saturation_adu
            job = FlatJob(raw, Subtraction.of(choice), None if level is None else level + raw.shift_adu)
        except (CalibrationError, FrameError) as error:
            findings.warn(exposure.file, f"left out of the flat: {error}")
            continue
        begun.append((exposure, choice, job))
    with context.workers.each(examine_flat, [job for _, _, job in begun], context.cancel.check) as futures:
        for (exposure, choice, job), future in zip(begun, futures, strict=True):
            try:
                levels = future.result()
                levels.refuse(context.settings.calibration)
            except (CalibrationError, FrameError) as error:
                findings.warn(exposure.file, f"left out of the flat: {error}")
                continue
            yield _Flat(exposure, choice, job, levels.median_adu)


def _brightest(layout: Layout) -> float:
    """The flat's 99.9th percentile."""
    sampled = np.concatenate([layout.read(0, first, last)[:, ::8].ravel() for first, last in sampled_rows(layout)])
    known = sampled[np.isfinite(sampled)]
    return float(np.percentile(known, 99.9)) if known.size else 1.0
