"""Rules' commands → records of ``incident.v1``. Ids follow from rule, place and onset, so that a replay is the same incident."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from services.analyze.core.rules import RULES_VERSION
from services.analyze.core.rules.commands import Close, Grounds, Open, Update
from services.analyze.core.zones import PictureSize
from services.contracts.cloud_event import CloudEvent, event_id, make_event
from services.contracts.incident import Evidence, Incident
from services.contracts.time import utc_day

IncidentCommand = Open | Update | Close


@dataclass(frozen=True, slots=True)
class Place:
    """Where a rule watches: a zone of a camera, or a sensor."""

    institution_id: str
    camera_id: str | None = None
    sensor_id: str | None = None
    room_id: str | None = None
    zone: str | None = None
    title: str = ""


@dataclass(frozen=True, slots=True)
class RuleFacts:
    """Which rule speaks: taxonomy kind, name, and what people read."""

    kind: str
    rule: str
    title: str


class FrameFacts(NamedTuple):
    """The deciding frame: where it stands in its run, its size, and which model looked at it."""

    run_id: str
    seq: int
    picture: PictureSize
    model: str
    model_sha256: str


def incident_id(place: Place, kind: str, onset_ns: int) -> str:
    """A UUID of institution, place, kind and onset."""
    parts = (place.institution_id, place.camera_id or "", place.sensor_id or "", place.zone or "", kind, onset_ns)
    return event_id("incident", *parts)


def snapshot_key(camera_id: str, onset_ns: int, identifier: str) -> str:
    """Object key of the deciding frame's picture, a JPEG."""
    return f"snapshots/{camera_id}/{utc_day(onset_ns)}/{identifier}.jpg"


def record_of(
    command: IncidentCommand, rule: RuleFacts, place: Place, source: str, now_ns: int, frame: FrameFacts | None
) -> CloudEvent[Incident]:
    """The record that announces a command. ``now_ns`` is the analysis' own clock; ``source`` like ``/analyze/ID``."""
    identifier = incident_id(place, rule.kind, command.onset_ns)
    payload = Incident(
        incident_id=identifier, institution_id=place.institution_id, kind=rule.kind, severity=command.severity,
        title=f"{rule.title}: {place.title}" if place.title else rule.title,
        camera_id=place.camera_id, sensor_id=place.sensor_id, room_id=place.room_id, zone=place.zone,
        opened_ns=command.onset_ns, raised_ns=now_ns,
        closed_ns=command.end_ns if isinstance(command, Close) else None,
        evidence=_evidence(command.grounds, place, command.onset_ns, identifier, frame),
        rule=rule.rule, rule_version=RULES_VERSION,
        model=frame.model if frame else None, model_sha256=frame.model_sha256 if frame else None,
    )  # fmt: skip
    stage = {Open: "opened", Update: "updated", Close: "closed"}[type(command)]
    identity = (identifier, stage, command.severity, payload.closed_ns)
    return make_event(f"kanhu.incident.{stage}", source, identifier, command.grounds.at_ns, payload, identity=identity)


def _evidence(grounds: Grounds, place: Place, onset_ns: int, identifier: str, frame: FrameFacts | None) -> Evidence:
    camera = place.camera_id
    return Evidence(
        frame_ns=grounds.at_ns,
        run_id=frame.run_id if frame else None,
        seq=frame.seq if frame else None,
        boxes_px=[(round(a, 1), round(b, 1), round(c, 1), round(d, 1)) for a, b, c, d in grounds.boxes_px],
        picture_width_px=frame.picture.width_px if frame else None,
        picture_height_px=frame.picture.height_px if frame else None,
        measured=dict(grounds.measured),
        snapshot_key=snapshot_key(camera, onset_ns, identifier) if camera else None,
    )
