"""The first tables: orders, batches, what was made of them, and the records beside them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make all tables; the names of constraints follow the convention in `app.store.tables`."""
    _make_batches()
    _make_combinations()
    _make_steps()
    _make_orders()
    _make_records()


def _make_batches() -> None:
    op.create_table(
        "file_batch",
        _key(),
        _text("source", unique=True),
        _text("name", unique=True),
        _text("folder"),
        _text("status"),
        _whole("generation"),
        _whole("target_generation"),
        _whole("run"),
        _time("created_at"),
    )
    op.create_table(
        "exposure",
        _key(),
        _text("file"),
        _text("checksum"),
        _text("kind"),
        _text("subtype", nullable=True),
        _real("confidence"),
        _text("reason"),
        *_facts(),
        sa.UniqueConstraint("checksum", "file"),
    )
    op.create_table(
        "batch_exposure",
        _link("batch", "file_batch.key", ondelete="CASCADE", primary_key=True),
        _link("exposure", "exposure.key", primary_key=True, index=True),
        _text("path"),
    )
    op.create_table(
        "left_out",
        _key(),
        _link("batch", "file_batch.key", ondelete="CASCADE", index=True),
        _text("file"),
        _text("reason"),
    )
    op.create_table("correction", _text("checksum", primary_key=True), _text("kind"), _text("who"), _time("at"))


def _make_combinations() -> None:
    op.create_table(
        "combination",
        _key(),
        _link("batch", "file_batch.key", ondelete="CASCADE"),
        _whole("generation"),
        _text("kind"),
        _text("path"),
        _text("recipe"),
        _text("checksum"),
        _json("parameters"),
        _json("qc"),
        _json("wcs", nullable=True),
        _time("made_at"),
        sa.Column("is_superseded", sa.Boolean(), nullable=False),
        *_facts(),
        sa.UniqueConstraint("batch", "generation", "recipe"),
        sa.UniqueConstraint("batch", "generation", "path"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "combination_exposure",
        _link("combination", "combination.key", ondelete="CASCADE", primary_key=True),
        _link("exposure", "exposure.key", primary_key=True, index=True),
        _whole("position"),
    )
    op.create_table(
        "combination_use",
        _link("combination", "combination.key", ondelete="CASCADE", primary_key=True),
        _link("used", "combination.key", ondelete="CASCADE", primary_key=True, index=True),
        _whole("position"),
    )


def _make_steps() -> None:
    codes = op.create_table(
        "status_code",
        sa.Column("number", sa.Integer(), primary_key=True, autoincrement=False),
        _text("description"),
    )
    op.bulk_insert(codes, [{"number": 0, "description": "success"}])
    op.create_table(
        "step_run",
        _key(),
        _link("batch", "file_batch.key", ondelete="CASCADE", index=True),
        _whole("run"),
        _text("name"),
        _text("status"),
        _time("started_at"),
        _real("seconds", nullable=True),
        _link("code", "status_code.number"),
        _text("error", nullable=True),
        _json("problems"),
    )


def _make_orders() -> None:
    op.create_table(
        "work_order",
        _key(),
        _text("user"),
        _text("id"),
        _text("request"),
        _text("state"),
        _time("ordered_at"),
        _time("received_at"),
        _time("started_at", nullable=True),
        _time("ended_at", nullable=True),
        _real("priority", nullable=True),
        _text("url", nullable=True),
        _text("batch", nullable=True),
        _real("ra_deg", nullable=True),
        _real("dec_deg", nullable=True),
        _json("payload"),
        _json("result"),
        _text("reason", nullable=True),
        sa.UniqueConstraint("user", "id"),
    )


def _make_records() -> None:
    op.create_table("journal", _key(), _text("who"), _text("what"), _text("subject"), _json("detail"), _time("at"))
    op.create_table(
        "log_record",
        _key(),
        _link("batch", "file_batch.key", ondelete="CASCADE", nullable=True, index=True),
        _time("at"),
        _whole("level"),
        _text("source"),
        _text("message"),
    )
    op.create_table(
        "mail",
        _key(),
        _json("recipients"),
        _text("subject"),
        _text("body"),
        _time("created_at"),
        _whole("attempts"),
        _time("next_try_at", index=True),
        _time("sent_at", nullable=True),
        _text("last_error", nullable=True),
    )


def _facts() -> tuple[sa.Column[object], ...]:
    """The columns of a frame's facts."""
    return (
        _whole("rows"),
        _whole("columns"),
        _real("exposure_s", nullable=True),
        _text("filter", nullable=True),
        _text("instrument", nullable=True),
        _whole("binning_x", nullable=True),
        _whole("binning_y", nullable=True),
        _text("gain_setting", nullable=True),
        _text("offset_setting", nullable=True),
        _real("gain_e_per_adu", nullable=True),
        _text("readout_mode", nullable=True),
        _real("temperature_degc", nullable=True),
        _time("started_at", nullable=True),
        _real("ra_deg", nullable=True),
        _real("dec_deg", nullable=True),
        _text("object_name", nullable=True),
        _real("pixel_scale_arcsec", nullable=True),
        _real("pedestal_adu"),
        _real("saturation_adu", nullable=True),
        _real("rotator_deg", nullable=True),
        _json("calibrated_for"),
    )


def _key() -> sa.Column[object]:
    return sa.Column("key", sa.Integer(), primary_key=True)


def _link(
    name: str,
    target: str,
    *,
    ondelete: str | None = None,
    nullable: bool = False,
    primary_key: bool = False,
    index: bool = False,
) -> sa.Column[object]:
    key = sa.ForeignKey(target, ondelete=ondelete)
    return sa.Column(name, sa.Integer(), key, nullable=nullable, primary_key=primary_key, index=index)


def _text(name: str, *, nullable: bool = False, unique: bool = False, primary_key: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Text(), nullable=nullable, unique=unique, primary_key=primary_key)


def _whole(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Integer(), nullable=nullable)


def _real(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.Double(), nullable=nullable)


def _time(name: str, *, nullable: bool = False, index: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable, index=index)


def _json(name: str, *, nullable: bool = False) -> sa.Column[object]:
    return sa.Column(name, sa.JSON(), nullable=nullable)
