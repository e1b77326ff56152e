"""Detections of light-person (``shared/data/models``) on a clip that has ground truth: the row of INDEX.md that needs a model.

INDEX.md's own figures for it come from the original JPEG frames; the clip is their re-encoding, so that the baseline is run again
on what is found here. The decoding is plain and its own: the figures to beat must not move with the product.
"""

from __future__ import annotations

from pathlib import Path

import av
import cv2
import numpy as np
import onnxruntime
from numpy.typing import NDArray

from bench.mot.boxes import SHARED, TrackedBoxes, TrackingCase, read_truth
from services.analyze.core.detection import Detections, suppress

MODEL = SHARED / "models" / "det_light_person_192.onnx"
_SIDE, _NMS_IOU = 192, 0.45
LIGHT_PERSON_SCORE = 0.3


def detected_case(name: str = "TUD-Campus", *, least_score: float = LIGHT_PERSON_SCORE) -> TrackingCase:
    """The sequence's clip through the model; boxes in the clip's pixels."""
    directory = SHARED / "mot" / name
    truth = read_truth(directory)
    clip = directory / "video_25fps.mp4"
    return TrackingCase(f"{name} light-person", truth, _detect(clip, least_score), 25.0, int(truth.frames.max()))


def _detect(clip: Path, least_score: float) -> TrackedBoxes:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(MODEL), options, providers=["CPUExecutionProvider"])
    rows = [np.zeros((0, 7))]
    with av.open(str(clip)) as container:
        for number, frame in enumerate(container.decode(video=0), start=1):
            picture = frame.to_ndarray(format="bgr24")
            scale = _SIDE / max(picture.shape[:2])
            laid = np.full((_SIDE, _SIDE, 3), 114, np.uint8)
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
            laid[: small.shape[0], : small.shape[1]] = small
            (output,) = session.run(None, {"images": laid.transpose(2, 0, 1)[None].astype(np.float32)})
            found = _decode(output[0], least_score)
            corner, size = found.boxes[:, :2] / scale, (found.boxes[:, 2:] - found.boxes[:, :2]) / scale
            facts = np.broadcast_to([[number, -1]], (len(found), 2))
            rows.append(np.concatenate([facts, corner, size, found.scores[:, None]], axis=1))
    return TrackedBoxes.of_rows(np.concatenate(rows))


def _decode(output: NDArray[np.float32], least_score: float) -> Detections:
    """YOLOX's rows (x, y, width, height, objectness, person) of the strides 8, 16 and 32 as boxes."""
    cells = [(x, y, stride) for stride in (8, 16, 32) for y in range(_SIDE // stride) for x in range(_SIDE // stride)]
    grid = np.array(cells, np.float32)
    scores = output[:, 4] * output[:, 5]
    sure = np.flatnonzero(scores >= least_score)
    stride = grid[sure, 2:]
    centre, half = (output[sure, :2] + grid[sure, :2]) * stride, np.exp(output[sure, 2:4]) * stride / 2
    boxes = np.concatenate([centre - half, centre + half], axis=1)
    kept = suppress(boxes, scores[sure], _NMS_IOU)
    return Detections(boxes[kept], scores[sure][kept], np.zeros(len(kept), np.int32))
