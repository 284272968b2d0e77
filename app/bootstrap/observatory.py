"""Builds stores and services from the settings."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from app.bootstrap.night import sky_clock
from app.bootstrap.program import own_command
from app.model.clock import Clock
from app.model.errors import FieldProblem, SettingsRefused
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
    clock = sky_clock()
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


def _rejections() -> Collection[str]:
    from app.pipeline.rejection import METHODS  # numpy: slow to import, and rarely asked for

    return METHODS
