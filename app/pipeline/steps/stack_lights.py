"""Light stacks: the lights of one field, filter and exposure, aligned and combined."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from astropy.io import fits

from app.frames.headers import read_header
from app.frames.product_file import NewProduct
from app.frames.provenance import CardRow, add_cards, add_history, carried
from app.model.batch import Combination, Exposure, ProductKind
from app.model.errors import CalibrationError
from app.model.frame import FrameFacts, FrameKind
from app.model.matching import light_groups
from app.pipeline.library import lenses
from app.pipeline.light_choice import AlignedLight, choose_lights, judge_alone
from app.pipeline.light_stack import planes, stack_strip, strips
from app.pipeline.measure import OF_REFERENCE, Measuring, better_facts, measure_file, needed
from app.pipeline.products import Made, Names, Plan, input_cards, lights_of, make, software_card
from app.pipeline.rejection import method_for
from app.pipeline.step import Context, Findings, Step


@dataclass(frozen=True, slots=True)
class _Pointed:
    """A light with where it really points, when that is known."""

    light: Combination
    facts: FrameFacts


class StackLights(Step):
    """Align the lights of each field, filter and exposure, and stack two or more of them."""

    name: ClassVar[str] = "light stacks"
    code: ClassVar[int] = 180
    description: ClassVar[str] = "lights could not be aligned or stacked"

    def run(self, context: Context, findings: Findings) -> None:
        """One stack for each group, saved and recorded."""
        names = Names("stacks")
        pointed = [_Pointed(light, better_facts(light.facts, light.wcs)) for light in lights_of(context)]
        found: list[tuple[Combination, ...]] = []
        for kind in (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT):
            of_kind = [one for one in pointed if one.light.kind is kind]
            for field in light_groups(of_kind, context.settings.matching):
                found.append(tuple(one.light for one in field))

        def stack(group: tuple[Combination, ...]) -> None:
            _stack_lights(context, findings, group, names)

        judge_alone(context, findings, [group[0] for group in found if len(group) == 1])
        several = tuple(group for group in found if len(group) > 1)
        self.for_each(several, stack, _label, context, findings)


def _label(group: tuple[Combination, ...]) -> str:
    facts = group[0].facts
    seconds = None if facts.exposure_s is None else f"{facts.exposure_s:g} s"
    return " ".join(filter(None, (facts.object_name or "field", facts.filter, seconds, f"({len(group)} light(s))")))


def _stack_lights(context: Context, findings: Findings, group: tuple[Combination, ...], names: Names) -> None:
    facts, calibration = group[0].facts, context.settings.calibration
    seconds = None if facts.exposure_s is None else f"{facts.exposure_s:g}s"
    path = names.path(facts.object_name or "field", facts.filter or "nofilter", seconds)
    lights = choose_lights(context, findings, group)
    if len(lights) < 2:
        raise CalibrationError(
            f"only {len(lights)} of {len(group)} lights are good enough and could be aligned, a stack needs 2: "
            "see the warnings"
        )
    rejection = method_for(calibration.rejection, len(lights), calibration.clip_low, calibration.clip_high)
    parameters = {
        "reference": lights[0].light.path.name,
        "rejection": rejection.name,
        "limits": [calibration.clip_low, calibration.clip_high],
        "uncertainty": calibration.uncertainty,
        "frames": [_frame_parameters(one, lights[0]) for one in lights],
    }
    uses = tuple(one.light for one in lights)
    plan = Plan(ProductKind.LIGHT_STACK, path, facts, _exposures(context, lights), uses, parameters)

    def write(target: Path) -> Made:
        first = read_header(lights[0].light.file)
        shape = int(first["NAXIS2"]), int(first["NAXIS1"])
        layers = planes(uncertainty=calibration.uncertainty)
        with NewProduct(target, _header(plan, lights), shape, layers, is_draft=True) as product:
            stacked = tuple(one.stacked for one in lights)
            jobs = strips(stacked, rejection, lights[0].sky_adu, product.layout, context.workers.width)
            with context.workers.each(stack_strip, jobs, context.cancel.check) as futures:
                for number, future in enumerate(futures, 1):
                    future.result()
                    context.progress.reached(number / len(jobs))
            return Made(product.finish(), {"NCOMBINE": len(lights)})

    product = make(context, plan, write)
    if product.wcs is None:
        near = better_facts(facts, lights[0].light.wcs)
        job = Measuring(product.file, facts, needed(context.settings), near, lenses(context, facts))
        found = measure_file(job, context.cancel.check)
        context.store.record_measurement(product.key, found.checksum, {**product.qc, **found.qc}, found.wcs)


def _exposures(context: Context, lights: list[AlignedLight]) -> tuple[Exposure, ...]:
    by_key = {exposure.key: exposure for exposure in context.store.exposures(context.batch.key, FrameKind.LIGHT)}
    return tuple(by_key[key] for one in lights for key in one.light.exposures)


def _frame_parameters(one: AlignedLight, reference: AlignedLight) -> dict[str, Any]:
    matrix = one.alignment.matrix
    return {
        "light": one.light.path.name,
        "shift_px": [round(shift, 3) for shift in one.shift_px],
        "matrix": [[round(float(value), 9) for value in row] for row in matrix],
        "matched": one.alignment.matched,
        "rms_px": round(one.alignment.rms_px, 4),
        "flux_ratio": round(one.alignment.flux_ratio, 5),
        "transparency": round(one.transparency, 4),
        "fwhm_px": round(one.fwhm_px, 3),
        "weight": round(one.weight / reference.weight, 5),
        "sky_adu": round(one.sky_adu, 4),
        "noise_adu": round(one.noise_adu, 5),
        "verdict": one.judgement.verdict,
    }


def _header(plan: Plan, lights: list[AlignedLight]) -> fits.Header:
    header = carried(read_header(lights[0].light.file))
    for keyword in [card for card in header if card.startswith(("INP0", "INS0"))]:
        del header[keyword]
    total = sum(exposure.facts.exposure_s or 0.0 for exposure in plan.exposures)
    cards: list[CardRow] = [
        ("IMAGETYP", "LIGHT STACK", "product of Cupola"),
        software_card(),
        ("TEXPTIME", total, "[s] exposure time of all frames"),
        ("COMBINE", "weighted mean", "of the values that were not rejected"),
        ("REJECT", str(plan.parameters["rejection"]), "rejection of outliers"),
        *input_cards(plan.exposures),
    ]
    if header.get("WCSSOLVR", "header") != "header":
        cards.append(("WCSSOLVR", OF_REFERENCE, "world coordinates of the reference frame"))
    add_cards(header, cards)
    history = []
    for one in lights:
        dx, dy = one.shift_px
        history.append(
            f"{one.light.path.name}: shift {dx:+.2f} {dy:+.2f} px, {one.alignment.matched} stars, "
            f"rms {one.alignment.rms_px:.3f} px, flux {one.alignment.flux_ratio:.3f}"
        )
    add_history(header, [f"Aligned to {lights[0].light.path.name}", *history])
    return header
