"""Whether a light is good enough for a stack, and why not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Any

from app.model.flags import Qc
from app.model.settings import Quality

_NOTHING = Qc(0)


class Verdict(StrEnum):
    """What becomes of a light: doubtful ones are stacked with their weight, rejected ones are left out."""

    ACCEPTED = "accepted"
    DOUBTFUL = "doubtful"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is thought of a light.

    Attributes
    ----------
    verdict : Verdict
        The worst that a limit says, or what the operator says.
    flags : Qc
        What is doubtful.
    reasons : tuple of str
        One sentence for each limit passed: value, limit, remedy.
    """

    verdict: Verdict
    flags: Qc = _NOTHING
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Doubt:
    flag: Qc
    is_worst: bool
    reason: str


def judge(
    light: Mapping[str, Any],
    group: Sequence[Mapping[str, Any]],
    limits: Quality,
    faint_flux_ratio: float,
    *,
    transparency: float | None = None,
    by_operator: bool | None = None,
) -> Judgement:
    """Judge a light by its quality numbers, beside those of the lights that it would be stacked with.

    Parameters
    ----------
    light : mapping
        Quality numbers by keyword: FWHMPIX, L1ELLIP, NSTARS, SATFRAC, QCFLAG; what is not known is not judged.
    group : sequence of mapping
        Of all lights of the stack, this one among them.
    limits : Quality
        Of the settings.
    faint_flux_ratio : float
        Star flux over that of the clearest light, under which a light is doubtful.
    transparency : float, optional
        The light's star flux over that of the clearest light.
    by_operator : bool, optional
        Take it anyway, or leave it out: that counts, whatever the numbers say.

    Returns
    -------
    Judgement
        The verdict with its reasons; also what the numbers said when the operator decided.
    """
    doubts = (
        *_wide(light, group, limits),
        *_elongated(light, limits),
        *_few_stars(light, group, limits),
        *_saturated(light, limits),
        *_unfocused(light),
        *_faint(transparency, faint_flux_ratio, limits),
    )
    flags = _NOTHING
    for doubt in doubts:
        flags |= doubt.flag
    reasons = tuple(doubt.reason for doubt in doubts)
    if by_operator is not None:
        decided = "an operator takes it anyway" if by_operator else "an operator left it out"
        verdict = Verdict.ACCEPTED if by_operator else Verdict.REJECTED
        return Judgement(verdict, flags | Qc.BY_OPERATOR, (decided, *reasons))
    if any(doubt.is_worst for doubt in doubts):
        return Judgement(Verdict.REJECTED, flags, reasons)
    return Judgement(Verdict.DOUBTFUL if doubts else Verdict.ACCEPTED, flags, reasons)


def _wide(light: Mapping[str, Any], group: Sequence[Mapping[str, Any]], limits: Quality) -> Iterator[_Doubt]:
    widths = [one["FWHMPIX"] for one in group if "FWHMPIX" in one]
    if "FWHMPIX" not in light or not widths:
        return
    width, typical = light["FWHMPIX"], median(widths)
    if width > limits.fwhm_ratio * typical:
        is_worst = width > limits.worst_fwhm_ratio * typical
        limit = limits.worst_fwhm_ratio if is_worst else limits.fwhm_ratio
        reason = (
            f"stars are {width:.1f} px wide, {width / typical:.1f} times the {typical:.1f} px of its group, "
            f"{limit:g} times is the limit: check focus, seeing and guiding"
        )
        yield _Doubt(Qc.WIDE_STARS, is_worst, reason)


def _elongated(light: Mapping[str, Any], limits: Quality) -> Iterator[_Doubt]:
    ellipticity = light.get("L1ELLIP", 0.0)
    if ellipticity > limits.ellipticity:
        is_worst = ellipticity > limits.worst_ellipticity
        limit = limits.worst_ellipticity if is_worst else limits.ellipticity
        reason = f"stars have an ellipticity of {ellipticity:.2f}, {limit:g} is the limit: check guiding and wind"
        yield _Doubt(Qc.ELONGATED_STARS, is_worst, reason)


def _few_stars(light: Mapping[str, Any], group: Sequence[Mapping[str, Any]], limits: Quality) -> Iterator[_Doubt]:
    most = max((one["NSTARS"] for one in group if "NSTARS" in one), default=0)
    stars = light.get("NSTARS", most)
    if stars < limits.star_ratio * most:
        is_worst = stars < limits.worst_star_ratio * most
        limit = limits.worst_star_ratio if is_worst else limits.star_ratio
        reason = (
            f"shows {stars} stars, {stars / most:.2f} of the {most} of its group's richest light, "
            f"{limit:g} is the limit: check for clouds, or a tree or the dome in the way"
        )
        yield _Doubt(Qc.FEW_STARS, is_worst, reason)


def _saturated(light: Mapping[str, Any], limits: Quality) -> Iterator[_Doubt]:
    part = light.get("SATFRAC", 0.0)
    if part > limits.saturated_part:
        is_worst = part > limits.worst_saturated_part
        limit = limits.worst_saturated_part if is_worst else limits.saturated_part
        reason = f"{part:.3f} of its pixels are saturated, {limit:g} is the limit: expose shorter"
        yield _Doubt(Qc.SATURATED, is_worst, reason)


def _unfocused(light: Mapping[str, Any]) -> Iterator[_Doubt]:
    if Qc.OUT_OF_FOCUS & light.get("QCFLAG", 0):
        reason = (
            f"stars are rings or discs of {light['FWHMPIX']:.0f} px, out of focus: focus the telescope, unless it is "
            "a spectrum"
        )
        yield _Doubt(Qc.OUT_OF_FOCUS, False, reason)


def _faint(transparency: float | None, faint_flux_ratio: float, limits: Quality) -> Iterator[_Doubt]:
    if transparency is not None and transparency < max(faint_flux_ratio, limits.worst_flux_ratio):
        is_worst = transparency < limits.worst_flux_ratio
        limit = limits.worst_flux_ratio if is_worst else faint_flux_ratio
        reason = (
            f"has {transparency:.2f} of the star flux of the clearest frame, {limit:g} is the limit: "
            "check for clouds and dawn"
        )
        yield _Doubt(Qc.FAINT, is_worst, reason)
