"""What the header of a raw frame says of it, and which frames of a batch take no part; no pixel is read here."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from astropy.io.fits import Header

from app.frames.dialects import facts as facts_of
from app.frames.readout import Readout, readout_mode
from app.frames.recognise import recognise
from app.model.batch import LeftOut, NewExposure
from app.model.errors import FrameError
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.matching import MASTER_KINDS, differences
from app.model.settings import Camera, Settings

USABLE = (*MASTER_KINDS, FrameKind.LIGHT)

#: Why a file is not looked at any further.
LEFT_OUT_BY_OPERATOR = "an operator left it out"

E = TypeVar("E", bound=NewExposure)


@dataclass(frozen=True, slots=True)
class Seen:
    """A frame as its header, the settings and the operator describe it."""

    facts: FrameFacts
    recognition: Recognition


class ReadOut(Protocol):
    """How the images of a file are put together: a `FrameSource`, or what headers alone tell of one."""

    @property
    def rows(self) -> int:
        """After trimming."""
        ...

    @property
    def columns(self) -> int:
        """After trimming."""
        ...

    @property
    def images(self) -> Sequence[object]:
        """Those which are read."""
        ...

    @property
    def readout(self) -> Readout | None:
        """None when the frame is taken as stored."""
        ...


def look_at(
    name: str,
    header: Header,
    settings: Settings,
    read_out: Callable[[FrameFacts, Camera], ReadOut],
    corrected: FrameKind | None = None,
) -> Seen:
    """Recognise a raw frame.

    Parameters
    ----------
    name : str
        Relative to the source of the batch.
    header : Header
        Of the first image, completed with the primary one.
    settings : Settings
        What they know better than the header.
    read_out : callable
        How the frame of these facts is put together with this camera; called for frames that are to be used.
    corrected : FrameKind, optional
        What an operator said it is.

    Raises
    ------
    FrameError
        It is meant to be used, and cannot be.
    """
    facts = facts_of(header)
    recognition = recognise(name, header, facts)
    if corrected is not None:
        recognition = Recognition(corrected, "an operator said so", 1.0)
    camera = settings.camera(facts.instrument)
    if recognition.kind in USABLE:
        _refuse_what_is_done(name, facts, recognition)
        facts = _as_read_out(name, facts, read_out(facts, camera))
    facts = replace(
        facts,
        gain_e_per_adu=camera.gain_e_per_adu or facts.gain_e_per_adu,
        saturation_adu=camera.saturation_adu or facts.saturation_adu,
        pixel_scale_arcsec=camera.pixel_scale_arcsec or facts.pixel_scale_arcsec,
    )
    return Seen(facts, recognition)


def _refuse_what_is_done(name: str, facts: FrameFacts, recognition: Recognition) -> None:
    if recognition.kind in MASTER_KINDS and facts.calibrated_for:
        done = ", ".join(sorted(facts.calibrated_for))
        raise FrameError(f"{name}: {done} was applied to this {recognition.kind} already: give the raw frame")


def _as_read_out(name: str, facts: FrameFacts, source: ReadOut) -> FrameFacts:
    """The facts with the name of the readout; amplifiers in several images have the size of the whole."""
    if source.rows * source.columns == 0:
        raise FrameError(f"{name} has no pixels: leave it out")
    if len(source.images) > 1:
        facts = replace(facts, rows=source.rows, columns=source.columns)
    return replace(facts, readout_mode=readout_mode(facts.readout_mode, source.readout))


def without_repeats(found: Iterable[E], content: Callable[[E], Hashable], left_out: list[LeftOut]) -> list[E]:
    """One of each content: a copy in the same night would count twice in every stack."""
    first: dict[Hashable, E] = {}
    for exposure in found:
        original = first.setdefault(content(exposure), exposure)
        if original is not exposure:
            left_out.append(LeftOut(exposure.file, f"has the same content as {original.file}"))
    return list(first.values())


def without_misfits(found: list[E], left_out: list[LeftOut], warn: Callable[[str, str], None]) -> list[E]:
    """Calibration frames of a set-up that no light of the night has are refused."""
    wanted = [exposure for exposure in found if exposure.recognition.kind is FrameKind.LIGHT]
    if not wanted:
        return found
    kept = []
    for exposure in found:
        mismatch = () if exposure.recognition.kind not in MASTER_KINDS else _mismatch(exposure, wanted)
        if mismatch:
            reason = f"{exposure.recognition.kind} fits no light of the batch: {'; '.join(mismatch)}"
            left_out.append(LeftOut(exposure.file, reason))
            warn(exposure.file, f"{reason}: take it with the set-up of the lights")
        else:
            kept.append(exposure)
    return kept


def _mismatch(exposure: NewExposure, lights: Sequence[NewExposure]) -> tuple[str, ...]:
    found = [differences(exposure.facts, light.facts) for light in lights]
    return () if () in found else found[0]
