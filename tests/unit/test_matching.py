"""Which frames belong together, and which master fits, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.model.frame import FrameFacts
from app.model.matching import (
    Grade,
    by_exposure,
    by_filter,
    by_rotator,
    by_temperature,
    choose_dark,
    choose_flat,
    differences,
    fields,
    groups,
    is_same_exposure,
    separation_deg,
    temperature_grade,
)

CAMERA = FrameFacts(rows=100, columns=200, instrument="cam", binning=(1, 1), gain_setting="100", temperature_degc=-10.0)


@dataclass(frozen=True)
class Thing:
    facts: FrameFacts


def thing(**facts: Any) -> Thing:
    return Thing(replace(CAMERA, **facts))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (300.0, 300.1, True),
        (300.0, 301.4, True),
        (300.0, 302.0, False),
        (0.001, 0.009, True),
        (1.0, 1.02, False),
        (None, 1.0, False),
    ],
)
def test_exposures_within_the_tolerance_are_one(one: float | None, other: float | None, same: bool) -> None:
    assert is_same_exposure(one, other) is same


def test_darks_are_grouped_by_exposure_and_filter() -> None:
    darks = [thing(exposure_s=s, filter=f) for s, f in ((300.0, None), (300.1, None), (60.0, None), (60.0, "R"))]
    assert [len(group) for group in groups(darks, by_filter, by_exposure)] == [2, 1, 1]


def test_darks_of_other_temperatures_are_not_stacked_together() -> None:
    darks = [thing(exposure_s=60.0, temperature_degc=t) for t in (-20.0, -10.0, -19.5, -10.2)]
    assert [len(group) for group in groups(darks, by_exposure, by_temperature)] == [2, 2]


def test_exposure_is_no_key_for_flats_but_filter_and_rotator_are() -> None:
    flats = [
        thing(exposure_s=s, filter=f, rotator_deg=r)
        for s, f, r in ((76.15, "z", 359.8), (82.69, "z", 0.1), (82.2, "z", 90.0), (76.0, "R", 0.0))
    ]
    assert [len(group) for group in groups(flats, by_filter, by_rotator)] == [2, 1, 1]


def test_every_difference_of_the_set_up_is_named() -> None:
    other = replace(CAMERA, binning=(2, 2), rows=50, columns=100, gain_setting="0")
    found = differences(CAMERA, other)
    assert found == ("size 200x100, not 100x50", "binning 1x1, not 2x2", "gain 100, not 0")


def test_what_is_not_recorded_differs_only_for_masters_of_other_nights() -> None:
    silent = replace(CAMERA, gain_setting=None)
    assert differences(silent, CAMERA) == ()
    assert differences(silent, CAMERA, strict=True) == ("gain not recorded, not 100",)
    nameless = replace(CAMERA, instrument=None)
    assert differences(nameless, nameless, strict=True)


def test_dark_of_the_same_exposure_comes_first() -> None:
    bias, dark = thing(exposure_s=0.0), thing(exposure_s=60.0)
    choice = choose_dark(replace(CAMERA, exposure_s=60.2), [bias], [thing(exposure_s=30.0), dark])
    assert (choice.bias, choice.dark, choice.formula) == (None, dark, "dark")


def test_other_exposure_is_scaled_over_the_bias() -> None:
    bias, dark = thing(exposure_s=0.0), thing(exposure_s=60.0)
    choice = choose_dark(replace(CAMERA, exposure_s=30.0), [bias], [dark])
    assert (choice.bias, choice.dark, choice.scale) == (bias, dark, 0.5)
    assert choice.formula == "bias + 0.5 (dark - bias)"
    assert "no dark of 30 s: there is 60 s" in choice.reason


@pytest.mark.parametrize(("exposure_s", "may_scale"), [(300.0, True), (5.0, True), (30.0, False)])
def test_too_far_or_forbidden_scaling_leaves_the_bias(exposure_s: float, may_scale: bool) -> None:
    bias, dark = thing(exposure_s=0.0), thing(exposure_s=60.0)
    choice = choose_dark(replace(CAMERA, exposure_s=exposure_s), [bias], [dark], may_scale=may_scale)
    assert (choice.bias, choice.dark, choice.formula) == (bias, None, "bias")


def test_dark_is_never_scaled_without_a_bias() -> None:
    choice = choose_dark(replace(CAMERA, exposure_s=30.0), [], [thing(exposure_s=60.0)])
    assert (choice.bias, choice.dark, choice.formula) == (None, None, "nothing")
    assert choice.reason == "no dark of 30 s: there is 60 s; no bias"


def test_nearest_temperature_wins() -> None:
    warm, cold = thing(exposure_s=60.0, temperature_degc=-2.0), thing(exposure_s=60.0)
    assert choose_dark(replace(CAMERA, exposure_s=60.0), [], [warm, cold]).dark is cold
    assert temperature_grade(warm.facts, CAMERA) == (Grade.POOR, 8.0)
    assert temperature_grade(replace(CAMERA, temperature_degc=None), CAMERA) == (Grade.ACCEPTABLE, None)


def test_filter_on_a_dark_blocks_nothing() -> None:
    dark = thing(exposure_s=60.0, filter="V")
    assert choose_dark(replace(CAMERA, exposure_s=60.0, filter="R"), [], [dark]).dark is dark


def test_flat_of_another_filter_or_set_up_is_refused_with_the_reason() -> None:
    red = thing(filter="R")
    assert choose_flat(replace(CAMERA, filter="R"), [red])[0] is red
    assert choose_flat(replace(CAMERA, filter="B"), [red]) == (None, "no flat of filter B: there is R")
    binned = replace(CAMERA, filter="R", binning=(2, 2))
    assert choose_flat(binned, [red])[1] == "no flat fits: binning 1x1, not 2x2"


def test_fields_are_told_by_position_first_then_by_name() -> None:
    lights = [
        thing(ra_deg=10.0, dec_deg=89.9, object_name="pole"),
        thing(ra_deg=190.0, dec_deg=89.95, object_name="other"),
        thing(ra_deg=10.0, dec_deg=10.0, object_name="pole"),
        thing(object_name="teste"),
        thing(object_name="Teste "),
    ]
    assert [len(group) for group in fields(lights, 0.3)] == [2, 1, 2]


def test_separation_over_the_pole_and_zero_hours() -> None:
    assert separation_deg(10.0, 89.9, 190.0, 89.95) == pytest.approx(0.15, abs=1e-6)
    assert separation_deg(359.9, 0.0, 0.1, 0.0) == pytest.approx(0.2, abs=1e-6)
