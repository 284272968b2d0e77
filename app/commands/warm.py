"""`cupola warm`: compile the kernels and make the table of the sky, so that no batch waits for them."""

from __future__ import annotations

import importlib
import logging
import os
import pkgutil
from collections.abc import Iterator
from time import perf_counter
from types import ModuleType

from app.commands.console import DONE

log = logging.getLogger(__name__)

#: Behind everything else that wants a processor.
_NICENESS = 19


def run() -> int:
    """Compile every kernel that is not in the cache, then make the table of the blind search; a second if all is there."""
    if hasattr(os, "nice"):  # before the imports: the window is being filled meanwhile
        os.nice(_NICENESS)
    from app.frames.star_catalogue import StarCatalogue
    from app.pipeline.blind import sky_quads

    for module in kernel_modules():
        if hasattr(module, "warm"):
            began_s = perf_counter()
            module.warm()
            log.info("Kernels of %s are ready after %.1f s", module.__name__, perf_counter() - began_s)
    sky_quads(StarCatalogue.embedded())
    return DONE


def kernel_modules() -> Iterator[ModuleType]:
    """The modules of `app.pipeline.kernels`."""
    from app.pipeline import kernels

    for module_info in pkgutil.iter_modules(kernels.__path__):
        yield importlib.import_module(f"{kernels.__name__}.{module_info.name}")
