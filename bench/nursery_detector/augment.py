"""Changes to pictures while training: mirrored, moved, nearer or farther, lighter, darker, recoloured, grey, blurred, noisy."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample, interpolate, pad

from bench.nursery_detector.network import HEIGHT, WIDTH

#: Of whom less is seen than this is neither asked for nor forbidden.
LEAST_VISIBLE = 0.25
_LEAST_SIDE_PX = 5.0


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
    scale = float(np.exp(chance.uniform(np.log(0.6), np.log(1.7))))
    room_x, room_y = abs(1 - scale) * WIDTH, abs(1 - scale) * HEIGHT
    shift_x, shift_y = chance.uniform(-0.5, 0.5) * room_x, chance.uniform(-0.5, 0.5) * room_y
    # A point x of the old picture lies at (x - w/2) * scale + w/2 + shift in the new one.
    theta = torch.tensor([[1 / scale, 0, -2 * shift_x / WIDTH / scale], [0, 1 / scale, -2 * shift_y / HEIGHT / scale]])
    where = affine_grid(theta[None].float(), [1, 3, HEIGHT, WIDTH], align_corners=False)
    moved = grid_sample(picture[None] - 114.0, where, mode="bilinear", padding_mode="zeros", align_corners=False)[0]
    centre = torch.tensor([WIDTH / 2, HEIGHT / 2] * 2)
    shift = torch.tensor([shift_x, shift_y] * 2)
    return moved + 114.0, (boxes - centre) * scale + centre + shift


def _lit(picture: Tensor, chance: np.random.Generator) -> Tensor:
    if chance.random() < 0.15:
        picture = picture.mean(0, keepdim=True).expand(3, -1, -1)
    else:
        cast = torch.from_numpy(chance.uniform(0.85, 1.15, (3, 1, 1))).float()
        grey = picture.mean(0, keepdim=True)
        picture = (grey + (picture - grey) * float(chance.uniform(0.4, 1.5))) * cast
        if chance.random() < 0.15:  # other clothes, other walls
            picture = picture[torch.from_numpy(chance.permutation(3))]
    picture = (picture / 255.0).clamp(1e-4, 1.0) ** float(np.exp(chance.uniform(-0.35, 0.35))) * 255.0
    picture = (picture - 114.0) * float(chance.uniform(0.75, 1.25)) + 114.0 + float(chance.uniform(-15, 15))
    turn = chance.random()
    if turn < 0.12:
        picture = avg_pool2d(pad(picture[None], (1, 1, 1, 1), mode="replicate"), 3, 1)[0]
    elif turn < 0.2:
        small = interpolate(picture[None], scale_factor=0.6, mode="bilinear", align_corners=False)
        picture = interpolate(small, size=(HEIGHT, WIDTH), mode="bilinear", align_corners=False)[0]
    if chance.random() < 0.5:
        picture = picture + torch.randn(1, HEIGHT, WIDTH) * float(chance.uniform(1.0, 7.0))
    return picture.clamp(0, 255)
