"""The seam between sources and the muxer."""

from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from services.contracts.media_record import Chunk, ClockSample, MediaRecord, RunEnd, RunStart
from services.ingest.muxing import MuxingTerms, StreamMuxer
from services.ingest.sources.connection import SourceFailed, SourcePacket, StreamFormat
from tests.harness.drawn_footage import PPS, SPS

START = b"\0\0\0\1"
CLOCK = ClockSample()
S = 1_000_000_000


class Key:
    def __init__(self) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(hashlib.sha256(b"k").digest())
        self.public_key = self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.key_id = "0" * 16

    def sign(self, message: bytes) -> bytes:
        return self._key.sign(message)


def muxer(extradata: bytes = START + SPS + START + PPS) -> StreamMuxer:
    terms = MuxingTerms("cam", "record", "agent-1", Key(), chunk_ms=320)
    return StreamMuxer(terms, StreamFormat("h264", False, extradata, 90_000), "agent")


def picture(index: int, *, arrival_ns: int | None = None) -> SourcePacket:
    sync = index % 10 == 0
    # first_mb_in_slice 0, slice_type 7 (I), pps 0: 1 0001000 1 = 0x88 0x80; then content without start codes
    payload = START + bytes([0x65 if sync else 0x41, 0x88, 0x80]) + bytes([index % 250 + 1]) * 50
    when_ns = arrival_ns if arrival_ns is not None else index * S // 10
    return SourcePacket(payload, index * 9000, None, sync, when_ns)


def fed(one: StreamMuxer, indices: range) -> list[MediaRecord]:
    return [record for index in indices for record in one.push(picture(index), CLOCK)]


def test_the_first_run_says_what_came_before_it() -> None:
    start = fed(muxer(), range(8))[0]
    assert isinstance(start, RunStart) and start.since == "agent"


def test_a_picture_that_cannot_be_taken_apart_is_left_out_and_the_run_goes_on() -> None:
    one = muxer()
    records = fed(one, range(5))
    assert one.push(SourcePacket(b"garbage", 45_000, None, False, S), CLOCK) == []
    records += fed(one, range(6, 30))
    records += one.end("camera", "over")
    assert sum(isinstance(record, RunStart) for record in records) == 1
    assert isinstance(records[-1], RunEnd)


def test_a_stream_of_nothing_but_garbage_is_given_up() -> None:
    one = muxer()
    with pytest.raises(SourceFailed) as failed:
        for index in range(1000):
            one.push(SourcePacket(b"garbage", index, None, False, index), CLOCK)
    assert failed.value.failure.kind == "unusable"


def test_a_damaged_decoder_configuration_is_refused() -> None:
    with pytest.raises(SourceFailed) as failed:
        muxer(b"\x01\x42")
    assert failed.value.failure.kind == "unusable"


def test_new_bearings_are_taken_at_a_sync_picture_only() -> None:
    one = muxer()
    fed(one, range(14))
    one.bearings_due = True
    assert not any(isinstance(record, RunEnd | RunStart) for record in fed(one, range(14, 20)))
    records = one.push(picture(20, arrival_ns=500 * S), CLOCK)
    kinds = [type(record) for record in records if not isinstance(record, Chunk)]
    assert kinds == [RunEnd, RunStart]
    start = records[-1]
    assert isinstance(start, RunStart) and (start.start_ns, start.since) == (500 * S, "camera")
    assert not one.bearings_due
