"""The house stands: contracts hold, each of them catches a planted violation, and the lower rooms are light."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[1]
CONTRACTS = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"]

#: One violation of each contract: where it is planted, the line, and how the linter names it.
PLANTS = {
    "model imports a higher room": ("Imports only go down", "model/planted_a", "app.store", "app.model.planted_a"),
    "frames imports the pipeline": ("Imports only go down", "frames/planted_a", "app.pipeline", "app.frames.planted_a"),
    "services imports a command": ("Imports only go down", "services/planted_a", "app.commands", "app.services.planted_a"),
    "pipeline imports the store": ("Imports only go down", "pipeline/planted_a", "app.store", "app.pipeline.planted_a"),
    "store imports the pipeline": ("Imports only go down", "store/planted_a", "app.pipeline", "app.store.planted_a"),
    "a room without a place": ("Imports only go down", "planted_room/__init__", "json", "planted_room"),
    "a service imports Qt": ("No Qt below the controllers", "services/planted_b", "PySide6.QtCore", "app.services.planted_b"),
    "a step imports qasync": ("No Qt below the controllers", "pipeline/planted_b", "qasync", "app.pipeline.planted_b"),
    "model plots": ("No Qt below the controllers", "model/planted_b", "pyqtgraph", "app.model.planted_b"),
    "a service speaks SQL": ("SQL only in the store", "services/planted_c", "sqlalchemy", "app.services.planted_c"),
    "a command migrates": ("SQL only in the store", "commands/planted_c", "alembic", "app.commands.planted_c"),
    "a service turns the dome": ("Devices on the wire only in devices", "services/planted_d", "alpaca.dome", "app.services.planted_d"),
    "a widget asks a service": ("Widgets know values and not machines", "widgets/planted_f", "app.services.front_desk", "app.widgets.planted_f"),
    "the guard computes": ("The guard is small", "guard/planted_g", "numpy", "app.guard.planted_g"),
    "the guard asks a service": ("Imports only go down", "guard/planted_a", "app.services", "app.guard.planted_a"),
    "a service simulates": ("Simulation only from bootstrap, drills and commands", "services/planted_e", "app.sim", "app.services.planted_e"),
}  # fmt: skip

#: Rooms that each forbidding contract leaves out on purpose; every other room must be among its sources.
EXEMPT = {
    "No Qt below the controllers": {"__main__", "commands", "mission", "gui", "wiring", "drills", "bench", "bootstrap", "picture", "widgets", "controllers"},
    "SQL only in the store": {"__main__", "store"},
    "Devices on the wire only in devices": {"__main__", "devices"},
    "Simulation only from bootstrap, drills and commands": {"__main__", "bootstrap", "drills", "bench", "commands", "sim"},
    "Widgets know values and not machines": {"widgets"},
    "The guard is small": {"guard"},
}  # fmt: skip
#: Contracts about one room alone: it is their only source.
ABOUT_ONE_ROOM = {"paint", "guard"}


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    """Check the contracts of the tree in a folder, without the checkout on the path."""
    code = (
        "import sys; from importlinter.cli import lint_imports_command as check;"
        f"sys.path = [{str(folder)!r}] + [place for place in sys.path if place != {str(CHECKOUT)!r}]; check(['--no-cache'])"
    )
    return python(code, cwd=folder)


def python(code: str, cwd: Path = CHECKOUT) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh interpreter of this environment."""
    return subprocess.run(
        [sys.executable, "-c", code], cwd=cwd, capture_output=True, text=True, check=False, timeout=120
    )


def rooms() -> set[str]:
    """Names of the packages and modules directly in `app`."""
    packages = {path.parent.name for path in (CHECKOUT / "app").glob("*/__init__.py")}
    return packages | {path.stem for path in (CHECKOUT / "app").glob("*.py")} - {"__init__"}


@pytest.fixture(scope="module")
def planted(tmp_path_factory):
    """What the linter says of a copy of the tree in which every violation is planted."""
    folder = tmp_path_factory.mktemp("planted")
    shutil.copytree(CHECKOUT / "app", folder / "app", ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(CHECKOUT / "pyproject.toml", folder)
    for _, place, module, _ in PLANTS.values():
        path = folder / "app" / f"{place}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"import {module}\n")
    done = lint_imports(folder)
    assert done.returncode == 1, done.stdout + done.stderr
    _, _, broken = done.stdout.partition("Broken contracts")
    parts = re.split(r"\n(.+)\n-{3,}\n", broken)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def test_contracts_hold():
    done = lint_imports(CHECKOUT)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Contracts: {len(CONTRACTS)} kept, 0 broken." in done.stdout


@pytest.mark.parametrize("plant", PLANTS)
def test_planted_violation_is_caught(planted, plant):
    contract, _, _, culprit = PLANTS[plant]
    assert culprit in planted[contract]


def test_every_contract_has_a_plant():
    assert {contract["name"] for contract in CONTRACTS} == {contract for contract, *_ in PLANTS.values()}


@pytest.mark.parametrize(
    "contract", [one for one in CONTRACTS if one["type"] == "forbidden"], ids=lambda one: one["id"]
)
def test_forbidding_contract_names_every_room(contract):
    named = {source.removeprefix("app.") for source in contract["source_modules"]}
    exempt = EXEMPT[contract["name"]]
    assert named == (exempt if contract["id"] in ABOUT_ONE_ROOM else rooms() - exempt)


@pytest.mark.parametrize("room", ["model", "frames", "pipeline"])
def test_room_imports_where_qt_and_sql_cannot(room):
    done = python(f"""
import importlib, pkgutil, sys
for name in ("PySide6", "shiboken6", "qasync", "pyqtgraph", "sqlalchemy", "alembic"):
    sys.modules[name] = None
room = importlib.import_module("app.{room}")
names = [module.name for module in pkgutil.walk_packages(room.__path__, "app.{room}.")]
for name in names:
    importlib.import_module(name)
assert names, "the room is empty"
""")
    assert done.returncode == 0, done.stderr


def test_model_is_light():
    done = python("""
import importlib, pkgutil, sys
import app.model
for module in pkgutil.walk_packages(app.model.__path__, "app.model."):
    importlib.import_module(module.name)
heavy = {"numpy", "scipy", "astropy", "ccdproc", "sqlalchemy", "PySide6"} & set(sys.modules)
assert not heavy, heavy
""")
    assert done.returncode == 0, done.stderr


def test_timer_of_100_000_ticks_does_not_abort():
    """PySide6 6.12.0 aborts Python 3.11 after some thousand ticks: it drops references to None."""
    done = python("""
from PySide6.QtCore import QCoreApplication, QObject, QTimer, Signal, Slot

class Counter(QObject):
    ticked = Signal(object)

    def __init__(self):
        super().__init__()
        self.ticks = 0
        self.ticked.connect(self.count)

    @Slot()
    def tick(self):
        self.ticked.emit(None)

    @Slot(object)
    def count(self, value):
        self.ticks += 1
        if self.ticks == 100_000:
            application.quit()

application = QCoreApplication([])
counter = Counter()
timer = QTimer()
timer.timeout.connect(counter.tick)
timer.start(0)
application.exec()
print(counter.ticks)
""")
    assert (done.returncode, done.stdout.strip()) == (0, "100000"), done.stderr
