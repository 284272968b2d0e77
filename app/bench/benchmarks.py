"""Which benchmarks there are, and how they are run: each in a folder of its own, which is removed."""

from __future__ import annotations

import importlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from app.bench.cost import BenchFailed
from app.bench.place import Place
from app.bench.table import Row

#: What each measures; the name is that of its module.
BENCHMARKS = {
    "stack": "Stacks of raw frames against Siril, ccdproc, numpy and bare reading.",
    "calibrate": "One light against Siril and ccdproc.",
    "cosmic": "Cosmic rays of one frame against astroscrappy.",
    "register": "Stars, alignment and resampling against Siril, and how far stars are off.",
    "detect": "Detection of stars against sep and SExtractor.",
    "astrometry": "The embedded plate solver on fields of known place.",
    "night": "A whole simulated night of the mission's camera: speed, memory, linearity.",
    "gui": "How late the window is while such a night runs.",
    "cluster": "dask with two local processes against threads.",
}


def measure(names: tuple[str, ...], say: Callable[[str], None], *, is_quick: bool) -> Iterator[Row]:
    """Run benchmarks, one after the other.

    Parameters
    ----------
    names : tuple of str
        Of `BENCHMARKS`.
    say : callable
        Takes a line on what is being done.
    is_quick : bool
        Fewer rounds of smaller frames: a look, no proof.

    Yields
    ------
    Row
        Each figure as soon as it is known; a benchmark that fails yields one without a figure, and the next begins.
    """
    for name in names:
        module = importlib.import_module(f"app.bench.{name}")
        with tempfile.TemporaryDirectory(prefix=f"cupola-bench-{name}-", ignore_cleanup_errors=True) as folder:
            try:
                yield from module.measure(Place(Path(folder), is_quick, lambda text, name=name: say(f"{name}: {text}")))  # type: ignore[misc]
            except BenchFailed as error:
                yield Row(name, "the benchmark as a whole", None, details=" ".join(str(error).split()))
