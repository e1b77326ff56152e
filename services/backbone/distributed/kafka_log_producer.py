"""aiokafka's producer, sending whole batches with fewer copies and two requests under way.

aiokafka copies every batch nine times on its way into the socket and waits for the answer to one request before it makes the
next. Here a request is joined once, and while the broker writes one, the next is on its way: never two of the same partition, so
that their order is kept. Belongs here: what is changed in aiokafka (0.14), all of it. Does not belong here: what is sent.
"""

from __future__ import annotations

import struct
from collections import Counter
from typing import Any

from aiokafka import AIOKafkaProducer
from aiokafka.producer.message_accumulator import MessageBatch
from aiokafka.producer.sender import Sender, SendProduceReqHandler
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.structs import TopicPartition

REQUESTS_UNDER_WAY = 2

_NO_TRANSACTION = struct.pack(">h", -1)
_ACKS_TIMEOUT_TOPICS = struct.Struct(">hii")
_PARTITION = struct.Struct(">ii")


class BatchProducer(AIOKafkaProducer):  # type: ignore[misc]
    """An idempotent producer whose batches are ``RecordBatch`` es, given to ``send_batch``."""

    def __init__(self, **options: Any) -> None:
        super().__init__(acks="all", enable_idempotence=True, **options)
        self._sender = _OverlappingSender(
            self.client,
            acks=-1,
            txn_manager=self._txn_manager,
            retry_backoff_ms=options["retry_backoff_ms"],
            message_accumulator=self._message_accumulator,
            request_timeout_ms=options["request_timeout_ms"],
        )


class _OverlappingSender(Sender):  # type: ignore[misc]
    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._under_way: Counter[int] = Counter()

    async def _send_produce_req(self, node_id: int, batches: dict[TopicPartition, MessageBatch]) -> None:
        """As the base's; the node may get another request (of other partitions) before this one is answered."""
        self._under_way[node_id] += 1
        if self._under_way[node_id] < REQUESTS_UNDER_WAY:
            self._in_flight.discard(node_id)
        try:
            await _JoinedProduce(self, batches).do(node_id)
        finally:
            self._under_way[node_id] -= 1
            self._in_flight.discard(node_id)
            self._muted_partitions.difference_update(batches)


class _JoinedProduce(SendProduceReqHandler):  # type: ignore[misc]
    def create_request(self) -> _JoinedRequest:
        request: ProduceRequest = super().create_request()
        return _JoinedRequest(None, request._required_acks, request._timeout, request._topics)


class _JoinedRequest(ProduceRequest):  # type: ignore[misc]
    """A produce request (versions 3 to 8) encoded by joining its batches once."""

    def prepare(self, versions: dict[int, tuple[int, int]]) -> Any:
        request = super().prepare(versions)
        request.encode = self._encode
        return request

    def _encode(self) -> bytes:
        pieces = [_NO_TRANSACTION, _ACKS_TIMEOUT_TOPICS.pack(self._required_acks, self._timeout, len(self._topics))]
        for topic, partitions in self._topics:
            name = topic.encode()
            pieces += (struct.pack(">h", len(name)), name, struct.pack(">i", len(partitions)))
            for partition, batch in partitions:
                pieces += (_PARTITION.pack(partition, sum(map(len, batch))), *batch)
        return b"".join(pieces)
