"""What only looks like an incident: each names the one that it resembles, and stays below its threshold or is of another nature.

Belongs here: harmless scenes. Does not belong here: incidents, though many share the way in which they are put on.
"""

from __future__ import annotations

from services.contracts.errors import Rejected
from services.simulation.day.agenda import Stay, travel_s
from services.simulation.day.roster import FIRST_STRANGER
from services.simulation.day.scene import look_alike
from services.simulation.day.scenes_people import absence, crowd, fewer_adults, straggler
from services.simulation.day.script import Episode
from services.simulation.day.spots import spot_of
from services.simulation.day.stage import Happening, Stage
from services.simulation.day.track import Spot
from services.simulation.people import person_of
from services.simulation.world import Activity


@look_alike("short-absence", "I-01", "The adults are out of the room for half a minute")
def short_absence(stage: Stage, told: Episode) -> Happening:
    """As I-01, back well before the minute is over."""
    return absence(stage, told, stage.cut(told, (26.0, 36.0)))


@look_alike("brief-errand", "I-02", "A carer is away for three to four minutes")
def brief_errand(stage: Stage, told: Episode) -> Happening:
    """As I-02, back before five minutes are over."""
    return fewer_adults(stage, told, stage.cut(told, (170.0, 230.0)))


@look_alike("short-visit", "I-03", "A visiting group looks in for three minutes")
def short_visit(stage: Stage, told: Episode) -> Happening:
    """As I-03, gone before five minutes are over."""
    return crowd(stage, told, stage.cut(told, (130.0, 170.0)))


def _child_does(
    stage: Stage, told: Episode, kind: str, acts: tuple[Activity, ...], each_s: tuple[float, float], reason: str
) -> Happening:
    """Let a child who plays do something for a while."""
    room = stage.activity_room(told)
    lasts_s = stage.cut(told, each_s)
    at_s = stage.time_for(told, lasts_s + 20.0, using=(room,))
    child = stage.child_in(told, room, at_s - 2.0, at_s + lasts_s + 5.0)
    spot = stage.spots.play(room, at_s, at_s + lasts_s + 20.0)
    start = stage.spot_at(child, at_s)
    there_s = at_s + 1.0 + travel_s(stage.floor, (start.x, start.y), (spot.x, spot.y), stage.agenda(child).speed_m_s)
    part_s = lasts_s / len(acts)
    stays = [
        Stay(at_s, spot, acts[0]),
        *(Stay(there_s + part_s * i, spot, act, here=True) for i, act in enumerate(acts) if i),
    ]
    stage.agenda(child).interrupt(at_s - 1.0, there_s + lasts_s, stays)
    return Happening(
        told.what, kind, True, there_s, there_s + lasts_s, reason.format(child=child), room, persons=(child,)
    )


@look_alike("lie-down-to-play", "I-06", "A child lies down on the floor to play")
def lies_to_play(stage: Stage, told: Episode) -> Happening:
    """Lying, but by choice and awake."""
    return _child_does(
        stage,
        told,
        "I-06",
        ("lie", "play_floor", "lie"),
        (25.0, 60.0),
        "child {child} lies on the floor and pushes a car",
    )


@look_alike("bend-and-squat", "I-06", "A child bends down and squats for a toy")
def bends(stage: Stage, told: Episode) -> Happening:
    """Quickly lower, not fallen."""
    return _child_does(
        stage,
        told,
        "I-06",
        ("bend", "squat", "bend", "squat"),
        (12.0, 24.0),
        "child {child} gathers toys from the floor",
    )


@look_alike("reach-up", "I-07", "A child stretches for something on a shelf")
def reaches(stage: Stage, told: Episode) -> Happening:
    """Feet on the floor."""
    return _child_does(
        stage, told, "I-07", ("reach", "stand", "reach"), (10.0, 20.0), "child {child} stretches for a book"
    )


@look_alike("slide", "I-07", "A child climbs the slide in the yard with an adult beside it")
def slides(stage: Stage, told: Episode) -> Happening:
    """Climbing where climbing belongs."""
    yard = stage.room_of_kind("yard")
    tops = stage.building.places_of("climb", yard)
    if not tops:
        raise Rejected(f"building {stage.building.id!r} has nothing to climb in the yard")
    lasts_s = stage.cut(told, (8.0, 15.0))
    at_s = stage.time_for(told, lasts_s + 60.0, phases=("yard",), using=("slide",))
    child = stage.child_in(told, yard, at_s - 2.0, at_s + lasts_s + 60.0)
    helper = stage.adult_in(Episode(what=told.what), yard, at_s, at_s + lasts_s + 60.0)
    top = spot_of(tops[0])
    fx, fy = stage.floor.standing_point((top.x, top.y))
    foot = Spot(fx, fy, 0.0, top.heading_rad, "slide")
    start = stage.spot_at(child, at_s)
    there_s = at_s + 1.0 + travel_s(stage.floor, (start.x, start.y), (fx, fy), stage.agenda(child).speed_m_s)
    stage.agenda(child).interrupt(at_s - 1.0, there_s + lasts_s + 6.0, [
        Stay(at_s, foot, "stand"), Stay(there_s, top, "climb", "climb", 0.4, direct=True),
        Stay(there_s + lasts_s, foot, "sit_floor", "climb", 0.9, direct=True),
    ])  # fmt: skip
    beside = stage.spots.beside(foot, 0.5, at_s, there_s + lasts_s)
    stage.agenda(helper).interrupt(at_s - 1.0, there_s + lasts_s + 6.0, [Stay(at_s, beside, "reach")])
    return Happening(
        told.what, "I-07", True, there_s, there_s + lasts_s, f"child {child} climbs the slide", yard, persons=(child,)
    )


@look_alike("carried-out", "I-08", "An adult carries a child out of the gate and back")
def carried_out(stage: Stage, told: Episode) -> Happening:
    """A child goes out, but in an adult's arms."""
    yard = stage.room_of_kind("yard")
    index = stage.floor.room_index(yard)
    gates = {portal.opening.id: portal for portal in stage.floor.exits if portal.joins(index)}
    gate = gates[stage.target(told, sorted(gates), "gate")]
    lasts_s = stage.cut(told, (35.0, 60.0))
    at_s = stage.time_for(told, lasts_s + 60.0, phases=("yard",), using=(yard, gate.opening.id))
    child = stage.child_in(told, yard, at_s - 2.0, at_s + lasts_s + 30.0)
    helper = stage.adult_in(Episode(what=told.what), yard, at_s, at_s + lasts_s + 30.0)
    meets = stage.spots.play(yard, at_s, at_s + 30.0)
    beside = stage.spots.beside(meets, 0.45, at_s, at_s + 40.0)
    slowest = max(
        travel_s(stage.floor, (one.x, one.y), (meets.x, meets.y), stage.agenda(number).speed_m_s)
        for number in (child, helper) for one in (stage.spot_at(number, at_s),)
    )  # fmt: skip
    lifted_s = at_s + slowest + 3.0
    x, y = stage.floor.street(gate)
    outside = Spot((gate.middle[0] + x) / 2, (gate.middle[1] + y) / 2, 0.0, 0.0, "outside")
    set_down_s = lifted_s + lasts_s + travel_s(stage.floor, (outside.x, outside.y), (meets.x, meets.y), 1.0) + 4.0
    stage.agenda(child).interrupt(
        at_s - 1.0, set_down_s, [Stay(at_s, meets, "stand"), Stay(lifted_s, meets, carried_by=helper)]
    )
    stage.agenda(helper).interrupt(at_s - 1.0, set_down_s + 3.0, [
        Stay(at_s, beside, "bend"), Stay(lifted_s + 0.9, outside, "carry", "carry", 1.0, exit_=gate),
        Stay(lifted_s + lasts_s, meets, "carry", "carry", 1.0, exit_=gate), Stay(set_down_s + 0.2, meets, "bend", here=True),
    ])  # fmt: skip
    return Happening(told.what, "I-08", True, lifted_s, set_down_s, f"an adult carries child {child} out to a bus and back", yard,
                     gate.opening.id, (child, helper))  # fmt: skip


@look_alike("straggler", "I-09", "One child comes in a minute after the others, with an adult")
def comes_later(stage: Stage, told: Episode) -> Happening:
    """As I-09, fetched soon."""
    return straggler(stage, told, stage.cut(told, (70.0, 85.0)))


@look_alike("passer-by", "I-12", "Somebody walks past the fence at night")
def passer_by(stage: Stage, told: Episode) -> Happening:
    """Outside, and goes on."""
    first, last = stage.night_s()
    at_s = stage.any_time(told, 60.0, first, last, ("night",), told_within=stage.nights_s(60.0))
    xs = [corner[0] for room in stage.building.rooms for corner in room.footprint]
    low = min(corner[1] for room in stage.building.rooms for corner in room.footprint) - 1.6
    number = FIRST_STRANGER + sum(1 for known in stage.plan.agendas if FIRST_STRANGER <= known < FIRST_STRANGER + 9)
    agenda = stage.guest(person_of(number, "adult", stage.seed, staff=False), 1.3)
    start, end = Spot(min(xs) - 5.0, low), Spot(max(xs) + 5.0, low)
    agenda.add(
        Stay(at_s, start),
        Stay(at_s + 0.5, end, direct=True),
        Stay(at_s + 0.5 + (end.x - start.x) / 1.3 + 3.0, end, leaves=True, direct=True),
    )
    end_s = at_s + 0.5 + (end.x - start.x) / 1.3 + 1.0
    return Happening(told.what, "I-12", True, at_s, end_s, "somebody walks home past the fence", persons=(number,))


@look_alike("hand-by-the-button", "I-14", "Somebody reaches for something beside the alarm button")
def near_button(stage: Stage, told: Episode) -> Happening:
    """Reaching, not pressing."""
    sensors = [sensor for sensor in stage.building.sensors if sensor.kind == "button"]
    if not sensors:
        raise Rejected(f"building {stage.building.id!r} has no alarm button")
    room = sensors[0].room
    at_s = stage.time_for(told, 30.0, phases=("play", "snack", "class", "yard"), using=(room,))
    staff = stage.roster.adult("health").person.number
    desk = stage.building.places_of("desk", room)
    spot = spot_of(desk[0]) if desk else stage.spots.play(room, at_s, at_s + 30.0)
    stage.agenda(staff).interrupt(at_s - 8.0, at_s + 12.0, [Stay(at_s - 7.0, spot, "stand"), Stay(at_s, spot, "reach")])
    return Happening(
        told.what,
        "I-14",
        True,
        at_s,
        at_s + 12.0,
        "the health worker takes a folder from the wall",
        room,
        persons=(staff,),
    )


@look_alike("adult-lies-down", "I-22", "An adult lies on the floor with the children")
def lies_with_children(stage: Stage, told: Episode) -> Happening:
    """Lying, but moving and with others."""
    room = stage.activity_room(told)
    lasts_s = stage.cut(told, (25.0, 60.0))
    at_s = stage.time_for(told, lasts_s + 40.0, using=(room,))
    number = stage.adult_in(told, room, at_s - 5.0, at_s + lasts_s + 20.0)
    spot = stage.spots.play(room, at_s, at_s + lasts_s)
    start = stage.spot_at(number, at_s)
    there_s = at_s + 1.0 + travel_s(stage.floor, (start.x, start.y), (spot.x, spot.y), stage.agenda(number).speed_m_s)
    stage.agenda(number).interrupt(
        at_s - 1.0,
        there_s + lasts_s,
        [
            Stay(at_s, spot, "sit_floor"),
            Stay(there_s, spot, "lie", here=True),
            Stay(there_s + lasts_s * 0.6, spot, "play_floor", here=True),
            Stay(there_s + lasts_s * 0.8, spot, "lie", here=True),
        ],
    )
    return Happening(
        told.what,
        "I-22",
        True,
        there_s,
        there_s + lasts_s,
        "a carer lies on the floor and plays along",
        room,
        persons=(number,),
    )
