"""Whole buildings that nobody planned: other rooms, walls, windows, furniture, colours and cameras in each.

Belongs here: a house's plan and its cameras. Does not belong here: what stands in a room (``furnished.py``), who is in it
(``company.py``), drawing (``dataset.py``). Everything follows from its generator; ``magnolia`` is never looked at.
"""

from __future__ import annotations

import colorsys
import math
from typing import Any

import numpy as np

from bench.nursery_detector.furnished import Part, furnished
from services.simulation.building import Building

Chance = np.random.Generator
Rectangle = tuple[float, float, float, float]
_FLOORS = {
    "activity": ("wood", "linoleum", "carpet", "rubber"), "nap": ("wood", "carpet", "linoleum"), "corridor": ("linoleum", "tile"),
    "entrance": ("tile", "concrete", "linoleum"), "kitchen": ("tile", "linoleum"), "office": ("wood", "carpet"),
    "yard": ("grass", "rubber", "paving", "concrete"),
}  # fmt: skip
_WALLS = {"kitchen": ("tile", "paint"), "entrance": ("paint", "brick")}
_SOUTH = (
    ("activity",),
    ("activity", "activity"),
    ("activity", "nap"),
    ("nap", "activity"),
    ("activity", "activity", "nap"),
)
_NORTH = (
    ("entrance", "kitchen"),
    ("entrance", "nap", "kitchen"),
    ("kitchen", "activity", "entrance"),
    ("entrance", "kitchen", "office"),
)
_NEAREST_LOOK_M = 1.0


def invented_building(chance: Chance, cameras: int) -> Building:
    """A house of rooms along a corridor, a yard beside it, and ``cameras`` cameras."""
    plan = _Plan(chance)
    document = plan.document()
    doors = {part["id"]: plan.door_spots(part["id"]) for part in document["rooms"]}
    order = chance.permutation(len(document["rooms"]))
    for index in range(cameras):
        room = document["rooms"][int(order[index % len(order)])]
        document["cameras"].append(_camera(room, index, chance))
    for room in document["rooms"]:
        watching = [camera for camera in document["cameras"] if camera["room"] == room["id"]]
        document["furniture"] += furnished(room, doors[room["id"]], watching, chance)
    return Building.model_validate(document)


class _Plan:
    """South rooms, a corridor, north rooms; the yard lies south, west or east of them."""

    def __init__(self, chance: Chance) -> None:
        self.chance = chance
        self.wide = float(chance.uniform(9.0, 17.0))
        deep = (chance.uniform(4.0, 7.6), chance.uniform(1.5, 2.7), chance.uniform(3.1, 5.8))
        self.low, self.high, self.top = deep[0], deep[0] + deep[1], sum(deep)
        self.ceiling = round(float(chance.uniform(2.5, 3.3)), 2)
        self.rooms: list[Part] = []
        self.walls: list[Part] = []
        self.openings: list[Part] = []
        self._hue = float(chance.uniform(0, 1))
        self._band("s", _SOUTH[int(chance.integers(len(_SOUTH)))], 0.0, self.low)
        self._room("corridor", "corridor", (0.0, self.low, self.wide, self.high))
        self._band("n", _NORTH[int(chance.integers(len(_NORTH)))], self.high, self.top)
        self._outer_walls()
        self._yard()
        self._doors()
        self._windows()

    def document(self) -> dict[str, Any]:
        for room in self.rooms:
            room.pop("box", None)
        return {
            "id": "invented", "title": _title("House"), "north_deg": float(self.chance.uniform(-180, 180)),
            "facade": tone(self.chance, (0.6, 0.85), (0.1, 0.45)), "rooms": self.rooms, "walls": self.walls,
            "openings": self.openings, "furniture": [], "cameras": [],
        }  # fmt: skip

    def door_spots(self, room: str) -> list[tuple[float, float]]:
        """Middles of the doors of a room: nothing may stand before them."""
        x0, y0, x1, y1 = next(one["rectangle"] for one in self.rooms if one["id"] == room)
        spots = []
        for opening in self.openings:
            if opening["kind"] == "window":
                continue
            wall = next(one for one in self.walls if one["id"] == opening["wall"])
            length = math.dist(wall["start"], wall["end"])
            x, y = (a + (b - a) * opening["at_m"] / length for a, b in zip(wall["start"], wall["end"], strict=True))
            if x0 - 0.4 < x < x1 + 0.4 and y0 - 0.4 < y < y1 + 0.4:
                spots.append((x, y))
        return spots

    def _band(self, name: str, kinds: tuple[str, ...], y0: float, y1: float) -> None:
        shares = self.chance.uniform(0.7, 1.4, len(kinds))
        edges = [0.0, *(np.cumsum(shares) / shares.sum() * self.wide).tolist()]
        for index, kind in enumerate(kinds):
            self._room(f"{name}{index}", kind, (edges[index], y0, edges[index + 1], y1))
            if index:
                self._wall(f"{name}-wall{index}", (edges[index], y0), (edges[index], y1), 0.14)

    def _room(self, name: str, kind: str, rectangle: Rectangle) -> None:
        chance = self.chance
        hue = (self._hue + chance.uniform(-0.25, 0.25)) % 1.0
        floors = _FLOORS[kind]
        material = floors[int(chance.integers(len(floors)))]
        warm = 0.08 + chance.uniform(-0.03, 0.03) if material == "wood" else chance.uniform(0, 1)
        if material == "grass":
            warm = 0.26 + chance.uniform(-0.06, 0.06)
        colour = tone(chance, (0.35, 0.82), (0.05, 0.5), warm)
        walls = _WALLS.get(kind, ("paint",))
        wall: Part = {"material": walls[int(chance.integers(len(walls)))]}
        wall["colour"] = tone(chance, (0.78, 0.96), (0.0, 0.4), hue)
        if wall["material"] != "paint":
            wall["second"] = tone(chance, (0.6, 0.85), (0.0, 0.3), hue)
        elif chance.random() < 0.75:
            wall |= {"dado": tone(chance, (0.45, 0.85), (0.1, 0.7)), "dado_m": float(chance.uniform(0.6, 1.4))}
        self.rooms.append({
            "id": name, "kind": kind, "title": _title(kind), "rectangle": rectangle,
            "ceiling_m": None if kind == "yard" else self.ceiling,
            "floor": {"material": material, "colour": colour, "second": _darker(colour, float(chance.uniform(0.8, 0.97)))},
            "wall": wall,
        })  # fmt: skip

    def _outer_walls(self) -> None:
        w, t = self.wide, self.top
        for name, start, end in (("south", (0, 0), (w, 0)), ("east", (w, 0), (w, t)), ("north", (w, t), (0, t)),
                                 ("west", (0, t), (0, 0))):  # fmt: skip
            self._wall(name, start, end, 0.24)
        self._wall("corridor-south", (0, self.low), (w, self.low), 0.14)
        self._wall("corridor-north", (0, self.high), (w, self.high), 0.14)

    def _wall(self, name: str, start: tuple[float, float], end: tuple[float, float], thick: float) -> None:
        height = self.ceiling + 0.15
        self.walls.append({"id": name, "start": start, "end": end, "height_m": height, "thickness_m": thick})

    def _yard(self) -> None:
        side, far = ("south", "west", "east")[int(self.chance.integers(3))], float(self.chance.uniform(6.0, 10.0))
        w, t = self.wide, self.top
        x0, y0, x1, y1 = {"south": (0, -far, w, 0), "west": (-far, 0, 0, t), "east": (w, 0, w + far, t)}[side]
        self._room("yard", "yard", (x0, y0, x1, y1))
        self.yard_side = side
        corners = [(x0, y0), (x1, y0), (x1, y1), (x0, y1)]
        fence = {"kind": "fence", "height_m": float(self.chance.uniform(0.9, 1.7)), "thickness_m": 0.06,
                 "colour": tone(self.chance, (0.35, 0.95), (0.05, 0.5))}  # fmt: skip
        for index, start in enumerate(corners):
            end = corners[(index + 1) % 4]
            at_house = {"south": index == 2, "west": index == 1, "east": index == 3}[side]
            if not at_house:
                self.walls.append({"id": f"fence-{index}", "start": start, "end": end, **fence})

    def _doors(self) -> None:
        chance = self.chance
        for room in self.rooms:
            if room["id"][0] not in "sn" or room["kind"] == "yard":
                continue
            x0, _, x1, _ = room["rectangle"]
            wall = "corridor-south" if room["id"][0] == "s" else "corridor-north"
            wide = float(chance.uniform(0.85, 1.15))
            kind = "passage" if chance.random() < 0.15 or room["kind"] == "entrance" else "door"
            if kind == "passage":
                wide += 0.5
            self._opening(kind, wall, float(chance.uniform(x0 + wide / 2 + 0.15, x1 - wide / 2 - 0.15)), wide)
        entrance = next(room for room in self.rooms if room["kind"] == "entrance")["rectangle"]
        self._opening("door", "north", self.wide - float(chance.uniform(entrance[0] + 1.0, entrance[2] - 1.0)), 1.1)
        end = "east" if self.yard_side != "east" else "west"
        middle = (self.low + self.high) / 2
        self._opening("door", end, middle if end == "east" else self.top - middle, 1.0)
        beside = {"south": float(chance.uniform(1.0, self.wide - 1.0)), "east": middle, "west": self.top - middle}
        if not any(abs(beside["south"] - one["at_m"]) < 1.2 for one in self.openings if one["wall"] == "south"):
            self._opening("door", self.yard_side, beside[self.yard_side], 1.0)

    def _opening(self, kind: str, wall: str, at_m: float, wide: float, **more: Any) -> None:
        chance = self.chance
        if kind != "window":
            more = {
                "height_m": float(chance.uniform(1.95, 2.2)), "hinge": "start" if chance.random() < 0.5 else "end",
                "swings": "left" if chance.random() < 0.5 else "right", "glazed": kind == "door" and bool(chance.random() < 0.3),
            }  # fmt: skip
        self.openings.append({
            "id": f"o{len(self.openings)}", "kind": kind, "wall": wall, "at_m": at_m, "width_m": wide,
            "colour": tone(chance, (0.4, 0.9), (0.0, 0.5)), **more,
        })  # fmt: skip

    def _windows(self) -> None:
        chance = self.chance
        for wall, length in (("south", self.wide), ("north", self.wide), ("east", self.top), ("west", self.top)):
            at_m = float(chance.uniform(0.8, 2.0))
            while at_m < length - 1.0:
                wide = float(chance.uniform(1.0, 2.4))
                spans = [(one["at_m"], one["width_m"]) for one in self.openings if one["wall"] == wall]
                free = all(abs(at_m + wide / 2 - at) > (wide + other) / 2 + 0.25 for at, other in spans)
                if free and at_m + wide < length - 0.4 and chance.random() < 0.75:
                    sill, high = float(chance.uniform(0.6, 1.15)), float(chance.uniform(0.9, 1.4))
                    more: Part = {"sill_m": sill, "height_m": min(high, self.ceiling - sill - 0.15)}
                    if chance.random() < 0.6:
                        more["curtain"] = tone(chance, (0.4, 0.85), (0.1, 0.6))
                    self._opening("window", wall, at_m + wide / 2, wide, **more)
                at_m += wide + float(chance.uniform(0.5, 2.2))


def _camera(room: Part, index: int, chance: Chance) -> Part:
    x0, y0, x1, y1 = room["rectangle"]
    top = min(room["ceiling_m"] or 3.4, 3.4) - 0.1
    inset = float(chance.uniform(0.15, 0.45))
    xs, ys = (x0 + inset, x1 - inset), (y0 + inset, y1 - inset)
    x, y = xs[int(chance.integers(2))], ys[int(chance.integers(2))]
    turn = chance.random()
    if turn < 0.2:
        x = float(chance.uniform(*xs))
    elif turn < 0.4:
        y = float(chance.uniform(*ys))
    over = float(chance.uniform(0.28, 0.82))  # how far across the room it looks
    target = (
        x + (x0 + x1 - 2 * x) * over + float(chance.uniform(-0.15, 0.15)) * (x1 - x0),
        y + (y0 + y1 - 2 * y) * over + float(chance.uniform(-0.15, 0.15)) * (y1 - y0),
    )
    if math.dist(target, (x, y)) < _NEAREST_LOOK_M:
        target = ((x0 + x1) / 2, (y0 + y1) / 2)
    return {
        "id": f"c{index}", "room": room["id"], "title": _title(room["kind"]), "at": (x, y, float(chance.uniform(top - 0.5, top))),
        "look_at": (*target, float(chance.uniform(0.0, 1.0))), "hfov_deg": float(chance.uniform(66.0, 106.0)),
        "k1": float(chance.uniform(-0.16, 0.0)), "k2": float(chance.uniform(0.0, 0.015)),
        "noise": float(chance.uniform(0.5, 2.2)), "roll_deg": float(chance.uniform(-3.0, 3.0)),
    }  # fmt: skip


def tone(chance: Chance, light: tuple[float, float], full: tuple[float, float], hue: float | None = None) -> str:
    """A colour of a lightness and saturation in these bounds, #rrggbb."""
    turned = float(chance.uniform(0, 1)) if hue is None else hue
    made = colorsys.hls_to_rgb(turned % 1.0, float(chance.uniform(*light)), float(chance.uniform(*full)))
    return "#" + "".join(f"{round(255 * part):02x}" for part in made)


def _darker(colour: str, share: float) -> str:
    return "#" + "".join(f"{round(int(colour[i : i + 2], 16) * share):02x}" for i in (1, 3, 5))


def _title(name: str) -> dict[str, str]:
    return {"zh": name, "en": name.capitalize()}
