"""What is known of one frame: its facts from the header, and how it was recognised."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum


class FrameKind(StrEnum):
    """What a frame is for."""

    BIAS = "bias"
    DARK = "dark"
    FLAT = "flat"
    LIGHT = "light"
    OTHER = "other"
    UNSURE = "unsure"


@dataclass(frozen=True, slots=True)
class Recognition:
    """How a frame was recognised.

    Attributes
    ----------
    kind : FrameKind
        What the frame is for; UNSURE when the evidence does not decide.
    reason : str
        The evidence, in one sentence for the operator.
    confidence : float
        0 to 1; below 0.5 the kind is UNSURE.
    subtype : str or None
        What an OTHER frame is: arc, derived, guide, calibrated, master_bias, master_dark, master_flat, master_light.
    """

    kind: FrameKind
    reason: str
    confidence: float
    subtype: str | None = None


@dataclass(frozen=True, slots=True)
class FrameFacts:
    """The facts of a header, spelled in one way; None is not known.

    Attributes
    ----------
    rows, columns : int
        Size of the image as stored, before trimming; 0 without an image.
    exposure_s : float or None
        Exposure time in seconds.
    filter : str or None
        Name of the filter as the camera wrote it; "N/A", blanks and the like are None.
    instrument : str or None
        Name of the camera.
    binning : tuple of int or None
        (x, y).
    gain_setting, offset_setting : str or None
        Settings of the camera in its own units, for exact comparison only.
    gain_e_per_adu : float or None
        Electrons per ADU, only where the header says so (EGAIN, or a GAIN whose comment says e-/ADU).
    readout_mode : str or None
        Name of the readout mode.
    temperature_degc : float or None
        SET-TEMP, else CCD-TEMP; values over 100 were kelvin.
    started_at : datetime or None
        Start of the exposure, aware, UTC.
    ra_deg, dec_deg : float or None
        Position of the pointing or the object, ICRS degrees.
    object_name : str or None
        OBJECT as written.
    pixel_scale_arcsec : float or None
        Arc seconds per pixel of the stored image, from a card or from focal length and pixel size.
    pedestal_adu : float
        To be added to every stored value.
    saturation_adu : float or None
        Values at or over this are saturated.
    rotator_deg : float or None
        Position angle of the rotator.
    calibrated_for : frozenset of str
        Subset of {"bias", "dark", "flat"} which the camera's software did already.
    """

    rows: int = 0
    columns: int = 0
    exposure_s: float | None = None
    filter: str | None = None
    instrument: str | None = None
    binning: tuple[int, int] | None = None
    gain_setting: str | None = None
    offset_setting: str | None = None
    gain_e_per_adu: float | None = None
    readout_mode: str | None = None
    temperature_degc: float | None = None
    started_at: datetime | None = None
    ra_deg: float | None = None
    dec_deg: float | None = None
    object_name: str | None = None
    pixel_scale_arcsec: float | None = None
    pedestal_adu: float = 0.0
    saturation_adu: float | None = None
    rotator_deg: float | None = None
    calibrated_for: frozenset[str] = field(default_factory=frozenset)
