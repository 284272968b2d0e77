"""Headers of FITS files and of text files, read so that a faulty card costs that card and never the frame."""

from __future__ import annotations

import gzip
import logging
import math
import re
import warnings
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from astropy.io.fits import Card, Header
from astropy.io.fits.card import Undefined
from astropy.io.fits.verify import VerifyError, VerifyWarning

from app.model.errors import FrameError

log = logging.getLogger(__name__)

Value = str | float | int | bool

#: Endings of the names of frames, in lower case.
FITS_ENDINGS = tuple(kind + packing for kind in (".fits", ".fit", ".fts") for packing in ("", ".gz", ".fz"))
TEXT_ENDING = ".hdr"

_BLOCK = 2880
_RECORD = 80
#: 2.9 MB of cards: a longer header is a file whose END is missing.
_MOST_BLOCKS = 1000
#: FITS Standard 4.0, section 4.4.1.1.
_MOST_AXES = 999
_GZIP_MAGIC = b"\x1f\x8b"
#: Texts with which software says that it does not know, without blanks, dashes and brackets ("Na" is sodium).
_NOTHING = frozenset({"", "n/a", "n.a.", "nan", "none", "null", "unknown", "undefined", "notset", "notavailable"})
#: Cards that describe one HDU's own data, and are not inherited from the primary HDU.
_OWN = re.compile(
    r"SIMPLE|XTENSION|BITPIX|NAXIS\d*|EXTEND|PCOUNT|GCOUNT|BSCALE|BZERO|BLANK|CHECKSUM|DATASUM|INHERIT|EXTNAME|EXTVER"
)
_TILE_CARDS = re.compile(r"Z(BITPIX|NAXIS\d*)")
_STANDARD = re.compile(r"[A-Z0-9_ -]{8}= |HIERARCH .*=|COMMENT |HISTORY ")
_KEYWORD = re.compile(r"[A-Z0-9_-]+")
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([ED][-+]?\d+)?")


def is_frame_name(name: str) -> bool:
    """Whether a file of this name is to be read as a frame, by its ending in any case."""
    return name.lower().endswith(FITS_ENDINGS)


def read_header(path: Path) -> Header:
    """Read the header of a frame.

    Parameters
    ----------
    path : Path
        FITS file, plain, gzipped or tile-compressed; or a text file ``.hdr`` with the cards in lines or records of
        80 characters.

    Returns
    -------
    Header
        Of the first HDU with an image of two axes (or three with one plane), completed with those cards of the
        primary HDU which it does not have. Every card in it can be read. BITPIX and NAXIS are those of the image,
        also when it is tile-compressed. A text header is returned even if it describes no image.

    Raises
    ------
    FrameError
        If the file is missing, empty, no FITS file, ends within its header, or holds no such image.
    """
    if path.name.lower().endswith(TEXT_ENDING):
        return _read_text(path)
    return locate_image(path)[0]


def locate_image(path: Path) -> tuple[Header, int]:
    """Find the image of a FITS file.

    Returns
    -------
    Header
        As `read_header`.
    int
        Where its data begin, in bytes; in the unpacked file when it is gzipped.

    Raises
    ------
    FrameError
        As `read_header`.
    """
    primary: Header | None = None
    found: list[str] = []
    with _opened(path) as stream:
        for hdu in _hdus(stream, path):
            if primary is None:
                primary = hdu.header
            if _has_image(hdu.header):
                return completed(hdu.header, primary), hdu.data_at
            found.append(_described(hdu.header))
    raise _no_image(path, found)


def locate_plane(path: Path, name: str) -> tuple[Header, int] | None:
    """Find the image extension of a product by its EXTNAME, as `locate_image`; None when there is none."""
    with _opened(path) as stream:
        for hdu in _hdus(stream, path):
            if value(hdu.header, "EXTNAME") == name and _has_image(hdu.header):
                return hdu.header, hdu.data_at
    return None


@dataclass(frozen=True, slots=True)
class Image:
    """An image of a FITS file: its header, completed with the primary one, and where its data begin, in bytes."""

    header: Header
    data_at: int


def read_images(path: Path) -> tuple[Image, ...]:
    """Find every image of a FITS file in one walk, and check that the file is as long as its headers say.

    Raises
    ------
    FrameError
        As `read_header`, or data are missing.
    """
    found: list[Image] = []
    others: list[str] = []
    primary: Header | None = None
    with _opened(path) as stream:
        size = math.inf if isinstance(stream, gzip.GzipFile) else path.stat().st_size
        for hdu in _hdus(stream, path):
            primary = hdu.header if primary is None else primary
            _require(path, size, hdu)
            if _has_image(hdu.header):
                found.append(Image(completed(hdu.header, primary), hdu.data_at))
            else:
                others.append(_described(hdu.header))
    if not found:
        raise _no_image(path, others)
    return tuple(found)


def read_headers(path: Path) -> tuple[Header, ...]:
    """Headers of all HDUs of a FITS file, every card of which can be read; raises `FrameError` as `read_header`."""
    with _opened(path) as stream:
        return tuple(hdu.header for hdu in _hdus(stream, path))


def _no_image(path: Path, found: list[str]) -> FrameError:
    return FrameError(f"{path.name} holds no image of two axes, only {', '.join(found)}: leave it out of the batch")


def require_whole(path: Path) -> None:
    """Check that an uncompressed FITS file is as long as its headers say; gzipped files are not checked.

    Raises
    ------
    FrameError
        If data are missing, with both sizes; or as `read_header`.
    """
    with _opened(path) as stream:
        if isinstance(stream, gzip.GzipFile):
            return
        size = path.stat().st_size
        for hdu in _hdus(stream, path):
            _require(path, size, hdu)


def _require(path: Path, size: float, hdu: _Hdu) -> None:
    needed = hdu.data_at + hdu.data_bytes
    if size < needed:
        raise FrameError(
            f"{path.name} is cut short: it has {size} bytes, its header says {needed}; copy the file again"
        )


def value(header: Header, *names: str) -> Value | None:
    """First of the named cards that can be read and says something.

    Parameters
    ----------
    header : Header
        Any header, also one with faulty cards.
    *names : str
        Keywords in order of preference; ``"ESO DPR TYPE"`` finds a HIERARCH card.

    Returns
    -------
    str, float, int, bool or None
        Text without surrounding blanks; None when every card is missing, faulty, blank, "N/A" or the like, or not
        finite.
    """
    for name in names:
        try:
            found = header.get(name)
        except (VerifyError, ValueError):
            continue
        if isinstance(found, str):
            found = found.strip()
            if re.sub(r"[\s_<>()-]", "", found.lower()) in _NOTHING:
                continue
        if isinstance(found, float) and not math.isfinite(found):
            continue
        if isinstance(found, str | float | int | bool):
            return found
    return None


def comment(header: Header, name: str) -> str:
    """Comment of a card; empty when there is no such card or it cannot be read."""
    try:
        return str(header.comments[name]).strip()
    except (KeyError, VerifyError, ValueError):
        return ""


def lines(header: Header, *names: str) -> list[str]:
    """Lines of commentary cards such as HISTORY."""
    return [str(card.value) for card in header.cards if card.keyword in names and not isinstance(card.value, Undefined)]


@dataclass(frozen=True, slots=True)
class _Hdu:
    """One header, and where its data lie in the unpacked file."""

    header: Header
    data_at: int
    data_bytes: int


def _opened(path: Path) -> IO[bytes] | gzip.GzipFile:
    """Open a file, unpacked when its first bytes say gzip, whatever its name says."""
    try:
        if path.stat().st_size == 0:
            raise FrameError(f"{path.name} is empty (0 bytes): copy the file again or leave it out")
        return gzip.open(path, "rb") if is_gzipped(path) else path.open("rb")
    except OSError as error:
        raise unreadable(path, error) from error


def is_gzipped(path: Path) -> bool:
    """Whether the first bytes of a file say gzip; raises OSError when they cannot be read."""
    with path.open("rb") as stream:
        return stream.read(2) == _GZIP_MAGIC


def unreadable(path: Path, error: OSError) -> FrameError:
    """Say in one sentence why a file could not be read."""
    return FrameError(
        f"{path.name} cannot be read ({error.strerror or error}): check the path, the rights and the disk"
    )


def _hdus(stream: IO[bytes] | gzip.GzipFile, path: Path) -> Iterator[_Hdu]:
    """Walk over the HDUs of a file; what follows the last one without being an extension is ignored."""
    offset = 0
    try:
        while True:
            stream.seek(offset)
            text = _header_text(stream, path, first=offset == 0)
            if text is None:
                return
            header = _parsed([text[at : at + _RECORD] for at in range(0, len(text), _RECORD)])
            data_at = stream.tell()
            data_bytes = _data_bytes(header)
            yield _Hdu(_as_image(header), data_at, data_bytes)
            offset = data_at + math.ceil(data_bytes / _BLOCK) * _BLOCK
    except (EOFError, zlib.error, OSError, OverflowError, ValueError) as error:  # the last two: sizes beyond any file
        raise FrameError(
            f"{path.name} cannot be read to its end ({error}): copy the file again or leave it out"
        ) from error


def _header_text(stream: IO[bytes] | gzip.GzipFile, path: Path, *, first: bool) -> str | None:
    """The records before END; None where no further extension begins."""
    text = bytearray()
    for _ in range(_MOST_BLOCKS):
        block = stream.read(_BLOCK)
        if not text and not block.startswith(b"SIMPLE" if first else b"XTENSION"):
            if not first:
                return None
            shown = block[:16].decode("latin-1")
            raise FrameError(f"{path.name} is no FITS file, it begins with {shown!r}: leave it out of the batch")
        for at in range(0, len(block), _RECORD):
            if block[at : at + 8].rstrip(b" \0") == b"END":
                return (text + block[:at]).decode("latin-1")
        text += block
        if len(block) < _BLOCK:
            break
    raise FrameError(f"{path.name} has no END in its header ({len(text)} bytes read): copy the file again")


def _read_text(path: Path) -> Header:
    """Header of a text file; its sections are HDUs."""
    try:
        with _opened(path) as stream:
            text = stream.read(_MOST_BLOCKS * _BLOCK).decode("latin-1")
    except (EOFError, zlib.error) as error:
        raise FrameError(f"{path.name} cannot be unpacked ({error}): copy the file again") from error
    except OSError as error:
        raise unreadable(path, error) from error
    lines = text.splitlines()
    if len(lines) == 1:
        lines = [text[at : at + _RECORD] for at in range(0, len(text), _RECORD)]
    sections: list[list[str]] = [[]]
    for line in lines:
        if line.startswith("#") or line.rstrip() == "END":
            sections.append([])
        elif line.strip():
            sections[-1].append(line[:_RECORD])
    headers = [header for section in sections if len(header := _as_image(_parsed(section)))]
    if not headers:
        raise FrameError(f"{path.name} holds no header cards: leave it out of the batch")
    return next((completed(header, headers[0]) for header in headers if _has_image(header)), headers[0])


def _parsed(records: list[str]) -> Header:
    """Cards of records; one that astropy cannot read becomes a text of what stands there."""
    whole: list[str] = []
    for record in records:
        clean = "".join(char if " " <= char <= "~" else "?" for char in record).ljust(_RECORD)
        if clean.startswith("CONTINUE") and whole:
            whole[-1] += clean
        else:
            whole.append(clean)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        return Header([card for record in whole if (card := _card(record)) is not None])


def _card(record: str) -> Card | None:
    """A card whose value can be read; None for a record that is no card at all."""
    if _STANDARD.match(record):
        try:
            card = Card.fromstring(record)
            if card.value is not None and card.comment is not None:
                return card
        except (VerifyError, ValueError):
            log.debug("Faulty card read as it stands: %s", record.rstrip())
    keyword, equals, rest = record.partition("=")
    name = keyword.strip().upper()
    if not equals or not _KEYWORD.fullmatch(name):
        return None
    text, _, remark = rest.strip().partition(" /")
    text = text.strip(" '")
    return Card(name, float(text) if _NUMBER.fullmatch(text) else text[:60], remark.strip()[:40])


def _data_bytes(header: Header) -> int:
    """Size of an HDU's data without padding (FITS standard 4.0, equation 2)."""
    axes = _axes(header)
    if not axes:
        return 0
    pixels = math.prod(axes) + max(_count(header, "PCOUNT"), 0)
    return abs(_count(header, "BITPIX")) // 8 * max(_count(header, "GCOUNT"), 1) * pixels


def _axes(header: Header) -> list[int]:
    """Lengths of the axes; what a header that lies says below zero, or of more axes than there may be, is not taken."""
    return [max(_count(header, f"NAXIS{axis}"), 0) for axis in range(1, min(_count(header, "NAXIS"), _MOST_AXES) + 1)]


def _count(header: Header, name: str) -> int:
    number = value(header, name)
    return int(number) if isinstance(number, int | float) else 0


def _as_image(header: Header) -> Header:
    """For a tile-compressed image, the header as of the image in it."""
    if value(header, "ZIMAGE") is not True:
        return header
    for name in [name for name in header if _TILE_CARDS.fullmatch(name)]:
        header[name[1:]] = header[name]
    return header


def _has_image(header: Header) -> bool:
    is_table = "TABLE" in str(value(header, "XTENSION") or "") and value(header, "ZIMAGE") is not True
    axes = _axes(header)
    return not is_table and len(axes) >= 2 and min(axes) > 0 and math.prod(axes[2:]) == 1


def _described(header: Header) -> str:
    axes = _axes(header)
    kind = str(value(header, "XTENSION") or "IMAGE").lower()
    return f"{kind} {' x '.join(map(str, axes))}" if axes else "a header without data"


def completed(header: Header, primary: Header) -> Header:
    """The header with the primary HDU's cards where it has none of that name."""
    if header is primary or value(header, "INHERIT") is False:
        return header
    own = set(header)
    for card in primary.cards:
        if card.keyword not in own and not _OWN.fullmatch(card.keyword):
            header.append(card, end=True)
    return header
