"""Finds people in decoded frames with an activated model: one ONNX Runtime session per model and aspect, shared by all cameras.

A model is fitted to the aspect of the pictures it gets (``services.analyze.surgery``), the first time such a picture comes;
what that did to its boxes is measured then and there. A model that surgery does not know, or whose boxes would move, is used as
published.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import structlog
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from services.analyze.batching import SINGLY, Batching, batched
from services.analyze.core.detection import Detections
from services.analyze.core.letterbox import fit
from services.analyze.installed import InstalledModel
from services.analyze.looking import Looker, PublishedLooker, SurgicalLooker, plan_for
from services.analyze.parity import operate_within
from services.analyze.parity_pictures import pictures
from services.analyze.registry import ModelEntry
from services.analyze.runtime import CPU, session_of
from services.analyze.scaling import planes_of
from services.analyze.surgery.graph import Unrecognised
from services.analyze.surgery.operation import Operated
from services.backbone.metrics import ANALYSIS_MODEL

_log = structlog.get_logger(__name__)

#: Aspects kept ready at once; a camera with yet another one gets the model as published.
_MOST_VARIANTS = 8
#: Pictures that a variant is measured on when a camera first needs it (installation measures on more).
_PICTURES, _PICTURE_SIDE = 2, 640


@dataclass(frozen=True, slots=True)
class _Variant:
    """A session for one input size; ``operated`` is ``None`` where it runs the model as published."""

    session: Any
    operated: Operated | None


class Model:
    """An activated model: what it is, and the sessions that run it. Safe to use from several threads."""

    def __init__(self, installed: InstalledModel, provider: str, batching: Batching = SINGLY) -> None:
        self.entry: ModelEntry = installed.entry
        self.sha256 = installed.sha256
        self._body = installed.body
        self._provider = provider
        self._batching = batching
        self._lock = threading.Lock()
        self._published: Any = None
        self._variants: dict[tuple[int, int], _Variant] = {}
        self._whole, self._kept_whole = installed.as_published, installed.kept_whole
        if self._whole:
            _log.warning("model is used as published, without surgery, as its installer asked", model=self.name)

    @property
    def name(self) -> str:
        return self.entry.name

    @property
    def session(self) -> Any:
        """The session of the model as published."""
        with self._lock:
            return self._published_session()

    def looker(self, picture_width: int, picture_height: int, score: float) -> Looker:
        """A way through the model for one camera's pictures of this size."""
        variant = self.variant(picture_width, picture_height)
        if variant.operated is None:
            return PublishedLooker(variant.session, self.entry, score)
        return SurgicalLooker(variant.session, variant.operated, self.entry, score)

    def variant(self, picture_width: int, picture_height: int) -> _Variant:
        """The session for pictures of this size, fitted the first time. Takes a few tenths of a second then."""
        plan = plan_for(self.entry, picture_width, picture_height)
        with self._lock:
            known = self._variants.get((plan.width, plan.height))
            if known is None:
                whole = self._whole or len(self._variants) >= _MOST_VARIANTS
                known = self._as_published() if whole else self._fit(picture_width, picture_height)
                self._variants[plan.width, plan.height] = known
            return known

    def _fit(self, picture_width: int, picture_height: int) -> _Variant:
        small = fit(picture_width, picture_height, _PICTURE_SIDE, _PICTURE_SIDE)
        size = small.content_width, small.content_height
        if min(size) < 64:
            return self._as_published()
        published = self._published_session()
        try:
            shown = list(pictures(*size, _PICTURES))
            operated, parity = operate_within(
                self.entry, self._body, published, size, shown, f"{size[0]}x{size[1]}", self._kept_whole
            )
        except Unrecognised as reason:
            _log.warning("surgery does not know this model: it runs as published, at up to twice the cost",
                         model=self.name, reason=str(reason))  # fmt: skip
            return self._as_published()
        if parity.complaint is not None:
            _log.error("surgery would move this model's boxes: it runs as published, at up to twice the cost",
                       model=self.name, parity=str(parity), complaint=parity.complaint)  # fmt: skip
            return self._as_published()
        _log.info("model fitted", model=self.name, done=operated.done, left=operated.left, parity=str(parity))
        return _Variant(self._open(operated.body), operated)

    def _as_published(self) -> _Variant:
        return _Variant(self._published_session(), None)

    def _published_session(self) -> Any:
        if self._published is None:
            self._published = self._open(self._body)
        return self._published

    def _open(self, body: bytes) -> Any:
        session = batched(body, self.name, self._batching, lambda given: session_of(given, self.name, self._provider))
        ANALYSIS_MODEL.labels(self.name).info({"wanted": self._provider, "provider": str(session.get_providers()[0])})
        return session

    @property
    def provider(self) -> str:
        """What really runs the model as published, in ONNX Runtime's words; not always what was wanted."""
        return str(self.session.get_providers()[0])


def activate(installed: InstalledModel, provider: str = CPU, batching: Batching = SINGLY) -> Model:
    """Make a session of a verified model; says in the log what was activated and on whose assessment (R-24)."""
    model = Model(installed, provider, batching)
    _log.info(
        "model activated", model=model.name, sha256=model.sha256, licence=model.entry.licence,
        assessment=model.entry.assessment, provider=model.provider, scope=model.entry.scope,
    )  # fmt: skip
    return model


@dataclass(slots=True)
class PersonDetector:
    """Finds people in one camera's frames. Holds that camera's buffers, so one caller at a time; the sessions are shared."""

    model: Model
    least_score: float
    _looker: Looker | None = None
    _size: tuple[int, int] = (0, 0)
    _kinds: NDArray[np.int32] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._kinds = np.full(self.model.entry.class_count, -1, np.int32)
        for number, kind in self.model.entry.kinds.items():
            self._kinds[number] = kind

    def detect(self, frame: VideoFrame) -> Detections:
        """People in pixels of the frame, best first, with a score of at least ``least_score``; classes are ``Kind``s."""
        planes = planes_of(frame)
        found = self._looker_for(planes.size).find(planes)
        if not len(found):
            return found
        return Detections(found.boxes, found.scores, self._kinds[found.classes])

    def _looker_for(self, size: tuple[int, int]) -> Looker:
        if self._looker is None or size != self._size:
            self._looker, self._size = self.model.looker(*size, self.least_score), size
        return self._looker
