"""Small ONNX models made by hand: for any decoder, one that gives fixed outputs whatever it is shown."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.analyze.core.decoders.adapter import Expected
from services.analyze.model_file import digest_of
from services.analyze.registry import ModelEntry

TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int64": TensorProto.INT64}
Arrays = Mapping[str, NDArray[Any]]


def entry_for(decoder: str, *digests: str, width: int = 64, height: int = 64, **changes: Any) -> ModelEntry:
    """An entry of a kind of model, as simple as it can be."""
    detects = decoder in ("yolox", "yolov8", "nanodet", "fastestdet", "rtdetr")
    shape = {"name": "images", "width": width, "height": height, **changes.pop("input", {})}
    fields: dict[str, Any] = {
        "name": "toy", "title": "Toy", "decoder": decoder, "input": shape, "class_count": 2 if detects else 1,
        "licence": "Apache-2.0", "source": "here", "assessment": "PIA-0", "url": "https://example.org/toy.onnx",
        "sha256": list(digests) or ["0" * 64],
    }  # fmt: skip
    if detects:
        fields["classes"] = {"person": 0}
    if decoder in ("yunet", "ultralight"):
        fields["use"] = "masking"
    return ModelEntry.model_validate(fields | changes)


def accepted(model: onnx.ModelProto, entry: ModelEntry) -> tuple[bytes, ModelEntry]:
    """The file, and the entry that accepts it."""
    body: bytes = model.SerializeToString()
    return body, entry.model_copy(update={"sha256": [digest_of(body)]})


def fixed_model(entry: ModelEntry, outputs: Sequence[NDArray[Any]], names: Sequence[str] = ()) -> onnx.ModelProto:
    """Gives ``outputs`` for any picture: each is a weight plus nothing times the picture's first value."""
    wanted = entry.adapter.forms(entry.head())
    form = next(each for each in wanted if len(each) == len(outputs))
    called = [names[i] if names else each.name or f"output{i}" for i, each in enumerate(form)]
    nodes, weights = _first_value(entry)
    for name, value, each in zip(called, outputs, form, strict=True):
        weights.append(numpy_helper.from_array(value, f"{name}_fixed"))
        nodes += _add_nothing(name, each)
    given = [helper.make_tensor_value_info(entry.input.name, TYPES[entry.input.dtype], entry.input.shape)]
    if entry.input.size_input is not None:
        given.append(helper.make_tensor_value_info(entry.input.size_input, TensorProto.INT64, [1, 2]))
    results = [
        helper.make_tensor_value_info(name, TYPES[each.dtype], value.shape)
        for name, value, each in zip(called, outputs, form, strict=True)
    ]
    graph = helper.make_graph(nodes, "fixed", given, results, weights)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


def blank(entry: ModelEntry, form: int = 0) -> list[NDArray[Any]]:
    """Outputs of the right shape and type that find nothing."""
    outputs = entry.adapter.forms(entry.head())[form]
    return [np.zeros([size or 5 for size in each.shape], each.dtype) for each in outputs]


def _first_value(entry: ModelEntry) -> tuple[list[onnx.NodeProto], list[TensorProto]]:
    """A scalar made of the picture's first value, times zero."""
    numbers = {"zeros4": [0, 0, 0, 0], "ones4": [1, 1, 1, 1], "flat": [1]}
    weights = [numpy_helper.from_array(np.array(value, np.int64), name) for name, value in numbers.items()]
    weights.append(numpy_helper.from_array(np.zeros(1, np.float32), "nothing"))
    nodes = [
        helper.make_node("Slice", [entry.input.name, "zeros4", "ones4"], ["corner"]),
        helper.make_node("Cast", ["corner"], ["number"], to=TensorProto.FLOAT),
        helper.make_node("Reshape", ["number", "flat"], ["one"]),
        helper.make_node("Mul", ["one", "nothing"], ["none"]),
    ]
    return nodes, weights


def _add_nothing(name: str, expected: Expected) -> list[onnx.NodeProto]:
    if expected.dtype == "float32":
        return [helper.make_node("Add", [f"{name}_fixed", "none"], [name])]
    return [
        helper.make_node("Cast", ["none"], [f"{name}_none"], to=TYPES[expected.dtype]),
        helper.make_node("Add", [f"{name}_fixed", f"{name}_none"], [name]),
    ]
