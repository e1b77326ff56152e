"""The ``watched`` lines of ``kanhu check``: of what is on record of each camera, how much was watched, how, and why not the rest.

No invariant asks that everything is watched, so these are lines to know, not findings: "no incident" is told from "not watched".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence

from services.contracts.time import DAY_NS, NS_PER_S, Span
from services.retention.core.watching import WatchedRow, only_within
from services.retention.findings import Findings, Inspected, Row, note
from services.retention.watched import watched


async def check_watched(inspected: Inspected) -> Findings:
    """One line a camera, over the last 24 hours up to what is sealed."""
    catalog = inspected.backbone.need_catalog()
    since_ns = inspected.now_ns - DAY_NS
    for camera_id in sorted(inspected.cameras):
        recorded = _recorded(inspected.records.segments, camera_id, since_ns)
        if not recorded:
            continue
        rows = await watched(catalog, camera_id, recorded[0].start_ns, recorded[-1].end_ns)
        yield note("watched", f"camera {camera_id}", describe(only_within(rows, recorded)))


def _recorded(segments: Iterable[Row], camera_id: str, since_ns: int) -> list[Span]:
    """Spans on record since an instant, in order of time, none overlapping."""
    spans: list[Span] = []
    for row in segments:
        if row["camera_id"] == camera_id and row["stream"] == "record" and row["end_ns"] > since_ns:
            start_ns = max(row["start_ns"], since_ns, spans[-1].end_ns if spans else since_ns)
            if row["end_ns"] > start_ns:
                spans.append(Span(start_ns, row["end_ns"]))
    return spans


def describe(rows: Sequence[WatchedRow]) -> str:
    """``23.9 h on record in 24 h, watched 23.1 h (22 h at 5/s, …) by …; not watched 0.8 h (late 0.5 h, …)``."""
    rates: dict[str, int] = defaultdict(int)
    causes: dict[str, int] = defaultdict(int)
    for row in rows:
        length_ns = row.to_ns - row.from_ns
        if row.mode == "none":
            causes[row.cause or "unknown"] += length_ns
        else:
            rates[f"at {row.frames_per_s:.3g} frames/s" + ("" if row.view in _CLEAR else f" while {row.view}")] += (
                length_ns
            )
    whose = sorted({f"{row.model}, rules {row.rules_version}" for row in rows if row.mode != "none"})
    seen_ns, missed_ns = sum(rates.values()), sum(causes.values())
    text = f"{_length(seen_ns + missed_ns)} on record in the last 24 h; watched {_length(seen_ns)}{_detail(rates)}"
    text += f" by {'; '.join(whose[:3])}" if whose else ""
    return text + (f"; not watched {_length(missed_ns)}{_detail(causes)}" if missed_ns else "")


_CLEAR = ("clear", "unjudged")


def _detail(lengths: dict[str, int]) -> str:
    parts = [f"{_length(ns)} {what}" for what, ns in sorted(lengths.items(), key=lambda each: -each[1])]
    return f" ({', '.join(parts)})" if parts else ""


def _length(ns: int) -> str:
    seconds = ns / NS_PER_S
    return (
        f"{seconds / 3600:.1f} h"
        if seconds >= 5400
        else f"{seconds / 60:.1f} min"
        if seconds >= 90
        else f"{seconds:.1f} s"
    )
