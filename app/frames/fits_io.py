"""Rows of a frame from disk."""

from __future__ import annotations

import hashlib
import math
import os
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from app.frames.headers import is_gzipped, locate_image, locate_plane, require_whole, unreadable, value
from app.frames.readout import Readout, Section, overscan_level
from app.model.errors import FrameError

#: Bytes of raw frames that one band of a stack may hold; about the size at which more no longer helps.
BAND_BYTES = 64 * 2**20

_STORED_TYPES = {8: "u1", 16: ">i2", 32: ">i4", 64: ">i8", -32: ">f4", -64: ">f8"}


@dataclass(frozen=True, slots=True)
class Encoding:
    """How the numbers of a band lie in memory; kernels decode them while they compute.

    Attributes
    ----------
    dtype : dtype
        Native type of the decoded numbers: uint16, int16, int32 or float32.
    is_swapped : bool
        The bytes stand in the order of FITS, which is not this machine's.
    is_offset : bool
        For uint16: the sign bit is flipped (BZERO 32768).
    """

    dtype: np.dtype[Any]
    is_swapped: bool = False
    is_offset: bool = False


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
    plane : str
        EXTNAME of the image that is meant, such as ``DQ`` of a product.

    Attributes
    ----------
    rows, columns : int
        Size of what `read` returns, after trimming.
    encoding : Encoding
        Of what `read_encoded` gives.

    Raises
    ------
    FrameError
        No such image, the file ends too early or cannot be read, or its header lies about it.
    """

    def __init__(self, path: Path, readout: Readout | None = None, pedestal_adu: float = 0.0, plane: str = "") -> None:
        self.path = path
        self._pedestal_adu = pedestal_adu
        require_whole(path)
        found = locate_plane(path, plane) if plane else locate_image(path)
        if found is None:
            raise FrameError(f"{path.name} has no plane {plane}: make it again")
        header, self._offset = found
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
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise unreadable(path, error) from error
        self._seeking = threading.Lock()
        self.encoding = self._encoding()
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

    def read_encoded(self, first_row: int, last_row: int, out: NDArray[Any]) -> None:
        """Read rows [first_row, last_row) as they are encoded; any thread may, also at the same time.

        Parameters
        ----------
        first_row, last_row : int
            Rows of what `read` returns.
        out : ndarray, shape (last_row - first_row, columns), C-contiguous
            Takes the numbers; its type is that of the encoding.
        """
        if self.encoding.is_swapped:
            self._read_stored(first_row, out)
        else:
            out[...] = self.read(first_row, last_row)

    def whole(self) -> NDArray[np.float32]:
        """The whole frame, float32."""
        return np.ascontiguousarray(self.read(0, self.rows), dtype=np.float32)

    def _encoding(self) -> Encoding:
        is_plain = self._readout is None and not self._pedestal_adu and math.isnan(self._blank) and self._scale == 1.0
        native = self._stored.newbyteorder("=")
        if is_plain and self._zero == 32768.0 and native == np.int16:
            return Encoding(np.dtype(np.uint16), is_swapped=sys.byteorder == "little", is_offset=True)
        if is_plain and self._zero == 0.0 and native in (np.int16, np.int32, np.float32):
            return Encoding(native, is_swapped=sys.byteorder == "little")
        return Encoding(np.dtype(np.float32))

    def _raw(self, first_row: int, last_row: int) -> NDArray[Any]:
        values = np.empty((last_row - first_row, self._stored_columns), self._stored)
        self._read_stored(first_row, values)
        return values

    def _read_stored(self, first_row: int, out: NDArray[Any]) -> None:
        """Fill `out` with the bytes of rows from `first_row` on."""
        at = self._offset + first_row * self._stored_columns * self._stored.itemsize
        buffer = out.reshape(-1).view(np.uint8).data
        try:
            if hasattr(os, "preadv"):
                size = os.preadv(self._file.fileno(), [buffer], at)
            else:
                with self._seeking:
                    self._file.seek(at)
                    size = self._file.readinto(buffer)
        except OSError as error:
            raise unreadable(self.path, error) from error
        if size != out.nbytes:
            raise FrameError(f"{self.path.name} ended while it was read: {size} of {out.nbytes} bytes: copy it again")

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


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal; raises `FrameError` when it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise unreadable(path, error) from error
