"""Flat stacks: one for each camera set-up, filter and rotator angle; exposure is no key."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from app.frames.fits_io import FrameReader, bands
from app.frames.product_file import write_product
from app.model.batch import Combination, Exposure, ProductKind
from app.model.errors import CalibrationError, FrameError
from app.model.frame import FrameFacts, FrameKind
from app.model.matching import DarkChoice, by_filter, by_rotator, choose_dark, groups
from app.pipeline.kernels.plain import calibrated, exact_median, median
from app.pipeline.library import find_masters
from app.pipeline.masters import describe, master_header, warn_of_group
from app.pipeline.products import Made, Names, Plan, input_cards, make, open_exposure, set_up_name
from app.pipeline.step import Context, Findings, Step

#: A flat whose 99.5th percentile is this many times its median is no evenly lit field, but a spectrum or a scene.
STRUCTURE_LIMIT = 3.0
#: More saturated pixels than this part of the frame spoil a flat.
SATURATED_PART = 0.01


@dataclass(frozen=True, slots=True)
class _Flat:
    """A flat that passed, with how its dark current is removed and its level."""

    exposure: Exposure
    choice: DarkChoice[Combination]
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
        self.for_each(groups(flats, by_filter, by_rotator), stack, describe, context, findings)


def _stack_flats(context: Context, findings: Findings, path: Path, group: tuple[Exposure, ...]) -> None:
    good = []
    for exposure in group:
        context.cancel.check()
        try:
            good.append(_examined(context, exposure))
        except (CalibrationError, FrameError) as error:
            findings.warn(exposure.file, f"left out of the flat: {error}")
    if not good:
        raise CalibrationError(f"none of {len(group)} flat(s) is usable: take flats of an evenly lit field")
    exposures = tuple(flat.exposure for flat in good)
    warn_of_group(context, findings, ProductKind.FLAT_MASTER, exposures)
    for flat in good:
        if flat.choice.bias is None and flat.choice.dark is None:
            findings.warn(
                flat.exposure.file, f"flat with its bias in it: {flat.choice.reason}: take bias or flat-darks"
            )
    uses = {master.key: master for flat in good for master in (flat.choice.bias, flat.choice.dark) if master}
    floor = context.settings.calibration.flat_floor
    parameters = {
        "method": "median of flats normalised by their median",
        "subtracted": [flat.choice.formula for flat in good],
        "levels_adu": [flat.level_adu for flat in good],
        "flat_floor": floor,
    }
    plan = Plan(ProductKind.FLAT_MASTER, path, exposures[0].facts, exposures, tuple(uses.values()), parameters)

    def write(target: Path) -> Made:
        history = [f"{flat.exposure.file}: minus {flat.choice.formula}, over {flat.level_adu:.2f} adu" for flat in good]
        header = master_header(plan, input_cards(exposures), [f"Median of {len(good)} normalised flats", *history])
        with ExitStack() as stack:
            sources = [_CalibratedFlat(stack, flat.exposure, flat.choice) for flat in good]
            rows, columns = sources[0].rows, sources[0].columns
            sampled: list[NDArray[np.float32]] = []

            def normalised() -> Iterator[NDArray[np.float32]]:
                for low, high in bands(rows, len(sources) * columns * 8 * 2):
                    context.cancel.check()
                    band = median(
                        np.stack(
                            [one.read(low, high) / flat.level_adu for one, flat in zip(sources, good, strict=True)]
                        )
                    )
                    with np.errstate(invalid="ignore"):
                        kept = np.where(band >= floor, band, np.float32(np.nan))
                    sampled.append(kept[::8, ::8].ravel())
                    yield kept

            digest = write_product(target, header, (rows, columns), normalised())
        level_adu = float(np.mean([flat.level_adu for flat in good]))
        brightest = float(np.nanpercentile(np.concatenate(sampled), 99.9))
        return Made(digest, {"LEVEL": round(level_adu, 3), "BRIGHTEST": round(brightest, 4)})

    make(context, plan, write)


class _CalibratedFlat:
    """Rows of one flat without bias and dark current, float64 adu."""

    def __init__(self, stack: ExitStack, exposure: Exposure, choice: DarkChoice[Combination]) -> None:
        self._raw = stack.enter_context(open_exposure(exposure))
        self._bias = stack.enter_context(FrameReader(choice.bias.file)) if choice.bias else None
        self._dark = stack.enter_context(FrameReader(choice.dark.file)) if choice.dark else None
        self._scale = choice.scale
        self.rows, self.columns = self._raw.rows, self._raw.columns

    def read(self, low: int, high: int) -> NDArray[np.float64]:
        """Rows [low, high)."""
        bias = self._bias.read(low, high) if self._bias else None
        dark = self._dark.read(low, high) if self._dark else None
        return calibrated(self._raw.read(low, high), bias, dark, self._scale, None, 0.0)

    def saturation_adu(self, facts: FrameFacts) -> float:
        """Value from which the frame as the camera gave it is saturated; its highest value when that is not known."""
        if facts.saturation_adu is not None:
            return facts.saturation_adu + self._raw.shift_adu
        return max(float(np.nanmax(band)) for band in self.raw_bands())

    def bands(self) -> Iterator[NDArray[np.float64]]:
        """The whole frame, band by band."""
        for low, high in bands(self.rows, self.columns * 8 * 4):
            yield self.read(low, high)

    def raw_bands(self) -> Iterator[NDArray[Any]]:
        """The frame as the camera gave it."""
        for low, high in bands(self.rows, self.columns * 8):
            yield self._raw.read(low, high)


def _examined(context: Context, exposure: Exposure) -> _Flat:
    """The flat with its level, unless it cannot serve as a flat."""
    biases = find_masters(context, ProductKind.BIAS_MASTER, exposure.facts)
    darks = find_masters(context, ProductKind.DARK_MASTER, exposure.facts)
    may_scale = context.settings.camera(exposure.facts.instrument).scale_dark
    choice = choose_dark(exposure.facts, biases, darks, may_scale=may_scale)
    with ExitStack() as stack:
        source = _CalibratedFlat(stack, exposure, choice)
        level = exact_median(source.bands)
        _refuse_structure(source, level)
        _refuse_level(context, exposure, source, level)
    return _Flat(exposure, choice, level)


def _refuse_structure(source: _CalibratedFlat, level_adu: float) -> None:
    sampled = np.concatenate([band[::4, ::4].ravel() for band in source.bands()])
    sampled = sampled[np.isfinite(sampled)]
    if sampled.size == 0 or not level_adu > 0.0:
        raise CalibrationError(f"its median is {level_adu:.1f} adu over bias and dark: light the field")
    high = float(np.percentile(sampled, 99.5)) / level_adu
    if high > STRUCTURE_LIMIT:
        low = float(np.percentile(sampled, 0.5)) / level_adu
        raise CalibrationError(
            f"it spans {low:.1f} to {high:.1f} times its median, the limit is {STRUCTURE_LIMIT:g}: "
            "it is no evenly lit field (a slit spectrum?)"
        )


def _refuse_level(context: Context, exposure: Exposure, source: _CalibratedFlat, level_adu: float) -> None:
    least = context.settings.calibration.flat_minimum_adu
    if level_adu < least:
        raise CalibrationError(f"underexposed: its median is {level_adu:.0f} adu, at least {least:g} is needed")
    limit = source.saturation_adu(exposure.facts)
    total = source.rows * source.columns
    part = sum(int((band >= limit).sum()) for band in source.raw_bands()) / total
    if part > SATURATED_PART:
        raise CalibrationError(
            f"saturated: {100 * part:.1f} % of its pixels are at {limit:.0f} adu or more, "
            f"{100 * SATURATED_PART:g} % are allowed: expose shorter"
        )
