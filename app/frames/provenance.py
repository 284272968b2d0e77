"""Headers of products: what a raw frame's header hands on, and the cards that say how a product was made."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Sequence

from astropy.io.fits import Card, Header
from astropy.io.fits.verify import VerifyError, VerifyWarning

from app.frames.headers import value
from app.frames.readout import Readout

CardValue = str | int | float | bool
CardRow = tuple[str, CardValue, str]

_STRUCTURE = frozenset(
    [
        "SIMPLE",
        "XTENSION",
        "BITPIX",
        "NAXIS",
        "NAXIS1",
        "NAXIS2",
        "NAXIS3",
        "EXTEND",
        "PCOUNT",
        "GCOUNT",
        "GROUPS",
        "BZERO",
        "BSCALE",
        "BLANK",
        "END",
        "CHECKSUM",
        "DATASUM",
        "DATE",
        "BIASSEC",
        "TRIMSEC",
        "DATASEC",
        "CCDSEC",
        "DETSEC",
        "AMPSEC",
        "INHERIT",
        "EXTNAME",
        "EXTVER",
        "DATAMIN",
        "DATAMAX",
        "ZIMAGE",
        "ZCMPTYPE",
        "ZBITPIX",
        "ZNAXIS",
        "ZNAXIS1",
        "ZNAXIS2",
        "TTYPE1",
        "TFORM1",
        "TFIELDS",
        "CBLACK",
        "CWHITE",
        "SWSERIAL",
    ]
)
_WCS = ("CTYPE", "CRVAL", "CRPIX", "CDELT", "CROTA", "CUNIT", "CD1_", "CD2_", "PC1_", "PC2_", "PV1_", "PV2_")
_WCS_MORE = frozenset(["WCSAXES", "LONPOLE", "LATPOLE", "RADESYS", "RADECSYS", "EQUINOX"])
_SIP = ("A_", "B_", "AP_", "BP_")


def carried(raw: Header, readout: Readout | None = None) -> Header:
    """The cards of a header that stay true of a product made from it; cards which cannot be read are dropped.

    The reference pixel moves with the trimming; where several amplifiers are put together, no world coordinates of the
    raw frame stay true. A pedestal is taken off with the calibration; none stays none.
    """
    header = Header()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", VerifyWarning)
        for card in raw.cards:
            clean = _clean(card)
            if clean is not None:
                header.append(clean, bottom=True)
    if readout is not None and len(readout.amplifiers) == 1:
        data = readout.amplifiers[0].data
        for name, offset in (("CRPIX1", data.first_column), ("CRPIX2", data.first_row)):
            if isinstance(value(header, name), int | float):
                header[name] -= offset
    if readout is not None and len(readout.amplifiers) > 1:
        return without_wcs(header)
    return header


def without_wcs(header: Header) -> Header:
    """The same cards without any world coordinates."""
    kept = Header()
    for card in header.cards:
        if not is_wcs_card(card.keyword):
            kept.append(card, bottom=True)
    return kept


def is_wcs_card(keyword: str) -> bool:
    """Whether a card belongs to the world coordinates."""
    return keyword in _WCS_MORE or keyword.startswith((*_WCS, *_SIP))


def add_cards(header: Header, rows: Iterable[CardRow]) -> None:
    """Set cards; letters that FITS does not know are written as escapes."""
    for keyword, content, comment in rows:
        written = content.encode("ascii", "backslashreplace").decode("ascii") if isinstance(content, str) else content
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", VerifyWarning)
            header[keyword] = (written, comment)


def add_history(header: Header, lines: Sequence[str]) -> None:
    """Say how the product was made, one line a step."""
    for line in lines:
        header.add_history(line.encode("ascii", "replace").decode("ascii"))


def _clean(card: Card) -> Card | None:
    keyword = card.keyword
    if keyword in _STRUCTURE or keyword.rstrip("0123456789") in _STRUCTURE or keyword == "":
        return None
    try:
        card.verify("silentfix")
        found, comment = card.value, card.comment
        if keyword == "PEDESTAL" and found != 0:
            return None
        if isinstance(found, str):
            found = found.encode("ascii", "replace").decode("ascii")
        fresh = Card(keyword, found, comment.encode("ascii", "replace").decode("ascii"))
        str(fresh)
    except (VerifyError, ValueError, TypeError):
        return None
    return fresh
