"""Sensor readings, ``sensor.v1``: what a door, a thermometer or a button said, and when."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from services.contracts.cloud_event import Payload
from services.contracts.ids import RoomId, SensorId

SensorKind = Literal["door", "temperature", "humidity", "button", "lock", "heartbeat"]


class _Reading(Payload):
    sensor_id: SensorId
    room_id: RoomId | None = None
    observed_ns: int = Field(description="when the agent received it, ns UTC, agent clock")
    device_time_ns: int | None = Field(
        default=None, description="when the device says it happened, ns UTC, if it says so"
    )
    battery_percent: float | None = Field(default=None, ge=0, le=100)


class DoorReading(_Reading):
    """A contact: ``open`` is true while the door stands open."""

    open: bool


class TemperatureReading(_Reading):
    celsius: float = Field(ge=-90, le=200)


class HumidityReading(_Reading):
    percent: float = Field(ge=0, le=100)


class ButtonReading(_Reading):
    """A press of a one-key alarm."""

    action: str = Field(min_length=1, max_length=40)


class LockReading(_Reading):
    locked: bool


class HeartbeatReading(_Reading):
    """The sensor is alive and says nothing else."""


PAYLOADS: dict[str, type[Payload]] = {
    "kanhu.sensor.door": DoorReading,
    "kanhu.sensor.temperature": TemperatureReading,
    "kanhu.sensor.humidity": HumidityReading,
    "kanhu.sensor.button": ButtonReading,
    "kanhu.sensor.lock": LockReading,
    "kanhu.sensor.heartbeat": HeartbeatReading,
}
KIND_OF = {model: kind for kind, model in PAYLOADS.items()}
