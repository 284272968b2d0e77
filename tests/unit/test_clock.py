"""Clocks: the night's runs on, the picture's takes a step at each look."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from app.bootstrap.night import NIGHT_VARIABLE, begin_night, begin_picture, clock_of, sky_clock
from app.model.clock import SteppingClock, SystemClock
from app.model.errors import ObservatoryError

NIGHT = datetime(2024, 8, 5, 21, 0, tzinfo=UTC)


def test_each_look_takes_a_step():
    clock = SteppingClock(NIGHT, 20.0)
    assert [clock.utc(), clock.utc()] == [NIGHT, NIGHT + timedelta(seconds=20)]
    assert clock.monotonic() == 40.0


def test_a_picture_stands_still(monkeypatch):
    monkeypatch.setenv(NIGHT_VARIABLE, "")
    begin_picture(NIGHT, 0.0)
    clock = sky_clock()
    assert clock.utc() == clock.utc() == NIGHT
    assert clock.monotonic() == clock.monotonic()


def test_children_share_the_night(monkeypatch):
    monkeypatch.setenv(NIGHT_VARIABLE, "")
    begin_night(NIGHT)
    own, of_child = sky_clock(), sky_clock()
    assert timedelta(0) <= own.utc() - NIGHT < timedelta(seconds=5)
    assert abs(of_child.utc() - own.utc()) < timedelta(seconds=1)


def test_without_a_night_it_is_the_machines_clock(monkeypatch):
    monkeypatch.delenv(NIGHT_VARIABLE, raising=False)
    assert isinstance(sky_clock(), SystemClock)


@pytest.mark.parametrize("nonsense", ["tonight", "2024-08-05T21:00:00+00:00", "2024-08-05T21:00:00+00:00 step=fast"])
def test_a_night_that_is_none_is_named(nonsense):
    with pytest.raises(ObservatoryError, match=NIGHT_VARIABLE):
        clock_of(nonsense)
