"""A canvas for the still parts of a room: drawn large, then reduced, so that edges and shadows are soft."""

from __future__ import annotations

import math
from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from services.simulation.perspective import HEIGHT_PX, WIDTH_PX, Pixel, project

Picture = NDArray[np.uint8]
Colour = tuple[int, int, int]
_SCALE = 3
_SHIFT = 4


def colour(text: str) -> Colour:
    """``#RRGGBB`` as red, green, blue."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def shade(base: Colour, factor: float) -> Colour:
    """The same hue, darker (factor < 1) or lighter."""
    red, green, blue = (max(0, min(255, round(channel * factor))) for channel in base)
    return red, green, blue


class Canvas:
    """Points are in pixels of the finished picture; colours are red, green, blue."""

    def __init__(self, ground: Colour) -> None:
        self._large = np.empty((HEIGHT_PX * _SCALE, WIDTH_PX * _SCALE, 3), np.uint8)
        self._large[:] = ground

    def copy(self) -> Canvas:
        """Another canvas with the same picture, to draw on without changing this one."""
        twin = Canvas.__new__(Canvas)
        twin._large = self._large.copy()
        return twin

    def polygon(self, points: Sequence[Pixel], fill: Colour) -> None:
        cv2.fillPoly(self._large, [_fixed(points)], fill, cv2.LINE_AA, _SHIFT)

    def line(self, points: Sequence[Pixel], stroke: Colour, width_px: float) -> None:
        cv2.polylines(
            self._large, [_fixed(points)], False, stroke, max(1, round(width_px * _SCALE)), cv2.LINE_AA, _SHIFT
        )

    def circle(self, centre: Pixel, radius_px: float, fill: Colour) -> None:
        x, y = (round(value * _SCALE * (1 << _SHIFT)) for value in centre)
        cv2.circle(self._large, (x, y), round(radius_px * _SCALE * (1 << _SHIFT)), fill, -1, cv2.LINE_AA, _SHIFT)

    def glow(self, points: Sequence[Pixel], tint: Colour, strength: float, softness_px: float) -> None:
        """Mix a soft-edged patch of ``tint`` into the picture: light where it is bright, shadow where it is dark."""
        # Softness needs no detail: the mask is made at the picture's own size, only as far as it reaches, then enlarged.
        reach = math.ceil(3 * softness_px)
        xs, ys = [x for x, _ in points], [y for _, y in points]
        x0, x1 = max(0, math.floor(min(xs)) - reach), min(WIDTH_PX, math.ceil(max(xs)) + reach)
        y0, y1 = max(0, math.floor(min(ys)) - reach), min(HEIGHT_PX, math.ceil(max(ys)) + reach)
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        cv2.fillPoly(mask, [_fixed([(x - x0, y - y0) for x, y in points], 1)], 255, cv2.LINE_AA, _SHIFT)
        soft = cv2.GaussianBlur(mask.astype(np.float32), (0, 0), softness_px, borderType=cv2.BORDER_REPLICATE)
        soft = cv2.resize(soft, None, fx=_SCALE, fy=_SCALE, interpolation=cv2.INTER_LINEAR)
        weight = (soft * (strength / 255.0))[..., None]
        patch = self._large[y0 * _SCALE : y1 * _SCALE, x0 * _SCALE : x1 * _SCALE]
        patch[:] = (patch * (1 - weight) + np.array(tint, np.float32) * weight).astype(np.uint8)

    def box(
        self, x_m: float, z_m: float, size_m: tuple[float, float, float], face: Colour, *, y_m: float = 0.0
    ) -> None:
        """A cuboid: ``x_m`` its left, ``z_m`` its front, ``size_m`` width, height and depth; with its shadow on the floor."""
        width, height, depth = size_m
        right, top, back = x_m + width, y_m + height, z_m + depth
        if y_m < 0.05:
            foot = [(x_m - 0.1, z_m - 0.12), (right + 0.1, z_m - 0.12), (right + 0.1, back), (x_m - 0.1, back)]
            self.glow([project(x, 0.0, z) for x, z in foot], (40, 34, 30), 0.38, 4.0)
        side = right if right < 0 else x_m if x_m > 0 else None
        if side is not None:
            corners = [(y_m, z_m), (top, z_m), (top, back), (y_m, back)]
            self.polygon([project(side, y, z) for y, z in corners], shade(face, 0.8))
        lid = [(x_m, z_m), (right, z_m), (right, back), (x_m, back)]
        self.polygon([project(x, top, z) for x, z in lid], shade(face, 1.07))
        front = [(x_m, y_m), (right, y_m), (right, top), (x_m, top)]
        self.polygon([project(x, y, z_m) for x, y in front], face)

    def finished(self) -> Picture:
        """The picture at its own size, red green blue."""
        reduced = cv2.resize(self._large, (WIDTH_PX, HEIGHT_PX), interpolation=cv2.INTER_AREA)
        return np.ascontiguousarray(reduced, np.uint8)


def _fixed(points: Sequence[Pixel], scale: int = _SCALE) -> NDArray[np.int32]:
    return np.rint(np.asarray(points, np.float64) * (scale * (1 << _SHIFT))).astype(np.int32)
