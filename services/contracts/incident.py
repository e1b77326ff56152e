"""Incidents, ``incident.v1``: a rule was broken, where, since when, and what was measured."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.contracts.cloud_event import Payload
from services.contracts.ids import CameraId, InstitutionId, RoomId, SensorId

Severity = Literal["S1", "S2", "S3", "S4"]


class Evidence(Payload):
    """What raised the incident; enough to find the frames and to judge the rule again."""

    frame_ns: int = Field(description="capture time of the deciding frame or reading, ns UTC")
    run_id: str | None = None
    seq: int | None = Field(default=None, ge=0, description="chunk of the run that holds the frame")
    boxes_px: list[tuple[float, float, float, float]] = Field(
        default_factory=list, description="x1, y1, x2, y2 in pixels of the analysed picture"
    )
    picture_width_px: int | None = None
    picture_height_px: int | None = None
    measured: dict[str, float] = Field(default_factory=dict, description="name_unit -> value")
    snapshot_key: str | None = Field(default=None, description="object key of a JPEG in the snapshot area")


class Incident(Payload):
    """The state of an incident after this event. ``incident_id`` follows from rule, place and onset."""

    incident_id: str
    institution_id: InstitutionId
    kind: str = Field(pattern=r"^I-\d{2}$", description="taxonomy of docs/reference/incidents.md")
    severity: Severity
    title: str
    camera_id: CameraId | None = None
    sensor_id: SensorId | None = None
    room_id: RoomId | None = None
    zone: str | None = None
    opened_ns: int
    raised_ns: int = Field(description="when the analysis said so, ns UTC; raised - opened is the delay")
    closed_ns: int | None = None
    evidence: Evidence
    rule: str
    rule_version: str
    model: str | None = None
    model_sha256: str | None = None


PAYLOADS: dict[str, type[Payload]] = {
    "kanhu.incident.opened": Incident,
    "kanhu.incident.updated": Incident,
    "kanhu.incident.closed": Incident,
}
