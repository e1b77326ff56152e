"""The YOLOX adapter: what is written into a raw output is read back, thresholded before decoding, and suppressed."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.analyze.core.decoders import yolox
from services.contracts.errors import Corrupt


def raw_output(
    width: int, height: int, classes: int, boxes: list[tuple[int, tuple[float, ...], int, float]]
) -> NDArray[np.float32]:
    """An output that says exactly ``boxes``: (stride, (x1, y1, x2, y2), class, score) in input pixels."""
    output = np.zeros((1, yolox.rows(width, height), 5 + classes), np.float32)
    for stride, (x1, y1, x2, y2), number, score in boxes:
        before = sum((width // s) * (height // s) for s in yolox.STRIDES if s < stride)
        cx, cy = (x1 + x2) / 2 / stride, (y1 + y2) / 2 / stride
        row = before + int(cy) * (width // stride) + int(cx)
        size = np.log([(x2 - x1) / stride, (y2 - y1) / stride])
        output[0, row, :5] = (cx - int(cx), cy - int(cy), *size, 0.9)
        output[0, row, 5 + number] = score / 0.9
    return output


@pytest.mark.parametrize(("width", "height", "classes"), [(416, 416, 80), (192, 192, 1), (416, 256, 3), (640, 384, 2)])
def test_what_is_written_is_read_back(width: int, height: int, classes: int) -> None:
    wanted = [
        (8, (10.0, 20.0, 26.0, 60.0), 0, 0.8),
        (16, (60.0, 30.0, 100.0, 130.0), 0, 0.6),
        (32, (100.0, 20.0, 180.0, 180.0), 0, 0.5),
    ]
    found = yolox.decode(raw_output(width, height, classes, wanted), width, height, classes=(0,), score=0.3, iou=0.5)
    assert found.scores == pytest.approx([0.8, 0.6, 0.5], abs=1e-5)
    assert found.boxes == pytest.approx(np.array([box for _, box, _, _ in wanted]), abs=1e-3)


def test_other_classes_and_low_scores_are_left_out() -> None:
    output = raw_output(64, 64, 3, [(8, (0, 0, 8, 8), 1, 0.9), (8, (16, 16, 24, 40), 0, 0.2)])
    assert len(yolox.decode(output, 64, 64, classes=(0,), score=0.3, iou=0.5)) == 0
    assert len(yolox.decode(output, 64, 64, classes=(0, 1), score=0.1, iou=0.5)) == 2


def test_overlapping_boxes_of_one_class_are_one_and_of_two_classes_are_two() -> None:
    same = [(8, (10.0, 10.0, 50.0, 50.0), 0, 0.9), (16, (12.0, 10.0, 52.0, 50.0), 0, 0.7)]
    other = [same[0], (16, (12.0, 10.0, 52.0, 50.0), 1, 0.7)]
    assert yolox.decode(
        raw_output(64, 64, 2, same), 64, 64, classes=(0, 1), score=0.3, iou=0.5
    ).scores == pytest.approx([0.9])
    assert len(yolox.decode(raw_output(64, 64, 2, other), 64, 64, classes=(0, 1), score=0.3, iou=0.5)) == 2


def test_an_output_of_another_shape_is_refused() -> None:
    with pytest.raises(Corrupt, match="gives"):
        yolox.decode(np.zeros((1, 100, 85), np.float32), 416, 416, classes=(0,), score=0.3, iou=0.5)
    with pytest.raises(Corrupt):
        yolox.decode(np.zeros((1, yolox.rows(64, 64), 6), np.float32), 64, 64, classes=(5,), score=0.3, iou=0.5)


def test_a_model_gone_mad_is_bounded() -> None:
    output = np.full((1, yolox.rows(416, 416), 6), 1.0, np.float32)
    output[..., 2:4] = 1e9
    found = yolox.decode(output, 416, 416, classes=(0,), score=0.3, iou=0.5)
    assert 0 < len(found) <= 1000 and np.isfinite(found.boxes).all()


def test_not_a_number_is_said_and_not_taken_for_an_empty_room() -> None:
    output = np.full((1, yolox.rows(64, 64), 6), np.nan, np.float32)
    with pytest.raises(Corrupt, match="score of nan"):
        yolox.decode(output, 64, 64, classes=(0,), score=0.3, iou=0.5)
