"""MoveNet's output → one person's 17 points: (1, 1, 17, 3) as y, x, score, each from 0 to 1 of the input."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from services.analyze.core.decoders.adapter import Adapter, Expected, Forms, Head, Output, check_outputs
from services.analyze.core.findings import Pose
from services.contracts.errors import Corrupt

TITLE = "MoveNet"
POINTS = 17


def forms(head: Head) -> Forms:
    return ((Expected((1, 1, POINTS, 3)),),)


def decode(outputs: Sequence[Output], head: Head) -> Pose:
    """Points in input pixels, as x, y, score. No threshold: which points to believe is for the reader of the pose."""
    check_outputs(outputs, forms(head), TITLE)
    raw = np.asarray(outputs[0][0, 0], np.float32)
    if not np.isfinite(raw).all() or raw[:, 2].min() < -1e-3 or raw[:, 2].max() > 1 + 1e-3:
        raise Corrupt(f"the model gave points that are no points; {TITLE} gives y, x and a score from 0 to 1")
    points = raw[:, [1, 0, 2]] * np.array([head.width, head.height, 1], np.float32)
    return Pose(np.asarray(points, np.float32))


ADAPTER = Adapter(TITLE, "pose", forms, decode)
