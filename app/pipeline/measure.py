"""Quality and position of a light or a stack: what is measured, and the cards that say so."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits
from astropy.utils import iers
from astropy.wcs import WCS

from app.frames.fits_io import FrameReader
from app.frames.headers import read_header, value
from app.frames.product_file import replace_header
from app.frames.provenance import CardRow, add_cards, carried, without_wcs
from app.frames.star_catalogue import StarCatalogue
from app.frames.world_coordinates import header_wcs, pixel_scales_deg
from app.model.frame import FrameFacts
from app.model.matching import separation_deg
from app.model.schedule import airmass, altitude_deg
from app.model.settings import Settings, Site
from app.pipeline import plate_solve
from app.pipeline.plate_solve import Hint, Solution, Unsolved
from app.pipeline.quality import measure as measure_quality
from app.pipeline.sources import Sources, detect, star_scale

iers.conf.auto_download = False  # nothing is downloaded at night: astropy-iers-data has the tables

#: WCSERR: what became of the astrometry.
SOLVED, UNSOLVED, NOT_TRIED = 0, 1, 9


@dataclass(frozen=True, slots=True)
class Measurement:
    """What was found in a frame.

    Attributes
    ----------
    checksum : str
        SHA-256 of the file that now carries the cards.
    qc : dict
        Quality numbers by keyword.
    wcs : dict
        ``status`` solved, header or unsolved, and the numbers or the reason.
    """

    checksum: str
    qc: dict[str, Any]
    wcs: dict[str, Any]


def measure_file(file: Path, facts: FrameFacts, settings: Settings, *, hint: Hint | None = None) -> Measurement:
    """Detect the stars of a product, measure them, solve the field, and write both into its header.

    Parameters
    ----------
    file : Path
        A calibrated light or a stack; its pixels stay as they are.
    facts : FrameFacts
        Position, scale and time of the frame.
    hint : Hint, optional
        Better than what the facts say; a frame with world coordinates of its own camera is never solved again.

    Raises
    ------
    FrameError, OutputError
        The file cannot be read or written.
    """
    with FrameReader(file) as reader:
        image = reader.whole()
    header = carried(read_header(file))
    saturated = value(header, "SATURATE")
    saturation = float(saturated) if isinstance(saturated, int | float) else None
    sources = detect(image, smooth_px=star_scale(image), saturation_adu=saturation)
    wcs, cards = _position(sources, image.shape, facts, header, settings, hint)
    scale = wcs.get("scale_arcsec", facts.pixel_scale_arcsec)
    qc = measure_quality(sources, image, pixel_scale_arcsec=scale, saturation_adu=saturation)
    if wcs["status"] != "header":
        header = without_wcs(header)
    add_cards(header, [(name, number, "") for name, number in qc.items()])
    add_cards(header, [*cards, *_airmass_card(facts, settings.site)])
    return Measurement(replace_header(file, header), qc, wcs)


def _position(
    sources: Sources,
    shape: tuple[int, ...],
    facts: FrameFacts,
    header: fits.Header,
    settings: Settings,
    hint: Hint | None,
) -> tuple[dict[str, Any], list[CardRow]]:
    own = header_wcs(header, shape)
    if own is not None and header.get("WCSSOLVR", "header") == "header":
        return _kept(own, shape)
    try:
        hint = hint or _hint(facts, settings)
        solution = plate_solve.solve(sources.x, sources.y, (shape[0], shape[1]), hint, StarCatalogue.embedded())
    except Unsolved as reason:
        return {"status": "unsolved", "reason": str(reason)}, [
            ("WCSERR", UNSOLVED, "0 solved, 1 none, 2 rejected, 9 not tried"),
            ("QCNOTE", str(reason).encode("ascii", "replace").decode(), ""),
        ]
    return _solved(solution, facts), [*plate_solve.header_cards(solution), *_offset_card(solution, facts)]


def _kept(own: WCS, shape: tuple[int, ...]) -> tuple[dict[str, Any], list[CardRow]]:
    scale = round(float(np.mean(pixel_scales_deg(own))) * 3600.0, 5)
    ra, dec = (float(angle) for angle in own.pixel_to_world_values((shape[1] - 1) / 2, (shape[0] - 1) / 2))
    wcs = {
        "status": "header",
        "scale_arcsec": scale,
        "centre_ra_deg": round(ra, 6),
        "centre_dec_deg": round(dec, 6),
        "reason": "it came with the frame and is kept as it is",
    }
    return wcs, [
        ("WCSSOLVR", "header", "it came with the frame"),
        ("WCSERR", NOT_TRIED, "0 solved, 1 none, 2 rejected, 9 not tried"),
        ("SECPIX", scale, "[arcsec/pixel]"),
    ]


def _hint(facts: FrameFacts, settings: Settings) -> Hint:
    if facts.ra_deg is None or facts.dec_deg is None:
        raise Unsolved("no position in the header (RA, DEC, OBJCTRA, OBJCTDEC are absent or blank): write one")
    if facts.pixel_scale_arcsec is None:
        raise Unsolved(
            "no pixel scale in the header (SECPIX, or FOCALLEN and XPIXSZ): set the camera's pixel_scale_arcsec"
        )
    return Hint(facts.ra_deg, facts.dec_deg, settings.calibration.position_radius_deg, facts.pixel_scale_arcsec)


def _solved(solution: Solution, facts: FrameFacts) -> dict[str, Any]:
    return {
        "status": "solved",
        "solver": "cupola",
        "catalogue": "Tycho-2",
        "matched": solution.matched,
        "in_field": solution.in_field,
        "rms_arcsec": round(solution.rms_arcsec, 4),
        "scale_arcsec": round(solution.scale_arcsec, 5),
        "rotation_deg": round(solution.rotation_deg, 4),
        "is_flipped": solution.is_flipped,
        "centre_ra_deg": round(solution.centre_ra_deg, 6),
        "centre_dec_deg": round(solution.centre_dec_deg, 6),
    }


def _offset_card(solution: Solution, facts: FrameFacts) -> list[CardRow]:
    if facts.ra_deg is None or facts.dec_deg is None:
        return []
    offset = separation_deg(facts.ra_deg, facts.dec_deg, solution.centre_ra_deg, solution.centre_dec_deg) * 3600.0
    return [("PNTOFST", round(offset, 1), "[arcsec] header's position to the centre")]


def _airmass_card(facts: FrameFacts, site: Site) -> list[CardRow]:
    """Airmass at the middle of the exposure, when the site is set and the target is over the horizon."""
    if site == Site() or facts.started_at is None or facts.ra_deg is None or facts.dec_deg is None:
        return []
    middle = facts.started_at + timedelta(seconds=(facts.exposure_s or 0.0) / 2.0)
    path = airmass(altitude_deg(facts.ra_deg, facts.dec_deg, site, middle))
    return [] if path is None else [("AIRMASS", round(path, 4), "at mid-exposure, Pickering 2002")]
