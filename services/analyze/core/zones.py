"""Where a person stands: the foot point of a box, and whether it lies in a zone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

Point = tuple[float, float]
Box = tuple[float, float, float, float]

#: A box that begins this near the picture's top (share of its height) is taken to be cut off there.
_CUT_TOP = 0.02
#: … and one that ends below this share of the height reaches the picture's bottom.
_REACHES_BOTTOM = 0.95


class PictureSize(NamedTuple):
    width_px: int
    height_px: int


def foot_point(box: Box, picture: PictureSize) -> Point | None:
    """Bottom centre of the box as fractions of the picture, or ``None`` when the feet are not what the box ends in.

    What is cut off by the picture's top and yet ends above its bottom hangs in from above: an arm over the lens, a coat on a
    hook. Somebody standing there has the head in the picture, or (right before the lens) fills it from top to bottom.
    """
    x1, y1, x2, y2 = box
    if y1 < _CUT_TOP * picture.height_px and y2 < _REACHES_BOTTOM * picture.height_px:
        return None
    return (x1 + x2) / 2 / picture.width_px, min(y2 / picture.height_px, 1.0)


def contains(polygon: Sequence[Point], point: Point) -> bool:
    """Whether a point lies in a polygon (even-odd rule), its border included."""
    x, y = point
    inside = False
    ax, ay = polygon[-1]
    for bx, by in polygon:
        cross = (bx - ax) * (y - ay) - (by - ay) * (x - ax)
        if (
            abs(cross) < 1e-9
            and min(ax, bx) - 1e-9 <= x <= max(ax, bx) + 1e-9
            and min(ay, by) - 1e-9 <= y <= max(ay, by) + 1e-9
        ):
            return True
        if (ay > y) != (by > y) and x < (bx - ax) * (y - ay) / (by - ay) + ax:
            inside = not inside
        ax, ay = bx, by
    return inside
