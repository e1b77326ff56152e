"""The clips that end-to-end tests run on: real ones beside the checkout if they are there, drawn ones of our own if not."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from services.box.command import main as kanhu
from services.simulation.drawn_room import DrawnRoom

SHARED = Path(__file__).parents[3] / "shared" / "data"
WHOLE_PICTURE = ((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0))
_ROOM, _SEED, _DRAWN_S = "playroom", 0, 60.0


@dataclass(frozen=True, slots=True)
class Material:
    """Clips and what is known of them. ``people_s`` are the spans in which somebody stands in ``zone`` of ``h264``."""

    h264: Path
    h265: Path
    b_frames: Path
    people_s: tuple[tuple[float, float], ...]
    zone: tuple[tuple[float, float], ...]
    tolerance_s: float
    model: str
    model_file: Path | None


def real_material() -> Material | None:
    """The clips and the model that data/INDEX.md describes; ``None`` where they are not."""
    clips, model = SHARED / "clips", SHARED / "models" / "det_yolox_nano_416.onnx"
    if not (clips.is_dir() and model.is_file()):
        return None
    people_s = ((1.5, 6.1), (14.8, 20.2), (28.4, 33.2), (43.6, 46.3))
    pyramid = SHARED / "bad_media" / "bbb_800x640_768kbps_30fps_avc_pyramid_3b.mp4"
    return Material(
        clips / "room_people_12fps.mp4",
        clips / "room_people_h265.mp4",
        pyramid,
        people_s,
        WHOLE_PICTURE,
        1.0,
        "yolox-nano-416",
        model,
    )


def drawn_material(directory: Path) -> Material:
    """A minute of a drawn room in H.264 and H.265, and a piece of it with a B-pyramid."""
    drawn = directory / "drawn.mp4"
    words = ["--room", _ROOM, "--seed", str(_SEED), "--seconds", str(_DRAWN_S), "--out", str(drawn)]
    assert kanhu(["simulate", "render", *words]) == 0
    h264, h265, b_frames = directory / "drawn_h264.mp4", directory / "drawn_h265.mp4", directory / "drawn_b.mp4"
    _encode(drawn, h264, "-c:v", "libx264", "-g", "20", "-bf", "2")
    _encode(
        drawn,
        h265,
        "-t",
        "16",
        "-c:v",
        "libx265",
        "-x265-params",
        "keyint=20:bframes=2:log-level=none",
        "-tag:v",
        "hvc1",
    )
    _encode(drawn, b_frames, "-t", "4", "-c:v", "libx264", "-g", "30", "-bf", "3", "-x264-params", "b-pyramid=normal")
    room = DrawnRoom(_ROOM, _SEED)
    people_s = tuple(room.presence(0, _DRAWN_S))
    return Material(h264, h265, b_frames, people_s, room.armed_zone, 1.0, "drawn-person", None)


def material(directory: Path) -> Material:
    return real_material() or drawn_material(directory)


def _encode(source: Path, target: Path, *options: str) -> None:
    subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(source), *options, "-pix_fmt", "yuv420p", str(target)], check=True
    )
