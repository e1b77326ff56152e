"""Consuming from Kafka: manual commits, drains before partitions leave, and a way back after long outages.

aiokafka's client recovers from most outages by itself, but its coordination may end for good on an unexpected one, and it may
stop delivering without a word; then the consumer here is built anew, after a drain, as if its partitions had been taken away.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import structlog
from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener
from aiokafka import TopicPartition as KafkaPartition
from aiokafka.errors import (
    ConsumerStoppedError,
    CorruptRecordException,
    KafkaError,
    RecordTooLargeError,
)

from services.backbone import metrics
from services.backbone.distributed.kafka_log_client import end_consumer
from services.backbone.distributed.kafka_log_errors import cancelled_from_outside, translate, translated
from services.backbone.distributed.kafka_log_watch import BrokerPresence, Finding, ProgressWatch, look
from services.backbone.ports import Delivered, OnPartitions, TopicPartition
from services.contracts.errors import Rejected, Transient

_CALL_LIMIT_S = 10.0
_NAMED_PARTITION = re.compile(r"TopicPartition\(topic='(?P<topic>[^']+)', partition=(?P<partition>\d+)\)")
_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class KafkaConsumerPlan:
    """What a consumer is made of; ``build`` makes an unstarted client of aiokafka."""

    bootstrap: str
    topics: tuple[str, ...]
    group: str | None
    start: Literal["earliest", "latest"]
    on_assigned: OnPartitions | None
    on_revoked: OnPartitions | None
    build: Callable[[], AIOKafkaConsumer]
    presence: BrokerPresence
    start_limit_s: float
    drain_limit_s: float
    stall_limit_s: float


@dataclass(slots=True)
class _Held:
    """What the caller was told that it owns. ``positions``: next offset of what was delivered (readers only rely on it)."""

    partitions: set[TopicPartition] = field(default_factory=set)
    paused: set[TopicPartition] = field(default_factory=set)
    positions: dict[TopicPartition, int] = field(default_factory=dict)


class KafkaConsumer(ConsumerRebalanceListener):  # type: ignore[misc]
    """See :class:`services.backbone.ports.Consumer`. One event loop; one caller at a time polls."""

    def __init__(self, plan: KafkaConsumerPlan) -> None:
        self._plan = plan
        self._inner: AIOKafkaConsumer | None = None
        self._held = _Held()
        self._callbacks = asyncio.Lock()
        self._calm = asyncio.Event()
        self._calm.set()
        self._assigned_once = asyncio.Event()
        self._suspect: TopicPartition | None = None  # read a record at a time, since a damaged one is near
        self._reopening: asyncio.Task[None] | None = None
        self._watch = ProgressWatch(plan.stall_limit_s, plan.start_limit_s)
        self._looking: asyncio.Task[Finding] | None = None
        self._closing = False
        self._closed = False

    async def open(self) -> None:
        """Join the group (or take every partition); return when ``on_assigned`` has returned."""
        inner = self._inner = self._plan.build()
        try:
            with self._asking(f"joining {self._plan.group or 'as a reader'}"):
                async with asyncio.timeout(self._plan.start_limit_s):
                    if self._plan.group is None:
                        await self._open_reader(inner)
                    else:
                        self._assigned_once.clear()
                        inner.subscribe(list(self._plan.topics), listener=self)
                        await inner.start()
                        await self._assigned_once.wait()
        except BaseException:
            self._inner = None
            await end_consumer(inner)
            raise

    async def poll(self, *, max_records: int = 256, timeout_s: float = 1.0) -> list[Delivered]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            self._require_open()
            remaining_s = max(deadline - loop.time(), 0)
            inner = await self._ready(remaining_s)
            records = await self._take(inner, max_records, max(deadline - loop.time(), 0)) if inner is not None else []
            if records:
                self._plan.presence.found()
                self._watch.delivered(loop.time())
                return records
            await self._watch_over(loop.time())
            if loop.time() >= deadline:
                return []

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        if self._plan.group is None:
            raise Rejected("a reader without a group has nothing to commit to; give it a group")
        inner = self._require_open()
        if not offsets:
            return
        if min(offsets.values()) < 0:
            raise Rejected(f"an offset cannot be negative: {dict(offsets)!r}")
        if inner is None or not self._held.partitions.issuperset(offsets):
            raise Rejected(f"of {sorted(offsets)} not all belong to this member any more; their new owner replays them")
        with self._asking(f"committing for {self._plan.group}"):
            async with asyncio.timeout(_CALL_LIMIT_S):
                await inner.commit({KafkaPartition(*partition): offset for partition, offset in offsets.items()})

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._held.partitions)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        paused = self._held.partitions & set(partitions)
        self._held.paused |= paused
        self._set_flow(paused, flowing=False)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        resumed = self._held.paused & set(partitions)
        self._held.paused -= resumed
        self._set_flow(resumed, flowing=True)

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        inner = self._require_open()
        if offset < 0:
            raise Rejected(f"an offset cannot be negative: {offset}")
        if inner is None or partition not in self._held.partitions:
            raise Rejected(f"{partition} is not assigned to this consumer")
        with translated("seeking", self._plan.bootstrap):
            inner.seek(KafkaPartition(*partition), offset)
        self._held.positions[partition] = offset

    async def end_offsets(self) -> Mapping[TopicPartition, int]:
        inner = self._require_open()
        if inner is None or not self._held.partitions:
            return {}
        with self._asking("asking for end offsets"):
            return await self._ends(inner, self._held.partitions)

    async def start_offsets(self) -> Mapping[TopicPartition, int]:
        inner = self._require_open()
        if inner is None or not self._held.partitions:
            return {}
        with self._asking("asking for first offsets"):
            async with asyncio.timeout(_CALL_LIMIT_S):
                starts = await inner.beginning_offsets([KafkaPartition(*one) for one in self._held.partitions])
            return {TopicPartition(*partition): offset for partition, offset in starts.items()}

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        try:
            await self._drain()
        finally:
            self._closed = True
            beside = [task for task in (self._reopening, self._looking) if task is not None]
            for task in beside:
                task.cancel()
            await asyncio.gather(*beside, return_exceptions=True)
            if self._inner is not None:
                await end_consumer(self._inner)

    async def on_partitions_revoked(self, revoked: Iterable[KafkaPartition]) -> None:
        """Called by aiokafka before a rebalance, always with the whole assignment."""
        self._calm.clear()
        await self._drain()

    async def on_partitions_assigned(self, assigned: Iterable[KafkaPartition]) -> None:
        """Called by aiokafka after a rebalance. Nothing is delivered before ``on_assigned`` has returned."""
        try:
            async with self._callbacks:
                inner = self._inner
                if not self._closing and inner is not None:
                    await self._take_over(inner, {TopicPartition(*partition) for partition in assigned})
        finally:
            self._calm.set()
            self._assigned_once.set()

    async def _take_over(self, inner: AIOKafkaConsumer, partitions: set[TopicPartition]) -> None:
        self._set_flow(partitions, flowing=False)
        if self._plan.group is not None and self._plan.start == "latest" and partitions:
            await self._begin_at_the_end(inner, partitions)
        self._held = _Held(partitions=set(partitions))
        if partitions:
            await self._call(self._plan.on_assigned, frozenset(partitions))
        self._set_flow(partitions - self._held.paused, flowing=True)

    async def _begin_at_the_end(self, inner: AIOKafkaConsumer, partitions: set[TopicPartition]) -> None:
        """Fix "latest" to an offset at once, and commit it: a member that dies before its first commit loses nothing."""
        try:
            async with asyncio.timeout(_CALL_LIMIT_S):
                committed = {p: await inner.committed(KafkaPartition(*p)) for p in sorted(partitions)}
                fresh = {partition for partition, offset in committed.items() if offset is None}
                if fresh:
                    ends = {KafkaPartition(*p): offset for p, offset in (await self._ends(inner, fresh)).items()}
                    for partition, offset in ends.items():
                        inner.seek(partition, offset)
                    await inner.commit(ends)
        except (KafkaError, TimeoutError) as error:  # then it begins at the end as of the first fetch
            _log.warning("log.end_not_fixed", group=self._plan.group, cause=repr(error))

    async def _open_reader(self, inner: AIOKafkaConsumer) -> None:
        """Every partition of the topics; after an outage from where the last delivery ended."""
        positions = self._held.positions
        await inner.start()
        await inner.topics()
        partitions = set()
        for topic in self._plan.topics:
            for partition in inner.partitions_for_topic(topic) or await inner._client._wait_on_metadata(topic):
                partitions.add(TopicPartition(topic, partition))
        inner.assign([KafkaPartition(*partition) for partition in partitions])
        fresh = partitions - positions.keys()
        if self._plan.start == "latest" and fresh:
            positions = {**positions, **await self._ends(inner, fresh)}
        for partition, offset in positions.items():
            inner.seek(KafkaPartition(*partition), offset)
        first = not self._held.partitions
        self._held = _Held(partitions, self._held.paused, positions)
        self._set_flow(self._held.paused, flowing=False)
        if first:
            await self._call(self._plan.on_assigned, frozenset(partitions))

    async def _ends(self, inner: AIOKafkaConsumer, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        async with asyncio.timeout(_CALL_LIMIT_S):
            ends = await inner.end_offsets([KafkaPartition(*partition) for partition in partitions])
        return {TopicPartition(*partition): offset for partition, offset in ends.items()}

    async def _ready(self, timeout_s: float) -> AIOKafkaConsumer | None:
        """The client, when it is there and no rebalance is under way; None when that took too long."""
        if self._inner is None and self._reopening is None:
            self._reopening = asyncio.create_task(self.open(), name="kafka-consumer-reopen")
        if self._reopening is not None:
            await asyncio.wait([self._reopening], timeout=timeout_s)
            if not self._reopening.done():
                return None
            reopened, self._reopening = self._reopening, None
            await reopened
        try:
            async with asyncio.timeout(timeout_s):
                await self._calm.wait()
        except TimeoutError:
            return None
        return self._inner

    async def _take(self, inner: AIOKafkaConsumer, max_records: int, timeout_s: float) -> list[Delivered]:
        careful = self._suspect if self._suspect in self._held.partitions - self._held.paused else None
        chosen = [KafkaPartition(*careful)] if careful is not None else []
        try:
            # While a group rebalances, getmany() waits for that and not for its own timeout.
            async with asyncio.timeout(timeout_s + 0.2):
                batches = await inner.getmany(
                    *chosen, timeout_ms=max(int(timeout_s * 1000), 1), max_records=1 if chosen else max_records
                )
        except TimeoutError:
            return []
        except (CorruptRecordException, RecordTooLargeError) as error:
            await self._step_over(inner, error, careful)
            return []
        except (KafkaError, ConsumerStoppedError, OSError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and cancelled_from_outside():
                raise
            await self._give_up(inner, repr(error))
            raise translate(error, "polling", self._plan.bootstrap) from error
        records = [_delivered(record) for batch in batches.values() for record in batch]
        for record in records:
            self._held.positions[record.topic_partition] = record.offset + 1
        return records

    async def _step_over(self, inner: AIOKafkaConsumer, error: KafkaError, careful: TopicPartition | None) -> None:
        """Skip one offset of a damaged batch, loudly; the batch is passed after as many polls as it has records.

        aiokafka raises before it hands out the sound records that were fetched with the damaged one; so that none is
        skipped, the partition is first read a record at a time, until the damaged one is the next.
        """
        named = _NAMED_PARTITION.search(str(error))
        if named is None:
            raise translate(error, "polling", self._plan.bootstrap) from error
        suspect = TopicPartition(named["topic"], int(named["partition"]))
        if suspect != careful:
            self._suspect = suspect
            return
        self._suspect = None
        offset = await inner.position(KafkaPartition(*suspect))
        metrics.LOG_DAMAGED.labels(suspect.topic).inc()
        _log.error("log.record_damaged", origin=f"{suspect.topic}/{suspect.partition}/{offset}", reason=str(error))
        inner.seek(KafkaPartition(*suspect), offset + 1)

    async def _watch_over(self, now_s: float) -> None:
        """After a poll that brought nothing: look, beside the caller, whether there is nothing; replace a client that is lost."""
        inner = self._inner
        if inner is None:
            return
        if self._looking is None:
            if self._watch.look_due(now_s):
                flowing = [KafkaPartition(*partition) for partition in self._held.partitions - self._held.paused]
                looking = look(inner, flowing, self._plan.presence, rebalancing=not self._calm.is_set())
                self._looking = asyncio.create_task(looking, name="kafka-consumer-look")
        elif self._looking.done():
            looked, self._looking = self._looking, None
            finding = Finding.STUCK if looked.cancelled() else looked.result()
            if self._watch.lost(finding, now_s):
                self._watch.replaced()
                await self._give_up(inner, f"no progress: {finding.name.lower()}")

    async def _give_up(self, inner: AIOKafkaConsumer, why: str) -> None:
        """The client is beyond help: drain, and have the next poll build another."""
        _log.warning("log.consumer_rebuilt", group=self._plan.group, topics=self._plan.topics, why=why)
        self._inner = None
        if self._looking is not None:
            self._looking.cancel()
            self._looking = None
        if self._plan.group is not None:
            await self._drain()
        await end_consumer(inner)
        self._calm.set()

    async def _drain(self) -> None:
        """Let the caller finish with what it holds; commits made meanwhile are accepted."""
        async with self._callbacks:
            if self._held.partitions:
                await self._call(self._plan.on_revoked, frozenset(self._held.partitions))
            self._held = _Held()

    async def _call(self, callback: OnPartitions | None, partitions: frozenset[TopicPartition]) -> None:
        """A callback that fails or hangs must not take the group with it: it is logged, and the group goes on."""
        if callback is None:
            return
        try:
            async with asyncio.timeout(self._plan.drain_limit_s):
                await callback(partitions)
        except Exception:
            _log.exception("log.partition_callback_failed", partitions=sorted(partitions))

    def _set_flow(self, partitions: Iterable[TopicPartition], *, flowing: bool) -> None:
        if self._inner is None:
            return
        assigned = self._inner.assignment()
        wanted = [partition for partition in (KafkaPartition(*p) for p in partitions) if partition in assigned]
        (self._inner.resume if flowing else self._inner.pause)(*wanted)

    @contextlib.contextmanager
    def _asking(self, doing: str) -> Iterator[None]:
        """What the broker answers or fails to is told to everyone as its presence."""
        try:
            with translated(doing, self._plan.bootstrap):
                yield
        except Transient as error:
            self._plan.presence.lost(error)
            raise
        self._plan.presence.found()

    def _require_open(self) -> AIOKafkaConsumer | None:
        if self._closed:
            raise Transient("the consumer is closed; open another")
        return self._inner


def _delivered(record: Any) -> Delivered:
    key = record.key.decode(errors="replace") if record.key is not None else ""
    return Delivered(
        record.topic,
        record.partition,
        record.offset,
        key,
        record.value,
        tuple(record.headers),
        record.timestamp * 1_000_000,
    )
