"""FastestDet's output → boxes: one grid of stride 16, (1, 5 + classes, rows, columns).

Channel 0 objectness, 1 and 2 the centre's offset in its cell before tanh, 3 and 4 width and height before the sigmoid as shares
of the picture, then class scores. Score = objectness ** 0.6 * class ** 0.4.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.decoders.selecting import best_of, corners, detections, grid, numbers_of, survivors
from services.analyze.core.detection import Detections, Vector, nothing

TITLE = "FastestDet"
STRIDE = 16


def forms(head: Head) -> Forms:
    return ((Expected((1, 5 + head.class_count, head.height // STRIDE, head.width // STRIDE)),),)


def decode(outputs: Sequence[Output], head: Head) -> Detections:
    """Boxes in input pixels of the wanted classes."""
    check_outputs(outputs, forms(head), TITLE)
    table = outputs[0][0].reshape(5 + head.class_count, -1)
    best, which = best_of(table[[5 + number for number in head.classes]].T)
    scores = np.asarray(np.clip(table[0], 0, None) ** 0.6 * np.clip(best, 0, None) ** 0.4, np.float32)
    found = survivors(scores, head.score, TITLE)
    if not found.size:
        return nothing()
    cells, _ = grid(head.width, head.height, (STRIDE,))
    raw = np.ascontiguousarray(table[1:5, found].T)
    centre = (np.tanh(raw[:, :2]) + cells[found]) * STRIDE
    size = _sigmoid(raw[:, 2:]) * np.array([head.width, head.height], np.float32)
    boxes = corners(np.concatenate([centre, size], axis=1))
    return detections(boxes, scores[found], numbers_of(head, which[found]), head)


def _sigmoid(raw: Vector) -> Vector:
    return np.asarray(1 / (1 + np.exp(-np.clip(raw, -30, 30))), np.float32)


ADAPTER = Adapter(TITLE, "detect", forms, decode)
