"""What every drill is played on: a simulator of our own, the truth about it, and the word of a guard process."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from contextlib import suppress
from http.client import HTTPConnection, HTTPException
from threading import Event
from time import monotonic

from app.drills.controls import Command, Controls, DrillFailed, Truth
from app.model.guard import GuardPlan, GuardState

#: How often the truth is looked at, seconds.
LOOK_S = 0.05
#: Everything is at rest again by then.
CALM_S = 15.0
#: Of the simulated motors.
SCALE = 4.0


class Stage:
    """A simulator and the truth about it.

    Attributes
    ----------
    controls : Controls
        Of our own simulator.
    """

    def __init__(self, controls: Controls) -> None:
        self.controls = controls
        self._since = 0

    def begin(self) -> float:
        """Begin to measure: the monotonic time of the fault that comes now; commands count from here."""
        self._since = self.controls.newest()
        return monotonic()

    def until(self, what: str, is_so: Callable[[], bool], within_s: float) -> float:
        """Wait; the monotonic time at which it was so.

        Raises
        ------
        DrillFailed
            It does not come true in time.
        """
        pause, deadline_s = Event(), monotonic() + within_s
        while not is_so():
            if monotonic() > deadline_s:
                raise DrillFailed(f"{what} did not come true within {within_s:g} s; {self.says()}")
            pause.wait(LOOK_S)
        return monotonic()

    def during(self, what: str, is_so: Callable[[], bool], seconds: float) -> None:
        """See that something stays so; raises `DrillFailed` when it does not."""
        pause, end_s = Event(), monotonic() + seconds
        while monotonic() < end_s:
            require(is_so(), f"{what} ended too early; {self.says()}")
            pause.wait(LOOK_S)

    def truth(self) -> Truth:
        """What is so now."""
        return self.controls.truth()

    def closed_in_truth(self, within_s: float) -> float:
        """Wait until the shutter is closed; the monotonic time."""
        return self.until("The closed shutter", lambda: self.truth().is_closed, within_s)

    def commands(self, *members: str) -> list[Command]:
        """What the dome was told since `begin`; all of it, or these members."""
        return [one for one in self.controls.commands(self._since) if not members or one.member in members]

    def first_close_s(self) -> float:
        """Monotonic time of the first CloseShutter since `begin`; raises `DrillFailed` when there was none."""
        closes = self.commands("closeshutter")
        require(bool(closes), f"No CloseShutter reached the simulator; {self.says()}")
        return closes[0].at_s

    def guard_word(self) -> GuardState | None:
        """The guard's word of now; None when it gives none."""
        raise NotImplementedError

    def says(self) -> str:
        """Everything in one line, for failures."""
        with suppress(DrillFailed):
            return f"in truth: {self.truth()}; the guard: {self.guard_word()}"
        return "the simulator does not answer"


def end_guard(plan: GuardPlan) -> None:
    """End the guard that a drill started, which its own file names."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        os.kill(int(json.loads(plan.runtime_file.read_text(encoding="utf-8"))["pid"]), signal.SIGTERM)


def ask_guard(plan: GuardPlan) -> GuardState | None:
    """The word of a guard that another program watches; None when it gives none."""
    try:
        known = json.loads(plan.runtime_file.read_text(encoding="utf-8"))
        connection = HTTPConnection("127.0.0.1", int(known["port"]), timeout=1.0)
        try:
            connection.request("GET", "/state", headers={"X-Cupola-Token": str(known["token"])})
            return GuardState.model_validate_json(connection.getresponse().read())
        finally:
            connection.close()
    except (OSError, HTTPException, ValueError, KeyError, TypeError):
        return None


def require(is_so: bool, sentence: str) -> None:
    """Raise `DrillFailed` with that sentence unless it is so."""
    if not is_so:
        raise DrillFailed(sentence)
