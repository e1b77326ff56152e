from __future__ import annotations

from struct import pack

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.contracts.errors import Corrupt, Rejected
from services.media import h264
from services.media.boxes import box, find_box, full_box, iter_boxes
from services.media.cmaf_reader import SampleDefaults, iter_samples, parse_chunk, parse_init
from services.media.cmaf_writer import Sample, build_chunk, build_init
from services.media.nal import join_length_prefixed, sample_size
from services.media.parameter_sets import ParameterSets, TrackConfig
from tests.unit.media import material as m

RUN_ID = "01b97ddf4c00" + "0123456789abcdef"


def track(codec: str = "h264", *, in_band: bool = False) -> TrackConfig:
    sets = ParameterSets(codec)  # type: ignore[arg-type]
    sets.update(m.SETS_H264 if codec == "h264" else m.SETS_H265)
    found = sets.track_for(m.unit(0, codec=codec, sync=True), in_band=in_band)  # type: ignore[arg-type]
    assert found is not None
    return found


def sample(nals: list[bytes], duration: int = 3600, offset: int = 0, *, sync: bool = False) -> Sample:
    return Sample(nals, sample_size(nals), duration, offset, sync)


SAMPLES = st.lists(
    st.builds(
        sample,
        st.lists(st.binary(min_size=1, max_size=40), min_size=1, max_size=4),
        st.integers(0, (1 << 32) - 1),
        st.integers(-(1 << 31), (1 << 31) - 1) | st.just(0),
    ),
    min_size=1, max_size=20,
)  # fmt: skip


@given(SAMPLES, st.booleans(), st.integers(0, 1 << 63), st.integers(0, 1 << 40), st.booleans())
def test_chunk_round_trip(samples: list[Sample], sync: bool, base: int, seq: int, named: bool) -> None:
    samples[0] = samples[0]._replace(sync=sync)
    value = build_chunk(samples, seq=seq, base_decode_time=base, run_id=RUN_ID if named else None)
    chunk = parse_chunk(value)
    assert (chunk.seq, chunk.base_decode_time, chunk.sync) == (seq % (1 << 32), base, sync)
    assert chunk.run_id == (RUN_ID if named else None)
    dts = base
    for written, (read, octets) in zip(samples, iter_samples(value, chunk), strict=True):
        assert (read.dts, read.duration, read.composition_offset) == (dts, written.duration, written.composition_offset)
        assert bytes(octets) == join_length_prefixed(written.nals)
        assert read.sync == (sync and written is samples[0])
        dts += written.duration
    assert chunk.duration == dts - base


@given(SAMPLES, st.integers(0, 1 << 40))
def test_the_quick_and_the_general_reading_agree(samples: list[Sample], base: int) -> None:
    value = build_chunk(samples, seq=3, base_decode_time=base, run_id=RUN_ID)
    quick = parse_chunk(value)
    # A 64-bit mdat size is legal and not what the writer makes, so the general reader gets it.
    moof = find_box(value, b"moof", 0, len(value))
    media = value[moof.end + 8 :]
    large = bytearray(value[: moof.end] + b"\0\0\0\1mdat" + (len(media) + 16).to_bytes(8, "big") + media)
    offset = large.index(b"trun") + 12
    large[offset : offset + 4] = (moof.end + 16).to_bytes(4, "big")
    general = parse_chunk(bytes(large))
    assert [entry._replace(offset=entry.offset + 8) for entry in quick.samples] == list(general.samples)
    assert (quick.seq, quick.run_id, quick.duration) == (general.seq, general.run_id, general.duration)


def test_chunks_that_others_wrote_are_read() -> None:
    """Defaults in trex and tfhd, flags per sample, tfdt version 0, several truns, 64-bit mdat."""
    tfhd = full_box(b"tfhd", 0, 0x02_0008, pack(">II", 1, 512))
    tfdt = full_box(b"tfdt", 0, 0, pack(">I", 77))
    first = full_box(b"trun", 0, 0x605, pack(">IiI", 1, 0, 0) + pack(">II", 3, 0x0101_0000))
    second = full_box(b"trun", 0, 0, pack(">I", 2))
    moof = box(b"moof", full_box(b"mfhd", 0, 0, pack(">I", 9)), box(b"traf", tfhd, tfdt, first, second))
    moof = moof.replace(pack(">IiI", 1, 0, 0), pack(">IiI", 1, len(moof) + 16, 0))
    media = b"aaabbbbcccc"
    value = moof + b"\0\0\0\1mdat" + pack(">Q", 16 + len(media)) + media
    chunk = parse_chunk(value, SampleDefaults(duration=1, size=4, flags=0x0101_0000))
    assert [bytes(octets) for _, octets in iter_samples(value, chunk)] == [b"aaa", b"bbbb", b"cccc"]
    assert [(entry.dts, entry.duration, entry.sync) for entry in chunk.samples] == [
        (77, 512, True), (589, 512, False), (1101, 512, False),
    ]  # fmt: skip
    assert (chunk.seq, chunk.run_id) == (8, None)


@pytest.mark.parametrize("codec", ["h264", "h265"])
@pytest.mark.parametrize("in_band", [False, True])
def test_init_round_trip(codec: str, in_band: bool) -> None:
    written = track(codec, in_band=in_band)
    facts = parse_init(build_init(written, 90_000))
    assert (facts.codec, facts.sample_entry) == (written.codec_string, written.sample_entry)
    assert (facts.width, facts.height, facts.timescale) == (64, 48 if codec == "h264" else 64, 90_000)
    assert (facts.extradata, facts.nal_length_size) == (written.codec_config, 4)
    assert facts.sample_entry == {("h264", False): "avc1", ("h264", True): "avc3", ("h265", False): "hvc1",
                                  ("h265", True): "hev1"}[codec, in_band]  # fmt: skip
    assert facts.video_codec == codec


def test_init_is_deterministic_and_names_the_pixel_shape() -> None:
    square = build_init(track(), 90_000)
    assert square == build_init(track(), 90_000)
    assert b"pasp" not in square
    wide = TrackConfig("avc1", "avc1.42C00A", h264.build_avcc([m.SPS_64X48], [m.PPS_64X48]), 720, 576, (16, 11))
    assert b"pasp" + pack(">II", 16, 11) in build_init(wide, 90_000)


@pytest.mark.parametrize("timescale", [0, -1, 1 << 32])
def test_unwritable_timescales_are_refused(timescale: int) -> None:
    with pytest.raises(Rejected, match="timescale"):
        build_init(track(), timescale)


def test_an_empty_chunk_is_refused() -> None:
    with pytest.raises(Rejected, match="at least one"):
        build_chunk([], seq=0, base_decode_time=0)


@given(st.binary(max_size=300))
def test_hostile_bytes_are_read_or_corrupt(octets: bytes) -> None:
    for read in (parse_chunk, parse_init, lambda value: list(iter_boxes(value))):
        try:
            read(octets)  # type: ignore[operator]
        except Corrupt:
            continue


@settings(max_examples=300)
@given(st.data())
def test_damaged_media_is_read_within_its_bounds_or_corrupt(data: st.DataObject) -> None:
    start, chunks, _ = m.one_run(12)
    for value, read in ((chunks[1].value, parse_chunk), (start.init, parse_init)):
        damaged = bytearray(value)
        for _ in range(data.draw(st.integers(1, 4))):
            damaged[data.draw(st.integers(0, len(value) - 1))] = data.draw(st.integers(0, 255))
        del damaged[data.draw(st.integers(0, len(value))) :]
        try:
            found = read(bytes(damaged))
        except Corrupt:
            continue
        for entry in getattr(found, "samples", ()):
            assert 0 <= entry.offset <= entry.offset + entry.size <= len(damaged)


def test_every_truncation_of_a_chunk_is_corrupt() -> None:
    _, chunks, _ = m.one_run(12)
    value = chunks[0].value
    for size in range(len(value)):
        with pytest.raises(Corrupt):
            parse_chunk(value[:size])
    with pytest.raises(Corrupt):
        parse_chunk(value + b"\0")


@pytest.mark.parametrize(
    ("octets", "says"),
    [
        (b"\0\0\0\7free", "fewer than its header"), (b"\0\0\0\x09free", "only 8 are left"),
        (b"\0\0\0\1free" + pack(">Q", 15), "fewer than its header"), (b"\0\0\0\1free\0\0\0", "cut off"),
        (b"\0\0\0\1free" + pack(">Q", 1 << 63), "only 16 are left"), (b"\0\0\0", "cut off"),
    ],
)  # fmt: skip
def test_overlong_and_short_boxes_are_corrupt(octets: bytes, says: str) -> None:
    with pytest.raises(Corrupt, match=says):
        list(iter_boxes(octets))


def test_box_sizes_of_zero_and_64_bits() -> None:
    octets = box(b"free", b"ab") + b"\0\0\0\1skip" + pack(">Q", 18) + b"cd" + b"\0\0\0\0mdatrest"
    assert [(found.kind, octets[found.payload : found.end]) for found in iter_boxes(octets)] == [
        (b"free", b"ab"), (b"skip", b"cd"), (b"mdat", b"rest"),
    ]  # fmt: skip


def test_more_boxes_than_allowed_are_corrupt() -> None:
    with pytest.raises(Corrupt, match="more than 3"):
        list(iter_boxes(box(b"free") * 4, limit=3))


def test_a_table_larger_than_the_chunk_is_corrupt_at_once() -> None:
    _, chunks, _ = m.one_run(12)
    damaged = bytearray(chunks[0].value)
    at = damaged.index(b"trun") + 8
    damaged[at : at + 4] = b"\xff\xff\xff\xff"
    with pytest.raises(Corrupt, match="samples"):
        parse_chunk(bytes(damaged))
