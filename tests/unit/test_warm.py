"""What `cupola warm` compiles is all that a night needs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from numba.core.dispatcher import Dispatcher

from app.commands.warm import kernel_modules
from app.model.settings import Settings
from app.pipeline.run_batch import run_batch
from app.pipeline.step import CancelToken
from app.store.batches import Batches
from app.store.engine import open_database
from tests.builders import small_night

_SHOW = """
from app.commands.warm import kernel_modules
from tests.unit.test_warm import signatures
for module in kernel_modules():
    if hasattr(module, "warm"):
        module.warm()
print(*sorted(signatures()), sep="\\n")
"""


def signatures() -> set[str]:
    """Every kernel of this process with the types that it was compiled or loaded for."""
    return {
        f"{module.__name__}.{name}{signature}"
        for module in kernel_modules()
        for name, kernel in vars(module).items()
        if isinstance(kernel, Dispatcher) and kernel.py_func.__module__ == module.__name__
        for signature in kernel.signatures
    }


@pytest.mark.logs_warnings
def test_night_needs_no_kernel_that_was_not_warmed(tmp_path: Path) -> None:
    warmed = subprocess.run(
        [sys.executable, "-c", _SHOW], env=os.environ, capture_output=True, text=True, check=True, timeout=240
    )
    night = small_night(tmp_path / "night").folder
    opened = open_database(f"sqlite:///{tmp_path / 'night.sqlite'}")
    before = signatures()
    try:
        batches = Batches(opened)
        batch = batches.open_batch(str(night), tmp_path / "products")
        run_batch(batches, batch, Settings(), lambda event: None, CancelToken())
    finally:
        opened.close()
    assert signatures() - before - set(warmed.stdout.splitlines()) == set()
