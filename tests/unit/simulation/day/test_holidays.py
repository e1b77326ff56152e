"""Holidays are those of the State Council's notices or of the law and the lunar calendar; a year without a calendar is told."""

from __future__ import annotations

import logging
from datetime import date, timedelta
from pathlib import Path

import pytest

from services.contracts.errors import Rejected
from services.simulation.day.calendar import usual_mode
from services.simulation.day.holidays import holidays_of, warn_of_missing


@pytest.mark.parametrize(("day", "mode"), [
    ("2026-11-22", "closed"), ("2026-11-23", "full-day"),
    # The notice for 2026: days off, and week-ends that are worked for them.
    ("2026-01-02", "closed"), ("2026-02-16", "closed"), ("2026-02-24", "full-day"), ("2026-02-14", "full-day"),
    ("2026-02-28", "full-day"), ("2026-09-20", "full-day"), ("2026-10-10", "full-day"), ("2026-10-11", "closed"),
    # Lunar dates, as almanacs have them: new year 2027-02-06 and 2028-01-26, Dragon Boat 2027-06-09, Mid-Autumn 2027-09-15.
    ("2027-02-05", "closed"), ("2027-02-08", "closed"), ("2027-02-11", "full-day"), ("2027-04-05", "closed"),
    ("2027-06-09", "closed"), ("2027-09-15", "closed"), ("2027-05-01", "closed"), ("2027-10-05", "closed"),
    ("2028-01-25", "closed"), ("2028-01-28", "closed"), ("2028-01-31", "full-day"), ("2028-04-04", "closed"),
    ("2028-05-29", "closed"), ("2028-10-03", "closed"),
])  # fmt: skip
def test_a_day_is_of_service_or_not_as_the_calendar_says(day: str, mode: str) -> None:
    assert usual_mode(date.fromisoformat(day)) == mode


def test_a_year_has_as_many_days_off_as_the_law_gives_and_none_is_of_another_year() -> None:
    """Thirteen by law since 2025: so many weekdays are free beyond the week-ends that are worked for them."""
    calendar = holidays_of()
    for number, year in calendar.years.items():
        days = {one.first + timedelta(days=k) for one in year.closed for k in range((one.last - one.first).days + 1)}
        assert {day.year for day in days | set(year.working)} == {number}
        assert all(day.weekday() >= 5 and day not in days for day in year.working)
        weekdays = sum(day.weekday() < 5 for day in days) - len(year.working)
        # In 2028 Mid-Autumn is one of the three days of October.
        assert weekdays == (12 if number == 2028 else 13), number
        assert year.source == "published" or not year.working


def test_a_year_without_a_calendar_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    warn_of_missing.cache_clear()
    with caplog.at_level(logging.WARNING):
        assert usual_mode(date(2031, 10, 2)) == "closed"
        assert usual_mode(date(2031, 1, 23)) == "full-day"
        assert usual_mode(date(2027, 1, 4)) == "full-day"
    (told,) = [record.getMessage() for record in caplog.records]
    assert "for 2031" in told
    assert "china.yaml" in told


def test_a_bad_calendar_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "moon.yaml"
    path.write_text(
        "every_year: []\nyears: {2030: {source: published, closed: [{name: x, first: 2030-02-03, last: 2030-02-01}]}}\n"
    )
    with pytest.raises(Rejected, match=r"(?s)moon\.yaml is no calendar.*ends before"):
        holidays_of(path)
