"""What people do on an ordinary day: play, sit at table, listen to a story, tend children, cook, man the entrance.

Belongs here: single doings, and the places for them. Does not belong here: the order of the day (``plan``).
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from services.simulation.building import Place
from services.simulation.catalogue import PlaceKind
from services.simulation.day.agenda import Agenda, Stay
from services.simulation.day.calendar import Phase, Timetable
from services.simulation.day.floor import Floor
from services.simulation.day.roster import Adult, Child, Roster
from services.simulation.day.spots import Spots, spot_of
from services.simulation.day.track import Spot
from services.simulation.world import Activity

_PLAYS: tuple[tuple[Activity, float], ...] = (
    ("play_floor", 0.46), ("sit_floor", 0.16), ("squat", 0.10), ("stand", 0.14), ("bend", 0.04), ("reach", 0.03), ("lie", 0.03),
    ("wave", 0.04),
)  # fmt: skip
_YARD_PLAYS: tuple[tuple[Activity, float], ...] = (
    ("stand", 0.3), ("squat", 0.3), ("play_floor", 0.2), ("bend", 0.1), ("wave", 0.1),
)  # fmt: skip


@dataclass
class Plan:
    """The agendas of a day, and what the planning found out on the way."""

    agendas: dict[int, Agenda] = field(default_factory=dict)
    #: When each child passes the morning check.
    check_s: dict[int, float] = field(default_factory=dict)
    #: When adults are to be at the cots.
    rounds_s: list[float] = field(default_factory=list)
    #: When the cook opens the fridge (start, seconds).
    fridge_s: list[tuple[float, float]] = field(default_factory=list)
    #: Which room each class is in at what time: (from, to, class's room, where).
    whereabouts: list[tuple[float, float, str, str]] = field(default_factory=list)


class Doings:
    """Writes doings into a plan of one day."""

    def __init__(self, floor: Floor, roster: Roster, timetable: Timetable, key: str) -> None:
        self.floor, self.roster, self.timetable = floor, roster, timetable
        self.building = floor.building
        self.chance = random.Random(f"plan/{key}")  # noqa: S311  a drawing, not a secret
        self.spots = Spots(floor, self.chance)
        self.plan = Plan()
        self.rooms = list(roster.class_of)
        self.entrance = self._room("entrance", self.rooms[0])
        self.kitchen = self._room("kitchen", self.entrance)
        self.nap = self._room("nap", self.rooms[0])
        self.yard = self._room("yard", "")
        self._gone_s: dict[int, float] = {}
        self.seed = 0

    def _play(self, child: Child, room: str, from_s: float, until_s: float) -> None:
        agenda = self.plan.agendas[child.person.number]
        outdoors = room == self.yard
        t_s = from_s + self.chance.uniform(0.0, 12.0)
        while t_s < until_s - 8.0:
            lasts_s = min(
                self.chance.uniform(35.0, 110.0) if outdoors else self.chance.uniform(60.0, 240.0), until_s - t_s
            )
            activity = self._drawn(_YARD_PLAYS if outdoors else _PLAYS)
            spot = self.spots.play(room, t_s, t_s + lasts_s)
            if not child.walks:
                agenda.add(Stay(t_s, spot, self.chance.choice(("sit_floor", "play_floor", "lie")), "crawl", 0.3))
            elif self.chance.random() < (0.45 if outdoors else 0.1) and child.class_kind == "older":
                agenda.add(Stay(t_s, spot, activity, "run", self.chance.uniform(1.6, 2.1)))
            else:
                agenda.add(Stay(t_s, spot, activity))
            t_s += lasts_s

    def _sit(self, child: Child, room: str, from_s: float, until_s: float) -> None:
        seats = [place for place in self.building.places_of("seat", room)]
        members = [one.person.number for one in self._here(room)]
        index = members.index(child.person.number)
        agenda = self.plan.agendas[child.person.number]
        starts_s = from_s + 3.0 * index
        if index < len(seats) and child.walks:
            agenda.add(Stay(starts_s, self.spots.take(spot_of(seats[index]), starts_s, until_s), "sit"))
        else:
            agenda.add(Stay(starts_s, self.spots.play(room, starts_s, until_s), "sit_floor", gait_of(child)))

    def _circle(self, child: Child, room: str, index: int, count: int, from_s: float) -> None:
        """Story time: a half circle on the floor before the carer."""
        phase = self._require("class")
        story = self._place("story", room)
        spread = math.pi * 0.9
        for ring in (1.35, 1.7, 1.0, 2.1):
            angle = story.heading_rad - spread / 2 + spread * (index + 0.5) / max(1, count)
            x, y = story.x + ring * math.cos(angle), story.y + ring * math.sin(angle)
            room_index = self.floor.room_at(story.x, story.y)
            if self.floor.is_free(x, y) and self.floor.room_at(x, y) == room_index:
                spot = Spot(x, y, 0.0, angle + math.pi, "story")
                break
        else:
            spot = self.spots.play(room, from_s, phase.end_s)
        self.spots.take(spot, from_s, phase.end_s)
        self.plan.agendas[child.person.number].add(Stay(from_s + 1.7 * index, spot, "sit_floor", gait_of(child)))

    # What adults do

    def _health(self, phase: Phase) -> None:
        adult = self.roster.adult("health")
        agenda, desk = self._agenda(adult), self._place("desk", self.entrance)
        for at_s in sorted(self.plan.check_s.values()):
            agenda.add(Stay(at_s - 4.0, desk, "bend"), Stay(at_s + 6.0, desk, "stand"))
        chair = self._place("seat", self.entrance)
        agenda.add(Stay(phase.end_s + 60.0, chair, "sit"))
        for round_s in range(int(phase.end_s) + 1800, int(self._require("pick-up").start_s), 2700):
            corridor = self._anywhere(self._room("corridor", self.entrance))
            agenda.add(Stay(float(round_s), corridor, "stand"), Stay(round_s + 40.0, chair, "sit"))
        agenda.add(Stay(self._require("pick-up").start_s - 60.0, desk, "stand"))

    def _tend(self, adult: Adult, room: str, from_s: float, until_s: float) -> None:
        """Be with the children: walk about, bend and squat to one of them, sit down with them."""
        agenda = self._agenda(adult)
        t_s = from_s + self.chance.uniform(0.0, 15.0)
        while t_s < until_s - 10.0:
            lasts_s = min(self.chance.uniform(20.0, 130.0), until_s - t_s)
            spot = self.spots.play(room, t_s, t_s + lasts_s)
            doing = self._drawn((("stand", 0.45), ("bend", 0.18), ("squat", 0.2), ("sit_floor", 0.12), ("reach", 0.05)))
            agenda.add(Stay(t_s, spot, doing))
            t_s += lasts_s

    def _cook(self, from_s: float, until_s: float) -> None:
        adult = self.roster.adult("cook")
        agenda = self._agenda(adult)
        places = [place for place in self.building.places_of("cook", self.kitchen)]
        t_s = max(from_s, agenda.stays[0].start_s + 60.0)
        while t_s < until_s - 20.0 and places:
            place = self.chance.choice(places)
            lasts_s = min(self.chance.uniform(60.0, 260.0), until_s - t_s)
            at_fridge = "fridge" in place.id
            lasts_s = min(lasts_s, self.chance.uniform(14.0, 30.0)) if at_fridge else lasts_s
            # Down to the oven or a cupboard, now and then; nothing hangs so high that an arm must go up.
            low = not at_fridge and self.chance.random() < 0.3
            agenda.add(Stay(t_s, spot_of(place), "squat" if low else "stand"))
            if at_fridge:
                self.plan.fridge_s.append((t_s + 7.0, max(5.0, lasts_s - 8.0)))
            t_s += lasts_s

    # Places

    def _inside_door(self, room: str, number: int) -> Spot:
        """Where guardians stand: inside the class's door, out of its way."""
        index = self.floor.room_index(room)
        doors = [portal for portal in self.floor.portals if portal.joins(index) and portal.other(index) != -1]
        indoors = [portal for portal in doors if not self.building.rooms[portal.other(index)].outdoors] or doors
        x, y = indoors[0].side(index)
        mx, my = indoors[0].middle
        ux, uy = (x - mx) / math.dist((x, y), (mx, my)), (y - my) / math.dist((x, y), (mx, my))
        aside = 0.75 if number % 2 else -0.75
        for sideways in (aside, -aside, 0.4, 0.0):
            px, py = mx + 0.75 * ux - sideways * uy, my + 0.75 * uy + sideways * ux
            if self.floor.is_free(px, py) and self.floor.room_at(px, py) == index:
                return Spot(px, py, 0.0, math.atan2(uy, ux), f"door of {room}")
        return Spot(x, y, 0.0, math.atan2(uy, ux), f"door of {room}")

    def _aisle(self, index: int) -> Spot:
        """Where one stands between the cots."""
        rounds = [place for place in self.building.places_of("stand", self.nap) if "round" in place.id]
        places: list[Place] = rounds or list(self.building.places_of("stand", self.nap))
        return spot_of(places[index % len(places)]) if places else self._anywhere(self.nap)

    def _place(self, kind: PlaceKind, room: str) -> Spot:
        places = self.building.places_of(kind, room)
        return spot_of(places[0]) if places else self._anywhere(room)

    def _anywhere(self, room: str) -> Spot:
        return self.spots.play(room, 0.0, 1.0, apart_m=0.0)

    def _room(self, kind: str, otherwise: str) -> str:
        return next((room.id for room in self.building.rooms if room.kind == kind), otherwise)

    # Bookkeeping

    def _here(self, room: str) -> list[Child]:
        return [child for child in self.roster.children_of(room) if child.person.number in self.plan.agendas]

    def _all_carers(self) -> list[Adult]:
        return [adult for room in self.rooms for adult in self.roster.carers(room)]

    def _agenda(self, adult: Adult) -> Agenda:
        return self.plan.agendas[adult.person.number]

    def _add(self, number: int, agenda: Agenda) -> Agenda:
        return self.plan.agendas.setdefault(number, agenda)

    def _require(self, kind: str) -> Phase:
        phase = next((phase for phase in self.timetable.phases if phase.kind == kind), None)
        return phase or Phase("play", self.timetable.closes_s, self.timetable.closes_s)

    def _drawn(self, options: tuple[tuple[Activity, float], ...]) -> Activity:
        draw = self.chance.random() * sum(weight for _, weight in options)
        for activity, weight in options:
            draw -= weight
            if draw <= 0:
                return activity
        return options[0][0]


def gait_of(child: Child) -> Activity:
    return "walk" if child.walks else "crawl"
