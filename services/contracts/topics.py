"""The topics of the log: names, keys, who speaks, and whether a record may be lost on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

MAX_RECORD_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic and what it promises.

    ``partitions`` is the default at creation. ``lossless`` edges spool and pause; lossy ones drop and count.
    ``retention_ms`` is how long the log itself keeps records (the store keeps evidence, not the log).
    """

    name: str
    key: Literal["camera_id", "sensor_id", "source_id", "institution_id", "entity_id", "chain_id", "origin"]
    description: str
    partitions: int
    retention_ms: int
    lossless: bool = True
    compacted: bool = False


_DAY_MS = 86_400_000

VIDEO_RECORD = Topic(
    "video.record.v1", "camera_id", "CMAF chunks of the recorded stream, run starts, run ends, gaps", 12, 3 * _DAY_MS
)
VIDEO_DETECT = Topic(
    "video.detect.v1", "camera_id", "CMAF chunks of the analysed stream", 12, _DAY_MS // 24, lossless=False
)
SENSOR = Topic(
    "sensor.v1", "sensor_id", "door, temperature, humidity, button, lock, heartbeat readings", 3, 7 * _DAY_MS
)
STATUS = Topic("status.v1", "source_id", "camera, agent and clock state", 3, 7 * _DAY_MS)
INCIDENT = Topic(
    "incident.v1", "institution_id", "incidents opened, updated, closed, acknowledged, escalated", 3, 30 * _DAY_MS
)
RECORDING = Topic(
    "recording.v1", "camera_id", "segments stored or deleted, gaps recorded, holds placed or released", 3, 30 * _DAY_MS
)
CONFIG = Topic("config.v1", "entity_id", "cameras, zones, rules, policy, schedules", 1, -1, compacted=True)
COMMAND = Topic("command.v1", "entity_id", "place-hold, export-evidence", 1, 30 * _DAY_MS)
AUDIT = Topic("audit.v1", "chain_id", "hash-chained audit entries", 1, -1)
DEAD_LETTER = Topic(
    "dead-letter.v1", "origin", "records that could not be read, with their origin and the reason", 1, 90 * _DAY_MS
)

ALL: tuple[Topic, ...] = (
    VIDEO_RECORD, VIDEO_DETECT, SENSOR, STATUS, INCIDENT, RECORDING, CONFIG, COMMAND, AUDIT, DEAD_LETTER,
)  # fmt: skip
BY_NAME = {topic.name: topic for topic in ALL}
