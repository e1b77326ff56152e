"""What a detector found in one picture, whatever model it was."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vector = NDArray[np.float32]


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
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    areas = [np.prod(np.clip(boxes[:, 2:] - boxes[:, :2], 0, None), axis=1) for boxes in (left, right)]
    union = areas[0][:, None] + areas[1][None, :] - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)


def suppress(boxes: Vector, scores: Vector, iou: float) -> NDArray[np.intp]:
    """Greedy non-maximum suppression; indices of what is kept, best score first (ties: lowest index)."""
    order = np.argsort(-scores, kind="stable")
    overlaps = iou_matrix(boxes[order], boxes[order]) > iou
    kept: list[int] = []
    alive = np.ones(len(order), dtype=bool)
    for rank in range(len(order)):
        if alive[rank]:
            kept.append(rank)
            alive &= ~overlaps[rank]
    return order[kept]
