"""An ordinary day: everybody's agenda from arrival to cleaning.

Belongs here: what children, carers, cook, health worker and guardians do when nothing goes wrong. Does not belong here: what
goes wrong (``episodes``), how one gets there (``agenda``). Nobody is left without an adult on an ordinary day.
"""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field

from services.simulation.building import Place
from services.simulation.catalogue import PlaceKind
from services.simulation.day.agenda import Agenda, Stay, travel_s
from services.simulation.day.calendar import Phase, Timetable
from services.simulation.day.floor import Floor
from services.simulation.day.roster import GUARDIAN_OFFSET, Adult, Child, Roster
from services.simulation.day.spots import Spots, spot_of
from services.simulation.day.track import Spot
from services.simulation.people import person_of
from services.simulation.world import Activity

NAP_ROUND_S = 840.0
#: One child follows the other at this distance in time when a class moves.
_FILE_S = 1.5
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


class Planner:
    """Writes the plan of one day."""

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

    def written(self, seed: int) -> Plan:
        """The whole plan; empty on a closed day."""
        self.seed = seed
        if not self.timetable.phases:
            return self.plan
        for adult in self.roster.adults:
            self._add(adult.person.number, Agenda(adult.person, adult.speed_m_s))
        self._staff_comes()
        self._arrivals(self._attending())
        for phase in self.timetable.phases:
            self._phase(phase)
        return self.plan

    # Coming and going

    def _attending(self) -> list[Child]:
        children = list(self.roster.children)
        if self.timetable.mode == "hourly":
            self.chance.shuffle(children)
            children = [child for child in children if child.walks][: max(3, len(children) // 3)]
        return children

    def _staff_comes(self) -> None:
        for index, adult in enumerate([self.roster.adult("health"), self.roster.adult("cook"), *self._all_carers()]):
            comes_s = self.timetable.opens_s + 90.0 + 75.0 * index + self.chance.uniform(0, 30)
            self._agenda(adult).add(Stay(comes_s, self._post(adult), enters=True))

    def _post(self, adult: Adult) -> Spot:
        """Where somebody of the staff stands when there is nothing else to do."""
        if adult.duty == "health":
            return self._place("desk", self.entrance)
        if adult.duty == "cook":
            return self._place("cook", self.kitchen)
        standing = self.building.places_of("stand", adult.room) or self.building.places_of("play", adult.room)
        index = [one.person.number for one in self.roster.carers(adult.room)].index(adult.person.number)
        return spot_of(standing[index % len(standing)]) if standing else self._anywhere(adult.room)

    def _arrivals(self, children: list[Child]) -> None:
        phase = self._require("arrival")
        order = list(children)
        self.chance.shuffle(order)
        gap_s = (phase.end_s - phase.start_s - 420.0) / max(1, len(order))
        for index, child in enumerate(order):
            comes_s = phase.start_s + 30.0 + gap_s * index + self.chance.uniform(0.0, max(0.0, gap_s - 75.0))
            self._arrive(child, comes_s, phase.end_s)

    def _arrive(self, child: Child, comes_s: float, until_s: float) -> None:
        number = child.person.number
        guardian = Agenda(
            person_of(number + GUARDIAN_OFFSET, "adult", self.seed, staff=False), max(0.8, child.speed_m_s + 0.05)
        )
        self._add(number + GUARDIAN_OFFSET, guardian)
        agenda = self._add(number, Agenda(child.person, child.speed_m_s))
        check = self._place("check", self.entrance)
        aside = self.spots.beside(check, 0.5, comes_s, comes_s + 70.0)
        street = self.floor.street(self.floor.main_exit)
        speed = child.speed_m_s if child.walks else 0.95
        there_s = comes_s + travel_s(self.floor, street, (check.x, check.y), speed) + 1.5
        leaves_check_s = there_s + self.chance.uniform(24.0, 36.0)
        self.plan.check_s[number] = there_s + 12.0
        door = self._inside_door(child.room, number)
        toy = self.spots.play(child.room, leaves_check_s, until_s)
        in_room_s = leaves_check_s + travel_s(self.floor, (check.x, check.y), (door.x, door.y), speed) + 1.0
        if child.walks:
            agenda.add(Stay(comes_s, check, "stand", enters=True), Stay(leaves_check_s, toy, "stand"))
            guardian.add(Stay(comes_s + 0.9, aside, "stand", enters=True, speed_m_s=speed))
            guardian.add(Stay(there_s + 5.0, aside, "bend"), Stay(there_s + 9.0, aside, "stand"))
            guardian.add(Stay(leaves_check_s + 0.9, door, "stand", speed_m_s=speed))
        else:
            guardian.add(Stay(comes_s, aside, "carry", gait="carry", enters=True, speed_m_s=speed))
            guardian.add(Stay(leaves_check_s, door, "carry", gait="carry", speed_m_s=speed))
            guardian.add(Stay(in_room_s + 1.0, door, "bend"))
            agenda.add(Stay(comes_s, Spot(*street), carried_by=number + GUARDIAN_OFFSET, enters=True))
            agenda.add(Stay(in_room_s + 3.0, toy, "play_floor", gait="crawl", speed_m_s=0.3))
        waves_s = in_room_s + 4.0
        guardian.add(
            Stay(waves_s, door, "wave"), Stay(waves_s + self.chance.uniform(3, 9), door, speed_m_s=1.25, leaves=True)
        )
        self._play(child, child.room, in_room_s + 12.0, until_s)

    def _pick_ups(self, phase: Phase) -> None:
        present = [child for child in self.roster.children if child.person.number in self.plan.agendas]
        self.chance.shuffle(present)
        gap_s = (phase.end_s - phase.start_s - 300.0) / max(1, len(present))
        for index, child in enumerate(present):
            at_s = phase.start_s + 45.0 + gap_s * index + self.chance.uniform(0.0, max(0.0, gap_s - 60.0))
            self._play(child, child.room, phase.start_s, at_s + 60.0)
            self._fetch(child, at_s)
        for adult in self._all_carers():
            self._tend(adult, adult.room, phase.start_s, phase.end_s)

    def _fetch(self, child: Child, comes_s: float) -> None:
        number = child.person.number
        guardian, agenda = self.plan.agendas[number + GUARDIAN_OFFSET], self.plan.agendas[number]
        door = self._inside_door(child.room, number)
        street = self.floor.street(self.floor.main_exit)
        there_s = comes_s + travel_s(self.floor, street, (door.x, door.y), 1.15)
        guardian.add(Stay(comes_s, door, "wave", enters=True, speed_m_s=1.15))
        meets = self.spots.beside(door, 0.5, there_s, there_s + 60.0)
        meant = agenda.at(there_s)
        start = (meant.spot.x, meant.spot.y) if meant else (meets.x, meets.y)
        speed = child.speed_m_s if child.walks else 0.3
        met_s = there_s + travel_s(self.floor, start, (meets.x, meets.y), speed) + 2.0
        agenda.stays = [stay for stay in agenda.stays if stay.start_s < there_s]
        agenda.add(
            Stay(there_s, meets, "stand" if child.walks else "sit_floor", "walk" if child.walks else "crawl", speed)
        )
        guardian.add(Stay(met_s, door, "bend"))
        away_s = met_s + self.chance.uniform(5.0, 12.0)
        if child.walks:
            agenda.add(Stay(away_s, meets, leaves=True))
            guardian.add(Stay(away_s + 0.9, door, leaves=True, speed_m_s=child.speed_m_s))
        else:
            agenda.add(Stay(away_s, meets, carried_by=number + GUARDIAN_OFFSET))
            path_s = travel_s(self.floor, (door.x, door.y), street, 0.95)
            guardian.add(Stay(away_s, door, "carry"))
            guardian.add(Stay(away_s + 2.0, door, gait="carry", speed_m_s=0.95, leaves=True))
            agenda.add(Stay(away_s + path_s + 3.5, Spot(*street), leaves=True))
        self._gone_s[number] = away_s

    # The parts of the day

    def _phase(self, phase: Phase) -> None:
        if phase.kind == "arrival":
            self._health(phase)
            for adult in self._all_carers():
                comes_s = self._agenda(adult).stays[0].start_s
                self._tend(adult, adult.room, max(phase.start_s, comes_s + 60.0), phase.end_s)
            self._cook(phase.start_s, phase.end_s)
            return
        if phase.kind == "nap":
            self._nap(phase)
        elif phase.kind == "pick-up":
            self._pick_ups(phase)
        elif phase.kind == "cleaning":
            self._cleaning(phase)
        else:
            for room in self.rooms:
                self._class_phase(phase, room)
        if phase.kind != "cleaning":
            self._cook(phase.start_s, phase.end_s)

    def _class_phase(self, phase: Phase, room: str) -> None:
        children = self._here(room)
        where = self.yard if phase.kind == "yard" and self.yard else room
        begins_s = self._move(phase.start_s, room, where, children)
        self.plan.whereabouts.append((begins_s, phase.end_s, room, where))
        for child in children:
            from_s = begins_s if where == room else begins_s + 20.0
            if phase.kind in ("snack", "lunch"):
                self._sit(child, room, from_s, phase.end_s)
            elif phase.kind == "class":
                self._circle(child, room, children.index(child), len(children), from_s)
            else:
                self._play(child, where, from_s, phase.end_s)
        for adult in self.roster.carers(room):
            self._tend(adult, where, begins_s + (2.0 if where == room else 30.0), phase.end_s)

    def _move(self, start_s: float, room: str, to: str, children: list[Child]) -> float:
        """Lead a class from wherever it is; an adult goes first, another one last. Returns when the last one sets out."""
        last = self.plan.whereabouts[-1:] and [one for one in self.plan.whereabouts if one[2] == room][-1:]
        if (last[0][3] if last else room) == to:
            return start_s
        first, *others = self.roster.carers(room)
        self._agenda(first).add(Stay(start_s, self.spots.play(to, start_s, start_s + 60.0), "stand"))
        at_s = start_s + 3.0
        for child in children:
            spot = self.spots.play(to, at_s, at_s + 120.0)
            gait: Activity = "walk" if child.walks else "crawl"
            self.plan.agendas[child.person.number].add(Stay(at_s, spot, "stand" if child.walks else "sit_floor", gait))
            at_s += _FILE_S + self.chance.uniform(0.0, 0.8)
        slowest_s = 12.0 / min([0.5, *(child.speed_m_s for child in children)])
        for other in others:
            self._agenda(other).add(Stay(at_s + 4.0, self.spots.play(to, at_s, at_s + 60.0), "stand", speed_m_s=0.7))
        return at_s + min(slowest_s, 6.0)

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
            agenda.add(Stay(starts_s, self.spots.play(room, starts_s, until_s), "sit_floor", _gait(child)))

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
        self.plan.agendas[child.person.number].add(Stay(from_s + 1.7 * index, spot, "sit_floor", _gait(child)))

    def _nap(self, phase: Phase) -> None:
        cots = [spot_of(place) for place in self.building.places_of("cot", self.nap)]
        sleepers = [child for room in self.rooms for child in self._here(room) if child.naps][: len(cots)]
        awake = [child for room in self.rooms for child in self._here(room) if child not in sleepers]
        carers = self._all_carers()
        watcher, keeper, *others = carers[0], carers[-1], *carers[1:-1]
        chair = self._place("seat", self.nap)
        self._agenda(watcher).add(Stay(phase.start_s, chair, "sit"))
        for index, child in enumerate(sleepers):
            at_s = phase.start_s + 4.0 + 7.0 * index
            bed = cots[index]
            agenda = self.plan.agendas[child.person.number]
            agenda.add(Stay(at_s, bed, "sleep", _gait(child), None if child.walks else 0.6))
            self._wake(child, phase.end_s - 240.0 + 12.0 * index)
        for index, other in enumerate(others):
            self._agenda(other).add(
                Stay(phase.start_s + 4.0 + 7.0 * len(sleepers) * (index + 1) / len(others), self._aisle(index), "bend")
            )
        for child in awake:
            self._rest(child, keeper.room, phase)
        self._tend(keeper, keeper.room, phase.start_s + 10.0, phase.end_s)
        self._rounds(watcher, chair, phase)
        for other in others:
            self._break(other, phase.start_s + 420.0, phase.end_s - 330.0)
        self.plan.whereabouts += [(phase.start_s + 300.0, phase.end_s - 300.0, room, self.nap) for room in self.rooms]

    def _wake(self, child: Child, at_s: float) -> None:
        spot = self.spots.play(child.room, at_s, at_s + 200.0)
        self.plan.agendas[child.person.number].add(
            Stay(at_s, spot, "sit_floor", _gait(child), None if child.walks else 0.6)
        )

    def _rest(self, child: Child, room: str, phase: Phase) -> None:
        self._play(child, room, phase.start_s + 5.0, phase.end_s - 200.0)
        self._wake(child, phase.end_s - 180.0)

    def _rounds(self, watcher: Adult, chair: Spot, phase: Phase) -> None:
        agenda = self._agenda(watcher)
        at_s = phase.start_s + 540.0
        while at_s < phase.end_s - 400.0:
            self.plan.rounds_s.append(at_s)
            agenda.add(
                Stay(at_s, self._aisle(0), "bend"),
                Stay(at_s + 25.0, self._aisle(1), "bend"),
                Stay(at_s + 50.0, chair, "sit"),
            )
            at_s += NAP_ROUND_S + self.chance.uniform(-90.0, 0.0)
        agenda.add(Stay(phase.end_s - 260.0, self._aisle(0), "stand"), Stay(phase.end_s - 60.0, self._post(watcher)))

    def _break(self, adult: Adult, from_s: float, until_s: float) -> None:
        agenda = self._agenda(adult)
        bench = [
            spot_of(place) for place in self.building.places_of("seat") if place.room not in (*self.rooms, self.nap)
        ]
        spot = bench[adult.person.number % len(bench)] if bench else self._anywhere(self.entrance)
        agenda.add(
            Stay(from_s, self._post(adult), "bend"),
            Stay(from_s + 600.0, spot, "sit"),
            Stay(until_s - 900.0, self._post(adult)),
        )
        agenda.add(Stay(until_s, self._post(adult)))

    def _cleaning(self, phase: Phase) -> None:
        people = [*self._all_carers(), self.roster.adult("cook"), self.roster.adult("health")]
        for index, adult in enumerate(people):
            room = adult.room or (self.kitchen if adult.duty == "cook" else self.entrance)
            t_s = phase.start_s
            until_s = phase.end_s - 60.0 * (len(people) - index)
            while t_s < until_s:
                spot = self.spots.play(room, t_s, t_s + 60.0)
                self._agenda(adult).add(
                    Stay(t_s, spot, self.chance.choice(("bend", "reach", "squat", "stand", "bend")))
                )
                t_s += self.chance.uniform(20.0, 70.0)
            self._agenda(adult).add(Stay(until_s, self._post(adult), leaves=True))

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
            agenda.add(Stay(t_s, spot_of(place), "reach" if at_fridge or self.chance.random() < 0.3 else "stand"))
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


def _gait(child: Child) -> Activity:
    return "walk" if child.walks else "crawl"
