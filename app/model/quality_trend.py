"""How the quality of the lights went through the night: numbers for the plots, and the limits that they are judged by."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from statistics import median
from typing import Any

from app.model.batch import Combination, ProductKind
from app.model.settings import Quality
from app.model.verdict import Verdict

_LIGHTS = (ProductKind.CALIBRATED_LIGHT, ProductKind.UNCALIBRATED_LIGHT)


@dataclass(frozen=True, slots=True)
class TrendPoint:
    """One light.

    Attributes
    ----------
    key : int
        Of its combination.
    at_s : float
        Start of the exposure, POSIX seconds.
    name : str
        Of its file.
    filter : str
        Name, or nothing.
    values : mapping of str to float
        Quality numbers by keyword; what is not known is missing.
    verdict : Verdict or None
        None while it is not judged.
    reasons : tuple of str
        Why it is doubtful or rejected.
    """

    key: int
    at_s: float
    name: str
    filter: str
    values: Mapping[str, float]
    verdict: Verdict | None = None
    reasons: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trend:
    """One number over time.

    Attributes
    ----------
    keywords : tuple of str
        Those that tell it, the first that all lights have.
    unit : str
        Of the first and the second.
    limit_of : callable or None
        Where a light becomes doubtful, from the settings and the numbers of its filter; None: there is no limit.
    """

    name: str
    keywords: tuple[str, ...]
    units: tuple[str, ...]
    digits: int
    limit_of: Callable[[Quality, Sequence[float]], float] | None = None

    def chosen(self, points: Sequence[TrendPoint]) -> tuple[str, str]:
        """Keyword and unit: the first that as many points have as any."""
        counts = [sum(keyword in point.values for point in points) for keyword in self.keywords]
        best = counts.index(max(counts))
        return self.keywords[best], self.units[best]

    def text(self, value: float) -> str:
        """With its digits."""
        return f"{value:,.{self.digits}f}".replace(",", " ")


TRENDS: tuple[Trend, ...] = (
    Trend(
        "FWHM", ("L1FWHM", "FWHMPIX"), ("\u2033", "px"), 1, lambda limits, widths: limits.fwhm_ratio * median(widths)
    ),
    Trend("stars", ("NSTARS",), ("",), 0, lambda limits, stars: limits.star_ratio * max(stars)),
    Trend("sky", ("L1MEDIAN",), ("adu",), 0),
    Trend("zero point", ("MAGZP",), ("mag",), 2),
    Trend("ellipticity", ("L1ELLIP",), ("",), 2, lambda limits, _: limits.ellipticity),
)


def trend_of(made: Iterable[Combination]) -> tuple[TrendPoint, ...]:
    """Lights that were measured and whose time is known, by filter and then by time."""
    found = [
        _point(one, one.facts.started_at.timestamp()) for one in made if _is_measured(one) and one.facts.started_at
    ]
    return tuple(sorted(found, key=lambda point: (point.filter, point.at_s, point.name)))


def by_filter(points: Iterable[TrendPoint]) -> tuple[tuple[str, tuple[TrendPoint, ...]], ...]:
    """Points of each filter, as `trend_of` orders them."""
    return tuple((name, tuple(some)) for name, some in groupby(points, key=lambda point: point.filter))


def verdict_in(qc: Mapping[str, Any]) -> Verdict | None:
    """The verdict among quality numbers; None while there is none."""
    return Verdict(qc["verdict"]) if "verdict" in qc else None


def _is_measured(one: Combination) -> bool:
    return one.kind in _LIGHTS and "NSTARS" in one.qc


def _point(one: Combination, at_s: float) -> TrendPoint:
    keywords = {keyword for trend in TRENDS for keyword in trend.keywords}
    values: dict[str, float] = {name: float(one.qc[name]) for name in keywords & one.qc.keys()}
    name = one.inputs[0] if one.inputs else one.path.name
    return TrendPoint(
        one.key, at_s, name, one.facts.filter or "", values, verdict_in(one.qc), tuple(one.qc.get("reasons", ()))
    )
