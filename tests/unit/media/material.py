"""Made-up streams: real parameter sets (x264, x265), slices with a real header and noise for a body.

Nothing here decodes; every NAL unit is different, so that one lost, doubled or displaced shows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from random import Random

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from services.contracts.media_record import Chunk, ClockSample, MediaRecord, RunEnd, RunStart
from services.media import chain
from services.media.access_unit import AccessUnit, VideoCodec, make_access_unit
from services.media.cmaf_reader import iter_samples, parse_chunk
from services.media.muxer import RunMuxer, StreamFacts
from services.media.nal import Nal, split_length_prefixed

SPS_64X48 = bytes.fromhex("6742c00ad9047a1000000300100000030320f1226480")
PPS_64X48 = bytes.fromhex("68cb83cb20")
SPS_1280X720_B = bytes.fromhex("6764001facd9405005ba1000000300100000030320f1831960")
PPS_1280X720_B = bytes.fromhex("68ebe3cb22c0")
VPS_H265 = bytes.fromhex("40010c01ffff01600000030090000003000003001e928090")
SPS_H265 = bytes.fromhex("42010101600000030090000003000003001ea0208105964a924cae6808000003000800000300c840")
PPS_H265 = bytes.fromhex("4401c172b42240")
#: ONVIF media signing SEI: user_data_unregistered with its UUID.
SIGNING_SEI = bytes.fromhex("0605 18 005bc93f2d715e95ada4796f90877a6f 0102030405060708 80")
AUD = bytes.fromhex("09f0")

SETS_H264 = (SPS_64X48, PPS_64X48)
SETS_H264_B = (SPS_1280X720_B, PPS_1280X720_B)
SETS_H265 = (VPS_H265, SPS_H265, PPS_H265)

#: NAL unit header and the beginning of a slice header that refers to picture parameter set 0.
_SLICE_HEADS = {
    ("h264", True): b"\x65\x88\x84", ("h264", False): b"\x41\x9a\x24",
    ("h265", True): b"\x26\x01\xaf", ("h265", False): b"\x02\x01\xd0",
}  # fmt: skip

TIMESCALE = 90_000
FRAME = 3_600
START_NS = 1_900_000_000_123_456_789
CLOCK = ClockSample(offset_ns=-1_500, uncertainty_ns=250_000, camera_offset_ns=37_000_000_000)

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC_KEY = KEY.public_key().public_bytes_raw()
OTHER_KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(1, 33)))
OTHER_PUBLIC_KEY = OTHER_KEY.public_key().public_bytes_raw()


def body(size: int, seed: int) -> bytes:
    """Noise without zeros: no start code, nothing to escape."""
    return Random(seed).randbytes(size).replace(b"\0", b"\1")


def slice_nal(codec: VideoCodec, *, sync: bool, size: int = 40, seed: int = 0) -> bytes:
    """A slice that refers to picture parameter set 0. ``size`` counts the whole NAL unit."""
    head = _SLICE_HEADS[codec, sync]
    return head + body(size - len(head), seed)


def unit(
    number: int,
    *,
    codec: VideoCodec = "h264",
    sync: bool = False,
    sets: Sequence[Nal] = (),
    extra: Sequence[Nal] = (),
    pts: int | None = None,
    dts: int | None = None,
    size: int = 40,
    arrival_ns: int | None = None,
) -> AccessUnit:
    """The ``number``-th access unit of a stream of 25 frames per second, unless told otherwise."""
    nals = (*sets, *extra, slice_nal(codec, sync=sync, size=size, seed=number))
    at = number * FRAME if pts is None else pts
    arrival = START_NS + number * 40_000_000 if arrival_ns is None else arrival_ns
    return make_access_unit(codec, nals, pts=at, dts=dts, arrival_ns=arrival)


def units(
    count: int, *, gop: int = 10, codec: VideoCodec = "h264", sets: Sequence[Nal] | None = None, size: int = 40
) -> list[AccessUnit]:
    """A stream without B-frames: decoding times are presentation times."""
    own = sets if sets is not None else (SETS_H264 if codec == "h264" else SETS_H265)
    return [
        unit(
            number,
            codec=codec,
            sync=number % gop == 0,
            sets=own if number % gop == 0 else (),
            dts=number * FRAME,
            size=size,
        )
        for number in range(count)
    ]


def muxer(
    codec: VideoCodec = "h264", *, camera: str = "door", key: Ed25519PrivateKey = KEY, timescale: int = TIMESCALE,
    chunk_ms: int = 320, period_ms: int | None = None, parameter_sets: Sequence[Nal] = (), seed: int = 1,
    stream: str = "record",
) -> RunMuxer:  # fmt: skip
    """A muxer whose run ids follow from ``seed``."""
    ids = Random(seed)
    facts = StreamFacts(camera, stream, "agent-1", chain.key_id(key.public_key().public_bytes_raw()), codec, timescale)  # type: ignore[arg-type]
    return RunMuxer(
        facts, new_run_id=lambda start_ns: f"{start_ns // 1_000_000:012x}{ids.getrandbits(64):016x}", sign=key.sign,
        chunk_ms=chunk_ms, period_ms=period_ms, parameter_sets=parameter_sets,
    )  # fmt: skip


def mux(stream: Iterable[AccessUnit], into: RunMuxer | None = None, *, clock: ClockSample = CLOCK) -> list[MediaRecord]:
    """Everything that comes of a stream that ends because its camera is lost."""
    machine = into or muxer()
    records: list[MediaRecord] = []
    for each in stream:
        records += machine.push(each, clock)
    return records + machine.flush("camera", "lost")


def runs(records: Iterable[MediaRecord]) -> list[tuple[RunStart, list[Chunk], RunEnd]]:
    """The records of each run; fails when they are not in the order start, chunks, end."""
    found: list[tuple[RunStart, list[Chunk], RunEnd]] = []
    start: RunStart | None = None
    chunks: list[Chunk] = []
    for record in records:
        match record:
            case RunStart():
                assert start is None
                start, chunks = record, []
            case Chunk():
                assert start is not None and record.run == start.run
                chunks.append(record)
            case RunEnd():
                assert start is not None and record.run == start.run
                found.append((start, chunks, record))
                start = None
    assert start is None
    return found


def one_run(count: int = 40, **options: object) -> tuple[RunStart, list[Chunk], RunEnd]:
    """A run of generated access units."""
    (run,) = runs(mux(units(count), muxer(**options)))  # type: ignore[arg-type]
    return run


def nals_of(chunks: Iterable[Chunk]) -> Iterator[bytes]:
    """Every NAL unit of the chunks, in order."""
    for chunk in chunks:
        for _, octets in iter_samples(chunk.value, parse_chunk(chunk.value)):
            for nal in split_length_prefixed(octets, 4):
                yield bytes(nal)


def nals_in(stream: Iterable[AccessUnit]) -> list[bytes]:
    return [bytes(nal) for each in stream for nal in each.nals]
