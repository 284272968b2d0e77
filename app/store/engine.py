"""The database: opened, brought up to date, and asked in short sessions.

SQLite is the default: WAL lets others read while one writes, and a writer takes its lock at the start of the
transaction, so that two writers wait for one another and never meet in the middle. Any other SQLAlchemy URL works;
PostgreSQL is tested.
"""

from __future__ import annotations

import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DataError, DBAPIError, IntegrityError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.orm import Session

from app.model.clock import Clock, SystemClock
from app.model.errors import StoreError

log = logging.getLogger(__name__)

#: Where the migrations lie.
MIGRATIONS = Path(__file__).with_name("migrations")

#: Their revisions, oldest first. Kept here because importing Alembic costs more than opening an up-to-date database.
REVISIONS = ("0001", "0002")

#: Longest wait for another writer, or for a server's answer, in seconds; a time-out in the URL wins.
PATIENCE_S = 10

#: PostgreSQL's lock that lets one process migrate at a time; any number that nobody else uses.
_MIGRATION_LOCK = 2_093_114_527


@dataclass(frozen=True, slots=True)
class Database:
    """An open database, to be shared by all repositories and threads of a process.

    Attributes
    ----------
    engine : Engine
        SQLAlchemy's pool of connections.
    clock : Clock
        Dates what is recorded.
    """

    engine: Engine
    clock: Clock

    @property
    def name(self) -> str:
        """File or URL, as messages show it: never with a password."""
        return shown(self.engine.url)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """One short session that only reads.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        with self.explained(), Session(self.engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """One short transaction that is kept whole, or not at all when an error leaves it.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        with self.explained(), Session(_locking(self.engine)) as session, session.begin():
            yield session

    def close(self) -> None:
        """Close all connections; a later session would open new ones."""
        self.engine.dispose()

    @contextmanager
    def explained(self) -> Iterator[None]:
        """Turn the database's failures into sentences for the operator; bugs of ours stay what they are.

        Raises
        ------
        StoreError
            If the database cannot be used.
        """
        try:
            yield
        except (IntegrityError, DataError):
            raise
        except (DBAPIError, PoolTimeout) as error:
            raise StoreError(_sentence(self.engine.url, error)) from error


def open_database(url: str, clock: Clock | None = None) -> Database:
    """Open a database, make it if necessary, and bring its tables up to date.

    An SQLite database that is behind is copied beside itself first, under its name, revision and ``.backup``.
    Several processes may do this at the same time.

    Parameters
    ----------
    url : str
        SQLAlchemy URL, such as ``sqlite:////home/observer/cupola.db`` or ``postgresql+psycopg://user@host/cupola``.
    clock : Clock, optional
        Dates what is recorded; the machine's clock when not given.

    Raises
    ------
    StoreError
        If the URL is wrong, the database cannot be used, or a newer Cupola made it.
    """
    database = Database(_engine(url), clock or SystemClock())
    try:
        with database.explained():
            _bring_up_to_date(database)
    except BaseException:
        database.close()
        raise
    return database


def open_to_read(url: str, clock: Clock | None = None) -> Database | None:
    """Open a database that nothing is to be written to: it is neither made nor brought up to date.

    Returns
    -------
    Database or None
        None when there is none, or nothing in it yet.

    Raises
    ------
    StoreError
        If it cannot be used, or is not of this version.
    """
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return None
    database = Database(_engine(url) if file is None else _reading_engine(file), clock or SystemClock())
    try:
        with database.explained(), database.engine.connect() as connection:
            revision = _revision(connection, database.name)
    except BaseException:
        database.close()
        raise
    if revision == REVISIONS[-1]:
        return database
    database.close()
    if revision is None:
        return None
    raise StoreError(
        f"The database {database.name} is of revision {revision}, this version reads {REVISIONS[-1]}: open the window "
        "or process a batch once, which brings it up to date"
    )


def _reading_engine(file: Path) -> Engine:
    """SQLite without a trace: a database that nobody has open gets no write-ahead log for being read."""
    has_log = file.with_name(f"{file.name}-wal").exists()
    uri = f"{file.absolute().as_uri()}?mode=ro{'' if has_log else '&immutable=1'}"
    return create_engine(
        f"sqlite:///{file}", creator=lambda: sqlite3.connect(uri, uri=True, timeout=PATIENCE_S, check_same_thread=False)
    )


def sqlite_file(url: str | URL) -> Path | None:
    """SQLite's file; None for other databases, for one in memory, and for SQLite's own ``file:`` URIs.

    Raises
    ------
    StoreError
        If the URL cannot be read.
    """
    url = _url(url)
    is_file = url.get_backend_name() == "sqlite" and not (url.database or ":memory:").startswith((":", "file:"))
    return Path(url.database or "") if is_file else None


def shown(url: str | URL) -> str:
    """File or URL without its password and its options, which may hold another one.

    Raises
    ------
    StoreError
        If the URL cannot be read.
    """
    return str(sqlite_file(url) or _url(url).set(query={}).render_as_string(hide_password=True))


def _url(url: str | URL) -> URL:
    try:
        return make_url(url)
    except ArgumentError as error:
        raise StoreError(
            "The database's URL cannot be read: write it like sqlite:////folder/cupola.db "
            "or postgresql+psycopg://user:password@host/cupola"
        ) from error


def _engine(text_url: str) -> Engine:
    url = _url(text_url)
    if url.drivername == "postgresql":
        url = url.set(drivername="postgresql+psycopg")
    is_sqlite = url.get_backend_name() == "sqlite"
    arguments: dict[str, Any] = {}
    if is_sqlite and "timeout" not in url.query:
        arguments["timeout"] = PATIENCE_S
    if url.get_backend_name() == "postgresql" and "connect_timeout" not in url.query:
        arguments["connect_timeout"] = PATIENCE_S
    try:
        engine = create_engine(
            url,
            connect_args=arguments,
            pool_pre_ping=not is_sqlite,  # a server may have been restarted
            hide_parameters=True,
            json_serializer=partial(json.dumps, allow_nan=False),  # PostgreSQL would refuse NaN, SQLite would not
        )
    except (NoSuchModuleError, ImportError) as error:
        raise StoreError(
            f"The database {shown(url)} needs a driver that is not installed ({error}): install it "
            f"(for PostgreSQL: pip install 'cupola[postgresql]') or use sqlite:////folder/cupola.db"
        ) from error
    if is_sqlite:
        _make_folder(url)
        event.listen(engine, "connect", _set_up_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_folder(url: URL) -> None:
    file = sqlite_file(url)
    if file is None:
        return
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(
            f"The folder {file.parent} of the database cannot be made ({error.strerror}): "
            "make it, or name another one in the settings"
        ) from error


def _set_up_sqlite(connection: sqlite3.Connection, record: object) -> None:
    # Python's sqlite3 begins transactions late and on its own account; `_begin_sqlite` does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = FULL")


def _begin_sqlite(connection: Connection) -> None:
    is_locking = connection.get_execution_options().get("is_locking", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if is_locking else "BEGIN")


def _locking(engine: Engine) -> Engine:
    """The same pool, for transactions that write."""
    return engine.execution_options(is_locking=True)


def _bring_up_to_date(database: Database) -> None:
    with database.engine.connect() as connection:
        if _revision(connection, database.name) == REVISIONS[-1]:
            return
    with _locking(database.engine).begin() as connection:
        if connection.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _MIGRATION_LOCK})
        revision = _revision(connection, database.name)  # another process may have been faster
        if revision == REVISIONS[-1]:
            return
        _back_up(database, connection, revision)
        _migrate(connection)
    log.info("Database %s brought from revision %s to %s", database.name, revision, REVISIONS[-1])


def _revision(connection: Connection, name: str) -> str | None:
    """The revision of the tables; None when there are none yet."""
    if not inspect(connection).has_table("alembic_version"):
        return None
    revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision is not None and revision not in REVISIONS:
        raise StoreError(
            f"The database {name} was made by a newer Cupola (revision {revision}); "
            f"this version knows up to {REVISIONS[-1]}: update Cupola"
        )
    return revision


def _back_up(database: Database, connection: Connection, revision: str | None) -> None:
    """Copy an SQLite database beside itself; the caller holds the writer's lock, so it stands still."""
    file = sqlite_file(database.engine.url)
    if file is None or not inspect(connection).get_table_names():
        return
    backup = file.with_name(f"{file.name}.{revision or 'unknown'}.backup")
    unfinished = backup.with_name(f"{backup.name}.part")
    try:
        unfinished.unlink(missing_ok=True)
        with closing(sqlite3.connect(file)) as source, closing(sqlite3.connect(unfinished)) as target:
            source.backup(target)
        unfinished.replace(backup)
    except (OSError, sqlite3.Error) as error:
        raise StoreError(
            f"The database {file} is of revision {revision} and was not brought up to date, because its backup "
            f"{backup} cannot be written ({error}): make room there, then start again"
        ) from error
    log.info("Backup of the database written to %s", backup)


def _migrate(connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


#: What a driver says, and what an operator does about it.
_REMEDIES = (
    ("locked", "is locked by another program: wait until that has finished, or close it"),
    ("readonly", "cannot be written: give its file and folder write permission"),
    ("read-only", "cannot be written: make it writable for this user"),
    ("permission denied", "refuses this user: grant it the right to read, write and make tables"),
    ("disk is full", "cannot grow, the disk is full: make room"),
    ("no space left", "cannot grow, the disk is full: make room"),
    ("unable to open", "cannot be opened: check that its folder exists and that you may write there"),
    ("not a database", "is no database: name another file, or put a backup in its place"),
    ("malformed", "is damaged: put a backup in its place"),
    ("already exists", "holds tables of another program: name a database of its own for Cupola"),
)


def _sentence(url: URL, error: Exception) -> str:
    said = str(error.orig if isinstance(error, DBAPIError) else error).strip().replace("\n", " ")
    for secret in (url.password, *(value for key, value in url.query.items() if "pass" in key)):
        if secret:
            said = said.replace(str(secret), "***")
    for words, remedy in _REMEDIES:
        if words in said.lower():
            return f"The database {shown(url)} {remedy} ({said})"
    return f"The database {shown(url)} does not answer as it should: check that it runs and the URL is right ({said})"
