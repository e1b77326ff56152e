"""RT-DETR's, D-FINE's and their like's outputs → boxes. A set prediction: a query is one object or none, so no suppression.

Two forms: as trained, logits (1, queries, classes) and boxes (1, queries, 4) as cx, cy, w, h from 0 to 1; as deployed, labels,
boxes and scores, already chosen, with boxes as corners in the size given by a second input (``orig_target_sizes``: width, height
of our input).
"""

from __future__ import annotations

from collections.abc import Sequence
from math import log

import numpy as np

from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.decoders.selecting import best_of, corners, detections, numbers_of, survivors
from services.analyze.core.detection import Detections, nothing
from services.contracts.errors import Corrupt

TITLE = "RT-DETR"


def forms(head: Head) -> Forms:
    trained = (Expected((1, None, head.class_count)), Expected((1, None, 4)))
    deployed = (Expected((1, None), dtype="int64"), Expected((1, None, 4)), Expected((1, None)))
    return trained, deployed


def decode(outputs: Sequence[Output], head: Head) -> Detections:
    """Boxes in input pixels of the wanted classes."""
    check_outputs(outputs, forms(head), TITLE)
    if len({output.shape[1] for output in outputs}) != 1:
        raise Corrupt(f"the model gave {[output.shape for output in outputs]}; {TITLE} gives as many boxes as scores")
    return _trained(outputs, head) if len(outputs) == 2 else _deployed(outputs, head)


def _trained(outputs: Sequence[Output], head: Head) -> Detections:
    """The threshold is applied to the logits, so that only survivors see a sigmoid."""
    logits, which = best_of(outputs[0][0][:, list(head.classes)])
    floor = min(max(head.score, 1e-6), 1 - 1e-6)
    found = survivors(logits, log(floor / (1 - floor)), TITLE, bounded=False)
    if not found.size:
        return nothing()
    scores = np.asarray(1 / (1 + np.exp(-np.clip(logits[found], -30, 30))), np.float32)
    size = np.array([head.width, head.height] * 2, np.float32)
    boxes = corners(outputs[1][0][found]) * size
    return detections(boxes, scores, numbers_of(head, which[found]), head, nms=False)


def _deployed(outputs: Sequence[Output], head: Head) -> Detections:
    labels, boxes, scores = (output[0] for output in outputs)
    if labels.dtype.kind not in "iu":
        raise Corrupt(f"the model gave labels as {labels.dtype}; {TITLE} gives whole numbers")
    found = survivors(np.where(np.isin(labels, head.classes), scores, scores.dtype.type(-1)), head.score, TITLE)
    return detections(boxes[found], scores[found], labels[found].astype(np.int32), head, nms=False)


ADAPTER = Adapter(TITLE, "detect", forms, decode, size_input=True, infinite_weights=True)
