"""A building's zones, which are metres of floor, as a camera sees them: polygons in fractions of its picture.

Belongs here: projection and what of a zone lies in the picture. Does not belong here: what a zone means (``contracts.entity``).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Building, BuildingCamera, FloorZone
from services.simulation.render.camera_model import CameraModel, camera_model

Corners = list[list[float]]
_STEP_M = 0.1  # a straight edge on the floor is bent by the lens: it is followed in steps
_NEAREST_M = 0.3
_LEAST_SHARE = 0.0005  # of the picture


def seen_zones(building: Building, camera: BuildingCamera) -> list[tuple[FloorZone, Corners]]:
    """The zones of a camera's room of which it sees anything, with what it sees of them."""
    return [
        (zone, corners)
        for zone in building.zones
        if zone.room == camera.room and (corners := projected(camera, zone.polygon))
    ]


def projected(camera: BuildingCamera, polygon: Sequence[tuple[float, float]]) -> Corners:
    """A polygon of the floor (metres) in the camera's picture (0..1, origin top left); empty where it sees nothing of it."""
    model = camera_model(camera)
    ahead = _before_lens(model, _stepped(np.array(polygon, np.float64)))
    if len(ahead) < 3:
        return []
    pixels, _ = model.project(np.column_stack([ahead, np.zeros(len(ahead))]))
    shown = _clipped(pixels / (model.width_px, model.height_px))
    shown = _simplified(shown)
    if len(shown) < 3 or _area(shown) < _LEAST_SHARE:
        return []
    return [[round(float(x), 4), round(float(y), 4)] for x, y in shown]


def _stepped(corners: NDArray[np.float64]) -> NDArray[np.float64]:
    pieces = []
    for start, end in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        count = max(1, int(np.ceil(np.linalg.norm(end - start) / _STEP_M)))
        pieces.append(start + (end - start) * (np.arange(count) / count)[:, None])
    return np.concatenate(pieces)


def _before_lens(model: CameraModel, floor: NDArray[np.float64]) -> NDArray[np.float64]:
    """What of a floor polygon lies before the camera: the rest cannot be projected."""
    depth = (np.column_stack([floor, np.zeros(len(floor))]) - model.at) @ model.rotation[2] - _NEAREST_M
    return _halved(floor, depth)


def _clipped(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Sutherland and Hodgman's way: cut by one edge of the picture after the other."""
    for axis in (0, 1):
        shape = _halved(shape, shape[:, axis])
        shape = _halved(shape, 1.0 - shape[:, axis])
    return np.clip(shape, 0.0, 1.0)


def _halved(shape: NDArray[np.float64], side: NDArray[np.float64]) -> NDArray[np.float64]:
    """The part of a polygon where ``side``, known at its corners, is not negative."""
    kept = []
    for index in range(len(shape)):
        one, other = shape[index], shape[(index + 1) % len(shape)]
        a, b = side[index], side[(index + 1) % len(shape)]
        if a >= 0:
            kept.append(one)
        if (a >= 0) != (b >= 0):
            kept.append(one + (other - one) * (a / (a - b)))
    return np.array(kept).reshape(-1, 2)


def _simplified(shape: NDArray[np.float64]) -> NDArray[np.float64]:
    """Without corners that change nothing: within a five-hundredth of the picture."""
    import cv2

    if len(shape) < 3:
        return shape
    return np.asarray(cv2.approxPolyDP(shape.astype(np.float32), 0.002, True), np.float64).reshape(-1, 2)


def _area(shape: NDArray[np.float64]) -> float:
    x, y = shape[:, 0], shape[:, 1]
    return abs(float(x @ np.roll(y, -1) - y @ np.roll(x, -1))) / 2
