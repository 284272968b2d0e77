"""Starts the guard: a process in a session of its own, which outlives whoever started it."""

from __future__ import annotations

import json
import logging
import os
import signal
import subprocess
import threading
from pathlib import Path

from app.bootstrap.program import own_command
from app.guard.__main__ import TAKEN
from app.model.errors import ObservatoryError
from app.model.guard import GuardPlan
from app.paths import write_private

log = logging.getLogger(__name__)

#: How long it may take to begin.
START_S = 20.0


def start_guard(plan: GuardPlan) -> None:
    """Start a guard by this plan, and wait until it is on duty.

    Parameters
    ----------
    plan : GuardPlan
        Written beside the guard's lock, for its user alone, without the password of the mail account: the guard
        takes that from the environment.

    Raises
    ------
    ObservatoryError
        It does not begin: the plan cannot be written, or another guard guards the dome.
    """
    file = plan.runtime_file.with_suffix(".plan.json")
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_private(file, plan.as_text)
    except OSError as error:
        raise ObservatoryError(f"The guard's plan {file} cannot be written ({error.strerror}): allow it") from error
    child = subprocess.Popen(
        own_command("guard", "--plan", str(file), "--json"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    assert child.stdout is not None  # noqa: S101 - asked for in Popen
    watch = threading.Timer(START_S, child.kill)  # ends the reading below, should it never begin
    watch.start()
    with child.stdout:
        line = child.stdout.readline()
    watch.cancel()
    try:
        json.loads(line)["port"]
    except (ValueError, KeyError, TypeError) as error:
        child.kill()
        code = child.wait()
        why = "another one guards this dome" if code == TAKEN else "see what its log says"
        raise ObservatoryError(f"The guard did not begin: {why} ({plan.runtime_file.with_suffix('.log')})") from error
    threading.Thread(target=child.wait, name="guard", daemon=True).start()  # no zombie when it ends first


def end_hung_guard(plan: GuardPlan) -> None:
    """Kill the guard of this plan, which is there and says nothing any more: its lock is free then.

    Only a process that is seen to be a guard is killed: the number in its file may be another's by now.

    Raises
    ------
    ObservatoryError
        It hangs, and cannot be ended from here.
    """
    try:
        pid = int(json.loads(plan.runtime_file.read_text(encoding="utf-8"))["pid"])
    except (OSError, ValueError, KeyError, TypeError):  # none has begun, or it has ended in order
        return
    if not _is_guard(pid):
        return
    log.error("The guard (process %s) hangs: it is killed, and another is started", pid)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    except OSError as error:
        raise ObservatoryError(
            f"The guard (process {pid}) hangs and cannot be ended ({error.strerror}): end it by hand"
        ) from error


def _is_guard(pid: int) -> bool:
    """Whether a process is a guard, by its command line; where none can be read it is not believed to be one."""
    try:
        arguments = Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
    except OSError:
        return False
    return any(argument == "guard" or "app.guard" in argument for argument in arguments)
