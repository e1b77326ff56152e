"""The ledger: runs, segments, gaps and coverage in the catalog, and how a change of each is written.

Belongs here: statements on those tables and the order of their writes within one transaction. Does not belong here:
deciding where a gap lies (``core/coverage.py``), objects, what is said on the log.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

from sqlalchemy import and_, delete, func, select, update
from sqlalchemy.engine import RowMapping

from services.backbone.catalog_schema import coverage, gap, run, segment
from services.backbone.ports import Catalog, Position, Transaction
from services.contracts.errors import KanhuError
from services.contracts.media_record import GapCause, RunFacts, RunStart
from services.contracts.time import Span
from services.retention.core.coverage import Change, GapRow, Known

#: Segments and gaps looked at before an instant: enough for any overlap that a clock step can make.
_LOOK_BACK = 16


@dataclass(frozen=True, slots=True, order=True)
class StreamKey:
    """One stream of one camera."""

    camera_id: str
    stream: str


class Outpaced(KanhuError):
    """Another recorder wrote what this one was about to write otherwise; what is held here must be replayed."""


@dataclass(frozen=True, slots=True)
class StoredRun:
    """What the ledger knows of a run. ``newest`` is its last segment's row."""

    facts: RunFacts
    ended: bool
    next_seq: int
    newest: RowMapping | None
    lost: tuple[tuple[int, int], ...]


def _of(table: Any, key: StreamKey) -> Any:
    return and_(table.c.camera_id == key.camera_id, table.c.stream == key.stream)


# --- Reading ---------------------------------------------------------------------------------------------------------


async def find_run(tx: Transaction, key: StreamKey, run_id: str) -> StoredRun | None:
    """A run's row and how far its segments go; ``None`` if it was never begun."""
    rows = await tx.rows(select(run).where(_of(run, key), run.c.run_id == run_id))
    if not rows:
        return None
    mine = and_(_of(segment, key), segment.c.run_id == run_id)
    spans = await tx.rows(select(segment.c.first_seq, segment.c.last_seq).where(mine).order_by(segment.c.first_seq))
    newest = await tx.rows(select(segment).where(mine).order_by(segment.c.last_seq.desc()).limit(1))
    facts = RunFacts(**{name: rows[0][name] for name in RunFacts.__slots__})
    next_seq = int(newest[0]["last_seq"]) + 1 if newest else 0
    return StoredRun(facts, rows[0]["end_ns"] is not None, next_seq, newest[0] if newest else None, _holes(spans))


def _holes(spans: Iterable[RowMapping]) -> tuple[tuple[int, int], ...]:
    holes: list[tuple[int, int]] = []
    expected = 0
    for span in spans:
        if span["first_seq"] > expected:
            holes.append((expected, span["first_seq"] - 1))
        expected = max(expected, span["last_seq"] + 1)
    return tuple(holes)


async def presumed_gap_open(tx: Transaction, key: StreamKey) -> bool:
    return bool(await tx.rows(select(gap.c.start_ns).where(_of(gap, key), gap.c.end_ns.is_(None), gap.c.presumed)))


async def newest_gap(tx: Transaction, key: StreamKey) -> GapRow | None:
    rows = await tx.rows(select(gap).where(_of(gap, key)).order_by(gap.c.start_ns.desc()).limit(1))
    return _gap_row(rows[0]) if rows else None


async def known_around(
    tx: Transaction, key: StreamKey, instant_ns: int, live: Iterable[Span] = (), position: Position | None = None
) -> Known:
    """What :mod:`core.coverage` must know to place a change at an instant. ``live``: footage held, not yet stored."""
    extent = await tx.rows(select(coverage.c.from_ns, coverage.c.until_ns).where(_of(coverage, key)))
    before = (
        select(segment.c.end_ns).where(_of(segment, key), segment.c.start_ns < instant_ns)
        .order_by(segment.c.start_ns.desc()).limit(_LOOK_BACK)
    )  # fmt: skip
    ends = [int(row["end_ns"]) for row in await tx.rows(before)]
    ends += [span.end_ns for span in live if span.start_ns < instant_ns]
    return Known(
        from_ns=extent[0]["from_ns"] if extent else None,
        until_ns=extent[0]["until_ns"] if extent else None,
        footage_end_ns=max(ends, default=None),
        replayed=position is not None and await _overtaken(tx, key, instant_ns, position),
        gaps=await _gaps_around(tx, key, instant_ns),
    )


async def _gaps_around(tx: Transaction, key: StreamKey, instant_ns: int) -> tuple[GapRow, ...]:
    lasting = await tx.rows(select(gap).where(_of(gap, key), gap.c.end_ns.is_(None)))
    ended = await tx.rows(
        select(gap).where(_of(gap, key), gap.c.end_ns.is_not(None), gap.c.start_ns <= instant_ns)
        .order_by(gap.c.start_ns.desc()).limit(_LOOK_BACK)
    )  # fmt: skip
    return tuple(_gap_row(row) for row in [*lasting, *ended])


async def _overtaken(tx: Transaction, key: StreamKey, instant_ns: int, position: Position) -> bool:
    """Whether a segment that begins after the instant stands later in the same log: the record is being replayed."""
    rows = await tx.rows(
        select(segment.c.log_position).where(_of(segment, key), segment.c.start_ns >= instant_ns)
        .order_by(segment.c.start_ns.desc()).limit(_LOOK_BACK)
    )  # fmt: skip
    later = (parse_position(row["log_position"]) for row in rows)
    return any(at[:2] == position[:2] and at.offset > position.offset for at in later)


def _gap_row(row: RowMapping) -> GapRow:
    cause: GapCause = row["cause"]
    return GapRow(row["start_ns"], row["end_ns"], cause, row["declared_by"], row["detail"], bool(row["presumed"]))


def format_position(position: Position) -> str:
    return f"{position.topic}/{position.partition}/{position.offset}"


def parse_position(text: str) -> Position:
    topic, partition, offset = text.rsplit("/", 2)
    return Position(topic, int(partition), int(offset))


async def live_streams(tx: Transaction, topic: str, partition: int) -> list[tuple[StreamKey, str]]:
    """Streams whose run has not ended and whose newest segment came from this partition, with that run."""
    rows = await tx.rows(
        select(coverage.c.camera_id, coverage.c.stream, coverage.c.run_id).where(coverage.c.run_id.is_not(None))
    )
    found: list[tuple[StreamKey, str]] = []
    for row in rows:
        key = StreamKey(row["camera_id"], row["stream"])
        newest = await tx.rows(
            select(segment.c.log_position).where(_of(segment, key), segment.c.run_id == row["run_id"])
            .order_by(segment.c.last_seq.desc()).limit(1)
        )  # fmt: skip
        if newest and parse_position(newest[0]["log_position"])[:2] == (topic, partition):
            found.append((key, row["run_id"]))
    return found


# --- Writing ---------------------------------------------------------------------------------------------------------


async def write_run(tx: Transaction, catalog: Catalog, start: RunStart) -> bool:
    """Add a run's row; earlier runs of the same agent on this stream are over. ``False`` if the row is there already."""
    facts = start.run
    row = {**{name: getattr(facts, name) for name in RunFacts.__slots__}, "start_ns": start.start_ns}
    if not await tx.run(catalog.upsert(run, row)):
        return False
    key = StreamKey(facts.camera_id, facts.stream)
    last_end = (
        select(func.max(segment.c.end_ns))
        .where(_of(segment, key), segment.c.run_id == run.c.run_id).scalar_subquery()
    )  # fmt: skip
    await tx.run(
        update(run)
        .where(_of(run, key), run.c.agent_id == facts.agent_id, run.c.end_ns.is_(None), run.c.run_id != facts.run_id)
        .values(end_ns=func.coalesce(last_end, run.c.start_ns), end_cause=start.since or "unknown")
    )
    return True


async def end_run(tx: Transaction, key: StreamKey, run_id: str, end_ns: int, cause: GapCause) -> bool:
    """Close a run's row; ``False`` if it was closed before."""
    touched = await tx.run(
        update(run).where(_of(run, key), run.c.run_id == run_id, run.c.end_ns.is_(None))
        .values(end_ns=end_ns, end_cause=cause)
    )  # fmt: skip
    await tx.run(
        update(coverage).where(_of(coverage, key), coverage.c.run_id == run_id).values(run_id=None, next_seq=None)
    )
    return touched > 0


async def write_segment(tx: Transaction, catalog: Catalog, row: dict[str, Any]) -> bool:
    """Add a ledger row; ``False`` if the same is there. :class:`Outpaced` if another row holds any of its chunks."""
    key = StreamKey(row["camera_id"], row["stream"])
    twins = await tx.rows(
        select(segment.c.first_seq, segment.c.sha256).where(
            _of(segment, key), segment.c.run_id == row["run_id"],
            segment.c.first_seq <= row["last_seq"], segment.c.last_seq >= row["first_seq"],
        )
    )  # fmt: skip
    if not twins:
        await tx.run(catalog.upsert(segment, row))
        return True
    if [(twin["first_seq"], twin["sha256"]) for twin in twins] == [(row["first_seq"], row["sha256"])]:
        return False
    raise Outpaced(f"chunks {row['first_seq']}..{row['last_seq']} of run {row['run_id']} are in the ledger otherwise")


async def write_change(
    tx: Transaction,
    catalog: Catalog,
    key: StreamKey,
    change: Change,
    now_ns: int,
    *,
    upto: tuple[str, int] | None = None,
) -> None:
    """Perform a change of gaps and extent; ``upto`` is the run and the next sequence number that its segment leads to."""
    for start_ns in change.removes:
        await tx.run(delete(gap).where(_of(gap, key), gap.c.start_ns == start_ns))
    for put in change.puts:
        row = {**asdict(key), **asdict(put), "recorded_ns": now_ns}
        await tx.run(catalog.upsert(gap, row, update=[name for name in row if name not in gap.primary_key.columns]))
    if change.from_ns is None or change.until_ns is None:
        return
    extent: dict[str, Any] = {**asdict(key), "from_ns": change.from_ns, "until_ns": change.until_ns}
    columns = ["from_ns", "until_ns"]
    if upto is not None:
        extent |= {"run_id": upto[0], "next_seq": upto[1]}
        columns += ["run_id", "next_seq"]
    await tx.run(catalog.upsert(coverage, extent, update=columns))
