"""ONNX Runtime sessions: one thread per run and no spinning.

Cameras run beside each other, so a run's own threads would only wait for each other, and waiting threads that spin cost half as
much again. Which provider runs a model is the configuration's choice. Where another one runs it, that is said as an error: a
service that quietly looks on the CPU is as slow as one without a GPU, and nobody would know why.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnxruntime
import structlog

from services.contracts.errors import Corrupt

_log = structlog.get_logger(__name__)

#: Provider words of the settings → ONNX Runtime's names, in the order in which they are tried. What TensorRT cannot run of a
#: model falls to the one after it, so CUDA stands between it and the CPU. The CPU is always there.
_CHAINS = {
    "cpu": ("CPUExecutionProvider",),
    "cuda": ("CUDAExecutionProvider", "CPUExecutionProvider"),
    "tensorrt": ("TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"),
    "openvino": ("OpenVINOExecutionProvider", "CPUExecutionProvider"),
}
CPU = "cpu"
_GPU = (
    "install the package onnxruntime-gpu in place of onnxruntime (never both), an NVIDIA driver, and CUDA and cuDNN 9 of the "
    "version it was built for, where the loader finds them"
)
#: What a provider needs, for whoever wanted it and did not get it.
_NEEDS = {
    "cuda": _GPU,
    "tensorrt": f"{_GPU}; besides these TensorRT's libraries",
    "openvino": "install the package onnxruntime-openvino in place of onnxruntime (never both)",
}
_ERRORS_ONLY = 3


def session_of(body: bytes, name: str, provider: str = CPU) -> Any:
    """A session of a model's bytes; ``Corrupt`` when ONNX Runtime refuses them. ``session.get_providers()[0]`` runs it."""
    available = onnxruntime.get_available_providers()
    chain = [each for each in _chain(provider) if each in available]
    reason = "" if _chain(provider)[0] in available else f"the installed package has only {', '.join(available)}"
    try:
        session = _open(body, chain)
    except Exception as error:  # onnxruntime raises a family of pybind exceptions without a common base
        if chain == list(_chain(CPU)):
            raise Corrupt(f"{name}: ONNX Runtime refuses the file: {str(error)[:300]}") from error
        reason = str(error)[:300]
        session = session_of(body, name)  # some failures to load a provider are raised, others are passed over
    _compare(session, name, provider, reason)
    return session


def _open(body: bytes, providers: Sequence[str]) -> Any:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
    options.log_severity_level = _ERRORS_ONLY
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.add_session_config_entry("session.inter_op.allow_spinning", "0")
    return onnxruntime.InferenceSession(body, options, providers=list(providers))


def _chain(word: str) -> Sequence[str]:
    return _CHAINS.get(word, (word, *_CHAINS[CPU]))


def _compare(session: Any, name: str, word: str, reason: str) -> None:
    """Say it when the session runs on another provider than was wanted.

    Only the session knows: the list of available providers says what the package was built with, not what this machine can load.
    """
    wanted, runs = _chain(word)[0], str(session.get_providers()[0])
    if runs != wanted:
        _log.error(
            "model does not run on the provider that was wanted; it is slower than it could be",
            model=name, wanted=wanted, runs_on=runs,
            reason=reason or "its libraries or its device could not be loaded", needed=_NEEDS.get(word, wanted),
        )  # fmt: skip
