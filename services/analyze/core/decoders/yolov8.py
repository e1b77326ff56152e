"""YOLOv8's, YOLOv11's and their like's output → boxes: (1, 4 + classes, n), no objectness, class scores after the sigmoid.

Columns run over the cells of strides 8, 16 and 32; the first four rows are centre x, centre y, width, height in input pixels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.analyze.core.decoders import selecting
from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.decoders.selecting import best_of, corners, detections, numbers_of, survivors
from services.analyze.core.detection import Detections, nothing

TITLE = "YOLOv8"
STRIDES = (8, 16, 32)


def forms(head: Head) -> Forms:
    return ((Expected((1, 4 + head.class_count, selecting.rows(head.width, head.height, STRIDES))),),)


def decode(outputs: Sequence[Output], head: Head) -> Detections:
    """Boxes in input pixels of the wanted classes."""
    check_outputs(outputs, forms(head), TITLE)
    table = outputs[0][0]
    scores, which = best_of(table[[4 + number for number in head.classes]].T)
    found = survivors(scores, head.score, TITLE)
    if not found.size:
        return nothing()
    boxes = corners(np.ascontiguousarray(table[:4, found].T))
    return detections(boxes, scores[found], numbers_of(head, which[found]), head)


ADAPTER = Adapter(TITLE, "detect", forms, decode)
