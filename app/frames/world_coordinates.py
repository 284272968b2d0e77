"""World coordinates of a frame, when they are whole and sane."""

from __future__ import annotations

import re
import warnings

import numpy as np
from astropy.io.fits import Header
from astropy.wcs import WCS, FITSFixedWarning
from numpy.typing import NDArray

_WCS_NUMBER = re.compile(r"(CRPIX|CRVAL|CDELT|CROTA)\d|(CD|PC|PV)\d_\d+")


def header_wcs(header: Header, shape: tuple[int, ...] | None = None) -> WCS | None:
    """World coordinates that came with a frame, when they are whole and sane.

    Parameters
    ----------
    header : Header
        Of the frame.
    shape : tuple of int, optional
        (rows, columns) of the frame, when the header has no NAXIS1 and NAXIS2 any more.
    """
    rows, columns = shape or (header.get("NAXIS2", 1), header.get("NAXIS1", 1))
    if not str(header.get("CTYPE1", "")).startswith("RA") or not ("CD1_1" in header or "CDELT1" in header):
        return None
    if any(isinstance(card.value, str) for card in header.cards if _WCS_NUMBER.fullmatch(card.keyword)):
        return None  # WCSLIB would take it for 0
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FITSFixedWarning)
            wcs = WCS(header).celestial
            scales = pixel_scales_deg(wcs) * 3600.0
            centre = wcs.pixel_to_world_values((columns - 1) / 2, (rows - 1) / 2)
    except (ValueError, TypeError, np.linalg.LinAlgError):
        return None
    is_sane = wcs.has_celestial and np.all(np.isfinite(centre)) and np.all((scales > 1e-3) & (scales < 3600.0))
    return wcs if is_sane else None


def pixel_scales_deg(wcs: WCS) -> NDArray[np.float64]:
    """Size of a pixel along each axis: the lengths of the columns of the scale matrix (FITS paper II, section 2)."""
    scales: NDArray[np.float64] = np.sqrt((wcs.pixel_scale_matrix**2).sum(axis=0))
    return scales
