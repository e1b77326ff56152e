"""Trackers over a sequence: what each tells of it, as boxes that ``scoring`` takes. Ours tells its confirmed tracks, live."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from bench.mot import libraries
from bench.mot.boxes import TrackedBoxes, TrackingCase
from bench.mot.sort_baseline import Sort
from services.analyze.core.tracker import Tracker, TrackerSettings


def run_ours(case: TrackingCase, settings: TrackerSettings | None = None) -> TrackedBoxes:
    """Confirmed tracks where the filter thinks they are, in the frames in which they were seen."""
    tracker = Tracker(settings or TrackerSettings())
    told = [
        (frame, track.track_id, *track.estimate)
        for frame, frame_ns, found in case.frames()
        for track in tracker.update(frame_ns, found)
        if track.confirmed
    ]
    return of_corners(told)


def run_sort(case: TrackingCase) -> TrackedBoxes:
    sort = Sort()
    bounds = np.searchsorted(case.detections.frames, np.arange(1, case.frame_count + 2))
    told = [
        (frame, track_id, *box)
        for frame in range(1, case.frame_count + 1)
        for track_id, box in sort.update(case.detections.corners[bounds[frame - 1] : bounds[frame]])
    ]
    return of_corners(told)


def run_library(python: Path, cases: Sequence[TrackingCase], tracker: str) -> list[TrackedBoxes]:
    """A tracker of the package ``trackers`` with its defaults at each sequence's rate; tracks without an id are not told."""
    tasks = [
        {"track": {"tracker": tracker, "frames_per_s": case.frames_per_s, "frames": detections_of(case)}}
        for case in cases
    ]
    return [of_corners(answer["tracks"]) for answer in ask(python, *tasks)]


def detections_of(case: TrackingCase) -> list[list[list[float]]]:
    """For each frame its boxes as x1, y1, x2, y2, score."""
    return [np.column_stack([found.boxes, found.scores]).tolist() for _, _, found in case.frames()]


def library_scores(python: Path, truth: TrackedBoxes, tracks: TrackedBoxes) -> Mapping[str, Mapping[str, float]]:
    """What TrackEval and motmetrics say, by library."""
    rows = {
        name: np.column_stack([t.frames, t.ids, t.corners]).tolist()
        for name, t in (("truth", truth), ("tracks", tracks))
    }
    answer: Mapping[str, Mapping[str, float]] = ask(python, {"score": rows})[0]
    return answer


def ask(python: Path, *tasks: Mapping[str, Any]) -> list[Any]:
    """Give ``libraries.py`` tasks on the side environment's Python; ``RuntimeError`` with its last words when it fails."""
    outcome = subprocess.run(
        [python, libraries.__file__], input=json.dumps(tasks), capture_output=True, text=True, check=False
    )
    if outcome.returncode:
        raise RuntimeError(f"the libraries failed: {outcome.stderr.strip()[-600:]}")
    answers: list[Any] = json.loads(outcome.stdout)
    return answers


def of_corners(told: list[Any]) -> TrackedBoxes:
    """(frame, id, x1, y1, x2, y2) of each box, by frame."""
    table = np.array(told, float).reshape(-1, 6)
    return TrackedBoxes(table[:, 0].astype(np.int64), table[:, 1].astype(np.int64), table[:, 2:], np.ones(len(table)))
