"""Each cut on small networks made here: the result computes the same, and what cannot be cut is left with a reason."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from services.analyze.surgery.folding import BLACK, BT601, Colours
from services.analyze.surgery.graph import Graph, Unrecognised
from services.analyze.surgery.head import keep_channels
from services.analyze.surgery.operation import Plan, operate
from services.analyze.surgery.resize import resize_input
from services.analyze.surgery.stem import CHROMA, LUMA, find_stem

SIDE, CLASSES = 64, 5


class Net:
    """Collects nodes; every constant is random and the same each time."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []
        self._rng = np.random.default_rng(4)

    def constant(self, value: NDArray[np.generic]) -> str:
        name = f"w{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(value, name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: object) -> str:
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def conv(self, source: str, inputs: int, outputs: int, size: int = 3, stride: int = 1, **more: object) -> str:
        kernel = self._rng.normal(scale=0.1, size=(outputs, inputs // int(str(more.get("group", 1))), size, size))
        weights = self.constant(kernel.astype(np.float32)), self.constant(np.ones(outputs, np.float32))
        pads = {} if "auto_pad" in more else {"pads": [size // 2] * 4}
        return self.add("Conv", source, *weights, strides=[stride, stride], **pads, **more)

    def numbers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def bytes(self, output: str, *outputs: str) -> bytes:
        graph = helper.make_graph(
            self.nodes, "net",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, SIDE, SIDE])],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in (output, *outputs)],
            self.constants,
        )  # fmt: skip
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        return onnx.shape_inference.infer_shapes(model).SerializeToString()


def detector(net: Net, stem: str) -> bytes:
    """What follows a stem of 8 channels at half size: YOLOX's three heads, by its shapes."""
    feature, parts = net.conv(stem, 8, 8, stride=2), []
    for _ in range(3):
        feature = net.conv(feature, 8, 8, stride=2)
        box, score, classes = net.conv(feature, 8, 4, 1), net.conv(feature, 8, 1, 1), net.conv(feature, 8, CLASSES, 1)
        table = net.add("Concat", box, net.add("Sigmoid", score), net.add("Sigmoid", classes), axis=1)
        parts.append(net.add("Reshape", table, net.numbers(1, 5 + CLASSES, -1)))
    return net.bytes(net.add("Transpose", net.add("Concat", *parts, axis=2), perm=[0, 2, 1]))


def plain_stem(net: Net) -> str:
    return net.conv("images", 3, 8, stride=2)


def focus_stem(net: Net) -> str:
    end, one, two = net.numbers(2**62), net.numbers(1), net.numbers(2)
    parts = []
    for row, column in ((0, 0), (1, 0), (0, 1), (1, 1)):
        rows = net.add("Slice", "images", net.numbers(row), end, two, two)
        parts.append(net.add("Slice", rows, net.numbers(column), end, net.numbers(3), two))
    assert one
    return net.conv(net.add("Concat", *parts, axis=1), 12, 8)


def focus_in_one_slice(net: Net) -> str:
    ends, axes, steps = net.numbers(2**62, 2**62), net.numbers(2, 3), net.numbers(2, 2)
    parts = [
        net.add("Slice", "images", net.numbers(row, column), ends, axes, steps) for row, column in np.ndindex(2, 2)
    ]
    return net.conv(net.add("Concat", *parts, axis=1), 12, 8)


def pointwise_stem(net: Net) -> str:
    return net.conv(net.conv("images", 3, 8, size=1), 8, 8, stride=2)


def plan(width: int = SIDE, height: int = SIDE, used: tuple[int, ...] = (3,)) -> Plan:
    return Plan("yolox", Colours(), width, height, CLASSES, used)


def run(body: bytes, feeds: dict[str, NDArray[np.generic]]) -> NDArray[np.float32]:
    return np.asarray(onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"]).run(None, feeds)[0])


def planes(height: int = SIDE, width: int = SIDE) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
    rng = np.random.default_rng(6)
    luma = rng.integers(60, 200, (1, 1, height, width)).astype(np.uint8)
    return luma, rng.integers(110, 146, (1, 2, height // 2, width // 2)).astype(np.uint8)


def bgr(luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> NDArray[np.float32]:
    whole = np.concatenate([luma, chroma.repeat(2, axis=2).repeat(2, axis=3)], axis=1) - BLACK[None, :, None, None]
    return np.einsum("cp,npyx->ncyx", BT601[::-1], whole).astype(np.float32)


@pytest.mark.parametrize("stem", [plain_stem, focus_stem, focus_in_one_slice, pointwise_stem])
def test_the_result_is_the_same_function_of_the_planes_for_the_classes_used(stem: Callable[[Net], str]) -> None:
    net = Net()
    body = detector(net, stem(net))
    operated = operate(body, plan(used=(3, 1)))
    assert operated.classes == (3, 1) and operated.left == ()
    luma, chroma = planes()
    after = run(operated.body, {LUMA: luma, CHROMA: chroma})
    before = run(body, {"images": bgr(luma, chroma)})
    assert after == pytest.approx(before[:, :, [0, 1, 2, 3, 4, 8, 6]], abs=1e-4)


def test_the_cut_input_gives_the_cells_that_are_left() -> None:
    net = Net()
    operated = operate(detector(net, focus_stem(net)), plan(width=SIDE, height=32))
    assert (operated.width, operated.height) == (SIDE, 32)
    luma, chroma = planes(32, SIDE)
    assert run(operated.body, {LUMA: luma, CHROMA: chroma}).shape == (1, 8 * 4 + 4 * 2 + 2 * 1, 6)


def channel_shuffle(net: Net) -> str:
    stem = plain_stem(net)
    apart = net.add("Reshape", stem, net.numbers(1, 2, 4, SIDE // 2, SIDE // 2))
    return net.add(
        "Reshape", net.add("Transpose", apart, perm=[0, 2, 1, 3, 4]), net.numbers(1, -1, SIDE // 2, SIDE // 2)
    )


def test_shapes_that_are_spelt_out_follow_the_cut() -> None:
    net = Net()
    operated = operate(detector(net, channel_shuffle(net)), plan(width=SIDE, height=32))
    assert (operated.width, operated.height, operated.left) == (SIDE, 32, ())


def test_a_graph_bound_to_its_size_keeps_it_and_says_so() -> None:
    net = Net()
    stem = plain_stem(net)
    placed = net.add("Mul", stem, net.constant(np.ones((1, 1, SIDE // 2, SIDE // 2), np.float32)))
    operated = operate(detector(net, placed), plan(width=SIDE, height=32))
    assert (operated.width, operated.height) == (SIDE, SIDE)
    assert any("input as published" in reason for reason in operated.left)
    assert operated.classes == (3,), "the other cuts are made all the same"


def test_classes_that_are_mixed_before_the_output_stay() -> None:
    net = Net()
    feature = net.conv(plain_stem(net), 8, 8, stride=2)
    classes = net.add("Softmax", net.conv(feature, 8, 5 + CLASSES, 1), axis=1)
    flat = net.add("Reshape", classes, net.numbers(1, 5 + CLASSES, -1))
    operated = operate(net.bytes(net.add("Transpose", flat, perm=[0, 2, 1])), plan())
    assert operated.classes == tuple(range(CLASSES))
    assert any("Softmax" in reason for reason in operated.left)


def test_one_part_of_a_split_is_cut_and_the_other_stays() -> None:
    net = Net()
    both = net.conv(plain_stem(net), 8, 12, 1)
    split = helper.make_node("Split", [both, net.numbers(5, 7)], ["left", "right"], axis=1)
    net.nodes.append(split)
    body = net.bytes(net.add("Sigmoid", "left"), net.add("Relu", "right"))
    graph = Graph(body)
    keep_channels(graph, graph.outputs[0], 1, [4, 0])
    session = onnxruntime.InferenceSession(graph.finish(), providers=["CPUExecutionProvider"])
    picture = np.random.default_rng(2).normal(size=(1, 3, SIDE, SIDE)).astype(np.float32)
    whole = onnxruntime.InferenceSession(body, providers=["CPUExecutionProvider"]).run(None, {"images": picture})
    left, right = session.run(None, {"images": picture})
    assert left == pytest.approx(whole[0][:, [4, 0]], abs=1e-6) and right == pytest.approx(whole[1], abs=1e-6)


def odd_stride(net: Net) -> str:
    return net.conv("images", 3, 8, stride=3)


def grouped(net: Net) -> str:
    return net.conv("images", 3, 9, stride=2, group=3)


def padded_by_rule(net: Net) -> str:
    return net.conv("images", 3, 8, stride=2, auto_pad="SAME_UPPER")


def normalised_inside(net: Net) -> str:
    return net.conv(net.add("Mul", "images", net.constant(np.float32([0.1]))), 3, 8, stride=2)


def every_third_pixel(net: Net) -> str:
    end, three = net.numbers(2**62), net.numbers(3)
    parts = [net.add("Slice", "images", net.numbers(n), end, net.numbers(2), three) for n in range(3)]
    return net.conv(net.add("Concat", *parts[:3], axis=1), 9, 8)


@pytest.mark.parametrize("stem", [odd_stride, grouped, padded_by_rule, normalised_inside, every_third_pixel])
def test_a_stem_that_is_not_known_is_said_to_be_so(stem: Callable[[Net], str]) -> None:
    net = Net()
    with pytest.raises(Unrecognised):
        operate(net.bytes(stem(net)), plan())


def test_a_slice_of_half_the_picture_is_no_focus() -> None:
    net = Net()
    stem = focus_stem(net)
    short = next(c for c in net.constants if numpy_helper.to_array(c).tolist() == [2**62])
    short.CopyFrom(numpy_helper.from_array(np.array([32], np.int64), short.name))
    with pytest.raises(Unrecognised, match="every second pixel"):
        find_stem(Graph(net.bytes(stem)))


def test_an_output_that_does_not_follow_the_input_is_noticed() -> None:
    net = Net()
    pooled = net.add("GlobalAveragePool", plain_stem(net))
    with pytest.raises(Unrecognised, match="does not follow"):
        resize_input(Graph(net.bytes(pooled)), SIDE, 32)
