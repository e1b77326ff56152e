"""Joining what was said to be watched with what is on record of it: no instant twice, few rows.

A span that continues the row before it in the same manner lengthens that row; what is on record already is left out, so a
span may be delivered any number of times, and seconds that were watched again after a restart count once (the first account
stands). Rows end at full hours, so that a camera watched in one manner costs 24 rows a day and its counts stay worth reading.

Pure arithmetic. Does not belong here: statements (``watched.py``).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from services.contracts.time import NS_PER_S, Span

HOUR_NS = 3600 * NS_PER_S
#: Rounding of timestamps and a frame between two runs are no interruption of the watch.
TOUCHING_NS = 2_000_000


@dataclass(frozen=True, slots=True)
class WatchedRow:
    """A row of ``watched``, less its camera."""

    from_ns: int
    to_ns: int
    mode: str
    cause: str | None
    asked_frames_per_s: float
    frames_per_s: float
    model: str
    rules_version: str
    view: str
    analysed_frames: int = 0
    gated_frames: int = 0
    skipped_frames: dict[str, int] = field(default_factory=dict)

    @property
    def manner(self) -> tuple[object, ...]:
        """What must be equal for two rows to be one."""
        return (
            self.mode, self.cause, self.asked_frames_per_s, self.frames_per_s, self.model, self.rules_version, self.view
        )  # fmt: skip

    def part(self, from_ns: int, to_ns: int) -> WatchedRow:
        """The row cut to a part of its time; its counts in proportion."""
        share = (to_ns - from_ns) / (self.to_ns - self.from_ns)
        if share == 1:
            return self
        return replace(
            self, from_ns=from_ns, to_ns=to_ns, analysed_frames=round(self.analysed_frames * share),
            gated_frames=round(self.gated_frames * share),
            skipped_frames={cause: round(count * share) for cause, count in self.skipped_frames.items()},
        )  # fmt: skip

    def joined(self, later: WatchedRow) -> WatchedRow:
        causes = {**self.skipped_frames}
        for cause, count in later.skipped_frames.items():
            causes[cause] = causes.get(cause, 0) + count
        return replace(
            self, to_ns=later.to_ns, analysed_frames=self.analysed_frames + later.analysed_frames,
            gated_frames=self.gated_frames + later.gated_frames, skipped_frames=causes,
        )  # fmt: skip


def enter(known: Sequence[WatchedRow], said: Iterable[WatchedRow]) -> list[WatchedRow]:
    """Rows to write for spans that were said, given the rows on record around them (in order of time).

    A row with the ``from_ns`` of a known one takes its place; the others are new.
    """
    rows = {row.from_ns: row for row in known}
    written: dict[int, WatchedRow] = {}
    for span in said:
        for piece in _by_hour(_outside(span, sorted(rows.values(), key=lambda row: row.from_ns))):
            row = _continued(rows.values(), piece)
            rows[row.from_ns] = written[row.from_ns] = row
    return [written[from_ns] for from_ns in sorted(written)]


def only_within(rows: Iterable[WatchedRow], spans: Sequence[Span]) -> list[WatchedRow]:
    """The parts of rows that lie within spans; both in order of time, neither overlapping."""
    parts: list[WatchedRow] = []
    at = 0
    for row in rows:
        while at < len(spans) and spans[at].end_ns <= row.from_ns:
            at += 1
        for span in spans[at:]:
            if span.start_ns >= row.to_ns:
                break
            parts.append(row.part(max(row.from_ns, span.start_ns), min(row.to_ns, span.end_ns)))
    return parts


def _outside(span: WatchedRow, rows: Iterable[WatchedRow]) -> list[WatchedRow]:
    """The parts of a span that no row covers."""
    parts, at_ns = [], span.from_ns
    for row in rows:
        if row.to_ns <= at_ns or row.from_ns >= span.to_ns:
            continue
        if row.from_ns > at_ns:
            parts.append(span.part(at_ns, row.from_ns))
        at_ns = max(at_ns, row.to_ns)
    return [*parts, span.part(at_ns, span.to_ns)] if at_ns < span.to_ns else parts


def _by_hour(spans: Iterable[WatchedRow]) -> list[WatchedRow]:
    pieces = []
    for span in spans:
        at_ns = span.from_ns
        while at_ns < span.to_ns:
            until_ns = min(span.to_ns, (at_ns // HOUR_NS + 1) * HOUR_NS)
            pieces.append(span.part(at_ns, until_ns))
            at_ns = until_ns
    return pieces


def _continued(rows: Iterable[WatchedRow], piece: WatchedRow) -> WatchedRow:
    """The row that a piece lengthens, lengthened; else the piece."""
    for row in rows:
        near = 0 <= piece.from_ns - row.to_ns <= TOUCHING_NS
        if near and row.manner == piece.manner and row.from_ns // HOUR_NS == piece.from_ns // HOUR_NS:
            return row.joined(piece)
    return piece
