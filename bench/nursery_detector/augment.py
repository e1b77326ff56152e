"""Changes to pictures while training: mirrored, moved, nearer or farther, lighter, darker, recoloured, grey, blurred, noisy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from bench.nursery_detector.network import HEIGHT, WIDTH

#: Of whom less is seen than this is neither asked for nor forbidden.
LEAST_VISIBLE = 0.25
_LEAST_SIDE_PX = 5.0
_GREY = 114.0


def augmented(
    batch: Tensor, people: list[Tensor], chance: np.random.Generator, *, last: bool
) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """The changed batch, whom to ask for (kind, x1, y1, x2, y2) and whom to pass over (x1, y1, x2, y2).

    ``last``: towards the end of training pictures are changed in their light only, so that it ends on true shapes.
    """
    wanted, ignored, pictures = [], [], []
    for picture, around in zip(batch, people):  # noqa: B905
        placed, boxes = _placed(picture, around[:, 1:5], chance, still=last)
        seen = around[:, 5] * _kept_share(boxes)
        boxes = torch.stack([boxes[:, 0].clamp(0, WIDTH), boxes[:, 1].clamp(0, HEIGHT),
                             boxes[:, 2].clamp(0, WIDTH), boxes[:, 3].clamp(0, HEIGHT)], 1)  # fmt: skip
        sides = torch.minimum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])
        present = sides > 1.0
        asked = present & (seen >= LEAST_VISIBLE) & (sides >= _LEAST_SIDE_PX)
        wanted.append(torch.cat([around[asked, :1], boxes[asked]], 1))
        ignored.append(boxes[present & ~asked])
        pictures.append(_lit(placed, chance))
    return torch.stack(pictures), wanted, ignored


def _kept_share(boxes: Tensor) -> Tensor:
    """The share of each box that lies in the picture."""
    area = (boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1])
    inside = (boxes[:, 2].clamp(0, WIDTH) - boxes[:, 0].clamp(0, WIDTH)) * (
        boxes[:, 3].clamp(0, HEIGHT) - boxes[:, 1].clamp(0, HEIGHT)
    )
    return inside / area.clamp(min=1e-6)


def _placed(picture: Tensor, boxes: Tensor, chance: np.random.Generator, *, still: bool) -> tuple[Tensor, Tensor]:
    mirrored = chance.random() < 0.5
    if mirrored:
        picture = picture.flip(2)
        boxes = torch.stack([WIDTH - boxes[:, 2], boxes[:, 1], WIDTH - boxes[:, 0], boxes[:, 3]], 1)
    if still or chance.random() < 0.3:
        return picture, boxes
    scale = float(np.exp(chance.uniform(np.log(0.65), np.log(1.6))))
    return _nearer(picture, boxes, scale, chance) if scale > 1 else _farther(picture, boxes, scale, chance)


def _nearer(picture: Tensor, boxes: Tensor, scale: float, chance: np.random.Generator) -> tuple[Tensor, Tensor]:
    """A part of the picture as the whole."""
    wide, high = round(WIDTH / scale), round(HEIGHT / scale)
    x, y = int(chance.integers(WIDTH - wide + 1)), int(chance.integers(HEIGHT - high + 1))
    part = picture[None, :, y : y + high, x : x + wide]
    moved = boxes - torch.tensor([x, y] * 2)
    return _resized(part, WIDTH, HEIGHT), moved * torch.tensor([WIDTH / wide, HEIGHT / high] * 2)


def _farther(picture: Tensor, boxes: Tensor, scale: float, chance: np.random.Generator) -> tuple[Tensor, Tensor]:
    """The whole picture as a part, with grey around it."""
    wide, high = round(WIDTH * scale), round(HEIGHT * scale)
    x, y = int(chance.integers(WIDTH - wide + 1)), int(chance.integers(HEIGHT - high + 1))
    placed = torch.full_like(picture, _GREY)
    placed[:, y : y + high, x : x + wide] = _resized(picture[None], wide, high)
    return placed, boxes * torch.tensor([wide / WIDTH, high / HEIGHT] * 2) + torch.tensor([x, y] * 2)


def _resized(picture: Tensor, wide: int, high: int) -> Tensor:
    return interpolate(picture, size=(high, wide), mode="bilinear", align_corners=False)[0]


def _lit(picture: Tensor, chance: np.random.Generator) -> Tensor:
    if chance.random() < 0.15:
        picture = picture.mean(0, keepdim=True).expand(3, -1, -1)
    else:
        cast = torch.from_numpy(chance.uniform(0.85, 1.15, (3, 1, 1))).float()
        grey = picture.mean(0, keepdim=True)
        picture = (grey + (picture - grey) * float(chance.uniform(0.4, 1.5))) * cast
        if chance.random() < 0.15:  # other clothes, other walls
            picture = picture[torch.from_numpy(chance.permutation(3))]
    picture = _toned(picture, chance)
    if chance.random() < 0.2:  # out of focus
        less = float(chance.uniform(0.5, 0.8))
        picture = _resized(_resized(picture[None], round(WIDTH * less), round(HEIGHT * less))[None], WIDTH, HEIGHT)
    if chance.random() < 0.5:
        picture = picture + torch.randn(1, HEIGHT, WIDTH) * float(chance.uniform(1.0, 7.0))
    return picture.clamp(0, 255)


def _toned(picture: Tensor, chance: np.random.Generator) -> Tensor:
    """Gamma, contrast and brightness, looked up for each of 256 values."""
    tones = (np.arange(256) / 255.0) ** float(np.exp(chance.uniform(-0.35, 0.35))) * 255.0
    tones = (tones - _GREY) * float(chance.uniform(0.75, 1.25)) + _GREY + float(chance.uniform(-15, 15))
    values = picture.clamp(0, 255).to(torch.uint8).numpy()
    return torch.from_numpy(np.take(tones.astype(np.float32), values))
