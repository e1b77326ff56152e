"""Outages of a broker that are longer than every patience of its clients, with several clients in one process."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
from structlog.testing import capture_logs

from deploy.local.servers import KafkaServer
from services.backbone.distributed.kafka_log import KafkaLog
from services.backbone.distributed.kafka_log_consumer import KafkaConsumer
from services.backbone.ports import Consumer, Log, Outgoing
from services.contracts.errors import Rejected, Transient
from services.contracts.topics import Topic
from tests.harness.log_child import numbered
from tests.harness.log_site import DEADLINE_S, KafkaSite, drain, group, topic, until

MEMBERS = 3
#: Longer than a session, and than a consumer waits for one answer, so that readers leave their groups meanwhile.
OUTAGE_S = 14.0


@pytest.fixture
def own_kafka() -> Iterator[KafkaServer]:
    with KafkaServer() as server:
        yield server


@pytest.fixture
async def site(own_kafka: KafkaServer) -> AsyncIterator[KafkaSite]:
    site = KafkaSite(own_kafka)
    yield site
    await site.close()


async def append(log: Log, cameras: Topic, numbers: range) -> None:
    for number in numbers:
        await log.append([Outgoing(cameras.name, f"k{number}", numbered("k", number, 500))])


async def append_for_ever(log: Log, cameras: Topic) -> None:
    number = 0
    while True:
        with contextlib.suppress(Transient):
            await append(log, cameras, range(number, number + 1))
            number += 1
        await asyncio.sleep(0.05)


async def record_for_ever(log: Log, cameras: Topic, name: str, seen: set[int]) -> None:
    """As the recorder does: poll, commit, ask for the ends; leave the group when the log is away, and join it again."""
    while True:
        try:
            async with log.consumer([cameras.name], group=name) as consumer:
                while True:
                    records = await consumer.poll(timeout_s=0.2)
                    seen.update(int((record.value or b"").split()[1]) for record in records)
                    await consumer.commit({record.topic_partition: record.offset + 1 for record in records})
                    await consumer.end_offsets()
        except (Transient, Rejected):
            await asyncio.sleep(0.2)


async def follow_for_ever(log: Log, cameras: Topic, seen: set[int]) -> None:
    """As the console does: nothing but polls, by a reader without a group."""
    async with log.consumer([cameras.name], group=None) as consumer:
        while True:
            with contextlib.suppress(Transient):
                records = await consumer.poll(timeout_s=0.2)
                seen.update(int((record.value or b"").split()[1]) for record in records)


async def test_every_member_and_reader_of_a_process_goes_on_after_a_long_outage(
    site: KafkaSite, own_kafka: KafkaServer
) -> None:
    cameras = topic()
    log = await site.ensure(cameras)
    seen: list[set[int]] = [set() for _ in range(MEMBERS + 1)]
    running = [asyncio.create_task(append_for_ever(log, cameras))]
    running += [asyncio.create_task(record_for_ever(log, cameras, group(), numbers)) for numbers in seen[:-1]]
    running += [asyncio.create_task(follow_for_ever(log, cameras, seen[-1]))]

    async def all_reach(number: int) -> None:
        await until(lambda: all(numbers >= set(range(number)) for numbers in seen) or any_ended(), "every consumer")
        assert not any_ended(), [task for task in running if task.done()]

    def any_ended() -> bool:
        return any(task.done() for task in running)

    try:
        with capture_logs() as lines:
            await all_reach(20)
            await asyncio.to_thread(own_kafka.kill)
            await asyncio.sleep(OUTAGE_S)  # the length of the outage
            await asyncio.to_thread(own_kafka.restart)
            await all_reach(max(map(len, seen)) + 50)
    finally:
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)
    told = [line["event"].partition(";")[0] for line in lines]
    assert [line for line in told if line in ("log.away", "log.back")] == ["log.away", "log.back"]


async def test_leaving_while_the_broker_is_away_cancels_nobody_and_leaves_nothing_running(
    site: KafkaSite, own_kafka: KafkaServer
) -> None:
    cameras = topic()
    log = await site.ensure(cameras)
    before = asyncio.all_tasks()

    async def leave(when: asyncio.Event) -> str:
        async with log.consumer([cameras.name], group=group()) as consumer:
            await when.wait()
            for _ in range(5):  # fetches are between two attempts for most of the time
                await consumer.poll(timeout_s=0.2)
        return "left"

    gone = asyncio.Event()
    leaving = [asyncio.create_task(leave(gone)) for _ in range(MEMBERS)]
    await until(lambda: len(site_consumers(log)) == MEMBERS, "the members to join")
    await asyncio.to_thread(own_kafka.kill)
    gone.set()
    async with asyncio.timeout(DEADLINE_S):
        assert await asyncio.gather(*leaving) == ["left"] * MEMBERS
    await until(lambda: asyncio.all_tasks() <= before, "every task of the clients to end", timeout_s=5.0)


def site_consumers(log: Log) -> list[Consumer]:
    assert isinstance(log, KafkaLog)
    return [consumer for consumer in log._consumers if consumer.assignment()]


def _flow_is_lost(consumer: KafkaConsumer) -> None:
    assert consumer._inner is not None
    consumer._inner.pause(*consumer._inner.assignment())


def _fetching_has_ended(consumer: KafkaConsumer) -> None:
    assert consumer._inner is not None
    consumer._inner._fetcher._fetch_task.cancel()


@pytest.mark.parametrize("defect", [_flow_is_lost, _fetching_has_ended])
@pytest.mark.parametrize("member", [True, False], ids=["member", "reader"])
async def test_a_client_that_silently_delivers_nothing_is_built_anew(
    site: KafkaSite, defect: Callable[[KafkaConsumer], None], member: bool
) -> None:
    cameras = topic()
    log = await site.ensure(cameras)
    assert isinstance(log, KafkaLog)
    async with log.consumer([cameras.name], group=group() if member else None) as consumer:
        await append(log, cameras, range(8))
        first = await drain(consumer, 8)
        if member:
            await consumer.commit({record.topic_partition: record.offset + 1 for record in first})
        defect(consumer)
        await append(log, cameras, range(8, 16))
        with capture_logs() as lines:
            rest = await drain(consumer, 8)
    assert {int((record.value or b"").split()[1]) for record in rest} == set(range(8, 16))
    assert [line["event"] for line in lines if line["event"] == "log.consumer_rebuilt"]


async def test_a_paused_member_is_left_alone(site: KafkaSite) -> None:
    cameras = topic(partitions=1)
    log = await site.ensure(cameras)
    async with log.consumer([cameras.name], group=group()) as consumer:
        consumer.pause(consumer.assignment())
        await append(log, cameras, range(3))
        with capture_logs() as lines:
            for _ in range(30):  # twice as long as a client may be stuck here
                assert await consumer.poll(timeout_s=0.2) == []
        assert lines == []
        consumer.resume(consumer.assignment())
        assert len(await drain(consumer, 3)) == 3
