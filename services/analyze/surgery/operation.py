"""All three cuts on one model, in the order that leaves each its footing: input size, head, stem."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from services.analyze.surgery.folding import Colours
from services.analyze.surgery.graph import Graph, Unrecognised
from services.analyze.surgery.head import classes_in, keep_channels
from services.analyze.surgery.resize import resize_input
from services.analyze.surgery.stem import take_planes

#: Goes up whenever the same file would come out otherwise; receipts name it.
SURGERY_VERSION = 1


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do. ``width`` × ``height`` is the wanted input; ``used`` the classes that anybody asks for, of ``class_count``."""

    decoder: str
    colours: Colours
    width: int
    height: int
    class_count: int
    used: Sequence[int]


@dataclass(frozen=True, slots=True)
class Operated:
    """The result. ``classes``: the model's own numbers of the classes that come out, in order; ``done`` and ``left`` in words."""

    body: bytes
    width: int
    height: int
    classes: tuple[int, ...]
    done: tuple[str, ...]
    left: tuple[str, ...]


@dataclass(slots=True)
class _Record:
    done: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)


def operate(body: bytes, plan: Plan) -> Operated:
    """Cut what can be cut; ``Unrecognised`` when the stem cannot be exchanged, for without it nothing is gained."""
    record = _Record()
    size = published = _size_of(Graph(body))

    def cut_input(graph: Graph) -> str:
        resize_input(graph, plan.width, plan.height)
        return f"input {published[0]}x{published[1]} cut to {plan.width}x{plan.height}"

    if (plan.width, plan.height) != published:
        body, was_cut = _attempt(body, cut_input, "input", record)
        size = (plan.width, plan.height) if was_cut else published
    body, classes = _cut_head(body, plan, record)
    graph = Graph(body)
    record.done.append(take_planes(graph, plan.colours, *size))
    return Operated(graph.finish(), *size, classes, tuple(record.done), tuple(record.left))


def _cut_head(body: bytes, plan: Plan, record: _Record) -> tuple[bytes, tuple[int, ...]]:
    everything = tuple(range(plan.class_count))
    if len(plan.used) == plan.class_count:
        return body, everything

    def cut_head(graph: Graph) -> str:
        outputs = classes_in(plan.decoder, graph, plan.class_count, plan.used)
        if not outputs:
            raise Unrecognised(f"where {plan.decoder} keeps its classes is not known here")
        for name, (axis, kept) in outputs.items():
            keep_channels(graph, name, axis, kept)
        return f"head cut from {plan.class_count} classes to {len(plan.used)}"

    body, was_cut = _attempt(body, cut_head, "head", record)
    return body, tuple(plan.used) if was_cut else everything


def _attempt(body: bytes, cut: Callable[[Graph], str], what: str, record: _Record) -> tuple[bytes, bool]:
    """A cut on a copy: one that fails halfway leaves nothing behind."""
    graph = Graph(body)
    try:
        done = cut(graph)
        after = graph.finish()
    except Unrecognised as reason:
        record.left.append(f"{what} as published: {reason}")
        return body, False
    record.done.append(done)
    return after, True


def _size_of(graph: Graph) -> tuple[int, int]:
    """(width, height) of the published input."""
    if len(graph.inputs) != 1:
        raise Unrecognised(f"the model has {len(graph.inputs)} inputs; one picture was expected")
    sizes = [d.dim_value for d in graph.inputs[0].type.tensor_type.shape.dim]
    if len(sizes) != 4 or sizes[1] != 3 or min(sizes) <= 0:
        raise Unrecognised(f"the model takes {sizes}; (1, 3, height, width) was expected")
    return sizes[3], sizes[2]
