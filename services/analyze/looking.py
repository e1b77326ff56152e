"""One camera's way through one model: planes of a frame in, boxes in pixels of that frame out. Holds that camera's buffers.

Two ways: ``SurgicalLooker`` for a model after surgery (planes in), ``PublishedLooker`` for a model as published (BGR or RGB in).
The second costs half as much again or more; it is there for models that surgery does not know, and to measure the first against.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from services.analyze.core.decoders.adapter import Head
from services.analyze.core.detection import Detections
from services.analyze.core.letterbox import Letterbox, cut_to_aspect
from services.analyze.registry import CUT_FIT, ModelEntry, ModelInput
from services.analyze.scaling import Form, InputScaler, Planes, PlaneScaler
from services.analyze.surgery.folding import Colours
from services.analyze.surgery.operation import Operated, Plan
from services.analyze.surgery.stem import CHROMA, LUMA
from services.contracts.errors import Corrupt


class Looker(Protocol):
    """Not thread-safe; sessions behind it may be shared."""

    def find(self, planes: Planes) -> Detections:
        """Boxes in pixels of the picture, best first. Classes are the model's own."""
        ...


class SurgicalLooker:
    """Three resizes into the model's own input buffers, one run, one pass over the scores."""

    def __init__(self, session: Any, operated: Operated, entry: ModelEntry, score: float) -> None:
        self._run = session.run
        self._scaler = PlaneScaler(operated.width, operated.height, entry.input.fit, entry.input.pad)
        self._feeds = {LUMA: self._scaler.luma, CHROMA: self._scaler.chroma}
        if entry.input.size_input is not None:
            self._feeds[entry.input.size_input] = _size_feed(operated.width, operated.height)
        wanted = [operated.classes.index(number) for number in entry.person_classes]
        head = entry.head(score=score, classes=entry.person_classes)
        self._head = replace(
            head, width=operated.width, height=operated.height,
            class_count=len(operated.classes), classes=tuple(wanted),
        )  # fmt: skip
        self._numbers = np.asarray(operated.classes, np.int32)
        self._decode = entry.adapter.decode

    def find(self, planes: Planes) -> Detections:
        laid = self._scaler.fill(planes)
        return _boxes(self._decode, self._run(None, self._feeds), self._head, laid, self._numbers)


class PublishedLooker:
    """The input as the model's publisher made it."""

    def __init__(self, session: Any, entry: ModelEntry, score: float) -> None:
        self._run = session.run
        wanted = entry.input
        self._scaler = InputScaler(wanted.width, wanted.height, form_of(wanted))
        self._input = wanted.name
        self._more = (
            {wanted.size_input: _size_feed(wanted.width, wanted.height)} if wanted.size_input is not None else {}
        )
        self._head = entry.head(score=score, classes=entry.person_classes)
        self._decode = entry.adapter.decode

    def find(self, planes: Planes) -> Detections:
        tensor, laid = self._scaler.fill(planes)
        return _boxes(self._decode, self._run(None, {self._input: tensor, **self._more}), self._head, laid)


def plan_for(entry: ModelEntry, picture_width: int, picture_height: int) -> Plan:
    """What surgery should make of a model for pictures of this size. An input keeps its size if its entry says ``uncut``, or if
    pictures are stretched into it or laid into its middle (cut on both sides, they would shift against the grid of cells)."""
    size = entry.input.width, entry.input.height
    if entry.input.fit == CUT_FIT and not entry.input.uncut:
        size = cut_to_aspect(picture_width, picture_height, *size, entry.adapter.multiple)
    colours = Colours(entry.input.colour, entry.input.scale, entry.input.mean, entry.input.std)
    return Plan(entry.decoder, colours, *size, entry.class_count, entry.person_classes)


def form_of(wanted: ModelInput) -> Form:
    return Form(
        wanted.fit, wanted.pad, wanted.colour, wanted.scale, wanted.mean, wanted.std, wanted.layout, wanted.dtype
    )


def _size_feed(width: int, height: int) -> Any:
    return np.array([[width, height]], np.int64)


def _boxes(
    decode: Any, outputs: Any, head: Head, laid: Letterbox, numbers: NDArray[np.int32] | None = None
) -> Detections:
    """In pixels of the picture. ``numbers``: what the classes of a model that surgery has cut are in the model's own."""
    found = decode(outputs, head)
    if not isinstance(found, Detections):
        raise Corrupt(f"the model gave a {type(found).__name__}; a detector gives boxes")
    if not len(found):
        return found
    classes = found.classes if numbers is None else numbers[found.classes]
    return Detections(laid.to_picture(found.boxes), found.scores, classes)
