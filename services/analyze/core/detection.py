"""What a detector found in one picture, whatever model it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]

#: Up to so many boxes plain Python is quicker than numpy.
_FEW = 24


@dataclass(frozen=True, slots=True)
class Detections:
    """``boxes`` (n, 4): x1, y1, x2, y2, pixels of the picture; ``scores`` (n,): 0..1, falling; ``classes`` (n,): of the model."""

    boxes: Vector
    scores: Vector
    classes: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.scores)


def nothing() -> Detections:
    return Detections(np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32))


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
    """Greedy non-maximum suppression; indices of what is kept, best score first (ties: lowest index)."""
    order = np.argsort(-scores, kind="stable")
    if len(order) <= _FEW:
        return order[_kept_of_few(boxes[order].tolist(), iou)]
    overlaps = iou_matrix(boxes[order], boxes[order]) > iou
    kept: list[int] = []
    alive = np.ones(len(order), dtype=bool)
    for rank in range(len(order)):
        if alive[rank]:
            kept.append(rank)
            alive &= ~overlaps[rank]
    return order[kept]


def _kept_of_few(boxes: list[list[float]], iou: float) -> list[int]:
    """The same over plain numbers: each box is compared with those kept; for a dozen, a third of the cost."""
    kept: list[int] = []
    for rank, (x1, y1, x2, y2) in enumerate(boxes):
        area = max(x2 - x1, 0.0) * max(y2 - y1, 0.0)
        for other in kept:
            u1, v1, u2, v2 = boxes[other]
            shared = max(min(x2, u2) - max(x1, u1), 0.0) * max(min(y2, v2) - max(y1, v1), 0.0)
            if shared > iou * max(area + max(u2 - u1, 0.0) * max(v2 - v1, 0.0) - shared, 1e-9):
                break
        else:
            kept.append(rank)
    return kept
