"""The log on Apache Kafka, through aiokafka.

Belongs here: topics and putting the parts together. The parts: ``kafka_log_appender`` (producing), ``kafka_log_consumer``
(consuming), ``kafka_log_errors`` (what Kafka's errors mean).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Literal

from aiokafka import AIOKafkaConsumer
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaConnectionError, NoError, TopicAlreadyExistsError, for_code

from services.backbone.distributed.kafka_log_access import KafkaAccess
from services.backbone.distributed.kafka_log_appender import FRAMED_RECORD_BYTES, KafkaAppender
from services.backbone.distributed.kafka_log_consumer import KafkaConsumer, KafkaConsumerPlan
from services.backbone.distributed.kafka_log_errors import translated
from services.backbone.distributed.kafka_log_watch import BrokerPresence
from services.backbone.log_metrics import appending
from services.backbone.ports import OnPartitions, Outgoing, Position, TopicPartition
from services.backbone.record_rules import check_record, partition_of
from services.contracts.errors import Rejected, Transient
from services.contracts.topics import Topic

FETCH_BYTES = 32 * 1024 * 1024
_MINUTE_MS = 60_000
_DAY_MS = 86_400_000


class KafkaLog:
    """See :class:`services.backbone.ports.Log`. Belongs to one event loop; connects when first used.

    ``append_timeout_s``: after this long without an acknowledgement ``append`` raises ``Transient``. ``session_s``: how long a
    member that fell silent keeps its partitions. ``drain_limit_s``: how long ``on_revoked`` may take. ``stall_limit_s``: a
    consumer that delivered nothing for so long although there is something, and the broker too, is built anew.
    """

    def __init__(
        self,
        bootstrap: str | KafkaAccess,
        *,
        replication: int = 1,
        append_timeout_s: float = 8.0,
        session_s: float = 10.0,
        drain_limit_s: float = 60.0,
        stall_limit_s: float = 30.0,
    ) -> None:
        self._access = bootstrap if isinstance(bootstrap, KafkaAccess) else KafkaAccess(bootstrap)
        self._bootstrap = self._access.bootstrap
        self._replication = replication
        self._timeout_s = append_timeout_s
        self._session_ms = int(session_s * 1000)
        self._drain_limit_s = drain_limit_s
        self._stall_limit_s = stall_limit_s
        self._presence = BrokerPresence(self._bootstrap)
        self._appender = KafkaAppender(self._access, timeout_s=append_timeout_s, presence=self._presence)
        self._partitions: dict[str, int] = {}
        self._consumers: set[KafkaConsumer] = set()
        self._closed = False

    async def ensure(self, topics: Iterable[Topic]) -> None:
        wanted = tuple(topics)
        self._partitions = await self._read_topics()
        missing = [topic for topic in wanted if topic.name not in self._partitions]
        if missing:
            await self._create(missing)
            await self._wait_for({topic.name for topic in missing})

    async def append(self, records: Sequence[Outgoing]) -> list[Position]:
        self._require_open()
        if not records:
            return []
        with appending():
            sizes_bytes = [check_record(record) for record in records]
            await self._require_topics({record.topic for record in records})
            partitions = [partition_of(record.key, self._partitions[record.topic]) for record in records]
            return await self._appender.append(records, sizes_bytes, partitions)

    @contextlib.asynccontextmanager
    async def consumer(
        self,
        topics: Sequence[str],
        *,
        group: str | None,
        start: Literal["earliest", "latest"] = "earliest",
        on_assigned: OnPartitions | None = None,
        on_revoked: OnPartitions | None = None,
    ) -> AsyncIterator[KafkaConsumer]:
        self._require_open()
        await self._require_topics(set(topics))
        consumer = KafkaConsumer(
            KafkaConsumerPlan(
                self._bootstrap, tuple(topics), group, start, on_assigned, on_revoked,
                build=lambda: self._build(group, start), presence=self._presence,
                start_limit_s=self._drain_limit_s + 30.0, drain_limit_s=self._drain_limit_s,
                stall_limit_s=self._stall_limit_s,
            )
        )  # fmt: skip
        self._consumers.add(consumer)
        try:
            await consumer.open()
            yield consumer
        finally:
            await consumer.close()
            self._consumers.discard(consumer)

    async def committed(self, group: str) -> Mapping[TopicPartition, int]:
        self._require_open()
        async with self._admin(f"reading the offsets of group {group}") as admin:
            found = await admin.list_consumer_group_offsets(group)
        return {TopicPartition(at.topic, at.partition): said.offset for at, said in found.items() if said.offset >= 0}

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        for consumer in tuple(self._consumers):
            await consumer.close()
        await self._appender.close()

    def _build(self, group: str | None, start: Literal["earliest", "latest"]) -> AIOKafkaConsumer:
        return AIOKafkaConsumer(
            **self._access.options(),
            group_id=group,
            auto_offset_reset=start,
            enable_auto_commit=False,
            max_partition_fetch_bytes=FRAMED_RECORD_BYTES,
            fetch_max_bytes=FETCH_BYTES,
            fetch_max_wait_ms=200,
            session_timeout_ms=self._session_ms,
            heartbeat_interval_ms=max(100, min(1000, self._session_ms // 4)),
            rebalance_timeout_ms=int(self._drain_limit_s * 1000),
            partition_assignment_strategy=[StickyPartitionAssignor],
            metadata_max_age_ms=60_000,
            request_timeout_ms=40_000,
        )

    async def _require_topics(self, names: set[str]) -> None:
        if not names <= self._partitions.keys():
            self._partitions |= await self._read_topics()
        unknown = names - self._partitions.keys()
        if unknown:
            raise Rejected(
                f"Kafka at {self._bootstrap} has no topic {', '.join(sorted(unknown))}; create it with ensure()"
            )

    def _require_open(self) -> None:
        if self._closed:
            raise Transient("the log is closed; open it again")

    async def _read_topics(self) -> dict[str, int]:
        """Partitions by topic, of topics all of whose partitions have a leader."""
        async with self._admin("reading the topics") as admin:
            cluster = await admin._client.fetch_all_metadata()
        partitions = {topic: cluster.partitions_for_topic(topic) or set() for topic in cluster.topics()}
        led = {topic: cluster.available_partitions_for_topic(topic) or set() for topic in partitions}
        return {topic: len(found) for topic, found in partitions.items() if found and found == led[topic]}

    async def _create(self, topics: Sequence[Topic]) -> None:
        async with self._admin("creating topics") as admin:
            with contextlib.suppress(TopicAlreadyExistsError):  # another service was faster
                answer = await admin.create_topics([self._declare(topic) for topic in topics])
                for name, code, *_ in answer.topic_errors:
                    error = for_code(code)
                    if error not in (NoError, TopicAlreadyExistsError):
                        raise error(name)

    def _declare(self, topic: Topic) -> NewTopic:
        # Segments are what Kafka deletes, so they must be shorter than what is to be kept.
        segment_ms = _DAY_MS if topic.retention_ms < 0 else min(_DAY_MS, max(topic.retention_ms // 4, 5 * _MINUTE_MS))
        return NewTopic(
            topic.name,
            num_partitions=topic.partitions,
            replication_factor=self._replication,
            topic_configs={
                "cleanup.policy": "compact" if topic.compacted else "delete",
                "retention.ms": str(topic.retention_ms),
                "segment.ms": str(segment_ms),
                "max.message.bytes": str(FRAMED_RECORD_BYTES),
                "min.insync.replicas": "2" if self._replication > 2 else "1",
                # The log's own time: an agent's clock that jumps must not make Kafka delete or keep the wrong segment.
                "message.timestamp.type": "LogAppendTime",
            },
        )

    async def _wait_for(self, names: set[str]) -> None:
        with translated("waiting for new topics", self._bootstrap):
            async with asyncio.timeout(self._timeout_s * 2):
                while not names <= self._partitions.keys():
                    await asyncio.sleep(0.05)
                    self._partitions = await self._read_topics()

    @contextlib.asynccontextmanager
    async def _admin(self, doing: str) -> AsyncIterator[AIOKafkaAdminClient]:
        admin = AIOKafkaAdminClient(**self._access.options(), request_timeout_ms=int(self._timeout_s * 1000))
        with translated(doing, self._bootstrap):
            try:
                async with asyncio.timeout(self._timeout_s):
                    await self._enter(admin)
                    yield admin
            finally:
                await admin.close()

    async def _enter(self, admin: AIOKafkaAdminClient) -> None:
        try:
            await admin.start()
        except KafkaConnectionError as error:
            if (complaint := await self._access.complaint(let_in_before=bool(self._partitions))) is None:
                raise
            raise complaint from error
