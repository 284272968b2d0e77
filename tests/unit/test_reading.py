"""Values with ages, azimuths, and the word for the shutter."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.model.angles import AzimuthRefused, azimuth_at_deg, parse_azimuth_deg, turn_deg, wrapped_deg
from app.model.dome import (
    ClosedBy,
    DomeRefused,
    DomeState,
    DomeWish,
    Move,
    Override,
    ShutterState,
    ShutterWord,
    WishKind,
    parse_override,
)
from app.model.reading import NEVER_READ, Freshness, Reading

AT = datetime(2026, 3, 14, 20, 0, tzinfo=UTC)
ANGLES = st.floats(-1e6, 1e6)


def read(value, read_s=100.0):
    return Reading(value, read_s, AT)


class TestReading:
    @pytest.mark.parametrize(
        ("now_s", "freshness"),
        [(100.0, Freshness.FRESH), (105.0, Freshness.FRESH), (105.1, Freshness.STALE), (9e9, Freshness.STALE)],
    )
    def test_it_ages(self, now_s, freshness):
        assert read(1.0).freshness(now_s) is freshness

    def test_it_is_never_older_than_it_can_be(self):
        assert read(1.0).age_s(99.0) == 0.0

    def test_a_failure_keeps_value_and_time(self):
        failed = read(98.0).failed("no answer")
        assert (failed.value, failed.read_s, failed.read_at, failed.failure) == (98.0, 100.0, AT, "no answer")

    def test_a_stale_value_is_unknown(self):
        assert read(98.0).fresh_value(104.0) == 98.0
        assert read(98.0).fresh_value(106.0) is None

    def test_what_was_never_read_has_no_age_and_no_value(self):
        assert NEVER_READ.freshness(0.0) is Freshness.NEVER
        assert (NEVER_READ.age_s(0.0), NEVER_READ.fresh_value(0.0)) == (None, None)


class TestAngles:
    @pytest.mark.parametrize(("a", "b", "turn"), [(359, 1, 2), (1, 359, -2), (0, 180, 180), (180, 0, 180), (10, 10, 0)])
    def test_shortest_turn(self, a, b, turn):
        assert turn_deg(a, b) == turn

    @given(ANGLES, ANGLES)
    def test_a_turn_ends_at_its_target(self, a, b):
        turn = turn_deg(a, b)
        assert -180.0 < turn <= 180.0
        assert abs(turn_deg(a + turn, b)) < 1e-6

    @given(st.floats(-1e-12, 1e-12) | ANGLES)
    def test_wrapped_is_on_the_circle(self, angle):
        assert 0.0 <= wrapped_deg(angle) < 360.0

    @pytest.mark.parametrize(("right", "down", "azimuth"), [(0, -1, 0), (1, 0, 90), (0, 1, 180), (-1, 0, 270)])
    def test_north_is_up_and_east_is_right(self, right, down, azimuth):
        assert azimuth_at_deg(right, down) == pytest.approx(azimuth)

    @pytest.mark.parametrize(("given", "azimuth"), [(0, 0.0), ("359.9", 359.9), (" 98.5° ", 98.5), (12.0, 12.0)])
    def test_azimuths_that_are_some(self, given, azimuth):
        assert parse_azimuth_deg(given) == azimuth

    @pytest.mark.parametrize(
        "given", [360, 400, -1, "400", "-1", float("nan"), "nan", "inf", "east", "", None, True, "1,5", [1], 10**400]
    )
    def test_azimuths_that_are_none_say_what_is_right(self, given):
        with pytest.raises(AzimuthRefused, match="from 0 to less than 360"):
            parse_azimuth_deg(given)


class TestDomeState:
    @pytest.mark.parametrize(
        ("shutter", "closed_by", "word"),
        [
            (ShutterState.CLOSED, ClosedBy.DRIVER, ShutterWord.CLOSED),
            (ShutterState.CLOSED, ClosedBy.MOTION, ShutterWord.PROVEN_CLOSED),
            (ShutterState.CLOSED, ClosedBy.SWITCH, ShutterWord.PROVEN_CLOSED),
            (ShutterState.CLOSED, None, ShutterWord.CLOSED),
            (ShutterState.ERROR, None, ShutterWord.NOT_CLOSED),
            (ShutterState.OPEN, None, ShutterWord.OPEN),
            (ShutterState.CLOSING, None, ShutterWord.CLOSING),
        ],
    )
    def test_the_word_for_the_shutter(self, shutter, closed_by, word):
        state = DomeState(shutter=read(shutter), closed_by=closed_by)
        assert state.shutter_word(101.0) is word
        assert state.shutter_word(110.0) is ShutterWord.UNKNOWN

    def test_a_dome_never_read_is_unknown_and_not_connected(self):
        state = DomeState()
        assert state.shutter_word(0.0) is ShutterWord.UNKNOWN
        assert state.is_moving(0.0) is None
        assert not state.is_connected(0.0)

    def test_a_shutter_moves_though_slewing_is_false(self):
        state = DomeState(is_slewing=read(False), shutter=read(ShutterState.OPENING))
        assert state.is_moving(100.0) is True
        assert replace(state, shutter=read(ShutterState.OPEN)).is_moving(100.0) is False
        assert state.is_moving(110.0) is None

    def test_what_is_left_of_a_turn(self):
        state = DomeState(azimuth_deg=read(350.0), park_deg=20.0)
        assert state.remaining_deg() is None
        goto = replace(state, move=Move(1, DomeWish(WishKind.GOTO, 340.0), "ada", 0.0))
        assert goto.remaining_deg() == -10.0
        assert replace(state, move=Move(2, DomeWish(WishKind.PARK), "ada", 0.0)).remaining_deg() == 30.0
        assert replace(state, move=Move(3, DomeWish(WishKind.OPEN), "ada", 0.0)).remaining_deg() is None


class TestOverride:
    def test_it_has_a_name_and_a_reason(self):
        assert parse_override(" Ada : I stand beside it: really") == Override("Ada", "I stand beside it: really")

    @pytest.mark.parametrize("text", ["", "Ada", "Ada:", ": because", "  :  "])
    def test_without_either_it_is_none(self, text):
        with pytest.raises(DomeRefused, match="NAME: REASON"):
            parse_override(text)
