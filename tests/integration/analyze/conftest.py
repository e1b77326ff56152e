"""Models, engines and clips for the tests of the analysis; a test of real clips is skipped where ``../shared`` is absent."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from services.analyze.core.motion import MotionGate
from services.analyze.core.rules.commands import Close, Open
from services.analyze.detector import Model, PersonDetector, activate
from services.analyze.engine import LEAST_SCORE, CameraEngine, Judgement, ModelName
from services.analyze.installed import install, read_model
from services.analyze.registry import load_registry
from services.contracts.entity import CameraConfig, Zone
from services.contracts.time import NS_PER_S
from services.simulation.drawn_room import DrawnRoom
from tests.integration.analyze.streams import SHARED, START_NS, encode

WHOLE_PICTURE = Zone(name="floor", polygon=[(0, 0), (1, 0), (1, 1), (0, 1)])

EngineMaker = Callable[..., CameraEngine]


@pytest.fixture(scope="session")
def drawn_person() -> Model:
    return activate(read_model(load_registry()["drawn-person"], None))


@pytest.fixture(scope="session")
def yolox_nano(tmp_path_factory: pytest.TempPathFactory) -> Model:
    source = SHARED / "models" / "det_yolox_nano_416.onnx"
    if not source.exists():
        pytest.skip("needs ../shared/data/models")
    entry = load_registry()["yolox-nano-416"]
    return activate(install(entry, tmp_path_factory.mktemp("models"), source=source, now="2026-11-01T00:00:00Z"))


@pytest.fixture
def engine_of() -> EngineMaker:
    """An engine with a model, watching zones (default: the whole picture)."""

    def make(model: Model, *zones: Zone, frames_per_s: float = 5.0, gate: MotionGate | None = None) -> CameraEngine:
        watched = list(zones) or [WHOLE_PICTURE]
        camera = CameraConfig(camera_id="room", url="sim:room", zones=watched, analysed_frames_per_s=frames_per_s)
        engine = CameraEngine(camera, gate=gate)
        engine.use(PersonDetector(model, LEAST_SCORE), ModelName(model.name, model.sha256))
        return engine

    return make


@pytest.fixture(scope="session")
def clip() -> Callable[[str], Path]:
    def path(name: str) -> Path:
        found = SHARED / name
        if not found.exists():
            pytest.skip(f"needs ../shared/data/{name}")
        return found

    return path


@pytest.fixture(scope="session")
def drawn_clip(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DrawnRoom, float]:
    """(MP4, room, seconds): a drawn room through an H.264 encoder, from its first second on."""
    room = DrawnRoom("playroom", 0)
    seconds = next(end for start, end in room.presence(0, 600) if start > 1) + 6.0
    pictures = [room.frame(index / 10) for index in range(int(seconds * 10))]
    path = encode(tmp_path_factory.mktemp("drawn") / "playroom.mp4", pictures, 10)
    return path, room, len(pictures) / 10


@pytest.fixture(scope="session")
def empty_room_picture() -> np.ndarray:
    room = DrawnRoom("playroom", 0)
    return room.frame(next(t / 2 for t in range(2000) if not room.truth(t / 2)))


def intervals(judgements: list[Judgement]) -> list[tuple[float, float]]:
    """Seconds since the start of the stream of each incident, from opened to closed."""
    opened = [j.command.onset_ns for j in judgements if isinstance(j.command, Open)]
    ends = {j.command.onset_ns: j.command.end_ns for j in judgements if isinstance(j.command, Close)}
    return [((onset - START_NS) / NS_PER_S, (ends[onset] - START_NS) / NS_PER_S) for onset in opened]
