"""Adapters of the registry: outputs calculated by hand → what must be read from them; nonsense is said and never read."""

from __future__ import annotations

from math import log, sqrt
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from services.analyze.core.decoders import ADAPTERS
from services.analyze.core.decoders.adapter import Head, Output
from services.analyze.core.detection import Detections
from services.analyze.core.findings import Classification, Faces, Kind, Pose, with_kinds
from services.contracts.errors import Corrupt

SIZE = 64
CELLS = {8: 64, 16: 16, 32: 4}
ROWS = 84
F = np.float32


def zeros(*shape: int) -> NDArray[np.float32]:
    return np.zeros(shape, F)


def read(kind: str, outputs: list[Output], **changes: Any) -> Any:
    head = Head(SIZE, SIZE, **{"class_count": 2, "score": 0.3, "iou": 0.5, **changes})
    return ADAPTERS[kind].decode(outputs, head)


def boxes(found: Detections) -> list[list[float]]:
    return [[round(float(value), 2) for value in box] for box in found.boxes]


# -- YOLOv8 ---------------------------------------------------------------------------------------------------------------


def test_yolov8_has_columns_of_centre_size_and_class_scores() -> None:
    output = zeros(1, 6, ROWS)
    output[0, :, 0] = (20, 30, 10, 40, 0.9, 0.1)
    output[0, :, 70] = (50, 50, 8, 8, 0.2, 0.6)
    output[0, :, 83] = (10, 10, 4, 4, 0.25, 0.29)
    found = read("yolov8", [output], classes=(0, 1))
    assert boxes(found) == [[15, 10, 25, 50], [46, 46, 54, 54]]
    assert found.scores == pytest.approx([0.9, 0.6])
    assert found.classes.tolist() == [0, 1]
    assert read("yolov8", [output], classes=(1,)).classes.tolist() == [1]


def test_yolov8_boxes_of_one_thing_suppress_each_other_and_of_two_do_not() -> None:
    output = zeros(1, 6, ROWS)
    output[0, :, 0] = (20, 30, 10, 40, 0.9, 0.0)
    output[0, :, 1] = (21, 30, 10, 40, 0.0, 0.8)
    assert len(read("yolov8", [output], classes=(0, 1), together=True)) == 1
    assert len(read("yolov8", [output], classes=(0, 1), together=False)) == 2


# -- NanoDet --------------------------------------------------------------------------------------------------------------


def nanodet_outputs() -> list[Output]:
    return [*(zeros(1, n, 2) for n in CELLS.values()), *(zeros(1, n, 32) for n in CELLS.values())]


def test_nanodet_sides_are_expected_values_in_strides_from_the_middle_of_the_cell() -> None:
    outputs = nanodet_outputs()
    outputs[1][0, 1 * 4 + 2, 0] = 0.8  # stride 16, row 1, column 2: middle at (40, 24)
    sides = np.full((4, 8), -50, F)
    for side, distance in enumerate((1, 1, 1, 2)):
        sides[side, distance] = 50
    sides[3, 3] = 50  # halfway between 2 and 3 strides
    outputs[4][0, 6] = sides.ravel()
    found = read("nanodet", outputs)
    assert boxes(found) == [[24, 8, 56, 64]], "40-16, 24-16, 40+16, 24+40"
    assert found.scores == pytest.approx([0.8])


def test_nanodet_bins_without_preference_mean_half_of_seven_strides() -> None:
    outputs = nanodet_outputs()
    outputs[0][0, 3 * 8 + 4, 1] = 0.5  # stride 8, middle at (36, 28), sides of 3.5 strides = 28
    assert boxes(read("nanodet", outputs, classes=(1,))) == [[8, 0, 64, 56]]
    assert len(read("nanodet", outputs, classes=(0,))) == 0


# -- FastestDet -----------------------------------------------------------------------------------------------------------


def test_fastestdet_scores_are_weighted_and_sizes_are_shares_of_the_picture() -> None:
    output = zeros(1, 7, 4, 4)
    output[0, :, 2, 1] = (0.81, np.arctanh(0.5), 0.0, 0.0, -log(3), 0.64, 0.0)
    found = read("fastestdet", [output])
    # centre ((1 + 0.5) * 16, 2 * 16); width sigmoid(0) = 0.5 of 64, height sigmoid(-ln 3) = 0.25 of 64
    assert boxes(found) == [[8, 24, 40, 40]]
    assert found.scores == pytest.approx([0.81**0.6 * 0.64**0.4])


# -- RT-DETR --------------------------------------------------------------------------------------------------------------


def test_rtdetr_as_trained_gives_logits_and_boxes_as_shares() -> None:
    logits, shares = np.full((1, 3, 2), -9, F), zeros(1, 3, 4)
    logits[0, 1], shares[0, 1] = (log(4), -3), (0.5, 0.25, 0.5, 0.5)
    logits[0, 2], shares[0, 2] = (-9, 0.0), (0.5, 0.5, 0.25, 0.25)
    found = read("rtdetr", [logits, shares], classes=(0, 1))
    assert boxes(found) == [[16, 0, 48, 32], [24, 24, 40, 40]]
    assert found.scores == pytest.approx([0.8, 0.5])
    assert found.classes.tolist() == [0, 1]


def test_rtdetr_as_deployed_gives_labels_corners_and_scores() -> None:
    labels = np.array([[1, 0, 0, 7]], np.int64)
    corners = np.array([[[1, 2, 3, 4], [5, 6, 7, 8], [9, 9, 20, 20], [0, 0, 9, 9]]], F)
    scores = np.array([[0.9, 0.7, 0.1, 0.95]], F)
    found = read("rtdetr", [labels, corners, scores], classes=(0, 1))
    assert boxes(found) == [[1, 2, 3, 4], [5, 6, 7, 8]]
    assert found.classes.tolist() == [1, 0]


def test_rtdetr_queries_are_not_suppressed() -> None:
    labels, scores = np.zeros((1, 2), np.int64), np.array([[0.9, 0.8]], F)
    corners = np.array([[[0, 0, 20, 20], [1, 0, 21, 20]]], F)
    assert len(read("rtdetr", [labels, corners, scores])) == 2


def test_rtdetr_with_more_boxes_than_scores_is_refused() -> None:
    with pytest.raises(Corrupt, match="as many boxes"):
        read("rtdetr", [zeros(1, 3, 2), zeros(1, 4, 4)])


# -- Pose, fire ----------------------------------------------------------------------------------------------------------------


def test_movenet_points_become_x_y_score_in_pixels() -> None:
    output = np.tile(np.array([0.25, 0.5, 0.8], F), (1, 1, 17, 1))
    output[0, 0, 16] = (1.0, 0.0, 0.2)
    pose = read("movenet", [output])
    assert isinstance(pose, Pose) and pose.points.shape == (17, 3)
    assert pose.points[0].tolist() == pytest.approx([32, 16, 0.8])
    assert pose.points[16].tolist() == pytest.approx([0, 64, 0.2])
    assert pose.score == pytest.approx((16 * 0.8 + 0.2) / 17)


@pytest.mark.parametrize(
    ("logit", "invert", "probability"),
    [(log(3), False, 0.75), (log(3), True, 0.25), (1e9, False, 1.0), (1e9, True, 0.0)],
)
def test_a_classifiers_logit_becomes_a_probability(logit: float, invert: bool, probability: float) -> None:
    found = read("fire", [np.array([[logit]], F)], invert=invert)
    assert isinstance(found, Classification) and found.probability == pytest.approx(probability, abs=1e-6)


# -- Faces ----------------------------------------------------------------------------------------------------------------------


def yunet_outputs() -> list[Output]:
    return [zeros(1, n, width) for width in (1, 1, 4, 10) for n in CELLS.values()]


def test_yunet_faces_have_boxes_and_five_points() -> None:
    outputs = yunet_outputs()
    cell = 1 * 4 + 2  # stride 16, row 1, column 2
    outputs[1][0, cell], outputs[4][0, cell] = 0.9, 0.4
    outputs[7][0, cell] = (0.5, 0.25, 0.0, log(1.5))
    outputs[10][0, cell] = [0.5, -0.5, *[0] * 8]
    faces = read("yunet", outputs)
    assert isinstance(faces, Faces)
    assert boxes(faces.found) == [[32, 8, 48, 32]], "centre (40, 20), size 16 x 24"
    assert faces.found.scores == pytest.approx([sqrt(0.36)])
    assert faces.points[0, :2].tolist() == [[40, 8], [32, 16]]


def test_yunet_suppression_keeps_each_face_with_its_own_points() -> None:
    outputs = yunet_outputs()
    for cell, score in ((9, 0.6), (10, 0.95), (60, 0.8)):  # the first two overlap
        outputs[0][0, cell] = outputs[3][0, cell] = score
        outputs[6][0, cell] = (0, 0, log(4), log(4))
        outputs[9][0, cell] = cell
    faces = read("yunet", outputs, iou=0.3)
    assert faces.found.scores == pytest.approx([0.95, 0.8])
    assert faces.points[:, 0].tolist() == [[(10 + 2) * 8, (10 + 1) * 8], [(60 + 4) * 8, (60 + 7) * 8]]


def test_ultralight_faces_are_decoded_in_the_graph() -> None:
    anchors = 3 * 64 + 2 * 16 + 2 * 4 + 3 * 1
    scores, corners = zeros(1, anchors, 2), zeros(1, anchors, 4)
    scores[0, 5], corners[0, 5] = (0.1, 0.9), (0.25, 0.5, 0.5, 1.0)
    faces = read("ultralight", [scores, corners])
    assert boxes(faces.found) == [[16, 32, 32, 64]] and faces.points.shape == (1, 0, 2)


# -- Nonsense ----------------------------------------------------------------------------------------------------------------


def outputs_of(kind: str, value: float) -> list[Output]:
    head = Head(SIZE, SIZE, class_count=2)
    form = ADAPTERS[kind].forms(head)[0]
    return [np.full([size or 7 for size in output.shape], value, F) for output in form]


@pytest.mark.parametrize("kind", ADAPTERS)
def test_not_a_number_is_said_and_not_taken_for_an_empty_picture(kind: str) -> None:
    with pytest.raises(Corrupt, match=r"nan|no points|not a number"):
        read(kind, outputs_of(kind, np.nan))


@pytest.mark.parametrize("kind", sorted(set(ADAPTERS) - {"fire", "rtdetr"}))
def test_scores_that_are_no_probabilities_are_said(kind: str) -> None:
    with pytest.raises(Corrupt, match="from 0 to 1"):
        read(kind, outputs_of(kind, 3.0))


@pytest.mark.parametrize("kind", sorted(set(ADAPTERS) - {"fire", "movenet"}))
def test_a_box_that_is_not_a_number_is_said(kind: str) -> None:
    outputs = outputs_of(kind, 0.6)
    for output in outputs:
        wide = output.shape[-1]
        if kind in ("yolov8", "fastestdet"):
            output[0, 1 if kind == "fastestdet" else 0] = np.nan
        elif wide in (4, 32):
            output[:] = np.nan
        elif kind == "yolox":
            output[..., 0] = np.nan
    with pytest.raises(Corrupt, match="not a number"):
        read(kind, outputs)


@pytest.mark.parametrize("kind", ADAPTERS)
def test_outputs_of_another_shape_are_refused_naming_the_expected(kind: str) -> None:
    for wrong in ([zeros(1, 3, 5)], [], [*outputs_of(kind, 0.0), zeros(1, 256)]):
        with pytest.raises(Corrupt, match="gives"):
            read(kind, wrong)


@pytest.mark.parametrize("kind", sorted(set(ADAPTERS) - {"fire", "movenet", "rtdetr"}))
def test_an_empty_picture_is_empty(kind: str) -> None:
    found = read(kind, outputs_of(kind, 0.0))
    assert len(found) == 0


def test_a_flood_of_candidates_is_bounded() -> None:
    output = np.full((1, 6, ROWS * 100), 0.9, F)
    output[0, 0], output[0, 1], output[0, 2:4] = np.arange(ROWS * 100) * 40, 5, 8  # none overlaps another
    head = Head(640, 640, class_count=2, score=0.3)
    assert len(ADAPTERS["yolov8"].decode([output], head)) == 1000


def test_classes_become_kinds() -> None:
    found = Detections(zeros(2, 4), np.array([0.9, 0.8], F), np.array([7, 3], np.int32))
    assert with_kinds(found, {7: Kind.CHILD, 3: Kind.ADULT}).classes.tolist() == [Kind.CHILD, Kind.ADULT]
