"""The graph inside a model file: plain operators in a straight line, the expected input and outputs, sizes known beforehand.

Works on the parsed protobuf only. ``Corrupt`` says what was found and what was expected.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import onnx
from onnx import TensorProto, defs

from services.analyze.core.decoders.adapter import Expected, say
from services.analyze.model_tensors import MAX_ELEMENTS
from services.analyze.registry import ModelEntry
from services.contracts.errors import Corrupt

#: All tensors of one run together, as if none were ever freed.
MAX_TOTAL_ELEMENTS = 512 * 1024 * 1024
#: Operators must be of the first; the second may be declared (converters do) but not used.
_OUR_DOMAIN = ("", "ai.onnx")
_HARMLESS_DOMAINS = ("ai.onnx.ml",)
_TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int64": TensorProto.INT64}
_TYPE_WORDS: dict[int, str] = {int(number): word for word, number in _TYPES.items()}

Shape = list[int | None]


def check_graph(model: onnx.ModelProto, entry: ModelEntry) -> None:
    """Raise ``Corrupt`` unless the graph is plain and takes and gives what the entry's decoder expects."""
    _check_plain(model, entry.name)
    _check_input(model, entry)
    _check_outputs(model, entry)
    _check_inside(_bound(model, entry), entry)


def given_inputs(model: onnx.ModelProto) -> list[onnx.ValueInfoProto]:
    """The inputs a caller must give: older exporters list the weights among the inputs."""
    weights = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in weights]


def describe(value: onnx.ValueInfoProto) -> str:
    """A value as ``name: type [sizes]``."""
    kind = value.type.tensor_type.elem_type
    sizes = ", ".join("?" if size is None else str(size) for size in shape_of(value))
    return f"{value.name}: {_TYPE_WORDS.get(kind, f'type {kind}')} [{sizes}]"


def shape_of(value: onnx.ValueInfoProto) -> Shape:
    sizes = value.type.tensor_type.shape.dim
    return [size.dim_value if size.HasField("dim_value") else None for size in sizes]


def _check_plain(model: onnx.ModelProto, name: str) -> None:
    if model.functions or model.training_info:
        raise Corrupt(f"{name}: model brings functions or training of its own; expected plain ONNX operators")
    foreign = {opset.domain for opset in model.opset_import} - {*_OUR_DOMAIN, *_HARMLESS_DOMAINS}
    foreign |= {node.domain for node in model.graph.node} - set(_OUR_DOMAIN)
    if foreign:
        raise Corrupt(f"{name}: model needs operators of {sorted(foreign)}; expected ONNX's own only")
    newest = defs.onnx_opset_version()
    asked = max((opset.version for opset in model.opset_import if opset.domain in _OUR_DOMAIN), default=0)
    if not 7 <= asked <= newest or model.ir_version > onnx.IR_VERSION:
        raise Corrupt(
            f"{name}: model needs opset {asked} and format {model.ir_version}; this program knows opsets 7 to {newest} "
            f"and formats up to {onnx.IR_VERSION}: export it with an older opset"
        )
    for node in model.graph.node:
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            raise Corrupt(f"{name}: {node.op_type} {node.name!r} has a branch or loop; expected a straight graph")


def _check_input(model: onnx.ModelProto, entry: ModelEntry) -> None:
    wanted = [Expected(entry.input.shape, entry.input.name)]
    types = [_TYPES[entry.input.dtype]]
    if entry.input.size_input is not None:
        wanted, types = [*wanted, Expected((1, 2), entry.input.size_input)], [*types, TensorProto.INT64]
    given = given_inputs(model)
    by_name = {value.name: value for value in given}
    fitting = [
        value is not None and want.fits(shape_of(value)) and value.type.tensor_type.elem_type == kind
        for want, kind in zip(wanted, types, strict=True)
        for value in [by_name.get(want.name or "")]
    ]
    if len(given) != len(wanted) or not all(fitting):
        words = "; ".join(
            f"{want.name}: {_TYPE_WORDS[kind]} {list(want.shape)}" for want, kind in zip(wanted, types, strict=True)
        )
        raise Corrupt(f"{entry.name}: model takes {_words(given)}; expected {{{words}}}")


def _check_outputs(model: onnx.ModelProto, entry: ModelEntry) -> None:
    forms = entry.adapter.forms(entry.head())
    if not any(_is(form, model.graph.output) for form in forms):
        raise Corrupt(f"{entry.name}: model gives {_words(model.graph.output)}; expected {say(forms)}")


def _is(form: Sequence[Expected], outputs: Sequence[onnx.ValueInfoProto]) -> bool:
    return len(form) == len(outputs) and all(
        want.fits(shape_of(value))
        and want.name in (None, value.name)
        and value.type.tensor_type.elem_type == _TYPES[want.dtype]
        for want, value in zip(form, outputs, strict=True)
    )


def _bound(model: onnx.ModelProto, entry: ModelEntry) -> onnx.ModelProto:
    """A copy whose inputs have the sizes we shall give, and which claims nothing of what follows from them."""
    bound = onnx.ModelProto()
    bound.CopyFrom(model)
    del bound.graph.value_info[:]
    for value in given_inputs(bound):
        sizes = entry.input.shape if value.name == entry.input.name else (1, 2)
        for place, size in zip(value.type.tensor_type.shape.dim, sizes, strict=True):
            place.dim_value = size
    return bound


def _check_inside(model: onnx.ModelProto, entry: ModelEntry) -> None:
    """Sizes that follow from constants are checked here; those that are computed while it runs, by the trial (``trial``).

    No propagation of values (``data_prop``): forty doublings of one number make it take all memory there is.
    """
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        onnx.checker.check_model(model)
    except (onnx.shape_inference.InferenceError, onnx.checker.ValidationError, ValueError, RuntimeError) as error:
        raise Corrupt(f"{entry.name}: the graph does not hold together: {_first_line(error)}") from error
    total = 0
    for value in inferred.graph.value_info:
        shape = shape_of(value)
        size = prod(each or 1 for each in shape)
        total += size
        if size > MAX_ELEMENTS or total > MAX_TOTAL_ELEMENTS:
            raise Corrupt(
                f"{entry.name}: {value.name!r} would have shape {shape}; at most {MAX_ELEMENTS} elements are allowed, "
                f"and {MAX_TOTAL_ELEMENTS} in all"
            )


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:300]


def _words(values: Sequence[onnx.ValueInfoProto]) -> str:
    return "{" + "; ".join(describe(value) for value in values) + "}"
