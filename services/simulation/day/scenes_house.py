"""Incidents of rounds, checks, doors, rooms, fridges, fire, cameras, clocks and sensors.

Belongs here: what the house and its routine suffer. Does not belong here: when it counts (``derivation``).
"""

from __future__ import annotations

from dataclasses import replace
from typing import get_args

from services.contracts.errors import Rejected
from services.simulation.building import Building
from services.simulation.day.agenda import Agenda, Stay
from services.simulation.day.calendar import DAY_S, PhaseKind
from services.simulation.day.floor import STREET
from services.simulation.day.roster import GUARDIAN_OFFSET
from services.simulation.day.scene import incident
from services.simulation.day.script import Episode
from services.simulation.day.spots import spot_of
from services.simulation.day.stage import Disturbance, Fault, Fire, Happening, Measurement, Stage
from services.simulation.world import FaultKind

ALL_DAY: tuple[PhaseKind, ...] = ("arrival", "play", "snack", "class", "yard", "lunch", "nap", "pick-up")
HEARTBEAT_S = 60.0
_REPEAT_S = 300.0


@incident("I-04", "Nap round missed")
def missed_round(stage: Stage, told: Episode) -> Happening:
    """Whoever watches the nap sits through a round."""
    return late_round(stage, told, whole=True)


def late_round(stage: Stage, told: Episode, *, whole: bool) -> Happening:
    """Leave a round of the nap out, or make it half a minute short of too late."""
    rounds = stage.plan.rounds_s
    if len(rounds) < 4:
        raise Rejected(f"{told.what} needs a day with a nap")
    near = [i for i in range(1, len(rounds) - 1) if told.at_s is None or abs(rounds[i] - told.at_s) < 900.0]
    free = [i for i in near if stage.is_free(rounds[i - 1], rounds[i + 1] + 60.0, frozenset(("nap-round",)))]
    if not free:
        raise Rejected(f"there is no round of the nap left for {told.what}")
    index = stage.chance.choice(free)
    before_s, missed_s, after_s = rounds[index - 1 : index + 2]
    stage.any_time(Episode(what=told.what), after_s - before_s, before_s, after_s + 1.0, ("nap-round",))
    watcher = next(number for number in stage.meant_in(stage.room_of_kind("nap"), "adult", missed_s - 60.0, missed_s)
                   if number < 10)  # fmt: skip
    chair = stage.spot_at(watcher, missed_s - 1.0)
    if any(zone.kind == "bed" and zone.contains(chair.x, chair.y) for zone in stage.building.zones):
        raise Rejected(
            f"{told.what}: in building {stage.building.id!r} the watcher sits among the cots and misses nothing"
        )
    agenda = stage.agenda(watcher)
    round_ = [stay for stay in agenda.stays if missed_s <= stay.start_s < missed_s + 60.0]
    agenda.stays = [stay for stay in agenda.stays if stay not in round_]
    if not whole:
        # The round before ended when the watcher left the cots, about a minute after it began.
        late_s = before_s + 60.0 + 860.0
        agenda.add(*(Stay(stay.start_s - missed_s + late_s, stay.spot, stay.activity) for stay in round_))
        rounds[index] = late_s
    return Happening(
        told.what,
        "I-04",
        not whole,
        before_s + 60.0,
        after_s if whole else late_s,
        "the watcher dozes on the chair",
        stage.room_of_kind("nap"),
        persons=(watcher,),
    )


@incident("I-19", "Fever at morning check")
def fever(stage: Stage, told: Episode) -> Happening:
    """A child is warm at the check and again five minutes later; it goes home with its guardian."""
    return warm_child(stage, told, stage.chance.uniform(37.6, 38.6), ill=True)


def warm_child(stage: Stage, told: Episode, celsius: float, *, ill: bool) -> Happening:
    """Have a child measured twice, five minutes apart, waiting on the bench between."""
    entrance = stage.room_of_kind("entrance")
    child, at_s = _child_at_the_check(stage, told)
    guardian = child + GUARDIAN_OFFSET
    stage.any_time(Episode(what=told.what), 1.0, at_s, at_s + 2.0, (f"child {child}",))
    aside = stage.spots.beside(spot_of(stage.building.places_of("door_in", entrance)[0]), 0.9, at_s, at_s + 400.0) if (
        stage.building.places_of("door_in", entrance)) else stage.spots.play(entrance, at_s, at_s + 400.0)  # fmt: skip
    beside = stage.spots.beside(aside, 0.5, at_s, at_s + 400.0)
    again_s = at_s + _REPEAT_S
    waits = [Stay(at_s + 20.0, aside, "stand"), Stay(at_s + 60.0, aside, "squat")]
    waits_too = [Stay(at_s + 21.0, beside, "stand"), Stay(again_s - 3.0, beside, "bend")]
    stage.effects.measurements += [
        Measurement(child, at_s, celsius), Measurement(child, again_s, celsius + 0.1 if ill else 36.8, repeat=True)
    ]  # fmt: skip
    agenda, adult = stage.agenda(child), stage.agenda(guardian)
    if ill:
        agenda.stays = [stay for stay in agenda.stays if stay.start_s < at_s + 20.0]
        adult.stays = [stay for stay in adult.stays if stay.start_s < at_s + 20.0]
        agenda.add(*waits, Stay(again_s + 20.0, aside, leaves=True))
        adult.add(*waits_too, Stay(again_s + 20.9, beside, leaves=True, speed_m_s=agenda.speed_m_s))
    else:
        later_s = again_s + 20.0 - (at_s + 12.0)
        for one, first in ((agenda, waits), (adult, waits_too)):
            rest = [stay for stay in one.stays if stay.start_s >= at_s + 10.0]
            one.stays = [stay for stay in one.stays if stay.start_s < at_s + 10.0]
            one.add(*first)
            _put_off(one, rest, later_s, until_s=at_s + 1500.0)
    reason = f"child {child} has {celsius:.1f} °C, and again after five minutes" if ill else (
        f"child {child} was wrapped up warmly; the second measurement is ordinary")  # fmt: skip
    return Happening(told.what, "I-19", not ill, at_s, again_s + 20.0, reason, entrance, "check-thermometer", (child,))


def _child_at_the_check(stage: Stage, told: Episode) -> tuple[int, float]:
    """Who of those that walk is measured, and when; nothing else happens to it then."""
    checks = {number: at_s for number, at_s in stage.plan.check_s.items() if stage.roster.child(number).walks}
    free = [
        number
        for number in sorted(checks)
        if stage.is_free(checks[number], checks[number] + 30.0, frozenset((f"child {number}",)))
    ]
    if told.person is not None:
        free = [number for number in free if number == told.person]
    if not free:
        raise Rejected(f"{told.what}: no such child comes to the morning check")
    child = stage.chance.choice(free)
    return child, checks[child]


def _put_off(agenda: Agenda, rest: list[Stay], later_s: float, until_s: float) -> None:
    """Do soon what was to be done now: stays up to ``until_s`` begin so much later, as far as others do not come first."""
    soon = [
        stay for stay in rest if stay.start_s < until_s and (stay.leaves or stay.start_s + later_s < until_s + later_s)
    ]
    late = [stay for stay in rest if stay not in soon]
    last_s = late[0].start_s if late else float("inf")
    agenda.add(
        *(replace(stay, start_s=stay.start_s + later_s) for stay in soon if stay.start_s + later_s < last_s - 5.0),
        *late,
    )


@incident("I-30", "No activity on a service day")
def nobody_comes(stage: Stage, told: Episode) -> Happening:
    """The house stays shut although it is a day of service. (The plan is left empty before scenes are put on.)"""
    first, last = stage.timetable.care_s
    if last <= first:
        raise Rejected("I-30 needs a day of service; this one is closed")
    return Happening(told.what, "I-30", False, first, last, "nobody comes although the nursery ought to be open")


@incident("I-10", "Exit door held open in care hours")
def held_door(stage: Stage, told: Episode) -> Happening:
    """An exit stays open behind somebody."""
    return prop_door(stage, told, stage.cut(told, (90.0, 400.0)))


def prop_door(stage: Stage, told: Episode, lasts_s: float) -> Happening:
    """Let an exit stand open for so long."""
    exits = sorted(portal.opening.id for portal in stage.floor.exits)
    name = stage.target(told, exits, "exit")
    at_s = stage.time_for(told, lasts_s, phases=ALL_DAY, using=(name, "exit-door"), lead_s=20.0)
    stage.effects.held_open[name].append((at_s, at_s + lasts_s, 1.0))
    inner = next(portal.other(STREET) for portal in stage.floor.exits if portal.opening.id == name)
    return Happening(told.what, "I-10", lasts_s <= 60.0, at_s, at_s + lasts_s, f"{name} is left open after a delivery",
                     stage.floor.rooms[inner], name)  # fmt: skip


@incident("I-11", "Evacuation exit locked or blocked")
def shut_exit(stage: Stage, told: Episode) -> Happening:
    """An exit is locked while people are in, or boxes stand before it for longer than ten minutes."""
    return obstruct(stage, told, stage.cut(told, (660.0, 1100.0)))


def obstruct(stage: Stage, told: Episode, lasts_s: float) -> Happening:
    """Lock an exit or put boxes before it."""
    exits = {portal.opening.id: portal for portal in stage.floor.exits}
    quiet = sorted(name for name, portal in exits.items() if portal is not stage.floor.main_exit) or sorted(exits)
    name = stage.target(told, quiet, "exit")
    variant = told.variant or ("blocked" if lasts_s < 600.0 else stage.chance.choice(("locked", "blocked")))
    if variant not in ("locked", "blocked"):
        raise Rejected(f"{told.what} knows the variants locked and blocked, not {variant!r}")
    at_s = stage.time_for(told, lasts_s, phases=ALL_DAY, using=(name,), lead_s=20.0)
    (stage.effects.locked if variant == "locked" else stage.effects.blocked)[name].append((at_s, at_s + lasts_s))
    reason = f"{name} is locked by habit" if variant == "locked" else f"boxes of a delivery stand before {name}"
    return Happening(told.what, "I-11", variant == "blocked" and lasts_s < 600.0, at_s, at_s + lasts_s, reason,
                     stage.floor.rooms[exits[name].other(STREET)], name)  # fmt: skip


@incident("I-17", "Room too cold or hot while occupied")
def wrong_temperature(stage: Stage, told: Episode) -> Happening:
    """The heating fails with a window left open, the cooling fails, or a valve sticks; whatever the season makes of it."""
    lasts_s = stage.cut(told, (5400.0, 6600.0))
    room = stage.activity_room(told)
    stage.need_people(told)
    first_s, last_s = stage.timetable.care_s
    at_s = stage.any_time(told, lasts_s, first_s + 600.0, last_s, (f"climate {room}",))
    outdoors = _outdoors(stage, at_s)
    windows = [one.id for one in stage.building.openings if one.kind == "window" and _beside(stage, one.id, room)]
    if outdoors < 15.0:
        stage.effects.disturbances.append(Disturbance(room, "heating-off", (at_s, at_s + lasts_s)))
        for name in windows:
            stage.effects.held_open[name].append((at_s, at_s + lasts_s * 0.8, 0.8))
        reason = "the heating fails and windows were left open"
    elif outdoors > 27.0:
        stage.effects.disturbances.append(Disturbance(room, "cooling-off", (at_s, at_s + lasts_s)))
        for name in windows:
            stage.effects.held_open[name].append((at_s, at_s + lasts_s * 0.8, 0.8))
        reason = "the air conditioner fails on a hot day"
    else:
        stage.effects.disturbances.append(Disturbance(room, "heating-stuck", (at_s, at_s + lasts_s)))
        reason = "a heating valve sticks open"
    return Happening(told.what, "I-17", False, at_s, at_s + lasts_s, reason, room)


def _outdoors(stage: Stage, at_s: float) -> float:
    from services.simulation.day.sky import Weather

    return Weather(stage.day, stage.seed).celsius(at_s)


def _beside(stage: Stage, opening_id: str, room: str) -> bool:
    return any(
        one is not None and one.id == room for one in stage.building.rooms_joined(stage.building.opening(opening_id))
    )


@incident("I-18", "Fridge out of range")
def warm_fridge(stage: Stage, told: Episode) -> Happening:
    """The fridge's or freezer's compressor fails, or a door stays ajar."""
    names = [piece.id for piece in stage.building.furniture if piece.kind in ("fridge", "freezer") and piece.id]
    name = stage.target(told, names, "fridge")
    variant = told.variant or stage.chance.choice(("ajar", "compressor"))
    lasts_s = stage.cut(told, (2400.0, 3300.0) if variant == "ajar" else (4.0 * 3600.0, 5.0 * 3600.0))
    last = stage.timetable.closes_s if variant == "ajar" else DAY_S
    at_s = stage.any_time(told, lasts_s, stage.timetable.opens_s + 1200.0, last, (name,))
    if variant == "ajar":
        stage.effects.held_open[name].append((at_s, at_s + lasts_s, 0.5))
    elif variant == "compressor":
        stage.effects.disturbances.append(Disturbance(name, "compressor-off", (at_s, at_s + lasts_s)))
    else:
        raise Rejected(f"{told.what} knows the variants ajar and compressor, not {variant!r}")
    reason = f"the door of the {name} is left ajar" if variant == "ajar" else f"the {name}'s compressor fails"
    return Happening(told.what, "I-18", False, at_s, at_s + lasts_s, reason, stage.room_of_kind("kitchen"), name)


@incident("I-21", "Fire, smoke, rapid heat")
def fire(stage: Stage, told: Episode) -> Happening:
    """Oil on the stove catches fire; the cook puts it out."""
    lasts_s = stage.cut(told, (100.0, 170.0))
    kitchen = stage.room_of_kind("kitchen")
    stoves = [piece for piece in stage.building.furniture if piece.kind == "stove" and piece.room == kitchen]
    if not stoves:
        raise Rejected(f"building {stage.building.id!r} has no stove to catch fire")
    at_s = stage.time_for(told, lasts_s + 120.0, phases=("play", "class", "yard", "snack"), using=(kitchen,))
    x, y, _ = stoves[0].foot
    stage.effects.fires.append(Fire((x, y, stoves[0].size[2]), kitchen, (at_s, at_s + lasts_s), 0.75, 45.0, 40_000.0))
    cook = stage.roster.adult("cook").person.number
    back = stage.spots.play(kitchen, at_s, at_s + lasts_s)
    stove = stage.spots.beside(spot_of(stage.building.places_of("cook", kitchen)[0]), 0.35, at_s, at_s + lasts_s)
    stage.agenda(cook).interrupt(at_s - 5.0, at_s + lasts_s + 30.0, [
        Stay(at_s - 4.0, stove, "stand"), Stay(at_s + 12.0, back, "wave", "run", 2.0), Stay(at_s + lasts_s - 8.0, stove, "reach"),
    ])  # fmt: skip
    return Happening(
        told.what, "I-21", False, at_s, at_s + lasts_s, "oil catches fire on the stove", kitchen, persons=(cook,)
    )


@incident("I-23", "Camera lost, covered, moved, defocused")
def blind_camera(stage: Stage, told: Episode) -> Happening:
    """Something is wrong with a camera for longer than a minute."""
    return disturb_camera(stage, told, stage.cut(told, (150.0, 420.0)))


def disturb_camera(stage: Stage, told: Episode, lasts_s: float) -> Happening:
    """Let a camera suffer a fault of one of the six kinds."""
    camera = stage.target(told, [one.id for one in stage.building.cameras], "camera")
    kinds: tuple[FaultKind, ...] = get_args(FaultKind)
    if told.variant is not None and told.variant not in kinds:
        raise Rejected(f"{told.what} knows the variants {', '.join(kinds)}, not {told.variant!r}")
    kind = stage.chance.choice([one for one in kinds if told.variant in (None, one)])
    first, last = (stage.timetable.opens_s, stage.timetable.closes_s) if stage.timetable.phases else (0.0, DAY_S)
    # By day where it is drawn; a script may sabotage a camera at any hour.
    at_s = stage.any_time(told, lasts_s, first, last, (f"camera {camera}",), told_within=[(0.0, DAY_S - lasts_s)])
    stage.effects.faults.append(Fault(camera, kind, (at_s, at_s + lasts_s)))
    room = stage.building.camera(camera).room
    return Happening(
        told.what, "I-23", lasts_s < 60.0, at_s, at_s + lasts_s, f"camera {camera} is {kind}", room, camera
    )


@incident("I-25", "Clock error")
def wrong_clock(stage: Stage, told: Episode) -> Happening:
    """A camera's clock jumps away from the truth until it is set again."""
    return shift_clock(stage, told, stage.chance.choice((1.6, 2.4, 4.0, 12.5)) * stage.chance.choice((-1, 1)))


def shift_clock(stage: Stage, told: Episode, offset_s: float) -> Happening:
    """Put a camera's clock wrong for a while."""
    lasts_s = stage.cut(told, (900.0, 2400.0))
    camera = stage.target(told, [one.id for one in stage.building.cameras], "camera")
    at_s = stage.any_time(told, lasts_s, 0.0, DAY_S, (f"clock {camera}",))
    stage.effects.clock_offsets.append((camera, (at_s, at_s + lasts_s), offset_s))
    return Happening(
        told.what,
        "I-25",
        abs(offset_s) <= 1.0,
        at_s,
        at_s + lasts_s,
        f"the clock of {camera} is {offset_s:+.1f} s off",
        stage.building.camera(camera).room,
        camera,
    )


@incident("I-26", "Sensor silent or implausible")
def silent_sensor(stage: Stage, told: Episode) -> Happening:
    """A sensor's battery dies, or its reading freezes for six hours."""
    variant = told.variant or stage.chance.choice(("silent", "silent", "flat"))
    if variant not in ("silent", "flat"):
        raise Rejected(f"{told.what} knows the variants silent and flat, not {variant!r}")
    return mute_sensor(
        stage, told, stage.cut(told, (420.0, 1500.0) if variant == "silent" else (23_000.0, 26_000.0)), variant
    )


def check_thermometers(building: Building) -> frozenset[str]:
    """The hand-held thermometers of the morning check: temperature sensors that belong to a desk."""
    # A desk without an id has no sensors: else every sensor of no furniture would be "of" it.
    desks = {piece.id for piece in building.furniture if piece.kind == "desk" and piece.id is not None}
    return frozenset(one.id for one in building.sensors if one.kind == "temperature" and one.of in desks)


def mute_sensor(stage: Stage, told: Episode, lasts_s: float, variant: str) -> Happening:
    """Silence a sensor, or freeze its value."""
    fit = [
        one.id
        for one in stage.building.sensors
        if one.kind == "temperature" or (variant == "silent" and one.kind in ("door", "humidity"))
    ]
    hand_held = check_thermometers(stage.building)
    steady = [one for one in fit if one not in hand_held]
    known = [one.id for one in stage.building.sensors] if variant == "silent" else steady
    name = stage.target(told, known, "sensor", fit)
    if name not in known:
        name = steady[0]  # what is read in the morning only cannot be seen to stand still
    at_s = stage.any_time(told, lasts_s, 0.0, DAY_S, (f"sensor {name}",))
    (stage.effects.silent if variant == "silent" else stage.effects.stuck)[name].append((at_s, at_s + lasts_s))
    room = next(one.room for one in stage.building.sensors if one.id == name)
    reason = f"{name} says nothing" if variant == "silent" else f"{name} always says the same"
    return Happening(
        told.what, "I-26", variant == "silent" and lasts_s < 3 * HEARTBEAT_S, at_s, at_s + lasts_s, reason, room, name
    )
