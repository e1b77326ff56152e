"""YOLOX's raw output → boxes. For any input size that is a multiple of 32 and any number of classes.

Rows run over the cells of strides 8, 16 and 32, each grid row by row. A row is (x, y, w, h, objectness, class scores…), with
``centre = (xy + cell) * stride``, ``size = exp(wh) * stride``; objectness and class scores are probabilities already.
Thresholding comes before box decoding: it is 15 times cheaper (few cells survive).
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.detection import Detections, Vector, nothing, suppress
from services.contracts.errors import Corrupt

STRIDES = (8, 16, 32)
#: exp() of a raw size beyond this is absurd (over 1000 cells); clipped so that a broken model cannot overflow.
_MAX_LOG_SIZE = 7.0
#: More candidates than this in one picture is a broken model or a hostile picture; the best are kept.
_MAX_CANDIDATES = 1000


def rows(width: int, height: int) -> int:
    """How many rows the output has for an input of this size."""
    return sum((width // stride) * (height // stride) for stride in STRIDES)


@lru_cache(maxsize=16)
def _grid(width: int, height: int) -> tuple[Vector, Vector]:
    cells, strides = [], []
    for stride in STRIDES:
        ys, xs = np.mgrid[: height // stride, : width // stride]
        cells.append(np.stack([xs.ravel(), ys.ravel()], axis=1))
        strides.append(np.full((xs.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(strides).astype(np.float32)


def decode(
    output: NDArray[np.float32], width: int, height: int, *, classes: tuple[int, ...], score: float, iou: float
) -> Detections:
    """Boxes in input pixels of the wanted ``classes`` with a score of at least ``score``.

    ``output`` is (1, rows, 5 + classes) or (rows, 5 + classes); ``Corrupt`` when it is anything else.
    """
    flat = output[0] if output.ndim == 3 else output
    if flat.ndim != 2 or flat.shape[0] != rows(width, height) or flat.shape[1] < 6 + max(classes):
        raise Corrupt(
            f"the model gave {output.shape}; YOLOX on {width}x{height} gives (1, {rows(width, height)}, 5 + classes)"
        )
    wanted = flat[:, [5 + number for number in classes]] * flat[:, 4:5]
    best = wanted.argmax(axis=1) if len(classes) > 1 else np.zeros(len(flat), dtype=np.intp)
    scores = wanted.max(axis=1) if len(classes) > 1 else wanted[:, 0]
    survivors = np.flatnonzero(scores >= score)
    if survivors.size == 0:
        return nothing()
    if survivors.size > _MAX_CANDIDATES:
        survivors = survivors[np.argsort(-scores[survivors], kind="stable")[:_MAX_CANDIDATES]]
    boxes = _boxes(flat[survivors, :4], survivors, width, height)
    numbers = np.asarray(classes, dtype=np.int32)[best[survivors]]
    # Boxes of different classes must not suppress each other: shift each class to a place of its own.
    shifted = boxes + (numbers * np.float32(4 * max(width, height)))[:, None].astype(np.float32)
    kept = suppress(shifted, scores[survivors], iou)
    return Detections(boxes[kept], scores[survivors][kept].astype(np.float32), numbers[kept])


def _boxes(raw: Vector, survivors: NDArray[np.intp], width: int, height: int) -> Vector:
    cells, strides = _grid(width, height)
    stride = strides[survivors]
    centre = (raw[:, :2] + cells[survivors]) * stride
    half = np.exp(np.clip(raw[:, 2:4], -_MAX_LOG_SIZE, _MAX_LOG_SIZE)) * stride / 2
    return np.asarray(np.concatenate([centre - half, centre + half], axis=1), dtype=np.float32)
