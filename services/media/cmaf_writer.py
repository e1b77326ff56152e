"""Writing CMAF (ISO/IEC 23000-19) for one video track: the init segment and its chunks. Deterministic: no times, no names.

A chunk is ``moof`` + ``mdat`` with one ``traf`` and one ``trun``; offsets count from the ``moof``; its first sample alone may
be a sync sample. A ``uuid`` box inside ``moof`` names the run, and ``mfhd`` the place in it, so that a chunk found anywhere can
be told from any other. Players skip it.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from struct import Struct
from typing import Final, NamedTuple

from services.contracts.errors import Rejected
from services.media.boxes import box, full_box
from services.media.nal import Nal
from services.media.parameter_sets import TrackConfig

TRACK_ID: Final = 1
#: Type of the ``uuid`` box in ``moof`` whose payload is the run id, 28 ASCII digits.
RUN_UUID: Final = bytes.fromhex("b35047bf7ef45cdda4db3346c5a6c989")
RUN_ID_BYTES: Final = 28
#: ISO/IEC 14496-12, 8.8.3.1: sample_depends_on = 2 (on none).
SYNC_FLAGS: Final = 0x0200_0000
#: sample_depends_on = 1, sample_is_non_sync_sample.
NON_SYNC_FLAGS: Final = 0x0101_0000

TFHD_FLAGS: Final = 0x02_0020  # default-base-is-moof, default-sample-flags
TRUN_FLAGS: Final = 0x301  # data offset; duration and size of each sample
TRUN_FIRST_FLAGS: Final = 0x004
TRUN_COMPOSITION: Final = 0x800
#: moof, mfhd, traf, tfhd, tfdt and the fixed part of trun: the layout of every chunk written here.
HEAD: Final = Struct(">I4s I4sII I4s I4sIII I4sIQ I4sIIi")
_MATRIX = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
_UNDETERMINED_LANGUAGE = 0x55C4
_U32 = Struct(">I")
_pack_u32 = _U32.pack


class Sample(NamedTuple):
    """A coded picture ready to be written. ``size`` counts its NAL units with 4-byte lengths; times are ticks."""

    nals: Sequence[Nal]
    size: int
    duration: int
    composition_offset: int
    sync: bool


def build_init(track: TrackConfig, timescale: int) -> bytes:
    """The init segment (``ftyp`` + ``moov``)."""
    if not 0 < timescale < 1 << 32:
        raise Rejected(f"a timescale of {timescale} ticks per second cannot be written; use 1 to 4294967295")
    brands = b"iso6" + bytes(4) + b"iso6cmfcmp41"
    mvhd = full_box(
        b"mvhd", 0, 0, bytes(8), _pack_u32(timescale), bytes(4), (1 << 16).to_bytes(4, "big"), b"\1\0", bytes(10),
        _MATRIX, bytes(24), _pack_u32(TRACK_ID + 1),
    )  # fmt: skip
    trex = full_box(b"trex", 0, 0, *map(_pack_u32, (TRACK_ID, 1, 0, 0, 0)))
    return box(b"ftyp", brands) + box(b"moov", mvhd, _trak(track, timescale), box(b"mvex", trex))


def build_chunk(samples: Sequence[Sample], *, seq: int, base_decode_time: int, run_id: str | None = None) -> bytes:
    """One CMAF chunk. ``seq`` counts from 0 (``mfhd`` from 1); only the first sample may be a sync sample."""
    if not samples:
        raise Rejected("a chunk needs at least one sample")
    first_sync = samples[0].sync
    with_offsets = any(sample.composition_offset for sample in samples)
    fields: list[int] = []
    for sample in samples:
        fields += (sample.duration, sample.size)
        if with_offsets:
            fields.append(sample.composition_offset & 0xFFFF_FFFF)
    if first_sync:
        fields.insert(0, SYNC_FLAGS)
    table = _words(len(fields)).pack(*fields)
    tail = box(b"uuid", RUN_UUID, run_id.encode("ascii")) if run_id is not None else b""
    trun_size = 20 + len(table)
    traf_size = 48 + trun_size
    moof_size = 24 + traf_size + len(tail)
    trun_flags = TRUN_FLAGS | (TRUN_FIRST_FLAGS if first_sync else 0) | (TRUN_COMPOSITION if with_offsets else 0)
    head = HEAD.pack(
        moof_size, b"moof", 16, b"mfhd", 0, (seq + 1) & 0xFFFF_FFFF, traf_size, b"traf",
        20, b"tfhd", TFHD_FLAGS, TRACK_ID, NON_SYNC_FLAGS, 20, b"tfdt", 0x0100_0000, base_decode_time,
        trun_size, b"trun", 0x0100_0000 | trun_flags, len(samples), moof_size + 8,
    )  # fmt: skip
    pieces: list[Nal] = [head, table, tail, _pack_u32(8 + sum(sample.size for sample in samples)) + b"mdat"]
    for sample in samples:
        for nal in sample.nals:
            pieces.append(_pack_u32(len(nal)))
            pieces.append(nal)
    return b"".join(pieces)


@lru_cache(maxsize=1024)
def _words(count: int) -> Struct:
    return Struct(f">{count}I")


def _trak(track: TrackConfig, timescale: int) -> bytes:
    across, down = track.sample_aspect_ratio
    tkhd = full_box(
        b"tkhd", 0, 3, bytes(8), _pack_u32(TRACK_ID), bytes(8), bytes(16), _MATRIX,
        _pack_u32((track.width * across << 16) // down & 0xFFFF_FFFF), _pack_u32(track.height << 16),
    )  # fmt: skip
    mdhd = full_box(b"mdhd", 0, 0, bytes(8), _pack_u32(timescale), bytes(4), _pack_u32(_UNDETERMINED_LANGUAGE << 16))
    hdlr = full_box(b"hdlr", 0, 0, bytes(4), b"vide", bytes(12), b"\0")
    vmhd = full_box(b"vmhd", 0, 1, bytes(8))
    dinf = box(b"dinf", full_box(b"dref", 0, 0, _pack_u32(1), full_box(b"url ", 0, 1)))
    tables = [full_box(kind, 0, 0, bytes(4)) for kind in (b"stts", b"stsc")]
    tables += [full_box(b"stsz", 0, 0, bytes(8)), full_box(b"stco", 0, 0, bytes(4))]
    stsd = full_box(b"stsd", 0, 0, _pack_u32(1), _sample_entry(track))
    minf = box(b"minf", vmhd, dinf, box(b"stbl", stsd, *tables))
    return box(b"trak", tkhd, box(b"mdia", mdhd, hdlr, minf))


def _sample_entry(track: TrackConfig) -> bytes:
    """VisualSampleEntry (ISO/IEC 14496-12, 12.1.3) with decoder configuration, and ``pasp`` unless pixels are square."""
    size = track.width.to_bytes(2, "big") + track.height.to_bytes(2, "big")
    fixed = (
        bytes(6) + b"\0\1" + bytes(16) + size + b"\0\x48\0\0" * 2 + bytes(4) + b"\0\1" + bytes(32) + b"\0\x18\xff\xff"
    )
    config = box(b"avcC" if track.sample_entry.startswith("avc") else b"hvcC", track.codec_config)
    aspect = b""
    if track.sample_aspect_ratio != (1, 1):
        aspect = box(b"pasp", *map(_pack_u32, track.sample_aspect_ratio))
    return box(track.sample_entry.encode("ascii"), fixed, config, aspect)
