"""Who belongs to the nursery: classes of children, the people who care for them, the guardians who bring and fetch them.

Numbers are identities of the whole simulation: 1-9 staff, 11-49 children, 101-149 their guardians (a child's number + 90),
91-99 strangers, 201-299 visiting children, 301- the adults who come with them.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from services.contracts.errors import Rejected
from services.simulation.building import Building
from services.simulation.people import person_of
from services.simulation.world import Person

#: 乳儿班 6-12 months, 托小班 12-24, 托大班 24-36 (托育机构设置标准 19-20).
ClassKind = Literal["infant", "toddler", "older"]
Duty = Literal["carer", "cook", "health"]

#: Children per adult (设置标准 20) and places (19), as a jurisdiction's policy would state them.
RATIO: dict[ClassKind, int] = {"infant": 3, "toddler": 5, "older": 7}
CAPACITY: dict[ClassKind, int] = {"infant": 10, "toddler": 15, "older": 20}
CLASS_TITLE: dict[ClassKind, str] = {"infant": "乳儿班", "toddler": "托小班", "older": "托大班"}

GUARDIAN_OFFSET = 90
FIRST_CHILD, FIRST_STRANGER, FIRST_VISITOR, FIRST_GUEST_ADULT = 11, 91, 201, 301


@dataclass(frozen=True, slots=True)
class Child:
    """A child on the roster: its class, how fast it walks, whether it walks at all yet, and whether it sleeps at noon."""

    person: Person
    class_kind: ClassKind
    room: str
    speed_m_s: float
    walks: bool
    naps: bool


@dataclass(frozen=True, slots=True)
class Adult:
    """Somebody of the staff; carers belong to a room."""

    person: Person
    duty: Duty
    room: str
    speed_m_s: float


@dataclass(frozen=True, slots=True)
class Roster:
    """Everybody who may be expected. ``class_of`` gives the class of each activity room."""

    children: tuple[Child, ...]
    adults: tuple[Adult, ...]
    class_of: dict[str, ClassKind]

    def carers(self, room: str) -> list[Adult]:
        return [adult for adult in self.adults if adult.duty == "carer" and adult.room == room]

    def children_of(self, room: str) -> list[Child]:
        return [child for child in self.children if child.room == room]

    def adult(self, duty: Duty) -> Adult:
        return next(adult for adult in self.adults if adult.duty == duty)

    def child(self, number: int) -> Child:
        return next(child for child in self.children if child.person.number == number)


def roster_of(building: Building, seed: int) -> Roster:
    """The roster of a seed: two classes of 6 to 9 children, four carers, a cook and a health worker."""
    rooms = [room.id for room in building.rooms if room.kind == "activity"][:2]
    if not rooms or not any(room.kind == "entrance" for room in building.rooms):
        raise Rejected(f"building {building.id!r} needs an activity room and an entrance to have a day in it")
    chance = random.Random(f"roster/{building.id}/{seed}")  # noqa: S311  a drawing, not a secret
    younger: ClassKind = "infant" if chance.random() < 0.3 else "toddler"
    kinds: list[ClassKind] = [younger, "older"]
    children: list[Child] = []
    for room, kind in zip(rooms, kinds, strict=False):
        seats = max(4, len(building.places_of("seat", room)) - 1)
        count = 6 if kind == "infant" else min(seats, chance.randint(7, 9))
        children += _class(kind, room, count, seed, FIRST_CHILD + len(children), chance)
    staff: list[tuple[Duty, str]] = [("carer", room) for room in rooms for _ in range(2)]
    staff += [("cook", ""), ("health", "")]
    adults = tuple(
        Adult(person_of(number, "adult", seed), duty, room, chance.uniform(1.0, 1.35))
        for number, (duty, room) in enumerate(staff, start=1)
    )
    return Roster(_with_nappers(children, building), adults, dict(zip(rooms, kinds, strict=False)))


def _class(kind: ClassKind, room: str, count: int, seed: int, first: int, chance: random.Random) -> list[Child]:
    tall = {"infant": (0.70, 0.77), "toddler": (0.77, 0.90), "older": (0.90, 1.15)}[kind]
    brisk = {"infant": (0.45, 0.55), "toddler": (0.55, 0.85), "older": (0.75, 1.05)}[kind]
    found = []
    for index in range(count):
        height_m = round(chance.uniform(*tall), 3)
        person = person_of(first + index, "child", seed, height_m=height_m)
        walks = kind != "infant" or chance.random() < 0.34
        found.append(Child(person, kind, room, chance.uniform(*brisk), walks, naps=True))
    return found


def _with_nappers(children: Sequence[Child], building: Building) -> tuple[Child, ...]:
    """The youngest get the cots; whoever finds none rests awake."""
    cots = len(building.places_of("cot"))
    young = sorted(children, key=lambda child: child.person.height_m)[:cots]
    sleepers = {child.person.number for child in young}
    return tuple(
        Child(child.person, child.class_kind, child.room, child.speed_m_s, child.walks, child.person.number in sleepers)
        for child in children
    )
