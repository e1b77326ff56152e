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

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.association import fit, pair
from services.analyze.core.detection import Detections
from services.analyze.core.track_filter import Floats, MotionSettings, Rows, TrackFilter, to_centre
from services.contracts.time import NS_PER_S

Numbers = NDArray[np.int64]

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
    match_iou: float = 0.3
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
    box: tuple[float, float, float, float]
    score: float
    #: Boxes so far.
    hits: int
    #: Seen often enough to be believed.
    confirmed: bool
    #: The filter's: box and track weighed by their certainty; steadier than ``box``, whose sides jump as limbs are hidden.
    estimate: tuple[float, float, float, float]
    #: The filter's, of the box's centre, to the right and down.
    velocity_px_s: tuple[float, float]
    #: Capture time since its first box.
    age_s: float
    #: The class of the model that most of its boxes have.
    kind: int


@dataclass(slots=True)
class _Lives:
    """What is known of n tracks beside their motion, one column each: integers, and scores summed."""

    ids: Numbers
    hits: Numbers
    born_ns: Numbers
    seen_ns: Numbers
    confirmed: NDArray[np.bool_]
    score_sum: Floats
    kind: Numbers
    #: By how many boxes ``kind`` leads (Boyer and Moore's majority vote: one pass, no table of classes).
    lead: Numbers

    @classmethod
    def begin(cls, ids: Numbers, frame_ns: int, scores: Floats, classes: NDArray[np.int32]) -> _Lives:
        ones, now = np.ones_like(ids), np.full_like(ids, frame_ns)
        return cls(
            ids, ones, now, now.copy(), np.zeros(len(ids), np.bool_), scores, classes.astype(np.int64), ones.copy()
        )

    def keep(self, which: NDArray[np.bool_]) -> None:
        for name in self.__slots__:
            setattr(self, name, getattr(self, name)[which])

    def extend(self, more: _Lives) -> None:
        for name in self.__slots__:
            setattr(self, name, np.concatenate([getattr(self, name), getattr(more, name)]))

    def see(self, rows: Rows, frame_ns: int, scores: Floats, classes: NDArray[np.int32]) -> None:
        self.hits[rows] += 1
        self.seen_ns[rows] = frame_ns
        self.score_sum[rows] += scores
        agree = self.kind[rows] == classes
        self.lead[rows] += np.where(agree, 1, -1)
        if not agree.all():
            fallen = rows[self.lead[rows] < 0]
            self.kind[fallen] = classes[self.lead[rows] < 0]
            self.lead[fallen] = 1


def _nobody() -> _Lives:
    return _Lives.begin(np.zeros(0, np.int64), 0, np.zeros(0), np.zeros(0, np.int32))


@dataclass(slots=True)
class Tracker:
    """The tracks of one camera. ``update`` is called once per analysed frame, in order of capture time."""

    settings: TrackerSettings = field(default_factory=TrackerSettings)
    _lives: _Lives = field(default_factory=_nobody)
    _filter: TrackFilter = field(init=False)
    _at_ns: int | None = None
    _next_id: int = 1

    def __post_init__(self) -> None:
        self._filter = TrackFilter.empty(self.settings.motion)

    def update(self, frame_ns: int, found: Detections) -> list[Track]:
        """Associate what was found; return the tracks seen in this frame, by track id."""
        before_ns, self._at_ns = self._at_ns, frame_ns
        if len(self._lives.ids) and before_ns is not None:
            self._advance(before_ns, frame_ns)
        if not len(found):
            return []
        boxes, scores = found.boxes.astype(np.float64), found.scores.astype(np.float64)
        rows, columns = self._associate(before_ns, boxes, scores)
        if rows.size:
            self._filter.correct(rows, to_centre(boxes[columns]), scores[columns])
            self._lives.see(rows, frame_ns, scores[columns], found.classes[columns])
            self._confirm(rows, frame_ns)
        born = self._begin(frame_ns, found, boxes, scores, columns)
        if rows.size + born.size == 0:
            return []
        order = np.argsort(rows)
        rows, columns = rows[order], columns[order]
        if born.size:
            rows = np.concatenate([rows, np.arange(len(self._lives.ids) - len(born), len(self._lives.ids))])
            columns = np.concatenate([columns, born])
        return self._told(frame_ns, rows, columns, found)

    def forget(self) -> None:
        """Drop all tracks: what comes next is not the continuation of what was. Ids are not used again."""
        self._lives, self._filter, self._at_ns = _nobody(), TrackFilter.empty(self.settings.motion), None

    def _advance(self, before_ns: int, frame_ns: int) -> None:
        lives = self._lives
        # What was not confirmed and is not seen again at once is noise.
        alive = (lives.seen_ns == before_ns) | (
            lives.confirmed & (frame_ns - lives.seen_ns <= self.settings.lost_s * NS_PER_S)
        )
        if not alive.all():
            lives.keep(alive)
            self._filter.keep(alive)
        if frame_ns > before_ns:
            self._filter.predict((frame_ns - before_ns) / NS_PER_S)

    def _associate(self, before_ns: int | None, boxes: Floats, scores: Floats) -> tuple[Rows, Rows]:
        """(track rows, boxes) that belong together."""
        chosen = self.settings
        if not len(self._lives.ids):
            return np.zeros(0, np.intp), np.zeros(0, np.intp)
        expected = self._filter.corners()
        overlap, worth = fit(expected, boxes)
        sure = scores >= chosen.sure_score
        rows, columns = pair(np.where(sure, overlap, -1.0), worth, chosen.match_iou)
        if len(rows) == len(self._lives.ids) or len(columns) == len(boxes):
            return rows, columns
        recent = self._lives.seen_ns == before_ns
        free, left = _others(recent, rows), _others(sure, columns)
        if free.size and left.size:
            margin = self._filter.uncertainty_px(free) * chosen.grown_by
            margin = np.minimum(margin, chosen.grown_most * (expected[free, 3] - expected[free, 1]))
            more = pair(*fit(expected[free], boxes[left], margin), chosen.grown_iou)
            rows, columns = np.concatenate([rows, free[more[0]]]), np.concatenate([columns, left[more[1]]])
        free, left = _others(recent, rows), _others(~sure, columns)
        if free.size and left.size:
            places = np.ix_(free, left)
            more = pair(overlap[places], worth[places], chosen.unsure_iou)
            rows, columns = np.concatenate([rows, free[more[0]]]), np.concatenate([columns, left[more[1]]])
        return rows, columns

    def _confirm(self, rows: Rows, frame_ns: int) -> None:
        lives, chosen = self._lives, self.settings
        if not lives.confirmed[rows].all():
            old = frame_ns - lives.born_ns[rows] >= chosen.confirm_s * NS_PER_S
            lives.confirmed[rows] |= old | (lives.score_sum[rows] >= chosen.confirm_score)

    def _begin(self, frame_ns: int, found: Detections, boxes: Floats, scores: Floats, taken: Rows) -> Rows:
        """Begin tracks with what belongs to none; returns those boxes."""
        if len(taken) == len(boxes):
            return np.zeros(0, np.intp)
        fresh = _others(scores >= self.settings.new_score, taken)
        if fresh.size:
            ids = np.arange(self._next_id, self._next_id + fresh.size)
            self._next_id += fresh.size
            self._filter.begin(to_centre(boxes[fresh]), scores[fresh])
            self._lives.extend(_Lives.begin(ids, frame_ns, scores[fresh], found.classes[fresh]))
        return fresh

    def _told(self, frame_ns: int, rows: Rows, columns: Rows, found: Detections) -> list[Track]:
        lives, (estimates, velocities) = self._lives, self._filter.told(rows)
        columns_of_a_track = (
            lives.ids[rows].tolist(),
            map(tuple, found.boxes[columns].tolist()),
            found.scores[columns].tolist(),
            lives.hits[rows].tolist(),
            lives.confirmed[rows].tolist(),
            map(tuple, estimates.tolist()),
            map(tuple, velocities.tolist()),
            ((frame_ns - lives.born_ns[rows]) / NS_PER_S).tolist(),
            lives.kind[rows].tolist(),
        )
        return list(map(Track._make, zip(*columns_of_a_track, strict=True)))


def _others(among: NDArray[np.bool_], taken: Rows) -> Rows:
    """Indices where ``among`` holds, but those taken."""
    left = among.copy()
    left[taken] = False
    return np.flatnonzero(left)
