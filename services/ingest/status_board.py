"""What the agent says of itself on ``status.v1``: cameras on every change, and everything twice a minute."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from services.backbone.ports import Clock, Outgoing
from services.contracts.cloud_event import Payload, encode_event, make_event
from services.contracts.ids import StreamName
from services.contracts.media_record import ClockSample, RunStart
from services.contracts.status import AgentStatus, CameraStatus, ClockStatus
from services.contracts.topics import STATUS
from services.ingest.core.life_cycle import Say

PERIOD_S = 30.0
_MAX_DETAIL = 400


@dataclass(slots=True)
class _Camera:
    """What is known of a camera's recorded stream (or of its only one)."""

    say: Say
    start: RunStart | None = None
    received_bytes: int = 0
    pictures: int = 0
    measured_from_ns: int = 0


class StatusBoard:
    """Used from the event loop only. ``publish`` takes a record and returns at once."""

    def __init__(self, agent_id: str, clock: Clock, publish: Callable[[Outgoing], None]) -> None:
        self._agent_id = agent_id
        self._clock = clock
        self._publish = publish
        self._cameras: dict[str, _Camera] = {}

    def said(self, camera_id: str, stream: StreamName, say: Say) -> None:
        """A stream's state changed. Only the recorded stream makes the camera's state."""
        if stream != "record":
            return
        camera = self._cameras.get(camera_id)
        if camera is None:
            camera = self._cameras[camera_id] = _Camera(say, measured_from_ns=self._clock.monotonic_ns())
        elif camera.say == say:
            return
        camera.say = say
        self._tell_camera(camera_id, camera)

    def run_began(self, start: RunStart) -> None:
        if start.run.stream == "record" and start.run.camera_id in self._cameras:
            self._cameras[start.run.camera_id].start = start

    def received(self, camera_id: str, stream: StreamName, size_bytes: int) -> None:
        if stream == "record" and camera_id in self._cameras:
            self._cameras[camera_id].received_bytes += size_bytes

    def removed(self, camera_id: str) -> None:
        if self._cameras.pop(camera_id, None) is not None:
            status = CameraStatus(camera_id=camera_id, agent_id=self._agent_id, state="removed")
            self._tell("kanhu.status.camera", camera_id, status)

    def tell_all(
        self, agent: AgentStatus, sample: ClockSample, camera_offsets_ns: dict[str, int], pictures: dict[str, int]
    ) -> None:
        """The regular report: every camera, the agent and its clock. ``pictures`` counts since each connection's begin."""
        now_ns = self._clock.monotonic_ns()
        for camera_id, camera in self._cameras.items():
            seconds = (now_ns - camera.measured_from_ns) / 1e9
            seen = pictures.get(camera_id, 0)
            rates: tuple[float | None, float | None] = (None, None)
            if camera.say.state == "streaming" and seconds > 1:
                rates = (camera.received_bytes * 8 / seconds, max(0, seen - camera.pictures) / seconds)
            self._tell_camera(camera_id, camera, *rates)
            camera.received_bytes, camera.pictures, camera.measured_from_ns = 0, seen, now_ns
        self.tell_agent(agent)
        clock = ClockStatus(
            agent_id=self._agent_id, offset_ns=sample.offset_ns, uncertainty_ns=sample.uncertainty_ns,
            camera_offsets_ns=camera_offsets_ns,
        )  # fmt: skip
        self._tell("kanhu.status.clock", self._agent_id, clock)

    def tell_agent(self, agent: AgentStatus) -> None:
        self._tell("kanhu.status.agent", self._agent_id, agent)

    def _tell_camera(
        self, camera_id: str, camera: _Camera, bits_per_s: float | None = None, frames_per_s: float | None = None
    ) -> None:
        run = camera.start.run if camera.start is not None and camera.say.state == "streaming" else None
        status = CameraStatus(
            camera_id=camera_id, agent_id=self._agent_id, state=camera.say.state, detail=camera.say.detail[:_MAX_DETAIL],
            cause=camera.say.cause, codec=run.codec if run else None, width=run.width if run else None,
            height=run.height if run else None, bits_per_s=bits_per_s, frames_per_s=frames_per_s,
        )  # fmt: skip
        self._tell("kanhu.status.camera", camera_id, status)

    def _tell(self, kind: str, source_id: str, status: Payload) -> None:
        now_ns = self._clock.now_ns()
        event = make_event(
            kind, f"/agent/{self._agent_id}", source_id, now_ns, status,
            identity=(source_id, now_ns, status.model_dump_json()),
        )  # fmt: skip
        self._publish(Outgoing(STATUS.name, source_id, encode_event(event)))
