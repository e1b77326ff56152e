"""What only looks like an incident of doors, rooms, light, cameras, clocks or sensors.

Belongs here: harmless scenes of the house. Does not belong here: those that people make (``look_alikes``).
"""

from __future__ import annotations

from services.contracts.errors import Rejected
from services.simulation.day.agenda import Stay
from services.simulation.day.calendar import DAY_S
from services.simulation.day.floor import STREET
from services.simulation.day.lighting import street_past
from services.simulation.day.scene import look_alike
from services.simulation.day.scenes_house import (
    disturb_camera,
    late_round,
    mute_sensor,
    obstruct,
    prop_door,
    shift_clock,
    warm_child,
)
from services.simulation.day.script import Episode
from services.simulation.day.sky import dawn_s
from services.simulation.day.spots import spot_of
from services.simulation.day.stage import Fire, Happening, Stage


@look_alike("late-round", "I-04", "A nap round half a minute before it is too late")
def round_in_time(stage: Stage, told: Episode) -> Happening:
    """As I-04, but the round is walked."""
    return late_round(stage, told, whole=False)


@look_alike("door-ajar-briefly", "I-10", "An exit is open for half a minute")
def open_briefly(stage: Stage, told: Episode) -> Happening:
    """As I-10, shut before the minute is over."""
    return prop_door(stage, told, stage.cut(told, (28.0, 45.0)))


@look_alike("door-swings-twice", "I-10", "A door falls shut, springs open again and shuts")
def swings_twice(stage: Stage, told: Episode) -> Happening:
    """Two openings of seconds, nobody passes."""
    name = stage.target(told, sorted(portal.opening.id for portal in stage.floor.exits), "exit")
    at_s = stage.time_for(told, 12.0, phases=("play", "snack", "class", "yard", "lunch"), using=(name, "exit-door"))
    stage.effects.held_open[name] += [(at_s, at_s + 3.4, 0.5), (at_s + 5.2, at_s + 7.6, 0.3)]
    inner = next(portal.other(STREET) for portal in stage.floor.exits if portal.opening.id == name)
    return Happening(
        told.what, "I-10", True, at_s, at_s + 7.6, f"wind plays with {name}", stage.floor.rooms[inner], name
    )


@look_alike("boxes-for-a-while", "I-11", "A delivery stands before an exit for a few minutes")
def boxes(stage: Stage, told: Episode) -> Happening:
    """As I-11, cleared before ten minutes are over."""
    return obstruct(stage, told, stage.cut(told, (180.0, 400.0)))


@look_alike("headlights", "I-12", "A car's headlights throw moving light and shadows at night")
def headlights(stage: Stage, told: Episode) -> Happening:
    """Light and shadows move, nobody does. Only while it is dark: by day nobody would see them."""
    if street_past(stage.building) is None:
        raise Rejected(f"building {stage.building.id!r} has no window that headlights could shine in by")
    first, last = stage.night_s()
    last = min(last, dawn_s(stage.day))
    at_s = stage.any_time(told, 5.0, first, last, ("sky",))
    stage.effects.headlights.append((at_s, at_s + 5.0))
    return Happening(
        told.what, "I-12", True, at_s, at_s + 5.0, "a car turns in the street; its light passes over the walls"
    )


@look_alike("curtain-in-the-wind", "I-12", "A curtain moves in the wind")
def curtain(stage: Stage, told: Episode) -> Happening:
    """Cloth moves, nobody does."""
    windows = [one.id for one in stage.building.openings if one.kind == "window" and one.curtain]
    name = stage.target(told, windows, "window with a curtain")
    lasts_s = stage.cut(told, (40.0, 120.0))
    at_s = stage.any_time(told, lasts_s, 0.0, DAY_S, (name,))
    stage.effects.curtain_waves.append((name, (at_s, at_s + lasts_s)))
    rooms = [room.id for room in stage.building.rooms_joined(stage.building.opening(name)) if room]
    return Happening(
        told.what, "I-12", True, at_s, at_s + lasts_s, f"the curtain of {name} moves in a draught", rooms[0], name
    )


@look_alike("airing", "I-17", "Windows are wide open for some minutes")
def airing(stage: Stage, told: Episode) -> Happening:
    """The temperature dips and comes back before a quarter of an hour is over."""
    room = stage.activity_room(told)
    lasts_s = stage.cut(told, (240.0, 420.0))
    at_s = stage.time_for(told, lasts_s, using=(f"climate {room}",))
    for one in stage.building.openings:
        if one.kind == "window" and any(side and side.id == room for side in stage.building.rooms_joined(one)):
            stage.effects.held_open[one.id].append((at_s, at_s + lasts_s, 0.7))
    return Happening(told.what, "I-17", True, at_s, at_s + lasts_s, "the room is aired", room)


@look_alike("stocking-the-fridge", "I-18", "The fridge is open for a minute and a half while it is filled")
def stocking(stage: Stage, told: Episode) -> Happening:
    """Open, but below two minutes, and cold again soon."""
    names = [piece.id for piece in stage.building.furniture if piece.kind == "fridge" and piece.id]
    name = stage.target(told, names, "fridge")
    lasts_s = stage.cut(told, (70.0, 105.0))
    kitchen = stage.room_of_kind("kitchen")
    at_s = stage.time_for(
        told, lasts_s + 60.0, phases=("play", "snack", "class", "yard", "lunch"), using=(kitchen, name)
    )
    cook = stage.roster.adult("cook").person.number
    places = [place for place in stage.building.places_of("cook", kitchen) if "fridge" in place.id]
    spot = spot_of(places[0]) if places else stage.spots.play(kitchen, at_s, at_s + lasts_s)
    opens_s = at_s + 10.0
    stage.agenda(cook).interrupt(
        at_s - 1.0, opens_s + lasts_s, [Stay(at_s, spot, "reach"), Stay(opens_s + lasts_s / 2, spot, "bend")]
    )
    stage.plan.fridge_s = [one for one in stage.plan.fridge_s if not at_s - 60.0 < one[0] < opens_s + lasts_s + 30.0]
    stage.effects.held_open[name].append((opens_s, opens_s + lasts_s, 1.0))
    return Happening(
        told.what, "I-18", True, opens_s, opens_s + lasts_s, "the cook fills the fridge", kitchen, name, (cook,)
    )


@look_alike("warm-forehead", "I-19", "A child is warm from its cap; the second measurement is ordinary")
def warm_forehead(stage: Stage, told: Episode) -> Happening:
    """As I-19, not confirmed."""
    return warm_child(stage, told, stage.chance.uniform(37.3, 37.6), ill=False)


@look_alike("birthday-candles", "I-21", "Small flames on a cake for a minute, with adults beside it")
def candles(stage: Stage, told: Episode) -> Happening:
    """Flames, but tiny and wanted."""
    room = stage.activity_room(told)
    tables = [piece for piece in stage.building.furniture if piece.room == room and "table" in piece.kind]
    if not tables:
        raise Rejected(f"there is no table in {room}")
    lasts_s = stage.cut(told, (35.0, 70.0))
    at_s = stage.time_for(told, lasts_s, phases=("snack", "lunch", "play"), using=(room,))
    x, y, _ = tables[0].foot
    stage.effects.fires.append(Fire((x, y, tables[0].size[2] + 0.08), room, (at_s, at_s + lasts_s), 0.04, 2.0, 150.0))
    return Happening(told.what, "I-21", True, at_s, at_s + lasts_s, "a birthday cake with candles", room)


@look_alike("lens-wiped", "I-23", "A camera's lens is wiped with a cloth")
def lens_wiped(stage: Stage, told: Episode) -> Happening:
    """Covered for seconds."""
    wiped = told.model_copy(update={"variant": "covered"})
    return disturb_camera(stage, wiped, stage.cut(told, (8.0, 20.0)))


@look_alike("cloud", "I-23", "A thick cloud makes it darker for a while")
def cloud(stage: Stage, told: Episode) -> Happening:
    """Darker, not dark."""
    lasts_s = stage.cut(told, (40.0, 150.0))
    at_s = stage.any_time(told, lasts_s, 8.0 * 3600.0, 16.0 * 3600.0, ("sky",))
    stage.effects.sky_factors.append(((at_s, at_s + lasts_s), 0.45))
    return Happening(told.what, "I-23", True, at_s, at_s + lasts_s, "a cloud passes before the sun")


@look_alike("lamps-out", "I-23", "The lamps of a room go out and on again: its cameras switch to night and back")
def lamps_out(stage: Stage, told: Episode) -> Happening:
    """The day-night switch, at whatever hour: it hangs on the lamps' circuit, as daylight alone never brings it about."""
    rooms = [
        room.id
        for room in stage.building.rooms
        if not room.outdoors and any(one.room == room.id and one.infrared_at_night for one in stage.building.cameras)
    ]
    if not rooms:
        raise Rejected(f"building {stage.building.id!r} has no camera indoors that sees in infrared")
    room = told.room if told.room in rooms else stage.chance.choice(rooms)
    lasts_s = stage.cut(told, (15.0, 40.0))
    at_s = stage.any_time(
        told, lasts_s, stage.timetable.opens_s + 60.0, stage.timetable.closes_s - 60.0, (f"lamp {room}",)
    )
    stage.effects.lamps.append((room, (at_s, at_s + lasts_s), 0.0))
    nap = stage.timetable.phase("nap")
    asleep = (
        stage.building.room(room).kind == "nap"
        and nap is not None
        and nap.start_s < at_s + lasts_s
        and at_s < nap.end_s
    )
    reason = (
        f"the cameras of {room} are switched to night and back while the children sleep"
        if asleep
        else f"the lamps of {room} are switched off and on; its cameras switch to night and back with them"
    )
    return Happening(told.what, "I-23", True, at_s, at_s + lasts_s, reason, room)


@look_alike("clock-wobble", "I-25", "A clock is off by less than a second")
def clock_wobble(stage: Stage, told: Episode) -> Happening:
    """As I-25, within what is allowed."""
    return shift_clock(stage, told, stage.chance.uniform(0.4, 0.85) * stage.chance.choice((-1, 1)))


@look_alike("two-missed-beats", "I-26", "A sensor misses two beats")
def two_beats(stage: Stage, told: Episode) -> Happening:
    """As I-26, one beat short."""
    return mute_sensor(stage, told, stage.cut(told, (100.0, 115.0)), "silent")


@look_alike("short-vacancy", "I-30", "No child and no carer is in the rooms on a service day: all are in the yard")
def vacancy(stage: Stage, told: Episode) -> Happening:
    """The yard holds the classes; cook and health worker stay at their work inside."""
    phase, yard = stage.timetable.phase("yard"), stage.room_of_kind("yard")
    if phase is None:
        raise Rejected(f"{told.what} needs a day with a time in the yard")
    span = phase.start_s + 120.0, phase.end_s
    carers = {adult.person.number for adult in stage.roster.adults if adult.duty == "carer"}
    inside = [
        number
        for room in stage.building.rooms
        if room.id != yard
        for number in (*stage.meant_in(room.id, "child", *span), *stage.meant_in(room.id, "adult", *span))
        if number in carers or stage.agenda(number).person.role == "child"
    ]
    if inside or not stage.meant_in(yard, "child", *span):
        raise Rejected(f"{told.what} needs the classes in the yard; of them {sorted(set(inside))} are inside meanwhile")
    reason = "all children and carers are in the yard; inside are only the cook and the health worker"
    return Happening(told.what, "I-30", True, *span, reason)
