"""Putting what moves over the plate: shadows first, then people with soft edges, then a fire's light. All in place, on bytes."""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.simulation import people
from services.simulation.render import engine
from services.simulation.render.camera_model import CameraModel
from services.simulation.render.plate import Plate
from services.simulation.world import World

Picture = NDArray[np.uint8]
Maps = tuple[NDArray[np.int16], NDArray[np.uint16]]
Box = tuple[int, int, int, int]
#: What of a body darkens the floor near it, and how wide that is.
_NEAR_FLOOR = {
    "foot_l": 0.10, "foot_r": 0.10, "shin_l": 0.09, "shin_r": 0.09, "pelvis": 0.17, "chest": 0.16, "head": 0.11,
    "hand_l": 0.05, "hand_r": 0.05,
}  # fmt: skip
_LIMBS = [people.LIMBS.index(name) for name in _NEAR_FLOOR]
_RADII = np.array(list(_NEAR_FLOOR.values()), np.float32)
_MARGIN_M = 0.35
_NEAREST_M = 0.2
_REGION_MARGIN, _BEHIND_M = 4, 0.3
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


def regions(
    model: CameraModel, pinhole: engine.Pinhole, points: NDArray[np.float32], starts: NDArray[np.intp]
) -> list[engine.Region]:
    """The parts of a pinhole picture that things are seen in, joined until none overlap.

    ``points`` (3, n) are the things' vertices one thing after the other, ``starts`` where each begins.
    """
    if not len(starts):
        return []
    seen = model.rotation.astype(np.float32) @ (points - np.array(model.at, np.float32)[:, None])
    depth = np.maximum(seen[2], 1e-3)
    middle = np.array([[pinhole.width_px / 2], [pinhole.height_px / 2]], np.float32)
    pixels = seen[:2] * (pinhole.focal_px / depth) + middle
    low, high = np.minimum.reduceat(pixels, starts, axis=1).T, np.maximum.reduceat(pixels, starts, axis=1).T
    near, far = np.minimum.reduceat(seen[2], starts), np.maximum.reduceat(seen[2], starts)
    size = (pinhole.width_px, pinhole.height_px)
    found: list[engine.Region] = []
    for index in np.flatnonzero(far > 0):
        whole = near[index] < _NEAREST_M  # something of it is behind the camera: its outline is not known
        x0, y0 = (0, 0) if whole else (max(0, int(value) - _REGION_MARGIN) for value in np.maximum(low[index], 0))
        x1, y1 = (
            size
            if whole
            else (int(min(most, value + 1 + _REGION_MARGIN)) for most, value in zip(size, high[index], strict=True))
        )
        if x1 - x0 > 1 and y1 - y0 > 1:
            found = _with(found, engine.Region(x0, y0, x1, y1, float(far[index]) + _BEHIND_M))
    return found


def _with(regions: list[engine.Region], one: engine.Region) -> list[engine.Region]:
    rest = []
    for other in regions:
        if one.x0 < other.x1 and other.x0 < one.x1 and one.y0 < other.y1 and other.y0 < one.y1:
            low, high = np.minimum(one, other), np.maximum(one, other)
            whole = engine.Region(int(low[0]), int(low[1]), int(high[2]), int(high[3]), float(high[4]))
            return _with([kept for kept in regions if kept is not other], whole)
        rest.append(other)
    return [*rest, one]


def boxes_of(model: CameraModel, pinhole: engine.Pinhole, regions: Sequence[engine.Region]) -> list[Box]:
    """The rectangles of the camera's picture that regions of a pinhole picture come to lie in, joined until none overlap."""
    if not regions:
        return []
    x0, y0, x1, y1 = np.array([region[:4] for region in regions], np.float64).T
    x0, x1, y0, y1 = (
        x0 - pinhole.width_px / 2,
        x1 - pinhole.width_px / 2,
        y0 - pinhole.height_px / 2,
        y1 - pinhole.height_px / 2,
    )
    x, y = np.clip(0, x0, x1), np.clip(0, y0, y1)  # the lens bends a side most where it is nearest to the middle
    ring = np.array([(x0, y0), (x, y0), (x1, y0), (x1, y), (x1, y1), (x, y1), (x0, y1), (x0, y)])
    bent = model.distort(ring.transpose(2, 0, 1) / pinhole.focal_px) * model.focal_px
    found: list[Box] = []
    middle = np.array([model.width_px / 2, model.height_px / 2])
    for pixels in bent:
        box = _box(model, pixels + middle, np.ones(1), 0)
        if box is not None:
            found = _joined(found, box)
    return found


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


def put_shade(picture: Picture, shaded: Picture, shot: Picture, maps: Maps, boxes: list[Box]) -> None:
    """Where people's sun shadows fall, the picture as it is without the sun."""
    for x0, y0, x1, y1 in boxes:
        here = np.s_[y0:y1, x0:x1]
        mask = cv2.remap(shot, maps[0][here], maps[1][here], cv2.INTER_LINEAR)[..., 3]
        if not mask.any():
            continue
        soft = cv2.GaussianBlur(mask, (0, 0), 0.8)
        mask3 = cv2.merge([soft, soft, soft])
        lit, dim = picture[here], shaded[here]
        kept = cv2.multiply(lit, cv2.bitwise_not(mask3), scale=1 / 255)
        cv2.add(kept, cv2.multiply(dim, mask3, scale=1 / 255), dst=lit)


class Nearby:
    """What of a plate contact shadows are reckoned from: every second and every fourth point.

    A row is so made that one product of matrices gives both |c - p|² and (c - p)·n for all balls c at once.
    """

    def __init__(self, plate: Plate) -> None:
        self.rows = {}
        for step in (2, 4):
            points = plate.points[step // 2 :: step, step // 2 :: step]
            normals = plate.normals[step // 2 :: step, step // 2 :: step]
            single = ((points**2).sum(2), (points * normals).sum(2), np.ones(points.shape[:2]))
            self.rows[step] = np.concatenate([points, normals, np.stack(single, 2)], axis=2).astype(np.float32)


def put_contact(picture: Picture, nearby: Nearby, model: CameraModel, limbs: NDArray[np.float32]) -> None:
    """Darken what bodies (n, limbs, 4, 4) stand or lie near, coarsely: each limb takes light from what faces it."""
    if not len(limbs):
        return
    bodies = limbs[:, _LIMBS][:, :, :3, 3]
    kept: dict[int, NDArray[np.float32]] = {}
    touched: dict[int, list[Box]] = {2: [], 4: []}
    for balls, box in zip(bodies, _near_floor(model, bodies), strict=True):
        if box is None:
            continue
        step = 2 if (box[2] - box[0]) * (box[3] - box[1]) < 1200 else 4
        x0, y0, x1, y1 = (edge // step for edge in box)
        rows = nearby.rows[step]
        if (part := rows[y0:y1, x0:x1]).size:
            whole = kept.setdefault(step, np.ones(rows.shape[:2], np.float32))
            whole[y0:y1, x0:x1] *= _light_kept(part, balls)
            touched[step] = _joined(touched[step], (x0, y0, x1, y1))
    for step, whole in kept.items():
        for x0, y0, x1, y1 in touched[step]:
            coarse = np.asarray(whole[y0:y1, x0:x1] * 255 + 0.5, np.uint8)
            share = cv2.resize(coarse, (step * (x1 - x0), step * (y1 - y0)), interpolation=cv2.INTER_LINEAR)
            place = picture[step * y0 : step * y1, step * x0 : step * x1]
            cv2.multiply(place, cv2.merge([share, share, share]), dst=place, scale=1 / 255)


def _near_floor(model: CameraModel, bodies: NDArray[np.float32]) -> list[Box | None]:
    """The part of the picture in which each body (n, balls, 3) may darken anything."""
    low, high = bodies.min(1) - _MARGIN_M, bodies.max(1) + _MARGIN_M
    high[:, 2] = np.minimum(high[:, 2], low[:, 2] + 0.9)
    low[:, 2] = np.maximum(low[:, 2], 0.0)
    corners = np.stack([low, high], 1)[:, _CORNERS, [0, 1, 2]]
    pixels, depth = model.project(corners.reshape(-1, 3))
    return [
        _box(model, places, away, 3)
        for places, away in zip(pixels.reshape(-1, 8, 2), depth.reshape(-1, 8), strict=True)
    ]


def _light_kept(rows: NDArray[np.float32], balls: NDArray[np.float32]) -> NDArray[np.float32]:
    """The share of light (h, w) that balls (n, 3) of the table's radii leave; ``rows`` (h, w, 9) of :class:`Nearby`."""
    count = len(balls)
    product = np.zeros((9, 2 * count), np.float32)
    product[:3, :count], product[6, :count], product[8, :count] = -2 * balls.T, 1, (balls**2).sum(1)
    product[3:6, count:], product[7, count:] = balls.T, -1
    both = rows.reshape(-1, 9) @ product
    squared, facing = np.maximum(both[:, :count], _RADII**2 * 0.8), np.maximum(both[:, count:], 0)
    dark = (facing / (squared * np.sqrt(squared))) @ (_RADII**2)
    return np.asarray(np.clip(1 - 0.55 * dark, 0.35, 1).reshape(rows.shape[:2]))


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
    lit = (plate.albedo.mean(2, dtype=np.float32) ** 0.6 * np.minimum(total, 3.0) * 0.5 + glow)[..., None] * tint
    np.copyto(picture, np.clip(picture + lit * (255 - picture), 0, 255).astype(np.uint8))


def _taken(shot: Picture, maps: Maps, box: Box) -> Picture | None:
    """A rectangle of the distorted picture out of the fine pinhole one; None where nothing is drawn."""
    x0, y0, x1, y1 = box
    drawn = cv2.remap(shot, maps[0][y0:y1, x0:x1], maps[1][y0:y1, x0:x1], cv2.INTER_LINEAR)
    return np.asarray(drawn, np.uint8) if drawn[..., 3].any() else None
