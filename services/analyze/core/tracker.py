"""Boxes over time → object tracks, after ByteTrack (Zhang et al., ECCV 2022): sure boxes first, unsure ones prolong only.

Motion is constant velocity with a Kalman filter per coordinate (centre x, centre y, width, height). The coordinates are
independent of each other, so that the filter of all tracks together is a few vector operations. Time is seconds of capture
time, not frames: a camera analysed at 2 fps and one at 15 fps are tracked by the same numbers. Deterministic; a track never
leaves its camera.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from services.analyze.core.detection import Detections, Vector, iou_matrix
from services.contracts.time import NS_PER_S


@dataclass(frozen=True, slots=True)
class TrackerSettings:
    """Tuning. Lengths are relative to a box's height, so that near and far people are treated alike."""

    sure_score: float = 0.4
    new_score: float = 0.5
    match_iou: float = 0.2
    unsure_iou: float = 0.4
    #: Boxes are grown by this share on every side for a last pass: at 5 fps a running child leaves its own box.
    grown_by: float = 0.6
    grown_iou: float = 0.2
    lost_s: float = 1.5
    confirm_hits: int = 2
    position_noise: float = 0.05
    acceleration_noise: float = 1.5
    first_speed: float = 1.0


@dataclass(frozen=True, slots=True)
class Track:
    """A tracked object in one frame in which it was seen. ``box`` is the detector's own, not the filter's."""

    track_id: int
    box: tuple[float, float, float, float]
    score: float
    hits: int
    confirmed: bool


@dataclass(slots=True)
class _Filter:
    """State of ``n`` tracks: means and covariance of position and speed for 4 coordinates, all (n, 4)."""

    position: Vector
    speed: Vector
    var_position: Vector
    covariance: Vector
    var_speed: Vector

    @classmethod
    def at(cls, measured: Vector, noise: Vector, first_speed: Vector) -> _Filter:
        zero = np.zeros_like(measured)
        return cls(
            measured.copy(), zero.copy(), noise**2, zero.copy(), np.broadcast_to(first_speed**2, zero.shape).copy()
        )

    def predict(self, dt_s: float, acceleration: Vector) -> None:
        drive = acceleration**2
        self.position += self.speed * dt_s
        self.var_position += 2 * dt_s * self.covariance + dt_s**2 * self.var_speed + drive * (dt_s**3 / 3)
        self.covariance += dt_s * self.var_speed + drive * (dt_s**2 / 2)
        self.var_speed += drive * dt_s

    def correct(self, rows: NDArray[np.intp], measured: Vector, noise: Vector) -> None:
        total = self.var_position[rows] + noise**2
        gain_position = self.var_position[rows] / total
        gain_speed = self.covariance[rows] / total
        surprise = measured - self.position[rows]
        self.position[rows] += gain_position * surprise
        self.speed[rows] += gain_speed * surprise
        self.var_speed[rows] -= gain_speed * self.covariance[rows]
        self.covariance[rows] *= 1 - gain_position
        self.var_position[rows] *= 1 - gain_position

    def keep(self, rows: NDArray[np.bool_]) -> None:
        for name in ("position", "speed", "var_position", "covariance", "var_speed"):
            setattr(self, name, getattr(self, name)[rows])

    def extend(self, other: _Filter) -> None:
        for name in ("position", "speed", "var_position", "covariance", "var_speed"):
            setattr(self, name, np.concatenate([getattr(self, name), getattr(other, name)]))


@dataclass(slots=True)
class Tracker:
    """The tracks of one camera. ``update`` is called once per analysed frame, in order of capture time."""

    settings: TrackerSettings = field(default_factory=TrackerSettings)
    _ids: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _hits: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _seen_ns: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, np.int64))
    _filter: _Filter = field(default_factory=lambda: _empty_filter())
    _at_ns: int | None = None
    _next_id: int = 1

    def update(self, frame_ns: int, found: Detections) -> list[Track]:
        """Associate what was found; return the tracks seen in this frame, by track id."""
        self._advance(frame_ns)
        if not len(found):
            return []
        matched = self._associate(found)
        rows = np.array([row for row, _ in matched], dtype=np.intp)
        columns = np.array([column for _, column in matched], dtype=np.intp)
        if rows.size:
            measured = _to_centre(found.boxes[columns])
            self._filter.correct(rows, measured, self._noise(measured))
            self._hits[rows] += 1
            self._seen_ns[rows] = frame_ns
        born = self._begin(frame_ns, found, columns)
        seen = sorted([(int(self._ids[row]), int(row), int(column)) for row, column in matched] + born)
        return [self._track(row, column, found) for _, row, column in seen]

    def forget(self) -> None:
        """Drop all tracks: what comes next is not the continuation of what was. Ids are not used again."""
        self._ids, self._hits, self._seen_ns = (np.zeros(0, np.int64) for _ in range(3))
        self._filter, self._at_ns = _empty_filter(), None

    def _advance(self, frame_ns: int) -> None:
        if self._at_ns is not None and frame_ns > self._at_ns and self._ids.size:
            height = np.maximum(self._filter.position[:, 3:4], 1.0)
            self._filter.predict((frame_ns - self._at_ns) / NS_PER_S, _scaled(height, self.settings.acceleration_noise))
            alive = frame_ns - self._seen_ns <= self.settings.lost_s * NS_PER_S
            # What was seen once only and not again is noise.
            alive &= (self._hits > 1) | (self._seen_ns == self._at_ns)
            if not alive.all():
                self._ids, self._hits, self._seen_ns = self._ids[alive], self._hits[alive], self._seen_ns[alive]
                self._filter.keep(alive)
        self._at_ns = frame_ns

    def _associate(self, found: Detections) -> list[tuple[int, int]]:
        """Pairs (track row, detection) of three passes: sure boxes, unsure boxes, sure boxes with both sides grown."""
        predicted = _to_corners(self._filter.position)
        sure = np.flatnonzero(found.scores >= self.settings.sure_score)
        unsure = np.flatnonzero(found.scores < self.settings.sure_score)
        free = np.arange(len(self._ids))
        pairs: list[tuple[int, int]] = []
        for candidates, least, grown in (
            (sure, self.settings.match_iou, 0.0),
            (sure, self.settings.grown_iou, self.settings.grown_by),
            (unsure, self.settings.unsure_iou, 0.0),
        ):
            taken = {column for _, column in pairs}
            open_columns = np.array([column for column in candidates if column not in taken], dtype=np.intp)
            chosen = _match(_grow(predicted[free], grown), _grow(found.boxes[open_columns], grown), least)
            pairs += [(int(free[row]), int(open_columns[column])) for row, column in chosen]
            free = np.setdiff1d(free, [row for row, _ in pairs])
        return pairs

    def _begin(self, frame_ns: int, found: Detections, taken: NDArray[np.intp]) -> list[tuple[int, int, int]]:
        fresh = np.setdiff1d(np.flatnonzero(found.scores >= self.settings.new_score), taken)
        if not fresh.size:
            return []
        first = len(self._ids)
        measured = _to_centre(found.boxes[fresh])
        height = np.maximum(measured[:, 3:4], 1.0)
        self._filter.extend(_Filter.at(measured, self._noise(measured), _scaled(height, self.settings.first_speed)))
        ids = np.arange(self._next_id, self._next_id + fresh.size)
        self._next_id += fresh.size
        self._ids = np.concatenate([self._ids, ids])
        self._hits = np.concatenate([self._hits, np.ones(fresh.size, np.int64)])
        self._seen_ns = np.concatenate([self._seen_ns, np.full(fresh.size, frame_ns, np.int64)])
        return [(int(ids[i]), first + i, int(column)) for i, column in enumerate(fresh)]

    def _noise(self, measured: Vector) -> Vector:
        scale = self.settings.position_noise * np.maximum(measured[:, 3:4], 1.0)
        return np.asarray(np.broadcast_to(scale, measured.shape), dtype=np.float32)

    def _track(self, row: int, column: int, found: Detections) -> Track:
        x1, y1, x2, y2 = (float(value) for value in found.boxes[column])
        hits = int(self._hits[row])
        return Track(
            int(self._ids[row]), (x1, y1, x2, y2), float(found.scores[column]), hits, hits >= self.settings.confirm_hits
        )


def _scaled(heights: Vector, factor: float) -> Vector:
    return np.asarray(heights * np.float32(factor), dtype=np.float32)


def _empty_filter() -> _Filter:
    return _Filter(*(np.zeros((0, 4), np.float32) for _ in range(5)))


def _match(left: Vector, right: Vector, least: float) -> list[tuple[int, int]]:
    if not len(left) or not len(right):
        return []
    overlap = iou_matrix(left, right)
    rows, columns = linear_sum_assignment(np.where(overlap >= least, -overlap, 0.0))
    return [(int(r), int(c)) for r, c in zip(rows, columns, strict=True) if overlap[r, c] >= least]


def _grow(boxes: Vector, share: float) -> Vector:
    if share == 0.0:
        return boxes
    margin = (boxes[:, 2:] - boxes[:, :2]) * np.float32(share)
    return np.concatenate([boxes[:, :2] - margin, boxes[:, 2:] + margin], axis=1)


def _to_centre(boxes: Vector) -> Vector:
    size = boxes[:, 2:] - boxes[:, :2]
    return np.concatenate([boxes[:, :2] + size / 2, size], axis=1).astype(np.float32)


def _to_corners(state: Vector) -> Vector:
    half = np.maximum(state[:, 2:], 1.0) / 2
    return np.concatenate([state[:, :2] - half, state[:, :2] + half], axis=1).astype(np.float32)
