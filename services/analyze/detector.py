"""Runs a detector model on decoded frames: one ONNX Runtime session per model, shared by all cameras and threads.

One thread per run and no spinning: cameras run beside each other, and waiting threads that spin cost half as much again.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import onnxruntime
import structlog
from av.video.frame import VideoFrame

from services.analyze.core.decoders import yolox
from services.analyze.core.detection import Detections
from services.analyze.installed import InstalledModel
from services.analyze.registry import ModelEntry
from services.analyze.scaling import InputScaler
from services.contracts.errors import Corrupt

_log = structlog.get_logger(__name__)

#: Provider words of the settings → ONNX Runtime's names. The CPU is always there.
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider",
              "openvino": "OpenVINOExecutionProvider"}  # fmt: skip
_NMS_IOU = 0.45


@dataclass(frozen=True, slots=True)
class Model:
    """An activated model: what it is, and the session that runs it."""

    entry: ModelEntry
    sha256: str
    session: Any
    provider: str

    @property
    def name(self) -> str:
        return self.entry.name


def activate(installed: InstalledModel, provider: str = "cpu") -> Model:
    """Make a session of a verified model; says in the log what was activated and on whose assessment (R-24)."""
    chosen = _choose_provider(provider)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(installed.body, options, providers=chosen)
    except Exception as error:  # onnxruntime raises a family of pybind exceptions without a common base
        raise Corrupt(f"{installed.entry.name}: ONNX Runtime refuses the file: {str(error)[:300]}") from error
    model = Model(installed.entry, installed.sha256, session, session.get_providers()[0])
    _log.info(
        "model activated", model=model.name, sha256=model.sha256, licence=model.entry.licence,
        assessment=model.entry.assessment, provider=model.provider, scope=model.entry.scope,
    )  # fmt: skip
    return model


def _choose_provider(word: str) -> Sequence[str]:
    wanted = _PROVIDERS.get(word, word)
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        _log.error(
            "inference provider is missing; falling back to the CPU, which is slower",
            wanted=wanted, available=available,
        )  # fmt: skip
        return [_PROVIDERS["cpu"]]
    return list(dict.fromkeys([wanted, _PROVIDERS["cpu"]]))


@dataclass(slots=True)
class PersonDetector:
    """Finds people in one camera's frames. Holds that camera's buffers, so one caller at a time; the session is shared."""

    model: Model
    least_score: float
    _scaler: InputScaler = field(init=False)

    def __post_init__(self) -> None:
        self._scaler = InputScaler(self.model.entry.input.width, self.model.entry.input.height)

    def detect(self, frame: VideoFrame) -> Detections:
        """People in pixels of the frame, best first, with a score of at least ``least_score``."""
        tensor, laid = self._scaler.fill(frame)
        entry = self.model.entry
        output = self.model.session.run(None, {entry.input.name: tensor})[0]
        found = yolox.decode(
            np.asarray(output), entry.input.width, entry.input.height,
            classes=entry.person_classes, score=self.least_score, iou=_NMS_IOU,
        )  # fmt: skip
        return replace(found, boxes=laid.to_picture(found.boxes)) if len(found) else found
