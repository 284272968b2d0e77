"""Products to disk: streamed band by band into a preallocated file, whole or not there, the same bytes every time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from io import RawIOBase
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
_CARD = 80
_COPY_BYTES = 2**20
#: Room in the header of a draft for the cards that are to come: blank cards before END (FITS Standard 4.0, 4.4.2.4).
_ROOM_BYTES = 4 * BLOCK
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

    A draft has room in its header, and gets its last cards by `replace_header`: until then it is not forced onto the
    disk, for what a crash takes from it is seen, and no loss.

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
    is_draft : bool
        Whether a later step gives it another header.

    Attributes
    ----------
    layout : Layout
        Takes the bands.

    Raises
    ------
    OutputError
        The disk is full, which is known before the first band, or read-only or gone.
    """

    def __init__(
        self,
        path: Path,
        header: Header,
        shape: tuple[int, int],
        planes: Sequence[Plane] = (PIXELS,),
        *,
        is_draft: bool = False,
    ) -> None:
        self._path, self._is_draft = path, is_draft
        part = path.with_name(f".{path.name}.part")
        headers = [_header_bytes(header, shape, plane, has_more=len(planes) > 1) for plane in planes]
        if is_draft:
            headers[0] = _roomy(headers[0], len(headers[0]) + _ROOM_BYTES)
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
        """Put the product in its place; onto the disk, unless it is a draft.

        Returns
        -------
        str
            SHA-256 of the file, hexadecimal; of a draft, a digest for a fifth of the time. `is_unchanged` knows both.

        Raises
        ------
        OutputError
            The disk is read-only or gone.
        """
        part = self.layout.part
        try:
            digest = _digest_of_draft(part) if self._is_draft else checksum(part)
            _install(part, self._path, is_draft=self._is_draft)
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
    """Give a product another primary header, its planes as they are, and put it onto the disk.

    Where the cards have room, as in a draft, the file is changed under another name: a crash leaves no product, never
    half of one, and it is made again. Else it is copied.

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
    part = path.with_name(f".{path.name}.part")
    try:
        end = path.stat().st_size if tail is None else star_table_at(path) or path.stat().st_size
        if len(text) <= data_at:
            path.replace(part)
            with part.open("r+b", buffering=0) as file:
                _write_all(file, _roomy(text, data_at))
        else:
            with path.open("rb", buffering=0) as source, part.open("wb", buffering=0) as target:
                source.seek(data_at)
                _write_all(target, text)
                while piece := source.read(_COPY_BYTES):
                    _write_all(target, piece)
            end += len(text) - data_at
        if tail is not None:
            with part.open("r+b", buffering=0) as file:
                file.truncate(end)
                file.seek(end)
                _write_all(file, tail)
        digest = checksum(part)
        _install(part, path)
    except OSError as error:
        raise output_error(path, error) from error
    finally:
        with contextlib.suppress(OSError):
            part.unlink()
    return digest


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


def _roomy(header: bytes, size: int) -> bytes:
    """The same header with blank cards before its END, so that it takes so many bytes."""
    cards = header[: header.rindex(b"END".ljust(_CARD))]
    end_at = max(len(cards), size - BLOCK)
    return cards.ljust(end_at) + b"END".ljust(size - end_at)


def _write_all(file: RawIOBase, content: bytes) -> None:
    left = memoryview(content)
    while left:
        left = left[file.write(left) or 0 :]


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


def _install(part: Path, path: Path, *, is_draft: bool = False) -> None:
    if not is_draft:
        with part.open("r+b") as file:
            os.fsync(file.fileno())
    part.replace(path)
    if os.name == "posix" and not is_draft:  # a rename is durable only when its folder is
        handle = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
