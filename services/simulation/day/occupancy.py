"""Who is in which room and zone in every second of a day, counted from the tracks.

Belongs here: counting. Does not belong here: what a count means (``derivation``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from services.simulation.building import FloorZone, inside
from services.simulation.day.calendar import DAY_S
from services.simulation.day.floor import STREET, Floor
from services.simulation.day.track import Track
from services.simulation.world import Person, Role

Bools = NDArray[np.bool_]
Counts = NDArray[np.int32]
Span = tuple[float, float]


class Occupancy:
    """Counts at every whole second. ``rooms_of`` gives each person's room index by second, ``ABSENT`` where away."""

    ABSENT = -2

    def __init__(self, floor: Floor, tracks: Mapping[int, Track], persons: Mapping[int, Person]) -> None:
        self.floor, self._tracks, self.persons = floor, tracks, persons
        self.times_s = np.arange(0.0, DAY_S)
        self.rooms_of: dict[int, NDArray[np.int16]] = {}
        for number, track in tracks.items():
            first = int(min((start for start, _ in track.present), default=0.0))
            last = int(max((end for _, end in track.present), default=0.0)) + 1
            rooms = np.full(self.times_s.shape, self.ABSENT, np.int16)
            part = self.times_s[first:last]
            x, y = track.positions(part)
            rooms[first:last] = np.where(track.presence(part), floor.rooms_at(x, y), self.ABSENT)
            self.rooms_of[number] = rooms
        self._count = lru_cache(maxsize=64)(self._counted)

    def count(self, role: Role, room: str) -> Counts:
        """How many of a role are in a room, by second."""
        return self._count(role, room)

    def inside(self, role: Role | None = None) -> Bools:
        """Whether anybody (of a role) is in the house or yard, by second."""
        found = np.zeros(self.times_s.shape, bool)
        for number, rooms in self.rooms_of.items():
            if role in (None, self.persons[number].role):
                found |= rooms > STREET
        return found

    def in_zone(self, number: int, zone: FloorZone) -> Bools:
        """Whether somebody's foot point is in a zone, by second."""
        rooms = self.rooms_of[number]
        found = np.zeros(self.times_s.shape, bool)
        where = np.flatnonzero(rooms == self.floor.room_index(zone.room))
        if len(where):
            x, y = self._tracks[number].positions(self.times_s[where])
            found[where] = [inside(zone.polygon, px, py) for px, py in zip(x.tolist(), y.tolist(), strict=True)]
        return found

    def number_in(self, room: str, accept: Callable[[int], bool]) -> Counts:
        """How many of those who are accepted by number are in a room, by second."""
        index = self.floor.room_index(room)
        total = np.zeros(self.times_s.shape, np.int32)
        for number, rooms in self.rooms_of.items():
            if accept(number):
                total += rooms == index
        return total

    def _counted(self, role: Role, room: str) -> Counts:
        return self.number_in(room, lambda number: self.persons[number].role == role)


def spans_of(mask: Bools, at_least_s: float = 1.0, bridge_s: float = 0.0) -> list[Span]:
    """Spans (s) in which a mask by second holds: ``[first true second, first false second)``; short breaks are bridged."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], mask, [False])).astype(np.int8)))
    spans: list[Span] = []
    for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if spans and start - spans[-1][1] <= bridge_s:
            spans[-1] = (spans[-1][0], float(end))
        else:
            spans.append((float(start), float(end)))
    return [(start, end) for start, end in spans if end - start >= at_least_s]
