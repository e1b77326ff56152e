"""Which seconds of a camera were watched, at what rate, by which model and rules: writing it down and looking it up.

Belongs here: the statements on ``watched``. Does not belong here: the arithmetic (``core/watching.py``), reading the log.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Any

from sqlalchemy import select

from services.backbone.catalog_schema import watched as table
from services.backbone.ports import Catalog, Transaction
from services.contracts.status import WatchStatus
from services.contracts.time import DAY_NS
from services.retention.core.watching import TOUCHING_NS, WatchedRow, enter

#: No analysis said anything about this time.
UNACCOUNTED = "unaccounted"
_COLUMNS = [column.name for column in fields(WatchedRow)]
_CHANGING = ["to_ns", "analysed_frames", "gated_frames", "skipped_frames"]


async def apply_watch(tx: Transaction, catalog: Catalog, told: WatchStatus) -> None:
    """Write down what was watched. Delivered again it changes nothing; seconds watched twice count once."""
    said = [row for span in told.spans if (row := _row_of(told, span.model_dump())) is not None]
    if not said:
        return
    known = await _around(tx, told.camera_id, min(row.from_ns for row in said), max(row.to_ns for row in said))
    for row in enter(known, said):
        await tx.run(catalog.upsert(table, {"camera_id": told.camera_id, **asdict(row)}, update=_CHANGING))


def _row_of(told: WatchStatus, span: Mapping[str, Any]) -> WatchedRow | None:
    if span["to_ns"] <= span["from_ns"]:
        return None
    own = {name: value for name, value in span.items() if name in _COLUMNS}
    own["to_ns"] = min(own["to_ns"], own["from_ns"] + DAY_NS)  # no analysis is silent for a day and then tells of it
    return WatchedRow(asked_frames_per_s=told.asked_frames_per_s, rules_version=told.rules_version, **own)


async def watched(catalog: Catalog, camera_id: str, from_ns: int, to_ns: int) -> list[WatchedRow]:
    """All of ``[from_ns, to_ns)`` in order of time: how it was watched, or ``mode`` ``none`` and why not.

    Where no analysis said anything there is a row with cause ``unaccounted``. Counts at the edges are in proportion.
    """
    async with catalog.snapshot() as tx:
        rows = await _around(tx, camera_id, from_ns, to_ns)
    return fill(rows, from_ns, to_ns)


def fill(rows: list[WatchedRow], from_ns: int, to_ns: int) -> list[WatchedRow]:
    """Rows in order of time cut to a range, and the holes between them as ``unaccounted``."""
    filled: list[WatchedRow] = []
    at_ns = from_ns
    for row in rows:
        start_ns, end_ns = max(row.from_ns, at_ns), min(row.to_ns, to_ns)
        if start_ns >= end_ns:
            continue
        if start_ns - at_ns > TOUCHING_NS:
            filled.append(_nothing(at_ns, start_ns))
        filled.append(row.part(start_ns, end_ns))
        at_ns = end_ns
    return [*filled, _nothing(at_ns, to_ns)] if to_ns - at_ns > TOUCHING_NS else filled


def _nothing(from_ns: int, to_ns: int) -> WatchedRow:
    return WatchedRow(from_ns, to_ns, "none", UNACCOUNTED, 0.0, 0.0, "none", "", "unjudged")


async def _around(tx: Transaction, camera_id: str, from_ns: int, to_ns: int) -> list[WatchedRow]:
    """Rows that overlap or touch a range. Rows never overlap, so at most one that begins before it reaches into it."""
    mine = table.c.camera_id == camera_id
    columns = [table.c[name] for name in _COLUMNS]
    before = select(*columns).where(mine, table.c.from_ns <= from_ns).order_by(table.c.from_ns.desc()).limit(1)
    within = select(*columns).where(mine, table.c.from_ns > from_ns, table.c.from_ns < to_ns).order_by(table.c.from_ns)
    rows = [*await tx.rows(before), *await tx.rows(within)]
    return [WatchedRow(**row) for row in rows if row["to_ns"] >= from_ns - TOUCHING_NS]
