"""Kafka's record batch, version 2: what a producer sends to one partition at once.

aiokafka has a builder of its own; this one copies each value once and sums with the processor's own instruction, which halves
what a batch costs. Belongs here: octets and sums. Does not belong here: when a batch is made and sent (``kafka_log_lanes``).
Format: Kafka documentation, "Message Format", "Record Batch" and "Record".
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from functools import lru_cache

import google_crc32c

from services.backbone.ports import Outgoing
from services.contracts.media_record import Headers

#: Offset, length, leader epoch, magic, CRC; then, under the CRC: attributes, last offset delta, first and last timestamp,
#: producer id and epoch, first sequence number, number of records.
_BEFORE_SUM = struct.Struct(">qiibI")
_SUMMED = struct.Struct(">hiqqqhii")
HEADER_BYTES = _BEFORE_SUM.size + _SUMMED.size
#: From behind the length field to the end of the header.
_COUNTED_HEADER_BYTES = HEADER_BYTES - 12
#: Most that a record needs beside key, value and headers: its length, attributes, timestamp, offset, three lengths.
RECORD_FRAMING_BYTES = 5 + 1 + 1 + 5 + 5 + 5 + 5
#: And each header: two lengths.
HEADER_FRAMING_BYTES = 5 + 5

_UNKNOWN_LEADER_EPOCH = -1
_MAGIC = 2
_ONE_BYTE = tuple(bytes((number << 1,)) for number in range(64))
_ABSENT = b"\x01"  # -1


def crc32c(front: bytes, back: bytes) -> int:
    """CRC-32C (RFC 3720, B.4) of two pieces that follow each other."""
    return int(google_crc32c.extend(google_crc32c.value(front), back))


def varint(number: int) -> bytes:
    """A number from 0 on, zigzag and in groups of seven bits, as Protocol Buffers' ``sint32``."""
    if number < 64:
        return _ONE_BYTE[number]
    rest = number << 1
    octets = bytearray()
    while rest > 0x7F:
        octets.append(rest & 0x7F | 0x80)
        rest >>= 7
    octets.append(rest)
    return bytes(octets)


@lru_cache(maxsize=1024)
def _name(name: str) -> bytes:
    encoded = name.encode()
    return varint(len(encoded)) + encoded


def _headers(headers: Headers) -> bytes:
    pieces = [varint(len(headers))]
    for name, raw in headers:
        pieces += (_name(name), varint(len(raw)), raw)
    return b"".join(pieces)


class RecordBatch:
    """Records of one partition, framed. Stands in for aiokafka's ``BatchBuilder`` in ``send_batch``, which asks only for this."""

    def __init__(self, records: Sequence[Outgoing], timestamp_ms: int) -> None:
        pieces: list[bytes] = []
        for index, record in enumerate(records):
            key, value, headers = record.key.encode(), record.value, _headers(record.headers)
            front = b"".join(
                (b"\0\0", varint(index), varint(len(key)), key, _ABSENT if value is None else varint(len(value)))
            )
            value = value or b""
            pieces += (varint(len(front) + len(value) + len(headers)), front, value, headers)
        self._body = b"".join(pieces)
        self._count = len(records)
        self._timestamp_ms = timestamp_ms
        self._producer = (-1, -1, -1)

    def record_count(self) -> int:
        return self._count

    def closed(self) -> bool:
        """Nothing can be added: so that it is sent without lingering."""
        return True

    def _set_producer_state(self, producer_id: int, producer_epoch: int, base_sequence: int) -> None:
        self._producer = (producer_id, producer_epoch, base_sequence)

    def _build(self) -> tuple[bytes, bytes]:
        """Header and records."""
        summed = _SUMMED.pack(0, self._count - 1, self._timestamp_ms, self._timestamp_ms, *self._producer, self._count)
        crc = crc32c(summed, self._body)
        length = _COUNTED_HEADER_BYTES + len(self._body)
        return _BEFORE_SUM.pack(0, length, _UNKNOWN_LEADER_EPOCH, _MAGIC, crc) + summed, self._body
