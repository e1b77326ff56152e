"""Clips for the agent's tests: small, drawn by ffmpeg, made once."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SHARED = Path(__file__).parents[4] / "shared" / "data"


@dataclass(frozen=True, slots=True)
class Clips:
    """All 320 x 240, 12 frames/s, a sync sample a second. ``seconds`` long."""

    h264: Path
    h264_b_frames: Path
    h265: Path
    h265_b_frames: Path
    raw_h264_b_frames: Path
    transport_stream: Path
    matroska: Path
    seconds: float


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Clips:
    folder = tmp_path_factory.mktemp("clips")
    seconds = 5

    def draw(name: str, *options: str) -> Path:
        path = folder / name
        graph = f"testsrc2=size=320x240:rate=12:duration={seconds},noise=alls=20:allf=t"
        subprocess.run(
            ["ffmpeg", "-v", "error", "-f", "lavfi", "-i", graph, "-pix_fmt", "yuv420p", *options, str(path)],
            check=True,
        )
        return path

    h264 = ("-c:v", "libx264", "-preset", "veryfast", "-g", "12", "-b:v", "300k")
    h265 = ("-c:v", "libx265", "-preset", "ultrafast", "-tag:v", "hvc1", "-b:v", "300k")
    b_frames = draw("h264_b.mp4", *h264, "-bf", "3", "-x264-params", "b-pyramid=normal")
    return Clips(
        h264=draw("h264.mp4", *h264, "-bf", "0"),
        h264_b_frames=b_frames,
        h265=draw("h265.mp4", *h265, "-x265-params", "keyint=12:bframes=0:log-level=none"),
        h265_b_frames=draw("h265_b.mp4", *h265, "-x265-params", "keyint=12:bframes=3:log-level=none"),
        raw_h264_b_frames=draw("raw_b.h264", *h264, "-bf", "3"),
        transport_stream=draw("h264_b.ts", *h264, "-bf", "3"),
        matroska=draw("h264_b.mkv", *h264, "-bf", "3"),
        seconds=seconds,
    )


@pytest.fixture(scope="session")
def shared() -> Path:
    """Collected clips beside the checkout."""
    if not (SHARED / "bad_media").is_dir():
        pytest.skip("the collected clips are not beside this checkout")
    return SHARED
