"""How kernels are compiled: without the GIL, kept on disk, and never on import.

The first call of a kernel compiles it, or loads it from the cache; `cupola` warms the cache in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TypeVar, cast

from app.paths import kernel_folder

os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_folder()))

import numba

K = TypeVar("K", bound=Callable[..., object])


def compiled(kernel: K) -> K:
    """Compile a function for the types of its first call; threads run it side by side."""
    return cast(K, numba.njit(nogil=True, cache=True, error_model="numpy")(kernel))
