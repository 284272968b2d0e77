"""The pre-flight of a folder or a batch: what the database knows, brought together with the headers of the frames."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from app.model.batch import FileBatch, Status
from app.model.errors import UnknownBatch
from app.model.library import MASTERS
from app.model.preflight import Preflight
from app.model.settings import Settings
from app.pipeline.preflight import Known, preflight
from app.pipeline.workers import ThreadWorkers
from app.store.batches import Batches

#: A batch that was not made has no date.
_NEVER = datetime.min.replace(tzinfo=UTC)


def check_source(
    source: Path, batches: Batches | None, settings: Settings, root: Path, free_bytes: int | None
) -> Preflight:
    """Tell what a folder would come to; nothing is written.

    Parameters
    ----------
    source : Path
        Absolute.
    batches : Batches or None
        None when there is no database yet.
    root : Path
        Where the folder of a new batch would be.
    free_bytes : int or None
        Room there.

    Raises
    ------
    StoreError
        The database cannot be read.
    """
    workers = ThreadWorkers(settings.processor.threads).width
    fresh = FileBatch(0, source.name, str(source), root / source.name, Status.WAITING, 0, 1, _NEVER)
    known = Known(fresh) if batches is None else _known(batches, fresh)
    return preflight(known, settings, workers, free_bytes)


def _known(batches: Batches, fresh: FileBatch) -> Known:
    try:
        batch = batches.by_name_or_source(None, fresh.source)
    except UnknownBatch:
        batch = fresh
    return Known(
        batch,
        batches.corrections(),
        batches.overrides(),
        batches.decided_names(),
        batches.pins(batch.key) if batch.key else None,
        tuple(master for kind in MASTERS for master in batches.library(kind, batch.key)),
    )
