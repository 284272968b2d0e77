"""Which frames belong together, and which master fits, each with its reason."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from app.model.frame import FrameFacts, FrameKind
from app.model.matching import (
    MASTER_KINDS,
    Grade,
    MasterChoice,
    by_exposure,
    by_filter,
    by_rotator,
    by_temperature,
    choose_dark,
    choose_flat,
    choose_masters,
    differences,
    fields,
    groups,
    is_same_exposure,
    light_groups,
    master_groups,
    separation_deg,
    set_up_text,
    temperature_grade,
)
from app.model.settings import Matching

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


def test_tolerances_are_those_of_the_settings() -> None:
    wide = Matching(exposure_s=5.0, temperature_ok_degc=3.0, temperature_poor_degc=20.0, rotator_deg=90.0)
    dark = thing(exposure_s=64.0, temperature_degc=-12.5, rotator_deg=80.0, filter="R")
    light = replace(CAMERA, exposure_s=60.0, rotator_deg=0.0, filter="R")

    assert choose_dark(light, [], [dark], rules=wide).dark is dark
    assert choose_dark(light, [], [dark]).dark is None
    assert choose_flat(light, [dark], wide)[0] is dark
    assert choose_flat(light, [dark])[0] is None
    assert temperature_grade(dark.facts, light, wide)[0] is Grade.OK
    pair = [thing(exposure_s=60.0), dark]
    assert len(groups(pair, by_exposure, by_temperature, by_rotator, rules=wide)) == 1
    bias = thing(exposure_s=0.0)
    assert choose_dark(light, [bias], [thing(exposure_s=600.0)]).dark is None
    assert choose_dark(light, [bias], [thing(exposure_s=600.0)], rules=Matching(dark_scale_low=0.1)).scale == 0.1


def test_a_temperature_that_is_not_good_is_told_with_its_grade() -> None:
    light = replace(CAMERA, exposure_s=60.0)

    def reason(degc: float | None) -> str:
        return choose_dark(light, [], [thing(exposure_s=60.0, temperature_degc=degc)]).reason

    assert reason(-9.5) == reason(None) == "dark of the same exposure, 60 s"
    assert reason(-7.0) == "dark of the same exposure, 60 s; 3.0 degC away: acceptable"
    assert reason(4.0) == "dark of the same exposure, 60 s; 14.0 degC away: poor"


def test_what_is_told_of_a_master_stands_in_the_reason() -> None:
    light = replace(CAMERA, exposure_s=30.0, filter="R")
    bias, dark, flat = thing(exposure_s=0.0), thing(exposure_s=60.0), thing(filter="R")
    choice = choose_masters(light, [bias], [dark], [flat], told=lambda master: f"from {id(master)}")

    assert choice.dark.reason.endswith(f"scaled by 0.5; from {id(bias)}; from {id(dark)}")
    assert choice.flat_reason == f"flat of filter R; from {id(flat)}"
    assert choice.masters == (bias, dark, flat)


def test_of_two_darks_to_be_scaled_the_better_temperature_comes_before_the_nearer_exposure() -> None:
    warm, cold = thing(exposure_s=50.0, temperature_degc=-2.0), thing(exposure_s=80.0)
    choice = choose_dark(replace(CAMERA, exposure_s=45.0), [thing(exposure_s=0.0)], [warm, cold])
    assert choice.dark is cold


def test_every_master_that_is_not_used_is_refused_with_its_reason() -> None:
    light = replace(CAMERA, exposure_s=60.0, filter="R", rotator_deg=10.0)
    bias, binned = thing(exposure_s=0.0), thing(exposure_s=0.0, binning=(2, 2))
    dark, other, second = thing(exposure_s=60.0), thing(exposure_s=30.0), thing(exposure_s=60.0, temperature_degc=-8.0)
    flat, blue, turned = thing(filter="R"), thing(filter="B"), thing(filter="R", rotator_deg=90.0)

    choice = choose_masters(light, [bias, binned], [dark, other, second], [blue, turned, flat])

    assert choice.masters == (dark, flat)
    assert [(refused.master, refused.why) for refused in choice.refused] == [
        (bias, "the dark contains the bias"),
        (binned, "binning 2x2, not 1x1"),
        (other, "exposure 30 s, not 60 s"),
        (second, "another one is nearer in temperature or time"),
        (blue, "filter B, not R"),
        (turned, "rotator at 90 deg, not 10"),
    ]


def test_what_the_cameras_software_did_is_not_done_again() -> None:
    bias, dark, flat = thing(exposure_s=0.0), thing(exposure_s=60.0), thing(filter="R")

    def choice(*done: str) -> MasterChoice[Thing]:
        light = replace(CAMERA, exposure_s=60.0, filter="R", calibrated_for=frozenset(done))
        return choose_masters(light, [bias], [dark], [flat])

    assert choice("bias", "dark").masters == (flat,)
    assert choice("bias").masters == (flat,)
    assert "its dark current stays" in choice("bias").dark.reason
    assert choice("flat").masters == (dark,)
    raw = choose_masters(replace(CAMERA, filter="R"), [], [], [flat])
    assert (raw.flat, raw.flat_remedy) == (None, "take darks or bias")  # over a bias it would do harm
    assert choose_masters(replace(CAMERA, filter="R"), [], [], []).flat_remedy == "take flats of this filter"


def test_lights_of_one_stack_share_set_up_filter_exposure_and_field() -> None:
    def light(ra_deg: float, **facts: Any) -> Thing:
        return thing(**{"exposure_s": 60.0, "filter": "R", "ra_deg": ra_deg, "dec_deg": 0.0, **facts})

    lights = [light(10.0), light(10.2), light(10.3), light(10.0, filter="B"), light(10.0, binning=(2, 2))]
    assert [len(group) for group in light_groups(lights)] == [2, 1, 1, 1]
    scaled = [light(ra_deg, pixel_scale_arcsec=36.0) for ra_deg in (10.0, 10.9, 11.2)]  # 2 degrees wide
    assert [len(group) for group in light_groups(scaled)] == [2, 1]


def test_the_set_up_is_told_as_far_as_it_is_known() -> None:
    assert set_up_text(CAMERA) == "cam, size 200x100, binning 1x1, gain 100"
    assert set_up_text(FrameFacts(rows=1, columns=2)) == "size 2x1"


def test_masters_of_a_kind_are_made_of_frames_that_agree_in_what_changes_them() -> None:
    frames = [thing(exposure_s=s, filter=f) for s, f in ((1.0, "R"), (2.0, "R"), (2.0, "B"))]
    sizes = {kind: [len(group) for group in master_groups(kind, frames)] for kind in MASTER_KINDS}
    assert sizes == {FrameKind.BIAS: [3], FrameKind.DARK: [1, 1, 1], FrameKind.FLAT: [2, 1]}
