"""Camera health on what decoders give: tampered clips raise their own kind, all other clips raise none."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from fractions import Fraction
from itertools import chain, takewhile
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import VideoFrame

from services.analyze.sight import CameraSight
from services.contracts.time import NS_PER_S
from tests.harness.material import SHARED
from tests.unit.analyze.test_health import ROOM, nudged, shown

START_NS = 1_700_000_000 * NS_PER_S
CLIPS = SHARED / "clips"
#: From SHARED's INDEX.md; frames a second where the file has no timestamps.
TAMPERED = {
    "tamper_d_covered_8-14s.mp4": [("covered", 8.0), ("ok", 14.0)],
    "tamper_d_defocus_from9s.mp4": [("defocused", 9.0)],
    "tamper_d_moved_at10s.mp4": [("moved", 10.0)],
}
FRAMES_PER_S = {"room_people.h264": 12.0, "neg_city_dusk.h264": 25.0}
OTHERS = sorted(
    path.relative_to(SHARED).as_posix()
    for path in [*CLIPS.rglob("*"), *(SHARED / "mot").rglob("*.mp4"), *(SHARED / "bad_media").glob("onvif_test_*")]
    if path.suffix in (".mp4", ".mkv", ".h264") and path.name not in TAMPERED
)


def frames_of(path: Path) -> Iterator[tuple[int, VideoFrame]]:
    rate = FRAMES_PER_S.get(path.name)
    with av.open(str(path)) as container:
        for number, frame in enumerate(container.decode(video=0)):
            seconds = number / rate if rate else float(frame.time or 0.0)
            yield START_NS + round(seconds * NS_PER_S), frame


def changes(frames: Iterator[tuple[int, VideoFrame]]) -> list[tuple[str, float, float]]:
    """(state, said at, since) of every change of the verdict, seconds of the clip."""
    sight, said = CameraSight(), [("ok", 0.0, 0.0)]
    for frame_ns, frame in frames:
        sight.look(frame_ns, frame)
        state = sight.health.state
        if state != said[-1][0]:
            said.append((state, (frame_ns - START_NS) / NS_PER_S, (sight.health.since_ns - START_NS) / NS_PER_S))
    assert sight.looks > 0
    return said[1:]


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the clips are not beside this checkout; drawn ones are judged below")
@pytest.mark.parametrize("name", sorted(TAMPERED))
def test_a_tampered_clip_raises_its_own_kind(name: str) -> None:
    found = changes(frames_of(CLIPS / "tamper" / name))
    assert [state for state, _, _ in found] == [state for state, _ in TAMPERED[name]]
    for (_, said_s, since_s), (_, at_s) in zip(found, TAMPERED[name], strict=True):
        assert at_s <= said_s <= at_s + 5.0
        assert at_s - 1.1 <= since_s <= at_s + 2.1  # while people move and all is well, it looks every other second


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_clip_is_silent(name: str) -> None:
    assert changes(frames_of(SHARED / name)) == []


def room(seconds: float) -> Iterator[tuple[int, VideoFrame]]:
    """The beginning of a real clip."""
    return takewhile(lambda one: one[0] < START_NS + seconds * NS_PER_S, frames_of(CLIPS / "room_people_12fps.mp4"))


def repeated(frames: Sequence[VideoFrame], from_s: float, seconds: float) -> Iterator[tuple[int, VideoFrame]]:
    """The same pictures again and again, two a second."""
    for number in range(round(2 * seconds)):
        yield START_NS + round((from_s + number / 2) * NS_PER_S), frames[15 * number % len(frames)]


def dimmed(frame: VideoFrame, share: float) -> VideoFrame:
    picture = frame.to_ndarray(format="yuv420p")
    picture[: frame.height] = 16 + (picture[: frame.height].astype(np.int16) - 16) * share
    return VideoFrame.from_ndarray(picture, format="yuv420p")


@pytest.mark.skipif(
    not CLIPS.is_dir(), reason="the no-signal pictures are not beside this checkout; drawn ones are judged below"
)
@pytest.mark.parametrize("name", ["mediamtx_offline_h264.mp4", "mediamtx_offline_h265.mp4", "silent-black-10s.mp4"])
@pytest.mark.parametrize("shown_from_s", [0.0, 20.0])
@pytest.mark.parametrize("same_size", [False, True])
def test_a_no_signal_picture_is_a_camera_that_is_lost(name: str, shown_from_s: float, same_size: bool) -> None:
    slate = [frame for _, frame in frames_of(SHARED / "bad_media" / name)]
    if same_size:
        slate = [frame.reformat(768, 432) for frame in slate[:30]]
    found = changes(chain(room(shown_from_s), repeated(slate, shown_from_s, 10)))
    assert [state for state, _, _ in found] == ["lost"]
    assert found[0][1] <= shown_from_s + 5.0


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the clips are not beside this checkout; drawn ones are judged below")
def test_a_real_picture_that_stands_still_is_frozen() -> None:
    seen = list(room(40.0))
    found = changes(chain(seen, repeated([seen[-1][1]], 40.0, 30)))
    assert [state for state, _, _ in found] == ["frozen"]
    assert 40.0 <= found[0][1] <= 65.0


@pytest.mark.skipif(not CLIPS.is_dir(), reason="the clips are not beside this checkout; drawn ones are judged below")
def test_a_real_room_whose_lamps_go_out_is_dark_and_well_again_with_them() -> None:
    def lamps() -> Iterator[tuple[int, VideoFrame]]:
        for frame_ns, frame in room(40.0):
            seconds = (frame_ns - START_NS) / NS_PER_S
            yield frame_ns, dimmed(frame, 0.08) if 15.0 <= seconds < 30.0 else frame

    assert [state for state, _, _ in changes(lamps())] == ["dark", "ok"]


def drawn(seconds: int, *, frozen_from_s: int | None = None, nudged_from_s: int | None = None) -> Iterator[VideoFrame]:
    """A noisy room at 2 frames a second, as an encoder with key frames every 4 s and a bit rate to keep makes it."""
    rng = np.random.default_rng(5)
    encoder = av.CodecContext.create("libx264", "w")
    encoder.width, encoder.height, encoder.pix_fmt = ROOM.shape[1], ROOM.shape[0], "yuv420p"
    encoder.time_base, encoder.framerate, encoder.gop_size = Fraction(1, 2), Fraction(2), 8
    encoder.bit_rate, encoder.max_b_frames = 400_000, 0
    encoder.options = {"preset": "ultrafast", "tune": "zerolatency"}
    decoder = av.CodecContext.create("h264", "r")
    picture = np.full((ROOM.shape[0] * 3 // 2, ROOM.shape[1]), 120, np.uint8)
    for number in range(seconds * 2):
        if frozen_from_s is None or number < frozen_from_s * 2:
            turned = nudged_from_s is not None and number >= nudged_from_s * 2
            picture[: ROOM.shape[0]] = shown(nudged(ROOM) if turned else ROOM, rng)
        frame = VideoFrame.from_ndarray(picture, format="yuv420p")
        frame.pts = number
        for packet in encoder.encode(frame):
            yield from decoder.decode(packet)


def timed(frames: Iterator[VideoFrame]) -> Iterator[tuple[int, VideoFrame]]:
    return ((START_NS + number * NS_PER_S // 2, frame) for number, frame in enumerate(frames))


def test_a_frozen_camera_is_told_through_an_encoder() -> None:
    found = changes(timed(drawn(70, frozen_from_s=40)))
    assert [state for state, _, _ in found] == ["frozen"]
    assert 40 <= found[0][1] <= 62


def test_a_nudged_camera_is_told_through_an_encoder() -> None:
    found = changes(timed(drawn(20, nudged_from_s=10)))
    assert [(state, since_s) for state, _, since_s in found] == [("moved", 10.0)]
