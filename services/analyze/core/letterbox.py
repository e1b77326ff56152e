"""How a picture is laid into a model's input: scaled to fit, at the top left, the rest padded (YOLOX's convention)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (n, 4): x1, y1, x2, y2 in pixels

#: Grey level of the padding, as YOLOX was trained with.
PADDING = 114


@dataclass(frozen=True, slots=True)
class Letterbox:
    """``content_*`` is the part of the input that the picture fills; even, so that 4:2:0 chroma planes fit it too."""

    picture_width: int
    picture_height: int
    input_width: int
    input_height: int
    content_width: int
    content_height: int

    def to_picture(self, boxes: Boxes) -> Boxes:
        """Map boxes (n, 4) from input pixels to picture pixels, cut at the picture's borders."""
        scale_x = self.picture_width / self.content_width
        scale_y = self.picture_height / self.content_height
        mapped = boxes * np.array([scale_x, scale_y, scale_x, scale_y], dtype=np.float32)
        limit = np.array([self.picture_width, self.picture_height] * 2, dtype=np.float32)
        return np.clip(mapped, 0, limit).astype(np.float32)


def fit(picture_width: int, picture_height: int, input_width: int, input_height: int) -> Letterbox:
    """The largest even content size with the picture's aspect (to within a pixel) inside the input."""
    if picture_width * input_height >= picture_height * input_width:
        width, height = input_width, _even(picture_height * input_width, picture_width)
    else:
        width, height = _even(picture_width * input_height, picture_height), input_height
    return Letterbox(picture_width, picture_height, input_width, input_height, width // 2 * 2, height // 2 * 2)


def _even(numerator: int, denominator: int) -> int:
    """The even number nearest to a fraction, at least 2; in integers, so that 432 * 416 / 768 is 234 and not 232."""
    return max(2, (numerator + denominator) // (2 * denominator) * 2)
