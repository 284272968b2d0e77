"""How numbers are written for people: units always, fixed places, thin spaces in long counts, true minus signs."""

from __future__ import annotations

from datetime import datetime, timedelta

_THIN_SPACE = "\u2009"
_MINUS = "\u2212"
#: What stands where nothing was ever read.
DASHES = "\u2013\u2013"


def azimuth_text(azimuth_deg: float | None) -> str:
    """``137.4°``; dashes when it was never read. 359.96 reads 0.0°."""
    return DASHES if azimuth_deg is None else f"{round(azimuth_deg, 1) % 360.0:.1f}°"


def angle_text(angle_deg: float | None) -> str:
    """A signed angle, such as ``−38.4°``."""
    return DASHES if angle_deg is None else f"{angle_deg:+.1f}°".replace("-", _MINUS)


def age_text(age_s: float | None) -> str:
    """``3 s``, ``4 m``, ``2 h``; dashes for what was never read."""
    if age_s is None:
        return DASHES
    if age_s < 100.0:
        return f"{age_s:.0f} s"
    return f"{age_s / 60.0:.0f} m" if age_s < 6000.0 else f"{age_s / 3600.0:.0f} h"


def duration_text(seconds: float | None) -> str:
    """``0.4 s``, ``12 s``, ``1 m 20 s``, ``2 h 05 m``."""
    if seconds is None:
        return DASHES
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} m {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} m"


def latency_text(seconds: float | None) -> str:
    """``12 ms``, ``1.2 s``."""
    if seconds is None:
        return DASHES
    return f"{seconds * 1000.0:.0f} ms" if seconds < 0.9995 else duration_text(seconds)


def count_text(count: int) -> str:
    """``12 000`` with thin spaces."""
    return f"{count:,}".replace(",", _THIN_SPACE).replace("-", _MINUS)


def frames_text(count: int) -> str:
    """``1 frame``, ``3 frames``."""
    return "1 frame" if count == 1 else f"{count_text(count)} frames"


def right_ascension_text(ra_deg: float) -> str:
    """``13 29 52.7``: hours, minutes and seconds."""
    tenths = round(ra_deg % 360.0 / 15.0 * 36000.0) % 864000
    return f"{tenths // 36000:02d} {tenths // 600 % 60:02d} {tenths % 600 / 10:04.1f}"


def declination_text(dec_deg: float) -> str:
    """``+47 11 43``: degrees, minutes and seconds."""
    seconds = round(abs(dec_deg) * 3600.0)
    sign = _MINUS if dec_deg < 0.0 and seconds else "+"
    return f"{sign}{seconds // 3600:02d} {seconds // 60 % 60:02d} {seconds % 60:02d}"


def time_text(at: datetime) -> str:
    """``21:04:55`` UTC."""
    return f"{at:%H:%M:%S}"


def night_text(at: datetime) -> str:
    """The date of the evening, UTC: noon divides nights."""
    return f"{at - timedelta(hours=12):%Y-%m-%d}"


def turn_text(remaining_deg: float | None, eta_s: float | None = None) -> str:
    """``CW 34.0°, 12 s``: direction, size and time of the turn that is left; a turn of 0.0° has no direction."""
    if remaining_deg is None:
        return DASHES
    size = f"{abs(remaining_deg):.1f}°"
    text = size if size == "0.0°" else f"{'CW' if remaining_deg > 0.0 else 'CCW'} {size}"
    return text if eta_s is None else f"{text}, {duration_text(eta_s)}"
