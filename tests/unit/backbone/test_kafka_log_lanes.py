"""What is sent together, and what each caller hears of it; the producer is a stand-in that answers when told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, MessageSizeTooLargeError
from aiokafka.record.memory_records import MemoryRecords

from services.backbone.distributed.kafka_log_lanes import BATCH_BYTES, Lanes
from services.backbone.ports import Outgoing, Position


class SlowProducer:
    """Keeps what it is given until ``answer`` is called."""

    def __init__(self) -> None:
        self.sent: list[tuple[int, list[bytes]]] = []
        self._answers: list[asyncio.Future[Any]] = []

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> asyncio.Future[Any]:
        read = MemoryRecords(b"".join(batch._build())).next_batch()
        assert read is not None and topic == "t"
        self.sent.append((partition, [bytes(record.value or b"") for record in read]))
        self._answers.append(asyncio.get_running_loop().create_future())
        return asyncio.shield(self._answers[-1])

    def answer(self, number: int, outcome: int | Exception) -> None:
        if isinstance(outcome, Exception):
            self._answers[number].set_exception(outcome)
        else:
            self._answers[number].set_result(SimpleNamespace(offset=outcome))


def put(lanes: Lanes, values: Sequence[bytes], partition: int = 0) -> asyncio.Task[list[Position]]:
    records = [Outgoing("t", "k", value) for value in values]
    return asyncio.create_task(lanes.send(records, [len(value) + 1 for value in values], [partition] * len(values)))


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


@pytest.fixture
def producer() -> SlowProducer:
    return SlowProducer()


@pytest.fixture
def lanes(producer: SlowProducer) -> Lanes:
    return Lanes(producer)


async def test_what_waits_while_a_batch_is_under_way_leaves_together(lanes: Lanes, producer: SlowProducer) -> None:
    calls = [put(lanes, [b"a", b"b"])]
    await turns()
    calls += [put(lanes, [b"c"]), put(lanes, [b"d", b"e"])]
    await turns()
    assert producer.sent == [(0, [b"a", b"b"])]

    producer.answer(0, 40)
    await turns()
    assert producer.sent[1:] == [(0, [b"c", b"d", b"e"])]
    producer.answer(1, 42)

    assert [[at.offset for at in await call] for call in calls] == [[40, 41], [42], [43, 44]]


async def test_partitions_do_not_wait_for_each_other(lanes: Lanes, producer: SlowProducer) -> None:
    first, second = put(lanes, [b"a"], 0), put(lanes, [b"b"], 5)
    await turns()
    assert producer.sent == [(0, [b"a"]), (5, [b"b"])]
    producer.answer(1, 7)
    assert await second == [Position("t", 5, 7)]
    assert not first.done()
    producer.answer(0, 0)
    await first


async def test_a_batch_is_no_larger_than_its_limit_unless_a_record_is(lanes: Lanes, producer: SlowProducer) -> None:
    third, large = b"x" * (BATCH_BYTES // 3), b"y" * (BATCH_BYTES + 1)
    call = put(lanes, [third, third, third, large, b"z"])
    for number in range(4):
        await turns()
        producer.answer(number, number)
    await call
    assert [[len(value) for value in values] for _, values in producer.sent] == [
        [len(third)] * 2, [len(third)], [len(large)], [1],
    ]  # fmt: skip


async def test_after_a_failure_nothing_that_came_later_is_sent(lanes: Lanes, producer: SlowProducer) -> None:
    calls = [put(lanes, [b"a"])]
    await turns()
    calls.append(put(lanes, [b"b"]))
    await turns()
    producer.answer(0, KafkaConnectionError("gone"))
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [KafkaConnectionError] * 2
    assert outcomes[0] is not outcomes[1]
    assert producer.sent == [(0, [b"a"])]


async def test_what_is_refused_for_good_stops_nothing_else(lanes: Lanes, producer: SlowProducer) -> None:
    refused = put(lanes, [b"a"])
    await turns()
    later = put(lanes, [b"b"])
    await turns()
    producer.answer(0, MessageSizeTooLargeError("too large"))
    await turns()
    producer.answer(1, 3)
    with pytest.raises(MessageSizeTooLargeError):
        await refused
    assert [at.offset for at in await later] == [3]


async def test_what_its_caller_gave_up_before_it_left_is_not_sent(lanes: Lanes, producer: SlowProducer) -> None:
    first = put(lanes, [b"a"])
    await turns()
    given_up, kept = put(lanes, [b"b"]), put(lanes, [b"c"])
    await turns()
    given_up.cancel()
    await turns()
    producer.answer(0, 0)
    await turns()
    producer.answer(1, 1)
    assert [at.offset for at in await kept] == [1]
    await first
    assert producer.sent == [(0, [b"a"]), (0, [b"c"])]


async def test_abandoned_lanes_fail_all_at_once_and_send_no_more(lanes: Lanes, producer: SlowProducer) -> None:
    calls = [put(lanes, [b"a"])]
    await turns()
    calls += [put(lanes, [b"b"]), put(lanes, [b"c"], 1)]
    await turns()
    lanes.abandon(TimeoutError())
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(outcome) for outcome in outcomes] == [TimeoutError] * 3
    producer.answer(0, 0)
    await turns()
    assert producer.sent == [(0, [b"a"]), (1, [b"c"])]
