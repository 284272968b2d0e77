"""How a camera's frame is read out: which part is sky, and where its overscan lies.

FITS sections are written ``[x1:x2,y1:y2]``, 1-based and inclusive; here they are half-open row and column ranges.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from astropy.io.fits import Header
from numpy.typing import NDArray

from app.frames.headers import value
from app.model.errors import FrameError


@dataclass(frozen=True, slots=True)
class Section:
    """A rectangle of pixels: rows [first_row, last_row) and columns [first_column, last_column)."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int

    @classmethod
    def parse(cls, text: str) -> Section:
        """Read ``[x1:x2,y1:y2]``; raises `FrameError` when it is not of that form."""
        from ccdproc.utils.slices import slice_from_string  # takes 1.5 s to import, and few cameras write sections

        try:
            rows, columns = slice_from_string(text, fits_convention=True)
            return cls(rows.start, rows.stop, columns.start, columns.stop).ordered()
        except (ValueError, TypeError) as error:
            raise FrameError(f"section {text!r} is not of the form [x1:x2,y1:y2]: mend the header") from error

    def ordered(self) -> Section:
        """The same rectangle; raises ValueError when it is open, empty or read backwards."""
        if not (0 <= self.first_row < self.last_row and 0 <= self.first_column < self.last_column):
            raise ValueError(f"{self} is no rectangle")
        return self

    def moved(self, rows: int, columns: int) -> Section:
        """The rectangle, that many pixels further."""
        return Section(
            self.first_row + rows, self.last_row + rows, self.first_column + columns, self.last_column + columns
        )

    @property
    def rows(self) -> int:
        """Height in pixels."""
        return self.last_row - self.first_row

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return self.last_column - self.first_column


@dataclass(frozen=True, slots=True)
class Amplifier:
    """One output of the detector: its sky pixels, its overscan, and where its pixels go in the trimmed frame."""

    data: Section
    overscan: Section | None
    trimmed: Section


@dataclass(frozen=True, slots=True)
class Readout:
    """The treatment of every frame of one camera; frames match only when theirs is the same.

    Attributes
    ----------
    rows, columns : int
        Size after trimming.
    amplifiers : tuple of Amplifier
        Empty when the frame is taken as it is.
    """

    rows: int
    columns: int
    amplifiers: tuple[Amplifier, ...] = ()

    @property
    def name(self) -> str:
        """Short text for provenance and matching."""
        if not self.amplifiers:
            return "as stored"
        overscans = sum(amplifier.overscan is not None for amplifier in self.amplifiers)
        return f"{len(self.amplifiers)} amplifier(s), {overscans} overscan(s), trimmed to {self.columns}x{self.rows}"


def readout_of(header: Header, rows: int, columns: int) -> Readout:
    """Read the sections of a raw frame's header.

    One amplifier: TRIMSEC (else DATASEC) and BIASSEC. Several: DATASEC1, BIASSEC1, and where the pixels go in
    DETSEC1 or CCDSEC1, up to 64; a corner of a mosaic is moved to the origin.

    Parameters
    ----------
    header : Header
        Of the raw frame.
    rows, columns : int
        Size as stored.

    Raises
    ------
    FrameError
        A section is malformed, lies outside of the frame, or is not of the size of its pixels.
    """
    amplifiers = tuple(_numbered(header)) or tuple(_single(header))
    for amplifier in amplifiers:
        for section in (amplifier.data, amplifier.overscan):
            if section is not None and (section.last_row > rows or section.last_column > columns):
                raise FrameError(
                    f"section {section} lies outside of the {columns}x{rows} frame: mend the sections in the header"
                )
    if all(amplifier.overscan is None and _is_whole(amplifier, rows, columns) for amplifier in amplifiers):
        return Readout(rows, columns)
    trimmed = Readout(
        max(amplifier.trimmed.last_row for amplifier in amplifiers),
        max(amplifier.trimmed.last_column for amplifier in amplifiers),
        amplifiers,
    )
    if trimmed.rows > rows or trimmed.columns > columns:
        raise FrameError(
            f"the amplifiers' sections make a frame of {trimmed.columns}x{trimmed.rows}, larger than the "
            f"{columns}x{rows} that are stored: mend DETSEC in the header"
        )
    return trimmed


def _single(header: Header) -> list[Amplifier]:
    trim = value(header, "TRIMSEC", "DATASEC")
    if not isinstance(trim, str):
        return []
    data = Section.parse(trim)
    bias = value(header, "BIASSEC")
    overscan = Section.parse(bias) if isinstance(bias, str) else None
    return [Amplifier(data, overscan, Section(0, data.rows, 0, data.columns))]


def _numbered(header: Header) -> list[Amplifier]:
    found: list[tuple[Section, Section | None, Section]] = []
    for number in range(1, 65):
        data = value(header, f"DATASEC{number}", f"TRIMSEC{number}")
        target = value(header, f"DETSEC{number}", f"CCDSEC{number}")
        if not isinstance(data, str) or not isinstance(target, str):
            break
        bias = value(header, f"BIASSEC{number}")
        overscan = Section.parse(bias) if isinstance(bias, str) else None
        pixels, place = Section.parse(data), Section.parse(target)
        if (pixels.rows, pixels.columns) != (place.rows, place.columns):
            raise FrameError(
                f"DATASEC{number} {data} has {pixels.columns}x{pixels.rows} pixels, its place {target} on the detector "
                f"{place.columns}x{place.rows}: mend the sections in the header"
            )
        found.append((pixels, overscan, place))
    row = min((place.first_row for _, _, place in found), default=0)
    column = min((place.first_column for _, _, place in found), default=0)
    return [Amplifier(pixels, overscan, place.moved(-row, -column)) for pixels, overscan, place in found]


def _is_whole(amplifier: Amplifier, rows: int, columns: int) -> bool:
    return amplifier.data == Section(0, rows, 0, columns)


def overscan_level(pixels: NDArray[Any]) -> float:
    """Bias level of an amplifier: the median of its overscan, adu."""
    return float(np.median(pixels))
