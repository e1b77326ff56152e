"""Incidents as they are archived, and as they happen.

Belongs here: reading the archive and following ``incident.v1``. Does not belong here: judging (``analyze``).
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

from sqlalchemy import or_, select

from services.backbone.catalog_schema import incident
from services.backbone.ports import Catalog, Log
from services.contracts.cloud_event import decode_event
from services.contracts.errors import Corrupt
from services.contracts.incident import PAYLOADS
from services.contracts.topics import INCIDENT


async def list_incidents(
    catalog: Catalog, *, camera_id: str | None = None, from_ns: int | None = None, to_ns: int | None = None
) -> list[dict[str, Any]]:
    """The newest payload of each incident that overlaps the range, by when it was opened."""
    chosen = []
    if camera_id is not None:
        chosen.append(incident.c.camera_id == camera_id)
    if from_ns is not None:
        chosen.append(or_(incident.c.closed_ns > from_ns, incident.c.closed_ns.is_(None)))
    if to_ns is not None:
        chosen.append(incident.c.opened_ns < to_ns)
    async with catalog.snapshot() as tx:
        order = (incident.c.opened_ns, incident.c.incident_id)
        rows = await tx.rows(select(incident.c.record).where(*chosen).order_by(*order))
    return [dict(row["record"]) for row in rows]


async def follow_incidents(log: Log) -> AsyncIterator[dict[str, Any]]:
    """Payloads as they are said from now on, with ``change``: opened, updated or closed. Does not end by itself."""
    async with log.consumer([INCIDENT.name], group=None, start="latest") as consumer:
        while True:
            for record in await consumer.poll(timeout_s=1.0):
                try:
                    said = decode_event(record.value or b"", PAYLOADS)
                except Corrupt:
                    continue  # the archive sends it to the dead letters
                yield {"change": said.type.rpartition(".")[2], **said.data.model_dump(mode="json")}
