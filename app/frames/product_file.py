"""Products to disk: streamed band by band into a preallocated file, whole or not there, the same bytes every time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from app.frames.fits_io import checksum
from app.frames.headers import locate_image, unreadable
from app.frames.star_table import star_table_at
from app.model.errors import OutputError

BLOCK = 2880
_COPY_BYTES = 2**20
#: Before the digest of a draft, which is no SHA-256 of its file.
_DRAFT = "draft:"
#: Columns of 64-bit words that are summed for it.
_SUMS = 512
_BITPIX = {"u1": 8, ">f4": -32}


@dataclass(frozen=True, slots=True)
class Plane:
    """One image of a product: the primary one has no name, the others are extensions.

    Attributes
    ----------
    name : str
        EXTNAME, such as ``DQ``.
    dtype : str
        ``">f4"`` or ``"u1"``.
    cards : tuple of (keyword, value, comment)
        Of the extension's own header.
    """

    name: str = ""
    dtype: str = ">f4"
    cards: tuple[tuple[str, Any, str], ...] = ()


#: The pixels, and planes that go with them.
PIXELS = Plane()


@dataclass(frozen=True, slots=True)
class Layout:
    """Where the planes of a product lie in the file that is being made: enough for another process to write a band.

    Attributes
    ----------
    part : Path
        The unfinished file.
    rows, columns : int
        Size of every plane.
    dtypes : tuple of str
        Of each plane, in its byte order on disk.
    offsets : tuple of int
        Where each plane begins, in bytes.
    """

    part: Path
    rows: int
    columns: int
    dtypes: tuple[str, ...]
    offsets: tuple[int, ...]

    def write(self, plane: int, first_row: int, values: NDArray[Any]) -> None:
        """Write whole rows of a plane, from `first_row` on; bands may come in any order, from any thread or process.

        Raises
        ------
        OutputError
            The disk is full, read-only or gone.
        """
        with self.opened() as part:
            part.write(plane, first_row, values)

    def opened(self) -> Part:
        """The file, for many bands; ``with layout.opened() as part``. Raises as `write`."""
        return Part(self)

    def read(self, plane: int, first_row: int, last_row: int) -> NDArray[Any]:
        """Rows [first_row, last_row) of a plane as they were written, in this machine's byte order.

        Raises
        ------
        OutputError
            The disk is gone.
        """
        dtype = np.dtype(self.dtypes[plane])
        offset = self.offsets[plane] + first_row * self.columns * dtype.itemsize
        try:
            stored = np.fromfile(self.part, dtype, (last_row - first_row) * self.columns, offset=offset)
        except OSError as error:
            raise output_error(self.part, error) from error
        return stored.astype(dtype.newbyteorder("="), copy=False).reshape(-1, self.columns)


class Part:
    """The unfinished file of a product, open for many bands; see `Layout.opened`."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        try:
            self._file = layout.part.open("r+b", buffering=0)
        except OSError as error:
            raise output_error(layout.part, error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def write(self, plane: int, first_row: int, values: NDArray[Any]) -> None:
        """As `Layout.write`; values that are contiguous and of the plane's own type are not copied."""
        layout = self._layout
        dtype = np.dtype(layout.dtypes[plane])
        left = np.ascontiguousarray(values, dtype).reshape(-1).view(np.uint8).data
        try:
            self._file.seek(layout.offsets[plane] + first_row * layout.columns * dtype.itemsize)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            raise output_error(layout.part, error) from error


class NewProduct:
    """A product that is being made: ``with NewProduct(...) as product``, bands to its layout, then `finish`.

    What a later step writes anew, with another header, is finished as a draft.

    Left without `finish`, it leaves nothing behind.

    Parameters
    ----------
    path : Path
        The product; its folder is made.
    header : Header
        Cards after the structural ones.
    shape : tuple of int
        (rows, columns).
    planes : sequence of Plane
        The pixels first.

    Attributes
    ----------
    layout : Layout
        Takes the bands.

    Raises
    ------
    OutputError
        The disk is full, which is known before the first band, or read-only or gone.
    """

    def __init__(self, path: Path, header: Header, shape: tuple[int, int], planes: Sequence[Plane] = (PIXELS,)) -> None:
        self._path = path
        part = path.with_name(f".{path.name}.part")
        headers = [_header_bytes(header, shape, plane, has_more=len(planes) > 1) for plane in planes]
        sizes = [shape[0] * shape[1] * np.dtype(plane.dtype).itemsize for plane in planes]
        offsets, at = [], 0
        for text, size in zip(headers, sizes, strict=True):
            offsets.append(at + len(text))
            at = offsets[-1] + size + -size % BLOCK
        self.layout = Layout(part, *shape, tuple(plane.dtype for plane in planes), tuple(offsets))
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("wb") as file:
                _allocate(file.fileno(), at)
                for text, offset in zip(headers, offsets, strict=True):
                    file.seek(offset - len(text))
                    file.write(text)
        except BaseException as error:
            self._discard()
            if isinstance(error, OSError):
                raise output_error(path, error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._discard()

    def finish(self) -> str:
        """Put the product in its place, onto the disk.

        Returns
        -------
        str
            SHA-256 of the file, hexadecimal.

        Raises
        ------
        OutputError
            The disk is read-only or gone.
        """
        digest = checksum(self.layout.part)
        try:
            _install(self.layout.part, self._path)
        except OSError as error:
            raise output_error(self._path, error) from error
        return digest

    def finish_draft(self) -> str:
        """Put the product in its place, for `replace_header` to come: what a crash takes from it is seen, and no loss.

        Returns
        -------
        str
            What `is_unchanged` knows the file by; costs a fifth of a SHA-256.

        Raises
        ------
        OutputError
            The disk is read-only or gone.
        """
        try:
            digest = _digest_of_draft(self.layout.part)
            self.layout.part.replace(self._path)
        except OSError as error:
            raise output_error(self._path, error) from error
        return digest

    def _discard(self) -> None:
        with contextlib.suppress(OSError):  # finished, or the folder itself is what failed
            self.layout.part.unlink()


def is_unchanged(path: Path, digest: str) -> bool:
    """Whether a file is what it was when it was finished; `digest` is what `NewProduct` or `replace_header` returned.

    Raises
    ------
    FrameError
        It cannot be read.
    """
    if not digest.startswith(_DRAFT):
        return checksum(path) == digest
    try:
        return _digest_of_draft(path) == digest
    except OSError as error:
        raise unreadable(path, error) from error


def write_product(path: Path, header: Header, shape: tuple[int, int], rows: Iterable[NDArray[Any]]) -> str:
    """Write a float32 image, whole or not at all.

    Parameters
    ----------
    path : Path
        The product; its folder is made.
    header : Header
        Cards after the structural ones.
    shape : tuple of int
        (rows, columns).
    rows : iterable of ndarray
        Bands of rows from the first to the last, adu.

    Returns
    -------
    str
        SHA-256 of the file, hexadecimal.

    Raises
    ------
    OutputError
        The disk is full, read-only or gone; nothing is left behind.
    """
    with NewProduct(path, header, shape) as product:
        first = 0
        for band in rows:
            product.layout.write(0, first, band)
            first += len(band)
        return product.finish()


def replace_header(path: Path, header: Header, *, tail: bytes | None = None) -> str:
    """Give a product another primary header, atomically, its planes as they are.

    Parameters
    ----------
    path : Path
        The product.
    header : Header
        Cards after the structural ones.
    tail : bytes, optional
        From `star_table_bytes`: takes the place of the table of stars, which is always last; without it that stays.

    Returns
    -------
    str
        SHA-256 of the file, hexadecimal.

    Raises
    ------
    FrameError, OutputError
        The product cannot be read, or not written.
    """
    old, data_at = locate_image(path)
    has_more = tail is not None or old.get("EXTEND") is True
    text = _header_bytes(header, (int(old["NAXIS2"]), int(old["NAXIS1"])), PIXELS, has_more=has_more)
    end = None if tail is None else star_table_at(path)
    part = path.with_name(f".{path.name}.part")
    digest = hashlib.sha256(text)
    try:
        with path.open("rb", buffering=0) as source, part.open("wb", buffering=0) as target:
            left = (path.stat().st_size if end is None else end) - data_at
            source.seek(data_at)
            target.write(text)
            while piece := source.read(min(_COPY_BYTES, left)):
                left -= len(piece)
                digest.update(piece)
                target.write(piece)
            digest.update(tail or b"")
            target.write(tail or b"")
        _install(part, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return digest.hexdigest()


def output_error(path: Path, error: OSError) -> OutputError:
    """Say in one sentence why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(f"{path} cannot be written: the disk or its quota is full: free space and resume the batch")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return OutputError(f"{path} cannot be written: {error.strerror}: choose a folder that you may write to")
    return OutputError(f"{path} cannot be written: {error.strerror or error}: check the disk and resume the batch")


def _header_bytes(header: Header, shape: tuple[int, int], plane: Plane, *, has_more: bool) -> bytes:
    structure = Header(
        [
            ("XTENSION", "IMAGE", "image extension") if plane.name else ("SIMPLE", True, "conforms to FITS"),
            ("BITPIX", _BITPIX[plane.dtype], "bits of a value, negative for floating point"),
            ("NAXIS", 2, "number of axes"),
            ("NAXIS1", shape[1], "columns"),
            ("NAXIS2", shape[0], "rows"),
        ]
    )
    if plane.name:
        for row in (("PCOUNT", 0, ""), ("GCOUNT", 1, ""), ("EXTNAME", plane.name, ""), *plane.cards):
            structure.append(row, end=True)
    else:
        if has_more:
            structure.append(("EXTEND", True, "planes follow"), end=True)
        structure.extend(header, strip=True, unique=False)
    text: str = structure.tostring(sep="", endcard=True, padding=True)
    return text.encode("ascii")


def _digest_of_draft(path: Path) -> str:
    """SHA-256 over sums of columns of words: damage changes it as surely, though who means to could get round it."""
    digest = hashlib.sha256()
    buffer = np.empty((_COPY_BYTES // (8 * _SUMS), _SUMS), "<u8")
    with path.open("rb", buffering=0) as file:
        while size := file.readinto(buffer.reshape(-1).view(np.uint8).data):
            buffer.reshape(-1).view(np.uint8)[size:] = 0
            digest.update(buffer.sum(axis=0).data)
        digest.update(file.tell().to_bytes(8, "little"))
    return _DRAFT + digest.hexdigest()


def _allocate(handle: int, size: int) -> None:
    """Take the disk space before the first band, so that a full disk is known at once."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(handle, 0, size)
    else:
        os.truncate(handle, size)


def _install(part: Path, path: Path) -> None:
    with part.open("r+b") as file:
        os.fsync(file.fileno())
    part.replace(path)
    if os.name == "posix":  # a rename is durable only when its folder is
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
