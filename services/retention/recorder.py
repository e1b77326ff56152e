"""The recorder: a member of the group ``retention`` that turns ``video.record.v1`` into segments, ledger rows and gaps.

Life: poll → hand to the partition's own task → commit what became durable. A partition whose inbox is full is paused and
goes on when there is room. On rebalance the partition's scratch is dropped and its new owner replays. On shutdown what was read
is finished within a bound; open segments stay in the log for the next start.

Does not belong here: what happens to a record (``partition.py``).
"""

from __future__ import annotations

import asyncio
import random

import structlog

from services.backbone.ports import Backbone, Consumer, TopicPartition
from services.backbone.readiness import Readiness
from services.contracts.errors import Rejected, Transient
from services.contracts.settings import Settings
from services.contracts.time import NS_PER_S
from services.contracts.topics import VIDEO_RECORD
from services.retention.partition import PartitionRecorder, Tools
from services.retention.patience import Patience
from services.retention.scratch import ScratchArea, scratch_root
from services.retention.trust import Trust

GROUP = "retention"
CONDITION = "recorder"
_POLL_S = 0.25
_POLL_RECORDS = 64
_COMMIT_EVERY_S = 0.5
_LOOK_EVERY_S = 1.0
_DRAIN_S = 10.0
_FIRST_WAIT_S, _LONGEST_WAIT_S = 0.2, 5.0

logger = structlog.get_logger(__name__)


class Recorder:
    """Runs until ``stop`` is set. One per process."""

    def __init__(self, backbone: Backbone, settings: Settings, stop: asyncio.Event, readiness: Readiness) -> None:
        self._log = backbone.log
        self._clock = backbone.clock
        self._stop = stop
        self._readiness = readiness
        self._scratch = ScratchArea(scratch_root(settings))
        patience = Patience(backbone.clock, readiness, CONDITION)
        trust = Trust(backbone.keys, backbone.clock)
        self._tools = Tools(backbone, settings, self._scratch, patience, trust)
        self._partitions: dict[TopicPartition, PartitionRecorder] = {}
        self._paused: set[TopicPartition] = set()
        self._committed: dict[TopicPartition, int] = {}
        self._consumer: Consumer | None = None
        self._commit_due_ns = 0
        self._look_due_ns = 0
        self._wait_s = _FIRST_WAIT_S

    async def run(self) -> None:
        try:
            while not self._stop.is_set():
                try:
                    await self._consume()
                except Transient as error:
                    self._readiness.set(CONDITION, False, f"reading the log: {error}")
                    say = logger.warning if self._wait_s == _FIRST_WAIT_S else logger.debug  # once an outage
                    say("the log is away; trying again", error=str(error))
                    await self._rest(self._wait_s * random.uniform(0.7, 1.0))  # noqa: S311 - jitter
                    self._wait_s = min(self._wait_s * 2, _LONGEST_WAIT_S)
        finally:
            await self._drop(frozenset(self._partitions))
            self._scratch.close()

    async def _rest(self, seconds: float) -> None:
        try:
            await asyncio.wait_for(self._stop.wait(), seconds)
        except TimeoutError:
            return

    async def _consume(self) -> None:
        membership = self._log.consumer(
            [VIDEO_RECORD.name], group=GROUP, on_assigned=self._on_assigned, on_revoked=self._on_revoked
        )
        async with membership as consumer:
            self._consumer = consumer
            self._wait_s = _FIRST_WAIT_S
            self._readiness.set(CONDITION, True)
            while not self._stop.is_set():
                await self._turn(consumer)
            await self._finish(consumer)

    async def _turn(self, consumer: Consumer) -> None:
        for record in await consumer.poll(max_records=_POLL_RECORDS, timeout_s=_POLL_S):
            self._partition(record.topic_partition).offer(record)
        for partition in tuple(self._partitions.values()):
            partition.raise_failure()
            if partition.outpaced:
                await self._replay(consumer, partition)
        self._balance(consumer)
        now_ns = self._clock.monotonic_ns()
        if now_ns >= self._commit_due_ns:
            self._commit_due_ns = now_ns + int(_COMMIT_EVERY_S * NS_PER_S)
            await self._commit(consumer, frozenset(self._partitions))
        if now_ns >= self._look_due_ns:
            self._look_due_ns = now_ns + int(_LOOK_EVERY_S * NS_PER_S)
            await self._look_for_silence(consumer)

    def _partition(self, partition: TopicPartition) -> PartitionRecorder:
        if partition not in self._partitions:
            self._partitions[partition] = PartitionRecorder(partition, self._tools)
        return self._partitions[partition]

    def _balance(self, consumer: Consumer) -> None:
        """Pause what is full, resume what has room again."""
        full = {partition for partition, recorder in self._partitions.items() if recorder.full}
        roomy = {
            partition
            for partition in self._paused
            if partition in self._partitions and self._partitions[partition].roomy
        }
        if fresh := full - self._paused:
            consumer.pause(fresh)
        if roomy:
            consumer.resume(roomy)
        self._paused = (self._paused | full) - roomy

    async def _commit(self, consumer: Consumer, partitions: frozenset[TopicPartition]) -> None:
        offsets = {
            partition: offset
            for partition in partitions
            if (offset := self._partitions[partition].committable) is not None
            and offset != self._committed.get(partition)
        }
        if not offsets:
            return
        try:
            await consumer.commit(offsets)
        except Rejected as error:  # a rebalance is under way; the new owner replays from the last commit
            logger.info("commit refused", why=str(error))
            return
        self._committed |= offsets

    async def _look_for_silence(self, consumer: Consumer) -> None:
        """Silence is only what is silent although everything in the log was read."""
        ends = await consumer.end_offsets()
        for partition, end in ends.items():
            recorder = self._partitions.get(partition)  # it may have been revoked meanwhile
            if recorder is not None and recorder.caught_up(end):
                recorder.tick()

    async def _replay(self, consumer: Consumer, partition: PartitionRecorder) -> None:
        offset = partition.committable
        await self._drop(frozenset({partition.partition}))
        if offset is not None and partition.partition in consumer.assignment():
            self._partition(partition.partition)
            await consumer.seek(partition.partition, offset)

    # -- assignment and end ---------------------------------------------------------------------------------------------

    async def _on_assigned(self, partitions: frozenset[TopicPartition]) -> None:
        for partition in partitions:
            self._partition(partition)

    async def _on_revoked(self, partitions: frozenset[TopicPartition]) -> None:
        mine = frozenset(partition for partition in partitions if partition in self._partitions)
        if self._consumer is not None and mine:
            try:
                await self._commit(self._consumer, mine)
            except Transient as error:
                logger.warning("what was done could not be committed; it is replayed", error=str(error))
        await self._drop(mine)

    async def _finish(self, consumer: Consumer) -> None:
        """Finish what was read, within a bound; the open segments stay in the log."""
        await asyncio.gather(*(partition.drain(_DRAIN_S) for partition in self._partitions.values()))
        for partition in self._partitions.values():
            partition.raise_failure()
        await self._commit(consumer, frozenset(self._partitions))

    async def _drop(self, partitions: frozenset[TopicPartition]) -> None:
        for partition in partitions:
            await self._partitions.pop(partition).close()
            self._committed.pop(partition, None)
            self._paused.discard(partition)
