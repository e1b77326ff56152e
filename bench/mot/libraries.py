"""What the libraries say of the same boxes: ``trackers``' trackers run on them, TrackEval and motmetrics score them.

Runs by itself on the side environment's Python (``bench/environment.py``) and imports nothing of ours: these libraries bring an
OpenCV that would take the place of the product's. A JSON list of tasks in (standard input), a list of answers out (standard
output).

``{"track": {"tracker": name, "frames_per_s": f, "frames": [[[x1, y1, x2, y2, score], ...], ...]}}`` -> ``{"tracks": rows}``
``{"time": {"tracker": name, "frames_per_s": f, "frames": as above}}`` -> ``{"cpu_s": least of three runs, divided by frames}``
``{"score": {"truth": rows, "tracks": rows}}`` -> ``{"trackeval": {...}, "motmetrics": {...}}``; a row: frame, id, x1, y1, x2, y2
``{"versions": true}`` -> ``{"trackers": "2.6.1", ...}``
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from importlib.metadata import version
from typing import Any

import numpy as np


def tracker(name: str, frames_per_s: float) -> Any:
    import trackers

    return {"bytetrack": trackers.ByteTrackTracker, "sort": trackers.SORTTracker, "ocsort": trackers.OCSORTTracker}[
        name
    ](frame_rate=frames_per_s)


def detections(boxes: list[list[float]]) -> Any:
    import supervision

    table = np.array(boxes, np.float32).reshape(-1, 5)
    return supervision.Detections(table[:, :4], confidence=table[:, 4], class_id=np.zeros(len(table), int))


def track(task: dict[str, Any]) -> dict[str, Any]:
    """The tracks that a library's tracker tells, with its own defaults; what has no id yet is not told."""
    used = tracker(task["tracker"], task["frames_per_s"])
    rows = []
    for number, boxes in enumerate(task["frames"], start=1):
        told = used.update(detections(boxes))
        for box, track_id in zip(told.xyxy, told.tracker_id if told.tracker_id is not None else (), strict=False):
            if track_id >= 0:
                rows.append([number, int(track_id), *map(float, box)])
    return {"tracks": rows}


def cpu_time(task: dict[str, Any]) -> dict[str, Any]:
    frames = [detections(boxes) for boxes in task["frames"]]
    least = float("inf")
    for _ in range(3):
        used = tracker(task["tracker"], task["frames_per_s"])
        begun = time.process_time()
        for found in frames:
            used.update(found)
        least = min(least, time.process_time() - begun)
    return {"cpu_s": least / len(frames)}


def score(task: dict[str, Any]) -> dict[str, Any]:
    truth, tracks = (np.array(task[name], float).reshape(-1, 6) for name in ("truth", "tracks"))
    return {"trackeval": by_trackeval(truth, tracks), "motmetrics": by_motmetrics(truth, tracks)}


def by_trackeval(truth: Any, tracks: Any) -> dict[str, float]:
    from trackeval.metrics import CLEAR, HOTA, Identity

    ids = [np.unique(table[:, 1], return_inverse=True)[1] for table in (truth, tracks)]
    frames = np.union1d(truth[:, 0], tracks[:, 0])
    masks = [[table[:, 0] == frame for frame in frames] for table in (truth, tracks)]
    told = {
        "num_timesteps": len(frames),
        "num_gt_ids": len(set(ids[0])), "num_tracker_ids": len(set(ids[1])),
        "num_gt_dets": len(truth), "num_tracker_dets": len(tracks),
        "gt_ids": [ids[0][mask] for mask in masks[0]], "tracker_ids": [ids[1][mask] for mask in masks[1]],
        "similarity_scores": [iou(truth[a, 2:], tracks[b, 2:]) for a, b in zip(*masks, strict=True)],
    }  # fmt: skip
    quiet = {"PRINT_CONFIG": False}
    hota, clear, identity = (metric.eval_sequence(told) for metric in (HOTA(), CLEAR(quiet), Identity(quiet)))
    return {
        "hota": float(np.mean(hota["HOTA"])), "det_a": float(np.mean(hota["DetA"])),
        "ass_a": float(np.mean(hota["AssA"])), "loc_a": float(np.mean(hota["LocA"])),
        "mota": float(clear["MOTA"]), "idf1": float(identity["IDF1"]), "recall": float(clear["CLR_Re"]),
        "precision": float(clear["CLR_Pr"]), "switches": int(clear["IDSW"]),
        "false_positives": int(clear["CLR_FP"]), "false_negatives": int(clear["CLR_FN"]),
    }  # fmt: skip


def by_motmetrics(truth: Any, tracks: Any) -> dict[str, float]:
    import motmetrics

    seen = motmetrics.MOTAccumulator(auto_id=True)
    for frame in np.union1d(truth[:, 0], tracks[:, 0]):
        here, told = truth[truth[:, 0] == frame], tracks[tracks[:, 0] == frame]
        apart = 1 - iou(here[:, 2:], told[:, 2:])
        seen.update(here[:, 1], told[:, 1], np.where(apart > 0.5, np.nan, apart))
    names = {
        "mota": "mota", "idf1": "idf1", "recall": "recall", "precision": "precision", "num_switches": "switches",
        "num_false_positives": "false_positives", "num_misses": "false_negatives",
    }  # fmt: skip
    figures = motmetrics.metrics.create().compute(seen, metrics=list(names), return_dataframe=False)
    return {ours: float(figures[theirs]) for theirs, ours in names.items()}


def iou(left: Any, right: Any) -> Any:
    low = np.maximum(left[:, None, :2], right[None, :, :2])
    high = np.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(boxes[:, 2:] - boxes[:, :2], axis=1) for boxes in (left, right)]
    return shared / np.maximum(areas[0][:, None] + areas[1][None, :] - shared, np.finfo(float).eps)


def versions(_: object) -> dict[str, str]:
    return {name: version(name) for name in ("trackers", "trackeval", "motmetrics", "numpy")}


def main() -> int:
    warnings.simplefilter("ignore")
    verbs = {"track": track, "time": cpu_time, "score": score, "versions": versions}
    json.dump([verbs[verb](content) for task in json.load(sys.stdin) for verb, content in task.items()], sys.stdout)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
