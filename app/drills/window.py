"""The drills that need a real window, which may be killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException
from typing import Any
from urllib.parse import urlencode

from app.bootstrap.embedded import embedded_simulator
from app.bootstrap.observatory import Observatory
from app.bootstrap.program import own_command
from app.bootstrap.station import owner_address
from app.drills.controls import Controls, DrillFailed
from app.drills.report import Outcome
from app.drills.stage import CALM_S, SCALE, Stage, ask_guard, end_guard, require
from app.model.guard import GuardPhase, GuardPlan, GuardState
from app.paths import guard_folder, user_data_folder
from app.sim.place import DOME

#: A window is on duty by then; a command over HTTP is answered by then.
START_S, _ANSWER_S = 60.0, 15.0
#: A window has read the sky by then.
_SKY_POLL_S = 3.0


class WindowStage(Stage):
    """A window in a process of its own, over a guard process.

    Parameters
    ----------
    controls : Controls
        Of the simulator.
    observatory : Observatory
        Whose database the window works on, too.
    plan : GuardPlan
        Tells where the window's guard is found.

    Attributes
    ----------
    process : subprocess.Popen
        The newest window.
    log_file : Path
        What it says on stderr.
    """

    process: subprocess.Popen[bytes]

    def __init__(self, controls: Controls, observatory: Observatory, plan: GuardPlan) -> None:
        super().__init__(controls)
        self._observatory = observatory
        self.plan = plan
        self.log_file = user_data_folder() / "window.log"

    def start(self) -> None:
        """Start a window, and wait until it is on duty."""
        with self.log_file.open("ab") as errors:
            self.process = subprocess.Popen(
                own_command("window"),
                env={**os.environ, "QT_QPA_PLATFORM": "offscreen"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=errors,
            )
        self.until("The window on duty", self._is_on_duty, START_S)

    def end(self) -> None:
        """Kill the window, if it lives."""
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGCONT)
        self.process.kill()
        self.process.wait(10.0)

    def restore(self) -> None:
        """Have everything mended, closed and calm, under a living window."""
        self.controls.mend()
        if self.process.poll() is not None:
            self.start()
        self.until("Calm", self._is_calm, CALM_S)

    def ask(self, method: str, name: str, **query: str) -> dict[str, Any]:
        """Ask the window's front desk; raises `DrillFailed` when it does not answer."""
        address = owner_address(self._observatory.database)
        if address is None:
            raise DrillFailed("No window is on duty")
        connection = HTTPConnection(address, timeout=_ANSWER_S)
        try:
            connection.request(method, f"/dome/{name}?{urlencode(query)}")
            answer = json.loads(connection.getresponse().read())
        except (OSError, HTTPException, ValueError) as error:
            raise DrillFailed(f"The window does not answer to {name} ({error})") from error
        finally:
            connection.close()
        return answer if isinstance(answer, dict) else {}

    def guard_word(self) -> GuardState | None:
        """The word of the window's guard."""
        return ask_guard(self.plan)

    def is_leased(self) -> bool:
        """Whether the guard hears of the window."""
        guard = self.guard_word()
        return guard is not None and any(not lease.is_lost for lease in guard.leases)

    def _is_on_duty(self) -> bool:
        require(self.process.poll() is None, f"The window ended by itself, with code {self.process.returncode}")
        with suppress(DrillFailed):
            return bool(self.ask("GET", "DomeStatus").get("connected")) and self.is_leased()
        return False

    def _is_calm(self) -> bool:
        guard = self.guard_word()
        if guard is None or guard.phase is not GuardPhase.WATCHING or not guard.is_safe:
            return False
        return guard.shutter.endswith("closed") and self._is_on_duty()


def window_frozen(stage: WindowStage) -> Outcome:
    """The window stops to tick over an open shutter, and does not die: it counts as dead."""
    stage.controls.change(shutter="open")
    stage.until("The open shutter", lambda: _shutter(stage) == "open", 5.0)
    fault_s = stage.begin()
    stage.process.send_signal(signal.SIGSTOP)
    try:
        outcome = _closed(stage, fault_s, "the window froze over an open shutter: the guard closed")
    finally:
        stage.process.send_signal(signal.SIGCONT)
    return outcome


def window_killed(stage: WindowStage) -> Outcome:
    """The window is killed with the shutter open in the rain, for which somebody answered by an override."""
    stage.controls.change(rain_mm_h=2.0)
    stage.until("The word of rain", lambda: _is_unsafe(stage), 8.0)
    stage.during("The rain", lambda: True, _SKY_POLL_S)  # an override covers what the window itself knows
    answer = stage.ask("PUT", "OpenDome", override="drill: a rehearsal on the simulator")
    require(bool(answer.get("ok")), f"The window did not open under an override: {answer}")
    stage.until("The open shutter", lambda: _shutter(stage) == "open", 5.0)
    fault_s = stage.begin()
    stage.process.kill()
    stage.process.wait(10.0)
    return _closed(stage, fault_s, "the window was killed, the shutter open in the rain: the guard closed")


@contextmanager
def window_stage(observatory: Observatory) -> Iterator[WindowStage]:
    """Raise a stage with a window; all of it ends with it.

    Raises
    ------
    ObservatoryError
        A part of it does not begin.
    """
    with ExitStack() as stack:
        simulator = embedded_simulator(user_data_folder(), "--scale", str(SCALE), "--idle", "300")
        stack.callback(simulator.end)
        plan = GuardPlan(folder=str(guard_folder()), dome=DOME.model_copy(update={"server": simulator.server}))
        stack.callback(end_guard, plan)
        stage = WindowStage(Controls(simulator), observatory, plan)
        stack.callback(stage.end)
        stage.start()
        yield stage


def _closed(stage: WindowStage, fault_s: float, did: str) -> Outcome:
    def is_told() -> bool:
        guard = stage.guard_word()
        return guard is not None and guard.phase is GuardPhase.CLOSING

    detect_s = stage.until("The guard's word", is_told, 20.0) - fault_s
    safe_s = stage.closed_in_truth(20.0) - fault_s
    return Outcome(did, detect_s, stage.first_close_s() - fault_s, safe_s)


def _shutter(stage: WindowStage) -> str:
    guard = stage.guard_word()
    return "" if guard is None else guard.shutter


def _is_unsafe(stage: WindowStage) -> bool:
    guard = stage.guard_word()
    return guard is not None and guard.is_safe is False
