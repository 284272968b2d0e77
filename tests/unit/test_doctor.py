"""The doctor finds what is missing and says what to do; nothing stops it."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from packaging.requirements import Requirement

from app.commands.doctor import (
    Finding,
    describe,
    examine,
    free_disk,
    missing_libraries,
    missing_packages,
    packages,
    required,
    run,
)
from app.commands.doctor_dome import probes_of
from app.model.errors import StoreError
from app.model.guard import GuardPlan
from app.model.settings import Dome, parse_settings
from app.paths import guard_folder


def by_name(findings):
    return {finding.name: finding for finding in findings}


def test_required_packages_are_those_of_the_distribution_and_are_here():
    wanted = required()
    assert {"numpy", "astropy", "PySide6-Essentials"} <= {one.name for one in wanted}
    assert packages(wanted).is_good


@pytest.mark.parametrize(
    ("requirement", "sentence"),
    [("no-such-package>=1", "no-such-package is not installed"), ("numpy<1", "but <1 is required")],
)
def test_package_problem_is_named(requirement, sentence):
    finding = packages([Requirement(requirement)])
    assert not finding.is_good
    assert sentence in finding.found


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux has these libraries")
def test_missing_library_names_its_package():
    assert missing_libraries({"libc.so.6": "libc6", "libno-such.so.9": "libno-such9"}) == ("libno-such9",)


def test_failing_probe_is_a_finding_among_others():
    def database():
        raise StoreError("the database is gone: mount the disk")

    findings = by_name(examine({"Database": database, "Mail": lambda: Finding("Mail", True, "0 waiting")}))
    assert findings["Database"].found == "the database is gone: mount the disk"
    assert not findings["Database"].is_good
    assert findings["Mail"].is_good
    assert findings["Python"].is_good
    assert "MISSING  Database: the database is gone" in describe(findings.values())


def test_bug_in_a_probe_is_not_hidden():
    with pytest.raises(ZeroDivisionError):
        examine({"Bug": lambda: Finding("Bug", bool(1 // 0), "")})


def test_disk_too_small_is_named(tmp_path):
    planned = tmp_path / "not" / "yet"
    assert free_disk(planned, least_gb=0.0).is_good
    full = free_disk(planned, least_gb=1e9)
    assert not full.is_good
    assert str(tmp_path) in full.remedy
    assert not planned.exists()


def test_broken_settings_are_one_finding_with_every_problem(tmp_path, monkeypatch, capsys):
    file = tmp_path / "settings.toml"
    file.write_text("[site]\nlatitude_deg = 91.0\nlongitude = 3\n")
    monkeypatch.setenv("CUPOLA_SETTINGS", str(file))
    assert run(as_json=True) == 1
    found = {finding["name"]: finding for finding in json.loads(capsys.readouterr().out)}
    assert not found["Settings"]["is_good"]
    assert "latitude_deg" in found["Settings"]["found"]
    assert "site.longitude " in found["Settings"]["found"]
    assert "Disk" not in found


def test_doctor_makes_no_database(tmp_path, monkeypatch, capsys):
    file = tmp_path / "settings.toml"
    database = tmp_path / "cupola.sqlite"
    file.write_text(f'database = "sqlite:///{database.as_posix()}"\nrepository = "{tmp_path.as_posix()}"\n')
    monkeypatch.setenv("CUPOLA_SETTINGS", str(file))
    run(as_json=False)
    assert "cupola.sqlite is made at the first use" in capsys.readouterr().out
    assert not database.exists()


def dome_findings(text):
    settings = parse_settings(text, "Settings")
    return by_name(probe() for probe in probes_of(settings).values())


def test_embedded_observatory_needs_no_rule_and_no_guard():
    findings = dome_findings("")
    assert list(findings) == ["Dome"]
    assert findings["Dome"].is_good


@pytest.mark.parametrize(
    ("enclosure", "is_good", "says"),
    [
        ("", False, "OPEN is refused"),
        ("can_hit_mount = false", True, "cannot hit"),
        ("can_hit_mount = true", False, "the guard could never close"),
        ('can_hit_mount = true\n[mount]\nserver = "127.0.0.1:9"', True, "over a parked mount alone"),
    ],
)
def test_collision_rule_is_asked_for(enclosure, is_good, says):
    findings = dome_findings(f'[dome]\nserver = "127.0.0.1:9"\n[enclosure]\n{enclosure}\n')
    assert findings["Collision rule"].is_good is is_good
    assert says in findings["Collision rule"].found
    assert bool(findings["Collision rule"].remedy) is not is_good
    assert "the word of the driver" in findings["Contacts"].found
    assert "not seen" in findings["Mains"].found
    assert "not on duty" in findings["Guard"].found


def test_contact_that_is_not_read_is_missing():
    settings = parse_settings(
        '[dome]\nserver = "127.0.0.1:9"\n[enclosure.closed]\nserver = "127.0.0.1:9"\n', "Settings"
    )
    findings = by_name(examine(probes_of(settings)))
    assert not findings["Contacts"].is_good
    assert "127.0.0.1:9" in findings["Contacts"].found


@pytest.mark.logs_warnings
def test_guard_that_does_not_answer_is_missing(own_home):
    plan = GuardPlan(folder=str(guard_folder()), dome=Dome(server="127.0.0.1:9"))
    plan.runtime_file.parent.mkdir(parents=True)
    plan.runtime_file.write_text('{"port": 9, "token": "", "digest": ""}')
    finding = dome_findings('[dome]\nserver = "127.0.0.1:9"\n')["Guard"]
    assert not finding.is_good
    assert "does not answer" in finding.found


def test_doctor_imports_no_qt():
    code = "import sys, app.commands.doctor; app.commands.doctor.examine(); sys.exit('PySide6' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_tests_need_a_display_of_their_own(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    without, with_tests = missing_packages(for_tests=False), missing_packages(for_tests=True)
    assert with_tests == (*without, "xvfb", "openbox")
