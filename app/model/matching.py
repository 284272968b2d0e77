"""Which frames belong together, which master fits which frame, and why: every answer carries its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import acos, cos, degrees, radians, sin
from typing import Generic, Protocol, TypeVar

from app.model.frame import FrameFacts

#: Exposures within max(this, `EXPOSURE_TOLERANCE_PART` of them) are one group: 300.0 and 300.1 s.
EXPOSURE_TOLERANCE_S = 0.01
EXPOSURE_TOLERANCE_PART = 0.005
#: A dark is scaled only between these factors of its exposure.
DARK_SCALE_RANGE = (0.2, 2.0)
TEMPERATURE_OK_DEGC = 1.0
TEMPERATURE_POOR_DEGC = 5.0
ROTATOR_TOLERANCE_DEG = 1.0


class HasFacts(Protocol):
    """An exposure or a combination."""

    @property
    def facts(self) -> FrameFacts:
        """What its header says."""
        ...


F = TypeVar("F", bound=HasFacts)

#: Whether two frames agree in something that groups are made by.
Key = Callable[[FrameFacts, FrameFacts], bool]

_EXACT: tuple[tuple[str, Callable[[FrameFacts], object]], ...] = (
    ("camera", lambda facts: facts.instrument),
    ("size", lambda facts: f"{facts.columns}x{facts.rows}"),
    ("binning", lambda facts: facts.binning and "{}x{}".format(*facts.binning)),
    ("gain", lambda facts: facts.gain_setting),
    ("offset", lambda facts: facts.offset_setting),
    ("readout mode", lambda facts: facts.readout_mode),
)


class Grade(StrEnum):
    """How well temperatures agree; graded, for a poor dark is better than none."""

    OK = "ok"
    ACCEPTABLE = "acceptable"
    POOR = "poor"


@dataclass(frozen=True, slots=True)
class DarkChoice(Generic[F]):
    """How the dark current of a frame is removed.

    Attributes
    ----------
    bias, dark : master or None
        What is subtracted: the dark alone (it contains the bias), the bias alone, or bias + scale (dark - bias).
    scale : float
        Exposure of the frame over exposure of the dark; 1 without scaling.
    reason : str
        Why these, for the operator.
    """

    bias: F | None
    dark: F | None
    scale: float
    reason: str

    @property
    def formula(self) -> str:
        """What is subtracted, as it stands in the header."""
        if self.dark is None:
            return "bias" if self.bias is not None else "nothing"
        return "dark" if self.bias is None else f"bias + {self.scale:.6g} (dark - bias)"


def differences(one: FrameFacts, other: FrameFacts, *, strict: bool = False) -> tuple[str, ...]:
    """What keeps two frames from being used together, such as ``"binning 1x1, not 2x2"``.

    Parameters
    ----------
    one, other : FrameFacts
        `one` is the candidate, `other` what it is wanted for.
    strict : bool
        What is not recorded differs too, and the camera must be known: for masters of other nights.
    """
    found = []
    for name, read in _EXACT:
        first, second = read(one), read(other)
        if first == second and not (strict and name == "camera" and first is None):
            continue
        if (first is None or second is None) and not strict:
            continue
        found.append(f"{name} {first or 'not recorded'}, not {second or 'recorded'}")
    return tuple(found)


def is_same_exposure(one_s: float | None, other_s: float | None) -> bool:
    """Whether two exposure times count as one; an unknown one is like nothing."""
    if one_s is None or other_s is None:
        return False
    return abs(one_s - other_s) <= max(EXPOSURE_TOLERANCE_S, EXPOSURE_TOLERANCE_PART * max(one_s, other_s))


def temperature_grade(one: FrameFacts, other: FrameFacts) -> tuple[Grade, float | None]:
    """Grade and difference in degrees Celsius; a temperature that is not known is acceptable."""
    if one.temperature_degc is None or other.temperature_degc is None:
        return Grade.ACCEPTABLE, None
    difference = abs(one.temperature_degc - other.temperature_degc)
    if difference <= TEMPERATURE_OK_DEGC:
        return Grade.OK, difference
    return (Grade.ACCEPTABLE if difference <= TEMPERATURE_POOR_DEGC else Grade.POOR), difference


def groups(frames: Iterable[F], *keys: Key) -> tuple[tuple[F, ...], ...]:
    """Frames of one camera set-up that agree in every key, together; in order of their first frames."""
    return _gathered(frames, lambda one, other: _is_same_set_up(one, other) and all(key(one, other) for key in keys))


def fields(frames: Sequence[F], radius_deg: float) -> tuple[tuple[F, ...], ...]:
    """Lights of one field together: by position first, by OBJECT where no position is known.

    Parameters
    ----------
    frames : sequence
        In order of time.
    radius_deg : float
        Frames nearer than this to the first of a group are of its field.
    """
    return _gathered(frames, lambda one, other: _is_same_field(one, other, radius_deg))


def _gathered(frames: Iterable[F], belongs: Key) -> tuple[tuple[F, ...], ...]:
    """Each frame goes to the first group whose first frame it belongs to, or begins one."""
    found: list[list[F]] = []
    for frame in frames:
        home = next((group for group in found if belongs(frame.facts, group[0].facts)), None)
        if home is None:
            found.append([frame])
        else:
            home.append(frame)
    return tuple(tuple(group) for group in found)


def choose_dark(frame: FrameFacts, biases: Sequence[F], darks: Sequence[F], *, may_scale: bool = True) -> DarkChoice[F]:
    """Choose how to remove bias and dark current from a frame.

    Parameters
    ----------
    frame : FrameFacts
        Of a light or a flat.
    biases, darks : sequence of masters
        Nearest first; those of another set-up are passed over.
    may_scale : bool
        False for cameras with amplifier glow, which does not grow with time.

    Returns
    -------
    DarkChoice
        What to subtract, and why.
    """
    bias = next((master for master in _by_temperature(biases, frame) if not differences(master.facts, frame)), None)
    fitting = [master for master in _by_temperature(darks, frame) if not differences(master.facts, frame)]
    same = next((dark for dark in fitting if is_same_exposure(dark.facts.exposure_s, frame.exposure_s)), None)
    if same is not None:
        return DarkChoice(None, same, 1.0, f"dark of the same exposure, {_seconds(same.facts)}")
    reasons = [_why_not(darks, fitting, frame, "dark")]
    if bias is not None and may_scale and frame.exposure_s:
        low, high = DARK_SCALE_RANGE
        scaled = [(frame.exposure_s / dark.facts.exposure_s, dark) for dark in fitting if dark.facts.exposure_s]
        scaled = sorted((pair for pair in scaled if low <= pair[0] <= high), key=lambda pair: abs(pair[0] - 1.0))
        if scaled:
            scale, dark = scaled[0]
            return DarkChoice(bias, dark, scale, f"{reasons[0]}; the {_seconds(dark.facts)} dark scaled by {scale:.4g}")
        if fitting:
            reasons.append(f"scaling is kept within {low:g} to {high:g}")
    if bias is not None:
        return DarkChoice(bias, None, 1.0, "; ".join([*reasons, "bias only"]))
    fits_bias = [master for master in biases if not differences(master.facts, frame)]
    return DarkChoice(None, None, 1.0, "; ".join([*reasons, _why_not(biases, fits_bias, frame, "bias")]))


def choose_flat(frame: FrameFacts, flats: Sequence[F]) -> tuple[F | None, str]:
    """The flat of the frame's set-up, filter and rotator angle, and why it or none."""
    fitting = [flat for flat in flats if not differences(flat.facts, frame)]
    same = [flat for flat in fitting if flat.facts.filter == frame.filter and by_rotator(flat.facts, frame)]
    if same:
        return same[0], f"flat of filter {frame.filter or 'none'}"
    if any(flat.facts.filter == frame.filter for flat in fitting):
        return None, f"no flat of filter {frame.filter or 'none'} at the rotator's angle {frame.rotator_deg:g} deg"
    if fitting:
        have = ", ".join(sorted({flat.facts.filter or "none" for flat in fitting}))
        return None, f"no flat of filter {frame.filter or 'none'}: there is {have}"
    return None, _why_not(flats, fitting, frame, "flat")


def _why_not(masters: Sequence[F], fitting: Sequence[F], frame: FrameFacts, name: str) -> str:
    if fitting:
        have = ", ".join(sorted({_seconds(master.facts) for master in fitting}))
        return f"no {name} of {_seconds(frame)}: there is {have}"
    if masters:
        return f"no {name} fits: " + "; ".join(differences(masters[0].facts, frame))
    return f"no {name}"


def _is_same_set_up(one: FrameFacts, other: FrameFacts) -> bool:
    return all(read(one) == read(other) for _, read in _EXACT)


def by_filter(one: FrameFacts, other: FrameFacts) -> bool:
    """Whether two frames have one filter."""
    return one.filter == other.filter


def by_exposure(one: FrameFacts, other: FrameFacts) -> bool:
    """Whether two frames have one exposure time, or neither has any."""
    return one.exposure_s == other.exposure_s or is_same_exposure(one.exposure_s, other.exposure_s)


def by_temperature(one: FrameFacts, other: FrameFacts) -> bool:
    """Whether two frames are near enough in temperature to be stacked."""
    return temperature_grade(one, other)[0] is not Grade.POOR


def by_rotator(one: FrameFacts, other: FrameFacts) -> bool:
    """Whether the rotator stood alike, as far as that is known: dust and vignetting turn with it."""
    if one.rotator_deg is None or other.rotator_deg is None:
        return True
    return abs((one.rotator_deg - other.rotator_deg + 180.0) % 360.0 - 180.0) <= ROTATOR_TOLERANCE_DEG


def _is_same_field(one: FrameFacts, other: FrameFacts, radius_deg: float) -> bool:
    if one.ra_deg is None or one.dec_deg is None or other.ra_deg is None or other.dec_deg is None:
        return (one.object_name or "").strip().lower() == (other.object_name or "").strip().lower()
    return separation_deg(one.ra_deg, one.dec_deg, other.ra_deg, other.dec_deg) <= radius_deg


def separation_deg(ra1_deg: float, dec1_deg: float, ra2_deg: float, dec2_deg: float) -> float:
    """Angle between two positions in degrees, by the spherical law of cosines; good to 0.1 arcsec beyond 10 arcsec."""
    a, b, turn = radians(dec1_deg), radians(dec2_deg), radians(ra1_deg - ra2_deg)
    return degrees(acos(max(-1.0, min(1.0, sin(a) * sin(b) + cos(a) * cos(b) * cos(turn)))))


def _by_temperature(masters: Sequence[F], frame: FrameFacts) -> list[F]:
    """Nearest temperature first; the given order decides between equals."""
    order = list(Grade)
    return sorted(masters, key=lambda master: order.index(temperature_grade(master.facts, frame)[0]))


def _seconds(facts: FrameFacts) -> str:
    return "unknown exposure" if facts.exposure_s is None else f"{facts.exposure_s:g} s"
