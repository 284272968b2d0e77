"""What a set of products began with, and what operators decided about single frames."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables; a correction learns the name of its file."""
    op.add_column("correction", sa.Column("file", sa.Text(), nullable=True))
    op.create_table(
        "frame_override",
        sa.Column("checksum", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("is_used", sa.Boolean(), nullable=False),
        sa.Column("who", sa.Text(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("checksum", name="pk_frame_override"),
    )
    op.create_table(
        "pins",
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("set_ups", sa.JSON(), nullable=False),
        sa.Column("distortions", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["batch"], ["file_batch.key"], name="fk_pins_batch", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch", "generation", name="pk_pins"),
    )
    op.create_table(
        "pinned",
        sa.Column("batch", sa.Integer(), nullable=False),
        sa.Column("generation", sa.Integer(), nullable=False),
        sa.Column("combination", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["batch", "generation"], ["pins.batch", "pins.generation"], name="fk_pinned_batch", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(["combination"], ["combination.key"], name="fk_pinned_combination", ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("batch", "generation", "combination", name="pk_pinned"),
    )
    op.create_index("ix_pinned_combination", "pinned", ["combination"])
