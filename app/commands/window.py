"""`cupola` and `cupola window`: the control panel."""

from __future__ import annotations

import gc
import os
import sys

from app.commands.console import FAILED, say


def has_display() -> bool:
    """Whether a window could be seen."""
    return sys.platform != "linux" or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def run() -> int:
    """Open the window; returns when it was closed."""
    if sys.platform == "linux" and not os.environ.get("QT_QPA_PLATFORM"):
        if (lack := _lack()) is not None:  # Qt would abort the program
            say(lack)
            return FAILED
        if os.environ.get("DISPLAY"):
            os.environ["QT_QPA_PLATFORM"] = "xcb"  # under Wayland a client can neither place nor raise STOP
    gc.disable()  # nothing that the start makes is garbage; `gui.Duty` lets it begin when the start is over
    try:
        from app import gui
    except ImportError as error:
        say(f"the window cannot be shown: {error}: run `cupola doctor` for the system libraries that are missing")
        return FAILED
    return gui.run()


def _lack() -> str | None:
    """What the window needs and does not find; None when there is everything."""
    from app.commands.doctor import missing_libraries

    if missing := missing_libraries():
        return f"the window needs system libraries that are missing: apt-get install {' '.join(missing)}"
    if not has_display():
        return "there is no display for the window: start Cupola on a desktop, or be on duty without: `cupola serve`"
    return None
