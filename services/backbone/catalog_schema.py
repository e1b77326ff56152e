"""The tables of the catalog. Every table and column says what it means; Alembic revisions build exactly this.

Instants are ``*_ns`` BIGINT, ns UTC. Digests and links are lower-case hexadecimal text. Nothing here holds media.
"""

from __future__ import annotations

from sqlalchemy import JSON, BigInteger, Boolean, CheckConstraint, Column, Float, Index, Integer, MetaData, Table, Text

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s", "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s", "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)  # fmt: skip

run = Table(
    "run", metadata,
    Column("camera_id", Text, primary_key=True),
    Column("stream", Text, primary_key=True, comment="record or detect"),
    Column("run_id", Text, primary_key=True),
    Column("agent_id", Text, nullable=False),
    Column("key_id", Text, nullable=False, comment="key that signs the run's GOPs"),
    Column("codec", Text, nullable=False, comment="RFC 6381"),
    Column("width", Integer, nullable=False, comment="coded picture width, pixels"),
    Column("height", Integer, nullable=False, comment="coded picture height, pixels"),
    Column("timescale", Integer, nullable=False, comment="ticks per second of the media timeline"),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, comment="end of the last sample; NULL until the run-end record or the next run was seen"),
    Column("end_cause", Text, comment="why it ended; NULL while open"),
    comment="One unbroken source connection of a camera's stream.",
)  # fmt: skip

segment = Table(
    "segment", metadata,
    Column("camera_id", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("run_id", Text, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True, comment="sequence number of its first chunk"),
    Column("last_seq", BigInteger, nullable=False),
    Column("start_ns", BigInteger, nullable=False),
    Column("end_ns", BigInteger, nullable=False, comment="where the next chunk of the run begins"),
    Column("object_key", Text, nullable=False),
    Column("version_id", Text, nullable=False),
    Column("size_bytes", BigInteger, nullable=False),
    Column("sha256", Text, nullable=False, comment="of the whole object"),
    Column("prev_link", Text, nullable=False, comment="chain link before the first chunk"),
    Column("last_link", Text, nullable=False, comment="chain link of the last chunk"),
    Column("signed", Boolean, nullable=False, comment="every GOP in it bears a signature that was verified"),
    Column("clock_offset_ns", BigInteger, nullable=False, comment="at its first chunk: true time minus agent time"),
    Column("clock_uncertainty_ns", BigInteger, nullable=False, comment="-1: undisciplined, time_untrusted"),
    Column("camera_offset_ns", BigInteger, comment="camera clock minus agent clock, if the camera tells"),
    Column("retain_until_ns", BigInteger, nullable=False, comment="capture time + floor of the policy"),
    Column("policy_version", Text, nullable=False),
    Column("stored_ns", BigInteger, nullable=False, comment="when this row was written, centre clock"),
    Column("log_position", Text, nullable=False, comment="TOPIC/PARTITION/OFFSET of its last chunk"),
    CheckConstraint("last_seq >= first_seq", name="seq_order"),
    CheckConstraint("end_ns >= start_ns", name="span_order"),
    Index(None, "camera_id", "stream", "start_ns"),
    comment="The ledger: a row exists only after its object is durable and its digest verified (I1).",
)  # fmt: skip

gap = Table(
    "gap", metadata,
    Column("camera_id", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("start_ns", BigInteger, primary_key=True, comment="end of the last sample before it"),
    Column("end_ns", BigInteger, comment="start of the first sample after it; NULL while it lasts"),
    Column("cause", Text, nullable=False, comment="camera network power agent overload maintenance unknown"),
    Column("declared_by", Text, nullable=False, comment="agent/ID, or retention when nobody else could"),
    Column("detail", Text, nullable=False),
    Column("presumed", Boolean, nullable=False, comment="true: silence only; withdrawn if footage arrives late"),
    Column("recorded_ns", BigInteger, nullable=False, comment="when this row was last written, centre clock"),
    comment="Spans without samples, with their cause (I5).",
)  # fmt: skip

coverage = Table(
    "coverage", metadata,
    Column("camera_id", Text, primary_key=True),
    Column("stream", Text, primary_key=True),
    Column("from_ns", BigInteger, nullable=False, comment="start of the first sample or gap ever seen"),
    Column("until_ns", BigInteger, nullable=False, comment="everything before it is a segment or a gap"),
    Column("run_id", Text, comment="run that the covered part ends in; NULL after its end"),
    Column("next_seq", BigInteger, comment="first sequence number of that run not yet in a segment"),
    comment="How far each stream's day is accounted for; written in the transaction of the segment or gap that moves it.",
)  # fmt: skip

watched = Table(
    "watched", metadata,
    Column("camera_id", Text, primary_key=True),
    Column("from_ns", BigInteger, primary_key=True, comment="capture time"),
    Column("to_ns", BigInteger, nullable=False),
    Column("mode", Text, nullable=False, comment="frames, gops, keyframes, or none: not watched"),
    Column("cause", Text, comment="why less than asked, or not at all; NULL: all that is asked"),
    Column("asked_frames_per_s", Float, nullable=False, comment="the policy's rate"),
    Column("frames_per_s", Float, nullable=False, comment="the rate aimed at; 0 where not watched"),
    Column("model", Text, nullable=False, comment="NAME@first 16 digits of its SHA-256, or none"),
    Column("rules_version", Text, nullable=False),
    Column("view", Text, nullable=False, comment="the camera's health in a word: clear, covered ...; or unjudged"),
    Column("analysed_frames", BigInteger, nullable=False),
    Column("gated_frames", BigInteger, nullable=False, comment="still, so the detector was spared: watched"),
    Column("skipped_frames", JSON, nullable=False, comment="frames that arrived and were left out, by cause"),
    CheckConstraint("to_ns > from_ns", name="span_order"),
    comment="Spans of capture time and how the analysis watched them; none of a camera overlap. No row: not watched.",
)  # fmt: skip

incident = Table(
    "incident", metadata,
    Column("incident_id", Text, primary_key=True),
    Column("institution_id", Text, nullable=False),
    Column("kind", Text, nullable=False, comment="I-01 … I-30"),
    Column("severity", Text, nullable=False, comment="S1 … S4"),
    Column("camera_id", Text),
    Column("sensor_id", Text),
    Column("room_id", Text),
    Column("zone", Text),
    Column("opened_ns", BigInteger, nullable=False),
    Column("closed_ns", BigInteger, comment="NULL while open"),
    Column("snapshot_key", Text),
    Column("record", JSON, nullable=False, comment="the newest incident.v1 payload, whole"),
    Column("event_ids", JSON, nullable=False, comment="ids of the events applied, so that a replay changes nothing"),
    Index(None, "opened_ns"),
    comment="Newest state of each incident.",
)  # fmt: skip

sensor_reading = Table(
    "sensor_reading", metadata,
    Column("event_id", Text, primary_key=True, comment="CloudEvents id: a replay is recognised"),
    Column("sensor_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("observed_ns", BigInteger, nullable=False),
    Column("value", Float, comment="celsius, percent, or 1/0 for open, locked; NULL where there is none"),
    Column("record", JSON, nullable=False, comment="the payload, whole"),
    Index(None, "sensor_id", "observed_ns"),
    comment="Sensor readings, kept by policy class.",
)  # fmt: skip

source_status = Table(
    "source_status", metadata,
    Column("source_id", Text, primary_key=True, comment="camera, agent or analyzer id"),
    Column("kind", Text, primary_key=True, comment="CloudEvents type"),
    Column("observed_ns", BigInteger, nullable=False),
    Column("record", JSON, nullable=False),
    comment="Newest status of each source.",
)  # fmt: skip

clock_sample = Table(
    "clock_sample", metadata,
    Column("agent_id", Text, primary_key=True),
    Column("observed_ns", BigInteger, primary_key=True),
    Column("offset_ns", BigInteger, nullable=False),
    Column("uncertainty_ns", BigInteger, nullable=False),
    Column("camera_offsets_ns", JSON, nullable=False),
    comment="Clock offsets as sampled, never applied (I9).",
)  # fmt: skip

agent_key = Table(
    "agent_key", metadata,
    Column("key_id", Text, primary_key=True),
    Column("owner", Text, nullable=False),
    Column("public_key", Text, nullable=False, comment="raw Ed25519, hexadecimal"),
    Column("from_ns", BigInteger, nullable=False),
    Column("revoked_ns", BigInteger),
    comment="Public keys of enrolled agents (I7, R-37).",
)  # fmt: skip

audit_entry = Table(
    "audit_entry", metadata,
    Column("chain_id", Text, primary_key=True),
    Column("number", BigInteger, primary_key=True, comment="counts from 0 without holes"),
    Column("at_ns", BigInteger, nullable=False),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("scope", JSON, nullable=False, comment="cameras, range, unit"),
    Column("previous", Text, nullable=False, comment="digest of the entry before"),
    Column("digest", Text, nullable=False, comment="SHA-256 over the canonical JSON of all columns above"),
    comment="Who saw or changed what; each entry carries the digest of the one before (I6).",
)  # fmt: skip
