"""A window whose observatory could not be opened says so, and can be closed: once it could not."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

CHILD = """
import sys
from app.gui import Session, application_with_theme
from app.model.errors import ObservatoryError

def opening():
    raise ObservatoryError("settings.toml is broken: mend it")

application = application_with_theme("dark")
session = Session(application, opening)
session._duty.finished.connect(session.panel.window.close)
session.show()
sys.exit(application.exec())
"""


def test_window_whose_start_failed_can_be_closed():
    done = subprocess.run(
        [sys.executable, "-P", "-c", CHILD],
        cwd=CHECKOUT,
        env={"QT_QPA_PLATFORM": "offscreen", "PYTHONPATH": str(CHECKOUT), "HOME": "/nonexistent"},
        timeout=30,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
