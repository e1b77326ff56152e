"""The head: of a detector's classes only those that are used. Exact: rows of the last kernels are left out, nothing else.

Which channels of which output are classes is the decoder's knowledge (``classes_in``); the cut then goes backwards through the
graph until it meets the convolutions that make those channels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import NodeProto, helper

from services.analyze.surgery.graph import Graph, Unrecognised, attribute

#: Operators that treat every element alike.
_ELEMENTWISE = {"Sigmoid", "Relu", "LeakyRelu", "HardSigmoid", "Identity", "Clip", "Exp", "Cast"}


def classes_in(decoder: str, graph: Graph, class_count: int, used: Sequence[int]) -> dict[str, tuple[int, list[int]]]:
    """Per output: its channel axis and the channels to keep. Empty for decoders whose layout is not known here."""
    shapes = graph.infer()
    found: dict[str, tuple[int, list[int]]] = {}
    for name in graph.outputs:
        shape = shapes[name]
        if decoder == "yolox" and shape[-1] == 5 + class_count:
            found[name] = (len(shape) - 1, [*range(5), *(5 + number for number in used)])
        elif decoder == "nanodet" and name.startswith("cls") and shape[-1] == class_count:
            found[name] = (len(shape) - 1, list(used))
        elif decoder in ("yolov8", "yolo11") and len(shape) == 3 and shape[1] == 4 + class_count:
            found[name] = (1, [*range(4), *(4 + number for number in used)])
    return found


def keep_channels(graph: Graph, output: str, axis: int, kept: list[int]) -> None:
    """Leave out the other channels of an output; ``Unrecognised`` if something on the way mixes channels.

    The graph may be half cut when that is raised: work on a copy.
    """
    _Cut(graph).back(output, axis, kept)
    graph.reindex()


class _Cut:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.shapes = graph.infer()

    def back(self, name: str, axis: int, kept: list[int]) -> None:
        size = self.shapes[name][axis]
        if kept == list(range(size)):
            return
        node = self.graph.maker.get(name)
        if node is None:
            raise Unrecognised(f"{name!r} is not computed; its channels cannot be left out")
        if len(self.graph.users.get(name, [])) > 1:
            raise Unrecognised(f"{name!r} is used in several places; its channels cannot be left out")
        match node.op_type:
            case op if op in _ELEMENTWISE:
                self.back(node.input[0], axis, kept)
            case "Transpose":
                self.back(node.input[0], attribute(node, "perm", [])[axis], kept)
            case "Reshape":
                self._reshape(node, axis, kept)
            case "Concat" if attribute(node, "axis", 0) % len(self.shapes[name]) == axis:
                self._concat(node, axis, kept)
            case "Concat":
                for part in node.input:
                    self.back(part, axis, kept)
            case "Split":
                self._split(node, name, axis, kept)
            case "Conv":
                self._conv(node, axis, kept)
            case other:
                raise Unrecognised(f"{other} lies between the classes and their convolution")

    def _reshape(self, node: NodeProto, axis: int, kept: list[int]) -> None:
        before, after = self.shapes[node.input[0]], self.shapes[node.output[0]]
        if before[: axis + 1] != after[: axis + 1]:
            raise Unrecognised("a Reshape mixes channels with cells before the output")
        wanted = self.graph.array(node.input[1]).copy()
        if wanted[axis] > 0:
            wanted[axis] = len(kept)
        self.graph.replace(node, 1, self.graph.constant(wanted))
        self.back(node.input[0], axis, kept)

    def _concat(self, node: NodeProto, axis: int, kept: list[int]) -> None:
        start = 0
        for name in node.input:
            size = self.shapes[name][axis]
            own = [number - start for number in kept if start <= number < start + size]
            if not own:
                raise Unrecognised("a whole branch of the head would be left out")
            self.back(name, axis, own)
            start += size

    def _split(self, node: NodeProto, name: str, axis: int, kept: list[int]) -> None:
        """One part of a split shrinks; the others stay."""
        if attribute(node, "axis", 0) != axis:
            raise Unrecognised("a Split cuts across the channels")
        sizes = [self.shapes[part][axis] for part in node.output]
        place = list(node.output).index(name)
        start = sum(sizes[:place])
        whole = [*range(start), *(start + number for number in kept), *range(start + sizes[place], sum(sizes))]
        sizes[place] = len(kept)
        if len(node.input) > 1:
            self.graph.replace(node, 1, self.graph.constant(np.array(sizes, np.int64)))
        else:
            others = [a for a in node.attribute if a.name != "split"]
            del node.attribute[:]
            node.attribute.extend([*others, helper.make_attribute("split", sizes)])
        self.back(node.input[0], axis, whole)

    def _conv(self, node: NodeProto, axis: int, kept: list[int]) -> None:
        if axis != 1 or attribute(node, "group", 1) != 1:
            raise Unrecognised("the last convolution of the head is grouped")
        for place in range(1, len(node.input)):
            self.graph.replace(node, place, self.graph.constant(self.graph.array(node.input[place])[kept]))
