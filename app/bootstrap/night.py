"""The clock that a program and its children share: the machine's, the embedded night's, or a picture's."""

from __future__ import annotations

import os
from datetime import datetime
from time import monotonic

from app.model.clock import Clock, NightClock, SteppingClock, SystemClock
from app.model.errors import ObservatoryError

#: Environment variable by which a program and its children share the clock of the embedded night, see `begin_night`.
NIGHT_VARIABLE = "CUPOLA_NIGHT"
_STEP = "step="


def begin_night(starts_at: datetime) -> None:
    """From now on this program and its children live in the embedded night; the monotonic clock is theirs in common."""
    os.environ[NIGHT_VARIABLE] = f"{starts_at.isoformat()} {monotonic()}"


def begin_picture(at: datetime, step_s: float) -> None:
    """From now on this program and its children live at that moment, in which each look at the clock takes a step."""
    os.environ[NIGHT_VARIABLE] = f"{at.isoformat()} {_STEP}{step_s}"


def sky_clock() -> Clock:
    """The clock of this program: the machine's, or the embedded night's when the environment names one.

    Raises
    ------
    ObservatoryError
        The night in the environment is none.
    """
    night = os.environ.get(NIGHT_VARIABLE)
    return clock_of(night) if night else SystemClock()


def clock_of(night: str) -> Clock:
    """The clock of a night as the environment names it; raises `ObservatoryError` for anything else."""
    try:
        starts_at, _, pace = night.partition(" ")
        if pace.startswith(_STEP):
            return SteppingClock(datetime.fromisoformat(starts_at), float(pace.removeprefix(_STEP)))
        return NightClock(datetime.fromisoformat(starts_at), float(pace))
    except ValueError as error:
        raise ObservatoryError(
            f"{NIGHT_VARIABLE} is {night!r}, but is a time and a monotonic time, set by the example night: unset it"
        ) from error
