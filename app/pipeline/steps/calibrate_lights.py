"""Flat-dark correction of every light; without any master it is only made readable, and called uncalibrated."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path, PurePosixPath
from statistics import median
from typing import ClassVar

from astropy.io import fits

from app.frames.headers import read_header, value
from app.frames.provenance import add_cards, add_history, carried
from app.frames.readout import Readout
from app.model.batch import Combination, Exposure, ProductKind
from app.model.frame import FrameFacts, FrameKind
from app.model.matching import Grade, MasterChoice, temperature_grade
from app.pipeline.calibrating import LightJob, Noise, Subtraction, calibrate_lights, master_of
from app.pipeline.cosmics import CosmicSearch
from app.pipeline.kernels.cosmic import PixelNoise
from app.pipeline.library import find_masters, masters_for
from app.pipeline.products import Making, Names, Plan, input_cards, make_each, master_cards, software_card, source_of
from app.pipeline.step import Context, Findings, Step


class CalibrateLights(Step):
    """Subtract bias and dark current from every light, divide it by its flat, and flag its pixels."""

    name: ClassVar[str] = "flat-dark correction"
    code: ClassVar[int] = 160
    description: ClassVar[str] = "lights could not be calibrated"

    def run(self, context: Context, findings: Findings) -> None:
        """One product for each light, saved and recorded."""
        names = Names("calibrated")
        warnings: dict[str, list[str]] = {}

        def prepare(light: Exposure) -> Making[LightJob]:
            choice = masters_for(context, light.facts)
            noise, lack = _noise(context, light, choice)
            doubts = [*_doubts(context, light.facts, choice)]
            if lack and context.settings.calibration.uncertainty:
                doubts.append(f"its uncertainty is not known {lack}")
            for doubt in doubts:
                warnings.setdefault(doubt, []).append(light.file)
            return _making(context, light, choice, noise, names)

        lights = context.store.exposures(context.batch.key, FrameKind.LIGHT)
        make_each(self, context, findings, lights, prepare, calibrate_lights, lambda light: light.file)
        findings.warn_of(warnings)


def _doubts(context: Context, facts: FrameFacts, choice: MasterChoice[Combination]) -> Iterator[str]:
    """What an operator should know of a choice; nothing when all is as it should be."""
    if choice.dark.dark is None and "dark" not in facts.calibrated_for:
        seconds = "its exposure time" if facts.exposure_s is None else f"{facts.exposure_s:g} s"
        yield f"{choice.dark.reason}: take darks of {seconds} with this set-up"
    if choice.flat is None and "flat" not in facts.calibrated_for:
        yield f"{choice.flat_reason}: {choice.flat_remedy}"
    rules = context.settings.matching
    for master in choice.masters:
        grade, difference = temperature_grade(master.facts, facts, rules)
        if grade is not Grade.OK and difference is not None:
            yield (
                f"{master.path.name} is {difference:.1f} degC from the light, {rules.temperature_ok_degc:g} degC is "
                "good: match the temperatures"
            )
        if master.batch != context.batch.key:
            night = f"{master.facts.started_at:%Y-%m-%d}" if master.facts.started_at else "an unknown night"
            yield f"{master.path.name} is of another batch, taken {night}: take masters of this night"


def _noise(context: Context, light: Exposure, choice: MasterChoice[Combination]) -> tuple[Noise | None, str]:
    """What the noise of a light is computed from, where somebody asks; or when it is not known."""
    limits = context.settings.calibration
    if not (limits.uncertainty or limits.cosmics):
        return None, ""
    if choice.dark.formula == "nothing" and not light.facts.calibrated_for:
        return None, "while the bias is in it: take darks or bias"
    camera = context.settings.camera(light.facts.instrument)
    biases = find_masters(context, ProductKind.BIAS_MASTER, light.facts)
    gain = camera.gain_e_per_adu or light.facts.gain_e_per_adu or _measured(choice.flat, "EGAINM", "GAIN")
    noise_adu = _measured(biases[0], "RDNADU", "RDNADU") if biases else None
    noise_e = camera.read_noise_e or _read_noise_e(light) or (noise_adu and gain and noise_adu * gain)
    if gain and noise_e:
        return Noise(gain, noise_e), ""
    lacking, name = ("read noise", "read_noise_e") if gain else ("gain", "gain_e_per_adu")
    return None, f"without the camera's {lacking}: set {name} of the camera"


def _cosmics(context: Context, noise: Noise | None) -> CosmicSearch | None:
    """How cosmic rays are looked for, where they are."""
    if not context.settings.calibration.cosmics:
        return None
    if noise is None:
        return CosmicSearch()
    return CosmicSearch(PixelNoise(noise.read_noise_e / noise.gain_e_per_adu, 1.0 / noise.gain_e_per_adu))


def _read_noise_e(light: Exposure) -> float | None:
    """As the header says, electrons."""
    written = value(read_header(light.path), "RDNOISE", "READNOIS")
    return float(written) if isinstance(written, int | float) and 0.0 < written < math.inf else None


def _measured(master: Combination | None, name: str, numbered: str) -> float | None:
    """What a master says of the camera; of several amplifiers the median (see `amplifier_cards`)."""
    qc = master.qc if master else {}
    each = [float(number) for key, number in qc.items() if re.fullmatch(rf"{numbered}\d+", key)]
    return float(qc[name]) if name in qc else (median(each) if each else None)


def _making(
    context: Context, light: Exposure, choice: MasterChoice[Combination], noise: Noise | None, names: Names
) -> Making[LightJob]:
    is_calibrated = bool(choice.masters or light.facts.calibrated_for)
    kind = ProductKind.CALIBRATED_LIGHT if is_calibrated else ProductKind.UNCALIBRATED_LIGHT
    path = names.path(_without_suffixes(PurePosixPath(light.file)), kind.removesuffix("_light"))
    limits, cosmics = context.settings.calibration, _cosmics(context, noise)
    parameters = {
        "subtracted": choice.dark.formula,
        "subtracted_because": choice.dark.reason,
        "dark_scale": choice.dark.scale,
        "flat_because": choice.flat_reason,
        "flat_floor": limits.flat_floor,
        "saturation_adu": light.facts.saturation_adu,
    }
    if noise is not None:
        parameters |= {"gain_e_per_adu": noise.gain_e_per_adu, "read_noise_e": noise.read_noise_e}
    if cosmics is not None:
        parameters |= {"uncertainty": limits.uncertainty, "cosmics": asdict(cosmics)}
    plan = Plan(kind, path, light.facts, (light,), choice.masters, parameters)

    def job(target: Path) -> LightJob:
        raw = source_of(light, context.settings)
        level = light.facts.saturation_adu
        subtracted = choice.dark.bias or choice.dark.dark
        return LightJob(
            raw,
            target,
            _header(light, choice, kind, raw.readout, cosmics),
            Subtraction.of(choice.dark),
            master_of(choice.flat) if choice.flat else None,
            limits.flat_floor,
            None if level is None else level + raw.shift_adu,
            float(subtracted.qc.get("L1MEAN", 0.0)) if subtracted else 0.0,
            float(choice.flat.qc.get("BRIGHTEST", 1.0)) if choice.flat else 1.0,
            noise if limits.uncertainty else None,
            cosmics,
        )

    return Making(plan, job)


def _header(
    light: Exposure,
    choice: MasterChoice[Combination],
    kind: ProductKind,
    readout: Readout | None,
    cosmics: CosmicSearch | None,
) -> fits.Header:
    header = carried(read_header(light.path), readout)
    add_cards(header, [("IMAGETYP", str(kind).upper().replace("_", " "), "product of Cupola"), ("BUNIT", "adu", "")])
    add_cards(header, [software_card(), *input_cards((light,))])
    for name, master in (("BIAS", choice.dark.bias), ("DARK", choice.dark.dark), ("FLAT", choice.flat)):
        add_cards(header, master_cards(name, master))
    add_cards(header, [("DARKSUB", choice.dark.formula, "what was subtracted"), ("PEDESTAL", 0, "values are whole")])
    letters = "".join(
        letter
        for letter, is_done in (
            ("B", choice.dark.bias or choice.dark.dark or "bias" in light.facts.calibrated_for),
            ("D", choice.dark.dark or "dark" in light.facts.calibrated_for),
            ("F", choice.flat or "flat" in light.facts.calibrated_for),
        )
        if is_done
    )
    add_cards(header, [("CALSTAT", letters, "calibrated for bias, dark, flat")] if letters else [])
    history = [f"Subtracted: {choice.dark.formula} ({choice.dark.reason})", f"Flat: {choice.flat_reason}"]
    if cosmics is not None:
        by = "the noise of the sky" if cosmics.noise is None else "photon and read noise"
        history.append(f"Cosmic rays: L.A.Cosmic at {cosmics.rule.sigmas:g} sigma of {by}, flagged in DQ")
    add_history(header, history)
    return header


def _without_suffixes(file: PurePosixPath) -> str:
    text = file.as_posix()
    for suffix in reversed(file.suffixes):
        if suffix.lower() in (".gz", ".fz", ".fits", ".fit", ".fts"):
            text = text[: -len(suffix)]
    return text
