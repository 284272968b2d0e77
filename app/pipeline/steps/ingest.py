"""Read every header, recognise every frame, and say of each file that takes no part why."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from app.frames.fits_io import checksum, examine_raw
from app.frames.headers import read_header, unreadable
from app.model.batch import FileBatch, LeftOut, NewExposure
from app.model.errors import FrameError, ObservatoryError
from app.model.frame import FrameKind
from app.model.settings import Settings
from app.pipeline.events import Progress
from app.pipeline.library import pin
from app.pipeline.raw_headers import LEFT_OUT_BY_OPERATOR, USABLE, look_at, without_misfits, without_repeats
from app.pipeline.step import Context, Findings, Policy, Step
from app.pipeline.steps.transfer import local_path, relative_name, source_files
from app.pipeline.workers import Check


@dataclass(frozen=True, slots=True)
class TakingIn:
    """One file of a batch to be taken in, and what is known beforehand."""

    batch: FileBatch
    file: Path
    settings: Settings
    corrections: Mapping[str, FrameKind]


class Ingest(Step):
    """Record the exposures of the batch and the files that are left out."""

    name: ClassVar[str] = "ingest"
    code: ClassVar[int] = 120
    description: ClassVar[str] = "frames could not be read or recognised"
    policy: ClassVar[Policy] = Policy.STOP

    def run(self, context: Context, findings: Findings) -> None:
        """Recognise every file; one that cannot be used is left out with its reason, the rest goes on."""
        left_out = list(context.store.left_out(context.batch.key))
        unpacked = {item.file for item in left_out}

        def leave_out(name: str, error: FrameError) -> None:
            left_out.append(LeftOut(name, str(error)))
            findings.give_up(name, error)

        def skip(folder: Path, error: FrameError) -> None:
            """Say it, unless the transfer did."""
            name = relative_name(context.batch, folder)
            if name not in unpacked:
                leave_out(name, error)

        files = {relative_name(context.batch, file): file for file in source_files(context.batch, skip)}
        files = {name: file for name, file in files.items() if name not in unpacked}
        found: list[NewExposure] = []
        overrides = context.store.overrides()
        for exposure in self._taken(context, files, leave_out):
            if overrides.get(exposure.checksum) is False:
                left_out.append(LeftOut(exposure.file, LEFT_OUT_BY_OPERATOR))
            elif exposure.recognition.kind in USABLE:
                found.append(exposure)
            else:
                left_out.append(LeftOut(exposure.file, exposure.recognition.reason))
        kept = without_repeats(found, lambda exposure: exposure.checksum, left_out)
        kept = without_misfits(kept, left_out, findings.warn)
        context.store.set_exposures(context.batch.key, kept)
        context.store.set_left_out(context.batch.key, sorted(left_out, key=lambda item: item.file))
        if not kept:
            raise ObservatoryError(
                f"{context.batch.source} has no usable frame: {len(left_out)} file(s) left out, "
                f"the first because {left_out[0].file}: {left_out[0].reason}"
            )
        pin(context)  # before the first product: another batch may make better masters meanwhile

    def _taken(
        self, context: Context, files: Mapping[str, Path], leave_out: Callable[[str, FrameError], None]
    ) -> list[NewExposure]:
        """Read the files, as many at a time as there are workers; say how far it is."""
        corrections = context.store.corrections()
        settings = Settings(cameras=context.settings.cameras)  # without the secrets: it may go to other machines
        jobs = (TakingIn(context.batch, file, settings, corrections) for file in files.values())
        taken = []
        with context.workers.each(take_in, jobs, context.cancel.check) as futures:
            for number, (name, future) in enumerate(zip(files, futures, strict=True)):
                context.report(Progress(self.name, number, len(files), name))
                try:
                    taken.append(future.result())
                except FrameError as error:
                    leave_out(name, error)
        context.report(Progress(self.name, len(files), len(files), ""))
        return taken


def take_in(job: TakingIn, check: Check) -> NewExposure:
    """Read one file: what it is, and that it can be used.

    Raises
    ------
    FrameError
        It cannot be read or used, or it changed meanwhile.
    Cancelled
        `check` says so.
    """
    name, local = relative_name(job.batch, job.file), local_path(job.batch, job.file)
    before = _stamp(job.file)
    digest = checksum(job.file, check)
    seen = look_at(
        name,
        read_header(local),
        job.settings,
        lambda facts, camera: examine_raw(local, camera, facts.pedestal_adu),
        job.corrections.get(digest),
    )
    if _stamp(job.file) != before:
        raise FrameError(f"{name} changed while it was read: wait until it is written, then resume the batch")
    return NewExposure(name, local, digest, seen.facts, seen.recognition)


def _stamp(file: Path) -> tuple[int, int]:
    try:
        found = file.stat()
    except OSError as error:
        raise unreadable(file, error) from error
    return found.st_size, found.st_mtime_ns
