"""Gathering records into batches, a lane for each partition.

While one batch of a partition is under way its next records wait, and leave together as the next batch: no record waits for
others that may never come. Belongs here: what is sent together, and telling each caller where its records stand. Does not belong
here: octets (``kafka_record_batch``), retries and connections (aiokafka).
"""

from __future__ import annotations

import asyncio
import copy
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from aiokafka import AIOKafkaProducer

from services.backbone.distributed.kafka_log_errors import is_refusal
from services.backbone.distributed.kafka_record_batch import (
    HEADER_BYTES,
    HEADER_FRAMING_BYTES,
    RECORD_FRAMING_BYTES,
    RecordBatch,
)
from services.backbone.ports import Outgoing, Position

BATCH_BYTES = 1024 * 1024


class _Call:
    """One ``append``, and what is known of its records."""

    def __init__(self, records: int) -> None:
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.positions: list[Position | None] = [None] * records
        self._left = records

    def placed(self, index: int, position: Position) -> None:
        self.positions[index] = position
        self._left -= 1
        if not self._left and not self.done.done():
            self.done.set_result(None)

    def failed(self, error: BaseException) -> None:
        if not self.done.done():
            self.done.set_exception(copy.copy(error))  # each gets a traceback of its own


class _Waiting(NamedTuple):
    record: Outgoing
    call: _Call
    place: int
    framed_bytes: int


class _Lane:
    """The records of one partition on their way."""

    def __init__(self, producer: AIOKafkaProducer, topic: str, partition: int) -> None:
        self._producer = producer
        self._topic = topic
        self._partition = partition
        self._waiting: deque[_Waiting] = deque()
        self._under_way: list[_Waiting] = []
        self.running: asyncio.Task[None] | None = None

    def put(self, waiting: _Waiting) -> None:
        self._waiting.append(waiting)
        if self.running is None:  # it takes what comes in this turn of the loop, too
            self.running = asyncio.create_task(self._run(), name=f"kafka-lane-{self._topic}-{self._partition}")

    async def _run(self) -> None:
        try:
            while self._waiting:
                self._under_way = self._take()
                if self._under_way:
                    await self._send(self._under_way)
        finally:
            self.running = None

    async def _send(self, sent: Sequence[_Waiting]) -> None:
        batch = RecordBatch([waiting.record for waiting in sent], time.time_ns() // 1_000_000)
        try:
            first = (await (await self._producer.send_batch(batch, self._topic, partition=self._partition))).offset
        except Exception as error:
            self._failed(error)
            return
        for offset, waiting in enumerate(sent, first):
            waiting.call.placed(waiting.place, Position(self._topic, self._partition, offset))

    def _failed(self, error: Exception) -> None:
        """What follows fails as well, lest it stands before what its caller tries again; not after what is refused for good."""
        for waiting in self._under_way:
            waiting.call.failed(error)
        if not is_refusal(error):
            for waiting in self._waiting:
                waiting.call.failed(error)
            self._waiting.clear()

    def _take(self) -> list[_Waiting]:
        taken: list[_Waiting] = []
        room_bytes = BATCH_BYTES - HEADER_BYTES
        while self._waiting and (not taken or self._waiting[0].framed_bytes <= room_bytes):
            waiting = self._waiting.popleft()
            if not waiting.call.done.done():  # its caller was cancelled, or knows that it failed
                taken.append(waiting)
                room_bytes -= waiting.framed_bytes
        return taken

    def abandon(self, error: BaseException) -> None:
        for waiting in (*self._under_way, *self._waiting):
            waiting.call.failed(error)
        self._waiting.clear()
        if self.running is not None:
            self.running.cancel()


class Lanes:
    """All lanes of one producer."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self.producer = producer
        self._lanes: dict[tuple[str, int], _Lane] = {}

    async def send(
        self, records: Sequence[Outgoing], sizes_bytes: Sequence[int], partitions: Sequence[int]
    ) -> list[Position]:
        call = _Call(len(records))
        for index, (record, size_bytes, partition) in enumerate(zip(records, sizes_bytes, partitions, strict=True)):
            at = (record.topic, partition)
            lane = self._lanes.get(at)
            if lane is None:
                lane = self._lanes[at] = _Lane(self.producer, *at)
            framed = size_bytes + RECORD_FRAMING_BYTES + HEADER_FRAMING_BYTES * len(record.headers)
            lane.put(_Waiting(record, call, index, framed))
        await call.done
        return [position for position in call.positions if position is not None]

    def abandon(self, error: BaseException) -> None:
        """Fail whatever was not acknowledged, at once. The producer is thrown away next."""
        for lane in self._lanes.values():
            lane.abandon(error)

    async def finish(self) -> None:
        """Wait until everything that was put here was acknowledged or failed."""
        await asyncio.gather(*(lane.running for lane in self._lanes.values() if lane.running is not None))
