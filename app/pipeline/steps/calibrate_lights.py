"""Flat-dark correction of every light; without any master it is only made readable, and called uncalibrated."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import ClassVar

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from app.frames.fits_io import FrameReader, bands
from app.frames.headers import read_header
from app.frames.product_file import write_product
from app.frames.provenance import CardRow, add_cards, add_history, carried
from app.frames.readout import readout_of
from app.model.batch import Combination, Exposure, ProductKind
from app.model.frame import FrameFacts, FrameKind
from app.model.matching import TEMPERATURE_OK_DEGC, DarkChoice, Grade, choose_dark, choose_flat, temperature_grade
from app.pipeline.kernels.plain import calibrated
from app.pipeline.library import find_masters
from app.pipeline.products import Made, Names, Plan, input_cards, make, master_cards, open_exposure, software_card
from app.pipeline.step import Context, Findings, Step

#: A pile-up of this many pixels at the very highest value is saturation.
PILE_UP_PIXELS = 20
PILE_UP_CONTRAST = 1.5


@dataclass(frozen=True, slots=True)
class _Choice:
    """Which masters a light gets, and why."""

    dark: DarkChoice[Combination]
    flat: Combination | None
    flat_reason: str

    @property
    def masters(self) -> tuple[Combination, ...]:
        """All that are used."""
        return tuple(master for master in (self.dark.bias, self.dark.dark, self.flat) if master is not None)


class CalibrateLights(Step):
    """Subtract bias and dark current from every light and divide it by its flat."""

    name: ClassVar[str] = "flat-dark correction"
    code: ClassVar[int] = 160
    description: ClassVar[str] = "lights could not be calibrated"

    def run(self, context: Context, findings: Findings) -> None:
        """One product for each light, saved and recorded."""
        names = Names("calibrated")
        warnings: dict[str, list[str]] = {}

        def calibrate(light: Exposure) -> None:
            choice = _choose(context, light.facts)
            for sentence in _doubts(context, light.facts, choice):
                warnings.setdefault(sentence, []).append(light.file)
            _calibrate(context, light, choice, names)

        lights = context.store.exposures(context.batch.key, FrameKind.LIGHT)
        self.for_each(lights, calibrate, lambda light: light.file, context, findings)
        for sentence, files in warnings.items():
            others = f" and {len(files) - 1} more" if len(files) > 1 else ""
            findings.warn(f"{files[0]}{others}", sentence)


def _choose(context: Context, facts: FrameFacts) -> _Choice:
    """What is still to be done to a frame, with the masters that fit it."""
    biases = find_masters(context, ProductKind.BIAS_MASTER, facts)
    darks = find_masters(context, ProductKind.DARK_MASTER, facts)
    flats = find_masters(context, ProductKind.FLAT_MASTER, facts)
    may_scale = context.settings.camera(facts.instrument).scale_dark
    if "dark" in facts.calibrated_for:
        dark: DarkChoice[Combination] = DarkChoice(None, None, 1.0, "its dark was subtracted by the camera's software")
    elif "bias" in facts.calibrated_for:
        dark = DarkChoice(None, None, 1.0, "its bias was subtracted by the camera's software, its dark current stays")
    else:
        dark = choose_dark(facts, biases, darks, may_scale=may_scale)
    flat, reason = choose_flat(facts, flats)
    if "flat" in facts.calibrated_for:
        flat, reason = None, "it was divided by a flat by the camera's software"
    elif flat is not None and dark.bias is None and dark.dark is None and not facts.calibrated_for:
        flat, reason = None, "a flat cannot be applied while the bias is in the frame"
    return _Choice(dark, flat, reason)


def _doubts(context: Context, facts: FrameFacts, choice: _Choice) -> Iterator[str]:
    """What an operator should know of a choice; nothing when all is as it should be."""
    if choice.dark.dark is None and "dark" not in facts.calibrated_for:
        seconds = "its exposure time" if facts.exposure_s is None else f"{facts.exposure_s:g} s"
        yield f"{choice.dark.reason}: take darks of {seconds} with this set-up"
    if choice.flat is None and "flat" not in facts.calibrated_for:
        is_raw = choice.dark.formula == "nothing" and not facts.calibrated_for
        yield f"{choice.flat_reason}: take {'darks or bias' if is_raw else 'flats of this filter'}"
    for master in choice.masters:
        grade, difference = temperature_grade(master.facts, facts)
        if grade is not Grade.OK and difference is not None:
            yield (
                f"{master.path.name} is {difference:.1f} degC from the light, {TEMPERATURE_OK_DEGC:g} degC is good: "
                "match the temperatures"
            )
        if master.batch != context.batch.key:
            night = f"{master.facts.started_at:%Y-%m-%d}" if master.facts.started_at else "an unknown night"
            yield f"{master.path.name} is of another batch, taken {night}: take masters of this night"


def _calibrate(context: Context, light: Exposure, choice: _Choice, names: Names) -> None:
    is_calibrated = bool(choice.masters or light.facts.calibrated_for)
    kind = ProductKind.CALIBRATED_LIGHT if is_calibrated else ProductKind.UNCALIBRATED_LIGHT
    stem = PurePosixPath(light.file)
    path = names.path(_without_suffixes(stem), kind.removesuffix("_light"))
    floor = context.settings.calibration.flat_floor
    parameters = {
        "subtracted": choice.dark.formula,
        "subtracted_because": choice.dark.reason,
        "dark_scale": choice.dark.scale,
        "flat_because": choice.flat_reason,
        "flat_floor": floor,
        "saturation_adu": light.facts.saturation_adu,
    }
    plan = Plan(kind, path, light.facts, (light,), choice.masters, parameters)

    def write(target: Path) -> Made:
        with ExitStack() as stack:
            raw = stack.enter_context(open_exposure(light))
            bias, dark, flat = (
                stack.enter_context(FrameReader(master.file)) if master else None
                for master in (choice.dark.bias, choice.dark.dark, choice.flat)
            )
            saturation = saturation_of(raw, light.facts)
            header = _header(light, choice, kind, saturation)

            def rows() -> Iterator[NDArray[np.float64]]:
                for low, high in bands(raw.rows, raw.columns * 8 * 4):
                    context.cancel.check()
                    pieces = [reader.read(low, high) if reader else None for reader in (bias, dark, flat)]
                    yield calibrated(raw.read(low, high), pieces[0], pieces[1], choice.dark.scale, pieces[2], floor)

            digest = write_product(target, header, (raw.rows, raw.columns), rows())
        return Made(digest)

    make(context, plan, write)


def saturation_of(raw: FrameReader, facts: FrameFacts) -> float | None:
    """Value in adu, as the reader gives it, from which a raw frame is saturated.

    It is the known level, or a pile-up at the highest value, far over the median.

    Returns
    -------
    float or None
        None when it is neither known nor seen.
    """
    if facts.saturation_adu is not None:
        return facts.saturation_adu + raw.shift_adu
    highest, count = -np.inf, 0
    sampled = []
    for low, high in bands(raw.rows, raw.columns * 8):
        band = raw.read(low, high)
        sampled.append(band[::8, ::8].ravel())
        top = float(np.nanmax(band)) if np.isfinite(band).any() else -np.inf
        if top > highest:
            highest, count = top, 0
        count += int((band == highest).sum())
    typical = float(np.nanmedian(np.concatenate(sampled))) if np.isfinite(highest) else np.inf
    return highest if count >= PILE_UP_PIXELS and highest > PILE_UP_CONTRAST * typical else None


def _saturation_card(choice: _Choice, saturation_adu: float | None) -> list[CardRow]:
    """Level over which calibrated values may be saturated: where the flat is brightest, they fall the lowest."""
    if saturation_adu is None:
        return []
    subtracted = choice.dark.bias or choice.dark.dark
    level = saturation_adu - float(subtracted.qc.get("L1MEAN", 0.0)) if subtracted else saturation_adu
    level /= float(choice.flat.qc.get("BRIGHTEST", 1.0)) if choice.flat else 1.0
    return [("SATURATE", round(0.98 * level, 1), "[adu] may be saturated from here on")]


def _header(light: Exposure, choice: _Choice, kind: ProductKind, saturation_adu: float | None) -> fits.Header:
    raw = read_header(light.path)
    header = carried(raw, readout_of(raw, light.facts.rows, light.facts.columns))
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
    add_cards(header, _saturation_card(choice, saturation_adu))
    history = [f"Subtracted: {choice.dark.formula} ({choice.dark.reason})", f"Flat: {choice.flat_reason}"]
    add_history(header, history)
    return header


def _without_suffixes(file: PurePosixPath) -> str:
    text = file.as_posix()
    for suffix in reversed(file.suffixes):
        if suffix.lower() in (".gz", ".fz", ".fits", ".fit", ".fts"):
            text = text[: -len(suffix)]
    return text
