"""Words of others are shown as they stand: an order called like a picture once froze the window for good."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CHECKOUT = Path(__file__).parents[2]

CHILD = """
import sys
from PySide6.QtCore import QTimer
from app.gui import application_with_theme
from app.widgets.main_window import MainWindow

application = application_with_theme("dark")
window = MainWindow()
window.foot.set_event("<img src=/dev/zero> was refused")
window.setToolTip("<img src=/dev/zero>")
window.show()
QTimer.singleShot(300, lambda: application.exit(0))
sys.exit(application.exec())
"""


def test_a_name_that_looks_like_a_picture_does_not_freeze_the_window():
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
