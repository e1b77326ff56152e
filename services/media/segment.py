"""Segments and exports: an init segment, whole chunks of one run, and a trailer by which they verify alone.

The trailer is a ``uuid`` box at the end, version 1, big-endian::

    u8 version = 1, 3 bytes 0
    u16 size, canonical facts of the run (chain.canonical_run)
    u32 size of the init segment, 32 bytes genesis
    u32 count, then per chunk: u64 seq, i64 start_ns, u64 duration_ns, u32 size, u8 flags (1 sync, 2 camera offset known),
        i64 clock offset_ns, i64 uncertainty_ns, i64 camera offset_ns (0 when unknown), 32 digest, 32 link before it
    32 bytes link of the last chunk
    u32 count, then per signature: u32 index of its chunk, 64 bytes Ed25519
    u32 size of the whole box, so that it is found from the end of the object

An export is cut out of several segments of one run and has the same form; only its first ``seq`` and last differ. Players
skip the box. What it says is a claim: :mod:`verify` judges it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields
from struct import Struct
from typing import Final

from services.contracts.errors import Corrupt, Rejected
from services.contracts.media_record import DIGEST_BYTES, SIGNATURE_BYTES, Chunk, ChunkFacts, ClockSample, RunFacts
from services.media import chain
from services.media.boxes import box

TRAILER_UUID: Final = bytes.fromhex("e9dc5dae4586522288b36dd63d334c72")
TRAILER_VERSION: Final = 1
_ENTRY = Struct(">QqQIBqqq32s32s")
_SIGNATURE = Struct(">I64s")
_U16 = Struct(">H")
_U32 = Struct(">I")
_SYNC, _CAMERA_OFFSET = 1, 2
_INTEGER_FIELDS = frozenset(("width", "height", "timescale"))
_RUN_FIELDS = tuple(field.name for field in fields(RunFacts))


@dataclass(frozen=True, slots=True)
class Trailer:
    """What a segment says of itself. ``sizes`` are bytes per chunk; ``last_link`` is the link of the last chunk."""

    run: RunFacts
    init_bytes: int
    genesis: bytes
    chunks: tuple[ChunkFacts, ...]
    sizes: tuple[int, ...]
    last_link: bytes


@dataclass(frozen=True, slots=True)
class Segment:
    """A segment laid open; ``values`` are views into the caller's buffer, one per chunk."""

    trailer: Trailer
    init: memoryview
    values: tuple[memoryview, ...]

    @property
    def run(self) -> RunFacts:
        return self.trailer.run

    @property
    def chunks(self) -> Iterable[tuple[ChunkFacts, memoryview]]:
        return zip(self.trailer.chunks, self.values, strict=True)

    @property
    def first_seq(self) -> int:
        return self.trailer.chunks[0].seq

    @property
    def last_seq(self) -> int:
        return self.trailer.chunks[-1].seq

    @property
    def start_ns(self) -> int:
        return self.trailer.chunks[0].start_ns

    @property
    def end_ns(self) -> int:
        return self.trailer.chunks[-1].end_ns


class SegmentBuilder:
    """Collects what the trailer needs while the caller writes ``init``, the chunks' values and ``trailer()`` in this order.

    Holds facts only, no media. Refuses (``Rejected``) a chunk that does not continue the one before.
    """

    __slots__ = ("_entries", "_genesis", "_init_bytes", "_sizes", "media_bytes", "run")

    def __init__(self, run: RunFacts, init: bytes | memoryview) -> None:
        self.run = run
        self._init_bytes = self.media_bytes = len(init)
        self._genesis = chain.genesis(run, chain.digest(init))
        self._entries: list[ChunkFacts] = []
        self._sizes: list[int] = []

    @property
    def chunks(self) -> tuple[ChunkFacts, ...]:
        return tuple(self._entries)

    @property
    def is_empty(self) -> bool:
        return not self._entries

    def add(self, chunk: Chunk) -> None:
        """Take the next chunk of the run."""
        if chunk.run != self.run:
            raise Rejected(f"chunk {chunk.facts.seq} of run {chunk.run.run_id} does not belong to {self.run.run_id}")
        self.add_facts(chunk.facts, len(chunk.value))

    def add_facts(self, facts: ChunkFacts, size_bytes: int) -> None:
        """Take the next chunk, whose value the caller holds elsewhere."""
        if self._entries:
            last = self._entries[-1]
            if facts.seq != last.seq + 1 or facts.start_ns != last.end_ns or facts.prev_link != chain.link_of(last):
                raise Rejected(f"chunk {facts.seq} does not continue chunk {last.seq} of run {self.run.run_id}")
        self._entries.append(facts)
        self._sizes.append(size_bytes)
        self.media_bytes += size_bytes

    def trailer(self) -> bytes:
        """The trailing box; the same chunks always give the same bytes."""
        if not self._entries:
            raise Rejected("a segment needs at least one chunk")
        last_link = chain.link_of(self._entries[-1])
        return encode_trailer(
            Trailer(self.run, self._init_bytes, self._genesis, tuple(self._entries), tuple(self._sizes), last_link)
        )


def build_segment(run: RunFacts, init: bytes, chunks: Iterable[Chunk]) -> bytes:
    """A whole segment in memory. For a large one write the parts and :meth:`SegmentBuilder.trailer` instead."""
    builder = SegmentBuilder(run, init)
    pieces = [init]
    for chunk in chunks:
        builder.add(chunk)
        pieces.append(chunk.value)
    pieces.append(builder.trailer())
    return b"".join(pieces)


def read_segment(buffer: bytes | memoryview) -> Segment:
    """Lay a segment or export open without copying. ``Corrupt`` when its parts are not where the trailer says.

    Whether they are what it says is for :func:`verify.verify_segment`.
    """
    view = memoryview(buffer)
    start = find_trailer(view)
    if start is None:
        raise Corrupt("object does not end with a segment trailer: it was cut off or is no segment")
    trailer = decode_trailer(view[start:])
    values = lay_out(view[:start], trailer)
    if values is None:
        raise Corrupt("segment does not hold the bytes that its trailer lists")
    return Segment(trailer, view[: trailer.init_bytes], values)


def lay_out(body: memoryview, trailer: Trailer) -> tuple[memoryview, ...] | None:
    """Cut what precedes the trailer into chunks by their listed sizes; ``None`` when the total differs."""
    if trailer.init_bytes + sum(trailer.sizes) != len(body):
        return None
    values = []
    at = trailer.init_bytes
    for size in trailer.sizes:
        values.append(body[at : at + size])
        at += size
    return tuple(values)


def find_trailer(buffer: bytes | memoryview) -> int | None:
    """Where the trailing box begins, found from the end of the object; ``None`` when the end is no trailer."""
    total = len(buffer)
    if total < 36:
        return None
    (size,) = _U32.unpack_from(buffer, total - 4)
    start = total - size
    head = bytes(buffer[start : start + 24]) if 36 <= size <= total else b""
    return start if head == _U32.pack(size) + b"uuid" + TRAILER_UUID else None


def trailer_bytes_at_end(last_bytes: bytes | memoryview) -> int | None:
    """How long the trailer is, from the last 4 bytes of an object; for reading it by range."""
    return int(_U32.unpack_from(last_bytes, len(last_bytes) - 4)[0]) if len(last_bytes) >= 4 else None


def encode_trailer(trailer: Trailer) -> bytes:
    """The box of a trailer, whatever it claims."""
    run = chain.canonical_run(trailer.run)
    pieces = [
        bytes((TRAILER_VERSION, 0, 0, 0)), _U16.pack(len(run)), run, _U32.pack(trailer.init_bytes), trailer.genesis,
        _U32.pack(len(trailer.chunks)),
    ]  # fmt: skip
    signatures = []
    for index, (facts, size) in enumerate(zip(trailer.chunks, trailer.sizes, strict=True)):
        pieces.append(_encode_entry(facts, size))
        if facts.signature is not None:
            signatures.append(_SIGNATURE.pack(index, facts.signature))
    pieces += (trailer.last_link, _U32.pack(len(signatures)), *signatures)
    size_of_box = 8 + 16 + sum(map(len, pieces)) + 4
    return box(b"uuid", TRAILER_UUID, *pieces, _U32.pack(size_of_box))


def decode_trailer(octets: bytes | memoryview) -> Trailer:
    """Read a whole trailing box; ``Corrupt`` says what is wrong with its form."""
    if find_trailer(octets) != 0:
        raise Corrupt("not a whole segment trailer")
    reader = _Reader(octets, 24, len(octets))
    version = reader.take(4)[0]
    if version != TRAILER_VERSION:
        raise Corrupt(f"segment trailer has version {version}; this program reads version {TRAILER_VERSION}")
    run = _decode_run(reader.take(*_U16.unpack(reader.take(2))))
    init_bytes, genesis = reader.u32(), reader.take(DIGEST_BYTES)
    count = reader.u32()
    entries = list(_ENTRY.iter_unpack(reader.take(count * _ENTRY.size)))
    last_link = reader.take(DIGEST_BYTES)
    signatures: dict[int, bytes] = dict(_SIGNATURE.iter_unpack(reader.take(reader.u32() * _SIGNATURE.size)))
    if not count or any(index >= count for index in signatures):
        raise Corrupt("segment trailer lists no chunk, or a signature of none")
    if reader.u32() != len(octets) or reader.left:
        raise Corrupt("segment trailer does not have the size it claims")
    chunks = tuple(_decode_entry(entry, signatures.get(index)) for index, entry in enumerate(entries))
    trailer = Trailer(run, init_bytes, genesis, chunks, tuple(entry[3] for entry in entries), last_link)
    if encode_trailer(trailer) != octets:
        raise Corrupt("segment trailer is not in the one form that version 1 has")
    return trailer


def _encode_entry(facts: ChunkFacts, size: int) -> bytes:
    clock = facts.clock
    flags = _SYNC * facts.sync | _CAMERA_OFFSET * (clock.camera_offset_ns is not None)
    return _ENTRY.pack(
        facts.seq, facts.start_ns, facts.duration_ns, size, flags, clock.offset_ns, clock.uncertainty_ns,
        clock.camera_offset_ns or 0, facts.digest, facts.prev_link,
    )  # fmt: skip


def _decode_entry(
    entry: tuple[int, int, int, int, int, int, int, int, bytes, bytes], signature: bytes | None
) -> ChunkFacts:
    seq, start_ns, duration_ns, _, flags, offset_ns, uncertainty_ns, camera_ns, digest, prev_link = entry
    if flags & ~(_SYNC | _CAMERA_OFFSET) or (camera_ns and not flags & _CAMERA_OFFSET):
        raise Corrupt(f"segment trailer says of chunk {seq} what version {TRAILER_VERSION} does not know")
    clock = ClockSample(offset_ns, uncertainty_ns, camera_ns if flags & _CAMERA_OFFSET else None)
    return ChunkFacts(seq, start_ns, duration_ns, flags & _SYNC != 0, digest, prev_link, clock, signature)


def _decode_run(octets: bytes) -> RunFacts:
    lines = octets.decode("latin-1").split("\n")
    values = dict(line.split("=", 1) for line in lines if "=" in line)
    try:
        run = RunFacts(**{name: int(text) if name in _INTEGER_FIELDS else text for name, text in values.items()})  # type: ignore[arg-type]
        if chain.canonical_run(run) == octets:
            return run
    except (TypeError, ValueError):
        pass
    raise Corrupt("segment trailer does not hold the facts of a run in canonical form")


class _Reader:
    """Takes bytes from the front; reading past the end is ``Corrupt``."""

    __slots__ = ("_at", "_end", "_octets")

    def __init__(self, octets: bytes | memoryview, at: int, end: int) -> None:
        self._octets, self._at, self._end = octets, at, end

    @property
    def left(self) -> int:
        return self._end - self._at

    def take(self, count: int) -> bytes:
        if count > self.left:
            raise Corrupt(f"segment trailer ends {count - self.left} bytes too early")
        self._at += count
        return bytes(self._octets[self._at - count : self._at])

    def u32(self) -> int:
        return int(_U32.unpack(self.take(4))[0])


assert _SIGNATURE.size == 4 + SIGNATURE_BYTES
