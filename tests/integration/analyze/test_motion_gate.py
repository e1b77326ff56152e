"""The motion gate on real clips: it spares runs of the detector, and never one that would have shown somebody."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from av import VideoFrame

from services.analyze import engine as watching
from services.analyze.core.motion import Blocks, MotionGate
from services.analyze.detector import Model, PersonDetector
from services.analyze.scaling import blocks_of
from services.contracts.time import NS_PER_S
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.conftest import EngineMaker
from tests.integration.analyze.streams import START_NS, muxed, watch

SURE = 0.4


class JudgedGate(MotionGate):
    """Every frame that it keeps back is shown to a detector all the same. ``overlooked``: seconds at which somebody was there."""

    def __init__(self, model: Model) -> None:
        super().__init__()
        self._detector = PersonDetector(model, SURE)
        self._frame: VideoFrame | None = None
        self.let_through, self.kept_back = 0, 0
        self.overlooked: list[float] = []

    def blocks_of(self, frame: VideoFrame) -> Blocks:
        self._frame = frame
        return blocks_of(frame)

    def held_open(self, frame_ns: int) -> bool:
        held = super().held_open(frame_ns)
        self.let_through += held
        return held

    def wants(self, blocks: Blocks, frame_ns: int) -> bool:
        wanted = super().wants(blocks, frame_ns)
        self.let_through += wanted
        if not wanted:
            self.kept_back += 1
            assert self._frame is not None
            if len(self._detector.detect(self._frame)):
                self.overlooked.append((frame_ns - START_NS) / NS_PER_S)
        return wanted


@pytest.fixture
def judged(engine_of: EngineMaker, monkeypatch: pytest.MonkeyPatch) -> Callable[..., JudgedGate]:
    """A file watched by an engine as a camera is, at five frames a second of capture time."""

    def through(path: Path, model: Model, raw_frames_per_s: float | None = None) -> JudgedGate:
        gate = JudgedGate(model)
        monkeypatch.setattr(watching, "blocks_of", gate.blocks_of)
        watch(engine_of(model, gate=gate), muxed(path, raw_frames_per_s=raw_frames_per_s))
        return gate

    return through


@pytest.mark.parametrize(
    ("name", "raw_frames_per_s", "least_kept_back"),
    [
        ("room_people_12fps.mp4", None, 25),
        ("room_people.h264", 25.0, 3),  # the same at twice their pace
        ("room_people_h265.mp4", None, 7),
        ("neg_bottles_hand.mp4", None, 10),
    ],
)
def test_nobody_whom_the_detector_sees_is_in_a_frame_that_was_kept_back(
    clip: Callable[[str], Path], yolox_nano: Model, judged: Callable[..., JudgedGate], name: str,
    raw_frames_per_s: float | None, least_kept_back: int,
) -> None:  # fmt: skip
    gate = judged(clip(f"clips/{name}"), yolox_nano, raw_frames_per_s)
    assert gate.overlooked == []
    assert gate.let_through > 0 and gate.kept_back >= least_kept_back


def test_nor_in_one_of_a_drawn_room(
    drawn_clip: tuple[Path, DrawnRoom, float], drawn_person: Model, judged: Callable[..., JudgedGate]
) -> None:
    gate = judged(drawn_clip[0], drawn_person)
    assert gate.overlooked == []
    assert gate.let_through > 0 and gate.kept_back > 0
