"""The wheel holds everything that runs; and the example night, from an installed copy, ends where it was put in."""

from __future__ import annotations

import json
import os
import sqlite3
import subprocess
import sys
import zipfile
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits

from app.frames.star_catalogue import StarCatalogue
from app.frames.world_coordinates import header_wcs
from app.pipeline.sources import detect
from app.sim.place import NIGHT
from tests.conftest import CHECKOUT
from tests.integration.nights import of_kind


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, unpacked as an installer would."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=CHECKOUT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def run(installed: Path, home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("CUPOLA_", "XDG_"))}
    environment = kept | {"HOME": str(home), "USERPROFILE": str(home), "PYTHONPATH": str(installed)}
    main = [sys.executable, "-P", "-m", "app", *arguments]
    return subprocess.run(main, env=environment, cwd=home, capture_output=True, text=True, timeout=240, check=False)


@pytest.fixture(scope="module")
def demo(installed: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    ended = run(installed, tmp_path_factory.mktemp("home"), "demo", "--json")
    assert ended.returncode == 0, ended.stderr
    assert "Warning" not in ended.stderr
    result: dict[str, Any] = json.loads(ended.stdout)
    return result


def test_installed_copy_runs_from_its_own_files(installed: Path, tmp_path: Path) -> None:
    assert run(installed, tmp_path, "--version").stdout == "cupola 0.1.0\n"
    where = "import app, app.paths; print(app.__file__, app.paths.resource('stars/NOTICE'))"
    code = [sys.executable, "-P", "-c", where]
    environment = os.environ | {"PYTHONPATH": str(installed)}
    found = subprocess.run(code, env=environment, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert found.count(str(installed)) == 2
    assert run(installed, tmp_path, "settings", "init").returncode == 0
    assert run(installed, tmp_path, "settings", "check").returncode == 0
    assert run(installed, tmp_path, "test").returncode == 2


def test_example_night_is_done_without_a_problem(demo: dict[str, Any]) -> None:
    assert demo["status"] == "done"
    assert demo["exposures"] == {"bias": 3, "dark": 3, "flat": 6, "light": 6}
    assert demo["left_out"] == demo["problems"] == []
    assert [(stack["filter"], len(stack["inputs"])) for stack in of_kind(demo, "light_stack")] == [("V", 3), ("R", 3)]


def test_world_coordinates_are_those_that_were_put_in(demo: dict[str, Any]) -> None:
    for stack in demo["stacks"]:
        assert stack["stars"] > 60
        assert stack["rms_px"] < 0.1
        assert stack["worst_px"] < 0.3


def test_stars_lie_where_the_catalogue_has_them(demo: dict[str, Any]) -> None:
    for product in of_kind(demo, "light_stack"):
        image = np.array(fits.getdata(product["path"]))
        stars = detect(image)
        bright = stars.take((stars.snr > 50) & ~stars.is_saturated)
        wcs = header_wcs(fits.getheader(product["path"]))
        assert wcs is not None
        centre = product["wcs"]["centre_ra_deg"], product["wcs"]["centre_dec_deg"]
        catalogue = StarCatalogue.embedded().cone(*centre, 0.8)
        x, y = wcs.world_to_pixel_values(catalogue.ra_deg, catalogue.dec_deg)
        apart = np.hypot(bright.x[:, None] - x, bright.y[:, None] - y).min(axis=1)
        assert len(bright) > 40
        assert np.median(apart) < 0.15


def test_products_say_that_they_are_simulated(demo: dict[str, Any]) -> None:
    assert demo["simulated"] is True
    assert all(fits.getval(product["path"], "SIMULATE") is True for product in demo["products"])


def test_program_and_child_live_in_the_example_night(demo: dict[str, Any]) -> None:
    folder = next(folder for folder in Path(demo["products"][0]["path"]).parents if folder.name == "demo")
    with closing(sqlite3.connect(folder / "cupola.sqlite")) as database:
        (received, ended) = database.execute("SELECT received_at, ended_at FROM work_order").fetchone()
        made = [moment for (moment,) in database.execute("SELECT made_at FROM combination")]
    assert received <= min(made) <= max(made) <= ended
    assert datetime.fromisoformat(ended).replace(tzinfo=NIGHT.tzinfo) - NIGHT < timedelta(hours=1)
