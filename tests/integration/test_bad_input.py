"""Bad input: one clear sentence in log and JSON, the rest goes on, nothing half-written."""

from __future__ import annotations

import json
import resource
import subprocess
from pathlib import Path

import numpy as np
import pytest

from tests.builders import SmallNight, frame, small_night
from tests.integration.nights import Home, command


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path)


@pytest.fixture
def night(tmp_path: Path) -> SmallNight:
    return small_night(tmp_path / "raw")


def reason(report: dict[str, object], file: str) -> str:
    left_out = report["left_out"]
    assert isinstance(left_out, list)
    (found,) = [item["reason"] for item in left_out if item["file"] == file]
    return str(found)


@pytest.mark.parametrize("make", [True, False])
def test_empty_or_absent_folder(home: Home, tmp_path: Path, make: bool) -> None:
    folder = tmp_path / "nothing"
    if make:
        folder.mkdir()
    report = home.json("process", str(folder), code=1)
    assert report["status"] == "failed"
    sentences = [problem["message"] for problem in report["problems"]]
    assert any(str(folder) in sentence for sentence in sentences)
    assert any(("has no FITS files" if make else "does not exist") in sentence for sentence in sentences)


def test_output_that_cannot_be_written(home: Home, night: SmallNight, tmp_path: Path) -> None:
    occupied = tmp_path / "a file"
    occupied.write_text("not a folder")
    report = home.json("process", str(night.folder), "--into", str(occupied), code=1)
    assert any(str(occupied) in problem["message"] for problem in report["problems"])
    assert occupied.read_text() == "not a folder"


def test_full_disk_stops_in_order_and_resume_finishes(home: Home, tmp_path: Path) -> None:
    for n in range(3):
        frame(tmp_path / "raw" / f"bias_{n}.fits", np.full((900, 900), 300.0 + n), "BIAS", 0.0)
        frame(tmp_path / "raw" / f"dark_{n}.fits", np.full((900, 900), 310.0 + n), "DARK", 10.0)
    into = tmp_path / "products"
    limit = 2_000_000  # bytes that a file may have: a real system call fails in the middle of the first product
    ended = subprocess.run(
        [*command(), "process", str(tmp_path / "raw"), "--into", str(into), "--json"],
        env=home.environment,
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)),
    )
    report = json.loads(ended.stdout)
    assert ended.returncode == 1
    assert report["status"] == "failed"
    assert [step["name"] for step in report["steps"]][-1] == "bias stacks"
    (problem,) = report["problems"]
    assert "cannot be written: the disk or its quota is full" in problem["message"]
    assert list(into.rglob("*.fits*")) == []
    again = home.json("process", str(tmp_path / "raw"), "--into", str(into))
    assert (again["status"], len(again["products"])) == ("done", 2)


def test_broken_settings_are_named_all_at_once(home: Home, night: SmallNight) -> None:
    home.settings('[site]\nlatitude_deg = 120\n[mail]\nport = "x"\nhosts = "a"\n')
    checked = home.json("settings", "check", code=1)
    assert {problem["field"] for problem in checked["problems"]} == {"site.latitude_deg", "mail.port", "mail.hosts"}
    report = home.json("process", str(night.folder), code=1)
    (problem,) = report["problems"]
    assert "site.latitude_deg" in problem["message"]
    assert "mail.port" in problem["message"]


def test_settings_that_are_no_toml(home: Home, night: SmallNight) -> None:
    file = home.settings("[site\n")
    report = home.json("process", str(night.folder), code=1)
    assert str(file) in report["problems"][0]["message"]
    assert "TOML" in report["problems"][0]["message"]


def test_bad_usage_is_code_2(home: Home) -> None:
    assert home.run("process").returncode == 2
    assert home.run("no-such-command").returncode == 2
    assert home.run("process", "https://example.org/get?allfiles").returncode == 2
