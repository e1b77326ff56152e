"""Real and broken files through PyAV's packets into runs: everything comes out, or a clear error, in bounded time and memory.

ffprobe and PyAV are oracles only. Without the shared material the clips of :mod:`clips` stand in for it.
"""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import time
import tracemalloc
from pathlib import Path

import av
import pytest

from services.contracts.errors import Corrupt, Rejected
from services.media.cmaf_reader import parse_chunk
from services.media.segment import build_segment
from services.media.verify import verify_run, verify_segment
from tests.integration.media.clips import GENERATED, SHARED, damaged, encode
from tests.integration.media.demuxed import Muxed, mux_file
from tests.unit.media import material as m

FILES = sorted(path.name for path in SHARED.iterdir() if path.is_file()) if SHARED.is_dir() else []
#: What ends in an error instead of footage, and in which.
REFUSED = {
    "av1_video.mkv": Rejected, "no_duration.webm": Rejected, "sample_vvc.mp4": Rejected, "sample_audio_only.mp4": Rejected,
    "chunk_out_of_range.mp4": Corrupt, "mp4ff_2xSencNoMdat.mp4": Corrupt, "sample_malformed_free_box.mp4": Corrupt,
    "x_html_error_page.mp4": Corrupt, "x_random_bytes_seed3.mp4": Corrupt, "x_truncated_no_moov.mp4": Corrupt,
    "x_zero_length.mp4": Corrupt,
}  # fmt: skip
#: Headers that promise pictures and have none: nothing comes out, nothing fails.
EMPTY = {"invalid_userdata.mp4", "mp4ff_init_prog.mp4"}
#: Files of more than one run, and why each ended.
RUNS = {
    "x_pts_jumps_back.ts": ["back by 11.917 s", "end of file"],
    "x_resolution_change.h264": ["768x432 to avc3.64000C 384x216", "end of file"],
    "x_vfr_gap_bframes.mp4": ["forward by 3.167 s", "end of file"],
}
#: Units that hold no sync sample before them: counted, not silently gone.
SKIPPED = {"BA_MW_D_IDR_LOST.264": 27}
MAX_SECONDS, MAX_BYTES = 20.0, 64 << 20


@pytest.mark.parametrize("name", FILES)
def test_every_file_ends_in_footage_or_a_clear_error(name: str) -> None:
    began = time.process_time()
    tracemalloc.start()
    try:
        if name in REFUSED:
            with pytest.raises(REFUSED[name]) as refused:
                mux_file(SHARED / name)
            assert len(str(refused.value)) > 10
            return
        check(mux_file(SHARED / name), RUNS.get(name, ["end of file"]), SKIPPED.get(name, 0), empty=name in EMPTY)
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert time.process_time() - began < MAX_SECONDS
        assert peak < MAX_BYTES


@pytest.mark.parametrize("name", ["BA_MW_D.264", "bbb_800x640_768kbps_30fps_avc_pyramid_3b.mp4", "h265_bframes.mp4"])
def test_files_whose_decoding_times_are_not_told(name: str, tmp_path: Path) -> None:
    path = SHARED / name if FILES else encode(tmp_path, "h264_pyramid.mp4")
    told, derived = mux_file(path), mux_file(path, tell_dts=False)
    check(derived, ["end of file"], 0)
    assert _samples(derived) == _samples(told), "the same decoding and presentation times as the container's"


@pytest.mark.parametrize("name", GENERATED)
def test_clips_encoded_here(name: str, tmp_path: Path) -> None:
    muxed = mux_file(encode(tmp_path, name))
    check(muxed, ["end of file"], 0)
    assert not muxed.refused
    assert len(muxed.units) == 60


def test_damaged_clips(tmp_path: Path) -> None:
    for name, path in damaged(tmp_path).items():
        try:
            muxed = mux_file(path)
        except Corrupt as error:
            assert name in str(error)
            continue
        assert m.runs(muxed.records), name
        check(muxed, None, None)


def check(muxed: Muxed, ends: list[str] | None, skipped: int | None, *, empty: bool = False) -> None:
    runs = m.runs(muxed.records)
    if empty:
        assert not runs and not muxed.units
        return
    if ends is not None:
        assert len(runs) == len(ends)
        assert all(end in run[2].detail for run, end in zip(runs, ends, strict=True))
        assert muxed.muxer.counters.skipped_units == skipped
    whole = muxed.units[muxed.muxer.counters.skipped_units :]
    assert [nal for _, chunks, _ in runs for nal in m.nals_of(chunks)] == m.nals_in(whole), "every NAL unit, in order"
    for start, chunks, end in runs:
        assert verify_run(start, chunks, m.PUBLIC_KEY, end=end).is_authentic
        octets = build_segment(start.run, start.init, chunks)
        assert verify_segment(octets, m.PUBLIC_KEY).is_authentic
        samples = sum(len(parse_chunk(chunk.value).samples) for chunk in chunks)
        _check_with_pyav(octets, start.run.width, start.run.height, samples)
        _check_with_ffprobe(octets, start.run.width, start.run.height, samples)


def _check_with_pyav(octets: bytes, width: int, height: int, samples: int) -> None:
    with av.open(io.BytesIO(octets)) as container:
        (stream,) = container.streams.video
        packets = [packet for packet in container.demux(stream) if packet.size]
        assert (stream.width, stream.height, len(packets)) == (width, height, samples)
        decoding = [packet.dts for packet in packets if packet.dts is not None]
        assert decoding == sorted(set(decoding)) and len(decoding) == samples


def _check_with_ffprobe(octets: bytes, width: int, height: int, samples: int) -> None:
    """The concatenation of init segment and chunks is a file that ordinary tools read."""
    ffprobe = shutil.which("ffprobe")
    if ffprobe is None:  # PyAV, which is the same library, has judged already
        return
    asked = [
        ffprobe,
        "-v",
        "error",
        "-count_packets",
        "-show_entries",
        "stream=width,height,nb_read_packets",
        "-of",
        "json",
    ]
    done = subprocess.run([*asked, "-"], input=octets, capture_output=True, check=True, timeout=30)
    (stream,) = json.loads(done.stdout)["streams"]
    assert (stream["width"], stream["height"], int(stream["nb_read_packets"])) == (width, height, samples)


def _samples(muxed: Muxed) -> list[tuple[int, int]]:
    return [
        (entry.dts, entry.pts)
        for _, chunks, _ in m.runs(muxed.records)
        for chunk in chunks
        for entry in parse_chunk(chunk.value).samples
    ]
