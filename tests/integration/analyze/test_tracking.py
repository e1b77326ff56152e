"""The tracker on pedestrians with ground truth: a smoke of its quality (the bench measures it in full)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from services.analyze.core.detection import Detections, iou_matrix
from services.analyze.core.tracker import Tracker
from services.contracts.time import NS_PER_S


def rows(path: Path) -> NDArray[np.float64]:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def corners(table: NDArray[np.float64]) -> NDArray[np.float32]:
    return np.concatenate([table[:, 2:4], table[:, 2:4] + table[:, 4:6]], axis=1).astype(np.float32)


@pytest.mark.parametrize(("name", "least_mota"), [("TUD-Campus", 0.55), ("TUD-Stadtmitte", 0.68)])
def test_pedestrians_are_tracked(name: str, least_mota: float, clip: Callable[[str], Path]) -> None:
    truth, detections = rows(clip(f"mot/{name}/gt.txt")), rows(clip(f"mot/{name}/det.txt"))
    tracker = Tracker()
    last: dict[int, int] = {}
    misses = switches = 0
    for frame in range(1, int(truth[:, 0].max()) + 1):
        given = detections[detections[:, 0] == frame]
        given = given[np.argsort(-given[:, 6], kind="stable")]
        seen = Detections(corners(given), given[:, 6].astype(np.float32), np.zeros(len(given), np.int32))
        tracks = [track for track in tracker.update(round(frame / 25 * NS_PER_S), seen) if track.confirmed]
        present = truth[truth[:, 0] == frame]
        overlap = iou_matrix(corners(present), np.array([t.box for t in tracks], np.float32).reshape(-1, 4))
        pairs = [(r, c) for r, c in zip(*linear_sum_assignment(-overlap), strict=True) if overlap[r, c] >= 0.5]
        misses += len(present) + len(tracks) - 2 * len(pairs)
        for row, column in pairs:
            person = int(present[row, 1])
            switches += last.get(person, tracks[column].track_id) != tracks[column].track_id
            last[person] = tracks[column].track_id
    assert 1 - (misses + switches) / len(truth) >= least_mota
    assert switches <= 20
