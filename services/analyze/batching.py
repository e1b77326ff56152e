"""Frames of several cameras in one run of the model: for GPUs, where one run of eight costs little more than one of one.

On a CPU batching does not pay (measured: 7.4 to 8.5 ms a frame for batches of 1 to 8), so a batch of one is the default and then
nothing here is in the way. With ``analyze.batch_size`` above 1 the workers hand their inputs over here; the first to come
waits for others, up to ``analyze.batch_wait_ms``, runs them all and gives each its part. ``analyze.threads`` bounds how many can
wait at once, so it should be at least the batch's size.

Models are published for one picture at a time. ``with_batch_dimension`` rewrites the graph for any number, and ``batched`` proves
on random inputs that a batch gives what single runs give before it is used; a model that cannot be batched runs singly, loudly.

NOT RUN HERE: the CUDA and TensorRT providers themselves. There was no GPU where this was built; what is tested is the rewriting,
the collecting and the parity, on the CPU provider. Throughput on a GPU is not known.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import onnx
import structlog
from numpy.typing import NDArray
from onnx import numpy_helper

from services.contracts.errors import Corrupt

_log = structlog.get_logger(__name__)

Feeds = Mapping[str, NDArray[Any]]
_BATCH = "batch"
#: Outputs of a batch may differ from those of single runs by rounding, not by more.
_RELATIVE, _ABSOLUTE = 1e-3, 1e-3


class Session(Protocol):
    """What is used of ``onnxruntime.InferenceSession``."""

    def run(self, names: Sequence[str] | None, feeds: Feeds) -> Sequence[NDArray[Any]]: ...
    def get_inputs(self) -> Sequence[Any]: ...
    def get_providers(self) -> Sequence[str]: ...


@dataclass(frozen=True, slots=True)
class Batching:
    """``size`` 1: no batching. ``wait_s``: the longest that the first of a batch waits for others."""

    size: int = 1
    wait_s: float = 0.005


SINGLY = Batching()


@dataclass(slots=True)
class _Batch:
    """Inputs collected so far. ``full`` is set when nobody more fits, ``done`` when the outputs (or the error) are there."""

    feeds: list[Feeds] = field(default_factory=list)
    full: threading.Event = field(default_factory=threading.Event)
    done: threading.Event = field(default_factory=threading.Event)
    outputs: list[list[NDArray[Any]]] = field(default_factory=list)
    error: BaseException | None = None


class BatchingSession:
    """Looks like a session that takes one picture; runs several together. Safe from any number of threads."""

    def __init__(self, session: Session, batching: Batching) -> None:
        self._session = session
        self._batching = batching
        self._lock = threading.Lock()
        self._open: dict[tuple[object, ...], _Batch] = {}

    def get_inputs(self) -> Sequence[Any]:
        return self._session.get_inputs()

    def get_providers(self) -> Sequence[str]:
        return self._session.get_providers()

    def run(self, names: Sequence[str] | None, feeds: Feeds) -> Sequence[NDArray[Any]]:
        """The outputs for one picture. Raises what the session raises, to everybody whose picture was in the batch."""
        key = tuple((name, value.shape, value.dtype.str) for name, value in sorted(feeds.items())) + tuple(names or ())
        batch, place = self._join(key, feeds)
        if place == 0:
            batch.full.wait(self._batching.wait_s)
            self._close(key, batch)
            self._run(names, batch)
        batch.done.wait()
        if batch.error is not None:
            raise batch.error
        return batch.outputs[place]

    def _join(self, key: tuple[object, ...], feeds: Feeds) -> tuple[_Batch, int]:
        with self._lock:
            batch = self._open.setdefault(key, _Batch())
            batch.feeds.append(feeds)
            place = len(batch.feeds) - 1
            if place + 1 >= self._batching.size:
                del self._open[key]
                batch.full.set()
            return batch, place

    def _close(self, key: tuple[object, ...], batch: _Batch) -> None:
        """Nobody joins any more."""
        with self._lock:
            if self._open.get(key) is batch:
                del self._open[key]

    def _run(self, names: Sequence[str] | None, batch: _Batch) -> None:
        try:
            together = {name: np.concatenate([feeds[name] for feeds in batch.feeds]) for name in batch.feeds[0]}
            outputs = self._session.run(names, together)
            batch.outputs = [[output[i : i + 1] for output in outputs] for i in range(len(batch.feeds))]
        except BaseException as error:
            batch.error = error
        finally:
            batch.done.set()


def batched(body: bytes, name: str, batching: Batching, open_session: Callable[[bytes], Session]) -> Session:
    """A session of a model's bytes that batches, if asked for and if the model allows it; else the plain session."""
    plain = open_session(body)
    if batching.size <= 1:
        return plain
    try:
        wide = open_session(with_batch_dimension(body))
        complaint = _difference(plain, wide)
    except Exception as error:  # a rewriting that ONNX Runtime refuses, in one of its many words
        complaint = str(error)[:300]
    if complaint:
        _log.error("model cannot be batched; its pictures run one by one", model=name, reason=complaint)
        return plain
    _log.info("model takes batches", model=name, size=batching.size, wait_ms=batching.wait_s * 1000)
    return BatchingSession(wide, batching)


def with_batch_dimension(body: bytes) -> bytes:
    """The same model for any number of pictures at once. ``Corrupt`` when its inputs do not begin with a dimension of 1."""
    model = onnx.load_from_string(body)
    graph = model.graph
    weights = {tensor.name for tensor in graph.initializer}
    for value in [*(i for i in graph.input if i.name not in weights), *graph.output]:
        first = value.type.tensor_type.shape.dim[:1]
        if not first or (first[0].HasField("dim_value") and first[0].dim_value != 1):
            raise Corrupt(f"{value.name} does not begin with a dimension of one picture")
        first[0].dim_param = _BATCH
    del graph.value_info[:]  # inferred for one picture
    _free_reshapes(graph)
    return bytes(model.SerializeToString())


def _free_reshapes(graph: Any) -> None:
    """Constant shapes that begin with 1 keep the first dimension of what they reshape instead (0 in ONNX's words)."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    produced = {out: node for node in graph.node for out in node.output}
    for node in graph.node:
        if node.op_type != "Reshape":
            continue
        source = constants.get(node.input[1])
        maker = produced.get(node.input[1])
        if source is None and maker is not None and maker.op_type == "Constant":
            source = next((a.t for a in maker.attribute if a.name == "value"), None)
        if source is None:
            continue
        shape = numpy_helper.to_array(source).copy()
        if shape.ndim == 1 and len(shape) > 1 and shape[0] == 1:
            shape[0] = 0
            source.CopyFrom(numpy_helper.from_array(shape, source.name))


def _difference(plain: Session, wide: Session) -> str:
    """What is wrong with a batch of three random pictures, compared with three single runs; empty if nothing is."""
    rng = np.random.default_rng(11)
    singles = [{given.name: _random(rng, given) for given in plain.get_inputs()} for _ in range(3)]
    expected = [plain.run(None, feeds) for feeds in singles]
    together = wide.run(None, {name: np.concatenate([feeds[name] for feeds in singles]) for name in singles[0]})
    for index, output in enumerate(together):
        if output.shape[0] != len(singles):
            return f"output {index} has {output.shape[0]} rows for {len(singles)} pictures"
        for number, outputs in enumerate(expected):
            if not np.allclose(output[number], outputs[index][0], _RELATIVE, _ABSOLUTE):
                return f"output {index} of a batch differs from that of single runs"
    return ""


def _random(rng: np.random.Generator, given: Any) -> NDArray[Any]:
    shape = [size if isinstance(size, int) else 1 for size in given.shape]
    if given.type == "tensor(uint8)":
        return rng.integers(0, 255, shape).astype(np.uint8)
    if given.type == "tensor(int64)":
        return np.full(shape, 416, np.int64)
    return (rng.random(shape) * 255).astype(np.float16 if given.type == "tensor(float16)" else np.float32)
