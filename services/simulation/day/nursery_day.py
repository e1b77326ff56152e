"""One day of one nursery: give a time, get the world.

Belongs here: putting plan, tracks, openings, light, climate and sensors together. Does not belong here: any of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date

from services.simulation.building import Building
from services.simulation.day.agenda import tracks_of
from services.simulation.day.calendar import DAY_S, Mode, timetable_of, usual_mode
from services.simulation.day.floor import Floor, floor_of
from services.simulation.day.openings import Leaf, passing_spans
from services.simulation.day.plan import Planner
from services.simulation.day.roster import roster_of
from services.simulation.day.sky import Weather, daylight, sun_height_deg
from services.simulation.day.track import Moment, Track
from services.simulation.world import Person, PersonState, World

#: Two who pass each other step aside by so much, each to the right, from this distance on.
_ASIDE_M, _NEAR_M = 0.2, 0.9


class NurseryDay:
    """A day, wholly determined by (building, seed, day, mode, script). ``t_s`` is seconds since local midnight."""

    def __init__(self, building: Building, seed: int, day: date, mode: Mode | None = None) -> None:
        self.building, self.seed, self.day = building, seed, day
        self.mode: Mode = mode or usual_mode(day)
        self.floor: Floor = floor_of(building)
        self.roster = roster_of(building, seed)
        self.timetable = timetable_of(day, self.mode, seed)
        self.weather = Weather(day, seed)
        self.plan = Planner(self.floor, self.roster, self.timetable, f"{building.id}/{day}/{self.mode}/{seed}").written(
            seed
        )
        self.tracks: dict[int, Track] = tracks_of(self.plan.agendas, self.floor)
        self.persons: dict[int, Person] = {number: agenda.person for number, agenda in self.plan.agendas.items()}
        self.leaves: dict[str, Leaf] = {
            portal.opening.id: Leaf(passing_spans(portal, self.tracks.values()))
            for portal in self.floor.portals if portal.opening.kind != "passage"
        }  # fmt: skip

    def world(self, t_s: float) -> World:
        """The world at any instant of the day, in any order."""
        return World(
            t_s=t_s, day=self.day.toordinal(), persons=self.people_at(t_s), openings=self.openings_at(t_s),
            lights=self.lights_at(t_s), daylight=self.daylight_at(t_s), curtains=self.curtains_at(t_s),
        )  # fmt: skip

    def people_at(self, t_s: float) -> tuple[PersonState, ...]:
        """Everybody who is in the house, the yard or on the street before it, by number."""
        moments = {number: track.at(t_s) for number, track in self.tracks.items() if track.is_present(t_s)}
        carriers = {
            number: carrier for number in moments if (carrier := self.tracks[number].carrier_at(t_s)) is not None
        }
        loads = {carrier: number for number, carrier in carriers.items()}
        aside = {number: self._aside(number, moments, carriers) for number in moments if number not in carriers}
        people = []
        for number, moment in moments.items():
            dx, dy = aside.get(carriers.get(number, number), (0.0, 0.0))
            people.append(PersonState(
                self.persons[number], (moment.x + dx, moment.y + dy, moment.z), moment.heading_rad, moment.activity,
                moment.doing_s, moment.before, moment.speed_m_s, moment.stride_m,
                carriers.get(number), loads.get(number),
            ))  # fmt: skip
        return tuple(people)

    def openings_at(self, t_s: float) -> Mapping[str, float]:
        return {name: leaf.at(t_s) for name, leaf in self.leaves.items()}

    def daylight_at(self, t_s: float) -> float:
        return daylight(sun_height_deg(self.day, t_s % DAY_S)) * (1.0 - self.weather.cloud(t_s))

    def lights_at(self, t_s: float) -> Mapping[str, float]:
        """Lamps burn in care hours while it is not bright; the nap room is dark at noon."""
        if not self.timetable.opens_s <= t_s < self.timetable.closes_s:
            return {}
        phase = self.timetable.at(t_s)
        lit = 1.0
        return {room.id: 0.0 if room.kind == "nap" and phase and phase.kind == "nap" else lit
                for room in self.building.rooms if not room.outdoors}  # fmt: skip

    def curtains_at(self, t_s: float) -> Mapping[str, float]:
        return {}

    def _aside(self, number: int, moments: Mapping[int, Moment], carriers: Mapping[int, int]) -> tuple[float, float]:
        """How far somebody under way steps to the right of whoever is near."""
        me = moments[number]
        if me.speed_m_s <= 0.0:
            return (0.0, 0.0)
        crowd = 0.0
        for other, moment in moments.items():
            if other == number or other in carriers:
                continue
            far_m = math.hypot(moment.x - me.x, moment.y - me.y)
            if far_m < _NEAR_M:
                share = 1.0 - far_m / _NEAR_M
                crowd = max(crowd, share * share * (3.0 - 2.0 * share))
        if crowd <= 0.0:
            return (0.0, 0.0)
        room_m = max(0.0, self.floor.clearance_at(me.x, me.y) - 0.22)
        step_m = min(_ASIDE_M, room_m) * crowd * min(1.0, me.speed_m_s / 0.3)
        return (step_m * math.sin(me.heading_rad), -step_m * math.cos(me.heading_rad))
