"""How a picture lies in a model's input, for every way of laying it there, and the way back for boxes and points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from services.analyze.core.detection import Vector

Fit = Literal["letterbox_top_left", "letterbox_centre", "stretch"]


@dataclass(frozen=True, slots=True)
class Placement:
    """The picture fills ``content_*`` pixels of the input from (``left``, ``top``) on; the rest is padding."""

    picture_width: int
    picture_height: int
    left: int
    top: int
    content_width: int
    content_height: int

    def points_to_picture(self, points: Vector) -> Vector:
        """Points (…, 2) as x, y in input pixels → pixels of the picture. Not cut at its borders: a limb may lie outside."""
        scale = np.array(
            [self.picture_width / self.content_width, self.picture_height / self.content_height], np.float32
        )
        return np.asarray((points - np.array([self.left, self.top], np.float32)) * scale, np.float32)

    def boxes_to_picture(self, boxes: Vector) -> Vector:
        """Boxes (n, 4) in input pixels → pixels of the picture, cut at its borders."""
        mapped = self.points_to_picture(boxes.reshape(-1, 2, 2)).reshape(-1, 4)
        limit = np.array([self.picture_width, self.picture_height] * 2, np.float32)
        return np.asarray(np.clip(mapped, 0, limit), np.float32)


def place(picture_width: int, picture_height: int, input_width: int, input_height: int, fit: Fit) -> Placement:
    """Lay a picture into an input: stretched over all of it, or as large as its aspect allows."""
    if fit == "stretch":
        return Placement(picture_width, picture_height, 0, 0, input_width, input_height)
    ratio = min(input_width / picture_width, input_height / picture_height)
    width = min(input_width, max(1, round(picture_width * ratio)))
    height = min(input_height, max(1, round(picture_height * ratio)))
    centred = fit == "letterbox_centre"
    left, top = ((input_width - width) // 2, (input_height - height) // 2) if centred else (0, 0)
    return Placement(picture_width, picture_height, left, top, width, height)
