"""Numbers as people read them."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from app.model.wording import (
    DASHES,
    age_text,
    angle_text,
    azimuth_text,
    count_text,
    declination_text,
    duration_text,
    latency_text,
    night_text,
    right_ascension_text,
    turn_text,
)


@pytest.mark.parametrize(("azimuth", "text"), [(137.44, "137.4°"), (359.96, "0.0°"), (0.0, "0.0°"), (None, DASHES)])
def test_azimuth_never_reads_360(azimuth, text):
    assert azimuth_text(azimuth) == text


@pytest.mark.parametrize(
    ("age", "text"), [(None, DASHES), (0.4, "0 s"), (99.0, "99 s"), (180.0, "3 m"), (7200.0, "2 h")]
)
def test_age(age, text):
    assert age_text(age) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, DASHES), (0.44, "0.4 s"), (9.96, "10 s"), (59.6, "1 m 00 s"), (80.0, "1 m 20 s"), (7500.0, "2 h 05 m")],
)
def test_duration(seconds, text):
    assert duration_text(seconds) == text


def test_counts_have_thin_spaces_and_true_minus():
    assert count_text(1234567) == "1\u2009234\u2009567"
    assert count_text(-12) == "\u221212"
    assert angle_text(-38.44) == "\u221238.4°"


@pytest.mark.parametrize(
    ("ra", "text"), [(202.469583, "13 29 52.7"), (0.0, "00 00 00.0"), (359.99999, "00 00 00.0"), (15.0, "01 00 00.0")]
)
def test_right_ascension_carries_over(ra, text):
    assert right_ascension_text(ra) == text


@pytest.mark.parametrize(
    ("dec", "text"),
    [(47.19528, "+47 11 43"), (-0.5, "\u221200 30 00"), (-0.00001, "+00 00 00"), (89.99999, "+90 00 00")],
)
def test_declination_keeps_the_sign_of_small_angles(dec, text):
    assert declination_text(dec) == text


def test_noon_divides_nights():
    assert night_text(datetime(2024, 8, 6, 11, 59, tzinfo=UTC)) == "2024-08-05"
    assert night_text(datetime(2024, 8, 6, 12, 0, tzinfo=UTC)) == "2024-08-06"


def test_turn_says_which_way_and_how_long():
    assert turn_text(34.0, 12.0) == "CW 34.0°, 12 s"
    assert turn_text(-2.0) == "CCW 2.0°"
    assert turn_text(-0.04) == "0.0°"
    assert turn_text(None) == DASHES


def test_latencies_are_in_milliseconds_until_they_are_long():
    assert latency_text(0.0123) == "12 ms"
    assert latency_text(0.9994) == "999 ms"
    assert latency_text(1.24) == "1.2 s"
    assert latency_text(None) == DASHES
