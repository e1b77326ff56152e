"""A camera as a pinhole with radial distortion: metres to pixels and back. Plain numpy: the truth is read off with it.

The picture's axes: x right, y down, pixel centres at half-integers; camera axes: x right, y down, z forward. A distorted
radius is ``r (1 + k1 r² + k2 r⁴)`` in units of the focal length (Brown-Conrady without tangential terms).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.simulation.building import BuildingCamera
from services.simulation.world import World

Floats = NDArray[np.float64]
_NEAREST_M = 0.05
_KNOCKS = 2  # a camera turns in so many blows: each is a plate to paint
_KNOCKED_PAN, _KNOCKED_TILT, _KNOCKED_ROLL = math.radians(27), math.radians(-11), math.radians(7)


Row = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class CameraModel:
    """Where a camera is, which way it looks (rows of ``axes``: right, down, forward) and its lens."""

    at: tuple[float, float, float]
    axes: tuple[Row, Row, Row]
    width_px: int
    height_px: int
    focal_px: float
    k1: float = 0.0
    k2: float = 0.0

    @property
    def rotation(self) -> Floats:
        return np.array(self.axes)

    def project(self, points: ArrayLike) -> tuple[Floats, Floats]:
        """(n, 3) metres to (n, 2) pixels and (n,) depths in metres; a point behind the camera has nan pixels.

        Points beyond the lens' bijective range are pushed outwards linearly, so that far outside stays far outside.
        """
        seen = (np.asarray(points, np.float64).reshape(-1, 3) - self.at) @ self.rotation.T
        depth = seen[:, 2]
        with np.errstate(divide="ignore", invalid="ignore"):
            plane = np.where(depth[:, None] > _NEAREST_M, seen[:, :2] / depth[:, None], np.nan)
        return self.distort(plane) * self.focal_px + self._middle, depth

    def distort(self, plane: Floats) -> Floats:
        """Points of the ideal image plane (units of the focal length) to where the lens puts them."""
        limit = self._bijective_radius
        radius = np.hypot(plane[..., 0], plane[..., 1])
        near = np.minimum(radius, limit)
        factor = 1 + self.k1 * near**2 + self.k2 * near**4
        beyond = np.where(radius > limit, factor + (radius - limit) / np.maximum(radius, 1e-9), factor)
        return np.asarray(plane * beyond[..., None])

    def undistort(self, pixels: ArrayLike) -> Floats:
        """(…, 2) pixels to the ideal image plane, by Newton's iteration on the radius."""
        bent = (np.asarray(pixels, np.float64) - self._middle) / self.focal_px
        target = np.hypot(bent[..., 0], bent[..., 1])
        radius = target.copy()
        for _ in range(12):
            value = radius * (1 + self.k1 * radius**2 + self.k2 * radius**4) - target
            slope = 1 + 3 * self.k1 * radius**2 + 5 * self.k2 * radius**4
            radius = np.clip(radius - value / np.maximum(slope, 0.05), 0, self._bijective_radius)
        return np.asarray(bent * np.where(target > 1e-12, radius / np.maximum(target, 1e-12), 1.0)[..., None])

    def rays(self, pixels: ArrayLike) -> Floats:
        """Unit directions in the world through (…, 2) pixels."""
        plane = self.undistort(pixels)
        ahead = np.concatenate([plane, np.ones((*plane.shape[:-1], 1))], axis=-1) @ self.rotation
        return np.asarray(ahead / np.linalg.norm(ahead, axis=-1, keepdims=True))

    def turned(self, pan_rad: float, tilt_rad: float, roll_rad: float) -> CameraModel:
        """The same camera knocked out of its direction, about its own axes."""
        pan, tilt, roll = (_turn(axis, angle) for axis, angle in ((1, pan_rad), (0, tilt_rad), (2, roll_rad)))
        axes = (roll @ tilt @ pan) @ self.rotation
        return replace(self, axes=_rows(axes))

    @property
    def _middle(self) -> Floats:
        return np.array([self.width_px / 2, self.height_px / 2])

    @property
    def _bijective_radius(self) -> float:
        """Up to here a larger angle lands farther out; a barrel lens folds back beyond."""
        return _bijective_radius(self.k1, self.k2)


@lru_cache(maxsize=256)
def _bijective_radius(k1: float, k2: float) -> float:
    roots = np.roots([5 * k2, 3 * k1, 1.0]) if k2 else np.array([-1 / (3 * k1 or -1e-9)])
    real = [float(root.real) for root in roots if abs(root.imag) < 1e-9 and root.real > 0]
    return math.sqrt(min(real)) * 0.98 if real else 50.0


@lru_cache(maxsize=256)
def camera_model(camera: BuildingCamera) -> CameraModel:
    """The model of a building's camera. ``hfov_deg`` is what it sees across its width, lens included."""
    forward = _forward(camera)
    right = np.cross(forward, (0.0, 0.0, 1.0))
    right /= np.linalg.norm(right)
    axes = _turn(2, math.radians(camera.roll_deg)) @ np.stack([right, np.cross(forward, right), forward])
    edge = math.tan(math.radians(camera.hfov_deg) / 2)
    bent = edge * (1 + camera.k1 * edge**2 + camera.k2 * edge**4)
    return CameraModel(
        at=camera.at, axes=_rows(axes),
        width_px=camera.width_px, height_px=camera.height_px, focal_px=camera.width_px / 2 / max(bent, 0.1),
        k1=camera.k1, k2=camera.k2,
    )  # fmt: skip


def _rows(axes: Floats) -> tuple[Row, Row, Row]:
    (a, b, c), (d, e, f), (g, h, i) = axes.tolist()
    return (a, b, c), (d, e, f), (g, h, i)


def _forward(camera: BuildingCamera) -> Floats:
    if camera.look_at is not None:
        away = np.subtract(camera.look_at, camera.at)
        away = away if np.hypot(away[0], away[1]) > 1e-6 else np.add(away, (1e-6, 0, 0))
        return np.asarray(away / np.linalg.norm(away))
    pan, tilt = math.radians(camera.pan_deg or 0.0), math.radians(camera.tilt_deg or 0.0)
    return np.array([math.cos(pan) * math.cos(tilt), math.sin(pan) * math.cos(tilt), math.sin(tilt)])


def _turn(axis: int, angle_rad: float) -> Floats:
    cos, sin = math.cos(angle_rad), math.sin(angle_rad)
    one, other = (axis + 1) % 3, (axis + 2) % 3
    matrix = np.eye(3)
    matrix[one, one] = matrix[other, other] = cos
    matrix[one, other], matrix[other, one] = -sin, sin
    return matrix


def model_in(camera: BuildingCamera, world: World) -> CameraModel:
    """The model of a camera in a world: one that was knocked (I-23) looks elsewhere. The truth is projected with this."""
    fault = world.faults.get(camera.id)
    if fault is None or fault.kind != "moved" or fault.amount <= 0:
        return camera_model(camera)
    share = math.ceil(min(1.0, fault.amount) * _KNOCKS) / _KNOCKS
    return camera_model(camera).turned(_KNOCKED_PAN * share, _KNOCKED_TILT * share, _KNOCKED_ROLL * share)
