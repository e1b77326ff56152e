"""The 17 keypoints of COCO on a posed body, for truth."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from services.simulation.people.body import Body
from services.simulation.people.skeleton import INDEX
from services.simulation.world import Point

KEYPOINTS = (
    "nose", "left_eye", "right_eye", "left_ear", "right_ear", "left_shoulder", "right_shoulder", "left_elbow", "right_elbow",
    "left_wrist", "right_wrist", "left_hip", "right_hip", "left_knee", "right_knee", "left_ankle", "right_ankle",
)  # fmt: skip
#: The limb at whose origin a keypoint lies.
_ORIGINS = {
    "shoulder": "upper_arm",
    "elbow": "forearm",
    "wrist": "hand",
    "hip": "thigh",
    "knee": "shin",
    "ankle": "foot",
}


def joints_of(body: Body, limbs: NDArray[np.float32]) -> dict[str, Point]:
    """Keypoints by name from one body's limb transforms (limbs, 4, 4)."""
    found: dict[str, Point] = {}
    head = limbs[INDEX["head"]]
    for name, offset in _face(body):
        x, y, z = (head[:3, :3] @ np.array(offset, np.float32) + head[:3, 3]).tolist()
        found[name] = (x, y, z)
    for name in KEYPOINTS[5:]:
        side, joint = name.split("_")
        x, y, z = limbs[INDEX[f"{_ORIGINS[joint]}_{side[0]}"], :3, 3].tolist()
        found[name] = (x, y, z)
    return found


def _face(body: Body) -> Iterator[tuple[str, Point]]:
    deep, wide, tall = body.head_depth_half, body.head_half, body.head
    yield "nose", (1.02 * deep, 0.0, 0.20 * tall)
    for name, side in (("left", 1), ("right", -1)):
        yield f"{name}_eye", (0.86 * deep, side * 0.40 * wide, 0.32 * tall)
    for name, side in (("left", 1), ("right", -1)):
        yield f"{name}_ear", (-0.05 * deep, side * wide, 0.26 * tall)
