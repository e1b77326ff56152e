"""What was watched of one camera: keeps its account, tells it as ``WatchStatus``, and counts it in the metrics.

Belongs here: turning chunks and their outcome into pieces of the account. Does not belong here: joining and counting
(``core.watched``), deciding what is left out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from services.analyze.core.rules import RULES_VERSION
from services.analyze.core.sampling import Pace
from services.analyze.core.watched import Fates, Manner, WatchLedger
from services.analyze.decoding import frames_in
from services.backbone import metrics
from services.contracts.cloud_event import CloudEvent, make_event
from services.contracts.media_record import Chunk
from services.contracts.status import SkipCause, WatchStatus

NO_MODEL = "none"


@dataclass(slots=True)
class WatchBook:
    """One camera's account since it was last told. ``model`` is what looks at it now, ``asked`` the policy's rate."""

    camera_id: str
    source: str
    asked_frames_per_s: float
    model: str = NO_MODEL
    _ledger: WatchLedger = field(default_factory=WatchLedger)
    #: The newest manner and what it follows from: it changes seldom, and every chunk has one.
    _manners: tuple[tuple[object, ...], Manner] | None = None

    @property
    def crowded(self) -> bool:
        return self._ledger.crowded

    def unwatched(self, chunk: Chunk, cause: SkipCause) -> None:
        """A chunk was let go without being decoded."""
        fates = Fates()
        fates.skip(cause, frames_in(chunk))
        self.enter(chunk, None, cause, fates)

    def enter(
        self, chunk: Chunk, pace: Pace | None, cause: SkipCause | None, fates: Fates, view: str = "unjudged"
    ) -> None:
        """What became of a chunk: watched at a pace, or for ``cause`` not."""
        if cause == "undecodable":
            self._ledger.undecodable_chunks += 1
        elif cause is not None:
            self._ledger.skipped_chunks += 1
        self._ledger.add(chunk.facts.start_ns, chunk.facts.end_ns, self._manner(pace, cause, view), fates)

    def amend(self, fates: Fates) -> None:
        """Frames that came out of the decoder later than their chunk."""
        self._ledger.amend(fates)

    def told(self) -> CloudEvent[WatchStatus] | None:
        """The record of what was watched since the last time; ``None`` if no chunk came. Begins anew."""
        if self._ledger.empty:
            return None
        spans, told = self._ledger.drain()
        total = told.total
        status = WatchStatus(
            camera_id=self.camera_id, from_ns=spans[0].from_ns, to_ns=spans[-1].to_ns, model=self.model,
            rules_version=RULES_VERSION, analysed_frames=total.analysed, gated_frames=total.gated,
            unasked_frames=total.unasked, skipped_frames=dict(total.skipped), skipped_chunks=told.skipped_chunks,
            undecodable_chunks=told.undecodable_chunks, asked_frames_per_s=self.asked_frames_per_s, spans=spans,
        )  # fmt: skip
        self._count(status)
        identity = (self.source, self.camera_id, status.from_ns, status.to_ns)
        return make_event("kanhu.status.watch", self.source, self.camera_id, status.to_ns, status, identity=identity)

    def _manner(self, pace: Pace | None, cause: SkipCause | None, view: str) -> Manner:
        if self._manners is None or self._manners[0] != (pace, cause, view, self.model, self.asked_frames_per_s):
            self._manners = (pace, cause, view, self.model, self.asked_frames_per_s), self._manner_of(pace, cause, view)
        return self._manners[1]

    def _manner_of(self, pace: Pace | None, cause: SkipCause | None, view: str) -> Manner:
        if pace is None or (cause is not None and pace.mode == "frames"):
            return Manner("none", cause, 0.0, self.model, view)
        # A GOP that is left out on purpose belongs to the pace that leaves it out: one span, not two for every GOP.
        if cause not in (None, "shed"):
            return Manner("none", cause, 0.0, self.model, view)
        reduced: SkipCause | None = "shed" if pace != Pace.full(self.asked_frames_per_s) else None
        return Manner(pace.mode, reduced, round(pace.mean_frames_per_s, 3), self.model, view)

    def _count(self, status: WatchStatus) -> None:
        camera = self.camera_id
        metrics.ANALYSED_FRAMES.labels(camera=camera).inc(status.analysed_frames)
        metrics.GATED_FRAMES.labels(camera=camera).inc(status.gated_frames)
        for cause, frames in status.skipped_frames.items():
            metrics.SKIPPED_FRAMES.labels(camera=camera, cause=cause).inc(frames)
        metrics.SKIPPED_CHUNKS.labels(camera=camera).inc(status.skipped_chunks)
        metrics.UNDECODABLE_CHUNKS.labels(camera=camera).inc(status.undecodable_chunks)
