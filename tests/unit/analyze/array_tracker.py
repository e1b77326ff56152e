"""The tracker written a second time, on arrays: what ``core.tracker`` is compared with. All tracks at once, every pair compared,
every choice left to the assignment. Slow for a few people and plain to read against the papers; settings are the product's own.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from services.analyze.core.detection import Detections
from services.analyze.core.tracker import Track, TrackerSettings
from services.contracts.time import NS_PER_S

Floats = NDArray[np.float64]
Rows = NDArray[np.intp]


@dataclass(slots=True)
class ArrayTracker:
    """``states`` (n, 8): centre x, y, width, height and their speeds. ``covariances`` (n, 8, 8), in heights squared."""

    settings: TrackerSettings = field(default_factory=TrackerSettings)
    states: Floats = field(default_factory=lambda: np.zeros((0, 8)))
    covariances: Floats = field(default_factory=lambda: np.zeros((0, 8, 8)))
    ids: list[int] = field(default_factory=list)
    born_ns: list[int] = field(default_factory=list)
    #: Of each track every box it was given: (frame_ns, score, class).
    seen: list[list[tuple[int, float, int]]] = field(default_factory=list)
    at_ns: int | None = None
    given: int = 0

    def update(self, frame_ns: int, found: Detections) -> list[Track]:
        before_ns, self.at_ns = self.at_ns, frame_ns
        if before_ns is not None:
            self._drop(before_ns, frame_ns)
            if frame_ns > before_ns:
                self._predict((frame_ns - before_ns) / NS_PER_S)
        boxes, scores = found.boxes.astype(np.float64), found.scores.astype(np.float64)
        pairs = self._associate(before_ns, boxes, scores)
        for row, column in pairs.items():
            self._correct(row, boxes[column], scores[column])
            self.seen[row].append((frame_ns, float(scores[column]), int(found.classes[column])))
        for column in range(len(boxes)):
            if column not in pairs.values() and scores[column] >= self.settings.new_score:
                pairs[self._begin(boxes[column], scores[column])] = column
                self.seen[-1].append((frame_ns, float(scores[column]), int(found.classes[column])))
                self.born_ns.append(frame_ns)
        return [self._told(row, boxes[pairs[row]], float(scores[pairs[row]])) for row in sorted(pairs)]

    def _drop(self, before_ns: int, frame_ns: int) -> None:
        lost_ns = self.settings.lost_s * NS_PER_S
        keep = [
            row
            for row, seen in enumerate(self.seen)
            if seen[-1][0] == before_ns or (self._confirmed(row) and frame_ns - seen[-1][0] <= lost_ns)
        ]
        self.states, self.covariances = self.states[keep], self.covariances[keep]
        self.ids, self.born_ns = [self.ids[row] for row in keep], [self.born_ns[row] for row in keep]
        self.seen = [self.seen[row] for row in keep]

    def _predict(self, dt_s: float) -> None:
        move = np.eye(8) + dt_s * np.eye(8, k=4)
        place, size = np.square(self.settings.motion.acceleration)
        drive = np.diag([place, place, size, size])
        noise = np.block([
            [drive * dt_s**3 / 3, drive * dt_s**2 / 2],
            [drive * dt_s**2 / 2, drive * dt_s],
        ])  # fmt: skip
        self.states = self.states @ move.T
        self.states[:, 2:4] = np.maximum(self.states[:, 2:4], 1.0)
        self.covariances = move @ self.covariances @ move.T + noise

    def _noise(self, score: float) -> Floats:
        motion = self.settings.motion
        place, size = np.square(motion.measured) * max(motion.doubt * (1 - score), motion.least_doubt)
        return np.diag([place, place, size, size])

    def _correct(self, row: int, box: Floats, score: float) -> None:
        covariance = self.covariances[row]
        gain = covariance[:, :4] @ np.linalg.inv(covariance[:4, :4] + self._noise(score))
        self.states[row] += gain @ (centred(box) - self.states[row, :4])
        self.covariances[row] = covariance - gain @ covariance[:4]

    def _begin(self, box: Floats, score: float) -> int:
        place, size = np.square(self.settings.motion.first_speed)
        covariance = np.zeros((8, 8))
        covariance[:4, :4], covariance[4:, 4:] = self._noise(score), np.diag([place, place, size, size])
        self.states = np.concatenate([self.states, [np.concatenate([centred(box), np.zeros(4)])]])
        self.covariances = np.concatenate([self.covariances, [covariance]])
        self.given += 1
        self.ids.append(self.given)
        self.seen.append([])
        return len(self.ids) - 1

    def _associate(self, before_ns: int | None, boxes: Floats, scores: Floats) -> dict[int, int]:
        chosen, pairs = self.settings, dict[int, int]()
        recent = np.array([seen[-1][0] == before_ns for seen in self.seen], bool)
        sure = scores >= chosen.sure_score
        expected, nothing = corners(self.states[:, :4]), np.zeros(len(self.ids))
        margins = np.minimum(
            chosen.grown_by * np.sqrt(self.covariances[:, 0, 0]) * self.states[:, 3],
            chosen.grown_most * self.states[:, 3],
        )
        everybody = np.ones_like(recent)
        for rows, columns, margin, least in (
            (everybody, sure, nothing, chosen.match_iou),
            (recent, sure, margins, chosen.grown_iou),
            (recent, ~sure, nothing, chosen.unsure_iou),
        ):
            overlap, worth = compared(expected, boxes, margin)
            free = rows & ~np.isin(np.arange(len(rows)), list(pairs))
            left = columns & ~np.isin(np.arange(len(columns)), list(pairs.values()))
            possible = (overlap >= least) & free[:, None] & left
            chosen_rows, chosen_columns = linear_sum_assignment(np.where(possible, 1 + worth, 0), maximize=True)
            pairs |= {
                int(r): int(c) for r, c in zip(chosen_rows, chosen_columns, strict=True) if possible[r, c]
            }  # fmt: skip
        return pairs

    def _confirmed(self, row: int) -> bool:
        """By the second box or any later one; once confirmed, always."""
        seen, chosen = self.seen[row], self.settings
        return len(seen) > 1 and (
            seen[-1][0] - seen[0][0] >= chosen.confirm_s * NS_PER_S
            or sum(score for _, score, _ in seen) >= chosen.confirm_score
        )

    def _kind(self, row: int) -> int:
        kind, lead = self.seen[row][0][2], 0
        for _, _, told in self.seen[row]:
            lead += 1 if told == kind else -1
            if lead < 0:
                kind, lead = told, 1
        return kind

    def _told(self, row: int, box: Floats, score: float) -> Track:
        state, seen = self.states[row], self.seen[row]
        return Track(
            self.ids[row], tuple(box.tolist()), score, len(seen), self._confirmed(row),
            tuple(corners(state[None, :4])[0].tolist()), tuple(state[4:6].tolist()),
            (seen[-1][0] - self.born_ns[row]) / NS_PER_S, self._kind(row),
        )  # fmt: skip


def compared(tracks: Floats, boxes: Floats, margin: Floats) -> tuple[Floats, Floats]:
    """(IoU, IoU times the overlap of heights) of (n, 4) against (m, 4), both grown by the tracks' margin (n,)."""
    grown = np.stack([-margin, -margin, margin, margin], axis=1)
    left, right = (tracks + grown)[:, None], boxes[None] + grown[:, None]
    low, high = np.maximum(left[..., :2], right[..., :2]), np.minimum(left[..., 2:], right[..., 2:])
    sides = np.maximum(high - low, 0)
    shared, areas = sides.prod(axis=2), [np.prod(one[..., 2:] - one[..., :2], axis=2) for one in (left, right)]
    tall = [one[..., 3] - one[..., 1] for one in (left, right)]
    overlap = shared / (areas[0] + areas[1] - shared)
    return overlap, overlap * sides[..., 1] / (tall[0] + tall[1] - sides[..., 1])


def centred(box: Floats) -> Floats:
    return np.array([(box[0] + box[2]) / 2, (box[1] + box[3]) / 2, box[2] - box[0], box[3] - box[1]])


def corners(centres: Floats) -> Floats:
    return np.concatenate([centres[:, :2] - centres[:, 2:] / 2, centres[:, :2] + centres[:, 2:] / 2], axis=1)
