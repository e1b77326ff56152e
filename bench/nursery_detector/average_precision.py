"""Average precision at IoU 0.5, area under the interpolated precision-recall curve (PASCAL VOC 2010 and later; COCO's AP50).

People too hidden to ask for are ignored as in COCO's crowd regions: finding them is neither right nor wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]
_IOU = 0.5


@dataclass(frozen=True)
class Picture:
    """One picture of one class: found boxes (n, 4) with scores (n,), wanted (m, 4), ignored (k, 4); x1, y1, x2, y2."""

    found: Boxes
    scores: NDArray[np.float32]
    wanted: Boxes
    ignored: Boxes


def average_precision(pictures: Sequence[Picture]) -> float:
    """0..1; NaN if nobody is wanted in any picture."""
    scores, right, wanted = [], [], 0
    for picture in pictures:
        wanted += len(picture.wanted)
        for score, verdict in _judged(picture):
            scores.append(score)
            right.append(verdict)
    if not wanted:
        return float("nan")
    order = np.argsort(-np.array(scores), kind="stable")
    hits = np.array(right, dtype=bool)[order]
    recall = np.cumsum(hits) / wanted
    precision = np.cumsum(hits) / np.arange(1, len(hits) + 1)
    falling = np.maximum.accumulate(precision[::-1])[::-1]
    steps = np.diff(np.concatenate([[0.0], recall]))
    return float(np.sum(steps * falling))


def _judged(picture: Picture) -> list[tuple[float, bool]]:
    """(score, whether it found somebody not yet found) per box, best first; boxes on ignored people are left out."""
    taken = np.zeros(len(picture.wanted), dtype=bool)
    judged = []
    for index in np.argsort(-picture.scores, kind="stable"):
        box = picture.found[index]
        overlaps = np.where(taken, 0.0, iou(box, picture.wanted))
        best = int(overlaps.argmax()) if len(overlaps) else -1
        if best >= 0 and overlaps[best] >= _IOU:
            taken[best] = True
            judged.append((float(picture.scores[index]), True))
        elif not (iou(box, picture.ignored) >= _IOU).any():
            judged.append((float(picture.scores[index]), False))
    return judged


def iou(box: Boxes, others: Boxes) -> NDArray[np.float32]:
    """Intersection over union of one box with (n, 4)."""
    low, high = np.maximum(box[:2], others[:, :2]), np.minimum(box[2:], others[:, 2:])
    shared = np.clip(high - low, 0, None).prod(axis=1)
    union = (box[2:] - box[:2]).prod() + (others[:, 2:] - others[:, :2]).prod(axis=1) - shared
    return np.asarray(shared / np.maximum(union, 1e-9), dtype=np.float32)
