"""Bring the frames within reach: plain files are read where they lie, packed ones are unpacked once."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import os
import warnings
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import ClassVar

from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from app.frames.headers import completed, is_frame_name, require_whole, unreadable
from app.frames.product_file import output_error
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
        """Unpack what is packed and not yet unpacked; an unreadable file or folder is left out."""
        left_out: list[LeftOut] = []

        def skip(folder: Path, error: FrameError) -> None:
            name = relative_name(context.batch, folder)
            left_out.append(LeftOut(name, str(error)))
            findings.give_up(name, error)

        files = source_files(context.batch, skip)

        def fetch(file: Path) -> None:
            try:
                _unpack(file, local_path(context.batch, file))
            except FrameError as error:
                left_out.append(LeftOut(relative_name(context.batch, file), str(error)))
                raise

        packed = tuple(file for file in files if file.suffix.lower() in _PACKED)
        self.for_each(packed, fetch, lambda file: file.name, context, findings)
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


def _unpack(packed: Path, target: Path) -> None:
    """Unpack whole or not at all; what cannot be read is a `FrameError`, what cannot be written an `OutputError`."""
    if target.exists():
        return
    part = target.with_name(f".{target.name}.part")
    unpack = _gunzip if packed.suffix.lower() == ".gz" else _funpack
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        unpack(packed, part)
        part.replace(target)
    except OSError as error:
        raise output_error(target, error) from error
    finally:
        with contextlib.suppress(OSError):  # the folder itself may be what failed
            part.unlink()


def _gunzip(packed: Path, target: Path) -> None:
    with target.open("wb") as file:
        for piece in _gunzipped(packed):
            file.write(piece)


def _gunzipped(packed: Path) -> Iterator[bytes]:
    try:
        with gzip.open(packed, "rb") as stream:
            while piece := stream.read(2**20):
                yield piece
    except (OSError, EOFError, zlib.error) as error:
        raise FrameError(f"{packed.name} cannot be unpacked: {error}: copy it again") from error


def _funpack(packed: Path, target: Path) -> None:
    require_whole(packed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # faulty cards are handed on as they stand
        _funpacked(packed).writeto(target, output_verify="silentfix", overwrite=True)


def _funpacked(packed: Path) -> fits.PrimaryHDU:
    """The image with its own cards and those of the primary HDU, where cameras' programs leave the facts."""
    try:
        with fits.open(packed) as hdus:
            image = next((hdu for hdu in hdus if isinstance(hdu, fits.CompImageHDU)), None)
            if image is None:
                raise FrameError(f"{packed.name} holds no tile-compressed image: leave it out of the batch")
            return fits.PrimaryHDU(image.data, completed(image.header, hdus[0].header))
    except FrameError:
        raise
    except Exception as error:  # damaged bytes fail in a decoder in any way: CFITSIO's own, KeyError, MemoryError
        raise FrameError(f"{packed.name} cannot be unpacked: {error}: copy it again") from error
