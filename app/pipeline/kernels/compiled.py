"""How kernels are compiled: without the GIL, kept on disk, and never on import.

The first call of a kernel compiles it, or loads it from the cache; `cupola` warms the cache in a process of its own.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any, TypeVar, cast

from app.paths import kernel_folder

os.environ.setdefault("NUMBA_CACHE_DIR", str(kernel_folder()))

import numba
from numba.core.caching import FunctionCache
from numba.core.runtime.nrt import rtsys

K = TypeVar("K", bound=Callable[..., object])


class _KeptKernels(FunctionCache):
    """Kernels on disk; to load one does not bring what compiling takes, a quarter of what a process takes to start.

    numba 0.68 imports all that kernels may be made of, scipy.linalg among it, before it looks whether one is there; it
    does so again before it compiles.
    """

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled kernel for these types, or None."""
        rtsys.initialize(target_context)  # gives memory to kernels that ask for it
        with self._guard_against_spurious_io_errors():
            return self._load_overload(sig, target_context)  # type: ignore[no-untyped-call]


def compiled(kernel: K) -> K:
    """Compile a function for the types of its first call; threads run it side by side."""
    dispatcher: Any = numba.njit(nogil=True, error_model="numpy")(kernel)
    dispatcher._cache = _KeptKernels(kernel)  # type: ignore[no-untyped-call]  # noqa: SLF001 - as cache=True does
    return cast(K, dispatcher)
