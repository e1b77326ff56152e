"""When something is armed: always, never, or during weekly hours in a stated zone of time."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import Field, field_validator

from services.contracts.cloud_event import Payload
from services.contracts.time import NS_PER_S

Clock = Annotated[str, Field(pattern=r"^([01]\d|2[0-3]):[0-5]\d$")]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
_WEEKDAYS: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


class WeeklyHours(Payload):
    """From ``start`` to ``end`` on each of ``days``; an ``end`` not after ``start`` lies on the next day."""

    days: list[Weekday] = Field(default_factory=lambda: list(_WEEKDAYS), min_length=1)
    start: Clock
    end: Clock


class ArmedSchedule(Payload):
    """Armed ``always``, ``never`` or during ``hours``."""

    mode: Literal["always", "never", "hours"] = "always"
    hours: list[WeeklyHours] = Field(default_factory=list)
    time_zone: str = "Asia/Shanghai"

    @field_validator("time_zone")
    @classmethod
    def _known_zone(cls, value: str) -> str:
        try:
            ZoneInfo(value)
        except (ZoneInfoNotFoundError, ValueError) as error:
            raise ValueError(f"{value!r} is not a time zone; write it like Asia/Shanghai") from error
        return value

    def armed_at(self, instant_ns: int) -> bool:
        """Whether it is armed at an instant (ns UTC)."""
        if self.mode != "hours":
            return self.mode == "always"
        local = datetime.fromtimestamp(instant_ns // NS_PER_S, ZoneInfo(self.time_zone))
        return any(_within(local, window) for window in self.hours)


def _within(local: datetime, window: WeeklyHours) -> bool:
    now = local.strftime("%H:%M")
    today = _WEEKDAYS[local.weekday()] in window.days
    if window.start < window.end:
        return today and window.start <= now < window.end
    yesterday = _WEEKDAYS[(local - timedelta(days=1)).weekday()] in window.days
    return (today and now >= window.start) or (yesterday and now < window.end)
