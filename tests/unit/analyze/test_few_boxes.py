"""The steps in plain numbers against those on arrays: the same boxes, whichever way a picture with so many takes."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from services.analyze.core.decoders import few_boxes, yolox
from services.analyze.core.detection import Detections, suppress
from services.analyze.core.letterbox import lay
from services.contracts.errors import Corrupt

WIDTH, HEIGHT, CLASSES = 416, 256, 3


def output_of(candidates: int, seed: int) -> NDArray[np.float32]:
    """A raw output in which so many rows are far above any threshold, in clusters that overlap."""
    rng = np.random.default_rng(seed)
    output = np.zeros((1, yolox.rows(WIDTH, HEIGHT), 5 + CLASSES), np.float32)
    begin = rng.integers(0, output.shape[1] - 3 * candidates)
    rows = begin + rng.permutation(3 * candidates)[:candidates]
    output[0, rows, :2] = rng.uniform(-1, 1, (candidates, 2))
    output[0, rows, 2:4] = rng.uniform(0, 2.5, (candidates, 2))
    output[0, rows, 4:] = rng.uniform(0.6, 1, (candidates, 1 + CLASSES))
    return output


def found_in(output: NDArray[np.float32], classes: tuple[int, ...], *, together: bool) -> Detections:
    return yolox.decode(output, WIDTH, HEIGHT, classes=classes, score=0.3, iou=0.45, together=together)


@pytest.mark.parametrize(("classes", "together"), [((0,), False), ((2, 0), False), ((0, 1), True)])
@pytest.mark.parametrize("seed", range(8))
def test_plain_numbers_find_what_arrays_find(
    classes: tuple[int, ...], together: bool, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    output = output_of(5 + 7 * seed, seed)
    plain = found_in(output, classes, together=together)
    monkeypatch.setattr(few_boxes, "MOST", 0)
    arrays = found_in(output, classes, together=together)

    assert 1 < len(plain) < 5 + 7 * seed + len(classes), "nothing was suppressed: this would show nothing"
    assert plain.boxes == pytest.approx(arrays.boxes, abs=1e-3)
    assert plain.scores.tolist() == arrays.scores.tolist()
    assert plain.classes.tolist() == arrays.classes.tolist()
    assert [part.dtype for part in (plain.boxes, plain.scores, plain.classes)] == [np.float32, np.float32, np.int32]


@pytest.mark.parametrize("most", [0, few_boxes.MOST])
@pytest.mark.parametrize("column", range(4))
def test_a_box_that_is_not_a_number_is_said_either_way(most: int, column: int, monkeypatch: pytest.MonkeyPatch) -> None:
    output = output_of(3, 1)
    output[0, output[0, :, 4].argmax(), column] = np.nan
    monkeypatch.setattr(few_boxes, "MOST", most)
    with pytest.raises(Corrupt, match="not a number"):
        found_in(output, (0,), together=False)


def test_absurd_sizes_are_bounded_and_scores_end_at_one() -> None:
    output = output_of(1, 2)
    row = output[0, output[0, :, 4].argmax()]
    row[2:4], row[4:6] = 1e9, (1.0, 1.0005)
    found = found_in(output, (0,), together=False)
    assert np.isfinite(found.boxes).all() and found.scores.tolist() == [1.0]


@pytest.mark.parametrize("seed", range(6))
def test_suppression_keeps_what_the_one_on_arrays_keeps(seed: int) -> None:
    rng = np.random.default_rng(seed)
    corner, size = rng.uniform(0, 60, (40, 2)), rng.uniform(5, 40, (40, 2))
    boxes = np.concatenate([corner, corner + size], axis=1).astype(np.float32)
    scores = np.round(rng.uniform(0.1, 1, 40), 1).astype(np.float32)  # many are equal: the first goes first
    kept = few_boxes.suppress_few([(a, b, c, d) for a, b, c, d in boxes.tolist()], scores.tolist(), 0.45)
    assert kept == suppress(boxes, scores, 0.45).tolist()


@pytest.mark.parametrize("how", ["letterbox_top_left", "letterbox_centre", "stretch"])
def test_a_few_boxes_are_laid_back_into_the_picture_as_many_are(how: str) -> None:
    laid = lay(how, 1280, 720, WIDTH, HEIGHT)  # type: ignore[arg-type]
    boxes = np.random.default_rng(3).uniform(-40, 460, (64, 4)).astype(np.float32)
    boxes[0] = (-40, -40, 500, 500)
    many = laid.to_picture(boxes)
    few = np.concatenate([laid.to_picture(boxes[n : n + 4]) for n in range(0, 64, 4)])
    assert few == pytest.approx(many, abs=1e-3) and few.dtype == many.dtype
    assert laid.to_picture(boxes[:0]).shape == (0, 4)
    assert few[0].tolist() == [0.0, 0.0, 1280.0, 720.0], "cut at the picture's borders"
