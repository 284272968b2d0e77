"""Starts the guard: a process in a session of its own, which outlives whoever started it."""

from __future__ import annotations

import json
import os
import subprocess
import threading

from app.bootstrap.program import own_command
from app.guard.__main__ import TAKEN
from app.model.errors import ObservatoryError
from app.model.guard import GuardPlan

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
        new = file.with_suffix(".new")
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
            out.write(plan.as_text)
        new.replace(file)
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
