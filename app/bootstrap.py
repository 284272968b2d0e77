"""Builds stores and services from the settings, and says how to start a child of our own; knows no Qt."""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.model.clock import Clock, SystemClock
from app.model.settings import Settings, read_settings
from app.paths import user_data_folder, user_settings_file
from app.pipeline.rejection import METHODS
from app.services.front_desk import FrontDesk
from app.services.processor import BatchProcess, Processor
from app.store.batches import Batches
from app.store.engine import Database, open_database
from app.store.journal import Journal
from app.store.log_records import LogRecords
from app.store.outbox import Outbox
from app.store.work_orders import WorkOrders

#: Environment variable by which a program and its children use another settings file.
SETTINGS_VARIABLE = "CUPOLA_SETTINGS"


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
    """Settings checked against what this program can do."""
    return read_settings(file, rejections=tuple(METHODS))


def repository_of(settings: Settings) -> Path:
    """The local repository, absolute."""
    return (settings.repository or user_data_folder() / "repository").expanduser().absolute()


def database_url(settings: Settings) -> str:
    """SQLAlchemy URL of the database."""
    return settings.database or f"sqlite:///{user_data_folder() / 'cupola.sqlite'}"


@contextmanager
def open_observatory(clock: Clock | None = None) -> Iterator[Observatory]:
    """Open everything by the settings file in use, and close it at the end.

    Raises
    ------
    SettingsRefused, StoreError
        The settings or the database cannot be used.
    """
    file = settings_file()
    settings = settings_of(file)
    clock = clock or SystemClock()
    database = open_database(database_url(settings), clock)
    try:
        batches, orders, journal = Batches(database), WorkOrders(database), Journal(database)
        process = BatchProcess(own_command("run-batch"), batches)
        lock_file = user_data_folder() / f"orders-{hashlib.sha256(database.name.encode()).hexdigest()[:12]}.lock"
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
            Processor(orders, batches, process, repository_of(settings), lock_file),
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
