"""The guard's process: `python -m app.guard --plan FILE`, or `cupola guard`."""

from __future__ import annotations

import argparse
import json
import logging
import logging.handlers
import os
import queue
import secrets
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

from filelock import FileLock, Timeout
from pydantic import SecretStr, ValidationError

from app.guard.close import devices_at
from app.guard.desk import Desk
from app.guard.duty import Guard
from app.guard.mail import Mailer
from app.guard.memory import Keeper, recall
from app.guard.places import Places
from app.guard.watch import Watch
from app.model.clock import Clock, NightClock, SystemClock
from app.model.errors import ObservatoryError
from app.model.guard import GuardPlan
from app.model.settings import MAIL_PASSWORD_VARIABLE, parse_settings
from app.paths import guard_folder, user_settings_file, write_private

log = logging.getLogger(__name__)

#: Another guard guards this dome.
TAKEN = 3
_SETTINGS_VARIABLE = "CUPOLA_SETTINGS"


def run(plan_file: Path | None, *, as_json: bool = True) -> int:
    """Guard until told to end, or until nobody needs it.

    Parameters
    ----------
    plan_file : Path or None
        A `GuardPlan` as JSON; without one the settings are taken, and the guard stays when nobody needs it.
    as_json : bool
        Whether the line that says that it is ready is JSON.

    Returns
    -------
    int
        0 at its end; 3 when another guard guards this dome.

    Raises
    ------
    ObservatoryError
        The plan or the settings cannot be used, or the folder cannot be written to.
    """
    plan = _planned(plan_file) if plan_file is not None else _plan_of_settings()
    file = plan.runtime_file
    lock = FileLock(file.with_suffix(".lock"), timeout=0)
    try:
        file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock.acquire()
    except Timeout:
        sys.stderr.write(f"Another guard guards the dome {plan.server} already\n")
        return TAKEN
    except OSError as error:
        raise ObservatoryError(f"The guard cannot write in {plan.folder} ({error.strerror}): allow it") from error
    try:
        with _logging(file.with_suffix(".log")):
            try:
                _guard(plan, lingers=plan_file is None, as_json=as_json)
            except Exception:
                log.exception("The guard ends by an error")  # whoever started it reads no stderr
                raise
    finally:
        lock.release()
    return 0


def _guard(plan: GuardPlan, *, lingers: bool, as_json: bool) -> None:
    file = plan.runtime_file
    clock, places = _clock_of(plan.night), Places.of(plan)
    memory_file = file.with_suffix(".memory.json")
    memory, flaw = recall(memory_file, plan.guard.reopenings_a_night)
    watch = Watch(plan, places, clock)
    guard = Guard(
        plan,
        watch,
        devices_at(places, plan.enclosure),
        memory,
        Keeper(memory_file),
        Mailer(plan.mail),
        clock,
        flaw=flaw,
        lingers=lingers,
    )
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: guard.leave())
    watch.open()
    guard.look()
    with Desk(guard, secrets.token_hex(32)) as desk:
        desk.open()
        _publish(file, {"port": desk.port, "pid": os.getpid(), "token": desk.token, "digest": plan.digest})
        ready = {"port": desk.port, "pid": os.getpid(), "server": plan.server}
        says = f"The guard watches over the dome {plan.server}"
        sys.stdout.write(f"{json.dumps(ready) if as_json else says}\n")
        sys.stdout.flush()
        log.info("%s", says)
        guard.run()
        file.unlink(missing_ok=True)
        desk.shutdown()
    watch.close()
    log.info("The guard of the dome %s has ended", plan.server)


def _planned(file: Path) -> GuardPlan:
    """The plan of a file; the password of the mail account comes from the environment alone."""
    try:
        plan = GuardPlan.model_validate_json(file.read_bytes())
    except (OSError, ValidationError) as error:
        raise ObservatoryError(f"The guard's plan {file} cannot be used: {error}") from error
    password = os.environ.get(MAIL_PASSWORD_VARIABLE)
    if password is None:
        return plan
    return plan.model_copy(update={"mail": plan.mail.model_copy(update={"password": SecretStr(password)})})


def _plan_of_settings() -> GuardPlan:
    """The plan that the settings file gives."""
    file = Path(os.environ.get(_SETTINGS_VARIABLE) or user_settings_file())
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        raise ObservatoryError(f"Settings {file} cannot be read: {error}: mend the file, or move it away") from error
    settings = parse_settings(text, f"Settings {file}", os.environ.get(MAIL_PASSWORD_VARIABLE))
    if settings.is_embedded:
        raise ObservatoryError(f"Settings {file} name no dome, and the guard has nothing to guard: give dome.server")
    shared = {name: getattr(settings, name) for name in GuardPlan.model_fields if name in type(settings).model_fields}
    return GuardPlan(folder=str(guard_folder()), **shared)


def _clock_of(night: str) -> Clock:
    if not night:
        return SystemClock()
    try:
        starts_at, _, began = night.partition(" ")
        return NightClock(datetime.fromisoformat(starts_at), float(began))
    except ValueError as error:
        raise ObservatoryError(f"The night {night!r} of the guard's plan is none: leave it empty") from error


def _publish(file: Path, runtime: dict[str, object]) -> None:
    """Write where the guard answers: one that nobody finds keeps another from starting."""
    try:
        write_private(file, json.dumps(runtime))
    except OSError as error:
        raise ObservatoryError(f"The guard cannot say where it answers: {file}: {error.strerror}; allow it") from error


@contextmanager
def _logging(file: Path) -> Iterator[None]:
    """Log into a file and to stderr, from a thread of its own: neither a full disk nor a pipe stops the guard."""
    records: queue.SimpleQueue[logging.LogRecord] = queue.SimpleQueue()
    kept = logging.handlers.RotatingFileHandler(file, maxBytes=1_000_000, backupCount=2, encoding="utf-8", delay=True)
    shown = logging.StreamHandler(sys.stderr)
    for handler in (kept, shown):
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)-7s %(message)s"))
    shown.setLevel(logging.WARNING)
    listener = logging.handlers.QueueListener(records, kept, shown, respect_handler_level=True)
    queued = logging.handlers.QueueHandler(records)
    queued.setFormatter(logging.Formatter("%(message)s"))
    logging.basicConfig(level=logging.INFO, handlers=[queued], force=True)
    listener.start()
    try:
        yield
    finally:
        listener.stop()
        kept.close()


def main() -> int:
    """Read the arguments, and guard."""
    parser = argparse.ArgumentParser(prog="python -m app.guard", description=__doc__)
    parser.add_argument("--plan", type=Path, default=None, help="a plan as JSON, instead of the settings")
    try:
        return run(parser.parse_args().plan)
    except ObservatoryError as error:
        sys.stderr.write(f"{error}\n")
        return 1


if __name__ == "__main__":
    sys.exit(main())
