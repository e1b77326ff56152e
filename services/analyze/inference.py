"""Runs any model of the registry on a picture: prepare, run, read, and back into the picture's own pixels.

Belongs here: the general way, for models that look now and then (posture, fire, faces) and for detectors without a fast way of
their own. Does not belong here: the path that every analysed frame of every camera takes (``detector.py``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Protocol

import numpy as np

from services.analyze.core.decoders.adapter import Head, Output
from services.analyze.core.detection import Detections
from services.analyze.core.findings import Faces, Finding, Pose, with_kinds
from services.analyze.core.placement import Placement
from services.analyze.preparing import InputPreparer, PictureLike
from services.analyze.registry import ModelEntry
from services.contracts.errors import Corrupt


class Runnable(Protocol):
    """An activated model: its entry and an ONNX Runtime session of its verified file."""

    @property
    def entry(self) -> ModelEntry: ...
    @property
    def session(self) -> Any: ...


@dataclass(slots=True)
class PictureModel:
    """One model on pictures of one source. Holds that source's buffers, so one caller at a time; the session is shared.

    ``least_score`` replaces the entry's own floor.
    """

    model: Runnable
    least_score: float | None = None
    _preparer: InputPreparer = field(init=False)
    _head: Head = field(init=False)

    def __post_init__(self) -> None:
        self._preparer = InputPreparer(self.model.entry.input)
        self._head = self.model.entry.head(score=self.least_score)

    def run(self, picture: PictureLike) -> Finding:
        """What the model finds, in pixels of the picture; classes are ``Kind`` numbers. ``Corrupt``: the model gave nonsense."""
        tensor, placement = self._preparer.fill(picture)
        entry = self.model.entry
        finding = entry.adapter.decode(run_session(self.model.session, entry, tensor), self._head)
        return _in_picture(finding, placement, entry)

    def detect(self, picture: PictureLike) -> Detections:
        """:meth:`run` of a model that detects; ``Corrupt`` of any other."""
        found = self.run(picture)
        if not isinstance(found, Detections):
            raise Corrupt(f"{self.model.entry.name} is a model for task {self.model.entry.task}; it detects no objects")
        return found


def run_session(session: Any, entry: ModelEntry, tensor: Output) -> list[Output]:
    """The raw outputs of a session for a prepared input. ``Corrupt`` when the graph fails on it."""
    feeds: dict[str, Output] = {entry.input.name: tensor}
    if entry.input.size_input is not None:
        feeds[entry.input.size_input] = np.array([[entry.input.width, entry.input.height]], np.int64)
    try:
        return [np.asarray(output) for output in session.run(None, feeds)]
    except Exception as error:  # onnxruntime raises a family of pybind exceptions without a common base
        raise Corrupt(f"{entry.name}: the model fails on a picture: {str(error)[:300]}") from error


def _in_picture(finding: Finding, placement: Placement, entry: ModelEntry) -> Finding:
    match finding:
        case Detections():
            return with_kinds(_boxes(finding, placement), entry.kinds)
        case Faces():
            return Faces(_boxes(finding.found, placement), placement.points_to_picture(finding.points))
        case Pose():
            places = placement.points_to_picture(finding.points[:, :2])
            return Pose(np.concatenate([places, finding.points[:, 2:]], axis=1))
        case _:
            return finding


def _boxes(found: Detections, placement: Placement) -> Detections:
    return replace(found, boxes=placement.boxes_to_picture(found.boxes))
