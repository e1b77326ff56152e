"""What every log adapter demands of a record, and which partition a key falls on.

Belongs here: rules that must come out the same on every adapter. Does not belong here: anything that stores or sends.
"""

from __future__ import annotations

from functools import lru_cache

from services.backbone.ports import Outgoing
from services.contracts.errors import Rejected
from services.contracts.topics import MAX_RECORD_BYTES

MAX_HEADER_NAME_BYTES = 1024

_MASK = 0xFFFFFFFF
_MULTIPLIER = 0x5BD1E995


def murmur2(octets: bytes) -> int:
    """MurmurHash2 with the seed of Kafka's default partitioner; an unsigned 32-bit number."""
    length = len(octets)
    state = 0x9747B28C ^ length
    whole = length & ~3
    for start in range(0, whole, 4):
        word = int.from_bytes(octets[start : start + 4], "little") * _MULTIPLIER & _MASK
        word = (word ^ word >> 24) * _MULTIPLIER & _MASK
        state = state * _MULTIPLIER & _MASK ^ word
    if length > whole:
        state = (state ^ int.from_bytes(octets[whole:], "little")) * _MULTIPLIER & _MASK
    state = (state ^ state >> 13) * _MULTIPLIER & _MASK
    return state ^ state >> 15


@lru_cache(maxsize=4096)
def partition_of(key: str, partitions: int) -> int:
    """The partition of a key, equal to that of Kafka's default partitioner for its UTF-8 bytes."""
    return (murmur2(key.encode()) & 0x7FFFFFFF) % partitions


def check_record(record: Outgoing) -> int:
    """Return the size of a record in bytes (key, headers and value); ``Rejected`` when no log would take it."""
    longest = 0
    try:
        size_bytes = len(record.key.encode()) + len(record.value or b"")
        for name, raw in record.headers:
            length = len(name) if name.isascii() else len(name.encode())
            size_bytes += length + len(raw)
            if length > longest:
                longest = length
    except (UnicodeEncodeError, AttributeError, TypeError, ValueError) as error:
        raise Rejected(f"a record for {record.topic} has a key, header or value of a wrong type: {error}") from error
    if longest > MAX_HEADER_NAME_BYTES:
        raise Rejected(f"a record for {record.topic} has a header name of more than {MAX_HEADER_NAME_BYTES} bytes")
    if size_bytes > MAX_RECORD_BYTES:
        raise Rejected(
            f"a record of {size_bytes} bytes for {record.topic} exceeds the limit of {MAX_RECORD_BYTES}; "
            "send it in smaller pieces"
        )
    return size_bytes
