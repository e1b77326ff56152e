"""The tensors inside a model file: all of them inside the file, of a size that fits what they say, made of numbers.

Works on the parsed protobuf only. ``Corrupt`` says what was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from services.analyze.registry import ModelEntry
from services.contracts.errors import Corrupt

#: No tensor of a model of ours comes near this (elements); beyond it a file is out to exhaust memory.
MAX_ELEMENTS = 64 * 1024 * 1024
_NUMBERS = {
    TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BOOL, TensorProto.INT8, TensorProto.UINT8,
    TensorProto.INT16, TensorProto.UINT16, TensorProto.INT32, TensorProto.UINT32, TensorProto.INT64, TensorProto.UINT64,
}  # fmt: skip
_FRACTIONS = {TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16}


def check_tensors(model: onnx.ModelProto, entry: ModelEntry) -> None:
    """Raise ``Corrupt`` unless every tensor is dense, inside the file, as large as it says, and finite."""
    for tensor in _tensors(model, entry.name):
        _check_place(tensor, entry.name)
        _check_size(tensor, entry.name)
        _check_numbers(tensor, entry)


def _tensors(model: onnx.ModelProto, name: str) -> Iterator[TensorProto]:
    if model.graph.sparse_initializer:
        raise Corrupt(f"{name}: model has sparse tensors; expected dense ones")
    yield from model.graph.initializer
    for node in model.graph.node:
        for attribute in node.attribute:
            if attribute.HasField("sparse_tensor") or attribute.sparse_tensors:
                raise Corrupt(f"{name}: model has sparse tensors; expected dense ones")
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def _check_place(tensor: TensorProto, name: str) -> None:
    if tensor.data_location == TensorProto.EXTERNAL or tensor.external_data:
        places = {item.key: item.value for item in tensor.external_data}
        where = places.get("location", "another file")
        raise Corrupt(f"{name}: tensor {tensor.name!r} lies in {where!r}; expected all weights inside the file")


def _check_size(tensor: TensorProto, name: str) -> None:
    count = prod(tensor.dims)
    if any(not 0 <= size <= MAX_ELEMENTS for size in tensor.dims) or count > MAX_ELEMENTS or len(tensor.dims) > 16:
        raise Corrupt(
            f"{name}: tensor {tensor.name!r} has shape {list(tensor.dims)}; at most {MAX_ELEMENTS} elements are allowed"
        )
    if tensor.data_type not in _NUMBERS:
        raise Corrupt(f"{name}: tensor {tensor.name!r} has type number {tensor.data_type}; expected plain numbers")
    if tensor.HasField("raw_data"):
        wanted = count * np.dtype(helper.tensor_dtype_to_np_dtype(tensor.data_type)).itemsize
        given, unit = len(tensor.raw_data), "bytes"
    else:
        wanted, unit = count, "numbers"
        given = len(getattr(tensor, helper.tensor_dtype_to_field(tensor.data_type)))
    if given != wanted:
        raise Corrupt(
            f"{name}: tensor {tensor.name!r} of shape {list(tensor.dims)} holds {given} {unit}; expected {wanted}"
        )


def _check_numbers(tensor: TensorProto, entry: ModelEntry) -> None:
    """NaN never; infinite numbers only where a kind of model is known to carry them as masks."""
    if tensor.data_type not in _FRACTIONS:
        return
    values = numpy_helper.to_array(tensor)
    broken = np.isnan(values) if entry.adapter.infinite_weights else ~np.isfinite(values)
    if broken.any():
        raise Corrupt(
            f"{entry.name}: tensor {tensor.name!r} has {int(broken.sum())} weights that are not finite numbers; "
            "the file is damaged or its training failed"
        )
