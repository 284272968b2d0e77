"""Compiling the kernels in the background, in a process of its own: numba holds the GIL while it compiles."""

from __future__ import annotations

import logging
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

from app.bootstrap.program import own_command

log = logging.getLogger(__name__)


@contextmanager
def kernels_warming() -> Iterator[None]:
    """Have the kernels compiled meanwhile; what is not ready at the end is left for the next start."""
    try:
        child = subprocess.Popen(
            own_command("warm"), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
    except OSError as error:
        log.warning("Kernels are not compiled in the background (%s): the first batch compiles them", error)
        yield
        return
    try:
        yield
    finally:
        child.kill()
        child.wait()
