"""Which streams an agent must read for the cameras it is told of, and what to change when these change."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from services.contracts.entity import CameraConfig
from services.contracts.ids import StreamName


@dataclass(frozen=True, slots=True)
class StreamPlan:
    """Which stream of which camera, and where it goes: ``to_record`` loses nothing, ``to_detect`` may."""

    stream: StreamName
    url: str
    to_record: bool
    to_detect: bool


@dataclass(frozen=True, slots=True)
class Changes:
    """Camera ids. A camera in ``restart`` is known and reads its streams otherwise than before."""

    add: tuple[str, ...]
    restart: tuple[str, ...]
    remove: tuple[str, ...]


def plans_of(camera: CameraConfig) -> tuple[StreamPlan, ...]:
    """The streams of a camera. Without a second one the recorded stream is analysed too."""
    if not camera.analyse:
        return (StreamPlan("record", camera.url, True, False),)
    if camera.detect_url is None:
        return (StreamPlan("record", camera.url, True, True),)
    return (StreamPlan("record", camera.url, True, False), StreamPlan("detect", camera.detect_url, False, True))


def ours(cameras: Mapping[str, CameraConfig], agent_id: str) -> dict[str, CameraConfig]:
    """Cameras of this agent, and those of no agent in particular."""
    return {name: camera for name, camera in cameras.items() if camera.agent_id in (None, agent_id)}


def changes(running: Mapping[str, CameraConfig], wanted: Mapping[str, CameraConfig]) -> Changes:
    """What to do so that ``wanted`` runs. Zones, titles and rules change nothing here."""
    return Changes(
        add=tuple(sorted(wanted.keys() - running.keys())),
        restart=tuple(sorted(name for name in wanted.keys() & running.keys() if _reads(wanted[name]) != _reads(running[name]))),
        remove=tuple(sorted(running.keys() - wanted.keys())),
    )  # fmt: skip


def _reads(camera: CameraConfig) -> tuple[object, ...]:
    """Everything of a camera that matters to how it is read."""
    return (
        plans_of(camera), camera.transport, camera.username, camera.password, camera.password_file, camera.password_env,
    )  # fmt: skip
