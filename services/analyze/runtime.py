"""ONNX Runtime sessions: one thread per run and no spinning.

Cameras run beside each other, so a run's own threads would only wait for each other, and waiting threads that spin cost half as
much again. Which provider runs a model is the configuration's choice; one that is missing falls back to the CPU, loudly.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnxruntime
import structlog

from services.contracts.errors import Corrupt

_log = structlog.get_logger(__name__)

#: Provider words of the settings → ONNX Runtime's names. The CPU is always there.
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider", "tensorrt": "TensorrtExecutionProvider",
              "openvino": "OpenVINOExecutionProvider"}  # fmt: skip
CPU = "cpu"
_ERRORS_ONLY = 3


def session_of(body: bytes, name: str, provider: str = CPU) -> Any:
    """A session of a model's bytes; ``Corrupt`` when ONNX Runtime refuses them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(body, options, providers=_choose(provider))
    except Exception as error:  # onnxruntime raises a family of pybind exceptions without a common base
        raise Corrupt(f"{name}: ONNX Runtime refuses the file: {str(error)[:300]}") from error


def _choose(word: str) -> Sequence[str]:
    wanted = _PROVIDERS.get(word, word)
    available = onnxruntime.get_available_providers()
    if wanted not in available:
        _log.error(
            "inference provider is missing; falling back to the CPU, which is slower",
            wanted=wanted, available=available,
        )  # fmt: skip
        return [_PROVIDERS[CPU]]
    return list(dict.fromkeys([wanted, _PROVIDERS[CPU]]))
