"""The clips: one scene at three sizes as an indoor camera sends it, and a still one. Made once, kept in the cache."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

from deploy.local.obtain import cache_directory
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.streams import SHARED, encode

FRAMES_PER_S = 25
ANALYSED_PER_S = 5
_VERSION = 2


@dataclass(frozen=True, slots=True)
class Form:
    width: int
    height: int
    kbit_per_s: int


FORMS = (Form(640, 360, 1000), Form(1280, 720, 2000), Form(1920, 1080, 4000))


def people(form: Form, seconds: float) -> Path:
    """People who come and go (``../shared``), retimed to 25 frames per second; a drawn room where there is no ``../shared``."""
    source = SHARED / "clips" / "room_people_12fps.mp4"
    if source.exists():
        return _make("room", form, seconds, ["-i", str(source)])
    return _make("drawn", form, seconds, ["-i", str(_drawn())])


def still(form: Form, seconds: float) -> Path:
    """The same camera's view while nobody is there: one picture, under the noise of a sensor."""
    source = SHARED / "clips" / "room_people_12fps.mp4"
    name, path, at = (
        ("room", source, 10.0) if source.exists() else ("drawn", _drawn(), _nobody_at(DrawnRoom("playroom", 0)))
    )
    folder = _folder()
    picture = folder / f"{name}-nobody.png"
    if not picture.exists():
        _ffmpeg(["-ss", str(at), "-i", str(path), "-frames:v", "1"], picture)
    return _make(f"{name}-still", form, seconds, ["-loop", "1", "-framerate", str(FRAMES_PER_S), "-i", str(picture)])


def _make(name: str, form: Form, seconds: float, source: list[str]) -> Path:
    path = _folder() / f"{name}-{form.width}x{form.height}-{form.kbit_per_s}k-{seconds:g}s.mp4"
    if path.exists():
        return path
    look = f"setpts=N/{FRAMES_PER_S}/TB,scale={form.width}:{form.height}:flags=bicubic,noise=c0s=6:c0f=t,format=yuv420p"
    rate = f"{form.kbit_per_s}k"
    words = [*source, "-t", str(seconds), "-vf", look, "-r", str(FRAMES_PER_S), "-an", "-c:v", "libx264"]
    words += ["-profile:v", "high", "-preset", "veryfast", "-g", "50", "-keyint_min", "50", "-sc_threshold", "0"]
    words += ["-bf", "0", "-refs", "1", "-b:v", rate, "-minrate", rate, "-maxrate", rate, "-bufsize", rate]
    _ffmpeg([*words, "-x264-params", "nal-hrd=cbr:slices=1", "-f", "mp4"], path)
    return path


def _drawn() -> Path:
    path = _folder() / "drawn.mp4"
    if not path.exists():
        room = DrawnRoom("playroom", 0)
        pictures = [room.frame(index / FRAMES_PER_S * 2) for index in range(20 * FRAMES_PER_S)]
        encode(path, pictures, FRAMES_PER_S)
    return path


def _nobody_at(room: DrawnRoom) -> float:
    """Seconds into the drawn clip, which runs twice as fast as the room."""
    return next((t / 4 for t in range(80) if not room.truth(t / 2)), 0.0)


def _ffmpeg(words: list[str], target: Path) -> None:
    part = target.with_name(f".{target.name}.part{target.suffix}")
    subprocess.run(["ffmpeg", "-v", "error", "-nostdin", *words, "-y", str(part)], check=True)
    part.replace(target)


def _folder() -> Path:
    folder = cache_directory() / f"bench-clips-{_VERSION}"
    folder.mkdir(parents=True, exist_ok=True)
    return folder
