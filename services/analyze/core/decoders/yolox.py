"""YOLOX's raw output → boxes. For any input size that is a multiple of 32 and any number of classes.

Rows run over the cells of strides 8, 16 and 32, each grid row by row. A row is (x, y, w, h, objectness, class scores…), with
``centre = (xy + cell) * stride``, ``size = exp(wh) * stride``; objectness and class scores are probabilities already.
Thresholding comes before box decoding: it is 15 times cheaper (few cells survive).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.decoders import selecting
from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output
from services.analyze.core.decoders.selecting import detections, exp_boxes, grid, numbers_of, survivors
from services.analyze.core.detection import Detections, Vector, nothing
from services.contracts.errors import Corrupt

TITLE = "YOLOX"
STRIDES = (8, 16, 32)


def rows(width: int, height: int) -> int:
    """How many rows the output has for an input of this size."""
    return selecting.rows(width, height, STRIDES)


def forms(head: Head) -> Forms:
    return ((Expected((1, rows(head.width, head.height), 5 + head.class_count)),),)


def decode(
    output: NDArray[np.float32],
    width: int,
    height: int,
    *,
    classes: tuple[int, ...],
    score: float,
    iou: float,
    together: bool = False,
) -> Detections:
    """Boxes in input pixels of the wanted ``classes`` with a score of at least ``score``.

    ``output`` is (1, rows, 5 + classes) or (rows, 5 + classes); ``Corrupt`` when it is anything else.
    """
    head = Head(width, height, classes=classes, score=score, iou=iou, together=together)
    return read([output], head)


def read(outputs: Sequence[Output], head: Head) -> Detections:
    """The adapter's form of :func:`decode`."""
    if len(outputs) != 1:
        raise Corrupt(f"the model gave {len(outputs)} outputs; YOLOX gives one")
    (output,) = outputs
    flat = output[0] if output.ndim == 3 else output
    cells, strides = grid(head.width, head.height, STRIDES)
    if flat.ndim != 2 or len(flat) != len(cells) or flat.shape[1] < 6 + max(head.classes):
        size = f"{head.width}x{head.height}"
        raise Corrupt(f"the model gave {output.shape}; YOLOX on {size} gives (1, {len(cells)}, 5 + classes)")
    scores = _scores(flat, head.classes)
    found = survivors(scores, head.score, TITLE)
    if not found.size:
        return nothing()
    rows = flat[found]
    boxes = exp_boxes(rows, cells[found], strides[found])
    which = rows[:, [5 + number for number in head.classes]].argmax(axis=1)
    return detections(boxes, scores[found], numbers_of(head, which), head)


def _scores(flat: Vector, classes: tuple[int, ...]) -> Vector:
    """Of each row, the best of the wanted classes: columns are looked at in place, picking them out costs twice the time."""
    best = flat[:, 5 + classes[0]]
    for number in classes[1:]:
        best = np.maximum(best, flat[:, 5 + number])
    return np.asarray(flat[:, 4] * best)


ADAPTER = Adapter(TITLE, "detect", forms, read)
