"""What the console knows from the log right now, in bounded memory: newest states, newest pictures, newest incidents.

Everything older is in the catalog; this only closes the seconds between a happening and its row.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field

from services.contracts.incident import Incident
from services.contracts.media_record import Chunk, Gap, MediaRecord, RunEnd, RunStart
from services.contracts.status import AgentStatus, CameraStatus, HealthStatus, WatchStatus

RECENT_INCIDENTS = 200
_RUNS_PER_CAMERA = 2


@dataclass(frozen=True, slots=True)
class KeyPicture:
    """The newest sync chunk of a camera: enough to decode one picture with its run's init segment."""

    run_id: str
    seq: int
    start_ns: int
    value: bytes


@dataclass(slots=True)
class CameraBoard:
    """One camera. ``inits`` keeps the init segments of its newest runs, ``first_ns``
    and ``until_ns`` where the chunks seen here begin and end."""

    inits: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    picture: KeyPicture | None = None
    first_ns: int | None = None
    until_ns: int = 0
    live: bool = False
    status: CameraStatus | None = None
    status_ns: int = 0
    watch: WatchStatus | None = None
    health: HealthStatus | None = None


@dataclass(slots=True)
class LiveBoard:
    """All cameras, agents, sensors and recent incidents of one installation."""

    cameras: dict[str, CameraBoard] = field(default_factory=dict)
    agents: dict[str, AgentStatus] = field(default_factory=dict)
    readings: dict[str, tuple[str, int, dict[str, object]]] = field(default_factory=dict)
    incidents: OrderedDict[str, Incident] = field(default_factory=OrderedDict)

    def camera(self, camera_id: str) -> CameraBoard:
        return self.cameras.setdefault(camera_id, CameraBoard())

    def keep_only(self, camera_ids: frozenset[str], sensor_ids: frozenset[str]) -> None:
        """Forget what is enrolled no more, so that memory follows the installation and not the traffic."""
        self.cameras = {name: board for name, board in self.cameras.items() if name in camera_ids}
        self.readings = {name: reading for name, reading in self.readings.items() if name in sensor_ids}

    def take_media(self, record: MediaRecord) -> None:
        """A record of ``video.detect.v1``."""
        match record:
            case RunStart():
                board = self.camera(record.run.camera_id)
                board.inits[record.run.run_id] = record.init
                while len(board.inits) > _RUNS_PER_CAMERA:
                    board.inits.popitem(last=False)
                board.live, board.until_ns = True, max(board.until_ns, record.start_ns)
            case Chunk():
                self._take_chunk(record)
            case RunEnd():
                board = self.camera(record.run.camera_id)
                board.live, board.until_ns = False, max(board.until_ns, record.end_ns)
            case Gap():
                self.camera(record.camera_id).live = False

    def take_incident(self, incident: Incident) -> None:
        """The newest state of an incident; the oldest are forgotten (the catalog has them)."""
        self.incidents[incident.incident_id] = incident
        self.incidents.move_to_end(incident.incident_id)
        while len(self.incidents) > RECENT_INCIDENTS:
            self.incidents.popitem(last=False)

    def take_status(self, status: CameraStatus, at_ns: int) -> None:
        board = self.camera(status.camera_id)
        if at_ns >= board.status_ns:
            board.status, board.status_ns = status, at_ns

    def take_watch(self, watch: WatchStatus) -> None:
        board = self.camera(watch.camera_id)
        if board.watch is None or watch.to_ns >= board.watch.to_ns:
            board.watch = watch

    def take_health(self, health: HealthStatus) -> None:
        board = self.camera(health.camera_id)
        if board.health is None or health.judged_ns >= board.health.judged_ns:
            board.health = health

    def take_reading(self, sensor_id: str, kind: str, observed_ns: int, payload: dict[str, object]) -> None:
        known = self.readings.get(sensor_id)
        # A heartbeat says that a sensor lives; it must not cover what the sensor last measured.
        if kind != "heartbeat" and (known is None or observed_ns >= known[1]):
            self.readings[sensor_id] = (kind, observed_ns, payload)

    def _take_chunk(self, record: Chunk) -> None:
        board = self.camera(record.run.camera_id)
        board.live, board.until_ns = True, max(board.until_ns, record.facts.end_ns)
        board.first_ns = record.facts.start_ns if board.first_ns is None else min(board.first_ns, record.facts.start_ns)
        newer = board.picture is None or record.facts.start_ns >= board.picture.start_ns
        if record.facts.sync and newer:
            board.picture = KeyPicture(record.run.run_id, record.facts.seq, record.facts.start_ns, record.value)
