"""Which places of the building are taken when, so that two people do not sit in each other.

Belongs here: choosing a free place or a free bit of floor for a while. Does not belong here: what is done there.
"""

from __future__ import annotations

import math
import random
from collections import defaultdict
from functools import lru_cache

from services.simulation.building import Place
from services.simulation.catalogue import PlaceKind
from services.simulation.day.floor import Floor, Point2
from services.simulation.day.track import Spot

_BUCKET_S = 300.0
_TRIES = 14
_DOOR_M = 1.3
_FLOOR_PLACES: tuple[PlaceKind, ...] = ("play", "yard", "stand")


class Spots:
    """Reservations of floor by time. Two reservations that overlap in time keep ``apart_m`` if that can be had."""

    def __init__(self, floor: Floor, chance: random.Random) -> None:
        self._floor = floor
        self._chance = chance
        self._taken: dict[int, list[tuple[float, float, float, float]]] = defaultdict(list)

    def take(self, spot: Spot, from_s: float, to_s: float) -> Spot:
        """Reserve a spot and return it."""
        for bucket in range(int(from_s // _BUCKET_S), int(to_s // _BUCKET_S) + 1):
            self._taken[bucket].append((from_s, to_s, spot.x, spot.y))
        return spot

    def room_m(self, x: float, y: float, from_s: float, to_s: float) -> float:
        """Metres to the nearest reserved spot in a span of time."""
        nearest = math.inf
        for bucket in range(int(from_s // _BUCKET_S), int(to_s // _BUCKET_S) + 1):
            for start, end, ox, oy in self._taken[bucket]:
                if start < to_s and from_s < end:
                    nearest = min(nearest, math.hypot(x - ox, y - oy))
        return nearest

    def play(self, room: str, from_s: float, to_s: float, *, apart_m: float = 0.75) -> Spot:
        """A place to play: one of the building's, or any free bit of the room's floor."""
        best, best_m = None, -1.0
        for _ in range(_TRIES):
            spot = self._random_spot(room)
            free_m = self.room_m(spot.x, spot.y, from_s, to_s)
            if free_m > best_m:
                best, best_m = spot, free_m
            if free_m >= apart_m:
                break
        assert best is not None
        return self.take(best, from_s, to_s)

    def beside(self, of: Spot, distance_m: float, from_s: float, to_s: float) -> Spot:
        """A free point beside a spot, looking at it."""
        room = self._floor.room_at(of.x, of.y)
        best, best_m = None, -1.0
        turn = self._chance.uniform(0, 2 * math.pi)
        for step in range(12):
            angle = turn + step * math.pi / 6
            for far_m in (distance_m, distance_m + 0.25):
                x, y = of.x + far_m * math.cos(angle), of.y + far_m * math.sin(angle)
                if not self._floor.is_free(x, y) or self._floor.room_at(x, y) != room:
                    continue
                free_m = min(0.6, self.room_m(x, y, from_s, to_s)) - 0.1 * (far_m > distance_m)
                if free_m > best_m:
                    best, best_m = Spot(x, y, 0.0, angle + math.pi, f"beside {of.name}"), free_m
        if best is None:
            x, y = self._floor.standing_point((of.x, of.y))
            best = Spot(x, y, 0.0, math.atan2(of.y - y, of.x - x), f"beside {of.name}")
        return self.take(best, from_s, to_s)

    def _random_spot(self, room: str) -> Spot:
        places = [place for kind in _FLOOR_PLACES for place in _places(self._floor, room, kind)]
        heading = self._chance.uniform(-math.pi, math.pi)
        if places and self._chance.random() < 0.55:
            place = self._chance.choice(places)
            dx, dy = self._chance.uniform(-0.3, 0.3), self._chance.uniform(-0.3, 0.3)
            if self._floor.is_free(place.at[0] + dx, place.at[1] + dy):
                return Spot(place.at[0] + dx, place.at[1] + dy, place.at[2], heading, place.id)
        x, y = self._chance.choice(_open_floor(self._floor, room))
        return Spot(x, y, 0.0, heading, room)


def spot_of(place: Place) -> Spot:
    """A place of the building as a spot."""
    return Spot(*place.at, place.heading_rad, place.id)


@lru_cache(maxsize=256)
def _places(floor: Floor, room: str, kind: PlaceKind) -> tuple[Place, ...]:
    return floor.building.places_of(kind, room)


@lru_cache(maxsize=64)
def _open_floor(floor: Floor, room: str) -> tuple[Point2, ...]:
    """The room's floor with elbow room and away from doors."""
    index = floor.room_index(room)
    doors = [portal.middle for portal in floor.portals if portal.joins(index)]
    cells = floor.free_cells(index, 0.32) or floor.free_cells(index, 0.2)
    away = [cell for cell in cells if all(math.dist(cell, door) > _DOOR_M for door in doors)]
    return tuple(away or cells)
