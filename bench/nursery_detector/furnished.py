"""What stands in an invented room: pieces of the catalogue where they do not collide, close to cameras, along walls, amid it.

Belongs here: which pieces a kind of room has and where they may stand. Does not belong here: plans of houses (``invented.py``).
"""

from __future__ import annotations

import colorsys
import math
from typing import Any

import numpy as np

from services.simulation.catalogue import CATALOGUE, FurnitureKind

Chance = np.random.Generator
Part = dict[str, Any]
_DOOR_M = 0.95
#: Of each kind of room: what may stand along its walls (kind, at most), and what in its middle.
_ALONG: dict[str, tuple[tuple[FurnitureKind, int], ...]] = {
    "activity": (("shelf", 3), ("bookshelf", 2), ("cupboard", 1), ("cubbies", 1), ("sofa", 1), ("toy_box", 2), ("plant", 2),
                 ("play_kitchen", 1), ("bench", 1), ("easel", 1), ("desk", 1)),
    "nap": (("cot", 7), ("crib", 3), ("cupboard", 1), ("adult_chair", 1), ("shelf", 1), ("plant", 1)),
    "corridor": (("cubbies", 2), ("bench", 2), ("plant", 2), ("shelf", 1)),
    "entrance": (("desk", 1), ("bench", 2), ("cubbies", 1), ("plant", 3), ("adult_chair", 2), ("scale", 1)),
    "kitchen": (("counter", 3), ("stove", 1), ("sink", 1), ("fridge", 1), ("freezer", 1), ("cupboard", 1)),
    "office": (("desk", 2), ("adult_chair", 2), ("cupboard", 2), ("bookshelf", 1), ("plant", 2), ("sofa", 1)),
    "yard": (("shrub", 4), ("tree", 2), ("bench", 2)),
}  # fmt: skip
_AMID: dict[str, tuple[tuple[FurnitureKind, int], ...]] = {
    "activity": (("table", 2), ("round_table", 2), ("mat", 2), ("rug", 1), ("shelf", 2), ("screen", 1), ("cushion", 3),
                 ("blocks", 2), ("ball", 2), ("slide", 1), ("playhouse", 1), ("toy_box", 1), ("easel", 1), ("step_stool", 1),
                 ("chair", 3), ("adult_chair", 1)),
    "nap": (("cot", 8), ("rug", 1), ("mobile", 1), ("cushion", 1)),
    "corridor": (),
    "entrance": (("rug", 1), ("step_stool", 1)),
    "kitchen": (("island", 1), ("step_stool", 1)),
    "office": (("round_table", 1), ("adult_chair", 1)),
    "yard": (("slide", 1), ("sandpit", 1), ("playhouse", 1), ("seesaw", 1), ("mat", 2), ("ball", 3), ("tree", 2), ("shrub", 2),
             ("bench", 1), ("table", 1)),
}  # fmt: skip
#: What may stand close to a camera and be taken for somebody, within and outdoors.
_NEAR: tuple[FurnitureKind, ...] = ("plant", "plant", "plant", "chair", "chair", "adult_chair", "easel", "toy_box", "cushion",
                                    "step_stool", "scale")  # fmt: skip
_NEAR_OUTDOORS: tuple[FurnitureKind, ...] = ("shrub", "shrub", "plant", "ball", "seesaw")
_NEAR_M = (0.6, 2.2)
_ON_WALLS: tuple[FurnitureKind, ...] = ("poster", "poster", "drawings", "drawings", "board", "clock", "extinguisher")
_RESIZED = ("shelf", "bookshelf", "cupboard", "cubbies", "table", "mat", "rug", "counter", "sofa", "bench", "island", "plant",
            "tree", "shrub", "poster", "drawings", "board", "sandpit", "slide", "screen", "toy_box", "desk", "chair",
            "adult_chair")  # fmt: skip
#: How often a piece keeps the colour that the catalogue gives it; what grows is seldom painted.
_OWN_COLOUR, _GROWN = 0.2, 0.75
_GROWS = ("plant", "tree", "shrub")


def furnished(room: Part, doors: list[tuple[float, float]], cameras: list[Part], chance: Chance) -> list[Part]:
    """Pieces for a room that ``cameras`` look at, none in another's place nor before a door."""
    stand = _Room(room, doors, chance)
    for camera in cameras:
        for _ in range(int(chance.integers(0, 3))):
            stand.before(camera)
    for kind, most in _ALONG[room["kind"]]:
        for _ in range(int(chance.integers(0, most + 1))):
            stand.along(kind)
    for kind, most in _AMID[room["kind"]]:
        for _ in range(int(chance.integers(0, most + 1))):
            stand.amid(kind)
    if room["kind"] != "yard":
        stand.on_walls()
        stand.lamps(room["ceiling_m"])
    return stand.pieces


class _Room:
    def __init__(self, room: Part, doors: list[tuple[float, float]], chance: Chance) -> None:
        self.chance, self.id, self.near = chance, room["id"], _NEAR_OUTDOORS if room["kind"] == "yard" else _NEAR
        self.x0, self.y0, self.x1, self.y1 = room["rectangle"]
        self.taken = [(x - _DOOR_M, y - _DOOR_M, x + _DOOR_M, y + _DOOR_M) for x, y in doors]
        self.pieces: list[Part] = []

    def before(self, camera: Part) -> None:
        """In a camera's sight and close to it, seen steeply from above."""
        kind = self.near[int(self.chance.integers(len(self.near)))]
        size = self._size(kind)
        (x, y, _), (look_x, look_y, _) = camera["at"], camera["look_at"]
        ahead, aside = math.atan2(look_y - y, look_x - x), math.radians(camera["hfov_deg"]) * 0.45
        for _ in range(8):
            turn, away = ahead + float(self.chance.uniform(-aside, aside)), float(self.chance.uniform(*_NEAR_M))
            spot = (x + away * math.cos(turn), y + away * math.sin(turn))
            if self._put(kind, spot, float(self.chance.uniform(-180, 180)), size, 0.0):
                return

    def along(self, kind: FurnitureKind) -> None:
        """With its back to a wall; a bed's head to it."""
        size = self._size(kind)
        for _ in range(8):
            side = int(self.chance.integers(4))
            spot = self._at_wall(side, size[0], size[1] / 2 + float(self.chance.uniform(0.09, 0.16)))
            turn = (180, -90, 0, 90)[side]
            if spot is not None and self._put(kind, spot, turn, size, 0.05):
                return

    def amid(self, kind: FurnitureKind) -> None:
        size = self._size(kind)
        for _ in range(8):
            reach = math.hypot(size[0], size[1]) / 2 + 0.2
            if self.x1 - self.x0 < 2 * reach or self.y1 - self.y0 < 2 * reach:
                return
            spot = (
                self.chance.uniform(self.x0 + reach, self.x1 - reach),
                self.chance.uniform(self.y0 + reach, self.y1 - reach),
            )
            turn = float(90 * self.chance.integers(4) + self.chance.normal(0, 6))
            flat = kind in ("mat", "rug", "cushion", "blocks", "ball", "mobile")
            if self._put(kind, spot, turn, size, -0.3 if flat else 0.25):
                if kind in ("table", "round_table", "desk"):
                    self._chairs(spot, turn, size)
                return

    def on_walls(self) -> None:
        for kind in _ON_WALLS:
            if self.chance.random() < 0.6:
                size, side = self._size(kind), int(self.chance.integers(4))
                spot = self._at_wall(side, size[0], 0.09)
                if spot is not None:
                    self._add(kind, spot, (180, -90, 0, 90)[side], size)
        if self.chance.random() < 0.25:
            middle = ((self.x0 + self.x1) / 2, (self.y0 + self.y1) / 2)
            self._add("bunting", middle, 0.0, ((self.x1 - self.x0) * 0.9, 0.01, 0.26))

    def lamps(self, ceiling: float) -> None:
        columns, rows = max(1, round((self.x1 - self.x0) / 3.5)), max(1, round((self.y1 - self.y0) / 3.0))
        for i in range(columns):
            for j in range(rows):
                x = self.x0 + (self.x1 - self.x0) * (i + 0.5) / columns
                y = self.y0 + (self.y1 - self.y0) * (j + 0.5) / rows
                self.pieces.append({"kind": "lamp", "room": self.id, "at": (x, y, ceiling - 0.06)})

    def _chairs(self, table: tuple[float, float], turn: float, size: tuple[float, float, float]) -> None:
        away = size[1] / 2 + 0.22
        for side in (0, 180):
            for shift in (-0.3, 0.3):
                if self.chance.random() < 0.75:
                    angle = math.radians(turn + side)
                    x = table[0] + shift * size[0] * 0.8 * math.cos(angle) - away * math.sin(angle)
                    y = table[1] + shift * size[0] * 0.8 * math.sin(angle) + away * math.cos(angle)
                    heading = turn + side + float(self.chance.normal(0, 8))
                    self._put("chair", (x, y), heading, CATALOGUE["chair"].size_m, -0.12)

    def _at_wall(self, side: int, wide: float, away: float) -> tuple[float, float] | None:
        """A spot ``away`` from the south, east, north or west wall; None where the wall is too short."""
        low, high = ((self.x0, self.x1), (self.y0, self.y1))[side % 2]
        if high - low < wide + 0.3:
            return None
        at = float(self.chance.uniform(low + wide / 2 + 0.12, high - wide / 2 - 0.12))
        return ((at, self.y0 + away), (self.x1 - away, at), (at, self.y1 - away), (self.x0 + away, at))[side]

    def _size(self, kind: FurnitureKind) -> tuple[float, float, float]:
        w, d, h = CATALOGUE[kind].size_m
        if kind not in _RESIZED:
            return (w, d, h)
        wider, deeper, higher = (
            self.chance.uniform(0.75, 1.35),
            self.chance.uniform(0.85, 1.2),
            self.chance.uniform(0.8, 1.25 if kind != "plant" else 1.75),
        )
        return (w * float(wider), d * float(deeper) if d > 0.06 else d, h * float(higher) if h > 0.05 else h)

    def _put(
        self,
        kind: FurnitureKind,
        spot: tuple[float, float],
        turn: float,
        size: tuple[float, float, float],
        apart: float,
    ) -> bool:
        angle = math.radians(turn)
        along, across = abs(math.cos(angle)), abs(math.sin(angle))
        half_x, half_y = (size[0] * along + size[1] * across) / 2, (size[0] * across + size[1] * along) / 2
        x, y = float(spot[0]), float(spot[1])
        if not (self.x0 + half_x < x < self.x1 - half_x and self.y0 + half_y < y < self.y1 - half_y):
            return False
        mine = (x - half_x - apart, y - half_y - apart, x + half_x + apart, y + half_y + apart)
        if any(mine[0] < x1 and x0 < mine[2] and mine[1] < y1 and y0 < mine[3] for x0, y0, x1, y1 in self.taken):
            return False
        if kind not in ("mat", "rug", "mobile"):
            self.taken.append((x - half_x, y - half_y, x + half_x, y + half_y))
        self._add(kind, (x, y), turn, size)
        return True

    def _add(
        self, kind: FurnitureKind, spot: tuple[float, float], turn: float, size: tuple[float, float, float]
    ) -> None:
        piece = {"kind": kind, "room": self.id, "at": spot, "turn_deg": (turn + 180.0) % 360.0 - 180.0, "size_m": size}
        if self.chance.random() >= (_GROWN if kind in _GROWS else _OWN_COLOUR):
            piece["colour"] = self._colour()
        self.pieces.append(piece)

    def _colour(self) -> str:
        colour = colorsys.hls_to_rgb(
            self.chance.random(), self.chance.uniform(0.4, 0.88), self.chance.uniform(0.05, 0.7)
        )
        if self.chance.random() < 0.4:  # wood
            colour = colorsys.hls_to_rgb(
                self.chance.uniform(0.06, 0.11), self.chance.uniform(0.4, 0.8), self.chance.uniform(0.2, 0.6)
            )
        return "#" + "".join(f"{round(255 * part):02x}" for part in colour)
