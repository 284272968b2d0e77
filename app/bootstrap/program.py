"""Ourselves: how to start a child of it, how it is loaded, and who uses it."""

from __future__ import annotations

import gc
import getpass
import sys
from collections.abc import Iterator
from contextlib import contextmanager


def own_command(*arguments: str) -> tuple[str, ...]:
    """How to start a child of this program."""
    if getattr(sys, "frozen", False):
        return (sys.executable, *arguments)
    return (sys.executable, "-P", "-m", "app", *arguments)


@contextmanager
def importing() -> Iterator[None]:
    """While modules are imported: nothing of them is garbage, and to look for some would take a third of the time."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def operator() -> str:
    """Who acts, for the journal: the operating system's user."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return "unknown"
