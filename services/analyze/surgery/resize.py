"""The input: cut to the picture's aspect. Constants that spell out the size of feature maps are written anew.

A fully convolutional detector takes any size that its strides divide. What the cut changes is what lies beyond the picture: the
published input continues in grey, the cut one ends. Boxes move by a fraction of a pixel; ``services.analyze.parity`` measures it.
"""

from __future__ import annotations

import numpy as np

from services.analyze.surgery.graph import Graph, Unrecognised

_Size = tuple[int, int]  # (rows, columns) of a feature map


def resize_input(graph: Graph, width: int, height: int) -> None:
    """Let the (float) input be (1, 3, height, width). ``Unrecognised``: the graph is bound to its size."""
    picture = graph.inputs[0]
    dims = picture.type.tensor_type.shape.dim
    old = dims[2].dim_value, dims[3].dim_value
    if old == (height, width):
        return
    before = graph.infer()
    dims[2].dim_value, dims[3].dim_value = height, width
    _rewrite_reshapes(graph, before, _scaled_maps(before, old, (height, width)))
    graph.reindex()
    after = graph.infer()
    if any(before[name] == after[name] for name in graph.outputs):
        raise Unrecognised("an output does not follow the input's size")


def _scaled_maps(shapes: dict[str, list[int]], old: _Size, new: _Size) -> dict[_Size, _Size]:
    """Every size of a feature map → its size in the cut graph."""
    maps = {(shape[2], shape[3]) for shape in shapes.values() if len(shape) == 4}
    scaled: dict[_Size, _Size] = {}
    for rows, columns in maps:
        if rows and columns and rows * new[0] % old[0] == 0 and columns * new[1] % old[1] == 0:
            scaled[rows, columns] = rows * new[0] // old[0], columns * new[1] // old[1]
    return scaled


def _rewrite_reshapes(graph: Graph, before: dict[str, list[int]], maps: dict[_Size, _Size]) -> None:
    cells = {rows * columns: new[0] * new[1] for (rows, columns), new in maps.items() if rows > 1 and columns > 1}
    for node in graph.model.graph.node:
        if node.op_type != "Reshape":
            continue
        shape = before[node.output[0]]
        wanted = graph.array(node.input[1]).copy()
        if len(shape) >= 4 and (shape[-2], shape[-1]) in maps:
            sizes = {len(shape) - 2 + place: size for place, size in enumerate(maps[shape[-2], shape[-1]])}
        else:
            sizes = {place: cells[size] for place, size in enumerate(shape) if place > 0 and size in cells}
        for place, size in sizes.items():
            if wanted[place] > 0:
                wanted[place] = size
        graph.replace(node, 1, graph.constant(np.asarray(wanted)))
