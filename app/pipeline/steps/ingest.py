"""Read every header, recognise every frame, and say of each file that takes no part why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

from app.frames.dialects import facts as facts_of
from app.frames.fits_io import FrameReader, checksum
from app.frames.headers import image_count, read_header
from app.frames.readout import readout_of
from app.frames.recognise import recognise
from app.model.batch import LeftOut, NewExposure
from app.model.errors import FrameError, ObservatoryError
from app.model.frame import FrameFacts, FrameKind, Recognition
from app.model.matching import differences
from app.model.settings import Settings
from app.pipeline.step import Context, Findings, Policy, Step
from app.pipeline.steps.transfer import local_path, relative_name, source_files

_USABLE = (FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT, FrameKind.LIGHT)
_CALIBRATIONS = (FrameKind.BIAS, FrameKind.DARK, FrameKind.FLAT)


class Ingest(Step):
    """Record the exposures of the batch and the files that are left out."""

    name: ClassVar[str] = "ingest"
    code: ClassVar[int] = 120
    description: ClassVar[str] = "frames could not be read or recognised"
    policy: ClassVar[Policy] = Policy.STOP

    def run(self, context: Context, findings: Findings) -> None:
        """Recognise every file; one that cannot be used is left out with its reason, the rest goes on."""
        corrections = context.store.corrections()
        left_out = list(context.store.left_out(context.batch.key))
        unpacked = {item.file for item in left_out}
        found: list[NewExposure] = []

        def take(file: Path) -> None:
            name = relative_name(context.batch, file)
            try:
                exposure = _read(name, file, local_path(context.batch, file), context.settings, corrections)
            except FrameError as error:
                left_out.append(LeftOut(name, str(error)))
                raise
            recognition = exposure.recognition
            if recognition.kind in _USABLE:
                found.append(exposure)
            else:
                left_out.append(LeftOut(name, recognition.reason))

        def skip(folder: Path, error: FrameError) -> None:
            """Say it, unless the transfer did."""
            name = relative_name(context.batch, folder)
            if name not in unpacked:
                left_out.append(LeftOut(name, str(error)))
                findings.give_up(name, error)

        found_files = source_files(context.batch, skip)
        files = tuple(file for file in found_files if relative_name(context.batch, file) not in unpacked)
        self.for_each(files, take, lambda file: relative_name(context.batch, file), context, findings)
        kept = _without_repeats(found, left_out)
        kept = _without_misfits(kept, left_out, findings)
        context.store.set_exposures(context.batch.key, kept)
        context.store.set_left_out(context.batch.key, sorted(left_out, key=lambda item: item.file))
        if not kept:
            raise ObservatoryError(
                f"{context.batch.source} has no usable frame: {len(left_out)} file(s) left out, "
                f"the first because {left_out[0].file}: {left_out[0].reason}"
            )


def _read(name: str, source: Path, local: Path, settings: Settings, corrections: dict[str, FrameKind]) -> NewExposure:
    header = read_header(local)
    facts = facts_of(header)
    digest = checksum(source)
    recognition = recognise(name, header, facts)
    if digest in corrections:
        recognition = Recognition(corrections[digest], "an operator said so", 1.0)
    if recognition.kind in _USABLE:
        _refuse_what_cannot_be_used(name, local, facts, recognition)
        readout = readout_of(header, facts.rows, facts.columns)
        with FrameReader(local, readout) as reader:
            if reader.rows * reader.columns == 0:
                raise FrameError(f"{name} has no pixels: leave it out")
        if readout.amplifiers:
            facts = replace(facts, readout_mode="; ".join(filter(None, (facts.readout_mode, readout.name))))
    return NewExposure(name, local, digest, _with_camera(facts, settings), recognition)


def _refuse_what_cannot_be_used(name: str, local: Path, facts: FrameFacts, recognition: Recognition) -> None:
    images = image_count(local)
    if images > 1:
        raise FrameError(
            f"{name} holds {images} images, 1 is expected: amplifiers in extensions are not put together yet, "
            "write them into one image"
        )
    if recognition.kind in _CALIBRATIONS and facts.calibrated_for:
        done = ", ".join(sorted(facts.calibrated_for))
        raise FrameError(f"{name}: {done} was applied to this {recognition.kind} already: give the raw frame")


def _with_camera(facts: FrameFacts, settings: Settings) -> FrameFacts:
    """What the settings know better than the header."""
    camera = settings.camera(facts.instrument)
    return replace(
        facts,
        gain_e_per_adu=camera.gain_e_per_adu or facts.gain_e_per_adu,
        saturation_adu=camera.saturation_adu or facts.saturation_adu,
        pixel_scale_arcsec=camera.pixel_scale_arcsec or facts.pixel_scale_arcsec,
    )


def _without_repeats(found: Sequence[NewExposure], left_out: list[LeftOut]) -> list[NewExposure]:
    """One of each content: a copy in the same night would count twice in every stack."""
    first: dict[str, NewExposure] = {}
    for exposure in found:
        if exposure.checksum in first:
            left_out.append(LeftOut(exposure.file, f"has the same content as {first[exposure.checksum].file}"))
        else:
            first[exposure.checksum] = exposure
    return list(first.values())


def _without_misfits(found: list[NewExposure], left_out: list[LeftOut], findings: Findings) -> list[NewExposure]:
    """Calibration frames of a set-up that no light or flat of the night has are refused."""
    wanted = [exposure for exposure in found if exposure.recognition.kind is FrameKind.LIGHT]
    if not wanted:
        return found
    kept = []
    for exposure in found:
        mismatch = () if exposure.recognition.kind not in _CALIBRATIONS else _mismatch(exposure, wanted)
        if mismatch:
            reason = f"{exposure.recognition.kind} fits no light of the batch: {'; '.join(mismatch)}"
            left_out.append(LeftOut(exposure.file, reason))
            findings.warn(exposure.file, f"{reason}: take it with the set-up of the lights")
        else:
            kept.append(exposure)
    return kept


def _mismatch(exposure: NewExposure, lights: Sequence[NewExposure]) -> tuple[str, ...]:
    found = [differences(exposure.facts, light.facts) for light in lights]
    return () if () in found else found[0]
