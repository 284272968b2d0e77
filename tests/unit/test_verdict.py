"""Lights are judged beside their group; reasons say value, limit and remedy; the operator has the last word."""

from __future__ import annotations

from typing import Any

import pytest

from app.model.flags import Qc
from app.model.settings import Quality
from app.model.verdict import Judgement, Verdict, judge

GOOD = {"FWHMPIX": 2.5, "L1ELLIP": 0.1, "NSTARS": 200, "SATFRAC": 0.0001}


def judged(
    transparency: float | None = None,
    by_operator: bool | None = None,
    limits: Quality = Quality(),  # noqa: B008 - it is frozen
    **numbers: Any,
) -> Judgement:
    light = {name: number for name, number in (GOOD | numbers).items() if number is not None}
    group = [GOOD, GOOD, light]
    return judge(light, group, limits, 0.5, transparency=transparency, by_operator=by_operator)


def test_a_good_light_is_accepted_without_a_word() -> None:
    assert judged(transparency=1.0) == Judgement(Verdict.ACCEPTED)


@pytest.mark.parametrize(
    ("numbers", "verdict", "flag", "words"),
    [
        ({"FWHMPIX": 3.74}, Verdict.ACCEPTED, Qc(0), ()),
        ({"FWHMPIX": 3.76}, Verdict.DOUBTFUL, Qc.WIDE_STARS, ("3.8 px", "2.5 px", "1.5 times is the limit", "focus")),
        ({"FWHMPIX": 6.3}, Verdict.REJECTED, Qc.WIDE_STARS, ("6.3 px", "2.5 times is the limit")),
        ({"L1ELLIP": 0.31}, Verdict.DOUBTFUL, Qc.ELONGATED_STARS, ("0.31", "0.3 is the limit", "guiding")),
        ({"L1ELLIP": 0.7}, Verdict.REJECTED, Qc.ELONGATED_STARS, ("0.70", "0.6 is the limit")),
        ({"NSTARS": 100}, Verdict.ACCEPTED, Qc(0), ()),
        ({"NSTARS": 90}, Verdict.DOUBTFUL, Qc.FEW_STARS, ("90 stars", "0.45 of the 200", "0.5 is the limit", "tree")),
        ({"NSTARS": 19}, Verdict.REJECTED, Qc.FEW_STARS, ("19 stars", "0.1 is the limit")),
        ({"SATFRAC": 0.02}, Verdict.DOUBTFUL, Qc.SATURATED, ("0.020", "0.01 is the limit", "expose shorter")),
        ({"SATFRAC": 1.0}, Verdict.REJECTED, Qc.SATURATED, ("1.000", "0.5 is the limit")),
        ({"transparency": 0.5}, Verdict.ACCEPTED, Qc(0), ()),
        ({"transparency": 0.2}, Verdict.DOUBTFUL, Qc.FAINT, ("0.20 of the star flux", "0.5 is the limit", "clouds")),
        ({"transparency": 0.05}, Verdict.REJECTED, Qc.FAINT, ("0.05 of the star flux", "0.1 is the limit")),
    ],
)
def test_each_limit_has_its_verdict_and_its_sentence(
    numbers: dict[str, Any], verdict: Verdict, flag: Qc, words: tuple[str, ...]
) -> None:
    found = judged(**numbers)
    assert (found.verdict, found.flags) == (verdict, flag)
    assert len(found.reasons) == (verdict is not Verdict.ACCEPTED)
    for word in words:
        assert word in found.reasons[0]


CHANGED: dict[str, tuple[float, Verdict, dict[str, float]]] = {
    "fwhm_ratio": (1.2, Verdict.DOUBTFUL, {"FWHMPIX": 3.2}),
    "worst_fwhm_ratio": (1.6, Verdict.REJECTED, {"FWHMPIX": 4.5}),
    "ellipticity": (0.15, Verdict.DOUBTFUL, {"L1ELLIP": 0.2}),
    "worst_ellipticity": (0.35, Verdict.REJECTED, {"L1ELLIP": 0.4}),
    "star_ratio": (0.9, Verdict.DOUBTFUL, {"NSTARS": 150}),
    "worst_star_ratio": (0.4, Verdict.REJECTED, {"NSTARS": 70}),
    "worst_flux_ratio": (0.3, Verdict.REJECTED, {"transparency": 0.2}),
    "saturated_part": (0.002, Verdict.DOUBTFUL, {"SATFRAC": 0.005}),
    "worst_saturated_part": (0.02, Verdict.REJECTED, {"SATFRAC": 0.03}),
}


@pytest.mark.parametrize("name", Quality.model_fields)
def test_every_limit_is_a_setting_that_changes_the_verdict(name: str) -> None:
    limit, changed, numbers = CHANGED[name]
    milder = {Verdict.DOUBTFUL: Verdict.ACCEPTED, Verdict.REJECTED: Verdict.DOUBTFUL}[changed]
    assert judged(**numbers).verdict is milder
    found = judged(limits=Quality(**{name: limit}), **numbers)
    assert found.verdict is changed
    assert f"{limit:g}" in found.reasons[0]


def test_one_worst_limit_rejects_and_every_reason_is_told() -> None:
    found = judged(FWHMPIX=4.0, NSTARS=5, transparency=0.3)
    assert found.verdict is Verdict.REJECTED
    assert found.flags == Qc.WIDE_STARS | Qc.FEW_STARS | Qc.FAINT
    assert len(found.reasons) == 3


def test_what_is_not_known_is_not_judged() -> None:
    assert judged(FWHMPIX=None, L1ELLIP=None, NSTARS=None, SATFRAC=None) == Judgement(Verdict.ACCEPTED)
    assert judge({}, [{}], Quality(), 0.5) == Judgement(Verdict.ACCEPTED)
    assert judge({"NSTARS": 0}, [{"NSTARS": 0}], Quality(), 0.5) == Judgement(Verdict.ACCEPTED)


def test_the_operator_wins_and_the_numbers_stay_told() -> None:
    taken = judged(FWHMPIX=9.0, by_operator=True)
    assert taken.verdict is Verdict.ACCEPTED
    assert taken.flags == Qc.WIDE_STARS | Qc.BY_OPERATOR
    assert "takes it anyway" in taken.reasons[0]
    assert "9.0 px" in taken.reasons[1]
    left = judged(by_operator=False)
    assert (left.verdict, left.flags) == (Verdict.REJECTED, Qc.BY_OPERATOR)
    assert "left it out" in left.reasons[0]
