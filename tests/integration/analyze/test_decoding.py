"""Decoding what cameras really send: late joins, holes, damage. Every stream ends in bounded time, counted, without a crash."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from services.analyze.core.detection import Detections, nothing
from services.analyze.core.sampling import GopThinner, Pace
from services.analyze.core.shedding import CostMeter
from services.analyze.decoding import ChunkDecoder, Picture, frames_in
from services.analyze.engine import CameraEngine, ModelName
from services.analyze.turn import Turn, do_turn
from services.contracts.entity import CameraConfig
from services.contracts.errors import Corrupt
from services.contracts.media_record import Chunk, MediaRecord, RunEnd, RunStart
from services.contracts.time import NS_PER_S
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.streams import SHARED, chunks, encode, muxed, run_start, watch


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[MediaRecord]:
    """Ten seconds of a drawn room, 10 fps, a sync sample every second."""
    room = DrawnRoom("nap", 1)
    path = tmp_path_factory.mktemp("clip") / "nap.mp4"
    return muxed(encode(path, [room.frame(i / 10) for i in range(100)], 10, gop=10))


def decode(records: Sequence[MediaRecord], decoder: ChunkDecoder | None = None) -> list[Picture]:
    decoder = decoder or ChunkDecoder()
    pictures: list[Picture] = []
    for record in records:
        match record:
            case RunStart():
                pictures += decoder.flush()
                decoder.start(record)
            case Chunk():
                pictures += decoder.decode(record)
            case RunEnd():
                pictures += decoder.flush()
    return pictures


def seconds(pictures: Sequence[Picture], records: Sequence[MediaRecord]) -> list[float]:
    return [round((picture.frame_ns - run_start(records).start_ns) / NS_PER_S, 3) for picture in pictures]


def test_every_frame_comes_out_at_its_capture_time(records: list[MediaRecord]) -> None:
    assert seconds(decode(records), records) == [round(i / 10, 3) for i in range(100)]


def test_capture_times_are_presentation_times_where_there_are_b_frames(clip: Callable[[str], Path]) -> None:
    path = clip("bad_media/bbb_800x640_768kbps_30fps_avc_pyramid_3b.mp4")
    with av.open(str(path)) as container:
        packets = [packet for packet in container.demux(video=0) if packet.size]
    first = min(packet.pts for packet in packets)
    scale = Fraction(packets[0].time_base)
    expected = sorted(round(float((packet.pts - first) * scale), 3) for packet in packets)
    stream = muxed(path)
    assert seconds(decode(stream), stream) == pytest.approx(expected, abs=0.0011)


def test_a_late_reader_begins_at_the_next_sync_chunk(records: list[MediaRecord]) -> None:
    decoder = ChunkDecoder()
    at = next(i for i, r in enumerate(records) if isinstance(r, Chunk) and r.facts.seq > 4 and not r.facts.sync)
    pictures = decode([run_start(records), *records[at:]], decoder)
    assert seconds(pictures, records)[0] == round(seconds(pictures, records)[0])
    assert decoder.tally.unsynchronised_chunks > 0
    assert len(pictures) >= 70


def test_a_lost_chunk_costs_the_rest_of_its_gop_and_no_more(records: list[MediaRecord]) -> None:
    decoder = ChunkDecoder()
    lost = next(
        c for c in chunks(records) if not c.facts.sync and c.facts.start_ns > run_start(records).start_ns + NS_PER_S
    )
    pictures = decode([r for r in records if r is not lost], decoder)
    missing = sorted({round(i / 10, 3) for i in range(100)} - set(seconds(pictures, records)))
    gop = int((lost.facts.start_ns - run_start(records).start_ns) // NS_PER_S)
    assert missing and all(int(at + 1e-9) == gop for at in missing), missing
    assert decoder.tally.resyncs == 1


def test_a_damaged_chunk_is_counted_and_the_next_gop_is_seen(records: list[MediaRecord]) -> None:
    decoder = ChunkDecoder()
    victim = chunks(records)[5]
    torn = replace(victim, value=victim.value[: len(victim.value) // 2])
    pictures = decode([torn if r is victim else r for r in records], decoder)
    assert decoder.tally.undecodable_chunks == 1
    assert seconds(pictures, records)[-1] == 9.9


def test_noise_inside_the_samples_never_raises(records: list[MediaRecord]) -> None:
    rng = np.random.default_rng(7)
    decoder = ChunkDecoder()
    noisy: list[MediaRecord] = []
    for record in records:
        if isinstance(record, Chunk) and record.facts.seq % 3 == 1:
            value = bytearray(record.value)
            for at in rng.integers(len(value) // 2, len(value), 20):
                value[at] = int(rng.integers(256))
            record = replace(record, value=bytes(value))
        noisy.append(record)
    assert seconds(decode(noisy, decoder), records)[0] == 0.0


def test_a_new_run_is_decoded_with_its_own_init_segment(records: list[MediaRecord], tmp_path: Path) -> None:
    small = [np.full((120, 160, 3), 30 * i % 255, np.uint8) for i in range(10)]
    other = muxed(encode(tmp_path / "small.mp4", small, 10), start_ns=run_start(records).start_ns + 60 * NS_PER_S)
    renamed = [_renamed(record) for record in other]
    pictures = decode([*records, *renamed])
    assert {(p.frame.width, p.frame.height) for p in pictures} == {(640, 360), (160, 120)}
    assert [p.frame.width for p in pictures].count(160) == 10


def _renamed(record: MediaRecord) -> MediaRecord:
    assert not hasattr(record, "end_ns") or isinstance(record, RunEnd)
    return replace(record, run=replace(record.run, run_id="f" * 28))  # type: ignore[union-attr,type-var]


def test_an_init_segment_that_is_none_is_refused_once_and_its_chunks_are_counted(records: list[MediaRecord]) -> None:
    decoder = ChunkDecoder()
    broken = replace(run_start(records), init=b"\x00\x00\x00\x08moov")
    with pytest.raises(Corrupt):
        decoder.start(broken)
    decoder.start(broken)
    assert list(decoder.decode(chunks(records)[0])) == []
    assert decoder.tally.unsynchronised_chunks == 1


@pytest.mark.parametrize(
    "name",
    sorted(
        path.name
        for path in (SHARED / "bad_media").glob("*")
        if path.suffix in (".264", ".h264", ".265", ".mp4", ".ts")
    )
    if SHARED.exists()
    else [],
)
def test_odd_media_ends_with_a_count(name: str) -> None:
    """Whatever the muxer can make chunks of, decoder and engine get through, and every frame of it has a fate."""
    try:
        records = muxed(SHARED / "bad_media" / name)
    except (Corrupt, av.error.FFmpegError, IndexError, ValueError, StopIteration) as error:
        pytest.skip(f"no stream to decode: {error}")
    engine = CameraEngine(CameraConfig(camera_id="odd", url="sim:odd"))
    engine.use(Blind(), ModelName("blind", ""))
    watch(engine, records)
    assert engine.fates.frames == sum(frames_in(chunk) for chunk in chunks(records))
    assert engine.fates.looked or not chunks(records) or engine.fates.skipped


class Blind:
    """Sees nobody, anywhere."""

    def detect(self, frame: VideoFrame) -> Detections:
        return nothing()


@pytest.mark.parametrize("mode", ["frames", "gops", "keyframes"])
def test_at_every_pace_each_frame_has_one_fate(records: list[MediaRecord], mode: Any) -> None:
    """A reader that comes late, a chunk lost on the way and a torn one included."""
    engine = CameraEngine(CameraConfig(camera_id="room", url="sim:room"))
    engine.use(Blind(), ModelName("blind", ""))
    every = 1 if mode == "frames" else 2
    pace = Pace(mode, 1.0, every, 1.0 / every)
    media = chunks(records)
    sent = [chunk for number, chunk in enumerate(media) if number > 1 and number != 9]
    torn = replace(sent[6], value=sent[6].value[:-40])
    turn = Turn(
        engine, run_start(records), [torn if c is sent[6] else c for c in sent], pace, GopThinner(), CostMeter()
    )
    outcomes = [outcome for chunk in turn.chunks for outcome in do_turn(replace(turn, chunks=[chunk]))]
    rest = engine.fates.copy()
    engine.flush()
    total = sum(outcome.fates.frames for outcome in outcomes) + engine.fates.since(rest).frames
    assert total == sum(frames_in(chunk) for chunk in turn.chunks)
    assert engine.fates.analysed >= 4 and engine.fates.skipped["shed"] > 0
    assert {outcome.cause for outcome in outcomes} <= {None, "shed", "unsynchronised", "undecodable"}
    if mode == "keyframes":
        assert engine.fates.analysed <= 1 + len([chunk for chunk in sent if chunk.facts.sync])


def test_a_resolution_change_gives_pictures_of_both_sizes(clip: Callable[[str], Path]) -> None:
    records = muxed(clip("bad_media/x_resolution_change.h264"), raw_frames_per_s=12)
    assert sum(isinstance(record, RunStart) for record in records) == 2
    sizes = [(picture.frame.width, picture.frame.height) for picture in decode(records)]
    assert set(sizes) == {(768, 432), (384, 216)}
