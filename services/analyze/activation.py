"""Which model looks at which camera, and the sessions that run them: one per model file, shared by all cameras.

``auto`` gives simulated rooms the first packaged model that knows only those, and every other camera the first installed model
of the registry. A real camera without a real model is not watched, and that is said: a detector that cannot see people would turn
"not watched" into "no incident".
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

import structlog

from services.analyze.activation_record import Recorder, no_record
from services.analyze.batching import Batching
from services.analyze.detector import Model, activate
from services.analyze.installed import is_present, read_model
from services.analyze.registry import ModelEntry, Registry, entry_of, load_registry
from services.contracts.entity import CameraConfig
from services.contracts.errors import NotFound, Rejected
from services.contracts.settings import AnalyzeSettings, EmbeddedBackbone, Settings
from services.contracts.source_url import parse_source_url

logger = structlog.get_logger(__name__)

AUTO = "auto"


def models_directory(settings: Settings) -> Path | None:
    """Where installed models lie: ``analyze.models``, else ``DATA/models`` of a box, else nowhere."""
    if settings.analyze.models is not None:
        return Path(settings.analyze.models)
    if isinstance(settings.backbone, EmbeddedBackbone):
        return Path(settings.backbone.data) / "models"
    return None


@dataclass(slots=True)
class ModelShelf:
    """Chooses, verifies, activates and records models. Blocking; call it from a thread other than the event loop's."""

    settings: AnalyzeSettings
    models_dir: Path | None
    record: Recorder = no_record
    _active: dict[str, tuple[object, Model]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def model_for(self, camera: CameraConfig) -> Model:
        """The model for a camera. ``NotFound`` says what to install, ``Corrupt`` what is wrong with what is installed.

        A file that changed since it was activated is verified and activated anew.
        """
        entry = self._choose(camera, load_registry(self.models_dir))
        with self._lock:  # cameras that start together share one activation
            mark = self._fingerprint(entry)
            known = self._active.get(entry.name)
            if known is None or known[0] != mark:
                batching = Batching(self.settings.batch_size, self.settings.batch_wait_ms / 1000)
                known = (mark, activate(read_model(entry, self.models_dir), self.settings.provider, batching))
                self._active[entry.name] = known
        self.record(known[1])
        return known[1]

    def _choose(self, camera: CameraConfig, registry: Registry) -> ModelEntry:
        if self.settings.detector != AUTO:
            return _person_detector(entry_of(registry, self.settings.detector))
        if parse_source_url(camera.url).scheme == "sim":
            return _simulated_only(registry, self.models_dir)
        for entry in registry.values():
            if _watches_persons(entry) and not entry.drawn_rooms_only and is_present(entry, self.models_dir):
                return entry
        names = ", ".join(
            entry.name for entry in registry.values() if _watches_persons(entry) and not entry.drawn_rooms_only
        )
        raise NotFound(
            f"no detector for real pictures is installed, so camera {camera.camera_id} is recorded but not watched; "
            f"run: kanhu models install NAME --data DIR, with NAME one of {names}"
        )

    def _fingerprint(self, entry: ModelEntry) -> object:
        path = self.models_dir / f"{entry.name}.onnx" if self.models_dir is not None else None
        try:
            state = path.stat() if path is not None else None
        except OSError:
            state = None
        return (state.st_mtime_ns, state.st_size, state.st_ino) if state is not None else "packaged"


def _simulated_only(registry: Registry, models_dir: Path | None) -> ModelEntry:
    """The first model of the registry that knows nothing but simulated rooms; said each time, so that no log leaves it out."""
    for entry in registry.values():
        if entry.drawn_rooms_only and _watches_persons(entry) and is_present(entry, models_dir):
            logger.info("watched by a model that knows only simulated rooms and sees no real people", model=entry.name)
            return entry
    raise NotFound("no detector of simulated rooms is there, though one comes with the program; install kanhu anew")


def _watches_persons(entry: ModelEntry) -> bool:
    return entry.task == "detect" and bool(entry.person_classes)


def _person_detector(entry: ModelEntry) -> ModelEntry:
    if not _watches_persons(entry):
        raise Rejected(
            f"analyze.detector is {entry.name}, a model for task {entry.task} ({entry.use}); "
            "name one of task detect with a class person, adult or child"
        )
    return entry
