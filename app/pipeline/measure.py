"""Quality and position of a light or a stack: what is measured, and the cards that say so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
from astropy.utils import iers
from astropy.wcs import WCS

from app.frames.headers import read_header, value
from app.frames.product_file import replace_header
from app.frames.provenance import CardRow, add_cards, carried, without_wcs
from app.frames.star_catalogue import StarCatalogue
from app.frames.world_coordinates import header_wcs, pixel_scales_deg
from app.model.flags import Qc
from app.model.frame import FrameFacts
from app.model.matching import separation_deg
from app.model.schedule import airmass, altitude_deg
from app.model.settings import Settings, Site
from app.model.verdict import judge
from app.pipeline.astrometry import distortion_of, find_position
from app.pipeline.plate_solve import CATALOGUE_NAME, Rejected, Solution, Unsolved, header_cards
from app.pipeline.quality import is_out_of_focus, measure, sample_of
from app.pipeline.sky_fit import Distortion
from app.pipeline.sources import Sources, detect_file, star_table
from app.pipeline.workers import Check
from app.pipeline.zero_point import zero_point

iers.conf.auto_download = False  # nothing is downloaded at night: astropy-iers-data has the tables

#: WCSERR: what became of the astrometry.
SOLVED, UNSOLVED, REJECTED, NOT_TRIED = 0, 1, 2, 9
_WCSERR = "0 solved, 1 none, 2 rejected, 9 not tried"

#: WCSSOLVR of a stack before it is measured, when its reference was solved.
OF_REFERENCE = "reference"

#: Cards of this module; what other software wrote under these names is not ours to keep.
_OURS = (
    *("WCSERR", "WCSSOLVR", "WCSRFCAT", "WCSMATCH", "WCSNREF", "WCSRMS", "WCSORDER", "WCSROT", "WCSFLIP", "DISTORT"),
    *("PNTOFST", "NSTARS", "FWHMPIX", "L1FWHM", "L1ELLIP", "L1ELLIPA", "L1MEAN", "L1MEDIAN", "L1SIGMA", "SATFRAC"),
    *("MAGZP", "MAGZPRMS", "MAGZPN", "MAGZPCAT", "MAGLIM", "QCFLAG", "QCNOTE"),
)
_COMMENTS = {
    "NSTARS": "stars found",
    "FWHMPIX": "[pixel] median width of the stars",
    "L1FWHM": "[arcsec] median width of the stars",
    "L1ELLIP": "median ellipticity, 1 - minor / major axis",
    "L1ELLIPA": "[deg] direction of the major axes, from +x",
    "L1MEAN": "[adu] background, stars clipped",
    "L1MEDIAN": "[adu] background, stars clipped",
    "L1SIGMA": "[adu] background, stars clipped",
    "SATFRAC": "part of the pixels that is saturated",
    "MAGZP": "a transparency monitor, not photometry",
    "MAGZPRMS": "[mag] scatter of its stars",
    "MAGZPN": "stars in it",
    "MAGZPCAT": "VT magnitudes of this catalogue",
    "MAGLIM": "5 sigma, on the scale of MAGZP",
    "AIRMASS": "at mid-exposure, Pickering 2002",
    "QCFLAG": "bits of what is doubtful, 0 is nothing",
}
_NOTES = {
    Qc.UNCALIBRATED: "not calibrated: no master fits",
    Qc.LIBRARY_MASTER: "calibrated with a master of another batch",
}
_NOTHING = Qc(0)
_NO_POSITION = "no position in the header (RA, DEC), write one; "


@dataclass(frozen=True, slots=True)
class Measuring:
    """A product that is to be measured: the job of `measure_file`.

    Attributes
    ----------
    path : Path
        A calibrated light or a stack.
    facts : FrameFacts
        Position, scale and time of the frame.
    settings : Settings
        From `needed`.
    near : FrameFacts or None
        Where the frame lies, when that is known better than its header says.
    trains : tuple of Distortion
        What is remembered of lenses.
    flags : Qc
        What is known of it already.
    """

    path: Path
    facts: FrameFacts
    settings: Settings
    near: FrameFacts | None = None
    trains: tuple[Distortion, ...] = ()
    flags: Qc = _NOTHING


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


def needed(settings: Settings, *, may_search: bool = True) -> Settings:
    """The settings that decide a measurement, without secrets: they travel to other processes.

    Parameters
    ----------
    settings : Settings
        All of them.
    may_search : bool
        Whether the blind search is worth its time.
    """
    blind = settings.astrometry.blind and may_search
    return Settings(
        site=settings.site,
        calibration=settings.calibration,
        quality=settings.quality,
        astrometry=settings.astrometry.model_copy(update={"blind": blind}),
    )


def measure_file(job: Measuring, check: Check) -> Measurement:
    """Find the stars of a product, measure them, solve the field, and write all that and the stars into it, once.

    Its pixels stay as they are; world coordinates of its own camera are kept and never solved again.

    Raises
    ------
    FrameError, OutputError
        The file cannot be read or written.
    CalibrationError
        It has no room for stars, or too few valid pixels.
    """
    stored = read_header(job.path)
    header, shape = carried(stored), (int(stored["NAXIS2"]), int(stored["NAXIS1"]))
    level = value(header, "SATURATE")
    saturation_adu = float(level) if isinstance(level, int | float) else None
    sources = detect_file(job.path, saturation_adu=saturation_adu, check=check)
    own = header_wcs(header, shape)
    if own is not None and header.get("WCSSOLVR") != OF_REFERENCE:
        sky: WCS | None = own
        wcs, cards = _kept(own, shape)
    else:
        sky, wcs, cards = _found(job, sources, shape, check)
        header = without_wcs(header)
    scale_arcsec = wcs.get("scale_arcsec", job.facts.pixel_scale_arcsec)
    qc: dict[str, Any] = {**measure(sources, sample_of(job.path, saturation_adu, check), scale_arcsec)}
    check()
    if sky is not None:
        catalogue = StarCatalogue.embedded()
        qc |= zero_point(sources, sky, shape, job.facts.exposure_s, qc.get("FWHMPIX"), catalogue)
    qc |= _airmass(job.facts, wcs, job.settings.site)
    flags, note = _doubts(job, sources, qc, wcs)
    qc["QCFLAG"] = int(flags)
    for keyword in _OURS:
        header.remove(keyword, ignore_missing=True, remove_all=True)
    add_cards(header, [*cards, *((name, number, _COMMENTS[name]) for name, number in qc.items())])
    if note:
        add_cards(header, [("QCNOTE", note, "")])
    check()
    return Measurement(replace_header(job.path, header, tail=star_table(sources)), qc, wcs)


def _kept(own: WCS, shape: tuple[int, int]) -> tuple[dict[str, Any], list[CardRow]]:
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
        ("WCSERR", NOT_TRIED, _WCSERR),
        ("SECPIX", scale, "[arcsec/pixel]"),
    ]


def _found(
    job: Measuring, sources: Sources, shape: tuple[int, int], check: Check
) -> tuple[WCS | None, dict[str, Any], list[CardRow]]:
    """Ask the solvers."""
    facts = job.near or job.facts
    try:
        solution = find_position(sources, shape, facts, job.settings, _train(job.trains, facts, shape), check)
    except Unsolved as error:
        code = REJECTED if isinstance(error, Rejected) else UNSOLVED
        has_position = facts.ra_deg is not None and facts.dec_deg is not None
        reason = f"{'' if has_position else _NO_POSITION}{error}"
        return None, {"status": "unsolved", "reason": reason}, [("WCSERR", code, _WCSERR)]
    return solution.wcs, _solved(solution, facts), [*header_cards(solution), *_offset_card(solution, job.facts)]


def _train(trains: Sequence[Distortion], facts: FrameFacts, shape: tuple[int, int]) -> Distortion | None:
    """What is remembered of the frame's camera, binning and size; of its filter, if possible."""
    known = [
        one
        for one in trains
        if (one.camera, one.binning, one.rows, one.columns) == (facts.instrument, facts.binning, *shape)
    ]
    return next((one for one in known if one.filter == facts.filter), known[0] if known else None)


def _solved(solution: Solution, facts: FrameFacts) -> dict[str, Any]:
    wcs: dict[str, Any] = {
        "status": "solved",
        "solver": solution.solver,
        "order": solution.order,
        "scale_arcsec": round(solution.scale_arcsec, 5),
        "rotation_deg": round(solution.rotation_deg, 4),
        "is_flipped": solution.is_flipped,
        "centre_ra_deg": round(solution.centre_ra_deg, 6),
        "centre_dec_deg": round(solution.centre_dec_deg, 6),
    }
    if solution.solver == "cupola":
        wcs["catalogue"] = CATALOGUE_NAME
    if solution.matched:
        matched = {"matched": solution.matched, "in_field": solution.in_field}
        wcs |= {**matched, "rms_arcsec": round(solution.rms_arcsec, 4)}
    distortion = distortion_of(solution, facts)
    if distortion is not None:
        wcs["distortion"] = distortion.to_json()
    return wcs


def _offset_card(solution: Solution, facts: FrameFacts) -> list[CardRow]:
    if facts.ra_deg is None or facts.dec_deg is None:
        return []
    offset = separation_deg(facts.ra_deg, facts.dec_deg, solution.centre_ra_deg, solution.centre_dec_deg) * 3600.0
    return [("PNTOFST", round(offset, 1), "[arcsec] header's position to the centre")]


def _airmass(facts: FrameFacts, wcs: dict[str, Any], site: Site) -> dict[str, float]:
    """Airmass at the middle of the exposure, when the site is set and the target is over the horizon."""
    ra_deg, dec_deg = wcs.get("centre_ra_deg", facts.ra_deg), wcs.get("centre_dec_deg", facts.dec_deg)
    if site == Site() or facts.started_at is None or ra_deg is None or dec_deg is None:
        return {}
    middle = facts.started_at + timedelta(seconds=(facts.exposure_s or 0.0) / 2.0)
    path = airmass(altitude_deg(ra_deg, dec_deg, site, middle))
    return {} if path is None else {"AIRMASS": round(path, 4)}


def _doubts(job: Measuring, sources: Sources, qc: dict[str, Any], wcs: dict[str, Any]) -> tuple[Qc, str]:
    """What is doubtful about the frame by itself, and why; beside its group it is judged when that is known."""
    flags = job.flags | (Qc.OUT_OF_FOCUS if is_out_of_focus(sources) else _NOTHING)
    limits, faint_ratio = job.settings.quality, job.settings.calibration.faint_flux_ratio
    alone = qc | {"QCFLAG": int(flags)}
    judgement = judge(alone, [alone], limits, faint_ratio)
    notes = [*judgement.reasons, *(note for flag, note in _NOTES.items() if flag & flags)]
    flags |= judgement.flags
    if wcs["status"] == "unsolved":
        flags |= Qc.UNSOLVED
        notes.append(f"unsolved: {wcs['reason']}")
    return flags, "; ".join(notes)


def better_facts(facts: FrameFacts, wcs: dict[str, Any] | None) -> FrameFacts:
    """Facts with the measured centre and scale in place of those of the header, as far as they are known."""
    if not wcs or "centre_ra_deg" not in wcs:
        return facts
    scale_arcsec = wcs.get("scale_arcsec", facts.pixel_scale_arcsec)
    centre = wcs["centre_ra_deg"], wcs["centre_dec_deg"]
    return replace(facts, ra_deg=centre[0], dec_deg=centre[1], pixel_scale_arcsec=scale_arcsec)
