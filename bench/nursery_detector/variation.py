"""Other buildings, cameras and crowds than the ones that come with the package: what the network learns from.

Belongs here: what is varied and how far. Does not belong here: drawing (``dataset.py``). Everything follows from its generator.
"""

from __future__ import annotations

import colorsys
import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from services.simulation import people
from services.simulation.building import Building, BuildingCamera, Room
from services.simulation.floor import Floor
from services.simulation.world import Activity, PersonState, Role, World

Chance = np.random.Generator

#: How often each is drawn in a scattered crowd: the postures that a day shows seldom are not learned from the day.
CHILDREN: dict[Activity, float] = {
    "stand": 3, "walk": 4, "run": 3, "crawl": 2, "sit_floor": 3, "play_floor": 3, "squat": 2, "bend": 1, "reach": 1,
    "lie": 2, "fallen": 2, "fall": 1, "wave": 1,
}  # fmt: skip
ADULTS: dict[Activity, float] = {
    "stand": 4, "walk": 5, "run": 1, "sit_floor": 2, "squat": 3, "bend": 4, "reach": 1, "fallen": 2, "fall": 1, "wave": 1,
}  # fmt: skip
#: The same where arms are up: at a shelf, at a stove, waving. A thin arm makes a box half as large again.
CHILDREN_REACHING = CHILDREN | {"reach": 10.0, "wave": 8.0}
ADULTS_REACHING = ADULTS | {"reach": 14.0, "wave": 8.0}
SPEEDS = {"walk": (0.5, 1.3), "run": (1.5, 2.5), "crawl": (0.2, 0.5)}


def varied_building(building: Building, chance: Chance, cameras: int) -> Building:
    """The building in other colours, seen by ``cameras`` other cameras."""
    document = building.model_dump(mode="json")
    hue, paleness = chance.uniform(-0.5, 0.5), chance.uniform(0.6, 1.25)
    for room in document["rooms"]:
        turn = hue + chance.uniform(-0.12, 0.12)
        for surface in (room["floor"], room["wall"]):
            for part in ("colour", "second", "dado"):
                if surface.get(part):
                    surface[part] = _recoloured(surface[part], turn, paleness, chance)
    for piece in document["furniture"]:
        if piece.get("colour"):
            piece["colour"] = _recoloured(piece["colour"], chance.uniform(-0.5, 0.5), 1.0, chance)
    document["cameras"] = [_camera(building, chance, index).model_dump(mode="json") for index in range(cameras)]
    return Building.model_validate(document)


def crowd(building: Building, camera: BuildingCamera, world: World, chance: Chance) -> World:
    """The same room and light with other people, scattered over the floor that the camera looks at."""
    room, floor = building.room(camera.room), Floor(building)
    states: list[PersonState] = []
    for number in range(1, 1 + int(chance.integers(1, 13))):
        spot = _free_spot(room, floor, states, chance)
        if spot is None:
            continue
        role: Role = "adult" if chance.random() < 0.4 else "child"
        person = people.person_of(number, role, int(chance.integers(1 << 30)))
        activity = drawn(ADULTS if role == "adult" else CHILDREN, chance)
        speed = chance.uniform(*SPEEDS[activity]) if activity in SPEEDS else 0.0
        states.append(PersonState(
            person, (*spot, 0.0), chance.uniform(-math.pi, math.pi), activity, doing_s=chance.uniform(0.0, 30.0),
            speed_m_s=speed, stride_m=chance.uniform(0.0, 20.0),
        ))  # fmt: skip
    return replace(world, persons=tuple(states), flames=(), faults={})


def _camera(building: Building, chance: Chance, index: int) -> BuildingCamera:
    base = building.cameras[int(chance.integers(len(building.cameras)))]
    room = building.room(base.room)
    x0, y0, x1, y1 = _bounds(room)
    top = min(room.ceiling_m or 3.2, 3.6) - 0.15
    at = _inside(room, base.at[0] + chance.uniform(-0.6, 0.6), base.at[1] + chance.uniform(-0.6, 0.6), base.at[:2])
    look = (
        (x0 + x1) / 2 + chance.uniform(-0.25, 0.25) * (x1 - x0),
        (y0 + y1) / 2 + chance.uniform(-0.25, 0.25) * (y1 - y0),
        chance.uniform(0.0, 1.0),
    )
    if math.dist(look[:2], at) < 1.0:
        look = ((x0 + x1) / 2, (y0 + y1) / 2, 0.5)
    return base.model_copy(update={
        "id": f"c{index}", "at": (*at, chance.uniform(min(2.1, top), top)), "look_at": look, "pan_deg": None,
        "tilt_deg": None, "hfov_deg": chance.uniform(62.0, 108.0), "k1": chance.uniform(-0.18, 0.0),
        "k2": chance.uniform(-0.01, 0.02), "noise": chance.uniform(0.4, 2.5), "roll_deg": chance.uniform(-4.0, 4.0),
    })  # fmt: skip


def _inside(room: Room, x: float, y: float, otherwise: Sequence[float]) -> tuple[float, float]:
    around = ((0.12, 0.12), (0.12, -0.12), (-0.12, 0.12), (-0.12, -0.12))
    if all(room.contains(x + dx, y + dy) for dx, dy in around):
        return x, y
    return otherwise[0], otherwise[1]


def _bounds(room: Room) -> tuple[float, float, float, float]:
    xs, ys = [x for x, _ in room.footprint], [y for _, y in room.footprint]
    return min(xs), min(ys), max(xs), max(ys)


def _free_spot(room: Room, floor: Floor, others: Sequence[PersonState], chance: Chance) -> tuple[float, float] | None:
    x0, y0, x1, y1 = _bounds(room)
    for _ in range(20):
        x, y = float(chance.uniform(x0, x1)), float(chance.uniform(y0, y1))
        apart = all(math.dist((x, y), other.at[:2]) > 0.4 for other in others)
        if apart and room.contains(x, y) and floor.is_free(x, y, 0.22):
            return x, y
    return None


def drawn(weights: dict[Activity, float], chance: Chance) -> Activity:
    names = list(weights)
    shares = np.array([weights[name] for name in names])
    return names[int(chance.choice(len(names), p=shares / shares.sum()))]


def _recoloured(colour: str, turn: float, paleness: float, chance: Chance) -> str:
    red, green, blue = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    hue, light, full = colorsys.rgb_to_hls(red, green, blue)
    light = min(0.95, max(0.08, light * chance.uniform(0.75, 1.12)))
    made = colorsys.hls_to_rgb((hue + turn) % 1.0, light, min(1.0, full * paleness + chance.uniform(0.0, 0.15)))
    return "#" + "".join(f"{round(255 * part):02x}" for part in made)
