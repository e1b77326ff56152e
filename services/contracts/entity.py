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

#: What a zone is for. ``armed``: nobody may be in it while it is armed (I-12). ``exit``: a door or gate through which children
#: must not go alone (I-08) and which must stay free (I-11). ``bed``: cots and mats, where lying is rest and nap rounds go by
#: (I-04, I-05). ``hazard``: what a child must not come near. ``window``: a window, balcony or shelf that must not be climbed
#: (I-07). ``kitchen``: stove and hot things; no child without an adult.
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


class HeightMark(Payload):
    """Somebody of known height who stood upright on the floor, pointed at in the picture."""

    foot: Corner = Field(description="where they touch the floor, between the heels")
    head: Corner = Field(description="the crown of the head, of the same person at the same instant")
    height_m: float = Field(ge=0.5, le=2.2, description="in shoes, as they stood")

    @model_validator(mode="after")
    def _upright(self) -> HeightMark:
        if self.foot[1] - self.head[1] < 0.02:
            raise ValueError("the head must be above the foot in the picture, by 2 % of its height at least")
        return self


class CameraMounting(Payload):
    """How a camera hangs, as measured with a tape and a level."""

    height_m: float = Field(ge=1.0, le=15.0, description="of the lens above the floor")
    tilt_deg: float = Field(ge=-5.0, le=80.0, description="of its axis below the horizontal")
    hfov_deg: float = Field(ge=20.0, le=130.0, description="horizontal field of view, from its data sheet")
    roll_deg: float = Field(default=0.0, ge=-20.0, le=20.0, description="of the picture, clockwise")


class CameraCalibration(Payload):
    """Where a camera is over a flat floor, so that feet get a place in metres and bodies a height: ``marks`` or ``mounting``.

    Without it the camera learns from the adults who walk by, and says so.
    """

    marks: list[HeightMark] = Field(default_factory=list, max_length=64, description="two at least; five are good")
    mounting: CameraMounting | None = None

    @model_validator(mode="after")
    def _one_way(self) -> CameraCalibration:
        if (self.mounting is not None) == bool(self.marks):
            raise ValueError("give marks or mounting, one of them")
        if self.marks and len(self.marks) < 2:
            raise ValueError("one mark cannot tell how the camera looks down; mark two people at least, near and far")
        if self.marks and max(_apart(one.foot, other.foot) for one in self.marks for other in self.marks) < 0.1:
            raise ValueError("all marks stand at one place of the picture; mark people near the camera and far from it")
        return self


def _apart(one: Corner, other: Corner) -> float:
    return max(abs(one[0] - other[0]), abs(one[1] - other[1]))


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
    sealed_password: dict[str, str] | None = Field(
        default=None,
        max_length=64,
        description="as the page writes it to config.v1, readable to the agents named; not for FILE",
    )
    ca_file: str | None = Field(
        default=None,
        description="rtsps only: authorities whose certificate the camera must show (its own, where it signed for itself), PEM "
        "file on the agent's machine; without it the stream is encrypted, but whoever answers is believed",
    )
    zones: list[Zone] = Field(default_factory=list, max_length=64)
    calibration: CameraCalibration | None = Field(default=None, description="None: learned from the adults who walk by")
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
        sources = (self.password, self.password_file, self.password_env, self.sealed_password)
        if sum(source is not None for source in sources) > 1:
            raise ValueError("name the password once: password_file, password_env or password")
        return self

    @model_validator(mode="after")
    def _nothing_to_verify_in_the_clear(self) -> CameraConfig:
        urls = (self.url, self.detect_url or "")
        if self.ca_file is not None and not any(url.lower().startswith("rtsps:") for url in urls):
            raise ValueError("ca_file is for a camera at rtsps://…; rtsp:// travels in the clear")
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
