"""The stars of a product as its last extension, so that nobody has to search for them again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from numpy.typing import NDArray

from app.frames.headers import unreadable
from app.frames.provenance import CardRow
from app.model.errors import FrameError

#: EXTNAME of the table.
STARS = "STARS"

_BLOCK = 2880
_FORMATS = {"f": ("D", ">f8"), "b": ("L", "S1")}


def star_table_bytes(columns: Mapping[str, tuple[NDArray[Any], str]], cards: Sequence[CardRow]) -> bytes:
    """A binary table extension, the same bytes for the same stars.

    Parameters
    ----------
    columns : mapping of str to (ndarray, str)
        Name of each column, its values, float or bool, one per star, and their unit or nothing.
    cards : sequence of (keyword, value, comment)
        What describes the frame.

    Returns
    -------
    bytes
        Header and data in whole blocks (FITS Standard 4.0, section 7.3), to follow the last plane of a product.
    """
    formats = {name: _FORMATS[values.dtype.kind] for name, (values, _) in columns.items()}
    rows = np.empty(
        len(next(iter(columns.values()))[0]), np.dtype([(name, stored) for name, (_, stored) in formats.items()])
    )
    for name, (values, _) in columns.items():
        rows[name] = np.where(values, b"T", b"F") if values.dtype.kind == "b" else values
    header = fits.Header(
        [
            ("XTENSION", "BINTABLE", "binary table extension"),
            ("BITPIX", 8, ""),
            ("NAXIS", 2, ""),
            ("NAXIS1", rows.dtype.itemsize, "bytes in a row"),
            ("NAXIS2", len(rows), "stars"),
            ("PCOUNT", 0, ""),
            ("GCOUNT", 1, ""),
            ("TFIELDS", len(columns), "columns"),
        ]
    )
    for number, (name, (_, unit)) in enumerate(columns.items(), 1):
        header[f"TTYPE{number}"] = name
        header[f"TFORM{number}"] = formats[name][0]
        if unit:
            header[f"TUNIT{number}"] = unit
    header["EXTNAME"] = STARS
    for row in cards:
        header.append(row, end=True)
    text: str = header.tostring(sep="", endcard=True, padding=True)
    data = rows.tobytes()
    return text.encode("ascii") + data + bytes(-len(data) % _BLOCK)


def star_table_at(path: Path) -> int | None:
    """Where the table of stars of a product begins, in bytes; None without one.

    Raises
    ------
    FrameError
        The file cannot be read.
    """
    with _opened(path) as planes:
        return int(planes.fileinfo(STARS)["hdrLoc"]) if STARS in planes else None


def read_star_table(path: Path) -> tuple[dict[str, NDArray[Any]], fits.Header] | None:
    """Read what `star_table_bytes` made.

    Returns
    -------
    dict of str to ndarray
        Columns, float64 or bool.
    Header
        Of the table.
    None
        If the product has no table of stars.

    Raises
    ------
    FrameError
        The file cannot be read.
    """
    with _opened(path) as planes:
        if STARS not in planes:
            return None
        table = planes[STARS]
        columns = {
            column.name: np.array(table.data[column.name], bool if column.format == "L" else np.float64)
            for column in table.columns
        }
        return columns, table.header


@contextmanager
def _opened(path: Path) -> Iterator[fits.HDUList]:
    """The planes of a product, whose pixels are not read."""
    try:
        with fits.open(path, memmap=False, lazy_load_hdus=True) as planes:
            yield planes
    except FileNotFoundError as error:
        raise unreadable(path, error) from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise FrameError(f"{path.name} has a table of stars that cannot be read ({error}): make it again") from error
