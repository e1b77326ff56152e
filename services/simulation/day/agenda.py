"""What each person means to do, and the motion that follows from it.

Belongs here: agendas of stays, editing them, turning them into tracks. Does not belong here: which stays make a day
(``plan``) or an incident (``episodes``).
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from operator import attrgetter

from services.simulation.day.floor import Floor, Point2, Portal
from services.simulation.day.track import Spot, Track, TrackWriter, walk_seconds
from services.simulation.world import Activity, Person

#: A step from the free floor to a seat is no walk; farther than this one walks.
_STEP_M = 0.3


@dataclass(frozen=True, slots=True)
class Stay:
    """From ``start_s`` on: go to ``spot`` and do ``activity`` there until the next stay begins.

    ``carried_by`` ignores the spot: one goes wherever the carrier goes. ``enters`` begins in the street before ``exit_``,
    ``leaves`` ends there (``direct``: wherever one is). ``direct`` goes straight to the spot, without looking for a way;
    ``here`` stays wherever one is.
    """

    start_s: float
    spot: Spot
    activity: Activity = "stand"
    gait: Activity = "walk"
    speed_m_s: float | None = None
    carried_by: int | None = None
    enters: bool = False
    leaves: bool = False
    direct: bool = False
    here: bool = False
    exit_: Portal | None = field(default=None, compare=False)
    note: str = ""


class Agenda:
    """One person's stays in order of time, and how fast the person walks."""

    def __init__(self, person: Person, speed_m_s: float, stays: Iterable[Stay] = ()) -> None:
        self.person = person
        self.speed_m_s = speed_m_s
        self.stays = sorted(stays, key=attrgetter("start_s"))

    def add(self, *stays: Stay) -> None:
        """Add stays; one at the same instant as another replaces it."""
        for stay in stays:
            self.stays = [kept for kept in self.stays if abs(kept.start_s - stay.start_s) > 1e-6]
            self.stays.insert(bisect_right(self.stays, stay.start_s, key=attrgetter("start_s")), stay)

    def at(self, t_s: float) -> Stay | None:
        """The stay that is meant at ``t_s``."""
        index = bisect_right(self.stays, t_s, key=attrgetter("start_s")) - 1
        return self.stays[index] if index >= 0 else None

    def interrupt(self, from_s: float, to_s: float, stays: Iterable[Stay]) -> None:
        """Do ``stays`` instead of what was meant in the span, then go on with what is meant at its end."""
        after = self.at(to_s)
        self.stays = [stay for stay in self.stays if not from_s <= stay.start_s <= to_s]
        self.add(*stays)
        if after is not None:
            self.add(replace(after, start_s=to_s, enters=False))

    def is_about(self, t_s: float) -> bool:
        """Whether the person means to be in the institution at ``t_s``."""
        meant = self.at(t_s)
        return meant is not None and not meant.leaves

    def present_span(self) -> tuple[float, float] | None:
        """From coming to leaving, or ``None`` for nobody."""
        if not self.stays:
            return None
        leaves = [stay.start_s for stay in self.stays if stay.leaves]
        return self.stays[0].start_s, leaves[-1] if leaves else math.inf


def tracks_of(agendas: Mapping[int, Agenda], floor: Floor) -> dict[int, Track]:
    """The motion of everybody, by number. Whoever is carried is written after the carrier."""
    done: dict[int, Track] = {}
    under_way: set[int] = set()

    def track(number: int) -> Track:
        if number not in done:
            if number in under_way:
                raise ValueError(f"person {number} carries somebody who carries them")
            under_way.add(number)
            done[number] = _written(agendas[number], floor, track)
        return done[number]

    for number in sorted(agendas):
        track(number)
    return done


def travel_s(floor: Floor, start: Point2, goal: Point2, speed_m_s: float) -> float:
    """How long somebody takes from one point to another."""
    return walk_seconds([start, *floor.path(start, goal)], speed_m_s)


def _written(agenda: Agenda, floor: Floor, track: Callable[[int], Track]) -> Track:
    writer = TrackWriter()
    for index, stay in enumerate(agenda.stays):
        until_s = agenda.stays[index + 1].start_s if index + 1 < len(agenda.stays) else math.inf
        if not writer.present:
            if stay.leaves:
                continue
            _come(writer, stay, floor)
        writer.hold(stay.start_s)
        if stay.carried_by is not None:
            writer.ride(track(stay.carried_by), stay.carried_by, until_s if until_s < math.inf else stay.start_s + 60.0)
        else:
            _go(writer, stay, agenda, floor, until_s)
        if stay.leaves and writer.now_s < until_s:
            writer.vanish()
    return writer.finished()


def _come(writer: TrackWriter, stay: Stay, floor: Floor) -> None:
    if not stay.enters:
        writer.appear(stay.start_s, stay.spot)
        return
    x, y = floor.street(stay.exit_ or floor.main_exit)
    inner = (stay.exit_ or floor.main_exit).middle
    writer.appear(stay.start_s, Spot(x, y, 0.0, math.atan2(inner[1] - y, inner[0] - x)))


def _go(writer: TrackWriter, stay: Stay, agenda: Agenda, floor: Floor, until_s: float) -> None:
    if stay.here:
        writer.do(stay.activity)
        return
    here, goal = (writer.x, writer.y), (stay.spot.x, stay.spot.y)
    if stay.leaves and stay.direct:
        return
    if stay.leaves:
        goal = floor.street(stay.exit_ or floor.main_exit)
    speed_m_s = stay.speed_m_s or agenda.speed_m_s
    far_m = math.dist(here, goal)
    if far_m > _STEP_M:
        path = [goal] if stay.direct else floor.path(here, goal, stay.exit_)
        if not writer.walk(path, speed_m_s, stay.gait, until_s):
            return
    if not stay.leaves:
        if writer.z < 1e-6 and stay.spot.z < 1e-6 and far_m <= _STEP_M:
            writer.do(stay.activity)
            writer.settle(stay.spot, until_s)
            return
        if not writer.settle(stay.spot, until_s):
            return
        writer.do(stay.activity)
