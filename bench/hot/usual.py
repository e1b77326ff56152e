"""The usual way: ``cv2.VideoCapture``, a BGR letterbox, the model as published, all anchors through NMS, ``trackers``' ByteTrack.

As the model's own example and most programs do it, on one thread everywhere. The tracker runs in an environment of its own
(``bench.environment``) on the same boxes, and its time is added; where it cannot be had, the figure is without it, and says so.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from bench.environment import bench_python
from bench.hot.clips import ANALYSED_PER_S
from bench.mot.running import ask
from services.analyze.core.detection import Detections
from services.analyze.engine import LEAST_SCORE

_NMS_IOU = 0.45


@dataclass(slots=True)
class Usual:
    """One model, as published (YOLOX's form of outputs)."""

    session: Any
    width: int
    height: int
    person_class: int
    spent_s: dict[str, float] = field(default_factory=dict)
    _grid: NDArray[np.float32] = field(init=False)
    _strides: NDArray[np.float32] = field(init=False)

    def __post_init__(self) -> None:
        grids, strides = [], []
        for stride in (8, 16, 32):
            x, y = np.meshgrid(np.arange(self.width // stride), np.arange(self.height // stride))
            grids.append(np.stack((x, y), 2).reshape(-1, 2))
            strides.append(np.full((grids[-1].shape[0], 1), stride))
        self._grid, self._strides = np.concatenate(grids).astype(np.float32), np.concatenate(strides).astype(np.float32)

    def run(self, clip: Path, analysed: set[int]) -> tuple[float, dict[int, Detections]]:
        """CPU seconds of the whole clip, and the boxes of each analysed frame."""
        found: dict[int, Detections] = {}
        begun = time.process_time()
        capture = cv2.VideoCapture(str(clip), cv2.CAP_FFMPEG, [cv2.CAP_PROP_N_THREADS, 1])
        number = 0
        while True:
            got, picture = capture.read()
            if not got:
                break
            if number in analysed:
                found[number] = self.detect(picture)
            number += 1
        capture.release()
        return time.process_time() - begun, found

    def detect(self, picture: NDArray[np.uint8]) -> Detections:
        marks = [time.process_time()]
        tensor, ratio = self._letterbox(picture)
        marks.append(time.process_time())
        output = self.session.run(None, {self.session.get_inputs()[0].name: tensor[None]})[0][0]
        marks.append(time.process_time())
        found = self._boxes(output, ratio)
        marks.append(time.process_time())
        for stage, start, end in zip(("letterbox", "infer", "nms"), marks, marks[1:], strict=False):
            self.spent_s[stage] = self.spent_s.get(stage, 0.0) + end - start
        return found

    def _letterbox(self, picture: NDArray[np.uint8]) -> tuple[NDArray[np.float32], float]:
        """YOLOX's ``preproc``."""
        padded = np.full((self.height, self.width, 3), 114, np.uint8)
        ratio = min(self.height / picture.shape[0], self.width / picture.shape[1])
        size = int(picture.shape[1] * ratio), int(picture.shape[0] * ratio)
        padded[: size[1], : size[0]] = cv2.resize(picture, size, interpolation=cv2.INTER_LINEAR)
        return np.ascontiguousarray(padded.transpose(2, 0, 1), dtype=np.float32), ratio

    def _boxes(self, output: NDArray[np.float32], ratio: float) -> Detections:
        """YOLOX's ``demo_postprocess``, then NMS over all anchors."""
        output[:, :2] = (output[:, :2] + self._grid) * self._strides
        output[:, 2:4] = np.exp(output[:, 2:4]) * self._strides
        boxes = output[:, :4].copy()
        boxes[:, :2] -= boxes[:, 2:] / 2
        scores = output[:, 4] * output[:, 5 + self.person_class]
        kept = np.asarray(cv2.dnn.NMSBoxes(boxes, scores, LEAST_SCORE, _NMS_IOU), int).ravel()
        corners = np.concatenate([boxes[kept, :2], boxes[kept, :2] + boxes[kept, 2:]], axis=1) / np.float32(ratio)
        return Detections(corners.astype(np.float32), scores[kept], np.zeros(len(kept), np.int32))


def tracker_us(found: Sequence[Detections]) -> float | None:
    """CPU µs per frame of ``trackers``' ByteTrack on these boxes; ``None`` where the library cannot be had."""
    python = bench_python()
    if python is None:
        return None
    frames = [np.column_stack([boxes.boxes, boxes.scores]).tolist() for boxes in found]
    task = {"time": {"tracker": "bytetrack", "frames_per_s": ANALYSED_PER_S, "frames": frames}}
    return float(ask(python, task)[0]["cpu_s"]) * 1e6
