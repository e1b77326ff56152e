"""Ultra-Light face detector's outputs → faces, for masking only (R-25).

Scores (1, n, 2) as background and face; boxes (1, n, 4) as corners from 0 to 1, already decoded in the graph.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.decoders.selecting import detections, survivors
from services.analyze.core.findings import Faces
from services.contracts.errors import Corrupt

TITLE = "Ultra-Light"
_STRIDES = ((8, 3), (16, 2), (32, 2), (64, 3))


def forms(head: Head) -> Forms:
    anchors = sum(-(-head.width // s) * -(-head.height // s) * boxes for s, boxes in _STRIDES)
    return ((Expected((1, anchors, 2)), Expected((1, anchors, 4))),)


def decode(outputs: Sequence[Output], head: Head) -> Faces:
    """Faces in input pixels, best first; this model gives no points."""
    check_outputs(outputs, forms(head), TITLE)
    scores = outputs[0][0][:, 1]
    found = survivors(scores, head.score, TITLE)
    if not np.isfinite(outputs[1][0][found]).all():
        raise Corrupt(f"the model gave a box that is not a number; {TITLE} gives corners from 0 to 1")
    size = np.array([head.width, head.height] * 2, np.float32)
    faces = detections(outputs[1][0][found] * size, scores[found], np.zeros(found.size, np.int32), head)
    return Faces(faces, np.zeros((len(faces), 0, 2), np.float32))


ADAPTER = Adapter(TITLE, "face", forms, decode, multiple=16)
