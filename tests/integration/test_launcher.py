"""The launcher on small checkouts of their own: a stub of the program, and a lock with one tiny wheel."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = """
import json, os, sys
from importlib.metadata import version
print(json.dumps({"arguments": sys.argv[1:], "cwd": os.getcwd(), "program": __file__, "tiny": version("tiny")}))
"""
DOCTOR = "def missing_packages(*, for_tests):\n    return {missing!r}\n"

pytestmark = pytest.mark.skipif(os.name != "posix", reason="the launcher for Windows is cupola.cmd")


def make_checkout(folder: Path, missing: tuple[str, ...] = ()) -> Path:
    """A checkout as small as the launcher needs it."""
    commands = folder / "app" / "commands"
    commands.mkdir(parents=True)
    (folder / "requirements").mkdir()
    shutil.copy(ROOT / "cupola", folder)
    (folder / "app" / "__init__.py").touch()
    (commands / "__init__.py").touch()
    (folder / "app" / "__main__.py").write_text(PROGRAM)
    (commands / "doctor.py").write_text(DOCTOR.format(missing=missing))
    lock(folder, "1.0")
    return folder


def lock(checkout: Path, version: str, digest: str | None = None) -> None:
    """Lock the checkout to a version of the tiny wheel; its hash is right unless given."""
    wheel = checkout.parent / f"tiny-{version}-py3-none-any.whl"
    card = f"tiny-{version}.dist-info"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"{card}/METADATA", f"Metadata-Version: 2.1\nName: tiny\nVersion: {version}\n")
        archive.writestr(f"{card}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{card}/RECORD", f"{card}/METADATA,,\n{card}/WHEEL,,\n{card}/RECORD,,\n")
    digest = digest or hashlib.sha256(wheel.read_bytes()).hexdigest()
    for level in ("run", "test"):
        (checkout / "requirements" / f"{level}.txt").write_text(f"tiny @ {wheel.as_uri()} --hash=sha256:{digest}\n")


def environment(**changes: str | None) -> dict[str, str]:
    """This test's environment with changes; None removes a variable."""
    merged = {**os.environ, "PIP_NO_INDEX": "1", "CUPOLA_PYTHON": sys.executable, **changes}
    return {name: value for name, value in merged.items() if value is not None}


def start(launcher: Path, *arguments: str, cwd: Path | None = None, **changes: str | None) -> tuple[int, str, str]:
    """Run a launcher to its end: exit code, stdout, stderr."""
    done = subprocess.run(
        [launcher, *arguments],
        cwd=cwd,
        env=environment(**changes),
        capture_output=True,
        check=False,
        text=True,
        timeout=120,
    )
    return done.returncode, done.stdout, done.stderr


def background(checkout: Path, process_group: int | None = None) -> subprocess.Popen[str]:
    """A start that is not waited for."""
    return subprocess.Popen(
        [checkout / "cupola"],
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        process_group=process_group,
    )


def fake_programs(folder: Path, **scripts: str) -> str:
    """A PATH on which some programs are replaced by shell scripts."""
    folder.mkdir()
    for name, script in scripts.items():
        program = folder / name.replace("_", "-")
        program.write_text(f"#!/bin/sh\n{script}\n")
        program.chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A checkout that was set up with an empty HOME, no Qt libraries and an apt-get that fails.

    Its very first start met a lock with a wrong hash and was refused. One fixture, because each costs some seconds.
    """
    place = tmp_path_factory.mktemp("a place")
    checkout = make_checkout(place / "check out", missing=("libgl1", "libegl1"))
    lock(checkout, "1.0", digest="0" * 64)
    code, out, err = start(checkout / "cupola")
    assert (code, out) == (1, "")
    assert "could not be installed" in err

    lock(checkout, "1.0")
    (place / "asked").touch()
    path = fake_programs(place / "bin", id="echo 0", apt_get=f"echo $* >>'{place}/asked'; exit 100")
    code, out, err = start(checkout / "cupola", "--first", HOME=str(tmp_path_factory.mktemp("home")), PATH=path)
    assert code == 0, err
    assert json.loads(out)["arguments"] == ["--first"]
    assert "Setting up Cupola" in err
    assert "apt-get install --no-install-recommends libgl1 libegl1" in err
    yield checkout
    shutil.rmtree(place)


def test_libraries_are_asked_of_apt_get_when_root_on_debian(ready: Path) -> None:
    asked = (ready.parent / "asked").read_text().splitlines()
    if Path("/etc/debian_version").exists():
        assert [line.split()[0] for line in asked] == ["update", "install"]
        assert asked[1].endswith(" -y --no-install-recommends libgl1 libegl1")
    else:
        assert asked == []


def test_second_start_is_silent_and_asks_nothing_of_pip_and_apt_get(ready: Path) -> None:
    log = ready / ".venv" / "cupola.log"
    before = log.stat().st_mtime_ns
    asked = ready.parent / "asked"
    before_asked = asked.read_text()
    code, out, err = start(ready / "cupola", HOME=None, PATH=f"{ready.parent}/bin:/usr/bin:/bin")
    assert (code, err) == (0, "")
    assert json.loads(out)["program"] == str(ready / "app" / "__main__.py")
    assert log.stat().st_mtime_ns == before
    assert asked.read_text() == before_asked


def test_arguments_stay_relative_to_the_users_folder(ready: Path, tmp_path: Path) -> None:
    (tmp_path / "json.py").write_text("raise SystemExit('the current folder was imported')")
    link = tmp_path / "linked"
    link.symlink_to(ready / "cupola")
    code, out, err = start(link, "process", "a folder", cwd=tmp_path, PYTHONPATH=str(tmp_path))
    assert code == 0, err
    seen = json.loads(out)
    assert (seen["arguments"], seen["cwd"]) == (["process", "a folder"], str(tmp_path))


def test_killed_set_up_is_made_anew_once_by_two_starts_and_refreshed_by_a_new_lock(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path / "checkout")
    with background(checkout, process_group=0) as killed:
        assert killed.stderr is not None
        assert "Setting up" in killed.stderr.readline()
        os.killpg(killed.pid, signal.SIGKILL)
    (checkout / ".venv" / "half-written").touch()

    with background(checkout) as first, background(checkout) as second:
        ended = [(*one.communicate(timeout=120), one.returncode) for one in (first, second)]
    assert [code for _, _, code in ended] == [0, 0], ended
    assert [json.loads(out)["tiny"] for out, _, _ in ended] == ["1.0", "1.0"]
    assert sum("Setting up Cupola" in err for _, err, _ in ended) == 1
    assert sum("waiting for it" in err for _, err, _ in ended) == 1
    assert not (checkout / ".venv" / "half-written").exists()

    lock(checkout, "2.0")
    (checkout / ".venv" / "kept").touch()
    assert json.loads(start(checkout / "cupola")[1])["tiny"] == "2.0"
    assert (checkout / ".venv" / "kept").exists()


def test_moved_checkout_is_set_up_anew(ready: Path, tmp_path: Path) -> None:
    moved = shutil.copytree(ready, tmp_path / "moved", symlinks=True)
    code, out, err = start(moved / "cupola")
    assert code == 0, err
    assert json.loads(out)["program"] == str(moved / "app" / "__main__.py")


def test_a_missing_python_is_named(tmp_path: Path) -> None:
    code, out, err = start(make_checkout(tmp_path / "checkout") / "cupola", CUPOLA_PYTHON="/no/python3")
    assert (code, out) == (1, "")
    assert "no Python 3.11 or newer among /no/python3" in err


def test_a_python_without_venv_names_its_package(tmp_path: Path) -> None:
    path = fake_programs(
        tmp_path / "bin",
        id="echo 1000",
        python3="case $* in *ensurepip*) exit 1;; esac; echo $0",
    )
    code, _, err = start(make_checkout(tmp_path / "checkout") / "cupola", CUPOLA_PYTHON="python3", PATH=path)
    assert code == 1
    assert "apt-get install python3-venv" in err
