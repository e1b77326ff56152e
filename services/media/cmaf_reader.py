"""Reading what :mod:`cmaf_writer` writes, from bytes that may come from anybody.

Not a demuxer: one video track, chunks of one ``moof`` and one ``mdat``, offsets from the ``moof``, as CMAF demands. Nothing is
copied: samples are offsets into the caller's buffer. Everything else is ``Corrupt`` with the box and byte where it is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from operator import itemgetter
from struct import Struct
from typing import Any, Final, Literal, NamedTuple

from services.contracts.errors import Corrupt
from services.contracts.ids import RUN_ID
from services.media import cmaf_writer as writer
from services.media import h264, h265
from services.media.boxes import Box, find_box, iter_boxes, printable

MAX_SAMPLES: Final = 4096
_MAX_TABLE_BOXES = 64
_NON_SYNC = 0x0001_0000
_U16 = Struct(">H")
_U32 = Struct(">I")
_I32 = Struct(">i")
_U64 = Struct(">Q")
_unpack_u32 = _U32.unpack_from
_unpack_header = Struct(">I4s").unpack_from
# The head of a chunk as cmaf_writer lays it out. What it always writes the same is compared in one go.
_HEAD_SIZE = writer.HEAD.size
_unpack_head = writer.HEAD.unpack_from
_TRUN_START = _HEAD_SIZE - 20
_constant_fields = itemgetter(1, 2, 3, 4, 7, 8, 9, 10, 12, 13, 14, 15, 18)
_CONSTANTS = (
    b"moof", 16, b"mfhd", 0, b"traf", 20, b"tfhd", writer.TFHD_FLAGS, writer.NON_SYNC_FLAGS, 20, b"tfdt", 0x0100_0000,
    b"trun",
)  # fmt: skip
_RUN_BOX = (24 + writer.RUN_ID_BYTES).to_bytes(4, "big") + b"uuid" + writer.RUN_UUID
_numbers = itemgetter(0, 5, 6, 16, 17, 19, 20, 21)


@dataclass(frozen=True, slots=True)
class SampleDefaults:
    """``trex``: what holds for samples of which a chunk says nothing."""

    duration: int = 0
    size: int = 0
    flags: int = 0


@dataclass(frozen=True, slots=True)
class InitFacts:
    """What an init segment says. ``extradata`` is the payload of avcC or hvcC; ``codec`` the RFC 6381 string."""

    codec: str
    sample_entry: str
    width: int
    height: int
    timescale: int
    track_id: int
    extradata: bytes
    nal_length_size: int
    defaults: SampleDefaults = SampleDefaults()

    @property
    def video_codec(self) -> Literal["h264", "h265"]:
        return "h264" if self.sample_entry.startswith("avc") else "h265"


class SampleEntry(NamedTuple):
    """A sample of a chunk: its bytes are ``buffer[offset : offset + size]``; ``dts`` and the rest are ticks."""

    offset: int
    size: int
    dts: int
    duration: int
    composition_offset: int
    sync: bool

    @property
    def pts(self) -> int:
        return self.dts + self.composition_offset


@dataclass(frozen=True, slots=True)
class ChunkSamples:
    """A chunk: ``seq`` is its place in its run (from ``mfhd``, modulo 2^32), ``run_id`` as it says itself, if it does."""

    seq: int
    base_decode_time: int
    duration: int
    samples: tuple[SampleEntry, ...]
    run_id: str | None

    @property
    def sync(self) -> bool:
        return self.samples[0].sync


def parse_init(buffer: bytes | memoryview) -> InitFacts:
    """Read an init segment: ``ftyp`` and ``moov`` with exactly one video track of H.264 or H.265."""
    moov = find_box(buffer, b"moov", 0, len(buffer))
    traks = [found for found in _children(buffer, moov) if found.kind == b"trak"]
    if len(traks) != 1:
        raise Corrupt(f"init segment has {len(traks)} tracks; expected one video track")
    mdia = find_box(buffer, b"mdia", traks[0].payload, traks[0].end)
    mdhd = find_box(buffer, b"mdhd", mdia.payload, mdia.end)
    timescale = _u32(buffer, mdhd, 20 if _version(buffer, mdhd) else 12)
    if timescale == 0:
        raise Corrupt("init segment has a timescale of 0")
    stbl = mdia
    for kind in (b"minf", b"stbl"):
        stbl = find_box(buffer, kind, stbl.payload, stbl.end)
    stsd = find_box(buffer, b"stsd", stbl.payload, stbl.end)
    entries = list(iter_boxes(buffer, stsd.payload + 8, stsd.end, limit=_MAX_TABLE_BOXES))
    if len(entries) != 1:
        raise Corrupt(f"init segment has {len(entries)} sample entries; expected one")
    tkhd = find_box(buffer, b"tkhd", traks[0].payload, traks[0].end)
    track_id = _u32(buffer, tkhd, 20 if _version(buffer, tkhd) else 12)
    return _init_facts(buffer, entries[0], timescale, track_id, _defaults(buffer, moov))


def parse_chunk(buffer: bytes | memoryview, defaults: SampleDefaults = SampleDefaults()) -> ChunkSamples:
    """Read one chunk, ``moof`` + ``mdat`` and nothing else. ``defaults`` (``trex``) matter for chunks that others wrote."""
    if len(buffer) >= _HEAD_SIZE:
        head = _unpack_head(buffer, 0)
        if _constant_fields(head) == _CONSTANTS:
            ours = _parse_ours(buffer, head)
            if ours is not None:
                return ours
    return _parse_any(buffer, defaults)


def iter_samples(buffer: bytes | memoryview, chunk: ChunkSamples) -> Iterator[tuple[SampleEntry, memoryview]]:
    """Each sample with its bytes."""
    view = memoryview(buffer)
    for entry in chunk.samples:
        yield entry, view[entry.offset : entry.offset + entry.size]


def _parse_ours(buffer: bytes | memoryview, head: tuple[Any, ...]) -> ChunkSamples | None:
    """The layout of :func:`cmaf_writer.build_chunk`, read in one piece; ``None`` when anything is not as it writes it."""
    moof_size, seq, traf_size, base, trun_size, version_flags, count, offset = _numbers(head)
    flags = version_flags & 0xFF_FFFF
    words = 3 if flags & writer.TRUN_COMPOSITION else 2
    first = 4 if flags & writer.TRUN_FIRST_FLAGS else 0
    table_end = _HEAD_SIZE + first + 4 * words * count
    if (
        not 0 < count <= MAX_SAMPLES
        or version_flags >> 24 != 1
        or traf_size != trun_size + 48
        or flags & ~(writer.TRUN_FIRST_FLAGS | writer.TRUN_COMPOSITION) != writer.TRUN_FLAGS
        or trun_size != table_end - _TRUN_START
        or offset != moof_size + 8
        or table_end > moof_size
        or moof_size + 8 > len(buffer)
    ):
        return None
    mdat_size, kind = _unpack_header(buffer, moof_size)
    if kind != b"mdat" or moof_size + mdat_size != len(buffer):
        return None
    run_id = _run_id(buffer, table_end, moof_size)
    if run_id is None and table_end != moof_size:
        return None
    sync = first == 4 and not _unpack_u32(buffer, _HEAD_SIZE)[0] & _NON_SYNC
    at, dts = offset, base
    samples: list[SampleEntry] = []
    append = samples.append
    entry = SampleEntry
    table = _rows(words, count).unpack_from(buffer, _HEAD_SIZE + first)
    if words == 3:
        for duration, size, composition in zip(table[::3], table[1::3], table[2::3], strict=True):
            append(entry(at, size, dts, duration, composition, sync))
            at, dts, sync = at + size, dts + duration, False
    else:
        for duration, size in zip(table[::2], table[1::2], strict=True):
            append(entry(at, size, dts, duration, 0, sync))
            at, dts, sync = at + size, dts + duration, False
    if at > len(buffer):
        raise Corrupt(f"samples end at byte {at} of a chunk of {len(buffer)} bytes")
    return ChunkSamples((seq - 1) & 0xFFFF_FFFF, base, dts - base, tuple(samples), run_id)


def _parse_any(buffer: bytes | memoryview, defaults: SampleDefaults) -> ChunkSamples:
    boxes = list(iter_boxes(buffer, limit=2))
    if [found.kind for found in boxes] != [b"moof", b"mdat"]:
        raise Corrupt(
            f"expected moof and mdat; found {', '.join(printable(found.kind) for found in boxes) or 'nothing'}"
        )
    moof, mdat = boxes
    parts = list(_children(buffer, moof))
    trafs = [part for part in parts if part.kind == b"traf"]
    if len(trafs) != 1:
        raise Corrupt(f"chunk has {len(trafs)} track fragments; expected one")
    seq = _u32(buffer, find_box(buffer, b"mfhd", moof.payload, moof.end), 4)
    inside = list(_children(buffer, trafs[0]))
    base = _base_decode_time(buffer, inside)
    defaults = _fragment_defaults(buffer, _only(inside, b"tfhd"), defaults)
    samples: list[SampleEntry] = []
    at, dts = mdat.payload, base
    for part in inside:
        if part.kind == b"trun":
            at, dts = _read_trun(buffer, part, defaults, at, dts, samples)
    if not samples:
        raise Corrupt("chunk has no samples")
    for sample in samples:
        if sample.offset < mdat.payload or sample.offset + sample.size > mdat.end:
            raise Corrupt(f"sample at byte {sample.offset} lies outside mdat ({mdat.payload} to {mdat.end})")
    run_id = next((_run_id(buffer, part.start, part.end) for part in parts if part.kind == b"uuid"), None)
    return ChunkSamples((seq - 1) & 0xFFFF_FFFF, base, dts - base, tuple(samples), run_id)


def _read_trun(
    buffer: bytes | memoryview, trun: Box, defaults: SampleDefaults, at: int, dts: int, samples: list[SampleEntry]
) -> tuple[int, int]:
    """ISO/IEC 14496-12, 8.8.8. Returns where the next sample's bytes and time begin."""
    flags, count = _u32(buffer, trun, 0), _u32(buffer, trun, 4)
    cursor = trun.payload + 8
    signed = flags >> 24
    if count > MAX_SAMPLES - len(samples):
        raise Corrupt(f"chunk claims more than {MAX_SAMPLES} samples")
    if flags & 0x1:
        at = _i32_at(buffer, cursor, trun.end)
        cursor += 4
    first_flags = None
    if flags & writer.TRUN_FIRST_FLAGS:
        first_flags = _u32_at(buffer, cursor, trun.end)
        cursor += 4
    present = [flags & bit != 0 for bit in (0x100, 0x200, 0x400, 0x800)]
    if trun.end - cursor < 4 * sum(present) * count:
        raise Corrupt(f"trun claims {count} samples but ends after {trun.end - cursor} bytes of them")
    for index in range(count):
        values = [defaults.duration, defaults.size, defaults.flags, 0]
        for column in range(4):
            if present[column]:
                values[column] = (_I32 if column == 3 and signed else _U32).unpack_from(buffer, cursor)[0]
                cursor += 4
        duration, size, sample_flags, composition = values
        if index == 0 and first_flags is not None:
            sample_flags = first_flags
        samples.append(SampleEntry(at, size, dts, duration, composition, not sample_flags & _NON_SYNC))
        at, dts = at + size, dts + duration
    return at, dts


def _fragment_defaults(buffer: bytes | memoryview, tfhd: Box, defaults: SampleDefaults) -> SampleDefaults:
    flags = _u32(buffer, tfhd, 0) & 0xFF_FFFF
    if flags & 0x1:
        raise Corrupt("chunk counts offsets from the start of a file; expected default-base-is-moof")
    cursor = tfhd.payload + 8
    values = {0x2: 0, 0x8: defaults.duration, 0x10: defaults.size, 0x20: defaults.flags}
    for bit in values:
        if flags & bit:
            values[bit] = _u32_at(buffer, cursor, tfhd.end)
            cursor += 4
    return SampleDefaults(values[0x8], values[0x10], values[0x20])


def _base_decode_time(buffer: bytes | memoryview, parts: list[Box]) -> int:
    tfdt = _only(parts, b"tfdt")
    if not _version(buffer, tfdt):
        return _u32(buffer, tfdt, 4)
    if tfdt.payload + 12 > tfdt.end:
        raise Corrupt(f"box 'tfdt' at byte {tfdt.start} is too short")
    return int(_U64.unpack_from(buffer, tfdt.payload + 4)[0])


def _run_id(buffer: bytes | memoryview, start: int, end: int) -> str | None:
    """The run id of our ``uuid`` box; ``None`` when the box is another's."""
    if end - start != 24 + writer.RUN_ID_BYTES:
        return None
    return _run_id_of(bytes(buffer[start:end]))


@lru_cache(maxsize=256)
def _run_id_of(octets: bytes) -> str | None:
    """What a box says that is the same in every chunk of a run."""
    if octets[:24] != _RUN_BOX:
        return None
    text = octets[24:].decode("latin-1")
    return text if RUN_ID.match(text) else None


def _init_facts(
    buffer: bytes | memoryview, entry: Box, timescale: int, track_id: int, defaults: SampleDefaults
) -> InitFacts:
    kind = entry.kind.decode("latin-1")
    if kind not in ("avc1", "avc3", "hvc1", "hev1"):
        raise Corrupt(f"sample entry {kind!r} is not H.264 or H.265 video")
    if entry.end - entry.payload < 78:
        raise Corrupt(f"sample entry {kind!r} is too short")
    width, height = _U16.unpack_from(buffer, entry.payload + 24)[0], _U16.unpack_from(buffer, entry.payload + 26)[0]
    is_avc = kind.startswith("avc")
    config = find_box(buffer, b"avcC" if is_avc else b"hvcC", entry.payload + 78, entry.end, limit=_MAX_TABLE_BOXES)
    extradata = bytes(buffer[config.payload : config.end])
    length_size, nals = h264.parse_avcc(extradata) if is_avc else h265.parse_hvcc(extradata)
    codec = _codec_string(kind, nals)
    return InitFacts(codec, kind, width, height, timescale, track_id, extradata, length_size, defaults)


def _codec_string(kind: str, nals: tuple[bytes, ...]) -> str:
    for nal in nals:
        if kind.startswith("avc") and h264.nal_type(nal) == h264.NAL_SPS:
            return h264.parse_sps(nal).codec_string(kind)
        if kind.startswith("h") and h265.nal_type(nal) == h265.NAL_SPS:
            return h265.parse_sps(nal).codec_string(kind)
    raise Corrupt("init segment holds no sequence parameter set")


def _defaults(buffer: bytes | memoryview, moov: Box) -> SampleDefaults:
    mvex = find_box(buffer, b"mvex", moov.payload, moov.end)
    trex = find_box(buffer, b"trex", mvex.payload, mvex.end)
    return SampleDefaults(_u32(buffer, trex, 12), _u32(buffer, trex, 16), _u32(buffer, trex, 20))


def _children(buffer: bytes | memoryview, parent: Box) -> Iterator[Box]:
    return iter_boxes(buffer, parent.payload, parent.end, limit=_MAX_TABLE_BOXES)


def _only(parts: list[Box], kind: bytes) -> Box:
    found = [part for part in parts if part.kind == kind]
    if len(found) != 1:
        raise Corrupt(f"chunk has {len(found)} {printable(kind)} boxes; expected one")
    return found[0]


def _version(buffer: bytes | memoryview, full: Box) -> int:
    return _u32(buffer, full, 0) >> 24


def _u32(buffer: bytes | memoryview, within: Box, at: int) -> int:
    return _u32_at(buffer, within.payload + at, within.end)


def _u32_at(buffer: bytes | memoryview, at: int, end: int) -> int:
    if at + 4 > end:
        raise Corrupt(f"a box ends at byte {end}, in the middle of a field")
    return int(_U32.unpack_from(buffer, at)[0])


def _i32_at(buffer: bytes | memoryview, at: int, end: int) -> int:
    if at + 4 > end:
        raise Corrupt(f"a box ends at byte {end}, in the middle of a field")
    return int(_I32.unpack_from(buffer, at)[0])


@lru_cache(maxsize=1024)
def _rows(words: int, count: int) -> Struct:
    return Struct(">" + ("II" if words == 2 else "IIi") * count)
