"""What was watched becomes few rows, however often and in whatever order it is said, and no instant counts twice."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.contracts.time import NS_PER_S, Span
from services.retention.check_watched import describe
from services.retention.core.watching import HOUR_NS, WatchedRow, enter, only_within
from services.retention.watched import fill

HOUR = 500_000 * HOUR_NS
FULL = WatchedRow(0, 1, "frames", None, 5.0, 5.0, "m@1", "r1", "unjudged")
LATE = WatchedRow(0, 1, "none", "late", 5.0, 0.0, "m@1", "r1", "unjudged")


def span(row: WatchedRow, from_s: float, to_s: float, analysed: int = 0, **skipped: int) -> WatchedRow:
    return replace(
        row, from_ns=HOUR + round(from_s * NS_PER_S), to_ns=HOUR + round(to_s * NS_PER_S), analysed_frames=analysed,
        skipped_frames=skipped,
    )  # fmt: skip


def kept(*said: list[WatchedRow]) -> list[WatchedRow]:
    rows: dict[int, WatchedRow] = {}
    for spans in said:
        rows |= {row.from_ns: row for row in enter(sorted(rows.values(), key=lambda r: r.from_ns), spans)}
    return sorted(rows.values(), key=lambda row: row.from_ns)


def test_an_hour_in_one_manner_is_one_row() -> None:
    said = [[span(FULL, at, at + 10, 50)] for at in range(0, 3600, 10)]
    assert kept(*said) == [span(FULL, 0, 3600, 18_000)]


def test_rows_end_at_full_hours() -> None:
    rows = kept([span(FULL, 3590, 3610, 100)])
    assert rows == [span(FULL, 3590, 3600, 50), span(FULL, 3600, 3610, 50)]


def test_another_manner_is_another_row() -> None:
    slower = replace(FULL, frames_per_s=1.0, cause="shed")
    newer = replace(FULL, model="m@2")
    rows = kept([span(FULL, 0, 10), span(slower, 10, 20), span(LATE, 20, 22, late=50), span(newer, 22, 30)])
    assert [(row.frames_per_s, row.cause, row.model) for row in rows] == [
        (5.0, None, "m@1"), (1.0, "shed", "m@1"), (0.0, "late", "m@1"), (5.0, None, "m@2"),
    ]  # fmt: skip


def test_an_interruption_is_seen() -> None:
    rows = kept([span(FULL, 0, 10)], [span(FULL, 10.1, 20)])
    assert [(row.from_ns, row.to_ns) for row in rows] == [
        (HOUR, HOUR + 10 * NS_PER_S),
        (HOUR + 10_100_000_000, HOUR + 20 * NS_PER_S),
    ]


def test_what_is_said_again_changes_nothing() -> None:
    said = [span(FULL, 0, 10, 50), span(LATE, 10, 12, late=30)]
    assert enter(kept(said), said) == []


def test_seconds_watched_again_after_a_restart_count_once() -> None:
    rows = kept([span(FULL, 0, 10, 50)], [span(FULL, 6, 16, 50)])
    assert rows == [span(FULL, 0, 16, 80)]


span_of = st.tuples(st.integers(0, 4 * 3600), st.integers(1, 4000), st.sampled_from([FULL, LATE]))


@given(st.lists(st.lists(span_of, max_size=4), max_size=8), st.integers(0, 7))
def test_no_instant_is_in_two_rows_and_all_that_was_said_is_in_one(
    said: list[list[tuple[int, int, WatchedRow]]], again: int
) -> None:
    spans = [[span(row, at, at + length) for at, length, row in sorted(one, key=lambda s: s[:2])] for one in said]
    rows = kept(*spans, *spans[again:])
    for before, after in pairwise(rows):
        assert before.to_ns <= after.from_ns
    union = 0
    reached = 0
    for from_ns, to_ns in sorted((s.from_ns, s.to_ns) for one in spans for s in one):
        union += max(0, to_ns - max(from_ns, reached))
        reached = max(reached, to_ns)
    assert sum(row.to_ns - row.from_ns for row in rows) == union


def test_holes_are_told_as_unaccounted() -> None:
    rows = fill([span(FULL, 10, 20, 50)], HOUR, HOUR + 30 * NS_PER_S)
    assert [(row.mode, row.cause) for row in rows] == [
        ("none", "unaccounted"),
        ("frames", None),
        ("none", "unaccounted"),
    ]


def test_only_what_is_on_record_is_asked_for() -> None:
    recorded = [Span(HOUR, HOUR + 4 * NS_PER_S), Span(HOUR + 6 * NS_PER_S, HOUR + 30 * NS_PER_S)]
    rows = fill([span(FULL, 0, 10, 50), span(LATE, 10, 12)], HOUR, HOUR + 20 * NS_PER_S)
    parts = only_within(rows, recorded)
    assert [(p.to_ns - p.from_ns) / NS_PER_S for p in parts] == [4.0, 4.0, 2.0, 8.0]
    assert describe(parts) == (
        "18.0 s on record in the last 24 h; watched 8.0 s (8.0 s at 5 frames/s) by m@1, rules r1; "
        "not watched 10.0 s (8.0 s unaccounted, 2.0 s late)"
    )
