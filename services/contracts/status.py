"""State of cameras, agents and clocks, ``status.v1``: what is running and what is not, and why."""

from __future__ import annotations

from typing import Annotated, Literal

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


#: How a stretch of a stream was watched: every frame decoded and some of them analysed; whole GOPs left out; only the first
#: picture of a GOP; not at all.
WatchMode = Literal["frames", "gops", "keyframes", "none"]

#: Why frames that arrived were not analysed. ``late``: too old when their turn came, the newest go first. ``overflow``: more
#: waited than memory is given. ``shed``: left out on purpose, more is asked than this machine can do. ``undecodable``: the
#: decoder refused them. ``unsynchronised``: what they refer to is missing; it goes on at the next sync chunk. ``no_model``: no
#: detector is installed. ``no_run_start``: their init segment was never seen. ``withdrawn``: the camera
#: was withdrawn, or its analysis switched off. ``defect``: the analysis failed on them.
SkipCause = Literal[
    "late", "overflow", "shed", "undecodable", "unsynchronised", "no_model", "no_run_start", "withdrawn", "defect"
]


class WatchSpan(Payload):
    """A stretch of capture time that was watched in one way. ``mode`` ``none``: not watched, for ``cause``."""

    from_ns: int
    to_ns: int
    mode: WatchMode
    cause: SkipCause | None = Field(default=None, description="why it was watched less than asked, or not at all")
    frames_per_s: float = Field(ge=0, description="the rate meant; analysed and gated frames tell what came of it")
    model: str = Field(description="NAME@first 16 digits of its SHA-256; none: no detector")
    view: Annotated[str, Field(pattern=r"^[a-z_]{1,20}$")] = Field(
        default="unjudged", description="the camera's health: clear, covered, dark ...; a covered lens is not coverage"
    )
    analysed_frames: int = Field(default=0, ge=0)
    gated_frames: int = Field(default=0, ge=0, description="looked at and still, so the detector was spared: watched")
    skipped_frames: dict[SkipCause, int] = Field(default_factory=dict)


class WatchStatus(Payload):
    """What the analysis really watched of a camera since it last said so; "no incident" is told from "not watched".

    Every frame that arrived has one fate: ``analysed_frames`` + ``gated_frames`` + ``unasked_frames`` (between the frames that
    the policy's rate asks for) + the sum of ``skipped_frames``. Frames inside the decoder are told with the next status.
    """

    camera_id: CameraId
    from_ns: int
    to_ns: int
    analysed_frames: int = Field(ge=0)
    skipped_chunks: int = Field(ge=0)
    undecodable_chunks: int = Field(default=0, ge=0)
    model: str
    rules_version: str
    asked_frames_per_s: float = Field(default=0.0, ge=0)
    gated_frames: int = Field(default=0, ge=0)
    unasked_frames: int = Field(default=0, ge=0)
    skipped_frames: dict[SkipCause, int] = Field(default_factory=dict)
    spans: list[WatchSpan] = Field(
        default_factory=list, max_length=512, description="in order of time, none overlapping"
    )


#: Whether a camera shows what it is meant to. ``lost``: no picture, or a slate in its place. ``frozen``: the same picture again
#: and again. ``covered``: the lens is shut or hung over. ``defocused``: blurred against its own usual sharpness. ``moved``: it
#: looks elsewhere. ``dark``: too little light to see by.
HealthState = Literal["ok", "lost", "frozen", "covered", "defocused", "moved", "dark"]


class HealthStatus(Payload):
    """A camera's health, said on every change and once a minute; what rule I-23 and the page read."""

    camera_id: CameraId
    state: HealthState
    since_ns: int = Field(description="capture time from which the state holds")
    judged_ns: int = Field(description="capture time of the newest picture judged")
    reference_age_s: float | None = Field(
        default=None,
        ge=0,
        description="how long the reference has been learned; none: still learning, ok is not yet known",
    )
    measured: dict[str, float] = Field(default_factory=dict, max_length=32, description="name_unit and value")


PAYLOADS: dict[str, type[Payload]] = {
    "kanhu.status.camera": CameraStatus,
    "kanhu.status.agent": AgentStatus,
    "kanhu.status.clock": ClockStatus,
    "kanhu.status.watch": WatchStatus,
    "kanhu.status.health": HealthStatus,
}
