"""What became of footage, ``recording.v1``."""

from __future__ import annotations

from pydantic import Field

from services.contracts.cloud_event import Payload
from services.contracts.ids import CameraId, StreamName
from services.contracts.media_record import GapCause


class SegmentStored(Payload):
    """Said after the object is durable, its digest verified and its ledger row written (I1)."""

    camera_id: CameraId
    stream: StreamName
    run_id: str
    first_seq: int = Field(ge=0)
    last_seq: int = Field(ge=0)
    start_ns: int
    end_ns: int
    object_key: str
    version_id: str
    bytes: int = Field(ge=0)
    sha256: str
    retain_until_ns: int


class GapRecorded(Payload):
    """A gap row was written or changed; ``end_ns`` is absent while the gap lasts."""

    camera_id: CameraId
    stream: StreamName
    start_ns: int
    end_ns: int | None = None
    cause: GapCause
    declared_by: str
    detail: str = ""


class GapWithdrawn(Payload):
    """Footage arrived late for a gap that had only been presumed."""

    camera_id: CameraId
    stream: StreamName
    start_ns: int


PAYLOADS: dict[str, type[Payload]] = {
    "kanhu.recording.segment-stored": SegmentStored,
    "kanhu.recording.gap-recorded": GapRecorded,
    "kanhu.recording.gap-withdrawn": GapWithdrawn,
}
