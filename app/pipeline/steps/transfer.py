"""Bring the frames within reach: plain files are read where they lie, packed ones are unpacked once."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from app.frames.funpack import funpack
from app.frames.headers import is_frame_name, unreadable
from app.frames.product_file import output_error
from app.model.batch import FileBatch, LeftOut
from app.model.errors import FrameError, ObservatoryError
from app.pipeline.events import Progress
from app.pipeline.step import Context, Findings, Policy, Step
from app.pipeline.workers import Check

_PACKED = (".gz", ".fz")


@dataclass(frozen=True, slots=True)
class Unpacking:
    """One compressed file of a batch."""

    batch: FileBatch
    file: Path


class Transfer(Step):
    """Unpack compressed frames to the batch's folder; raw frames are never touched."""

    name: ClassVar[str] = "transfer"
    code: ClassVar[int] = 110
    description: ClassVar[str] = "frames could not be brought to the local repository"
    policy: ClassVar[Policy] = Policy.STOP

    def run(self, context: Context, findings: Findings) -> None:
        """Unpack what is packed and not yet unpacked; an unreadable file or folder is left out."""
        left_out: list[LeftOut] = []

        def skip(folder: Path, error: FrameError) -> None:
            name = relative_name(context.batch, folder)
            left_out.append(LeftOut(name, str(error)))
            findings.give_up(name, error)

        files = {relative_name(context.batch, file): file for file in source_files(context.batch, skip)}
        packed = {name: file for name, file in files.items() if file.suffix.lower() in _PACKED}
        jobs = (Unpacking(context.batch, file) for file in packed.values())
        with context.workers.each(unpack, jobs, context.cancel.check) as futures:
            for number, (name, future) in enumerate(zip(packed, futures, strict=True)):
                context.report(Progress(self.name, number, len(packed), name))
                try:
                    future.result()
                except FrameError as error:
                    left_out.append(LeftOut(name, str(error)))
                    findings.give_up(name, error)
        context.report(Progress(self.name, len(packed), len(packed), ""))
        context.store.set_left_out(context.batch.key, left_out)


def source_files(batch: FileBatch, skip: Callable[[Path, FrameError], None]) -> tuple[Path, ...]:
    """Every file of the source with the name of a FITS file, in all folders below it, in order of name.

    Parameters
    ----------
    batch : FileBatch
        Whose source is searched.
    skip : callable
        Told of each folder below the source that cannot be read; the search goes on.

    Raises
    ------
    ObservatoryError
        The source is not there, cannot be read, or has no FITS file.
    """
    source = Path(batch.source)
    if not source.exists():
        raise ObservatoryError(f"source {source} does not exist: check the path of the batch")
    if source.is_file():
        return (source,)
    if not os.access(source, os.R_OK | os.X_OK):
        raise ObservatoryError(f"source {source} may not be read: change its permissions")

    def tell(error: OSError) -> None:
        folder = Path(error.filename)
        if folder == source:
            raise ObservatoryError(f"source {source} cannot be read: {error.strerror}: check its disk") from error
        skip(folder, unreadable(folder, error))

    found = []
    for folder, folders, names in os.walk(source, onerror=tell):
        here = Path(folder)
        folders[:] = [name for name in folders if not name.startswith(".") and here / name != batch.folder]
        found += [here / name for name in names if is_frame_name(name) and not name.startswith(".")]
    if not found:
        raise ObservatoryError(
            f"source {source} has no FITS files (.fits, .fit, .fts, also .gz and .fz): check the path"
        )
    return tuple(sorted(found))


def local_path(batch: FileBatch, file: Path) -> Path:
    """Where the readable frame lies: the file itself, or its unpacked copy in the batch's folder."""
    if file.suffix.lower() not in _PACKED:
        return file
    flat = "_".join(Path(relative_name(batch, file)).parts)
    return batch.folder / "raw" / f"{flat[: -len(file.suffix)]}.{_short_digest(file)}.fits"


def relative_name(batch: FileBatch, file: Path) -> str:
    """Name by which a file of the source is known: its path below the source."""
    source = Path(batch.source)
    return file.name if source == file else file.relative_to(source).as_posix()


def _short_digest(file: Path) -> str:
    """Tells a changed source from the copy that was unpacked before."""
    try:
        stat = file.stat()
    except OSError as error:
        raise unreadable(file, error) from error
    return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:8]


def unpack(job: Unpacking, check: Check) -> None:
    """Unpack one file, whole or not at all; what was unpacked before stays.

    Raises
    ------
    FrameError
        It cannot be read.
    OutputError
        The unpacked file cannot be written.
    Cancelled
        `check` says so.
    """
    packed, target = job.file, local_path(job.batch, job.file)
    if target.exists():
        return
    part = target.with_name(f".{target.name}.part")
    write = _gunzip if packed.suffix.lower() == ".gz" else funpack
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        write(packed, part, check)
        part.replace(target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be what failed
            part.unlink()


def _gunzip(packed: Path, target: Path, check: Check) -> None:
    with target.open("wb") as file:
        for piece in _gunzipped(packed):
            check()
            file.write(piece)


def _gunzipped(packed: Path) -> Iterator[bytes]:
    try:
        with gzip.open(packed, "rb") as stream:
            while piece := stream.read(2**20):
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise FrameError(f"{packed.name} cannot be unpacked: {error}: copy it again") from error
