"""A car's headlights in a picture: patches come in by windows and travel over the walls, with the shadows of bars and things.

Belongs here: how much of a lamp outside falls on what a camera sees, and laying it over. Does not belong here: where the car is
(``day/lighting``), light that stays where it is (``light``). It is reckoned on 90 rows of points and spread: a patch is soft at
its edge, and a car is past within seconds.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.simulation.building import Opening, Room
from services.simulation.render.light import Light, within
from services.simulation.render.plate import Plate
from services.simulation.render.shell import wall_frame, window_bars
from services.simulation.world import Headlights

Floats = NDArray[Any]
_ROWS = 90
_FULL_M, _FARTHEST_M = 15.0, 24.0  # as bright as it gets up to here; not reckoned beyond
_DAZZLE = 2.2
_LEAST = 0.02
_CURTAIN_STOPS = 0.86
_SHORT_OF_PANE = 0.3  # shadows are looked for up to so many metres before the pane: its frame is not in the way
_WARM, _GREY = (1.0, 0.96, 0.86), (0.9, 0.9, 0.9)


class Sweep:
    """What of a plate headlights may fall on."""

    def __init__(self, plate: Plate, light: Light) -> None:
        step = max(1, round(len(plate.rooms) / _ROWS))
        half = np.s_[step // 2 :: step, step // 2 :: step]
        self._light, self._shape = light, plate.rooms[half].shape
        self._points = plate.points[half].reshape(-1, 3).astype(np.float32)
        self._normals = plate.normals[half].reshape(-1, 3).astype(np.float32)
        rooms, solid = plate.rooms[half].ravel(), (self._normals**2).sum(1) > 0.2
        self._of_room = {
            int(number): np.flatnonzero((rooms == number) & solid)
            for number in plate.rooms_seen
            if (rooms == number).any()
        }
        self._albedo = plate.albedo.astype(np.float32).mean(2) ** 0.6

    def put(self, picture: NDArray[np.uint8], lamp: Headlights, curtains: Mapping[str, float], *, grey: bool) -> None:
        """Lay the lamp's light over a picture, in place."""
        coarse = self.falling(lamp, curtains)
        if coarse.max(initial=0.0) < _LEAST:
            return
        height, width = picture.shape[:2]
        share = (
            cv2.resize(cv2.GaussianBlur(coarse, (0, 0), 0.6), (width, height), interpolation=cv2.INTER_LINEAR)
            * self._albedo
        )
        tint = np.array(_GREY if grey else _WARM, np.float32)
        lit = share[..., None] * tint * (255 - picture.astype(np.float32))
        np.copyto(picture, (picture + lit + 0.5).astype(np.uint8))

    def falling(self, lamp: Headlights, curtains: Mapping[str, float]) -> Floats:
        """(rows, columns), coarser than the picture: 0..1, how far what is seen there is lit."""
        at = np.array(lamp.at, np.float32)
        total = np.zeros(self._shape[0] * self._shape[1], np.float32)
        for number, here in self._of_room.items():
            points, normals = self._points[here], self._normals[here]
            ray = at - points
            far = np.linalg.norm(ray, axis=1)
            facing = (ray * normals).sum(1) / far * np.minimum(1.0, (_FULL_M / far) ** 2)
            ask = np.flatnonzero((facing > _LEAST) & (far < _FARTHEST_M))
            if not len(ask):
                continue
            points, ray = points[ask], ray[ask]
            room = self._light.building.rooms[number] if number >= 0 else None
            if room is None or room.outdoors:
                shown = self._unhindered(points, normals[ask], ray, np.ones(len(ask), np.float32))
            else:
                shown = self._through_windows(room, points, normals[ask], ray, curtains)
            total[here[ask]] = 1 - np.exp(-_DAZZLE * lamp.strength * facing[ask] * shown)
        return np.asarray(total.reshape(self._shape))

    def _through_windows(
        self, room: Room, points: Floats, normals: Floats, ray: Floats, curtains: Mapping[str, float]
    ) -> Floats:
        """How much of the lamp the panes of a room let through to points, less what stands in the way."""
        shown = np.zeros(len(points), np.float32)
        for window in self._light.windows(room):
            part, share = self._through(window, points, ray)
            part *= 1 - _CURTAIN_STOPS * float(curtains.get(window.id, 0.0))
            ask = np.flatnonzero(part > _LEAST)
            shown[ask] = np.maximum(
                shown[ask], part[ask] * self._unhindered(points[ask], normals[ask], ray[ask], share[ask])
            )
        return shown

    def _through(self, window: Opening, points: Floats, ray: Floats) -> tuple[Floats, Floats]:
        """Whether a ray passes between a window's bars, 0..1, and at which share of it."""
        frame = np.linalg.inv(wall_frame(self._light.building.wall(window.wall))).astype(np.float32)
        at, way = points @ frame[:3, :3].T + frame[:3, 3], ray @ frame[:3, :3].T
        across = np.where(np.abs(way[:, 1]) < 1e-3, np.float32(1e-3), way[:, 1])
        share = -at[:, 1] / across
        x, z = at[:, 0] + share * way[:, 0], at[:, 2] + share * way[:, 2]
        soft = np.full(len(points), 0.03, np.float32)
        inside = within(x, window.at_m - window.width_m / 2, window.at_m + window.width_m / 2, soft)
        inside *= within(z, window.sill_m, window.sill_m + window.height_m, soft)
        for x0, z0, x1, z1 in window_bars(window) if window.kind == "window" else ():
            inside *= 1 - within(x, x0, x1, soft) * within(z, z0, z1, soft)
        return np.where((share > 0) & (share < 1), inside, 0).astype(np.float32), share

    def _unhindered(self, points: Floats, normals: Floats, ray: Floats, share: Floats) -> Floats:
        """1 where nothing solid stands on the first ``share`` of a ray."""
        start = points + normals * np.float32(0.1)
        far = np.maximum(np.linalg.norm(ray, axis=1), 1e-3)
        reach = np.maximum(share - _SHORT_OF_PANE / far, 0.0)
        return self._light.unhindered(start, (start + ray * reach[:, None]).astype(np.float32), 0.12)
