"""Who is in an invented room and how it is lit: crowds, circles, rows, sitters, sleepers, the half hidden, or nobody.

Belongs here: worlds made for learning from, without a day's plan. Does not belong here: buildings, drawing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace

import numpy as np

from bench.nursery_detector.variation import ADULTS, ADULTS_REACHING, CHILDREN, CHILDREN_REACHING, SPEEDS, drawn
from services.simulation import people
from services.simulation.building import Building, BuildingCamera, Room
from services.simulation.floor import Floor
from services.simulation.render.backdrop import SUN_STEP_S
from services.simulation.world import Activity, Person, PersonState, Role, World

Chance = np.random.Generator
_NOBODY = 0.1
_MOST = 14
_RADIUS_M = 0.2
_IN_ROWS: dict[Activity, float] = {"sit_floor": 4, "stand": 3, "play_floor": 1, "squat": 1, "walk": 1}
_DONE_ON: dict[str, Activity] = {"seat": "sit", "cot": "sleep", "climb": "climb"}


def moment_of(building: Building, room: str, chance: Chance) -> World:
    """An hour and its light, doors and curtains; nobody there."""
    t_s = float(chance.uniform(7.0, 18.0)) * 3600
    daylight = float(chance.uniform(0.3, 1.0))
    lit = float(chance.random() < 0.85)
    if chance.random() < 0.12:
        t_s, daylight, lit = float(chance.uniform(19.0, 23.0)) * 3600, 0.0, float(chance.random() < 0.5)
    nap = building.room(room).kind == "nap" and chance.random() < 0.5
    windows = [one.id for one in building.openings if one.kind == "window" and one.curtain]
    others = [one.id for one in building.openings if one.kind in ("door", "gate")]
    return World(
        t_s=(t_s // SUN_STEP_S + 0.1) * SUN_STEP_S, day=int(chance.integers(738_000, 740_000)), daylight=daylight,
        lights={one.id: 0.0 if nap and one.id == room else lit for one in building.rooms if not one.outdoors},
        curtains={name: float(nap or chance.random() < 0.2) for name in windows},
        openings={name: float(chance.random() < 0.45) * float(chance.uniform(0.2, 1.0)) for name in others},
    )  # fmt: skip


def peopled(
    building: Building, camera: BuildingCamera, world: World, floor: Floor, chance: Chance, *, reaching: bool = False
) -> World:
    """The moment with other people, some seconds on. ``reaching``: many with an arm up."""
    company = _Company(building, building.room(camera.room), camera, floor, chance)
    if reaching:
        company.postures = {"adult": ADULTS_REACHING, "child": CHILDREN_REACHING}
    if chance.random() >= _NOBODY:
        most = int(chance.integers(1, _MOST + 1))
        gatherings = (
            (company.settle, 0.45), (company.rows, 0.3), (company.circle, 0.3), (company.carrying, 0.12),
        )  # fmt: skip
        for gather, how_often in gatherings:
            if chance.random() < how_often:
                gather(most)
        for _ in range(most - len(company.states)):
            company.scatter()
    return replace(world, t_s=world.t_s + float(chance.uniform(0, 0.8 * SUN_STEP_S)), persons=tuple(company.states))


@dataclass
class _Company:
    building: Building
    room: Room
    camera: BuildingCamera
    floor: Floor
    chance: Chance
    states: list[PersonState] = field(default_factory=list)
    postures: dict[Role, dict[Activity, float]] = field(default_factory=lambda: {"adult": ADULTS, "child": CHILDREN})

    def scatter(self) -> None:
        spot = self._spot()
        if spot is not None:
            role: Role = "adult" if self.chance.random() < 0.33 else "child"
            self._stand(role, spot, float(self.chance.uniform(-math.pi, math.pi)))

    def settle(self, most: int) -> None:
        """On seats, cots and slides."""
        places = [one for one in self.building.every_place if one.room == self.room.id and one.kind in _DONE_ON]
        for index in self.chance.permutation(len(places))[: max(1, int(most * self.chance.uniform(0.3, 1.0)))]:
            place = places[int(index)]
            high = place.at[2] > 0.4
            role: Role = "adult" if place.kind == "seat" and (high or self.chance.random() < 0.1) else "child"
            self._add(role, place.at, place.heading_rad + float(self.chance.normal(0, 0.1)), _DONE_ON[place.kind])

    def circle(self, most: int) -> None:
        """Children close around something, an adult with them."""
        middle = self._spot()
        if middle is None:
            return
        for number in range(min(most, int(self.chance.integers(3, 8)))):
            angle, away = float(self.chance.uniform(-math.pi, math.pi)), float(self.chance.uniform(0.35, 1.2))
            spot = (middle[0] + away * math.cos(angle), middle[1] + away * math.sin(angle))
            if self._free(spot, 0.3):
                self._stand(
                    "adult" if number == 0 else "child", spot, angle + math.pi + float(self.chance.normal(0, 0.5))
                )

    def rows(self, most: int) -> None:
        """Children in rows behind one another, as they listen or wait; now and then in line with the camera."""
        first = self._spot()
        if first is None:
            return
        heading = float(self.chance.uniform(-math.pi, math.pi))
        if self.chance.random() < 0.5:
            away = math.atan2(first[1] - self.camera.at[1], first[0] - self.camera.at[0])
            heading = away + float(self.chance.choice([0.0, math.pi])) + float(self.chance.normal(0, 0.3))
        doing = drawn(_IN_ROWS, self.chance)
        beside, behind = float(self.chance.uniform(0.38, 0.7)), float(self.chance.uniform(0.38, 0.75))
        wide, deep = int(self.chance.integers(1, 6)), int(self.chance.integers(1, 5))
        ahead = (math.cos(heading), math.sin(heading))
        for number in range(min(most, wide * deep)):
            along, back = (number % wide - (wide - 1) / 2) * beside, number // wide * behind
            along, back = along + float(self.chance.normal(0, 0.05)), back + float(self.chance.normal(0, 0.05))
            spot = (first[0] - along * ahead[1] - back * ahead[0], first[1] + along * ahead[0] - back * ahead[1])
            if self._free(spot, 0.25):
                other = self.chance.random() < 0.15
                self._add(
                    "child", (*spot, self._height(spot)), heading + float(self.chance.normal(0, 0.25)),
                    drawn(self.postures["child"], self.chance) if other else doing,
                )  # fmt: skip
        before = float(self.chance.uniform(0.8, 1.4))
        facing = (first[0] + before * ahead[0], first[1] + before * ahead[1])
        if self.chance.random() < 0.6 and self._free(facing, 0.35):
            self._stand("adult", facing, heading + math.pi)

    def carrying(self, most: int) -> None:
        spot = self._spot()
        if spot is None:
            return
        heading, speed = float(self.chance.uniform(-math.pi, math.pi)), float(self.chance.choice([0.0, 0.9]))
        number = len(self.states) + 1
        who = self._person("adult", number), self._person("child", number + 1)
        seconds, stride = float(self.chance.uniform(2.0, 30.0)), float(self.chance.uniform(0, 20))
        at = (*spot, 0.0)
        self.states.append(
            PersonState(who[0], at, heading, "carry", seconds, "carry", speed, stride, carries=number + 1)
        )
        self.states.append(
            PersonState(who[1], at, heading, "carried", seconds, "carried", speed, stride, carried_by=number)
        )

    def _stand(self, role: Role, spot: tuple[float, float], heading: float) -> None:
        self._add(role, (*spot, self._height(spot)), heading, drawn(self.postures[role], self.chance))

    def _add(self, role: Role, at: tuple[float, float, float], heading: float, doing: Activity) -> None:
        speed = float(self.chance.uniform(*SPEEDS[doing])) if doing in SPEEDS else 0.0
        self.states.append(PersonState(
            self._person(role, len(self.states) + 1), at, heading, doing, doing_s=float(self.chance.uniform(0.0, 30.0)),
            before=doing if doing in ("sit", "sleep") else "stand", speed_m_s=speed,
            stride_m=float(self.chance.uniform(0.0, 20.0)),
        ))  # fmt: skip

    def _person(self, role: Role, number: int) -> Person:
        seed = int(self.chance.integers(1 << 30))
        return people.person_of(number, role, seed, staff=bool(self.chance.random() < 0.6))

    def _height(self, spot: tuple[float, float]) -> float:
        """Of mats and rugs underfoot."""
        for piece in self.building.furniture:
            underfoot = piece.kind in ("mat", "rug") and piece.room == self.room.id
            if underfoot and math.dist(spot, piece.foot[:2]) < min(piece.size[:2]) / 2:
                return piece.size[2]
        return 0.0

    def _spot(self) -> tuple[float, float] | None:
        """Of a few free spots, now any, now the farthest from the camera or the nearest to it, now the nearest to furniture:
        those are hard."""
        xs, ys = zip(*self.room.footprint, strict=True)
        spots = []
        for _ in range(40):
            spot = (float(self.chance.uniform(min(xs), max(xs))), float(self.chance.uniform(min(ys), max(ys))))
            if self._free(spot, 0.32):
                spots.append(spot)
            if len(spots) == 4:
                break
        if not spots:
            return None
        turn = self.chance.random()
        if turn < 0.3:
            return max(spots, key=lambda spot: math.dist(spot, self.camera.at[:2]))
        if turn < 0.45:
            return min(spots, key=lambda spot: math.dist(spot, self.camera.at[:2]))
        if turn < 0.7:
            return spots[int(self.floor.furniture_distance(spots).argmin())]
        return spots[0]

    def _free(self, spot: tuple[float, float], apart: float) -> bool:
        alone = all(math.dist(spot, one.at[:2]) > apart for one in self.states)
        return alone and self.room.contains(*spot) and self.floor.is_free(*spot, _RADIUS_M)
