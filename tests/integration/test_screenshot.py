"""`cupola screenshot`: the first command of a new user, without a display, and the same picture every time."""

from __future__ import annotations

import os
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PySide6.QtGui import QImage

CHECKOUT = Path(__file__).parents[2]


def screenshot(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a home of its own, where there is no display."""
    environment = {name: value for name, value in os.environ.items() if name not in ("DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run(
        [sys.executable, "-P", "-m", "app", "screenshot", *arguments],
        cwd=CHECKOUT,
        env={**environment, "HOME": str(home), "LANG": "C.UTF-8"},
        capture_output=True,
        text=True,
        check=False,
        timeout=180,
    )


def size_of(png: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", png.read_bytes()[16:24])
    return width, height


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A home in which the first picture was taken."""
    home = tmp_path_factory.mktemp("home")
    done = screenshot(home, str(home / "night.png"))
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return home


def test_first_command_draws_the_night(home):
    assert size_of(home / "night.png") == (1920, 1080)


def test_same_picture_every_time(home):
    assert screenshot(home, str(home / "again.png")).returncode == 0
    assert (home / "again.png").read_bytes() == (home / "night.png").read_bytes()


def test_a_picture_starts_no_guard(home):
    assert (home / "night.png").exists()
    assert not list(home.glob("**/guard-*.json"))


def test_red_is_red_in_every_pixel(home):
    done = screenshot(home, str(home / "red.png"), "--page", "frames", "--theme", "red", "--size", "1366x768")
    assert done.returncode == 0, done.stderr
    image = QImage(str(home / "red.png")).convertToFormat(QImage.Format.Format_RGB888)
    assert (image.width(), image.height()) == (1366, 768)
    lines = np.frombuffer(image.constBits(), np.uint8).reshape(image.height(), image.bytesPerLine())
    pixels = lines[:, : image.width() * 3].reshape(image.height(), image.width(), 3)
    assert pixels[..., 1:].max() == 0
    assert pixels[..., 0].max() > 200


@pytest.mark.parametrize(
    ("arguments", "named"),
    [(["--size", "10x10"], "10x10"), (["--page", "Nowhere"], "Nowhere"), (["--theme", "blue"], "blue")],
)
def test_what_is_none_is_named(home, arguments, named):
    done = screenshot(home, str(home / "none.png"), *arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert "Traceback" not in done.stderr
    assert not (home / "none.png").exists()
