"""Producing to Kafka: idempotent, acknowledged by all in-sync replicas, given up after a bounded time.

An idempotent producer of aiokafka retries for ever. When the broker is away that is too long for an agent, which has a spool: so
after a failure the producer is thrown away with everything it still holds, and the next append makes another. Nothing that was
reported as failed can arrive later, except what the broker had already received.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from services.backbone.distributed.freed_memory import keep_freed_memory
from services.backbone.distributed.kafka_log_access import KafkaAccess
from services.backbone.distributed.kafka_log_errors import cancelled_from_outside, translate
from services.backbone.distributed.kafka_log_watch import BrokerPresence
from services.backbone.ports import Outgoing, Position
from services.backbone.record_rules import partition_of
from services.contracts.errors import KanhuError, Rejected
from services.contracts.topics import MAX_RECORD_BYTES

# Room for the framing of a record batch around a record of the largest size.
FRAMED_RECORD_BYTES = MAX_RECORD_BYTES + 64 * 1024
BATCH_BYTES = 1024 * 1024
IN_FLIGHT_BYTES = 64 * 1024 * 1024


class KafkaAppender:
    """One producer at a time, made when first needed and after every failure."""

    def __init__(self, access: KafkaAccess, *, timeout_s: float, presence: BrokerPresence) -> None:
        self._access = access
        self._bootstrap = access.bootstrap
        self._presence = presence
        self._timeout_s = timeout_s
        self._producer: AIOKafkaProducer | None = None
        self._starting: asyncio.Task[AIOKafkaProducer] | None = None
        self._order: dict[tuple[str, int], asyncio.Lock] = {}
        self._in_flight_bytes = 0
        self._admission = asyncio.Lock()
        self._room = asyncio.Event()
        self._discarding: set[asyncio.Task[None]] = set()

    async def append(self, records: Sequence[Outgoing], size_bytes: int, partitions: Sequence[int]) -> list[Position]:
        """Send records in order to topics with the given numbers of partitions; return when all are acknowledged."""
        producer: AIOKafkaProducer | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._admit(size_bytes)
                try:
                    producer = await self._ready_producer()
                    positions = await self._send(producer, records, partitions)
                finally:
                    self._in_flight_bytes -= size_bytes
                    self._room.set()
        except (KafkaError, OSError, TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and cancelled_from_outside():
                raise
            raise self._failed(error, producer) from error
        self._presence.found()
        return positions

    def _failed(self, error: BaseException, producer: AIOKafkaProducer | None) -> KanhuError:
        failure = translate(error, "appending", self._bootstrap)
        if not isinstance(failure, Rejected):
            self._presence.lost(failure)
            if producer is not None:
                self._discard(producer)
        return failure

    async def close(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        producer, self._producer = self._producer, None
        if producer is not None:
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                async with asyncio.timeout(self._timeout_s):
                    await producer.flush()
            self._discard(producer)
        await asyncio.gather(*self._discarding, return_exceptions=True)

    async def _admit(self, size_bytes: int) -> None:
        async with self._admission:
            while self._in_flight_bytes and self._in_flight_bytes + size_bytes > IN_FLIGHT_BYTES:
                self._room.clear()
                await self._room.wait()
            self._in_flight_bytes += size_bytes

    async def _send(
        self, producer: AIOKafkaProducer, records: Sequence[Outgoing], partitions: Sequence[int]
    ) -> list[Position]:
        sent: list[asyncio.Future[object]] = []
        try:
            for record, count in zip(records, partitions, strict=True):
                partition = partition_of(record.key, count)
                # aiokafka waits inside send() when a batch is full; a lock of its own kind keeps the waiters in line.
                async with self._order.setdefault((record.topic, partition), asyncio.Lock()):
                    sent.append(
                        await producer.send(
                            record.topic, record.value, record.key.encode(), partition, headers=list(record.headers)
                        )
                    )
        finally:
            results = await asyncio.gather(*sent, return_exceptions=True)
        positions = []
        for record, result in zip(records, results, strict=True):
            if isinstance(result, BaseException):
                raise result
            positions.append(Position(record.topic, result.partition, result.offset))  # type: ignore[attr-defined]
        return positions

    async def _ready_producer(self) -> AIOKafkaProducer:
        if self._producer is not None:
            return self._producer
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="kafka-producer-start")
            self._starting.add_done_callback(self._started)
        return await asyncio.shield(self._starting)

    async def _start(self) -> AIOKafkaProducer:
        keep_freed_memory()
        producer = AIOKafkaProducer(
            **self._access.options(),
            acks="all",
            enable_idempotence=True,
            max_request_size=FRAMED_RECORD_BYTES,
            max_batch_size=BATCH_BYTES,
            linger_ms=2,
            request_timeout_ms=int(self._timeout_s * 1000),
            retry_backoff_ms=100,
            metadata_max_age_ms=60_000,
        )
        try:
            async with asyncio.timeout(self._timeout_s):
                await producer.start()
        except BaseException:
            await _throw_away(producer)
            raise
        return producer

    def _started(self, task: asyncio.Task[AIOKafkaProducer]) -> None:
        self._starting = None
        if not task.cancelled() and task.exception() is None:
            self._producer = task.result()

    def _discard(self, producer: AIOKafkaProducer) -> None:
        if self._producer is producer:
            self._producer = None
        task = asyncio.create_task(_throw_away(producer), name="kafka-producer-discard")
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)


async def _throw_away(producer: AIOKafkaProducer) -> None:
    """Stop a producer without waiting for what it still holds (``stop`` alone would wait for the broker's return)."""
    sender = producer._sender.sender_task
    while sender is not None and not sender.done():
        sender.cancel()  # each time ends one more of the requests that it waits for
        await asyncio.wait([sender], timeout=0.05)
    # ``stop`` would leave a task behind that waits for the batches for ever and holds their bytes.
    producer._closed = True
    with contextlib.suppress(Exception):
        await producer.client.close()
