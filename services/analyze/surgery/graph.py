"""An ONNX graph that can be asked who makes and who uses a tensor, and edited. Straight graphs only: no others are admitted."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import NodeProto, TensorProto, helper, numpy_helper


class Unrecognised(Exception):
    """A finding, not a failure: this graph has not the form that a cut needs; the text says what was found instead."""


class Shapes(dict[str, list[int]]):
    """Shapes by name; a size that is not known is 0. Values are not propagated: a hostile graph could take all memory so."""

    def __missing__(self, name: str) -> list[int]:
        raise Unrecognised(f"the shape of {name!r} is only known while the model runs")


class Graph:
    """A model under the knife. The parsed protobuf is edited in place."""

    def __init__(self, body: bytes) -> None:
        self.model = onnx.load_model_from_string(body)
        self._fresh = 0
        for node in [n for n in self.model.graph.node if n.op_type == "Constant"]:
            self._lift(node)
        self.reindex()

    def reindex(self) -> None:
        graph = self.model.graph
        self.constants: dict[str, TensorProto] = {tensor.name: tensor for tensor in graph.initializer}
        self.maker: dict[str, NodeProto] = {name: node for node in graph.node for name in node.output}
        self.users: dict[str, list[NodeProto]] = {}
        for node in graph.node:
            for name in dict.fromkeys(node.input):
                self.users.setdefault(name, []).append(node)

    @property
    def inputs(self) -> list[onnx.ValueInfoProto]:
        return [value for value in self.model.graph.input if value.name not in self.constants]

    @property
    def outputs(self) -> list[str]:
        return [value.name for value in self.model.graph.output]

    def array(self, name: str) -> NDArray[Any]:
        if name not in self.constants:
            raise Unrecognised(f"{name!r} is computed; a constant was expected")
        return numpy_helper.to_array(self.constants[name])

    def constant(self, value: NDArray[Any]) -> str:
        """A new constant's name."""
        while (name := f"kanhu_c{self._fresh}") in self.constants:
            self._fresh += 1
        tensor = numpy_helper.from_array(np.ascontiguousarray(value), name)
        self.model.graph.initializer.append(tensor)
        self.constants[name] = self.model.graph.initializer[-1]
        return name

    def replace(self, node: NodeProto, place: int, name: str) -> None:
        """Let one input of a node be another tensor."""
        node.input[place] = name

    def put_first(self, nodes: Iterable[NodeProto]) -> None:
        for index, node in enumerate(nodes):
            self.model.graph.node.insert(index, node)

    def finish(self) -> bytes:
        """Drop what nothing uses, let shapes be found anew, and check the result."""
        graph = self.model.graph
        needed = set(self.outputs)
        for node in reversed(list(graph.node)):
            if needed.isdisjoint(node.output):
                graph.node.remove(node)
            else:
                needed.update(node.input)
        for tensor in [t for t in graph.initializer if t.name not in needed]:
            graph.initializer.remove(tensor)
        for value in [v for v in graph.input if v.name not in needed or v.name in self.constants]:
            graph.input.remove(value)
        self.infer()
        try:
            onnx.checker.check_model(self.model)
        except onnx.checker.ValidationError as error:
            raise Unrecognised(f"the changed graph does not hold together: {_first_line(error)}") from error
        return bytes(self.model.SerializeToString())

    def infer(self) -> Shapes:
        """Every tensor's shape, found anew; ``Unrecognised`` when the graph does not fit its input."""
        graph = self.model.graph
        del graph.value_info[:]
        for value in graph.output:
            value.type.tensor_type.ClearField("shape")
        try:
            known = onnx.shape_inference.infer_shapes(self.model, check_type=True, strict_mode=True)
        except (onnx.shape_inference.InferenceError, ValueError, RuntimeError) as error:
            raise Unrecognised("constants in the graph are bound to another size") from error
        for value, found in zip(graph.output, known.graph.output, strict=True):
            value.CopyFrom(found)
        values = (*known.graph.value_info, *known.graph.output, *known.graph.input)
        shapes = {value.name: [d.dim_value for d in value.type.tensor_type.shape.dim] for value in values}
        return Shapes(shapes | {tensor.name: list(tensor.dims) for tensor in graph.initializer})

    def _lift(self, node: NodeProto) -> None:
        """A Constant node is an initialiser in disguise."""
        value = next((a.t for a in node.attribute if a.name == "value"), None)
        if value is not None:
            value.name = node.output[0]
            self.model.graph.initializer.append(value)
            self.model.graph.node.remove(node)


def attribute(node: NodeProto, name: str, default: Any) -> Any:
    found = next((a for a in node.attribute if a.name == name), None)
    return default if found is None else helper.get_attribute_value(found)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
