"""`cupola process`: calibrate one folder of frames now."""

from __future__ import annotations

import logging
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from app.bootstrap.observatory import (
    Observatory,
    database_url,
    open_observatory,
    repository_of,
    settings_file,
    settings_of,
)
from app.bootstrap.program import operator
from app.commands.console import BAD_USAGE, DONE, FAILED, ProgressLine, give, mails, refuse, say
from app.model.batch import Status
from app.model.errors import ObservatoryError
from app.model.wording import frames_text
from app.model.work_order import source_of_url
from app.paths import free_bytes
from app.services.batch_report import batch_report, failed_report
from app.store.batches import Batches
from app.store.engine import open_to_read

log = logging.getLogger(__name__)


def run(source: str, into: Path | None, *, as_json: bool) -> int:
    """Calibrate the frames of a folder, or go on with them, and say what became of them."""
    if "://" in source and not source.startswith("file:"):
        return _not_fetched(source, as_json=as_json)
    try:
        with open_observatory() as observatory, mails(observatory):
            result = _calibrated(observatory, Path(source_of_url(source)).expanduser().resolve(), into)
    except ObservatoryError as error:
        result = _failed(error, source)
    give(result, summary(result), as_json=as_json)
    return DONE if result["status"] in (Status.DONE, Status.DONE_WITH_PROBLEMS) else FAILED


def check(source: str, into: Path | None, *, as_json: bool) -> int:
    """Tell what a folder would come to; nothing is written, no database is made."""
    if "://" in source and not source.startswith("file:"):
        return _not_fetched(source, as_json=as_json)
    from app.services.preflights import check_source  # astropy: a run leaves that to its child

    settings = settings_of(settings_file())
    root = into.expanduser().resolve() if into else repository_of(settings)
    path = Path(source_of_url(source)).expanduser().resolve()
    database = open_to_read(database_url(settings))
    try:
        batches = None if database is None else Batches(database)
        found = check_source(path, batches, settings, root, free_bytes(root))
    finally:
        if database is not None:
            database.close()
    give(found.as_json, found.text, as_json=as_json)
    return DONE if found.is_ready else FAILED


def _not_fetched(source: str, *, as_json: bool) -> int:
    sentence = f"source {source} cannot be fetched yet: give a folder or a file:// URL"
    return refuse(sentence, as_json=as_json, code=BAD_USAGE)


def _calibrated(observatory: Observatory, source: Path, into: Path | None) -> dict[str, Any]:
    if not source.exists():
        return _failed(ObservatoryError(f"source {source} does not exist: check the path"), str(source))
    root = into.expanduser().resolve() if into else None
    batch = observatory.batches.open_batch(str(source), root or observatory.repository)
    observatory.journal.record(operator(), "process", batch.name, {"source": batch.source, "into": root and str(root)})
    try:
        with ProgressLine() as report, cancelling() as cancelled:
            observatory.process.run(batch, report, cancelled.is_set, into=root)
    except ObservatoryError as error:
        return _failed(error, str(source), batch_report(observatory.batches, batch.key))
    return batch_report(observatory.batches, batch.key)


def _failed(error: ObservatoryError, source: str, known: dict[str, Any] | None = None) -> dict[str, Any]:
    log.error("%s", error)
    return failed_report(str(error), source, known)


@contextmanager
def cancelling() -> Iterator[threading.Event]:
    """Ctrl+C and a polite kill cancel the batch in order instead of ending the program."""
    cancelled = threading.Event()

    def cancel(*_: object) -> None:
        say("cancelling: finished products are kept ...")
        cancelled.set()

    before = {number: signal.signal(number, cancel) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield cancelled
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def summary(result: dict[str, Any]) -> str:
    """A report for people."""
    counts = ", ".join(f"{count} {kind}" for kind, count in result["exposures"].items())
    lines = [f"Batch {result['batch'] or '-'}: {result['status'].replace('_', ' ')} ({counts})"]
    for product in result["products"]:
        lines.append(f"  {product['kind']:<20} {_numbers(product):<46} {product['path']}")
    if result["left_out"]:
        lines.append("Left out:")
        lines += [f"  {item['file']}: {item['reason']}" for item in result["left_out"]]
    if result["problems"]:
        lines.append("Problems:")
        lines += [
            f"  {problem['severity']}: {problem['subject']}: {problem['message']}" for problem in result["problems"]
        ]
    return "\n".join(lines)


def _numbers(product: dict[str, Any]) -> str:
    qc, wcs = product["qc"], product["wcs"] or {}
    parts = [product["filter"], frames_text(len(product["inputs"]))]
    if "L1FWHM" in qc:
        parts.append(f"FWHM {qc['L1FWHM']:.2f} arcsec")
    elif "FWHMPIX" in qc:
        parts.append(f"FWHM {qc['FWHMPIX']:.2f} px")
    if wcs:
        parts.append(f"WCS {wcs['status']}")
    return ", ".join(part for part in parts if part)
