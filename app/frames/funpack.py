"""Tile-compressed files (``.fz``) to plain ones, every image of them, a band of rows at a time."""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning

from app.frames.headers import read_headers, require_whole
from app.model.errors import FrameError

_BLOCK = 2880
_BAND_BYTES = 4 * 2**20
#: Cards of a table that holds a compressed image, and those that are written anew (FITS Standard 4.0, section 10.1).
_OF_TABLE = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|TFIELDS|THEAP|CHECKSUM|DATASUM|"
    r"T(TYPE|FORM|UNIT|DISP|DIM|NULL|SCAL|ZERO)\d+|"
    r"Z(IMAGE|SIMPLE|TENSION|EXTEND|BITPIX|NAXIS\d*|TILE\d+|PCOUNT|GCOUNT|CMPTYPE|NAME\d+|VAL\d+|QUANTIZ|DITHER0|"
    r"MASKCMP|BLANK|SCALE|ZERO|BLOCKED|HECKSUM|DATASUM)"
)


def funpack(packed: Path, target: Path, check: Callable[[], None]) -> None:
    """Unpack a tile-compressed file: its primary header, and each image as an extension; tables are left away.

    Parameters
    ----------
    packed, target : Path
        Compressed file, and the plain one that is written.
    check : callable
        Called between bands.

    Raises
    ------
    FrameError
        It holds no compressed image, or cannot be unpacked.
    OSError
        The target cannot be written.
    """
    require_whole(packed)
    headers = read_headers(packed)
    with target.open("wb") as file, warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)  # faulty cards are handed on as they can be read
        try:
            hdus = fits.open(packed, do_not_scale_image_data=True)
        except Exception as error:
            raise _damaged(packed, error) from error
        with hdus:
            if not any(isinstance(hdu, fits.CompImageHDU) for hdu in hdus):
                raise FrameError(f"{packed.name} holds no tile-compressed image: leave it out of the batch")
            _write_header(file, [("SIMPLE", True), ("BITPIX", 8), ("NAXIS", 0), ("EXTEND", True)], headers[0])
            for hdu, header in zip(hdus, headers, strict=True):
                if isinstance(hdu, fits.CompImageHDU | fits.PrimaryHDU | fits.ImageHDU) and hdu.shape:
                    _write_image(file, packed, hdu, header, check)


def _write_image(file: IO[bytes], packed: Path, hdu: Any, header: fits.Header, check: Callable[[], None]) -> None:
    axes = [(f"NAXIS{axis}", length) for axis, length in enumerate(reversed(hdu.shape), 1)]
    structure = [("XTENSION", "IMAGE"), ("BITPIX", int(header["BITPIX"])), ("NAXIS", len(axes)), *axes]
    _write_header(file, [*structure, ("PCOUNT", 0), ("GCOUNT", 1)], header)
    rows, columns = hdu.shape[-2:]
    tile_rows = int(header.get("ZTILE2", 1))
    height = max(1, _BAND_BYTES // (columns * 8 * tile_rows)) * tile_rows
    size = 0
    for plane in np.ndindex(hdu.shape[:-2]):
        for first in range(0, rows, height):
            check()
            try:
                band = hdu.section[(*plane, slice(first, first + height))]
            except Exception as error:  # damaged bytes fail in a decoder in any way: CFITSIO's own, KeyError, ...
                raise _damaged(packed, error) from error
            stored = np.ascontiguousarray(band, band.dtype.newbyteorder(">"))
            file.write(stored.reshape(-1).view(np.uint8).data)
            size += stored.nbytes
    file.write(bytes(-size % _BLOCK))


def _write_header(file: IO[bytes], structure: list[tuple[str, Any]], header: fits.Header) -> None:
    written = fits.Header(structure)
    for card in header.cards:
        if not _OF_TABLE.fullmatch(card.keyword) and card.value != "COMPRESSED_IMAGE":
            written.append(card, end=True)
    file.write(written.tostring(sep="", endcard=True, padding=True).encode("ascii", "replace"))


def _damaged(packed: Path, error: Exception) -> FrameError:
    return FrameError(f"{packed.name} cannot be unpacked: {error}: copy it again")
