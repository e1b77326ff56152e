"""ISO BMFF boxes (ISO/IEC 14496-12 clause 4.2): writing one, and walking over many from strangers.

Every size is checked against the buffer before it is used; walks are bounded by count, and nothing here recurses.
"""

from __future__ import annotations

from collections.abc import Iterator
from struct import Struct
from typing import Final, NamedTuple

from services.contracts.errors import Corrupt

MAX_BOXES: Final = 1 << 20
_HEADER = Struct(">I4s")
_LARGE = Struct(">Q")
_unpack_header = _HEADER.unpack_from


def box(kind: bytes, *payloads: bytes | memoryview) -> bytes:
    """A box of up to 4 GiB."""
    return b"".join((_HEADER.pack(8 + sum(map(len, payloads)), kind), *payloads))


def full_box(kind: bytes, version: int, flags: int, *payloads: bytes) -> bytes:
    """A box with version and flags (4.2.2)."""
    return box(kind, (version << 24 | flags).to_bytes(4, "big"), *payloads)


class Box(NamedTuple):
    """Where a box stands in the buffer: offsets of its first byte, of its payload and of the byte after it."""

    kind: bytes
    start: int
    payload: int
    end: int


def iter_boxes(
    buffer: bytes | memoryview, start: int = 0, end: int | None = None, *, limit: int = MAX_BOXES
) -> Iterator[Box]:
    """Walk over the boxes of a range, one level deep.

    ``Corrupt`` when a box is shorter than its header, reaches beyond the range or there are more than ``limit``. A box of
    size 0 (to the end of the file, 4.2.2) reaches to the end of the range; sizes of 64 bits are read.
    """
    stop = len(buffer) if end is None else end
    at = start
    for _ in range(limit):
        if at == stop:
            return
        if stop - at < 8:
            raise Corrupt(f"box at byte {at} is cut off: {stop - at} bytes are left of its header")
        size, kind = _unpack_header(buffer, at)
        payload = at + 8
        if size == 1:
            if stop - at < 16:
                raise Corrupt(f"box at byte {at} is cut off: {stop - at} bytes are left of its header")
            (size,) = _LARGE.unpack_from(buffer, payload)
            payload = at + 16
        elif size == 0:
            size = stop - at
        if size < payload - at:
            raise Corrupt(f"box {printable(kind)} at byte {at} claims {size} bytes, fewer than its header")
        if size > stop - at:
            raise Corrupt(f"box {printable(kind)} at byte {at} claims {size} bytes; only {stop - at} are left")
        yield Box(kind, at, payload, at + size)
        at += size
    if at != stop:
        raise Corrupt(f"more than {limit} boxes in one place")


def find_box(buffer: bytes | memoryview, kind: bytes, start: int, end: int, *, limit: int = 1024) -> Box:
    """The first box of a kind in a range; ``Corrupt`` when there is none."""
    for found in iter_boxes(buffer, start, end, limit=limit):
        if found.kind == kind:
            return found
    raise Corrupt(f"box {printable(kind)} is missing")


def printable(kind: bytes) -> str:
    """A box type as a message may show it."""
    return repr(kind.decode("latin-1"))
