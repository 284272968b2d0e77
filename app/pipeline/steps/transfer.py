"""Bring the frames within reach: plain files are read where they lie, packed ones are unpacked once."""

from __future__ import annotations

import gzip
import hashlib
import os
import shutil
import zlib
from pathlib import Path
from typing import ClassVar

from astropy.io import fits

from app.frames.fits_io import output_error
from app.frames.headers import is_frame_name, require_whole
from app.model.batch import FileBatch, LeftOut
from app.model.errors import FrameError, ObservatoryError
from app.pipeline.step import Context, Findings, Policy, Step

_PACKED = (".gz", ".fz")


class Transfer(Step):
    """Unpack compressed frames to the batch's folder; raw frames are never touched."""

    name: ClassVar[str] = "transfer"
    code: ClassVar[int] = 110
    description: ClassVar[str] = "frames could not be brought to the local repository"
    policy: ClassVar[Policy] = Policy.STOP

    def run(self, context: Context, findings: Findings) -> None:
        """Unpack what is packed and not yet unpacked; an unreadable file is left out."""
        files = source_files(context.batch)
        left_out: list[LeftOut] = []

        def fetch(file: Path) -> None:
            try:
                _unpack(file, local_path(context.batch, file))
            except FrameError as error:
                left_out.append(LeftOut(_relative(context.batch, file), str(error)))
                raise

        packed = tuple(file for file in files if file.suffix.lower() in _PACKED)
        self.for_each(packed, fetch, lambda file: file.name, context, findings)
        context.store.set_left_out(context.batch.key, left_out)


def source_files(batch: FileBatch) -> tuple[Path, ...]:
    """Every file of the source with the name of a FITS file, in all folders below it, in order of name.

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
    found = []
    for folder, folders, names in os.walk(source):
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
    flat = "_".join(Path(_relative(batch, file)).parts)
    return batch.folder / "raw" / f"{flat[: -len(file.suffix)]}.{_short_digest(file)}.fits"


def _relative(batch: FileBatch, file: Path) -> str:
    source = Path(batch.source)
    return file.name if source == file else file.relative_to(source).as_posix()


def _short_digest(file: Path) -> str:
    """Tells a changed source from the copy that was unpacked before."""
    stat = file.stat()
    return hashlib.sha256(f"{stat.st_size} {stat.st_mtime_ns}".encode()).hexdigest()[:8]


def _unpack(packed: Path, target: Path) -> None:
    if target.exists():
        return
    part = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(target, error) from error
    try:
        _gunzip(packed, part) if packed.suffix.lower() == ".gz" else _funpack(packed, part)
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)


def _gunzip(packed: Path, target: Path) -> None:
    try:
        with gzip.open(packed, "rb") as stream, target.open("wb") as file:
            shutil.copyfileobj(stream, file, 2**20)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise FrameError(f"{packed.name} cannot be unpacked: {error}: copy it again") from error
    except OSError as error:
        raise output_error(target, error) from error


def _funpack(packed: Path, target: Path) -> None:
    require_whole(packed)
    try:
        with fits.open(packed) as hdus:
            image = next(hdu for hdu in hdus if isinstance(hdu, fits.CompImageHDU))
            unpacked = fits.PrimaryHDU(image.data, image.header)
    except (OSError, ValueError, TypeError, StopIteration) as error:
        raise FrameError(f"{packed.name} cannot be unpacked: {error}: copy it again") from error
    try:
        unpacked.writeto(target, output_verify="silentfix")
    except OSError as error:
        raise output_error(target, error) from error
