"""Public holidays and the week-ends that are worked in exchange, from a calendar that is data (``calendars/china.yaml``).

Belongs here: reading the calendar, and saying when a year is not in it. Does not belong here: what a nursery does on such a day
(``calendar``). A year that is missing has only the holidays that the law fixes by date, and that is logged once.
"""

from __future__ import annotations

import logging
from datetime import date
from functools import lru_cache
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from services.contracts.errors import Rejected

CALENDAR = Path(__file__).parents[1] / "calendars" / "china.yaml"
# Not structlog: unconfigured, as in ``kanhu simulate``, it would write among the lines that the command prints.
logger = logging.getLogger(__name__)


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Holiday(_Part):
    """Days off from ``first`` to ``last``, both included."""

    name: str
    first: date
    last: date

    @model_validator(mode="after")
    def _forwards(self) -> Holiday:
        if not self.first <= self.last:
            raise ValueError(f"{self.name} ends before it begins")
        return self


class Year(_Part):
    """``published``: as the State Council's notice says; ``computed``: from the law and the lunar calendar."""

    source: Literal["published", "computed"]
    closed: tuple[Holiday, ...]
    working: tuple[date, ...] = ()


class Holidays(_Part):
    """A country's public holidays; ``every_year`` holds MM-DD."""

    every_year: tuple[str, ...]
    years: dict[int, Year]

    def is_closed(self, day: date) -> bool:
        """Whether a day is a public holiday."""
        year = self.years.get(day.year)
        if year is None:
            return f"{day:%m-%d}" in self.every_year
        return any(one.first <= day <= one.last for one in year.closed)

    def is_worked(self, day: date) -> bool:
        """Whether a day of a week-end is a working day in exchange for another."""
        year = self.years.get(day.year)
        return year is not None and day in year.working


@lru_cache(maxsize=4)
def holidays_of(path: Path = CALENDAR) -> Holidays:
    """Read a calendar. ``Rejected``: it is none, and why."""
    try:
        return Holidays.model_validate(yaml.safe_load(path.read_text("utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, ValidationError) as error:
        raise Rejected(f"{path.name} is no calendar of holidays: {str(error)[:300]}") from error


@lru_cache(maxsize=64)
def warn_of_missing(year: int) -> None:
    """Say once that a year is not in the calendar."""
    known = holidays_of().years
    if year not in known:
        logger.warning(
            "no calendar of public holidays for %d, only for %d to %d: week-ends and the holidays with a fixed date are closed, "
            "others count as days of service; add the year to %s or tell the day's mode",
            year, min(known), max(known), f"services/simulation/calendars/{CALENDAR.name}",
        )  # fmt: skip
