"""What can be wrong with a building beyond its types: names that lead nowhere, doors beside their wall, blind cameras."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from services.simulation.building import Building, Opening

_BANNED = ("toilet", "changing", "nursing")
_NEAR_M = 0.35  # furniture may touch its room's wall


def mistakes(building: Building) -> list[str]:
    """Each mistake as a sentence that names the part; empty for a sound building."""
    return [*_names(building), *_openings(building), *_contents(building), *_cameras(building)]


def _names(building: Building) -> Iterator[str]:
    kinds = ("rooms", "walls", "openings", "furniture", "places", "zones", "sensors", "cameras")
    for kind in kinds:
        seen: set[str] = set()
        for part in getattr(building, kind):
            if part.id is not None and part.id in seen:
                yield f"{kind}: the id {part.id!r} is given twice"
            seen.add(part.id)
    rooms = {room.id for room in building.rooms}
    for kind in ("furniture", "places", "zones", "sensors", "cameras"):
        for index, part in enumerate(getattr(building, kind)):
            if part.room not in rooms:
                yield f"{kind}[{index}].room: there is no room {part.room!r}"
    sensors = {sensor.id for sensor in building.sensors}
    for kind in ("openings", "furniture"):
        for index, part in enumerate(getattr(building, kind)):
            if part.sensor_id is not None and part.sensor_id not in sensors:
                yield f"{kind}[{index}].sensor_id: there is no sensor {part.sensor_id!r}"
    things = {part.id for kind in ("openings", "furniture") for part in getattr(building, kind)}
    for index, sensor in enumerate(building.sensors):
        if sensor.of is not None and sensor.of not in things:
            yield f"sensors[{index}].of: there is no opening or furniture {sensor.of!r}"


def _openings(building: Building) -> Iterator[str]:
    walls = {wall.id: wall for wall in building.walls}
    for wall in building.walls:
        if wall.length_m < 0.05:
            yield f"wall {wall.id!r} has no length"
    by_wall: dict[str, list[Opening]] = {}
    for opening in building.openings:
        if opening.wall not in walls:
            yield f"opening {opening.id!r}: there is no wall {opening.wall!r}"
            continue
        wall = walls[opening.wall]
        if opening.at_m - opening.width_m / 2 < 0 or opening.at_m + opening.width_m / 2 > wall.length_m:
            yield f"opening {opening.id!r} reaches beyond wall {wall.id!r}, which is {wall.length_m:.2f} m long"
        if opening.kind != "gate" and opening.sill_m + opening.height_m > wall.height_m:
            yield f"opening {opening.id!r} is higher than wall {wall.id!r}"
        by_wall.setdefault(wall.id, []).append(opening)
    for openings in by_wall.values():
        ordered = sorted(openings, key=lambda opening: opening.at_m)
        for one, other in itertools.pairwise(ordered):
            if one.at_m + one.width_m / 2 > other.at_m - other.width_m / 2 + 1e-6:
                yield f"openings {one.id!r} and {other.id!r} overlap"


def _contents(building: Building) -> Iterator[str]:
    rooms = {room.id: room for room in building.rooms}
    for index, piece in enumerate(building.furniture):
        room = rooms.get(piece.room)
        if room is None:
            continue
        corners = [piece.foot[:2]] if not piece.blocks else piece.footprint
        xs, ys = zip(*room.footprint, strict=True)
        for x, y in corners:
            if not (min(xs) - _NEAR_M < x < max(xs) + _NEAR_M and min(ys) - _NEAR_M < y < max(ys) + _NEAR_M):
                yield f"furniture[{index}] ({piece.kind}) reaches out of room {room.id!r} at {x:.2f}, {y:.2f}"
                break
    for index, place in enumerate(building.places):
        if place.room in rooms and not rooms[place.room].contains(place.at[0], place.at[1]):
            yield f"places[{index}] ({place.id}) lies outside room {place.room!r}"


def _cameras(building: Building) -> Iterator[str]:
    rooms = {room.id: room for room in building.rooms}
    for camera in building.cameras:
        room = rooms.get(camera.room)
        if room is None:
            continue
        if room.kind in _BANNED:
            yield f"camera {camera.id!r}: no camera may stand in a {room.kind} room (R-09)"
        if not room.contains(camera.at[0], camera.at[1]):
            yield f"camera {camera.id!r} hangs outside its room {room.id!r}"
        if room.ceiling_m is not None and camera.at[2] >= room.ceiling_m:
            yield f"camera {camera.id!r} hangs above the ceiling of {room.id!r}"
