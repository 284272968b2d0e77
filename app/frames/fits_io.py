"""Rows of a frame from disk, and products to disk: streamed, atomic, the same bytes every time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import math
import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from astropy.io import fits
from astropy.io.fits import Header
from numpy.typing import NDArray

from app.frames.headers import is_gzipped, locate_image, require_whole, unreadable, value
from app.frames.readout import Readout, Section, overscan_level
from app.model.errors import FrameError, OutputError

BLOCK = 2880
#: Bytes of raw frames that one band of a stack may hold; about the size at which more no longer helps.
BAND_BYTES = 64 * 2**20

_STORED_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


class FrameReader:
    """Rows of one uncompressed FITS image, as adu.

    Parameters
    ----------
    path : Path
        A plain FITS file; the first image with two axes, or three with one plane, is read.
    readout : Readout, optional
        Overscan and trimming to apply; without it the frame is read as stored.
    pedestal_adu : float
        Added to every value.

    Attributes
    ----------
    rows, columns : int
        Size of what `read` returns, after trimming.

    Raises
    ------
    FrameError
        No such image, the file ends too early or cannot be read, or its header lies about it.
    """

    def __init__(self, path: Path, readout: Readout | None = None, pedestal_adu: float = 0.0) -> None:
        self.path = path
        self._pedestal_adu = pedestal_adu
        require_whole(path)
        header, self._offset = locate_image(path)
        self._stored = _stored_type(path, header)
        self._zero = _number(path, header, "BZERO", 0.0)
        self._scale = _number(path, header, "BSCALE", 1.0)
        self._blank = math.nan if self._stored.kind == "f" else _number(path, header, "BLANK", math.nan)
        self._stored_rows, self._stored_columns = int(header["NAXIS2"]), int(header["NAXIS1"])
        self._readout = readout if readout is not None and readout.amplifiers else None
        self.rows = self._readout.rows if self._readout else self._stored_rows
        self.columns = self._readout.columns if self._readout else self._stored_columns
        try:
            if is_gzipped(path):
                raise FrameError(f"{path.name} is gzipped although its name does not say so: name it .fits.gz")
            self._file = path.open("rb")
        except OSError as error:
            raise unreadable(path, error) from error
        try:
            self._levels = self._overscan_levels()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def bytes_per_pixel(self) -> int:
        """Of one value that `read` returns."""
        return self.read(0, 0).dtype.itemsize

    @property
    def shift_adu(self) -> float:
        """What `read` adds to a stored value: pedestal less overscan, of the amplifier with the highest overscan."""
        return self._pedestal_adu - max(self._levels, default=0.0)

    def read(self, first_row: int, last_row: int) -> NDArray[Any]:
        """Rows [first_row, last_row) in adu.

        Integers stay integers of their own type when nothing was done to them, so that statistics are exact;
        otherwise float64.
        """
        if self._readout is None:
            values = self._values(self._raw(first_row, last_row))
        else:
            values = self._trimmed(first_row, last_row)
        return values + self._pedestal_adu if self._pedestal_adu else values

    def whole(self) -> NDArray[np.float32]:
        """The whole frame, float32."""
        return np.ascontiguousarray(self.read(0, self.rows), dtype=np.float32)

    def _raw(self, first_row: int, last_row: int) -> NDArray[Any]:
        count = (last_row - first_row) * self._stored_columns
        values = np.empty(count, self._stored)
        try:
            self._file.seek(self._offset + first_row * self._stored_columns * self._stored.itemsize)
            size = self._file.readinto(values.view(np.uint8).data)  # numpy.fromfile takes a failed disk for the end
        except OSError as error:
            raise unreadable(self.path, error) from error
        if size != values.nbytes:
            raise FrameError(
                f"{self.path.name} ended while it was read: {size} of {values.nbytes} bytes: copy it again"
            )
        return values.reshape(last_row - first_row, self._stored_columns)

    def _values(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Physical values: BZERO + BSCALE * stored (FITS Standard 4.0, section 4.4.2.5)."""
        native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        if not math.isnan(self._blank):
            scaled = native * self._scale + self._zero
            return np.where(native == self._blank, np.nan, scaled)
        if self._scale == 1.0 and self._zero == 0.0:
            return native
        if self._stored == np.dtype(">i2") and self._scale == 1.0 and self._zero == 32768.0:
            return native.view(np.uint16) ^ np.uint16(0x8000)
        return native * self._scale + self._zero

    def _overscan_levels(self) -> tuple[float, ...]:
        """Bias of each amplifier, adu; 0 without overscan."""
        amplifiers = self._readout.amplifiers if self._readout else ()
        sections = [amplifier.overscan for amplifier in amplifiers]
        pixels = iter(self._sections([section for section in sections if section is not None]))
        return tuple(0.0 if section is None else overscan_level(next(pixels)) for section in sections)

    def _sections(self, sections: Sequence[Section]) -> Iterator[NDArray[Any]]:
        """Values of each section; amplifiers side by side share their rows, which are read once."""
        rows: dict[tuple[int, int], NDArray[Any]] = {}
        for section in sections:
            wanted = section.first_row, section.last_row
            if wanted not in rows:
                rows[wanted] = self._raw(*wanted)
            yield self._values(rows[wanted][:, section.first_column : section.last_column])

    def _trimmed(self, first_row: int, last_row: int) -> NDArray[np.float64]:
        assert self._readout is not None  # noqa: S101 - only called with a readout
        band = np.full((last_row - first_row, self.columns), np.nan)
        sources, targets = [], []
        for amplifier, level in zip(self._readout.amplifiers, self._levels, strict=True):
            data, target = amplifier.data, amplifier.trimmed
            low, high = max(first_row, target.first_row), min(last_row, target.last_row)
            if low < high:
                shift = data.first_row - target.first_row
                sources.append(Section(low + shift, high + shift, data.first_column, data.last_column))
                targets.append(
                    (band[low - first_row : high - first_row, target.first_column : target.last_column], level)
                )
        for pixels, (place, level) in zip(self._sections(sources), targets, strict=True):
            np.subtract(pixels, level, out=place)
        return band


def _stored_type(path: Path, header: Header) -> np.dtype[Any]:
    """How the pixels are stored, as BITPIX says (FITS Standard 4.0, table 8)."""
    if value(header, "ZIMAGE") is True:
        raise FrameError(f"{path.name} is tile-compressed although its name does not say so: name it .fits.fz")
    bits = value(header, "BITPIX")
    if not isinstance(bits, int | float) or bits not in _STORED_TYPES:
        raise FrameError(f"{path.name}: BITPIX is {bits!r}, not {', '.join(map(str, _STORED_TYPES))}: mend the header")
    return np.dtype(_STORED_TYPES[int(bits)])


def _number(path: Path, header: Header, name: str, default: float) -> float:
    found = value(header, name)
    try:
        return default if found is None else float(found)
    except ValueError as error:
        raise FrameError(f"{path.name}: {name} is {found!r}, which is no number: mend the header") from error


def bands(rows: int, row_bytes: int) -> Iterator[tuple[int, int]]:
    """Cut `rows` rows into bands of at most `BAND_BYTES` when all inputs together take `row_bytes` a row."""
    height = max(1, min(rows, BAND_BYTES // max(row_bytes, 1)))
    for first in range(0, rows, height):
        yield first, min(rows, first + height)


def write_product(path: Path, header: fits.Header, shape: tuple[int, int], rows: Iterable[NDArray[Any]]) -> str:
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
    part = path.with_name(f".{path.name}.part")
    digest = hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with part.open("wb") as file:
            size = 0
            for chunk in _chunks(header, shape, rows):
                file.write(chunk)
                digest.update(chunk)
                size += len(chunk)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
        _sync_folder(path.parent)
    except BaseException as error:
        with contextlib.suppress(OSError):  # the folder itself may be what failed
            part.unlink()
        if isinstance(error, OSError):  # of the output: those of the input are FrameErrors
            raise output_error(path, error) from error
        raise
    return digest.hexdigest()


def output_error(path: Path, error: OSError) -> OutputError:
    """Say in one sentence why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(f"{path} cannot be written: the disk or its quota is full: free space and resume the batch")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return OutputError(f"{path} cannot be written: {error.strerror}: choose a folder that you may write to")
    return OutputError(f"{path} cannot be written: {error.strerror or error}: check the disk and resume the batch")


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; raises `FrameError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error


def replace_header(path: Path, header: fits.Header) -> str:
    """Give a product another header, atomically; returns the new SHA-256."""
    with FrameReader(path) as reader:
        shape = (reader.rows, reader.columns)

    def rows() -> Iterator[NDArray[Any]]:
        """Closes the file behind its last row: Windows replaces no file that is open."""
        with FrameReader(path) as reader:
            for band in bands(reader.rows, reader.columns * reader.bytes_per_pixel):
                yield reader.read(*band)

    return write_product(path, header, shape, rows())


def _chunks(header: fits.Header, shape: tuple[int, int], rows: Iterable[NDArray[Any]]) -> Iterator[bytes]:
    structure = fits.Header(
        [
            ("SIMPLE", True, "conforms to FITS"),
            ("BITPIX", -32, "32-bit floating point"),
            ("NAXIS", 2, "number of axes"),
            ("NAXIS1", shape[1], "columns"),
            ("NAXIS2", shape[0], "rows"),
        ]
    )
    structure.extend(header, strip=True, unique=False)
    yield structure.tostring(sep="", endcard=True, padding=True).encode("ascii")
    written = 0
    for band in rows:
        chunk = np.ascontiguousarray(band, dtype=">f4").tobytes()
        written += len(chunk)
        yield chunk
    yield b"\0" * (-written % BLOCK)


def _sync_folder(folder: Path) -> None:
    if os.name == "posix":  # a rename is durable only when its folder is
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
