"""Weights → the ONNX file that the registry names ``nursery-people``: YOLOX's wire format, the same bytes for the same weights.

    python -m bench.nursery_detector.export WEIGHTS.npz FILE.onnx

Batch normalisation and the input's scale are folded into the convolutions (float64 arithmetic, then float32). Large kernels are
stored in half precision and widened by a node of their own, which ONNX Runtime works out once, when it opens the model: half the
bytes, and the same arithmetic at run time. The stem and the last layers stay whole, because surgery changes their numbers.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

WIDTH, HEIGHT, CLASS_COUNT = 384, 224, 2
_STRIDES = (8, 16, 32)
_INPUT_SCALE = 1.0 / 64.0
_EPSILON = 1e-3
#: Kernels of fewer numbers are stored whole.
_HALVED_FROM = 4096


@dataclass
class _Writer:
    """Collects nodes and constants; names are counted, so that the file follows from the weights alone."""

    weights: dict[str, NDArray[np.float32]]
    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)
    _written: dict[bytes, str] = field(default_factory=dict)
    _widened: dict[str, str] = field(default_factory=dict)

    def constant(self, value: NDArray[Any]) -> str:
        """The same values are written once: the three strides share a head."""
        body = repr((value.shape, value.dtype)).encode() + value.tobytes()
        if body not in self._written:
            self._written[body] = name = f"c{len(self.constants)}"
            self.constants.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return self._written[body]

    def kernel(self, value: NDArray[np.float32]) -> str:
        """A convolution's numbers, once, and once widened."""
        if value.size < _HALVED_FROM:
            return self.constant(value)
        stored = self.constant(value.astype(np.float16))
        if stored not in self._widened:
            self._widened[stored] = self.add("Cast", stored, to=TensorProto.FLOAT)
        return self._widened[stored]

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def conv(self, x: str, name: str, stride: int = 1, *, scale: float = 1.0) -> str:
        """Convolution + batch normalisation + ReLU of ``network.Conv``."""
        kernel = self.weights[f"{name}.0.weight"].astype(np.float64)
        gamma, beta, mean, variance = (
            self.weights[f"{name}.1.{part}"].astype(np.float64)
            for part in ("weight", "bias", "running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + _EPSILON)
        folded = (kernel * factor[:, None, None, None] * scale).astype(np.float32)
        bias = (beta - mean * factor).astype(np.float32)
        return self.add("Relu", self._conv(x, folded, bias, stride))

    def shared(self, x: str, name: str, level: int) -> str:
        """The same of a layer that the strides share: one kernel, and each stride's own normalisation after it (which ONNX
        Runtime folds into kernels of its own when it opens the model)."""
        gamma, beta = (self.weights[f"{name}.1.{part}"].astype(np.float64) for part in ("weight", "bias"))
        mean, variance = (
            self.weights[f"{name}.1.{part}.{level}"].astype(np.float64) for part in ("running_mean", "running_var")
        )
        factor = gamma / np.sqrt(variance + _EPSILON)
        kernel = self.weights[f"{name}.0.weight"]
        seen = self._conv(x, kernel, np.zeros(len(kernel), np.float32), 1)
        scaled, shift = (value.astype(np.float32).reshape(1, -1, 1, 1) for value in (factor, beta - mean * factor))
        return self.add("Relu", self.add("Add", self.add("Mul", seen, self.constant(scaled)), self.constant(shift)))

    def plain(self, x: str, name: str) -> str:
        return self._conv(x, self.weights[f"{name}.weight"], self.weights[f"{name}.bias"], 1)

    def _conv(self, x: str, kernel: NDArray[np.float32], bias: NDArray[np.float32], stride: int) -> str:
        size = kernel.shape[2]
        pad = (size - stride + 1) // 2 if size % 2 == 0 else size // 2
        return self.add(
            "Conv", x, self.kernel(kernel), self.constant(bias),
            kernel_shape=[size, size], strides=[stride, stride], pads=[pad] * 4,
        )  # fmt: skip

    def residual(self, x: str, name: str) -> str:
        return self.add("Add", x, self.conv(self.conv(x, f"{name}.narrow"), f"{name}.widen"))

    def pooled(self, x: str, name: str) -> str:
        near = self.add("MaxPool", x, kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2])
        far = self.add("MaxPool", near, kernel_shape=[5, 5], strides=[1, 1], pads=[2, 2, 2, 2])
        return self.conv(self.add("Concat", x, near, far, axis=1), f"{name}.join")

    def twice(self, x: str) -> str:
        scales = self.constant(np.array([1, 1, 2, 2], np.float32))
        return self.add(
            "Resize", x, "", scales, mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor"
        )

    def head(self, x: str, level: int, stride: int) -> str:
        place = self.shared(self.shared(x, "place.0", level), "place.1", level)
        kind = self.shared(x, "kind", level)
        boxes = self.plain(place, "boxes")
        sure = self.add("Sigmoid", self.plain(place, "object"))
        kinds = self.add("Sigmoid", self.plain(kind, "kinds"))
        rows = (HEIGHT // stride) * (WIDTH // stride)
        shape = self.constant(np.array([1, 5 + CLASS_COUNT, rows], np.int64))
        return self.add("Reshape", self.add("Concat", boxes, sure, kinds, axis=1), shape)


def build(weights: dict[str, NDArray[np.float32]]) -> onnx.ModelProto:
    """The model: ``images`` (1, 3, 224, 384) float32 BGR 0-255 → ``output`` (1, 1764, 7)."""
    graph = _Writer(weights)
    x = graph.conv("images", "stem", 2, scale=_INPUT_SCALE)
    x = graph.residual(graph.residual(graph.conv(x, "stage2.0", 2), "stage2.1"), "stage2.2")
    fine = graph.residual(graph.residual(graph.conv(x, "stage3.0", 2), "stage3.1"), "stage3.2")
    middle = graph.residual(graph.residual(graph.conv(fine, "stage4.0", 2), "stage4.1"), "stage4.2")
    coarse = graph.pooled(graph.conv(middle, "stage5.0", 2), "stage5.1")
    far = graph.conv(coarse, "lateral.2")
    mid = graph.conv(graph.add("Add", graph.conv(middle, "lateral.1"), graph.twice(far)), "smooth.1")
    near = graph.conv(graph.add("Add", graph.conv(fine, "lateral.0"), graph.twice(mid)), "smooth.0")
    levels = [graph.head(x, level, _STRIDES[level]) for level, x in enumerate((near, mid, far))]
    joined = graph.add("Concat", *levels, axis=2)
    graph.nodes.append(helper.make_node("Transpose", [joined], ["output"], perm=[0, 2, 1]))
    rows = sum((HEIGHT // s) * (WIDTH // s) for s in _STRIDES)
    made = helper.make_graph(
        graph.nodes, "nursery-people",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
        [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, rows, 5 + CLASS_COUNT])],
        graph.constants,
    )  # fmt: skip
    model = helper.make_model(made, producer_name="kanhu", opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    return model


def main(argv: list[str]) -> int:
    if len(argv) != 2:
        print(__doc__, file=sys.stderr)
        return 2
    with np.load(argv[0]) as arrays:
        weights = {name: arrays[name] for name in arrays.files}
    body = build(weights).SerializeToString(deterministic=True)
    Path(argv[1]).write_bytes(body)
    print(f"{argv[1]}: {len(body)} bytes")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
