"""The detector on real pictures, against the model's own published way of preparing them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import cv2
import numpy as np
import pytest

from services.analyze.core.decoders import yolox
from services.analyze.core.detection import Detections, iou_matrix
from services.analyze.detector import Model, PersonDetector
from services.analyze.scaling import InputScaler

SCORE = 0.3


def published_way(model: Model, bgr: np.ndarray) -> Detections:
    """YOLOX's demo: the whole picture as BGR, letterboxed at full precision, NMS."""
    side = model.entry.input.width
    ratio = min(side / bgr.shape[0], side / bgr.shape[1])
    small = cv2.resize(bgr, (int(bgr.shape[1] * ratio), int(bgr.shape[0] * ratio)))
    padded = np.full((side, side, 3), 114, np.uint8)
    padded[: small.shape[0], : small.shape[1]] = small
    output = model.session.run(None, {"images": padded.transpose(2, 0, 1)[None].astype(np.float32)})[0]
    found = yolox.decode(output, side, side, classes=(0,), score=SCORE, iou=0.45)
    return Detections(found.boxes / np.float32(ratio), found.scores, found.classes)


def frame_of(bgr: np.ndarray, form: str = "yuv420p") -> av.VideoFrame:
    return av.VideoFrame.from_ndarray(bgr, format="bgr24").reformat(format=form)


def test_the_woman_at_the_door_is_found_where_the_published_way_finds_her(
    clip: Callable[[str], Path], yolox_nano: Model
) -> None:
    bgr = cv2.imread(str(clip("clips/porch_stills/person.jpg")))
    ours = PersonDetector(yolox_nano, SCORE).detect(frame_of(bgr))
    theirs = published_way(yolox_nano, bgr)
    assert len(ours) == len(theirs) >= 1
    assert np.diag(iou_matrix(ours.boxes, theirs.boxes)).min() > 0.9
    assert ours.scores == pytest.approx(theirs.scores, abs=0.1)


def test_an_empty_porch_shows_nobody(clip: Callable[[str], Path], yolox_nano: Model) -> None:
    bgr = cv2.imread(str(clip("clips/porch_stills/background.jpg")))
    assert len(PersonDetector(yolox_nano, SCORE).detect(frame_of(bgr))) == 0


def test_both_ways_agree_over_a_clip(clip: Callable[[str], Path], yolox_nano: Model) -> None:
    detector = PersonDetector(yolox_nano, SCORE)
    reference = matched = 0
    with av.open(str(clip("clips/room_people_12fps.mp4"))) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index % 9:
                continue
            theirs = published_way(yolox_nano, frame.to_ndarray(format="bgr24"))
            sure = theirs.boxes[theirs.scores >= 0.5]
            ours = detector.detect(frame).boxes
            reference += len(sure)
            if len(sure) and len(ours):
                matched += int((iou_matrix(sure, ours).max(axis=1) >= 0.8).sum())
    assert reference > 20
    assert matched >= 0.95 * reference


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "yuv422p", "yuv444p", "yuv420p10le", "gray"])
def test_any_pixel_format_gives_the_same_input(form: str) -> None:
    rng = np.random.default_rng(5)
    coarse = rng.integers(20, 235, (9, 16, 1), np.uint8).repeat(3, axis=2)  # grey: chroma sampling cannot matter
    picture = cv2.resize(coarse, (640, 360), interpolation=cv2.INTER_LINEAR)
    tensor, box = InputScaler(416, 256).fill(frame_of(picture, form))
    expected = cv2.resize(picture, (box.content_width, box.content_height)).transpose(2, 0, 1).astype(np.float32)
    content = tensor[0, :, : box.content_height, : box.content_width]
    assert np.abs(content - expected).mean() < 3
    assert (tensor[0, :, box.content_height :, :] == 114).all()


def test_another_picture_size_leaves_nothing_of_the_one_before() -> None:
    scaler = InputScaler(416, 256)
    scaler.fill(frame_of(np.full((360, 640, 3), 255, np.uint8)))
    tensor, box = scaler.fill(frame_of(np.zeros((640, 360, 3), np.uint8)))
    assert (tensor[0, :, :, box.content_width :] == 114).all()


def test_odd_and_padded_sizes_are_read_right() -> None:
    picture = np.zeros((362, 638, 3), np.uint8)
    picture[:, 319:] = 255
    tensor, box = InputScaler(416, 256).fill(frame_of(picture))
    middle = box.content_width // 2
    row = tensor[0, 1, box.content_height // 2, : box.content_width]
    assert row[: middle - 3].max() < 20 and row[middle + 3 :].min() > 235
