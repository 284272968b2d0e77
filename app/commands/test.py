"""`cupola test`: every check of the project, headless and apart from the user's settings."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]
#: What all tests share, whatever home each has: compiled kernels, and the quads of the sky.
CACHE = CHECKOUT / ".pytest_cache" / "cache"
BAD_USAGE = 2

#: Modules whose docstrings are compared with their signatures.
DOCUMENTED = ("app/model", "app/pipeline")


@dataclass(frozen=True, slots=True)
class Outcome:
    """How one check ended.

    Attributes
    ----------
    name : str
        Name of the check, for the operator.
    is_good : bool
        Whether it found nothing.
    seconds : float
        Wall time.
    output : str
        What it printed, stdout and stderr together.
    """

    name: str
    is_good: bool
    seconds: float
    output: str


def run(arguments: list[str]) -> int:
    """Run the checks, then the tests; pytest's closing line is the last on stdout.

    Parameters
    ----------
    arguments : list of str
        Handed to pytest, such as ``["tests/unit", "-k", "wcs"]``.

    Returns
    -------
    int
        0 when all is well, 1 when a check or a test failed, 2 without a checkout.
    """
    if not (CHECKOUT / "tests").is_dir():
        print("cupola test needs a checkout: an installed Cupola comes without its tests", file=sys.stderr)
        return BAD_USAGE
    with tempfile.TemporaryDirectory(prefix="cupola-test-") as home:
        environment = isolated(os.environ, Path(home))
        failed = _run_checks(environment)
        print("-- kernels and quads of the sky, unless they are there", flush=True)
        subprocess.run([sys.executable, "-P", "-m", "app", "warm"], cwd=CHECKOUT, env=environment, check=True)
        print(f"-- pytest, {_processors()} at a time", flush=True)
        tests = subprocess.run(_pytest(arguments), cwd=CHECKOUT, env=environment, check=False)
    for name in failed:
        print(f"failed: {name}", file=sys.stderr)
    return 1 if failed or tests.returncode else 0


def isolated(environment: Mapping[str, str], home: Path) -> dict[str, str]:
    """An environment without display, in which the user's settings and files are out of reach.

    Parameters
    ----------
    environment : mapping of str to str
        The environment to start from.
    home : Path
        An empty folder, which becomes HOME and the place of all XDG folders.

    Returns
    -------
    dict of str to str
        A new environment.
    """
    uncompiled = "PYTHONDONTWRITEBYTECODE"  # each of the hundreds of programs that tests start would compile itself
    foreign = ("CUPOLA_", "XDG_", "PYTEST_", "RUFF_", "MYPY", uncompiled)
    kept = {name: value for name, value in environment.items() if not name.startswith(foreign)}
    own = {"HOME": home, "USERPROFILE": home, "XDG_RUNTIME_DIR": home, "XDG_CACHE_HOME": CACHE}
    return {**kept, **{name: str(folder) for name, folder in own.items()}, "QT_QPA_PLATFORM": "offscreen"}


def checks() -> dict[str, list[str]]:
    """Command of each check by its name, the slowest first, so that the processors end together."""
    documented = sorted(str(path) for folder in DOCUMENTED for path in (CHECKOUT / folder).rglob("*.py"))
    contracts = "import sys; from importlinter.cli import lint_imports_command as check; sys.exit(check())"
    return {
        "types (mypy)": _module("mypy"),
        "docstrings (numpydoc)": _module("numpydoc", "lint", *documented),
        "contracts (import-linter)": [sys.executable, "-P", "-c", contracts],
        "spelling (codespell)": _module("codespell_lib", "."),
        "lint (ruff)": _module("ruff", "check", "."),
        "format (ruff)": _module("ruff", "format", "--check", "."),
    }


def _run_checks(environment: Mapping[str, str]) -> list[str]:
    """Run the checks side by side, print each as it ends, and name those that failed."""
    failed = []
    with ThreadPoolExecutor(max_workers=_processors()) as pool:
        futures: list[Future[Outcome]] = [
            pool.submit(_check, name, command, environment) for name, command in checks().items()
        ]
        for future in as_completed(futures):
            outcome = future.result()
            print(f"{'ok    ' if outcome.is_good else 'FAILED'} {outcome.name}, {outcome.seconds:.1f} s", flush=True)
            if not outcome.is_good:
                print(outcome.output.rstrip(), flush=True)
                failed.append(outcome.name)
    return failed


def _check(name: str, command: list[str], environment: Mapping[str, str]) -> Outcome:
    """Run one check to its end."""
    began = time.monotonic()
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    return Outcome(name, done.returncode == 0, time.monotonic() - began, done.stdout)


def _pytest(arguments: list[str]) -> list[str]:
    """The tests on all processors; those of one module or class stay together and share what they made."""
    return _module(
        "pytest", "-q", "-n", str(_processors()), "--dist", "loadscope", "--no-loadscope-reorder", *arguments
    )


def _module(name: str, *arguments: str) -> list[str]:
    """Command that runs a module of this environment."""
    return [sys.executable, "-P", "-m", name, *arguments]


def _processors() -> int:
    """How many processors may be used; at most 8, more do not help."""
    if sys.platform == "linux":
        return min(len(os.sched_getaffinity(0)), 8)
    return min(os.cpu_count() or 1, 8)
