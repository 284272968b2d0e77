"""Builds stores and services from the settings, and says how to start a child of our own; knows no Qt."""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from time import monotonic

from app.model.clock import Clock, NightClock, SystemClock
from app.model.errors import FieldProblem, ObservatoryError, SettingsRefused
from app.model.settings import MAIL_PASSWORD_VARIABLE, Settings, parse_settings
from app.paths import user_data_folder, user_settings_file
from app.services.front_desk import FrontDesk
from app.services.processor import BatchProcess, Processor
from app.store.batches import Batches
from app.store.engine import Database, open_database, sqlite_file
from app.store.journal import Journal
from app.store.log_records import LogRecords
from app.store.outbox import Outbox
from app.store.work_orders import WorkOrders

#: Environment variable by which a program and its children use another settings file.
SETTINGS_VARIABLE = "CUPOLA_SETTINGS"
#: Environment variable by which a program and its children share the clock of the embedded night, see `begin_night`.
NIGHT_VARIABLE = "CUPOLA_NIGHT"


@dataclass(frozen=True, slots=True)
class Observatory:
    """Everything that works on one database under one set of settings."""

    settings: Settings
    settings_file: Path
    clock: Clock
    database: Database
    batches: Batches
    orders: WorkOrders
    journal: Journal
    log_records: LogRecords
    outbox: Outbox
    front_desk: FrontDesk
    process: BatchProcess
    processor: Processor

    @property
    def repository(self) -> Path:
        """Where batches keep unpacked frames and products."""
        return repository_of(self.settings)


def settings_file() -> Path:
    """The settings file in use: the environment's, else the user's."""
    given = os.environ.get(SETTINGS_VARIABLE)
    return Path(given) if given else user_settings_file()


def settings_of(file: Path) -> Settings:
    """Settings of a file, checked against what this program can do; an absent file gives the defaults.

    Raises
    ------
    SettingsRefused
        With every problem of the file.
    """
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
    except (OSError, UnicodeDecodeError) as error:
        problem = FieldProblem("file", str(file), f"cannot be read: {error}: mend it, or move it away")
        raise SettingsRefused(f"Settings {file}", (problem,)) from error
    return parse_settings(text, f"Settings {file}", os.environ.get(MAIL_PASSWORD_VARIABLE), _rejections)


def repository_of(settings: Settings) -> Path:
    """The local repository, absolute."""
    return (settings.repository or user_data_folder() / "repository").expanduser().absolute()


def database_url(settings: Settings) -> str:
    """SQLAlchemy URL of the database."""
    return settings.database or f"sqlite:///{user_data_folder() / 'cupola.sqlite'}"


def lock_file(database: Database, name: str) -> Path:
    """Where a lock of this database lies: beside an SQLite file, so that all its users share it."""
    file = sqlite_file(database.engine.url)
    if file is not None:
        file = file.resolve()
        return file.with_name(f"{file.name}.{name}.lock")
    digest = hashlib.sha256(database.name.encode()).hexdigest()[:12]
    return user_data_folder() / f"{digest}.{name}.lock"


def begin_night(starts_at: datetime) -> None:
    """From now on this program and its children live in the embedded night; the monotonic clock is theirs in common."""
    os.environ[NIGHT_VARIABLE] = f"{starts_at.isoformat()} {monotonic()}"


@contextmanager
def open_observatory() -> Iterator[Observatory]:
    """Open everything by the settings file in use, and close it at the end.

    Raises
    ------
    SettingsRefused, StoreError
        The settings or the database cannot be used.
    ObservatoryError
        The night in the environment is none.
    """
    file = settings_file()
    settings = settings_of(file)
    clock = _clock()
    database = open_database(database_url(settings), clock)
    try:
        batches, orders, journal = Batches(database), WorkOrders(database), Journal(database)
        process = BatchProcess(own_command("run-batch"), batches)
        yield Observatory(
            settings,
            file,
            clock,
            database,
            batches,
            orders,
            journal,
            LogRecords(database),
            Outbox(database),
            FrontDesk(orders, batches, journal, settings.site, clock),
            process,
            Processor(orders, batches, process, repository_of(settings), lock_file(database, "orders")),
        )
    finally:
        database.close()


def own_command(*arguments: str) -> tuple[str, ...]:
    """How to start a child of this program."""
    if getattr(sys, "frozen", False):
        return (sys.executable, *arguments)
    return (sys.executable, "-P", "-m", "app", *arguments)


def operator() -> str:
    """Who acts, for the journal: the operating system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"


def _clock() -> Clock:
    night = os.environ.get(NIGHT_VARIABLE)
    if not night:
        return SystemClock()
    try:
        starts_at, _, began = night.partition(" ")
        return NightClock(datetime.fromisoformat(starts_at), float(began))
    except ValueError as error:
        raise ObservatoryError(
            f"{NIGHT_VARIABLE} is {night!r}, but is a time and a monotonic time, set by the example night: unset it"
        ) from error


def _rejections() -> Collection[str]:
    from app.pipeline.rejection import METHODS  # numpy: slow to import, and rarely asked for

    return METHODS
