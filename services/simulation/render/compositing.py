"""Putting what moves over the plate: shadows first, then people with soft edges, then a fire's light. All in place, on bytes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.simulation.render.camera_model import CameraModel
from services.simulation.render.plate import Plate
from services.simulation.render.stage import Limbs
from services.simulation.world import World

Picture = NDArray[np.uint8]
Maps = tuple[NDArray[np.int16], NDArray[np.uint16]]
Box = tuple[int, int, int, int]
#: What of a body darkens the floor near it, and how wide that is.
_NEAR_FLOOR = {
    "foot_l": 0.10,
    "foot_r": 0.10,
    "shin_l": 0.09,
    "shin_r": 0.09,
    "pelvis": 0.17,
    "chest": 0.16,
    "head": 0.11,
    "hand_l": 0.05,
    "hand_r": 0.05,
}
_MARGIN_M = 0.35
_CORNERS = np.array([(i, j, k) for i in (0, 1) for j in (0, 1) for k in (0, 1)])
_FIRE = np.array([1.0, 0.55, 0.20], np.float32)


def may_be_seen(model: CameraModel, middles: ArrayLike, radius_m: float) -> NDArray[np.bool_]:
    """Whether balls about (n, 3) points reach into the picture."""
    at = np.asarray(middles, np.float64).reshape(-1, 3)
    pixels, depth = model.project(at)
    reach = radius_m * model.focal_px / np.maximum(depth, 0.3)
    x, y = pixels.T
    with np.errstate(invalid="ignore"):
        inside = (x > -reach) & (x < model.width_px + reach) & (y > -reach) & (y < model.height_px + reach)
    near = np.linalg.norm(at - model.at, axis=1) < radius_m + 0.4
    return np.asarray((depth > 0) & inside | near)


def reach(limbs: Limbs) -> NDArray[np.float64]:
    """(2, 3) least and greatest corner of a body, skin included."""
    middles = np.array([where[:3, 3] for where in limbs.values()], np.float64)
    return np.stack([middles.min(0) - 0.32, middles.max(0) + 0.32])


def boxes(model: CameraModel, spans: Sequence[NDArray[np.float64]]) -> list[Box]:
    """The picture's rectangles that things may touch, joined until none overlap: x0, y0, x1, y1."""
    if not spans:
        return []
    ends = np.array([(span.min(0), span.max(0)) for span in spans])
    corners = ends[:, _CORNERS, [0, 1, 2]]
    pixels, depth = model.project(corners.reshape(-1, 3))
    found: list[Box] = []
    for place, away in zip(pixels.reshape(-1, 8, 2), depth.reshape(-1, 8), strict=True):
        box = _box(model, place, away, 3)
        if box is not None:
            found = _joined(found, box)
    return found


def box_of(model: CameraModel, points: NDArray[np.float64], margin: int = 3) -> Box | None:
    """The rectangle around points; the whole picture when some are behind the camera."""
    return _box(model, *model.project(points), margin)


def _box(model: CameraModel, pixels: NDArray[np.float64], depth: NDArray[np.float64], margin: int) -> Box | None:
    if (depth <= 0.06).all():
        return None
    if (depth <= 0.06).any():
        return (0, 0, model.width_px, model.height_px)
    low, high = np.floor(pixels.min(0)) - margin, np.ceil(pixels.max(0)) + margin
    x0, y0 = max(0, int(max(low[0], -1e6))), max(0, int(max(low[1], -1e6)))
    x1, y1 = min(model.width_px, int(min(high[0], 1e6))), min(model.height_px, int(min(high[1], 1e6)))
    return (x0, y0, x1, y1) if x1 - x0 > 1 and y1 - y0 > 1 else None


def _joined(boxes: list[Box], box: Box) -> list[Box]:
    rest = []
    for other in boxes:
        if box[0] < other[2] and other[0] < box[2] and box[1] < other[3] and other[1] < box[3]:
            return _joined(
                [b for b in boxes if b is not other],
                (min(box[0], other[0]), min(box[1], other[1]), max(box[2], other[2]), max(box[3], other[3])),
            )
        rest.append(other)
    return [*rest, box]


def put_over(picture: Picture, shot: Picture, maps: Maps, boxes: list[Box], *, grey: bool) -> None:
    """Lay the drawn things over the picture. ``shot`` is the fine pinhole one; what is not drawn in it has A = 0."""
    for x0, y0, x1, y1 in boxes:
        drawn = _taken(shot, maps, (x0, y0, x1, y1))
        if drawn is None:
            continue
        alpha = drawn[..., 3]
        place = picture[y0:y1, x0:x1]
        if grey:
            level = cv2.cvtColor(drawn, cv2.COLOR_BGRA2GRAY)
            colour = cv2.merge([level, level, level])
        else:
            colour = cv2.cvtColor(drawn, cv2.COLOR_BGRA2RGB)
        rest = cv2.bitwise_not(cv2.merge([alpha, alpha, alpha]))
        cv2.add(cv2.multiply(place, rest, scale=1 / 255), colour, dst=place)


def put_shade(picture: Picture, shaded: Picture, shot: Picture, maps: Maps) -> None:
    """Where people's sun shadows fall, the picture as it is without the sun."""
    rows, columns = np.flatnonzero(shot[..., 3].any(1)), None
    if not len(rows):
        return
    mask = cv2.remap(np.ascontiguousarray(shot[..., 3]), *maps, cv2.INTER_LINEAR)
    columns = np.flatnonzero(mask.any(0))
    rows = np.flatnonzero(mask.any(1))
    if not len(rows):
        return
    here = np.s_[max(0, rows[0] - 2) : rows[-1] + 3, max(0, columns[0] - 2) : columns[-1] + 3]
    soft = cv2.GaussianBlur(mask[here], (0, 0), 0.8)
    mask3 = cv2.merge([soft, soft, soft])
    lit, dim = picture[here], shaded[here]
    picture[here] = cv2.add(
        cv2.multiply(lit, cv2.bitwise_not(mask3), scale=1 / 255), cv2.multiply(dim, mask3, scale=1 / 255)
    )


def put_contact(picture: Picture, plate: Plate, model: CameraModel, bodies: Sequence[Limbs]) -> None:
    """Darken what bodies stand or lie near, coarsely: each limb takes light from what faces it."""
    for limbs in bodies:
        named = [(limbs[name][:3, 3], radius) for name, radius in _NEAR_FLOOR.items() if name in limbs]
        balls, radii = (
            np.array([at for at, _ in named], np.float32),
            np.array([radius for _, radius in named], np.float32),
        )
        low, high = balls.min(0) - _MARGIN_M, balls.max(0) + _MARGIN_M
        high[2] = min(high[2], low[2] + 0.9)
        corners = np.array(
            [(x, y, z) for x in (low[0], high[0]) for y in (low[1], high[1]) for z in (max(low[2], 0.0), high[2])],
            np.float64,
        )
        box = box_of(model, corners)
        if box is None:
            continue
        step = 2 if (box[2] - box[0]) * (box[3] - box[1]) < 1200 else 4
        x0, y0, x1, y1 = (edge // step for edge in box)
        part = np.s_[y0 * step + step // 2 : y1 * step : step, x0 * step + step // 2 : x1 * step : step]
        points, normals = plate.points[part].reshape(-1, 3), plate.normals[part].reshape(-1, 3)
        if not len(points):
            continue
        # |c - p|² and (c - p)·n by products of matrices: (pixels, balls)
        squared = (points**2).sum(1)[:, None] + (balls**2).sum(1) - 2 * points @ balls.T
        facing = normals @ balls.T - (points * normals).sum(1)[:, None]
        dark = np.clip(facing, 0, None) * radii**2 / np.maximum(squared, radii**2 * 0.8) ** 1.5
        kept = np.clip(1 - 0.55 * dark.sum(1), 0.35, 1).reshape(y1 - y0, x1 - x0)
        factor = cv2.resize(
            kept.astype(np.float32), (step * (x1 - x0), step * (y1 - y0)), interpolation=cv2.INTER_LINEAR
        )
        place = picture[step * y0 : step * y1, step * x0 : step * x1]
        scaled = (factor[: place.shape[0], : place.shape[1]] * 255).astype(np.uint8)
        cv2.multiply(place, cv2.merge([scaled, scaled, scaled]), dst=place, scale=1 / 255)


def put_fire_light(picture: Picture, plate: Plate, model: CameraModel, world: World, *, grey: bool) -> None:
    """A fire lights what is around it, and the lens glows where it is seen."""
    total = np.zeros(picture.shape[:2], np.float32)
    glow = np.zeros(picture.shape[:2], np.float32)
    for number, flame in enumerate(world.flames):
        flicker = 1.0 + 0.16 * np.sin(world.t_s * 9.7 + number) + 0.1 * np.sin(world.t_s * 23.1 + 2 * number)
        heart = np.add(flame.at, (0, 0, 0.5 * flame.height_m)).astype(np.float32)
        away = heart - plate.points
        squared = np.maximum((away**2).sum(2), 0.05)
        facing = np.maximum((away * plate.normals).sum(2), 0) / np.sqrt(squared)
        total += (facing * 0.9 * flame.height_m * flicker / squared).astype(np.float32)
        pixel, depth = model.project(heart[None])
        if depth[0] > 0.1:
            y, x = np.ogrid[: picture.shape[0], : picture.shape[1]]
            wide = 0.9 * flame.height_m * model.focal_px / depth[0]
            glow += (
                0.32 * flicker * np.exp(-((x + 0.5 - pixel[0, 0]) ** 2 + (y + 0.5 - pixel[0, 1]) ** 2) / wide**2)
            ).astype(np.float32)
    tint = np.full(3, 0.7, np.float32) if grey else _FIRE
    lit = (plate.albedo.mean(2) ** 0.6 * np.minimum(total, 3.0) * 0.5 + glow)[..., None] * tint
    np.copyto(picture, np.clip(picture + lit * (255 - picture), 0, 255).astype(np.uint8))


def _taken(shot: Picture, maps: Maps, box: Box) -> Picture | None:
    """A rectangle of the distorted picture out of the fine pinhole one; None where nothing is drawn."""
    x0, y0, x1, y1 = box
    drawn = cv2.remap(shot, maps[0][y0:y1, x0:x1], maps[1][y0:y1, x0:x1], cv2.INTER_LINEAR)
    return np.asarray(drawn, np.uint8) if drawn[..., 3].any() else None
