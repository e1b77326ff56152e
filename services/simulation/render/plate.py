"""The still part of a camera's picture, painted once: kept apart by source of light, so that any hour can be mixed from it.

The name is film's: people are later composited over the plate. Light here is linear; ``sensor.py`` turns it into a picture.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.simulation.render import engine
from services.simulation.render.camera_model import CameraModel
from services.simulation.render.light import Light
from services.simulation.render.patterns import noise, painted
from services.simulation.render.scene import Scene

Floats = NDArray[Any]
_FINE = 2.0  # the plate is painted twice as fine as the picture, then filtered
_COARSE = 3  # light is reckoned on so many times fewer fine pixels each way, and spread
_LEAST_SHARE = 0.002
OUTSIDE = -1


@dataclass
class Plate:
    """Linear pictures (h, w, 3): ``lamps`` and ``sky`` by room index (-1 outside), what glows, and the night lamp's share.

    These are of half precision, as a camera keeps a dozen of them. ``points`` and ``normals`` (h, w, 3) say what each pixel
    shows; ``visible`` are the triangles of the hiding scene that show at all.
    """

    model: CameraModel
    lamps: dict[int, Floats]
    sky: dict[int, Floats]
    glow: dict[int, Floats]
    infrared: Floats
    albedo: Floats
    points: Floats
    normals: Floats
    rooms: NDArray[np.int32]
    visible: NDArray[np.int64]
    rooms_seen: frozenset[int]
    suns: dict[int, Floats] = field(default_factory=dict)


@dataclass
class _Surfaces:
    """What a fine pinhole picture shows, pixel by pixel, for the pixels ``seen`` (flat indices)."""

    seen: NDArray[np.int64]
    faces: NDArray[np.int64]
    points: Floats
    normals: Floats
    local: Floats
    pixel_m: Floats


def paint_plate(scene: Scene, hiding: Scene, light: Light, model: CameraModel) -> Plate:
    """Look once at the still scene with a camera. Takes a few seconds of CPU. ``hiding`` is the scene without its roundings."""
    pinhole = engine.covering(model, _FINE)
    faces = _faces_seen(scene, model, pinhole)
    shape = (pinhole.height_px, pinhole.width_px)
    rays = _rays(model, pinhole)
    shown = _surfaces(scene, model, pinhole, faces, rays)
    albedo = _albedo(scene, shown)
    lamps, sky = _light(light, shown, shape)
    rooms = light.room_numbers(shown.points + shown.normals * 0.12)
    maps = lens_maps(model, pinhole)
    glow = np.array([paint.glow for paint in scene.paints], np.float32)[scene.paint[shown.faces]]

    def pictured(values: Floats, where: NDArray[np.int64] | slice = slice(None)) -> Floats:
        fine = np.zeros((shape[0] * shape[1], values.shape[1]), np.float32)
        fine[shown.seen[where]] = values
        return np.asarray(cv2.remap(fine.reshape(*shape, -1), *maps, cv2.INTER_LINEAR), np.float32)

    def layer(values: Floats, where: NDArray[np.int64] | slice = slice(None)) -> Floats:
        return pictured(values, where).astype(np.float16)

    hidden_by = _distinct(1 + _faces_seen(hiding, model, pinhole))
    hidden_by = hidden_by[hidden_by > 0] - 1
    plate = Plate(
        model, {}, {}, {}, layer(albedo * _infrared(model, shown)[:, None]), layer(albedo), pictured(shown.points),
        pictured(shown.normals), np.zeros((model.height_px, model.width_px), np.int32), hidden_by,
        frozenset((_distinct(rooms + 1) - 1).tolist()),
    )  # fmt: skip
    for room in _distinct(rooms + 1) - 1:
        here = np.flatnonzero(rooms == room)
        if len(here) < _LEAST_SHARE * len(rooms):
            continue
        plate.sky[int(room)] = layer(albedo[here] * sky[here], here)
        if room != OUTSIDE and not light.building.rooms[room].outdoors:
            plate.lamps[int(room)] = layer(albedo[here] * lamps[here], here)
        if glow[here].any():
            plate.glow[int(room)] = layer(albedo[here] * glow[here, None], here)
    _put_nearest(plate, shown, rooms, shape, maps)
    _put_heaven(plate, np.flatnonzero(faces < 0), rays, shape, maps)
    return plate


def _put_heaven(
    plate: Plate,
    free: NDArray[np.int64],
    rays: Floats,
    shape: tuple[int, int],
    maps: tuple[NDArray[np.int16], NDArray[np.uint16]],
) -> None:
    """What is seen past everything lies outside, lit by the sky alone."""
    above = np.zeros((shape[0] * shape[1], 3), np.float32)
    above[free] = _heaven(rays.reshape(-1, 3)[free])
    heaven = cv2.remap(above.reshape(*shape, 3), *maps, cv2.INTER_LINEAR)
    plate.sky[OUTSIDE] = (plate.sky.get(OUTSIDE, 0.0) + heaven).astype(np.float16)


def sun_picture(plate: Plate, light: Light, sun: tuple[float, float, float]) -> Floats:
    """The sun's direct light in a plate, (h, w): cosine and shadows, before the surface's colour."""
    flat = plate.points.reshape(-1, 3), plate.normals.reshape(-1, 3)
    known = np.flatnonzero((plate.normals.reshape(-1, 3) ** 2).sum(1) > 0.2)
    lit = np.zeros(len(flat[0]), np.float32)
    normals = flat[1][known] / np.linalg.norm(flat[1][known], axis=1, keepdims=True)
    lit[known] = light.sunlit(flat[0][known], normals, sun)
    return np.asarray(cv2.GaussianBlur(lit.reshape(plate.rooms.shape), (0, 0), 0.6), np.float32)


def lens_maps(model: CameraModel, pinhole: engine.Pinhole) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """For each pixel of the distorted picture, where it lies in the pinhole's (OpenCV's fixed-point maps)."""
    x, y = np.meshgrid(np.arange(model.width_px) + 0.5, np.arange(model.height_px) + 0.5)
    plane = model.undistort(np.stack([x, y], axis=-1)) * pinhole.focal_px
    at = np.add(plane, (pinhole.width_px / 2 - 0.5, pinhole.height_px / 2 - 0.5))
    whole, parts = cv2.convertMaps(at[..., 0].astype(np.float32), at[..., 1].astype(np.float32), cv2.CV_16SC2)
    return np.asarray(whole, np.int16), np.asarray(parts, np.uint16)


def _faces_seen(scene: Scene, model: CameraModel, pinhole: engine.Pinhole) -> NDArray[np.int64]:
    """The triangle that each fine pixel shows, -1 for none: triangles are drawn in their numbers as colours."""
    count = len(scene.corners)
    number = np.repeat(np.arange(1, count + 1), 3)
    colours = np.stack([number >> 16 & 255, number >> 8 & 255, number & 255], 1).astype(np.uint8)
    with engine.LOCK:
        root = engine.new_root()
        path = root.attach_new_node(engine.geometry(scene.corners.reshape(-1, 3), None, colours, np.arange(3 * count)))
        path.set_two_sided(True)
        canvas = engine.Canvas(pinhole)
        shot = canvas.shoot(root, model).astype(np.int64)
        canvas.close()
    return np.asarray((shot[..., 2] << 16 | shot[..., 1] << 8 | shot[..., 0]) - 1).reshape(-1)


def _rays(model: CameraModel, pinhole: engine.Pinhole) -> Floats:
    x, y = np.meshgrid(
        np.arange(pinhole.width_px) + 0.5 - pinhole.width_px / 2,
        np.arange(pinhole.height_px) + 0.5 - pinhole.height_px / 2,
    )
    plane = np.stack([x / pinhole.focal_px, y / pinhole.focal_px, np.ones_like(x)], axis=-1)
    return np.asarray(plane @ model.rotation, np.float32)


def _surfaces(
    scene: Scene, model: CameraModel, pinhole: engine.Pinhole, faces: NDArray[np.int64], rays: Floats
) -> _Surfaces:
    seen = np.flatnonzero(faces >= 0)
    used = _distinct(faces[seen])
    numbered = np.searchsorted(used, faces[seen])
    corners = scene.corners[used].astype(np.float64)
    one, two = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(one, two)
    across /= np.maximum(np.linalg.norm(across, axis=1, keepdims=True), 1e-12)
    to_plane = ((corners[:, 0] - model.at) * across).sum(1)
    ray = rays.reshape(-1, 3)[seen]
    slope = (across[numbered] * ray).sum(1)
    t = to_plane[numbered] / np.where(np.abs(slope) < 1e-9, 1e-9, slope)
    away = ray * np.clip(t, 0, 200)[:, None]
    inverse = np.linalg.pinv(np.stack([one, two], axis=2))
    share = np.einsum("nij,nj->ni", inverse[numbered], away + model.at - corners[numbered, 0])
    share = np.clip(share, -0.02, 1.02)
    weights = np.stack([1 - share.sum(1), share[:, 0], share[:, 1]], 1).astype(np.float32)
    normals = np.einsum("nk,nkj->nj", weights, scene.normals[used][numbered])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    normals *= np.where((normals * ray).sum(1) > 0.05, -1.0, 1.0)[:, None]
    local = np.einsum("nk,nkj->nj", weights, scene.local[used][numbered])
    depth = np.clip(t, 0, 200)
    pixel_m = depth / pinhole.focal_px / np.clip(np.abs(slope) / np.linalg.norm(ray, axis=1), 0.12, 1)
    points = (away + model.at).astype(np.float32)
    return _Surfaces(
        seen, faces[seen], points, normals.astype(np.float32), local.astype(np.float32), pixel_m.astype(np.float32)
    )


def _albedo(scene: Scene, shown: _Surfaces) -> Floats:
    """Linear colour of what each pixel shows."""
    colours = np.zeros((len(shown.seen), 3), np.float32)
    paints = scene.paint[shown.faces]
    order = np.argsort(paints, kind="stable")
    edges = np.flatnonzero(np.diff(paints[order])) + 1
    for group in np.split(order, edges):
        paint = scene.paints[paints[group[0]]]
        colours[group] = painted(paint, shown.local[group], shown.pixel_m[group])
    return colours**2.2


def _light(light: Light, shown: _Surfaces, shape: tuple[int, int]) -> tuple[Floats, Floats]:
    """Light on each fine pixel: reckoned on every third one each way, spread to its like, reckoned too where none is alike."""
    place = np.full(shape[0] * shape[1], -1, np.int64)
    place[shown.seen] = np.arange(len(shown.seen))
    rows, columns = np.divmod(shown.seen, shape[1])
    coarse = np.flatnonzero((rows % _COARSE == 0) & (columns % _COARSE == 0))
    result = [np.zeros((len(shown.seen), 3), np.float32) for _ in range(2)]
    _reckon(light, shown, coarse, result)
    rest = np.flatnonzero((rows % _COARSE > 0) | (columns % _COARSE > 0))
    weight = np.zeros(len(rest), np.float32)
    sums = [np.zeros((len(rest), 3), np.float32) for _ in range(2)]
    low_row, low_column = rows[rest] // _COARSE * _COARSE, columns[rest] // _COARSE * _COARSE
    for down in (0, _COARSE):
        for right in (0, _COARSE):
            row = np.minimum(low_row + down, (shape[0] - 1) // _COARSE * _COARSE)
            column = np.minimum(low_column + right, (shape[1] - 1) // _COARSE * _COARSE)
            other = place[row * shape[1] + column]
            near = (_COARSE - np.abs(rows[rest] - row)) * (_COARSE - np.abs(columns[rest] - column)) * (other >= 0)
            alike = (shown.normals[rest] * shown.normals[other]).sum(1) > 0.92
            apart = np.abs(((shown.points[rest] - shown.points[other]) * shown.normals[rest]).sum(1))
            w = np.where(alike & (apart < 0.01 + 2 * shown.pixel_m[rest]), near, 0).astype(np.float32)
            weight += w
            for total, values in zip(sums, result, strict=True):
                total += values[other] * w[:, None]
    known = weight > 0.15 * _COARSE**2
    for total, values in zip(sums, result, strict=True):
        values[rest[known]] = total[known] / weight[known, None]
    _reckon(light, shown, rest[~known], result)
    return result[0], result[1]


def _reckon(light: Light, shown: _Surfaces, which: NDArray[np.int64], result: list[Floats]) -> None:
    for part in np.array_split(which, max(1, len(which) // 60_000)):
        fell = light.falling(shown.points[part], shown.normals[part])
        result[0][part], result[1][part] = fell.lamps, fell.sky


def _infrared(model: CameraModel, shown: _Surfaces) -> Floats:
    """What the camera's own lamps throw, brightest ahead and near."""
    away = shown.points - np.array(model.at, np.float32)
    distance = np.maximum(np.linalg.norm(away, axis=1), 0.5)
    facing = np.maximum(-(away * shown.normals).sum(1) / distance, 0) * 0.85 + 0.15
    ahead = np.clip(away @ model.rotation[2] / distance, 0, 1)
    return np.asarray(facing * ahead**2.2 * 9.0 / (distance**2 + 2.0), np.float32)


def _heaven(rays: Floats) -> Floats:
    """The sky, with clouds, and trees along the horizon."""
    rays = rays / np.maximum(np.linalg.norm(rays, axis=1, keepdims=True), 1e-9)
    up, turn = rays[:, 2], np.arctan2(rays[:, 1], rays[:, 0]).astype(np.float32)
    high = np.clip(up * 1.6, 0, 1)[:, None] ** 0.6
    clouds = np.clip(noise(turn * 0.5, up.astype(np.float32) * 1.4) * 1.5, 0, 1)[:, None] * 0.5
    sky = np.array([0.80, 0.88, 0.95]) * (1 - high) + np.array([0.36, 0.56, 0.86]) * high
    sky = (sky * (1 - clouds) + clouds) * 5.5
    edge = 0.055 + 0.05 * noise(turn * 0.7, turn * 0) + 0.012 * noise(turn * 9, turn * 0, 3)
    leaves = np.array([0.12, 0.20, 0.08]) * (1.5 + noise(turn * 6, up.astype(np.float32) * 14, 5))[:, None] * 1.2
    return np.where((up < edge)[:, None], leaves, sky).astype(np.float32)


def _put_nearest(
    plate: Plate,
    shown: _Surfaces,
    rooms: NDArray[np.int32],
    shape: tuple[int, int],
    maps: tuple[NDArray[np.int16], NDArray[np.uint16]],
) -> None:
    """Points, normals and rooms must not be averaged over edges: take the nearest fine pixel's."""
    for target, values in ((plate.points, shown.points), (plate.normals, shown.normals), (plate.rooms, rooms)):
        fine = np.full((shape[0] * shape[1], *values.shape[1:]), -1 if target is plate.rooms else 0, np.float32)
        fine[shown.seen] = values
        target[...] = cv2.remap(fine.reshape(*shape, *values.shape[1:]), *maps, cv2.INTER_NEAREST)


def _distinct(values: NDArray[np.int64] | NDArray[np.int32]) -> NDArray[np.int64]:
    """The different ones of many small whole numbers, in order; far faster here than sorting or hashing them."""
    return np.flatnonzero(np.bincount(values))
