"""Which provider runs a model: the one that was wanted, or it is said which one does, why, and what is needed.

A GPU is not needed: ONNX Runtime's list of providers and its session are stood in for where they would differ.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnxruntime
import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from services.analyze.detector import activate
from services.analyze.installed import read_model
from services.analyze.registry import load_registry
from services.analyze.runtime import session_of
from services.contracts.errors import Corrupt

TENSORRT, CUDA, CPU = "TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"
OPENVINO = "OpenVINOExecutionProvider"
#: What the wheel of onnxruntime-gpu says on every machine, with a GPU or without.
GPU_WHEEL = [TENSORRT, CUDA, CPU]


class Machine:
    """An ONNX Runtime built with ``built``, on a machine where only ``loads`` can be loaded; others are passed over in silence
    as the real one does, or raise with ``raising``. ``asked``: the lists of providers it was given."""

    def __init__(self, built: Sequence[str], loads: Sequence[str], *, raising: bool = False) -> None:
        self.built, self.loads, self.raising = list(built), loads, raising
        self.asked: list[list[str]] = []

    def open(self, _body: bytes, _options: Any, providers: Sequence[str]) -> Machine._Session:
        self.asked.append(list(providers))
        if self.raising and not set(providers) <= set(self.loads):
            raise RuntimeError("libcudart.so.13: cannot open shared object file")
        return Machine._Session([each for each in providers if each in self.loads])

    class _Session:
        def __init__(self, providers: list[str]) -> None:
            self._providers = providers

        def get_providers(self) -> list[str]:
            return self._providers


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Any:
    def make(built: Sequence[str], loads: Sequence[str], *, raising: bool = False) -> Machine:
        made = Machine(built, loads, raising=raising)
        monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: made.built)
        monkeypatch.setattr(onnxruntime, "InferenceSession", made.open)
        return made

    return make


def opened(wanted: str) -> tuple[list[str], list[Any]]:
    """(providers of the session, errors that were logged)."""
    with capture_logs() as said:
        providers = session_of(b"", "a-model", wanted).get_providers()
    return providers, [each for each in said if each["log_level"] == "error"]


@pytest.mark.parametrize(
    ("wanted", "built", "asked"),
    [
        ("cpu", GPU_WHEEL, [CPU]),
        ("cuda", GPU_WHEEL, [CUDA, CPU]),
        ("tensorrt", GPU_WHEEL, [TENSORRT, CUDA, CPU]),
        ("tensorrt", [TENSORRT, CPU], [TENSORRT, CPU]),
        ("openvino", [OPENVINO, CPU], [OPENVINO, CPU]),
    ],
)
def test_a_provider_that_is_there_is_used_and_nothing_is_said(
    wanted: str, built: list[str], asked: list[str], machine: Any
) -> None:
    runtime = machine(built, built)
    assert opened(wanted) == (asked, [])
    assert runtime.asked == [asked]


@pytest.mark.parametrize("wanted", ["cuda", "tensorrt"])
@pytest.mark.parametrize("raising", [False, True], ids=["in silence", "with an exception"])
def test_a_session_that_opened_on_the_cpu_though_the_wheel_has_the_provider_is_said(
    wanted: str, raising: bool, machine: Any
) -> None:
    """The defect: the list of available providers is what the wheel was built with."""
    machine(GPU_WHEEL, [CPU], raising=raising)
    providers, [error] = opened(wanted)
    assert providers == [CPU]
    assert (error["model"], error["wanted"], error["runs_on"]) == ("a-model", GPU_WHEEL[wanted == "cuda"], CPU)
    assert "onnxruntime-gpu in place of onnxruntime" in error["needed"] and "cuDNN 9" in error["needed"]
    assert ("libcudart" in error["reason"]) == raising


def test_tensorrt_that_cannot_be_loaded_leaves_cuda_and_is_said(machine: Any) -> None:
    machine(GPU_WHEEL, [CUDA, CPU])
    providers, [error] = opened("tensorrt")
    assert providers == [CUDA, CPU] and error["runs_on"] == CUDA and "TensorRT's libraries" in error["needed"]


@pytest.mark.parametrize(
    ("wanted", "built", "runs"),
    [("cuda", [CPU], CPU), ("tensorrt", [CUDA, CPU], CUDA), ("openvino", GPU_WHEEL, CPU)],
)
def test_a_wheel_without_the_provider_is_said(wanted: str, built: list[str], runs: str, machine: Any) -> None:
    machine(built, built)
    providers, [error] = opened(wanted)
    assert providers[0] == error["runs_on"] == runs
    assert "package has only" in error["reason"] and "in place of onnxruntime" in error["needed"]


@pytest.mark.parametrize("wanted", ["cpu", "cuda"])
def test_a_file_that_onnx_runtime_refuses_is_called_broken_whatever_was_wanted(wanted: str) -> None:
    with pytest.raises(Corrupt, match="refuses the file"):
        session_of(b"no model", "a-model", wanted)


@pytest.mark.parametrize("wanted", ["cuda", "tensorrt"])
def test_what_really_runs_a_model_is_in_its_activation_and_its_metric(
    wanted: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model's real sessions, on a machine whose wheel promises a GPU that is not there."""
    real = onnxruntime.InferenceSession

    def pass_over(body: bytes, options: Any, providers: Sequence[str]) -> Any:
        return real(body, options, providers=[each for each in providers if each == CPU])

    monkeypatch.setattr(onnxruntime, "get_available_providers", lambda: GPU_WHEEL)
    monkeypatch.setattr(onnxruntime, "InferenceSession", pass_over)
    with capture_logs() as said:
        model = activate(read_model(load_registry()["drawn-person"], None), wanted)
    assert model.provider == CPU
    assert [each["provider"] for each in said if each["event"] == "model activated"] == [CPU]
    assert [each["log_level"] for each in said if "provider that was wanted" in each["event"]] == ["error"]
    labels = {"model": "drawn-person", "wanted": wanted, "provider": CPU}
    assert REGISTRY.get_sample_value("kanhu_analysis_model_info", labels) == 1
