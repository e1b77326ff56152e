"""The stem: BGR or RGB float pictures in → uint8 planes Y and U, V in, at the same first feature map.

Recognised are a first convolution with an even stride, YOLOX's Focus (four slices, a concatenation, a convolution), and a
pointwise first convolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from onnx import NodeProto, TensorProto, helper

from services.analyze.surgery.folding import Colours, Convolution, focus_as_convolution, fold_colours, halve
from services.analyze.surgery.graph import Graph, Unrecognised, attribute

#: The inputs of a model after surgery: (1, 1, height, width) and (1, 2, height / 2, width / 2), uint8.
LUMA, CHROMA = "kanhu_luma", "kanhu_chroma"


@dataclass(frozen=True, slots=True)
class Stem:
    """What was found: a convolution over the picture, its bias (a constant's name, or none) and where its result goes."""

    convolution: Convolution
    bias: str
    output: str
    form: str


def take_planes(graph: Graph, colours: Colours, width: int, height: int) -> str:
    """Exchange the input and the stem; what was done, in words."""
    stem = find_stem(graph)
    luma, chroma = fold_colours(stem.convolution, colours)
    zero = colours.zero()
    nodes = [
        helper.make_node("Cast", [LUMA], ["kanhu_y"], to=TensorProto.FLOAT),
        helper.make_node("Cast", [CHROMA], ["kanhu_uv"], to=TensorProto.FLOAT),
        helper.make_node("Sub", ["kanhu_y", _per_channel(graph, zero[:1])], ["kanhu_y0"]),
        helper.make_node("Sub", ["kanhu_uv", _per_channel(graph, zero[1:])], ["kanhu_uv0"]),
        _convolve(graph, "kanhu_y0", luma, stem.bias, "kanhu_from_luma"),
    ]
    nodes += _over_chroma(graph, chroma, width, height)
    nodes.append(helper.make_node("Add", ["kanhu_from_luma", "kanhu_from_chroma"], [stem.output]))
    graph.model.graph.node.remove(graph.maker[stem.output])
    graph.put_first(nodes)
    inputs = graph.model.graph.input
    del inputs[:]
    for name, shape in ((LUMA, [1, 1, height, width]), (CHROMA, [1, 2, height // 2, width // 2])):
        inputs.append(helper.make_tensor_value_info(name, TensorProto.UINT8, shape))
    graph.reindex()
    rows, columns = luma.kernel.shape[2:]
    return f"{stem.form} as a {rows}x{columns} convolution of stride {luma.stride[0]} over Y beside one over U and V"


def find_stem(graph: Graph) -> Stem:
    """The first convolution; ``Unrecognised`` says what stands there instead."""
    picture = graph.inputs[0].name
    users = graph.users.get(picture, [])
    if picture in graph.outputs or not users:
        raise Unrecognised("the input goes nowhere")
    if len(users) == 1 and users[0].op_type == "Conv":
        kernel, stride, pads = _convolution_of(graph, users[0], channels=3)
        return Stem(Convolution(kernel, stride, pads), _bias(users[0]), users[0].output[0], "first convolution")
    if all(node.op_type == "Slice" for node in users):
        return _focus(graph, picture)
    raise Unrecognised(f"the input goes into {sorted({node.op_type for node in users})}; a convolution was expected")


def _focus(graph: Graph, picture: str) -> Stem:
    ends = {node.output[0] for node in graph.model.graph.node if node.op_type == "Slice"}
    joins = [n for n in graph.model.graph.node if n.op_type == "Concat" and len(n.input) == 4 and ends >= set(n.input)]
    if len(joins) != 1 or attribute(joins[0], "axis", 0) != 1:
        raise Unrecognised("slices of the input are not joined as YOLOX's Focus joins them")
    order = [_parity(graph, name, picture) for name in joins[0].input]
    users = graph.users.get(joins[0].output[0], [])
    if sorted(order) != [(0, 0), (0, 1), (1, 0), (1, 1)] or len(users) != 1 or users[0].op_type != "Conv":
        raise Unrecognised("slices of the input do not deal out its pixels before one convolution")
    kernel, stride, pads = _convolution_of(graph, users[0], channels=12)
    if stride != (1, 1):
        raise Unrecognised(f"the convolution behind Focus has stride {stride}; 1 was expected")
    return Stem(focus_as_convolution(kernel, pads, order), _bias(users[0]), users[0].output[0], "Focus")


def _parity(graph: Graph, name: str, picture: str) -> tuple[int, int]:
    """(row, column) parity of the pixels that a chain of slices takes from the picture."""
    parity = {2: 0, 3: 0}
    steps = {2: 1, 3: 1}
    while name != picture:
        node = graph.maker.get(name)
        if node is None or node.op_type != "Slice" or len(node.input) != 5:
            raise Unrecognised("the input is cut up in another way than YOLOX's Focus does")
        starts, ends, axes, strides = (graph.array(place).ravel().tolist() for place in node.input[1:])
        for start, end, axis, step in zip(starts, ends, axes, strides, strict=True):
            if axis not in parity or step != 2 or start not in (0, 1) or end < 1 << 20 or steps[axis] != 1:
                raise Unrecognised("a slice of the input takes other than every second pixel")
            parity[axis], steps[axis] = start, step
        name = node.input[0]
    if steps != {2: 2, 3: 2}:
        raise Unrecognised("a slice of the input takes every pixel of a row or column")
    return parity[2], parity[3]


def _convolution_of(
    graph: Graph, node: NodeProto, channels: int
) -> tuple[np.ndarray[tuple[int, ...], np.dtype[np.float64]], tuple[int, int], tuple[int, int, int, int]]:
    kernel = graph.array(node.input[1]).astype(np.float64)
    plain = attribute(node, "group", 1) == 1 and all(d == 1 for d in attribute(node, "dilations", [1, 1]))
    if not plain or attribute(node, "auto_pad", b"NOTSET") != b"NOTSET" or kernel.ndim != 4:
        raise Unrecognised("the first convolution is grouped, dilated or padded by rule")
    if kernel.shape[1] != channels:
        raise Unrecognised(f"the first convolution takes {kernel.shape[1]} channels; {channels} were expected")
    rows, columns = attribute(node, "strides", [1, 1])
    top, left, bottom, right = attribute(node, "pads", [0, 0, 0, 0])
    return kernel, (rows, columns), (top, left, bottom, right)


def _bias(node: NodeProto) -> str:
    return node.input[2] if len(node.input) > 2 else ""


def _over_chroma(graph: Graph, chroma: Convolution, width: int, height: int) -> list[NodeProto]:
    halved = halve(chroma, height, width)
    if halved is not None:
        return [_convolve(graph, "kanhu_uv0", halved, "", "kanhu_from_chroma")]
    if chroma.kernel.shape[2:] != (1, 1) or chroma.stride != (1, 1) or any(chroma.pads):
        raise Unrecognised(
            f"the first convolution is {chroma.kernel.shape[2:]} with stride {chroma.stride}; an even stride was expected"
        )
    # A pointwise kernel commutes with repeating pixels.
    scales = graph.constant(np.array([1, 1, 2, 2], np.float32))
    return [
        _convolve(graph, "kanhu_uv0", chroma, "", "kanhu_small"),
        helper.make_node(
            "Resize", ["kanhu_small", "", scales], ["kanhu_from_chroma"],
            mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor",
        ),
    ]  # fmt: skip


def _convolve(graph: Graph, source: str, convolution: Convolution, bias: str, result: str) -> NodeProto:
    kernel = graph.constant(convolution.kernel.astype(np.float32))
    return helper.make_node(
        "Conv", [source, kernel, *([bias] if bias else [])], [result],
        kernel_shape=convolution.kernel.shape[2:], strides=convolution.stride, pads=convolution.pads,
    )  # fmt: skip


def _per_channel(graph: Graph, values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> str:
    return graph.constant(values.astype(np.float32).reshape(1, -1, 1, 1))
