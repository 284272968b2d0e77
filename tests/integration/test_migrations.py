"""Opening a database: made, brought up to date with a backup before, or refused."""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from alembic.config import Config
from alembic.script import ScriptDirectory

from app.model.errors import StoreError
from app.model.frame import FrameKind
from app.store import engine
from app.store.batches import Batches
from app.store.engine import MIGRATIONS, REVISIONS, open_database, open_to_read
from app.store.journal import Journal

NEXT = """
import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade():
    op.create_table("weather", sa.Column("key", sa.Integer(), primary_key=True))
    {then}
"""


def tables_of(file: Path) -> set[str]:
    with closing(sqlite3.connect(file)) as connection:
        return {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}


def revision_of(file: Path) -> str:
    with closing(sqlite3.connect(file)) as connection:
        return connection.execute("SELECT version_num FROM alembic_version").fetchone()[0]


@pytest.fixture
def file(tmp_path) -> Path:
    return tmp_path / "new" / "folder" / "cupola.db"


@pytest.fixture
def url(file) -> str:
    return f"sqlite:///{file}"


@pytest.fixture
def next_version(tmp_path, monkeypatch):
    """Makes this program the next version, with one more migration that ends as given."""

    def make(then: str = "") -> None:
        folder = tmp_path / "100% next version"
        shutil.copytree(MIGRATIONS, folder)
        (folder / "versions" / "0003_weather.py").write_text(NEXT.format(then=then))
        monkeypatch.setattr(engine, "MIGRATIONS", folder)
        monkeypatch.setattr(engine, "REVISIONS", (*REVISIONS, "0003"))

    return make


def test_the_revisions_are_those_of_the_migrations():
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.set_main_option("path_separator", "os")
    history = [script.revision for script in ScriptDirectory.from_config(config).walk_revisions()]

    assert tuple(reversed(history)) == REVISIONS


def test_a_new_database_gets_its_folder_and_no_backup(url, file):
    open_database(url).close()

    assert revision_of(file) == REVISIONS[-1]
    assert [path.name for path in file.parent.iterdir()] == ["cupola.db"]


def test_an_up_to_date_database_opens_without_alembic(url):
    open_database(url).close()
    code = "import sys; from app.store.engine import open_database; open_database(sys.argv[1]); print('alembic' in sys.modules)"

    assert subprocess.check_output([sys.executable, "-c", code, url], text=True) == "False\n"


def test_an_older_database_is_backed_up_and_migrated(url, file, next_version):
    old = open_database(url)
    Journal(old).record("Ada", "opened", "dome", {})  # in the write-ahead log still: a plain copy would miss it
    next_version()

    new = open_database(url)

    backup = file.with_name("cupola.db.0002.backup")
    assert revision_of(backup) == "0002"
    assert "weather" not in tables_of(backup)
    with closing(sqlite3.connect(backup)) as connection:
        assert connection.execute("SELECT who FROM journal").fetchall() == [("Ada",)]
    assert revision_of(file) == "0003"
    assert "weather" in tables_of(file)
    assert Journal(new).newest(1)[0].who == "Ada"
    assert not list(file.parent.glob("*.part"))
    old.close()
    new.close()


def test_a_database_of_the_first_revision_keeps_its_corrections(url, file, tmp_path, monkeypatch):
    folder = tmp_path / "first version"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "versions" / "0002_pins_and_overrides.py").unlink()
    with monkeypatch.context() as first:
        first.setattr(engine, "MIGRATIONS", folder)
        first.setattr(engine, "REVISIONS", ("0001",))
        open_database(url).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("INSERT INTO correction VALUES ('ab12', 'flat', 'Ada', '2026-03-14 20:00:00')")
        connection.commit()

    new = open_database(url)

    batches = Batches(new)
    assert batches.corrections() == {"ab12": FrameKind.FLAT}
    assert batches.decided_names() == {None}
    batches.override("cd34", False, "Ada", "light.fits")
    assert batches.overrides() == {"cd34": False}
    new.close()


def test_a_migration_that_fails_changes_nothing(url, file, next_version):
    open_database(url).close()
    next_version(then="raise RuntimeError('half way')")

    with pytest.raises(RuntimeError, match="half way"):
        open_database(url)

    assert revision_of(file) == "0002"
    assert "weather" not in tables_of(file)


def test_without_a_backup_there_is_no_migration(url, file, next_version):
    open_database(url).close()
    next_version()
    file.with_name("cupola.db.0002.backup").mkdir()  # nothing can take the place of a folder

    with pytest.raises(StoreError, match=r"was not brought up to date.*cupola\.db\.0002\.backup"):
        open_database(url)

    assert revision_of(file) == "0002"


def test_a_newer_database_is_left_alone(url, file):
    open_database(url).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0042'")
        connection.commit()
    before = file.read_bytes()

    with pytest.raises(StoreError) as caught:
        open_database(url)

    assert str(caught.value) == (
        f"The database {file} was made by a newer Cupola (revision 0042); "
        f"this version knows up to {REVISIONS[-1]}: update Cupola"
    )
    assert file.read_bytes() == before


def test_the_database_of_another_program_is_refused(url, file):
    file.parent.mkdir(parents=True)
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("CREATE TABLE exposure (shutter TEXT)")

    with pytest.raises(StoreError, match="holds tables of another program"):
        open_database(url)

    assert tables_of(file) == {"exposure"}


def test_reading_makes_no_database(url, file):
    assert open_to_read(url) is None
    assert not file.parent.exists()
    file.parent.mkdir(parents=True)
    sqlite3.connect(file).close()  # empty
    assert open_to_read(url) is None


def test_reading_a_database_that_nobody_has_open_leaves_no_trace(url, file):
    old = open_database(url)
    Batches(old).override("ab", False, "Ada", "a.fits")
    old.close()
    before = {path.name: path.read_bytes() for path in file.parent.iterdir()}

    database = open_to_read(url)

    assert Batches(database).overrides() == {"ab": False}
    database.close()
    assert {path.name: path.read_bytes() for path in file.parent.iterdir()} == before


def test_reading_sees_what_another_program_has_just_written(url):
    other = open_database(url)
    Batches(other).override("ab", False, "Ada", "a.fits")  # in the write-ahead log still

    database = open_to_read(url)

    assert Batches(database).overrides() == {"ab": False}
    with pytest.raises(StoreError, match="cannot be written"):
        Batches(database).override("cd", True, "Ada", "c.fits")
    database.close()
    other.close()


def test_reading_does_not_bring_a_database_up_to_date(url, file, next_version):
    open_database(url).close()
    before = file.read_bytes()
    next_version()

    with pytest.raises(StoreError, match=r"is of revision 0002, this version reads 0003: open the window or process"):
        open_to_read(url)

    assert file.read_bytes() == before
