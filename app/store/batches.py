"""File batches in the database: the pipeline's `BatchStore`, and how batches are opened, named and found."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path, PurePath
from typing import Any, TypeVar
from urllib.parse import urlsplit

from sqlalchemy import ColumnElement, delete, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from app.model.batch import (
    SUCCESS,
    Combination,
    Exposure,
    FileBatch,
    LeftOut,
    NewCombination,
    NewExposure,
    Pins,
    Problem,
    ProductKind,
    Severity,
    Status,
    StepRun,
)
from app.model.errors import UnknownBatch
from app.model.frame import FrameKind, Recognition
from app.model.work_order import source_of_url
from app.store.engine import Database
from app.store.tables import (
    BatchExposureRow,
    CombinationExposureRow,
    CombinationRow,
    CombinationUseRow,
    CorrectionRow,
    ExposureRow,
    FileBatchRow,
    FrameOverrideRow,
    LeftOutRow,
    PinnedRow,
    PinsRow,
    StatusCodeRow,
    StepRunRow,
    columns_of,
    storable,
)

#: Most names of batches that an error lists.
NAMES_LISTED = 10

T = TypeVar("T")

#: Values in one IN (...): SQLite and PostgreSQL take some ten thousand.
_CHUNK = 1000


@dataclass(frozen=True, slots=True)
class Batches:
    """File batches in the database; implements `app.model.ports.BatchStore`.

    Every method is one short transaction and raises `StoreError` when the database cannot be used, and
    `UnknownBatch` for a key that is not in it.
    """

    database: Database

    def open_batch(self, source: str, folder_root: Path) -> FileBatch:
        """Find the batch of a source, or make it; a known one stays where it is.

        Parameters
        ----------
        source : str
            Folder, ``file://`` URL or URL of the frames.
        folder_root : Path
            Where the folder of a new batch is to be.
        """
        source = _canonical(source)
        with self.database.writing() as session:
            row = session.scalar(select(FileBatchRow).where(FileBatchRow.source == source).with_for_update())
            if row is None:
                row = self._new_batch(session, source, folder_root.absolute())
            return _batch(row)

    def move_to(self, batch: int, folder_root: Path) -> FileBatch:
        """Let a batch begin anew in a folder below another root; in the same root nothing changes.

        The products in its old folder stay where they are; only those which other batches used stay recorded.
        """
        with self.database.writing() as session:
            row = _row(session, batch)
            folder = folder_root.absolute() / row.name
            if Path(row.folder) != folder:
                _relocate(session, row, folder)
            return _batch(row)

    def by_name_or_source(self, batch: str | None, url: str | None) -> FileBatch:
        """The batch of that name, or source, or both.

        Raises
        ------
        UnknownBatch
            If there is none; its sentence lists those that are known, newest first.
        """
        with self.database.reading() as session:
            rows = session.scalars(select(FileBatchRow).order_by(FileBatchRow.key.desc())).all()
        source = None if url is None else _canonical(url)
        for row in rows:
            if (batch, source) != (None, None) and batch in (None, row.name) and source in (None, row.source):
                return _batch(row)
        asked = " from ".join(text for text in (batch, url) if text is not None) or "without name and source"
        raise UnknownBatch(f"No batch {asked} is known: {_known([row.name for row in rows])}")

    def all(self) -> tuple[FileBatch, ...]:
        """All batches, newest first."""
        with self.database.reading() as session:
            rows = session.scalars(select(FileBatchRow).order_by(FileBatchRow.key.desc()))
            return tuple(_batch(row) for row in rows)

    def begin_restart(self, batch: int) -> FileBatch:
        """Aim at a fresh generation; what an earlier, unfinished restart recorded is removed."""
        with self.database.writing() as session:
            row = _row(session, batch)
            session.execute(
                delete(CombinationRow).where(
                    CombinationRow.batch == batch, CombinationRow.generation > row.generation, ~_is_used_by_others()
                )
            )
            _unpin(session, batch, PinsRow.generation > row.generation)
            row.target_generation = max(row.target_generation, row.generation + 1)
            return _batch(row)

    def correct(self, checksum: str, kind: FrameKind, who: str, file: str | None = None) -> None:
        """Record that an operator knows better what a file is; the next run recognises it so."""
        at = self.database.clock.utc()
        with self.database.writing() as session:
            session.merge(CorrectionRow(checksum=checksum, file=file, kind=kind.value, who=who, at=at))

    def override(self, checksum: str, is_used: bool | None, who: str, file: str) -> bool | None:
        """Record whether an operator wants a file in the stacks, whatever is found; None takes it back.

        Returns
        -------
        bool or None
            What an operator had said before.
        """
        at = self.database.clock.utc()
        which = FrameOverrideRow.checksum == checksum
        with self.database.writing() as session:
            before = session.scalar(select(FrameOverrideRow.is_used).where(which))
            session.execute(delete(FrameOverrideRow).where(which))
            if is_used is not None:
                session.add(FrameOverrideRow(checksum=checksum, file=file, is_used=is_used, who=who, at=at))
            return before

    def overrides(self) -> dict[str, bool]:
        """Files that an operator wants in the stacks, or out of them, whatever was found; by checksum."""
        with self.database.reading() as session:
            return {row.checksum: row.is_used for row in session.scalars(select(FrameOverrideRow))}

    def decided_names(self) -> frozenset[str | None]:
        """Names of the files that operators corrected or overrode; None among them: of one it is not known."""
        with self.database.reading() as session:
            corrected = session.scalars(select(CorrectionRow.file)).all()
            return frozenset([*corrected, *session.scalars(select(FrameOverrideRow.file))])

    def batch(self, batch: int) -> FileBatch:
        """The batch as it is now."""
        with self.database.reading() as session:
            return _batch(_row(session, batch))

    def set_status(self, batch: int, status: Status) -> None:
        """Record how the batch stands."""
        with self.database.writing() as session:
            _row(session, batch).status = status.value

    def set_exposures(self, batch: int, exposures: Sequence[NewExposure]) -> None:
        """Make exactly these the exposures of the batch.

        One that is known by checksum and file keeps its key and gets the facts and the kind that are given now.
        """
        with self.database.writing() as session:
            _row(session, batch)
            known = _known_exposures(session, exposures)
            for exposure in exposures:
                row = known.setdefault(_identity(exposure), ExposureRow())
                _set_exposure(row, exposure)
            session.add_all(known.values())
            session.flush()
            session.execute(delete(BatchExposureRow).where(BatchExposureRow.batch == batch))
            members = {known[_identity(exposure)].key: str(exposure.path) for exposure in exposures}
            _insert(
                session,
                BatchExposureRow,
                [{"batch": batch, "exposure": key, "path": path} for key, path in members.items()],
            )

    def exposures(self, batch: int, kind: FrameKind | None = None) -> tuple[Exposure, ...]:
        """Exposures of the batch, of one kind or all, by start of exposure (unknown ones last), then by file."""
        query = (
            select(ExposureRow, BatchExposureRow.path)
            .join(BatchExposureRow, BatchExposureRow.exposure == ExposureRow.key)
            .where(BatchExposureRow.batch == batch)
        )
        if kind is not None:
            query = query.where(ExposureRow.kind == kind.value)
        with self.database.reading() as session:
            found = [_exposure(row, path) for row, path in session.execute(query)]
        # Sorted here, because databases differ in how they sort text and what is missing.
        return tuple(sorted(found, key=_by_start))

    def corrections(self) -> dict[str, FrameKind]:
        """Kinds that operators gave to files, by checksum."""
        with self.database.reading() as session:
            return {row.checksum: FrameKind(row.kind) for row in session.scalars(select(CorrectionRow))}

    def set_left_out(self, batch: int, left_out: Sequence[LeftOut]) -> None:
        """Replace the list of files that take no part."""
        with self.database.writing() as session:
            _row(session, batch)
            session.execute(delete(LeftOutRow).where(LeftOutRow.batch == batch))
            _insert(session, LeftOutRow, [{"batch": batch, "file": one.file, "reason": one.reason} for one in left_out])

    def left_out(self, batch: int) -> tuple[LeftOut, ...]:
        """Files that take no part, in the order in which they were given."""
        query = select(LeftOutRow).where(LeftOutRow.batch == batch).order_by(LeftOutRow.key)
        with self.database.reading() as session:
            return tuple(LeftOut(row.file, row.reason) for row in session.scalars(query))

    def find(self, batch: int, recipe: str) -> Combination | None:
        """The combination of the batch's target generation that was made by this recipe."""
        with self.database.reading() as session:
            found = _combinations(session, *_of_target(batch), CombinationRow.recipe == recipe)
        return found[0] if found else None

    def combinations(self, batch: int, kind: ProductKind | None = None) -> tuple[Combination, ...]:
        """Combinations of the target generation, in the order in which they were recorded."""
        which = () if kind is None else (CombinationRow.kind == kind.value,)
        with self.database.reading() as session:
            return _combinations(session, *_of_target(batch), *which)

    def library(self, kind: ProductKind, other_than: int) -> tuple[Combination, ...]:
        """Masters of that kind of other batches' shown generations, newest first."""
        with self.database.reading() as session:
            found = _combinations(
                session,
                CombinationRow.batch != other_than,
                CombinationRow.kind == kind.value,
                *_SHOWN,
            )
        return found[::-1]

    def pins(self, batch: int) -> Pins | None:
        """What the target generation began with; None before it began."""
        with self.database.reading() as session:
            row = session.get(PinsRow, (batch, _row(session, batch).target_generation))
            if row is None:
                return None
            pinned = select(PinnedRow.combination).where(
                PinnedRow.batch == batch, PinnedRow.generation == row.generation
            )
            masters = _combinations(session, CombinationRow.key.in_(pinned))
            return Pins(masters[::-1], tuple(row.set_ups), tuple(row.distortions))

    def pin(self, batch: int, pins: Pins) -> None:
        """Record what the target generation begins with, in place of what was recorded; its masters count as used."""
        with self.database.writing() as session:
            generation = _row(session, batch).target_generation
            _unpin(session, batch, PinsRow.generation == generation)
            row = {"batch": batch, "generation": generation}
            _insert(session, PinsRow, [row | {"set_ups": list(pins.set_ups), "distortions": list(pins.distortions)}])
            _insert(session, PinnedRow, [row | {"combination": master.key} for master in pins.masters])

    def shown(self, batch: int) -> tuple[Combination, ...]:
        """Combinations of the generation that is shown."""
        with self.database.reading() as session:
            return _combinations(session, CombinationRow.batch == batch, *_SHOWN)

    def recorded(self, combinations: Collection[int]) -> tuple[Combination, ...]:
        """Combinations by their keys, of any batch and superseded or not; those that are gone are missing."""
        with self.database.reading() as session:
            return tuple(
                one
                for chunk in _chunks(sorted(combinations))
                for one in _combinations(session, CombinationRow.key.in_(chunk))
            )

    def is_taken(self, batch: int, path: Path, recipe: str) -> bool:
        """Whether the path belongs to a combination of another recipe that other batches used: it must stay."""
        with self.database.reading() as session:
            generation = _row(session, batch).target_generation
            query = select(CombinationRow.key).where(
                CombinationRow.batch == batch,
                CombinationRow.generation == generation,
                CombinationRow.path == path.as_posix(),
                CombinationRow.recipe != recipe,
                _is_used_by_others(),
            )
            return session.scalar(query) is not None

    def record(self, batch: int, made: NewCombination) -> Combination:
        """Record a combination in the target generation.

        One with the same recipe is replaced and keeps its key, so that what was made with it still says so; one of
        another recipe at the same path is gone.
        """
        with self.database.writing() as session:
            generation = _row(session, batch).target_generation
            same_set = (CombinationRow.batch == batch, CombinationRow.generation == generation)
            session.execute(
                delete(CombinationRow).where(
                    *same_set, CombinationRow.path == made.path.as_posix(), CombinationRow.recipe != made.recipe
                )
            )
            row = session.scalar(select(CombinationRow).where(*same_set, CombinationRow.recipe == made.recipe))
            if row is None:
                row = CombinationRow(batch=batch, generation=generation)
                session.add(row)
            row.is_superseded = False
            self._set_combination(row, made)
            session.flush()
            _set_links(session, row.key, made)
            session.expire(row)  # to be returned as the database keeps it
            return _combinations(session, CombinationRow.key == row.key)[0]

    def record_measurement(self, combination: int, checksum: str, qc: dict[str, Any], wcs: dict[str, Any]) -> None:
        """Record what astrometry and quality measured, in place of what was known before, and the new checksum."""
        with self.database.writing() as session:
            row = session.get_one(CombinationRow, combination)
            row.checksum = checksum
            row.qc = qc
            row.wcs = wcs

    def forget(self, batch: int, keep: Sequence[int]) -> tuple[Combination, ...]:
        """Remove the target generation's combinations that are not in `keep`; return those whose files may go.

        Those which other batches used stay recorded, superseded.
        """
        kept = frozenset(keep)
        with self.database.writing() as session:
            stale = [one.key for one in _combinations(session, *_of_target(batch)) if one.key not in kept]
            return _retire(session, stale)

    def promote(self, batch: int) -> tuple[Combination, ...]:
        """Make the target generation the shown one; return the older combinations, removed, whose files may go.

        Older ones which other batches used stay recorded, superseded.
        """
        with self.database.writing() as session:
            row = _row(session, batch)
            row.generation = row.target_generation
            _unpin(session, batch, PinsRow.generation < row.generation)
            older = (CombinationRow.batch == batch, CombinationRow.generation < row.generation)
            return _retire(session, session.scalars(select(CombinationRow.key).where(*older)).all())

    def begin_step(self, batch: int, name: str, code: int, description: str) -> int:
        """Record that a step of the present run begins; until it says otherwise, `code` is how it ended."""
        with self.database.writing() as session:
            run = _row(session, batch).run
            _describe(session, code, description)
            row = StepRunRow(
                batch=batch,
                run=run,
                name=name,
                status=Status.RUNNING.value,
                started_at=self.database.clock.utc(),
                code=code,
                problems=[],
            )
            session.add(row)
            session.flush()
            return row.key

    def end_step(
        self, step_run: int, status: Status, seconds: float, error: str | None, problems: Sequence[Problem]
    ) -> None:
        """Record how the step ended; only one that is done, with problems or without, has the code of success."""
        with self.database.writing() as session:
            row = session.get_one(StepRunRow, step_run)
            row.status = status.value
            row.seconds = seconds
            row.error = error
            row.problems = [asdict(problem) for problem in problems]
            if status in (Status.DONE, Status.DONE_WITH_PROBLEMS):
                row.code = SUCCESS

    def begin_run(self, batch: int) -> None:
        """Begin a new run; a step that an earlier run left RUNNING was killed and is FAILED."""
        with self.database.writing() as session:
            _row(session, batch).run += 1
            session.execute(
                update(StepRunRow)
                .where(StepRunRow.batch == batch, StepRunRow.status == Status.RUNNING.value)
                .values(status=Status.FAILED.value, error="The step was killed before it ended")
            )

    def abandon(self, batch: int, seconds: float | None = None) -> None:
        """Record that a wish to stop cut a run short: the batch is CANCELLED, and the step that ran for so long."""
        with self.database.writing() as session:
            _row(session, batch).status = Status.CANCELLED.value
            session.execute(
                update(StepRunRow)
                .where(StepRunRow.batch == batch, StepRunRow.status == Status.RUNNING.value)
                .values(status=Status.CANCELLED.value, seconds=seconds)
            )

    def steps(self, batch: int) -> tuple[StepRun, ...]:
        """Steps of the newest run, in order."""
        query = (
            select(StepRunRow)
            .join(FileBatchRow, FileBatchRow.key == StepRunRow.batch)
            .where(StepRunRow.batch == batch, StepRunRow.run == FileBatchRow.run)
            .order_by(StepRunRow.key)
        )
        with self.database.reading() as session:
            return tuple(_step(row) for row in session.scalars(query))

    def _new_batch(self, session: Session, source: str, root: Path) -> FileBatchRow:
        taken = {name.casefold() for name in session.scalars(select(FileBatchRow.name))}
        name = _free_name(_name_of(source), taken)
        row = FileBatchRow(
            source=source,
            name=name,
            folder=str(root / name),
            status=Status.WAITING.value,
            generation=0,
            target_generation=1,
            run=0,
            created_at=self.database.clock.utc(),
        )
        try:
            with session.begin_nested():
                session.add(row)
        except IntegrityError:  # another process made it, or took the name, since this transaction began
            other = session.scalar(select(FileBatchRow).where(FileBatchRow.source == source))
            return other or self._new_batch(session, source, root)
        return row

    def _set_combination(self, row: CombinationRow, made: NewCombination) -> None:
        row.kind = made.kind.value
        row.path = made.path.as_posix()
        row.recipe = made.recipe
        row.checksum = made.checksum
        row.parameters = made.parameters
        row.qc = made.qc
        row.wcs = made.wcs
        row.made_at = self.database.clock.utc()
        for name, value in columns_of(made.facts).items():
            setattr(row, name, value)


def _canonical(source: str) -> str:
    """One spelling for each source: a ``file://`` URL is its path, and a link is what it leads to."""
    source = storable(source_of_url(source))
    return source if "://" in source else str(Path(source).resolve())


def _name_of(source: str) -> str:
    """Last part of a source, fit to be a folder's name everywhere."""
    last = PurePath(urlsplit(source).path if "://" in source else source).name
    return re.sub(r"[^\w.-]+", "_", last).strip("._-")[:100] or "batch"


def _free_name(name: str, taken: set[str]) -> str:
    number = 1
    free = name
    while free.casefold() in taken:
        number += 1
        free = f"{name}-{number}"
    return free


def _known(names: Sequence[str]) -> str:
    if not names:
        return 'none is known yet, so begin with a "calibrate_file_batch" order'
    more = f" and {len(names) - NAMES_LISTED} more" if len(names) > NAMES_LISTED else ""
    return f"name one of {', '.join(names[:NAMES_LISTED])}{more}"


def _row(session: Session, batch: int) -> FileBatchRow:
    row = session.get(FileBatchRow, batch)
    if row is None:
        raise UnknownBatch(f"No batch has the number {batch}: list the batches and name one of them")
    return row


def _batch(row: FileBatchRow) -> FileBatch:
    return FileBatch(
        row.key,
        row.name,
        row.source,
        Path(row.folder),
        Status(row.status),
        row.generation,
        row.target_generation,
        row.created_at,
    )


def _relocate(session: Session, row: FileBatchRow, folder: Path) -> None:
    """Begin anew in another folder; combinations that other batches used keep their files by absolute paths."""
    session.execute(delete(CombinationRow).where(CombinationRow.batch == row.key, ~_is_used_by_others()))
    for kept in _combinations(session, CombinationRow.batch == row.key):
        session.execute(
            update(CombinationRow)
            .where(CombinationRow.key == kept.key)
            .values(path=kept.file.as_posix(), is_superseded=True)
        )
    _unpin(session, row.key)
    row.folder = str(folder)
    row.generation = 0
    row.target_generation += 1


def _known_exposures(session: Session, exposures: Sequence[NewExposure]) -> dict[tuple[str, str], ExposureRow]:
    checksums = sorted({exposure.checksum for exposure in exposures})
    wanted = {_identity(exposure) for exposure in exposures}
    rows = (
        row
        for chunk in _chunks(checksums)
        for row in session.scalars(select(ExposureRow).where(ExposureRow.checksum.in_(chunk)))
    )
    return {(row.checksum, row.file): row for row in rows if (row.checksum, row.file) in wanted}


def _identity(exposure: NewExposure) -> tuple[str, str]:
    return exposure.checksum, storable(exposure.file)


def _set_exposure(row: ExposureRow, exposure: NewExposure) -> None:
    row.file = exposure.file
    row.checksum = exposure.checksum
    row.kind = exposure.recognition.kind.value
    row.subtype = exposure.recognition.subtype
    row.confidence = exposure.recognition.confidence
    row.reason = exposure.recognition.reason
    for name, value in columns_of(exposure.facts).items():
        setattr(row, name, value)


def _exposure(row: ExposureRow, path: str) -> Exposure:
    recognition = Recognition(FrameKind(row.kind), row.reason, row.confidence, row.subtype)
    return Exposure(row.file, Path(path), row.checksum, row.facts(), recognition, row.key)


def _by_start(exposure: Exposure) -> tuple[bool, float, str]:
    started_at = exposure.facts.started_at
    return started_at is None, 0.0 if started_at is None else started_at.timestamp(), exposure.file


#: A combination that is shown; needs the join with its batch.
_SHOWN = (CombinationRow.generation == FileBatchRow.generation, ~CombinationRow.is_superseded)


def _of_target(batch: int) -> tuple[ColumnElement[bool], ...]:
    return (
        CombinationRow.batch == batch,
        CombinationRow.generation == FileBatchRow.target_generation,
        ~CombinationRow.is_superseded,
    )


def _unpin(session: Session, batch: int, *which: ColumnElement[bool]) -> None:
    """Forget what generations of a batch began with."""
    session.execute(delete(PinsRow).where(PinsRow.batch == batch, *which))


def _is_used_by_others() -> ColumnElement[bool]:
    """Whether the combination in question is used by one of another batch, or pinned by another batch."""
    user = select(CombinationRow.key, CombinationRow.batch).subquery("user_combination")
    is_used = (
        select(CombinationUseRow.used)
        .join(user, user.c.key == CombinationUseRow.combination)
        .where(CombinationUseRow.used == CombinationRow.key, user.c.batch != CombinationRow.batch)
        .correlate(CombinationRow)
        .exists()
    )
    is_pinned = (
        select(PinnedRow.combination)
        .where(PinnedRow.combination == CombinationRow.key, PinnedRow.batch != CombinationRow.batch)
        .correlate(CombinationRow)
        .exists()
    )
    return is_used | is_pinned


def _combinations(session: Session, *which: ColumnElement[bool]) -> tuple[Combination, ...]:
    """Combinations in the order of their keys; conditions may be about their batches too."""
    of_batch = FileBatchRow.key == CombinationRow.batch
    rows = session.execute(
        select(CombinationRow, FileBatchRow).join(FileBatchRow, of_batch).where(*which).order_by(CombinationRow.key)
    ).all()
    made_of = session.execute(
        select(CombinationExposureRow.combination, ExposureRow.key, ExposureRow.file)
        .join(ExposureRow, ExposureRow.key == CombinationExposureRow.exposure)
        .join(CombinationRow, CombinationRow.key == CombinationExposureRow.combination)
        .join(FileBatchRow, of_batch)
        .where(*which)
        .order_by(CombinationExposureRow.position)
    )
    exposures: defaultdict[int, list[tuple[int, str]]] = defaultdict(list)
    for combination, key, file in made_of:
        exposures[combination].append((key, file))
    made_with = session.execute(
        select(CombinationUseRow.combination, CombinationUseRow.used)
        .join(CombinationRow, CombinationRow.key == CombinationUseRow.combination)
        .join(FileBatchRow, of_batch)
        .where(*which)
        .order_by(CombinationUseRow.position)
    )
    uses: defaultdict[int, list[int]] = defaultdict(list)
    for combination, used in made_with:
        uses[combination].append(used)
    return tuple(_combination(row, _batch(batch), exposures[row.key], uses[row.key]) for row, batch in rows)


def _combination(
    row: CombinationRow, batch: FileBatch, exposures: Sequence[tuple[int, str]], uses: Sequence[int]
) -> Combination:
    return Combination(
        kind=ProductKind(row.kind),
        path=Path(row.path),
        recipe=row.recipe,
        checksum=row.checksum,
        facts=row.facts(),
        exposures=tuple(key for key, _ in exposures),
        uses=tuple(uses),
        parameters=row.parameters,
        qc=row.qc,
        wcs=row.wcs,
        key=row.key,
        batch=row.batch,
        file=batch.set_folder(row.generation) / row.path,
        made_at=row.made_at,
        inputs=tuple(file for _, file in exposures),
    )


def _set_links(session: Session, combination: int, made: NewCombination) -> None:
    session.execute(delete(CombinationExposureRow).where(CombinationExposureRow.combination == combination))
    session.execute(delete(CombinationUseRow).where(CombinationUseRow.combination == combination))
    _insert(
        session,
        CombinationExposureRow,
        [
            {"combination": combination, "exposure": key, "position": position}
            for position, key in enumerate(dict.fromkeys(made.exposures))
        ],
    )
    _insert(
        session,
        CombinationUseRow,
        [
            {"combination": combination, "used": key, "position": position}
            for position, key in enumerate(dict.fromkeys(made.uses))
        ],
    )


def _retire(session: Session, combinations: Sequence[int]) -> tuple[Combination, ...]:
    """Remove combinations, but those which other batches used are only superseded; returns the removed."""
    gone: list[Combination] = []
    for chunk in _chunks(combinations):
        unused = (CombinationRow.key.in_(chunk), ~_is_used_by_others())
        gone += _combinations(session, *unused)
        session.execute(delete(CombinationRow).where(*unused))
        session.execute(update(CombinationRow).where(CombinationRow.key.in_(chunk)).values(is_superseded=True))
    return tuple(gone)


def _describe(session: Session, code: int, description: str) -> None:
    """Put a step's code into the table of codes, or give it its present description."""
    row = session.get(StatusCodeRow, code)
    if row is not None:
        row.description = description
        return
    try:
        with session.begin_nested():
            session.add(StatusCodeRow(number=code, description=description))
    except IntegrityError:  # another process put it there since
        return


def _step(row: StepRunRow) -> StepRun:
    problems = tuple(Problem(**{**one, "severity": Severity(one["severity"])}) for one in row.problems)
    return StepRun(row.name, Status(row.status), row.started_at, row.seconds, row.code, row.error, problems)


def _insert(session: Session, table: type[Any], rows: Sequence[dict[str, Any]]) -> None:
    if rows:  # an empty list would insert one row of defaults
        session.execute(insert(table), rows)


def _chunks(values: Sequence[T]) -> Iterator[Sequence[T]]:
    return (values[start : start + _CHUNK] for start in range(0, len(values), _CHUNK))
