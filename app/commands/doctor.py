"""`cupola doctor`: what is installed, what is missing, and what to do about it.

Settings, database, mail and disk are asked by callables, so that a broken settings file is one finding among others.
Imports nothing of Qt: it asks the loader for Qt's system libraries instead. The launcher asks this module too, before
anything is known to work, so what is heavy is imported where it is used.
"""

from __future__ import annotations

import ctypes
import importlib.metadata
import os
import platform
import shutil
import sys
import tomllib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from packaging.requirements import Requirement

from app.model.errors import ObservatoryError
from app.paths import resource

OLDEST_PYTHON = (3, 11)
LEAST_FREE_GB = 5.0

#: Shared libraries that Qt loads, the last five for an X server alone, and the Debian package of each.
QT_LIBRARIES: Mapping[str, str] = {
    "libGL.so.1": "libgl1",
    "libEGL.so.1": "libegl1",
    "libglib-2.0.so.0": "libglib2.0-0",
    "libxkbcommon.so.0": "libxkbcommon0",
    "libfontconfig.so.1": "libfontconfig1",
    "libdbus-1.so.3": "libdbus-1-3",
    "libxkbcommon-x11.so.0": "libxkbcommon-x11-0",
    "libxcb-cursor.so.0": "libxcb-cursor0",
    "libxcb-icccm.so.4": "libxcb-icccm4",
    "libxcb-keysyms.so.1": "libxcb-keysyms1",
    "libxcb-shape.so.0": "libxcb-shape0",
}

#: Programs with which tests show real windows, and the Debian package of each.
DISPLAY_PROGRAMS: Mapping[str, str] = {"Xvfb": "xvfb", "openbox": "openbox"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    name : str
        What was looked at, such as ``"Python"``.
    is_good : bool
        Whether everything of Cupola that needs it will work.
    found : str
        What is there.
    remedy : str
        What to do; empty when nothing need be done.
    """

    name: str
    is_good: bool
    found: str
    remedy: str = ""


Probe = Callable[[], Finding]


def run(*, as_json: bool) -> int:
    """Print the findings; 1 when something is missing that Cupola needs."""
    from app.commands.console import DONE, FAILED, give

    findings = examine(_observatory())
    give([asdict(finding) for finding in findings], describe(findings), as_json=as_json)
    return DONE if all(finding.is_good for finding in findings) else FAILED


def examine(further: Mapping[str, Probe] | None = None) -> list[Finding]:
    """Look at everything that Cupola needs; never raises for what is missing.

    Parameters
    ----------
    further : mapping of str to callable, optional
        Probes by name for what only the start-up knows: settings, database, disk, mail. A probe that raises an
        `ObservatoryError` or `OSError` becomes a bad finding with the error's sentence.

    Returns
    -------
    list of Finding
        In the order in which they are worth reading.
    """
    probes: dict[str, Probe] = {
        "Python": _python,
        "Packages": lambda: packages(required()),
        "System libraries": _system_libraries,
        "Star catalogue": _star_catalogue,
        **(further or {}),
        "Display": _display,
    }
    return [_asked(name, probe) for name, probe in probes.items()]


def describe(findings: Iterable[Finding]) -> str:
    """Findings as text for a terminal: one line each, the remedy below a bad one."""
    lines = []
    for finding in findings:
        lines.append(f"{'ok     ' if finding.is_good else 'MISSING'}  {finding.name}: {finding.found}")
        if finding.remedy:
            lines.append(f"         -> {finding.remedy}")
    return "\n".join(lines)


def missing_packages(*, for_tests: bool) -> tuple[str, ...]:
    """Debian packages that the window needs, and with `for_tests` those that show it without a screen."""
    programs = [package for program, package in DISPLAY_PROGRAMS.items() if shutil.which(program) is None]
    return (*missing_libraries(), *(programs if for_tests and sys.platform == "linux" else ()))


def missing_libraries(libraries: Mapping[str, str] = QT_LIBRARIES) -> tuple[str, ...]:
    """Debian packages of the system libraries that the loader does not find; none on other systems than Linux.

    The launcher asks this too, so that the list lives in one place.
    """
    if sys.platform != "linux":
        return ()
    return tuple(package for library, package in libraries.items() if not _is_loadable(library))


def required() -> tuple[Requirement, ...]:
    """What Cupola's distribution requires: from its metadata, or in a checkout from pyproject.toml.

    Raises
    ------
    FileNotFoundError
        If Cupola is neither installed nor run from a checkout.
    """
    try:
        texts: Sequence[str] = importlib.metadata.requires("cupola") or ()
    except importlib.metadata.PackageNotFoundError:
        pyproject = Path(__file__).parents[2] / "pyproject.toml"
        texts = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["dependencies"]
    wanted = (Requirement(text) for text in texts)
    return tuple(one for one in wanted if one.marker is None or one.marker.evaluate({"extra": ""}))


def packages(wanted: Sequence[Requirement]) -> Finding:
    """Whether each required package is installed in a version that the requirement allows."""
    problems = [problem for one in wanted if (problem := _package_problem(one))]
    if problems:
        return Finding("Packages", False, "; ".join(problems), "run ./cupola once more, or install Cupola anew")
    return Finding("Packages", True, f"all {len(wanted)} required packages are installed")


def free_disk(folder: Path, least_gb: float = LEAST_FREE_GB) -> Finding:
    """Whether the disk that holds `folder`, or will hold it, has room for a batch.

    Parameters
    ----------
    folder : Path
        The local repository; it need not exist yet.
    least_gb : float
        What a batch may need, in units of 1e9 bytes.
    """
    existing = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    free_gb = shutil.disk_usage(existing).free / 1e9
    is_good = free_gb >= least_gb and os.access(existing, os.W_OK)
    remedy = f"make room for {least_gb:.0f} GB in {existing} and allow writing, or choose another repository"
    return Finding("Disk", is_good, f"{free_gb:.1f} GB free for {folder}", "" if is_good else remedy)


def _observatory() -> dict[str, Probe]:
    """Probes of what the settings name; of the settings alone when they cannot be read."""
    from app.bootstrap.observatory import database_url, repository_of, settings_file, settings_of
    from app.commands.doctor_dome import probes_of

    def settings() -> Finding:
        settings_of(settings_file())
        state = "is good" if settings_file().exists() else "does not exist: the defaults are in force"
        return Finding("Settings", True, f"{settings_file()} {state}")

    try:
        values = settings_of(settings_file())
    except ObservatoryError:
        return {"Settings": settings}
    return {
        "Settings": settings,
        "Database and mail": lambda: _database(database_url(values)),
        "Disk": lambda: free_disk(repository_of(values)),
        **probes_of(values),
    }


def _database(url: str) -> Finding:
    """Whether the database opens, and how many mails wait in it; one that is not there yet is not made."""
    from app.bootstrap.observatory import open_observatory
    from app.store.engine import sqlite_file

    name = "Database and mail"
    file = sqlite_file(url)
    if file is not None and not file.exists():
        return Finding(name, True, f"{file} is made at the first use")
    with open_observatory() as observatory:
        waiting = observatory.outbox.waiting_count()
        return Finding(name, True, f"{observatory.database.name} opens, {waiting} mail(s) wait to be sent")


def _asked(name: str, probe: Probe) -> Finding:
    """The probe's finding; an expected error is one too."""
    try:
        return probe()
    except (ObservatoryError, OSError) as error:
        return Finding(name, False, str(error), "mend what the sentence names, then run cupola doctor again")


def _python() -> Finding:
    """Version and place of the interpreter."""
    is_good = sys.version_info >= OLDEST_PYTHON
    remedy = "" if is_good else "install Python 3.11 or newer, or name one in CUPOLA_PYTHON"
    return Finding("Python", is_good, f"{platform.python_version()} at {sys.executable}", remedy)


def _package_problem(wanted: Requirement) -> str | None:
    """Why a requirement is not met, or None."""
    try:
        version = importlib.metadata.version(wanted.name)
    except importlib.metadata.PackageNotFoundError:
        return f"{wanted.name} is not installed"
    if not wanted.specifier.contains(version, prereleases=True):
        return f"{wanted.name} is {version}, but {wanted.specifier} is required"
    return None


def _system_libraries() -> Finding:
    """The libraries that Qt loads; commands without a window work without them."""
    missing = missing_libraries()
    if missing:
        sudo = "" if os.name == "posix" and os.geteuid() == 0 else "sudo "
        command = f"{sudo}apt-get install --no-install-recommends {' '.join(missing)}"
        return Finding("System libraries", False, f"missing for the window: {', '.join(missing)}", command)
    return Finding("System libraries", True, "all that Qt needs are there")


def _is_loadable(library: str) -> bool:
    """Whether the loader finds a shared library."""
    try:
        ctypes.CDLL(library)
    except OSError:
        return False
    return True


def _star_catalogue() -> Finding:
    """The embedded catalogue."""
    catalogue = resource("stars/tycho2_vt15.npz")
    return Finding("Star catalogue", True, f"{catalogue.name}, {catalogue.stat().st_size / 1e6:.1f} MB")


def _display() -> Finding:
    """Whether a window could be shown; everything else works without."""
    shown = os.environ.get("WAYLAND_DISPLAY") or os.environ.get("DISPLAY")
    if sys.platform == "linux" and not shown:
        return Finding("Display", True, "none: the window needs one, all other commands work without")
    return Finding("Display", True, shown or sys.platform)
