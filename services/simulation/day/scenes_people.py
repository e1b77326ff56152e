"""Incidents that people make: no adult, too few, too many, a fall, a climb, a child outside, a child forgotten.

Belongs here: how agendas change so that it happens. Does not belong here: when it counts (``derivation``).
"""

from __future__ import annotations

import math

from services.contracts.errors import Rejected
from services.simulation.day.agenda import Stay, travel_s
from services.simulation.day.floor import STREET, Portal
from services.simulation.day.roster import CAPACITY, FIRST_GUEST_ADULT, FIRST_STRANGER, FIRST_VISITOR, RATIO
from services.simulation.day.scene import incident
from services.simulation.day.script import Episode
from services.simulation.day.spots import spot_of
from services.simulation.day.stage import CARE, Happening, Stage
from services.simulation.day.track import Spot
from services.simulation.people import fall_duration_of, person_of

#: How fast an adult comes to a child who climbs.
_TO_A_CLIMBER_M_S = 1.4
_FILE_S = 1.4
_ERRANDS = ("answers a parent at the door", "fetches warm water", "looks for clean clothes", "takes a telephone call")


@incident("I-01", "Child left without adult")
def left_alone(stage: Stage, told: Episode) -> Happening:
    """Every adult of a room goes out for a while."""
    return absence(stage, told, stage.cut(told, (85.0, 170.0)))


def absence(stage: Stage, told: Episode, lasts_s: float) -> Happening:
    """Send the adults of a class's room away for so long."""
    room = stage.activity_room(told)
    at_s = stage.time_for(told, lasts_s + 40.0, using=(room,))
    adults = stage.meant_in(room, "adult", at_s - 40.0, at_s + lasts_s + 40.0)
    corridor = next((one.id for one in stage.building.rooms if one.kind == "corridor"), stage.room_of_kind("entrance"))
    for number in adults:
        away = stage.spots.play(corridor, at_s, at_s + lasts_s, apart_m=0.6)
        back_s = at_s + lasts_s - stage.chance.uniform(0.0, 4.0)
        stage.agenda(number).interrupt(at_s - 1.0, back_s, [Stay(at_s, away, "stand", speed_m_s=1.3)])
    errand = stage.chance.choice(_ERRANDS)
    return Happening(told.what, "I-01", lasts_s < 60.0, at_s, at_s + lasts_s, f"everybody leaves: one {errand}, the other helps",
                     room, persons=tuple(adults))  # fmt: skip


@incident("I-02", "Staff ratio broken")
def too_few(stage: Stage, told: Episode) -> Happening:
    """One of two carers is away for longer than five minutes."""
    return fewer_adults(stage, told, stage.cut(told, (340.0, 480.0)))


def fewer_adults(stage: Stage, told: Episode, lasts_s: float) -> Happening:
    """Leave one adult with more children than the class's ratio allows."""
    kinds = stage.roster.class_of
    fit = [room for room in kinds if len(stage.roster.children_of(room)) > RATIO[kinds[room]]]
    if told.room is not None:
        if told.room not in kinds:
            raise Rejected(f"{told.what} needs an activity room: one of {', '.join(kinds)}, not {told.room!r}")
        fit = [room for room in fit if room == told.room]
    if not fit:
        raise Rejected(f"{told.what}: no class has more children than one adult may care for; use another seed or room")
    room = stage.chance.choice(fit)
    at_s = stage.time_for(told, lasts_s + 60.0, phases=("play", "class", "snack", "lunch"), using=(room,))
    adults = stage.meant_in(room, "adult", at_s - 30.0, at_s + lasts_s + 30.0)
    for number in adults[1:]:
        bench = stage.spots.play(stage.room_of_kind("entrance"), at_s, at_s + lasts_s)
        stage.agenda(number).interrupt(at_s - 1.0, at_s + lasts_s, [Stay(at_s, bench, "stand")])
    return Happening(told.what, "I-02", lasts_s < 300.0, at_s, at_s + lasts_s, "a carer is called away and not replaced", room,
                     persons=tuple(adults[1:]))  # fmt: skip


@incident("I-03", "Class over capacity")
def too_many(stage: Stage, told: Episode) -> Happening:
    """A visiting group fills a room beyond its class's places."""
    return crowd(stage, told, stage.cut(told, (420.0, 560.0)))


def crowd(stage: Stage, told: Episode, lasts_s: float) -> Happening:
    """Bring visiting children with their adults into a room until it is over capacity."""
    kinds = stage.roster.class_of
    need = {room: CAPACITY[kinds[room]] + 2 - len(stage.roster.children_of(room)) for room in kinds}
    if told.room is not None and told.room not in need:
        raise Rejected(f"{told.what} needs an activity room: one of {', '.join(need)}, not {told.room!r}")
    room = told.room or min(need, key=lambda one: (need[one], one))
    guests = need[room]
    at_s = stage.time_for(told, lasts_s + 160.0, using=(room, "guests"), tail_s=90.0)
    children = [FIRST_VISITOR + stage.guests + index for index in range(guests)]
    adults = [FIRST_GUEST_ADULT + stage.guests + index for index in range(guests // 3 + 2)]
    # An adult goes first, one after every third child, and one last: no child passes a door without one near.
    file = [adults[0]]
    for index, child in enumerate(children):
        file += [child, adults[index // 3 + 1]] if index % 3 == 2 or index == guests - 1 else [child]
    for place, number in enumerate(file):
        is_child = number in children
        agenda = stage.guest(person_of(number, "child" if is_child else "adult", stage.seed, staff=False), 0.9)
        spot = stage.spots.play(room, at_s, at_s + lasts_s, apart_m=0.6)
        out_s = travel_s(stage.floor, (spot.x, spot.y), stage.floor.main_exit.middle, 0.9)
        leaves_s = at_s + lasts_s + 25.0 + _FILE_S * place - out_s
        agenda.add(Stay(at_s + _FILE_S * place, spot, "sit_floor" if is_child else "stand", enters=True))
        agenda.add(Stay(leaves_s, spot, leaves=True))
    stage.guests += guests
    return Happening(told.what, "I-03", lasts_s < 300.0, at_s, at_s + lasts_s, f"a visiting group of {guests} children joins",
                     room)  # fmt: skip


@incident("I-06", "Fall")
def fall(stage: Stage, told: Episode) -> Happening:
    """A child runs, falls, lies still, and is helped up."""
    still_s = stage.cut(told, (11.0, 18.0))
    room = stage.activity_room(told)
    at_s = stage.time_for(told, still_s + 60.0, using=(room,))
    child = stage.child_in(told, room, at_s - 5.0, at_s + still_s + 60.0)
    start = stage.spot_at(child, at_s)
    # Far enough to run, and with room to lie down in.
    goals = [stage.spots.play(room, at_s, at_s + 60.0) for _ in range(8)]
    goal = max(goals, key=lambda spot: (
        min(0.7, stage.floor.clearance_at(spot.x, spot.y)), math.dist((spot.x, spot.y), (start.x, start.y))))  # fmt: skip
    falls_s = at_s + 0.6 + travel_s(stage.floor, (start.x, start.y), (goal.x, goal.y), 1.7)
    up_s = falls_s + still_s
    stage.agenda(child).interrupt(
        at_s - 1.0,
        up_s + 14.0,
        [
            Stay(at_s, goal, "run", "run", 1.7),
            Stay(falls_s, goal, "fall", here=True),
            Stay(falls_s + fall_duration_of(stage.agenda(child).person), goal, "fallen", here=True),
            Stay(up_s, goal, "sit_floor", here=True),
            Stay(up_s + 8.0, goal, "stand", here=True),
        ],
    )
    helper = stage.adult_in(Episode(what=told.what), room, at_s, up_s)
    beside = stage.spots.beside(goal, 0.55, falls_s, up_s + 20.0)
    stage.agenda(helper).interrupt(falls_s + still_s * 0.4, up_s + 13.0, [
        Stay(falls_s + still_s * 0.45, beside, "squat"), Stay(up_s + 1.0, beside, "bend"),
    ])  # fmt: skip
    return Happening(
        told.what, "I-06", False, falls_s, up_s, f"child {child} runs, stumbles and lies still", room, persons=(child,)
    )


@incident("I-07", "Climbing at window or shelf")
def climb(stage: Stage, told: Episode) -> Happening:
    """A child climbs on to a piece of furniture or up to a window sill until an adult lifts it down."""
    lasts_s = stage.cut(told, (7.0, 16.0))
    room = stage.activity_room(told)
    at_s = stage.time_for(told, lasts_s + 60.0, using=(room,))
    child = stage.child_in(told, room, at_s - 5.0, at_s + lasts_s + 60.0)
    helper = stage.adult_in(Episode(what=told.what), room, at_s, at_s + lasts_s + 40.0)
    foot, top, what = _climbed(stage, room, told.variant)
    start = stage.spot_at(child, at_s)
    there_s = at_s + 1.0 + travel_s(stage.floor, (start.x, start.y), (foot.x, foot.y), stage.agenda(child).speed_m_s)
    beside, comes_from = (
        stage.spots.beside(foot, 0.4, there_s, there_s + lasts_s + 12.0),
        stage.spot_at(helper, there_s),
    )
    way_s = travel_s(stage.floor, (comes_from.x, comes_from.y), (beside.x, beside.y), _TO_A_CLIMBER_M_S)
    down_s = there_s + max(lasts_s, way_s + 3.0)  # nobody is lifted down before somebody is there
    stage.agenda(child).interrupt(at_s - 1.0, down_s + 12.0, [
        Stay(at_s, foot, "reach"), Stay(there_s, top, "climb", "climb", 0.4, direct=True), Stay(down_s, foot, carried_by=helper),
    ])  # fmt: skip
    away = stage.spots.play(room, down_s, down_s + 20.0)
    set_off_s = down_s - max(4.0, way_s + 2.0)
    stage.agenda(helper).interrupt(there_s, down_s + 14.0, [
        Stay(set_off_s, beside, "reach", speed_m_s=_TO_A_CLIMBER_M_S), Stay(down_s + 0.9, away, "carry", "carry", 0.9),
    ])  # fmt: skip
    return Happening(told.what, "I-07", False, there_s, down_s, f"child {child} climbs {what}", room, persons=(child,))


def _climbed(stage: Stage, room: str, variant: str | None) -> tuple[Spot, Spot, str]:
    """Where one stands before it, where one is on it, and its name."""
    if variant not in (None, "furniture", "window"):
        raise Rejected(f"I-07 knows the variants furniture and window, not {variant!r}")
    zones = [zone for zone in stage.building.zones if zone.kind == "window" and zone.room == room]
    if variant == "window" and not zones:
        raise Rejected(f"{room} has no zone by a window to climb in; leave the variant out or take furniture")
    pieces = [piece for piece in stage.building.furniture if piece.room == room and piece.can_be_climbed and piece.blocks
              and 0.3 <= piece.size[2] <= 1.2]  # fmt: skip
    if variant == "furniture" or (variant is None and stage.chance.random() < 0.5) or not zones:
        if not pieces:
            raise Rejected(f"there is nothing to climb in {room}")
        piece = stage.chance.choice(pieces)
        x, y, _ = piece.foot
        fx, fy = stage.floor.standing_point((x, y))
        heading = math.atan2(y - fy, x - fx)
        return Spot(fx, fy, 0.0, heading), Spot(x, y, piece.size[2], heading), f"on to a {piece.kind}"
    zone = stage.chance.choice(zones)
    room_index = stage.floor.room_index(room)
    standing = [cell for cell in stage.floor.free_cells(room_index, 0.2) if zone.contains(*cell)]
    if not standing:
        raise Rejected(f"nobody can stand in zone {zone.id!r}")
    fx, fy = stage.chance.choice(standing)
    heading = math.atan2(*_towards_window(stage, fx, fy))
    reach = 0.12
    return (Spot(fx, fy, 0.0, heading), Spot(fx + reach * math.cos(heading), fy + reach * math.sin(heading), 0.42, heading),
            f"up to the window of {room}")  # fmt: skip


def _towards_window(stage: Stage, x: float, y: float) -> tuple[float, float]:
    windows = [stage.building.opening_point(one) for one in stage.building.openings if one.kind == "window"]
    wx, wy = min(windows, key=lambda point: math.dist(point, (x, y))) if windows else (x, y - 1.0)
    wall_x, wall_y = (x, wy) if abs(wy - y) <= abs(wx - x) or abs(wy - y) < 0.8 else (wx, y)
    return wall_y - y, wall_x - x


@incident("I-08", "Child through exit without adult")
def walks_out(stage: Stage, told: Episode) -> Happening:
    """A child walks out of the yard's gate alone; an adult notices, runs after it and carries it back."""
    alone_s = stage.cut(told, (20.0, 45.0))
    yard = stage.room_of_kind("yard")
    gate = _exit_of(stage, told, yard)
    at_s = stage.time_for(told, alone_s + 90.0, phases=("yard",), using=(yard, gate.opening.id), tail_s=120.0)
    child = stage.child_in(told, yard, at_s - 5.0, at_s + alone_s + 90.0)
    helper = stage.adult_in(Episode(what=told.what), yard, at_s, at_s + alone_s + 60.0)
    start, inner = stage.spot_at(child, at_s), gate.side(gate.other(STREET))
    speed = stage.agenda(child).speed_m_s
    out_s = at_s + 0.8 + travel_s(stage.floor, (start.x, start.y), inner, speed)
    dx, dy = gate.middle[0] - inner[0], gate.middle[1] - inner[1]
    far = math.hypot(dx, dy)
    outside = Spot(gate.middle[0] + 2.2 * dx / far, gate.middle[1] + 2.2 * dy / far, 0.0, math.atan2(dy, dx), "outside")
    beside = Spot(outside.x - 0.5 * dx / far, outside.y - 0.5 * dy / far, 0.0, outside.heading_rad, "outside")
    seen_s = out_s + alone_s
    begin = stage.spot_at(helper, seen_s)
    caught_s = seen_s + 1.0 + travel_s(stage.floor, (begin.x, begin.y), inner, 2.2) + 2.0
    back = stage.spots.play(yard, caught_s, caught_s + 60.0)
    home_s = caught_s + 2.0 + travel_s(stage.floor, inner, (back.x, back.y), 1.1) + 4.0
    stage.agenda(child).interrupt(at_s - 1.0, home_s, [
        Stay(at_s, outside, "stand", exit_=gate), Stay(caught_s, outside, carried_by=helper),
    ])  # fmt: skip
    stage.agenda(helper).interrupt(seen_s - 1.0, home_s + 3.0, [
        Stay(seen_s, beside, "bend", "run", 2.2, exit_=gate), Stay(caught_s + 1.0, back, "carry", "carry", 1.1, exit_=gate),
    ])  # fmt: skip
    return Happening(told.what, "I-08", False, out_s, caught_s, f"child {child} walks out of {gate.opening.id} alone", yard,
                     gate.opening.id, (child,))  # fmt: skip


def _exit_of(stage: Stage, told: Episode, room: str) -> Portal:
    index = stage.floor.room_index(room)
    exits = {portal.opening.id: portal for portal in stage.floor.exits if portal.joins(index)}
    return exits[stage.target(told, sorted(exits), f"exit of {room}")]


@incident("I-09", "Head count lower than expected after a move")
def left_behind(stage: Stage, told: Episode) -> Happening:
    """When the class comes in from the yard, one child stays behind and is fetched later."""
    return straggler(stage, told, stage.cut(told, (240.0, 330.0)))


def straggler(stage: Stage, told: Episode, lasts_s: float) -> Happening:
    """Keep a child in the yard for so long after its class has gone in."""
    yard = stage.room_of_kind("yard")
    phase = stage.timetable.phase("yard")
    if phase is None:
        raise Rejected(f"{told.what} needs a day with a time in the yard")
    using = frozenset((yard, "coming-in", *stage.roster.class_of))
    if not stage.is_free(phase.end_s - 60.0, phase.end_s + lasts_s + 60.0, using):
        raise Rejected(f"there is no time left for {told.what} on this day; give it fewer companions")
    stage.any_time(Episode(what=told.what), lasts_s + 60.0, phase.end_s - 30.0, phase.end_s + lasts_s + 31.0, using)
    child = stage.child_in(told, yard, phase.end_s - 60.0, phase.end_s - 5.0)
    room = stage.roster.child(child).room
    hidden = _hiding_place(stage, yard, phase.end_s, lasts_s)
    back_s = phase.end_s + lasts_s
    stage.agenda(child).interrupt(phase.end_s - 45.0, back_s, [Stay(phase.end_s - 44.0, hidden, "play_floor")])
    helper = stage.roster.carers(room)[-1].person.number
    beside = stage.spots.beside(hidden, 0.5, back_s - 30.0, back_s)
    begin = stage.spot_at(helper, back_s - 30.0)
    leave_s = back_s - 4.0 - travel_s(stage.floor, (begin.x, begin.y), (beside.x, beside.y), 1.3)
    door = stage.spots.play(room, back_s, back_s + 60.0)
    stage.agenda(helper).interrupt(leave_s, back_s + 20.0, [
        Stay(leave_s, beside, "bend", speed_m_s=1.3), Stay(back_s + 0.8, door, speed_m_s=stage.agenda(child).speed_m_s),
    ])  # fmt: skip
    return Happening(
        told.what,
        "I-09",
        lasts_s < 120.0,
        phase.end_s,
        back_s,
        f"child {child} plays on in the yard, unnoticed",
        room,
        persons=(child,),
    )


def _hiding_place(stage: Stage, yard: str, from_s: float, lasts_s: float) -> Spot:
    """The corner farthest from the doors of the house."""
    index = stage.floor.room_index(yard)
    doors = [portal.middle for portal in stage.floor.portals if portal.joins(index) and not portal.joins(STREET)]
    cells = stage.floor.free_cells(index, 0.3)
    x, y = max(cells, key=lambda cell: min(math.dist(cell, door) for door in doors) if doors else 0.0)
    return stage.spots.take(Spot(x, y, 0.0, 0.5, "hidden"), from_s, from_s + lasts_s)


@incident("I-12", "Entry while armed")
def intruder(stage: Stage, told: Episode) -> Happening:
    """Somebody comes in at night, looks round and leaves."""
    lasts_s = stage.cut(told, (70.0, 180.0))
    first, last = stage.night_s()
    at_s = stage.any_time(told, lasts_s + 60.0, first, last, ("night",), told_within=stage.nights_s(lasts_s + 60.0))
    exits = {portal.opening.id: portal for portal in stage.floor.exits}
    name = stage.target(told, sorted(exits), "exit")
    number = FIRST_STRANGER + sum(1 for known in stage.plan.agendas if FIRST_STRANGER <= known < FIRST_STRANGER + 9)
    agenda = stage.guest(person_of(number, "adult", stage.seed, staff=False), 1.1)
    inside = stage.floor.rooms[exits[name].other(STREET)]
    nearby = [one.id for one in stage.building.rooms if one.id == inside or one.kind in ("corridor", "kitchen")]
    t_s = at_s
    while t_s < at_s + lasts_s:
        spot = stage.spots.play(inside if t_s == at_s else stage.chance.choice(nearby), t_s, t_s + 20.0)
        agenda.add(
            Stay(t_s, spot, stage.chance.choice(("stand", "reach", "bend")), enters=t_s == at_s, exit_=exits[name])
        )
        t_s += stage.chance.uniform(18.0, 35.0)
    agenda.add(Stay(at_s + lasts_s, spot, leaves=True, exit_=exits[name], speed_m_s=1.8, gait="run"))
    return Happening(
        told.what, "I-12", False, at_s, at_s + lasts_s, f"a stranger comes in by {name}", inside, name, (number,)
    )


@incident("I-14", "One-key alarm")
def alarm(stage: Stage, told: Episode) -> Happening:
    """A stranger threatens the person at the entrance, who presses the button."""
    lasts_s = stage.cut(told, (45.0, 90.0))
    buttons = {sensor.id: sensor for sensor in stage.building.sensors if sensor.kind == "button"}
    name = stage.target(told, sorted(buttons), "alarm button")
    entrance = buttons[name].room
    at_s = stage.time_for(told, lasts_s + 60.0, phases=(*CARE, "nap", "lunch"), using=(entrance, name, "main-door"))
    staff = stage.roster.adult("health").person.number
    desk = [spot_of(place) for place in stage.building.places_of("desk", entrance)] or [
        stage.spots.play(entrance, at_s, at_s + 90.0)
    ]
    number = FIRST_STRANGER + sum(1 for known in stage.plan.agendas if FIRST_STRANGER <= known < FIRST_STRANGER + 9)
    agenda = stage.guest(person_of(number, "adult", stage.seed, staff=False), 1.3)
    beside = stage.spots.beside(desk[0], 0.8, at_s, at_s + lasts_s + 60.0)
    street = stage.floor.street(stage.floor.main_exit)
    there_s = at_s + travel_s(stage.floor, street, (beside.x, beside.y), 1.5)
    agenda.add(Stay(at_s, beside, "wave", enters=True, speed_m_s=1.5), Stay(there_s + 4.0, beside, "reach"))
    agenda.add(
        Stay(there_s + 6.0, beside, "wave"), Stay(there_s + lasts_s, beside, leaves=True, gait="run", speed_m_s=2.2)
    )
    pressed_s = there_s + 5.0
    stage.agenda(staff).interrupt(at_s - 20.0, there_s + lasts_s + 20.0, [
        Stay(at_s - 19.0, desk[0], "stand"), Stay(pressed_s - 1.5, desk[0], "reach"), Stay(pressed_s + 2.0, desk[0], "stand"),
    ])  # fmt: skip
    stage.effects.presses.append((pressed_s, name))
    return Happening(
        told.what,
        "I-14",
        False,
        pressed_s,
        pressed_s + 60.0,
        "a stranger threatens staff, who press the alarm",
        entrance,
        name,
        (staff, number),
    )


@incident("I-22", "Adult collapsed")
def collapse(stage: Stage, told: Episode) -> Happening:
    """An adult who is alone falls and lies still until a colleague comes."""
    lasts_s = stage.cut(told, (60.0, 140.0))
    kitchen = stage.room_of_kind("kitchen")
    at_s = stage.time_for(told, lasts_s + 90.0, phases=(*CARE, "nap", "lunch", "yard"), using=(kitchen, "entrance"))
    number = stage.roster.adult("cook").person.number
    spot = stage.spots.play(kitchen, at_s - 30.0, at_s + lasts_s + 60.0)
    falls_s = at_s + 25.0
    helper = stage.roster.adult("health").person.number
    beside = stage.spots.beside(spot, 0.6, falls_s, falls_s + lasts_s + 60.0)
    up_s = falls_s + lasts_s
    stage.agenda(number).interrupt(
        at_s - 1.0,
        up_s + 40.0,
        [
            Stay(at_s, spot, "stand"),
            Stay(falls_s, spot, "fall", here=True),
            Stay(falls_s + fall_duration_of(stage.agenda(number).person), spot, "fallen", here=True),
            Stay(up_s, spot, "sit_floor", here=True),
            Stay(up_s + 25.0, spot, "stand", here=True),
        ],
    )
    begin = stage.spot_at(helper, up_s - 30.0)
    leaves_s = up_s - 10.0 - travel_s(stage.floor, (begin.x, begin.y), (beside.x, beside.y), 1.7)
    stage.agenda(helper).interrupt(leaves_s - 1.0, up_s + 45.0, [Stay(leaves_s, beside, "squat", speed_m_s=1.7)])
    return Happening(
        told.what, "I-22", False, falls_s, up_s, "the cook collapses alone in the kitchen", kitchen, persons=(number,)
    )
