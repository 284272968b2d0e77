"""What the rooms below the services need of one another, as Protocols; `tests/fakes.py` has a fake of each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from app.model.batch import (
    Combination,
    Exposure,
    FileBatch,
    LeftOut,
    NewCombination,
    NewExposure,
    Pins,
    Problem,
    ProductKind,
    Status,
    StepRun,
)
from app.model.dome import DomeFacts, DomeSample
from app.model.frame import FrameKind
from app.model.surroundings import MountSample, Weather


class BatchStore(Protocol):
    """The truth of a batch, as the pipeline reads and writes it.

    Every method is one short transaction. `batch` is a `FileBatch.key`; combinations are those of the batch's
    target generation unless said otherwise. All raise `StoreError` when the database cannot be used.
    """

    def batch(self, batch: int) -> FileBatch:
        """The batch as it is now."""
        ...

    def set_status(self, batch: int, status: Status) -> None:
        """Record how the batch stands."""
        ...

    def set_exposures(self, batch: int, exposures: Sequence[NewExposure]) -> None:
        """Make exactly these the exposures of the batch; an exposure that is known by checksum and file is kept."""
        ...

    def exposures(self, batch: int, kind: FrameKind | None = None) -> tuple[Exposure, ...]:
        """Exposures of the batch, of one kind or all, by start of exposure, then by file."""
        ...

    def corrections(self) -> dict[str, FrameKind]:
        """Kinds that operators gave to files, by checksum."""
        ...

    def overrides(self) -> dict[str, bool]:
        """Files that an operator wants in the stacks, or out of them, whatever was found; by checksum."""
        ...

    def set_left_out(self, batch: int, left_out: Sequence[LeftOut]) -> None:
        """Replace the list of files that take no part."""
        ...

    def left_out(self, batch: int) -> tuple[LeftOut, ...]:
        """Files that take no part."""
        ...

    def find(self, batch: int, recipe: str) -> Combination | None:
        """The combination of the batch's target generation that was made by this recipe."""
        ...

    def combinations(self, batch: int, kind: ProductKind | None = None) -> tuple[Combination, ...]:
        """Combinations of the target generation, in the order in which they were recorded."""
        ...

    def library(self, kind: ProductKind, other_than: int) -> tuple[Combination, ...]:
        """Masters of that kind of other batches' shown generations, newest first."""
        ...

    def pins(self, batch: int) -> Pins | None:
        """What the target generation began with; None before it began."""
        ...

    def pin(self, batch: int, pins: Pins) -> None:
        """Record what the target generation begins with, in place of what was recorded; its masters count as used."""
        ...

    def shown(self, batch: int) -> tuple[Combination, ...]:
        """Combinations of the generation that is shown."""
        ...

    def is_taken(self, batch: int, path: Path, recipe: str) -> bool:
        """Whether the path belongs to a combination of another recipe that other batches used: it must stay."""
        ...

    def record(self, batch: int, made: NewCombination) -> Combination:
        """Record a combination; one with the same recipe, or the same path, in the same generation is replaced."""
        ...

    def record_measurement(self, combination: int, checksum: str, qc: dict[str, Any], wcs: dict[str, Any]) -> None:
        """Record what astrometry and quality measured, and the checksum of the file that now says so."""
        ...

    def forget(self, batch: int, keep: Sequence[int]) -> tuple[Combination, ...]:
        """Remove the target generation's combinations that are not in `keep`; return those whose files may go.

        Those which other batches used stay recorded, superseded.
        """
        ...

    def promote(self, batch: int) -> tuple[Combination, ...]:
        """Make the target generation the shown one; return the older combinations, removed, whose files may go.

        Older ones which other batches used stay recorded, superseded.
        """
        ...

    def begin_step(self, batch: int, name: str, code: int, description: str) -> int:
        """Record that a step runs; `code` is the number of its failures, described for the table of codes."""
        ...

    def end_step(
        self, step_run: int, status: Status, seconds: float, error: str | None, problems: Sequence[Problem]
    ) -> None:
        """Record how the step ended: success (code 0), or its error and code."""
        ...

    def begin_run(self, batch: int) -> None:
        """Begin a new run: its steps follow; a step that an earlier run left RUNNING was killed and is FAILED."""
        ...

    def steps(self, batch: int) -> tuple[StepRun, ...]:
        """Steps of the newest run, in order."""
        ...


class DomeClient(Protocol):
    """A dome on the wire, for the thread of one lane; every call may block up to its time-out.

    All but `warm` raise `DeviceUnreachable`, `DeviceNonsense`, or `DeviceRefused` (of which `DeviceNotSupported` and
    `DeviceBusy` are kinds).
    """

    def warm(self) -> None:
        """Open the connection before it is needed; nothing is sent, and nothing is raised when it cannot be."""
        ...

    def connect(self) -> DomeFacts:
        """Connect the device and read what it is and can do."""
        ...

    def read(self) -> DomeSample:
        """Everything that changes, read once."""
        ...

    def slew_to_azimuth(self, azimuth_deg: float) -> None:
        """Begin to turn; 0 <= azimuth < 360."""
        ...

    def slew_to_altitude(self, altitude_deg: float) -> None:
        """Begin to raise or lower the opening; 0 <= altitude <= 90."""
        ...

    def set_slaved(self, is_slaved: bool) -> None:
        """Have the driver follow its own telescope, or not."""
        ...

    def open_shutter(self) -> None:
        """Begin to open."""
        ...

    def close_shutter(self) -> None:
        """Begin to close."""
        ...

    def park(self) -> None:
        """Begin to turn to the park position."""
        ...

    def find_home(self) -> None:
        """Begin to look for the home sensor."""
        ...

    def abort_slew(self) -> None:
        """Stop everything that moves."""
        ...

    def close(self) -> None:
        """Let the connection to the server go; the device stays as it is."""
        ...


class MountClient(Protocol):
    """A mount on the wire; raises as `DomeClient`."""

    def read(self) -> MountSample:
        """Everything that changes, read once."""
        ...

    def abort_slew(self) -> None:
        """Stop a slew."""
        ...

    def park(self) -> None:
        """Begin to slew to the park position; a mount that is parked already stays so."""
        ...

    def stop_tracking(self) -> None:
        """Let the sky go by."""
        ...

    def close(self) -> None:
        """Let the connection to the server go."""
        ...


class SafetyClient(Protocol):
    """A safety monitor on the wire; raises as `DomeClient`."""

    def read(self) -> bool:
        """Whether it says that all is safe."""
        ...

    def close(self) -> None:
        """Let the connection to the server go."""
        ...


class WeatherClient(Protocol):
    """A weather station on the wire; raises as `DomeClient`."""

    def read(self) -> Weather:
        """Every sensor that it has."""
        ...

    def close(self) -> None:
        """Let the connection to the server go."""
        ...


class ContactClient(Protocol):
    """One contact of a switch device on the wire; raises as `DomeClient`."""

    def read(self) -> bool:
        """Whether it is on."""
        ...

    def close(self) -> None:
        """Let the connection to the server go."""
        ...


class CoverClient(Protocol):
    """A mirror cover on the wire; raises as `DomeClient`."""

    def close_cover(self) -> None:
        """Begin to close it."""
        ...

    def close(self) -> None:
        """Let the connection to the server go."""
        ...
