"""A stretch of a camera's day as a row of spans: recorded, gap with its cause, live (not sealed yet), nothing.

Pure arithmetic on half-open spans in ns.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

from services.contracts.time import Span

Kind = Literal["recorded", "gap", "live", "pending"]
#: Segments that touch closer than this are shown as one; the arithmetic of I5 is `kanhu check`'s, not the picture's.
_TOUCHING_NS = 2_000_000


@dataclass(frozen=True, slots=True)
class BarSpan:
    """``presumed`` marks a gap that is only concluded from silence."""

    start_ns: int
    end_ns: int
    kind: Kind
    cause: str | None = None
    detail: str = ""
    presumed: bool = False


@dataclass(frozen=True, slots=True)
class GapRow:
    start_ns: int
    end_ns: int | None
    cause: str
    detail: str
    presumed: bool


def coverage_bar(
    window: Span,
    segments: Iterable[Span],
    gaps: Iterable[GapRow],
    *,
    until_ns: int | None,
    live_until_ns: int,
    now_ns: int,
) -> list[BarSpan]:
    """Spans within ``window`` in order of time, none overlapping a recorded one.

    ``until_ns`` is how far the ledger accounts for the stream; from there to ``live_until_ns`` (the end of the newest
    chunk seen) footage exists that no segment holds yet.
    """
    recorded = _joined([BarSpan(one.start_ns, one.end_ns, "recorded") for one in segments])
    rows = [
        BarSpan(gap.start_ns, now_ns if gap.end_ns is None else gap.end_ns, "gap", gap.cause, gap.detail, gap.presumed)
        for gap in gaps
    ]
    spans = recorded + [piece for gap in rows for piece in _without(gap, recorded)]
    if until_ns is not None and live_until_ns > until_ns:
        tail = BarSpan(until_ns, live_until_ns, "live")
        spans += [piece for piece in _without(tail, recorded)]
    clipped = (_clip(span, window) for span in spans)
    return sorted((span for span in clipped if span is not None), key=lambda span: span.start_ns)


def seconds_of(spans: Iterable[BarSpan], kind: Kind) -> float:
    """How many seconds of the spans are of a kind."""
    return sum(span.end_ns - span.start_ns for span in spans if span.kind == kind) / 1e9


def _joined(spans: list[BarSpan]) -> list[BarSpan]:
    joined: list[BarSpan] = []
    for span in sorted(spans, key=lambda one: one.start_ns):
        if joined and span.start_ns - joined[-1].end_ns <= _TOUCHING_NS:
            joined[-1] = replace(joined[-1], end_ns=max(joined[-1].end_ns, span.end_ns))
        else:
            joined.append(span)
    return joined


def _without(span: BarSpan, covered: list[BarSpan]) -> list[BarSpan]:
    """The parts of a span that lie outside what is covered."""
    pieces, start_ns = [], span.start_ns
    for other in covered:
        if other.end_ns <= start_ns or other.start_ns >= span.end_ns:
            continue
        if other.start_ns > start_ns:
            pieces.append(replace(span, start_ns=start_ns, end_ns=other.start_ns))
        start_ns = max(start_ns, other.end_ns)
    if start_ns < span.end_ns:
        pieces.append(replace(span, start_ns=start_ns))
    return pieces


def _clip(span: BarSpan, window: Span) -> BarSpan | None:
    start_ns, end_ns = max(span.start_ns, window.start_ns), min(span.end_ns, window.end_ns)
    return replace(span, start_ns=start_ns, end_ns=end_ns) if start_ns < end_ns else None
