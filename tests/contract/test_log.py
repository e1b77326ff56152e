"""What every ``Log`` promises, on SQLite with value files and on a real Kafka: records, offsets, errors."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections import defaultdict

import pytest

from services.backbone.ports import Delivered, Outgoing, TopicPartition
from services.backbone.record_rules import partition_of
from services.contracts.errors import KanhuError, Rejected, Transient
from services.contracts.topics import MAX_RECORD_BYTES
from tests.harness.log_child import numbered
from tests.harness.log_site import DEADLINE_S, LogSite, drain, group, topic, until

MIB = 1024 * 1024


def values(records: list[Delivered], key: str) -> list[bytes | None]:
    return [record.value for record in records if record.key == key]


async def test_records_of_a_key_keep_their_order_under_concurrent_appends(log_site: LogSite) -> None:
    cameras = topic(partitions=3)
    log = await log_site.ensure(cameras)
    keys = [f"camera-{index}" for index in range(7)]
    calls = [
        log.append([Outgoing(cameras.name, key, b"%d" % (2 * number + step)) for step in (0, 1)])
        for number, key in itertools.product(range(30), keys)
    ]
    positions = list(itertools.chain.from_iterable(await asyncio.gather(*calls)))
    async with log.consumer([cameras.name], group=None) as reader:
        records = await drain(reader, len(positions))
    for key in keys:
        assert values(records, key) == [b"%d" % number for number in range(60)]
    assert {(r.partition, r.offset) for r in records} == {(p.partition, p.offset) for p in positions}


async def test_a_key_always_falls_on_the_partition_of_its_hash(log_site: LogSite) -> None:
    cameras = topic(partitions=5)
    log = await log_site.ensure(cameras)
    keys = [f"cam-{index}" for index in range(40)] + ["睡眠室", "a", ""]
    positions = await log.append([Outgoing(cameras.name, key, b"x") for key in keys])
    again = await log.append([Outgoing(cameras.name, key, b"y") for key in keys])
    assert [p.partition for p in positions] == [p.partition for p in again] == [partition_of(key, 5) for key in keys]
    assert {p.partition for p in positions} == set(range(5))


async def test_headers_keys_empty_values_and_tombstones_come_back_as_they_went(log_site: LogSite) -> None:
    things = topic(partitions=1, compacted=True)
    log = await log_site.ensure(things)
    headers = (("kind", b"chunk"), ("kind", b"again"), ("raw", bytes(range(256))), ("空", b""))
    sent = [
        Outgoing(things.name, "摄像机-1", b"value", headers),
        Outgoing(things.name, "b", b""),
        Outgoing(things.name, "c", None, (("why", b"removed"),)),
    ]
    before_ns = time.time_ns()
    await log.append(sent)
    async with log.consumer([things.name], group=None) as reader:
        records = await drain(reader, 3)
    assert [(r.key, r.value, r.headers) for r in records] == [(o.key, o.value, o.headers) for o in sent]
    assert all(abs(record.appended_ns - before_ns) < 20e9 for record in records)
    assert [record.offset for record in records] == [0, 1, 2]


async def test_records_of_4_mib_and_of_the_greatest_size_pass(log_site: LogSite) -> None:
    cameras = topic(partitions=2)
    log = await log_site.ensure(cameras)
    sizes = [4 * MIB] * 4 + [MAX_RECORD_BYTES - 1, 100_000, 4096, 4097, 1]
    sent = [numbered("k", number, size)[:size] for number, size in enumerate(sizes)]
    await asyncio.gather(*(log.append([Outgoing(cameras.name, "k", value)]) for value in sent))
    async with log.consumer([cameras.name], group=group()) as consumer:
        records = await drain(consumer, len(sent))
    assert values(records, "k") == sent


async def test_a_record_over_the_limit_is_rejected_and_nothing_of_its_call_is_kept(log_site: LogSite) -> None:
    cameras = topic(partitions=1)
    log = await log_site.ensure(cameras)
    with pytest.raises(Rejected, match="exceeds the limit"):
        await log.append(
            [Outgoing(cameras.name, "k", b"small"), Outgoing(cameras.name, "k", bytes(MAX_RECORD_BYTES + 1))]
        )
    (position,) = await log.append([Outgoing(cameras.name, "k", b"after")])
    assert position.offset == 0


async def test_a_topic_that_does_not_exist_is_rejected(log_site: LogSite) -> None:
    log = await log_site.ensure()
    with pytest.raises(Rejected, match="no topic nowhere"):
        await log.append([Outgoing("nowhere", "k", b"x")])
    with pytest.raises(Rejected, match="no topic nowhere"):
        async with log.consumer(["nowhere"], group=group()):
            pass


async def test_ensuring_twice_and_from_two_services_at_once_changes_nothing(log_site: LogSite) -> None:
    cameras = topic(partitions=3)
    logs = [await log_site.open() for _ in range(3)]
    await asyncio.gather(*(log.ensure([cameras]) for log in logs))
    await logs[0].append([Outgoing(cameras.name, "k", b"x")])
    await logs[1].ensure([cameras])
    async with logs[2].consumer([cameras.name], group=None) as reader:
        assert len(reader.assignment()) == 3
        assert len(await drain(reader, 1)) == 1


async def test_an_empty_append_is_nothing(log_site: LogSite) -> None:
    assert await (await log_site.ensure()).append([]) == []


async def test_two_groups_read_independently_and_go_on_where_they_committed(log_site: LogSite) -> None:
    cameras = topic(partitions=1)
    log = await log_site.ensure(cameras)
    await log.append([Outgoing(cameras.name, "k", b"%d" % number) for number in range(10)])
    one, other, partition = group(), group(), TopicPartition(cameras.name, 0)
    async with log.consumer([cameras.name], group=one) as consumer:
        assert [r.offset for r in await drain(consumer, 10)] == list(range(10))
        await consumer.commit({partition: 4})
    async with log.consumer([cameras.name], group=other) as consumer:
        assert [r.offset for r in await drain(consumer, 10)] == list(range(10))
    async with log.consumer([cameras.name], group=one) as consumer:
        assert [r.offset for r in await drain(consumer, 6)] == list(range(4, 10))


async def test_latest_begins_behind_what_is_there_and_misses_nothing_afterwards(log_site: LogSite) -> None:
    cameras = topic(partitions=2)
    log = await log_site.ensure(cameras)
    await log.append([Outgoing(cameras.name, f"k{index}", b"old") for index in range(8)])
    name = group()
    async with log.consumer([cameras.name], group=None, start="latest") as reader:
        async with log.consumer([cameras.name], group=name, start="latest") as consumer:
            await log.append([Outgoing(cameras.name, f"k{index}", b"new") for index in range(8)])
            assert {r.value for r in await drain(consumer, 8)} == {b"new"}
        assert {r.value for r in await drain(reader, 8)} == {b"new"}
    async with log.consumer([cameras.name], group=name, start="latest") as consumer:  # it never committed
        assert {r.value for r in await drain(consumer, 8)} == {b"new"}


async def test_a_reader_without_a_group_sees_every_partition_and_commits_nothing(log_site: LogSite) -> None:
    cameras = topic(partitions=4)
    log = await log_site.ensure(cameras)
    assigned: list[frozenset[TopicPartition]] = []

    async def on_assigned(partitions: frozenset[TopicPartition]) -> None:
        assigned.append(partitions)

    async with log.consumer([cameras.name], group=None, on_assigned=on_assigned) as reader:
        assert assigned == [reader.assignment()] == [frozenset(TopicPartition(cameras.name, p) for p in range(4))]
        with pytest.raises(Rejected, match="group"):
            await reader.commit({TopicPartition(cameras.name, 0): 0})


async def test_a_paused_partition_delivers_nothing_until_resumed_and_others_flow_on(log_site: LogSite) -> None:
    cameras = topic(partitions=2)
    log = await log_site.ensure(cameras)
    by_partition = {partition_of(key, 2): key for key in ("k0", "k1", "k2", "k3", "k4")}
    assert set(by_partition) == {0, 1}
    async with log.consumer([cameras.name], group=group()) as consumer:
        consumer.pause([TopicPartition(cameras.name, 0)])
        for number in range(5):
            await log.append([Outgoing(cameras.name, key, b"%d" % number) for key in by_partition.values()])
        assert {r.partition for r in await drain(consumer, 5)} == {1}
        assert await consumer.poll(timeout_s=0.3) == []
        consumer.resume([TopicPartition(cameras.name, 0)])
        assert [r.value for r in await drain(consumer, 5)] == [b"0", b"1", b"2", b"3", b"4"]


async def test_seeking_back_reads_again_and_end_offsets_name_what_comes_next(log_site: LogSite) -> None:
    cameras, partition = topic(partitions=1), None
    log = await log_site.ensure(cameras)
    partition = TopicPartition(cameras.name, 0)
    async with log.consumer([cameras.name], group=group()) as consumer:
        assert await consumer.end_offsets() == await consumer.start_offsets() == {partition: 0}
        await log.append([Outgoing(cameras.name, "k", b"%d" % number) for number in range(6)])
        assert await consumer.end_offsets() == {partition: 6}
        assert await consumer.start_offsets() == {partition: 0}
        await drain(consumer, 6)
        await consumer.seek(partition, 4)
        assert [r.offset for r in await drain(consumer, 2)] == [4, 5]
        with pytest.raises(Rejected, match="not assigned"):
            await consumer.seek(TopicPartition(cameras.name, 9), 0)
        with pytest.raises(Rejected, match="negative"):
            await consumer.seek(partition, -1)


async def test_max_records_bounds_a_poll(log_site: LogSite) -> None:
    cameras = topic(partitions=2)
    log = await log_site.ensure(cameras)
    await log.append([Outgoing(cameras.name, f"k{number}", b"x") for number in range(20)])
    async with log.consumer([cameras.name], group=None) as reader:
        got = 0
        while got < 20:
            records = await reader.poll(max_records=3, timeout_s=5)
            assert 0 < len(records) <= 3
            got += len(records)


async def test_poll_returns_empty_in_time_and_at_once_when_another_service_appends(log_site: LogSite) -> None:
    cameras = topic(partitions=1)
    log, other = await log_site.ensure(cameras), await log_site.open()
    await other.append([Outgoing(cameras.name, "k", b"first")])
    async with log.consumer([cameras.name], group=None) as reader:
        await drain(reader, 1)
        began = time.monotonic()
        assert await reader.poll(timeout_s=0.4) == []
        assert 0.3 < time.monotonic() - began < 2.0
        polling = asyncio.create_task(reader.poll(timeout_s=DEADLINE_S))
        await asyncio.sleep(0)
        began = time.monotonic()
        await other.append([Outgoing(cameras.name, "k", b"second")])
        assert [record.value for record in await polling] == [b"second"]
        assert time.monotonic() - began < 5.0


async def test_a_closed_consumer_and_a_closed_log_say_so_and_close_twice(log_site: LogSite) -> None:
    cameras = topic(partitions=1)
    log = await log_site.ensure(cameras)
    async with log.consumer([cameras.name], group=group()) as consumer:
        await consumer.close()
        await consumer.close()
        with pytest.raises(Transient, match="closed"):
            await consumer.poll(timeout_s=0.1)
    await log.close()
    await log.close()
    with pytest.raises(Transient, match="closed"):
        await log.append([Outgoing(cameras.name, "k", b"x")])


async def test_what_was_acknowledged_before_a_producer_was_killed_is_there_in_order(log_site: LogSite) -> None:
    cameras = topic(partitions=3)
    log = await log_site.ensure(cameras)
    child = await log_site.child("produce", cameras.name, "20000")
    for _ in range(60):
        await child.line("acked")
    await child.kill()
    acked: dict[str, int] = defaultdict(int)
    for line in child.told:
        _, key, number = line.split()
        acked[key] = int(number) + 1
    async with log.consumer([cameras.name], group=group()) as consumer:
        records = await drain(consumer, sum(acked.values()))
        records += await consumer.poll(timeout_s=0.5)  # appended, but killed before the acknowledgement was told
    for key, count in acked.items():
        read = values(records, key)
        assert read == [numbered(key, number, 20000) for number in range(len(read))]
        assert count <= len(read) <= count + 1
    assert len(await log.append([Outgoing(cameras.name, "k0", b"after")])) == 1


async def test_a_log_that_is_away_is_transient_in_bounded_time_and_comes_back_by_itself(log_site: LogSite) -> None:
    cameras = topic(partitions=1)
    log, name = await log_site.ensure(cameras), group()
    async with log.consumer([cameras.name], group=name) as consumer:
        await log.append([Outgoing(cameras.name, "k", b"before")])
        await drain(consumer, 1)
        async with log_site.away():
            began = time.monotonic()
            with pytest.raises(Transient):
                await log.append([Outgoing(cameras.name, "k", b"during")])
            assert time.monotonic() - began < 10.0
            with pytest.raises(Transient):
                await consumer.commit({TopicPartition(cameras.name, 0): 1})

        async def append_again() -> bool:
            try:
                return bool(await log.append([Outgoing(cameras.name, "k", b"after")]))
            except Transient:
                return False

        await until(append_again, "the log to come back")
        seen: list[bytes | None] = []
        async with asyncio.timeout(DEADLINE_S):
            while b"after" not in seen:
                try:
                    seen += [record.value for record in await consumer.poll(timeout_s=0.5)]
                except KanhuError as error:
                    assert isinstance(error, Transient)
    assert seen[-1] == b"after" and set(seen) <= {b"before", b"during", b"after"}
