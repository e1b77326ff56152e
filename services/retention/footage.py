"""Finding footage again: what is on record of a camera, segments and gaps in order of time.

Belongs here: reading ledger and gaps. Does not belong here: writing files (``export.py``), judging (``check.py``).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import or_, select

from services.backbone.catalog_schema import coverage, gap, segment
from services.backbone.ports import Catalog, Transaction
from services.contracts.media_record import RunFacts
from services.contracts.time import format_rfc3339

Row = dict[str, Any]


async def list_footage(
    catalog: Catalog, *, camera_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None,
    stream: str = "record",
) -> list[Row]:  # fmt: skip
    """Segments and gaps that overlap ``[from_ns, to_ns)``, per camera in order of time; see :func:`as_row`."""
    async with catalog.snapshot() as tx:
        segments = await segments_between(tx, camera_id, from_ns, to_ns, stream)
        gaps = await _gaps_between(tx, camera_id, from_ns, to_ns, stream)
    rows = [as_row("segment", row) for row in segments] + [as_row("gap", row) for row in gaps]
    return sorted(rows, key=lambda row: (row["camera_id"], row["start_ns"], row["kind"] == "segment"))


def as_row(kind: str, row: Mapping[Any, Any]) -> Row:
    """A catalog row as a JSON object: its columns, ``kind``, ``start`` and ``end`` as RFC 3339 (``end`` null: it lasts)."""
    end_ns = row["end_ns"]
    shown = {
        "kind": kind, "camera_id": row["camera_id"], "stream": row["stream"], "start": format_rfc3339(row["start_ns"]),
        "end": None if end_ns is None else format_rfc3339(end_ns),
    }  # fmt: skip
    return {**shown, **row}


async def segments_between(
    tx: Transaction, camera_id: str | None, from_ns: int | None, to_ns: int | None, stream: str
) -> list[Mapping[Any, Any]]:
    """Ledger rows that overlap the range, in order of time."""
    chosen = [segment.c.stream == stream]
    if camera_id is not None:
        chosen.append(segment.c.camera_id == camera_id)
    if from_ns is not None:
        chosen.append(segment.c.end_ns > from_ns)
    if to_ns is not None:
        chosen.append(segment.c.start_ns < to_ns)
    order = (segment.c.camera_id, segment.c.start_ns, segment.c.run_id, segment.c.first_seq)
    return [dict(row) for row in await tx.rows(select(segment).where(*chosen).order_by(*order))]


async def _gaps_between(
    tx: Transaction, camera_id: str | None, from_ns: int | None, to_ns: int | None, stream: str
) -> list[Mapping[Any, Any]]:
    chosen = [gap.c.stream == stream]
    if camera_id is not None:
        chosen.append(gap.c.camera_id == camera_id)
    if from_ns is not None:
        chosen.append(or_(gap.c.end_ns > from_ns, gap.c.end_ns.is_(None)))
    if to_ns is not None:
        chosen.append(gap.c.start_ns < to_ns)
    rows = await tx.rows(select(gap).where(*chosen).order_by(gap.c.camera_id, gap.c.start_ns))
    return [dict(row) for row in rows]


async def newest_of_run(tx: Transaction, run: RunFacts) -> Mapping[Any, Any] | None:
    """The ledger row of a run's last stored segment; ``None`` while there is none."""
    mine = (segment.c.camera_id == run.camera_id) & (segment.c.stream == run.stream) & (segment.c.run_id == run.run_id)
    rows = await tx.rows(select(segment).where(mine).order_by(segment.c.first_seq.desc()).limit(1))
    return dict(rows[0]) if rows else None


async def sealed_until(catalog: Catalog, camera_id: str, *, stream: str = "record") -> int:
    """Where a camera's newest stored segment ends, ns UTC; 0 when it has none."""
    mine = (segment.c.camera_id == camera_id) & (segment.c.stream == stream)
    async with catalog.snapshot() as tx:
        # The newest by start: segments follow one another, and the index gives it at once.
        rows = await tx.rows(select(segment.c.end_ns).where(mine).order_by(segment.c.start_ns.desc()).limit(1))
    return int(rows[0]["end_ns"]) if rows else 0


async def being_written_since(catalog: Catalog, camera_id: str, *, stream: str = "record") -> int | None:
    """From which instant on a live camera's footage is not sealed yet, ns UTC; ``None`` when all of it is, or none is known."""
    mine = (coverage.c.camera_id == camera_id) & (coverage.c.stream == stream) & coverage.c.run_id.is_not(None)
    async with catalog.snapshot() as tx:
        rows = await tx.rows(select(coverage.c.until_ns).where(mine))
    return int(rows[0]["until_ns"]) if rows else None
