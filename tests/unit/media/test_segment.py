from __future__ import annotations

import io
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.errors import Corrupt, Rejected
from services.contracts.media_record import ChunkFacts, ClockSample, RunFacts
from services.media import chain
from services.media.boxes import iter_boxes
from services.media.segment import (
    SegmentBuilder,
    Trailer,
    build_segment,
    decode_trailer,
    encode_trailer,
    find_trailer,
    read_segment,
    trailer_bytes_at_end,
)
from tests.unit.media import material as m

I63 = st.integers(-(1 << 63), (1 << 63) - 1)
TEXT = st.text(st.characters(codec="ascii", exclude_characters="\n"), max_size=30)
CLOCKS = st.builds(ClockSample, I63, I63, st.none() | I63)
FACTS = st.builds(
    ChunkFacts, st.integers(0, (1 << 64) - 1), I63, st.integers(0, (1 << 64) - 1), st.booleans(),
    st.binary(min_size=32, max_size=32), st.binary(min_size=32, max_size=32), CLOCKS,
    st.none() | st.binary(min_size=64, max_size=64),
)  # fmt: skip
RUNS = st.builds(
    RunFacts, TEXT, st.sampled_from(["record", "detect"]), TEXT, TEXT, TEXT, TEXT, st.integers(1, 9999),
    st.integers(1, 9999), st.integers(1, 1 << 32),
)  # fmt: skip


@given(RUNS, st.lists(st.tuples(FACTS, st.integers(0, (1 << 32) - 1)), min_size=1, max_size=8), st.integers(0, 1 << 31))
def test_trailer_round_trip(run: RunFacts, entries: list[tuple[ChunkFacts, int]], init_bytes: int) -> None:
    facts, sizes = zip(*entries, strict=True)
    trailer = Trailer(run, init_bytes, bytes(range(32)), facts, sizes, bytes(32))
    octets = encode_trailer(trailer)
    assert decode_trailer(octets) == trailer
    assert encode_trailer(decode_trailer(octets)) == octets
    assert trailer_bytes_at_end(octets[-4:]) == len(octets)


@given(st.binary(max_size=200), st.data())
def test_hostile_trailers_are_read_or_corrupt(octets: bytes, data: st.DataObject) -> None:
    start, chunks, _ = m.one_run(12)
    trailer = bytearray(build_segment(start.run, start.init, chunks))
    trailer = trailer[find_trailer(trailer) :]
    at = data.draw(st.integers(8, len(trailer) - 1))
    trailer[at : at + len(octets)] = octets[: len(trailer) - at]
    for damaged in (octets, bytes(trailer), bytes(trailer[:at])):
        try:
            decode_trailer(damaged)
        except Corrupt:
            continue


def test_a_segment_is_init_chunks_and_trailer() -> None:
    start, chunks, _ = m.one_run(40)
    octets = build_segment(start.run, start.init, chunks)
    kinds = [found.kind for found in iter_boxes(octets)]
    assert kinds == [b"ftyp", b"moov", *[b"moof", b"mdat"] * len(chunks), b"uuid"]
    segment = read_segment(octets)
    assert segment.run == start.run
    assert bytes(segment.init) == start.init
    assert [(facts, bytes(value)) for facts, value in segment.chunks] == [(c.facts, c.value) for c in chunks]
    assert (segment.first_seq, segment.last_seq) == (0, len(chunks) - 1)
    assert (segment.start_ns, segment.end_ns) == (start.start_ns, chunks[-1].facts.end_ns)
    assert segment.trailer.genesis == chain.genesis(start.run, chain.digest(start.init))
    assert segment.trailer.last_link == chain.link_of(chunks[-1].facts)
    assert all(value.obj is octets for _, value in segment.chunks), "nothing is copied"


def test_the_same_chunks_give_the_same_bytes() -> None:
    start, chunks, _ = m.one_run(40)
    assert build_segment(start.run, start.init, chunks) == build_segment(start.run, start.init, list(chunks))


def test_written_piece_by_piece_or_at_once() -> None:
    start, chunks, _ = m.one_run(40)
    builder, file = SegmentBuilder(start.run, start.init), io.BytesIO()
    file.write(start.init)
    for chunk in chunks:
        builder.add(chunk)
        file.write(chunk.value)
    assert builder.media_bytes == file.tell()
    file.write(builder.trailer())
    assert file.getvalue() == build_segment(start.run, start.init, chunks)


def test_an_export_is_cut_out_of_several_segments() -> None:
    start, chunks, _ = m.one_run(60)
    segments = [build_segment(start.run, start.init, chunks[at : at + 4]) for at in (0, 4, 8)]
    builder, pieces = SegmentBuilder(start.run, start.init), [start.init]
    for octets in segments:
        for facts, value in read_segment(octets).chunks:
            if 2 <= facts.seq <= 9:
                builder.add_facts(facts, len(value))
                pieces.append(bytes(value))
    export = read_segment(b"".join([*pieces, builder.trailer()]))
    assert (export.first_seq, export.last_seq) == (2, 9)
    assert [bytes(value) for _, value in export.chunks] == [chunk.value for chunk in chunks[2:10]]


def test_a_chunk_that_does_not_continue_is_refused() -> None:
    start, chunks, _ = m.one_run(60)
    other_start, other_chunks, _ = m.one_run(60, seed=9)
    builder = SegmentBuilder(start.run, start.init)
    with pytest.raises(Rejected, match="at least one"):
        builder.trailer()
    builder.add(chunks[3])
    for wrong in (chunks[3], chunks[5], replace(chunks[4], facts=replace(chunks[4].facts, start_ns=0)), chunks[0]):
        with pytest.raises(Rejected, match="does not continue"):
            builder.add(wrong)
    with pytest.raises(Rejected, match="does not belong"):
        builder.add(other_chunks[4])
    assert other_start.run.run_id != start.run.run_id
    builder.add(chunks[4])


def test_every_truncation_is_corrupt() -> None:
    start, chunks, _ = m.one_run(12)
    octets = build_segment(start.run, start.init, chunks)
    for size in range(0, len(octets), 7):
        with pytest.raises(Corrupt):
            read_segment(octets[:size])


def test_run_facts_that_would_be_ambiguous_are_refused() -> None:
    start, _, _ = m.one_run(12)
    with pytest.raises(Corrupt, match="line break"):
        SegmentBuilder(replace(start.run, camera_id="a\nstream=detect"), start.init)


def test_a_later_version_says_so() -> None:
    start, chunks, _ = m.one_run(12)
    octets = bytearray(build_segment(start.run, start.init, chunks))
    octets[find_trailer(octets) + 24] = 2  # type: ignore[operator]
    with pytest.raises(Corrupt, match="version 2"):
        read_segment(octets)
