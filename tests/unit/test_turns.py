"""The shortest turn, its words and its time, for 10 000 pairs of azimuths."""

from random import Random

import pytest

from app.model.angles import turn_deg, wrapped_deg
from app.model.reading import Reading
from app.model.wording import duration_text, turn_text
from app.widgets.turn_clock import TurnClock

EDGES = (0.0, 1e-9, 0.04, 0.05, 1.0, 89.99, 90.0, 179.96, 180.0, 180.04, 270.0, 359.0, 359.96, 359.9999999)


def pairs():
    """Every pair of edges, then random ones, 10 000 in all; the same ones each time."""
    for begin in EDGES:
        for end in EDGES:
            yield begin, end
    dice = Random(20261122)
    for _ in range(10_000 - len(EDGES) ** 2):
        yield dice.uniform(0.0, 360.0) % 360.0, dice.choice((dice.uniform(0.0, 360.0) % 360.0, dice.choice(EDGES)))


def is_same_azimuth(one, other):
    return abs((one - other + 180.0) % 360.0 - 180.0) < 1e-6


def test_every_turn_is_the_shortest_and_arrives():
    for begin, end in pairs():
        turn = turn_deg(begin, end)
        assert -180.0 < turn <= 180.0
        assert is_same_azimuth(wrapped_deg(begin + turn), end)
        assert abs(turn) <= min(abs(end - begin), 360.0 - abs(end - begin)) + 1e-9


def test_the_words_of_every_turn_say_its_way_and_size():
    for begin, end in pairs():
        turn = turn_deg(begin, end)
        *way, size = turn_text(turn).split()
        assert float(size.removesuffix("°")) == pytest.approx(abs(turn), abs=0.0500001)
        assert way == ([] if size == "0.0°" else ["CW"] if turn > 0.0 else ["CCW"])
        if way:  # who follows the words comes nearer to the end than by any other way
            signed = float(size.removesuffix("°")) * (1.0 if way == ["CW"] else -1.0)
            assert abs((begin + signed - end + 180.0) % 360.0 - 180.0) <= 0.0500001


def test_the_time_of_every_turn_is_its_size_over_the_rate():
    dice = Random(41)
    for begin, end in pairs():
        left, rate = turn_deg(begin, end), dice.choice((-1.0, 1.0)) * dice.uniform(0.2, 12.0)
        clock = TurnClock()
        for second in range(6):
            clock.note(Reading(wrapped_deg(begin + rate * (second - 5)), float(second)))
        assert clock.rate_deg_s == pytest.approx(rate)
        eta_s = clock.eta_s(left)
        if left * rate > 0.0:
            assert eta_s == pytest.approx(abs(left) / abs(rate))
            assert turn_text(left, eta_s).endswith(f", {duration_text(eta_s)}")
        else:
            assert eta_s is None


def test_359_to_1_is_two_degrees_clockwise():
    assert turn_text(turn_deg(359.0, 1.0), 0.4) == "CW 2.0°, 0.4 s"
    assert turn_text(turn_deg(1.0, 359.0)) == "CCW 2.0°"


def test_a_dome_that_stands_has_no_time():
    clock = TurnClock()
    for second in range(6):
        clock.note(Reading(137.4, float(second)))
    assert clock.rate_deg_s is None
    assert clock.eta_s(10.0) is None
    clock.note(Reading())
    assert clock.rate_deg_s is None
