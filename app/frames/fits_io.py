"""Rows of a frame from disk, and products to disk: streamed, atomic, the same bytes every time."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from app.frames.headers import locate_image, require_whole
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
        No such image, or the file ends too early.
    """

    def __init__(self, path: Path, readout: Readout | None = None, pedestal_adu: float = 0.0) -> None:
        self.path = path
        self._pedestal_adu = pedestal_adu
        require_whole(path)
        header, self._offset = locate_image(path)
        self._stored = np.dtype(_STORED_TYPES[header["BITPIX"]])
        self._zero = float(header.get("BZERO", 0.0))
        self._scale = float(header.get("BSCALE", 1.0))
        self._blank = header.get("BLANK") if header["BITPIX"] > 0 else None
        self._stored_rows, self._stored_columns = int(header["NAXIS2"]), int(header["NAXIS1"])
        self._readout = readout if readout is not None and readout.amplifiers else None
        self.rows = self._readout.rows if self._readout else self._stored_rows
        self.columns = self._readout.columns if self._readout else self._stored_columns
        self._file = path.open("rb")
        self._levels = self._overscan_levels()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    @property
    def bytes_per_pixel(self) -> int:
        """Of one value that `read` returns."""
        return 8 if self._readout or self._pedestal_adu else max(self._stored.itemsize, 2)

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
        self._file.seek(self._offset + first_row * self._stored_columns * self._stored.itemsize)
        values = np.fromfile(self._file, self._stored, count)
        if values.size != count:
            raise FrameError(
                f"{self.path.name} ended while it was read: {values.size} of {count} values: copy it again"
            )
        return values.reshape(last_row - first_row, self._stored_columns)

    def _values(self, stored: NDArray[Any]) -> NDArray[Any]:
        """Physical values: BZERO + BSCALE * stored (FITS Standard 4.0, section 4.4.2.5)."""
        native = stored.astype(stored.dtype.newbyteorder("="), copy=False)
        if self._blank is not None:
            scaled = native * self._scale + self._zero
            return np.where(native == self._blank, np.nan, scaled)
        if self._scale == 1.0 and self._zero == 0.0:
            return native
        if self._stored == np.dtype(">i2") and self._scale == 1.0 and self._zero == 32768.0:
            return native.view(np.uint16) ^ np.uint16(0x8000)
        return native * self._scale + self._zero

    def _overscan_levels(self) -> tuple[float, ...]:
        if self._readout is None:
            return ()
        levels = []
        for amplifier in self._readout.amplifiers:
            if amplifier.overscan is None:
                levels.append(0.0)
            else:
                levels.append(overscan_level(self._section(amplifier.overscan)))
        return tuple(levels)

    def _section(self, section: Section) -> NDArray[Any]:
        band = self._values(self._raw(section.first_row, section.last_row))
        return band[:, section.first_column : section.last_column]

    def _trimmed(self, first_row: int, last_row: int) -> NDArray[np.float64]:
        assert self._readout is not None  # noqa: S101 - only called with a readout
        band = np.full((last_row - first_row, self.columns), np.nan)
        for amplifier, level in zip(self._readout.amplifiers, self._levels, strict=True):
            target = amplifier.trimmed
            low, high = max(first_row, target.first_row), min(last_row, target.last_row)
            if low >= high:
                continue
            shift = amplifier.data.first_row - target.first_row
            data = amplifier.data
            pixels = self._section(Section(low + shift, high + shift, data.first_column, data.last_column))
            band[low - first_row : high - first_row, target.first_column : target.last_column] = pixels - level
        return band


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
    except OSError as error:
        with contextlib.suppress(OSError):  # the folder itself may be what failed
            part.unlink()
        raise output_error(path, error) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return digest.hexdigest()


def output_error(path: Path, error: OSError) -> OutputError:
    """Say in one sentence why a file could not be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return OutputError(f"{path} cannot be written: the disk or its quota is full: free space and resume the batch")
    if error.errno in (errno.EROFS, errno.EACCES, errno.EPERM):
        return OutputError(f"{path} cannot be written: {error.strerror}: choose a folder that you may write to")
    return OutputError(f"{path} cannot be written: {error.strerror}: check the disk and resume the batch")


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def replace_header(path: Path, header: fits.Header) -> str:
    """Give a product another header, atomically; returns the new SHA-256."""
    with FrameReader(path) as reader:
        shape = (reader.rows, reader.columns)
        return write_product(
            path, header, shape, (reader.read(*band) for band in bands(reader.rows, reader.columns * 4))
        )


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
