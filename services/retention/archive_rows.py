"""How one reading, incident or state becomes a row, whatever arrived before it and however often it arrives.

Belongs here: the statements of the archive. Does not belong here: reading the log (``archive.py``).
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import select

from services.backbone.catalog_schema import clock_sample, incident, sensor_reading, source_status
from services.backbone.ports import Catalog, Transaction
from services.contracts.cloud_event import CloudEvent
from services.contracts.errors import Corrupt, Rejected
from services.contracts.incident import Incident
from services.contracts.sensor import DoorReading, HumidityReading, LockReading, TemperatureReading
from services.contracts.status import AgentStatus, CameraStatus, ClockStatus, HealthStatus, WatchStatus
from services.retention.watched import apply_watch

#: Ids of applied records remembered per incident; a replay reaches no further back.
_REMEMBERED_IDS = 1000
_BEYOND = 1 << 63


def check_storable(said: CloudEvent[Any]) -> None:
    """``Corrupt`` when a number is beyond what any catalog holds, or the time is no time."""
    try:
        instants = [("time", said.time_ns)]
    except Rejected as error:
        raise Corrupt(str(error)) from error
    for name, value in [*instants, *said.data.model_dump().items()]:
        _check_number(name, value)


def _check_number(name: str, value: object) -> None:
    if isinstance(value, int) and abs(value) >= _BEYOND:
        raise Corrupt(f"{name} is {value}; no clock or counter shows that")
    if isinstance(value, dict):
        for inner, number in value.items():
            _check_number(f"{name}.{inner}", number)
    elif isinstance(value, list):
        for number in value:
            _check_number(name, number)


async def apply_reading(tx: Transaction, catalog: Catalog, said: CloudEvent[Any]) -> None:
    """A reading is a row by its CloudEvents id; the second delivery changes nothing."""
    reading = said.data
    row = {
        "event_id": said.id, "sensor_id": reading.sensor_id, "kind": said.type.rpartition(".")[2],
        "observed_ns": reading.observed_ns, "value": _value_of(reading), "record": reading.model_dump(mode="json"),
    }  # fmt: skip
    await tx.run(catalog.upsert(sensor_reading, row))


def _value_of(reading: object) -> float | None:
    match reading:
        case TemperatureReading():
            return reading.celsius
        case HumidityReading():
            return reading.percent
        case DoorReading():
            return float(reading.open)
        case LockReading():
            return float(reading.locked)
        case _:
            return None


async def apply_incident(tx: Transaction, catalog: Catalog, said: CloudEvent[Any]) -> None:
    """The newest state of an incident; one that is closed is not opened again by a late record."""
    told: Incident = said.data
    rows = await tx.rows(select(incident).where(incident.c.incident_id == told.incident_id))
    applied: list[str] = list(rows[0]["event_ids"]) if rows else []
    if said.id in applied:
        return
    ids = [*applied, said.id][-_REMEMBERED_IDS:]
    if rows:
        told = _as_raised(Incident.model_validate(rows[0]["record"]), told)
    row = {
        "incident_id": told.incident_id, "institution_id": told.institution_id, "kind": told.kind,
        "severity": told.severity, "camera_id": told.camera_id, "sensor_id": told.sensor_id, "room_id": told.room_id,
        "zone": told.zone, "opened_ns": told.opened_ns, "closed_ns": told.closed_ns,
        "snapshot_key": told.evidence.snapshot_key, "record": told.model_dump(mode="json"), "event_ids": ids,
    }  # fmt: skip
    await tx.run(catalog.upsert(incident, row, update=[name for name in row if name != "incident_id"]))


def _as_raised(known: Incident, told: Incident) -> Incident:
    """The newer state, shown by the frame that raised the incident (its snapshot), with everything measured since."""
    if known.closed_ns is not None and told.closed_ns is None:
        return known
    measured = {**known.evidence.measured, **told.evidence.measured}
    evidence = known.evidence.model_copy(update={"measured": measured})
    return told.model_copy(update={"raised_ns": known.raised_ns, "evidence": evidence})


async def apply_status(tx: Transaction, catalog: Catalog, said: CloudEvent[Any]) -> None:
    """The newest state of each source and kind; clock samples are kept, all of them (I9), and all that was watched."""
    told = said.data
    source_id = _source_of(told)
    if isinstance(told, ClockStatus):
        sample = {
            "agent_id": told.agent_id, "observed_ns": said.time_ns, "offset_ns": told.offset_ns,
            "uncertainty_ns": told.uncertainty_ns, "camera_offsets_ns": dict(told.camera_offsets_ns),
        }  # fmt: skip
        await tx.run(catalog.upsert(clock_sample, sample))
    if isinstance(told, WatchStatus):
        await apply_watch(tx, catalog, told)
        told = told.model_copy(update={"spans": []})  # they are rows now
    mine = (source_status.c.source_id == source_id) & (source_status.c.kind == said.type)
    newest = await tx.rows(select(source_status.c.observed_ns).where(mine))
    if newest and newest[0]["observed_ns"] > said.time_ns:
        return
    row = {
        "source_id": source_id, "kind": said.type, "observed_ns": said.time_ns, "record": told.model_dump(mode="json"),
    }  # fmt: skip
    await tx.run(catalog.upsert(source_status, row, update=["observed_ns", "record"]))


def _source_of(told: object) -> str:
    match told:
        case CameraStatus() | WatchStatus() | HealthStatus():
            return told.camera_id
        case AgentStatus() | ClockStatus():
            return told.agent_id
        case _:
            raise AssertionError(f"not a status: {told!r}")
