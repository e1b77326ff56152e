"""What the detectors' adapters share: survivors of the threshold, cells of grids, the last steps to ``Detections``.

Order matters for speed: one pass over the scores, then everything else over the few that survive.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.decoders.adapter import Head
from services.analyze.core.detection import Detections, Vector, nothing, suppress
from services.contracts.errors import Corrupt

#: More candidates than this in one picture is a broken model or a hostile picture; the best are kept.
MAX_CANDIDATES = 1000
#: Rounding of a softmax or a sigmoid may exceed one by this much; a score beyond it is no probability.
_SLACK = 1e-3
#: exp() of a raw size beyond this is absurd (over 1000 cells); clipped so that a broken model cannot overflow.
_MAX_LOG_SIZE = 7.0
_NOBODY = np.zeros(0, np.intp)


def survivors(scores: Vector, floor: float, title: str, *, bounded: bool = True) -> NDArray[np.intp]:
    """Where scores (n,) reach the floor; the best ``MAX_CANDIDATES`` of them. ``Corrupt`` when they are no probabilities.

    NaN compares false with everything, so an untested broken model would look like an empty room.
    """
    if not scores.size:
        return _NOBODY
    # Few and plain calls: on an empty picture these are all there are, and each finds the caches cold.
    peak: float = scores.item(scores.argmax())  # where there is a NaN, that one
    if math.isnan(peak) or (bounded and peak > 1.0 + _SLACK):
        raise Corrupt(f"the model gave a score of {peak}; {title} gives numbers from 0 to 1")
    if peak < floor:
        return _NOBODY
    (found,) = (scores >= floor).nonzero()
    if found.size > MAX_CANDIDATES:
        found = found[np.argsort(-scores[found], kind="stable")[:MAX_CANDIDATES]]
    return found


def best_of(wanted: Vector) -> tuple[Vector, NDArray[np.intp]]:
    """Scores of the wanted classes (n, k) → the best score of each row (n,) and which of the k it is."""
    if wanted.shape[1] == 1:
        return wanted[:, 0], np.zeros(len(wanted), np.intp)
    return wanted.max(axis=1), wanted.argmax(axis=1)


def detections(
    boxes: Vector, scores: Vector, numbers: NDArray[np.int32], head: Head, *, nms: bool = True
) -> Detections:
    """Survivors' boxes (m, 4) → what remains after non-maximum suppression, best first. ``Corrupt`` when a box is no box."""
    if not len(boxes):
        return nothing()
    if not np.isfinite(boxes).all():
        raise Corrupt("the model gave a box that is not a number; its weights or its input are broken")
    boxes = boxes.astype(np.float32, copy=False)
    if nms:
        apart = boxes
        if (
            not head.together and len(head.classes) > 1
        ):  # boxes of different classes must not suppress each other: set them apart
            apart = boxes + (numbers * np.float32(4 * max(head.width, head.height)))[:, None].astype(np.float32)
        kept = suppress(apart, scores, head.iou)
    else:
        kept = np.argsort(-scores, kind="stable")
    best = np.minimum(scores[kept], 1).astype(np.float32, copy=False)
    return Detections(boxes[kept], best, numbers[kept])


def numbers_of(head: Head, which: NDArray[np.intp]) -> NDArray[np.int32]:
    """Positions among the wanted classes → the model's class numbers."""
    return np.asarray(head.classes, np.int32)[which]


@lru_cache(maxsize=32)
def grid(width: int, height: int, strides: tuple[int, ...]) -> tuple[Vector, Vector]:
    """Cells (n, 2) as x, y and their strides (n, 1), stride by stride, each grid row by row."""
    cells, sizes = [], []
    for stride in strides:
        ys, xs = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
        sizes.append(np.full((xs.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(sizes).astype(np.float32)


def rows(width: int, height: int, strides: Sequence[int]) -> int:
    """How many cells the grids of an input of this size have."""
    return sum((width // stride) * (height // stride) for stride in strides)


def exp_boxes(raw: Vector, cells: Vector, strides: Vector) -> Vector:
    """YOLOX's boxes: centre = (xy + cell) * stride, size = exp(wh) * stride; as corners (m, 4)."""
    centre = (raw[:, :2] + cells) * strides
    half = np.exp(np.minimum(raw[:, 2:4], _MAX_LOG_SIZE)) * (strides * np.float32(0.5))
    boxes = np.empty((len(raw), 4), np.float32)
    np.subtract(centre, half, out=boxes[:, :2])
    np.add(centre, half, out=boxes[:, 2:])
    return boxes


def corners(raw: Vector) -> Vector:
    """Boxes as (cx, cy, w, h) → corners (m, 4)."""
    half = np.clip(raw[:, 2:4], 0, None) / 2
    return np.concatenate([raw[:, :2] - half, raw[:, :2] + half], axis=1)
