"""What only Kafka can suffer: a broker that dies and returns, refuses connections, or keeps a damaged batch."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator

import pytest

from deploy.local.servers import KafkaServer
from services.backbone.distributed.kafka_log import KafkaLog
from services.backbone.ports import Outgoing, TopicPartition
from services.contracts.errors import KanhuError, Rejected, Transient
from services.contracts.topics import Topic
from tests.harness.log_child import numbered
from tests.harness.log_site import DEADLINE_S, KafkaSite, drain, group, topic, until


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    with KafkaServer() as server:
        yield server


@pytest.fixture
async def site(own_kafka: KafkaServer) -> AsyncIterator[KafkaSite]:
    site = KafkaSite(own_kafka)
    yield site
    await site.close()


async def append_until_taken(log: KafkaLog, cameras: Topic, first: int, count: int) -> None:
    """Like an agent with its spool: each record again until it is acknowledged, in order."""
    for number in range(first, first + count):
        async with asyncio.timeout(DEADLINE_S):
            while True:
                try:
                    await log.append([Outgoing(cameras.name, "k", numbered("k", number, 5000))])
                    break
                except Transient:
                    await asyncio.sleep(0.1)


async def test_a_broker_that_is_killed_and_returns_loses_nothing_and_is_found_again(
    site: KafkaSite, own_kafka: KafkaServer
) -> None:
    cameras, name = topic(partitions=2), group()
    log = await site.ensure(cameras)
    assert isinstance(log, KafkaLog)
    seen: list[int] = []
    stop = asyncio.Event()

    async def consume() -> None:
        async with log.consumer([cameras.name], group=name) as consumer:
            while not stop.is_set():
                try:
                    records = await consumer.poll(timeout_s=0.2)
                    seen.extend(int((record.value or b"").split()[1]) for record in records)
                    await consumer.commit({record.topic_partition: record.offset + 1 for record in records})
                except (Transient, Rejected):
                    continue

    consuming = asyncio.create_task(consume())
    producing = asyncio.create_task(append_until_taken(log, cameras, 0, 300))
    await until(lambda: len(seen) > 20, "the stream to flow")
    await asyncio.to_thread(own_kafka.kill)
    began = time.monotonic()
    with pytest.raises(Transient):
        await log.append([Outgoing(cameras.name, "other", b"x")])
    assert time.monotonic() - began < 10.0
    await asyncio.to_thread(own_kafka.restart)
    await producing
    await until(lambda: 299 in seen, "the last record")
    stop.set()
    await consuming
    first_seen = list(dict.fromkeys(seen))
    assert [number for number in first_seen if number >= 0] == list(range(300))


async def test_nobody_at_the_address_is_transient_at_once() -> None:
    log = KafkaLog("127.0.0.1:9", append_timeout_s=2.0)
    began = time.monotonic()
    for attempt in (log.append([Outgoing("t", "k", b"x")]), log.ensure([topic()])):
        with pytest.raises(Transient, match=r"127\.0\.0\.1:9"):
            await attempt
    with pytest.raises(Transient):
        async with log.consumer(["t"], group=None):
            pass
    assert time.monotonic() - began < 8.0
    await log.close()


async def test_a_damaged_batch_is_stepped_over_loudly(site: KafkaSite, own_kafka: KafkaServer) -> None:
    cameras = topic(partitions=1)
    log = await site.ensure(cameras)
    for number in range(5):
        await log.append([Outgoing(cameras.name, "k", numbered("k", number, 5000))])
    await asyncio.to_thread(own_kafka.stop)
    (segment,) = (own_kafka.directory / "data" / f"{cameras.name}-0").glob("*.log")
    raw = bytearray(segment.read_bytes())
    at = raw.index(b"k 2 ") + 100
    raw[at] ^= 1
    segment.write_bytes(raw)
    await asyncio.to_thread(own_kafka.restart)
    seen: list[int] = []
    async with log.consumer([cameras.name], group=group()) as consumer, asyncio.timeout(DEADLINE_S):
        while 4 not in seen:
            with contextlib.suppress(KanhuError):
                seen += [int((record.value or b"").split()[1]) for record in await consumer.poll(timeout_s=0.5)]
    assert seen == [0, 1, 3, 4]


async def test_topics_are_made_as_declared(site: KafkaSite, own_kafka: KafkaServer) -> None:
    from aiokafka.admin import AIOKafkaAdminClient
    from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType

    compacted, plain = topic(partitions=1, compacted=True, retention_ms=-1), topic(partitions=7, retention_ms=7_200_000)
    await site.ensure(compacted, plain)
    admin = AIOKafkaAdminClient(bootstrap_servers=own_kafka.address)
    await admin.start()
    try:
        configs = {}
        for wanted in (compacted, plain):
            (answer,) = await admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, wanted.name)])
            configs[wanted.name] = {entry[0]: entry[1] for entry in answer.resources[0][4]}
        described = {entry["topic"]: entry for entry in await admin.describe_topics([compacted.name, plain.name])}
    finally:
        await admin.close()
    assert configs[compacted.name]["cleanup.policy"] == "compact"
    assert configs[plain.name]["cleanup.policy"] == "delete"
    assert configs[plain.name]["retention.ms"] == "7200000"
    assert configs[plain.name]["message.timestamp.type"] == "LogAppendTime"
    assert int(configs[plain.name]["max.message.bytes"]) >= 8 * 1024 * 1024
    assert len(described[plain.name]["partitions"]) == 7


async def test_a_reader_goes_on_behind_what_it_delivered_after_the_broker_was_away(
    site: KafkaSite, own_kafka: KafkaServer
) -> None:
    cameras = topic(partitions=1)
    log = await site.ensure(cameras)
    assert isinstance(log, KafkaLog)
    async with log.consumer([cameras.name], group=None) as reader:
        await append_until_taken(log, cameras, 0, 5)
        assert [record.offset for record in await drain(reader, 5)] == [0, 1, 2, 3, 4]
        await asyncio.to_thread(own_kafka.kill)
        with contextlib.suppress(KanhuError):
            await reader.poll(timeout_s=1.0)
        await asyncio.to_thread(own_kafka.restart)
        await append_until_taken(log, cameras, 5, 1)
        seen: list[int] = []
        async with asyncio.timeout(DEADLINE_S):
            while not seen:
                with contextlib.suppress(Transient):
                    seen = [record.offset for record in await reader.poll(timeout_s=0.5)]
        assert seen[0] == 5
        assert await reader.end_offsets() == {TopicPartition(cameras.name, 0): seen[-1] + 1}
