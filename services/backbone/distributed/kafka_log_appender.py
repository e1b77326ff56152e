"""Producing to Kafka: idempotent, acknowledged by all in-sync replicas, given up after a bounded time.

An idempotent producer of aiokafka retries for ever. When the broker is away that is too long for an agent, which has a spool: so
after a failure the producer is thrown away with everything it still holds, and the next append makes another. Nothing that was
reported as failed can arrive later, except what the broker had already received.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence

from aiokafka.errors import KafkaError, ProducerClosed

from services.backbone.distributed.freed_memory import keep_freed_memory
from services.backbone.distributed.kafka_log_access import KafkaAccess
from services.backbone.distributed.kafka_log_errors import cancelled_from_outside, translate
from services.backbone.distributed.kafka_log_lanes import Lanes
from services.backbone.distributed.kafka_log_producer import BatchProducer
from services.backbone.distributed.kafka_log_watch import BrokerPresence
from services.backbone.in_flight import InFlight
from services.backbone.ports import Outgoing, Position
from services.contracts.errors import KanhuError, Rejected
from services.contracts.topics import MAX_RECORD_BYTES

# Room for the framing of a record batch around a record of the largest size.
FRAMED_RECORD_BYTES = MAX_RECORD_BYTES + 64 * 1024


class KafkaAppender:
    """One producer at a time, made when first needed and after every failure."""

    def __init__(self, access: KafkaAccess, *, timeout_s: float, presence: BrokerPresence) -> None:
        self._access = access
        self._bootstrap = access.bootstrap
        self._presence = presence
        self._timeout_s = timeout_s
        self._lanes: Lanes | None = None
        self._starting: asyncio.Task[Lanes] | None = None
        self._in_flight = InFlight()
        self._discarding: set[asyncio.Task[None]] = set()

    async def append(
        self, records: Sequence[Outgoing], sizes_bytes: Sequence[int], partitions: Sequence[int]
    ) -> list[Position]:
        """Send records in order, each to its partition; return when all are acknowledged."""
        size_bytes = sum(sizes_bytes)
        lanes: Lanes | None = None
        try:
            async with asyncio.timeout(self._timeout_s):
                await self._in_flight.enter(size_bytes)
                try:
                    lanes = await self._ready_lanes()
                    positions = await lanes.send(records, sizes_bytes, partitions)
                finally:
                    self._in_flight.leave(size_bytes)
        except (KafkaError, OSError, TimeoutError, asyncio.CancelledError) as error:
            if isinstance(error, asyncio.CancelledError) and cancelled_from_outside():
                raise
            raise self._failed(error, lanes) from error
        self._presence.found()
        return positions

    def _failed(self, error: BaseException, lanes: Lanes | None) -> KanhuError:
        failure = translate(error, "appending", self._bootstrap)
        if not isinstance(failure, Rejected):
            self._presence.lost(failure)
            if lanes is not None:
                self._discard(lanes, error)
        return failure

    async def close(self) -> None:
        if self._starting is not None:
            self._starting.cancel()
            await asyncio.gather(self._starting, return_exceptions=True)
        if (lanes := self._lanes) is not None:
            with contextlib.suppress(KafkaError, TimeoutError, OSError):
                async with asyncio.timeout(self._timeout_s):
                    await lanes.finish()
            self._discard(lanes, ProducerClosed())
        await asyncio.gather(*self._discarding, return_exceptions=True)

    async def _ready_lanes(self) -> Lanes:
        if self._lanes is not None:
            return self._lanes
        if self._starting is None:
            self._starting = asyncio.create_task(self._start(), name="kafka-producer-start")
            self._starting.add_done_callback(self._started)
        return await asyncio.shield(self._starting)

    async def _start(self) -> Lanes:
        keep_freed_memory()
        producer = BatchProducer(
            **self._access.options(),
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
        return Lanes(producer)

    def _started(self, task: asyncio.Task[Lanes]) -> None:
        self._starting = None
        if not task.cancelled() and task.exception() is None:
            self._lanes = task.result()

    def _discard(self, lanes: Lanes, error: BaseException) -> None:
        if self._lanes is not lanes:
            return  # it was done for another record
        self._lanes = None
        lanes.abandon(error)
        task = asyncio.create_task(_throw_away(lanes.producer), name="kafka-producer-discard")
        self._discarding.add(task)
        task.add_done_callback(self._discarding.discard)


async def _throw_away(producer: BatchProducer) -> None:
    """Stop a producer without waiting for what it still holds (``stop`` alone would wait for the broker's return)."""
    sender = producer._sender.sender_task
    while sender is not None and not sender.done():
        sender.cancel()  # each time ends one more of the requests that it waits for
        await asyncio.wait([sender], timeout=0.05)
    # ``stop`` would leave a task behind that waits for the batches for ever and holds their bytes.
    producer._closed = True
    with contextlib.suppress(Exception):
        await producer.client.close()
