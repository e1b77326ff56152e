"""An oracle for "the same coded pictures": slice NAL units of any file, read by ffmpeg, split here, not by our own media code."""

from __future__ import annotations

import hashlib
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

Codec = Literal["h264", "hevc"]
_START_CODE = re.compile(rb"\x00\x00\x01")


def slice_digests(path: Path, codec: Codec) -> list[bytes]:
    """SHA-256 of every slice NAL of the first video stream, in decoding order."""
    return [hashlib.sha256(nal).digest() for nal in _nals(_annex_b(path, codec)) if _is_slice(nal, codec)]


def codec_of(path: Path) -> Codec:
    """``h264`` or ``hevc``, as ffprobe names it."""
    asked = ["ffprobe", "-v", "error", "-select_streams", "v:0", "-show_entries", "stream=codec_name", "-of", "csv=p=0"]
    name = subprocess.run([*asked, str(path)], check=True, capture_output=True, text=True).stdout.split()[0].strip(",")
    assert name in ("h264", "hevc"), f"{path} holds {name}"
    return name  # type: ignore[return-value]


def seconds_of(path: Path) -> float:
    """How long the first video stream lasts, by ffprobe's count of its packets and its frame rate."""
    asked = [
        "ffprobe",
        "-v",
        "error",
        "-select_streams",
        "v:0",
        "-show_entries",
        "packet=duration_time",
        "-of",
        "csv=p=0",
    ]
    rows = subprocess.run([*asked, str(path)], check=True, capture_output=True, text=True).stdout.split()
    return sum(float(row.strip(",")) for row in rows)


def assert_played_whole(path: Path) -> None:
    """ffmpeg decodes the file from beginning to end without one complaint."""
    done = subprocess.run(
        ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-f", "null", "-"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr.strip(), done.stderr


def first_difference(got: Sequence[bytes], expected: Sequence[bytes]) -> str:
    """Where two sequences part, in words, for an assertion's message."""
    for index, (left, right) in enumerate(zip(got, expected, strict=False)):
        if left != right:
            where = expected.index(left) if left in expected else "nowhere"
            return f"slice {index} differs (it stands at {where} of the source); {len(got)} against {len(expected)}"
    return f"{len(got)} slices against {len(expected)}"


def _annex_b(path: Path, codec: Codec) -> bytes:
    head = path.read_bytes()[:4]
    if path.suffix in (".h264", ".264", ".265") and head[:3] in (b"\x00\x00\x01", b"\x00\x00\x00"):
        return path.read_bytes()
    bsf = "h264_mp4toannexb" if codec == "h264" else "hevc_mp4toannexb"
    command = ["ffmpeg", "-v", "error", "-i", str(path), "-map", "0:v:0", "-c", "copy", "-bsf:v", bsf, "-f", codec, "-"]
    return subprocess.run(command, check=True, capture_output=True).stdout


def _nals(stream: bytes) -> list[bytes]:
    starts = [match.end() for match in _START_CODE.finditer(stream)]
    ends = [start - 3 for start in starts[1:]] + [len(stream)]
    return [stream[start:end].rstrip(b"\x00") for start, end in zip(starts, ends, strict=True)]


def _is_slice(nal: bytes, codec: Codec) -> bool:
    if not nal:
        return False
    return 1 <= nal[0] & 0x1F <= 5 if codec == "h264" else (nal[0] >> 1) & 0x3F < 32
