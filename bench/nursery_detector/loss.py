"""What the network is told: which cells answer for whom (SimOTA: Ge et al., "YOLOX", 2021, 2.2), and how wrong they are."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, one_hot

from bench.nursery_detector.network import CLASSES, to_boxes

_RADIUS_CELLS = 2.0
_MOST_CELLS = 10
_BOX_WEIGHT = 5.0


def iou_pairs(left: Tensor, right: Tensor) -> Tensor:
    """Intersection over union of (n, 4) against (m, 4): (n, m)."""
    low = torch.maximum(left[:, None, :2], right[None, :, :2])
    high = torch.minimum(left[:, None, 2:], right[None, :, 2:])
    shared = (high - low).clamp(min=0).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (left, right)]
    return shared / (areas[0][:, None] + areas[1][None] - shared + 1e-9)


def giou_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """1 - GIoU of paired boxes (n, 4) (Rezatofighi et al., 2019)."""
    low, high = torch.maximum(found[:, :2], wanted[:, :2]), torch.minimum(found[:, 2:], wanted[:, 2:])
    shared = (high - low).clamp(min=0).prod(1)
    union = (found[:, 2:] - found[:, :2]).prod(1) + (wanted[:, 2:] - wanted[:, :2]).prod(1) - shared
    hull = torch.maximum(found[:, 2:], wanted[:, 2:]) - torch.minimum(found[:, :2], wanted[:, :2])
    hull_area = hull.prod(1) + 1e-9
    return 1 - shared / (union + 1e-9) + (hull_area - union) / hull_area


@torch.no_grad()
def assign(
    boxes: Tensor, logits: Tensor, wanted: Tensor, kinds: Tensor, corners: Tensor, strides: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(cells, whom each answers for, its IoU) of one picture. ``wanted`` (m, 4) pixels, ``kinds`` (m,)."""
    centre = (corners + 0.5) * strides
    middle = (wanted[:, :2] + wanted[:, 2:]) / 2
    near = ((centre[None] - middle[:, None]).abs() < _RADIUS_CELLS * strides[None]).all(2)
    inside = ((centre[None] > wanted[:, None, :2]) & (centre[None] < wanted[:, None, 2:])).all(2)
    allowed = near & inside | near & ~inside.any(1, keepdim=True)
    cells = allowed.any(0).nonzero()[:, 0]
    overlap = iou_pairs(wanted, boxes[cells])
    sure = (logits[cells, 1:].sigmoid() * logits[cells, :1].sigmoid()).sqrt().clamp(1e-6, 1 - 1e-6)
    target = one_hot(kinds, len(CLASSES)).float()
    unlike = -(target[:, None] * sure.log()[None] + (1 - target[:, None]) * (1 - sure).log()[None]).sum(2)
    cost = unlike - 3.0 * (overlap + 1e-8).log() + 1e5 * (~allowed[:, cells]).float()
    answers = torch.zeros_like(cost, dtype=torch.bool)
    for row in range(len(wanted)):
        best = overlap[row].topk(min(_MOST_CELLS, len(cells))).values
        count = min(max(1, int(best.sum())), len(cells))
        answers[row, cost[row].topk(count, largest=False).indices] = True
    answers &= allowed[:, cells]
    twice = answers.sum(0) > 1
    if twice.any():
        cheapest = cost[:, twice].argmin(0)
        answers[:, twice] = False
        answers[cheapest, twice.nonzero()[:, 0]] = True
    taken = answers.any(0)
    whom = answers[:, taken].float().argmax(0)
    return cells[taken], whom, overlap[whom, taken.nonzero()[:, 0]]


def loss_of(
    output: Tensor, wanted: list[Tensor], ignored: list[Tensor], corners: Tensor, strides: Tensor
) -> tuple[Tensor, dict[str, float]]:
    """Loss of a batch. ``wanted`` (m, 5): kind, x1, y1, x2, y2; ``ignored`` (k, 4): people too hidden to ask for or forbid."""
    boxes = to_boxes(output, corners, strides)
    known = boxes.detach(), output[..., 4:].detach()
    objects, weights = torch.zeros_like(known[1][..., 0]), torch.ones_like(known[1][..., 0])
    centre = (corners + 0.5) * strides
    rows, places, targets = [], [], []
    for number, (people, hidden) in enumerate(zip(wanted, ignored)):  # noqa: B905  torch 1.13's Python may be older
        if len(hidden):
            weights[number, _covered(centre, hidden)] = 0.0
        if not len(people):
            continue
        kinds = people[:, 0].long()
        cells, whom, overlap = assign(known[0][number], known[1][number], people[:, 1:], kinds, corners, strides)
        objects[number, cells], weights[number, cells] = 1.0, 1.0
        rows.append(cells + number * len(corners))
        places.append(people[whom, 1:])
        targets.append(one_hot(kinds[whom], len(CLASSES)).float() * overlap.clamp(min=0.2)[:, None])
    object_loss = binary_cross_entropy_with_logits(output[..., 4], objects, weights, reduction="sum")
    if not rows:
        return object_loss, {"box": 0.0, "kind": 0.0, "object": float(object_loss)}
    answering = torch.cat(rows)
    box_loss = giou_loss(boxes.reshape(-1, 4)[answering], torch.cat(places)).sum()
    logits = output[..., 5:].reshape(-1, len(CLASSES))[answering]
    kind_loss = binary_cross_entropy_with_logits(logits, torch.cat(targets), reduction="sum")
    several = len(answering)
    parts = {"box": _BOX_WEIGHT * box_loss / several, "kind": kind_loss / several, "object": object_loss / several}
    return sum(parts.values()), {name: float(part) for name, part in parts.items()}


def _covered(points: Tensor, boxes: Tensor) -> Tensor:
    """Which of (n, 2) points lie in any of (k, 4) boxes: (n,)."""
    after, before = points[:, None] > boxes[None, :, :2], points[:, None] < boxes[None, :, 2:]
    return (after & before).all(2).any(1)
