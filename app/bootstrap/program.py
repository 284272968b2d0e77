"""Ourselves: how to start a child of it, and who uses it."""

from __future__ import annotations

import getpass
import sys


def own_command(*arguments: str) -> tuple[str, ...]:
    """How to start a child of this program."""
    if getattr(sys, "frozen", False):
        return (sys.executable, *arguments)
    return (sys.executable, "-P", "-m", "app", *arguments)


def operator() -> str:
    """Who acts, for the journal: the operating system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
