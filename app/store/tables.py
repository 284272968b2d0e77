"""The tables, and the types of their columns.

Rows never leave `app.store`: the repositories beside this file turn them into values of `app.model`.
"""

from __future__ import annotations

from dataclasses import fields
from datetime import UTC, datetime
from typing import Any, ClassVar

from sqlalchemy import (
    JSON,
    DateTime,
    Dialect,
    Double,
    ForeignKey,
    ForeignKeyConstraint,
    MetaData,
    Text,
    TypeDecorator,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from app.model.frame import FrameFacts


class UtcDateTime(TypeDecorator[datetime]):
    """An aware time, UTC in and out; SQLite itself forgets the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Refuse a naive time, which could mean any moment of a day."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"{value} has no time zone: only aware times are stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Give the time its zone."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class AnyText(TypeDecorator[str]):
    """Text that may hold what no database takes: a NUL, or a file's name that is not UTF-8, is stored escaped."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:
        """Escape what cannot be stored."""
        return None if value is None else storable(value)


def storable(value: str) -> str:
    """Text as `AnyText` keeps it."""
    return value.encode("utf-8", "backslashreplace").decode("utf-8").replace("\x00", "\\x00")


class Base(DeclarativeBase):
    """All tables of Cupola."""

    metadata = MetaData(
        naming_convention={
            "ix": "ix_%(table_name)s_%(column_0_name)s",
            "uq": "uq_%(table_name)s_%(column_0_N_name)s",
            "fk": "fk_%(table_name)s_%(column_0_name)s",
            "pk": "pk_%(table_name)s",
        }
    )
    type_annotation_map: ClassVar[dict[Any, Any]] = {
        str: AnyText,
        float: Double,
        datetime: UtcDateTime,
        dict[str, Any]: JSON(none_as_null=True),
        list[Any]: JSON,
    }


class FactsColumns:
    """The columns of a `FrameFacts`, named like its fields."""

    rows: Mapped[int]
    columns: Mapped[int]
    exposure_s: Mapped[float | None]
    filter: Mapped[str | None]
    instrument: Mapped[str | None]
    binning_x: Mapped[int | None]
    binning_y: Mapped[int | None]
    gain_setting: Mapped[str | None]
    offset_setting: Mapped[str | None]
    gain_e_per_adu: Mapped[float | None]
    readout_mode: Mapped[str | None]
    temperature_degc: Mapped[float | None]
    started_at: Mapped[datetime | None]
    ra_deg: Mapped[float | None]
    dec_deg: Mapped[float | None]
    object_name: Mapped[str | None]
    pixel_scale_arcsec: Mapped[float | None]
    pedestal_adu: Mapped[float]
    saturation_adu: Mapped[float | None]
    rotator_deg: Mapped[float | None]
    calibrated_for: Mapped[list[Any]]

    def facts(self) -> FrameFacts:
        """The value of these columns."""
        own = {name: getattr(self, name) for name in _PLAIN_FACTS}
        binning = None if self.binning_x is None or self.binning_y is None else (self.binning_x, self.binning_y)
        return FrameFacts(**own, binning=binning, calibrated_for=frozenset(self.calibrated_for))


_PLAIN_FACTS = tuple(field.name for field in fields(FrameFacts) if field.name not in ("binning", "calibrated_for"))


def columns_of(facts: FrameFacts) -> dict[str, Any]:
    """Values of `FactsColumns`, by name of column."""
    values = {name: getattr(facts, name) for name in _PLAIN_FACTS}
    values["binning_x"], values["binning_y"] = facts.binning or (None, None)
    values["calibrated_for"] = sorted(facts.calibrated_for)
    return values


class WorkOrderRow(Base):
    """A work order; its identity is (user, id)."""

    __tablename__ = "work_order"
    __table_args__ = (UniqueConstraint("user", "id"),)

    key: Mapped[int] = mapped_column(primary_key=True)
    user: Mapped[str]
    id: Mapped[str]
    request: Mapped[str]
    state: Mapped[str]
    ordered_at: Mapped[datetime]
    received_at: Mapped[datetime]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[datetime | None]
    priority: Mapped[float | None]
    url: Mapped[str | None]
    batch: Mapped[str | None]
    ra_deg: Mapped[float | None]
    dec_deg: Mapped[float | None]
    payload: Mapped[dict[str, Any]]
    result: Mapped[dict[str, Any]]
    reason: Mapped[str | None]


class FileBatchRow(Base):
    """A batch, known by its source; `run` counts its runs."""

    __tablename__ = "file_batch"

    key: Mapped[int] = mapped_column(primary_key=True)
    source: Mapped[str] = mapped_column(unique=True)
    name: Mapped[str] = mapped_column(unique=True)
    folder: Mapped[str]
    status: Mapped[str]
    generation: Mapped[int]
    target_generation: Mapped[int]
    run: Mapped[int]
    created_at: Mapped[datetime]


class ExposureRow(FactsColumns, Base):
    """A raw frame, known by its content and its name; it may be in many batches."""

    __tablename__ = "exposure"
    __table_args__ = (UniqueConstraint("checksum", "file"),)

    key: Mapped[int] = mapped_column(primary_key=True)
    file: Mapped[str]
    checksum: Mapped[str]
    kind: Mapped[str]
    subtype: Mapped[str | None]
    confidence: Mapped[float]
    reason: Mapped[str]


class BatchExposureRow(Base):
    """An exposure is in a batch; each batch has its own readable copy of the frame."""

    __tablename__ = "batch_exposure"

    batch: Mapped[int] = mapped_column(ForeignKey("file_batch.key", ondelete="CASCADE"), primary_key=True)
    exposure: Mapped[int] = mapped_column(ForeignKey("exposure.key"), primary_key=True, index=True)
    path: Mapped[str]


class LeftOutRow(Base):
    """A file of a batch that takes no part."""

    __tablename__ = "left_out"

    key: Mapped[int] = mapped_column(primary_key=True)
    batch: Mapped[int] = mapped_column(ForeignKey("file_batch.key", ondelete="CASCADE"), index=True)
    file: Mapped[str]
    reason: Mapped[str]


class CorrectionRow(Base):
    """The kind that an operator gave to a file."""

    __tablename__ = "correction"

    checksum: Mapped[str] = mapped_column(primary_key=True)
    file: Mapped[str | None]
    kind: Mapped[str]
    who: Mapped[str]
    at: Mapped[datetime]


class FrameOverrideRow(Base):
    """Whether an operator wants a file in the stacks, whatever was found."""

    __tablename__ = "frame_override"

    checksum: Mapped[str] = mapped_column(primary_key=True)
    file: Mapped[str]
    is_used: Mapped[bool]
    who: Mapped[str]
    at: Mapped[datetime]


class CombinationRow(FactsColumns, Base):
    """A master, a calibrated light or a stack."""

    __tablename__ = "combination"
    # A key is never given twice: a step that still holds the key of a replaced product must not reach another one.
    __table_args__ = (
        UniqueConstraint("batch", "generation", "recipe"),
        UniqueConstraint("batch", "generation", "path"),
        {"sqlite_autoincrement": True},
    )

    key: Mapped[int] = mapped_column(primary_key=True)
    batch: Mapped[int] = mapped_column(ForeignKey("file_batch.key", ondelete="CASCADE"))
    generation: Mapped[int]
    kind: Mapped[str]
    path: Mapped[str]
    recipe: Mapped[str]
    checksum: Mapped[str]
    parameters: Mapped[dict[str, Any]]
    qc: Mapped[dict[str, Any]]
    wcs: Mapped[dict[str, Any] | None]
    made_at: Mapped[datetime]
    is_superseded: Mapped[bool]


class CombinationExposureRow(Base):
    """A combination was made of an exposure."""

    __tablename__ = "combination_exposure"

    combination: Mapped[int] = mapped_column(ForeignKey("combination.key", ondelete="CASCADE"), primary_key=True)
    exposure: Mapped[int] = mapped_column(ForeignKey("exposure.key"), primary_key=True, index=True)
    position: Mapped[int]


class CombinationUseRow(Base):
    """A combination was made with another one."""

    __tablename__ = "combination_use"

    combination: Mapped[int] = mapped_column(ForeignKey("combination.key", ondelete="CASCADE"), primary_key=True)
    used: Mapped[int] = mapped_column(ForeignKey("combination.key", ondelete="CASCADE"), primary_key=True, index=True)
    position: Mapped[int]


class PinsRow(Base):
    """What a generation of a batch began with."""

    __tablename__ = "pins"

    batch: Mapped[int] = mapped_column(ForeignKey("file_batch.key", ondelete="CASCADE"), primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    set_ups: Mapped[list[Any]]
    distortions: Mapped[list[Any]]


class PinnedRow(Base):
    """A master of another batch that was there when a generation began."""

    __tablename__ = "pinned"
    __table_args__ = (
        ForeignKeyConstraint(["batch", "generation"], ["pins.batch", "pins.generation"], ondelete="CASCADE"),
    )

    batch: Mapped[int] = mapped_column(primary_key=True)
    generation: Mapped[int] = mapped_column(primary_key=True)
    combination: Mapped[int] = mapped_column(
        ForeignKey("combination.key", ondelete="CASCADE"), primary_key=True, index=True
    )


class StatusCodeRow(Base):
    """What the number of a status means: 0 success, 100 to 199 errors of the calibration."""

    __tablename__ = "status_code"

    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    description: Mapped[str]


class StepRunRow(Base):
    """One run of one step over one batch."""

    __tablename__ = "step_run"

    key: Mapped[int] = mapped_column(primary_key=True)
    batch: Mapped[int] = mapped_column(ForeignKey("file_batch.key", ondelete="CASCADE"), index=True)
    run: Mapped[int]
    name: Mapped[str]
    status: Mapped[str]
    started_at: Mapped[datetime]
    seconds: Mapped[float | None]
    code: Mapped[int] = mapped_column(ForeignKey("status_code.number"))
    error: Mapped[str | None]
    problems: Mapped[list[Any]]


class JournalRow(Base):
    """What an operator, an observer or the observatory did."""

    __tablename__ = "journal"

    key: Mapped[int] = mapped_column(primary_key=True)
    who: Mapped[str]
    what: Mapped[str]
    subject: Mapped[str]
    detail: Mapped[dict[str, Any]]
    at: Mapped[datetime]


class LogRecordRow(Base):
    """One line of the log of a batch."""

    __tablename__ = "log_record"

    key: Mapped[int] = mapped_column(primary_key=True)
    batch: Mapped[int | None] = mapped_column(ForeignKey("file_batch.key", ondelete="CASCADE"), index=True)
    at: Mapped[datetime]
    level: Mapped[int]
    source: Mapped[str]
    message: Mapped[str]


class MailRow(Base):
    """A mail of the outbox; a deliverer claims it by moving `next_try_at` into the future."""

    __tablename__ = "mail"

    key: Mapped[int] = mapped_column(primary_key=True)
    recipients: Mapped[list[Any]]
    subject: Mapped[str]
    body: Mapped[str]
    created_at: Mapped[datetime]
    attempts: Mapped[int]
    next_try_at: Mapped[datetime] = mapped_column(index=True)
    sent_at: Mapped[datetime | None]
    last_error: Mapped[str | None]
