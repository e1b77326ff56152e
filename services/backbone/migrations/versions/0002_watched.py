"""What the analysis watched of each camera, span by span."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "watched",
        sa.Column("camera_id", sa.Text(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False, comment="capture time"),
        sa.Column("to_ns", sa.BigInteger(), nullable=False),
        sa.Column("mode", sa.Text(), nullable=False, comment="frames, gops, keyframes, or none: not watched"),
        sa.Column(
            "cause", sa.Text(), nullable=True, comment="why less than asked, or not at all; NULL: all that is asked"
        ),
        sa.Column("asked_frames_per_s", sa.Float(), nullable=False, comment="the policy's rate"),
        sa.Column("frames_per_s", sa.Float(), nullable=False, comment="the rate aimed at; 0 where not watched"),
        sa.Column("model", sa.Text(), nullable=False, comment="NAME@first 16 digits of its SHA-256, or none"),
        sa.Column("rules_version", sa.Text(), nullable=False),
        sa.Column(
            "view", sa.Text(), nullable=False, comment="the camera's health in a word: clear, covered ...; or unjudged"
        ),
        sa.Column("analysed_frames", sa.BigInteger(), nullable=False),
        sa.Column(
            "gated_frames", sa.BigInteger(), nullable=False, comment="still, so the detector was spared: watched"
        ),
        sa.Column(
            "skipped_frames", sa.JSON(), nullable=False, comment="frames that arrived and were left out, by cause"
        ),
        sa.CheckConstraint("to_ns > from_ns", name=op.f("ck_watched_span_order")),
        sa.PrimaryKeyConstraint("camera_id", "from_ns", name=op.f("pk_watched")),
        comment="Spans of capture time and how the analysis watched them; none of a camera overlap. No row: not watched.",
    )


def downgrade() -> None:
    raise NotImplementedError("footage outlives programs: restore a backup instead of going back")
