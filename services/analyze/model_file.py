"""What is inside a model file, looked at before anything runs it.

An ONNX file is a program: it may name other files to read, carry operators from shared libraries, or ask for terabytes.
Everything here works on the parsed protobuf only. ``Corrupt`` says what was found and what was expected.
"""

from __future__ import annotations

import hashlib
from math import prod

import onnx
from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
from onnx import TensorProto

from services.analyze.core.decoders.adapter import say
from services.analyze.registry import ModelEntry
from services.contracts.errors import Corrupt

MAX_FILE_BYTES = 256 * 1024 * 1024
#: No tensor of a detector of ours comes near this (elements); beyond it a file is out to exhaust memory.
MAX_ELEMENTS = 64 * 1024 * 1024
_OUR_DOMAINS = ("", "ai.onnx")


def digest_of(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()


def check_model(body: bytes, entry: ModelEntry) -> None:
    """Raise ``Corrupt`` unless ``body`` is an accepted, self-contained detector of the entry's shape."""
    graph = _parse(body, entry)
    _check_self_contained(graph, entry)
    _check_shapes(graph, entry)
    digest = digest_of(body)
    if digest not in entry.sha256:
        raise Corrupt(f"{entry.name}: SHA-256 is {digest}; expected {' or '.join(entry.sha256)} ({_origin(entry)})")


def _parse(body: bytes, entry: ModelEntry) -> onnx.ModelProto:
    if len(body) > MAX_FILE_BYTES:
        raise Corrupt(f"{entry.name}: file has {len(body)} bytes; at most {MAX_FILE_BYTES} are allowed")
    try:
        model = onnx.load_model_from_string(body)
    except (DecodeError, ValueError, RuntimeError) as error:
        raise Corrupt(
            f"{entry.name}: {len(body)} bytes that are not an ONNX model; expected {_origin(entry)}"
        ) from error
    if not model.graph.node or not model.opset_import:
        raise Corrupt(f"{entry.name}: the file is truncated or empty (no operators); expected {_origin(entry)}")
    return model


def _check_self_contained(model: onnx.ModelProto, entry: ModelEntry) -> None:
    if model.functions or model.training_info:
        raise Corrupt(f"{entry.name}: model brings functions or training of its own; expected plain ONNX operators")
    foreign = {o.domain for o in model.opset_import} | {node.domain for node in model.graph.node}
    if foreign - set(_OUR_DOMAINS):
        raise Corrupt(
            f"{entry.name}: model needs operators of {sorted(foreign - set(_OUR_DOMAINS))}; expected ONNX's own only"
        )
    if model.graph.sparse_initializer:
        raise Corrupt(f"{entry.name}: model has sparse tensors; expected dense ones")
    for tensor in model.graph.initializer:
        _check_tensor(tensor, entry)
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise Corrupt(
                    f"{entry.name}: {node.op_type} {node.name!r} has a branch or loop; expected a straight graph"
                )
            for tensor in (*attribute.tensors, *((attribute.t,) if attribute.HasField("t") else ())):
                _check_tensor(tensor, entry)


def _check_tensor(tensor: TensorProto, entry: ModelEntry) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        places = {item.key: item.value for item in tensor.external_data}
        where = places.get("location", "another file")
        raise Corrupt(f"{entry.name}: tensor {tensor.name!r} lies in {where!r}; expected all weights inside the file")
    if any(size < 0 for size in tensor.dims) or prod(tensor.dims) > MAX_ELEMENTS:
        raise Corrupt(
            f"{entry.name}: tensor {tensor.name!r} has shape {list(tensor.dims)}; at most {MAX_ELEMENTS} elements are allowed"
        )


def _check_shapes(model: onnx.ModelProto, entry: ModelEntry) -> None:
    weights = {tensor.name for tensor in model.graph.initializer}
    inputs = {value.name: _shape(value) for value in model.graph.input if value.name not in weights}
    wanted: list[int | None] = list(entry.input.shape)
    if list(inputs) != [entry.input.name] or inputs[entry.input.name] != wanted:
        raise Corrupt(f"{entry.name}: model takes {inputs}; expected {{{entry.input.name!r}: {wanted}}}")
    outputs = [_shape(value) for value in model.graph.output]
    forms = entry.adapter.forms(entry.head())
    if not any(
        len(form) == len(outputs) and all(want.fits(got) for want, got in zip(form, outputs, strict=True))
        for form in forms
    ):
        raise Corrupt(f"{entry.name}: model gives {outputs}; expected {say(forms)}")
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True, data_prop=True)
        onnx.checker.check_model(model)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise Corrupt(f"{entry.name}: the graph does not hold together: {str(error).splitlines()[0][:300]}") from error
    for value in inferred.graph.value_info:
        shape = _shape(value)
        if prod(size or 1 for size in shape) > MAX_ELEMENTS:
            raise Corrupt(
                f"{entry.name}: {value.name!r} would have shape {shape}; at most {MAX_ELEMENTS} elements are allowed"
            )


def _shape(value: onnx.ValueInfoProto) -> list[int | None]:
    sizes = value.type.tensor_type.shape.dim
    return [size.dim_value if size.HasField("dim_value") else None for size in sizes]


def _origin(entry: ModelEntry) -> str:
    return entry.url or f"the file that ships with the program ({entry.source})"
