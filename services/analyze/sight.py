"""How one camera sees: has its health judged every second or two from frames that were decoded anyway, and puts it into words.

Belongs here: when to look, and the records. Does not belong here: the verdict (``core.health``), saying it to the log.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from av.video.frame import VideoFrame

from services.analyze.core import health as judging
from services.analyze.core.health import Health, HealthPolicy
from services.analyze.core.health_measures import glimpse_of
from services.analyze.scaling import planes_of
from services.contracts.cloud_event import CloudEvent, make_event
from services.contracts.status import HealthStatus
from services.contracts.time import NS_PER_S

#: A look at the camera's health is due once in this much capture time; while all is calm every other one is left out.
LOOK_NS = NS_PER_S
_UNJUDGED, _CLEAR = "unjudged", "clear"


@dataclass(slots=True)
class CameraSight:
    """One camera's health. Not thread-safe: one caller at a time. ``looks`` counts the frames judged."""

    policy: HealthPolicy = field(default_factory=HealthPolicy)
    health: Health = field(default_factory=Health)
    looks: int = 0
    _slot: int | None = None
    _size: tuple[int, int] | None = None
    _told: tuple[str, bool] | None = None

    @property
    def view(self) -> str:
        """The health in a word, for the account of what was watched: ``unjudged``, ``clear``, or what is wrong."""
        if self.health.state != "ok":
            return self.health.state
        return _CLEAR if self.health.judged else _UNJUDGED

    def look(self, frame_ns: int, frame: VideoFrame) -> None:
        """Judge this frame if a look is due. Another size of picture is another view: what was learned is dropped."""
        slot = frame_ns // LOOK_NS
        if self._slot is not None and (slot == self._slot or (slot == self._slot + 1 and self.health.calm)):
            return
        self._slot = slot
        planes = planes_of(frame)
        if planes.size != self._size:
            self._size, self.health = planes.size, Health()
        glimpse = glimpse_of(frame_ns, planes.luma, planes.chroma, full_range=planes.full_range)
        self.health = judging.step(self.policy, self.health, glimpse)
        self.looks += 1

    def silent(self, silent_ns: int) -> None:
        """No frame has come for so long."""
        seen = self.health.seen
        if seen is not None:
            self.health = judging.silence(self.policy, self.health, seen.at_ns, seen.at_ns + silent_ns)

    def news(self) -> bool:
        """Whether there is a verdict that was not told yet; asking counts as telling."""
        now = (self.health.state, self.health.judged)
        news, self._told = now != self._told and (self.looks > 0), now
        return news

    def status(self, camera_id: str, source: str) -> CloudEvent[HealthStatus] | None:
        """The record of the verdict as it stands; ``None`` before the first look."""
        health = self.health
        if not self.looks:
            return None
        judged_ns = health.seen.at_ns if health.seen is not None else health.since_ns
        known = health.reference
        said = HealthStatus(
            camera_id=camera_id, state=health.state, since_ns=health.since_ns, judged_ns=judged_ns,
            reference_age_s=max(0.0, (judged_ns - known.since_ns) / NS_PER_S) if known is not None else None,
            measured={name: round(value, 4) for name, value in health.measured.items()},
        )  # fmt: skip
        identity = (source, camera_id, health.state, health.since_ns, judged_ns, known is not None)
        return make_event("kanhu.status.health", source, camera_id, judged_ns, said, identity=identity)
