"""Do boxes stay where they were? A model after surgery against the same model as published, on the same pictures.

Two questions. *Exactness*: at the published size, is the result the same function of the planes? Asked with noise, so that it
holds for every model whether or not it finds anything; a wrong kernel cannot pass. *Boxes*: with the input cut to the picture's
aspect, do people stay where they were, at the scores they had? Asked with drawn pictures, and with real ones where given.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from services.analyze.core.detection import Detections, iou_matrix
from services.analyze.looking import Looker, PublishedLooker, SurgicalLooker, plan_for
from services.analyze.parity_pictures import Picture, pictures
from services.analyze.registry import ModelEntry
from services.analyze.runtime import session_of
from services.analyze.scaling import Planes
from services.analyze.surgery.folding import Colours
from services.analyze.surgery.graph import Unrecognised
from services.analyze.surgery.operation import Operated, Plan, operate
from services.analyze.surgery.stem import CHROMA, LUMA
from services.contracts.errors import Corrupt

Size = tuple[int, int]  # (width, height)

#: Aspects that installation measures; others are measured when a camera brings them.
ASPECTS = {"16:9": (640, 360), "4:3": (640, 480), "1:1": (480, 480), "9:16": (360, 640)}
_PICTURES_PER_ASPECT = 4

#: A reference box counts from this score on; its counterpart may lie this much lower and still be it.
_COUNTS, _SLACK = 0.35, 0.15
_SAME_PLACE = 0.5
#: What may move, at most: a box that the trackers would still call the same, a score that no threshold is set finer than.
LEAST_MEAN_IOU, LEAST_IOU, MOST_SCORE_CHANGE = 0.92, 0.75, 0.12
#: Share of boxes that may be lost or come anew on real pictures, where many lie at the threshold.
_STRAY_SHARE = 0.02
#: Largest difference of outputs at the published size, as a share of the largest output.
MOST_DIFFERENCE = 0.005


@dataclass(frozen=True, slots=True)
class Parity:
    """Measured on ``pictures``: ``boxes`` of the published model, how many were ``lost``, how many came ``anew``; intersection
    over union and change of score of the others. ``difference``: exactness, as a share of the largest output."""

    pictures: str
    width: int
    height: int
    boxes: int
    lost: int
    anew: int
    mean_iou: float
    least_iou: float
    mean_score_change: float
    most_score_change: float
    difference: float | None

    @property
    def complaint(self) -> str | None:
        """What moved too far, or ``None``."""
        stray = self.lost + self.anew
        if self.difference is not None and not self.difference <= MOST_DIFFERENCE:
            return (
                f"outputs differ by {self.difference:.2%} of the largest; at most {MOST_DIFFERENCE:.2%} may be rounding"
            )
        if stray > _STRAY_SHARE * self.boxes:
            return f"of {self.boxes} boxes {self.lost} were lost and {self.anew} came anew"
        if self.boxes and (self.mean_iou < LEAST_MEAN_IOU or self.least_iou < LEAST_IOU):
            return f"boxes moved: IoU {self.mean_iou:.3f} in the mean, {self.least_iou:.3f} at worst"
        if self.most_score_change > MOST_SCORE_CHANGE:
            return f"a score changed by {self.most_score_change:.3f}"
        return None

    def facts(self) -> dict[str, object]:
        """For receipts; rounded."""
        return {
            key: float(f"{value:.4g}") if isinstance(value, float) else value for key, value in asdict(self).items()
        }

    def __str__(self) -> str:
        exact = "" if self.difference is None else f", outputs within {self.difference:.1e}"
        return (
            f"{self.pictures} at {self.width}x{self.height}: {self.boxes - self.lost}/{self.boxes} boxes"
            f", IoU {self.mean_iou:.3f} (worst {self.least_iou:.3f})"
            f", score ±{self.mean_score_change:.3f} (worst {self.most_score_change:.3f}){exact}"
        )


@dataclass(frozen=True, slots=True)
class Verdict:
    """What installation says of a model: what surgery did, and what it measured. ``kept_whole``: input sizes (width, height) that
    it must not be cut to, for there boxes moved. ``unrecognised``: used as published, and why."""

    done: tuple[str, ...] = ()
    left: tuple[str, ...] = ()
    kept_whole: tuple[Size, ...] = ()
    parities: tuple[Parity, ...] = ()
    unrecognised: str | None = None

    def facts(self) -> dict[str, object]:
        return {
            "done": list(self.done), "left": list(self.left), "kept_whole": [list(size) for size in self.kept_whole],
            "unrecognised": self.unrecognised,
            "parity": [parity.facts() for parity in self.parities],
        }  # fmt: skip


def examine(entry: ModelEntry, body: bytes, real: Iterable[Picture] = ()) -> Verdict:
    """Operate for every aspect and measure; ``Corrupt`` when boxes move. ``real``: BGR pictures to measure on besides."""
    if not entry.person_classes:
        return Verdict(unrecognised="only detectors of persons look at every frame")
    published = session_of(body, entry.name)
    shown: list[tuple[str, Size, list[Picture]]] = [
        (aspect, size, list(pictures(*size, _PICTURES_PER_ASPECT))) for aspect, size in ASPECTS.items()
    ]
    by_size: dict[Size, list[Picture]] = {}
    for picture in real:
        by_size.setdefault((picture.shape[1] // 2 * 2, picture.shape[0] // 2 * 2), []).append(picture)
    shown += [(f"{len(group)} given, {size[0]}x{size[1]}", size, group) for size, group in by_size.items()]
    results: list[tuple[Operated, Parity]] = []
    try:
        exact = exactness(entry, body, published)
        for name, size, group in shown:
            operated, parity = operate_within(entry, body, published, size, group, name)
            results.append((operated, replace(parity, difference=exact)))
    except Unrecognised as reason:
        return Verdict(unrecognised=str(reason))
    if moved := [f"{parity.pictures}: {parity.complaint}" for _, parity in results if parity.complaint]:
        raise Corrupt(f"{entry.name}: surgery moves its boxes ({'; '.join(moved)})")
    done = dict.fromkeys(line for operated, _ in results for line in operated.done)
    left = dict.fromkeys(line for operated, _ in results for line in operated.left)
    wanted = [(plan.width, plan.height) for plan in (plan_for(entry, *size) for _, size, _ in shown)]
    whole = [
        size for size, (operated, _) in zip(wanted, results, strict=True) if size != (operated.width, operated.height)
    ]
    return Verdict(tuple(done), tuple(left), tuple(dict.fromkeys(whole)), tuple(parity for _, parity in results))


def operate_within(
    entry: ModelEntry,
    body: bytes,
    published: Any,
    size: Size,
    shown: Sequence[Picture],
    name: str,
    kept_whole: Collection[Size] = (),
) -> tuple[Operated, Parity]:
    """The model for pictures of this size, and its parity on them. Where cutting the input moves boxes (or is known to:
    ``kept_whole``), the input stays whole."""
    plan = plan_for(entry, *size)
    whole = entry.input.width, entry.input.height
    if (plan.width, plan.height) in kept_whole:
        plan = replace(plan, width=whole[0], height=whole[1])
    operated = operate(body, plan)
    parity = compare(entry, published, operated, shown, name)
    if parity.complaint is None or (operated.width, operated.height) == whole:
        return operated, parity
    reason = f"input for {name} as published: cut to {plan.width}x{plan.height}, {parity.complaint}"
    operated = operate(body, replace(plan, width=whole[0], height=whole[1]))
    return replace(operated, left=(*operated.left, reason)), compare(entry, published, operated, shown, name)


def compare(
    entry: ModelEntry,
    published: Any,
    operated: Operated,
    shown: Iterable[Picture],
    name: str,
    difference: float | None = None,
) -> Parity:
    """Boxes of both ways over BGR pictures of one size."""
    floor = _COUNTS - _SLACK
    before = PublishedLooker(published, entry, floor)
    after = SurgicalLooker(session_of(operated.body, entry.name), operated, entry, floor)
    overlaps: list[float] = []
    changes: list[float] = []
    boxes = lost = anew = 0
    for picture in shown:
        planes = planes_of_bgr(picture)
        old, new = _find(before, planes), _find(after, planes)
        table = iou_matrix(old.boxes, new.boxes) if len(old) and len(new) else np.zeros((len(old), len(new)))
        for index in np.flatnonzero(old.scores >= _COUNTS):
            boxes += 1
            if not len(new) or table[index].max() < _SAME_PLACE:
                lost += 1
                continue
            match = int(table[index].argmax())
            overlaps.append(float(table[index, match]))
            changes.append(abs(float(new.scores[match] - old.scores[index])))
        anew += sum(
            not len(old) or table[:, index].max() < _SAME_PLACE for index in np.flatnonzero(new.scores >= _COUNTS)
        )
    return Parity(
        name, operated.width, operated.height, boxes, lost, int(anew),
        float(np.mean(overlaps)) if overlaps else 1.0, min(overlaps, default=1.0),
        float(np.mean(changes)) if changes else 0.0, max(changes, default=0.0), difference,
    )  # fmt: skip


def exactness(entry: ModelEntry, body: bytes, published: Any) -> float:
    """Largest difference between the outputs at the published size, as a share of the largest output. Input: noise."""
    wanted = entry.input
    plan = replace(plan_for(entry, wanted.width, wanted.height), width=wanted.width, height=wanted.height)
    everything: Plan = replace(plan, used=tuple(range(entry.class_count)))
    operated = operate(body, everything)
    rng = np.random.default_rng(11)
    luma = rng.integers(40, 200, (1, 1, wanted.height, wanted.width)).astype(np.uint8)
    chroma = rng.integers(100, 156, (1, 2, wanted.height // 2, wanted.width // 2)).astype(np.uint8)
    feeds: dict[str, Any] = {wanted.name: _published_input(plan.colours, luma, chroma)}
    planes: dict[str, Any] = {LUMA: luma, CHROMA: chroma}
    if wanted.size_input is not None:
        feeds[wanted.size_input] = planes[wanted.size_input] = np.array([[wanted.width, wanted.height]], np.int64)
    before = published.run(None, feeds)
    after = session_of(operated.body, entry.name).run(None, planes)
    worst = 0.0
    for old, new in zip(before, after, strict=True):
        finite = np.isfinite(old)
        if old.shape != new.shape or (finite != np.isfinite(new)).any():
            return float("inf")
        largest = float(np.abs(old[finite]).max(initial=1e-6))
        worst = max(worst, float(np.abs(old[finite] - new[finite]).max(initial=0.0)) / largest)
    return worst


def planes_of_bgr(picture: Picture) -> Planes:
    """A BGR picture as a camera would send it: 4:2:0, BT.601, limited range; cut to even sides."""
    height, width = picture.shape[0] // 2 * 2, picture.shape[1] // 2 * 2
    whole = cv2.cvtColor(np.ascontiguousarray(picture[:height, :width]), cv2.COLOR_BGR2YUV_I420)
    block: NDArray[np.uint8] = np.asarray(whole, np.uint8).reshape(-1)
    luma, quarter = width * height, width * height // 4
    first, second = (
        block[luma + start : luma + start + quarter].reshape(height // 2, width // 2) for start in (0, quarter)
    )
    return Planes(block[:luma].reshape(height, width), (first, second), full_range=False)


def _find(looker: Looker, planes: Planes) -> Detections:
    return looker.find(planes)


def _published_input(colours: Colours, luma: NDArray[np.uint8], chroma: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The planes as the published model wants them, by the definition and without rounding or clipping."""
    planes = np.concatenate([luma, chroma.repeat(2, axis=2).repeat(2, axis=3)], axis=1).astype(np.float64)
    zeroed = planes - colours.zero()[None, :, None, None]
    return np.asarray(np.einsum("cp,npyx->ncyx", colours.matrix(), zeroed), np.float32)
