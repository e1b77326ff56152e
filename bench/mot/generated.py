"""A room full of people made by numbers, with exact truth and a detector's faults: where no recorded sequence is at hand.

People walk from place to place over the floor of a 1280 by 720 picture, stop, and hide each other. The detector misses some, the
more the more of them is hidden, is the less sure of what it sees the less there is to see, jitters, and now and then sees nobody.
"""

from __future__ import annotations

import numpy as np

from bench.mot.boxes import Floats, TrackedBoxes, TrackingCase

_WIDTH, _HEIGHT = 1280.0, 720.0


def generated_case(frames_per_s: float, *, people: int = 10, seconds: float = 20.0, seed: int = 0) -> TrackingCase:
    """The same walk for every rate: only how often one looks differs."""
    random = np.random.default_rng(seed)
    times = np.arange(int(seconds * frames_per_s)) / frames_per_s
    boxes = np.stack([_walk(random, times, seconds) for _ in range(people)], axis=1)
    hidden = np.stack([_hidden(frame) for frame in boxes])
    truth, found = [], []
    for index, frame in enumerate(boxes):
        truth += [[index + 1, person, *_row(frame[person]), 1.0] for person in np.flatnonzero(hidden[index] < 0.8)]
        for person in np.flatnonzero(random.random(people) > 0.04 + 1.2 * hidden[index]):
            height = frame[person, 3] - frame[person, 1]
            score = float(np.clip(0.85 - 0.6 * hidden[index, person] + random.normal(0, 0.08), 0.1, 0.99))
            found.append([index + 1, -1, *_row(frame[person] + random.normal(0, 0.02 * height, 4)), score])
        if random.random() < 0.1:
            corner = random.uniform((0, 0), (_WIDTH - 100, _HEIGHT - 200))
            found.append([index + 1, -1, *corner, 60.0, 150.0, float(random.uniform(0.3, 0.7))])
    name = f"generated {frames_per_s:g} fps"
    truth_boxes, detections = (TrackedBoxes.of_rows(np.array(rows, float)) for rows in (truth, found))
    return TrackingCase(name, truth_boxes, detections, frames_per_s, len(times))


def apart_case(people: int, *, seconds: float = 60.0, frames_per_s: float = 5.0) -> TrackingCase:
    """So many people who sway beside each other, each seen in 96 frames of 100, sure or less so: for the cost of a frame."""
    random = np.random.default_rng(people)
    rows = []
    for number in range(int(seconds * frames_per_s)):
        t = number / frames_per_s
        for person in np.flatnonzero(random.random(people) < 0.96):
            x, y = 110.0 * (person % 10) + 30 * np.sin(t + person), 200.0 * (person // 10) + 10 * np.cos(t + person)
            rows.append([number + 1, person, x, y, 50.0, 120.0, random.uniform(0.2, 0.95)])
    boxes = TrackedBoxes.of_rows(np.array(rows))
    return TrackingCase(f"{people} people", boxes, boxes, frames_per_s, int(seconds * frames_per_s))


def _walk(random: np.random.Generator, times: Floats, seconds: float) -> Floats:
    """Corners (n, 4) of somebody who goes to a new place every few seconds; feet lower in the picture are nearer."""
    turns = np.arange(0.0, seconds + 8.0, 4.0) + random.uniform(-1.5, 1.5)
    feet = [np.interp(times, turns, random.uniform(low, high, len(turns))) for low, high in ((60, 1220), (330, 700))]
    height = (80 + (feet[1] - 330) * 0.6) * random.uniform(0.7, 1.1)
    width = height * 0.4
    return np.stack([feet[0] - width / 2, feet[1] - height, feet[0] + width / 2, feet[1]], axis=1)


def _hidden(boxes: Floats) -> Floats:
    """The share of each box that the nearest person before it covers."""
    low = np.maximum(boxes[:, None, :2], boxes[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], boxes[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=2) / np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)[:, None]
    return np.asarray((shared * (boxes[None, :, 3] > boxes[:, None, 3])).max(axis=1))


def _row(box: Floats) -> list[float]:
    return [box[0], box[1], box[2] - box[0], box[3] - box[1]]
