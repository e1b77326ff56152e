"""Instants and spans. An instant is an ``int`` of nanoseconds since 1970-01-01T00:00:00Z (POSIX, no leap seconds)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from services.contracts.errors import Rejected

NS_PER_S = 1_000_000_000
NS_PER_MS = 1_000_000
DAY_NS = 86_400 * NS_PER_S

_RFC3339 = re.compile(r"^(\d{4})-(\d{2})-(\d{2})[Tt ](\d{2}):(\d{2}):(\d{2})(?:\.(\d{1,9})\d*)?([Zz]|[+-]\d{2}:\d{2})$")


@dataclass(frozen=True, slots=True, order=True)
class Span:
    """A half-open interval ``[start_ns, end_ns)``."""

    start_ns: int
    end_ns: int

    def __post_init__(self) -> None:
        if self.end_ns < self.start_ns:
            raise Rejected(f"a span ends before it begins: {format_rfc3339(self.start_ns)} .. {self.end_ns}")

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns

    def overlaps(self, other: Span) -> bool:
        return self.start_ns < other.end_ns and other.start_ns < self.end_ns


def parse_rfc3339(text: str) -> int:
    """Read an RFC 3339 date-time *with offset* to nanoseconds UTC; ``Rejected`` tells what is missing."""
    match = _RFC3339.match(text.strip())
    if match is None:
        raise Rejected(f"{text!r} is not an RFC 3339 time with offset; write it like 2026-03-01T08:00:00+08:00")
    year, month, day, hour, minute, second, fraction, offset = match.groups()
    zone = "+00:00" if offset in "Zz" else offset
    try:
        whole = datetime.fromisoformat(f"{year}-{month}-{day}T{hour}:{minute}:{second}{zone}")
    except ValueError as error:
        raise Rejected(f"{text!r} is not a real date and time: {error}") from error
    delta = whole.astimezone(UTC) - datetime(1970, 1, 1, tzinfo=UTC)
    seconds = delta.days * 86_400 + delta.seconds
    return seconds * NS_PER_S + int((fraction or "0").ljust(9, "0"))


def format_rfc3339(instant_ns: int) -> str:
    """Write an instant as RFC 3339 in UTC with nanoseconds, so that ``parse_rfc3339`` returns the same integer."""
    seconds, nanos = divmod(instant_ns, NS_PER_S)
    whole = datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{whole}.{nanos:09d}Z" if nanos else f"{whole}Z"


def utc_day(instant_ns: int) -> str:
    """The UTC day of an instant as ``YYYY/MM/DD``, as used in object keys."""
    return datetime.fromtimestamp(instant_ns // NS_PER_S, UTC).strftime("%Y/%m/%d")
