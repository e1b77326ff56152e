"""Boxes with identities over frames, and the sequences of ``shared/data/mot`` as such. Reading only; nothing is scored here.

MOTChallenge text is one box a line: frame (from 1), id (-1: none), x, y, width, height, score, class, ... Of a MOT17 truth only
the lines marked as counting (column 7 is 1) and as pedestrians (column 8 is 1) are truth; MOT15 (TUD) has no such columns.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.detection import Detections
from services.contracts.time import NS_PER_S

SHARED = Path(__file__).parents[3] / "shared" / "data"
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class TrackedBoxes:
    """``frames`` (n,) rising, ``ids`` (n,), ``corners`` (n, 4) as x1, y1, x2, y2 in pixels, ``scores`` (n,) of 0..1."""

    frames: NDArray[np.int64]
    ids: NDArray[np.int64]
    corners: Floats
    scores: Floats

    def __len__(self) -> int:
        return len(self.frames)

    @classmethod
    def of_rows(cls, rows: Floats) -> TrackedBoxes:
        """From lines of MOTChallenge text, put into the order of their frames."""
        rows = rows.reshape(-1, rows.shape[-1] if rows.size else 7)
        rows = rows[np.argsort(rows[:, 0], kind="stable")]
        corners = np.concatenate([rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]], axis=1)
        return cls(rows[:, 0].astype(np.int64), rows[:, 1].astype(np.int64), corners, rows[:, 6])


@dataclass(frozen=True, slots=True)
class TrackingCase:
    """A sequence with one set of detections. ``frames_per_s`` is its camera's; ``frame_count`` is its length."""

    name: str
    truth: TrackedBoxes
    detections: TrackedBoxes
    frames_per_s: float
    frame_count: int

    def frames(self) -> Iterator[tuple[int, int, Detections]]:
        """(frame number, its time in ns, what was detected in it, best first), for every frame, empty ones too."""
        bounds = np.searchsorted(self.detections.frames, np.arange(1, self.frame_count + 2))
        for frame in range(1, self.frame_count + 1):
            chosen = np.arange(bounds[frame - 1], bounds[frame])
            chosen = chosen[np.argsort(-self.detections.scores[chosen], kind="stable")]
            found = Detections(
                self.detections.corners[chosen].astype(np.float32),
                self.detections.scores[chosen].astype(np.float32),
                np.zeros(len(chosen), np.int32),
            )
            yield frame, round(frame / self.frames_per_s * NS_PER_S), found


def at_rate(case: TrackingCase, frames_per_s: float, *, begun: float = 0.0) -> TrackingCase:
    """The sequence as a camera sees it that is analysed at about this rate: every so-manieth frame, renumbered.

    ``begun`` (0..1): how far between two looks the sequence begins; short sequences need more than one beginning to say much.
    """
    step = max(1, round(case.frames_per_s / frames_per_s))
    first = 1 + int(begun * step)

    def thinned(boxes: TrackedBoxes) -> TrackedBoxes:
        kept = (boxes.frames >= first) & ((boxes.frames - first) % step == 0)
        frames = (boxes.frames[kept] - first) // step + 1
        return TrackedBoxes(frames, boxes.ids[kept], boxes.corners[kept], boxes.scores[kept])

    rate, count = case.frames_per_s / step, (case.frame_count - first) // step + 1
    return TrackingCase(f"{case.name} at {rate:.1f} fps", thinned(case.truth), thinned(case.detections), rate, count)


def read_rows(path: Path) -> Floats:
    return np.loadtxt(path, delimiter=",", ndmin=2)


def read_truth(directory: Path) -> TrackedBoxes:
    rows = read_rows(directory / "gt.txt")
    return TrackedBoxes.of_rows(rows[(rows[:, 6] == 1) & (rows[:, 7] == 1)] if _is_mot17(directory) else rows)


#: (folder, the file that is read as detections, frames a second): the rows of "Numbers to beat" that need no model.
GIVEN = (
    ("TUD-Campus", "det.txt", 25.0),
    ("TUD-Stadtmitte", "det.txt", 25.0),
    ("MOT17-02", "tracks_lift_frcnn.txt", 30.0),
    ("MOT17-05", "tracks_lift_frcnn.txt", 14.0),
)


def given_case(name: str, detections: str, frames_per_s: float, *, root: Path = SHARED / "mot") -> TrackingCase:
    """A sequence with the detections that lie beside its truth; identities in them are not looked at."""
    directory = root / name
    rows = read_rows(directory / detections)
    rows[:, 1] = -1
    truth = read_truth(directory)
    return TrackingCase(name, truth, TrackedBoxes.of_rows(rows), frames_per_s, _length(directory, truth))


def _is_mot17(directory: Path) -> bool:
    return (directory / "seqinfo.ini").exists()


def _length(directory: Path, truth: TrackedBoxes) -> int:
    if _is_mot17(directory):
        for line in (directory / "seqinfo.ini").read_text().splitlines():
            if line.startswith("seqLength="):
                return int(line.split("=")[1])
    return int(truth.frames.max())
