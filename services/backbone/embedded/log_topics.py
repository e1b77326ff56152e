"""Topics of the embedded log: making them, and what an open log remembers of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from services.backbone.ports import TopicPartition
from services.backbone.record_rules import partition_of
from services.contracts.topics import Topic


@dataclass(frozen=True, slots=True)
class KnownTopic:
    """A topic as the index has it; ``part_ids`` in order of partition."""

    topic_id: int
    name: str
    part_ids: tuple[int, ...]

    def part_of(self, key: str) -> tuple[int, int]:
        """Partition and part id of a key."""
        partition = partition_of(key, len(self.part_ids))
        return partition, self.part_ids[partition]


def create_topics(tx: sqlite3.Connection, topics: Iterable[Topic]) -> None:
    """Insert the topics that do not exist; leave the others as they are."""
    for topic in topics:
        made = tx.execute(
            "INSERT OR IGNORE INTO topic (name, partitions, retention_ms, lossless, compacted) VALUES (?, ?, ?, ?, ?)",
            (topic.name, topic.partitions, topic.retention_ms, topic.lossless, topic.compacted),
        )
        if made.rowcount:
            tx.executemany(
                "INSERT INTO part (topic_id, partition) VALUES (?, ?)",
                [(made.lastrowid, partition) for partition in range(topic.partitions)],
            )


def read_topics(tx: sqlite3.Connection) -> dict[str, KnownTopic]:
    rows = tx.execute(
        "SELECT topic_id, name, part_id FROM topic JOIN part USING (topic_id) ORDER BY topic_id, partition"
    ).fetchall()
    parts: dict[tuple[int, str], list[int]] = {}
    for topic_id, name, part_id in rows:
        parts.setdefault((topic_id, name), []).append(part_id)
    return {name: KnownTopic(topic_id, name, tuple(ids)) for (topic_id, name), ids in parts.items()}


def parts_of(topics: Iterable[KnownTopic]) -> dict[TopicPartition, int]:
    """Part ids by partition, in order."""
    return {
        TopicPartition(topic.name, partition): part_id
        for topic in topics
        for partition, part_id in enumerate(topic.part_ids)
    }
