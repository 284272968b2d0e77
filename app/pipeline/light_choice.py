"""Which lights go into a stack: judged by their quality, laid onto the best of them, weighted by what they add."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median_high
from typing import Any

import numpy as np

from app.frames.headers import read_header, value
from app.model.batch import Combination
from app.model.errors import CalibrationError, ObservatoryError
from app.model.flags import Qc
from app.model.frame import FrameKind
from app.model.verdict import Judgement, Verdict, judge
from app.pipeline.align import Alignment, register_sources
from app.pipeline.light_stack import StackedLight
from app.pipeline.sources import Sources, detect_file, kept_sources
from app.pipeline.step import FATAL, Context, Findings
from app.pipeline.workers import Check

#: Stars that say how sharp a light is, and the signal-to-noise that they need.
_SHARPNESS_STARS, _CLEAR_SNR = 300, 10.0

#: What is known of a light whatever its group; the rest is judged anew each time.
_ALONE = Qc.OUT_OF_FOCUS | Qc.UNSOLVED | Qc.UNCALIBRATED | Qc.LIBRARY_MASTER

#: How it is told what becomes of a light.
_IN_A_STACK = {Verdict.REJECTED: "left out of the stack: ", Verdict.DOUBTFUL: "doubtful, weighed down: "}

#: A light as good as this part of the best is as good: the one with world coordinates, or else the first, is taken.
_AS_GOOD = 0.8


@dataclass(frozen=True, slots=True)
class AlignedLight:
    """A light as it goes into the stack.

    Attributes
    ----------
    transparency : float
        Its star flux over that of the clearest frame.
    sky_adu, noise_adu : float
        Before scaling.
    fwhm_px : float
        Width of its stars.
    """

    light: Combination
    alignment: Alignment
    sky_adu: float
    noise_adu: float
    fwhm_px: float
    transparency: float
    saturation_adu: float
    judgement: Judgement

    @property
    def scale(self) -> float:
        """Factor that brings its stars to the flux of the reference."""
        return 1.0 / self.alignment.flux_ratio

    @property
    def shift_px(self) -> tuple[float, float]:
        """How far the centre of the light lies from its place on the reference, (x, y)."""
        facts = self.light.facts
        centre = np.array([[(facts.columns - 1) / 2.0, (facts.rows - 1) / 2.0]])
        dx, dy = (self.alignment.apply(centre) - centre)[0]
        return float(dx), float(dy)

    @property
    def weight(self) -> float:
        """What it adds to the signal-to-noise of a star, squared.

        The noise of a star's flux is that of the sky in its equivalent area, which grows with the FWHM squared (King
        1983, PASP 95, 163); so the Stripe 82 stack was weighted (Annis et al. 2014, ApJ 794, 120).
        """
        return 1.0 / (self.noise_adu * self.scale * self.fwhm_px) ** 2

    @property
    def stacked(self) -> StackedLight:
        """For the task that stacks it."""
        return StackedLight(
            self.light.file,
            tuple(tuple(float(number) for number in row) for row in self.alignment.matrix),
            self.sky_adu,
            self.noise_adu,
            self.scale,
            self.weight,
            self.saturation_adu,
        )


@dataclass(frozen=True, slots=True)
class _Search:
    """Stars are looked for in a light, on the scale that suits it or on a given one."""

    path: Path
    smooth_px: float | None = None


def find_stars(job: _Search, check: Check) -> Sources:
    """Stars of a light: those that were kept with it, when they were found on that scale; raises as `detect_file`."""
    kept = kept_sources(job.path)
    if kept is not None and job.smooth_px in (None, kept.smooth_px):
        return kept
    return detect_file(job.path, smooth_px=job.smooth_px, saturation_adu=_saturation_adu(job.path), check=check)


def choose_lights(context: Context, findings: Findings, group: Sequence[Combination]) -> list[AlignedLight]:
    """Judge and align the lights of a group; each that is left out or doubtful is warned of, with the reason.

    Returns
    -------
    list of AlignedLight
        The reference first, then all that go into the stack with it; empty when none is left.
    """
    chosen = _by_operator(context, group)
    judged = {light.key: _judge(context, light, group, chosen) for light in group}
    good = [light for light in group if judged[light.key].verdict is not Verdict.REJECTED]
    _tell(findings, [light for light in group if light not in good], judged)
    stars = _stars(context, findings, good)
    good = [light for light in good if light.key in stars]
    if not good:
        _record(context, group, judged)
        return []
    sound = [light for light in good if judged[light.key].verdict is Verdict.ACCEPTED]
    reference = _reference(sound or good, stars)
    found = _aligned(context, findings, good, stars, reference)
    clearest = max(alignment.flux_ratio for _, alignment in found)
    lights = []
    for light, alignment in found:
        transparency = alignment.flux_ratio / clearest
        judgement = judged[light.key] = _judge(context, light, group, chosen, transparency)
        if judgement.verdict is Verdict.REJECTED:
            continue
        sources, saturation_adu = stars[light.key], _saturation_adu(light.file)
        lights.append(
            AlignedLight(
                light,
                alignment,
                sources.background_adu,
                sources.noise_adu,
                _fwhm_px(sources),
                transparency,
                np.inf if saturation_adu is None else saturation_adu,
                judgement,
            )
        )
    _tell(findings, [light for light, _ in found], judged)
    _record(context, group, judged)
    return lights


def judge_alone(context: Context, findings: Findings, lights: Sequence[Combination]) -> None:
    """Judge and record lights that have no others to be stacked with, and tell of those that are not good."""
    chosen = _by_operator(context, lights)
    judged = {light.key: _judge(context, light, (light,), chosen) for light in lights}
    _tell(findings, lights, judged, {Verdict.REJECTED: "rejected: ", Verdict.DOUBTFUL: "doubtful: "})
    _record(context, lights, judged)


def _record(context: Context, group: Sequence[Combination], judged: Mapping[int, Judgement]) -> None:
    """Keep the verdicts with the other quality numbers.

    They stand in the database and not in the light's header: they depend on the other lights of the group and on the
    operator, and a file must not change when another one comes.
    """
    for light in group:
        if light.wcs is None:  # it could not be measured
            continue
        judgement = judged[light.key]
        flags = (light.qc.get("QCFLAG", 0) & int(_ALONE)) | int(judgement.flags)
        said = {"QCFLAG": flags, "verdict": str(judgement.verdict), "reasons": list(judgement.reasons)}
        if light.qc != light.qc | said:
            context.store.record_measurement(light.key, light.checksum, light.qc | said, light.wcs)


def _by_operator(context: Context, group: Sequence[Combination]) -> dict[int, bool]:
    """What operators said of lights, by their keys."""
    overrides = context.store.overrides()
    if not overrides:
        return {}
    checksums = {one.key: one.checksum for one in context.store.exposures(context.batch.key, FrameKind.LIGHT)}
    said = {light.key: [overrides.get(checksums.get(key, "")) for key in light.exposures] for light in group}
    return {key: all(answers) for key, answers in said.items() if None not in answers}


def _judge(
    context: Context,
    light: Combination,
    group: Sequence[Combination],
    chosen: Mapping[int, bool],
    transparency: float | None = None,
) -> Judgement:
    settings = context.settings
    return judge(
        light.qc,
        [one.qc for one in group],
        settings.quality,
        settings.calibration.faint_flux_ratio,
        transparency=transparency,
        by_operator=chosen.get(light.key),
    )


def _tell(
    findings: Findings,
    lights: Sequence[Combination],
    judged: Mapping[int, Judgement],
    prefix: Mapping[Verdict, str] = _IN_A_STACK,
) -> None:
    """Tell of lights that are doubtful or left out, those with the same reasons together."""
    told: dict[str, list[str]] = {}
    for light in lights:
        judgement = judged[light.key]
        if judgement.verdict in prefix:
            sentence = prefix[judgement.verdict] + "; ".join(judgement.reasons)
            told.setdefault(sentence, []).append(light.path.name)
    findings.warn_of(told)


def _stars(context: Context, findings: Findings, lights: Sequence[Combination]) -> dict[int, Sources]:
    """Stars of each light by its key, found on one scale; a light without usable pixels is left out."""
    found = _search(context, findings, [(light, _Search(light.file)) for light in lights])
    if not found:
        return {}
    smooth_px = median_high(stars.smooth_px for stars in found.values())
    others = [
        (light, _Search(light.file, smooth_px))
        for light in lights
        if light.key in found and found[light.key].smooth_px != smooth_px
    ]
    return found | _search(context, findings, others)


def _search(
    context: Context, findings: Findings, searches: Sequence[tuple[Combination, _Search]]
) -> dict[int, Sources]:
    lights, jobs = [light for light, _ in searches], [job for _, job in searches]
    found: dict[int, Sources] = {}
    with context.workers.each(find_stars, jobs, context.cancel.check) as futures:
        for light, future in zip(lights, futures, strict=True):
            try:
                found[light.key] = future.result()
            except FATAL:
                raise
            except ObservatoryError as error:
                findings.warn(light.path.name, f"left out of the stack: {error}")
    return found


def _reference(lights: Sequence[Combination], stars: Mapping[int, Sources]) -> Combination:
    """The light with most and sharpest stars; of those about as good, one with world coordinates, or else the first."""
    merits = {light.key: stars[light.key].count / _fwhm_px(stars[light.key]) for light in lights}
    best = max(merits.values())
    good = [light for light in lights if merits[light.key] >= _AS_GOOD * best]
    return next((light for light in good if (light.wcs or {}).get("status") in ("solved", "header")), good[0])


def _aligned(
    context: Context,
    findings: Findings,
    lights: Sequence[Combination],
    stars: Mapping[int, Sources],
    reference: Combination,
) -> list[tuple[Combination, Alignment]]:
    """The reference first, then every light that could be aligned to it."""
    there = stars[reference.key]
    found = [(reference, Alignment(np.eye(2, 3), len(there), 0.0, 1.0, False, there.smooth_px))]
    for light in lights:
        if light.key == reference.key:
            continue
        context.cancel.check()
        try:
            found.append((light, register_sources(stars[light.key], there)))
        except CalibrationError as error:
            findings.warn(light.path.name, f"left out of the stack: {error}")
    return found


def _fwhm_px(stars: Sources) -> float:
    """Typical width of the stars that are clear and not saturated, of all when there are none; 1 without stars."""
    is_clear = ~stars.is_saturated & (stars.snr >= _CLEAR_SNR)
    widths = stars.fwhm_px[is_clear][:_SHARPNESS_STARS] if is_clear.any() else stars.fwhm_px
    return float(np.median(widths)) if len(widths) else 1.0


def _saturation_adu(path: Path) -> float | None:
    """The level that calibration wrote into a light."""
    level: Any = value(read_header(path), "SATURATE")
    return float(level) if isinstance(level, int | float) else None
