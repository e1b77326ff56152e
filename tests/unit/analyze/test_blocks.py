"""Blocks of a frame: what the motion gate compares. Whatever covers two blocks changes them, wherever in the picture it is."""

from __future__ import annotations

import numpy as np
import pytest
from av.video.frame import VideoFrame

from services.analyze.core.motion import GatePolicy, MotionGate
from services.analyze.scaling import blocks_of
from services.contracts.time import NS_PER_S

SIZES = [(320, 180), (640, 360), (704, 576), (1280, 720), (1920, 1080), (360, 640)]


def frame_of(luma: np.ndarray) -> VideoFrame:
    """4:2:0 without colour. ``luma`` (height, width), even sides."""
    height, width = luma.shape
    grey = np.full((height // 2, width), 128, np.uint8)
    return VideoFrame.from_ndarray(np.vstack([luma, grey]), format="yuv420p")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_a_block_is_the_mean_of_its_pixels_where_they_vary_slowly(width: int, height: int) -> None:
    luma = np.add.outer(np.linspace(20, 120, height), np.linspace(0, 100, width)).astype(np.uint8)
    blocks = blocks_of(frame_of(luma))
    rows, columns = blocks.shape
    side = width // columns
    wanted = luma[: rows * side, : columns * side].reshape(rows, side, columns, side).mean(axis=(1, 3))
    assert 45 <= max(rows, columns) <= 160 and height - rows * side < side
    assert np.abs(blocks - wanted).max() <= 2.0


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_what_covers_two_blocks_opens_the_gate_anywhere(width: int, height: int) -> None:
    empty = np.full((height, width), 90, np.uint8)
    side = width // blocks_of(frame_of(empty)).shape[1]
    chance = np.random.default_rng(width)
    for _ in range(20):
        gate = MotionGate(GatePolicy(look_every_s=60.0))
        assert gate.wants(blocks_of(frame_of(empty)), NS_PER_S)
        assert not gate.wants(blocks_of(frame_of(empty)), 2 * NS_PER_S)
        x, y = int(chance.integers(width - 4 * side)), int(chance.integers(height - 4 * side))
        seen = empty.copy()
        seen[y : y + 3 * side, x : x + 2 * side] += 30  # covers at least two blocks wholly, wherever it lies
        assert gate.wants(blocks_of(frame_of(seen)), 3 * NS_PER_S), (x, y)


def test_a_format_without_a_luma_plane_of_its_own_is_converted_first() -> None:
    grey = np.full((360, 640, 3), 128, np.uint8)
    blocks = blocks_of(VideoFrame.from_ndarray(grey, format="bgr24"))
    assert blocks.ndim == 2 and int(np.ptp(blocks)) <= 1
