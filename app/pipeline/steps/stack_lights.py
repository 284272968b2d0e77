"""Light stacks: the lights of one field, filter and exposure, aligned and combined."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median_high
from typing import Any, ClassVar

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from app.frames.fits_io import FrameReader, bands
from app.frames.headers import read_header, value
from app.frames.product_file import write_product
from app.frames.provenance import CardRow, add_cards, add_history, carried
from app.model.batch import Combination, Exposure, ProductKind
from app.model.errors import CalibrationError
from app.model.frame import FrameFacts, FrameKind
from app.model.matching import by_exposure, by_filter, fields, groups
from app.pipeline.align import Alignment, register_sources
from app.pipeline.measure import measure_file
from app.pipeline.plate_solve import Hint
from app.pipeline.products import Made, Names, Plan, input_cards, lights_of, make, software_card
from app.pipeline.rejection import combine, method_for
from app.pipeline.sharp import SHARP_REACH_PX, sharp_pixels
from app.pipeline.sources import Sources, detect, star_scale
from app.pipeline.step import Context, Findings, Step
from app.pipeline.warp import warp_rows

#: Two lights are of one field when they point within this, where their scale is not known.
FIELD_RADIUS_DEG = 0.25


@dataclass(frozen=True, slots=True)
class _Pointed:
    """A light with where it really points, when that is known."""

    light: Combination
    facts: FrameFacts


@dataclass(frozen=True, slots=True)
class _Aligned:
    """A light as it goes into the stack.

    Attributes
    ----------
    transparency : float
        Its star flux over that of the clearest frame.
    scale : float
        Factor on its counts.
    sky_adu, noise_adu : float
        Before scaling.
    """

    light: Combination
    alignment: Alignment
    sky_adu: float
    noise_adu: float
    transparency: float
    scale: float

    @property
    def shift_px(self) -> tuple[float, float]:
        """How far the centre of the light lies from its place on the reference, (x, y)."""
        facts = self.light.facts
        centre = np.array([[(facts.columns - 1) / 2.0, (facts.rows - 1) / 2.0]])
        dx, dy = (self.alignment.apply(centre) - centre)[0]
        return float(dx), float(dy)

    @property
    def weight(self) -> float:
        """Inverse variance of the scaled sky."""
        return 1.0 / (self.noise_adu * self.scale) ** 2


class StackLights(Step):
    """Align the lights of each field, filter and exposure, and stack two or more of them."""

    name: ClassVar[str] = "light stacks"
    code: ClassVar[int] = 180
    description: ClassVar[str] = "lights could not be aligned or stacked"

    def run(self, context: Context, findings: Findings) -> None:
        """One stack for each group, saved and recorded."""
        names = Names("stacks")
        pointed = [_Pointed(light, _true_facts(light)) for light in lights_of(context)]
        found: list[tuple[Combination, ...]] = []
        for kind in (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT):
            of_kind = [one for one in pointed if one.light.kind is kind]
            for group in groups(of_kind, by_filter, by_exposure):
                for field in fields(group, _field_radius_deg(group[0].facts)):
                    found.append(tuple(one.light for one in field))

        def stack(group: tuple[Combination, ...]) -> None:
            _stack_lights(context, findings, group, names)

        several = tuple(group for group in found if len(group) > 1)
        self.for_each(several, stack, _label, context, findings)


def _true_facts(light: Combination) -> FrameFacts:
    """Facts with the measured centre in place of the header's position."""
    wcs = light.wcs or {}
    if "centre_ra_deg" not in wcs:
        return light.facts
    return replace(
        light.facts,
        ra_deg=wcs["centre_ra_deg"],
        dec_deg=wcs["centre_dec_deg"],
        pixel_scale_arcsec=wcs.get("scale_arcsec", light.facts.pixel_scale_arcsec),
    )


def _field_radius_deg(facts: FrameFacts) -> float:
    """Half the longer side of the frame: frames that share less than half are not worth one stack."""
    if facts.pixel_scale_arcsec is None:
        return FIELD_RADIUS_DEG
    return max(facts.rows, facts.columns) / 2.0 * facts.pixel_scale_arcsec / 3600.0


def _label(group: tuple[Combination, ...]) -> str:
    facts = group[0].facts
    seconds = None if facts.exposure_s is None else f"{facts.exposure_s:g} s"
    return " ".join(filter(None, (facts.object_name or "field", facts.filter, seconds, f"({len(group)} light(s))")))


def _stack_lights(context: Context, findings: Findings, group: tuple[Combination, ...], names: Names) -> None:
    facts = group[0].facts
    seconds = None if facts.exposure_s is None else f"{facts.exposure_s:g}s"
    path = names.path(facts.object_name or "field", facts.filter or "nofilter", seconds)
    aligned = _aligned(context, findings, group)
    if len(aligned) < 2:
        raise CalibrationError(
            f"only {len(aligned)} of {len(group)} lights could be aligned, a stack needs 2: see the warnings"
        )
    rejection = method_for(context.settings.calibration.rejection, len(aligned))
    exposures = _exposures(context, aligned)
    parameters = {
        "reference": aligned[0].light.path.name,
        "rejection": rejection.name,
        "frames": [_frame_parameters(one, aligned[0]) for one in aligned],
    }
    plan = Plan(ProductKind.LIGHT_STACK, path, facts, exposures, tuple(one.light for one in aligned), parameters)

    def write(target: Path) -> Made:
        with ExitStack() as stack:
            readers = [_MaskedLight(stack, one) for one in aligned]
            rows, columns = readers[0].shape
            weights = np.array([one.weight for one in aligned])
            weights /= weights.max()
            noise = np.array([one.noise_adu * one.scale for one in aligned])

            def combined() -> Iterator[NDArray[np.float32]]:
                for low, high in bands(rows, len(aligned) * columns * 8 * 6):
                    context.cancel.check()
                    lights = np.stack([reader.scaled(low, high, columns) for reader in readers])
                    yield combine(lights, weights, noise, rejection)[0] + np.float32(aligned[0].sky_adu)

            digest = write_product(target, _header(plan, aligned), (rows, columns), combined())
        return Made(digest, {"NCOMBINE": len(aligned)})

    product = make(context, plan, write)
    if product.wcs is None:
        found = measure_file(product.file, facts, context.settings, hint=_hint(aligned[0].light))
        context.store.record_measurement(product.key, found.checksum, {**product.qc, **found.qc}, found.wcs)


def _aligned(context: Context, findings: Findings, group: tuple[Combination, ...]) -> list[_Aligned]:
    """The reference first, then every light that could be aligned to it."""
    stars = _stars(findings, group)
    group = tuple(light for light in group if light.key in stars)
    if not group:
        return []
    smooth_px = stars[group[0].key].smooth_px
    first = _reference(group, stars)
    reference = stars[first.key]
    identity = Alignment(np.eye(2, 3), len(reference), 0.0, 1.0, False, smooth_px)
    found: list[tuple[Combination, Alignment, Sources]] = [(first, identity, reference)]
    for light in group:
        if light.key == first.key:
            continue
        context.cancel.check()
        moving = stars[light.key]
        try:
            found.append((light, register_sources(moving, reference), moving))
        except CalibrationError as error:
            findings.warn(light.path.name, f"left out of the stack: {error}")
    clearest = max(alignment.flux_ratio for _, alignment, _ in found)
    least = context.settings.calibration.faint_flux_ratio
    aligned = []
    for light, alignment, sources in found:
        transparency = alignment.flux_ratio / clearest
        if transparency < least:
            findings.warn(
                light.path.name,
                f"has {transparency:.2f} of the star flux of the clearest frame, {least:g} is the limit: "
                "cloud or dawn? It is scaled and weighed down",
            )
        scale = 1.0 / alignment.flux_ratio
        aligned.append(_Aligned(light, alignment, sources.background_adu, sources.noise_adu, transparency, scale))
    return aligned


def _stars(findings: Findings, group: tuple[Combination, ...]) -> dict[int, Sources]:
    """Stars of each light by its key, found on one scale; a light without usable pixels is left out."""
    scales: dict[int, float] = {}
    for light in group:
        try:
            scales[light.key] = star_scale(_image(light))
        except CalibrationError as error:
            findings.warn(light.path.name, f"left out of the stack: {error}")
    if not scales:
        return {}
    smooth_px = median_high(scales.values())
    return {light.key: _sources(light, smooth_px) for light in group if light.key in scales}


def _reference(group: tuple[Combination, ...], stars: dict[int, Sources]) -> Combination:
    """The first light that shows at least half as many stars as the richest; one with world coordinates if any."""
    most = max(len(stars[light.key]) for light in group)
    rich = [light for light in group if len(stars[light.key]) >= most / 2]
    return next((light for light in rich if (light.wcs or {}).get("status") in ("solved", "header")), rich[0])


def _image(light: Combination) -> NDArray[np.float32]:
    with FrameReader(light.file) as reader:
        return reader.whole()


def _sources(light: Combination, smooth_px: float) -> Sources:
    return detect(_image(light), smooth_px=smooth_px, saturation_adu=_saturation_adu(light))


def _saturation_adu(light: Combination) -> float | None:
    """The level that calibration wrote into the light."""
    level = value(read_header(light.file), "SATURATE")
    return float(level) if isinstance(level, int | float) else None


class _MaskedLight:
    """Rows of a light on the reference's pixels and flux scale, without bad, saturated and sharp pixels."""

    def __init__(self, stack: ExitStack, one: _Aligned) -> None:
        self._reader = stack.enter_context(FrameReader(one.light.file))
        self._one = one
        saturation_adu = _saturation_adu(one.light)
        self._saturation_adu = np.inf if saturation_adu is None else saturation_adu
        self.shape = (self._reader.rows, self._reader.columns)

    def scaled(self, low: int, high: int, columns: int) -> NDArray[np.float64]:
        """Rows [low, high) of the stack: sky subtracted, on the flux scale of the reference, NaN outside."""
        band = warp_rows(self._masked, self.shape, self._one.alignment.matrix, low, high, columns)
        scaled: NDArray[np.float64] = (band.astype(np.float64) - self._one.sky_adu) * self._one.scale
        return scaled

    def _masked(self, low: int, high: int) -> NDArray[np.float32]:
        first, last = max(0, low - SHARP_REACH_PX), min(self.shape[0], high + SHARP_REACH_PX)
        rows = self._reader.read(first, last).astype(np.float32)
        is_bad = sharp_pixels(rows, self._one.noise_adu) | (rows >= self._saturation_adu)
        return np.where(is_bad, np.float32(np.nan), rows)[low - first : high - first]


def _exposures(context: Context, aligned: list[_Aligned]) -> tuple[Exposure, ...]:
    by_key = {exposure.key: exposure for exposure in context.store.exposures(context.batch.key, FrameKind.LIGHT)}
    return tuple(by_key[key] for one in aligned for key in one.light.exposures)


def _frame_parameters(one: _Aligned, reference: _Aligned) -> dict[str, Any]:
    matrix = one.alignment.matrix
    return {
        "light": one.light.path.name,
        "shift_px": [round(shift, 3) for shift in one.shift_px],
        "matrix": [[round(float(value), 9) for value in row] for row in matrix],
        "matched": one.alignment.matched,
        "rms_px": round(one.alignment.rms_px, 4),
        "flux_ratio": round(one.alignment.flux_ratio, 5),
        "transparency": round(one.transparency, 4),
        "weight": round(one.weight / reference.weight, 5),
        "sky_adu": round(one.sky_adu, 4),
        "noise_adu": round(one.noise_adu, 5),
    }


def _header(plan: Plan, aligned: list[_Aligned]) -> fits.Header:
    header = carried(read_header(aligned[0].light.file))
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
    if header.get("WCSSOLVR") == "cupola":
        cards.append(("WCSSOLVR", "reference", "world coordinates of the reference frame"))
    add_cards(header, cards)
    history = []
    for one in aligned:
        dx, dy = one.shift_px
        history.append(
            f"{one.light.path.name}: shift {dx:+.2f} {dy:+.2f} px, {one.alignment.matched} stars, "
            f"rms {one.alignment.rms_px:.3f} px, flux {one.alignment.flux_ratio:.3f}"
        )
    add_history(header, [f"Aligned to {aligned[0].light.path.name}", *history])
    return header


def _hint(reference: Combination) -> Hint | None:
    """Where the reference points, for solving the stack itself."""
    wcs = reference.wcs or {}
    if wcs.get("status") != "solved":
        return None
    return Hint(wcs["centre_ra_deg"], wcs["centre_dec_deg"], 0.1, wcs["scale_arcsec"], 0.02)
