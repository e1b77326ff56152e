"""The account of what was watched: what became of every frame that arrived, and of every instant of capture time.

Belongs here: counting fates and joining pieces into spans. Does not belong here: deciding what is left out (``shedding``,
``backlog``), telling it (``camera_worker``), keeping it (retention).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from services.contracts.status import SkipCause, WatchMode, WatchSpan

#: Pieces of neighbouring chunks touch to the nanosecond within a run; between runs of one camera a frame may lie.
_TOUCHING_NS = 2_000_000


@dataclass(slots=True)
class Fates:
    """What became of frames. Every frame that arrived is in exactly one of the counts (or still inside the decoder)."""

    analysed: int = 0
    gated: int = 0
    unasked: int = 0
    skipped: dict[SkipCause, int] = field(default_factory=dict)

    @property
    def frames(self) -> int:
        return self.analysed + self.gated + self.unasked + sum(self.skipped.values())

    @property
    def looked(self) -> int:
        """Frames that were watched: analysed, or seen to be still."""
        return self.analysed + self.gated

    def skip(self, cause: SkipCause, frames: int) -> None:
        if frames:
            self.skipped[cause] = self.skipped.get(cause, 0) + frames

    def copy(self) -> Fates:
        return Fates(self.analysed, self.gated, self.unasked, dict(self.skipped))

    def since(self, before: Fates) -> Fates:
        """What was added after a copy was taken."""
        skipped: dict[SkipCause, int] = {}
        if self.skipped != before.skipped:
            added = {cause: count - before.skipped.get(cause, 0) for cause, count in self.skipped.items()}
            skipped = {cause: count for cause, count in added.items() if count}
        return Fates(
            self.analysed - before.analysed, self.gated - before.gated, self.unasked - before.unasked, skipped
        )  # fmt: skip

    def add(self, more: Fates) -> None:
        self.analysed += more.analysed
        self.gated += more.gated
        self.unasked += more.unasked
        for cause, count in more.skipped.items():
            self.skip(cause, count)


@dataclass(frozen=True, slots=True)
class Manner:
    """What must be equal for two neighbouring pieces to be one span."""

    mode: WatchMode
    cause: SkipCause | None
    frames_per_s: float
    model: str
    view: str = "unjudged"


@dataclass(slots=True)
class _Piece:
    from_ns: int
    to_ns: int
    manner: Manner
    fates: Fates


@dataclass(slots=True)
class WatchLedger:
    """Pieces since the last ``drain``; neighbours of one manner are joined as they come. ``limit`` bounds their number."""

    limit: int = 256
    total: Fates = field(default_factory=Fates)
    skipped_chunks: int = 0
    undecodable_chunks: int = 0
    _pieces: list[_Piece] = field(default_factory=list)

    @property
    def crowded(self) -> bool:
        """Whether it should be drained now instead of at the next round."""
        return len(self._pieces) >= self.limit // 2

    @property
    def empty(self) -> bool:
        return not self._pieces

    def add(self, from_ns: int, to_ns: int, manner: Manner, fates: Fates) -> None:
        """Account for ``[from_ns, to_ns)`` of capture time."""
        self.total.add(fates)
        last = self._pieces[-1] if self._pieces else None
        if last is not None and last.manner == manner and 0 <= from_ns - last.to_ns <= _TOUCHING_NS:
            last.to_ns = to_ns
            last.fates.add(fates)
        elif len(self._pieces) < self.limit:
            self._pieces.append(_Piece(from_ns, max(from_ns, to_ns), manner, fates.copy()))

    def amend(self, fates: Fates) -> None:
        """Frames that came out later than their chunk; they belong to the newest piece."""
        self.total.add(fates)
        if self._pieces:
            self._pieces[-1].fates.add(fates)

    def drain(self) -> tuple[list[WatchSpan], WatchLedger]:
        """The spans in order of time, none overlapping another, and the counts; begins anew."""
        spans = _joined(sorted(self._pieces, key=lambda piece: (piece.from_ns, piece.to_ns)))
        drained = replace(self, _pieces=[])
        self._pieces, self.total = [], Fates()
        self.skipped_chunks = self.undecodable_chunks = 0
        return [_span(piece) for piece in spans], drained


def _joined(pieces: list[_Piece]) -> list[_Piece]:
    joined: list[_Piece] = []
    for piece in pieces:
        last = joined[-1] if joined else None
        if last is not None and piece.from_ns < last.to_ns:  # a clock that was set back; the first account stands
            piece.from_ns, piece.to_ns = last.to_ns, max(last.to_ns, piece.to_ns)
        if last is not None and last.manner == piece.manner and piece.from_ns - last.to_ns <= _TOUCHING_NS:
            last.to_ns = max(last.to_ns, piece.to_ns)
            last.fates.add(piece.fates)
        else:
            joined.append(piece)
    return joined


def _span(piece: _Piece) -> WatchSpan:
    manner, fates = piece.manner, piece.fates
    skipped: Mapping[SkipCause, int] = fates.skipped
    return WatchSpan(
        from_ns=piece.from_ns, to_ns=piece.to_ns, mode=manner.mode, cause=manner.cause, view=manner.view,
        frames_per_s=manner.frames_per_s, model=manner.model, analysed_frames=fates.analysed,
        gated_frames=fates.gated, skipped_frames=dict(skipped),
    )  # fmt: skip
