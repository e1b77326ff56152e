"""Gap arithmetic: the exact bounds and the cause of every span that no sample covers (I5).

The law of this file: a gap runs from the end of the last sample before it to the start of the first sample after it, and one
interruption is one row. What an agent *declares* gives the cause; what is *stored* gives the bounds.

- An open gap (no end) is closed by the next footage; if that footage leaves nothing uncovered (it arrived late, or the
  clock stepped back, R-40) the row is withdrawn. No gap ever has a negative length.
- A presumed gap is silence and nothing more: real footage withdraws it, a real cause replaces it.
- A declared gap is a fact and is never shrunk by footage that a stepped-back clock lays over it; only the agent's own
  estimate of where it ended is corrected by the first sample after it.
- ``since`` names the cause of whatever lies uncovered before a run or a gap; without it the cause is unknown, unless a
  declared gap ends exactly there: then that one is still the same interruption and is lengthened.

Does not belong here: where rows are kept. Callers show what is :class:`Known` around an instant and perform the :class:`Change`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from services.contracts.media_record import Gap, GapCause

RETENTION = "retention"


@dataclass(frozen=True, slots=True)
class GapRow:
    """A row of the gap table. ``end_ns`` ``None``: it lasts. ``declared_by``: ``agent/ID`` or ``retention``."""

    start_ns: int
    end_ns: int | None
    cause: GapCause
    declared_by: str
    detail: str = ""
    presumed: bool = False


@dataclass(frozen=True, slots=True)
class Known:
    """What is recorded around an instant.

    ``footage_end_ns``: the greatest end of any footage, stored or in an open segment, that begins before the instant.
    ``replayed``: footage that stands later in the log and begins after it is stored already. ``gaps``: the open gap,
    and the last ones that begin at or before the instant.
    """

    from_ns: int | None = None
    until_ns: int | None = None
    footage_end_ns: int | None = None
    replayed: bool = False
    gaps: tuple[GapRow, ...] = ()

    @property
    def open_gap(self) -> GapRow | None:
        return next((gap for gap in self.gaps if gap.end_ns is None), None)


@dataclass(frozen=True, slots=True)
class Change:
    """Rows to write (by their start), starts of rows to withdraw, and the new extent; ``None`` leaves it as it is."""

    puts: tuple[GapRow, ...] = ()
    removes: tuple[int, ...] = ()
    from_ns: int | None = None
    until_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Declared:
    """Who says why: the cause of what is uncovered, its author and words."""

    cause: GapCause | None
    by: str = RETENTION
    detail: str = ""


def footage_begins(known: Known, start_ns: int, since: Declared) -> Change:
    """Footage begins at ``start_ns``: end what was open, and account for what lies uncovered before it."""
    puts: list[GapRow] = []
    removes: list[int] = []
    ended: list[GapRow] = []
    for gap in known.gaps:
        if gap.end_ns is None:
            if start_ns > gap.start_ns:
                ended.append(_closed(gap, start_ns, since))
                puts.append(ended[-1])
            else:
                removes.append(gap.start_ns)
        elif _overestimated(known, gap, start_ns):
            ended.append(replace(gap, end_ns=start_ns))
            puts.append(ended[-1])
        else:
            ended.append(gap)
    reference = _covered_until(known.footage_end_ns, ended, start_ns)
    if reference is not None and reference < start_ns:
        puts.append(_fill(ended, reference, start_ns, since))
    return _change(known, puts, removes, start_ns if reference is None else None)


def footage_lost(known: Known, start_ns: int, end_ns: int, detail: str) -> Change:
    """Samples between two instants are known to be missing (they never arrived, or were refused)."""
    if end_ns <= start_ns or any(gap.start_ns <= start_ns and end_ns <= (gap.end_ns or end_ns) for gap in known.gaps
                                 if not gap.presumed):  # fmt: skip
        return Change()
    removes = [gap.start_ns for gap in known.gaps if gap.presumed and gap.end_ns is None and gap.start_ns != start_ns]
    return _change(known, [GapRow(start_ns, end_ns, "unknown", RETENTION, detail)], removes, start_ns)


def run_ends(known: Known, end_ns: int, why: Declared) -> Change:
    """Nothing follows ``end_ns`` for a stated cause: a gap is open from there."""
    row = GapRow(end_ns, None, why.cause or "unknown", why.by, why.detail)
    lasting = known.open_gap
    if lasting is None:
        return _change(known, [row], [], end_ns)
    if not lasting.presumed:
        return Change()
    return _change(known, [row], [lasting.start_ns] if lasting.start_ns != end_ns else [], end_ns)


def gap_declared(known: Known, gap: Gap) -> Change:
    """An agent declares a span without samples outside any run; inside a declared gap it is the same interruption."""
    start_ns = max(gap.start_ns, known.footage_end_ns or gap.start_ns)
    if known.replayed or (gap.end_ns is not None and gap.end_ns <= start_ns):
        return Change()
    by = f"agent/{gap.agent_id}"
    row = GapRow(start_ns, gap.end_ns, gap.cause, by, gap.detail)
    containing = next((old for old in known.gaps if old.end_ns is None or old.start_ns <= start_ns < old.end_ns), None)
    if containing is not None and not containing.presumed:
        return Change()
    removes: list[int] = []
    if containing is not None:
        removes.append(containing.start_ns)
        reference: int | None = min(containing.start_ns, start_ns)
    else:
        reference = _covered_until(known.footage_end_ns, known.gaps, start_ns)
    if reference is None or reference >= start_ns:
        return _change(known, [row], [at for at in removes if at != start_ns], start_ns)
    if gap.since is None or gap.since == gap.cause:
        rows = [replace(row, start_ns=reference)]
    else:
        rows = [GapRow(reference, start_ns, gap.since, by, "before: " + gap.detail if gap.detail else ""), row]
    return _change(known, rows, [at for at in removes if at != reference], None)


def silence_presumed(known: Known, since_ns: int, detail: str) -> Change:
    """Nothing has arrived for long and nobody said why: show a presumed gap from the last sample on."""
    if known.open_gap is not None:
        return Change()
    if any(gap.end_ns is not None and gap.end_ns > since_ns for gap in known.gaps):
        return Change()
    return _change(known, [GapRow(since_ns, None, "unknown", RETENTION, detail, presumed=True)], [], since_ns)


def footage_stored(known: Known, start_ns: int, end_ns: int) -> Change:
    """A segment is in the ledger: move the extent."""
    first = start_ns if known.from_ns is None else min(known.from_ns, start_ns)
    last = end_ns if known.until_ns is None else max(known.until_ns, end_ns)
    return Change(from_ns=first, until_ns=last)


def _closed(gap: GapRow, end_ns: int, since: Declared) -> GapRow:
    if not gap.presumed:
        return replace(gap, end_ns=end_ns)
    if since.cause is None:
        return replace(gap, end_ns=end_ns, presumed=False)
    return GapRow(gap.start_ns, end_ns, since.cause, since.by, since.detail)


def _overestimated(known: Known, gap: GapRow, start_ns: int) -> bool:
    """An agent's own estimate of a gap's end lies after the sample that really ended it, and nothing came between."""
    if gap.end_ns is None or not gap.start_ns < start_ns < gap.end_ns or not gap.declared_by.startswith("agent/"):
        return False
    return known.footage_end_ns is None or known.footage_end_ns <= gap.start_ns


def _covered_until(footage_end_ns: int | None, gaps: list[GapRow] | tuple[GapRow, ...], limit_ns: int) -> int | None:
    ends = [gap.end_ns for gap in gaps if gap.end_ns is not None and gap.start_ns < limit_ns]
    if footage_end_ns is not None:
        ends.append(footage_end_ns)
    return min(max(ends), limit_ns) if ends else None


def _fill(ended: list[GapRow], start_ns: int, end_ns: int, since: Declared) -> GapRow:
    before = next((gap for gap in ended if gap.end_ns == start_ns and gap.declared_by != RETENTION), None)
    if before is not None and since.cause in (None, before.cause):
        return replace(before, end_ns=end_ns)
    return GapRow(start_ns, end_ns, since.cause or "unknown", since.by, since.detail)


def _change(known: Known, puts: list[GapRow], removes: list[int], first_ns: int | None) -> Change:
    """The extent grows over rows that adjoin it; a row beyond footage still in an open segment waits for its seal."""
    starts = [row.start_ns for row in puts] + ([first_ns] if first_ns is not None else [])
    from_ns = min([*starts, *([known.from_ns] if known.from_ns is not None else [])], default=None)
    until_ns = known.until_ns if known.until_ns is not None else from_ns
    for row in sorted(puts, key=lambda row: row.start_ns):
        if until_ns is not None and row.start_ns <= until_ns:
            until_ns = max(until_ns, row.end_ns if row.end_ns is not None else row.start_ns)
    last_per_start = {row.start_ns: row for row in puts}
    kept = tuple(last_per_start.values())
    return Change(kept, tuple(at for at in removes if at not in last_per_start), from_ns, until_ns)
