"""The embedded log's consumer: positions, polling, and the task that keeps a member in its group.

Belongs here: what happens in the event loop. Does not belong here: statements (``log_groups``, ``log_reader``).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Literal, TypeVar

import structlog

from services.backbone.embedded.log_groups import Membership
from services.backbone.embedded.log_index import IndexWriter
from services.backbone.embedded.log_reader import DamagedRecord, Fetched, Reader
from services.backbone.embedded.log_wakeup import Wakeup, place_of_group
from services.backbone.ports import Delivered, OnPartitions, TopicPartition
from services.backbone.worker_threads import WorkerThreads
from services.contracts.errors import KanhuError, Rejected, Transient

T = TypeVar("T")
OnDamaged = Callable[[DamagedRecord], Awaitable[None]]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ConsumerPlan:
    """What a consumer is made of. ``drain_limit_s``: how long ``on_revoked`` may hold a partition back."""

    parts: Mapping[TopicPartition, int]
    start: Literal["earliest", "latest"]
    on_assigned: OnPartitions | None
    on_revoked: OnPartitions | None
    on_damaged: OnDamaged
    lease_s: float
    drain_limit_s: float


class EmbeddedConsumer:
    """See :class:`services.backbone.ports.Consumer`. One event loop; one caller at a time polls."""

    def __init__(
        self, plan: ConsumerPlan, *, index: IndexWriter, reader: Reader, wakeup: Wakeup, membership: Membership | None
    ) -> None:
        self._plan = plan
        self._index = index
        self._reader = reader
        self._wakeup = wakeup
        self._membership = membership
        self._partition_of = {part_id: partition for partition, part_id in plan.parts.items()}
        self._positions: dict[TopicPartition, int] = {}
        self._paused: set[TopicPartition] = set()
        self._withheld: set[TopicPartition] = set()  # while a callback about them runs
        self._generation = -1
        self._thread = WorkerThreads(1, "log-reader")
        self._keepers: list[asyncio.Task[None]] = []
        self._closing = False
        self._closed = False

    async def open(self) -> None:
        """Join the group (or take every partition) and call ``on_assigned``."""
        if self._membership is None:
            bounds = await self._read(lambda: self._reader.bounds(tuple(self._plan.parts)))
            which = 0 if self._plan.start == "earliest" else 1
            await self._gain({partition: pair[which] for partition, pair in bounds.items()})
            return
        await self._index.run(self._membership.join, durable=False)
        await self._look()
        self._keepers = [
            asyncio.create_task(self._keep(), name="log-member"),
            asyncio.create_task(self._beat(), name="log-heartbeat"),
        ]

    async def poll(self, *, max_records: int = 256, timeout_s: float = 1.0) -> list[Delivered]:
        loop = asyncio.get_running_loop()
        deadline = loop.time() + timeout_s
        while True:
            self._require_open()
            records = await self._fetch(max_records)
            if records:
                return records
            remaining_s = deadline - loop.time()
            if remaining_s <= 0:
                return []
            parts = self._plan.parts
            await self._wakeup.wait({parts[at]: offset for at, offset in self._asked().items()}, remaining_s)

    async def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._require_open()
        if self._membership is None:
            raise Rejected("a reader without a group has nothing to commit to; give it a group")
        if not offsets:
            return
        unknown = [partition for partition in offsets if partition not in self._plan.parts]
        if unknown or min(offsets.values()) < 0:
            raise Rejected(f"offsets {dict(offsets)!r} name a partition or an offset that does not exist")
        by_part = {self._plan.parts[partition]: offset for partition, offset in offsets.items()}
        await self._index.run(partial(self._membership.commit, offsets=by_part))

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self._positions)

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused |= self._positions.keys() & set(partitions)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        self._paused -= set(partitions)
        self._wakeup.notify()

    async def seek(self, partition: TopicPartition, offset: int) -> None:
        self._require_open()
        if partition not in self._positions:
            raise Rejected(f"{partition} is not assigned to this consumer")
        if offset < 0:
            raise Rejected(f"an offset cannot be negative: {offset}")
        self._positions[partition] = offset
        self._wakeup.notify()

    async def end_offsets(self) -> Mapping[TopicPartition, int]:
        return {partition: following for partition, (_, following) in (await self._bounds()).items()}

    async def start_offsets(self) -> Mapping[TopicPartition, int]:
        return {partition: first for partition, (first, _) in (await self._bounds()).items()}

    async def _bounds(self) -> Mapping[TopicPartition, tuple[int, int]]:
        self._require_open()
        partitions = tuple(self._positions)
        return await self._read(lambda: self._reader.bounds(partitions))

    async def close(self) -> None:
        if self._closing:
            return
        self._closing = True
        self._wakeup.notify()
        for keeper in self._keepers[:1]:  # a drain under way is finished, not cut short
            await keeper
        self._withheld |= self._positions.keys()
        await self._drain(frozenset(self._positions))
        for keeper in self._keepers[1:]:
            keeper.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await keeper
        self._closed = True
        self._positions.clear()
        try:
            if self._membership is not None:
                await self._index.run(self._membership.leave, durable=False)
        except Transient as error:  # its lease will run out
            _log.warning("log.member_left_without_notice", cause=str(error))
        finally:
            self._wakeup.notify()
            await asyncio.to_thread(self._close_reader)

    def _close_reader(self) -> None:
        self._thread.close()
        self._reader.close()

    def _require_open(self) -> None:
        if self._closed:
            raise Transient("the consumer is closed; open another")

    async def _read(self, work: Callable[[], T]) -> T:
        return await self._thread.run(work)

    def _asked(self) -> dict[TopicPartition, int]:
        """Where reading goes on, of the partitions that may be read now."""
        return {
            partition: offset
            for partition, offset in self._positions.items()
            if partition not in self._paused and partition not in self._withheld
        }

    async def _fetch(self, max_records: int) -> list[Delivered]:
        asked = self._asked()
        if not asked:
            return []
        return await self._advance(asked, await self._read(lambda: self._reader.fetch(asked, max_records)))

    async def _advance(self, asked: Mapping[TopicPartition, int], fetched: Fetched) -> list[Delivered]:
        """Move the positions, and drop what was paused, sought or revoked while it was being read."""
        valid = {
            partition
            for partition in fetched.next_offsets
            if self._positions.get(partition) == asked[partition]
            and partition not in self._paused
            and partition not in self._withheld
        }
        for partition in valid:
            self._positions[partition] = fetched.next_offsets[partition]
        for damaged in fetched.damaged:
            if TopicPartition(damaged.topic, damaged.partition) in valid:
                await self._plan.on_damaged(damaged)
        return [record for record in fetched.records if record.topic_partition in valid]

    async def _keep(self) -> None:
        """Look at once when the group changes, and now and then for members that are gone."""
        assert self._membership is not None
        group, loop = place_of_group(self._membership.group_id), asyncio.get_running_loop()
        due = loop.time() + self._plan.lease_s / 3
        while not self._closing:
            known = {group: self._generation}
            if loop.time() < due and not self._wakeup.is_past(known):
                await self._wakeup.wait(known, due - loop.time())
                continue
            try:
                await self._look()
                due = loop.time() + self._plan.lease_s / 3
            except KanhuError as error:
                _log.warning("log.group_not_reached", cause=str(error))
                await self._wakeup.wait({}, min(1.0, self._plan.lease_s / 6))

    async def _beat(self) -> None:
        """Prolong the lease, also during a long drain. A blocked event loop lets it run out, as it should."""
        assert self._membership is not None
        while True:
            await asyncio.sleep(self._plan.lease_s / 4)
            try:
                await self._index.run(self._membership.prolong, durable=False)
            except KanhuError as error:
                _log.warning("log.lease_not_prolonged", cause=str(error))

    async def _look(self) -> None:
        assert self._membership is not None
        share = await self._index.run(self._membership.look, durable=False)
        if share.expelled:
            _log.warning("log.member_expelled", partitions=len(self._positions))
            await self._lose(frozenset(self._positions))
            await self._index.run(self._membership.join, durable=False)
            share = await self._index.run(self._membership.look, durable=False)
        self._generation = share.generation
        await self._gain({self._partition_of[part_id]: offset for part_id, offset in share.gained.items()})
        if share.leaving:
            await self._give_up(share.leaving)

    async def _give_up(self, part_ids: frozenset[int]) -> None:
        assert self._membership is not None
        partitions = frozenset(self._partition_of[part_id] for part_id in part_ids)
        await self._lose(partitions)
        await self._index.run(partial(self._membership.release, part_ids=part_ids), durable=False)
        self._wakeup.notify()

    async def _gain(self, positions: Mapping[TopicPartition, int]) -> None:
        if not positions:
            return
        self._withheld |= positions.keys()
        self._positions.update(positions)
        await self._call(self._plan.on_assigned, frozenset(positions))
        self._withheld -= positions.keys()
        self._wakeup.notify()

    async def _lose(self, partitions: frozenset[TopicPartition]) -> None:
        self._withheld |= partitions
        await self._drain(partitions)
        for partition in partitions:
            self._positions.pop(partition, None)
        self._withheld -= partitions
        self._paused -= partitions

    async def _drain(self, partitions: frozenset[TopicPartition]) -> None:
        if partitions:
            await self._call(self._plan.on_revoked, partitions)

    async def _call(self, callback: OnPartitions | None, partitions: frozenset[TopicPartition]) -> None:
        """A callback that fails or hangs must not take the group with it: it is logged, and the group goes on."""
        if callback is None:
            return
        try:
            async with asyncio.timeout(self._plan.drain_limit_s):
                await callback(partitions)
        except Exception:
            _log.exception("log.partition_callback_failed", partitions=sorted(partitions))
