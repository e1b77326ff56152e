"""Entities of an institution, as declared in FILE or on ``config.v1``: cameras with zones, sensors, rooms' rules.

A compacted topic: the key is ``camera/ID`` or ``sensor/ID``, the value the whole entity, a tombstone removes it.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, ConfigDict, Field, SecretStr, field_validator, model_validator

from services.contracts.cloud_event import Payload
from services.contracts.ids import AgentId, CameraId, RoomId, SensorId
from services.contracts.schedule import ArmedSchedule
from services.contracts.source_url import check_source_url

ZoneKind = Literal["armed", "exit", "bed", "hazard", "window", "kitchen"]
#: A corner as fractions of the picture's width and height, origin top left.
Corner = tuple[Annotated[float, Field(ge=0, le=1)], Annotated[float, Field(ge=0, le=1)]]
SourceUrl = Annotated[str, AfterValidator(check_source_url)]


class Zone(Payload):
    """A polygon on a camera's picture. A person is in it when the foot point (bottom centre of the box) is."""

    name: str = Field(min_length=1, max_length=60)
    kind: ZoneKind = "armed"
    polygon: list[Corner] = Field(min_length=3, max_length=64)
    armed: ArmedSchedule = Field(default_factory=ArmedSchedule, description="when presence in it is an incident (I-12)")


class CameraConfig(Payload):
    """A camera. ``url`` is the recorded stream; ``detect_url`` a second, smaller one for analysis."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    camera_id: CameraId
    agent_id: AgentId | None = Field(default=None, description="which agent reads it; None: the only one")
    room_id: RoomId | None = None
    room_kind: Literal[
        "activity", "nap", "corridor", "entrance", "kitchen", "yard", "office", "toilet", "changing", "nursing"
    ] = "activity"
    title: str = Field(default="", max_length=120)
    url: SourceUrl
    detect_url: SourceUrl | None = None
    transport: Literal["tcp", "udp"] = "tcp"
    username: str | None = Field(default=None, max_length=120)
    password: SecretStr | None = Field(default=None, description="prefer password_file or password_env")
    password_file: str | None = None
    password_env: str | None = None
    zones: list[Zone] = Field(default_factory=list, max_length=64)
    analyse: bool = True
    analysed_frames_per_s: float = Field(default=5.0, gt=0, le=60)
    motion_gate: bool | None = Field(default=None, description="this camera's own choice; None: analyze.motion_gate")

    @field_validator("room_kind")
    @classmethod
    def _no_banned_room(cls, value: str) -> str:
        if value in ("toilet", "changing", "nursing"):
            raise ValueError(
                f"no camera may stand in a {value} room (公共安全视频图像信息系统管理条例, article 8; R-09)"
            )
        return value

    @model_validator(mode="after")
    def _one_password_source(self) -> CameraConfig:
        if sum(source is not None for source in (self.password, self.password_file, self.password_env)) > 1:
            raise ValueError("name the password once: password_file, password_env or password")
        return self


class DoorRule(Payload):
    """I-10: a door held open longer than ``open_s`` while ``active``; severity rises after ``serious_s``."""

    open_s: float = Field(default=60.0, gt=0, description="assumption; domain table I-10")
    serious_s: float = Field(default=300.0, gt=0, description="assumption; domain table I-10")
    active: ArmedSchedule = Field(default_factory=ArmedSchedule)


class SensorConfig(Payload):
    """A sensor and where its readings come from."""

    sensor_id: SensorId
    kind: Literal["door", "temperature", "humidity", "button", "lock"]
    agent_id: AgentId | None = None
    room_id: RoomId | None = None
    title: str = Field(default="", max_length=120)
    mqtt_topic: str | None = Field(default=None, max_length=400, description="topic whose payloads are this sensor's")
    payload: Literal["plain", "zigbee2mqtt"] = "plain"
    door: DoorRule | None = None


class SimulatedRoom(Payload):
    """A drawn room with a door and a thermometer, for the box that has no camera yet."""

    room_id: RoomId
    seed: int = 0
