"""Where in a building one can stand and walk: free of walls, shut doors and furniture.

Belongs here: the floor's geometry, on arrays of points. Does not belong here: who walks and which way (``day/``).
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from services.simulation.building import Building, Wall

_PASSABLE = ("door", "gate", "passage")


class Floor:
    """The walkable floor of a building."""

    def __init__(self, building: Building) -> None:
        self._building = building
        pieces = [piece for piece in building.furniture if piece.blocks]
        turns = np.radians([piece.turn_deg for piece in pieces])
        self._centres = np.array([piece.foot[:2] for piece in pieces]).reshape(-1, 2)
        self._axes = np.stack([np.cos(turns), np.sin(turns)], axis=1).reshape(-1, 2)
        self._halves = np.array([piece.size[:2] for piece in pieces]).reshape(-1, 2) / 2

    def free(self, points: ArrayLike, radius_m: float = 0.0, *, shut: Collection[str] = ()) -> NDArray[np.bool_]:
        """For (n, 2) metres: whether a disc of ``radius_m`` there stands in a room or doorway and touches nothing.

        ``shut`` names openings that cannot be passed now; all other doors, gates and passages can.
        """
        at = np.asarray(points, np.float64).reshape(-1, 2)
        free = self._indoors(at)
        for wall in self._building.walls:
            free &= ~self._touches(wall, at, radius_m, shut)
        step = 4096
        for first in range(0, len(at), step):
            part = slice(first, first + step)
            free[part] &= self.furniture_distance(at[part]) > radius_m
        return free

    def is_free(self, x: float, y: float, radius_m: float = 0.0, *, shut: Collection[str] = ()) -> bool:
        """:meth:`free` of one point."""
        return bool(self.free([[x, y]], radius_m, shut=shut)[0])

    def furniture_distance(self, points: ArrayLike) -> NDArray[np.float64]:
        """Metres from each of (n, 2) points to the nearest piece that blocks the way; 0 within one."""
        at = np.asarray(points, np.float64).reshape(-1, 2)
        if not len(self._centres):
            return np.full(len(at), np.inf)
        away = at[:, None] - self._centres
        along = np.abs((away * self._axes).sum(2))
        across = np.abs(away[..., 1] * self._axes[:, 0] - away[..., 0] * self._axes[:, 1])
        beyond = np.maximum(np.stack([along, across], axis=2) - self._halves, 0.0)
        distance: NDArray[np.float64] = np.hypot(beyond[..., 0], beyond[..., 1]).min(axis=1)
        return distance

    def _indoors(self, at: NDArray[np.float64]) -> NDArray[np.bool_]:
        found = np.zeros(len(at), np.bool_)
        for room in self._building.rooms:
            found |= _inside(np.array(room.footprint), at)
        return found

    def _touches(
        self, wall: Wall, at: NDArray[np.float64], radius_m: float, shut: Collection[str]
    ) -> NDArray[np.bool_]:
        away = at - np.array(wall.start)
        dx, dy = wall.direction
        along, across = away[:, 0] * dx + away[:, 1] * dy, np.abs(away[:, 1] * dx - away[:, 0] * dy)
        solid = [(0.0, wall.length_m)]
        for opening in self._building.openings:
            if opening.wall == wall.id and opening.kind in _PASSABLE and opening.id not in shut:
                solid = _without(solid, opening.at_m - opening.width_m / 2, opening.at_m + opening.width_m / 2)
        touched = np.zeros(len(at), np.bool_)
        for first, last in solid:
            beyond_along = np.maximum(np.maximum(first - along, along - last), 0.0)
            beyond_across = np.maximum(across - wall.thickness_m / 2, 0.0)
            touched |= np.hypot(beyond_along, beyond_across) <= radius_m
        return touched


def _without(stretches: list[tuple[float, float]], first: float, last: float) -> list[tuple[float, float]]:
    parts = [part for a, b in stretches for part in ((a, min(b, first)), (max(a, last), b))]
    return [(a, b) for a, b in parts if b > a]


def _inside(polygon: NDArray[np.float64], at: NDArray[np.float64]) -> NDArray[np.bool_]:
    hit = np.zeros(len(at), np.bool_)
    x, y = at[:, 0], at[:, 1]
    for (ax, ay), (bx, by) in zip(polygon, np.roll(polygon, -1, axis=0), strict=True):
        if ay != by:
            hit ^= ((ay > y) != (by > y)) & (x < ax + (y - ay) / (by - ay) * (bx - ax))
    return hit
