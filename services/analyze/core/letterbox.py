"""How a picture is laid into a model's input: scaled to fit and padded (at the top left, or in the middle), or stretched."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Boxes = NDArray[np.float32]  # (n, 4): x1, y1, x2, y2 in pixels
Fit = Literal["letterbox_top_left", "letterbox_centre", "stretch"]

#: Grey level of the padding, as YOLOX was trained with.
PADDING = 114


@dataclass(frozen=True, slots=True)
class Letterbox:
    """``content_*`` is the part of the input that the picture fills, from (``left``, ``top``) on; all even, so that 4:2:0
    chroma planes fit it too."""

    picture_width: int
    picture_height: int
    input_width: int
    input_height: int
    content_width: int
    content_height: int
    left: int = 0
    top: int = 0
    _scale: Boxes = field(init=False, repr=False, compare=False)
    _shift: Boxes = field(init=False, repr=False, compare=False)
    _limit: Boxes = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        scale = [self.picture_width / self.content_width, self.picture_height / self.content_height] * 2
        object.__setattr__(self, "_scale", np.array(scale, np.float32))
        object.__setattr__(self, "_shift", np.array([self.left, self.top] * 2, np.float32))
        object.__setattr__(self, "_limit", np.array([self.picture_width, self.picture_height] * 2, np.float32))

    def to_picture(self, boxes: Boxes) -> Boxes:
        """Map boxes (n, 4) from input pixels to picture pixels, cut at the picture's borders."""
        mapped = (boxes - self._shift) * self._scale
        np.maximum(mapped, 0, out=mapped)
        return np.asarray(np.minimum(mapped, self._limit, out=mapped), np.float32)


def fit(picture_width: int, picture_height: int, input_width: int, input_height: int) -> Letterbox:
    """The largest even content size with the picture's aspect (to within a pixel) inside the input."""
    if picture_width * input_height >= picture_height * input_width:
        width, height = input_width, _even(picture_height * input_width, picture_width)
    else:
        width, height = _even(picture_width * input_height, picture_height), input_height
    return Letterbox(picture_width, picture_height, input_width, input_height, width // 2 * 2, height // 2 * 2)


def lay(how: Fit, picture_width: int, picture_height: int, input_width: int, input_height: int) -> Letterbox:
    """How a model wants its pictures laid in."""
    if how == "stretch":
        return Letterbox(picture_width, picture_height, input_width, input_height, input_width, input_height)
    box = fit(picture_width, picture_height, input_width, input_height)
    if how == "letterbox_top_left":
        return box
    left, top = (input_width - box.content_width) // 4 * 2, (input_height - box.content_height) // 4 * 2
    content = box.content_width, box.content_height
    return Letterbox(picture_width, picture_height, input_width, input_height, *content, left, top)


def cut_to_aspect(
    picture_width: int, picture_height: int, input_width: int, input_height: int, multiple: int
) -> tuple[int, int]:
    """(width, height) of the smallest input, sides a multiple of ``multiple``, that holds the picture as ``fit`` scales it."""
    box = fit(picture_width, picture_height, input_width, input_height)
    width, height = (-(-side // multiple) * multiple for side in (box.content_width, box.content_height))
    return min(width, input_width), min(height, input_height)


def _even(numerator: int, denominator: int) -> int:
    """The even number nearest to a fraction, at least 2; in integers, so that 432 * 416 / 768 is 234 and not 232."""
    return max(2, (numerator + denominator) // (2 * denominator) * 2)
