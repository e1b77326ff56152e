"""Instants survive writing and reading to the nanosecond; what has no offset is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.contracts.errors import Rejected
from services.contracts.time import DAY_NS, Span, format_rfc3339, parse_rfc3339, utc_day

LAST_NS = 253_402_300_799 * 10**9  # 9999-12-31T23:59:59Z


@given(st.integers(min_value=0, max_value=LAST_NS))
def test_every_instant_reads_back_as_written(instant_ns: int) -> None:
    assert parse_rfc3339(format_rfc3339(instant_ns)) == instant_ns


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2026-03-01T08:00:00+08:00", 1_772_323_200 * 10**9),
        ("2026-03-01T08:00:00.5+08:00", 1_772_323_200 * 10**9 + 500_000_000),
        ("2026-03-01T08:00:00.123456789123+08:00", 1_772_323_200 * 10**9 + 123_456_789),
        ("2026-02-28 19:00:00-05:00", 1_772_323_200 * 10**9),
        ("1969-12-31T23:59:59.9Z", -100_000_000),
    ],
)
def test_known_instants(text: str, expected_ns: int) -> None:
    assert parse_rfc3339(text) == expected_ns


@pytest.mark.parametrize(
    "text",
    ["", "now", "2026-03-01", "2026-03-01T08:00:00", "2026-02-30T08:00:00Z", "2026-03-01T25:00:00Z", "1772323200"],
)
def test_a_time_without_offset_or_that_never_was_is_refused(text: str) -> None:
    with pytest.raises(Rejected, match=r"RFC 3339|real date"):
        parse_rfc3339(text)


def test_a_span_that_ends_before_it_begins_is_refused() -> None:
    with pytest.raises(Rejected, match="ends before"):
        Span(2, 1)


def test_spans_that_only_touch_do_not_overlap() -> None:
    assert not Span(0, 10).overlaps(Span(10, 20))
    assert Span(0, 11).overlaps(Span(10, 20))


def test_days_change_at_utc_midnight() -> None:
    assert utc_day(DAY_NS - 1) == "1970/01/01"
    assert utc_day(DAY_NS) == "1970/01/02"
