"""Bytes that were once written must be written the same and read for ever."""

from __future__ import annotations

import pytest

from services.contracts.media_record import Gap, RunEnd, RunStart, decode
from services.media.cmaf_reader import parse_chunk, parse_init
from services.media.segment import read_segment
from services.media.verify import verify_segment
from tests.unit.media import material as m
from tests.unit.media.make_golden import FOLDER, golden_files


@pytest.mark.parametrize("name", sorted(golden_files()))
def test_written_as_ever(name: str) -> None:
    assert (FOLDER / name).read_bytes() == golden_files()[name]


def test_every_golden_file_is_made_by_this_version_or_read_by_a_test_of_its_own() -> None:
    assert {path.name for path in FOLDER.iterdir()} == set(golden_files())


def test_init_segments_are_read() -> None:
    h264, h265 = (parse_init((FOLDER / f"init_{codec}_v1.mp4").read_bytes()) for codec in ("h264", "h265"))
    assert (h264.codec, h264.width, h264.height, h264.timescale) == ("avc3.42C00A", 64, 48, 90_000)
    assert (h265.codec, h265.width, h265.height, h265.timescale) == ("hev1.1.6.L30.90", 64, 64, 90_000)


def test_chunks_are_read() -> None:
    plain = parse_chunk((FOLDER / "chunk_h264_v1.m4s").read_bytes())
    assert (plain.seq, plain.base_decode_time, plain.duration, len(plain.samples)) == (0, 0, 8 * 3600, 8)
    assert plain.sync and plain.run_id is not None
    reordered = parse_chunk((FOLDER / "chunk_b_frames_v1.m4s").read_bytes())
    assert [entry.pts // 3600 for entry in reordered.samples] == [0, 4, 2, 1, 3, 8, 6, 5]


def test_segments_are_read_and_authentic() -> None:
    octets = (FOLDER / "segment_v1.mp4").read_bytes()
    verdict = verify_segment(octets, m.PUBLIC_KEY)
    assert (verdict.kind, verdict.authentic_through) == ("authentic", 2)
    segment = read_segment(octets)
    assert (segment.run.camera_id, segment.first_seq, segment.last_seq) == ("door", 0, 2)
    assert [facts.clock for facts, _ in segment.chunks] == [m.CLOCK] * 3


def test_headers_are_read() -> None:
    records = []
    for block in (FOLDER / "headers_v1.txt").read_bytes().strip().split(b"\n\n"):
        pairs = [line.split(b": ", 1) if b": " in line else (line[:-1], b"") for line in block.splitlines()]
        headers = tuple((name.decode(), value) for name, value in pairs)
        kind = dict(headers)["kind"]
        records.append(decode(headers, b"media" if kind in (b"run-start", b"chunk") else b""))
    start, *_, end, gap = records
    assert isinstance(start, RunStart) and isinstance(end, RunEnd) and isinstance(gap, Gap)
    assert (start.start_ns, start.clock, start.since) == (m.START_NS, m.CLOCK, None)
    assert (end.chunks, end.cause, end.detail) == (3, "camera", "lost")
    assert (gap.end_ns, gap.detail, gap.since) == (m.START_NS + 5, "mains off\n第二次", "camera")
