"""Overlap and non-maximum suppression, against OpenCV's, for few boxes and for many."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from services.analyze.core.detection import iou_matrix, suppress


def crowd(count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 100, (count, 2)), rng.uniform(10, 60, (count, 2))
    return np.concatenate([corner, corner + size], axis=1).astype(np.float32), rng.uniform(0.1, 1, count).astype(
        np.float32
    )


@pytest.mark.parametrize("count", [1, 2, 10, 24, 25, 60])
@pytest.mark.parametrize("seed", range(5))
def test_the_same_boxes_are_kept_as_opencv_keeps(count: int, seed: int) -> None:
    boxes, scores = crowd(count, seed)
    flat = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    theirs = np.asarray(cv2.dnn.NMSBoxes(flat, scores, 0.0, 0.45), int).ravel()
    assert suppress(boxes, scores, 0.45).tolist() == theirs.tolist()


def test_overlap_is_what_the_definition_says() -> None:
    left = np.array([[0, 0, 10, 10], [20, 20, 30, 40], [5, 5, 5, 9]], np.float32)
    right = np.array([[5, 0, 15, 10], [0, 0, 10, 10]], np.float32)
    assert iou_matrix(left, right) == pytest.approx(np.array([[1 / 3, 1.0], [0, 0], [0, 0]], np.float32))
    assert iou_matrix(left[:0], right).shape == (0, 2)


def test_of_equal_scores_the_first_is_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [50, 50, 60, 60]], np.float32)
    assert suppress(boxes, np.full(3, 0.5, np.float32), 0.45).tolist() == [0, 2]
