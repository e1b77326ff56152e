"""Builds ``drawn_person.onnx``, the detector that ships with the program: it knows people of the drawn rooms, nobody else.

Run: ``python -m services.analyze.models.build_drawn_person [FILE]``. The result is the same bytes every time.

Nothing in it is learned. People of the drawn rooms wear one orange that no drawn room contains
(``services/simulation/figure.py``). The graph (1) makes a map of that orange, (2) takes its mass, mean and spread in windows
of six sizes around every cell of the strides 8, 16 and 32, (3) scores each window by whether what is in it has a person's
size for that window, a person's area, is centred on the cell and ends inside the window, and (4) writes the boxes that
follow as YOLOX would have: the same adapter reads both.
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

WIDTH, HEIGHT = 416, 256
#: Side of the squares that the colour map is averaged over before windows are taken.
CELL = 4
#: For each stride the two windows, by the height in pixels of the person they are for.
WINDOWS = {8: (34.0, 48.0), 16: (66.0, 92.0), 32: (128.0, 176.0)}
#: How far a person's height may lie from its window's: the next window takes over at 1.18.
_FITS_FULLY, _FITS_HARDLY = 1.25, 1.42

# Measured on the drawn rooms (tests/integration/analyze/test_drawn_person.py says how well they hold):
_HEIGHT_PER_SPREAD = 4.70  # height of the box / standard deviation of the orange in y
_WIDTH_PER_SPREAD = 4.15  # width of the box / standard deviation of the orange in x
_CENTRE_ABOVE_MEAN = 0.052  # the box's centre lies this share of its height above the orange's mean
_AREA = (
    0.06,
    0.11,
    0.27,
    0.40,
)  # orange area / height²: nothing below or above the outer two, all between the inner two
_ASPECT = (0.9, 1.3)  # spread in x / spread in y: a person is taller than wide
_BEST_SCORE = 0.95


@dataclass
class _Graph:
    """Collects nodes and constants. Names are counted, so that the same calls give the same file."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    constants: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, value: NDArray[np.generic] | float) -> str:
        array = np.asarray(value, dtype=np.float32) if isinstance(value, float) else value
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def ramp(self, value: str, zero_at: float, one_at: float) -> str:
        """0 up to ``zero_at``, 1 from ``one_at`` on, straight between; falling when ``one_at < zero_at``."""
        scaled = self.add(
            "Mul", self.add("Sub", value, self.constant(zero_at)), self.constant(1.0 / (one_at - zero_at))
        )
        return self.add("Clip", scaled, self.constant(0.0), self.constant(1.0))

    def product(self, *factors: str) -> str:
        result = factors[0]
        for factor in factors[1:]:
            result = self.add("Mul", result, factor)
        return result


@dataclass(frozen=True)
class _Candidate:
    """One window's answer for every cell: (1, 1, rows, columns) each; box in input pixels."""

    score: str
    centre_x: str
    centre_y: str
    width: str
    height: str


def build() -> onnx.ModelProto:
    """The model: images (1, 3, 256, 416) float32 BGR 0-255 → (1, rows, 6) as YOLOX with one class."""
    graph = _Graph()
    moments = _moments(graph, _orange(graph, "images"))
    levels = [_level(graph, moments, stride) for stride in WINDOWS]
    graph.nodes.append(helper.make_node("Concat", levels, ["output"], axis=1))
    rows = sum((HEIGHT // stride) * (WIDTH // stride) for stride in WINDOWS)
    model = helper.make_model(
        helper.make_graph(
            graph.nodes, "drawn-person",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, HEIGHT, WIDTH])],
            [helper.make_tensor_value_info("output", TensorProto.FLOAT, [1, rows, 6])],
            graph.constants,
        ),
        opset_imports=[helper.make_opsetid("", 13)], ir_version=8, producer_name="kanhu",
        doc_string="Knows the people of Kanhu's drawn rooms by the colour of their clothes. It does not see real people.",
    )  # fmt: skip
    onnx.checker.check_model(model, full_check=True)
    return model


def _orange(graph: _Graph, images: str) -> str:
    """How orange each pixel is, 0..1: red well over green, and green over blue, as the clothes are in light and in shade."""
    weights = np.zeros((2, 3, 1, 1), np.float32)
    weights[0, :, 0, 0] = (0.0, -1.5 / 25, 1 / 25)  # (red - 1.5 green - 10) / 25
    weights[1, :, 0, 0] = (-1.5 / 12, 1 / 12, 0.0)  # (green - 1.5 blue - 2) / 12
    bias = np.array([-10 / 25, -2 / 12], np.float32)
    both = graph.add("Conv", images, graph.constant(weights), graph.constant(bias))
    both = graph.add("Clip", both, graph.constant(0.0), graph.constant(1.0))
    axes = graph.constant(np.array([1], np.int64))
    first, second = (
        graph.add(
            "Slice", both, graph.constant(np.array([i], np.int64)), graph.constant(np.array([i + 1], np.int64)), axes
        )
        for i in range(2)
    )
    return graph.add("Mul", first, second)


def _moments(graph: _Graph, orange: str) -> str:
    """(1, 5, rows, columns) of squares of ``CELL`` pixels: mass, mass·x, mass·y, mass·x², mass·y² (pixels)."""
    mass = graph.add("AveragePool", orange, kernel_shape=[CELL, CELL], strides=[CELL, CELL])
    mass = graph.add("Mul", mass, graph.constant(float(CELL * CELL)))
    xs, ys = (_along(axis, CELL) for axis in (3, 2))
    # A square's mass is spread over it: its second moment about its own centre is CELL²/12.
    own = np.float32(CELL * CELL / 12)
    weighted = [graph.add("Mul", mass, graph.constant(weight)) for weight in (xs, ys, xs**2 + own, ys**2 + own)]
    return graph.add("Concat", mass, *weighted, axis=1)


def _along(axis: int, step: int) -> NDArray[np.float32]:
    """Centres (pixels) of squares of ``step`` pixels along the picture's x (axis 3) or y (axis 2), to broadcast over a map."""
    centres = (np.arange((HEIGHT if axis == 2 else WIDTH) // step, dtype=np.float32) + np.float32(0.5)) * np.float32(
        step
    )
    return centres.reshape((1, 1, -1, 1) if axis == 2 else (1, 1, 1, -1))


def _level(graph: _Graph, moments: str, stride: int) -> str:
    """(1, cells, 6): of the two windows of a stride, for each cell the one that fits better."""
    rows, columns = HEIGHT // stride, WIDTH // stride
    small, large = (_candidate(graph, moments, stride, height) for height in WINDOWS[stride])
    larger = graph.add("Greater", large.score, small.score)
    chosen = {
        name: graph.add("Where", larger, getattr(large, name), getattr(small, name))
        for name in ("score", "centre_x", "centre_y", "width", "height")
    }
    per_stride = graph.constant(1.0 / stride)
    x, y = (
        graph.add(
            "Sub",
            graph.add("Mul", chosen[name], per_stride),
            graph.constant(_along(axis, stride) / np.float32(stride) - np.float32(0.5)),
        )
        for name, axis in (("centre_x", 3), ("centre_y", 2))
    )
    w, h = (graph.add("Log", graph.add("Mul", chosen[name], per_stride)) for name in ("width", "height"))
    sure = graph.ramp(chosen["score"], -2.0, -1.0)  # one class: its probability is 1 everywhere
    stacked = graph.add("Concat", x, y, w, h, chosen["score"], sure, axis=1)
    flat = graph.add("Reshape", stacked, graph.constant(np.array([1, 6, rows * columns], np.int64)))
    return graph.add("Transpose", flat, perm=[0, 2, 1])


def _candidate(graph: _Graph, moments: str, stride: int, person_px: float) -> _Candidate:
    window = _window(stride, 1.15 * person_px), _window(stride, 0.95 * person_px)
    sums = _sums(graph, moments, stride, window)
    around = _sums(graph, moments, stride, (window[0] + 8, window[1] + 8))
    mass = graph.add("Max", sums[0], graph.constant(1e-3))
    mean_x, mean_y = (graph.add("Div", sums[i], mass) for i in (1, 2))
    spread_x, spread_y = (
        graph.add(
            "Sqrt",
            graph.add("Max", graph.add("Sub", graph.add("Div", sums[i + 2], mass), square), graph.constant(0.25)),
        )
        for i, square in ((1, graph.add("Mul", mean_x, mean_x)), (2, graph.add("Mul", mean_y, mean_y)))
    )
    height = graph.add("Mul", spread_y, graph.constant(_HEIGHT_PER_SPREAD))
    width = graph.add("Mul", spread_x, graph.constant(_WIDTH_PER_SPREAD))
    above = graph.add("Mul", height, graph.constant(_CENTRE_ABOVE_MEAN))
    area = graph.add("Div", mass, graph.add("Mul", height, height))
    score = graph.product(
        graph.ramp(height, person_px / _FITS_HARDLY, person_px / _FITS_FULLY),
        graph.ramp(height, person_px * _FITS_HARDLY, person_px * _FITS_FULLY),
        graph.ramp(area, _AREA[0], _AREA[1]),
        graph.ramp(area, _AREA[3], _AREA[2]),
        graph.ramp(graph.add("Div", spread_x, spread_y), _ASPECT[1], _ASPECT[0]),
        graph.ramp(graph.add("Div", sums[0], graph.add("Max", around[0], graph.constant(1e-3))), 0.55, 0.85),
        *(_centred(graph, mean, stride, axis) for axis, mean in ((3, mean_x), (2, mean_y))),
        graph.constant(_BEST_SCORE),
    )
    return _Candidate(score, mean_x, graph.add("Sub", mean_y, above), width, height)


def _centred(graph: _Graph, mean: str, stride: int, axis: int) -> str:
    """1 where the orange's mean lies in the cell, falling to 0 one and a half cells away."""
    away = graph.add("Abs", graph.add("Sub", mean, graph.constant(_along(axis, stride))))
    return graph.ramp(away, 1.5 * stride, 0.75 * stride)


def _window(stride: int, pixels: float) -> int:
    """Side in squares: even, at least the stride's own, and wide enough for a person half a cell off its middle."""
    squares = round((pixels + stride / 2) / CELL)
    return max(squares + squares % 2, 2 * stride // CELL)


def _sums(graph: _Graph, moments: str, stride: int, window: tuple[int, int]) -> list[str]:
    """The five moments summed over (height, width) squares around the centre of each cell: five of (1, 1, rows, columns)."""
    step = stride // CELL
    rows, columns = ((side - step) // 2 for side in window)
    # One direction after the other: a window of 40 x 40 costs 80 additions instead of 1600.
    high = graph.add(
        "AveragePool",
        moments,
        kernel_shape=[window[0], 1],
        strides=[step, 1],
        pads=[rows, 0, rows, 0],
        count_include_pad=1,
    )
    pooled = graph.add(
        "AveragePool",
        high,
        kernel_shape=[1, window[1]],
        strides=[1, step],
        pads=[0, columns, 0, columns],
        count_include_pad=1,
    )
    total = graph.add("Mul", pooled, graph.constant(float(window[0] * window[1])))
    axes = graph.constant(np.array([1], np.int64))
    return [
        graph.add(
            "Slice", total, graph.constant(np.array([i], np.int64)), graph.constant(np.array([i + 1], np.int64)), axes
        )
        for i in range(5)
    ]


def main(argv: list[str]) -> int:
    """Write the model to the file named, else beside this script."""
    path = Path(argv[0]) if argv else Path(__file__).with_name("drawn_person.onnx")
    path.write_bytes(build().SerializeToString(deterministic=True))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
