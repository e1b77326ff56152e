"""NanoDet's outputs (generalised focal loss) → boxes.

Six outputs: class scores after the sigmoid (1, cells, classes) for strides 8, 16, 32, then distances (1, cells, 4 * bins).
A side's distance is the expected value of a softmax over its bins, in strides, from the cell's middle: ``(cell + 0.5) * stride``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.analyze.core.decoders import selecting
from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.decoders.selecting import best_of, detections, grid, numbers_of, survivors
from services.analyze.core.detection import Detections, Vector, nothing

TITLE = "NanoDet"
STRIDES = (8, 16, 32)
BINS = 8


def forms(head: Head) -> Forms:
    cells = [selecting.rows(head.width, head.height, (stride,)) for stride in STRIDES]
    scores = [Expected((1, count, head.class_count)) for count in cells]
    sides = [Expected((1, count, 4 * BINS)) for count in cells]
    return ((*scores, *sides),)


def decode(outputs: Sequence[Output], head: Head) -> Detections:
    """Boxes in input pixels of the wanted classes."""
    check_outputs(outputs, forms(head), TITLE)
    wanted = np.concatenate([output[0][:, list(head.classes)] for output in outputs[:3]])
    scores, which = best_of(wanted)
    found = survivors(scores, head.score, TITLE)
    if not found.size:
        return nothing()
    starts = np.cumsum([0, *(output.shape[1] for output in outputs[:3])])
    raw = np.empty((found.size, 4 * BINS), np.float32)
    for number, output in enumerate(outputs[3:]):
        mine = (found >= starts[number]) & (found < starts[number + 1])
        raw[mine] = output[0][found[mine] - starts[number]]
    cells, strides = grid(head.width, head.height, STRIDES)
    boxes = _boxes(raw, (cells[found] + 0.5) * strides[found], strides[found])
    limit = np.array([head.width, head.height] * 2, np.float32)
    return detections(np.clip(boxes, 0, limit), scores[found], numbers_of(head, which[found]), head)


def _boxes(raw: Vector, centres: Vector, strides: Vector) -> Vector:
    bins = raw.reshape(-1, 4, BINS)
    weights = np.exp(bins - bins.max(axis=2, keepdims=True))
    weights /= weights.sum(axis=2, keepdims=True)
    sides = (weights @ np.arange(BINS, dtype=np.float32)) * strides
    return np.concatenate([centres - sides[:, :2], centres + sides[:, 2:]], axis=1)


ADAPTER = Adapter(TITLE, "detect", forms, decode)
