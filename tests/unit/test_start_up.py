"""What programs load before they begin: the work of a night, and not each other's."""

from __future__ import annotations

import gc
import importlib
import json
import os
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io.fits import Header

from app.bootstrap.program import importing
from app.frames.fits_io import examine
from app.frames.product_file import NewProduct
from app.pipeline.kernels.stack import Method, StackRule
from app.pipeline.raw_stack import stack_jobs, stack_rows
from tests.builders import frame

#: Prints what was loaded, and whether the rest of the program looks for garbage among it.
TELL = """
import gc, json, os, sys
def tell():
    print(json.dumps({"modules": sorted(sys.modules), "kept": gc.get_freeze_count(), "looks": gc.isenabled()}), flush=True)
"""


def told(code: str, *arguments: str) -> dict[str, Any]:
    """What a Python of its own prints last; its standard input stays open."""
    listening, open_end = os.pipe()
    try:
        done = subprocess.run(
            [sys.executable, "-c", TELL + code, *arguments],
            stdin=listening,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        os.close(listening)
        os.close(open_end)
    assert done.stdout, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_worker_that_gets_rows_of_a_stack_loads_no_settings(tmp_path: Path) -> None:
    source = examine(frame(tmp_path / "bias.fits", np.full((4, 5), 300.0), "BIAS", 0.0))
    with NewProduct(tmp_path / "master.fits", Header(), (4, 5)) as product:
        (job,) = stack_jobs((source,), StackRule(Method.MEDIAN), product.layout)
        (tmp_path / "order").write_bytes(pickle.dumps((stack_rows, job)))
    loaded = told(
        "import pickle, app.pipeline.workers; pickle.load(open(sys.argv[1], 'rb')); tell()", str(tmp_path / "order")
    )["modules"]
    assert "app.pipeline.raw_stack" in loaded
    assert not {"app.model.settings", "app.pipeline.step", "pydantic", "sqlalchemy", "PySide6"} & set(loaded)


def test_kernels_that_were_compiled_before_are_loaded_without_what_compiling_takes() -> None:
    warm = "from app.pipeline.kernels import calibrate, stack; calibrate.warm(); stack.warm(); tell()"
    told(warm)  # compiles what is not in the cache
    loaded = told(warm)["modules"]
    assert "numba.core.caching" in loaded
    assert not {"scipy.linalg", "numba.np.arraymath", "numba.typed.typeddict"} & set(loaded)


def test_process_leaves_the_arithmetic_to_its_child_and_the_child_the_rest_to_it() -> None:
    """The parent makes the database, which takes alembic; the child finds it made, and no such batch."""
    parent = told("""
from app.__main__ import main
sys.argv = ["cupola", "process", "no such folder"]
try:
    main()
except SystemExit:
    tell()
""")
    assert "app.commands.process" in parent["modules"]
    assert not {"numpy", "numba", "scipy", "astropy", "sep", "PySide6", "fastapi"} & set(parent["modules"])
    child = told("""
from app.__main__ import main
leave = os._exit
os._exit = lambda code: (tell(), leave(code))
sys.argv = ["cupola", "run-batch", "7"]
main()
""")
    assert {"app.commands.batch_work", "app.pipeline.steps.solve_lights", "scipy"} <= set(child["modules"])
    assert not {"alembic", "PySide6", "fastapi", "uvicorn", "distributed", "ccdproc"} & set(child["modules"])
    for program, least in ((parent, 50_000), (child, 200_000)):
        assert program["looks"]
        assert program["kept"] > least


def test_what_is_imported_is_no_garbage_even_when_it_cannot_be() -> None:
    before = gc.get_freeze_count()
    try:
        with importing():
            assert not gc.isenabled()
        with pytest.raises(ImportError), importing():
            importlib.import_module("app.nowhere")
        assert gc.isenabled()
        assert gc.get_freeze_count() > before
    finally:
        gc.unfreeze()
