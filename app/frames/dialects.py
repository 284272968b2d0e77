"""How the cameras' programs spell the facts of a frame: the one place where a new header dialect is added.

Each fact is a `_Fact`: cards in order of preference, and how their values are read. A dialect that spells a fact in
another card needs its name in the list; one that means something else by it needs a reader.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Generic, TypeVar

from astropy.io.fits import Header

from app.frames.headers import Value, comment, lines, value
from app.model.frame import FrameFacts

T = TypeVar("T")

_NUMBER = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eEdD][-+]?\d+)?")
_SEXAGESIMAL = re.compile(r"([-+]?)\s*(\d+)[\s:hd°]+(\d+)(?:[\s:m'′]+(\d+(?:\.\d*)?))?[\s:s\"″]*")
_DATE = re.compile(r"\d{4}-\d\d-\d\d")
_CLOCK = re.compile(r"(\d\d?)(:\d\d:\d\d(?:\.\d+)?)")
_ELECTRONS_PER_ADU = re.compile(r"e(lectrons?)?[-−]?\s*(/|per)\s*(adu|dn|count|data)", re.IGNORECASE)
#: Names of an empty place in a filter wheel, letters only.
_NO_FILTER = frozenset({"nofilter", "empty", "free", "air", "hole"})
_ABSOLUTE_ZERO_DEGC = -273.15
_JD_OF_MJD_0 = 2400000.5
_MJD_OF_1970 = 40587.0
_LATEST_MJD = 100000.0
_YEARS = range(1850, 2133)  # of photographs, to the end of `_LATEST_MJD`
_LONGEST_EXPOSURE_S = 86400.0
_MOST_BINNING = 64
_ARCSEC_PER_RADIAN = 206264.806
#: Cards whose name says their unit, also where the comment does not.
_UNITS = {"EXPOINUS": "[us]"}
#: Cards that say what a frame is for.
TYPE_CARDS = (
    "IMAGETYP",
    "IMAGETYPE",
    "CALFRAME",
    "ESO DPR TYPE",
    "OBSTYPE",
    "FRAME",
    "FRAMETYP",
    "PICTTYPE",
    "EXPTYPE",
    "IMGTYPE",
    "IMTYPE",
    "VIMTYPE",
    "OBS_TYPE",
    "OBSMODE",
    "DATA-TYP",
    "CCDTYPE",
    "ESO DPR CATG",
)
#: Words that mean something else in one card than in the others, and how the others say it; PICTTYPE is SBIG's.
TYPE_WORDS = {
    ("PICTTYPE", "1"): "light",
    ("PICTTYPE", "2"): "bias",
    ("PICTTYPE", "3"): "dark",
    ("PICTTYPE", "4"): "flat",
}


@dataclass(frozen=True, slots=True)
class _Fact(Generic[T]):
    """Where a fact stands; `read` gets a card's value and comment, and answers None for what it cannot use."""

    cards: tuple[str, ...]
    read: Callable[[Value, str], T | None]

    def of(self, header: Header) -> T | None:
        """The fact as the first card says that can be used."""
        for name in self.cards:
            found = value(header, name)
            fact = None if found is None else self.read(found, f"{comment(header, name)} {_UNITS.get(name, '')}")
            if fact is not None:
                return fact
        return None


def facts(header: Header) -> FrameFacts:
    """Read the facts of a header, whatever program wrote it.

    Parameters
    ----------
    header : Header
        As `app.frames.headers.read_header` returns it.

    Returns
    -------
    FrameFacts
        Numbers are finite; what the header does not say is None.
    """
    ra_deg, dec_deg = _position(header)
    binning = _binning(header)
    return FrameFacts(
        rows=_ROWS.of(header) or 0,
        columns=_COLUMNS.of(header) or 0,
        exposure_s=_EXPOSURE_S.of(header),
        filter=_FILTER.of(header),
        instrument=_INSTRUMENT.of(header),
        binning=binning,
        gain_setting=_GAIN_SETTING.of(header),
        offset_setting=_OFFSET_SETTING.of(header),
        gain_e_per_adu=_GAIN_E_PER_ADU.of(header) or _GAIN_BY_COMMENT.of(header),
        readout_mode=_READOUT_MODE.of(header),
        temperature_degc=_TEMPERATURE_DEGC.of(header),
        started_at=_started_at(header),
        ra_deg=ra_deg,
        dec_deg=dec_deg,
        object_name=_OBJECT_NAME.of(header),
        pixel_scale_arcsec=_PIXEL_SCALE_ARCSEC.of(header) or _scale_by_optics(header, binning),
        pedestal_adu=_PEDESTAL_ADU.of(header) or 0.0,
        saturation_adu=_SATURATION_ADU.of(header) or _SATURATION_BY_COMMENT.of(header),
        rotator_deg=_ROTATOR_DEG.of(header),
        calibrated_for=_calibrated_for(header),
    )


def _number(found: Value, remark: str = "") -> float | None:
    """A number, also at the start of a text such as ``"13 C"``."""
    if isinstance(found, str):
        match = _NUMBER.match(found.strip())
        found = float(match.group().upper().replace("D", "E")) if match else math.nan
    return float(found) if not isinstance(found, bool) and math.isfinite(found) else None


def _positive(found: Value, remark: str) -> float | None:
    number = _number(found)
    return number if number is not None and number > 0.0 else None


def _size(found: Value, remark: str) -> int | None:
    number = _positive(found, remark)
    return None if number is None else int(number)


def _text(found: Value, remark: str) -> str | None:
    """Text as written; numbers as people write them, so that 120 and 120.0 are the same setting."""
    return f"{found:g}" if isinstance(found, float) else str(found)


def _filter_name(found: Value, remark: str) -> str | None:
    name = str(found)
    return None if re.sub(r"[^a-z]", "", name.lower()) in _NO_FILTER else name


def _seconds(found: Value, remark: str) -> float | None:
    """Seconds in the unit that the comment says; what no camera exposes is not used."""
    number = _number(found)
    if number is None:
        return None
    unit = remark.lower()
    if re.search(r"\bms\b|millisec", unit):
        number /= 1e3
    elif re.search(r"\bus\b|µs|microsec", unit):
        number /= 1e6
    return number if 0.0 <= number <= _LONGEST_EXPOSURE_S else None


def _celsius(found: Value, remark: str) -> float | None:
    """Degrees Celsius; above 100 it must be kelvin, as it is where the comment says so."""
    number = _number(found)
    if number is None:
        return None
    if number > 100.0 or "kelvin" in remark.lower() or "[k]" in remark.lower():
        number = round(number + _ABSOLUTE_ZERO_DEGC, 6) if number > 0.0 else math.nan
    return number if number > _ABSOLUTE_ZERO_DEGC else None


def _gain_setting(found: Value, remark: str) -> str | None:
    return None if _ELECTRONS_PER_ADU.search(remark) else _text(found, remark)


def _gain_by_comment(found: Value, remark: str) -> float | None:
    return _positive(found, remark) if _ELECTRONS_PER_ADU.search(remark) else None


def _saturation_by_comment(found: Value, remark: str) -> float | None:
    return _positive(found, remark) if "satur" in remark.lower() else None


def _pedestal(found: Value, remark: str) -> float | None:
    """What is to be added: SBFITSEXT says so; PixInsight writes what it has added already."""
    number = _number(found)
    return -number if number is not None and re.search(r"\badded\b|positivity", remark) else number


def _scale(found: Value, remark: str) -> float | None:
    number = _positive(found, remark)
    return number if number is not None and number < 3600.0 else None


_ROWS = _Fact(("ZNAXIS2", "NAXIS2"), _size)
_COLUMNS = _Fact(("ZNAXIS1", "NAXIS1"), _size)
_EXPOSURE_S = _Fact(
    (
        "EXPTIME",
        "EXPOSURE",
        "EXP_TIME",
        "EXP-TIME",
        "EXPOSTIM",
        "EXPOS",
        "EXP",
        "ITIME",
        "INTTIME",
        "EXPOINUS",
    ),
    _seconds,
)
_FILTER = _Fact(
    ("FILTER", "FILTER1", "FILTNAME", "INSFLNAM", "FILTERID", "FILTNAM", "FILT-1", "ESO INS FILT1 NAME"),
    _filter_name,
)
_INSTRUMENT = _Fact(("INSTRUME", "CAMERA", "DETNAME", "CAMNAME", "DETECTOR"), _text)
_GAIN_SETTING = _Fact(("GAIN", "CAMGAIN", "GAINM", "ISO", "ISOSPEED"), _gain_setting)
_OFFSET_SETTING = _Fact(("OFFSET", "BLKLEVEL", "BLACKLVL", "BLACKLEV", "CCDOFFST"), _text)
#: EGAINSAV before EGAIN: where both stand, EGAIN is that of the converter, not of the stored values (SharpCap 4).
_GAIN_E_PER_ADU = _Fact(("EGAINSAV", "EGAIN", "E-GAIN"), _positive)
_GAIN_BY_COMMENT = _Fact(("GAIN", "CCDGAIN", "GAINCNST"), _gain_by_comment)
_READOUT_MODE = _Fact(("READOUTM", "READMODE", "CONFMODE", "RDMODE", "READOUT"), _text)
_TEMPERATURE_DEGC = _Fact(
    ("SET-TEMP", "CCDSTEMP", "CCD-TEMP", "CCDATEMP", "CCDTEMP", "CCD_TEMP", "CAMTEMP", "DET-TEMP", "DETTEMP"), _celsius
)
_OBJECT_NAME = _Fact(("OBJECT", "OBJNAME", "TARGNAME", "TARGET", "FIELD", "ESO OBS TARG NAME"), _text)
_PIXEL_SCALE_ARCSEC = _Fact(
    ("SECPIX", "SECPIX1", "PIXSCALE", "PIXSCAL1", "SCALE", "IM_SCALE", "IMSCALE", "PLTSCALE", "ESO INS PIXSCALE"),
    _scale,
)
_PEDESTAL_ADU = _Fact(("PEDESTAL",), _pedestal)
_SATURATION_ADU = _Fact(("SATURATE", "SATLEVEL", "SATURLEV"), _positive)
_SATURATION_BY_COMMENT = _Fact(("DATAMAX", "MAXLIN"), _saturation_by_comment)
_ROTATOR_DEG = _Fact(("ROTATOR", "ROTATANG", "ROTANG", "ROTANGLE", "ROTSKYPA", "POSANGLE", "ROTPOS"), _number)

#: Binning along x, and along y where that has a card of its own; one card may hold both: '2 2', '2x2', '2*2'.
_BINNING = (
    ("XBINNING", "YBINNING"),
    ("CCDXBIN", "CCDYBIN"),
    ("XBIN", "YBIN"),
    ("BINX", "BINY"),
    ("DETXBIN", "DETYBIN"),
    ("CCDBIN1", "CCDBIN2"),
    ("ESO DET WIN1 BINX", "ESO DET WIN1 BINY"),
    ("CCDSUM", "CCDSUM"),
    ("BINNING", "BINNING"),
)


def _binning(header: Header) -> tuple[int, int] | None:
    for x_card, y_card in _BINNING:
        x, y = value(header, x_card), value(header, y_card)
        factors = re.findall(r"\d+\.?\d*", str(x)) + (re.findall(r"\d+\.?\d*", str(y)) if y_card != x_card else [])
        if factors:
            pair = float(factors[0]), float(factors[min(1, len(factors) - 1)])
            if all(1 <= factor <= _MOST_BINNING and factor == int(factor) for factor in pair):
                return int(pair[0]), int(pair[1])
    return None


#: Pixel size in micrometres: card, and whether it is that of the sensor, before binning.
_PIXEL_SIZES = (("XPIXSZ", False), ("PIXSIZE1", True), ("XPIXSIZE", True))


def _scale_by_optics(header: Header, binning: tuple[int, int] | None) -> float | None:
    """Arc seconds per stored pixel from pixel size (micrometres) and focal length (mm): s = 206.265 p / f."""
    focal_mm = _Fact(("FOCALLEN", "FOCAL", "FOCLEN"), _positive).of(header)
    for card, of_sensor in _PIXEL_SIZES:
        pixel_um = _Fact((card,), _positive).of(header)
        if focal_mm is not None and pixel_um is not None:
            factor = binning[0] if of_sensor and binning else 1
            return _scale(_ARCSEC_PER_RADIAN * pixel_um * 1e-3 * factor / focal_mm, "")
    return None


#: Right ascension and declination; those of the mount or the order before those of a solution's reference pixel.
_POSITIONS = (
    ("RA", "DEC"),
    ("OBJCTRA", "OBJCTDEC"),
    ("OBJRA", "OBJDEC"),
    ("RA_OBS", "DEC_OBS"),
    ("TELRA", "TELDEC"),
    ("RA-MNT", "DEC-MNT"),
    ("CRVAL1", "CRVAL2"),
)


def _position(header: Header) -> tuple[float, float] | tuple[None, None]:
    """Right ascension and declination in ICRS degrees; exactly (0, 0) is a mount that is not connected."""
    for ra_card, dec_card in _POSITIONS:
        if ra_card == "CRVAL1" and not _is_celestial(header):
            continue
        ra_deg, dec_deg = _ra(header, ra_card), _angle(value(header, dec_card))
        if ra_deg is None or dec_deg is None or (ra_deg, dec_deg) == (0.0, 0.0):
            continue
        if 0.0 <= ra_deg <= 360.0 and -90.0 <= dec_deg <= 90.0:
            return _at_icrs(ra_deg % 360.0, dec_deg, header, comment(header, ra_card))
    return None, None


def _is_celestial(header: Header) -> bool:
    return str(value(header, "CTYPE1") or "").startswith("RA--")


def _ra(header: Header, card: str) -> float | None:
    """Right ascension in degrees: sexagesimal is hours, a decimal is hours only if its comment or the WCS says so."""
    found = value(header, card)
    angle = _angle(found)
    if angle is None:
        return None
    if isinstance(found, str) and _SEXAGESIMAL.match(found):
        return angle * 15.0 if angle < 24.0 else angle
    if re.search(r"\[h(ours?)?\]|\bhours\b", comment(header, card)) and angle < 24.0:
        return angle * 15.0
    centre = value(header, "CRVAL1")
    if (
        _is_celestial(header)
        and isinstance(centre, int | float)
        and abs(angle - centre) > 1.0 > abs(angle * 15 - centre)
    ):
        return angle * 15.0
    return angle


def _angle(found: Value | None) -> float | None:
    """A sexagesimal or decimal angle in the unit of its first part."""
    match = _SEXAGESIMAL.match(found.strip()) if isinstance(found, str) else None
    if match is None:
        return None if found is None else _number(found)
    whole, minutes, seconds = float(match[2]), float(match[3]), float(match[4] or 0.0)
    size = whole + minutes / 60.0 + seconds / 3600.0
    return -size if match[1] == "-" else size


def _at_icrs(ra_deg: float, dec_deg: float, header: Header, remark: str) -> tuple[float, float]:
    """Precess a position of another equinox than J2000, unless its comment says J2000."""
    equinox = _Fact(("EQUINOX", "EPOCH"), _positive).of(header)
    of_j2000 = equinox is None or abs(equinox - 2000.0) < 0.01 or not 1850.0 < equinox < 2150.0
    if of_j2000 or "J2000" in remark or value(header, "RADESYS", "RADECSYS") == "ICRS":
        return ra_deg, dec_deg
    from astropy.coordinates import FK4, FK5, SkyCoord  # slow to import, and rarely needed

    frame = FK4(equinox=f"B{equinox}") if equinox is not None and equinox < 1984.0 else FK5(equinox=f"J{equinox}")
    there = SkyCoord(ra_deg, dec_deg, unit="deg", frame=frame).icrs
    return float(there.ra.deg), float(there.dec.deg)


_DATE_CARDS = ("DATE-OBS", "DATE-BEG", "DATE_OBS", "UT-DATE")
_TIME_CARDS = ("TIME-OBS", "UTSTART", "UT", "UTC-OBS", "UTC", "UT-OBS", "TIME")


def _started_at(header: Header) -> datetime | None:
    """Start of the exposure; a date alone is completed by another card, else it is the start of that day.

    Dates with two-digit years are not used: nobody knows which of day, month and year comes first.
    """
    date = next(filter(_DATE.match, (str(value(header, card) or "") for card in _DATE_CARDS)), "")
    clocks = (_CLOCK.match(str(value(header, card) or "")) for card in _TIME_CARDS)
    clock = next(filter(None, clocks), None)
    is_date_only = len(date) == len("2024-01-31")
    if is_date_only and clock:
        date = f"{date}T{clock[1]:0>2}{clock[2]}"
    try:
        moment = datetime.fromisoformat(date)
    except ValueError:
        return _by_julian_date(header)
    if moment.year not in _YEARS:
        return _by_julian_date(header)
    if is_date_only and not clock:
        return _by_julian_date(header) or moment.replace(tzinfo=UTC)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _by_julian_date(header: Header) -> datetime | None:
    mjd = _Fact(("MJD-OBS", "MJD_OBS"), _positive).of(header)
    if mjd is None and (jd := _Fact(("JD", "JD-OBS"), _positive).of(header)) is not None:
        mjd = jd - _JD_OF_MJD_0
    if mjd is None or not 0.0 < mjd < _LATEST_MJD:
        return None
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=mjd - _MJD_OF_1970)


@dataclass(frozen=True, slots=True)
class _Treatment:
    """How a header says that a step of the calibration is done: letter in CALSTAT, cards, lines of HISTORY."""

    name: str
    letter: str
    cards: tuple[str, ...]
    history: re.Pattern[str]


_TREATMENTS = (
    _Treatment(
        "bias",
        "B",
        ("ZEROCOR", "BIASCOR", "SUBBIAS", "L1STATBI", "GSP_BIAS"),
        re.compile(r"(bias|zero)( frame)?[- ](subtract|correct)|subtract\w* (master )?bias", re.IGNORECASE),
    ),
    _Treatment(
        "dark",
        "D",
        ("DARKCOR", "SUBDARK", "L1STATDA", "GSP_DARK"),
        re.compile(r"dark( frame)?[- ](subtract|correct)|auto-?dark|subtract\w* (master )?dark", re.IGNORECASE),
    ),
    _Treatment(
        "flat",
        "F",
        ("FLATCOR", "L1STATFL", "GSP_FLAT"),
        re.compile(
            r"^\s*flat[- ]field(ed|ing|\s*\()|flat[- ]?(field)?[- ](correct|divi)|divid\w* by (master )?flat",
            re.IGNORECASE,
        ),
    ),
)
_DENIAL = re.compile(r"\b(no|not|without|skipped)\b", re.IGNORECASE)
_NOT_DONE = frozenset({"0", "f", "false", "no", "n", "omit", "not done"})


def _calibrated_for(header: Header) -> frozenset[str]:
    letters = set(str(value(header, "CALSTAT") or "").upper())
    if not letters <= set("BDFMPS ,"):
        letters = set()  # a word, not the letters of SBFITSEXT
    history = [line for line in lines(header, "HISTORY", "COMMENT") if not _DENIAL.search(line)]
    return frozenset(
        treatment.name
        for treatment in _TREATMENTS
        if treatment.letter in letters
        or any(_is_done(value(header, card)) for card in treatment.cards)
        or any(treatment.history.search(line) for line in history)
    )


def _is_done(found: Value | None) -> bool:
    return found is not None and str(found).lower() not in _NOT_DONE
