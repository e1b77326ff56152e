"""Boxes over time → object tracks, after ByteTrack (Zhang et al., ECCV 2022): sure boxes first, unsure ones prolong only.

Three passes a frame, each over what the ones before left: sure boxes with all tracks; sure boxes with the tracks of the frame
before, both grown by what is not known of the track's place (at 3 fps a running child leaves its own box); unsure boxes with the
tracks of the frame before. A track that was lost is thus only found again where it is expected, by a box that is sure.

Time is seconds of capture time and length is box heights, not frames and pixels: a camera analysed at 2 fps and one at 25 fps,
a child near and one far, are tracked by the same numbers. Deterministic. The motion is in ``track_filter.py``, the pairing in
``association.py``. A track's number means something within its camera and its tracker only and never leaves the analysis.

Rewinding: what a tracker knows of a track depends on the last seconds alone, so that one begun ``REWIND_S`` earlier makes the
same associations as one that was never interrupted, under other numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from services.analyze.core.association import match
from services.analyze.core.detection import Detections
from services.analyze.core.track_filter import MotionSettings, TrackFilter
from services.analyze.core.zones import Box
from services.contracts.time import NS_PER_S

#: How much earlier a tracker has to begin to be like one that was never interrupted: a lost track's longest absence, and the
#: time in which a new track's place and speed settle.
REWIND_S = 4.0


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Tuning, the same for every camera: seconds, box heights, scores of 0..1. docs/design/analysis.md says how it was found."""

    #: From here a box is believed without a track (ByteTrack's high score).
    sure_score: float = 0.4
    #: From here a box that belongs to no track begins one.
    new_score: float = 0.5
    #: Least IoU of a sure box with where a track is expected.
    match_iou: float = 0.26
    unsure_iou: float = 0.4
    #: Boxes are grown by this many standard deviations of the track's place, but by no more than so many heights.
    grown_by: float = 1.5
    grown_most: float = 0.6
    grown_iou: float = 0.2
    #: A confirmed track is waited for this long.
    lost_s: float = 2.0
    #: A track is confirmed by its second box, if the scores sum to this or the boxes are this far apart in time: frames 40 ms
    #: apart show nearly the same picture, and what misled the detector once misleads it again.
    confirm_score: float = 1.4
    confirm_s: float = 0.15
    motion: MotionSettings = field(default_factory=MotionSettings)


class Track(NamedTuple):
    """A tracked object in one frame in which it was seen; all lengths are pixels of the picture."""

    #: From 1, in order of birth, never used again by this tracker.
    track_id: int
    #: The detector's own: x1, y1, x2, y2.
    box: Box
    score: float
    #: Boxes so far.
    hits: int
    #: Seen often enough to be believed.
    confirmed: bool
    #: The filter's: box and track weighed by their certainty; steadier than ``box``, whose sides jump as limbs are hidden.
    estimate: Box
    #: The filter's, of the box's centre, to the right and down.
    velocity_px_s: tuple[float, float]
    #: Capture time since its first box.
    age_s: float
    #: The class of the model that most of its boxes have.
    kind: int


class _Seen(NamedTuple):
    """A box of this frame."""

    box: Box
    score: float
    kind: int


@dataclass(slots=True)
class _Life:
    """What is known of one track beside its motion: times of its first and newest box, how it was seen."""

    track_id: int
    motion: TrackFilter
    born_ns: int
    seen_ns: int
    score_sum: float
    kind: int
    #: By how many boxes ``kind`` leads (Boyer and Moore's majority vote: one pass, no table of classes).
    lead: int = 1
    hits: int = 1
    confirmed: bool = False

    def see(self, frame_ns: int, seen: _Seen, chosen: TrackerSettings) -> None:
        self.motion.correct(seen.box, seen.score)
        self.hits += 1
        self.seen_ns = frame_ns
        self.score_sum += seen.score
        self.lead += 1 if seen.kind == self.kind else -1
        if self.lead < 0:
            self.kind, self.lead = seen.kind, 1
        if not self.confirmed:
            late = frame_ns - self.born_ns >= chosen.confirm_s * NS_PER_S
            self.confirmed = late or self.score_sum >= chosen.confirm_score

    def told(self, seen: _Seen) -> Track:
        return Track(
            self.track_id, seen.box, seen.score, self.hits, self.confirmed, self.motion.corners(),
            self.motion.velocity_px_s(), (self.seen_ns - self.born_ns) / NS_PER_S, self.kind,
        )  # fmt: skip


@dataclass(slots=True)
class Tracker:
    """The tracks of one camera. ``update`` is called once per analysed frame, in order of capture time."""

    settings: TrackerSettings = field(default_factory=TrackerSettings)
    #: In order of birth.
    _lives: list[_Life] = field(default_factory=list)
    _at_ns: int | None = None
    _next_id: int = 1

    def update(self, frame_ns: int, found: Detections) -> list[Track]:
        """Associate what was found; return the tracks seen in this frame, by track id."""
        before_ns, self._at_ns = self._at_ns, frame_ns
        if self._lives and before_ns is not None:
            self._advance(before_ns, frame_ns)
        if not len(found):
            return []
        boxes = map(tuple, found.boxes.tolist())
        seen = list(map(_Seen, boxes, found.scores.tolist(), found.classes.tolist()))
        pairs = self._associate(before_ns, seen)
        told = []
        for row in sorted(pairs):
            life, mine = self._lives[row], seen[pairs[row]]
            life.see(frame_ns, mine, self.settings)
            told.append(life.told(mine))
        return told + self._begin(frame_ns, seen, set(pairs.values()))

    def forget(self) -> None:
        """Drop all tracks: what comes next is not the continuation of what was. Ids are not used again."""
        self._lives, self._at_ns = [], None

    def _advance(self, before_ns: int, frame_ns: int) -> None:
        # What was not confirmed and is not seen again at once is noise.
        lost_ns = self.settings.lost_s * NS_PER_S
        self._lives = [
            life
            for life in self._lives
            if life.seen_ns == before_ns or (life.confirmed and frame_ns - life.seen_ns <= lost_ns)
        ]
        if frame_ns > before_ns:
            for life in self._lives:
                life.motion.predict((frame_ns - before_ns) / NS_PER_S)

    def _associate(self, before_ns: int | None, seen: Sequence[_Seen]) -> dict[int, int]:
        """Which box each track was given: by their places among the lives and in ``seen``."""
        chosen, lives = self.settings, self._lives
        expected, boxes = [life.motion.corners() for life in lives], [one.box for one in seen]
        sure = [column for column, one in enumerate(seen) if one.score >= chosen.sure_score]
        pairs = match(expected, boxes, range(len(lives)), sure, chosen.match_iou)
        if len(pairs) in (len(lives), len(seen)):
            return pairs
        taken = set(pairs.values())
        free = [row for row, life in enumerate(lives) if life.seen_ns == before_ns and row not in pairs]
        left = [column for column in sure if column not in taken]
        more = match(expected, boxes, free, left, chosen.grown_iou, [self._margin_px(lives[row]) for row in free])
        free = [row for row in free if row not in more]
        unsure = [column for column, one in enumerate(seen) if one.score < chosen.sure_score]
        return pairs | more | match(expected, boxes, free, unsure, chosen.unsure_iou)

    def _margin_px(self, life: _Life) -> float:
        """By how much a box is grown where the track may have gone."""
        _, top, _, bottom = life.motion.corners()
        return min(self.settings.grown_by * life.motion.uncertainty_px(), self.settings.grown_most * (bottom - top))

    def _begin(self, frame_ns: int, seen: list[_Seen], taken: set[int]) -> list[Track]:
        """Begin tracks with what belongs to none."""
        told = []
        for column, one in enumerate(seen):
            if one.score >= self.settings.new_score and column not in taken:
                motion = TrackFilter(self.settings.motion, one.box, one.score)
                life = _Life(self._next_id, motion, frame_ns, frame_ns, one.score, one.kind)
                self._next_id += 1
                self._lives.append(life)
                told.append(life.told(one))
        return told
