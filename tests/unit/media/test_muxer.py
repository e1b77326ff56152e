from __future__ import annotations

from contextlib import suppress
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.errors import Corrupt, Rejected
from services.contracts.media_record import Chunk, MediaRecord, RunEnd, RunStart
from services.contracts.time import NS_PER_MS
from services.media import chain
from services.media.access_unit import AccessUnit, VideoCodec, make_access_unit
from services.media.cmaf_reader import iter_samples, parse_chunk, parse_init
from services.media.muxer import MAX_UNIT_BYTES, RunMuxer
from services.media.nal import split_length_prefixed
from services.media.run_writer import MAX_CHUNK_BYTES
from services.media.timeline import ticks_to_ns
from services.media.verify import verify_run
from tests.unit.media import material as m


def check_run(run: tuple[RunStart, list[Chunk], RunEnd], chunk_ms: int = 320) -> None:
    """What holds of every run: contiguous to the nanosecond, short chunks, GOPs closed and signed, authentic."""
    start, chunks, end = run
    assert start.start_ns == chunks[0].facts.start_ns
    assert [chunk.facts.seq for chunk in chunks] == list(range(end.chunks))
    for before, after in pairwise(chunks):
        assert before.facts.end_ns == after.facts.start_ns
    assert chunks[-1].facts.end_ns == end.end_ns
    ticks = 0
    for index, chunk in enumerate(chunks):
        parsed = parse_chunk(chunk.value)
        assert parsed.base_decode_time == ticks, "media time has no holes either"
        assert chunk.facts.start_ns == start.start_ns + ticks_to_ns(ticks, start.run.timescale)
        ticks += parsed.duration
        assert (parsed.seq, parsed.run_id, parsed.sync) == (chunk.facts.seq, chunk.run.run_id, chunk.facts.sync)
        assert not any(entry.sync for entry in parsed.samples[1:]), "a sync sample begins a chunk"
        assert all(entry.duration > 0 for entry in parsed.samples)
        assert len(parsed.samples) == 1 or chunk.facts.duration_ns <= chunk_ms * NS_PER_MS
        if index + 1 == len(chunks) or chunks[index + 1].facts.sync:
            assert chunk.facts.signature is not None, "the end of a GOP is signed"
    verdict = verify_run(start, chunks, m.PUBLIC_KEY, end=end)
    assert verdict.is_authentic, verdict


def check(records: list[MediaRecord], stream: list[AccessUnit], chunk_ms: int = 320) -> None:
    """Every NAL unit that went in came out once, in order."""
    runs = m.runs(records)
    for run in runs:
        check_run(run, chunk_ms)
    assert [nal for _, chunks, _ in runs for nal in m.nals_of(chunks)] == m.nals_in(stream)


@st.composite
def streams(draw: st.DrawFn) -> tuple[VideoCodec, list[AccessUnit]]:
    """Any camera: varying frame rate and GOP length, reordered or not, with and without decoding times."""
    codec: VideoCodec = draw(st.sampled_from(["h264", "h265"]))
    told = draw(st.booleans())
    sets = m.SETS_H264 if codec == "h264" else m.SETS_H265
    count = draw(st.integers(1, 50))
    at = draw(st.integers(0, 1 << 33))
    stream = []
    for number in range(count):
        sync = number == 0 or draw(st.integers(0, 9)) == 0
        at += draw(st.sampled_from([0, 1, 900, 3600, 3600, 3600, 9000, 45_000, 180_000]))
        stream.append(
            m.unit(
                number, codec=codec, sync=sync, sets=sets if number == 0 or (sync and draw(st.booleans())) else (),
                extra=draw(st.sampled_from([(), (m.SIGNING_SEI,), (m.AUD, m.SIGNING_SEI)])) if codec == "h264" else (),
                pts=at, dts=at if told else None, size=draw(st.integers(8, 700)), arrival_ns=m.START_NS + number * 40_000_000,
            )
        )  # fmt: skip
    return codec, stream


@settings(max_examples=150)
@given(streams(), st.integers(1, 500))
def test_any_stream_comes_out_whole_contiguous_and_authentic(
    stream: tuple[VideoCodec, list[AccessUnit]], chunk_ms: int
) -> None:
    codec, units = stream
    check(m.mux(units, m.muxer(codec, chunk_ms=chunk_ms)), units, chunk_ms)


def test_chunks_close_at_sync_samples_and_at_the_limit() -> None:
    start, chunks, end = m.one_run(30)
    assert [chunk.facts.duration_ns // NS_PER_MS for chunk in chunks] == [320, 80] * 3
    assert [chunk.facts.sync for chunk in chunks] == [True, False] * 3
    assert [chunk.facts.signature is not None for chunk in chunks] == [False, True] * 3
    assert (start.start_ns, end.end_ns) == (m.START_NS, m.START_NS + 30 * 40 * NS_PER_MS)
    assert (end.cause, end.detail, end.chunks) == ("camera", "lost", 6)
    assert all(chunk.facts.clock == m.CLOCK for chunk in chunks)


def test_a_chunk_is_given_out_as_soon_as_its_last_sample_is_known() -> None:
    machine = m.muxer()
    given_out = [len([r for r in machine.push(each) if isinstance(r, Chunk)]) for each in m.units(10, gop=100)]
    assert given_out == [0] * 8 + [1, 0], "with the ninth sample, not the tenth"


@settings(max_examples=50)
@given(streams(), st.integers(1, 500), st.integers(1, 500))
def test_periods_of_the_clock_cut_any_stream_as_soundly(
    stream: tuple[VideoCodec, list[AccessUnit]], chunk_ms: int, period_ms: int
) -> None:
    codec, units = stream
    check(m.mux(units, m.muxer(codec, chunk_ms=chunk_ms, period_ms=period_ms)), units, chunk_ms)


def test_what_came_in_one_period_of_the_clock_is_one_chunk() -> None:
    """Jitter moves a picture into another period, and a pile of late ones is still cut by their own time."""
    period_ns = 320 * NS_PER_MS
    begun_ns = (m.START_NS // period_ns + 1) * period_ns
    comings_ms = [0, 40, 80, 120, 160, 200, 240, 280, 319, 361, 400, 639, 640, *[950] * 12, 961]
    stream = [
        m.unit(number, sync=number == 0, sets=m.SETS_H264 if number == 0 else (), arrival_ns=begun_ns + at * NS_PER_MS)
        for number, at in enumerate(comings_ms)
    ]
    machine = m.muxer(chunk_ms=400, period_ms=320)
    oldest: list[int] = []
    given_out = [len(chunks_of(machine.push(unit), machine, oldest)) for unit in stream]
    assert [index for index, count in enumerate(given_out) if count] == [9, 12, 22, 25]
    assert [(each - begun_ns) // NS_PER_MS for each in oldest] == [0, 361, 640, 950]


def chunks_of(records: list[MediaRecord], machine: RunMuxer, oldest: list[int]) -> list[Chunk]:
    chunks = [record for record in records if isinstance(record, Chunk)]
    if chunks and machine.oldest_ns is not None:
        oldest.append(machine.oldest_ns)
    return chunks


def test_nothing_decodable_is_thrown_away_and_the_rest_is_counted() -> None:
    stream = m.units(25)
    machine = m.muxer()
    records = m.mux(stream[4:], machine)
    check(records, stream[10:])
    assert (machine.counters.units, machine.counters.skipped_units) == (21, 6)
    assert machine.counters.skipped_bytes > 0


def test_a_sync_sample_without_parameter_sets_is_no_start() -> None:
    stream = m.units(20, sets=())
    machine = m.muxer()
    assert m.mux(stream, machine) == []
    assert machine.counters.skipped_units == 20


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_parameter_sets_out_of_band(codec: VideoCodec) -> None:
    stream = m.units(20, codec=codec, sets=())
    records = m.mux(stream, m.muxer(codec, parameter_sets=m.SETS_H264 if codec == "h264" else m.SETS_H265))
    check(records, stream)
    ((start, _, _),) = m.runs(records)
    assert parse_init(start.init).sample_entry in ("avc1", "hvc1")
    assert start.run.codec in ("avc1.42C00A", "hvc1.1.6.L30.90")


@pytest.mark.parametrize("codec", ["h264", "h265"])
def test_parameter_sets_in_band(codec: VideoCodec) -> None:
    stream = m.units(20, codec=codec)
    records = m.mux(stream, m.muxer(codec))
    check(records, stream)
    ((start, _, _),) = m.runs(records)
    assert parse_init(start.init).sample_entry in ("avc3", "hev1")


def test_parameter_sets_sent_apart_stay_before_their_picture() -> None:
    apart = make_access_unit("h264", m.SETS_H264, pts=0, dts=0, arrival_ns=m.START_NS)
    stream = [apart, m.unit(0, sync=True, dts=0), m.unit(1, dts=3600)]
    check(m.mux(stream), stream)


def test_nal_units_after_the_last_picture_are_kept() -> None:
    trailing = make_access_unit("h264", [b"\x0a", b"\x0b"], pts=7200, dts=7200, arrival_ns=m.START_NS)
    stream = [*m.units(2), trailing]
    check(m.mux(stream), stream)


def test_a_new_picture_size_begins_a_run_without_a_gap() -> None:
    before = m.units(15)
    after = [
        m.unit(n, sync=n % 10 == 5, sets=m.SETS_H264_B if n % 10 == 5 else (), dts=n * 3600) for n in range(15, 30)
    ]
    records = m.mux(before + after)
    check(records, before + after)
    (first, _, end), (second, _, _) = m.runs(records)
    assert second.start_ns == end.end_ns == m.START_NS + 15 * 40 * NS_PER_MS
    assert (first.run.width, second.run.width) == (64, 1280)
    assert second.since is None and "1280x720" in end.detail
    assert first.run.run_id != second.run.run_id


def test_a_new_picture_size_without_decoding_times_is_contiguous_too() -> None:
    before = [m.unit(n, sync=n == 0, sets=m.SETS_H264 if n == 0 else ()) for n in range(12)]
    after = [m.unit(n, sync=n == 12, sets=m.SETS_H264_B if n == 12 else ()) for n in range(12, 24)]
    records = m.mux(before + after)
    check(records, before + after)
    (_, _, end), (second, _, last) = m.runs(records)
    assert second.start_ns == end.end_ns == m.START_NS + 12 * 40 * NS_PER_MS
    assert last.end_ns == m.START_NS + 24 * 40 * NS_PER_MS


def test_other_parameter_sets_within_a_gop_wait_for_the_next_sync_sample() -> None:
    stream = m.units(8)
    stream.append(m.unit(8, sets=(bytes.fromhex("68ebe3cb22c0"),), dts=8 * 3600))
    stream += [m.unit(9, dts=9 * 3600), m.unit(10, sync=True, dts=10 * 3600), m.unit(11, dts=11 * 3600)]
    records = m.mux(stream)
    check(records, stream)
    assert [end.chunks for _, _, end in m.runs(records)] == [2, 1]


def test_repeated_equal_parameter_sets_change_nothing() -> None:
    assert len(m.runs(m.mux(m.units(50)))) == 1


def test_parameter_sets_that_appear_in_band_later_do_not_end_the_run() -> None:
    stream = [m.unit(n, sync=n % 10 == 0, sets=m.SETS_H264 if n == 10 else (), dts=n * 3600) for n in range(20)]
    records = m.mux(stream, m.muxer(parameter_sets=m.SETS_H264))
    check(records, stream)
    assert len(m.runs(records)) == 1


@pytest.mark.parametrize(("jump", "direction"), [(-50 * 90_000, "back"), (7 * 90_000, "forward"), (1 << 40, "forward")])
@pytest.mark.parametrize("told", [True, False])
@pytest.mark.parametrize("at_sync", [True, False])
def test_a_jump_of_the_timestamps_begins_a_run_at_the_agents_clock(
    jump: int, direction: str, told: bool, at_sync: bool
) -> None:
    first = 20 if at_sync else 17
    stream = [
        AccessUnit(each.nals, shift + each.pts, shift + each.pts if told else None, each.arrival_ns + late, each.sync)
        for n, each in enumerate(m.units(40))
        for shift, late in [(jump, 5_000_000_000) if n >= first else (0, 0)]
    ]
    records = m.mux(stream)
    check(records, stream)
    (_, _, end), (second, _, _) = m.runs(records)
    assert second.start_ns == stream[first].arrival_ns
    assert end.end_ns == m.START_NS + first * 40 * NS_PER_MS, "the last sample lasts as long as the one before"
    assert (end.cause, second.since) == ("camera", "camera")
    assert direction in end.detail and direction in second.detail


def test_a_run_after_a_jump_never_overlaps_the_one_before_by_jitter() -> None:
    stream = m.units(20)
    moved = [
        AccessUnit(each.nals, each.pts - (1 << 30), None, each.arrival_ns - 300_000_000, each.sync) for each in stream
    ]
    (_, _, end), (second, _, _) = m.runs(m.mux(stream + moved[10:]))
    assert second.start_ns == end.end_ns


def test_an_agents_clock_that_was_set_back_is_believed() -> None:
    stream = m.units(20)
    moved = [AccessUnit(e.nals, e.pts - (1 << 30), None, e.arrival_ns - 3_600 * 10**9, e.sync) for e in stream[10:]]
    (_, _, _), (second, _, _) = m.runs(m.mux(stream + moved))
    assert second.start_ns == moved[0].arrival_ns


def test_b_frames_with_and_without_decoding_times() -> None:
    order = [0, 4, 2, 1, 3, 8, 6, 5, 7, 12, 10, 9, 11]
    for told in (True, False):
        stream = [
            m.unit(
                n, sync=n == 0, sets=m.SETS_H264_B if n == 0 else (), pts=pts * 3600,
                dts=(n - 2) * 3600 if told else None,
            )
            for n, pts in enumerate(order)
        ]  # fmt: skip
        records = m.mux(stream)
        check(records, stream)
        ((_, chunks, _),) = m.runs(records)
        entries = [entry for chunk in chunks for entry in parse_chunk(chunk.value).samples]
        assert [entry.pts for entry in entries] == [pts * 3600 for pts in order]
        assert [entry.dts for entry in entries] == [n * 3600 for n in range(13)]


def test_equal_timestamps_lose_no_sample() -> None:
    stream = [m.unit(n, sync=n == 0, sets=m.SETS_H264 if n == 0 else (), pts=n // 3 * 10_800) for n in range(30)]
    machine = m.muxer()
    records = m.mux(stream, machine)
    check(records, stream)
    assert machine.counters.repaired_timestamps == 20


def test_a_slow_camera_has_one_sample_a_chunk() -> None:
    stream = [m.unit(n, sync=n == 0, sets=m.SETS_H264 if n == 0 else (), pts=n * 90_000) for n in range(5)]
    records = m.mux(stream)
    check(records, stream)
    ((_, chunks, end),) = m.runs(records)
    assert [chunk.facts.duration_ns for chunk in chunks] == [1_000_000_000] * 5
    assert end.end_ns == m.START_NS + 5_000_000_000


def test_a_single_picture_lasts_as_its_parameter_sets_say() -> None:
    records = m.mux([m.unit(0, sync=True, sets=m.SETS_H264)])
    ((_, chunks, _),) = m.runs(records)
    assert chunks[0].facts.duration_ns == 40 * NS_PER_MS


def test_a_gop_without_end_is_signed_all_the_same() -> None:
    _, chunks, _ = m.runs(m.mux(m.units(1000, gop=100_000)))[0]
    signed = [chunk.facts.seq for chunk in chunks if chunk.facts.signature]
    assert len(signed) == 4 and signed[0] * 320 >= 9_500


def test_signing_sei_and_delimiters_stay_where_they_are() -> None:
    stream = [
        m.unit(
            n, sync=n % 5 == 0, sets=(m.AUD, *m.SETS_H264) if n % 5 == 0 else (), extra=(m.SIGNING_SEI,), dts=n * 3600
        )
        for n in range(20)
    ]
    check(m.mux(stream), stream)


@pytest.mark.parametrize("size", [256, 290, 511])
def test_a_first_nal_whose_length_looks_like_a_start_code(size: int) -> None:
    stream = [m.unit(0, sync=True, dts=0, size=size), m.unit(1, dts=3600, size=size)]
    records = m.mux(stream, m.muxer(parameter_sets=m.SETS_H264))
    check(records, stream)
    ((_, chunks, _),) = m.runs(records)
    for _, octets in iter_samples(chunks[0].value, parse_chunk(chunks[0].value)):
        assert bytes(octets[:3]) == b"\0\0\1"
        assert len(split_length_prefixed(octets, 4)) == 1


def test_too_large_an_access_unit_is_refused_and_the_stream_goes_on() -> None:
    stream = m.units(6)
    machine = m.muxer()
    records = [record for each in stream[:3] for record in machine.push(each)]
    with pytest.raises(Corrupt, match="too large"):
        machine.push(m.unit(3, dts=3 * 3600, size=MAX_UNIT_BYTES + 1))
    records += [record for each in stream[4:] for record in machine.push(each)]
    records += machine.flush("camera")
    check(records, stream[:3] + stream[4:])
    assert machine.counters.refused_units == 1


def test_a_flood_without_pictures_is_refused_and_does_not_stop_the_stream() -> None:
    stream = m.units(4)
    machine = m.muxer()
    records = [record for each in stream[:2] for record in machine.push(each)]
    sei = AccessUnit((b"\x06" + bytes(range(1, 256)) * 400,), 7200, 7200, m.START_NS, False)
    refused = 0
    for _ in range(10):
        try:
            assert machine.push(sei) == []
        except Corrupt as error:
            assert "without a picture" in str(error)
            refused += 1
    records += [record for each in stream[2:] for record in machine.push(each)]
    records += machine.flush("camera")
    assert refused == machine.counters.refused_units == 8
    kept = AccessUnit((*sei.nals, *sei.nals), 0, 0, 0, False)
    check(records, [*stream[:2], kept, *stream[2:]])


def test_more_nal_units_than_can_be_split_again_are_refused() -> None:
    stream = m.units(4)
    machine = m.muxer()
    records = [record for each in stream[:2] for record in machine.push(each)]
    for nals in ((b"\x06a",) * 5000, (b"\x06a",) * 4096, (b"\x06a",), (b"\x41\x9a",) * 5000):
        with suppress(Corrupt):
            machine.push(AccessUnit(nals, 7200, 7200, m.START_NS, False))
    records += [record for each in stream[2:] for record in machine.push(each)]
    check(records + machine.flush("camera"), [*stream[:2], AccessUnit((b"\x06a",) * 4096, 0, 0, 0, False), *stream[2:]])
    assert machine.counters.refused_units == 3


def test_large_pictures_close_chunks_early() -> None:
    stream = m.units(6, gop=100, size=2_500_000)
    records = m.mux(stream)
    check(records, stream)
    ((_, chunks, _),) = m.runs(records)
    assert [len(parse_chunk(chunk.value).samples) for chunk in chunks] == [2, 2, 2]
    assert all(len(chunk.value) <= MAX_CHUNK_BYTES for chunk in chunks)


def test_wraps_that_were_unwrapped_do_not_show() -> None:
    from services.media.timestamps import TickUnwrapper

    unwrapper = TickUnwrapper(33)
    stream = [
        m.unit(
            n, sync=n == 0, sets=m.SETS_H264 if n == 0 else (), pts=unwrapper.unwrap((2**33 - 9000 + n * 3600) % 2**33)
        )
        for n in range(12)
    ]
    records = m.mux(stream)
    check(records, stream)
    assert len(m.runs(records)) == 1


def test_flush_twice_ends_one_run_and_the_next_says_since_when() -> None:
    machine = m.muxer()
    records = m.mux(m.units(5), machine)
    assert machine.flush("network", "again") == []
    again = machine.push(m.units(1)[0])
    assert isinstance(again[0], RunStart) and (again[0].since, again[0].detail) == ("network", "again")
    assert isinstance(records[0], RunStart) and records[0].since is None


def test_genesis_and_links_follow_the_rule() -> None:
    start, chunks, _ = m.one_run(20)
    assert chunks[0].facts.prev_link == chain.genesis(start.run, chain.digest(start.init))
    for before, after in pairwise(chunks):
        assert after.facts.prev_link == chain.link_of(before.facts)
        assert chain.digest(after.value) == after.facts.digest


@pytest.mark.parametrize("chunk_ms", [0, -5, 501])
def test_chunk_lengths_out_of_bounds_are_refused(chunk_ms: int) -> None:
    with pytest.raises(Rejected, match="chunks of"):
        m.muxer(chunk_ms=chunk_ms)


@pytest.mark.parametrize("timescale", [0, 10**9 + 1])
def test_timescales_out_of_bounds_are_refused(timescale: int) -> None:
    with pytest.raises(Rejected, match="timescale"):
        m.muxer(timescale=timescale)


@settings(max_examples=60)
@given(
    st.lists(
        st.tuples(
            st.lists(st.binary(min_size=1, max_size=30), max_size=3), st.integers(-(1 << 62), 1 << 62),
            st.none() | st.integers(-(1 << 62), 1 << 62), st.integers(0, 1 << 62), st.booleans(),
        ),
        max_size=30,
    ),
    st.sampled_from(["h264", "h265"]),
)  # fmt: skip
def test_hostile_access_units_come_out_once_or_are_counted(
    stream: list[tuple[list[bytes], int, int | None, int, bool]], codec: VideoCodec
) -> None:
    machine = m.muxer(codec, parameter_sets=m.SETS_H264 if codec == "h264" else m.SETS_H265)
    units = [AccessUnit(tuple(nals), pts, dts, arrival, sync) for nals, pts, dts, arrival, sync in stream]
    records = m.mux(units, machine)
    came_out = [nal for _, chunks, _ in m.runs(records) for nal in m.nals_of(chunks)]
    everything = m.nals_in(units)
    assert came_out == everything[len(everything) - len(came_out) :] or machine.counters.skipped_units
    for start, chunks, end in m.runs(records):
        assert verify_run(start, chunks, m.PUBLIC_KEY, end=end).is_authentic
