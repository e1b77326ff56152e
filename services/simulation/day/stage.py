"""The day as the scenes may change it: agendas, and everything else that can be meddled with.

Belongs here: finding a time, a room and people for a scene, and the list of what was done. Does not belong here: the scenes.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from services.contracts.errors import Rejected
from services.simulation.building import Building
from services.simulation.day.agenda import Agenda
from services.simulation.day.calendar import DAY_S, PhaseKind, Timetable, clock
from services.simulation.day.doings import Plan
from services.simulation.day.floor import STREET, Floor
from services.simulation.day.roster import Roster
from services.simulation.day.script import Episode
from services.simulation.day.spots import Spots
from services.simulation.day.track import Spot
from services.simulation.world import FaultKind, Person, Point, Role

Span = tuple[float, float]
CARE: tuple[PhaseKind, ...] = ("play", "snack", "class")
_DRAWS = 60
_SETTLE_S = 75.0


@dataclass(frozen=True, slots=True)
class Happening:
    """A scene as it was put on: what for, whom it concerns, when, and the reason in words."""

    name: str
    kind: str
    look_alike: bool
    start_s: float
    end_s: float
    reason: str
    room: str | None = None
    target: str | None = None
    persons: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Fire:
    """A flame that grows to ``peak_m`` within ``grows_s`` and gives off ``watts`` then."""

    at: Point
    room: str
    span: Span
    peak_m: float
    grows_s: float
    watts: float


@dataclass(frozen=True, slots=True)
class Fault:
    camera: str
    kind: FaultKind
    span: Span
    comes_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Measurement:
    """The health worker's thermometer: whom, when, what it showed, whether it repeats a warm one."""

    child: int
    t_s: float
    celsius: float
    repeat: bool = False


@dataclass(frozen=True, slots=True)
class Disturbance:
    """Something that the climate suffers: in a room, or in a fridge or freezer by its id."""

    where: str
    kind: Literal["heating-off", "heating-stuck", "cooling-off", "compressor-off"]
    span: Span


@dataclass
class Effects:
    """All that scenes did beside people's agendas, and the ordinary day's own openings of windows."""

    held_open: dict[str, list[tuple[float, float, float]]] = field(default_factory=lambda: defaultdict(list))
    locked: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    blocked: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    fires: list[Fire] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    presses: list[tuple[float, str]] = field(default_factory=list)
    silent: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    stuck: dict[str, list[Span]] = field(default_factory=lambda: defaultdict(list))
    clock_offsets: list[tuple[str, Span, float]] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    measurements: list[Measurement] = field(default_factory=list)
    lamps: list[tuple[str, Span, float]] = field(default_factory=list)
    sky_factors: list[tuple[Span, float]] = field(default_factory=list)
    headlights: list[Span] = field(default_factory=list)
    curtains: list[tuple[str, Span, float]] = field(default_factory=list)
    curtain_waves: list[tuple[str, Span]] = field(default_factory=list)


class Stage:
    """Where scenes are put on, one after the other, without getting into each other's way."""

    def __init__(
        self,
        floor: Floor,
        roster: Roster,
        timetable: Timetable,
        plan: Plan,
        spots: Spots,
        day: date,
        key: str,
        seed: int,
    ) -> None:
        self.floor, self.roster, self.timetable, self.plan, self.spots = floor, roster, timetable, plan, spots
        self.building: Building = floor.building
        self.day, self.seed = day, seed
        self.chance = random.Random(f"stage/{key}")  # noqa: S311  a drawing, not a secret
        self.effects = Effects()
        self.happenings: list[Happening] = []
        self._busy: list[tuple[float, float, frozenset[str]]] = []
        self.guests = 0
        #: A day of service for which nobody is planned.
        self.deserted = bool(timetable.phases) and not plan.agendas

    # When and where

    def time_for(
        self, told: Episode, lasts_s: float, *, phases: Sequence[PhaseKind] = CARE, using: Iterable[str] = (),
        lead_s: float = _SETTLE_S, tail_s: float = 60.0,
    ) -> float:  # fmt: skip
        """A start within one of the phases, from the script or drawn; what it uses is busy from then on."""
        self.need_people(told)
        using = frozenset(using)
        open_phases = [phase for phase in self.timetable.phases if phase.kind in phases]
        if told.at_s is not None:
            if not any(phase.start_s <= told.at_s < phase.end_s for phase in open_phases):
                when = (
                    ", ".join(f"{clock(phase.start_s)}-{clock(phase.end_s)}" for phase in open_phases)
                    or "never on this day"
                )
                raise Rejected(f"{told.what} cannot happen at {clock(told.at_s)}: its times are {when}")
            self._take(told.at_s, told.at_s + lasts_s, using)
            return told.at_s
        for _ in range(_DRAWS):
            if not open_phases:
                break
            phase = self.chance.choice(open_phases)
            first, last = phase.start_s + lead_s, phase.end_s - lasts_s - tail_s
            if last > first:
                start_s = self.chance.uniform(first, last)
                if self.is_free(start_s - 30.0, start_s + lasts_s + 30.0, using):
                    self._take(start_s, start_s + lasts_s, using)
                    return start_s
        raise Rejected(
            f"there is no time left for {told.what} on this day; give it another day, seed or fewer companions"
        )

    def any_time(
        self, told: Episode, lasts_s: float, first_s: float, last_s: float, using: Iterable[str] = (), *,
        told_within: Sequence[Span] | None = None,
    ) -> float:  # fmt: skip
        """A start between two times, from the script or drawn. ``told_within``: a script may name any time of these spans.

        Drawn times keep to the first span of the kind, so that what a seed draws does not change with what scripts may ask for.
        """
        using = frozenset(using)
        if told.at_s is not None:
            spans = [(first_s, last_s)] if told_within is None else [one for one in told_within if one[0] <= one[1]]
            if not any(first <= told.at_s <= last for first, last in spans):
                when = ", ".join(f"{clock(first)}-{clock(last)}" for first, last in spans) or "never, it lasts too long"
                raise Rejected(f"{told.what} cannot happen at {clock(told.at_s)}: its times are {when}")
            self._take(told.at_s, told.at_s + lasts_s, using)
            return told.at_s
        for _ in range(_DRAWS):
            if last_s - lasts_s <= first_s:
                break
            start_s = self.chance.uniform(first_s, last_s - lasts_s)
            if self.is_free(start_s - 10.0, start_s + lasts_s + 10.0, using):
                self._take(start_s, start_s + lasts_s, using)
                return start_s
        raise Rejected(
            f"there is no time left for {told.what} on this day; give it another day, seed or fewer companions"
        )

    def is_free(self, from_s: float, to_s: float, using: frozenset[str]) -> bool:
        """Whether nothing that is wanted is in use by another scene."""
        return not any(start < to_s and from_s < end and using & taken for start, end, taken in self._busy)

    def _take(self, from_s: float, to_s: float, using: frozenset[str]) -> None:
        self._busy.append((from_s, to_s, using))

    def activity_room(self, told: Episode) -> str:
        """The class's room that a scene is for."""
        rooms = list(self.roster.class_of)
        if told.room is None:
            return self.chance.choice(rooms)
        if told.room not in rooms:
            raise Rejected(f"{told.what} needs an activity room: one of {', '.join(rooms)}, not {told.room!r}")
        return told.room

    def room_of_kind(self, kind: str) -> str:
        """The first room of a kind; ``Rejected`` where the building has none."""
        for room in self.building.rooms:
            if room.kind == kind:
                return room.id
        raise Rejected(f"building {self.building.id!r} has no {kind}")

    def target(self, told: Episode, known: Sequence[str], what: str, drawn_from: Sequence[str] = ()) -> str:
        """The camera, sensor or door that the script names, or one of those that may be drawn (``drawn_from``, else all)."""
        if not known:
            raise Rejected(f"building {self.building.id!r} has no {what} for {told.what}")
        if told.target is None:
            return self.chance.choice(list(drawn_from or known))
        if told.target not in known:
            raise Rejected(f"{told.what} needs a {what}: one of {', '.join(known)}, not {told.target!r}")
        return told.target

    # Who

    def agenda(self, number: int) -> Agenda:
        return self.plan.agendas[number]

    def meant_room(self, number: int, t_s: float) -> str | None:
        """Where somebody means to be; ``None`` outside of the house."""
        agenda = self.plan.agendas[number]
        stay = agenda.at(t_s)
        if stay is None or stay.leaves:
            return None
        index = self.floor.room_at(stay.spot.x, stay.spot.y)
        return None if index == STREET else self.floor.rooms[index]

    def meant_in(self, room: str, role: Role, from_s: float, to_s: float) -> list[int]:
        """Everybody of a role who means to be in a room at some moment of a span."""
        found = []
        for number, agenda in sorted(self.plan.agendas.items()):
            if agenda.person.role != role:
                continue
            times = [from_s, *(stay.start_s for stay in agenda.stays if from_s < stay.start_s < to_s)]
            if any(self.meant_room(number, t_s) == room for t_s in times):
                found.append(number)
        return found

    def child_in(self, told: Episode, room: str, from_s: float, to_s: float, *, walking: bool = True) -> int:
        """A child who is in a room throughout."""
        fit = [
            number for number in self.meant_in(room, "child", from_s, to_s)
            if number < 60 and (not walking or self.roster.child(number).walks)
            and all(self.meant_room(number, t_s) == room for t_s in (from_s, (from_s + to_s) / 2, to_s))
        ]  # fmt: skip
        if told.person is not None:
            if told.person not in fit:
                raise Rejected(f"{told.what}: person {told.person} is no child in {room} then; there are {fit}")
            return told.person
        if not fit:
            raise Rejected(f"{told.what}: no child who walks is in {room} at {clock(from_s)}")
        return self.chance.choice(fit)

    def adult_in(self, told: Episode, room: str, from_s: float, to_s: float) -> int:
        """Somebody of the staff who is in a room throughout."""
        fit = [
            number for number in self.meant_in(room, "adult", from_s, to_s)
            if number < 10 and all(self.meant_room(number, t_s) == room for t_s in (from_s, (from_s + to_s) / 2, to_s))
        ]  # fmt: skip
        if told.person is not None and told.person in fit:
            return told.person
        if not fit or told.person is not None:
            raise Rejected(f"{told.what}: no such adult is in {room} at {clock(from_s)}; there are {fit}")
        return self.chance.choice(fit)

    def spot_at(self, number: int, t_s: float) -> Spot:
        """Where somebody means to be at a time."""
        stay = self.plan.agendas[number].at(t_s)
        assert stay is not None, "asked of people who are about"
        return stay.spot

    def guest(self, person: Person, speed_m_s: float) -> Agenda:
        """Somebody who is not on the roster."""
        agenda = Agenda(person, speed_m_s)
        self.plan.agendas[person.number] = agenda
        return agenda

    def cut(self, told: Episode, usual_s: tuple[float, float]) -> float:
        """How long it lasts: as told, or drawn between two times."""
        return told.lasts_s if told.lasts_s is not None else self.chance.uniform(*usual_s)

    def need_people(self, told: Episode) -> None:
        """``Rejected`` on a day on which nobody comes (I-30)."""
        if self.deserted:
            raise Rejected(f"{told.what} needs people, and on this day nobody comes (I-30)")

    def nights_s(self, lasts_s: float) -> tuple[Span, ...]:
        """When something of so long may begin in the armed hours: before opening, or after closing and over by midnight."""
        until_s = DAY_S - lasts_s
        if not self.timetable.phases:
            return ((60.0, until_s),)
        return ((60.0, self.timetable.opens_s - 900.0), (self.timetable.closes_s + 300.0, until_s))

    def night_s(self) -> tuple[float, float]:
        """The stretch of the armed hours that is drawn from: after midnight to before opening."""
        return (600.0, (self.timetable.opens_s if self.timetable.phases else DAY_S) - 900.0)
