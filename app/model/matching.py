"""Which frames belong together, which master fits which frame, and why: every answer carries its reason."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import acos, cos, degrees, radians, sin
from typing import Generic, Protocol, TypeVar

from app.model.frame import FrameFacts, FrameKind
from app.model.settings import Matching

#: The tolerances of an operator who set none.
USUAL = Matching()
#: Of a field, where the scale of the pixels is not known.
USUAL_RADIUS_DEG = 0.25


class HasFacts(Protocol):
    """An exposure or a combination."""

    @property
    def facts(self) -> FrameFacts:
        """What its header says."""
        ...


F = TypeVar("F", bound=HasFacts)

#: Whether two frames agree, within the tolerances, in something that groups are made by.
Key = Callable[[FrameFacts, FrameFacts, Matching], bool]

_EXACT: tuple[tuple[str, Callable[[FrameFacts], object]], ...] = (
    ("camera", lambda facts: facts.instrument),
    ("size", lambda facts: f"{facts.columns}x{facts.rows}"),
    ("binning", lambda facts: facts.binning and "{}x{}".format(*facts.binning)),
    ("gain", lambda facts: facts.gain_setting),
    ("offset", lambda facts: facts.offset_setting),
    ("readout mode", lambda facts: facts.readout_mode),
)

_BIAS_STAYS = "a flat cannot be applied while the bias is in the frame"
_NOT_NEAREST = "another one is nearer in temperature or time"


class Grade(StrEnum):
    """How well temperatures agree; graded, for a poor dark is better than none."""

    OK = "ok"
    ACCEPTABLE = "acceptable"
    POOR = "poor"


@dataclass(frozen=True, slots=True)
class Refusal(Generic[F]):
    """A master that was at hand and is not used, and why."""

    master: F
    why: str


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


@dataclass(frozen=True, slots=True)
class MasterChoice(Generic[F]):
    """Which masters a light gets, why these, and why not the others.

    Attributes
    ----------
    dark : DarkChoice
        How bias and dark current are removed.
    flat : master or None
        What it is divided by.
    flat_reason : str
        Why it, or none.
    refused : tuple of Refusal
        The others that were at hand.
    """

    dark: DarkChoice[F]
    flat: F | None
    flat_reason: str
    refused: tuple[Refusal[F], ...] = ()

    @property
    def masters(self) -> tuple[F, ...]:
        """All that are used: bias, dark, flat."""
        return tuple(master for master in (self.dark.bias, self.dark.dark, self.flat) if master is not None)

    @property
    def flat_remedy(self) -> str:
        """What to do about a light that is not divided by a flat."""
        return "take darks or bias" if self.flat_reason == _BIAS_STAYS else "take flats of this filter"


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


def set_up_text(facts: FrameFacts) -> str:
    """What must be the same of frames that are used together, such as ``cam, size 200x100, binning 1x1``."""
    known = [(name, read(facts)) for name, read in _EXACT]
    return ", ".join(
        str(found) if name == "camera" else f"{name} {found}" for name, found in known if found is not None
    )


def is_same_exposure(one_s: float | None, other_s: float | None, rules: Matching = USUAL) -> bool:
    """Whether two exposure times count as one; an unknown one is like nothing."""
    if one_s is None or other_s is None:
        return False
    return abs(one_s - other_s) <= max(rules.exposure_s, rules.exposure_part * max(one_s, other_s))


def temperature_grade(one: FrameFacts, other: FrameFacts, rules: Matching = USUAL) -> tuple[Grade, float | None]:
    """Grade and difference in degrees Celsius; a temperature that is not known is acceptable."""
    if one.temperature_degc is None or other.temperature_degc is None:
        return Grade.ACCEPTABLE, None
    difference = abs(one.temperature_degc - other.temperature_degc)
    if difference <= rules.temperature_ok_degc:
        return Grade.OK, difference
    return (Grade.ACCEPTABLE if difference <= rules.temperature_poor_degc else Grade.POOR), difference


def groups(frames: Iterable[F], *keys: Key, rules: Matching = USUAL) -> tuple[tuple[F, ...], ...]:
    """Frames of one camera set-up that agree in every key, together; in order of their first frames."""
    return _gathered(
        frames, lambda one, other: _is_same_set_up(one, other) and all(key(one, other, rules) for key in keys)
    )


def master_groups(kind: FrameKind, frames: Iterable[F], rules: Matching = USUAL) -> tuple[tuple[F, ...], ...]:
    """Frames of a kind that go into one master: biases by set-up, darks and flats also by what changes them."""
    return groups(frames, *_MASTER_KEYS[kind], rules=rules)


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


def light_groups(
    frames: Sequence[F], rules: Matching = USUAL, *, radius_deg: float = USUAL_RADIUS_DEG
) -> tuple[tuple[F, ...], ...]:
    """Lights that go into one stack: of one set-up, filter, exposure and field.

    Parameters
    ----------
    frames : sequence
        In order of time.
    rules : Matching
        The tolerances.
    radius_deg : float
        Of a field, where the scale of the pixels is not known; else it is half the longer side of the frame: frames
        that share less than half are not worth one stack.
    """

    def radius_of(facts: FrameFacts) -> float:
        if facts.pixel_scale_arcsec is None:
            return radius_deg
        return max(facts.rows, facts.columns) / 2.0 * facts.pixel_scale_arcsec / 3600.0

    alike = groups(frames, by_filter, by_exposure, rules=rules)
    return tuple(field for group in alike for field in fields(group, radius_of(group[0].facts)))


def _gathered(frames: Iterable[F], belongs: Callable[[FrameFacts, FrameFacts], bool]) -> tuple[tuple[F, ...], ...]:
    """Each frame goes to the first group whose first frame it belongs to, or begins one."""
    found: list[list[F]] = []
    for frame in frames:
        home = next((group for group in found if belongs(frame.facts, group[0].facts)), None)
        if home is None:
            found.append([frame])
        else:
            home.append(frame)
    return tuple(tuple(group) for group in found)


def choose_dark(
    frame: FrameFacts,
    biases: Sequence[F],
    darks: Sequence[F],
    *,
    may_scale: bool = True,
    rules: Matching = USUAL,
    told: Callable[[F], str] | None = None,
) -> DarkChoice[F]:
    """Choose how to remove bias and dark current from a frame.

    Parameters
    ----------
    frame : FrameFacts
        Of a light or a flat.
    biases, darks : sequence of masters
        Nearest first; those of another set-up are passed over.
    may_scale : bool
        False for cameras with amplifier glow, which does not grow with time.
    rules : Matching
        The tolerances.
    told : callable, optional
        What else an operator should know of a master, such as its age; nothing is an empty text.

    Returns
    -------
    DarkChoice
        What to subtract, and why.
    """
    biases, darks = _by_temperature(biases, frame, rules), _by_temperature(darks, frame, rules)
    bias = next((master for master in biases if not differences(master.facts, frame)), None)
    fitting = [master for master in darks if not differences(master.facts, frame)]
    same = next((dark for dark in fitting if is_same_exposure(dark.facts.exposure_s, frame.exposure_s, rules)), None)

    def note(*masters: F) -> str:
        return "".join(_note(master, frame, rules, told) for master in masters)

    if same is not None:
        return DarkChoice(None, same, 1.0, f"dark of the same exposure, {_seconds(same.facts)}{note(same)}")
    reasons = [_why_none(darks, fitting, frame, "dark")]
    if bias is not None and fitting and not may_scale:
        reasons.append("scaling is switched off for this camera")
    elif bias is not None and fitting and frame.exposure_s:
        scaled = _scaled(fitting, frame, frame.exposure_s, rules)
        if scaled is not None:
            scale, dark = scaled
            reason = f"{reasons[0]}; the {_seconds(dark.facts)} dark scaled by {scale:.4g}{note(bias, dark)}"
            return DarkChoice(bias, dark, scale, reason)
        reasons.append(f"scaling is kept within {rules.dark_scale_low:g} to {rules.dark_scale_high:g}")
    if bias is not None:
        return DarkChoice(bias, None, 1.0, "; ".join([*reasons, f"bias only{note(bias)}"]))
    return DarkChoice(None, None, 1.0, "; ".join([*reasons, _why_none(biases, (), frame, "bias")]))


def choose_flat(
    frame: FrameFacts, flats: Sequence[F], rules: Matching = USUAL, told: Callable[[F], str] | None = None
) -> tuple[F | None, str]:
    """The flat of the frame's set-up, filter and rotator angle, and why it or none; parameters as `choose_dark`."""
    fitting = [flat for flat in flats if not differences(flat.facts, frame)]
    filter_name = frame.filter or "none"
    same = [flat for flat in fitting if by_filter(flat.facts, frame) and by_rotator(flat.facts, frame, rules)]
    if same:
        return same[0], f"flat of filter {filter_name}{_told(same[0], told)}"
    if any(by_filter(flat.facts, frame) for flat in fitting):
        return None, f"no flat of filter {filter_name} at the rotator's angle {frame.rotator_deg:g} deg"
    if fitting:
        have = ", ".join(sorted({flat.facts.filter or "none" for flat in fitting}))
        return None, f"no flat of filter {filter_name}: there is {have}"
    return None, _why_none(flats, fitting, frame, "flat")


def choose_masters(
    frame: FrameFacts,
    biases: Sequence[F],
    darks: Sequence[F],
    flats: Sequence[F],
    *,
    may_scale: bool = True,
    rules: Matching = USUAL,
    told: Callable[[F], str] | None = None,
) -> MasterChoice[F]:
    """Choose what is still to be done to a light; parameters as `choose_dark`."""
    done = frame.calibrated_for
    if "dark" in done:
        dark: DarkChoice[F] = DarkChoice(None, None, 1.0, "its dark was subtracted by the camera's software")
    elif "bias" in done:
        dark = DarkChoice(None, None, 1.0, "its bias was subtracted by the camera's software, its dark current stays")
    else:
        dark = choose_dark(frame, biases, darks, may_scale=may_scale, rules=rules, told=told)
    flat, reason = choose_flat(frame, flats, rules, told)
    if "flat" in done:
        flat, reason = None, "it was divided by a flat by the camera's software"
    elif flat is not None and dark.formula == "nothing" and not done:
        flat, reason = None, _BIAS_STAYS
    refused = (
        *_refusals(biases, dark.bias, frame, lambda master: _why_no_bias(dark)),
        *_refusals(darks, dark.dark, frame, lambda master: _why_no_dark(master, dark, frame, rules)),
        *_refusals(
            flats, flat, frame, lambda master: _why_no_flat(master, reason if flat is None else "", frame, rules)
        ),
    )
    return MasterChoice(dark, flat, reason, refused)


def _refusals(
    masters: Sequence[F], chosen: F | None, frame: FrameFacts, why: Callable[[FrameFacts], str]
) -> Iterator[Refusal[F]]:
    for master in masters:
        if master is not chosen:
            yield Refusal(master, "; ".join(differences(master.facts, frame)) or why(master.facts) or _NOT_NEAREST)


def _why_no_bias(chosen: DarkChoice[F]) -> str:
    if chosen.bias is not None:
        return ""
    return "the dark contains the bias" if chosen.dark is not None else chosen.reason


def _why_no_dark(master: FrameFacts, chosen: DarkChoice[F], frame: FrameFacts, rules: Matching) -> str:
    if is_same_exposure(master.exposure_s, frame.exposure_s, rules):
        return "" if chosen.dark is not None else chosen.reason
    return f"exposure {_seconds(master)}, not {_seconds(frame)}"


def _why_no_flat(master: FrameFacts, reason: str, frame: FrameFacts, rules: Matching) -> str:
    if not by_filter(master, frame):
        return f"filter {master.filter or 'none'}, not {frame.filter or 'none'}"
    return (
        reason
        if by_rotator(master, frame, rules)
        else f"rotator at {master.rotator_deg:g} deg, not {frame.rotator_deg:g}"
    )


def _scaled(fitting: Sequence[F], frame: FrameFacts, exposure_s: float, rules: Matching) -> tuple[float, F] | None:
    """The dark to be scaled and its factor: of the best temperature, then of the nearest exposure."""
    factors = [(exposure_s / dark.facts.exposure_s, dark) for dark in fitting if dark.facts.exposure_s]
    allowed = [pair for pair in factors if rules.dark_scale_low <= pair[0] <= rules.dark_scale_high]
    return min(allowed, key=lambda pair: (_grade_place(pair[1], frame, rules), abs(pair[0] - 1.0)), default=None)


def _why_none(masters: Sequence[F], fitting: Sequence[F], frame: FrameFacts, name: str) -> str:
    if fitting:
        have = ", ".join(sorted({_seconds(master.facts) for master in fitting}))
        return f"no {name} of {_seconds(frame)}: there is {have}"
    if masters:
        return f"no {name} fits: " + "; ".join(differences(masters[0].facts, frame))
    return f"no {name}"


def _note(master: F, frame: FrameFacts, rules: Matching, told: Callable[[F], str] | None) -> str:
    """What an operator should know of a master: a temperature that is not good, and what else is told of it."""
    grade, difference = temperature_grade(master.facts, frame, rules)
    poor = "" if difference is None or grade is Grade.OK else f"; {difference:.1f} degC away: {grade}"
    return poor + _told(master, told)


def _told(master: F, told: Callable[[F], str] | None) -> str:
    words = told(master) if told is not None else ""
    return f"; {words}" if words else ""


def _is_same_set_up(one: FrameFacts, other: FrameFacts) -> bool:
    return all(read(one) == read(other) for _, read in _EXACT)


def by_filter(one: FrameFacts, other: FrameFacts, rules: Matching = USUAL) -> bool:
    """Whether two frames have one filter."""
    return one.filter == other.filter


def by_exposure(one: FrameFacts, other: FrameFacts, rules: Matching = USUAL) -> bool:
    """Whether two frames have one exposure time, or neither has any."""
    return one.exposure_s == other.exposure_s or is_same_exposure(one.exposure_s, other.exposure_s, rules)


def by_temperature(one: FrameFacts, other: FrameFacts, rules: Matching = USUAL) -> bool:
    """Whether two frames are near enough in temperature to be stacked."""
    return temperature_grade(one, other, rules)[0] is not Grade.POOR


def by_rotator(one: FrameFacts, other: FrameFacts, rules: Matching = USUAL) -> bool:
    """Whether the rotator stood alike, as far as that is known: dust and vignetting turn with it."""
    if one.rotator_deg is None or other.rotator_deg is None:
        return True
    return abs((one.rotator_deg - other.rotator_deg + 180.0) % 360.0 - 180.0) <= rules.rotator_deg


_MASTER_KEYS: Mapping[FrameKind, tuple[Key, ...]] = {
    FrameKind.BIAS: (),
    FrameKind.DARK: (by_filter, by_exposure, by_temperature),
    FrameKind.FLAT: (by_filter, by_rotator),
}
#: Frames of which masters are made, in the order in which masters need one another.
MASTER_KINDS = tuple(_MASTER_KEYS)


def _is_same_field(one: FrameFacts, other: FrameFacts, radius_deg: float) -> bool:
    if one.ra_deg is None or one.dec_deg is None or other.ra_deg is None or other.dec_deg is None:
        return (one.object_name or "").strip().lower() == (other.object_name or "").strip().lower()
    return separation_deg(one.ra_deg, one.dec_deg, other.ra_deg, other.dec_deg) <= radius_deg


def separation_deg(ra1_deg: float, dec1_deg: float, ra2_deg: float, dec2_deg: float) -> float:
    """Angle between two positions in degrees, by the spherical law of cosines; good to 0.1 arcsec beyond 10 arcsec."""
    a, b, turn = radians(dec1_deg), radians(dec2_deg), radians(ra1_deg - ra2_deg)
    return degrees(acos(max(-1.0, min(1.0, sin(a) * sin(b) + cos(a) * cos(b) * cos(turn)))))


def _by_temperature(masters: Sequence[F], frame: FrameFacts, rules: Matching) -> list[F]:
    """Best temperature first; the given order decides between equals."""
    return sorted(masters, key=lambda master: _grade_place(master, frame, rules))


def _grade_place(master: F, frame: FrameFacts, rules: Matching) -> int:
    return list(Grade).index(temperature_grade(master.facts, frame, rules)[0])


def _seconds(facts: FrameFacts) -> str:
    return "unknown exposure" if facts.exposure_s is None else f"{facts.exposure_s:g} s"
