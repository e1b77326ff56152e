"""A record's row in the index: its headers as bytes, and its way back to a ``Delivered``."""

from __future__ import annotations

import struct

from services.contracts.errors import Corrupt
from services.contracts.media_record import Headers

_LENGTHS = struct.Struct(">HI")

TOMBSTONE = -1
INLINE_LIMIT_BYTES = 4096


def pack_headers(headers: Headers) -> bytes:
    """Name and value of each header after their lengths (16 and 32 bits, big-endian)."""
    pieces: list[bytes] = []
    for name, raw in headers:
        encoded = name.encode()
        pieces += (_LENGTHS.pack(len(encoded), len(raw)), encoded, raw)
    return b"".join(pieces)


def unpack_headers(packed: bytes) -> Headers:
    """The inverse of :func:`pack_headers`; ``Corrupt`` when the lengths do not add up."""
    headers = []
    at, end = 0, len(packed)
    try:
        while at < end:
            name_length, raw_length = _LENGTHS.unpack_from(packed, at)
            at += _LENGTHS.size
            name = packed[at : at + name_length].decode()
            at += name_length + raw_length
            headers.append((name, packed[at - raw_length : at]))
    except (struct.error, UnicodeDecodeError) as error:
        raise Corrupt("a record's headers are damaged") from error
    if at != end:
        raise Corrupt("a record's headers are cut short")
    return tuple(headers)
