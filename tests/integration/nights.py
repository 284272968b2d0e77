"""Running the program itself, as a user does, in a home of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from app.commands.test import CACHE


@dataclass(frozen=True)
class Home:
    """A user's home folder, and the program run in it."""

    folder: Path

    @property
    def environment(self) -> dict[str, str]:
        """Without the settings and folders of whoever runs the tests; what is computed once is shared by all."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("CUPOLA_", "XDG_"))}
        return kept | {"HOME": str(self.folder), "USERPROFILE": str(self.folder), "XDG_CACHE_HOME": str(CACHE)}

    @property
    def database(self) -> Path:
        """Where the program keeps its database here, as `cupola settings show` says on Linux."""
        return self.folder / ".local" / "share" / "cupola" / "cupola.sqlite"

    @property
    def lock(self) -> Path:
        """Lock of the first batch of that database."""
        return self.database.with_name(f"{self.database.name}.batch-1.lock")

    def run(self, *arguments: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            [*command(), *arguments],
            env=self.environment,
            input=stdin,
            capture_output=True,
            text=True,
            timeout=240,
            check=False,
        )

    def json(self, *arguments: str, code: int = 0, stdin: str | None = None) -> Any:
        """The one JSON value of a command that must end with `code`."""
        ended = self.run(*arguments, "--json", stdin=stdin)
        assert ended.returncode == code, ended.stderr
        return json.loads(ended.stdout)

    def settings(self, text: str) -> Path:
        """Write the user's settings file."""
        file = Path(self.run("settings", "path").stdout.strip())
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file


def command() -> list[str]:
    """How to start the program under test."""
    return [sys.executable, "-P", "-m", "app"]


def write_frame(path: Path, counts: np.ndarray[Any, Any], **cards: Any) -> Path:
    """A raw frame with a plain header."""
    header = fits.Header()
    for name, value in cards.items():
        header[name.replace("_", "-")] = value
    path.parent.mkdir(parents=True, exist_ok=True)
    fits.PrimaryHDU(counts, header).writeto(path)
    return path


def of_kind(report: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    """Products of one kind."""
    return [product for product in report["products"] if product["kind"] == kind]
