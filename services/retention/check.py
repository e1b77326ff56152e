"""``kanhu check``: the invariants I1-I9 against what is stored, on a running or a stopped installation.

Belongs here: gathering what the clauses look at, and running them in order. Does not belong here: the clauses.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import select

from services.backbone.catalog_schema import audit_entry, coverage, gap, run, segment
from services.backbone.ports import Backbone, Catalog
from services.contracts.settings import Settings
from services.retention.check_log import check_commits
from services.retention.check_objects import check_objects, check_orphans
from services.retention.check_rows import (
    check_audit,
    check_clocks,
    check_continuity,
    check_coverage,
    check_delivery,
    check_quarantine,
)
from services.retention.check_watched import check_watched
from services.retention.findings import Findings, Inspected, Records

CLAUSES: Mapping[str, Callable[[Inspected], Findings]] = {
    "I1 I3 I4 I7 I9 objects": check_objects,
    "I1 continuity": check_continuity,
    "I1 orphans": check_orphans,
    "I2": check_commits,
    "I5": check_coverage,
    "I6": check_audit,
    "I7 quarantine": check_quarantine,
    "I8": check_delivery,
    "I9 clocks": check_clocks,
    "watched": check_watched,
}


async def check(backbone: Backbone, settings: Settings, cameras: frozenset[str], *, quick: bool = False) -> Findings:
    """Run every clause; yield what each finds. ``quick`` asks for objects without reading them."""
    now_ns = backbone.clock.now_ns()
    records = await read_records(backbone.need_catalog())
    inspected = Inspected(backbone, settings, records, cameras, quick, now_ns)
    for clause in CLAUSES.values():
        async for finding in clause(inspected):
            yield finding


async def read_records(catalog: Catalog) -> Records:
    """One consistent reading of the tables that the clauses compare."""
    async with catalog.snapshot() as tx:
        runs = await tx.rows(select(run))
        segments = await tx.rows(
            select(segment).order_by(segment.c.camera_id, segment.c.stream, segment.c.start_ns, segment.c.first_seq)
        )
        gaps = await tx.rows(select(gap).order_by(gap.c.camera_id, gap.c.stream, gap.c.start_ns))
        extents = await tx.rows(select(coverage))
        chains = await tx.rows(select(audit_entry.c.chain_id).distinct())
    return Records(
        {(row["camera_id"], row["stream"], row["run_id"]): dict(row) for row in runs},
        tuple(dict(row) for row in segments),
        tuple(dict(row) for row in gaps),
        {(row["camera_id"], row["stream"]): dict(row) for row in extents},
        tuple(str(row["chain_id"]) for row in chains),
    )
