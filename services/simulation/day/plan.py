"""An ordinary day: everybody's agenda from arrival to cleaning.

Belongs here: what children, carers, cook, health worker and guardians do when nothing goes wrong. Does not belong here: what
goes wrong (``episodes``), how one gets there (``agenda``). Nobody is left without an adult on an ordinary day.
"""

from __future__ import annotations

from services.simulation.day.agenda import Agenda, Stay, travel_s
from services.simulation.day.calendar import Phase
from services.simulation.day.doings import Doings, Plan, gait_of
from services.simulation.day.roster import GUARDIAN_OFFSET, Adult, Child
from services.simulation.day.spots import spot_of
from services.simulation.day.track import Spot
from services.simulation.people import person_of
from services.simulation.world import Activity

NAP_ROUND_S = 840.0
#: One child follows the other at this distance in time when a class moves.
_FILE_S = 1.5


class Planner(Doings):
    """Writes the plan of one day."""

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
            agenda.add(Stay(at_s, bed, "sleep", gait_of(child), None if child.walks else 0.6))
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
            Stay(at_s, spot, "sit_floor", gait_of(child), None if child.walks else 0.6)
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
