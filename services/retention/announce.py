"""What retention says on ``recording.v1``. Ids follow from the facts, so that saying it again is saying it once."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from services.backbone.ports import Outgoing
from services.contracts.cloud_event import Payload, encode_event, make_event
from services.contracts.recording import GapRecorded, GapWithdrawn, SegmentStored
from services.contracts.topics import RECORDING
from services.retention.core.coverage import Change, GapRow
from services.retention.ledger import StreamKey

SOURCE = "/retention"


def segment_stored(row: Mapping[Any, Any]) -> Outgoing:
    """For a ledger row."""
    said = SegmentStored(
        camera_id=row["camera_id"], stream=row["stream"], run_id=row["run_id"], first_seq=row["first_seq"],
        last_seq=row["last_seq"], start_ns=row["start_ns"], end_ns=row["end_ns"], object_key=row["object_key"],
        version_id=row["version_id"], bytes=row["size_bytes"], sha256=row["sha256"],
        retain_until_ns=row["retain_until_ns"],
    )  # fmt: skip
    identity = (said.camera_id, said.stream, said.run_id, said.first_seq, said.sha256)
    return _outgoing("segment-stored", said.camera_id, row["stored_ns"], said, identity)


def gap_recorded(key: StreamKey, gap: GapRow, now_ns: int) -> Outgoing:
    said = GapRecorded.model_validate(
        {"camera_id": key.camera_id, "stream": key.stream, "start_ns": gap.start_ns, "end_ns": gap.end_ns,
         "cause": gap.cause, "declared_by": gap.declared_by, "detail": gap.detail}
    )  # fmt: skip
    identity = (key.camera_id, key.stream, gap.start_ns, gap.end_ns, gap.cause, gap.declared_by, gap.detail)
    return _outgoing("gap-recorded", key.camera_id, now_ns, said, identity)


def gaps_changed(key: StreamKey, change: Change, now_ns: int) -> list[Outgoing]:
    said = [gap_recorded(key, gap, now_ns) for gap in change.puts]
    for start_ns in change.removes:
        gone = GapWithdrawn.model_validate({"camera_id": key.camera_id, "stream": key.stream, "start_ns": start_ns})
        identity = (key.camera_id, key.stream, start_ns, now_ns)
        said.append(_outgoing("gap-withdrawn", key.camera_id, now_ns, gone, identity))
    return said


def _outgoing(word: str, camera_id: str, at_ns: int, said: Payload, identity: tuple[object, ...]) -> Outgoing:
    record = make_event(f"kanhu.recording.{word}", SOURCE, camera_id, at_ns, said, identity=identity)
    return Outgoing(RECORDING.name, camera_id, encode_event(record))
