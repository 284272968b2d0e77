"""What a batch would come to, by the headers of its frames alone: no pixel is read, and nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from astropy.io.fits import Header

from app.frames.fits_io import checksum
from app.frames.headers import is_gzipped, read_header, read_images, unreadable, value
from app.frames.readout import Readout, readout_of_images
from app.model.batch import Combination, Exposure, FileBatch, LeftOut, Pins, ProductKind, Severity
from app.model.errors import FrameError, ObservatoryError
from app.model.frame import FrameFacts, FrameKind
from app.model.library import MASTERS, library_text, nearest
from app.model.matching import (
    MASTER_KINDS,
    DarkChoice,
    MasterChoice,
    choose_dark,
    choose_masters,
    light_groups,
    master_groups,
    set_up_text,
)
from app.model.preflight import DiskNeed, Doubt, Match, NotUsed, PlannedGroup, Preflight, size_text
from app.model.settings import Camera, Settings
from app.model.wording import frames_text
from app.pipeline.progress import COSTS
from app.pipeline.raw_headers import (
    LEFT_OUT_BY_OPERATOR,
    USABLE,
    look_at,
    without_misfits,
    without_repeats,
)
from app.pipeline.space import RESERVE_BYTES, bytes_of_products
from app.pipeline.steps.transfer import local_path, relative_name, source_files

#: Seconds that a gigabyte takes on two cores: checksums of raw frames, and unpacking (of what comes out).
CHECKSUM_S, UNPACK_S = 0.7, 6.0
#: Seconds until the first frame is read.
START_S = 3.0
#: A kind that was recognised with less confidence is worth a look.
SURE_ENOUGH = 0.7
#: Refused masters that are named for one group of frames; the nearest come first.
REFUSED_TOLD = 8

_MASTER_OF = dict(zip(MASTER_KINDS, MASTERS, strict=True))


@dataclass(frozen=True, slots=True)
class Known:
    """What the database knows that matters; empty for a new observatory.

    Attributes
    ----------
    batch : FileBatch
        The batch, or as it would be; its key is 0 then.
    corrections, overrides : mapping
        What operators decided about files, by checksum.
    decided_names : frozenset
        Names of those files; None among them: of one it is not known.
    pins : Pins or None
        What the batch began with.
    library : tuple of Combination
        Masters of other batches.
    """

    batch: FileBatch
    corrections: Mapping[str, FrameKind] = field(default_factory=dict)
    overrides: Mapping[str, bool] = field(default_factory=dict)
    decided_names: frozenset[str | None] = frozenset()
    pins: Pins | None = None
    library: tuple[Combination, ...] = ()


@dataclass(frozen=True, slots=True)
class _Master:
    """A master that the batch would make, or one of another batch."""

    facts: FrameFacts
    name: str
    made: Combination | None = field(default=None, compare=False)
    key: int = 0


@dataclass(frozen=True, slots=True)
class _ReadOut:
    """As a frame would be put together."""

    rows: int
    columns: int
    images: list[Header]
    readout: Readout


class _Doubts:
    """Doubts, those that say the same told once."""

    def __init__(self) -> None:
        self._found: dict[tuple[Severity, str], list[str]] = {}

    def warn(self, subject: str, message: str) -> None:
        self._found.setdefault((Severity.WARNING, message), []).append(subject)

    def warn_of(self, frames: Iterable[Exposure], message: str) -> None:
        for one in frames:
            self.warn(one.file, message)

    def stop(self, subject: str, message: str) -> None:
        self._found.setdefault((Severity.ERROR, message), []).append(subject)

    @property
    def told(self) -> tuple[Doubt, ...]:
        """Errors first."""
        found = [Doubt(severity, _several(subjects), message) for (severity, message), subjects in self._found.items()]
        return tuple(sorted(found, key=lambda doubt: doubt.severity is not Severity.ERROR))


def preflight(known: Known, settings: Settings, workers: int, free_bytes: int | None) -> Preflight:
    """Look at the headers of a batch's frames and tell what it would come to.

    Parameters
    ----------
    known : Known
        The batch and what the database knows.
    settings : Settings
        Cameras and tolerances.
    workers : int
        How many are at work at the same time.
    free_bytes : int or None
        Room for the products.

    Returns
    -------
    Preflight
        With an error among its doubts when the batch cannot run.
    """
    doubts, left_out = _Doubts(), list[LeftOut]()
    sizes: dict[str, _Size] = {}
    exposures = _looked_at(known, settings, doubts, left_out, sizes)
    of_kind = {kind: [one for one in exposures if one.recognition.kind is kind] for kind in USABLE}
    masters = _masters(of_kind, settings)
    matches = (
        *_flat_matches(of_kind[FrameKind.FLAT], masters, known, settings, doubts),
        *_light_matches(of_kind[FrameKind.LIGHT], masters, known, settings, doubts),
    )
    _doubt_frames(exposures, settings, doubts)
    groups = tuple(_planned(of_kind, settings, doubts))
    disk = _disk(exposures, sizes, settings, free_bytes)
    if free_bytes is not None and disk.needed_bytes + RESERVE_BYTES > free_bytes:
        missing = size_text(disk.needed_bytes + RESERVE_BYTES - free_bytes)
        doubts.stop(
            "disk",
            f"{size_text(disk.needed_bytes)} may be needed and {size_text(free_bytes)} are free: free {missing}, or "
            "move the repository",
        )
    return Preflight(
        known.batch.source,
        known.batch.name if known.batch.key else None,
        groups,
        matches,
        doubts.told,
        tuple(sorted(left_out, key=lambda one: one.file)),
        disk,
        _seconds(exposures, sizes, workers),
        workers,
    )


@dataclass(frozen=True, slots=True)
class _Size:
    """Bytes of a frame as it is read, and of its unpacked copy that is still to be written."""

    read: int
    unpacked: int = 0
    is_packed: bool = False


def _looked_at(
    known: Known, settings: Settings, doubts: _Doubts, left_out: list[LeftOut], sizes: dict[str, _Size]
) -> list[Exposure]:
    """The frames that take part; the others are put on the list with their reasons."""

    def skip(path: Path, error: FrameError) -> None:
        left_out.append(LeftOut(relative_name(known.batch, path), str(error)))
        doubts.warn(relative_name(known.batch, path), f"{error}; it is left out")

    try:
        files = source_files(known.batch, skip)
    except ObservatoryError as error:
        doubts.stop(known.batch.source, str(error))
        return []
    found: list[Exposure] = []
    for file in files:
        try:
            exposure, sizes[relative_name(known.batch, file)] = _exposure(known, file, settings)
        except FrameError as error:
            skip(file, error)
            continue
        if known.overrides.get(exposure.checksum) is False:
            left_out.append(LeftOut(exposure.file, LEFT_OUT_BY_OPERATOR))
        elif exposure.recognition.kind in USABLE:
            found.append(exposure)
        else:
            left_out.append(LeftOut(exposure.file, exposure.recognition.reason))
    kept = without_misfits(_without_repeats(known, found, left_out), left_out, doubts.warn)
    if not kept and files:
        doubts.stop(known.batch.source, f"none of {len(files)} files can be used: see what is left out")
    return kept


def _exposure(known: Known, file: Path, settings: Settings) -> tuple[Exposure, _Size]:
    """A frame by its headers; its checksum is made only where an operator decided about a file of that name."""
    name = relative_name(known.batch, file)
    headers = _headers(file)
    is_decided = bool({None, file.name} & known.decided_names)
    digest = checksum(file) if is_decided else ""

    def read_out(facts: FrameFacts, camera: Camera) -> _ReadOut:
        readout = readout_of_images(headers, camera)
        return _ReadOut(readout.rows, readout.columns, headers if readout.amplifiers else headers[:1], readout)

    seen = look_at(name, headers[0], settings, read_out, known.corrections.get(digest))
    local = local_path(known.batch, file)
    stored = sum(_data_bytes(header) for header in headers)
    size = _Size(stored, 0 if local == file or local.exists() else stored, local != file)
    return Exposure(name, local, digest, seen.facts, seen.recognition), size


def _headers(file: Path) -> list[Header]:
    """Of every image; a gzipped file is not unpacked to its end to see that nothing follows its first image."""
    try:
        packed = is_gzipped(file)
    except OSError as error:
        raise unreadable(file, error) from error
    if packed and "SIMPLE" in (first := read_header(file)):
        return [first]
    return [image.header for image in read_images(file)]


def _data_bytes(header: Header) -> int:
    bits, columns, rows = (value(header, name) for name in ("BITPIX", "NAXIS1", "NAXIS2"))
    return abs(int(bits or 0)) // 8 * int(columns or 0) * int(rows or 0)


def _without_repeats(known: Known, found: list[Exposure], left_out: list[LeftOut]) -> list[Exposure]:
    """Frames with the same facts, at the same second, are compared by their content."""
    alike = Counter(one.facts for one in found if one.facts.started_at is not None)
    source = Path(known.batch.source)

    def content(one: Exposure) -> object:
        if alike[one.facts] < 2:
            return one.file
        return one.checksum or checksum(source / one.file if source.is_dir() else source)

    return without_repeats(found, content, left_out)


def _masters(of_kind: Mapping[FrameKind, list[Exposure]], settings: Settings) -> dict[ProductKind, list[_Master]]:
    """The masters that the batch would make."""
    return {
        _MASTER_OF[kind]: [
            _Master(group[0].facts, f"own {_title(kind, group[0].facts)} ({frames_text(len(group))})")
            for group in master_groups(kind, of_kind[kind], settings.matching)
        ]
        for kind in MASTER_KINDS
    }


def _at_hand(
    kind: ProductKind, wanted: FrameFacts, own: Mapping[ProductKind, list[_Master]], known: Known, settings: Settings
) -> list[_Master]:
    """As `app.pipeline.library.find_masters`: those of the batch, then those of others, the nearest night first."""
    pins = known.pins
    library = pins.masters if pins is not None and set_up_text(wanted) in pins.set_ups else known.library
    there = [one for one in library if one.kind is kind and one.file.is_file()]
    others = nearest(there, wanted, settings.matching)
    return [*own[kind], *(_Master(one.facts, one.path.name, one, one.key) for one in others)]


def _told(wanted: FrameFacts, settings: Settings, master: _Master) -> str:
    return "" if master.made is None else library_text(master.made, wanted, settings.calibration.few_frames)


def _light_matches(
    lights: Iterable[Exposure],
    own: Mapping[ProductKind, list[_Master]],
    known: Known,
    settings: Settings,
    doubts: _Doubts,
) -> Iterator[Match]:
    found: dict[tuple[object, ...], tuple[MasterChoice[_Master], list[Exposure]]] = {}
    for light in lights:
        facts = light.facts
        biases, darks, flats = (_at_hand(kind, facts, own, known, settings) for kind in MASTERS)
        choice = choose_masters(
            facts,
            biases,
            darks,
            flats,
            may_scale=settings.camera(facts.instrument).scale_dark,
            rules=settings.matching,
            told=partial(_told, facts, settings),
        )
        key = (_title(FrameKind.LIGHT, facts), choice.dark.reason, choice.flat_reason, choice.masters)
        found.setdefault(key, (choice, []))[1].append(light)
    for choice, members in found.values():
        yield _match(FrameKind.LIGHT, members, choice)
        _doubt_choice(members, choice.dark, doubts)
        if choice.flat is None and "flat" not in members[0].facts.calibrated_for:
            doubts.warn_of(members, f"{choice.flat_reason}: {choice.flat_remedy}")
        _doubt_foreign(members, choice.masters, settings, doubts)


def _flat_matches(
    flats: Iterable[Exposure],
    own: Mapping[ProductKind, list[_Master]],
    known: Known,
    settings: Settings,
    doubts: _Doubts,
) -> Iterator[Match]:
    found: dict[tuple[object, ...], tuple[DarkChoice[_Master], list[Exposure]]] = {}
    for flat in flats:
        facts = flat.facts
        choice = choose_dark(
            facts,
            _at_hand(ProductKind.BIAS_MASTER, facts, own, known, settings),
            _at_hand(ProductKind.DARK_MASTER, facts, own, known, settings),
            may_scale=settings.camera(facts.instrument).scale_dark,
            rules=settings.matching,
            told=partial(_told, facts, settings),
        )
        key = (facts.filter, choice.formula.split(" ")[0], choice.bias, choice.dark)
        found.setdefault(key, (choice, []))[1].append(flat)
    for choice, members in found.values():
        yield _match(FrameKind.FLAT, members, MasterChoice(choice, None, ""))
        if choice.formula == "nothing":
            doubts.warn_of(
                members,
                f"{choice.reason}: the flat keeps its bias: take bias or flat-darks",
            )
        _doubt_foreign(members, MasterChoice(choice, None, "").masters, settings, doubts)


def _match(kind: FrameKind, members: list[Exposure], choice: MasterChoice[_Master]) -> Match:
    refused = [NotUsed(one.master.name, one.why) for one in choice.refused]
    if len(refused) > REFUSED_TOLD:
        refused[REFUSED_TOLD:] = [NotUsed(f"{len(refused) - REFUSED_TOLD} more", "see the library")]
    title = _title(kind, members[0].facts)
    return Match(
        kind,
        f"{title} ({frames_text(len(members))})",
        choice.dark.formula,
        choice.dark.reason,
        choice.flat_reason,
        tuple(master.name for master in choice.masters),
        tuple(refused),
    )


def _doubt_choice(members: list[Exposure], dark: DarkChoice[_Master], doubts: _Doubts) -> None:
    facts = members[0].facts
    if dark.dark is None and "dark" not in facts.calibrated_for:
        seconds = "their exposure time" if facts.exposure_s is None else f"{facts.exposure_s:g} s"
        doubts.warn_of(members, f"{dark.reason}: take darks of {seconds} with this set-up")


def _doubt_foreign(members: list[Exposure], masters: tuple[_Master, ...], settings: Settings, doubts: _Doubts) -> None:
    for master in masters:
        if master.made is not None:
            told = library_text(master.made, members[0].facts, settings.calibration.few_frames)
            doubts.warn(master.name, f"is {told}: take masters of this night")


def _doubt_frames(exposures: Iterable[Exposure], settings: Settings, doubts: _Doubts) -> None:
    """What single frames do not say, or say so that it is not sure."""
    for one in exposures:
        facts, recognition = one.facts, one.recognition
        if recognition.confidence < SURE_ENOUGH:
            sure = f"recognised as {recognition.kind} with {recognition.confidence:.0%} only"
            doubts.warn(one.file, f"{sure}, because {recognition.reason.rstrip('.')}: check with `cupola inspect`")
        if recognition.kind is not FrameKind.LIGHT:
            continue
        if facts.gain_e_per_adu is None:
            camera = facts.instrument or "the camera"
            doubts.warn(one.file, f"the gain of {camera} is not known: name gain_e_per_adu in the settings")
        if facts.ra_deg is None or facts.dec_deg is None:
            how = "it is looked for on the whole sky" if settings.astrometry.blind else "it stays without a position"
            doubts.warn(one.file, f"the header has no position: {how}")


def _planned(
    of_kind: Mapping[FrameKind, list[Exposure]], settings: Settings, doubts: _Doubts
) -> Iterator[PlannedGroup]:
    """The groups as the steps make them, with what they become."""
    rules, few = settings.matching, settings.calibration.few_frames
    lights = light_groups(of_kind[FrameKind.LIGHT], rules)
    for group in lights:
        stack = "1 stack" if len(group) > 1 else "no stack of one"
        yield _group(FrameKind.LIGHT, group, f"{len(group)} calibrated, {stack}")
    for kind in MASTER_KINDS:
        for group in master_groups(kind, of_kind[kind], rules):
            yield _group(kind, group, f"1 {kind} master")
            title = _title(kind, group[0].facts)
            if len(group) < few:
                doubts.warn(title, f"only {frames_text(len(group))}, a good master takes {few}: take more")
            known = _temperatures(group)
            if known and known[1] - known[0] > rules.temperature_ok_degc:
                doubts.warn(
                    title,
                    f"temperatures span {known[1] - known[0]:.1f} degC, the limit is {rules.temperature_ok_degc:g} "
                    "degC: let the camera settle",
                )
    if of_kind[FrameKind.LIGHT] == [] and any(of_kind.values()):
        doubts.warn("batch", "has no lights: only masters are made")


def _group(kind: FrameKind, group: tuple[Exposure, ...], makes: str) -> PlannedGroup:
    facts = group[0].facts
    title = " ".join(filter(None, (_title(kind, facts), facts.object_name if kind is FrameKind.LIGHT else None)))
    return PlannedGroup(kind, title, len(group), set_up_text(facts), _temperatures(group), makes)


def _temperatures(group: Iterable[Exposure]) -> tuple[float, ...]:
    known = [one.facts.temperature_degc for one in group if one.facts.temperature_degc is not None]
    return (min(known), max(known)) if known else ()


def _disk(
    exposures: list[Exposure], sizes: Mapping[str, _Size], settings: Settings, free_bytes: int | None
) -> DiskNeed:
    lights = [one for one in exposures if one.recognition.kind is FrameKind.LIGHT]
    others = [one for one in exposures if one.recognition.kind is not FrameKind.LIGHT]
    return DiskNeed(
        sum(size.unpacked for size in sizes.values()),
        bytes_of_products(others, settings.calibration),
        bytes_of_products(lights, settings.calibration),
        free_bytes,
    )


def _seconds(exposures: Iterable[Exposure], sizes: Mapping[str, _Size], workers: int) -> float:
    """Estimate of the run: every step at its measured pace, which is that of two cores."""
    of_kind: Counter[FrameKind] = Counter()
    for one in exposures:
        of_kind[one.recognition.kind] += sizes[one.file].read
    steps = sum(of_kind[kind] * cost_s for kind, cost_s in COSTS.values())
    looking = sum(size.read * (CHECKSUM_S + (UNPACK_S if size.is_packed else 0.0)) for size in sizes.values())
    return START_S + (steps + looking) / 1e9 * 2.0 / workers


def _title(kind: FrameKind, facts: FrameFacts) -> str:
    """Such as ``light R 30 s``."""
    seconds = f"{facts.exposure_s:g} s" if facts.exposure_s and kind in (FrameKind.LIGHT, FrameKind.DARK) else None
    return " ".join(filter(None, (str(kind), None if kind is FrameKind.BIAS else facts.filter, seconds)))


def _several(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
