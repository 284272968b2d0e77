"""How a camera's frame is read out: which part is sky, where its overscan lies, and where each amplifier's pixels go.

FITS sections are written ``[x1:x2,y1:y2]``, 1-based and inclusive; here they are half-open row and column ranges.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import TYPE_CHECKING

from astropy.io.fits import Header

from app.frames.dialects import facts
from app.frames.headers import value
from app.model.errors import FrameError

if TYPE_CHECKING:
    from app.model.settings import Camera

#: Of numbered cards in one header; no detector has more outputs.
_MOST_AMPLIFIERS = 64
_WRITTEN = re.compile(r"\[\s*(\d+)\s*:\s*(\d+)\s*,\s*(\d+)\s*:\s*(\d+)\s*\]")
#: In the name of every readout with amplifiers.
_AMPLIFIERS = " amplifier(s), "
#: How programs say in BIASSEC that there is none.
_NO_OVERSCAN = re.compile(r"\[\s*0\s*:\s*0\s*,\s*0\s*:\s*0\s*\]|\s*")


@dataclass(frozen=True, slots=True)
class Section:
    """A rectangle of pixels: rows [first_row, last_row) and columns [first_column, last_column)."""

    first_row: int
    last_row: int
    first_column: int
    last_column: int

    @classmethod
    def parse(cls, text: str) -> Section:
        """Read ``[x1:x2,y1:y2]``, in whichever direction; raises `FrameError` when it is not of that form."""
        return _Written.parse(text).section

    def moved(self, rows: int, columns: int) -> Section:
        """The rectangle, that many pixels further."""
        return Section(
            self.first_row + rows, self.last_row + rows, self.first_column + columns, self.last_column + columns
        )

    def overlaps(self, other: Section) -> bool:
        """Whether the rectangles have a pixel in common."""
        rows = min(self.last_row, other.last_row) - max(self.first_row, other.first_row)
        columns = min(self.last_column, other.last_column) - max(self.first_column, other.first_column)
        return rows > 0 and columns > 0

    @property
    def rows(self) -> int:
        """Height in pixels."""
        return self.last_row - self.first_row

    @property
    def columns(self) -> int:
        """Width in pixels."""
        return self.last_column - self.first_column

    def __str__(self) -> str:
        """As FITS writes it."""
        return f"[{self.first_column + 1}:{self.last_column},{self.first_row + 1}:{self.last_row}]"


@dataclass(frozen=True, slots=True)
class Backwards:
    """Axes of a section that run from its last pixel to its first."""

    rows: bool = False
    columns: bool = False


@dataclass(frozen=True, slots=True)
class Amplifier:
    """One output of the detector: its sky pixels, its overscan, and where its pixels go in the trimmed frame.

    Attributes
    ----------
    data, overscan, trimmed : Section
        Sky pixels and overscan as stored; place in the trimmed frame.
    image : int
        Which image of the file holds data and overscan, from 0.
    read, placed : Backwards
        Direction of the readout in the stored image, and of the readout in the trimmed frame: a data section or a
        place that is written backwards. Where just one of them is, the pixels are mirrored.
    is_dead : bool
        Its pixels are not used: they are NaN.
    """

    data: Section
    overscan: Section | None
    trimmed: Section
    image: int = 0
    read: Backwards = Backwards()
    placed: Backwards = Backwards()
    is_dead: bool = False


@dataclass(frozen=True, slots=True)
class Readout:
    """The treatment of every frame of one camera; frames match only when theirs is the same.

    Attributes
    ----------
    rows, columns : int
        Size after trimming.
    amplifiers : tuple of Amplifier
        Empty when the frame is taken as it is.
    crosstalk : tuple of tuple of float
        ``crosstalk[victim][source]`` of the counts of the source amplifier are taken off the victim's; may be empty.
    by_settings : str
        Tells the sections of the camera's settings from others; empty when those of the header are used.
    """

    rows: int
    columns: int
    amplifiers: tuple[Amplifier, ...] = ()
    crosstalk: tuple[tuple[float, ...], ...] = ()
    by_settings: str = ""

    @property
    def name(self) -> str:
        """Short text for provenance and matching."""
        if not self.amplifiers:
            return "as stored"
        overscans = sum(amplifier.overscan is not None for amplifier in self.amplifiers)
        dead = [str(number) for number, amplifier in enumerate(self.amplifiers, 1) if amplifier.is_dead]
        words = [
            f"{len(self.amplifiers)}{_AMPLIFIERS}{overscans} overscan(s), trimmed to {self.columns}x{self.rows}",
            f"sections {self.by_settings} of the settings" if self.by_settings else "",
            f"dead {' '.join(dead)}" if dead else "",
            f"crosstalk {_digest(self.crosstalk)} removed" if self.crosstalk else "",
        ]
        return ", ".join(filter(None, words))


def readout_mode(name: str | None, readout: Readout | None) -> str | None:
    """The name of the camera's readout mode, completed with that of the readout: frames match when it is the same."""
    if readout is None or not readout.amplifiers:
        return name
    return "; ".join(filter(None, (name, readout.name)))


def is_mode_of(readout: Readout | None, mode: str | None) -> bool:
    """Whether `readout_mode` could have made this of the readout."""
    if readout is None or not readout.amplifiers:
        return _AMPLIFIERS not in (mode or "")
    return (mode or "").endswith(readout.name)


def readout_of(header: Header, rows: int, columns: int, camera: Camera | None = None) -> Readout:
    """Read the sections of a raw frame with one image.

    Of the camera's settings where these have amplifiers. Else several amplifiers: DATASEC1 (or DSEC1, TRIMSEC1, TSEC1),
    BIASSEC1 (BSEC1), and where the pixels go in DETSEC1 (CCDSEC1, CSEC1), up to 64, also as DATASEC16 or DATASE16; a
    corner of a mosaic is moved to the origin. Else one: TRIMSEC (or DATASEC) and BIASSEC; with BIASSEC alone, the
    frame beside the overscan.

    Parameters
    ----------
    header : Header
        Of the raw frame.
    rows, columns : int
        Size as stored.
    camera : Camera, optional
        What the settings know of it.

    Raises
    ------
    FrameError
        A section is malformed, lies outside of the frame, or is not of the size of its pixels.
    """
    amplifiers = _by_settings(camera) or [*_numbered(header)] or _single(header, rows, columns)
    return _arranged(amplifiers, [(rows, columns)], camera)


def readout_of_images(headers: Sequence[Header], camera: Camera | None = None) -> Readout:
    """Read the sections of a raw frame with any number of images; several must be amplifiers of one detector.

    Each has DATASEC (or TRIMSEC), BIASSEC and its place in DETSEC or CCDSEC, or they stand in the camera's settings.

    Parameters
    ----------
    headers : sequence of Header
        Of each image of the file, completed with the primary one.
    camera : Camera, optional
        What the settings know of it.

    Raises
    ------
    FrameError
        As `readout_of`; or several images are no amplifiers of one detector.
    """
    sizes = [(int(header["NAXIS2"]), int(header["NAXIS1"])) for header in headers]
    if len(headers) == 1:
        return readout_of(headers[0], *sizes[0], camera)
    amplifiers = _by_settings(camera) or [
        _extension(header, *size, image) for image, (header, size) in enumerate(zip(headers, sizes, strict=True))
    ]
    return _arranged(amplifiers, sizes, camera)


@dataclass(frozen=True, slots=True)
class _Written:
    """A section as text writes it: its rectangle, and which axes it writes backwards."""

    section: Section
    backwards: Backwards

    @classmethod
    def parse(cls, text: str) -> _Written:
        match = _WRITTEN.fullmatch(text.strip())
        numbers = [int(number) for number in match.groups()] if match else [0]
        if min(numbers) < 1:
            raise FrameError(f"section {text!r} is not of the form [x1:x2,y1:y2]: mend the header or the settings")
        x1, x2, y1, y2 = numbers
        section = Section(min(y1, y2) - 1, max(y1, y2), min(x1, x2) - 1, max(x1, x2))
        return cls(section, Backwards(y1 > y2, x1 > x2))


def _by_settings(camera: Camera | None) -> list[Amplifier]:
    return [
        _amplifier(str(number), (written.data, written.overscan, written.place), (1, 1), written.extension - 1)
        for number, written in enumerate(camera.amplifiers if camera else (), 1)
    ]


def _numbered(header: Header) -> Iterator[Amplifier]:
    binning = facts(header).binning or (1, 1)
    endings = {keyword[len(keyword.rstrip("0123456789")) :] for keyword in header}
    for number in (one for one in range(1, _MOST_AMPLIFIERS + 1) if str(one) in endings):
        data = value(header, *_names(number, "DATASEC", "DSEC", "TRIMSEC", "TSEC"))
        place = value(header, *_names(number, "DETSEC", "CCDSEC", "CSEC"))
        if isinstance(data, str) and isinstance(place, str):
            overscan = value(header, *_names(number, "BIASSEC", "BSEC"))
            yield _amplifier(str(number), (data, str(overscan or ""), place), binning)


def _names(number: int, *cards: str) -> list[str]:
    """Numbered cards; where that makes more than the eight letters of FITS, also cut to them."""
    ending = str(number)
    return [name for card in cards for name in dict.fromkeys((card + ending, card[: 8 - len(ending)] + ending))]


def _extension(header: Header, rows: int, columns: int, image: int) -> Amplifier:
    place = value(header, "DETSEC", "CCDSEC")
    if not isinstance(place, str):
        raise FrameError(
            f"it holds several images, and image {image + 1} has no DETSEC that says where on the detector it belongs: "
            "write several exposures into a file each, and a mask into none; for amplifiers, give their sections in "
            "the camera's settings"
        )
    data = value(header, "DATASEC", "TRIMSEC")
    overscan = str(value(header, "BIASSEC") or "")
    if not isinstance(data, str):
        data = str(_beside(overscan, rows, columns))
    return _amplifier(f" of image {image + 1}", (data, overscan, place), facts(header).binning or (1, 1), image)


def _single(header: Header, rows: int, columns: int) -> list[Amplifier]:
    trim, overscan = value(header, "TRIMSEC", "DATASEC"), str(value(header, "BIASSEC") or "")
    if not isinstance(trim, str) and _NO_OVERSCAN.fullmatch(overscan):
        return []
    data = Section.parse(trim) if isinstance(trim, str) else _beside(overscan, rows, columns)
    return [Amplifier(data, _overscan(overscan), Section(0, data.rows, 0, data.columns))]


def _amplifier(name: str, sections: tuple[str, str, str], binning: tuple[int, int], image: int = 0) -> Amplifier:
    """An amplifier of its data, overscan and place; the place may be in pixels before binning, as IRAF writes it."""
    data, place = _Written.parse(sections[0]), _Written.parse(sections[2])
    size, target = (data.section.columns, data.section.rows), place.section
    if (target.columns, target.rows) == (size[0] * binning[0], size[1] * binning[1]):
        row, column = target.first_row // binning[1], target.first_column // binning[0]
        target = Section(row, row + size[1], column, column + size[0])
    if (target.columns, target.rows) != size:
        raise FrameError(
            f"DATASEC{name} {sections[0]} has {size[0]}x{size[1]} pixels, its place {sections[2]} on the detector "
            f"{target.columns}x{target.rows}: mend the sections in the header or the settings"
        )
    return Amplifier(data.section, _overscan(sections[1]), target, image, data.backwards, place.backwards)


def _overscan(text: str) -> Section | None:
    return None if _NO_OVERSCAN.fullmatch(text) else Section.parse(text)


def _beside(overscan: str, rows: int, columns: int) -> Section:
    """The greater part of the frame beside its overscan, along the axis which that cuts."""
    if _NO_OVERSCAN.fullmatch(overscan):
        return Section(0, rows, 0, columns)
    cut = Section.parse(overscan)
    if cut.columns * rows <= cut.rows * columns:
        left, right = cut.first_column, columns - cut.last_column
        beside = Section(0, rows, 0, left) if left >= right else Section(0, rows, cut.last_column, columns)
    else:
        low, high = cut.first_row, rows - cut.last_row
        beside = Section(0, low, 0, columns) if low >= high else Section(cut.last_row, rows, 0, columns)
    if beside.rows <= 0 or beside.columns <= 0:
        raise FrameError(f"BIASSEC {overscan} leaves nothing of the {columns}x{rows} frame: mend the header")
    return beside


def _arranged(amplifiers: list[Amplifier], sizes: Sequence[tuple[int, int]], camera: Camera | None) -> Readout:
    """The readout with its corner at the origin, once all sections are found good."""
    _check_sections(amplifiers, sizes)
    amplifiers = _with_dead(amplifiers, camera)
    crosstalk = camera.crosstalk if camera else ()
    if crosstalk and len(crosstalk) != len(amplifiers):
        raise FrameError(
            f"crosstalk in the settings is of {len(crosstalk)} amplifiers, the frame has {len(amplifiers)}: mend them"
        )
    if crosstalk and len({(one.data.rows, one.data.columns) for one in amplifiers}) > 1:
        raise FrameError("crosstalk in the settings needs amplifiers of one size: mend their sections")
    if len(sizes) == 1 and all(_is_as_stored(one, *sizes[0]) for one in amplifiers):
        return Readout(*sizes[0])
    row = min(one.trimmed.first_row for one in amplifiers)
    column = min(one.trimmed.first_column for one in amplifiers)
    amplifiers = [replace(one, trimmed=one.trimmed.moved(-row, -column)) for one in amplifiers]
    rows = max(one.trimmed.last_row for one in amplifiers)
    columns = max(one.trimmed.last_column for one in amplifiers)
    if rows * columns > sum(height * width for height, width in sizes):
        stored = f"the {sizes[0][1]}x{sizes[0][0]}" if len(sizes) == 1 else f"the {len(sizes)} images"
        raise FrameError(
            f"the amplifiers' sections make a frame of {columns}x{rows}, larger than {stored} that are stored: "
            "mend DETSEC in the header or the settings"
        )
    by_settings = _digest(camera.amplifiers) if camera and camera.amplifiers else ""
    return Readout(rows, columns, tuple(amplifiers), crosstalk, by_settings)


def _check_sections(amplifiers: Sequence[Amplifier], sizes: Sequence[tuple[int, int]]) -> None:
    for one in amplifiers:
        if one.image >= len(sizes):
            raise FrameError(f"it holds {len(sizes)} image(s), the settings have an amplifier in image {one.image + 1}")
        rows, columns = sizes[one.image]
        for section in (one.data, one.overscan):
            if section is not None and (section.last_row > rows or section.last_column > columns):
                raise FrameError(
                    f"section {section} lies outside of the {columns}x{rows} frame: mend the sections in the header"
                )
    unused = set(range(len(sizes))) - {one.image for one in amplifiers}
    if amplifiers and unused:
        raise FrameError(f"it holds {len(sizes)} images, and image {min(unused) + 1} is of no amplifier: mend settings")
    for (first, one), (second, other) in combinations(enumerate(amplifiers, 1), 2):
        if one.trimmed.overlaps(other.trimmed):
            raise FrameError(
                f"amplifiers {first} and {second} have one place on the detector, {one.trimmed} and {other.trimmed}: "
                "write several exposures into a file each, or mend DETSEC"
            )


def _with_dead(amplifiers: list[Amplifier], camera: Camera | None) -> list[Amplifier]:
    dead = set(camera.dead_amplifiers) if camera else set()
    unknown = sorted(dead - set(range(1, len(amplifiers) + 1)))
    if unknown:
        raise FrameError(
            f"amplifier {unknown[0]} is dead by the settings, the frame has {len(amplifiers)}: mend dead_amplifiers"
        )
    return [replace(one, is_dead=number in dead) for number, one in enumerate(amplifiers, 1)]


def _is_as_stored(one: Amplifier, rows: int, columns: int) -> bool:
    return (
        one.data == Section(0, rows, 0, columns) and one.read == one.placed and one.overscan is None and not one.is_dead
    )


def _digest(settings: tuple[object, ...]) -> str:
    """Tells one part of the settings from another."""
    return hashlib.sha256(repr(settings).encode()).hexdigest()[:8]
