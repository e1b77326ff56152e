"""The light that reaches a thing in the middle of a room: looked up in a grid over the floor, reckoned once a room.

Belongs here: light on what moves. Does not belong here: light on what stands still (``light.py`` asks for it directly).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.simulation.render.light import Light

Floats = NDArray[Any]
_CELL_M = 0.45
_SUN_CELL_M = 0.25
_HEIGHT_M = 0.75
_WAYS = np.array([(1, 0, 0), (-1, 0, 0), (0, 1, 0), (0, -1, 0), (0, 0, 1), (0, 0, -1)], np.float32)


@dataclass(frozen=True)
class _Grid:
    low: Floats
    lamps: Floats
    sky: Floats


class Probes:
    """Light from six sides at any place of a building."""

    def __init__(self, light: Light) -> None:
        self._light = light
        self._grids: dict[int, _Grid] = {}
        self._suns: dict[tuple[int, int], tuple[Floats, Floats]] = {}

    def around(self, x: float, y: float, lamps: Mapping[int, float], sky: Mapping[int, float]) -> tuple[int, Floats]:
        """The room's index there and (6, 3) light from +x, -x, +y, -y, above, below."""
        room = self.room_number(x, y)
        grid = self._grid(room)
        i, j = self._cell(grid.low, grid.lamps.shape[:2], x, y, _CELL_M)
        return room, np.asarray(grid.lamps[i, j] * lamps.get(room, 0.0) + grid.sky[i, j] * sky.get(room, 1.0))

    def sunlit(self, room: int, x: float, y: float, step: int, sun: tuple[float, float, float]) -> float:
        """How far a body there stands in the sun, 0..1."""
        if (room, step) not in self._suns:
            if len(self._suns) > 40:
                self._suns.pop(next(iter(self._suns)))
            self._suns[room, step] = self._sun_grid(room, sun)
        low, lit = self._suns[room, step]
        i, j = self._cell(low, lit.shape, x, y, _SUN_CELL_M)
        return float(lit[i, j])

    def room_number(self, x: float, y: float) -> int:
        for index, room in enumerate(self._light.building.rooms):
            if room.contains(x, y):
                return index
        return -1

    def _cell(self, low: Floats, shape: tuple[int, ...], x: float, y: float, cell_m: float) -> tuple[int, int]:
        i, j = int((x - low[0]) / cell_m), int((y - low[1]) / cell_m)
        return min(max(i, 0), shape[0] - 1), min(max(j, 0), shape[1] - 1)

    def _places(self, room: int, cell_m: float) -> tuple[Floats, Floats, tuple[int, int]]:
        rooms = self._light.building.rooms
        corners = np.array(rooms[room].footprint if room >= 0 else [(-30, -30), (30, 30)], np.float32)
        low, high = corners.min(0), corners.max(0)
        cell_m = cell_m if room >= 0 else 30.0
        nx, ny = (max(1, int(np.ceil(edge / cell_m))) for edge in high - low)
        x, y = np.meshgrid(
            low[0] + (np.arange(nx) + 0.5) * cell_m, low[1] + (np.arange(ny) + 0.5) * cell_m, indexing="ij"
        )
        inset = np.clip(np.stack([x.ravel(), y.ravel()], 1), low + 0.15, high - 0.15)
        return low, inset.astype(np.float32), (nx, ny)

    def _grid(self, room: int) -> _Grid:
        if room not in self._grids:
            low, places, shape = self._places(room, _CELL_M)
            at = np.column_stack([places, np.full(len(places), _HEIGHT_M, np.float32)])
            points, normals = np.repeat(at, 6, 0), np.tile(_WAYS, (len(at), 1))
            fell = self._light.falling(points, normals)
            # A body has some of what its place lacks: next to a shelf it is no darker than a step away.
            blend = [
                0.85 * part.reshape(*shape, 6, 3) + 0.15 * part.reshape(-1, 6, 3).mean(0)
                for part in (fell.lamps, fell.sky)
            ]
            self._grids[room] = _Grid(low, *blend)
        return self._grids[room]

    def _sun_grid(self, room: int, sun: tuple[float, float, float]) -> tuple[Floats, Floats]:
        low, places, shape = self._places(room, _SUN_CELL_M)
        facing = np.repeat(np.array([sun], np.float32), len(places), 0)
        lit = np.zeros(len(places), np.float32)
        for height in (0.25, 0.6, 1.0):
            at = np.column_stack([places, np.full(len(places), height, np.float32)])
            lit += self._light.sunlit(at, facing, sun) / 3
        return low, lit.reshape(shape)
