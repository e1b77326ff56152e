"""The first schema: runs, segments, gaps, coverage, incidents, readings, status, clocks, agent keys, audit."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    _create_agent_key()
    _create_audit_entry()
    _create_clock_sample()
    _create_coverage()
    _create_gap()
    _create_incident()
    _create_run()
    _create_segment()
    _create_sensor_reading()
    _create_source_status()


def downgrade() -> None:
    raise NotImplementedError("footage outlives programs: restore a backup instead of going back")


def _create_agent_key() -> None:
    op.create_table(
        "agent_key",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("public_key", sa.Text(), nullable=False, comment="raw Ed25519, hexadecimal"),
        sa.Column("from_ns", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name=op.f("pk_agent_key")),
        comment="Public keys of enrolled agents (I7, R-37).",
    )


def _create_audit_entry() -> None:
    op.create_table(
        "audit_entry",
        sa.Column("chain_id", sa.Text(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False, comment="counts from 0 without holes"),
        sa.Column("at_ns", sa.BigInteger(), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("scope", sa.JSON(), nullable=False, comment="cameras, range, unit"),
        sa.Column("previous", sa.Text(), nullable=False, comment="digest of the entry before"),
        sa.Column("digest", sa.Text(), nullable=False, comment="SHA-256 over the canonical JSON of all columns above"),
        sa.PrimaryKeyConstraint("chain_id", "number", name=op.f("pk_audit_entry")),
        comment="Who saw or changed what; each entry carries the digest of the one before (I6).",
    )


def _create_clock_sample() -> None:
    op.create_table(
        "clock_sample",
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("observed_ns", sa.BigInteger(), nullable=False),
        sa.Column("offset_ns", sa.BigInteger(), nullable=False),
        sa.Column("uncertainty_ns", sa.BigInteger(), nullable=False),
        sa.Column("camera_offsets_ns", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("agent_id", "observed_ns", name=op.f("pk_clock_sample")),
        comment="Clock offsets as sampled, never applied (I9).",
    )


def _create_coverage() -> None:
    op.create_table(
        "coverage",
        sa.Column("camera_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("from_ns", sa.BigInteger(), nullable=False, comment="start of the first sample or gap ever seen"),
        sa.Column("until_ns", sa.BigInteger(), nullable=False, comment="everything before it is a segment or a gap"),
        sa.Column("run_id", sa.Text(), nullable=True, comment="run that the covered part ends in; NULL after its end"),
        sa.Column(
            "next_seq", sa.BigInteger(), nullable=True, comment="first sequence number of that run not yet in a segment"
        ),
        sa.PrimaryKeyConstraint("camera_id", "stream", name=op.f("pk_coverage")),
        comment="How far each stream's day is accounted for; written in the transaction of the segment or gap that moves it.",
    )


def _create_gap() -> None:
    op.create_table(
        "gap",
        sa.Column("camera_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False, comment="end of the last sample before it"),
        sa.Column(
            "end_ns", sa.BigInteger(), nullable=True, comment="start of the first sample after it; NULL while it lasts"
        ),
        sa.Column(
            "cause", sa.Text(), nullable=False, comment="camera network power agent overload maintenance unknown"
        ),
        sa.Column("declared_by", sa.Text(), nullable=False, comment="agent/ID, or retention when nobody else could"),
        sa.Column("detail", sa.Text(), nullable=False),
        sa.Column(
            "presumed", sa.Boolean(), nullable=False, comment="true: silence only; withdrawn if footage arrives late"
        ),
        sa.Column(
            "recorded_ns", sa.BigInteger(), nullable=False, comment="when this row was last written, centre clock"
        ),
        sa.PrimaryKeyConstraint("camera_id", "stream", "start_ns", name=op.f("pk_gap")),
        comment="Spans without samples, with their cause (I5).",
    )


def _create_incident() -> None:
    op.create_table(
        "incident",
        sa.Column("incident_id", sa.Text(), nullable=False),
        sa.Column("institution_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False, comment="I-01 … I-30"),
        sa.Column("severity", sa.Text(), nullable=False, comment="S1 … S4"),
        sa.Column("camera_id", sa.Text(), nullable=True),
        sa.Column("sensor_id", sa.Text(), nullable=True),
        sa.Column("room_id", sa.Text(), nullable=True),
        sa.Column("zone", sa.Text(), nullable=True),
        sa.Column("opened_ns", sa.BigInteger(), nullable=False),
        sa.Column("closed_ns", sa.BigInteger(), nullable=True, comment="NULL while open"),
        sa.Column("snapshot_key", sa.Text(), nullable=True),
        sa.Column("record", sa.JSON(), nullable=False, comment="the newest incident.v1 payload, whole"),
        sa.Column(
            "event_ids",
            sa.JSON(),
            nullable=False,
            comment="ids of the events applied, so that a replay changes nothing",
        ),
        sa.PrimaryKeyConstraint("incident_id", name=op.f("pk_incident")),
        comment="Newest state of each incident.",
    )
    op.create_index(op.f("ix_incident_opened_ns"), "incident", ["opened_ns"], unique=False)


def _create_run() -> None:
    op.create_table(
        "run",
        sa.Column("camera_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False, comment="record or detect"),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("agent_id", sa.Text(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False, comment="key that signs the run's GOPs"),
        sa.Column("codec", sa.Text(), nullable=False, comment="RFC 6381"),
        sa.Column("width", sa.Integer(), nullable=False, comment="coded picture width, pixels"),
        sa.Column("height", sa.Integer(), nullable=False, comment="coded picture height, pixels"),
        sa.Column("timescale", sa.Integer(), nullable=False, comment="ticks per second of the media timeline"),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column(
            "end_ns",
            sa.BigInteger(),
            nullable=True,
            comment="end of the last sample; NULL until the run-end record or the next run was seen",
        ),
        sa.Column("end_cause", sa.Text(), nullable=True, comment="why it ended; NULL while open"),
        sa.PrimaryKeyConstraint("camera_id", "stream", "run_id", name=op.f("pk_run")),
        comment="One unbroken source connection of a camera's stream.",
    )


def _create_segment() -> None:
    op.create_table(
        "segment",
        sa.Column("camera_id", sa.Text(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("run_id", sa.Text(), nullable=False),
        sa.Column("first_seq", sa.BigInteger(), nullable=False, comment="sequence number of its first chunk"),
        sa.Column("last_seq", sa.BigInteger(), nullable=False),
        sa.Column("start_ns", sa.BigInteger(), nullable=False),
        sa.Column("end_ns", sa.BigInteger(), nullable=False, comment="where the next chunk of the run begins"),
        sa.Column("object_key", sa.Text(), nullable=False),
        sa.Column("version_id", sa.Text(), nullable=False),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("sha256", sa.Text(), nullable=False, comment="of the whole object"),
        sa.Column("prev_link", sa.Text(), nullable=False, comment="chain link before the first chunk"),
        sa.Column("last_link", sa.Text(), nullable=False, comment="chain link of the last chunk"),
        sa.Column(
            "signed", sa.Boolean(), nullable=False, comment="every GOP in it bears a signature that was verified"
        ),
        sa.Column(
            "clock_offset_ns", sa.BigInteger(), nullable=False, comment="at its first chunk: true time minus agent time"
        ),
        sa.Column("clock_uncertainty_ns", sa.BigInteger(), nullable=False, comment="-1: undisciplined, time_untrusted"),
        sa.Column(
            "camera_offset_ns",
            sa.BigInteger(),
            nullable=True,
            comment="camera clock minus agent clock, if the camera tells",
        ),
        sa.Column("retain_until_ns", sa.BigInteger(), nullable=False, comment="capture time + floor of the policy"),
        sa.Column("policy_version", sa.Text(), nullable=False),
        sa.Column("stored_ns", sa.BigInteger(), nullable=False, comment="when this row was written, centre clock"),
        sa.Column("log_position", sa.Text(), nullable=False, comment="TOPIC/PARTITION/OFFSET of its last chunk"),
        sa.CheckConstraint("end_ns >= start_ns", name=op.f("ck_segment_span_order")),
        sa.CheckConstraint("last_seq >= first_seq", name=op.f("ck_segment_seq_order")),
        sa.PrimaryKeyConstraint("camera_id", "stream", "run_id", "first_seq", name=op.f("pk_segment")),
        comment="The ledger: a row exists only after its object is durable and its digest verified (I1).",
    )
    op.create_index(
        op.f("ix_segment_camera_id_stream_start_ns"), "segment", ["camera_id", "stream", "start_ns"], unique=False
    )


def _create_sensor_reading() -> None:
    op.create_table(
        "sensor_reading",
        sa.Column("event_id", sa.Text(), nullable=False, comment="CloudEvents id: a replay is recognised"),
        sa.Column("sensor_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("observed_ns", sa.BigInteger(), nullable=False),
        sa.Column(
            "value",
            sa.Float(),
            nullable=True,
            comment="celsius, percent, or 1/0 for open, locked; NULL where there is none",
        ),
        sa.Column("record", sa.JSON(), nullable=False, comment="the payload, whole"),
        sa.PrimaryKeyConstraint("event_id", name=op.f("pk_sensor_reading")),
        comment="Sensor readings, kept by policy class.",
    )
    op.create_index(
        op.f("ix_sensor_reading_sensor_id_observed_ns"), "sensor_reading", ["sensor_id", "observed_ns"], unique=False
    )


def _create_source_status() -> None:
    op.create_table(
        "source_status",
        sa.Column("source_id", sa.Text(), nullable=False, comment="camera, agent or analyzer id"),
        sa.Column("kind", sa.Text(), nullable=False, comment="CloudEvents type"),
        sa.Column("observed_ns", sa.BigInteger(), nullable=False),
        sa.Column("record", sa.JSON(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", "kind", name=op.f("pk_source_status")),
        comment="Newest status of each source.",
    )
