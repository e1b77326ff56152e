"""What every ``Log`` promises of consumer groups: drains, replays, fences; members of several processes included."""

from __future__ import annotations

import asyncio
import signal
from collections import Counter

import pytest

from services.backbone.ports import Consumer, Delivered, Log, OnPartitions, Outgoing, TopicPartition
from services.contracts.errors import KanhuError, Rejected, Transient
from services.contracts.topics import Topic
from tests.harness.log_site import DEADLINE_S, LogSite, drain, group, topic, until

Place = tuple[int, int]


class Member:
    """Polls in a task of its own; commits only when it drains, and what it processed then counts as done."""

    def __init__(self, log: Log, cameras: Topic, name: str, *, drain_s: float = 0.0) -> None:
        self._log, self._topic, self._group, self._drain_s = log, cameras, name, drain_s
        self.processed: list[Place] = []
        self.committed: dict[TopicPartition, int] = {}
        self.revocations: list[frozenset[TopicPartition]] = []
        self.overlaps: list[frozenset[TopicPartition]] = []
        self.owned: set[TopicPartition] = set()
        self.others: list[Member] = []
        self._pending: dict[TopicPartition, int] = {}
        self._leave = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self.joined = asyncio.Event()

    async def start(self) -> Member:
        self._task = asyncio.create_task(self._run())
        await until(lambda: self.joined.is_set() or self._task.done(), "a member to join")  # type: ignore[union-attr]
        return self

    async def leave(self) -> None:
        assert self._task is not None
        self._leave.set()
        await self._task

    async def _run(self) -> None:
        async with self._log.consumer(
            [self._topic.name], group=self._group, on_assigned=self._assigned, on_revoked=self._revoked
        ) as self.consumer:
            self.joined.set()
            while not self._leave.is_set():
                try:
                    self._process(await self.consumer.poll(timeout_s=0.1, max_records=7))
                except Transient:
                    continue

    def _process(self, records: list[Delivered]) -> None:
        for record in records:
            assert record.topic_partition in self.owned, "a record of a partition that was taken away"
            self.processed.append((record.partition, record.offset))
            self._pending[record.topic_partition] = record.offset + 1

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> None:
        for other in self.others:
            if other.owned & partitions:
                self.overlaps.append(frozenset(other.owned & partitions))
        self.owned |= partitions

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self.revocations.append(partitions)
        await asyncio.sleep(self._drain_s)
        offsets = {p: offset for p, offset in self._pending.items() if p in partitions}
        await self.consumer.commit(offsets)
        self.committed |= offsets
        for partition in partitions:
            self._pending.pop(partition, None)
            self.owned.discard(partition)


async def feed(log: Log, cameras: Topic, count: int) -> list[Place]:
    positions = await log.append([Outgoing(cameras.name, f"k{number}", b"%d" % number) for number in range(count)])
    return [(position.partition, position.offset) for position in positions]


async def test_a_member_that_joins_and_one_that_leaves_lose_and_repeat_nothing(log_site: LogSite) -> None:
    cameras, name = topic(partitions=6), group()
    log, second_log = await log_site.ensure(cameras), await log_site.open()
    await second_log.ensure([cameras])
    first, second = Member(log, cameras, name, drain_s=0.3), Member(second_log, cameras, name)
    first.others, second.others = [second], [first]
    await first.start()
    sent = await feed(log, cameras, 60)
    await until(lambda: len(first.processed) == 60, "the only member to read everything")
    await second.start()
    await until(lambda: len(first.owned) == len(second.owned) == 3, "an even share")
    sent += await feed(log, cameras, 60)
    await until(lambda: len(first.processed) + len(second.processed) == 120, "both to read the rest")
    assert second.processed, "the second member got nothing"
    await second.leave()
    await until(lambda: len(first.owned) == 6, "the rest to fall back")
    sent += await feed(log, cameras, 60)
    await until(lambda: len(first.processed) + len(second.processed) == 180, "the remaining member to go on")
    await first.leave()
    assert Counter(first.processed + second.processed) == Counter(sent)
    assert not first.overlaps and not second.overlaps
    assert first.revocations and second.revocations


async def test_closing_revokes_the_whole_assignment_and_takes_commits_meanwhile(log_site: LogSite) -> None:
    cameras, name = topic(partitions=2), group()
    log = await log_site.ensure(cameras)
    revoked: list[frozenset[TopicPartition]] = []
    consumers: list[Consumer] = []

    async def on_revoked(partitions: frozenset[TopicPartition]) -> None:
        revoked.append(partitions)
        await consumers[0].commit(dict.fromkeys(partitions, 1))

    await feed(log, cameras, 40)
    async with log.consumer([cameras.name], group=name, on_revoked=on_revoked) as consumer:
        consumers.append(consumer)
        assigned = consumer.assignment()
        await drain(consumer, 40)
    assert revoked == [assigned] == [frozenset(TopicPartition(cameras.name, p) for p in range(2))]
    async with log.consumer([cameras.name], group=name) as consumer:
        records = await drain(consumer, 38)
    assert min(record.offset for record in records) == 1


async def test_a_killed_members_records_are_replayed_from_its_last_commit(log_site: LogSite) -> None:
    cameras, name = topic(partitions=1), group()
    log = await log_site.ensure(cameras)
    await feed(log, cameras, 20)
    child = await log_site.child("consume", cameras.name, name, "5")
    await child.line("read 0 11")
    await child.kill()
    committed = max(int(line.split()[2]) for line in child.told if line.startswith("committed"))
    assert committed == 5
    async with log.consumer([cameras.name], group=name) as consumer:
        records = await drain(consumer, 15)
    assert [record.offset for record in records] == list(range(5, 20))


async def test_a_stalled_member_loses_its_partitions_and_its_commit_is_rejected(log_site: LogSite) -> None:
    cameras, name = topic(partitions=1), group()
    log = await log_site.ensure(cameras)
    await feed(log, cameras, 5)
    child = await log_site.child("stall", cameras.name, name)
    await child.line("read 0 0")
    await log_site.stall(child)
    async with log.consumer([cameras.name], group=name) as consumer:
        records = await drain(consumer, 5)
        assert [record.offset for record in records] == [0, 1, 2, 3, 4]
        await consumer.commit({TopicPartition(cameras.name, 0): 5})
        child.send(signal.SIGCONT)
        assert await child.line(("refused", "committed")) == "refused Rejected"
    async with log.consumer([cameras.name], group=name) as consumer:
        assert await consumer.poll(timeout_s=0.5) == []


async def test_a_commit_of_what_is_not_assigned_is_rejected(log_site: LogSite) -> None:
    cameras, name = topic(partitions=2), group()
    log, second_log = await log_site.ensure(cameras), await log_site.open()
    first = await Member(log, cameras, name).start()
    second = await Member(second_log, cameras, name).start()
    await until(lambda: len(first.owned) == len(second.owned) == 1, "an even share")
    with pytest.raises(Rejected):
        await first.consumer.commit(dict.fromkeys(second.owned, 1))
    with pytest.raises(Rejected):
        await first.consumer.commit(dict.fromkeys(first.owned, -1))
    await first.consumer.commit(dict.fromkeys(first.owned, 1))
    await asyncio.gather(first.leave(), second.leave())


async def test_a_member_without_a_partition_waits_and_steps_in(log_site: LogSite) -> None:
    cameras, name = topic(partitions=1), group()
    log, second_log = await log_site.ensure(cameras), await log_site.open()
    first = await Member(log, cameras, name).start()
    second = await Member(second_log, cameras, name).start()
    await until(lambda: len(first.owned) + len(second.owned) == 1, "one owner")
    owner, idle = (first, second) if first.owned else (second, first)
    await owner.leave()
    await until(lambda: len(idle.owned) == 1, "the idle member to step in")
    await feed(log, cameras, 3)
    await until(lambda: len(idle.processed) == 3, "it to read")
    await idle.leave()


@pytest.mark.parametrize("failing", [False, True], ids=["hanging", "failing"])
async def test_a_callback_that_hangs_or_fails_does_not_take_the_group_with_it(log_site: LogSite, failing: bool) -> None:
    cameras, name = topic(partitions=2), group()
    log, second_log = await log_site.ensure(cameras), await log_site.open()

    async def on_revoked(partitions: frozenset[TopicPartition]) -> None:
        if failing:
            raise RuntimeError("a mistake of the caller")
        await asyncio.sleep(2.0)

    callback: OnPartitions = on_revoked
    async with log.consumer([cameras.name], group=name, on_revoked=callback) as consumer:
        second = await Member(second_log, cameras, name).start()

        async def shared() -> bool:
            try:
                await consumer.poll(timeout_s=0.1)
            except KanhuError:
                return False
            return len(second.owned) == 1 and len(consumer.assignment()) == 1

        await until(shared, "an even share", DEADLINE_S)
        await second.leave()
