"""SORT (Bewley et al., "Simple Online and Realtime Tracking", ICIP 2016), written from the paper: the figure to beat.

With the parameters of the authors' release: a track is told from its third update in a row on (or at once in the first three
frames), dies after one frame without a box, and takes a box from IoU 0.3. Rates do not matter to it: it counts in frames.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from scipy.optimize import linear_sum_assignment

from bench.mot.boxes import Floats

_MAX_AGE, _MIN_HITS, _LEAST_IOU = 1, 3, 0.3
# State: centre x, centre y, area, aspect; speed of the first three. Measured: the first four.
_MOVE = np.eye(7) + np.eye(7, k=4)
_MOVE[3] = np.eye(7)[3]
_SEE = np.eye(4, 7)
_SEEN_NOISE = np.diag([1.0, 1.0, 10.0, 10.0])
_MOVE_NOISE = np.diag([1.0, 1.0, 1.0, 1.0, 0.01, 0.01, 0.0001])
_FIRST_SPREAD = np.diag([10.0] * 4 + [10_000.0] * 3)


@dataclass(slots=True)
class _Walker:
    track_id: int
    state: Floats
    spread: Floats = field(default_factory=lambda: _FIRST_SPREAD.copy())
    streak: int = 0
    unseen: int = 0

    def predict(self) -> Floats:
        if self.state[2] + self.state[6] <= 0:
            self.state[6] = 0.0
        self.state = _MOVE @ self.state
        self.spread = _MOVE @ self.spread @ _MOVE.T + _MOVE_NOISE
        self.streak = 0 if self.unseen else self.streak
        self.unseen += 1
        return _corners(self.state)

    def correct(self, box: Floats) -> None:
        gain = self.spread @ _SEE.T @ np.linalg.inv(_SEE @ self.spread @ _SEE.T + _SEEN_NOISE)
        self.state = self.state + gain @ (_measure(box) - _SEE @ self.state)
        self.spread = (np.eye(7) - gain @ _SEE) @ self.spread
        self.streak += 1
        self.unseen = 0


@dataclass(slots=True)
class Sort:
    _walkers: list[_Walker] = field(default_factory=list)
    _frames: int = 0
    _ids: int = 0

    def update(self, boxes: Floats) -> list[tuple[int, Floats]]:
        """(track id, its filtered corners) of one frame with ``boxes`` (n, 4)."""
        self._frames += 1
        predicted = np.array([walker.predict() for walker in self._walkers]).reshape(-1, 4)
        overlap = _iou(boxes, predicted)
        pairs = [(box, row) for box, row in _assign(overlap) if overlap[box, row] >= _LEAST_IOU]
        for box, row in pairs:
            self._walkers[row].correct(boxes[box])
        for box in sorted(set(range(len(boxes))) - {box for box, _ in pairs}):
            self._ids += 1
            self._walkers.append(_Walker(self._ids, np.concatenate([_measure(boxes[box]), np.zeros(3)])))
        told = [
            (walker.track_id, _corners(walker.state))
            for walker in self._walkers
            if walker.unseen == 0 and (walker.streak >= _MIN_HITS or self._frames <= _MIN_HITS)
        ]
        self._walkers = [walker for walker in self._walkers if walker.unseen <= _MAX_AGE]
        return told


def _assign(overlap: Floats) -> list[tuple[int, int]]:
    """What the release does: where nobody competes, every pair above the threshold; else the best sum of overlaps."""
    close = overlap > _LEAST_IOU
    if close.size and close.sum(axis=1).max() == 1 and close.sum(axis=0).max() == 1:
        return list(zip(*(index.tolist() for index in np.nonzero(close)), strict=True))
    return list(zip(*(index.tolist() for index in linear_sum_assignment(-overlap)), strict=True))


def _measure(box: Floats) -> Floats:
    width, height = box[2] - box[0], box[3] - box[1]
    return np.array([box[0] + width / 2, box[1] + height / 2, width * height, width / height])


def _corners(state: Floats) -> Floats:
    width = np.sqrt(max(state[2] * state[3], 1e-9))
    half = np.array([width, state[2] / width]) / 2
    return np.concatenate([state[:2] - half, state[:2] + half])


def _iou(left: Floats, right: Floats) -> Floats:
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (left, right)]
    return np.asarray(shared / (areas[0][:, None] + areas[1][None, :] - shared))
