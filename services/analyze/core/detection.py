"""What a detector found in one picture, whatever model it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from services.analyze.core.zones import Box

Vector = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Detections:
    """``boxes`` (n, 4): x1, y1, x2, y2, pixels of the picture; ``scores`` (n,): 0..1, falling; ``classes`` (n,): of the model."""

    boxes: Vector
    scores: Vector
    classes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.scores)


_NOTHING = Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


def nothing() -> Detections:
    """An empty picture, as most are: always the same object."""
    return _NOTHING


def iou(left: Box, right: Box) -> float:
    """Intersection over union of two boxes."""
    wide, high = min(left[2], right[2]) - max(left[0], right[0]), min(left[3], right[3]) - max(left[1], right[1])
    shared = max(wide, 0.0) * max(high, 0.0)
    areas = [(x2 - x1) * (y2 - y1) for x1, y1, x2, y2 in (left, right)]
    return shared / max(sum(areas) - shared, 1e-9)


def iou_matrix(left: Vector, right: Vector) -> Vector:
    """Intersection over union of boxes (n, 4) against (m, 4): (n, m)."""
    # Side by side instead of np.prod over an axis: a third of the time for the few boxes of a picture.
    x1, y1, x2, y2 = left.T[:, :, None]
    u1, v1, u2, v2 = right.T
    wide = np.maximum(np.minimum(x2, u2) - np.maximum(x1, u1), 0)
    high = np.maximum(np.minimum(y2, v2) - np.maximum(y1, v1), 0)
    shared = wide * high
    ours = np.maximum(x2 - x1, 0) * np.maximum(y2 - y1, 0)
    theirs = np.maximum(u2 - u1, 0) * np.maximum(v2 - v1, 0)
    return np.asarray(shared / np.maximum(ours + theirs - shared, 1e-9), dtype=np.float32)


def suppress(boxes: Vector, scores: Vector, iou: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression; indices of what is kept, best score first (ties: lowest index). Scores are above 0."""
    placed = boxes.astype(np.float32)
    placed[:, 2:] -= placed[:, :2]
    # OpenCV takes arrays as they are; its stub names sequences only.
    return np.asarray(cv2.dnn.NMSBoxes(cast(Any, placed), cast(Any, scores), 0.0, iou), np.intp)
