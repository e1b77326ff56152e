"""The coverage bar: recorded footage is never hidden by a gap, live footage fills what is not sealed, windows cut."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from services.console.core.coverage_bar import BarSpan, GapRow, coverage_bar, seconds_of
from services.contracts.time import Span

S = 1_000_000_000


def bar(
    segments: list[tuple[int, int]], gaps: list[GapRow] | None = None, *, until: int | None = None, live: int = 0,
    window: tuple[int, int] = (0, 100), now: int = 100,
) -> list[BarSpan]:  # fmt: skip
    return coverage_bar(
        Span(window[0] * S, window[1] * S), [Span(start * S, end * S) for start, end in segments], gaps or [],
        until_ns=None if until is None else until * S, live_until_ns=live * S, now_ns=now * S,
    )  # fmt: skip


def gap(start: int, end: int | None, cause: str = "camera", *, presumed: bool = False) -> GapRow:
    return GapRow(start * S, None if end is None else end * S, cause, "", presumed)


def shape(spans: list[BarSpan]) -> list[tuple[str, float, float]]:
    return [(span.kind, span.start_ns / S, span.end_ns / S) for span in spans]


def test_touching_segments_are_one_span() -> None:
    assert shape(bar([(0, 10), (10, 20), (30, 40)])) == [("recorded", 0, 20), ("recorded", 30, 40)]


def test_a_gap_keeps_its_cause_and_lies_between() -> None:
    spans = bar([(0, 10), (20, 30)], [gap(10, 20, "network")])
    assert shape(spans) == [("recorded", 0, 10), ("gap", 10, 20), ("recorded", 20, 30)]
    assert spans[1].cause == "network"


def test_a_gap_that_lasts_reaches_to_now() -> None:
    assert shape(bar([(0, 10)], [gap(10, None)], now=42)) == [("recorded", 0, 10), ("gap", 10, 42)]


def test_footage_that_came_late_stands_over_a_presumed_gap() -> None:
    assert shape(bar([(12, 15)], [gap(10, 20, "unknown", presumed=True)])) == [
        ("gap", 10, 12), ("recorded", 12, 15), ("gap", 15, 20),
    ]  # fmt: skip


def test_live_footage_begins_where_the_ledger_ends() -> None:
    assert shape(bar([(0, 60)], until=60, live=72)) == [("recorded", 0, 60), ("live", 60, 72)]


def test_nothing_live_when_the_ledger_is_ahead() -> None:
    assert shape(bar([(0, 60)], until=60, live=55)) == [("recorded", 0, 60)]


def test_the_window_cuts_at_both_ends() -> None:
    assert shape(bar([(0, 50)], [gap(50, 90)], window=(40, 60))) == [("recorded", 40, 50), ("gap", 50, 60)]


spans_of = st.lists(
    st.tuples(st.integers(0, 99), st.integers(1, 20)).map(lambda pair: (pair[0], pair[0] + pair[1])), max_size=8
)


@given(segments=spans_of, gaps=spans_of, until=st.integers(0, 100), live=st.integers(0, 120))
def test_spans_never_overlap_and_every_recorded_second_is_shown(
    segments: list[tuple[int, int]], gaps: list[tuple[int, int]], until: int, live: int
) -> None:
    spans = bar(segments, [gap(*one) for one in gaps], until=until, live=live)
    recorded = [span for span in spans if span.kind == "recorded"]
    shown = {second for span in recorded for second in range(span.start_ns // S, span.end_ns // S)}
    assert shown == {second for start, end in segments for second in range(start, end) if second < 100}
    for other in (span for span in spans if span.kind != "recorded"):
        assert all(other.end_ns <= one.start_ns or other.start_ns >= one.end_ns for one in recorded)
    assert seconds_of(spans, "recorded") == len(shown)
