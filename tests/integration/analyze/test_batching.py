"""Batches give what single runs give, wait no longer than told, and never mix shapes; a missing provider is said and replaced.

Run on the CPU provider: no GPU was there (see ``services.analyze.batching``).
"""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from services.analyze.batching import Batching, BatchingSession, Feeds, batched, with_batch_dimension
from services.analyze.installed import read_model
from services.analyze.registry import load_registry
from services.analyze.runtime import session_of
from services.contracts.errors import Corrupt

Array = NDArray[Any]


class Recording:
    """A session that doubles what it is given, remembers how many pictures each run had, and can be made to fail."""

    def __init__(self, error: Exception | None = None) -> None:
        self.sizes: list[int] = []
        self.error = error

    def run(self, names: Sequence[str] | None, feeds: Feeds) -> list[Array]:
        self.sizes.append(len(feeds["x"]))
        if self.error is not None:
            raise self.error
        return [feeds["x"] * 2]

    def get_inputs(self) -> list[Any]:
        return []

    def get_providers(self) -> list[str]:
        return ["CPUExecutionProvider"]


def together(session: BatchingSession, pictures: Sequence[Array]) -> list[Array]:
    """Every picture from a thread of its own, all at once."""
    gate = threading.Barrier(len(pictures))

    def look(picture: Array) -> Array:
        gate.wait(5)
        return session.run(None, {"x": picture})[0]

    with ThreadPoolExecutor(len(pictures)) as pool:
        return list(pool.map(look, pictures))


def test_pictures_that_come_together_run_together_and_each_gets_its_own() -> None:
    inner = Recording()
    pictures = [np.full((1, 2), number, np.float32) for number in range(8)]
    found = together(BatchingSession(inner, Batching(4, wait_s=5.0)), pictures)
    assert inner.sizes == [4, 4]
    assert [float(output[0, 0]) for output in found] == [2.0 * number for number in range(8)]
    assert all(output.shape == (1, 2) for output in found)


def test_one_alone_waits_no_longer_than_told() -> None:
    inner = Recording()
    begun = time.monotonic()
    BatchingSession(inner, Batching(8, wait_s=0.05)).run(None, {"x": np.zeros((1, 2))})
    assert inner.sizes == [1] and 0.04 < time.monotonic() - begun < 2.0


def test_other_shapes_are_other_batches() -> None:
    inner = Recording()
    pictures = [np.zeros((1, 2 + number % 2), np.float32) for number in range(4)]
    found = together(BatchingSession(inner, Batching(2, wait_s=5.0)), pictures)
    assert inner.sizes == [2, 2] and [output.shape for output in found] == [(1, 2), (1, 3), (1, 2), (1, 3)]


def test_a_run_that_fails_fails_for_everybody_in_it_and_the_next_goes_on() -> None:
    inner = Recording(RuntimeError("out of memory"))
    session = BatchingSession(inner, Batching(2, wait_s=5.0))
    with ThreadPoolExecutor(2) as pool:
        looks = [pool.submit(session.run, None, {"x": np.zeros((1, 2))}) for _ in range(2)]
        assert [str(look.exception(5)) for look in looks] == ["out of memory"] * 2
    inner.error = None
    assert together(session, [np.ones((1, 2)), np.ones((1, 2))])[0].sum() == 4


def test_the_packaged_detector_gives_the_same_in_a_batch() -> None:
    entry = load_registry()["drawn-person"]
    body = read_model(entry, None).body
    session = batched(body, entry.name, Batching(3, wait_s=5.0), lambda given: session_of(given, entry.name))
    assert isinstance(session, BatchingSession)
    [wanted] = session_of(body, entry.name).get_inputs()
    rng = np.random.default_rng(1)
    pictures = [(rng.random(wanted.shape) * 255).astype(np.float32) for _ in range(3)]
    alone = [session_of(body, entry.name).run(None, {wanted.name: picture})[0] for picture in pictures]
    with ThreadPoolExecutor(3) as pool:
        found = list(pool.map(lambda picture: session.run(None, {wanted.name: picture})[0], pictures))
    for one, other in zip(found, alone, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-3, atol=1e-3)


def test_a_model_that_mixes_its_pictures_runs_them_one_by_one(capsys: pytest.CaptureFixture[str]) -> None:
    """Its output is a sum over the first dimension: a batch would give one picture what another shows."""
    graph = helper.make_graph(
        [helper.make_node("ReduceSum", ["x"], ["s"], keepdims=1), helper.make_node("Add", ["x", "s"], ["y"])],
        "mixing",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 4])],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    session = batched(model.SerializeToString(), "mixing", Batching(4), lambda given: session_of(given, "mixing"))
    assert not isinstance(session, BatchingSession)
    assert "cannot be batched" in capsys.readouterr().out


def test_an_input_without_a_dimension_of_pictures_is_refused() -> None:
    graph = helper.make_graph(
        [helper.make_node("Identity", ["x"], ["y"])], "flat",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [416, 416])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [416, 416])],
    )  # fmt: skip
    with pytest.raises(Corrupt, match="dimension of one picture"):
        with_batch_dimension(onnx.ModelProto.SerializeToString(helper.make_model(graph)))
