"""Clips encoded here, for machines without the shared test material and for what it does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path

import av

SHARED = Path(__file__).parents[4] / "shared" / "data" / "bad_media"

#: name: encoder, container, size, pixel format, options
GENERATED: dict[str, tuple[str, tuple[int, int], str, dict[str, str]]] = {
    "h264_baseline.mp4": ("libx264", (320, 240), "yuv420p", {"profile": "baseline", "g": "12"}),
    "h264_pyramid.mp4": ("libx264", (322, 242), "yuv420p", {"bf": "3", "x264-params": "b-pyramid=normal:keyint=20"}),
    "h264_10bit.mp4": ("libx264", (320, 240), "yuv420p10le", {"bf": "2"}),
    "h264_annexb.ts": ("libx264", (320, 240), "yuv420p", {"bf": "2", "g": "15"}),
    "h264_sliced.mp4": ("libx264", (320, 240), "yuv420p", {"x264-params": "slices=4:keyint=10"}),
    "h264_refresh.mp4": ("libx264", (320, 240), "yuv420p", {"x264-params": "intra-refresh=1:keyint=10"}),
    "h264_open_gop.mkv": ("libx264", (320, 240), "yuv420p", {"x264-params": "open-gop=1:keyint=12:bframes=2"}),
    "h265_main.mp4": ("libx265", (320, 240), "yuv420p", {"x265-params": "log-level=none:keyint=15"}),
    "h265_open_gop.mp4": ("libx265", (322, 242), "yuv420p", {"x265-params": "log-level=none:open-gop=1:keyint=12"}),
    "h265_10bit.ts": ("libx265", (320, 240), "yuv420p10le", {"x265-params": "log-level=none:bframes=3:keyint=15"}),
}


def encode(path: Path, name: str, *, frames: int = 60) -> Path:
    """Write one of :data:`GENERATED`: a moving gradient at 25 frames per second."""
    encoder, (width, height), pixels, options = GENERATED[name]
    target = path / name
    with av.open(str(target), "w") as container:
        stream = container.add_stream(encoder, rate=25, options=dict(options))
        assert isinstance(stream, av.VideoStream)
        stream.width, stream.height, stream.pix_fmt = width, height, pixels
        stream.codec_context.time_base = Fraction(1, 25)
        for number in range(frames):
            container.mux(stream.encode(_picture(width, height, pixels, number)))
        container.mux(stream.encode(None))
    return target


def damaged(path: Path) -> Mapping[str, Path]:
    """Bad files of every kind, made from a good one in ``path``."""
    good = encode(path, "h264_baseline.mp4").read_bytes()
    made = {
        "zero_length.mp4": b"",
        "noise.mp4": bytes((index * 197 + (index >> 3) * 31) % 251 for index in range(65_536)),
        "html.mp4": b"<html><body>502 Bad Gateway</body></html>",
        "truncated.mp4": good[: len(good) // 2],
        "flipped.mp4": bytes(octet ^ (0x10 if index % 997 == 0 else 0) for index, octet in enumerate(good)),
    }
    for name, octets in made.items():
        (path / name).write_bytes(octets)
    return {name: path / name for name in made}


def _picture(width: int, height: int, pixels: str, number: int) -> av.VideoFrame:
    picture = av.VideoFrame(width, height, "yuv420p")
    for index, plane in enumerate(picture.planes):
        row = bytes((at * 3 + number * 7 + index * 40) % 220 + 16 for at in range(plane.line_size))
        plane.update(b"".join(row[shift:] + row[:shift] for shift in (y % 16 for y in range(plane.height))))
    made = picture.reformat(format=pixels)
    made.pts = number
    return made
