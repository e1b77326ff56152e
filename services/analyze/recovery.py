"""What was announced before this process began: which incidents are open, and which events are already in the log.

Read from the catalog (everything retention archived) and then from the tail of ``incident.v1`` (what it has not archived yet), so
that no incident stays open for ever after a crash, and none is announced twice.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import structlog
from pydantic import ValidationError
from sqlalchemy import select

from services.analyze.core.rules import door_held_open, person_in_zone
from services.backbone.catalog_schema import incident as incident_table
from services.backbone.ports import Backbone, Delivered
from services.backbone.reading import read_to_end
from services.contracts.cloud_event import decode_event
from services.contracts.errors import Corrupt
from services.contracts.incident import PAYLOADS, Incident
from services.contracts.topics import INCIDENT

_log = structlog.get_logger(__name__)

#: How far back the log's tail is read, records per partition: retention is seconds behind, not hours.
TAIL_RECORDS = 5_000
_OURS = (person_in_zone.KIND, door_held_open.KIND)


@dataclass(slots=True)
class Announced:
    """``newest`` holds for each place (camera and zone, or sensor) the incident with the latest onset."""

    newest: dict[tuple[str, str, str], Incident] = field(default_factory=dict)
    event_ids: list[str] = field(default_factory=list)

    def add(self, incident: Incident) -> None:
        if incident.kind not in _OURS:
            return
        place = (incident.kind, incident.camera_id or incident.sensor_id or "", incident.zone or "")
        known = self.newest.get(place)
        if known is None or _rank(incident) >= _rank(known):
            self.newest[place] = incident

    def of_camera(self, camera_id: str) -> list[Incident]:
        return [
            i for (kind, source, _), i in self.newest.items() if kind == person_in_zone.KIND and source == camera_id
        ]

    def of_sensor(self, sensor_id: str) -> Incident | None:
        return self.newest.get((door_held_open.KIND, sensor_id, ""))

    def open_cameras(self) -> set[str]:
        return {i.camera_id for i in self.newest.values() if i.camera_id is not None and i.closed_ns is None}


async def read_announced(backbone: Backbone) -> Announced:
    """Catalog first, then the log's tail over it."""
    announced = Announced()
    async with backbone.need_catalog().snapshot() as transaction:
        rows = await transaction.rows(select(incident_table.c.record).where(incident_table.c.closed_ns.is_(None)))
    for row in rows:
        try:
            announced.add(Incident.model_validate(row["record"]))
        except ValidationError as error:
            _log.warning("an archived incident cannot be read; it is left as it is", error=str(error)[:300])
    async with backbone.log.consumer([INCIDENT.name], group=None, start="earliest") as consumer:
        async for one in read_to_end(consumer, tail_records=TAIL_RECORDS):
            _take(one, announced)
    return announced


def _take(record: Delivered, announced: Announced) -> None:
    if record.value is None:
        return
    try:
        happening = decode_event(record.value, PAYLOADS)
    except Corrupt:
        return  # of another speaker (acknowledged, escalated) or unreadable; retention sees to it
    announced.event_ids.append(happening.id)
    if isinstance(happening.data, Incident):
        announced.add(happening.data)


def _rank(incident: Incident) -> tuple[int, bool, int]:
    return incident.opened_ns, incident.closed_ns is not None, incident.evidence.frame_ns
