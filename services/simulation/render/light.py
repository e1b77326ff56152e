"""How light falls in a building: lamps, the sky through windows, the sun's patches, and how corners darken.

Light is measured in units in which one lamp hanging 1 m above gives 1, and kept apart by source so that a plate can be mixed
for any hour. Solids are looked up in a grid of small cubes; shadows walk through it, corners look into ever coarser copies of it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Opening, Room
from services.simulation.render.scene import Scene
from services.simulation.render.shapes import srgb
from services.simulation.render.shell import wall_frame, window_bars

Floats = NDArray[Any]
_CUBE_M = 0.05
_TOP_M = 5.2
_SKY = 9.0  # the sky's light through a window, in lamps
_REFLECTED = 0.62  # of what falls on walls and floor, on average
_LATITUDE, _DECLINATION = math.radians(31.2), math.radians(-8.0)  # a clear day of late autumn in the Yangtze delta


@dataclass(frozen=True, slots=True)
class Falling:
    """Light on n points: from their room's lamps and from the sky, (n, 3) each; ``open`` (n,) is 1 where no corner darkens."""

    lamps: Floats
    sky: Floats
    open: Floats


def sun_direction(t_s: float, north_deg: float = 0.0) -> tuple[float, float, float] | None:
    """Unit vector towards the sun at ``t_s`` after midnight, None while it is below 4° of height."""
    hour = (t_s / 3600 - 12.0) * math.pi / 12
    up = math.sin(_LATITUDE) * math.sin(_DECLINATION) + math.cos(_LATITUDE) * math.cos(_DECLINATION) * math.cos(hour)
    east = -math.cos(_DECLINATION) * math.sin(hour)
    north = math.cos(_LATITUDE) * math.sin(_DECLINATION) - math.sin(_LATITUDE) * math.cos(_DECLINATION) * math.cos(hour)
    if up < math.sin(math.radians(4)):
        return None
    turn = math.radians(north_deg)
    return (east * math.cos(turn) - north * math.sin(turn), east * math.sin(turn) + north * math.cos(turn), up)


class Light:
    """The light of a building, asked for at points with normals."""

    def __init__(self, scene: Scene) -> None:
        self.building = scene.building
        xs, ys = zip(*(corner for room in scene.building.rooms for corner in room.footprint), strict=True)
        self._origin = np.array([min(xs) - 0.6, min(ys) - 0.6, -0.3], np.float32)
        extent = np.array([max(xs) + 0.6, max(ys) + 0.6, _TOP_M]) - self._origin
        self._shape = tuple(math.ceil(edge / _CUBE_M / 8) * 8 for edge in extent)
        solid = np.zeros(self._shape, np.float32)
        at = self._index(_scattered(scene))
        solid[tuple(at.T)] = 1.0
        self._solid = solid > 0
        self._flat = self._solid.ravel()
        self._coarser = [solid]
        for _ in range(3):
            self._coarser.append(np.minimum(1.0, 2.0 * _halved(self._coarser[-1])))

    def room_numbers(self, points: Floats) -> NDArray[np.int32]:
        """The index of each point's room in the building's list; -1 is outside."""
        found = np.full(len(points), -1, np.int32)
        for index, room in enumerate(self.building.rooms):
            hit = _in_polygon(np.array(room.footprint), points[:, :2])
            if room.ceiling_m is not None:
                hit &= points[:, 2] < room.ceiling_m + 0.15
            found[hit & (found < 0)] = index
        return found

    def falling(self, points: Floats, normals: Floats) -> Falling:
        """Light upon surfaces; ``points`` and ``normals`` are (n, 3)."""
        numbers = self.room_numbers(points + normals * 0.12)
        lamps, sky = np.zeros((len(points), 3), np.float32), np.zeros((len(points), 3), np.float32)
        opened = self._openness(points, normals)
        for number in np.flatnonzero(np.bincount(numbers + 1)) - 1:
            here = np.flatnonzero(numbers == number)
            room = self.building.rooms[number] if number >= 0 else None
            if room is None or room.outdoors:
                up = 0.55 + 0.45 * normals[here, 2]
                sky[here] = (_SKY * 0.42 * up * opened[here] ** 1.3)[:, None] * np.array([0.88, 0.96, 1.08], np.float32)
                continue
            lamps[here], sky[here] = self._indoors(room, points[here], normals[here], opened[here])
        return Falling(lamps, sky, opened)

    def sunlit(self, points: Floats, normals: Floats, sun: tuple[float, float, float]) -> Floats:
        """How much of the sun falls on surfaces, 0..1, cosine included."""
        way = np.array(sun, np.float32)
        facing = np.maximum(normals @ way, 0)
        lit = np.zeros(len(points), np.float32)
        numbers = self.room_numbers(points + normals * 0.12)
        for number in np.flatnonzero(np.bincount(numbers + 1)) - 1:
            here = np.flatnonzero((numbers == number) & (facing > 0.01))
            room = self.building.rooms[number] if number >= 0 else None
            if room is None or room.outdoors:
                shown = np.ones(len(here), np.float32)
            else:
                shown = self._through_windows(room, points[here], way)
            ask = np.flatnonzero(shown > 0)
            start = points[here[ask]] + normals[here[ask]] * 0.1 + way * 0.05
            shown[ask] *= self.unhindered(start, start + way * (9.0 if room is None or room.outdoors else 4.5), 0.05)
            lit[here] = shown * facing[here]
        return lit

    def windows(self, room: Room) -> list[Opening]:
        """Windows and glazed doors that let the sky into a room."""
        found = []
        for opening in self.building.openings:
            if opening.kind == "window" or opening.glazed:
                joined = self.building.rooms_joined(opening)
                if room in joined and any(other is None or other.outdoors for other in joined):
                    found.append(opening)
        return found

    def _indoors(self, room: Room, points: Floats, normals: Floats, opened: Floats) -> tuple[Floats, Floats]:
        lamps = [piece for piece in self.building.furniture if piece.kind == "lamp" and piece.room == room.id]
        direct = np.zeros(len(points), np.float32)
        for piece in lamps:
            for offset in (-0.3, 0.3):
                lamp = np.array(piece.to_world(offset * piece.size[0], 0.0, -0.03), np.float32)
                direct += 0.5 * self._from_lamp(points, normals, lamp)
        sky, flux = np.zeros(len(points), np.float32), 0.0
        for window in self.windows(room):
            area = window.width_m * window.height_m
            flux += area * _SKY * 0.5
            sky += self._from_window(room, window, points, normals) * _SKY
        spread = _REFLECTED / ((1 - _REFLECTED) * _surface_m2(room))
        around = _tint(room, normals) * opened[:, None]
        warm, cool = np.array([1.04, 1.0, 0.93], np.float32), np.array([0.94, 1.0, 1.06], np.float32)
        return (
            (direct[:, None] + math.pi * len(lamps) * spread * around) * warm,
            (sky[:, None] + flux * spread * around) * cool,
        )

    def _from_lamp(self, points: Floats, normals: Floats, lamp: Floats) -> Floats:
        away = lamp - points
        distance = np.maximum(np.linalg.norm(away, axis=1), 0.15)
        light = np.maximum((away * normals).sum(1), 0) * np.maximum(away[:, 2], 0) / distance**4
        ask = np.flatnonzero(light > 0.004)
        start = points[ask] + normals[ask] * 0.1
        light[ask] *= self.unhindered(start, np.repeat(lamp[None], len(ask), 0) - (0, 0, 0.08), 0.09)
        return np.asarray(light, np.float32)

    def _from_window(self, room: Room, window: Opening, points: Floats, normals: Floats) -> Floats:
        wall = self.building.wall(window.wall)
        inward = 1.0 if self.building.rooms_joined(window)[0] is room else -1.0
        dx, dy = wall.direction
        into = np.array([-dy * inward, dx * inward, 0], np.float32)
        total = np.zeros(len(points), np.float32)
        parts = [(u, v) for u, v in ((0.22, 0.35), (0.5, 0.75), (0.78, 0.35))]
        for u, v in parts:
            x, y = wall.point(window.at_m + (u - 0.5) * window.width_m, inward * wall.thickness_m / 2)
            middle = np.array([x, y, window.sill_m + v * window.height_m], np.float32)
            away = middle - points
            distance = np.maximum(np.linalg.norm(away, axis=1), 0.3)
            light = np.maximum((away * normals).sum(1), 0) * np.maximum(-(away @ into), 0) / distance**4
            light *= window.width_m * window.height_m / len(parts) / math.pi
            ask = np.flatnonzero(light > 0.0015)
            start = points[ask] + normals[ask] * 0.1
            light[ask] *= self.unhindered(start, np.repeat((middle + into * 0.12)[None], len(ask), 0), 0.11)
            total += light.astype(np.float32)
        return total

    def _through_windows(self, room: Room, points: Floats, way: Floats) -> Floats:
        """1 where a ray towards the sun leaves the room through glass; soft at the edges, 0 behind a bar."""
        shown = np.zeros(len(points), np.float32)
        for window in self.windows(room):
            frame = np.linalg.inv(wall_frame(self.building.wall(window.wall)))
            at, ray = points @ frame[:3, :3].T + frame[:3, 3], way @ frame[:3, :3].T
            if abs(ray[1]) < 1e-3:
                continue
            t = -at[:, 1] / ray[1]
            x, z = at[:, 0] + t * ray[0], at[:, 2] + t * ray[2]
            soft = 0.012 + 0.006 * np.maximum(t, 0)
            inside = within(x, window.at_m - window.width_m / 2, window.at_m + window.width_m / 2, soft)
            inside *= within(z, window.sill_m, window.sill_m + window.height_m, soft)
            for x0, z0, x1, z1 in window_bars(window) if window.kind == "window" else ():
                inside *= 1 - within(x, x0, x1, soft) * within(z, z0, z1, soft)
            shown = np.maximum(shown, np.where(t > 0, inside, 0).astype(np.float32))
        return shown

    def unhindered(self, start: Floats, end: Floats, step_m: float) -> Floats:
        """1 where nothing solid lies between start and end. Steps grow with the way, as shadows blur with it."""
        way = (end - start).astype(np.float32)
        length = np.linalg.norm(way, axis=1)
        free = np.ones(len(start), np.float32)
        alive, travelled, k = np.arange(len(start)), 0.0, 0
        while len(alive):
            travelled += step_m * (1 + 0.03 * k)
            k += 1
            alive = alive[travelled < length[alive]]
            at = start[alive] + way[alive] * (travelled / length[alive])[:, None]
            hit = self._flat[np.ravel_multi_index(tuple(self._index(at).T), self._shape)]
            free[alive[hit]] = 0.0
            alive = alive[~hit]
        return free

    def _openness(self, points: Floats, normals: Floats) -> Floats:
        """How much of the half-space above a surface is free, near by: four rings of ever coarser looks along five cones."""
        aside = np.cross(
            normals,
            np.where(
                np.abs(normals[:, 2:]) < 0.9, np.array([[0, 0, 1]], np.float32), np.array([[1, 0, 0]], np.float32)
            ),
        )
        aside /= np.maximum(np.linalg.norm(aside, axis=1, keepdims=True), 1e-6)
        other = np.cross(normals, aside)
        total = np.zeros(len(points), np.float32)
        cones = [
            (1.0, 0.0, 0.0),
            *((0.55, 0.83 * math.cos(a), 0.83 * math.sin(a)) for a in np.arange(4) * math.pi / 2 + 0.6),
        ]
        for up, one, two in cones:
            way = (normals * up + aside * one + other * two).astype(np.float32)
            free = np.ones(len(points), np.float32)
            for distance, level in ((0.06, 0), (0.16, 1), (0.36, 2), (0.8, 3)):
                lift = 0.10 if level < 2 else 0.16 if level == 2 else 0.34
                free *= 1 - (0.9 - 0.14 * level) * self._occupied(points + normals * lift + way * distance, level)
            total += free * (0.32 if up == 1.0 else 0.17)
        return np.clip(total, 0.05, 1.0)

    def _occupied(self, points: Floats, level: int) -> Floats:
        """The grid's value between its cubes' centres."""
        grid = self._coarser[level]
        shape = np.array(grid.shape)
        at = (points - self._origin) / (_CUBE_M * 2**level) - 0.5
        low = np.clip(np.floor(at).astype(np.int64), 0, shape - 2)
        part = np.clip(at - low, 0, 1).astype(np.float32)
        flat, (_, ny, nz) = grid.ravel(), grid.shape
        base = (low[:, 0] * ny + low[:, 1]) * nz + low[:, 2]
        total = np.zeros(len(points), np.float32)
        for i, wx in ((0, 1 - part[:, 0]), (1, part[:, 0])):
            for j, wy in ((0, 1 - part[:, 1]), (1, part[:, 1])):
                there = base + (i * ny + j) * nz
                total += wx * wy * (flat[there] * (1 - part[:, 2]) + flat[there + 1] * part[:, 2])
        return total

    def _index(self, points: Floats) -> NDArray[np.int64]:
        return np.clip(((points - self._origin) / _CUBE_M).astype(np.int64), 0, np.array(self._shape) - 1)


def _scattered(scene: Scene) -> Floats:
    """Points strewn over all that casts a shadow, closer than the grid's cubes are wide."""
    chosen = np.flatnonzero(scene.casts & (scene.areas < 400))
    corners, areas = scene.corners[chosen], scene.areas[chosen]
    count = np.ceil(areas / (_CUBE_M * 0.55) ** 2).astype(np.int64) + 1
    which = np.repeat(np.arange(len(chosen)), count)
    turn = np.arange(len(which))[:, None] * np.array([0.7548776662, 0.5698402910])  # spreads evenly, leaves no holes
    uv = np.mod(turn, 1.0).astype(np.float32)
    over = uv.sum(1) > 1
    uv[over] = 1 - uv[over]
    a, b, c = corners[which, 0], corners[which, 1], corners[which, 2]
    return np.asarray(a + (b - a) * uv[:, :1] + (c - a) * uv[:, 1:], np.float32)


def _halved(grid: Floats) -> Floats:
    x, y, z = (edge // 2 for edge in grid.shape)
    return np.asarray(grid[: 2 * x, : 2 * y, : 2 * z].reshape(x, 2, y, 2, z, 2).mean(axis=(1, 3, 5)))


def within(value: Floats, low: float, high: float, soft: Floats) -> Floats:
    """1 between two bounds, 0 beyond them, soft at both."""
    edge = np.minimum(value - low, high - value) / soft
    return np.asarray(np.clip(0.5 + 0.5 * edge, 0, 1))


def _surface_m2(room: Room) -> float:
    """Floor, ceiling and walls together, of the room's bounding box."""
    xs, ys = zip(*room.footprint, strict=True)
    w, d = max(xs) - min(xs), max(ys) - min(ys)
    return float(2 * w * d + 2 * (w + d) * (room.ceiling_m or 3.0))


def _tint(room: Room, normals: Floats) -> Floats:
    """What the room throws back: the floor's colour from below, wall and ceiling from above."""
    floor, wall = (np.array(srgb(colour), np.float32) ** 2.2 for colour in (room.floor.colour, room.wall.colour))
    floor, wall = floor / floor.max() * 0.75, wall / wall.max()
    up = (normals[:, 2:] * 0.5 + 0.5) ** 0.8
    return np.asarray(floor * (1 - up) + wall * up, np.float32)


def _in_polygon(polygon: NDArray[np.float64], at: Floats) -> NDArray[np.bool_]:
    hit = np.zeros(len(at), np.bool_)
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if ay != by:
            hit ^= ((ay > at[:, 1]) != (by > at[:, 1])) & (at[:, 0] < ax + (at[:, 1] - ay) / (by - ay) * (bx - ax))
    return hit
