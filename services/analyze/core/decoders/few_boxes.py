"""The last steps for the few boxes of a picture, in plain numbers; ``selecting`` has the same steps on arrays, for any number.

Between two pictures another camera was decoded, so the caches are cold, and the first calls into an array library cost several
microseconds each, whatever they calculate (decision 15). A picture has a dozen candidates: for those, arithmetic is cheaper.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from services.analyze.core.decoders.selecting import MAX_LOG_SIZE, NO_BOX, grid
from services.analyze.core.detection import Detections
from services.analyze.core.zones import Box
from services.contracts.errors import Corrupt

#: Of some ten candidates a person, from about here on arrays are faster (with warm caches; one person: 16 µs against 28).
MOST = 64

#: Column and row of a cell, and its stride.
Cell = tuple[float, float, float]


@lru_cache(maxsize=32)
def cells_of(width: int, height: int, strides: tuple[int, ...]) -> tuple[Cell, ...]:
    """``selecting.grid``, a cell a tuple."""
    cells, sizes = grid(width, height, strides)
    return tuple((x, y, stride) for (x, y), (stride,) in zip(cells.tolist(), sizes.tolist(), strict=True))


def exp_box(raw: Sequence[float], cell: Cell) -> Box:
    """``selecting.exp_boxes`` of one. ``Corrupt`` when it is no box."""
    column, row, stride = cell
    x, y = (raw[0] + column) * stride, (raw[1] + row) * stride
    half_width = math.exp(min(raw[2], MAX_LOG_SIZE)) * stride / 2
    half_height = math.exp(min(raw[3], MAX_LOG_SIZE)) * stride / 2
    if not math.isfinite(x + y + half_width + half_height):
        raise Corrupt(NO_BOX)
    return x - half_width, y - half_height, x + half_width, y + half_height


def suppress_few(
    boxes: Sequence[Box], scores: Sequence[float], iou: float, kinds: Sequence[int] | None = None
) -> list[int]:
    """``detection.suppress``, best first; boxes of different ``kinds`` do not suppress each other."""
    kept: list[int] = []
    for number in sorted(range(len(boxes)), key=scores.__getitem__, reverse=True):
        left, top, right, bottom = boxes[number]
        area = (right - left) * (bottom - top)
        for other in kept:
            x1, y1, x2, y2 = boxes[other]
            wide = (right if right < x2 else x2) - (left if left > x1 else x1)
            high = (bottom if bottom < y2 else y2) - (top if top > y1 else y1)
            if wide <= 0 or high <= 0 or (kinds is not None and kinds[number] != kinds[other]):
                continue
            shared = wide * high
            if shared > iou * (area + (x2 - x1) * (y2 - y1) - shared):
                break
        else:
            kept.append(number)
    return kept


def detections_of(
    boxes: Sequence[Box], scores: Sequence[float], classes: Sequence[int], kept: Sequence[int]
) -> Detections:
    """Those that were kept; rounding of a sigmoid may have put a score a little above one."""
    return Detections(
        np.array([boxes[number] for number in kept], np.float32),
        np.array([min(scores[number], 1.0) for number in kept], np.float32),
        np.array([classes[number] for number in kept], np.int32),
    )
