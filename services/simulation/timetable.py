"""When people come into a drawn room, where they walk and when they leave; and what its door and thermometer say.

Pure arithmetic on seconds since the room was opened: no drawing, no clock. A visit is a walk from the door along
way-points on the floor and back; the door stands open whenever somebody passes it, and now and then it is forgotten.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

#: A visit is planned in every cycle, so that any instant is found by looking at two cycles only.
CYCLE_S = 75.0
_WALK_PER_S = 0.17
_DOOR_LEAD_S = 0.8
_DOOR_TRAIL_S = 1.6
#: In every fourth cycle the last one out leaves the door open this long.
_FORGOTTEN_S = 28.0
_FORGOTTEN_EVERY = 4

Place = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Floor:
    """Where one can walk, as fractions of the picture: the threshold, the armed part, places inside and outside it."""

    door: Place
    armed: tuple[Place, ...]
    armed_places: tuple[Place, ...]
    other_places: tuple[Place, ...]

    def is_armed(self, foot: Place) -> bool:
        """Whether a foot point lies in the armed part (even-odd rule)."""
        x, y = foot
        within = False
        for (x0, y0), (x1, y1) in zip(self.armed, self.armed[1:] + self.armed[:1], strict=True):
            if (y0 > y) != (y1 > y) and x < x0 + (y - y0) * (x1 - x0) / (y1 - y0):
                within = not within
        return within


@dataclass(frozen=True, slots=True)
class Step:
    """Somebody at an instant: the foot point, which way they face, and where in the stride they are."""

    person: str
    foot: Place
    heading: float
    stride: float
    walking: bool


@dataclass(frozen=True, slots=True)
class Visit:
    """One person's stay: way-points with the instants (s) at which each is reached; equal places are a pause."""

    person: str
    times_s: tuple[float, ...]
    places: tuple[Place, ...]

    @property
    def start_s(self) -> float:
        return self.times_s[0]

    @property
    def end_s(self) -> float:
        return self.times_s[-1]

    def at(self, t_s: float) -> Step | None:
        """Where the person is at ``t_s``, or ``None`` outside the visit."""
        if not self.start_s <= t_s < self.end_s:
            return None
        index = bisect_right(self.times_s, t_s) - 1
        start_s, end_s = self.times_s[index], self.times_s[index + 1]
        (x0, y0), (x1, y1) = self.places[index], self.places[index + 1]
        share = (t_s - start_s) / (end_s - start_s)
        foot = (x0 + (x1 - x0) * share, y0 + (y1 - y0) * share)
        walking = (x0, y0) != (x1, y1)
        return Step(self.person, foot, x1 - x0, t_s * 1.7 if walking else 0.0, walking)


@dataclass(frozen=True, slots=True)
class Reading:
    """What a sensor of the room says at an instant; ``value`` is 1.0 or 0.0 for a door (open or shut), or degrees celsius."""

    kind: str
    t_s: float
    value: float


class Timetable:
    """The plan of one room. The same floor and seed give the same plan for ever."""

    def __init__(self, floor: Floor, seed: int) -> None:
        self._floor = floor
        self._seed = seed
        self._visits_of = lru_cache(maxsize=8)(self._plan)

    def visits(self, from_s: float, to_s: float) -> Iterator[Visit]:
        """Every visit that overlaps ``[from_s, to_s)``, in order of start."""
        first = max(0, int(from_s // CYCLE_S) - 1)
        for cycle in range(first, max(first, math.ceil(to_s / CYCLE_S)) + 1):
            for visit in self._visits_of(cycle):
                if visit.start_s < to_s and from_s < visit.end_s:
                    yield visit

    def people(self, t_s: float) -> list[Step]:
        """Who is in the room at ``t_s``, the farthest first."""
        steps = [step for visit in self.visits(t_s, t_s + 1e-9) if (step := visit.at(t_s)) is not None]
        return sorted(steps, key=lambda step: step.foot[1])

    def door_open(self, t_s: float) -> bool:
        """Whether the door stands open at ``t_s``."""
        return any(start_s <= t_s < end_s for start_s, end_s in self.door_openings(t_s, t_s + 1e-9))

    def door_openings(self, from_s: float, to_s: float) -> list[tuple[float, float]]:
        """The spans (s) in which the door stands open, joined where they touch, that overlap ``[from_s, to_s)``."""
        spans = []
        for visit in self.visits(from_s - CYCLE_S, to_s + _DOOR_LEAD_S):
            forgotten = int(visit.start_s // CYCLE_S) % _FORGOTTEN_EVERY == _FORGOTTEN_EVERY - 1
            spans.append((visit.start_s - _DOOR_LEAD_S, visit.start_s + _DOOR_TRAIL_S))
            spans.append((visit.end_s - _DOOR_LEAD_S, visit.end_s + (_FORGOTTEN_S if forgotten else _DOOR_TRAIL_S)))
        return [span for span in _joined(spans) if span[0] < to_s and from_s < span[1]]

    def celsius(self, t_s: float) -> float:
        """The room's temperature: a slow swing about 23 °C that never leaves the comfortable band."""
        phase = self._seed % 17
        return round(23.1 + 0.8 * math.sin(t_s / 95.0 + phase) + 0.15 * math.sin(t_s / 13.0 + phase), 1)

    def readings(self, from_s: float, to_s: float, *, every_s: float = 10.0) -> list[Reading]:
        """What the door and the thermometer say in ``[from_s, to_s)``: every change, and the state every ``every_s``."""
        said = []
        for start_s, end_s in self.door_openings(from_s, to_s):
            said += [Reading("door", max(start_s, 0.0), 1.0), Reading("door", end_s, 0.0)]
        beat = math.ceil(from_s / every_s)
        while (at_s := beat * every_s) < to_s:
            said += [
                Reading("door", at_s, float(self.door_open(at_s))),
                Reading("temperature", at_s, self.celsius(at_s)),
            ]
            beat += 1
        return sorted((one for one in said if from_s <= one.t_s < to_s), key=lambda one: one.t_s)

    def presence(self, from_s: float, to_s: float, *, sample_s: float = 0.1) -> list[tuple[float, float]]:
        """The spans in which somebody's foot point is in the armed part of the floor, exact to ``sample_s``."""
        spans: list[tuple[float, float]] = []
        for index in range(math.ceil(from_s / sample_s), math.ceil(to_s / sample_s)):
            t_s = index * sample_s
            if any(self._floor.is_armed(step.foot) for step in self.people(t_s)):
                spans.append((t_s, t_s + sample_s))
        return _joined(spans)

    def _plan(self, cycle: int) -> tuple[Visit, ...]:
        # The first visitor leaves a box the time to start, so that what is seen first is seen as it happens.
        chance = random.Random(f"{self._seed}/{cycle}")  # noqa: S311  a drawing, not a secret
        start_s = cycle * CYCLE_S + (chance.uniform(15.0, 21.0) if cycle == 0 else chance.uniform(4.0, 18.0))
        first = self._walk(chance, f"p{2 * cycle}", start_s)
        if cycle == 0 or chance.random() < 0.6:
            return (first,)
        return first, self._walk(chance, f"p{2 * cycle + 1}", start_s + chance.uniform(5.0, 9.0))

    def _walk(self, chance: random.Random, person: str, start_s: float) -> Visit:
        first, second = chance.sample(self._floor.armed_places, k=2)
        stops = (first, second, chance.choice(self._floor.other_places))
        times_s, places, here = [start_s], [self._floor.door], self._floor.door
        for stop in [*stops, self._floor.door]:
            times_s.append(times_s[-1] + _walk_s(here, stop))
            places.append(stop)
            if stop is not self._floor.door:
                times_s.append(times_s[-1] + chance.uniform(1.5, 4.0))
                places.append(stop)
            here = stop
        return Visit(person, tuple(times_s), tuple(places))


def _walk_s(start: Place, end: Place) -> float:
    # A step towards the camera covers less of the picture's height than a step across covers of its width.
    return max(0.6, math.hypot(end[0] - start[0], 1.6 * (end[1] - start[1])) / _WALK_PER_S)


def _joined(spans: list[tuple[float, float]]) -> list[tuple[float, float]]:
    joined: list[tuple[float, float]] = []
    for start_s, end_s in sorted(spans):
        if joined and start_s <= joined[-1][1] + 1e-6:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_s))
        else:
            joined.append((start_s, end_s))
    return joined
