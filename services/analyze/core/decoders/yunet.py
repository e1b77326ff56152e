"""YuNet's outputs → faces with five points, for masking only (R-25).

Twelve outputs: cls, obj, bbox and kps for strides 8, 16, 32, cells row by row. Score = sqrt(cls * obj); boxes as in YOLOX; a
point is ``(kps + cell) * stride``.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.analyze.core.decoders import selecting
from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.decoders.selecting import detections, exp_boxes, grid, survivors
from services.analyze.core.detection import nothing, suppress
from services.analyze.core.findings import Faces
from services.contracts.errors import Corrupt

TITLE = "YuNet"
STRIDES = (8, 16, 32)
_PARTS = (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10))


def forms(head: Head) -> Forms:
    cells = {stride: selecting.rows(head.width, head.height, (stride,)) for stride in STRIDES}
    return (
        tuple(
            Expected((1, cells[stride], width), f"{part}_{stride}")
            for part, width in _PARTS
            for stride in STRIDES
        ),
    )  # fmt: skip


def decode(outputs: Sequence[Output], head: Head) -> Faces:
    """Faces in input pixels, best first."""
    check_outputs(outputs, forms(head), TITLE)
    cls, obj, boxes, points = (
        np.concatenate([output[0] for output in outputs[first : first + 3]]) for first in (0, 3, 6, 9)
    )
    scores = np.sqrt(np.clip(cls[:, 0], 0, None) * np.clip(obj[:, 0], 0, None))
    found = survivors(scores, head.score, TITLE)
    if not found.size:
        return Faces(nothing(), np.zeros((0, 5, 2), np.float32))
    cells, strides = grid(head.width, head.height, STRIDES)
    corners = np.asarray(exp_boxes(boxes[found], cells[found], strides[found]), np.float32)
    marks = (points[found].reshape(-1, 5, 2) + cells[found][:, None]) * strides[found][:, None]
    if not np.isfinite(marks).all():
        raise Corrupt(f"the model gave points that are not numbers; {TITLE} gives five points a face")
    kept = suppress(corners, scores[found], head.iou)
    numbers = np.zeros(kept.size, np.int32)
    faces = detections(corners[kept], scores[found][kept], numbers, head, nms=False)
    return Faces(faces, np.asarray(marks[kept], np.float32))


ADAPTER = Adapter(TITLE, "face", forms, decode)
