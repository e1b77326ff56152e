"""Upright, bent, sitting or lying: from a body's height against its own stature, the box's shape and, where there is one, a pose.

Boxes cannot tell everything: somebody lying with the feet towards the camera looks like somebody sitting. What a pose says stands
above what a box says. Pure.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.scene.facts import Posture

#: Height over stature from which somebody counts as upright, and below which they cannot be sitting on a chair.
_UPRIGHT_SHARE, _LOW_SHARE = 0.85, 0.40
#: Box height over width: wider than high lies; so slender a box is a whole body upright.
_LYING_ASPECT, _UPRIGHT_ASPECT = 0.8, 1.9
#: Somebody low who keeps still has sat down; somebody bent gets up again or moves.
_SITS_AFTER_S = 2.5
_LEAST_POINT_SCORE = 0.3
_LEFT_SHOULDER, _LEFT_HIP, _LEFT_KNEE = 5, 11, 13


def posture_of_box(aspect: float, height_share: float | None, still_s: float) -> Posture:
    """``aspect``: height / width of a box that is whole. ``height_share``: present height over stature, ``None`` if not known."""
    if aspect < _LYING_ASPECT:
        return "lying"
    if height_share is None:
        return "upright" if aspect >= _UPRIGHT_ASPECT else "unknown"
    if height_share >= _UPRIGHT_SHARE:
        return "upright" if aspect >= 1.2 else "unknown"
    if height_share < _LOW_SHARE and aspect < 1.2:
        return "lying"
    return "sitting" if still_s >= _SITS_AFTER_S else "bent"


def posture_of_pose(points: NDArray[np.float32]) -> Posture:
    """COCO's 17 points (x, y, score) of somebody seen about level. ``unknown`` if trunk or legs are not seen."""
    shoulder, hip, knee = (_middle(points, left) for left in (_LEFT_SHOULDER, _LEFT_HIP, _LEFT_KNEE))
    if shoulder is None or hip is None:
        return "unknown"
    trunk_deg = _from_vertical(shoulder, hip)
    if trunk_deg > 60:
        legs_deg = _from_vertical(hip, knee) if knee is not None else 90.0
        return "lying" if legs_deg > 45 else "bent"
    if knee is None:
        return "unknown"
    if _from_vertical(hip, knee) > 50:
        return "sitting"
    return "bent" if trunk_deg > 35 else "upright"


def _middle(points: NDArray[np.float32], left: int) -> tuple[float, float] | None:
    seen = [point for point in points[left : left + 2] if point[2] >= _LEAST_POINT_SCORE]
    if not seen:
        return None
    return float(np.mean([point[0] for point in seen])), float(np.mean([point[1] for point in seen]))


def _from_vertical(upper: tuple[float, float], lower: tuple[float, float]) -> float:
    """0: the lower point hangs straight below the upper, 90: beside it, 180: above it."""
    return math.degrees(math.atan2(abs(lower[0] - upper[0]), lower[1] - upper[1]))
