"""The incidents of a day, read off the world as it turned out: not what a script says, but what happens.

Belongs here: for each type of the taxonomy, from when to when it holds and when its threshold is reached. Does not belong here:
how a detector would notice. Thresholds are the defaults of the incident taxonomy, given as data so that a policy may differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from services.simulation.day.climate import COLD
from services.simulation.day.floor import STREET
from services.simulation.day.occupancy import Span, spans_of
from services.simulation.day.openings import crossings, joined
from services.simulation.day.roster import CAPACITY, RATIO
from services.simulation.day.scenes_house import HEARTBEAT_S

if TYPE_CHECKING:
    from services.simulation.day.nursery_day import NurseryDay

Severity = Literal["S1", "S2", "S3", "S4"]
#: From the measurement that confirms a fever until the child is on its way home.
_SENT_HOME_S = 20.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """When each rule counts (s, °C, children per adult); the defaults of the taxonomy."""

    alone_s: float = 60.0
    ratio_s: float = 300.0
    capacity_s: float = 300.0
    round_s: float = 900.0
    climb_s: float = 3.0
    escort_s: float = 5.0
    count_s: float = 120.0
    door_s: float = 60.0
    door_serious_s: float = 300.0
    clutter_s: float = 600.0
    cold_celsius: float = 20.0
    hot_celsius: float = 28.0
    climate_s: float = 900.0
    fridge_celsius: float = 8.0
    fridge_s: float = 1800.0
    freezer_celsius: float = -12.0
    freezer_s: float = 3600.0
    fridge_door_s: float = 120.0
    fever_celsius: float = 37.3
    flame_m: float = 0.15
    still_s: float = 20.0
    blind_s: float = 60.0
    clock_s: float = 1.0
    clock_serious_s: float = 10.0
    beats: int = 3
    flat_s: float = 6 * 3600.0


@dataclass(frozen=True, slots=True)
class TrueIncident:
    """Something that is wrong from ``start_s`` until ``end_s``; its rule's threshold is reached at ``reached_s``.

    ``target`` is the camera, door, sensor or fridge concerned. ``scripted`` tells whether a scene meant it or it follows.
    """

    kind: str
    start_s: float
    end_s: float
    reached_s: float
    severity: Severity
    reason: str
    room: str | None = None
    target: str | None = None
    persons: tuple[int, ...] = ()
    scripted: bool = False


def incidents_of(day: NurseryDay, limits: Thresholds) -> list[TrueIncident]:
    """Every incident of a day, in order of start."""
    found = [one for rule in _RULES for one in rule(day, limits)]
    return sorted(found, key=lambda one: (one.start_s, one.kind, one.room or "", one.target or ""))


Rule = Callable[["NurseryDay", Thresholds], Iterator[TrueIncident]]


def _alone(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for room in day.floor.rooms:
        children, adults = day.occupancy.count("child", room), day.occupancy.count("adult", room)
        for start, end in spans_of((children > 0) & (adults == 0), limits.alone_s):
            yield TrueIncident("I-01", start, end, start + limits.alone_s, "S1",
                               f"{int(children[int(start)])} children and no adult in {room}", room)  # fmt: skip


def _ratio(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    asleep = day.nap_mask
    for room, kind in day.roster.class_of.items():
        children, adults = day.occupancy.count("child", room), day.occupancy.count("adult", room)
        for start, end in spans_of((children > RATIO[kind] * adults) & (adults > 0) & ~asleep, limits.ratio_s):
            yield TrueIncident(
                "I-02",
                start,
                end,
                start + limits.ratio_s,
                "S2",
                f"{int(children[int(start)])} children to {int(adults[int(start)])} adults in {room}",
                room,
            )


def _capacity(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for room, kind in day.roster.class_of.items():
        children = day.occupancy.count("child", room)
        for start, end in spans_of(children > CAPACITY[kind], limits.capacity_s, bridge_s=2.0):
            most = int(children[int(start) : int(end)].max())
            yield TrueIncident(
                "I-03", start, end, start + limits.capacity_s, "S2", f"up to {most} children in {room}", room
            )


def _rounds(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    phase = day.timetable.phase("nap")
    if phase is None:
        return
    for zone in day.building.zones:
        if zone.kind != "bed":
            continue
        attended = np.zeros(day.occupancy.times_s.shape, bool)
        for number, person in day.persons.items():
            if person.role == "adult":
                attended |= day.occupancy.in_zone(number, zone)
        asleep = day.occupancy.count("child", zone.room) > 0
        within = (day.occupancy.times_s >= phase.start_s) & (day.occupancy.times_s < phase.end_s)
        for start, end in spans_of(~attended & asleep & within, limits.round_s + 1.0):
            yield TrueIncident("I-04", start, end, start + limits.round_s, "S2",
                               f"nobody at the cots for {(end - start) / 60:.0f} minutes", zone.room, zone.id)  # fmt: skip


def _falls(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for number, track in day.tracks.items():
        child = day.persons[number].role == "child"
        for start, end in track.activity_spans("fall", "fallen"):
            room = day.room_of(number, start)
            still_s = end - start
            if child:
                yield TrueIncident("I-06", start, end, start, "S1" if still_s >= 10.0 else "S2", f"child {number} falls", room,
                                   persons=(number,))  # fmt: skip
            elif still_s >= limits.still_s:
                yield TrueIncident("I-22", start, end, start + limits.still_s, "S1", f"adult {number} lies still", room,
                                   persons=(number,))  # fmt: skip


def _climbs(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    slides = [piece for piece in day.building.furniture if piece.kind in ("slide", "seesaw", "playhouse")]
    for number, track in day.tracks.items():
        if day.persons[number].role != "child":
            continue
        for start, end in track.activity_spans("climb"):
            there = track.at((start + end) / 2)
            on_slide = any(math.dist((there.x, there.y), piece.foot[:2]) < max(piece.size[:2]) for piece in slides)
            if end - start >= limits.climb_s and not on_slide:
                yield TrueIncident("I-07", start, end, start + limits.climb_s, "S1", f"child {number} climbs",
                                   day.room_of(number, start), persons=(number,))  # fmt: skip


def _strays(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for portal in day.floor.exits:
        passed = sorted(
            (at_s, number, (portal.left_room == STREET) != left_to_right)
            for number, track in day.tracks.items() for at_s, left_to_right in crossings(portal, track)
        )  # fmt: skip
        adults = [at_s for at_s, number, _ in passed if day.persons[number].role == "adult"]
        for at_s, number, outwards in passed:
            accompanied = any(abs(at_s - other) <= limits.escort_s for other in adults)
            if day.persons[number].role != "child" or not outwards or accompanied:
                continue
            end_s = _reached_by_adult(day, number, at_s)
            inner = day.floor.rooms[portal.other(STREET)]
            yield TrueIncident("I-08", at_s, end_s, at_s + limits.escort_s, "S1",
                               f"child {number} goes out by {portal.opening.id}, no adult within {limits.escort_s:.0f} s",
                               inner, portal.opening.id, (number,))  # fmt: skip


def _reached_by_adult(day: NurseryDay, child: int, from_s: float) -> float:
    """The first second at which an adult is within an arm's length, or the child is back or away."""
    track = day.tracks[child]
    adults = [other for number, other in day.tracks.items() if day.persons[number].role == "adult"]
    for second in range(math.ceil(from_s), math.ceil(from_s) + 1800):
        here = track.at(float(second))
        if not track.is_present(float(second)) or (second > from_s + 3 and day.floor.room_at(here.x, here.y) != STREET):
            return float(second)
        for other in adults:
            if other.is_present(float(second)):
                there = other.at(float(second))
                if math.dist((here.x, here.y), (there.x, there.y)) < 0.9:
                    return float(second)
    return from_s + 1800.0


def _head_counts(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    moves = [one for one in day.plan.whereabouts if one[3] != one[2]]
    for from_s, _, room, where in moves:
        back = next((one for one in day.plan.whereabouts if one[0] > from_s and one[2] == room), None)
        if back is None or back[3] != room or day.timetable.at(from_s) is None:
            continue
        numbers = {child.person.number for child in day.roster.children_of(room)} & set(day.tracks)
        here = day.occupancy.number_in(room, numbers.__contains__)
        out = day.occupancy.number_in(where, numbers.__contains__)
        until = int(back[1])
        first = int(back[0]) + 45
        missing = (out > 0) & (here > 0)
        missing[:first] = False
        missing[until:] = False
        for start, end in spans_of(missing, limits.count_s):
            yield TrueIncident(
                "I-09",
                start,
                end,
                start + limits.count_s,
                "S1",
                f"{int(out[int(start)])} of the class of {room} still in {where} after the move",
                room,
            )


def _held_doors(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    first, last = day.timetable.opens_s, day.timetable.closes_s
    for portal in day.floor.exits:
        for start, end in day.leaves[portal.opening.id].spans:
            if end - start > limits.door_s and first <= start < last:
                serious = end - start > limits.door_serious_s
                yield TrueIncident("I-10", start, end, start + limits.door_s, "S2" if serious else "S3",
                                   f"{portal.opening.id} is open for {end - start:.0f} s",
                                   day.floor.rooms[portal.other(STREET)], portal.opening.id)  # fmt: skip


def _shut_exits(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    occupied = day.occupancy.inside()
    for locked, spans in ((True, day.effects.locked), (False, day.effects.blocked)):
        for name, when in spans.items():
            portal = next(one for one in day.floor.exits if one.opening.id == name)
            mask = np.zeros(occupied.shape, bool)
            for start, end in when:
                mask[math.ceil(start) : math.ceil(end)] = True
            for start, end in spans_of(mask & occupied, 1.0 if locked else limits.clutter_s):
                yield TrueIncident("I-11", start, end, start + (0.0 if locked else limits.clutter_s), "S1" if locked else "S2",
                                   f"{name} is {'locked' if locked else 'blocked'} while people are in",
                                   day.floor.rooms[portal.other(STREET)], name)  # fmt: skip


def _entries(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    armed = ~((day.occupancy.times_s >= day.timetable.opens_s) & (day.occupancy.times_s < day.timetable.closes_s))
    for start, end in spans_of(day.occupancy.inside() & armed, 1.0, bridge_s=5.0):
        numbers = [
            number
            for number in sorted(day.tracks)
            if (day.occupancy.rooms_of[number][int(start) : int(end)] > STREET).any()
        ]
        yield TrueIncident("I-12", start, end, start, "S1", "somebody is in the house while it is armed",
                           day.room_of(numbers[0], start), persons=tuple(numbers))  # fmt: skip


def _alarms(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    rooms = {sensor.id: sensor.room for sensor in day.building.sensors}
    for at_s, name in day.effects.presses:
        yield TrueIncident("I-14", at_s, at_s + 60.0, at_s, "S1", f"{name} is pressed", rooms[name], name)


def _climate(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for room in day.building.rooms:
        if room.id not in day.climate.celsius:
            continue
        occupied = (day.occupancy.count("adult", room.id) + day.occupancy.count("child", room.id)) > 0
        celsius = day.climate.by_second(room.id)
        wrong = (celsius < limits.cold_celsius) | (celsius > limits.hot_celsius)
        for start, end in spans_of(wrong & occupied, limits.climate_s, bridge_s=20.0):
            worst = celsius[int(start) : int(end)]
            far = float(worst.min() if worst.min() < limits.cold_celsius else worst.max())
            yield TrueIncident("I-17", start, end, start + limits.climate_s, "S2" if not 16.0 <= far <= 32.0 else "S3",
                               f"{far:.1f} °C in {room.id} while somebody is in", room.id)  # fmt: skip


def _fridges(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for piece in day.building.furniture:
        if piece.kind not in COLD or piece.id is None:
            continue
        celsius = day.climate.by_second(piece.id)
        freezer = piece.kind == "freezer"
        warm = celsius > (limits.freezer_celsius if freezer else limits.fridge_celsius)
        lasting_s = limits.freezer_s if freezer else limits.fridge_s
        spans = [(start, end, start + lasting_s) for start, end in spans_of(warm, lasting_s)]
        spans += [(start, end, start) for start, end in spans_of(celsius < 0.0) if not freezer]
        spans += [(start, end, start + limits.fridge_door_s) for start, end in day.leaves[piece.id].spans
                  if end - start > limits.fridge_door_s]  # fmt: skip
        for start, end in joined((start, end) for start, end, _ in spans):
            reached = min(at_s for first, last, at_s in spans if start <= first and last <= end)
            most = float(celsius[int(start) : max(int(start) + 1, int(end))].max())
            yield TrueIncident(
                "I-18",
                start,
                end,
                reached,
                "S2",
                f"the {piece.id} reaches {most:.1f} °C or stands open",
                piece.room,
                piece.id,
            )


def _fevers(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    warm = [one for one in day.measurements if one.celsius >= limits.fever_celsius]
    for first in warm:
        again = next((one for one in warm if one.child == first.child and one.repeat), None)
        if not first.repeat and again is not None:
            entrance = next(room.id for room in day.building.rooms if room.kind == "entrance")
            yield TrueIncident("I-19", first.t_s, again.t_s + _SENT_HOME_S, again.t_s, "S2",
                               f"child {first.child}: {first.celsius:.1f} °C, then {again.celsius:.1f} °C", entrance,
                               day.thermometer_id, (first.child,))  # fmt: skip


def _fires(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for one in day.effects.fires:
        if one.peak_m >= limits.flame_m:
            start, end = one.span
            reached = start + one.grows_s * limits.flame_m / one.peak_m
            yield TrueIncident(
                "I-21", start, end, reached, "S1", f"a flame of up to {one.peak_m:.2f} m in {one.room}", one.room
            )


def _blind(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for fault in day.effects.faults:
        start, end = fault.span
        if end - start >= limits.blind_s:
            yield TrueIncident("I-23", start, end, start + limits.blind_s, "S2", f"{fault.camera} is {fault.kind}",
                               day.building.camera(fault.camera).room, fault.camera)  # fmt: skip


def _clocks(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    for camera, (start, end), offset_s in day.effects.clock_offsets:
        if abs(offset_s) > limits.clock_s:
            yield TrueIncident("I-25", start, end, start, "S2" if abs(offset_s) > limits.clock_serious_s else "S3",
                               f"{camera} is {offset_s:+.1f} s off", day.building.camera(camera).room, camera)  # fmt: skip


def _sensors(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    rooms = {sensor.id: sensor.room for sensor in day.building.sensors}
    for spans, needed_s, what in (
        (day.effects.silent, limits.beats * HEARTBEAT_S, "silent"), (day.effects.stuck, limits.flat_s, "flat"),
    ):  # fmt: skip
        for name, when in spans.items():
            for start, end in when:
                if end - start >= needed_s:
                    yield TrueIncident(
                        "I-26", start, end, start + needed_s, "S3", f"{name} is {what}", rooms[name], name
                    )


def _vacancy(day: NurseryDay, limits: Thresholds) -> Iterator[TrueIncident]:
    first, last = day.timetable.care_s
    if last > first and not day.occupancy.inside("child").any():
        yield TrueIncident("I-30", first, last, last, "S4", "no child came on a day of service")


_RULES: tuple[Rule, ...] = (
    _alone, _ratio, _capacity, _rounds, _falls, _climbs, _strays, _head_counts, _held_doors, _shut_exits, _entries, _alarms,
    _climate, _fridges, _fevers, _fires, _blind, _clocks, _sensors, _vacancy,
)  # fmt: skip


def overlaps(one: Span, other: Span) -> bool:
    """Whether two spans share a moment."""
    return one[0] < other[1] and other[0] < one[1]
