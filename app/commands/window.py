"""`cupola` and `cupola window`: the control panel."""

from __future__ import annotations

import os
import sys

from app.commands.console import FAILED, say


def has_display() -> bool:
    """Whether a window could be seen."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run() -> int:
    """Open the window; returns when it was closed."""
    if sys.platform == "linux":
        os.environ.setdefault("QT_QPA_PLATFORM", "xcb")  # under Wayland a client can neither place nor raise STOP
    try:
        from app import gui
    except ImportError as error:
        say(f"the window cannot be shown: {error}: run `cupola doctor` for the system libraries that are missing")
        return FAILED
    return gui.run()
