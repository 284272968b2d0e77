"""Worker processes of this machine: forked from one that has all imported already, which imports while others wait."""

from __future__ import annotations

import multiprocessing
import pkgutil

from app.pipeline import steps

#: For dask's settings.
METHOD = "forkserver"


def can_fork() -> bool:
    """Whether the system has such a thing; elsewhere every worker imports for itself."""
    return METHOD in multiprocessing.get_all_start_methods()


def begin() -> None:
    """Start the process that workers are forked from, once; it imports what all of them need."""
    from multiprocessing import forkserver  # not everywhere

    modules = (f"{steps.__name__}.{module.name}" for module in pkgutil.iter_modules(steps.__path__))
    forkserver.set_forkserver_preload(["distributed", *modules])
    forkserver.ensure_running()
