"""Whether the disk has room for what a batch is still to write, asked before a step begins."""

from __future__ import annotations

import shutil
from collections.abc import Iterable

from app.frames.product_file import output_error
from app.model.batch import Exposure
from app.model.errors import OutputError
from app.model.frame import FrameKind
from app.model.matching import MASTER_KINDS, by_exposure, by_filter, groups, master_groups
from app.model.settings import Calibration
from app.pipeline.step import Context

#: Left to the database, the log, and whoever else writes.
RESERVE_BYTES = 64 * 10**6
_FLOAT_BYTES, _DQ_BYTES = 4, 1


def bytes_of_products(exposures: Iterable[Exposure], calibration: Calibration) -> int:
    """Bytes of all products of these frames: a little too many rather than too few.

    Parameters
    ----------
    exposures : iterable of Exposure
        All of the batch.
    calibration : Calibration
        Whether products carry their uncertainty.
    """
    of_kind: dict[FrameKind, list[Exposure]] = {kind: [] for kind in FrameKind}
    for exposure in exposures:
        of_kind[exposure.recognition.kind].append(exposure)
    lights = of_kind[FrameKind.LIGHT]
    masters = [group[0] for kind in MASTER_KINDS for group in master_groups(kind, of_kind[kind])]
    firsts = [*masters, *(group[0] for group in groups(lights, by_filter, by_exposure))]
    pixel_bytes = _FLOAT_BYTES + _DQ_BYTES + (_FLOAT_BYTES if calibration.uncertainty else 0)
    return sum(one.facts.rows * one.facts.columns * pixel_bytes for one in (*firsts, *lights))


def require_space(context: Context) -> None:
    """See that the products that are not there yet find room.

    Raises
    ------
    OutputError
        They do not, or the folder cannot be written: nothing was begun.
    """
    folder = context.batch.set_folder(context.batch.target_generation)
    exposures = context.store.exposures(context.batch.key)
    try:
        context.batch.folder.mkdir(parents=True, exist_ok=True)
        there = sum(file.stat().st_size for file in folder.rglob("*.fits"))
        free = shutil.disk_usage(context.batch.folder).free
    except OSError as error:
        raise output_error(context.batch.folder, error) from error
    needed = bytes_of_products(exposures, context.settings.calibration) - there + RESERVE_BYTES
    if free < needed:
        raise OutputError(
            f"{context.batch.folder} has {free / 1e9:.2f} GB free, the products still to be written need "
            f"{needed / 1e9:.2f} GB: free {(needed - free) / 1e9:.2f} GB, or move the repository, and resume the batch"
        )
