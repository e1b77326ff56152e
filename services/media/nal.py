"""NAL units: apart and together again, every byte and their order kept.

A NAL unit here is its header and payload as the encoder wrote them, emulation prevention bytes included, without start
code or length. Start codes, their leading zeros and the zeros that trail a NAL unit belong to the Annex B byte stream,
not to the NAL unit (H.264 B.1); everything else of the source survives bit for bit, SEI and delimiters included.

How a source packs its NAL units is told by the caller and never guessed from the bytes: a first NAL unit of 256 to 511
bytes with a 4-byte length begins with ``00 00 01``, exactly as a start code does.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from itertools import islice
from struct import Struct
from typing import Final

from services.contracts.errors import Corrupt

#: Read-only bytes; a ``memoryview`` where a copy can be spared.
Nal = bytes | memoryview

#: More than any level allows in one picture (H.264 table A-1: 8160 macroblocks in slices; H.265 table A.8: 600 slices).
MAX_NALS: Final = 8192
LENGTH_SIZES: Final = (1, 2, 4)

_start_codes = re.compile(rb"\x00\x00\x01").finditer  # searches any buffer without a copy
_LENGTH = Struct(">I")
_pack_length = _LENGTH.pack


def split(unit: bytes | memoryview, length_size: int | None) -> tuple[Nal, ...]:
    """Split an access unit. ``length_size`` is 1, 2 or 4 as its avcC or hvcC says, or ``None`` for Annex B."""
    return split_annex_b(unit) if length_size is None else split_length_prefixed(unit, length_size)


def split_annex_b(unit: bytes | memoryview) -> tuple[Nal, ...]:
    """Split a byte stream (H.264 annex B). ``Corrupt`` when something other than zeros stands before the first start code."""
    view = memoryview(unit)
    starts = [match.end() for match in islice(_start_codes(view), MAX_NALS + 1)]
    if not starts or bytes(view[: starts[0] - 3]).strip(b"\0"):
        if not bytes(view).strip(b"\0"):
            return ()
        raise Corrupt("access unit does not begin with an Annex B start code (00 00 01)")
    if len(starts) > MAX_NALS:
        raise Corrupt(f"access unit holds more than {MAX_NALS} NAL units")
    nals: list[Nal] = []
    ends = [start - 3 for start in starts[1:]]
    ends.append(len(view))
    for start, end in zip(starts, ends, strict=True):
        while end > start and view[end - 1] == 0:  # trailing_zero_8bits and the zero_byte of a 4-byte start code
            end -= 1
        if end > start:
            nals.append(view[start:end])
    return tuple(nals)


def split_length_prefixed(unit: bytes | memoryview, length_size: int) -> tuple[Nal, ...]:
    """Split an access unit whose NAL units follow big-endian lengths of 1, 2 or 4 bytes (ISO/IEC 14496-15, 5.3.4.2)."""
    if length_size not in LENGTH_SIZES:
        raise Corrupt(f"NAL unit lengths of {length_size} bytes are not allowed; expected 1, 2 or 4")
    view = memoryview(unit)
    size = len(view)
    nals: list[Nal] = []
    at = 0
    from_bytes = int.from_bytes
    while at < size:
        start = at + length_size
        end = start + from_bytes(view[at:start], "big")
        if end > size or start > size:
            raise Corrupt(f"NAL unit at byte {at} claims to end at byte {end} of an access unit of {size} bytes")
        if end > start:
            nals.append(view[start:end])
            if len(nals) > MAX_NALS:
                raise Corrupt(f"access unit holds more than {MAX_NALS} NAL units")
        at = end
    return tuple(nals)


def prefixed_pieces(nals: Iterable[Nal]) -> list[Nal]:
    """The buffers that, joined, are the sample: each NAL unit after its 4-byte length. Nothing is copied."""
    pieces: list[Nal] = []
    for nal in nals:
        pieces.append(_pack_length(len(nal)))
        pieces.append(nal)
    return pieces


def join_length_prefixed(nals: Iterable[Nal], length_size: int = 4) -> bytes:
    """The access unit with lengths of 1, 2 or 4 bytes; ``Corrupt`` when a NAL unit is too long for its length."""
    if length_size == 4:
        return b"".join(prefixed_pieces(nals))
    pieces: list[Nal] = []
    for nal in nals:
        if len(nal) >> (8 * length_size):
            raise Corrupt(f"a NAL unit of {len(nal)} bytes does not fit a length of {length_size} bytes")
        pieces += (len(nal).to_bytes(length_size, "big"), nal)
    return b"".join(pieces)


def join_annex_b(nals: Iterable[Nal]) -> bytes:
    """The access unit as a byte stream, each NAL unit after a 4-byte start code."""
    pieces: list[Nal] = []
    for nal in nals:
        pieces += (b"\0\0\0\1", nal)
    return b"".join(pieces)


def sample_size(nals: Sequence[Nal]) -> int:
    """Bytes that the NAL units take as a sample with 4-byte lengths."""
    return sum(map(len, nals)) + 4 * len(nals)
