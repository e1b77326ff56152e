"""The one camera that looks at every drawn room: metres in the room to pixels of the picture.

X runs to the right of the picture's middle, Y up from the floor, Z away from the camera; all in metres.
"""

from __future__ import annotations

import math

WIDTH_PX, HEIGHT_PX = 640, 360
CAMERA_HEIGHT_M = 2.4
HORIZON_PX = 20.0
BACK_WALL_M = 8.3
HALF_WIDTH_M = 4.6
CEILING_M = 2.6
_FOCAL_PX = 450.0

Pixel = tuple[float, float]


def project(x_m: float, y_m: float, z_m: float) -> Pixel:
    """A point of the room as a point of the picture, in pixels from the top left."""
    scale = _FOCAL_PX / z_m
    return WIDTH_PX / 2 + x_m * scale, HORIZON_PX + (CAMERA_HEIGHT_M - y_m) * scale


def pixels_per_metre(foot_y_px: float) -> float:
    """How large a metre appears at the depth of a floor point that is seen at this height of the picture."""
    return (foot_y_px - HORIZON_PX) / CAMERA_HEIGHT_M


def fraction(x_m: float, z_m: float) -> tuple[float, float]:
    """A floor point as fractions of the picture's width and height."""
    x_px, y_px = project(x_m, 0.0, z_m)
    return x_px / WIDTH_PX, y_px / HEIGHT_PX


def disc(x_m: float, z_m: float, radius_m: float, *, y_m: float = 0.0, corners: int = 64) -> list[Pixel]:
    """A circle lying at height ``y_m``, as seen."""
    turns = [2 * math.pi * corner / corners for corner in range(corners)]
    return [project(x_m + radius_m * math.cos(a), y_m, z_m + radius_m * math.sin(a)) for a in turns]
