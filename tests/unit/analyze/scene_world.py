"""A room with a known camera: people of known height walk in it, and what a perfect detector with noise would see of them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.scene.calibration import PRIOR, PRIOR_SPREAD
from services.analyze.core.tracker import Track
from services.analyze.core.zones import PictureSize
from services.contracts.entity import HeightMark
from services.contracts.time import NS_PER_S

Floats = NDArray[np.float64]
START_NS = 1_700_000_000 * NS_PER_S
PICTURE = PictureSize(1280, 720)
ASPECT = 1280 / 720


@dataclass(frozen=True)
class Pinhole:
    """Written apart from the product's: the projection by a rotation matrix, as in any textbook."""

    height_m: float = 2.6
    tilt_deg: float = 28.0
    roll_deg: float = 0.0
    focal: float = 0.8
    k1: float = 0.0

    @classmethod
    def any(cls, rng: np.random.Generator) -> Pinhole:
        camera = PRIOR + PRIOR_SPREAD * np.clip(rng.normal(size=5), -2, 2)
        return cls(
            math.exp(camera[0]), math.degrees(camera[1]), math.degrees(camera[2]), math.exp(camera[3]), float(camera[4])
        )

    def see(self, x_m: float, y_m: float, z_m: float) -> tuple[float, float] | None:
        """Fractions of the picture; ``None`` behind the camera."""
        t, r = math.radians(self.tilt_deg), math.radians(self.roll_deg)
        axes = np.array([[1, 0, 0], [0, -math.sin(t), -math.cos(t)], [0, math.cos(t), -math.sin(t)]])
        right, down, depth = axes @ np.array([x_m, y_m, z_m - self.height_m])
        if depth < 0.1:
            return None
        plane = np.array([right, down]) / depth
        if 3 * self.k1 * float(plane @ plane) < -0.6:
            return None  # a lens bent that much turns its rays back
        plane = plane * self.focal * (1 + self.k1 * float(plane @ plane))
        u, v = np.array([[math.cos(r), -math.sin(r)], [math.sin(r), math.cos(r)]]) @ plane
        return u / ASPECT + 0.5, v + 0.5

    def body(self, x_m: float, y_m: float, tall_m: float) -> tuple[Floats, Floats] | None:
        """Foot and head, if both are well inside the picture and the body is not tiny."""
        foot, head = self.see(x_m, y_m, 0.0), self.see(x_m, y_m, tall_m)
        if foot is None or head is None:
            return None
        both = np.array([foot, head])
        inside = bool((both > 0.03).all() and (both < 0.97).all())
        return (both[0], both[1]) if inside and both[0, 1] - both[1, 1] > 0.06 else None

    def somewhere(self, rng: np.random.Generator, tall_m: float) -> tuple[float, float, Floats, Floats] | None:
        for _ in range(300):
            x_m, y_m = rng.uniform(-6, 6), rng.uniform(0.5, 14)
            if (body := self.body(x_m, y_m, tall_m)) is not None:
                return x_m, y_m, *body
        return None


def mark(foot: Floats, head: Floats, tall_m: float, rng: np.random.Generator, noise: float) -> HeightMark:
    """``noise`` is a share of the picture's height."""
    scale = np.array([noise / ASPECT, noise])
    foot, head = foot + scale * rng.normal(size=2), head + scale * rng.normal(size=2)
    return HeightMark(foot=(foot[0], foot[1]), head=(head[0], head[1]), height_m=tall_m)


def track(
    number: int, foot: Floats, head: Floats, *, kind: int = 0, slender: float = 3.2, height_share: float = 1.0,
    noise_px: float = 0.0, rng: np.random.Generator | None = None,
) -> Track:  # fmt: skip
    """What a detector sees of a body between two points, ``height_share`` of it high and ``slender`` times as high as wide."""
    size = np.array([PICTURE.width_px, PICTURE.height_px])
    low, high = foot * size, (foot + (head - foot) * height_share) * size
    tall, middle = low[1] - high[1], (low[0] + high[0]) / 2
    box = np.array([middle - tall / slender / 2, high[1], middle + tall / slender / 2, low[1]])
    if rng is not None:
        box = box + rng.normal(0, noise_px, 4)
    x1, y1, x2, y2 = (float(side) for side in box)
    return Track(number, (x1, y1, x2, y2), 0.9, 5, True, (x1, y1, x2, y2), (0.0, 0.0), 1.0, kind)
