"""State of cameras, agents and clocks, ``status.v1``: what is running and what is not, and why."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.contracts.cloud_event import Payload
from services.contracts.ids import AgentId, CameraId
from services.contracts.media_record import GapCause


class CameraStatus(Payload):
    """Said on every change and at least once a minute."""

    camera_id: CameraId
    agent_id: AgentId
    state: Literal["connecting", "streaming", "offline", "refused", "removed"]
    detail: str = Field(default="", max_length=400)
    cause: GapCause | None = None
    codec: str | None = None
    width: int | None = None
    height: int | None = None
    bits_per_s: float | None = None
    frames_per_s: float | None = None


class AgentStatus(Payload):
    agent_id: AgentId
    state: Literal["starting", "running", "stopping"]
    log_reachable: bool
    spool_bytes: int = Field(ge=0)
    spool_limit_bytes: int = Field(ge=0)
    dropped_detect_chunks: int = Field(default=0, ge=0)


class ClockStatus(Payload):
    """``true time = agent time + offset_ns`` within ``uncertainty_ns``; -1 when no source disciplines the clock."""

    agent_id: AgentId
    offset_ns: int
    uncertainty_ns: int
    camera_offsets_ns: dict[CameraId, int] = Field(default_factory=dict)


class WatchStatus(Payload):
    """What the analysis really watched of a camera since it last said so; "no incident" is told from "not watched"."""

    camera_id: CameraId
    from_ns: int
    to_ns: int
    analysed_frames: int = Field(ge=0)
    skipped_chunks: int = Field(ge=0)
    undecodable_chunks: int = Field(default=0, ge=0)
    model: str
    rules_version: str


PAYLOADS: dict[str, type[Payload]] = {
    "kanhu.status.camera": CameraStatus,
    "kanhu.status.agent": AgentStatus,
    "kanhu.status.clock": ClockStatus,
    "kanhu.status.watch": WatchStatus,
}
