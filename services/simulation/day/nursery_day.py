"""One day of one nursery: give a time, get the world.

Belongs here: putting plan, script, tracks, openings, light, climate, sensors and truth together. Does not belong here: any of
them. Whatever costs time and is not needed for a picture (climate, occupancy, incidents) is worked out when first asked for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import date, datetime, time
from functools import cached_property
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from services.contracts.errors import Rejected
from services.simulation.building import Building
from services.simulation.day import look_alikes, look_alikes_house, scenes_house, scenes_people
from services.simulation.day.agenda import tracks_of
from services.simulation.day.calendar import DAY_S, Mode, Timetable, timetable_of, usual_mode
from services.simulation.day.climate import Climate
from services.simulation.day.derivation import Thresholds, TrueIncident, incidents_of, overlaps
from services.simulation.day.fields import READS
from services.simulation.day.floor import STREET, Floor, floor_of
from services.simulation.day.lighting import Lighting
from services.simulation.day.occupancy import Occupancy
from services.simulation.day.openings import Leaf, leaves_of
from services.simulation.day.plan import Planner
from services.simulation.day.roster import roster_of
from services.simulation.day.scene import SCENES, scene_of
from services.simulation.day.script import Episode, Script, drawn_script, draws_desertion, episode
from services.simulation.day.sensors import Reading, Sensors
from services.simulation.day.sky import Weather
from services.simulation.day.stage import Effects, Happening, Measurement, Stage
from services.simulation.day.track import Moment, Track
from services.simulation.world import CameraFault, Flame, Person, PersonState, World

SCENE_MODULES = (scenes_people, scenes_house, look_alikes, look_alikes_house)  # importing them registers their scenes
TIME_ZONE = "Asia/Shanghai"
#: Two who pass each other step aside by so much, each to the right, from this distance on.
_ASIDE_M, _NEAR_M = 0.2, 0.9
_USUAL_CELSIUS, _USUAL_SPREAD = 36.5, 0.18


class NurseryDay:
    """A day, wholly determined by (building, seed, day, mode, script, rate). ``t_s`` is seconds since local midnight.

    ``script`` names what is to happen; ``rate`` draws so many incidents more on average, and look-alikes; and I-30, which takes
    the whole day, only where neither script nor ``mode`` say that the day takes place. ``Rejected``: the script asks for what
    this day, class or building cannot give; the message says what it can.
    """

    def __init__(
        self, building: Building, seed: int, day: date, mode: Mode | None = None, script: Script = (), rate: float = 0.0,
        limits: Thresholds | None = None,
    ) -> None:  # fmt: skip
        if seed < 0 or not 0.0 <= rate <= 50.0:
            raise Rejected(f"seed {seed} and rate {rate:g}: a seed is 0 or more, a rate 0 to 50 incidents a day")
        self.building, self.seed, self.day = building, seed, day
        self.mode: Mode = mode or usual_mode(day)
        self.limits = limits or Thresholds()
        self.floor: Floor = floor_of(building)
        self.roster = roster_of(building, seed)
        self.timetable = timetable_of(day, self.mode, seed)
        self.weather = Weather(day, seed)
        self._key = f"{building.id}/{day}/{self.mode}/{seed}"
        kinds = sum(not one.look_alike for one in SCENES.values())
        if mode is None and not script and self.timetable.phases and draws_desertion(rate, kinds, self._key):
            script = (episode("I-30"),)
        deserted = any(one.what == "I-30" for one in script)
        planned = Timetable("closed", 0.0, 0.0, ()) if deserted else self.timetable
        planner = Planner(self.floor, self.roster, planned, self._key)
        self.plan = planner.written(seed)
        stage = Stage(self.floor, self.roster, self.timetable, self.plan, planner.spots, day, self._key, seed)
        self._put_on(stage, script, rate)
        self.effects: Effects = stage.effects
        self.happenings: tuple[Happening, ...] = tuple(
            sorted(stage.happenings, key=lambda one: (one.start_s, one.name))
        )
        self.tracks: dict[int, Track] = tracks_of(self.plan.agendas, self.floor)
        self.persons: dict[int, Person] = {number: agenda.person for number, agenda in self.plan.agendas.items()}
        self.leaves: dict[str, Leaf] = leaves_of(self.floor, self.tracks, self.plan.fridge_s, self.effects)
        self.measurements: tuple[Measurement, ...] = self._measured(stage.effects.measurements)
        self.lighting = Lighting(building, day, self.timetable, self.weather, self.effects)
        self.sensors = Sensors(building, seed, lambda: self.climate, self.leaves, self.effects, self.measurements)

    # The world

    def world(self, t_s: float) -> World:
        """The world at any instant of the day, in any order."""
        return World(
            t_s=t_s, day=self.day.toordinal(), persons=self.people_at(t_s),
            openings={name: leaf.at(t_s) for name, leaf in self.leaves.items()}, lights=self.lighting.lamps_at(t_s),
            daylight=self.lighting.daylight_at(t_s), curtains=self.lighting.curtains_at(t_s),
            blocked=frozenset(name for name, spans in self.effects.blocked.items() if _within(t_s, spans)),
            flames=tuple(Flame(one.at, one.peak_m * min(1.0, (t_s - one.span[0]) / one.grows_s))
                         for one in self.effects.fires if one.span[0] <= t_s < one.span[1]),
            faults={one.camera: CameraFault(one.kind, min(1.0, (t_s - one.span[0]) / one.comes_s), t_s - one.span[0])
                    for one in self.effects.faults if one.span[0] <= t_s < one.span[1]},
            night_sight=self.lighting.night_sight_at(t_s), headlights=self.lighting.headlights_at(t_s),
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
                moment.doing_s, moment.before, before_s=moment.before_s, speed_m_s=moment.speed_m_s,
                stride_m=moment.stride_m, carried_by=carriers.get(number), carries=loads.get(number),
            ))  # fmt: skip
        return tuple(people)

    def clock_offset_s(self, camera: str, t_s: float) -> float:
        """How far a camera's clock is ahead of the truth (I-25)."""
        return sum(
            offset for name, span, offset in self.effects.clock_offsets if name == camera and _within(t_s, [span])
        )

    def midnight_ns(self) -> int:
        """The local midnight that ``t_s`` counts from, ns UTC."""
        return int(datetime.combine(self.day, time(), ZoneInfo(TIME_ZONE)).timestamp()) * 1_000_000_000

    # What is measured and counted

    @cached_property
    def occupancy(self) -> Occupancy:
        """Who is in which room in every second of the day."""
        return Occupancy(self.floor, self.tracks, self.persons)

    @cached_property
    def climate(self) -> Climate:
        """True temperatures and humidities."""
        return Climate(self.building, self.timetable, self.weather, self.occupancy, self.leaves, self.effects)

    def sensor_readings(self, from_s: float, to_s: float) -> list[Reading]:
        """What the sensors say in ``[from_s, to_s)``."""
        return self.sensors.readings(from_s, to_s)

    def whereabouts(self, t_s: float) -> dict[str, list[int]]:
        """Who is in which room (``street``: before the house) at an instant, by number."""
        found: dict[str, list[int]] = {}
        for state in self.people_at(t_s):
            index = self.floor.room_at(state.at[0], state.at[1])
            found.setdefault("street" if index == STREET else self.floor.rooms[index], []).append(state.person.number)
        return found

    def zones_at(self, t_s: float) -> dict[str, list[int]]:
        """Who is in which zone of the floor at an instant, by number."""
        people = self.people_at(t_s)
        found = {
            zone.id: [one.person.number for one in people if zone.contains(one.at[0], one.at[1])
                      and self.floor.room_at(one.at[0], one.at[1]) == self.floor.room_index(zone.room)]
            for zone in self.building.zones
        }  # fmt: skip
        return {zone: numbers for zone, numbers in found.items() if numbers}

    def room_of(self, number: int, t_s: float) -> str | None:
        """Somebody's room at an instant; ``None`` outside."""
        moment = self.tracks[number].at(t_s)
        index = self.floor.room_at(moment.x, moment.y)
        return None if index == STREET else self.floor.rooms[index]

    @property
    def nap_mask(self) -> NDArray[np.bool_]:
        """Whether it is nap time, by second: the ratio has its own profile then."""
        phase = self.timetable.phase("nap")
        times_s = self.occupancy.times_s
        return (times_s >= phase.start_s) & (times_s < phase.end_s) if phase else np.zeros(times_s.shape, bool)

    @property
    def thermometer_id(self) -> str | None:
        """The sensor of the morning check, if the building has one."""
        return next((one.id for one in self.building.sensors if self.sensors.is_thermometer(one)), None)

    # What went wrong

    @cached_property
    def incidents(self) -> tuple[TrueIncident, ...]:
        """Every incident as it turned out, scripted or not, in order of start."""
        found = []
        for one in incidents_of(self, self.limits):
            meant = next((act for act in self.happenings if not act.look_alike and _is_of(act, one)), None)
            reason = f"{meant.reason}: {one.reason}" if meant else one.reason
            found.append(TrueIncident(one.kind, one.start_s, one.end_s, one.reached_s, one.severity, reason, one.room, one.target,
                                      one.persons, scripted=meant is not None))  # fmt: skip
        return tuple(found)

    @property
    def look_alikes(self) -> tuple[Happening, ...]:
        """What only resembled an incident."""
        return tuple(one for one in self.happenings if one.look_alike)

    def unrealised(self) -> list[Happening]:
        """Scripted incidents that the world does not show: none, or the script asked for too short a time."""
        return [
            act for act in self.happenings if not act.look_alike and not any(_is_of(act, one) for one in self.incidents)
        ]

    # Making it

    def _put_on(self, stage: Stage, script: Script, rate: float) -> None:
        for told in script:
            stage.happenings.append(scene_of(told).put(stage, told))
        drawn = drawn_script(
            ((one.name, one.look_alike) for one in SCENES.values() if one.name != "I-30"), rate, self._key
        )
        for told in drawn:
            try:
                if stage.deserted and scene_of(told).kind == "I-30":
                    continue  # what only resembles it cannot be beside it
                stage.happenings.append(scene_of(told).put(stage, told))
            except Rejected:
                continue  # a drawn scene that does not fit into this day is not put on

    def _measured(self, scripted: list[Measurement]) -> tuple[Measurement, ...]:
        """Every child's morning measurement, the scripted ones in place of the ordinary."""
        warm = {one.child for one in scripted}
        found = list(scripted)
        for number, at_s in self.plan.check_s.items():
            if number not in warm:
                spread = math.sin(number * 12.9898 + self.seed * 78.233 + self.day.toordinal()) * 1.7
                found.append(Measurement(number, at_s, _USUAL_CELSIUS + _USUAL_SPREAD * spread))
        return tuple(sorted(found, key=lambda one: one.t_s))

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


def _within(t_s: float, spans: list[tuple[float, float]]) -> bool:
    return any(start <= t_s < end for start, end in spans)


def _is_of(act: Happening, one: TrueIncident) -> bool:
    same = act.kind == one.kind and overlaps((act.start_s - 60.0, act.end_s + 60.0), (one.start_s, one.end_s))
    placed = act.target == one.target if act.kind in ("I-10", "I-11", "I-18", "I-23", "I-25", "I-26") else (
        act.kind in ("I-12", "I-30") or act.room == one.room)  # fmt: skip
    return same and placed


def scenes_page() -> str:
    """The reference page of all scenes, in Markdown."""
    lines = ["# Scenes of the simulated nursery", "",
             "What a script may name (`what:`), and what else it may say of it; [schema](script.schema.json). A look-alike must "
             "not be reported.", "",
             "| Scene | Incident | What happens | Fields |", "|---|---|---|---|"]  # fmt: skip
    for one in sorted(SCENES.values(), key=lambda one: (one.kind, one.look_alike, one.name)):
        kind = f"resembles {one.kind}" if one.look_alike else one.kind
        fields = ", ".join(f"`{name}`" for name in READS[one.name].split())
        lines.append(f"| `{one.name}` | {kind} | {one.title} | {fields} |")
    return "\n".join(lines) + "\n"


__all__ = ["DAY_S", "Episode", "NurseryDay", "scenes_page"]
