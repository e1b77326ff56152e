"""Which mode of service a day has, and when its parts begin (domain S-14).

Belongs here: weekends, the hours of full-day, half-day and hourly care. Does not belong here: which days are holidays
(``holidays``), what anybody does.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import date
from typing import Literal

from services.simulation.day.holidays import holidays_of, warn_of_missing

Mode = Literal["full-day", "half-day", "hourly", "closed"]
PhaseKind = Literal["arrival", "play", "snack", "class", "yard", "lunch", "nap", "pick-up", "cleaning"]

DAY_S = 86_400.0


def hours(text: str) -> float:
    """Seconds since midnight of a clock time such as ``07:30``."""
    hour, minute = text.split(":")
    return int(hour) * 3600.0 + int(minute) * 60.0


def clock(t_s: float) -> str:
    """The clock time of a second of the day: ``07:30:05``."""
    whole = int(t_s)
    return f"{whole // 3600:02d}:{whole // 60 % 60:02d}:{whole % 60:02d}"


@dataclass(frozen=True, slots=True)
class Phase:
    kind: PhaseKind
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Timetable:
    """The parts of a day in order. Staff come at ``opens_s`` and are gone by ``closes_s``; outside of it all is armed."""

    mode: Mode
    opens_s: float
    closes_s: float
    phases: tuple[Phase, ...]

    def phase(self, kind: PhaseKind) -> Phase | None:
        """The first phase of a kind."""
        return next((phase for phase in self.phases if phase.kind == kind), None)

    def at(self, t_s: float) -> Phase | None:
        return next((phase for phase in self.phases if phase.start_s <= t_s < phase.end_s), None)

    def is_armed(self, t_s: float) -> bool:
        """Whether nobody ought to be in the house (I-12)."""
        return not self.opens_s <= t_s < self.closes_s

    @property
    def care_s(self) -> tuple[float, float]:
        """From the first child's coming to the last one's going; empty on a closed day."""
        arrival, away = self.phase("arrival"), self.phase("pick-up")
        return (arrival.start_s, away.end_s) if arrival and away else (0.0, 0.0)


_FULL: tuple[tuple[PhaseKind, str], ...] = (
    ("arrival", "07:30"), ("play", "08:35"), ("snack", "09:00"), ("class", "09:25"), ("yard", "10:00"), ("play", "10:55"),
    ("lunch", "11:20"), ("nap", "12:10"), ("snack", "14:35"), ("play", "15:00"), ("pick-up", "16:05"), ("cleaning", "17:10"),
)  # fmt: skip
_HALF: tuple[tuple[PhaseKind, str], ...] = (
    ("arrival", "07:40"), ("play", "08:40"), ("snack", "09:05"), ("class", "09:30"), ("yard", "10:05"), ("play", "11:00"),
    ("pick-up", "11:30"), ("cleaning", "12:20"),
)  # fmt: skip
_HOURLY: tuple[tuple[PhaseKind, str], ...] = (
    ("arrival", "09:00"), ("play", "10:10"), ("snack", "10:40"), ("play", "11:00"), ("pick-up", "11:30"), ("cleaning", "12:30"),
)  # fmt: skip
_PLANS = {"full-day": (_FULL, "17:45"), "half-day": (_HALF, "12:55"), "hourly": (_HOURLY, "13:00")}


def usual_mode(day: date) -> Mode:
    """Closed at week-ends and on holidays, else full-day; so is a week-end's day that is worked in exchange for a holiday."""
    warn_of_missing(day.year)
    known = holidays_of()
    if known.is_closed(day) or (day.weekday() >= 5 and not known.is_worked(day)):
        return "closed"
    return "full-day"


def timetable_of(day: date, mode: Mode, seed: int) -> Timetable:
    """The day's phases; each begins up to three minutes off its usual time."""
    if mode == "closed":
        return Timetable(mode, 0.0, 0.0, ())
    plan, end = _PLANS[mode]
    chance = random.Random(f"hours/{day}/{mode}/{seed}")  # noqa: S311  a drawing, not a secret
    starts = [hours(at) + (round(chance.uniform(-150, 150)) if index else 0.0) for index, (_, at) in enumerate(plan)]
    ends = [*starts[1:], hours(end)]
    phases = tuple(Phase(kind, start, stop) for (kind, _), start, stop in zip(plan, starts, ends, strict=True))
    return Timetable(mode, starts[0] - 1500.0, hours(end) + 900.0, phases)
