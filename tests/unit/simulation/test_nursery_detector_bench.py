"""What the detector's bench is made of: its score by hand, its file's arithmetic, its plan of what is drawn."""

from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from bench.nursery_detector.average_precision import Picture, average_precision, iou
from bench.nursery_detector.dataset import _parts
from bench.nursery_detector.export import _Writer

_NONE = np.zeros((0, 4), np.float32)


def _boxes(*rows: tuple[float, float, float, float]) -> NDArray[np.float32]:
    return np.array(rows, np.float32).reshape(-1, 4)


def _picture(
    found: list[tuple[float, ...]], wanted: NDArray[np.float32], ignored: NDArray[np.float32] = _NONE
) -> Picture:
    rows = np.array(found, np.float32).reshape(-1, 5)
    return Picture(rows[:, :4], rows[:, 4], wanted, ignored)


def test_overlap_is_the_shared_area_of_the_area_of_both() -> None:
    assert iou(_boxes((0, 0, 2, 2))[0], _boxes((1, 0, 3, 2), (0, 0, 2, 2), (5, 5, 6, 6))) == pytest.approx(
        [1 / 3, 1, 0]
    )


def test_precision_is_averaged_over_recall_as_worked_out_by_hand() -> None:
    """Right, wrong, right, of three: precision 1 up to a recall of 1/3, 2/3 up to 2/3, none beyond."""
    wanted = _boxes((0, 0, 10, 10), (20, 0, 30, 10), (40, 0, 50, 10))
    found = [(0, 0, 10, 10, 0.9), (60, 0, 70, 10, 0.8), (20, 0, 30, 10, 0.7)]
    assert average_precision([_picture(found, wanted)]) == pytest.approx((1 + 2 / 3) / 3)


def test_who_is_found_twice_counts_once() -> None:
    found = [(0, 0, 10, 10, 0.9), (0, 0, 10, 9, 0.8)]
    both = _boxes((0, 0, 10, 10), (20, 0, 30, 10))
    assert average_precision([_picture(found, both)]) == pytest.approx(0.5)


def test_finding_the_ignored_is_neither_right_nor_wrong() -> None:
    found = [(20, 0, 30, 10, 0.9), (0, 0, 10, 10, 0.8)]
    wanted, hidden = _boxes((0, 0, 10, 10)), _boxes((20, 0, 30, 10))
    assert average_precision([_picture(found, wanted, hidden)]) == 1.0
    assert average_precision([_picture(found, wanted)]) == 0.5


def test_nobody_to_find_has_no_score() -> None:
    assert np.isnan(average_precision([_picture([], _NONE)]))


def test_large_kernels_lie_in_half_precision_once_and_compute_the_same() -> None:
    chance = np.random.default_rng(3)
    kernel = (chance.normal(size=(64, 8, 3, 3)) * 0.05).astype(np.float32)
    writer = _Writer({"a.weight": kernel, "a.bias": np.zeros(64, np.float32)})
    first, again = writer.plain("x", "a"), writer.plain("x", "a")
    made = helper.make_graph(
        [*writer.nodes, helper.make_node("Add", [first, again], ["y"])], "two",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 8, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 64, 6, 6])], writer.constants,
    )  # fmt: skip
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model)
    picture = chance.normal(size=(1, 8, 6, 6)).astype(np.float32)
    body = model.SerializeToString()
    result = onnxruntime.InferenceSession(body).run(None, {"x": picture})[0]

    assert len(body) < kernel.nbytes * 0.6
    assert [node.op_type for node in made.node] == ["Cast", "Conv", "Conv", "Add"]
    assert np.abs(result - 2 * _convolved(picture[0], kernel)).max() < 2e-3


def _convolved(picture: NDArray[np.float32], kernel: NDArray[np.float32]) -> NDArray[np.float64]:
    padded = np.pad(picture.astype(np.float64), ((0, 0), (1, 1), (1, 1)))
    high, wide = picture.shape[1:]
    parts = [
        np.einsum(
            "oc,cyx->oyx",
            kernel[:, :, row, column].astype(np.float64),
            padded[:, row : row + high, column : column + wide],
        )
        for row in range(3)
        for column in range(3)
    ]
    return np.sum(parts, axis=0)


def test_nothing_is_learned_from_the_unseen_and_no_two_parts_are_drawn_alike() -> None:
    folder = Path("somewhere")
    learned = _parts(folder, 7344, 2, "")
    assert len({part.file for part in learned}) == len({part.seed for part in learned}) == len(learned) == 70
    assert sum(part.invented for part in learned) == 64
    assert sum(part.reaching for part in learned) == 8
    unseen = [
        *_parts(folder, 400, 77, "seeds"),
        *_parts(folder, 400, 78, "building"),
        *_parts(folder, 400, 79, "houses"),
    ]
    assert {part.seed for part in unseen}.isdisjoint(part.seed for part in learned)
    assert all(part.invented == (part.unseen == "houses") for part in unseen)
